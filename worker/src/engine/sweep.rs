//! Proof that nothing of a build is left in the engine.
//!
//! The classic builder gives its containers no name or label of ours. It does
//! hand extra host entries on to each of them, so every build gets an entry of
//! its own, and whatever container has it belongs to that build.

use std::time::Duration;

use bollard::query_parameters::{ListContainersOptions, RemoveContainerOptions};
use common::names::WorkOrderId;
use tokio::time::{Instant, sleep};

use super::{DockerEngine, EngineError};

/// How long a sweep tries.
const DEADLINE: Duration = Duration::from_secs(10);
/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(200);

/// The host name that marks the containers of one build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BuildMarker(String);

impl BuildMarker {
    /// The marker of a work order. A host name is at most 63 letters, digits
    /// and hyphens (RFC 1123), hence a hash.
    pub(crate) fn of(order: &WorkOrderId) -> Self {
        let digest = common::image::Digest::of(order.as_str().as_bytes());
        Self(format!("reactor-{}", &digest.hex()[..40]))
    }

    /// The marker as it was written down by [`BuildMarker::as_str`].
    pub(crate) fn from_text(text: &str) -> Option<Self> {
        let hex = text.strip_prefix("reactor-")?;
        (hex.len() == 40 && hex.bytes().all(|b| b.is_ascii_hexdigit())).then(|| Self(text.to_owned()))
    }

    /// The host name.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The entry to give to a build. It points nowhere new.
    pub(crate) fn host_entry(&self) -> String {
        format!("{}:127.0.0.1", self.0)
    }

    fn is_in(&self, hosts: &[String]) -> bool {
        hosts.iter().any(|host| host.split_once(':').is_some_and(|(name, _)| name == self.0))
    }
}

/// How sure a sweep has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Proof {
    /// The engine said that the build has ended: one look is enough.
    AfterEnd,
    /// The build was cut off and may be about to start its next container: two
    /// looks in a row have to find nothing.
    AfterCut,
}

impl DockerEngine {
    /// Kills and removes the containers of a build until none is left. Returns
    /// how many there were.
    ///
    /// # Errors
    /// [`EngineError::BuildSurvived`] when some are still there after ten
    /// seconds; others when the engine does not answer.
    pub(crate) async fn sweep(&self, marker: &BuildMarker, proof: Proof) -> Result<usize, EngineError> {
        let deadline = Instant::now() + DEADLINE;
        let wanted = if proof == Proof::AfterCut { 2 } else { 1 };
        let (mut removed, mut clean_looks) = (0, 0);
        loop {
            let left = self.containers_of(marker).await?;
            clean_looks = if left.is_empty() { clean_looks + 1 } else { 0 };
            if clean_looks == wanted {
                return Ok(removed);
            }
            if Instant::now() >= deadline && !left.is_empty() {
                return Err(EngineError::BuildSurvived { containers: left, waited: DEADLINE });
            }
            for id in &left {
                let options = RemoveContainerOptions { force: true, v: true, ..Default::default() };
                match self.docker.remove_container(id, Some(options)).await {
                    Ok(()) => removed += 1,
                    Err(error) => {
                        tracing::warn!(container = id, %error, "cannot remove a build container yet")
                    }
                }
            }
            sleep(PAUSE).await;
        }
    }

    async fn containers_of(&self, marker: &BuildMarker) -> Result<Vec<String>, EngineError> {
        let options = ListContainersOptions { all: true, ..Default::default() };
        let listed = self.docker.list_containers(Some(options)).await;
        let listed = listed.map_err(|error| EngineError::of_call("listing containers", error))?;
        let mut found = Vec::new();
        for id in listed.into_iter().filter_map(|container| container.id) {
            let inspected = match self.docker.inspect_container(&id, None).await {
                Ok(inspected) => inspected,
                // Gone since it was listed.
                Err(bollard::errors::Error::DockerResponseServerError { status_code: 404, .. }) => continue,
                Err(error) => return Err(EngineError::of_call("inspecting a container", error)),
            };
            let hosts = inspected.host_config.and_then(|config| config.extra_hosts).unwrap_or_default();
            if marker.is_in(&hosts) {
                found.push(id);
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_is_a_host_name_and_survives_being_written_down() {
        let marker = BuildMarker::of(&"wo_01-x86_64-1".parse().unwrap());
        assert!(marker.as_str().len() <= 63);
        assert!(marker.as_str().bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'));
        assert_eq!(BuildMarker::from_text(marker.as_str()), Some(marker.clone()));
        assert_ne!(marker, BuildMarker::of(&"wo_01-x86_64-2".parse().unwrap()));
        for bad in ["", "reactor-", "reactor-xyz", "localhost"] {
            assert_eq!(BuildMarker::from_text(bad), None, "{bad}");
        }
    }

    #[test]
    fn only_the_whole_name_counts() {
        let marker = BuildMarker::of(&"wo_1".parse().unwrap());
        assert!(marker.is_in(&["other:10.0.0.1".into(), marker.host_entry()]));
        assert!(!marker.is_in(&[format!("{}x:127.0.0.1", marker.as_str()), "broken".into()]));
    }
}
