//! Step: brings the members of all platforms together.
//!
//! Each is checked against the plan, then all against each other. Members that
//! contradict each other are never chosen from: whichever were taken, something
//! would be published that nobody knows the origin of.

use common::{
    failure::{Failure, FailureClass},
    flow::{Context, Stage, Step, event::Member},
    platform::Platform,
    work::{Descriptor, ManifestFormat, Parent},
};
use serde::{Deserialize, Serialize};

use super::BuiltMember;
use crate::{plan::PlatformPlan, services::BuildServices};

/// Collects the members.
#[derive(Serialize)]
pub struct CollectMembers<'a> {
    /// What kind of manifest each must have.
    pub format: ManifestFormat,
    /// What was planned for each platform.
    pub planned: Vec<PlannedMember<'a>>,
    /// What the workers delivered.
    pub members: &'a [BuiltMember],
}

/// What was planned for one platform, as far as its member shows it.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct PlannedMember<'a> {
    /// The platform.
    pub platform: &'a Platform,
    /// Its parents.
    pub parents: &'a [Parent],
}

impl<'a> From<&'a PlatformPlan> for PlannedMember<'a> {
    fn from(plan: &'a PlatformPlan) -> Self {
        Self { platform: &plan.platform, parents: &plan.parents }
    }
}

/// What came together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Collected {
    /// One member for each platform, in the order of the index.
    pub members: Vec<Member>,
    /// The host that built each.
    pub build_hosts: Vec<String>,
}

impl Step<BuildServices> for CollectMembers<'_> {
    const NAME: &'static str = "collect_members";
    const STAGE: Stage = Stage::Publish;
    type Output = Collected;

    async fn run(&self, cx: &Context<'_, BuildServices>) -> Result<Collected, Failure> {
        let problems = problems(self.format, &self.planned, self.members);
        if let Some(failure) = Failure::all(problems) {
            return Err(failure);
        }
        for member in self.members {
            let text = format!(
                "{}: {} ({} bytes), built on {} in {:.1} s",
                member.platform,
                member.manifest.digest,
                member.as_member().size,
                member.build_host,
                member.build_time.as_secs_f64()
            );
            cx.services.say(cx.name, &text).await;
        }
        Ok(Collected {
            members: self.members.iter().map(BuiltMember::as_member).collect(),
            build_hosts: self.members.iter().map(|member| member.build_host.clone()).collect(),
        })
    }
}

/// Everything that is not as planned, and everything that two members disagree on.
fn problems(format: ManifestFormat, planned: &[PlannedMember<'_>], members: &[BuiltMember]) -> Vec<Failure> {
    let mut problems = Vec::new();
    for plan in planned {
        match members.iter().find(|member| member.platform == *plan.platform) {
            Some(member) => problems.extend(member.check(format, plan.parents).err()),
            None => {
                let message = format!("no worker delivered an image for {}", plan.platform);
                problems.push(
                    Failure::new(FailureClass::Internal, "member.missing", message)
                        .on_platform(plan.platform),
                );
            }
        }
    }
    for (position, one) in members.iter().enumerate() {
        if !planned.iter().any(|plan| *plan.platform == one.platform) {
            problems.push(disagreement(one, one, "it was not planned"));
        }
        problems.extend(members[position + 1..].iter().filter_map(|other| contradiction(one, other)));
    }
    problems
}

/// What two members cannot both be; `None` where they can.
fn contradiction(one: &BuiltMember, other: &BuiltMember) -> Option<Failure> {
    let same = |what: fn(&BuiltMember) -> &Descriptor| what(one).digest == what(other).digest;
    let text = if one.platform == other.platform {
        "both are for the same platform"
    } else if one.architecture == other.architecture {
        "both are for the same architecture"
    } else if same(|member| &member.manifest) {
        "both are the same manifest, though each architecture has its own"
    } else if same(|member| &member.config) {
        "both have the same configuration, though each architecture has its own"
    } else if one.manifest.media_type != other.manifest.media_type {
        "their manifests are of different kinds"
    } else {
        return None;
    };
    Some(disagreement(one, other, text))
}

fn disagreement(one: &BuiltMember, other: &BuiltMember, text: &str) -> Failure {
    let name = |member: &BuiltMember| {
        format!("{} of {} (built on {})", member.manifest.digest, member.platform, member.build_host)
    };
    let message = if one == other {
        format!("the image {} cannot be used: {text}", name(one))
    } else {
        format!("the images {} and {} contradict each other: {text}", name(one), name(other))
    };
    Failure::new(FailureClass::Infrastructure, "member.contradicts_another", message)
        .with_advice("a worker or its engine mixes images up; take it out of service")
}

#[cfg(test)]
mod tests {
    use common::{image::Digest, platform::Architecture};

    use super::*;
    use crate::run::members::fixture::member;

    #[test]
    fn members_that_contradict_each_other_are_both_named() {
        let platforms: Vec<Platform> = ["x86_64", "aarch64"].map(|name| name.parse().unwrap()).to_vec();
        let planned: Vec<PlannedMember<'_>> =
            platforms.iter().map(|platform| PlannedMember { platform, parents: &[] }).collect();
        let one = || member("x86_64", "amd64");
        let other = || member("aarch64", "arm64");
        let with = |change: fn(&mut BuiltMember)| {
            let mut changed = other();
            change(&mut changed);
            vec![one(), changed]
        };
        let docker = ManifestFormat::Docker.manifest();
        let rows: Vec<(&str, Vec<BuiltMember>, &[&str], &str)> = vec![
            ("as planned", vec![one(), other()], &[], ""),
            ("one is missing", vec![one()], &["member.missing"], "aarch64"),
            (
                "D8 two of one platform",
                vec![one(), other(), BuiltMember { build_host: "another".to_owned(), ..one() }],
                &["member.contradicts_another"],
                "same platform",
            ),
            (
                "D8 one architecture",
                with(|member| member.architecture = Architecture::plain("amd64")),
                &["member.contradicts_another"],
                "same architecture",
            ),
            (
                "D8 one configuration",
                with(|member| member.config.digest = Digest::of(b"config of x86_64")),
                &["member.contradicts_another"],
                "same configuration",
            ),
            (
                "D8 two kinds",
                vec![
                    one(),
                    BuiltMember {
                        manifest: Descriptor { media_type: docker.to_owned(), ..other().manifest },
                        ..other()
                    },
                ],
                &["member.contradiction", "member.contradicts_another"],
                "different kinds",
            ),
            (
                "not planned",
                vec![one(), other(), member("s390x", "s390x")],
                &["member.contradicts_another"],
                "not planned",
            ),
        ];
        for (case, members, codes, text) in rows {
            let problems = problems(ManifestFormat::Oci, &planned, &members);
            let found: Vec<&str> = problems.iter().map(|problem| problem.code.as_str()).collect();
            assert_eq!(found, codes, "{case}: {problems:?}");
            assert!(
                problems.last().is_none_or(|problem| problem.message.contains(text)),
                "{case}: {problems:?}"
            );
            for problem in problems.iter().filter(|_| case.starts_with("D8")) {
                let both = problem.message.contains("x86_64") && problem.message.contains(" and ");
                assert!(both || problem.code == "member.contradiction", "{case}: {problem}");
            }
        }
    }
}
