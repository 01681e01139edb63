//! Keys of SSH hosts, from a file in the format of OpenSSH's `known_hosts`
//! (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT").
//!
//! Plain names, addresses, `[host]:port` and patterns with `*`, `?` and `!` are
//! understood. Hashed names need SHA-1 and are skipped, and so are certificate
//! authorities. A key that is marked `@revoked` is never accepted.

use std::path::Path;

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::SourceError;

/// What the file says about a host's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is the host's key.
    Known,
    /// The file has other keys for this host.
    Changed,
    /// The key is marked as revoked.
    Revoked,
    /// The file does not have the host.
    Unknown,
}

#[derive(Debug)]
struct Line {
    revoked: bool,
    patterns: Vec<String>,
    key: Vec<u8>,
}

/// A list of host keys.
#[derive(Debug)]
pub(super) struct HostKeys(Vec<Line>);

impl HostKeys {
    /// Reads the file.
    pub(super) fn read(path: &Path) -> Result<Self, SourceError> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| SourceError::AccessFile { path: path.to_owned(), reason: error.to_string() })?;
        Ok(Self::parse(&text))
    }

    fn parse(text: &str) -> Self {
        let line = |line: &str| {
            let mut words = line.split_whitespace();
            let first = words.next().filter(|word| !word.starts_with('#'))?;
            let (revoked, names) = match first {
                "@revoked" => (true, words.next()?),
                marker if marker.starts_with('@') => return None,
                names => (false, names),
            };
            let key = STANDARD.decode(words.nth(1)?).ok()?;
            Some(Line { revoked, patterns: names.split(',').map(str::to_lowercase).collect(), key })
        };
        Self(text.lines().filter_map(line).collect())
    }

    /// What the list says about the key of a host and port.
    pub(super) fn verdict(&self, host: &str, port: u16, key: &[u8]) -> Verdict {
        if self.0.iter().any(|line| line.revoked && line.key == key) {
            return Verdict::Revoked;
        }
        let host = host.to_lowercase();
        let name = if port == 22 { host } else { format!("[{host}]:{port}") };
        let of_host: Vec<&Line> = self.0.iter().filter(|line| !line.revoked && line.covers(&name)).collect();
        match of_host.iter().any(|line| line.key == key) {
            true => Verdict::Known,
            false if of_host.is_empty() => Verdict::Unknown,
            false => Verdict::Changed,
        }
    }
}

impl Line {
    fn covers(&self, name: &str) -> bool {
        let hit = |pattern: &str| wildcard(pattern.as_bytes(), name.as_bytes());
        let excluded = self.patterns.iter().filter_map(|p| p.strip_prefix('!')).any(hit);
        !excluded && self.patterns.iter().any(|p| !p.starts_with('!') && hit(p))
    }
}

fn wildcard(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern.split_first(), name.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) => (0..=name.len()).any(|skip| wildcard(rest, &name[skip..])),
        (Some((b'?', pattern)), Some((_, name))) => wildcard(pattern, name),
        (Some((a, pattern)), Some((b, name))) => a == b && wildcard(pattern, name),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_looked_up_by_host_and_port() {
        let keys = HostKeys::parse(
            "# comment\n\
             git.example.org,192.0.2.1 ssh-ed25519 QUFB\n\
             git.example.org ssh-rsa QkJC comment\n\
             [forge.example.org]:2222 ssh-ed25519 Q0ND\n\
             *.internal,!bad.internal ssh-ed25519 RERE\n\
             @revoked * ssh-ed25519 RUVF\n\
             @cert-authority * ssh-ed25519 RkZG\n\
             |1|c2FsdA==|aGFzaA== ssh-ed25519 R0dH\n",
        );
        let cases: &[(&str, u16, &[u8], Verdict)] = &[
            ("git.example.org", 22, b"AAA", Verdict::Known),
            ("GIT.example.org", 22, b"BBB", Verdict::Known),
            ("192.0.2.1", 22, b"AAA", Verdict::Known),
            ("192.0.2.1", 22, b"BBB", Verdict::Changed),
            ("git.example.org", 2222, b"AAA", Verdict::Unknown),
            ("forge.example.org", 2222, b"CCC", Verdict::Known),
            ("forge.example.org", 22, b"CCC", Verdict::Unknown),
            ("a.internal", 22, b"DDD", Verdict::Known),
            ("bad.internal", 22, b"DDD", Verdict::Unknown),
            ("a.internal", 22, b"EEE", Verdict::Revoked),
            ("elsewhere", 22, b"FFF", Verdict::Unknown),
        ];
        for (host, port, key, expected) in cases {
            assert_eq!(keys.verdict(host, *port, key), *expected, "{host}:{port}");
        }
    }
}
