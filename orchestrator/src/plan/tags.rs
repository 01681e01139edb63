//! Which tags an image gets. Pure.
//!
//! Three classes: **unique** names this very build; **primary** is
//! `{version}-{release}`, which never moves; **floating** are `{version}` and
//! `latest`, which move last of all. A scratch build gets the unique tag only,
//! an isolated one no floating tags.

use std::collections::BTreeMap;

use common::{
    failure::{Failure, FailureClass},
    image::Tag,
    names::BuildId,
    request::{BuildMode, BuildRequest},
};
use jiff::{Timestamp, tz::TimeZone};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

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

impl Tags {
    /// The tags of a build with these labels on its final stage.
    ///
    /// # Errors
    /// Labels or request give a text that is no tag.
    pub fn choose(
        build: &BuildId,
        created_at: Timestamp,
        request: &BuildRequest,
        labels: &BTreeMap<String, String>,
    ) -> Result<Self, Failure> {
        let label = |name: &str| labels.get(name).map(String::as_str).filter(|text| !text.is_empty());
        let version = label("version").or_else(|| label("Version"));
        let release = match &request.mode {
            BuildMode::Isolated { release } => Some(release.as_str()),
            BuildMode::Normal | BuildMode::Scratch => {
                request.release.as_deref().or_else(|| label("release")).or_else(|| label("Release"))
            }
        };
        let mut tags = Self { unique: vec![unique(build, created_at, request)?], ..Self::default() };
        if request.mode == BuildMode::Scratch {
            return Ok(tags);
        }
        if let (Some(version), Some(release)) = (version, release) {
            tags.primary.push(tag(&format!("{version}-{release}"))?);
        }
        if request.mode == BuildMode::Normal {
            if let Some(version) = version {
                tags.floating.push(tag(version)?);
            }
            let latest = Tag::latest();
            if !tags.floating.contains(&latest) {
                tags.floating.push(latest);
            }
        }
        Ok(tags)
    }
}

/// `{target}-{five digits}-{UTC time}`: unlike in the system this follows, the
/// digits come from the build's id, so that a resumed build keeps its tag.
fn unique(build: &BuildId, created_at: Timestamp, request: &BuildRequest) -> Result<Tag, Failure> {
    let hash = Sha256::digest(build.as_str());
    let number = u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]) % 90_000 + 10_000;
    let time = created_at.to_zoned(TimeZone::UTC).strftime("%Y%m%d%H%M%S").to_string();
    let target = request.target.as_deref().unwrap_or("none");
    tag(&format!("{target}-{number}-{time}"))
}

fn tag(text: &str) -> Result<Tag, Failure> {
    text.parse().map_err(|error: common::ParseError| {
        Failure::from_error(FailureClass::Source, "plan.invalid_tag", &error).with_advice(
            "tags are made of the labels 'version' and 'release' and the Koji target; correct those",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(mode: BuildMode, labels: &[(&str, &str)]) -> Result<Tags, Failure> {
        let request = BuildRequest { mode, ..BuildRequest::new("x", None) };
        let labels = labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Tags::choose(&"bld_1".parse().unwrap(), Timestamp::UNIX_EPOCH, &request, &labels)
    }

    fn texts(tags: &[Tag]) -> Vec<&str> {
        tags.iter().map(Tag::as_str).collect()
    }

    #[test]
    fn each_kind_of_build_gets_its_classes() {
        let both = [("version", "1.10"), ("release", "3")];
        let isolated = || BuildMode::Isolated { release: "3.1".into() };
        let cases: &[(BuildMode, &[(&str, &str)], &[&str], &[&str])] = &[
            (BuildMode::Normal, &both, &["1.10-3"], &["1.10", "latest"]),
            (BuildMode::Normal, &both[..1], &[], &["1.10", "latest"]),
            (BuildMode::Normal, &[], &[], &["latest"]),
            (BuildMode::Normal, &[("version", "latest")], &[], &["latest"]),
            (BuildMode::Scratch, &both, &[], &[]),
            (isolated(), &both, &["1.10-3.1"], &[]),
        ];
        for (mode, labels, primary, floating) in cases {
            let tags = choose(mode.clone(), labels).unwrap();
            assert_eq!(texts(&tags.primary), *primary, "{mode:?} {labels:?}");
            assert_eq!(texts(&tags.floating), *floating, "{mode:?} {labels:?}");
            assert_eq!(tags.unique.len(), 1);
        }
    }

    #[test]
    fn the_unique_tag_follows_from_the_build() {
        let tags = choose(BuildMode::Scratch, &[]).unwrap();
        let text = tags.unique[0].as_str();
        assert!(text.starts_with("none-") && text.ends_with("-19700101000000"), "{text}");
        assert_eq!(tags, choose(BuildMode::Scratch, &[]).unwrap());
    }

    #[test]
    fn labels_that_make_no_tag_are_refused() {
        let failure = choose(BuildMode::Normal, &[("version", "1.0+git")]).unwrap_err();
        assert_eq!(failure.code, "plan.invalid_tag");
    }
}
