//! The manifest of one platform's image (OCI image specification 1.1, image
//! manifest; Docker image manifest version 2, schema 2).
//!
//! The fields have one order and there is no white space, so equal images have
//! equal manifests.

use bytes::Bytes;
use common::work::{Descriptor, Layer, ManifestFormat};
use serde::Serialize;

use super::SpooledImage;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    schema_version: u8,
    media_type: &'static str,
    config: Part,
    layers: Vec<Part>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Part {
    media_type: String,
    size: u64,
    digest: String,
}

impl From<&Descriptor> for Part {
    fn from(descriptor: &Descriptor) -> Self {
        Self {
            media_type: descriptor.media_type.clone(),
            size: descriptor.size,
            digest: descriptor.digest.to_string(),
        }
    }
}

/// An image as its manifest says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// The manifest, byte for byte.
    pub manifest: Bytes,
    /// The configuration.
    pub config: Descriptor,
    /// Layers from the bottom up.
    pub layers: Vec<Layer>,
}

/// Describes an image in one of the two formats.
///
/// # Errors
/// Never in practice: the serializer's error has nowhere to come from.
pub fn describe(image: &SpooledImage, format: ManifestFormat) -> Result<Described, serde_json::Error> {
    let config = image.config.descriptor(format.config());
    let layers: Vec<Layer> = image
        .layers
        .iter()
        .map(|layer| Layer {
            blob: layer.blob.descriptor(format.layer()),
            diff_id: layer.diff_id.clone(),
            uncompressed_size: layer.uncompressed_size,
        })
        .collect();
    let manifest = serde_json::to_vec(&Manifest {
        schema_version: 2,
        media_type: format.manifest(),
        config: (&config).into(),
        layers: layers.iter().map(|layer| (&layer.blob).into()).collect(),
    })?;
    Ok(Described { manifest: manifest.into(), config, layers })
}

#[cfg(test)]
mod tests {
    use common::image::Digest;
    use oci_spec::image::ImageManifest;

    use super::*;
    use crate::publish::{SpooledBlob, SpooledLayer};

    fn image() -> SpooledImage {
        let blob = |content: &[u8]| SpooledBlob {
            path: "unused".into(),
            digest: Digest::of(content),
            size: content.len() as u64,
        };
        let layer =
            SpooledLayer { blob: blob(b"layer"), diff_id: Digest::of(b"plain"), uncompressed_size: 5 };
        SpooledImage { config: blob(b"{}"), layers: vec![layer] }
    }

    #[test]
    fn the_bytes_are_fixed() {
        let described = describe(&image(), ManifestFormat::Docker).unwrap();
        let expected = format!(
            concat!(
                r#"{{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.v2+json","#,
                r#""config":{{"mediaType":"application/vnd.docker.container.image.v1+json","size":2,"digest":"{}"}},"#,
                r#""layers":[{{"mediaType":"application/vnd.docker.image.rootfs.diff.tar.gzip","size":5,"digest":"{}"}}]}}"#
            ),
            Digest::of(b"{}"),
            Digest::of(b"layer")
        );
        assert_eq!(described.manifest, expected.as_bytes());
    }

    #[test]
    fn an_oci_manifest_is_one_by_the_specifications_types() {
        let described = describe(&image(), ManifestFormat::Oci).unwrap();
        let parsed = ImageManifest::from_reader(&described.manifest[..]).unwrap();
        assert_eq!(parsed.schema_version(), 2);
        assert_eq!(parsed.media_type().as_ref().unwrap().to_string(), ManifestFormat::Oci.manifest());
        assert_eq!(parsed.config().digest().to_string(), Digest::of(b"{}").to_string());
        assert_eq!(parsed.layers()[0].size(), 5);
        assert_eq!(described.layers[0].diff_id, Digest::of(b"plain"));
    }
}
