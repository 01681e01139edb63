//! Who we are to a registry: nobody, a user with a password, or the bearer of a
//! token.
//!
//! The realm that a registry names is not to be trusted: it must be HTTPS unless
//! the site allows plain HTTP for this host, its redirects are not followed, and
//! its answer is read up to 64 KiB.

mod challenge;
mod token;

pub(crate) use self::token::header;

use std::{
    path::PathBuf,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use common::{
    credentials::{self, LoginsError, RegistryLogins},
    image::{Host, Repository},
    secret::Secret,
};
use reqwest::header::HeaderMap;

use self::{challenge::Challenge, token::Tokens};
use super::Limits;
use crate::RegistryError;

/// What a request needs to be allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scope {
    /// The repository.
    pub(crate) repository: Repository,
    /// Whether it is written to.
    pub(crate) push: bool,
    /// Another repository that is read, for a mount.
    pub(crate) pull_from: Option<Repository>,
}

impl Scope {
    /// In the words of Docker's token specification.
    fn words(&self) -> Vec<String> {
        let actions = if self.push { "pull,push" } else { "pull" };
        let own = format!("repository:{}:{actions}", self.repository);
        let other = self.pull_from.as_ref().map(|other| format!("repository:{other}:pull"));
        std::iter::once(own).chain(other).collect()
    }

    /// Whether a token for this is good for `wanted`.
    fn covers(&self, wanted: &Self) -> bool {
        self.repository == wanted.repository
            && (self.push || !wanted.push)
            && (wanted.pull_from.is_none() || self.pull_from == wanted.pull_from)
    }
}

/// The state of our dealings with one host.
#[derive(Debug)]
pub(crate) struct Login {
    host: Host,
    credentials_file: Option<PathBuf>,
    plain_http: bool,
    tokens: Tokens,
    basic: Mutex<Option<Secret>>,
    /// Whether the last login was with credentials.
    known_here: AtomicBool,
    /// One token is fetched at a time, and whoever waited looks again first.
    fetching: tokio::sync::Mutex<()>,
}

impl Login {
    pub(crate) fn new(host: Host, credentials_file: Option<PathBuf>, plain_http: bool) -> Self {
        Self {
            host,
            credentials_file,
            plain_http,
            tokens: Tokens::default(),
            basic: Mutex::default(),
            known_here: AtomicBool::new(false),
            fetching: tokio::sync::Mutex::default(),
        }
    }

    /// Whether a token for a repository was issued for credentials, so that a `401` speaks about the repository.
    pub(crate) fn was_granted(&self, repository: &Repository) -> bool {
        let scope = Scope { repository: repository.clone(), push: false, pull_from: None };
        self.known_here.load(Ordering::Relaxed) && self.tokens.get(&scope).is_some()
    }

    /// What to send along before being asked: what was good for such a request last time.
    pub(crate) fn known(&self, scope: &Scope) -> Option<Secret> {
        self.tokens.get(scope).or_else(|| self.lock_basic().clone())
    }

    /// What to send after a `401` to a request that sent `used`; `None` if there is nothing to offer.
    pub(crate) async fn answer(
        &self,
        http: &reqwest::Client,
        limits: &Limits,
        headers: &HeaderMap,
        scope: &Scope,
        used: Option<&Secret>,
    ) -> Result<Option<Secret>, RegistryError> {
        let Some(challenge) = Challenge::of(headers) else { return Ok(None) };
        let _one_at_a_time = self.fetching.lock().await;
        // Somebody else may have fetched it in the meantime.
        if let Some(known) = self.known(scope)
            && !used.is_some_and(|used| used.matches(known.expose()))
        {
            return Ok(Some(known));
        }
        self.tokens.forget(scope);
        let credentials = self.credentials().await?;
        self.known_here.store(credentials.is_some(), Ordering::Relaxed);
        match challenge {
            Challenge::Basic => {
                let basic = credentials.as_ref().and_then(credentials::Login::basic);
                self.lock_basic().clone_from(&basic);
                // The same password again would be refused again.
                Ok(basic.filter(|basic| !used.is_some_and(|used| used.matches(basic.expose()))))
            }
            Challenge::Bearer { realm, service, scope: asked } => {
                let mut words = scope.words();
                if !asked.is_empty() && !words.contains(&asked) && words.len() < 4 {
                    words.push(asked);
                }
                let request = token::Request {
                    host: &self.host,
                    plain_http: self.plain_http,
                    realm: &realm,
                    service: &service,
                    scopes: &words,
                    credentials: credentials.as_ref(),
                };
                let token = request.fetch(http, limits).await?;
                Ok(Some(self.tokens.keep(scope, token)))
            }
        }
    }

    async fn credentials(&self) -> Result<Option<credentials::Login>, RegistryError> {
        const ACTION: &str = "read the credentials in";
        let Some(path) = self.credentials_file.clone() else { return Ok(None) };
        let (file, host) = (path.clone(), self.host.clone());
        // Read each time, since such files are replaced while we run.
        let read = tokio::task::spawn_blocking(move || {
            RegistryLogins::from_file_for(&file, &host).map(|logins| logins.for_host(&host))
        });
        match read.await {
            Ok(Ok(login)) => Ok(login),
            Ok(Err(LoginsError::Read { path, source })) => {
                Err(RegistryError::File { action: ACTION, path, source })
            }
            Ok(Err(error @ LoginsError::Content { .. })) => {
                Err(RegistryError::Settings { host: self.host.to_string(), reason: error.to_string() })
            }
            Err(stopped) => Err(RegistryError::File { action: ACTION, path, source: stopped.into() }),
        }
    }

    fn lock_basic(&self) -> std::sync::MutexGuard<'_, Option<Secret>> {
        self.basic.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(repository: &str, push: bool, pull_from: Option<&str>) -> Scope {
        Scope {
            repository: repository.parse().unwrap(),
            push,
            pull_from: pull_from.map(|other| other.parse().unwrap()),
        }
    }

    #[test]
    fn a_wide_token_serves_narrow_requests() {
        for (has, wants, expected) in [
            (scope("a", true, None), scope("a", false, None), true),
            (scope("a", false, None), scope("a", true, None), false),
            (scope("a", true, Some("b")), scope("a", true, None), true),
            (scope("a", true, None), scope("a", true, Some("b")), false),
            (scope("a", true, Some("c")), scope("a", true, Some("b")), false),
            (scope("b", true, None), scope("a", false, None), false),
        ] {
            assert_eq!(has.covers(&wants), expected, "{has:?} {wants:?}");
        }
    }

    #[test]
    fn a_mount_asks_for_both_repositories() {
        assert_eq!(scope("a/b", true, Some("c")).words(), ["repository:a/b:pull,push", "repository:c:pull"]);
    }
}
