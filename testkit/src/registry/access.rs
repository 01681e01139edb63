//! Who is let in: everybody, users with a password, or bearers of a token that
//! `/token` gives out.

use std::collections::{HashMap, HashSet};

use axum::http::{HeaderMap, Method, header::AUTHORIZATION};

use super::{Inner, Options};

/// Who is let in.
#[derive(Debug, Clone, Default)]
pub enum Auth {
    /// Everybody.
    #[default]
    Open,
    /// Users who send this `Authorization` header, `Basic …`.
    Basic(String),
    /// Bearers of a token. `/token` gives one to whoever sends this `Authorization` header, or to all.
    Token(Option<String>),
}

#[derive(Debug, Default)]
pub(super) struct Tokens {
    given: HashMap<String, HashSet<String>>,
    count: u64,
}

impl Tokens {
    pub(super) fn revoke(&mut self) {
        self.given.clear();
    }

    /// Makes a token for `repository:NAME:pull,push` scopes.
    fn give(&mut self, scopes: &[String]) -> String {
        self.count += 1;
        let token = format!("token-{}", self.count);
        let mut rights = HashSet::new();
        for scope in scopes.iter().flat_map(|scopes| scopes.split(' ')) {
            if let Some((subject, actions)) = scope.rsplit_once(':') {
                rights.extend(actions.split(',').map(|action| format!("{subject}:{action}")));
            }
        }
        self.given.insert(token.clone(), rights);
        token
    }
}

/// What a request asks to be allowed, in the words of a token's scope.
pub(super) fn needed(method: &Method, repository: &str, query: &[(String, String)]) -> Vec<String> {
    let reading = matches!(*method, Method::GET | Method::HEAD);
    let mut needed = vec![format!("repository:{repository}:{}", if reading { "pull" } else { "push" })];
    if let Some((_, from)) = query.iter().find(|(name, _)| name == "from") {
        needed.push(format!("repository:{from}:pull"));
    }
    needed
}

/// The challenge for a request that is not allowed; `None` if it is.
pub(super) fn challenge(inner: &Inner, headers: &HeaderMap, needed: &[String]) -> Option<String> {
    let sent = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match &inner.options.auth {
        Auth::Open => None,
        Auth::Basic(right) => (sent != right).then(|| r#"Basic realm="in memory""#.to_owned()),
        Auth::Token(_) => {
            let state = inner.state();
            let rights = sent.strip_prefix("Bearer ").and_then(|token| state.tokens.given.get(token));
            let allowed = rights.is_some_and(|rights| needed.iter().all(|need| rights.contains(need)));
            let scope = needed.first().map(String::as_str).unwrap_or_default();
            let realm = format!("{}/token", inner.origin);
            (!allowed).then(|| format!(r#"Bearer realm="{realm}",service="in memory",scope="{scope}""#))
        }
    }
}

/// A token for whoever may have one.
pub(super) fn token(inner: &Inner, headers: &HeaderMap, query: &[(String, String)]) -> Option<String> {
    let Options { auth: Auth::Token(right), .. } = &inner.options else { return None };
    let sent = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    if right.is_some() && right.as_deref() != sent {
        return None;
    }
    let scopes: Vec<String> =
        query.iter().filter(|(name, _)| name == "scope").map(|(_, value)| value.clone()).collect();
    Some(inner.state().tokens.give(&scopes))
}
