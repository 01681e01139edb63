//! The last error, where the cluster looks for it.
//!
//! Kubernetes shows the content of a container's termination log in the pod's
//! status (Kubernetes documentation, "Determine the reason for pod failure").

use std::{error::Error, fs::OpenOptions, io::Write as _, path::Path};

use tracing::warn;

/// Where Kubernetes looks unless it is told otherwise.
pub const KUBERNETES_TERMINATION_LOG: &str = "/dev/termination-log";
/// Kubernetes shows no more bytes than this.
const MAX_BYTES: usize = 4096;

/// Writes an error with its causes into a termination log. The file must exist:
/// outside of a cluster nothing is made.
pub fn leave_failure_note(path: &Path, error: &dyn Error) {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str("\ncaused by: ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text.truncate(text.floor_char_boundary(MAX_BYTES));
    let written = OpenOptions::new().write(true).truncate(true).open(path);
    match written.and_then(|mut file| file.write_all(text.as_bytes())) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => warn!(path = %path.display(), %error, "cannot write the termination log"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::ListenError;

    #[test]
    fn the_chain_is_written_where_the_file_exists() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let error = ListenError {
            address: "localhost:1".parse().unwrap(),
            reason: "ä".repeat(MAX_BYTES),
            source: Some(std::io::ErrorKind::AddrInUse.into()),
        };
        leave_failure_note(&path, &error);
        assert!(!path.exists());
        std::fs::write(&path, "before").unwrap();
        leave_failure_note(&path, &error);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("cannot listen on localhost:1: ä") && text.len() <= MAX_BYTES);
        leave_failure_note(&path, &ListenError { reason: "r".into(), ..error });
        assert!(std::fs::read_to_string(&path).unwrap().contains("\ncaused by: "));
    }
}
