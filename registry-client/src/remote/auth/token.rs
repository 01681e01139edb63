//! Bearer tokens: fetching, keeping, forgetting (Docker registry token
//! authentication and its OAuth2 form).

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use common::{credentials::Login, image::Host, secret::Secret};
use reqwest::header::{AUTHORIZATION, HeaderValue};
use serde::Deserialize;
use tokio::time::Instant;
use url::Url;

use super::Scope;
use crate::{
    RegistryError,
    remote::{
        Limits,
        answers::{answer_error, read_bounded, send_error, shown},
        transport::patiently,
    },
};

const MAX_ANSWER_BYTES: u64 = 64 * 1024;
/// What the token specification says of a token that does not tell.
const DEFAULT_LIFE: Duration = Duration::from_secs(60);
/// A token is not used in its last seconds.
const MARGIN: Duration = Duration::from_secs(5);
const MAX_KEPT: usize = 256;

/// A token as fetched.
pub(super) struct Token {
    header: Secret,
    life: Duration,
}

#[derive(Debug)]
struct Kept {
    scope: Scope,
    header: Secret,
    until: Instant,
}

/// The tokens of one host that are still good.
#[derive(Debug, Default)]
pub(super) struct Tokens(Mutex<Vec<Kept>>);

impl Tokens {
    pub(super) fn get(&self, scope: &Scope) -> Option<Secret> {
        let now = Instant::now();
        let kept = self.lock();
        kept.iter().find(|kept| kept.until > now && kept.scope.covers(scope)).map(|kept| kept.header.clone())
    }

    pub(super) fn forget(&self, scope: &Scope) {
        self.lock().retain(|kept| !kept.scope.covers(scope));
    }

    /// Keeps a token and answers the header to send.
    pub(super) fn keep(&self, scope: &Scope, token: Token) -> Secret {
        let now = Instant::now();
        let mut kept = self.lock();
        kept.retain(|kept| kept.until > now);
        if kept.len() >= MAX_KEPT {
            kept.remove(0);
        }
        let until = now + token.life.saturating_sub(MARGIN);
        kept.push(Kept { scope: scope.clone(), header: token.header.clone(), until });
        token.header
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One request for a token.
pub(super) struct Request<'a> {
    pub(super) host: &'a Host,
    pub(super) plain_http: bool,
    pub(super) realm: &'a str,
    pub(super) service: &'a str,
    pub(super) scopes: &'a [String],
    pub(super) credentials: Option<&'a Login>,
}

#[derive(Deserialize)]
struct TokenAnswer {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<u64>,
}

impl Request<'_> {
    pub(super) async fn fetch(
        &self,
        http: &reqwest::Client,
        limits: &Limits,
    ) -> Result<Token, RegistryError> {
        let realm = self.checked_realm()?;
        patiently(limits, "fetch a registry token", || self.try_once(http, limits, &realm)).await.map_err(
            |error| match &error {
                RegistryError::Answer(answer) if matches!(answer.status, 400..=499) => {
                    self.refused(error.to_string())
                }
                _ => error,
            },
        )
    }

    async fn try_once(
        &self,
        http: &reqwest::Client,
        limits: &Limits,
        realm: &Url,
    ) -> Result<Token, RegistryError> {
        let request = match self.credentials {
            Some(Login::IdentityToken(token)) => http.post(realm.clone()).form(&[
                ("grant_type", "refresh_token"),
                ("client_id", "reactor"),
                ("service", self.service),
                ("scope", &self.scopes.join(" ")),
                ("refresh_token", token.expose()),
            ]),
            password => {
                let mut address = realm.clone();
                if !self.service.is_empty() {
                    address.query_pairs_mut().append_pair("service", self.service);
                }
                for scope in self.scopes {
                    address.query_pairs_mut().append_pair("scope", scope);
                }
                let request = http.get(address);
                match password.and_then(Login::basic) {
                    Some(basic) => request.header(AUTHORIZATION, header(&basic, || self.refused_password())?),
                    None => request,
                }
            }
        };
        let response = tokio::time::timeout(limits.answer, request.send())
            .await
            .map_err(|_| RegistryError::Stalled { url: shown(realm), waited: limits.answer, attempts: 1 })?
            .map_err(|error| send_error(realm, error))?;
        if !response.status().is_success() {
            return Err(answer_error("GET", response, limits).await);
        }
        let bytes = read_bounded(response, MAX_ANSWER_BYTES, limits).await?;
        let answer: TokenAnswer = serde_json::from_slice(&bytes)
            .map_err(|_| self.refused("its answer is not a token".to_owned()))?;
        let token = [answer.token, answer.access_token].into_iter().flatten().find(|token| !token.is_empty());
        let token = token.ok_or_else(|| self.refused("its answer has no token".to_owned()))?;
        let life = answer.expires_in.map_or(DEFAULT_LIFE, Duration::from_secs);
        Ok(Token {
            header: Secret::new(format!("Bearer {token}")),
            life: life.min(Duration::from_secs(86_400)),
        })
    }

    fn checked_realm(&self) -> Result<Url, RegistryError> {
        let bad = |reason: &str| RegistryError::Login {
            host: self.host.to_string(),
            realm: self.realm.chars().take(200).take_while(|c| *c != '?').collect(),
            reason: reason.to_owned(),
        };
        let realm = Url::parse(self.realm).map_err(|_| bad("that is not an address"))?;
        let allowed = realm.scheme() == "https" || (self.plain_http && realm.scheme() == "http");
        if !allowed {
            return Err(bad("the address is not https, and plain http is not allowed for this registry"));
        }
        if !realm.username().is_empty() || realm.password().is_some() {
            return Err(bad("the address has a user in it"));
        }
        Ok(realm)
    }

    fn refused(&self, reason: String) -> RegistryError {
        let realm = Url::parse(self.realm).map_or_else(|_| String::new(), |realm| shown(&realm));
        RegistryError::Login { host: self.host.to_string(), realm, reason }
    }

    fn refused_password(&self) -> RegistryError {
        self.refused("the credentials have characters that cannot be sent".to_owned())
    }
}

/// A secret as the value of a header that is not printed.
pub(crate) fn header(
    secret: &Secret,
    error: impl FnOnce() -> RegistryError,
) -> Result<HeaderValue, RegistryError> {
    let mut value = HeaderValue::from_str(secret.expose()).map_err(|_| error())?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn realm(text: &str, plain_http: bool) -> Result<Url, RegistryError> {
        Request {
            host: &"r.example.org".parse().unwrap(),
            plain_http,
            realm: text,
            service: "",
            scopes: &[],
            credentials: None,
        }
        .checked_realm()
    }

    #[test]
    fn realms_are_not_trusted() {
        assert!(realm("https://auth.example.org/token", false).is_ok());
        assert!(realm("http://auth.example.org/token", true).is_ok());
        for bad in ["http://auth.example.org/token", "file:///etc/passwd", "/token", "https://u:p@x/token"] {
            assert!(realm(bad, false).is_err(), "{bad}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn tokens_expire() {
        let tokens = Tokens::default();
        let scope = Scope { repository: "a".parse().unwrap(), push: true, pull_from: None };
        tokens.keep(&scope, Token { header: Secret::new("Bearer x"), life: Duration::from_secs(60) });
        tokio::time::advance(Duration::from_secs(54)).await;
        assert!(tokens.get(&scope).is_some());
        tokio::time::advance(Duration::from_secs(2)).await;
        assert!(tokens.get(&scope).is_none());
    }
}
