//! Fetching one commit into a bare repository, with as little history as the
//! remote lets us have.
//!
//! Three ways are tried in this order: the commit alone by a ref that leads to
//! it, the commit alone by its id where the server allows that, and all branches
//! and tags with their history. The directory appears only when it is complete.

use std::{fs, io, path::Path};

use common::request::GitSource;
use git2::{Repository, RepositoryInitOptions};
use tokio_util::sync::CancellationToken;

use super::{
    SourceError, SourceTree,
    address::Address,
    remote::{Entrance, Stop, blocking},
    source::{CommitId, GitAccess, ResolvedSource, refs},
};

/// Written last into a complete repository; holds the commit's id.
const COMPLETE: &str = "reactor-commit";

/// Fetches the commit of `resolved` into the bare repository `into`, which is
/// made, together with the directories above it. A repository that is complete
/// is used again without asking the remote; a partial one is replaced.
///
/// # Errors
/// No connection, no access, the commit is gone, the disk is full, or the tree
/// is not one that an honest git would make.
pub async fn fetch(
    access: &GitAccess,
    source: &GitSource,
    resolved: &ResolvedSource,
    into: &Path,
    token: &CancellationToken,
) -> Result<SourceTree, SourceError> {
    let address = access.address(&source.uri)?;
    let (access_inside, resolved, into) = (access.clone(), resolved.clone(), into.to_owned());
    let uri = address.url.clone();
    blocking(access, &uri, "fetching from", token, move |stop| {
        if let Some(tree) = reuse(&into, &resolved.commit)? {
            return Ok(tree);
        }
        let entrance = Entrance::new(&access_inside, address, stop)?;
        fetch_new(&entrance, &resolved, &into, stop)
    })
    .await
}

fn storage(path: &Path) -> impl FnOnce(io::Error) -> SourceError + '_ {
    move |source| SourceError::Storage { path: path.to_owned(), source }
}

/// A complete repository with this commit, if there is one. What else is there
/// is removed, provided that it looks like a repository.
fn reuse(into: &Path, commit: &CommitId) -> Result<Option<SourceTree>, SourceError> {
    match fs::read_to_string(into.join(COMPLETE)) {
        Ok(text) if text == commit.as_str() => {
            if let Ok(tree) = SourceTree::open(into, commit) {
                return Ok(Some(tree));
            }
        }
        Ok(_) => {}
        Err(_) if !into.exists() => return Ok(None),
        Err(_) => {
            let foreign =
                !into.join("objects").is_dir() && fs::read_dir(into).map_err(storage(into))?.next().is_some();
            if foreign {
                let error = io::Error::other("the directory is not empty and not a git repository");
                return Err(SourceError::Storage { path: into.to_owned(), source: error });
            }
        }
    }
    fs::remove_dir_all(into).map_err(storage(into))?;
    Ok(None)
}

fn fetch_new(
    entrance: &Entrance,
    resolved: &ResolvedSource,
    into: &Path,
    stop: &Stop,
) -> Result<SourceTree, SourceError> {
    let parent = into.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(parent).map_err(storage(parent))?;
    let partial = tempfile::Builder::new().prefix(".fetch-").tempdir_in(parent).map_err(storage(parent))?;
    let directory = partial.path();
    let mut options = RepositoryInitOptions::new();
    options.bare(true).no_reinit(true).external_template(false);
    let repository = Repository::init_opts(directory, &options).map_err(|error| SourceError::Storage {
        path: directory.to_owned(),
        source: io::Error::other(error.message().to_owned()),
    })?;

    obtain(entrance, &repository, resolved, stop)?;
    drop(repository);
    // Read once before it is declared complete: a tree that is refused stays away.
    SourceTree::open(directory, &resolved.commit)?;
    let marker = directory.join(COMPLETE);
    fs::write(&marker, resolved.commit.as_str()).map_err(storage(&marker))?;
    match fs::rename(directory, into) {
        Ok(()) => {}
        // Another build of the same commit was faster.
        Err(_) if into.join(COMPLETE).exists() => {}
        Err(error) => return Err(storage(into)(error)),
    }
    SourceTree::open(into, &resolved.commit)
}

/// Brings the commit into the repository.
fn obtain(
    entrance: &Entrance,
    repository: &Repository,
    resolved: &ResolvedSource,
    stop: &Stop,
) -> Result<(), SourceError> {
    let commit = &resolved.commit;
    if alone_by_ref(entrance, repository, resolved, stop)? && has(repository, commit)? {
        return Ok(());
    }
    if stop.go_on() && !entrance.address.is_local() {
        let wanted = [format!("+{commit}:refs/reactor/source")];
        match download(entrance, repository, &wanted, true) {
            Ok(()) if has(repository, commit)? => return Ok(()),
            Ok(()) => {}
            Err(error) => tracing::debug!(%error, "the server does not send a commit by its id"),
        }
    }
    if stop.go_on() {
        let mut wanted = vec!["+refs/heads/*:refs/reactor/heads/*".to_owned()];
        wanted.push("+refs/tags/*:refs/reactor/tags/*".to_owned());
        if let Some(name) = resolved.full_ref.as_ref().filter(|name| !is_head_or_tag(name)) {
            wanted.push(format!("+{name}:refs/reactor/source"));
        }
        download(entrance, repository, &wanted, false)?;
    }
    if has(repository, commit)? {
        return Ok(());
    }
    let reason = match &resolved.full_ref {
        Some(name) => format!("it was at '{name}' when the build began, and is on no branch or tag any more"),
        None => "it is on no branch or tag".to_owned(),
    };
    Err(SourceError::CommitNotFound { uri: entrance.address.url.clone(), commit: commit.to_string(), reason })
}

/// Fetches the commit alone, by any ref of the remote that leads to it now; the
/// ref of `resolved` is preferred. False when there is none, or when the server
/// cannot send a part of its history.
fn alone_by_ref(
    entrance: &Entrance,
    repository: &Repository,
    resolved: &ResolvedSource,
    stop: &Stop,
) -> Result<bool, SourceError> {
    let remote = anonymous(entrance, repository)?;
    entrance.with_remote(remote, |remote| {
        let refs = refs(remote)?;
        let fitting = refs.iter().filter(|known| known.commit == resolved.commit.as_str());
        let named = fitting.map(|known| known.name.as_str()).filter(|name| name.starts_with("refs/"));
        let best =
            named.min_by_key(|name| (Some(*name) != resolved.full_ref.as_deref(), !is_head_or_tag(name)));
        let Some(name) = best else { return Ok(false) };
        let mut options = entrance.fetch_options();
        if has_depth(&entrance.address) {
            options.depth(1);
        }
        match remote.download(&[format!("+{name}:refs/reactor/source")], Some(&mut options)) {
            Ok(()) => Ok(true),
            Err(error) if stop.go_on() && has_depth(&entrance.address) => {
                tracing::debug!(%error, "the server does not send a commit alone");
                Ok(false)
            }
            Err(error) => Err(error),
        }
    })
}

fn download(
    entrance: &Entrance,
    repository: &Repository,
    wanted: &[String],
    alone: bool,
) -> Result<(), SourceError> {
    let remote = anonymous(entrance, repository)?;
    entrance.with_remote(remote, |remote| {
        let mut options = entrance.fetch_options();
        if alone && has_depth(&entrance.address) {
            options.depth(1);
        }
        remote.download(wanted, Some(&mut options))
    })
}

fn anonymous<'a>(entrance: &Entrance, repository: &'a Repository) -> Result<git2::Remote<'a>, SourceError> {
    repository.remote_anonymous(&entrance.address.url).map_err(|error| entrance.explain(&error))
}

/// libgit2's transport for directories knows no shallow fetch.
fn has_depth(address: &Address) -> bool {
    !address.is_local()
}

fn is_head_or_tag(name: &str) -> bool {
    name.starts_with("refs/heads/") || name.starts_with("refs/tags/")
}

/// Whether the commit is there.
fn has(repository: &Repository, commit: &CommitId) -> Result<bool, SourceError> {
    let damaged = |error: git2::Error| SourceError::Damaged {
        what: format!("commit {commit}"),
        reason: error.message().to_owned(),
    };
    let odb = repository.odb().map_err(damaged)?;
    odb.refresh().map_err(damaged)?;
    let id = git2::Oid::from_str(commit.as_str()).map_err(damaged)?;
    match odb.read_header(id) {
        Ok((_, git2::ObjectType::Commit)) => Ok(true),
        Ok((_, kind)) => Err(SourceError::Damaged {
            what: format!("commit {commit}"),
            reason: format!("the id belongs to a {kind}"),
        }),
        Err(error) if error.code() == git2::ErrorCode::NotFound => Ok(false),
        Err(error) => Err(damaged(error)),
    }
}
