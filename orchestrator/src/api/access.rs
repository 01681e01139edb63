//! Who may call: the tokens that clients and workers show.

use std::path::Path;

use common::secret::{Secret, SecretFileError};
use tonic::{Request, Status};

/// The tokens of the service; a role without one is open to everybody who
/// reaches the address.
#[derive(Debug, Clone, Default)]
pub struct Access {
    worker: Option<Secret>,
    client: Option<Secret>,
}

impl Access {
    /// Reads the token files.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn from_files(worker: Option<&Path>, client: Option<&Path>) -> Result<Self, SecretFileError> {
        let read = |path: Option<&Path>| path.map(Secret::from_file).transpose();
        Ok(Self { worker: read(worker)?, client: read(client)? })
    }

    /// Lets a worker in.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` without the right token.
    #[allow(clippy::result_large_err)]
    pub fn worker<T>(&self, request: &Request<T>) -> Result<(), Status> {
        check(self.worker.as_ref(), request, "worker")
    }

    /// Lets a client in.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` without the right token.
    #[allow(clippy::result_large_err)]
    pub fn client<T>(&self, request: &Request<T>) -> Result<(), Status> {
        check(self.client.as_ref(), request, "client")
    }
}

#[allow(clippy::result_large_err)]
fn check<T>(wanted: Option<&Secret>, request: &Request<T>, role: &str) -> Result<(), Status> {
    let Some(wanted) = wanted else { return Ok(()) };
    let shown = request
        .metadata()
        .get("authorization")
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.strip_prefix("Bearer "));
    match shown {
        Some(token) if wanted.matches(token) => Ok(()),
        Some(_) => Err(Status::unauthenticated(format!("this is not the {role} token of this orchestrator"))),
        None => Err(Status::unauthenticated(format!(
            "a {role} token is needed: send it as 'authorization: Bearer …' (--token-file)"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(header: Option<&str>) -> Request<()> {
        let mut request = Request::new(());
        if let Some(header) = header {
            request.metadata_mut().insert("authorization", header.parse().unwrap());
        }
        request
    }

    #[test]
    fn only_the_right_token_opens_the_right_door() {
        let access = Access { worker: Some(Secret::new("w")), client: None };
        assert!(access.worker(&shown(Some("Bearer w"))).is_ok());
        for wrong in [None, Some("w"), Some("Bearer x"), Some("Basic w")] {
            assert_eq!(access.worker(&shown(wrong)).unwrap_err().code(), tonic::Code::Unauthenticated);
        }
        assert!(access.client(&shown(None)).is_ok());
    }
}
