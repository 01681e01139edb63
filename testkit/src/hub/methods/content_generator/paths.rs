//! Where files of uploads and builds are, and how they move.

use std::{
    fs, io,
    path::{Component, Path, PathBuf},
};

use koji_bridge::xmlrpc::Fault;

use super::super::python;
use crate::hub::{context::fault, state::Build};

/// A path below another one, made of segments that do not lead out of it.
///
/// # Errors
/// A segment does: fault 1.
pub(in crate::hub::methods) fn join(base: &str, segments: &[&str]) -> Result<String, Fault> {
    let mut path = base.trim_end_matches('/').to_owned();
    for segment in segments {
        let normal = normal(segment);
        if normal == ".." || normal.starts_with("../") || normal.starts_with('/') {
            return Err(fault::uncaught("ValueError", &format!("Invalid path segment: {segment}")));
        }
        path.push('/');
        path.push_str(&normal);
    }
    Ok(path)
}

/// A path without needless parts, as Python's `normpath` makes it.
fn normal(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    let absolute = path.starts_with('/');
    for part in path.split('/').filter(|part| !part.is_empty() && *part != ".") {
        match (part, parts.last()) {
            ("..", Some(last)) if *last != ".." => {
                parts.pop();
            }
            ("..", None) if absolute => {}
            _ => parts.push(part),
        }
    }
    match (absolute, parts.is_empty()) {
        (true, _) => format!("/{}", parts.join("/")),
        (false, true) => ".".to_owned(),
        (false, false) => parts.join("/"),
    }
}

/// The directory of uploads.
pub(in crate::hub::methods) fn work(top: &Path) -> String {
    format!("{}/work", top.display())
}

/// The directory of a build.
pub(in crate::hub::methods) fn build_directory(top: &Path, build: &Build) -> String {
    build_path(top, &build.name, &build.version, &build.release)
}

/// The directory of a build of a name, version and release.
pub(in crate::hub::methods) fn build_path(top: &Path, name: &str, version: &str, release: &str) -> String {
    format!("{}/packages/{name}/{version}/{release}", top.display())
}

/// Removes a directory with everything in it, or a link, if it is there.
pub(in crate::hub::methods) fn remove(path: &str) {
    // What cannot be removed shows at the next import: its directory exists.
    let _ = match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(_) => Ok(()),
    };
}

/// Moves a file and leaves a relative link to it.
///
/// # Errors
/// The file system refuses: fault 1.
pub(super) fn move_and_link(from: &str, to: &str) -> Result<(), Fault> {
    let (from, to) = (Path::new(from), Path::new(to));
    let moving = || -> io::Result<()> {
        if let Some(parent) = to.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::rename(from, to)?;
        std::os::unix::fs::symlink(relative(to, from.parent().unwrap_or(Path::new("/"))), from)
    };
    moving().map_err(|error| os_error(&error, &from.display().to_string()))
}

/// A path as seen from a directory. Both are absolute.
fn relative(path: &Path, directory: &Path) -> PathBuf {
    let parts = |path: &Path| -> Vec<PathBuf> {
        let named = path.components().filter(|part| matches!(part, Component::Normal(_)));
        named.map(|part| PathBuf::from(part.as_os_str())).collect()
    };
    let (path, directory) = (parts(path), parts(directory));
    let common = path.iter().zip(&directory).take_while(|(one, other)| one == other).count();
    let up = directory.iter().skip(common).map(|_| PathBuf::from(".."));
    up.chain(path.into_iter().skip(common)).collect()
}

/// An error of the file system as Python tells it.
pub(in crate::hub::methods) fn os_error(error: &io::Error, path: &str) -> Fault {
    let (class, number, text) = match error.kind() {
        io::ErrorKind::NotFound => ("FileNotFoundError", 2, "No such file or directory"),
        io::ErrorKind::IsADirectory => ("IsADirectoryError", 21, "Is a directory"),
        io::ErrorKind::NotADirectory => ("NotADirectoryError", 20, "Not a directory"),
        _ => {
            let number = error.raw_os_error().unwrap_or(5);
            return fault::uncaught(
                "OSError",
                &format!("[Errno {number}] {error}: {}", python::quoted(path)),
            );
        }
    };
    fault::uncaught(class, &format!("[Errno {number}] {text}: {}", python::quoted(path)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_do_not_lead_out() {
        for (segment, expected) in [
            ("", Some("/top/.")),
            ("a//b/./c", Some("/top/a/b/c")),
            ("a/../b", Some("/top/b")),
            ("a/../..", None),
            ("../x", None),
            ("/abs/name", None),
        ] {
            assert_eq!(join("/top", &[segment]).ok().as_deref(), expected, "{segment}");
        }
    }

    #[test]
    fn links_are_relative() {
        let seen = relative(Path::new("/k/packages/a/1/1/images/x"), Path::new("/k/work/koji-upload/d/."));
        assert_eq!(seen, Path::new("../../../packages/a/1/1/images/x"));
    }
}
