//! The container engine: Docker, or anything that speaks its API.
//!
//! One concrete type over bollard. [`build`] runs the classic builder, which
//! every Docker-compatible engine has; [`pull`] brings the parents in first, so
//! that the build itself meets no credential; [`sweep`] proves that nothing of
//! a build is left. Everything that goes wrong becomes an [`EngineError`].

pub(crate) mod build;
mod classify;
mod context_body;
mod credentials;
mod dockerfile;
mod emulation;
mod environment;
mod error;
pub(crate) mod images;
mod lines;
mod memory;
mod pull;
pub(crate) mod sweep;

use std::{fmt, path::PathBuf, str::FromStr, time::Duration};

use bollard::{API_DEFAULT_VERSION, Docker};
use common::{ParseError, platform::Architecture};

pub use credentials::RegistryCredentials;
pub use error::{EngineError, FailedStep};

/// Deadline of one ordinary call, in seconds.
const CALL_SECONDS: u64 = 120;

/// Where an engine listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// A Unix socket on this host.
    Unix(PathBuf),
    /// Plain HTTP. Example: `http://build07:2375`.
    Http(String),
}

impl Default for Endpoint {
    /// Docker's own default, `/var/run/docker.sock`.
    fn default() -> Self {
        Self::Unix(PathBuf::from("/var/run/docker.sock"))
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Http(address) => f.write_str(address),
        }
    }
}

impl FromStr for Endpoint {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let bad = || ParseError::new("engine address", text, "expected unix:///PATH or http://HOST:PORT");
        match text.split_once("://") {
            Some(("unix", path)) if path.starts_with('/') => Ok(Self::Unix(PathBuf::from(path))),
            Some(("http" | "tcp", host)) if !host.is_empty() => Ok(Self::Http(format!("http://{host}"))),
            _ => Err(bad()),
        }
    }
}

/// What an engine says about itself.
#[derive(Debug, Clone)]
pub struct EngineInfo {
    /// Name of the product. Example: `Docker`.
    pub name: String,
    /// Its version. Example: `20.10.24`.
    pub version: String,
    /// The API version that is spoken with it. Example: `1.41`.
    pub api: String,
    /// What it runs on. Example: `linux/amd64`.
    pub architecture: Architecture,
}

impl fmt::Display for EngineInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, version, api, architecture } = self;
        write!(f, "{name} {version} (API {api}, {architecture})")
    }
}

/// A connection to an engine whose API version is settled.
#[derive(Debug, Clone)]
pub struct DockerEngine {
    docker: Docker,
    endpoint: Endpoint,
    info: EngineInfo,
}

impl DockerEngine {
    /// Connects, settles on an API version that both sides speak, and asks the
    /// engine who it is.
    ///
    /// # Errors
    /// [`EngineError::Unreachable`] when nobody answers there, or not as an
    /// engine would.
    pub async fn connect(endpoint: &Endpoint) -> Result<Self, EngineError> {
        let unreachable = |source| EngineError::Unreachable { endpoint: endpoint.to_string(), source };
        let docker = match endpoint {
            Endpoint::Unix(path) => {
                Docker::connect_with_unix(&path.to_string_lossy(), CALL_SECONDS, API_DEFAULT_VERSION)
            }
            Endpoint::Http(address) => Docker::connect_with_http(address, CALL_SECONDS, API_DEFAULT_VERSION),
        };
        let docker = docker.map_err(unreachable)?.negotiate_version().await.map_err(unreachable)?;
        let version = docker.version().await.map_err(unreachable)?;
        let component = version.components.unwrap_or_default().into_iter().next();
        let name = match component.map(|component| component.name) {
            Some(name) if name.starts_with("Podman") => "Podman".to_owned(),
            _ => "Docker".to_owned(),
        };
        let info = EngineInfo {
            name,
            version: version.version.unwrap_or_else(|| "unknown".to_owned()),
            api: docker.client_version().to_string(),
            architecture: Architecture::plain(version.arch.as_deref().unwrap_or_default()),
        };
        Ok(Self { docker, endpoint: endpoint.clone(), info })
    }

    /// What the engine says about itself.
    pub fn info(&self) -> &EngineInfo {
        &self.info
    }

    /// Whether it can only be on this host, so that what `/proc` says here is
    /// true for its containers too.
    fn is_on_this_host(&self) -> bool {
        matches!(self.endpoint, Endpoint::Unix(_))
    }

    /// The same connection with another deadline for the first byte of an
    /// answer. The engine answers a build only once it has read all of the
    /// context, and an export only once it has put the image together.
    fn patient(&self, deadline: Duration) -> Docker {
        self.docker.clone().with_timeout(deadline)
    }
}

/// Parses what a work order calls the engine's platform. Example:
/// `linux/arm/v7`.
///
/// # Errors
/// Text that is not `linux/ARCHITECTURE[/VARIANT]`.
pub(crate) fn parse_engine_platform(text: &str) -> Result<Architecture, ParseError> {
    let parts: Vec<&str> = text.split('/').collect();
    match parts.as_slice() {
        ["linux", architecture] if !architecture.is_empty() => Ok(Architecture::plain(architecture)),
        ["linux", architecture, variant] if !architecture.is_empty() && !variant.is_empty() => {
            Ok(Architecture {
                architecture: (*architecture).to_owned(),
                variant: Some((*variant).to_owned()),
            })
        }
        _ => Err(ParseError::new("engine platform", text, "expected linux/ARCHITECTURE[/VARIANT]")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_engines_are_parsed_and_printed() {
        for (text, printed) in [
            ("unix:///run/docker.sock", "unix:///run/docker.sock"),
            ("http://build07:2375", "http://build07:2375"),
            ("tcp://127.0.0.1:2375", "http://127.0.0.1:2375"),
        ] {
            assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), printed);
        }
        for bad in ["", "unix://relative", "ssh://host", "/run/docker.sock", "http://"] {
            assert!(bad.parse::<Endpoint>().is_err(), "{bad}");
        }
    }

    #[test]
    fn engine_platforms_follow_their_form() {
        assert_eq!(parse_engine_platform("linux/arm/v7").unwrap().engine_platform(), "linux/arm/v7");
        assert_eq!(parse_engine_platform("linux/s390x").unwrap(), Architecture::plain("s390x"));
        for bad in ["", "linux", "linux/", "windows/amd64", "linux/arm/"] {
            assert!(parse_engine_platform(bad).is_err(), "{bad}");
        }
    }
}
