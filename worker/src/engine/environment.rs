//! What built an image, for records: the engine's host, the engine, the worker.

use std::time::Duration;

use common::{platform::PlatformTable, work::BuildEnvironment};
use tokio::time::timeout;

use super::DockerEngine;

/// How long the engine may take to describe its host.
const PATIENCE: Duration = Duration::from_secs(30);

impl DockerEngine {
    /// What builds here. An engine that does not describe its host leaves that
    /// out: no build fails for want of a name.
    pub(crate) async fn environment(&self) -> BuildEnvironment {
        let described = timeout(PATIENCE, self.docker.info()).await;
        let operating_system = match described {
            Ok(Ok(host)) => host.operating_system.unwrap_or_default(),
            Ok(Err(error)) => {
                tracing::warn!(%error, "the engine does not describe its host");
                String::new()
            }
            Err(_) => String::new(),
        };
        let kernel = rustix::system::uname().machine().to_string_lossy().into_owned();
        let tools = [
            ("reactor-worker".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
            (self.info.name.to_lowercase(), self.info.version.clone()),
        ];
        BuildEnvironment {
            operating_system,
            architecture: koji_name(&self.info.architecture.architecture),
            kernel_architecture: kernel,
            tools: tools.into(),
        }
    }
}

/// Koji's name of an architecture; one without a name there keeps its own.
fn koji_name(architecture: &str) -> String {
    let table = PlatformTable::default();
    table.platform(architecture).map_or_else(|| architecture.to_owned(), ToString::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn architectures_have_kojis_names() {
        for (engine, koji) in [("amd64", "x86_64"), ("arm64", "aarch64"), ("s390x", "s390x"), ("vax", "vax")]
        {
            assert_eq!(koji_name(engine), koji);
        }
    }
}
