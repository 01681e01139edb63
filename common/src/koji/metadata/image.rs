//! What is particular to images in a build's `extra`.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::nullable;

/// What is particular to an image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// Whether a rebuild was triggered by something other than a person; absent in
    /// newer builds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autorebuild: Option<bool>,
    /// Whether it is an isolated build.
    #[serde(default)]
    pub isolated: bool,
    /// File name of the help page: absent when none was looked for, null when none
    /// was found.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "nullable")]
    pub help: Option<Option<String>>,
    /// Media types of the manifests that were pushed; absent when empty.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub media_types: BTreeSet<String>,
    /// The build of the base image; absent when Koji has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_build_id: Option<u64>,
    /// All parents as the Dockerfile's FROM instructions name them, in order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_images: Option<Vec<String>>,
    /// The build of each parent, by its pull specification; null when Koji has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_image_builds: Option<BTreeMap<String, Option<ParentBuild>>>,
    /// Whether it is a Flatpak; absent when it is not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub flatpak: bool,
    /// Modules of a Flatpak as they were resolved, `NAME-STREAM-VERSION`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modules: Option<Vec<String>>,
    /// Modules of a Flatpak as they were asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_modules: Option<Vec<String>>,
    /// Composes that packages came from; absent without composes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub odcs: Option<Composes>,
    /// The image of all platforms; absent when no image index was pushed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<Index>,
    /// Addresses of package repositories, given and inherited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub yum_repourls: Option<Vec<String>>,
    /// The Koji task that an automatic rebuild followed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub triggered_after_koji_task: Option<u64>,
    /// Go modules that the repository declares.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub go: Option<GoModules>,
    /// Builds of Project Newcastle that files came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pnc: Option<PncBuilds>,
    /// What was done to the manifests of an operator bundle.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator_manifests: Option<OperatorManifests>,
    /// Where the one remote source is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_source_url: Option<String>,
    /// Several remote sources.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_sources: Option<Vec<RemoteSource>>,
    /// Version of the service that fetched the remote sources: 1 or 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_sources_version: Option<u64>,
    /// The build whose sources this image holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sources_for_nvr: Option<String>,
    /// Signing intent of the sources that this image holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sources_signing_intent: Option<String>,
}

/// The Koji build of a parent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParentBuild {
    /// Its number.
    pub id: u64,
    /// Its name, version and release.
    pub nvr: String,
}

/// Composes of ODCS that packages came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Composes {
    /// Their numbers.
    pub compose_ids: Vec<u64>,
    /// The signing intent that they satisfy.
    pub signing_intent: String,
    /// Whether it is another one than the request or the configuration named.
    pub signing_intent_overridden: bool,
}

/// The image of all platforms.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Index {
    /// Primary tags. Example: `1.0-1`.
    pub tags: Vec<String>,
    /// Two pull specifications at the first registry: by digest, and by the tag
    /// `<version>-<release>`.
    pub pull: Vec<String>,
    /// Its digests, by media type.
    pub digests: BTreeMap<String, String>,
    /// Floating tags. Example: `latest`. Absent in builds of 2018, whose `tags` hold
    /// them as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub floating_tags: Option<Vec<String>>,
    /// Unique tags; absent in builds of 2018.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unique_tags: Option<Vec<String>>,
}

/// Go modules that the repository declares.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoModules {
    /// One by one.
    pub modules: Vec<GoModule>,
}

/// A Go module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoModule {
    /// Its name. Example: `example.org/go/app`.
    pub module: String,
    /// The archive that it is in; absent when it is in the repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archive: Option<String>,
    /// Where it is in there; absent for the top.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

/// Builds of Project Newcastle.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PncBuilds {
    /// One by one.
    pub builds: Vec<PncBuild>,
}

/// A build of Project Newcastle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PncBuild {
    /// Its identifier.
    pub id: String,
}

/// What was done to the manifests of an operator bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorManifests {
    /// Whether changes of the repository's own were made to the manifest.
    pub custom_csv_modifications_applied: bool,
    /// The images that the operator uses.
    pub related_images: RelatedImages,
}

/// Images that an operator uses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RelatedImages {
    /// One by one.
    pub pullspecs: Vec<PinnedPullSpec>,
    /// Whether the build wrote the list, rather than found it.
    pub created_by_osbs: bool,
}

/// A pull specification before and after it was pinned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinnedPullSpec {
    /// As it was written.
    pub original: String,
    /// As it is in the bundle.
    pub new: String,
    /// Whether a tag was replaced by a digest.
    pub pinned: bool,
}

/// One of several remote sources.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoteSource {
    /// Its name.
    pub name: String,
    /// Where it is; absent when the service that fetched it keeps nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}
