//! What a repository can say beside its Dockerfile, as types. The files are read
//! elsewhere in this folder; the steps of the plan work with these.

use common::nvr::Nvr;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use url::Url;

/// `compose` of `container.yaml`: package repositories to be made for the build.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[serde(deny_unknown_fields)]
pub struct ComposeWish {
    /// Packages of the target's build tag, with what they depend on.
    #[serde(deserialize_with = "or_default")]
    #[schemars(with = "Option<Vec<String>>")]
    pub packages: Vec<String>,
    /// Modules, each as `NAME:STREAM[:VERSION][/PROFILE]`.
    #[serde(deserialize_with = "or_default")]
    #[schemars(with = "Option<Vec<String>>")]
    pub modules: Vec<String>,
    /// Whether Pulp repositories of `content_sets.yml` are wanted, too.
    pub pulp_repos: bool,
    /// The intent, instead of the site's default one.
    pub signing_intent: Option<String>,
    /// Whether composes of the parent image are used as well.
    pub inherit: bool,
    /// Platforms whose composes have packages of their 32-bit sibling, too.
    #[serde(deserialize_with = "or_default")]
    #[schemars(with = "Option<Vec<String>>")]
    pub multilib_arches: Vec<String>,
    /// How those packages are found. Example: `devel`.
    #[serde(deserialize_with = "or_default")]
    #[schemars(with = "Option<Vec<String>>")]
    pub multilib_method: Vec<String>,
    /// Whether Pulp repositories count that are not published yet.
    pub include_unpublished_pulp_repos: bool,
    /// Whether content sets that Pulp does not know are left out instead of
    /// failing the build.
    pub ignore_absent_pulp_repos: bool,
    /// Koji tags with module builds to draw from.
    #[serde(deserialize_with = "or_default")]
    #[schemars(with = "Option<KojiTags>")]
    pub modular_koji_tags: KojiTags,
    /// Koji tags in which streams of modules are resolved.
    #[serde(deserialize_with = "or_default")]
    #[schemars(with = "Option<KojiTags>")]
    pub module_resolve_tags: KojiTags,
    /// Whether packages come from content sets alone.
    pub build_only_content_sets: bool,
}

/// Koji tags: named, or those that belong to the target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected true, false or a list of Koji tags")]
pub enum KojiTags {
    /// `true`: the target's build tag; `false`: none.
    OfTarget(bool),
    /// These.
    Named(Vec<String>),
}

impl Default for KojiTags {
    fn default() -> Self {
        Self::OfTarget(false)
    }
}

/// `flatpak` of `container.yaml`. Parsed, and not acted on yet.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "kebab-case")]
#[serde(deny_unknown_fields)]
pub struct FlatpakWish {
    /// Application or runtime. Example: `org.gnome.eog`.
    pub id: Option<String>,
    /// Branch. Example: `stable`.
    pub branch: Option<String>,
    /// Name of the image, instead of the module's.
    pub name: Option<String>,
    /// Component, instead of the module's name.
    pub component: Option<String>,
    /// The image that the packages are installed with.
    #[serde(rename = "base_image")]
    pub base_image: Option<String>,
    /// Packages, for a Flatpak that is not made of a module.
    #[serde(deserialize_with = "or_default")]
    #[schemars(with = "Option<Vec<String>>")]
    pub packages: Vec<String>,
    /// Runtime that the application needs.
    pub runtime: Option<String>,
    /// Development kit that belongs to the runtime.
    pub sdk: Option<String>,
    /// Commands that remove what is not needed, one a line.
    pub cleanup_commands: Option<String>,
    /// What the application runs.
    pub command: Option<String>,
    /// Tags of the application.
    #[serde(deserialize_with = "or_default")]
    #[schemars(with = "Option<Vec<String>>")]
    pub tags: Vec<String>,
    /// Permissions of the application, as options of `flatpak build-finish`.
    pub finish_args: Option<String>,
}

/// `autorebuild` of `container.yaml`: what is different in a build that nobody
/// asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[serde(deny_unknown_fields)]
pub struct AutomaticRebuild {
    /// Build the head of the branch instead of the commit of the last build.
    pub from_latest: bool,
    /// Isolated builds do not count as the last build.
    pub ignore_isolated_builds: bool,
    /// Put the time into the release.
    pub add_timestamp_to_release: bool,
}

/// `remote_source` of `container.yaml`: sources of dependencies to fetch. Parsed,
/// and not acted on yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RemoteSource {
    /// Git repository.
    pub repo: String,
    /// Commit, 40 hexadecimal digits.
    #[serde(rename = "ref")]
    pub reference: String,
    /// Package managers whose dependencies are fetched. Example: `gomod`.
    #[serde(default, deserialize_with = "or_default")]
    #[schemars(with = "Option<Vec<String>>")]
    pub pkg_managers: Vec<String>,
    /// For a package manager, where its packages are.
    #[serde(default, deserialize_with = "or_default")]
    #[schemars(with = "Option<std::collections::BTreeMap<String, Vec<RemotePackage>>>")]
    pub packages: std::collections::BTreeMap<String, Vec<RemotePackage>>,
    /// Flags. Example: `gomod-vendor`.
    #[serde(default, deserialize_with = "or_default")]
    #[schemars(with = "Option<Vec<String>>")]
    pub flags: Vec<String>,
}

/// One package of a remote source.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[serde(deny_unknown_fields)]
pub struct RemotePackage {
    /// Directory of the package in the repository.
    pub path: Option<String>,
    /// Files with requirements (pip).
    #[serde(deserialize_with = "or_default")]
    #[schemars(with = "Option<Vec<String>>")]
    pub requirements_files: Vec<String>,
    /// Files with requirements of the build itself (pip).
    #[serde(deserialize_with = "or_default")]
    #[schemars(with = "Option<Vec<String>>")]
    pub requirements_build_files: Vec<String>,
}

/// One entry of `remote_sources`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NamedRemoteSource {
    /// Its directory in the image.
    pub name: String,
    /// The source.
    pub remote_source: RemoteSource,
}

/// What `fetch-artifacts-koji.yaml` and `fetch-artifacts-url.yaml` ask for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ArtifactWishes {
    /// Files of Koji builds.
    pub koji: Vec<KojiArtifacts>,
    /// Files by URL.
    pub urls: Vec<UrlArtifact>,
}

/// Files of one Koji build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KojiArtifacts {
    /// The build.
    pub nvr: Nvr,
    /// Which of its files; none means all.
    pub archives: Vec<ArchiveMatcher>,
}

/// Which files of a build are meant. What is not given matches all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[serde(deny_unknown_fields)]
pub struct ArchiveMatcher {
    /// Pattern of the file name. Example: `*-sources.jar`.
    pub filename: Option<String>,
    /// Maven group.
    pub group_id: Option<String>,
}

/// One file by URL. At least one checksum is given; all that are must fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UrlArtifact {
    /// Where it is.
    pub url: Url,
    /// Path below `artifacts/`; `None` means the last part of the URL's path.
    pub target: Option<String>,
    /// 32 hexadecimal digits.
    pub md5: Option<String>,
    /// 40 hexadecimal digits.
    pub sha1: Option<String>,
    /// 64 hexadecimal digits.
    pub sha256: Option<String>,
}

/// A key without a value says the same as a key that is not there.
pub(super) fn or_default<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Deserialize<'de> + Default,
    D: Deserializer<'de>,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}
