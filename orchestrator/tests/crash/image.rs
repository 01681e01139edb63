//! Images of a few hundred bytes that are whole all the same: one layer with one
//! file, a configuration, a manifest, every digest right.

use std::{collections::BTreeMap, io::Write as _, time::Duration};

use anyhow::Result;
use bytes::Bytes;
use common::{
    image::Digest,
    platform::Platform,
    work::{Descriptor, Layer, ManifestFormat, PlatformImage},
};
use flate2::{Compression, write::GzEncoder};
use registry_client::Layout;
use serde_json::json;
use testkit::registry::InMemoryRegistry;

/// An image with all its bytes.
pub(crate) struct TinyImage {
    pub(crate) config: Bytes,
    pub(crate) layer: Bytes,
    pub(crate) manifest: Bytes,
    diff_id: Digest,
}

impl TinyImage {
    /// The image whose only file is `/text`, with the labels of the world's
    /// Dockerfile. The same arguments give the same bytes.
    pub(crate) fn new(architecture: &str, text: &str) -> Result<Self> {
        let mut archive = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_ustar();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, "text", text.as_bytes())?;
        let archive = archive.into_inner()?;
        let diff_id = Digest::of(&archive);
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(&archive)?;
        let layer = Bytes::from(encoder.finish()?);
        let config = json!({
            "architecture": architecture,
            "os": "linux",
            "config": { "Labels": { "version": "1.0", "release": "1" } },
            "rootfs": { "type": "layers", "diff_ids": [diff_id.as_str()] },
        });
        let config = Bytes::from(config.to_string());
        let format = ManifestFormat::Oci;
        let entry = |media_type: &str, bytes: &Bytes| json!({ "mediaType": media_type, "digest": Digest::of(bytes).as_str(), "size": bytes.len() });
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": format.manifest(),
            "config": entry(format.config(), &config),
            "layers": [entry(format.layer(), &layer)],
        });
        Ok(Self { config, layer, manifest: Bytes::from(manifest.to_string()), diff_id })
    }

    /// The manifest as an index names it.
    pub(crate) fn descriptor(&self) -> Descriptor {
        descriptor(ManifestFormat::Oci.manifest(), &self.manifest)
    }

    /// Stores the image in a registry.
    pub(crate) fn put(&self, registry: &InMemoryRegistry, repository: &str, tag: Option<&str>) {
        registry.put_blob(repository, self.config.clone());
        registry.put_blob(repository, self.layer.clone());
        registry.put_manifest(repository, tag, ManifestFormat::Oci.manifest(), self.manifest.clone());
    }

    /// Uploads the blobs as a worker does.
    pub(crate) async fn upload(&self, staging: &Layout) -> Result<()> {
        for bytes in [&self.layer, &self.config] {
            let blob = descriptor("application/octet-stream", bytes);
            let mut writer = staging.blob_writer(blob.size).await?;
            writer.write(bytes).await?;
            writer.finish(&blob).await?;
        }
        Ok(())
    }

    /// The image as a worker reports it.
    pub(crate) fn as_result(&self, platform: &Platform) -> PlatformImage {
        let format = ManifestFormat::Oci;
        let blob = descriptor(format.layer(), &self.layer);
        PlatformImage {
            platform: platform.clone(),
            manifest: self.manifest.clone(),
            format,
            config: descriptor(format.config(), &self.config),
            layers: vec![Layer { blob, diff_id: self.diff_id.clone(), uncompressed_size: 1 }],
            local_parents: BTreeMap::new(),
            build_host: "host".to_owned(),
            build_time: Duration::from_secs(1),
            packages: None,
            koji_files: Vec::new(),
            environment: Default::default(),
        }
    }
}

pub(crate) fn descriptor(media_type: &str, bytes: &Bytes) -> Descriptor {
    Descriptor { media_type: media_type.to_owned(), digest: Digest::of(bytes), size: bytes.len() as u64 }
}
