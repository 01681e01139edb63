//! Talking to a git remote with libgit2: threads, deadlines, logins, host keys,
//! and what its errors mean.
//!
//! libgit2 blocks, so it runs on tokio's blocking threads, a bounded number at a
//! time. Its callbacks look at the deadline and at cancellation whenever bytes
//! arrive. While a server is silent no callback comes; then the caller returns in
//! time all the same, and the thread ends when the server speaks or the
//! connection breaks.

use std::{
    cell::RefCell,
    rc::Rc,
    time::{Duration, Instant},
};

use common::secret::Secret;
use git2::{
    CertificateCheckStatus, Cred, CredentialType, Direction, Error, ErrorClass, ErrorCode, FetchOptions,
    ProxyOptions, Remote, RemoteCallbacks,
};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::{
    SourceError,
    address::{Address, Transport},
    credentials::Logins,
    host_keys::{HostKeys, Verdict},
    source::GitAccess,
};

/// Git operations at a time, in the whole process.
static PLACES: Semaphore = Semaphore::const_new(16);

/// How long a stopped operation may clean up before it is left to itself.
const GRACE: Duration = Duration::from_secs(2);

/// When blocking work has to end.
#[derive(Debug, Clone)]
pub(super) struct Stop {
    token: CancellationToken,
    deadline: Instant,
}

impl Stop {
    /// Whether to go on.
    pub(super) fn go_on(&self) -> bool {
        !self.token.is_cancelled() && Instant::now() < self.deadline
    }
}

/// Runs blocking work about one repository within the time limit of `access`.
pub(super) async fn blocking<T, F>(
    access: &GitAccess,
    uri: &str,
    doing: &'static str,
    token: &CancellationToken,
    work: F,
) -> Result<T, SourceError>
where
    T: Send + 'static,
    F: FnOnce(&Stop) -> Result<T, SourceError> + Send + 'static,
{
    let after = access.timeout;
    let stop = Stop { token: token.child_token(), deadline: Instant::now() + after };
    // Also when the caller is dropped the work ends.
    let _stops_on_drop = stop.token.clone().drop_guard();
    let cancelled = || SourceError::Cancelled { doing, uri: uri.to_owned() };
    let late = || SourceError::Timeout { doing, uri: uri.to_owned(), after };
    let deadline = tokio::time::sleep(after);
    tokio::pin!(deadline);

    let place = tokio::select! {
        biased;
        () = token.cancelled() => return Err(cancelled()),
        () = &mut deadline => return Err(late()),
        place = PLACES.acquire() => place,
    };
    let inner = stop.clone();
    let mut thread = tokio::task::spawn_blocking(move || {
        let _place = place;
        work(&inner)
    });
    let stopped = tokio::select! {
        biased;
        ended = &mut thread => {
            return match ended {
                // The callbacks may notice first; the error is the same then.
                Ok(Err(_)) if token.is_cancelled() => Err(cancelled()),
                Ok(Err(_)) if !stop.go_on() => Err(late()),
                Ok(result) => result,
                Err(error) => Err(SourceError::Internal { uri: uri.to_owned(), reason: error.to_string() }),
            };
        }
        () = token.cancelled() => cancelled(),
        () = &mut deadline => late(),
    };
    stop.token.cancel();
    let _ended_or_left = tokio::time::timeout(GRACE, thread).await;
    Err(stopped)
}

/// What happened in the callbacks that the error of libgit2 does not tell.
#[derive(Debug, Default)]
struct Noted {
    offered: bool,
    refused: Option<String>,
    host_key: Option<String>,
    server: Option<String>,
}

/// A repository's address with all that is needed to be let in.
pub(super) struct Entrance {
    /// The address.
    pub(super) address: Address,
    login: Option<(String, Secret)>,
    key_file: Option<std::path::PathBuf>,
    host_keys: Option<HostKeys>,
    stop: Stop,
    noted: Rc<RefCell<Noted>>,
}

impl Entrance {
    /// Reads the files of `access` that this address needs.
    pub(super) fn new(access: &GitAccess, address: Address, stop: &Stop) -> Result<Self, SourceError> {
        // What is not there now will not come by trying again.
        if address.is_local() && !std::path::Path::new(&address.path).is_dir() {
            return Err(SourceError::NoSuchDirectory { uri: address.url });
        }
        let ssh = address.transport == Transport::Ssh;
        let logins = match &access.credentials_file {
            Some(path) if address.transport == Transport::Http => Logins::read(path)?,
            _ => Logins::default(),
        };
        let login = logins.find(&address).map(|(user, password)| (user.to_owned(), password.clone()));
        let key_file = access.ssh_key_file.clone().filter(|_| ssh);
        let host_keys = match &access.ssh_known_hosts_file {
            Some(path) if ssh => Some(HostKeys::read(path)?),
            _ => None,
        };
        let (stop, noted) = (stop.clone(), Rc::default());
        Ok(Self { address, login, key_file, host_keys, stop, noted })
    }

    /// Connects, hands the open remote to `work`, and explains errors.
    pub(super) fn with_remote<T>(
        &self,
        mut remote: Remote<'_>,
        work: impl FnOnce(&mut Remote<'_>) -> Result<T, Error>,
    ) -> Result<T, SourceError> {
        *self.noted.borrow_mut() = Noted::default();
        let mut proxy = ProxyOptions::new();
        proxy.auto();
        let connection = remote.connect_auth(Direction::Fetch, Some(self.callbacks()), Some(proxy));
        let result = connection.and_then(|mut connection| work(connection.remote()));
        result.map_err(|error| self.explain(&error))
    }

    /// Options of a download over an open connection.
    pub(super) fn fetch_options(&self) -> FetchOptions<'_> {
        let mut proxy = ProxyOptions::new();
        proxy.auto();
        let mut options = FetchOptions::new();
        options.remote_callbacks(self.callbacks());
        options.proxy_options(proxy);
        options.download_tags(git2::AutotagOption::None);
        options.update_fetchhead(false);
        options
    }

    fn callbacks(&self) -> RemoteCallbacks<'_> {
        let mut callbacks = RemoteCallbacks::new();
        callbacks.credentials(|_, user, allowed| self.credentials(user, allowed));
        callbacks.certificate_check(|certificate, host| self.certificate(certificate, host));
        callbacks.transfer_progress(|_| self.stop.go_on());
        callbacks.sideband_progress(|_| self.stop.go_on());
        callbacks
    }

    fn credentials(&self, user: Option<&str>, allowed: CredentialType) -> Result<Cred, Error> {
        let user = user.or(self.address.user.as_deref()).unwrap_or("git");
        if allowed.contains(CredentialType::USERNAME) {
            return Cred::username(user);
        }
        let offered = self.noted.borrow().offered;
        let refuse = |reason: String| {
            self.noted.borrow_mut().refused = Some(reason.clone());
            Err(Error::new(ErrorCode::Auth, ErrorClass::Callback, reason))
        };
        if self.address.transport == Transport::Ssh {
            return match &self.key_file {
                Some(path) if offered => refuse(format!("the SSH key {} was not accepted", path.display())),
                Some(path) => {
                    self.noted.borrow_mut().offered = true;
                    Cred::ssh_key(user, None, path, None)
                }
                None => refuse("no SSH key is configured".to_owned()),
            };
        }
        // A redirect must not carry the password of one host to another.
        let elsewhere = self.noted.borrow().server.clone().filter(|server| *server != self.address.host);
        match (&self.login, elsewhere) {
            (_, Some(server)) => {
                refuse(format!("it redirects to {server}, which wants a login; use that address instead"))
            }
            (None, None) => refuse(format!("no credentials are known for {}", self.address.host)),
            (Some((user, _)), None) if offered => {
                refuse(format!("the password of user '{user}' was not accepted"))
            }
            (Some((user, password)), None) => {
                self.noted.borrow_mut().offered = true;
                Cred::userpass_plaintext(user, password.expose())
            }
        }
    }

    fn certificate(
        &self,
        certificate: &git2::cert::Cert<'_>,
        host: &str,
    ) -> Result<CertificateCheckStatus, Error> {
        self.noted.borrow_mut().server = Some(host.to_ascii_lowercase());
        let Some(key) = certificate.as_hostkey() else {
            return Ok(CertificateCheckStatus::CertificatePassthrough);
        };
        let Some(known) = &self.host_keys else {
            // libgit2 looks into the user's own known_hosts and says so if that fails.
            return Ok(CertificateCheckStatus::CertificatePassthrough);
        };
        let port = self.address.port.unwrap_or(22);
        let reason = match known.verdict(&self.address.host, port, key.hostkey().unwrap_or_default()) {
            Verdict::Known => return Ok(CertificateCheckStatus::CertificateOk),
            Verdict::Changed => "its key differs from the one in the known hosts file",
            Verdict::Revoked => "its key is revoked in the known hosts file",
            Verdict::Unknown => "it is not in the known hosts file",
        };
        self.noted.borrow_mut().host_key = Some(reason.to_owned());
        Err(Error::new(ErrorCode::Certificate, ErrorClass::Ssh, reason))
    }

    /// What an error of libgit2 means here.
    pub(super) fn explain(&self, error: &Error) -> SourceError {
        let uri = self.address.url.clone();
        let noted = self.noted.borrow();
        let text = error.message().trim().to_owned();
        if let Some(reason) = &noted.host_key {
            return SourceError::HostKey { uri, reason: reason.clone() };
        }
        if let Some(reason) = &noted.refused {
            return SourceError::Unauthorized { uri, reason: reason.clone() };
        }
        if text.contains("remote ssh hostkey") {
            return SourceError::HostKey {
                uri,
                reason: "it is not in the user's known hosts file".to_owned(),
            };
        }
        let status = text.rsplit_once("status code: ").map(|(_, status)| status);
        if error.code() == ErrorCode::Auth || matches!(status, Some("401" | "403")) {
            return SourceError::Unauthorized { uri, reason: text };
        }
        let network = matches!(
            error.class(),
            ErrorClass::Net | ErrorClass::Os | ErrorClass::Ssl | ErrorClass::Ssh | ErrorClass::Http
        );
        let permanent = error.code() == ErrorCode::NotFound || status.is_some_and(|s| s.starts_with('4'));
        SourceError::Unreachable {
            uri,
            reason: text,
            passing: network && !permanent && !self.address.is_local(),
        }
    }
}
