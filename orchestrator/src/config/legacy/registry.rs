//! Addresses of registries as version 1 writes them: `[http[s]://]HOST[:PORT][/vN]`.

use common::{ParseError, image::Host};

/// A registry of version 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) host: Host,
    /// Whether the address says `http://`; `None` if it says nothing.
    pub(crate) plain_http: Option<bool>,
    /// The version of the registry's protocol; v1 where nothing is said.
    pub(crate) version: u32,
}

impl Address {
    /// Reads an address. A slash at its end is accepted, which the original was not.
    pub(crate) fn read(text: &str) -> Result<Self, ParseError> {
        let (plain_http, rest) = match text.split_once("://") {
            Some(("http", rest)) => (Some(true), rest),
            Some(("https", rest)) => (Some(false), rest),
            Some(_) => return Err(ParseError::new("registry", text, "expected http:// or https://")),
            None => (None, text),
        };
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let version = match path.trim_end_matches('/') {
            "" => 1,
            path => path.strip_prefix('v').and_then(|number| number.parse().ok()).ok_or_else(|| {
                ParseError::new("registry", text, "expected nothing after the host but /v2")
            })?,
        };
        Ok(Self { host: host.parse()?, plain_http, version })
    }

    /// Whether to speak HTTP. `insecure` with an address that says `https://` is
    /// no reason to: it meant that the certificate need not be valid.
    pub(crate) fn speaks_http(&self, insecure: bool) -> bool {
        self.plain_http.unwrap_or(insecure)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_scheme_host_and_version() {
        for (text, host, plain, version) in [
            ("https://h/v2", "h", Some(false), 2),
            ("http://h:5000", "h:5000", Some(true), 1),
            ("h.example.org/v2/", "h.example.org", None, 2),
            ("h", "h", None, 1),
        ] {
            let expected = Address { host: host.parse().unwrap(), plain_http: plain, version };
            assert_eq!(Address::read(text).unwrap(), expected, "{text}");
        }
        for bad in ["ftp://h", "https://h/path/v2", "https://", "h/2"] {
            assert!(Address::read(bad).is_err(), "{bad}");
        }
    }
}
