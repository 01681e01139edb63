//! What can go wrong between a repository's address and its files.

use std::{io, path::PathBuf, time::Duration};

use common::{
    failure::{Failure, FailureClass},
    retry::Transient,
};

/// The source could not be found, fetched or read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// An address of a kind that is not supported, or that is unsafe.
    #[error("cannot use the repository address '{uri}': {reason}")]
    Address {
        /// The address, without any password.
        uri: String,
        /// What is wrong with it.
        reason: String,
        /// What to write instead.
        advice: &'static str,
    },
    /// The remote has no such branch, tag or ref.
    #[error("{uri} has no branch, tag or ref '{reference}'{}", meant(.near))]
    RefNotFound {
        /// The repository.
        uri: String,
        /// What was asked for.
        reference: String,
        /// Names that come near.
        near: Vec<String>,
    },
    /// A part of a commit id, which a remote cannot look up.
    #[error("'{reference}' is neither a branch nor a tag of {uri}, and too short for a commit id")]
    ShortCommit {
        /// The repository.
        uri: String,
        /// What was asked for.
        reference: String,
    },
    /// The remote does not have the commit.
    #[error("{uri} has no commit {commit}: {reason}")]
    CommitNotFound {
        /// The repository.
        uri: String,
        /// The commit.
        commit: String,
        /// How that was found out.
        reason: String,
    },
    /// No connection, no answer, or not a git repository.
    #[error("cannot read the repository {uri}: {reason}")]
    Unreachable {
        /// The repository.
        uri: String,
        /// What the transport says.
        reason: String,
        /// Whether it may work later.
        passing: bool,
    },
    /// The remote wants credentials, or other ones.
    #[error("{uri} refused access: {reason}")]
    Unauthorized {
        /// The repository.
        uri: String,
        /// What was tried.
        reason: String,
    },
    /// The host of an SSH remote is not the one that is known.
    #[error("the host of {uri} is not trusted: {reason}")]
    HostKey {
        /// The repository.
        uri: String,
        /// What is wrong with its key.
        reason: String,
    },
    /// A file with credentials or host keys cannot be used.
    #[error("cannot use {}: {reason}", path.display())]
    AccessFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// It took too long.
    #[error("{doing} {uri} took longer than {} seconds", after.as_secs())]
    Timeout {
        /// What was being done. Example: "fetching from".
        doing: &'static str,
        /// The repository.
        uri: String,
        /// The limit.
        after: Duration,
    },
    /// Somebody asked for it to stop.
    #[error("cancelled while {doing} {uri}")]
    Cancelled {
        /// What was being done.
        doing: &'static str,
        /// The repository.
        uri: String,
    },
    /// A symbolic link points out of the repository.
    #[error("the symbolic link '{link}' leads out of the repository: its target is '{target}'")]
    LinkEscapes {
        /// Path of the link.
        link: String,
        /// What it says.
        target: String,
    },
    /// A path in the tree that no honest git would write.
    #[error("the commit contains the path '{path}', which {reason}")]
    HostilePath {
        /// The path.
        path: String,
        /// Why it is refused.
        reason: &'static str,
    },
    /// A path that should be a file is something else.
    #[error("'{path}' is {what}, not a file")]
    NotAFile {
        /// The path.
        path: String,
        /// What it is.
        what: &'static str,
    },
    /// A file or tree beyond what is read.
    #[error("{what} is too large: {size}, and the limit is {limit}")]
    TooLarge {
        /// What is too large.
        what: String,
        /// How large it is, with unit.
        size: String,
        /// The limit, with unit.
        limit: String,
    },
    /// Objects that were fetched cannot be read back.
    #[error("cannot read {what} from the fetched repository: {reason}")]
    Damaged {
        /// The object.
        what: String,
        /// What libgit2 says.
        reason: String,
    },
    /// The local disk.
    #[error("cannot write {}", path.display())]
    Storage {
        /// The file or directory.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A defect of reactor.
    #[error("reading {uri} ended unexpectedly: {reason}")]
    Internal {
        /// The repository.
        uri: String,
        /// What happened.
        reason: String,
    },
}

fn meant(near: &[String]) -> String {
    if near.is_empty() { String::new() } else { format!("; near to it are {}", near.join(", ")) }
}

impl Transient for SourceError {
    fn retry_after(&self) -> Option<Duration> {
        matches!(self, Self::Unreachable { passing: true, .. }).then_some(Duration::ZERO)
    }
}

impl From<SourceError> for Failure {
    fn from(error: SourceError) -> Self {
        use FailureClass::{Cancelled, Infrastructure, Internal, Policy, Source, Timeout, User};
        let (class, code, advice) = match &error {
            SourceError::Address { advice, .. } => (User, "source.address_refused", *advice),
            SourceError::RefNotFound { .. } => {
                (User, "source.ref_not_found", "'git ls-remote' shows what the repository has")
            }
            SourceError::ShortCommit { .. } => {
                (User, "source.short_commit", "give all 40 digits; 'git rev-parse' shows them")
            }
            SourceError::CommitNotFound { .. } => (
                User,
                "source.commit_not_found",
                "push the commit to a branch or tag; a rebase or a forced push may have removed it",
            ),
            SourceError::Unreachable { .. } => (
                Infrastructure,
                "source.repository_unreachable",
                "check the address and whether this host can reach it",
            ),
            SourceError::Unauthorized { .. } => (
                User,
                "source.unauthorized",
                "put a line 'https://user:password@host' into the git credentials file, or configure an SSH key",
            ),
            SourceError::HostKey { .. } => {
                (Policy, "source.host_key", "add the host's key to the known hosts file")
            }
            SourceError::AccessFile { .. } => (Infrastructure, "source.access_file", ""),
            SourceError::Timeout { .. } => {
                (Timeout, "source.timeout", "try again, or raise the time limit for git")
            }
            SourceError::Cancelled { .. } => (Cancelled, "cancelled", ""),
            SourceError::LinkEscapes { .. } => (
                Source,
                "source.symlink_escapes",
                "let it point to a path inside the repository, or remove it",
            ),
            SourceError::HostilePath { .. } => (Source, "source.hostile_path", "remove it from the commit"),
            SourceError::NotAFile { .. } => (
                Source,
                "source.not_a_file",
                "commit a regular file under this name, or remove what is there",
            ),
            SourceError::TooLarge { .. } => {
                (Source, "source.too_large", "make it smaller; large data does not belong into a repository")
            }
            SourceError::Damaged { .. } => (Infrastructure, "source.damaged", "fetch it again"),
            SourceError::Storage { .. } => {
                (Infrastructure, "source.storage", "check free space and permissions of the directory")
            }
            SourceError::Internal { .. } => (Internal, "source.internal", ""),
        };
        Failure::from_error(class, code, &error).with_advice(advice)
    }
}
