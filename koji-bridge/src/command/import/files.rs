//! The files of an import as they are on this machine: found, measured, added up.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use common::failure::{Failure, FailureClass};
use md5::{Digest as _, Md5};
use serde_json::Value;
use sha2::Sha256;

use crate::metadata::UploadedFile;

/// How much of a file is in memory at a time, in bytes.
const BLOCK: usize = 1 << 20;

/// A file that the metadata names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LocalFile {
    /// Its name at the hub.
    pub(super) name: String,
    /// Where it is.
    pub(super) path: PathBuf,
    /// Its size in bytes.
    pub(super) size: u64,
    /// Its MD5 in lower-case hexadecimal digits.
    pub(super) md5: String,
    sha256: Option<String>,
}

impl LocalFile {
    /// The file as the check of metadata wants to know it.
    pub(super) fn uploaded(&self) -> (String, UploadedFile) {
        let file = UploadedFile { size: self.size, md5: Some(self.md5.clone()), sha256: self.sha256.clone() };
        (self.name.clone(), file)
    }

    fn measure(name: &str, path: PathBuf, with_sha256: bool) -> io::Result<Self> {
        let mut file = File::open(&path)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("it is no regular file"));
        }
        let (mut md5, mut sha256, mut size) = (Md5::new(), Sha256::new(), 0);
        let mut block = vec![0; BLOCK];
        loop {
            let read = file.read(&mut block)?;
            if read == 0 {
                break;
            }
            md5.update(&block[..read]);
            if with_sha256 {
                sha256.update(&block[..read]);
            }
            size += read as u64;
        }
        let sha256 = with_sha256.then(|| hex::encode(sha256.finalize()));
        Ok(Self { name: name.to_owned(), path, size, md5: hex::encode(md5.finalize()), sha256 })
    }
}

/// Reads a text of at most `limit` bytes.
pub(super) fn read_text(path: &Path, limit: usize) -> Result<String, Failure> {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(limit as u64 + 1).read_to_string(&mut text));
    let reason = match read {
        Ok(_) if text.len() <= limit => return Ok(text),
        Ok(_) => format!("it is larger than {} MiB", limit >> 20),
        Err(error) => error.to_string(),
    };
    let message = format!("cannot read the metadata in {}: {reason}", path.display());
    let failure = Failure::new(FailureClass::User, "koji.import_file", message);
    Err(failure.with_advice("name a file with the metadata of a content generator as JSON"))
}

/// Looks for the files of a document in a directory, and for what is wrong with
/// them. What is wrong with the document itself is for its own check to say.
pub(super) fn look(document: &Value, directory: &Path) -> (Vec<LocalFile>, Vec<Failure>) {
    let (mut found, mut problems) = (Vec::<LocalFile>::new(), Vec::new());
    for (index, output) in document["output"].as_array().into_iter().flatten().enumerate() {
        let Some(name) = output["filename"].as_str().filter(|name| !matches!(*name, "" | "." | "..")) else {
            continue;
        };
        let folder = output["relpath"].as_str().unwrap_or_default();
        if name.contains('/') || !matches!(folder.trim_matches('/'), "" | ".") {
            let message = format!("output[{index}]: '{name}' is in a folder of its own ('{folder}')");
            let failure = Failure::new(FailureClass::User, "koji.import_folder", message);
            problems.push(failure.with_advice("put all files into one directory, without relpath"));
            continue;
        }
        if found.iter().any(|file| file.name == name) {
            continue;
        }
        let path = directory.join(name);
        match LocalFile::measure(name, path.clone(), output["checksum_type"] == "sha256") {
            Ok(file) => found.push(file),
            Err(error) => {
                let message = format!("output[{index}].filename: cannot read {}: {error}", path.display());
                let failure = Failure::new(FailureClass::User, "koji.import_file", message);
                problems.push(failure.with_advice("put the file there, or name its place with --directory"));
            }
        }
    }
    (found, problems)
}
