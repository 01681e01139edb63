//! Which tags an image gets. Pure.
//!
//! Three classes: **unique** names this very build; **primary** is
//! `{version}-{release}`, which never moves; **floating** are `{version}`,
//! `latest` and the additional tags, which move last of all. Tags in
//! `container.yaml` take the place of all floating ones. A scratch build gets the
//! unique tag only, an isolated one no floating tags. Version and release have no
//! dash: it is what tells a primary tag from all others.

#[cfg(test)]
mod tests;

use common::{
    failure::{Failure, FailureClass},
    image::Tag,
    names::BuildId,
    request::{BuildMode, BuildRequest},
};
use jiff::{Timestamp, tz::TimeZone};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// Longest tag in bytes.
const MAX_BYTES: usize = 128;

/// Tags by class, without repetition.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tags {
    /// Names this very build.
    pub unique: Vec<Tag>,
    /// Names this version and release.
    pub primary: Vec<Tag>,
    /// Move to the newest build.
    pub floating: Vec<Tag>,
}

/// What tags are chosen from.
#[derive(Debug, Clone, Copy)]
pub struct TagInputs<'a> {
    /// The build.
    pub build: &'a BuildId,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// What the user asked for. Its mode decides; a release in it that is
    /// isolated is the release.
    pub request: &'a BuildRequest,
    /// The label `version`.
    pub version: Option<&'a str>,
    /// The label `release`.
    pub release: Option<&'a str>,
    /// Tags of the file `additional-tags`.
    pub additional: &'a [Tag],
    /// Tags of `container.yaml`, if it has such a list.
    pub container_tags: Option<&'a [Tag]>,
    /// The unique tag, where it is given already, as for a build that is replayed.
    pub unique: Option<&'a Tag>,
}

impl Tags {
    /// The tags of a build.
    ///
    /// # Errors
    /// Everything that makes no tag, at once: `tags.version`, `tags.release`,
    /// `tags.version_has_dash`, `tags.release_has_dash`, `tags.target`,
    /// `tags.too_long`.
    pub fn choose(inputs: &TagInputs<'_>) -> Result<Self, Failure> {
        let mut problems = Vec::new();
        let mut tags = Self::default();
        match inputs.unique {
            Some(given) => tags.unique.push(given.clone()),
            None => tags.unique.extend(unique(inputs).map_err(|failure| problems.push(failure)).ok()),
        }
        let request = inputs.request;
        if request.mode != BuildMode::Scratch {
            let version = inputs.version.map(|text| Part { what: "version", text, place: VERSION_PLACE });
            let release = match &request.mode {
                BuildMode::Isolated { release } => Some((release.as_str(), "the request")),
                _ => inputs.release.map(|release| (release, RELEASE_PLACE)),
            };
            let release = release.map(|(text, place)| Part { what: "release", text, place });
            for part in [version, release].into_iter().flatten() {
                problems.extend(part.problems());
            }
            if problems.is_empty() {
                let primary = version.zip(release).map(|(version, release)| primary(version, release));
                tags.primary
                    .extend(primary.transpose().map_err(|failure| problems.push(failure)).ok().flatten());
            }
            if request.mode == BuildMode::Normal {
                tags.floating = floating(inputs);
            }
        }
        if let Some(failure) = Failure::all(problems) {
            return Err(failure);
        }
        let mut seen = Vec::new();
        for class in [&mut tags.unique, &mut tags.primary, &mut tags.floating] {
            // A tag that stays must not be moved as one that floats.
            class.retain(|tag| {
                !seen.contains(tag) && {
                    seen.push(tag.clone());
                    true
                }
            });
        }
        Ok(tags)
    }
}

const VERSION_PLACE: &str = "the label 'version'";
const RELEASE_PLACE: &str = "the label 'release'";

/// Version or release.
#[derive(Clone, Copy)]
struct Part<'a> {
    what: &'static str,
    text: &'a str,
    place: &'static str,
}

impl Part<'_> {
    fn problems(&self) -> Option<Failure> {
        let Self { what, text, place } = self;
        let is_version = *what == "version";
        let shown: String = text.chars().take(80).collect();
        if text.contains('-') {
            let message = format!("the {what} '{shown}' of {place} has a dash");
            let code = if is_version { "tags.version_has_dash" } else { "tags.release_has_dash" };
            return Some(
                Failure::new(FailureClass::Source, code, message)
                    .with_advice("a dash stands between version and release only; use '.' or '_' instead"),
            );
        }
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
        let begins = self.what == "release" || !text.starts_with('.');
        if text.is_empty() || !begins || !text.chars().all(fits) {
            let message = format!("the {what} '{shown}' of {place} cannot be part of a tag");
            return Some(
                Failure::new(
                    FailureClass::Source,
                    if is_version { "tags.version" } else { "tags.release" },
                    message,
                )
                .with_advice("use letters, digits, '_' and '.', and no '.' at the beginning of a version"),
            );
        }
        None
    }
}

fn primary(version: Part<'_>, release: Part<'_>) -> Result<Tag, Failure> {
    let text = format!("{}-{}", version.text, release.text);
    tag(&text, &format!("{} and {}", version.place, release.place), "tags.version")
}

/// Tags that move, the version only if it is one by itself: errors are told of it
/// already.
fn floating(inputs: &TagInputs<'_>) -> Vec<Tag> {
    match inputs.container_tags {
        Some(only) => only.to_vec(),
        None => {
            let version = inputs.version.and_then(|version| version.parse().ok());
            version.into_iter().chain([Tag::latest()]).chain(inputs.additional.iter().cloned()).collect()
        }
    }
}

/// `{target}-{five digits}-{UTC time}`: unlike in the system this follows, the
/// digits come from the build's id, so that a resumed build keeps its tag.
fn unique(inputs: &TagInputs<'_>) -> Result<Tag, Failure> {
    let hash = Sha256::digest(inputs.build.as_str());
    let number = u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]) % 90_000 + 10_000;
    let time = inputs.created_at.to_zoned(TimeZone::UTC).strftime("%Y%m%d%H%M%S").to_string();
    let target = inputs.request.target.as_deref().unwrap_or("none");
    tag(&format!("{target}-{number}-{time}"), "the Koji target of the request", "tags.target")
}

fn tag(text: &str, place: &str, code: &str) -> Result<Tag, Failure> {
    let class = if code == "tags.target" { FailureClass::User } else { FailureClass::Source };
    if text.len() > MAX_BYTES {
        let shown: String = text.chars().take(80).collect();
        let message = format!("the tag '{shown}…' from {place} has {} characters", text.len());
        return Err(Failure::new(class, "tags.too_long", message)
            .with_advice(format!("registries accept at most {MAX_BYTES}; make it shorter")));
    }
    text.parse().map_err(|error: common::ParseError| {
        Failure::new(class, code, format!("from {place}: {error}")).with_advice(
            "tags are made of the labels 'version' and 'release' and the Koji target; correct those",
        )
    })
}
