//! Manifests, indexes and configurations, as far as they concern us (OCI image
//! specification; Docker image manifest version 2, schema 2).
//!
//! Read with the types of `oci-spec`, then brought into our own: digests are
//! checked, and what an entry is for is decided once.

use std::collections::BTreeMap;

use common::{
    image::Digest,
    platform::Architecture,
    work::{Descriptor, ManifestFormat},
};
use oci_spec::image as oci;
use serde::Deserialize;

use crate::{Manifest, RegistryError};

/// Media types that a registry may answer with, in the order of preference.
pub(crate) const ACCEPTED: &str = "application/vnd.oci.image.index.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, \
    application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.v2+json";

/// One entry of an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The manifest or nested index.
    pub manifest: Descriptor,
    /// Operating system. Example: `linux`. Empty if the index does not say.
    pub os: String,
    /// Architecture; empty if the index does not say.
    pub architecture: Architecture,
}

/// One layer of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerEntry {
    /// The layer.
    pub blob: Descriptor,
    /// Whether registries need not have it, because it may not be distributed.
    pub foreign: bool,
}

/// A manifest or index, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Document {
    /// An OCI index or Docker manifest list.
    Index(Vec<Member>),
    /// An OCI or Docker image manifest.
    Image {
        /// The configuration.
        config: Descriptor,
        /// Layers from the bottom up.
        layers: Vec<LayerEntry>,
    },
}

impl Document {
    /// Takes a manifest apart. `place` is named in errors.
    ///
    /// # Errors
    /// A schema 1 manifest, an unknown media type, not JSON, or digests other than SHA-256.
    pub fn parse(manifest: &Manifest, place: &str) -> Result<Self, RegistryError> {
        let what = || format!("manifest {} in {place}", manifest.descriptor.digest);
        let fail = |reason: String| RegistryError::Document { what: what(), reason };
        let media_type = manifest.descriptor.media_type.as_str();
        if is_schema_one(media_type) {
            return Err(RegistryError::SchemaOne { what: what() });
        }
        if [ManifestFormat::Oci.index(), ManifestFormat::Docker.index()].contains(&media_type) {
            let index: oci::ImageIndex =
                serde_json::from_slice(&manifest.bytes).map_err(|error| fail(error.to_string()))?;
            let members = index.manifests().iter().map(member).collect::<Result<_, _>>();
            return members.map(Self::Index).map_err(fail);
        }
        if ManifestFormat::of_manifest(media_type).is_some() {
            let image: oci::ImageManifest =
                serde_json::from_slice(&manifest.bytes).map_err(|error| fail(error.to_string()))?;
            let config = descriptor(image.config()).map_err(fail)?;
            let layers = image.layers().iter().map(layer).collect::<Result<_, _>>().map_err(fail)?;
            return Ok(Self::Image { config, layers });
        }
        Err(fail(format!("its media type is '{media_type}'")))
    }
}

fn descriptor(from: &oci::Descriptor) -> Result<Descriptor, String> {
    let digest = from.digest().to_string().parse::<Digest>().map_err(|error| error.to_string())?;
    Ok(Descriptor { media_type: from.media_type().to_string(), digest, size: from.size() })
}

fn layer(from: &oci::Descriptor) -> Result<LayerEntry, String> {
    let blob = descriptor(from)?;
    let foreign = blob.media_type.contains(".nondistributable.") || blob.media_type.contains(".foreign.");
    Ok(LayerEntry { blob, foreign })
}

fn member(from: &oci::Descriptor) -> Result<Member, String> {
    let (os, architecture) = match from.platform() {
        Some(platform) => (
            platform.os().to_string(),
            Architecture {
                architecture: platform.architecture().to_string(),
                variant: platform.variant().clone().filter(|variant| !variant.is_empty()),
            },
        ),
        None => (String::new(), Architecture::plain("")),
    };
    Ok(Member { manifest: descriptor(from)?, os, architecture })
}

/// Whether this is the media type of a Docker schema 1 manifest, signed or not.
pub(crate) fn is_schema_one(media_type: &str) -> bool {
    media_type.starts_with("application/vnd.docker.distribution.manifest.v1")
}

/// The media type that a manifest's content shows, for places that do not tell it.
pub(crate) fn media_type_of(bytes: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Shape {
        schema_version: Option<u32>,
        media_type: Option<String>,
        manifests: Option<serde::de::IgnoredAny>,
        layers: Option<serde::de::IgnoredAny>,
    }
    let shape: Shape = serde_json::from_slice(bytes).ok()?;
    match shape {
        Shape { media_type: Some(media_type), .. } => Some(media_type),
        Shape { schema_version: Some(1), .. } => {
            Some("application/vnd.docker.distribution.manifest.v1+json".to_owned())
        }
        Shape { manifests: Some(_), .. } => Some(ManifestFormat::Oci.index().to_owned()),
        Shape { layers: Some(_), .. } => Some(ManifestFormat::Oci.manifest().to_owned()),
        _ => None,
    }
}

/// An image configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Operating system. Example: `linux`.
    pub os: String,
    /// Architecture and variant.
    pub architecture: Architecture,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Environment, each `NAME=VALUE`.
    pub env: Vec<String>,
    /// The user that programs run as; empty for root.
    pub user: String,
    /// Digests of the uncompressed layers, from the bottom up.
    pub diff_ids: Vec<Digest>,
}

impl Config {
    /// Reads a configuration. `what` is named in errors.
    ///
    /// # Errors
    /// Not JSON, or not an image configuration.
    pub fn parse(bytes: &[u8], what: &str) -> Result<Self, RegistryError> {
        #[derive(Deserialize)]
        struct Raw {
            architecture: String,
            os: String,
            variant: Option<String>,
            config: Option<Runtime>,
            rootfs: RootFs,
        }
        #[derive(Default, Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Runtime {
            labels: Option<BTreeMap<String, String>>,
            env: Option<Vec<String>>,
            user: Option<String>,
        }
        #[derive(Deserialize)]
        struct RootFs {
            diff_ids: Option<Vec<Digest>>,
        }
        let raw: Raw = serde_json::from_slice(bytes)
            .map_err(|error| RegistryError::Document { what: what.to_owned(), reason: error.to_string() })?;
        let runtime = raw.config.unwrap_or_default();
        Ok(Self {
            os: raw.os,
            architecture: Architecture {
                architecture: raw.architecture,
                variant: raw.variant.filter(|variant| !variant.is_empty()),
            },
            labels: runtime.labels.unwrap_or_default(),
            env: runtime.env.unwrap_or_default(),
            user: runtime.user.unwrap_or_default(),
            diff_ids: raw.rootfs.diff_ids.unwrap_or_default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifests_shape_tells_its_type() {
        for (text, expected) in [
            (r#"{"schemaVersion":2,"mediaType":"a/b","layers":[]}"#, Some("a/b")),
            (r#"{"schemaVersion":2,"layers":[]}"#, Some("application/vnd.oci.image.manifest.v1+json")),
            (r#"{"schemaVersion":2,"manifests":[]}"#, Some("application/vnd.oci.image.index.v1+json")),
            (
                r#"{"schemaVersion":1,"fsLayers":[]}"#,
                Some("application/vnd.docker.distribution.manifest.v1+json"),
            ),
            ("{", None),
            ("{}", None),
            ("{\"\u{fffd}", None),
            (r#"{"schemaVersion":2}"#, None),
        ] {
            assert_eq!(media_type_of(text.as_bytes()).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn configurations_of_every_age_are_read() {
        let diff = Digest::of(b"layer");
        let text = format!(
            r#"{{"architecture":"arm","variant":"v7","os":"linux","config":{{"Labels":null,"Env":["A=b"],"Cmd":null}},
                "rootfs":{{"type":"layers","diff_ids":["{diff}"]}},"history":null}}"#
        );
        let config = Config::parse(text.as_bytes(), "it").unwrap();
        assert_eq!(config.architecture.engine_platform(), "linux/arm/v7");
        assert_eq!((config.env.len(), config.labels.len(), config.diff_ids), (1, 0, vec![diff]));
        assert!(matches!(Config::parse(b"{}", "it"), Err(RegistryError::Document { .. })));
    }
}
