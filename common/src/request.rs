//! What a user asks for. Validated when it is accepted, stored as it is, and
//! never changed afterwards.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{destination::Destination, image::ImageReference, names::Component, platform::Platform};

/// A git repository and what to build from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GitSource {
    /// Where the repository is. Example: `https://git.example.org/hello.git`.
    pub uri: String,
    /// Branch, tag, full ref name or commit id; `None` is the remote's default
    /// branch.
    #[serde(rename = "ref")]
    pub reference: Option<String>,
}

/// What kind of build is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BuildMode {
    /// A release build: all tags.
    Normal,
    /// A throw-away build: the unique tag only.
    Scratch,
    /// A one-off fix of an older release: moves no floating tag.
    Isolated {
        /// The release. Example: `12.1`.
        release: String,
    },
}

/// What to do with the other platforms when one has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailurePolicy {
    /// Let them finish, then fail.
    FinishOthers,
    /// Stop them at once.
    StopOthers,
}

impl FailurePolicy {
    /// Its name. Example: `finish_others`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FinishOthers => "finish_others",
            Self::StopOthers => "stop_others",
        }
    }
}

/// Bounds on one platform's build; `None` is the site's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Memory of each build container in bytes.
    pub memory_bytes: Option<u64>,
    /// Wall-clock time of the build on the worker.
    pub time: Option<Duration>,
}

impl Limits {
    /// These limits, with those of `site` where these say nothing.
    #[must_use]
    pub fn or(self, site: Limits) -> Self {
        Self { memory_bytes: self.memory_bytes.or(site.memory_bytes), time: self.time.or(site.time) }
    }
}

/// Everything that a user asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildRequest {
    /// What to build.
    pub source: GitSource,
    /// Platforms asked for; empty leaves it to the repository and the site.
    pub platforms: Vec<Platform>,
    /// Where the image goes; empty means one layout named after the component.
    pub destinations: Vec<Destination>,
    /// Component; `None` leaves it to the repository.
    pub component: Option<Component>,
    /// Koji target. Example: `f44-container-candidate`.
    pub target: Option<String>,
    /// Kind of build.
    pub mode: BuildMode,
    /// Release for a build that is not isolated; `None` leaves it to the labels.
    pub release: Option<String>,
    /// On whose behalf.
    pub user: String,
    /// Accept parents that only the worker's engine has.
    pub allow_local_parents: bool,
    /// Values for ARG instructions.
    pub build_args: BTreeMap<String, String>,
    /// Labels to set on the image.
    pub labels: BTreeMap<String, String>,
    /// Bounds on each platform's build.
    pub limits: Limits,
    /// What a failed platform does to the others; `None` is the site's choice.
    pub failure_policy: Option<FailurePolicy>,
    /// The Koji task that asked for the build.
    #[serde(default)]
    pub koji_task: Option<u64>,
    /// The branch that the commit is on, for records. Example: `f44`.
    #[serde(default)]
    pub branch: Option<String>,
    /// Repository files (`.repo`) for package installation, by URL.
    #[serde(default)]
    pub repository_urls: Vec<String>,
    /// Composes that exist already, by number.
    #[serde(default)]
    pub composes: Vec<u64>,
    /// Which signatures packages must have. Example: `release`.
    #[serde(default)]
    pub signing_intent: Option<String>,
    /// The Koji build to build upon instead of the FROM image: its NVR or number.
    #[serde(default)]
    pub parent_build: Option<String>,
    /// A Koji image task whose file systems to build upon.
    #[serde(default)]
    pub filesystem_task: Option<u64>,
    /// Build a Flatpak.
    #[serde(default)]
    pub flatpak: bool,
    /// Nobody asked: something that the image contains has changed.
    #[serde(default)]
    pub rebuild: bool,
    /// The image whose change caused the rebuild, instead of the FROM image.
    #[serde(default)]
    pub triggered_by: Option<ImageReference>,
    /// OpenShift image stream that follows the image. Example: `team-hello`.
    #[serde(default)]
    pub image_stream: Option<String>,
    /// Data of the caller's own, which Koji keeps with the build and reactor never
    /// reads: a JSON object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_data: Option<serde_json::Map<String, serde_json::Value>>,
}

impl BuildRequest {
    /// A request with nothing but a source.
    pub fn new(uri: &str, reference: Option<&str>) -> Self {
        Self {
            source: GitSource { uri: uri.to_owned(), reference: reference.map(str::to_owned) },
            platforms: Vec::new(),
            destinations: Vec::new(),
            component: None,
            target: None,
            mode: BuildMode::Normal,
            release: None,
            user: String::new(),
            allow_local_parents: false,
            build_args: BTreeMap::new(),
            labels: BTreeMap::new(),
            limits: Limits::default(),
            failure_policy: None,
            koji_task: None,
            branch: None,
            repository_urls: Vec::new(),
            composes: Vec::new(),
            signing_intent: None,
            parent_build: None,
            filesystem_task: None,
            flatpak: false,
            rebuild: false,
            triggered_by: None,
            image_stream: None,
            user_data: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What journals hold from the time before there were Koji, composes and
    /// triggers in a request.
    #[test]
    fn a_request_of_an_older_version_is_still_read() {
        let stored = r#"{"source":{"uri":"https://x/y","ref":"main"},"platforms":["x86_64"],"destinations":[],
            "component":null,"target":null,"mode":{"isolated":{"release":"1.1"}},"release":null,"user":"mara",
            "allow_local_parents":false,"build_args":{},"labels":{},"limits":{"memory_bytes":null,"time":null},
            "failure_policy":null}"#;
        let request: BuildRequest = serde_json::from_str(stored).unwrap();
        let expected = BuildRequest {
            platforms: vec!["x86_64".parse().unwrap()],
            mode: BuildMode::Isolated { release: "1.1".into() },
            user: "mara".into(),
            ..BuildRequest::new("https://x/y", Some("main"))
        };
        assert_eq!(request, expected);
        let again = serde_json::to_string(&request).unwrap();
        assert_eq!(serde_json::from_str::<BuildRequest>(&again).unwrap(), expected);
    }
}
