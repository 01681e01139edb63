//! Builds.

use common::{
    koji::{KojiBuild, KojiBuildState, KojiOrigin},
    nvr::Nvr,
};
use jiff::Timestamp;
use serde::Deserialize;

use super::{
    Hub, HubError,
    answers::{Build, Found},
    archives::number,
};
use crate::xmlrpc::{Arguments, Value};

/// What a build is asked for by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BuildName {
    /// Name, version and release.
    Nvr(Nvr),
    /// Its number.
    Number(u64),
}

/// A build as it leaves the bridge.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundBuild {
    /// The build.
    pub build: KojiBuild,
    /// When it was completed.
    pub completed_at: Option<Timestamp>,
}

/// What a look for a build shows.
#[derive(Debug, Clone)]
pub(super) enum Sight {
    /// There is none.
    Absent,
    /// This one.
    Clear(Box<Build>),
    /// One whose details nobody can read: it holds characters that the hub cannot
    /// send. Only an import can have put them there.
    Unreadable {
        /// Its number.
        id: u64,
        /// What it is called.
        nvr: Nvr,
    },
}

/// An entry of `getBuildLogs`.
#[derive(Debug, Deserialize)]
struct BuildLog {
    dir: Option<String>,
    path: Option<String>,
}

impl BuildName {
    fn argument(&self) -> Result<Value, HubError> {
        Ok(match self {
            Self::Number(id) => Value::Int(number(*id)?),
            Self::Nvr(nvr) => {
                let parts = [("name", nvr.name()), ("version", nvr.version()), ("release", nvr.release())];
                Value::Struct(parts.map(|(key, text)| (key.to_owned(), text.into())).into())
            }
        })
    }

    fn absent(&self) -> HubError {
        let message = match self {
            Self::Nvr(nvr) => format!("the hub has no build {nvr}"),
            Self::Number(id) => format!("the hub has no build with number {id}"),
        };
        HubError::NotFound { method: "getBuild", code: "koji.no_build", message }
    }
}

impl Hub {
    /// Looks for a build, in whatever state.
    ///
    /// # Errors
    /// There is none, or the hub cannot answer.
    pub async fn build(&self, name: &BuildName) -> Result<FoundBuild, HubError> {
        let build = match self.require_build(name).await? {
            Sight::Absent => return Err(name.absent()),
            Sight::Clear(build) => *build,
            Sight::Unreadable { id, nvr } => {
                let build = KojiBuild {
                    id,
                    files_url: self.files_of(&nvr, ""),
                    nvr,
                    // Only an import can have put in what cannot be read.
                    state: KojiBuildState::Complete,
                    volume: String::new(),
                    extra: serde_json::Value::Null,
                    origin: KojiOrigin::default(),
                    details_unavailable: true,
                };
                return Ok(FoundBuild { build, completed_at: None });
            }
        };
        let wrong = |reason: String| HubError::unexpected("getBuild", reason);
        let nvr = Nvr::new(&build.name, &build.version, &build.release)
            .map_err(|error| wrong(error.to_string()))?;
        let state = build.state().ok_or_else(|| wrong(format!("{nvr} has state {}", build.state)))?;
        let completed_at = build.completed_at();
        let build = KojiBuild {
            id: build.number(),
            state,
            volume: build.volume().to_owned(),
            files_url: self.files_of(&nvr, build.volume()),
            origin: KojiOrigin {
                task: build.task(),
                owner: build.owner_name.unwrap_or_default(),
                source: build.source.unwrap_or_default(),
            },
            extra: build.extra.unwrap_or_default(),
            nvr,
            details_unavailable: false,
        };
        Ok(FoundBuild { build, completed_at })
    }

    /// A build that must be there, be it readable or not.
    pub(super) async fn require_build(&self, name: &BuildName) -> Result<Sight, HubError> {
        match self.look_for_build(name).await? {
            Sight::Absent => Err(name.absent()),
            sight => Ok(sight),
        }
    }

    /// Looks for a build.
    pub(super) async fn look_for_build(&self, name: &BuildName) -> Result<Sight, HubError> {
        let asked = Arguments::none().with(name.argument()?);
        let unreadable = match self.read::<Option<Build>>("getBuild", asked).await {
            Ok(Some(build)) => return Ok(Sight::Clear(Box::new(build))),
            Ok(None) => return Ok(Sight::Absent),
            Err(error) if error.is_unreadable() => error,
            Err(error) => return Err(error),
        };
        let found = match name {
            BuildName::Nvr(nvr) => self.search_for(nvr).await?,
            BuildName::Number(id) => self.name_in_logs(*id).await?.map(|nvr| (*id, nvr)),
        };
        let (id, nvr) = found.ok_or(unreadable)?;
        tracing::warn!(build = id, %nvr, "the hub's answer about this build cannot be read");
        Ok(Sight::Unreadable { id, nvr })
    }

    /// The number of a build by another way than its details.
    async fn search_for(&self, nvr: &Nvr) -> Result<Option<(u64, Nvr)>, HubError> {
        let asked = Arguments::none().with(nvr.to_string()).with("build").with("glob");
        let found: Vec<Found> = self.read("search", asked).await?;
        let same = found.into_iter().find(|found| found.name == nvr.to_string());
        Ok(same.map(|found| (found.id.into(), nvr.clone())))
    }

    /// The name of a build by where its logs are: no other answer has the name
    /// without what cannot be read.
    async fn name_in_logs(&self, id: u64) -> Result<Option<Nvr>, HubError> {
        let asked = Arguments::none().with(number(id)?);
        let logs: Vec<BuildLog> = self.read("getBuildLogs", asked).await?;
        let paths = logs.iter().flat_map(|log| [&log.path, &log.dir]).flatten();
        Ok(paths.filter_map(|path| nvr_in_path(path)).next())
    }

    /// Where the files of a build are, without a slash at the end.
    fn files_of(&self, nvr: &Nvr, volume: &str) -> String {
        let options = self.options();
        let base = match options.volumes.get(volume) {
            Some(address) => address.clone(),
            None if volume.is_empty() => options.files_url.clone(),
            None => format!("{}/vol/{volume}", options.files_url),
        };
        format!("{base}/packages/{}/{}/{}", nvr.name(), nvr.version(), nvr.release())
    }
}

/// The build in a path such as `packages/hello/1.0/3/data/logs/x86_64.log`.
fn nvr_in_path(path: &str) -> Option<Nvr> {
    let mut parts = path.split('/').skip_while(|part| *part != "packages").skip(1);
    let (name, version, release) = (parts.next()?, parts.next()?, parts.next()?);
    Nvr::new(name, version, release).ok()
}

#[cfg(test)]
mod unit_tests {
    use super::*;

    #[test]
    fn a_path_names_its_build() {
        for (path, nvr) in [
            ("packages/hello/1.0/3/data/logs/x86_64.log", Some("hello-1.0-3")),
            ("vol/vol3/packages/hello/1.0/3", Some("hello-1.0-3")),
            ("packages/hello/1.0", None),
            ("work/tasks/1/1", None),
        ] {
            assert_eq!(nvr_in_path(path).map(|nvr| nvr.to_string()).as_deref(), nvr, "{path}");
        }
    }
}
