//! The memory limit of a build as query parameters of its request.
//!
//! bollard's own fields for them have 32 bits and end at 2 GiB, so they are added
//! to the finished request.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use bollard::Docker;

use super::EngineError;

/// The memory limit of a build.
pub(super) struct LimitedMemory {
    bytes: Option<u64>,
    failed: Arc<AtomicBool>,
}

impl LimitedMemory {
    pub(super) fn new(bytes: Option<u64>) -> Self {
        Self { bytes, failed: Arc::default() }
    }

    pub(super) fn apply(&self, docker: Docker) -> Docker {
        let Some(bytes) = self.bytes else { return docker };
        let failed = Arc::clone(&self.failed);
        docker.with_request_modifier(move |mut request| {
            match with_memory(&request.uri().to_string(), bytes).parse() {
                Ok(uri) => *request.uri_mut() = uri,
                Err(_) => failed.store(true, Ordering::Relaxed),
            }
            request
        })
    }

    /// A build must not run without the limit that it was given.
    pub(super) fn check(&self) -> Result<(), EngineError> {
        if self.failed.load(Ordering::Relaxed) {
            let message = "the labels and build arguments are too long for a request".to_owned();
            return Err(EngineError::Refused { doing: "the build".to_owned(), status: 414, message });
        }
        Ok(())
    }
}

fn with_memory(uri: &str, bytes: u64) -> String {
    let separator = if uri.contains('?') { '&' } else { '?' };
    // Equal values leave no swap on top of the memory.
    format!("{uri}{separator}memory={bytes}&memswap={bytes}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_memory_limit_above_two_gibibytes_is_kept() {
        let four = 4 << 30;
        assert_eq!(
            with_memory("unix://2f/build?rm=true", four),
            "unix://2f/build?rm=true&memory=4294967296&memswap=4294967296"
        );
        assert_eq!(with_memory("http://h/build", 1), "http://h/build?memory=1&memswap=1");
    }
}
