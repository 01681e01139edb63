//! Addresses of git repositories: which are accepted, and what they say.
//!
//! Accepted are `https://`, `http://`, `ssh://`, `git://`, `file://`, the form
//! `user@host:path` of scp, and absolute paths. Everything else is refused by
//! name, above all the `name::` forms with which git runs programs, and every
//! address with a password in it: addresses are stored and shown.

use url::Url;

use super::SourceError;

const KINDS: &str = "use https://, http://, ssh://, git://, file://, user@host:path, or an absolute path";

/// How a repository is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transport {
    /// HTTP, with or without TLS.
    Http,
    /// SSH, as URL or in scp's form.
    Ssh,
    /// git's own protocol.
    Git,
    /// A directory of this host.
    Local,
}

/// A repository's address, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    /// What libgit2 is given and what is shown; it has no password.
    pub url: String,
    /// How it is reached.
    pub transport: Transport,
    /// Scheme. Example: `https`.
    pub scheme: String,
    /// Host, lower-case; empty for a local directory.
    pub host: String,
    /// Port, if the address names one.
    pub port: Option<u16>,
    /// User, if the address names one.
    pub user: Option<String>,
    /// Path on the host.
    pub path: String,
}

/// The host of a repository. `None` for one on this machine, and for an address
/// that is none.
pub fn remote_host(uri: &str) -> Option<String> {
    let address = Address::parse(uri).ok()?;
    (!address.is_local()).then_some(address.host)
}

impl Address {
    /// Checks an address.
    pub(super) fn parse(uri: &str) -> Result<Self, SourceError> {
        let bad = |reason: &str| refused(uri, reason, KINDS);
        if uri.is_empty() || uri.len() > 4096 {
            return Err(bad("it is empty or longer than 4096 bytes"));
        }
        if uri.chars().any(|c| c.is_control() || c.is_whitespace() || c == '\\') {
            return Err(bad("it contains a space, a backslash or a control character"));
        }
        if uri.starts_with('-') {
            return Err(bad("it begins with '-'"));
        }
        if uri.starts_with('/') {
            return Ok(Self::local(uri.to_owned()));
        }
        if uri.contains("://") { Self::from_url(uri) } else { Self::from_scp(uri) }
    }

    /// Whether the transport is a copy on the same host.
    pub(super) fn is_local(&self) -> bool {
        self.transport == Transport::Local
    }

    fn local(path: String) -> Self {
        Self {
            url: path.clone(),
            transport: Transport::Local,
            scheme: "file".to_owned(),
            host: String::new(),
            port: None,
            user: None,
            path,
        }
    }

    fn from_url(uri: &str) -> Result<Self, SourceError> {
        let bad = |reason: String| refused(uri, &reason, KINDS);
        let url = Url::parse(uri).map_err(|error| bad(error.to_string()))?;
        if url.password().is_some() {
            return Err(password(uri));
        }
        let transport = match url.scheme() {
            "http" | "https" => Transport::Http,
            "ssh" => Transport::Ssh,
            "git" => Transport::Git,
            "file" => {
                let path = url.to_file_path().map_err(|()| bad("it names a host".to_owned()))?;
                let path = path.into_os_string().into_string();
                return Ok(Self::local(path.map_err(|_| bad("its path is not UTF-8".to_owned()))?));
            }
            other => return Err(bad(format!("'{other}' is not a supported kind of address"))),
        };
        let host = url.host_str().unwrap_or_default().to_ascii_lowercase();
        if host.is_empty() || host.starts_with('-') {
            return Err(bad("it names no host".to_owned()));
        }
        if url.path().len() < 2 || url.path().starts_with("/-") {
            return Err(bad("it names no repository on the host".to_owned()));
        }
        Ok(Self {
            // Written again by the same parser, so that libgit2 cannot see another host in it than we do.
            url: url.as_str().to_owned(),
            transport,
            scheme: url.scheme().to_owned(),
            host,
            port: url.port(),
            user: (!url.username().is_empty()).then(|| url.username().to_owned()),
            path: url.path().to_owned(),
        })
    }

    fn from_scp(uri: &str) -> Result<Self, SourceError> {
        let bad = |reason: &str| refused(uri, reason, KINDS);
        let (user, rest) = match uri.split_once('@') {
            Some((user, _)) if user.contains(':') => return Err(password(uri)),
            Some((user, rest)) if !user.contains('/') => (Some(user), rest),
            _ => (None, uri),
        };
        let Some((host, path)) = rest.split_once(':') else {
            return Err(bad("it is neither a URL nor an absolute path"));
        };
        if path.starts_with(':') {
            return Err(bad("addresses that run a program are not supported"));
        }
        let named = |text: &str| {
            !text.is_empty()
                && !text.starts_with('-')
                && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        };
        if !named(host) || user.is_some_and(|user| !named(user)) || path.is_empty() || path.starts_with('-') {
            return Err(bad("it is neither a URL nor user@host:path"));
        }
        Ok(Self {
            url: uri.to_owned(),
            transport: Transport::Ssh,
            scheme: "ssh".to_owned(),
            host: host.to_ascii_lowercase(),
            port: None,
            user: user.map(str::to_owned),
            path: path.to_owned(),
        })
    }
}

fn refused(uri: &str, reason: &str, advice: &'static str) -> SourceError {
    SourceError::Address { uri: shown(uri), reason: reason.to_owned(), advice }
}

fn password(uri: &str) -> SourceError {
    refused(
        uri,
        "it contains a password",
        "leave the password out and put it into the git credentials file of the orchestrator",
    )
}

/// An address that was not accepted, fit to be shown: everything between the
/// scheme and the last `@` is hidden, and it is cut to 200 characters.
pub(super) fn shown(uri: &str) -> String {
    let start = uri.find("://").map_or(0, |at| at + 3);
    let (scheme, rest) = uri.split_at(start);
    let rest = rest.rsplit_once('@').map_or_else(|| rest.to_owned(), |(_, rest)| format!("***@{rest}"));
    format!("{scheme}{rest}").chars().filter(|c| !c.is_control()).take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_addresses_are_taken_apart() {
        use Transport::{Git, Http, Local, Ssh};
        let cases = [
            ("https://git.example.org/a/b.git", Http, "git.example.org", None, None, "/a/b.git"),
            ("https://me@GIT.example.org:8443/a", Http, "git.example.org", Some(8443), Some("me"), "/a"),
            ("http://127.0.0.1:3000/a", Http, "127.0.0.1", Some(3000), None, "/a"),
            ("ssh://git@host:2222/~/a.git", Ssh, "host", Some(2222), Some("git"), "/~/a.git"),
            ("git@github.com:org/a.git", Ssh, "github.com", None, Some("git"), "org/a.git"),
            ("host:a.git", Ssh, "host", None, None, "a.git"),
            ("git://127.0.0.1:9418/a", Git, "127.0.0.1", Some(9418), None, "/a"),
            ("file:///srv/git/a.git", Local, "", None, None, "/srv/git/a.git"),
            ("/srv/git/a.git", Local, "", None, None, "/srv/git/a.git"),
        ];
        for (uri, transport, host, port, user, path) in cases {
            let address = Address::parse(uri).unwrap_or_else(|error| panic!("{uri}: {error}"));
            assert_eq!(address.transport, transport, "{uri}");
            assert_eq!(address.host, host, "{uri}");
            assert_eq!(address.port, port, "{uri}");
            assert_eq!(address.user.as_deref(), user, "{uri}");
            assert_eq!(address.path, path, "{uri}");
        }
    }

    #[test]
    fn other_addresses_are_refused() {
        for bad in [
            "",
            "ext::sh -c 'touch /tmp/x'",
            "ext::sh%20-c",
            "fd::3",
            "-u/tmp/x",
            "--upload-pack=x",
            "ssh://-oProxyCommand=x/a",
            "-host:a",
            "host:-a",
            "a/b",
            "./a",
            "ftp://host/a",
            "https:///a",
            "https://host",
            "https://host/a b",
            "https://good.example.org\\@evil.example.org/a",
            "file://host/a",
            "git@host/x:a",
            "https://host/a\nb",
            "C:\\a",
        ] {
            assert!(Address::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_password_is_refused_and_not_shown() {
        for uri in [
            "https://me:hunter2@host/a",
            "https://:hunter2@host/a",
            "me:hunter2@host:a",
            "ssh://git:hunter2@host/a",
            "ftp://me:hunter2@host/a",
            "https://me:hunter2@host/a b",
            "https://me:hunt@hunter2@host/a",
        ] {
            let error = Address::parse(uri).unwrap_err();
            let failure = common::failure::Failure::from(error);
            assert!(!format!("{failure:?}").contains("hunter2"), "{failure}");
        }
        let error = Address::parse("https://me:hunter2@host/a").unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot use the repository address 'https://***@host/a': it contains a password"
        );
    }
}
