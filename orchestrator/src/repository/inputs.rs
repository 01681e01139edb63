//! What a repository can say beside its Dockerfile, as types. The files are read
//! elsewhere in this folder; the steps of the plan work with these.

use common::nvr::Nvr;
use serde::{Deserialize, Serialize};
use url::Url;

/// `compose` of `container.yaml`: package repositories to be made for the build.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ComposeWish {
    /// Packages of the target's build tag, with what they depend on.
    pub packages: Vec<String>,
    /// Modules.
    pub modules: Vec<String>,
    /// Whether Pulp repositories of `content_sets.yml` are wanted, too.
    pub pulp_repos: bool,
    /// The intent, instead of the site's default one.
    pub signing_intent: Option<String>,
}

/// `flatpak` of `container.yaml`. Parsed, and not acted on yet.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FlatpakWish {
    /// Application or runtime. Example: `org.gnome.eog`.
    pub id: Option<String>,
    /// Branch. Example: `stable`.
    pub branch: Option<String>,
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
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
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
