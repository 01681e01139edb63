//! Members of the image: what a worker delivered, checked before it is believed.

use std::{collections::BTreeMap, time::Duration};

use common::{
    failure::{Failure, FailureClass},
    flow::event::Member,
    image::Digest,
    platform::{Architecture, Platform},
    work::{BuildEnvironment, Descriptor, KojiFile, Layer, ManifestFormat, Parent, PlatformImage},
};
use futures::TryStreamExt as _;
use registry_client::{Layout, Registry as _, Selector};
use serde::{Deserialize, Serialize};

/// One platform's image, complete in the staging layout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuiltMember {
    /// Koji's platform name.
    pub platform: Platform,
    /// OCI's name of it.
    pub architecture: Architecture,
    /// The manifest.
    pub manifest: Descriptor,
    /// The image configuration; its digest is the image id.
    pub config: Descriptor,
    /// Layers from the bottom up.
    pub layers: Vec<Layer>,
    /// Image ids of local parents, by name as written.
    pub local_parents: BTreeMap<String, String>,
    /// Host that built it.
    pub build_host: String,
    /// How long the engine's build took.
    pub build_time: Duration,
    /// The blob with the inventory of its packages, in the staging layout.
    #[serde(default)]
    pub packages: Option<Descriptor>,
    /// Files that Koji has got.
    #[serde(default)]
    pub koji_files: Vec<KojiFile>,
    /// What built it.
    #[serde(default)]
    pub environment: BuildEnvironment,
}

impl BuiltMember {
    /// The member as the build's result has it.
    pub fn as_member(&self) -> Member {
        Member {
            platform: self.platform.clone(),
            architecture: self.architecture.architecture.clone(),
            manifest_digest: self.manifest.digest.clone(),
            image_id: self.config.digest.clone(),
            size: self.config.size + self.layers.iter().map(|layer| layer.blob.size).sum::<u64>(),
        }
    }

    /// Checks a member against what was planned: it is of the kind that the index
    /// takes, and says which image each parent was that only the engine has.
    ///
    /// # Errors
    /// The first thing that is not as planned.
    pub fn check(&self, format: ManifestFormat, parents: &[Parent]) -> Result<(), Failure> {
        let wrong = |text| contradiction(&self.build_host, &self.platform, text);
        if self.manifest.media_type != format.manifest() {
            return Err(wrong(format!(
                "its manifest is a {}, not a {}",
                self.manifest.media_type,
                format.manifest()
            )));
        }
        let local = parents.iter().filter(|parent| parent.pinned.is_none());
        for parent in local {
            if self.local_parents.get(&parent.written_as).is_none_or(String::is_empty) {
                return Err(wrong(format!("it does not say which image {} was", parent.written_as)));
            }
        }
        Ok(())
    }

    /// Takes a worker's image into the staging layout, if it is what it says: the
    /// manifest lists exactly the blobs that were uploaded, and the configuration
    /// is of the right architecture and of the same layers.
    ///
    /// # Errors
    /// A contradiction, named; or the layout cannot be read or written.
    pub async fn accept(
        image: &PlatformImage,
        architecture: &Architecture,
        staging: &Layout,
    ) -> Result<Self, Failure> {
        let manifest: ManifestText = serde_json::from_slice(&image.manifest).map_err(|error| {
            contradiction(
                &image.build_host,
                &image.platform,
                format!("its manifest is not readable: {error}"),
            )
        })?;
        check_manifest(image, &manifest)?;
        for blob in image.layers.iter().map(|layer| &layer.blob).chain([&image.config]).chain(&image.packages)
        {
            if !staging.has_blob(blob).await? {
                return Err(contradiction(
                    &image.build_host,
                    &image.platform,
                    format!("the blob {} was not uploaded", blob.digest),
                ));
            }
        }
        let config = read(staging, &image.config).await?;
        check_config(image, architecture, &config)?;

        let digest = image.manifest_digest();
        let media_type = image.format.manifest();
        staging.put_manifest(&Selector::Digest(digest.clone()), media_type, image.manifest.clone()).await?;
        Ok(Self {
            platform: image.platform.clone(),
            architecture: architecture.clone(),
            manifest: Descriptor {
                media_type: media_type.to_owned(),
                digest,
                size: image.manifest.len() as u64,
            },
            config: image.config.clone(),
            layers: image.layers.clone(),
            local_parents: image.local_parents.clone(),
            build_host: image.build_host.clone(),
            build_time: image.build_time,
            packages: image.packages.clone(),
            koji_files: image.koji_files.clone(),
            environment: image.environment.clone(),
        })
    }
}

/// Largest image configuration that is read, in bytes.
const MAX_CONFIG: u64 = 8 * 1024 * 1024;
/// Largest list of packages that is read, in bytes.
const MAX_INVENTORY: u64 = 64 * 1024 * 1024;

pub(super) async fn read(staging: &Layout, blob: &Descriptor) -> Result<Vec<u8>, Failure> {
    if blob.size > MAX_CONFIG {
        let message =
            format!("the image configuration has {} bytes; at most {MAX_CONFIG} are read", blob.size);
        return Err(Failure::new(FailureClass::Source, "member.config_too_large", message));
    }
    read_blob(staging, blob).await
}

pub(super) async fn read_inventory_blob(staging: &Layout, blob: &Descriptor) -> Result<Vec<u8>, Failure> {
    if blob.size > MAX_INVENTORY {
        let message =
            format!("the list of packages has {} bytes; at most {MAX_INVENTORY} are read", blob.size);
        return Err(Failure::new(FailureClass::Source, "member.inventory_too_large", message));
    }
    read_blob(staging, blob).await
}

async fn read_blob(staging: &Layout, blob: &Descriptor) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let mut stream = staging.read_blob(blob).await?;
    while let Some(chunk) = stream.try_next().await? {
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ManifestText {
    schema_version: u32,
    media_type: Option<String>,
    config: BlobText,
    layers: Vec<BlobText>,
}

#[derive(Deserialize)]
struct BlobText {
    digest: Digest,
    size: u64,
}

#[derive(Deserialize)]
struct ConfigText {
    architecture: String,
    os: String,
    #[serde(default)]
    variant: Option<String>,
    rootfs: RootfsText,
}

#[derive(Deserialize)]
struct RootfsText {
    diff_ids: Vec<Digest>,
}

fn check_manifest(image: &PlatformImage, manifest: &ManifestText) -> Result<(), Failure> {
    let types_agree = manifest.media_type.as_deref().is_none_or(|text| text == image.format.manifest())
        && (manifest.media_type.is_some() || image.format == ManifestFormat::Oci);
    let same = |text: &BlobText, blob: &Descriptor| text.digest == blob.digest && text.size == blob.size;
    let layers_agree = manifest.layers.len() == image.layers.len()
        && manifest.layers.iter().zip(&image.layers).all(|(text, layer)| same(text, &layer.blob));
    if manifest.schema_version != 2 || !types_agree {
        return Err(contradiction(
            &image.build_host,
            &image.platform,
            "its manifest is of another type than asked for".to_owned(),
        ));
    }
    if !layers_agree || !same(&manifest.config, &image.config) {
        return Err(contradiction(
            &image.build_host,
            &image.platform,
            "its manifest lists other blobs than the result".to_owned(),
        ));
    }
    Ok(())
}

fn check_config(image: &PlatformImage, wanted: &Architecture, config: &[u8]) -> Result<(), Failure> {
    let config: ConfigText = serde_json::from_slice(config).map_err(|error| {
        contradiction(
            &image.build_host,
            &image.platform,
            format!("its configuration is not readable: {error}"),
        )
    })?;
    let found = Architecture { architecture: config.architecture, variant: config.variant };
    if config.os != "linux" || !wanted.accepts(&found) {
        let text = format!("its configuration says {}/{}, wanted is {wanted}", config.os, found.architecture);
        return Err(contradiction(&image.build_host, &image.platform, text));
    }
    if !config.rootfs.diff_ids.iter().eq(image.layers.iter().map(|layer| &layer.diff_id)) {
        return Err(contradiction(
            &image.build_host,
            &image.platform,
            "its configuration lists other layers than the result".to_owned(),
        ));
    }
    Ok(())
}

fn contradiction(build_host: &str, platform: &Platform, text: String) -> Failure {
    let message = format!("the worker on {build_host} delivered a wrong image: {text}");
    Failure::new(FailureClass::Infrastructure, "member.contradiction", message)
        .with_advice("the worker or its engine is broken; take it out of service")
        .on_platform(platform)
}

#[cfg(test)]
pub(super) mod fixture {
    //! Members that no worker built.

    use super::*;

    /// A member of which nothing but the names exists.
    pub(crate) fn member(platform: &str, architecture: &str) -> BuiltMember {
        let blob = |media_type: &str, what: &str| Descriptor {
            media_type: media_type.to_owned(),
            digest: Digest::of(format!("{what} of {platform}").as_bytes()),
            size: 1,
        };
        BuiltMember {
            platform: platform.parse().unwrap(),
            architecture: Architecture::plain(architecture),
            manifest: blob(ManifestFormat::Oci.manifest(), "manifest"),
            config: blob(ManifestFormat::Oci.config(), "config"),
            layers: Vec::new(),
            local_parents: BTreeMap::new(),
            build_host: "host".to_owned(),
            build_time: Duration::ZERO,
            packages: None,
            koji_files: Vec::new(),
            environment: BuildEnvironment::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_what_was_planned() {
        let parent = |written_as: &str, pinned: Option<&str>| Parent {
            written_as: written_as.to_owned(),
            pinned: pinned.map(str::to_owned),
        };
        let parents = [parent("base", Some("r/base@sha256:0")), parent("only-here", None)];
        let member = |local: &[(&str, &str)]| BuiltMember {
            local_parents: local.iter().map(|(name, id)| ((*name).to_owned(), (*id).to_owned())).collect(),
            ..fixture::member("aarch64", "arm64")
        };
        let good = member(&[("only-here", "sha256:1")]);
        assert!(good.check(ManifestFormat::Oci, &parents).is_ok());
        for (member, format, part) in [
            (good, ManifestFormat::Docker, "its manifest is a"),
            (member(&[]), ManifestFormat::Oci, "only-here"),
            (member(&[("only-here", "")]), ManifestFormat::Oci, "only-here"),
        ] {
            let failure = member.check(format, &parents).unwrap_err();
            assert_eq!(failure.code, "member.contradiction");
            assert!(failure.message.contains(part), "{}", failure.message);
        }
    }
}
