//! Whether the parent that a registry has is the one that Koji recorded. Pure.
//!
//! An index that was written again, in another order or with other members
//! beside, has another digest and the same images. So the index is compared
//! first, and where that differs, the members that are built upon.

use std::collections::{BTreeMap, BTreeSet};

use common::{
    failure::{Failure, FailureClass},
    image::Digest,
    nvr::Nvr,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{RegistryImage, SelectedPlatform};
use crate::{
    config::ParentCheck,
    outside::{KojiArchive, KojiBuild},
};

/// The digests that Koji recorded for a container build.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedDigests {
    /// Those of the index, one for each media type.
    pub index: BTreeSet<Digest>,
    /// Those of the members, by OCI's name of the architecture.
    pub members: BTreeMap<String, BTreeSet<Digest>>,
}

/// The digests of one parent that a build is pinned to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinnedDigests {
    /// That of the index, if it is known.
    pub index: Option<Digest>,
    /// Those of the members that are built upon, by OCI's name of the architecture.
    pub members: BTreeMap<String, Digest>,
}

impl PinnedDigests {
    /// Those of one parent as each platform has it. Where platforms have got members
    /// of several indexes, none of these is known.
    pub fn of<'a>(images: impl IntoIterator<Item = (&'a SelectedPlatform, &'a RegistryImage)>) -> Self {
        let (mut indexes, mut members) = (BTreeSet::new(), BTreeMap::new());
        for (selected, image) in images {
            indexes.insert(image.index.clone());
            members.insert(selected.architecture.architecture.clone(), image.manifest.clone());
        }
        let index = indexes.pop_first().flatten().filter(|_| indexes.is_empty());
        Self { index, members }
    }
}

/// What a comparison says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DigestVerdict {
    /// It is the very index.
    SameIndex,
    /// It is another index with the very members.
    SameMembers,
    /// Koji has nothing to compare with.
    NotRecorded,
    /// These architectures have another image.
    Differs {
        /// By OCI's names.
        architectures: Vec<String>,
    },
}

impl RecordedDigests {
    /// What a build's record and those of its image files say. Whatever is no
    /// digest is left out.
    pub fn of(build: &KojiBuild, archives: &[KojiArchive]) -> Self {
        let mut members: BTreeMap<String, BTreeSet<Digest>> = BTreeMap::new();
        for archive in archives {
            let Some(docker) = archive.extra.get("docker") else { continue };
            let architecture = docker.pointer("/config/architecture").and_then(Value::as_str);
            let digests = docker.get("digests").map(digests).unwrap_or_default();
            if let (Some(architecture), false) = (architecture, digests.is_empty()) {
                members.entry(architecture.to_owned()).or_default().extend(digests);
            }
        }
        Self { index: build.extra.pointer("/image/index/digests").map(digests).unwrap_or_default(), members }
    }

    /// Compares with what a build is pinned to.
    pub fn compare(&self, pinned: &PinnedDigests) -> DigestVerdict {
        if pinned.index.as_ref().is_some_and(|index| self.index.contains(index)) {
            return DigestVerdict::SameIndex;
        }
        let index_differs = pinned.index.is_some() && !self.index.is_empty();
        if pinned.members.is_empty() || (self.members.is_empty() && !index_differs) {
            return DigestVerdict::NotRecorded;
        }
        let same = |(architecture, digest): &(&String, &Digest)| {
            self.members.get(*architecture).is_some_and(|recorded| recorded.contains(*digest))
        };
        let others: Vec<_> =
            pinned.members.iter().filter(|member| !same(member)).map(|(name, _)| name.clone()).collect();
        if others.is_empty() {
            DigestVerdict::SameMembers
        } else {
            DigestVerdict::Differs { architectures: others }
        }
    }
}

/// The digests of an object whose values they are.
fn digests(object: &Value) -> BTreeSet<Digest> {
    let values = object.as_object().into_iter().flat_map(|object| object.values());
    values.filter_map(Value::as_str).filter_map(|text| text.parse().ok()).collect()
}

impl DigestVerdict {
    /// What the verdict on a parent, as FROM names it, means for a build: nothing
    /// (`Ok(None)`), a warning with its code, or, where the site wants that, a
    /// failure with the same code.
    ///
    /// # Errors
    /// The images differ, or cannot be compared, and the check is to fail.
    pub fn judge(
        &self,
        written: &str,
        parent: &Nvr,
        check: ParentCheck,
    ) -> Result<Option<(&'static str, String)>, Failure> {
        let (code, message) = match self {
            Self::SameIndex | Self::SameMembers => return Ok(None),
            Self::NotRecorded => {
                let text = format!("Koji has recorded no digests of {parent} to compare FROM {written} with");
                ("parent.digest_not_recorded", text)
            }
            Self::Differs { architectures } => {
                let text = format!(
                    "FROM {written}: the registry's image is not the one that Koji recorded as {parent} ({})",
                    architectures.join(", ")
                );
                ("parent.digest_mismatch", text)
            }
        };
        if check == ParentCheck::Fail {
            return Err(Failure::new(FailureClass::Parent, code, message).with_advice(
                "build the parent again, or build on an image that Koji has recorded; koji.parent_digest: warn \
                 lets it pass",
            ));
        }
        Ok(Some((code, message)))
    }
}

#[cfg(test)]
mod tests {
    use common::koji::{KojiBuildState, KojiChecksum};
    use serde_json::json;

    use super::*;

    fn digest(text: &str) -> Digest {
        Digest::of(text.as_bytes())
    }

    fn recorded(index: &[&str], members: &[(&str, &str)]) -> RecordedDigests {
        RecordedDigests {
            index: index.iter().map(|text| digest(text)).collect(),
            members: members.iter().map(|(name, text)| ((*name).into(), [digest(text)].into())).collect(),
        }
    }

    fn pinned(index: Option<&str>, members: &[(&str, &str)]) -> PinnedDigests {
        let members = members.iter().map(|(name, text)| ((*name).into(), digest(text))).collect();
        PinnedDigests { index: index.map(digest), members }
    }

    #[test]
    fn a_reordered_index_is_no_mismatch() {
        let both = &[("amd64", "a"), ("arm64", "b")][..];
        let differs = |names: &[&str]| DigestVerdict::Differs {
            architectures: names.iter().map(|name| (*name).to_owned()).collect(),
        };
        let cases = [
            ("same index", recorded(&["i"], both), pinned(Some("i"), both), DigestVerdict::SameIndex),
            ("re-ordered", recorded(&["i"], both), pinned(Some("j"), both), DigestVerdict::SameMembers),
            (
                "fewer are built",
                recorded(&["i"], both),
                pinned(Some("j"), &both[..1]),
                DigestVerdict::SameMembers,
            ),
            ("index unknown", recorded(&["i"], both), pinned(None, both), DigestVerdict::SameMembers),
            (
                "one differs",
                recorded(&["i"], both),
                pinned(Some("j"), &[("amd64", "a"), ("arm64", "x")]),
                differs(&["arm64"]),
            ),
            ("one is new", recorded(&["i"], &both[..1]), pinned(Some("j"), both), differs(&["arm64"])),
            (
                "only the index is recorded",
                recorded(&["i"], &[]),
                pinned(Some("j"), &both[..1]),
                differs(&["amd64"]),
            ),
            ("nothing to compare", recorded(&["i"], &[]), pinned(None, both), DigestVerdict::NotRecorded),
            ("nothing recorded", recorded(&[], &[]), pinned(Some("j"), both), DigestVerdict::NotRecorded),
        ];
        for (id, recorded, pinned, expected) in cases {
            assert_eq!(recorded.compare(&pinned), expected, "{id}");
        }
    }

    #[test]
    fn the_members_that_are_built_upon_are_compared() {
        let image = |manifest: &str, index: Option<&str>| RegistryImage {
            id: digest("config"),
            manifest: digest(manifest),
            index: index.map(digest),
            build: None,
        };
        let platforms = [("x86_64", "amd64"), ("aarch64", "arm64")].map(|(platform, architecture)| {
            let architecture = common::platform::Architecture::plain(architecture);
            SelectedPlatform { platform: platform.parse().unwrap(), architecture }
        });
        let both = &[("amd64", "a"), ("arm64", "b")][..];
        for (id, images, expected) in [
            ("one index", [image("a", Some("i")), image("b", Some("i"))], pinned(Some("i"), both)),
            ("single manifests", [image("a", None), image("b", None)], pinned(None, both)),
            ("two indexes", [image("a", Some("i")), image("b", Some("j"))], pinned(None, both)),
            ("one and none", [image("a", None), image("b", Some("j"))], pinned(None, both)),
        ] {
            assert_eq!(PinnedDigests::of(platforms.iter().zip(&images)), expected, "{id}");
        }
    }

    #[test]
    fn the_site_decides_whether_it_is_a_failure() {
        let nvr = "base-1.0-1".parse().unwrap();
        let differs = DigestVerdict::Differs { architectures: vec!["amd64".into()] };
        for (verdict, code) in [
            (DigestVerdict::SameIndex, None),
            (DigestVerdict::SameMembers, None),
            (DigestVerdict::NotRecorded, Some("parent.digest_not_recorded")),
            (differs, Some("parent.digest_mismatch")),
        ] {
            let warned = verdict.judge("base:1", &nvr, ParentCheck::Warn).unwrap();
            assert_eq!(warned.map(|(code, _)| code), code, "{verdict:?}");
            let failed = verdict.judge("base:1", &nvr, ParentCheck::Fail).err().map(|failure| failure.code);
            assert_eq!(failed.as_deref(), code, "{verdict:?}");
        }
    }

    #[test]
    fn records_are_read_with_what_is_missing_left_out() {
        let (index, amd64) = (digest("i"), digest("a"));
        let build = KojiBuild {
            id: 1,
            nvr: "base-1.0-1".parse().unwrap(),
            state: KojiBuildState::Complete,
            volume: String::new(),
            files_url: String::new(),
            extra: json!({"image": {"index": {"digests": {"application/x": index, "application/y": "garbage"}}}}),
            origin: Default::default(),
            details_unavailable: false,
        };
        let archive = |extra| KojiArchive {
            filename: "x.tar.gz".into(),
            group_id: String::new(),
            artifact_id: String::new(),
            version: String::new(),
            checksum: KojiChecksum::Md5("0".repeat(32)),
            extra,
        };
        let archives = [
            archive(Value::Null),
            archive(json!({"docker": {"digests": {"t": amd64}}})),
            archive(json!({"docker": {"digests": {"t": amd64}, "config": {"architecture": "amd64"}}})),
        ];
        assert_eq!(RecordedDigests::of(&build, &archives), recorded(&["i"], &[("amd64", "a")]));
        let nothing = KojiBuild { extra: Value::Null, ..build };
        assert_eq!(RecordedDigests::of(&nothing, &[]), RecordedDigests::default());
    }
}
