//! The rules that a request keeps by itself, before its repository or the
//! site's systems are asked anything. Each rule has a code of its own, and all
//! that are broken are told at once. They hold for every door: the API asks
//! them before it stores a request, the command line before it plans or builds.
//!
//! A release that is asked for goes into Koji and into tags, a branch and a user
//! into records, an address into programs: what those would refuse or
//! misunderstand later is refused here.

mod password;
mod text;

use std::{fmt::Display, time::Duration};

use common::{
    failure::{Failure, FailureClass},
    image::Tag,
    nvr::Nvr,
    request::{BuildMode, BuildRequest},
};
use url::Url;

pub(super) use text::shown;
use text::{MAX_ADDRESS, MAX_LINE, repeated, shown_address};

/// Most elements of each list of a request, and most entries of its maps: what
/// the contract carries.
const MAX_ELEMENTS: usize = 32;
const MAX_ENTRIES: usize = 256;
/// Longest value of a label or build argument in bytes.
const MAX_VALUE: usize = 64 * 1024;
/// Longest name of a label or build argument in bytes.
const MAX_NAME: usize = 256;
/// Longest tag in characters.
const MAX_TAG: usize = 128;
/// The part of a unique tag that follows the target: dash, five digits, dash,
/// a time of fourteen digits.
const UNIQUE_SUFFIX: &str = "-00000-00000000000000";

/// Everything that is wrong with a request; empty when it may be planned.
pub fn check(request: &BuildRequest) -> Vec<Failure> {
    let mut found = Vec::new();
    source(request, &mut found);
    kind(request, &mut found);
    release(request, &mut found);
    names(request, &mut found);
    packages(request, &mut found);
    koji(request, &mut found);
    lists(request, &mut found);
    labels_and_arguments(request, &mut found);
    found
}

/// A request that breaks a rule.
pub(super) fn problem(code: &str, message: impl Into<String>, advice: &str) -> Failure {
    Failure::new(FailureClass::User, code, message).with_advice(advice)
}

fn source(request: &BuildRequest, found: &mut Vec<Failure>) {
    let uri = &request.source.uri;
    if uri.is_empty() {
        let advice = "name the git repository by URL, HOST:PATH or path";
        found.push(problem("request.source_missing", "source.uri: no repository is named", advice));
    } else if password::may_hold_one(uri) {
        // The address itself is not told: requests and failures are records.
        let message = "source.uri: the address of the repository holds a user, token or password, or could";
        let advice = "leave everything before '@' out of an http address, and put it into the git credentials \
                      file of the orchestrator";
        found.push(problem("request.source_password", message, advice));
    } else if uri.len() > MAX_ADDRESS || !text::is_word(uri) {
        let message = format!("source.uri: '{}' is no address of a repository", shown_address(uri));
        let advice = "an address has up to 4096 bytes, no spaces and no control characters";
        found.push(problem("request.source_invalid", message, advice));
    }
    if let Some(reference) = &request.source.reference
        && !text::is_reference(reference)
    {
        let message = format!("source.ref: '{}' names no branch, tag or commit", shown(reference));
        found.push(problem("request.reference_invalid", message, text::REFERENCE));
    }
    if let Some(branch) = &request.branch
        && !text::is_reference(branch)
    {
        let message = format!("branch: '{}' is no name of a branch", shown(branch));
        found.push(problem("request.branch_invalid", message, text::REFERENCE));
    }
}

fn kind(request: &BuildRequest, found: &mut Vec<Failure>) {
    let named = match &request.mode {
        BuildMode::Normal => None,
        BuildMode::Scratch => Some("scratch"),
        BuildMode::Isolated { .. } => Some("isolated"),
    };
    if let (Some(named), true) = (named, request.rebuild) {
        found.push(kinds_exclusive(&[named, "rebuild"]));
    }
    if request.flatpak && matches!(request.mode, BuildMode::Isolated { .. }) {
        let message = "flatpak: a Flatpak cannot be an isolated build";
        let advice = "leave one of the two out; a normal build with a release does for most fixes";
        found.push(problem("request.flatpak_isolated", message, advice));
    }
}

/// A build that is to be of several kinds.
pub(super) fn kinds_exclusive(kinds: &[&str]) -> Failure {
    let message = format!("mode: {} exclude one another", kinds.join(" and "));
    problem("request.kinds_exclusive", message, "a build is scratch, isolated, a rebuild, or none of them")
}

fn release(request: &BuildRequest, found: &mut Vec<Failure>) {
    const GRAMMAR: &str = "a release has letters, digits, '.', '_', '+', '~' and '^', and no dash";
    let release = match &request.mode {
        BuildMode::Isolated { release } if release.is_empty() => {
            let message = "release: an isolated build needs a release";
            let advice = "name the release that it fixes and a number, such as 12.1 for the first fix of 12";
            found.push(problem("request.isolated_needs_release", message, advice));
            None
        }
        BuildMode::Isolated { release } => {
            if !text::is_isolated_release(release) {
                let message = format!("release: '{}' is no release of an isolated build", shown(release));
                let advice = "it begins with two numbers and a point between them, such as 12.1 or 12.1.el9";
                found.push(problem("request.isolated_release_format", message, advice));
            }
            Some(release)
        }
        BuildMode::Normal | BuildMode::Scratch => request.release.as_ref(),
    };
    if let Some(release) = release
        && Nvr::new("name", "version", release).is_err()
    {
        let message = format!("release: '{}' is no release that Koji takes", shown(release));
        found.push(problem("request.release_invalid", message, GRAMMAR));
    } else if let Some(release) = release
        && release.len() > MAX_TAG
    {
        let message = format!("release: '{}' is too long for a tag", shown(release));
        found.push(problem("request.release_too_long", message, "a tag has at most 128 characters"));
    }
    if let (BuildMode::Isolated { release }, Some(other)) = (&request.mode, &request.release) {
        let message = format!("release: it is said twice, '{}' and '{}'", shown(release), shown(other));
        found.push(problem("request.release_twice", message, "say it once"));
    }
}

fn names(request: &BuildRequest, found: &mut Vec<Failure>) {
    let user = &request.user;
    if user.len() > MAX_LINE || user.trim() != user || user.chars().any(char::is_control) {
        let message = format!("user: '{}' is no name for records", shown(user));
        let advice = "a name is one line of up to 256 bytes without space around it";
        found.push(problem("request.user_invalid", message, advice));
    }
    if let Some(target) = &request.target {
        let tag = format!("{target}{UNIQUE_SUFFIX}");
        if !text::is_koji_name(target) {
            let message = format!("target: '{}' is no name of a Koji target", shown(target));
            let advice = "a target has up to 256 letters, digits, '.', '_', '+', '-' and '/'";
            found.push(problem("request.target_invalid", message, advice));
        } else if tag.parse::<Tag>().is_err() {
            let message = format!("target: '{}' cannot begin the unique tag of the build", shown(target));
            let advice = "use a target of up to 107 letters, digits, '.', '_' and '-' that begins with \
                          none of '.' and '-'";
            found.push(problem("request.target_no_tag", message, advice));
        }
    }
    if let Some(stream) = &request.image_stream
        && !text::is_stream(stream)
    {
        let message = format!("image_stream: '{}' is no name of an image stream", shown(stream));
        let advice = "a name has up to 253 lower-case letters and digits, with '.', '_' or '-' between them";
        found.push(problem("request.image_stream_invalid", message, advice));
    }
}

fn packages(request: &BuildRequest, found: &mut Vec<Failure>) {
    let (intent, composes, urls) =
        (request.signing_intent.as_ref(), !request.composes.is_empty(), !request.repository_urls.is_empty());
    if let Some(intent) = intent
        && !text::is_plain_name(intent)
    {
        let message = format!("signing_intent: '{}' is no name of a signing intent", shown(intent));
        let advice = "a name has up to 256 letters, digits, '.', '_' and '-'";
        found.push(problem("request.signing_intent_invalid", message, advice));
    }
    if intent.is_some() && composes {
        let message = "signing_intent: composes that exist have been signed already";
        let advice = "leave 'signing_intent' out, or 'composes' and have new ones made";
        found.push(problem("request.signing_intent_with_composes", message, advice));
    }
    if composes && urls {
        let message = "repository_urls: packages come either from composes or from repository files";
        let advice = "leave 'composes' or 'repository_urls' out";
        found.push(problem("request.composes_with_repositories", message, advice));
    }
    // Was accepted once, and the intent silently forgotten.
    if intent.is_some() && urls {
        let message = "signing_intent: nobody knows how packages of repository files were signed";
        let advice = "leave 'signing_intent' or 'repository_urls' out";
        found.push(problem("request.signing_intent_with_repositories", message, advice));
    }
    // One that has too many is refused for that; the first ones stand for the rest.
    for (index, text) in request.repository_urls.iter().take(MAX_ELEMENTS).enumerate() {
        if let Err((code, reason)) = repository_url(text) {
            let message = format!("repository_urls[{index}]: '{}' {reason}", shown_address(text));
            let advice = "give the http or https URL of a .repo file that can be read without a password";
            found.push(problem(code, message, advice));
        }
    }
}

fn repository_url(text: &str) -> Result<(), (&'static str, String)> {
    let bad = |reason: &str| Err(("request.repository_url_invalid", reason.to_owned()));
    if text.len() > MAX_ADDRESS || !text::is_word(text) {
        return bad("is longer than 4096 bytes, or has a space or control character");
    }
    match Url::parse(text) {
        Err(error) => bad(&format!("is no URL: {error}")),
        Ok(url) if url.password().is_some() || !url.username().is_empty() => {
            Err(("request.repository_url_password", "holds a user or a password".to_owned()))
        }
        Ok(url) if !matches!(url.scheme(), "http" | "https") => bad("is neither an http nor an https URL"),
        Ok(url) if url.host_str().is_none_or(str::is_empty) => bad("names no host"),
        Ok(_) => Ok(()),
    }
}

fn koji(request: &BuildRequest, found: &mut Vec<Failure>) {
    for (field, task) in [("koji_task", request.koji_task), ("filesystem_task", request.filesystem_task)] {
        if task == Some(0) {
            let message = format!("{field}: there is no task 0");
            found.push(problem("request.task_invalid", message, "Koji counts its tasks from 1"));
        }
    }
    if let Some(build) = &request.parent_build {
        let is_number = build.parse::<u64>().is_ok_and(|number| number > 0);
        if !is_number && (build.len() > MAX_LINE || build.parse::<Nvr>().is_err()) {
            let message = format!("parent_build: '{}' names no build of Koji", shown(build));
            let advice = "name it by NAME-VERSION-RELEASE, such as fedora-26-9, or by its number";
            found.push(problem("request.parent_build_invalid", message, advice));
        }
    }
    if request.composes.contains(&0) {
        let message = "composes: there is no compose 0";
        found.push(problem("request.compose_invalid", message, "composes are counted from 1"));
    }
    if request.limits.memory_bytes == Some(0) || request.limits.time == Some(Duration::ZERO) {
        let message = "limits: no build ends with no memory or in no time";
        found.push(problem("request.limit_zero", message, "leave the limit out to have the site's"));
    }
}

fn lists(request: &BuildRequest, found: &mut Vec<Failure>) {
    list("platforms", "request.platform_repeated", &request.platforms, found);
    list("destinations", "request.destination_repeated", &request.destinations, found);
    list("repository_urls", "request.repository_url_repeated", &request.repository_urls, found);
    list("composes", "request.compose_repeated", &request.composes, found);
}

fn list<T: PartialEq + Display>(field: &str, code: &str, list: &[T], found: &mut Vec<Failure>) {
    if list.len() > MAX_ELEMENTS {
        found.push(too_many(field, list.len(), MAX_ELEMENTS));
        return;
    }
    if let Some(element) = repeated(list) {
        let message = format!("{field}: '{}' is there more than once", shown(&element.to_string()));
        found.push(problem(code, message, "name each once"));
    }
}

fn too_many(field: &str, count: usize, most: usize) -> Failure {
    let message = format!("{field}: it has {count} entries");
    problem("request.too_many", message, &format!("at most {most} are accepted"))
}

fn labels_and_arguments(request: &BuildRequest, found: &mut Vec<Failure>) {
    for (field, map) in [("labels", &request.labels), ("build_args", &request.build_args)] {
        if map.len() > MAX_ENTRIES {
            found.push(too_many(field, map.len(), MAX_ENTRIES));
        }
        let is_bad = |value: &String| value.len() > MAX_VALUE || value.contains('\0');
        for (name, _) in map.iter().take(MAX_ENTRIES).filter(|(_, value)| is_bad(value)) {
            let message = format!("{field}: the value of '{}' is no text for an image", shown(name));
            let advice = "a value has up to 64 KiB and no NUL character";
            found.push(problem("request.value_invalid", message, advice));
        }
    }
    let is_bad = |name: &&String| name.len() > MAX_NAME || !text::is_label_name(name);
    for name in request.labels.keys().take(MAX_ENTRIES).filter(is_bad) {
        let message = format!("labels: '{}' is no name of a label", shown(name));
        let advice = "a name has up to 256 bytes without space, quote, '=', '\\' or '$'";
        found.push(problem("request.label_name_invalid", message, advice));
    }
    let is_bad = |name: &&String| name.len() > MAX_NAME || !text::is_argument_name(name);
    for name in request.build_args.keys().take(MAX_ENTRIES).filter(is_bad) {
        let message = format!("build_args: '{}' is no name of an ARG instruction", shown(name));
        let advice = "a name has letters, digits, '_', '.' and '-', and begins with a letter or '_'";
        found.push(problem("request.argument_name_invalid", message, advice));
    }
}

#[cfg(test)]
mod tests;
