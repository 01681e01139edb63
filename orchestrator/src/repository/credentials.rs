//! Users and passwords for git over HTTP, from a file in the format of
//! git-credential-store: one `https://user:password@host` a line, with
//! percent-encoding (git documentation, git-credential-store, "Storage format").

use std::path::Path;

use common::secret::Secret;
use url::Url;

use super::{SourceError, address::Address};

const MAX_BYTES: u64 = 1024 * 1024;

/// What one line of the file says.
#[derive(Debug)]
struct Login {
    scheme: String,
    host: String,
    port: Option<u16>,
    path: String,
    user: String,
    password: Secret,
}

/// The logins of a credentials file.
#[derive(Debug, Default)]
pub(super) struct Logins(Vec<Login>);

impl Logins {
    /// Reads the file.
    pub(super) fn read(path: &Path) -> Result<Self, SourceError> {
        let fail = |reason: String| SourceError::AccessFile { path: path.to_owned(), reason };
        let size = std::fs::metadata(path).map_err(|error| fail(error.to_string()))?.len();
        if size > MAX_BYTES {
            return Err(fail(format!("it has {size} bytes; at most {MAX_BYTES} are read")));
        }
        let text = std::fs::read_to_string(path).map_err(|error| fail(error.to_string()))?;
        Self::parse(&text).map_err(|line| {
            fail(format!("line {line} is not of the form https://user:password@host, percent-encoded"))
        })
    }

    /// Reads the lines. The error is the number of the first bad one: its text
    /// may hold a password.
    fn parse(text: &str) -> Result<Self, usize> {
        let lines = text.lines().enumerate();
        let lines = lines.filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
        lines.map(|(index, line)| login(line.trim()).ok_or(index + 1)).collect::<Result<_, _>>().map(Self)
    }

    /// The first login for an address: same scheme, host and port, the user if
    /// the address names one, and the path or a part of it if the line has one.
    pub(super) fn find(&self, address: &Address) -> Option<(&str, &Secret)> {
        let fits = |login: &&Login| {
            login.scheme == address.scheme
                && login.host == address.host
                && login.port == address.port
                && address.user.as_ref().is_none_or(|user| *user == login.user)
                && (login.path.is_empty()
                    || address
                        .path
                        .strip_prefix(&login.path)
                        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || rest == ".git"))
        };
        self.0.iter().find(fits).map(|login| (login.user.as_str(), &login.password))
    }
}

fn login(line: &str) -> Option<Login> {
    let url = Url::parse(line).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    Some(Login {
        scheme: url.scheme().to_owned(),
        host: url.host_str()?.to_ascii_lowercase(),
        port: url.port(),
        path: url.path().trim_end_matches('/').to_owned(),
        user: decoded(url.username())?,
        password: Secret::new(decoded(url.password()?)?),
    })
}

/// Resolves percent-encoding.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        rest = match (first, after) {
            (b'%', [a, b, after @ ..]) => {
                let mut byte = [0];
                hex::decode_to_slice([*a, *b], &mut byte).ok()?;
                bytes.extend(byte);
                after
            }
            (b'%', _) => return None,
            _ => {
                bytes.push(first);
                after
            }
        };
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# comment\n\
        https://me:s%3Acret%25@git.example.org\n\
        https://other:two@git.example.org\n\
        http://local:three@127.0.0.1:3000\n\
        https://deep:four@forge.example.org/group/project\n";

    #[test]
    fn the_right_line_is_found() {
        let logins = Logins::parse(FILE).unwrap();
        let cases = [
            ("https://git.example.org/a.git", Some(("me", "s:cret%"))),
            ("https://other@git.example.org/a.git", Some(("other", "two"))),
            ("https://nobody@git.example.org/a.git", None),
            ("http://git.example.org/a.git", None),
            ("https://git.example.org:8443/a.git", None),
            ("http://127.0.0.1:3000/a", Some(("local", "three"))),
            ("https://forge.example.org/group/project.git", Some(("deep", "four"))),
            ("https://forge.example.org/group/project2.git", None),
            ("https://forge.example.org/other", None),
        ];
        for (uri, expected) in cases {
            let found = logins.find(&Address::parse(uri).unwrap());
            assert_eq!(found.map(|(user, password)| (user, password.expose())), expected, "{uri}");
        }
    }

    #[test]
    fn a_bad_line_is_named_but_not_quoted() {
        for bad in
            ["me:hunter2@host", "https://host", "https://me@host", "https://me:%zz@host", "ssh://a:b@c"]
        {
            assert_eq!(Logins::parse(&format!("\n{bad}\n")).unwrap_err(), 2, "{bad}");
        }
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("credentials");
        std::fs::write(&path, "https://me@hunter2\n").unwrap();
        let error = Logins::read(&path).unwrap_err().to_string();
        assert!(error.contains("line 1") && !error.contains("hunter2"), "{error}");
    }
}
