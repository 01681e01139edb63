//! From a tag or digest to the image of one architecture.
//!
//! An index is followed to the member for Linux and the architecture. A single
//! manifest has to be for the architecture by its own configuration.

use std::collections::BTreeMap;

use common::{image::Digest, platform::Architecture, work::Descriptor};

use crate::{
    Manifest, Registry, RegistryError, Selector,
    document::{Config, Document, LayerEntry, Member},
    verified::read_small,
};

/// Largest configuration that is read, in bytes.
const MAX_CONFIG_BYTES: u64 = 8 * 1024 * 1024;
/// Indexes within indexes that are followed.
const MAX_DEPTH: usize = 4;

/// The image of one architecture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedImage {
    /// The outermost index, unless a single manifest was named.
    pub index: Option<Descriptor>,
    /// The image's manifest.
    pub manifest: Descriptor,
    /// The configuration; its digest is the image id.
    pub config: Descriptor,
    /// Architecture and variant by the configuration.
    pub architecture: Architecture,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Environment, each `NAME=VALUE`.
    pub env: Vec<String>,
    /// The user that programs run as; empty for root.
    pub user: String,
    /// Digests of the uncompressed layers, from the bottom up.
    pub diff_ids: Vec<Digest>,
    /// Layers from the bottom up.
    pub layers: Vec<LayerEntry>,
}

/// The image of one architecture; `None` if the tag or digest does not exist.
///
/// # Errors
/// [`RegistryError::LacksPlatform`], [`RegistryError::SchemaOne`], [`RegistryError::Document`], or trouble with the
/// registry.
pub async fn resolve(
    registry: &dyn Registry,
    selector: &Selector,
    architecture: &Architecture,
) -> Result<Option<ResolvedImage>, RegistryError> {
    let Some(top) = registry.manifest(selector).await? else { return Ok(None) };
    resolve_in(registry, selector, top, architecture).await.map(Some)
}

/// The images of several architectures, in their order, from one reading of the tag: they belong together even if
/// the tag moves in the meantime. `None` if the tag or digest does not exist.
///
/// # Errors
/// As [`resolve`]; the first architecture that is lacking is named.
pub async fn resolve_all(
    registry: &dyn Registry,
    selector: &Selector,
    architectures: &[Architecture],
) -> Result<Option<Vec<ResolvedImage>>, RegistryError> {
    let images = resolve_each(registry, selector, architectures).await?;
    images.map(|images| images.into_iter().collect()).transpose()
}

/// As [`resolve_all`], with an answer of its own for each architecture, so that all that are lacking can be named.
///
/// # Errors
/// Trouble with the registry before it comes to any architecture.
pub async fn resolve_each(
    registry: &dyn Registry,
    selector: &Selector,
    architectures: &[Architecture],
) -> Result<Option<Vec<Result<ResolvedImage, RegistryError>>>, RegistryError> {
    let Some(top) = registry.manifest(selector).await? else { return Ok(None) };
    let mut images = Vec::with_capacity(architectures.len());
    for architecture in architectures {
        images.push(resolve_in(registry, selector, top.clone(), architecture).await);
    }
    Ok(Some(images))
}

async fn resolve_in(
    registry: &dyn Registry,
    selector: &Selector,
    top: Manifest,
    wanted: &Architecture,
) -> Result<ResolvedImage, RegistryError> {
    let what = || match selector {
        Selector::Tag(tag) => format!("{}:{tag}", registry.describe()),
        Selector::Digest(digest) => format!("{}@{digest}", registry.describe()),
    };
    let lacking = |has| RegistryError::LacksPlatform { what: what(), wanted: wanted.to_string(), has };
    let mut index = None;
    let mut manifest = top;
    for _ in 0..=MAX_DEPTH {
        let members = match Document::parse(&manifest, &registry.describe())? {
            Document::Image { config, layers } => {
                let image = read_image(registry, index, manifest.descriptor, config, layers).await?;
                // An index may say less than the configuration, never something else.
                return if wanted.accepts(&image.architecture) {
                    Ok(image)
                } else {
                    Err(lacking(vec![image.architecture.to_string()]))
                };
            }
            Document::Index(members) => members,
        };
        let member = choose(&members, wanted).ok_or_else(|| lacking(platforms(&members)))?.manifest.clone();
        index.get_or_insert(manifest.descriptor);
        let found = registry.manifest(&Selector::Digest(member.digest.clone())).await?;
        manifest = found.ok_or_else(|| RegistryError::Missing {
            what: format!("member {} of {}", member.digest, what()),
        })?;
    }
    Err(RegistryError::Document { what: what(), reason: "its indexes are nested too deep".to_owned() })
}

/// The member for an architecture: one with just its variant before one that merely fits. Attestations and the like
/// have the platform `unknown/unknown` and so never match.
fn choose<'a>(members: &'a [Member], wanted: &Architecture) -> Option<&'a Member> {
    let linux = || members.iter().filter(|member| member.os == "linux");
    linux()
        .find(|member| member.architecture == *wanted)
        .or_else(|| linux().find(|member| wanted.accepts(&member.architecture)))
}

fn platforms(members: &[Member]) -> Vec<String> {
    let known = members.iter().filter(|member| member.os != "unknown");
    known
        .map(|member| match (&member.architecture.variant, member.os.as_str()) {
            (_, "linux") => member.architecture.to_string(),
            (_, "") => "one without a platform".to_owned(),
            (_, os) => format!("{os}/{}", member.architecture.architecture),
        })
        .collect()
}

async fn read_image(
    registry: &dyn Registry,
    index: Option<Descriptor>,
    manifest: Descriptor,
    config: Descriptor,
    layers: Vec<LayerEntry>,
) -> Result<ResolvedImage, RegistryError> {
    let bytes = read_small(registry, &config, MAX_CONFIG_BYTES).await?;
    let what = format!("configuration {} in {}", config.digest, registry.describe());
    let parsed = Config::parse(&bytes, &what)?;
    if parsed.diff_ids.len() != layers.len() {
        return Err(RegistryError::Document {
            what,
            reason: format!("it has {} layers, its manifest {}", parsed.diff_ids.len(), layers.len()),
        });
    }
    Ok(ResolvedImage {
        index,
        manifest,
        config,
        architecture: parsed.architecture,
        labels: parsed.labels,
        env: parsed.env,
        user: parsed.user,
        diff_ids: parsed.diff_ids,
        layers,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(os: &str, architecture: &str, variant: Option<&str>) -> Member {
        let digest = Digest::of(format!("{os}{architecture}{variant:?}").as_bytes());
        Member {
            manifest: Descriptor { media_type: String::new(), digest, size: 1 },
            os: os.to_owned(),
            architecture: Architecture {
                architecture: architecture.to_owned(),
                variant: variant.map(str::to_owned),
            },
        }
    }

    #[test]
    fn the_closest_member_is_chosen() {
        let members = [
            member("unknown", "unknown", None),
            member("windows", "amd64", None),
            member("linux", "amd64", None),
            member("linux", "arm", Some("v6")),
            member("linux", "arm", Some("v7")),
            member("linux", "arm64", Some("v8")),
        ];
        for (architecture, variant, expected) in [
            ("amd64", None, Some(2)),
            ("arm", Some("v7"), Some(4)),
            ("arm", None, Some(3)),
            ("arm64", None, Some(5)),
            ("s390x", None, None),
            ("unknown", None, None),
        ] {
            let wanted =
                Architecture { architecture: architecture.into(), variant: variant.map(str::to_owned) };
            assert_eq!(choose(&members, &wanted), expected.map(|at| &members[at]), "{wanted}");
        }
        assert_eq!(
            platforms(&members),
            ["windows/amd64", "linux/amd64", "linux/arm/v6", "linux/arm/v7", "linux/arm64/v8"]
        );
    }
}
