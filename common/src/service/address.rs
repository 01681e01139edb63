//! Where a service listens and where a client dials, as people write it.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
    path::PathBuf,
    str::FromStr,
};

use serde::{Deserialize, Serialize};

use crate::{ParseError, image::Host};

/// Longest path of a Unix socket in bytes: `sun_path` of unix(7) has 108, the
/// last of which is zero.
const MAX_SOCKET_PATH: usize = 107;

/// How the bytes of a TCP connection are protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Not said, which means in the clear.
    Unsaid,
    /// `http://`: in the clear, and somebody meant it.
    Http,
    /// `https://`: TLS.
    Https,
}

/// An address of a gRPC service: `HOST:PORT`, `http://HOST:PORT`,
/// `https://HOST:PORT` or `unix:PATH`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ServiceAddress {
    /// A TCP port.
    Tcp {
        /// Protection.
        scheme: Scheme,
        /// Host name or address; an IPv6 address without its brackets.
        host: String,
        /// Port; 0 lets the system choose where the address is listened on.
        port: u16,
    },
    /// A Unix socket.
    Unix(
        /// Its path.
        PathBuf,
    ),
}

impl ServiceAddress {
    /// Whether TLS is asked for.
    pub fn is_https(&self) -> bool {
        matches!(self, Self::Tcp { scheme: Scheme::Https, .. })
    }

    /// Whether the bytes stay on this machine: a Unix socket, `localhost` or a
    /// loopback address.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Unix(_) => true,
            Self::Tcp { host, .. } => {
                host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
            }
        }
    }

    /// `HOST:PORT` with brackets where they are needed, or the path.
    pub(super) fn authority(&self) -> String {
        match self {
            Self::Unix(path) => path.display().to_string(),
            Self::Tcp { host, port, .. } if host.contains(':') => format!("[{host}]:{port}"),
            Self::Tcp { host, port, .. } => format!("{host}:{port}"),
        }
    }
}

impl fmt::Display for ServiceAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self {
            Self::Unix(_) => "unix:",
            Self::Tcp { scheme: Scheme::Unsaid, .. } => "",
            Self::Tcp { scheme: Scheme::Http, .. } => "http://",
            Self::Tcp { scheme: Scheme::Https, .. } => "https://",
        };
        write!(f, "{scheme}{}", self.authority())
    }
}

impl FromStr for ServiceAddress {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let bad = |reason: &str| ParseError::new("service address", text, reason);
        if let Some(path) = text.strip_prefix("unix:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            if path.is_empty() || path.contains('\0') {
                return Err(bad("expected a path after 'unix:'"));
            }
            if path.len() > MAX_SOCKET_PATH {
                return Err(bad("the path of a Unix socket has at most 107 bytes"));
            }
            return Ok(Self::Unix(PathBuf::from(path)));
        }
        let (scheme, rest) = match text.split_once("://") {
            None => (Scheme::Unsaid, text),
            Some(("http", rest)) => (Scheme::Http, rest.trim_end_matches('/')),
            Some(("https", rest)) => (Scheme::Https, rest.trim_end_matches('/')),
            Some(_) => return Err(bad("the scheme is http, https or unix")),
        };
        let (name, port) = rest
            .rsplit_once(':')
            .ok_or_else(|| bad("expected HOST:PORT, http://HOST:PORT, https://HOST:PORT or unix:PATH"))?;
        let port = port.parse().map_err(|_| bad("the part after the last colon is not a port"))?;
        let host = match name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            Some(address) if address.parse::<Ipv6Addr>().is_ok() => address.to_ascii_lowercase(),
            Some(_) => return Err(bad("the part in brackets is not an IPv6 address")),
            None if name.contains(':') => return Err(bad("an IPv6 address needs brackets")),
            None => match name.parse::<Host>() {
                Ok(host) => host.into(),
                Err(_) => return Err(bad("expected a host name or address before the port")),
            },
        };
        Ok(Self::Tcp { scheme, host, port })
    }
}

impl TryFrom<String> for ServiceAddress {
    type Error = ParseError;

    fn try_from(text: String) -> Result<Self, ParseError> {
        text.parse()
    }
}

impl From<ServiceAddress> for String {
    fn from(address: ServiceAddress) -> String {
        address.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_round_trip() {
        for text in [
            "127.0.0.1:7070",
            "localhost:0",
            "http://build.example.org:80",
            "https://[2001:db8::1]:443",
            "[::]:7070",
            "unix:/run/reactor/koji.sock",
            "unix:koji.sock",
        ] {
            assert_eq!(text.parse::<ServiceAddress>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn other_spellings_are_understood() {
        for (text, plain) in [
            ("unix:///run/x", "unix:/run/x"),
            ("http://EXAMPLE.org:1/", "http://example.org:1"),
            ("[FE80::1]:1", "[fe80::1]:1"),
        ] {
            assert_eq!(text.parse::<ServiceAddress>().unwrap().to_string(), plain);
        }
    }

    #[test]
    fn bad_addresses_say_what_is_wrong() {
        for (text, part) in [
            ("", "HOST:PORT"),
            ("localhost", "HOST:PORT"),
            (":7070", "host name"),
            ("a b:1", "host name"),
            ("localhost:x", "port"),
            ("localhost:65536", "port"),
            ("::1:7070", "brackets"),
            ("[x]:1", "IPv6"),
            ("ftp://x:1", "scheme"),
            ("http://x:1/path", "port"),
            ("unix:", "path"),
            (&format!("unix:/{}", "x".repeat(107)), "107"),
        ] {
            let error = text.parse::<ServiceAddress>().unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn loopback_is_local() {
        for (text, local) in [
            ("127.0.0.9:1", true),
            ("[::1]:1", true),
            ("localhost:1", true),
            ("unix:/x", true),
            ("0.0.0.0:1", false),
            ("build.example.org:1", false),
        ] {
            assert_eq!(text.parse::<ServiceAddress>().unwrap().is_local(), local, "{text}");
        }
    }
}
