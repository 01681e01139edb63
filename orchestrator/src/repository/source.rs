//! From what a user asks for to one commit: branch, tag, ref or commit id.
//!
//! The answer is asked for once, before anything else, and all that follows
//! speaks of the commit only: a branch that moves in the meantime changes nothing.

use std::{fmt, path::PathBuf, str::FromStr, time::Duration};

use common::{ParseError, request::GitSource};
use git2::Remote;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::{
    SourceError,
    address::Address,
    near::near,
    remote::{Entrance, blocking},
};

/// How git remotes are reached. Credentials are in files, never in addresses.
#[derive(Debug, Clone)]
pub struct GitAccess {
    /// Logins for HTTP, in the format of git-credential-store.
    pub credentials_file: Option<PathBuf>,
    /// Private key for SSH, without a passphrase.
    pub ssh_key_file: Option<PathBuf>,
    /// Host keys for SSH; `None` leaves it to the user's own `known_hosts`.
    pub ssh_known_hosts_file: Option<PathBuf>,
    /// Longest time of one operation, connecting included.
    pub timeout: Duration,
    /// Whether directories of this host are accepted as repositories.
    pub allow_local: bool,
}

impl Default for GitAccess {
    /// No credentials, ten minutes, local directories accepted.
    fn default() -> Self {
        Self {
            credentials_file: None,
            ssh_key_file: None,
            ssh_known_hosts_file: None,
            timeout: Duration::from_secs(600),
            allow_local: true,
        }
    }
}

impl GitAccess {
    /// Checks an address against what is allowed.
    pub(super) fn address(&self, uri: &str) -> Result<Address, SourceError> {
        let address = Address::parse(uri)?;
        if address.is_local() && !self.allow_local {
            return Err(SourceError::Address {
                uri: uri.to_owned(),
                reason: "directories of the orchestrator's host are not accepted here".to_owned(),
                advice: "push the repository to a server and give its address",
            });
        }
        Ok(address)
    }
}

/// The id of a commit: 40 lower-case hexadecimal digits (SHA-1).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CommitId(String);

impl CommitId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first ten digits, as people quote them.
    pub fn short(&self) -> &str {
        &self.0[..10]
    }
}

impl fmt::Display for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for CommitId {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        if text.len() == 40 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(ParseError::new("commit id", text, "expected 40 hexadecimal digits"))
        }
    }
}

impl TryFrom<String> for CommitId {
    type Error = ParseError;

    fn try_from(text: String) -> Result<Self, ParseError> {
        text.parse()
    }
}

impl From<CommitId> for String {
    fn from(id: CommitId) -> String {
        id.0
    }
}

/// What a source means at this moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResolvedSource {
    /// The commit to build.
    pub commit: CommitId,
    /// Full name of the ref that led to it; `None` when the commit itself was
    /// asked for. Example: `refs/heads/main`.
    pub full_ref: Option<String>,
}

/// A ref of a remote and the commit it leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RemoteRef {
    pub(super) name: String,
    pub(super) commit: String,
    pub(super) symbolic: Option<String>,
}

/// Reads the refs of an open remote, annotated tags peeled to their commits.
pub(super) fn refs(remote: &Remote<'_>) -> Result<Vec<RemoteRef>, git2::Error> {
    let mut refs: Vec<RemoteRef> = Vec::new();
    for head in remote.list()? {
        let (name, commit) = (head.name(), head.oid().to_string());
        if let Some(tag) = name.strip_suffix("^{}") {
            // The peeled value follows the tag itself (gitprotocol-pack, "Reference Discovery").
            if let Some(tag) = refs.iter_mut().rfind(|known| known.name == tag) {
                tag.commit = commit;
            }
        } else {
            let symbolic = head.symref_target().map(str::to_owned);
            refs.push(RemoteRef { name: name.to_owned(), commit, symbolic });
        }
    }
    Ok(refs)
}

/// Finds the commit that a source means: a branch, else a tag, else a full ref
/// name, else a commit id of 40 digits; without any, the remote's HEAD. A commit
/// id is taken as it is; [`super::fetch()`] verifies it.
///
/// # Errors
/// An address that is refused, no connection, no access, or no such ref.
pub async fn resolve(
    access: &GitAccess,
    source: &GitSource,
    token: &CancellationToken,
) -> Result<ResolvedSource, SourceError> {
    let address = access.address(&source.uri)?;
    if let Some(commit) = source.reference.as_deref().and_then(|text| text.parse().ok()) {
        return Ok(ResolvedSource { commit, full_ref: None });
    }
    let (access_inside, reference) = (access.clone(), source.reference.clone());
    let uri = address.url.clone();
    blocking(access, &uri, "reading the refs of", token, move |stop| {
        let entrance = Entrance::new(&access_inside, address, stop)?;
        let remote = Remote::create_detached(entrance.address.url.as_str())
            .map_err(|error| entrance.explain(&error))?;
        let refs = entrance.with_remote(remote, |remote| refs(remote))?;
        choose(&entrance.address.url, &refs, reference.as_deref())
    })
    .await
}

/// Chooses among the refs of a remote.
fn choose(uri: &str, refs: &[RemoteRef], reference: Option<&str>) -> Result<ResolvedSource, SourceError> {
    let wanted = reference.unwrap_or("HEAD");
    let candidates = match wanted {
        "HEAD" => vec!["HEAD".to_owned()],
        full if full.starts_with("refs/") => vec![full.to_owned()],
        short => vec![format!("refs/heads/{short}"), format!("refs/tags/{short}"), format!("refs/{short}")],
    };
    let found = candidates.iter().find_map(|name| refs.iter().find(|known| known.name == *name));
    if let Some(found) = found {
        let commit = found.commit.parse().map_err(|error: ParseError| SourceError::Unreachable {
            uri: uri.to_owned(),
            reason: error.to_string(),
            passing: false,
        })?;
        // HEAD is named by the branch behind it, where the remote tells which it is.
        let same = |known: &&RemoteRef| known.name.starts_with("refs/heads/") && known.commit == found.commit;
        let full_ref = match (&found.symbolic, found.name.as_str()) {
            (Some(branch), _) => Some(branch.clone()),
            (None, "HEAD") => refs.iter().find(same).map(|known| known.name.clone()),
            (None, name) => Some(name.to_owned()),
        };
        return Ok(ResolvedSource { commit, full_ref });
    }
    let hexadecimal = wanted.bytes().all(|b| b.is_ascii_hexdigit());
    if hexadecimal && (4..40).contains(&wanted.len()) {
        return Err(SourceError::ShortCommit { uri: uri.to_owned(), reference: wanted.to_owned() });
    }
    let short = |known: &RemoteRef| {
        let name = &known.name;
        name.strip_prefix("refs/heads/").or(name.strip_prefix("refs/tags/")).map(str::to_owned)
    };
    let names: Vec<String> = refs.iter().filter_map(short).collect();
    let wanted_short = wanted.strip_prefix("refs/heads/").or(wanted.strip_prefix("refs/tags/"));
    let meant = near(wanted_short.unwrap_or(wanted), names.iter().map(String::as_str), 5);
    Err(SourceError::RefNotFound {
        uri: uri.to_owned(),
        reference: wanted.to_owned(),
        near: meant.into_iter().map(|name| format!("'{name}'")).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remote() -> Vec<RemoteRef> {
        let one = |name: &str, digit: &str, symbolic: Option<&str>| RemoteRef {
            name: name.to_owned(),
            commit: digit.repeat(40),
            symbolic: symbolic.map(str::to_owned),
        };
        vec![
            one("HEAD", "1", Some("refs/heads/main")),
            one("refs/heads/main", "1", None),
            one("refs/heads/both", "2", None),
            one("refs/tags/both", "3", None),
            one("refs/tags/v1.0", "4", None),
            one("refs/pull/7/head", "5", None),
        ]
    }

    #[test]
    fn branches_win_over_tags() {
        let cases = [
            (None, "1", "refs/heads/main"),
            (Some("HEAD"), "1", "refs/heads/main"),
            (Some("main"), "1", "refs/heads/main"),
            (Some("both"), "2", "refs/heads/both"),
            (Some("refs/tags/both"), "3", "refs/tags/both"),
            (Some("tags/both"), "3", "refs/tags/both"),
            (Some("v1.0"), "4", "refs/tags/v1.0"),
            (Some("refs/pull/7/head"), "5", "refs/pull/7/head"),
        ];
        for (reference, digit, full) in cases {
            let chosen = choose("u", &remote(), reference).unwrap();
            assert_eq!(chosen.commit.as_str(), digit.repeat(40), "{reference:?}");
            assert_eq!(chosen.full_ref.as_deref(), Some(full), "{reference:?}");
        }
    }

    #[test]
    fn a_missing_ref_is_named_with_its_neighbours() {
        let error = choose("https://h/r", &remote(), Some("v1.1")).unwrap_err();
        assert_eq!(error.to_string(), "https://h/r has no branch, tag or ref 'v1.1'; near to it are 'v1.0'");
        let error = choose("https://h/r", &remote(), Some("abc1234")).unwrap_err();
        assert!(matches!(error, SourceError::ShortCommit { .. }), "{error}");
        let error = choose("https://h/r", &[], None).unwrap_err();
        assert_eq!(error.to_string(), "https://h/r has no branch, tag or ref 'HEAD'");
    }

    #[test]
    fn commit_ids_have_forty_digits() {
        let id: CommitId = "ABCDEF0123456789abcdef0123456789abcdef01".parse().unwrap();
        assert_eq!(id.short(), "abcdef0123");
        for bad in ["", "abc", &"g".repeat(40), &"a".repeat(64)] {
            assert!(bad.parse::<CommitId>().is_err(), "{bad}");
        }
    }
}
