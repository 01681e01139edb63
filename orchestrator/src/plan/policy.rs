//! The site's rules, asked before anything is built. Pure.

use common::{
    failure::{Failure, FailureClass},
    request::BuildRequest,
};
use globset::Glob;

use super::{Facts, KojiReach, Verdict, catalogue};
use crate::{
    config::{Settings, UnrecordedBuilds},
    repository::remote_host,
};

/// The rule for hosts of repositories.
pub(super) const SOURCES: &str = "policy.allowed_sources";

/// What the rules say that need nothing but the request. A rule that the site
/// does not use says nothing.
pub(super) fn of_request(settings: &Settings, request: &BuildRequest) -> Vec<Verdict> {
    let target = request.target.as_deref().and_then(|target| targets(settings, target));
    [target, sources(settings, &request.source.uri)].into_iter().flatten().collect()
}

/// The verdicts that forbid the build, as problems.
pub(super) fn denials(verdicts: &[Verdict]) -> impl Iterator<Item = Failure> + '_ {
    verdicts.iter().filter(|verdict| !verdict.allowed).map(|verdict| {
        Failure::new(FailureClass::Policy, &verdict.rule, verdict.sentence.clone())
            .with_advice("ask the people of this site, or ask for a build that its rules allow")
    })
}

/// Whether a Koji target may be used. `None` where the site does not care.
pub(super) fn targets(settings: &Settings, target: &str) -> Option<Verdict> {
    let allowed = &settings.policy.allowed_targets;
    if allowed.is_empty() {
        return None;
    }
    let fits = allowed.iter().any(|pattern| matches(pattern, target));
    Some(verdict("policy.allowed_targets", fits, format!("the Koji target '{target}'"), allowed))
}

fn sources(settings: &Settings, uri: &str) -> Option<Verdict> {
    let allowed = &settings.policy.allowed_sources;
    if allowed.is_empty() {
        return None;
    }
    let host = remote_host(uri);
    let fits = host.as_deref().is_some_and(|host| allowed.iter().any(|pattern| matches(pattern, host)));
    let subject = match host {
        Some(host) => format!("the git host '{host}'"),
        None => "a repository on this machine".to_owned(),
    };
    Some(verdict(SOURCES, fits, subject, allowed))
}

/// A site that has Koji wants its builds there.
pub(super) fn records(facts: &Facts<'_>) -> Option<Verdict> {
    if facts.is_scratch() || facts.settings.koji.bridge().is_none() {
        return None;
    }
    let record = catalogue::entry("record_build")?;
    let catalogue::Answer::Skipped(reason) = (record.applies)(facts) else {
        let sentence = match facts.koji {
            KojiReach::NotAsked => "koji-bridge was not asked whether the build would be recorded in Koji",
            _ => "the build is recorded in Koji",
        };
        let sentence = sentence.to_owned();
        return Some(Verdict { rule: "policy.unrecorded_build".to_owned(), allowed: true, sentence });
    };
    let allowed = facts.settings.koji.unrecorded_builds == UnrecordedBuilds::Allow;
    let but = if allowed {
        "which koji.unrecorded_builds allows"
    } else {
        "and koji.unrecorded_builds refuses that"
    };
    let sentence = format!("the build would not be recorded in Koji ({}), {but}", reason.sentence);
    Some(Verdict { rule: "policy.unrecorded_build".to_owned(), allowed, sentence })
}

fn verdict(rule: &str, allowed: bool, subject: String, patterns: &[String]) -> Verdict {
    let says = if allowed { "is among" } else { "is not among" };
    let sentence = format!("{subject} {says} those that the site allows: {}", patterns.join(", "));
    Verdict { rule: rule.to_owned(), allowed, sentence }
}

fn matches(pattern: &str, text: &str) -> bool {
    Glob::new(pattern).is_ok_and(|glob| glob.compile_matcher().is_match(text))
}
