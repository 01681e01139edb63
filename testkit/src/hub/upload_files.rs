//! Files that clients have uploaded: where they are, whose directories they are,
//! and their checksums.

use std::{
    fs,
    io::{self, Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
};

use koji_bridge::xmlrpc::Fault;
use md5::Md5;
use sha2::{Digest as _, Sha256};

use super::context::fault;

/// Name of the file that names the owner of a directory.
const OWNER: &str = ".user";

/// How much of a file is read at a time, in bytes.
const BLOCK: usize = 65_536;

/// A checksum in the making.
#[derive(Clone)]
pub(super) enum Checksum {
    Adler32(simd_adler32::Adler32),
    Md5(Md5),
    Sha256(Sha256),
}

impl Checksum {
    /// The checksum of a name in `fileverify` and the like.
    ///
    /// # Errors
    /// The hub has no such checksum: fault 1000.
    pub(super) fn new(name: &str) -> Result<Self, Fault> {
        match name {
            "adler32" => Ok(Self::Adler32(simd_adler32::Adler32::new())),
            "md5" => Ok(Self::Md5(Md5::new())),
            "sha256" => Ok(Self::Sha256(Sha256::new())),
            other => Err(fault::generic(format!("Unsupported verify type: {other}"))),
        }
    }

    /// Takes more bytes.
    pub(super) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Adler32(sum) => sum.write(bytes),
            Self::Md5(sum) => sum.update(bytes),
            Self::Sha256(sum) => sum.update(bytes),
        }
    }

    /// Lower-case hexadecimal digits of the checksum.
    pub(super) fn digits(self) -> String {
        match self {
            Self::Adler32(sum) => format!("{:08x}", sum.finish()),
            Self::Md5(sum) => hex::encode(sum.finalize()),
            Self::Sha256(sum) => hex::encode(sum.finalize()),
        }
    }
}

/// The digits of a checksum over what a file has from a position on.
pub(super) fn file_checksum(file: &mut fs::File, from: u64, mut sum: Checksum) -> io::Result<String> {
    file.seek(SeekFrom::Start(from))?;
    let mut block = vec![0; BLOCK];
    loop {
        let read = file.read(&mut block)?;
        if read == 0 {
            return Ok(sum.digits());
        }
        sum.update(block.get(..read).unwrap_or_default());
    }
}

/// A place for a file below the hub's `work`.
#[derive(Debug)]
pub(super) struct UploadPath {
    /// The directory as the client named it.
    named: String,
    directory: PathBuf,
    name: String,
}

impl UploadPath {
    /// The place of a directory and a file name.
    ///
    /// # Errors
    /// One of them would lead elsewhere: fault 1000.
    pub(super) fn new(top: &Path, directory: &str, name: &str) -> Result<Self, Fault> {
        if name.is_empty() || name.starts_with('.') || name.contains('/') {
            return Err(fault::generic(format!("Invalid upload filename: {name}")));
        }
        let normal = normalised(directory)
            .ok_or_else(|| fault::generic(format!("Invalid upload directory: {directory}")))?;
        Ok(Self {
            directory: top.join("work").join(normal),
            named: directory.to_owned(),
            name: name.to_owned(),
        })
    }

    /// The whole path.
    pub(super) fn path(&self) -> PathBuf {
        self.directory.join(&self.name)
    }

    /// Makes the directory; who comes first owns it.
    ///
    /// # Errors
    /// It is for the output of tasks, which only hosts may write (1002, 1000), or
    /// somebody else owns it (1000).
    pub(super) fn claim(&self, user: u64) -> Result<(), Fault> {
        let mut parts = self.named.split('/').filter(|part| !part.is_empty() && *part != ".");
        if parts.next() == Some("tasks") {
            return Err(match parts.count() {
                0 | 1 => fault::generic(format!("Invalid task upload directory: {}", self.named)),
                _ => fault::auth(format!("User {user} is not a host")),
            });
        }
        fs::create_dir_all(&self.directory).map_err(|error| os_error(&error))?;
        let file = self.directory.join(OWNER);
        match fs::read_to_string(&file) {
            Ok(owner) if owner.trim() == user.to_string() => Ok(()),
            Ok(_) => Err(fault::generic(format!("Invalid upload directory, not owner: {}", self.named))),
            Err(_) => fs::write(file, user.to_string()).map_err(|error| os_error(&error)),
        }
    }

    /// What stands in the way of a file: `None` if nothing does or a file is there,
    /// which the flag tells.
    ///
    /// # Errors
    /// A symbolic link or something that is no file is there: fault 1000. With
    /// `follows_links` only a link to nowhere is in the way, which nobody catches.
    pub(super) fn exists(&self, follows_links: bool) -> Result<bool, Fault> {
        let path = self.path();
        if follows_links && path.is_symlink() {
            return match fs::metadata(&path) {
                Ok(_) => Ok(true),
                Err(error) => Err(fault::uncaught("FileNotFoundError", &error.to_string())),
            };
        }
        match fs::symlink_metadata(&path) {
            Err(_) => Ok(false),
            Ok(found) if found.file_type().is_symlink() => {
                Err(fault::generic(format!("destination is a symlink: {}", path.display())))
            }
            Ok(found) if !found.is_file() => {
                Err(fault::generic(format!("destination not a file: {}", path.display())))
            }
            Ok(_) => Ok(true),
        }
    }
}

/// The path without `.` and `..`; `None` if it leads out or nowhere.
fn normalised(path: &str) -> Option<PathBuf> {
    let mut parts = Vec::new();
    if path.starts_with('/') {
        return None;
    }
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    (!parts.is_empty()).then(|| parts.iter().collect())
}

/// An exception of the operating system, which nobody catches.
pub(super) fn os_error(error: &io::Error) -> Fault {
    fault::uncaught("OSError", &error.to_string())
}
