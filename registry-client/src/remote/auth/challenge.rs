//! What a registry asks for with `401` (RFC 9110 section 11.6.1; Docker's token
//! authentication).

use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};

/// What a registry asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Challenge {
    /// User and password with each request.
    Basic,
    /// A token from elsewhere.
    Bearer {
        /// Where to get it; not to be trusted.
        realm: String,
        /// Whom it is for; may be empty.
        service: String,
        /// What it is for; may be empty.
        scope: String,
    },
}

impl Challenge {
    /// The best challenge among the headers: a token before a password.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        let all: Vec<Self> = headers
            .get_all(WWW_AUTHENTICATE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .filter_map(Self::parse)
            .collect();
        all.iter().find(|challenge| **challenge != Self::Basic).or(all.first()).cloned()
    }

    fn parse(header: &str) -> Option<Self> {
        let (scheme, rest) = header.trim().split_once(' ').unwrap_or((header.trim(), ""));
        if scheme.eq_ignore_ascii_case("basic") {
            return Some(Self::Basic);
        }
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let (mut realm, mut service, mut scope) = (None, String::new(), String::new());
        for (name, value) in parameters(rest) {
            match name.to_ascii_lowercase().as_str() {
                "realm" => realm = Some(value),
                "service" => service = value,
                "scope" => scope = value,
                _ => {}
            }
        }
        Some(Self::Bearer { realm: realm?, service, scope })
    }
}

/// `name=value` pairs joined by commas; a value may be in quotes with backslashes.
fn parameters(text: &str) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    let mut rest = text.trim_start_matches([' ', ',']);
    while let Some((name, after)) = rest.split_once('=') {
        let after = after.trim_start();
        let mut value = String::new();
        let mut end = after.len();
        let quoted = after.starts_with('"');
        let mut characters = after.char_indices().skip(usize::from(quoted));
        while let Some((position, character)) = characters.next() {
            match character {
                '\\' if quoted => value.extend(characters.next().map(|(_, escaped)| escaped)),
                '"' if quoted => {
                    end = position + 1;
                    break;
                }
                ',' if !quoted => {
                    end = position;
                    break;
                }
                other => value.push(other),
            }
        }
        pairs.push((name.trim().to_owned(), value));
        rest = after[end..].trim_start_matches([' ', ',']);
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bearer(realm: &str, service: &str, scope: &str) -> Option<Challenge> {
        Some(Challenge::Bearer { realm: realm.into(), service: service.into(), scope: scope.into() })
    }

    #[test]
    fn challenges_are_read() {
        for (header, expected) in [
            (
                r#"Bearer realm="https://auth.example.org/token",service="registry",scope="repository:a/b:pull,push""#,
                bearer("https://auth.example.org/token", "registry", "repository:a/b:pull,push"),
            ),
            (r#"bearer  realm=https://x/t, service = "a \"b\"""#, bearer("https://x/t", "a \"b\"", "")),
            (r#"Bearer realm="https://x/t",error="invalid_token""#, bearer("https://x/t", "", "")),
            ("Bearer service=x", None),
            (r#"Basic realm="here""#, Some(Challenge::Basic)),
            ("Basic", Some(Challenge::Basic)),
            ("Negotiate", None),
            ("", None),
        ] {
            assert_eq!(Challenge::parse(header), expected, "{header}");
        }
    }

    #[test]
    fn a_token_is_preferred() {
        let mut headers = HeaderMap::new();
        headers.append(WWW_AUTHENTICATE, "Basic realm=x".parse().unwrap());
        headers.append(WWW_AUTHENTICATE, "Bearer realm=https://x".parse().unwrap());
        assert_eq!(Challenge::of(&headers), bearer("https://x", "", ""));
    }
}
