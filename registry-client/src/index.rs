//! Joins the members of an image into one index.
//!
//! The document is a pure function of its input: the same members in the same
//! order give the same bytes, and so the same digest. Keys are sorted and lines
//! are indented by four, as the predecessor of this program wrote its lists.

use std::collections::BTreeMap;

use bytes::Bytes;
use common::{
    platform::Architecture,
    work::{Descriptor, ManifestFormat},
};
use serde::Serialize;

use crate::RegistryError;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: &'a BTreeMap<String, String>,
    manifests: Vec<Entry<'a>>,
    media_type: &'a str,
    schema_version: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'a> {
    digest: &'a str,
    media_type: &'a str,
    platform: Platform<'a>,
    size: u64,
}

#[derive(Serialize)]
struct Platform<'a> {
    architecture: &'a str,
    os: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    variant: Option<&'a str>,
}

/// An OCI index or Docker manifest list of `members`, in their order. Annotations are of the index; Docker's list
/// has none, and they are left out of it.
///
/// # Errors
/// No members, or a member of the other format.
pub fn build_index(
    format: ManifestFormat,
    members: &[(Descriptor, Architecture)],
    annotations: &BTreeMap<String, String>,
) -> Result<Bytes, RegistryError> {
    let fail = |reason: String| RegistryError::Document { what: "the index to be made".to_owned(), reason };
    if members.is_empty() {
        return Err(fail("it has no members".to_owned()));
    }
    if let Some((stranger, architecture)) = members.iter().find(|(m, _)| m.media_type != format.manifest()) {
        return Err(fail(format!(
            "the member for {architecture} is a {}, not a {}",
            stranger.media_type,
            format.manifest()
        )));
    }
    let none = BTreeMap::new();
    let document = Document {
        schema_version: 2,
        media_type: format.index(),
        manifests: members
            .iter()
            .map(|(member, architecture)| Entry {
                media_type: &member.media_type,
                digest: member.digest.as_str(),
                size: member.size,
                platform: Platform {
                    architecture: &architecture.architecture,
                    os: "linux",
                    variant: architecture.variant.as_deref(),
                },
            })
            .collect(),
        annotations: if format == ManifestFormat::Oci { annotations } else { &none },
    };
    let mut bytes = Vec::new();
    let form = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, form);
    document.serialize(&mut serializer).map_err(|error| fail(error.to_string()))?;
    Ok(bytes.into())
}

#[cfg(test)]
mod tests {
    use common::image::Digest;

    use super::*;
    use crate::{
        Manifest,
        document::{Document as Parsed, Member},
    };

    fn member(format: ManifestFormat, name: &str, variant: Option<&str>) -> (Descriptor, Architecture) {
        let digest = Digest::of(name.as_bytes());
        let descriptor = Descriptor { media_type: format.manifest().to_owned(), digest, size: 421 };
        (descriptor, Architecture { architecture: name.to_owned(), variant: variant.map(str::to_owned) })
    }

    #[test]
    fn an_index_is_read_back_as_it_was_made() {
        for format in [ManifestFormat::Oci, ManifestFormat::Docker] {
            let members = [member(format, "arm", Some("v7")), member(format, "amd64", None)];
            let annotations =
                BTreeMap::from([("b".to_owned(), "2".to_owned()), ("a".to_owned(), "1".to_owned())]);
            let bytes = build_index(format, &members, &annotations).unwrap();
            assert_eq!(bytes, build_index(format, &members, &annotations).unwrap());
            let descriptor = Descriptor {
                media_type: format.index().to_owned(),
                digest: Digest::of(&bytes),
                size: bytes.len() as u64,
            };
            let parsed = Parsed::parse(&Manifest { descriptor, bytes: bytes.clone() }, "here").unwrap();
            let expected = members.map(|(manifest, architecture)| Member {
                manifest,
                os: "linux".to_owned(),
                architecture,
            });
            assert_eq!(parsed, Parsed::Index(expected.to_vec()));
            let has_annotations = String::from_utf8_lossy(&bytes).contains("annotations");
            assert_eq!(has_annotations, format == ManifestFormat::Oci);
        }
    }

    #[test]
    fn the_document_is_the_one_that_was_always_written() {
        let member = |digest: &str, architecture: &str| {
            let media_type = ManifestFormat::Docker.manifest().to_owned();
            let digest = digest.parse().unwrap();
            (Descriptor { media_type, digest, size: 421 }, Architecture::plain(architecture))
        };
        let members = [
            member("sha256:113b53e2d5b50fa00c07a9d81ea3898d9c9328aeee83f72def6ca949a1e54af3", "amd64"),
            member("sha256:2932fec568fc25f034cf8a4c1f51983a1f724b99e7f508f6609e94f3897beb6e", "ppc64le"),
        ];
        let bytes = build_index(ManifestFormat::Docker, &members, &BTreeMap::new()).unwrap();
        assert_eq!(bytes.len(), 801);
        assert_eq!(
            Digest::of(&bytes).as_str(),
            "sha256:038b810eff1649bff2b4af4962a1f5ed1a63780e0dc2654e166963227536c274"
        );
    }

    #[test]
    fn formats_are_not_mixed() {
        let members =
            [member(ManifestFormat::Oci, "amd64", None), member(ManifestFormat::Docker, "arm64", None)];
        let error = build_index(ManifestFormat::Oci, &members, &BTreeMap::new()).unwrap_err().to_string();
        assert!(error.contains("linux/arm64"), "{error}");
        assert!(build_index(ManifestFormat::Oci, &[], &BTreeMap::new()).is_err());
    }
}
