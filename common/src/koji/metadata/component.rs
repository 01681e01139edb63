//! What an environment or an image is made of.

use serde::{Deserialize, Serialize};

use super::ChecksumType;

/// A part of an environment or an image that Koji may know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Component {
    /// An installed package. A hub leaves out those that it does not know.
    Rpm(RpmComponent),
    /// A file of a Koji build. A hub refuses those that it does not know.
    KojiFile(KojiFileComponent),
    /// A file. A hub leaves out those that it does not know.
    File(FileComponent),
}

/// An installed RPM package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RpmComponent {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its release.
    pub release: String,
    /// Its epoch; null when it has none.
    pub epoch: Option<u64>,
    /// Its architecture. Examples: `x86_64`, `noarch`.
    pub arch: String,
    /// MD5 of header and payload; null when the package has none.
    pub sigmd5: Option<String>,
    /// Identifier of the key that signed it, in hexadecimal digits; null when none
    /// did.
    pub signature: Option<String>,
}

/// A file of a Koji build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KojiFileComponent {
    /// Number of the file.
    pub archive_id: u64,
    /// Name, version and release of its build.
    pub nvr: String,
    /// Its name.
    pub filename: String,
    /// Its size in bytes, if it is to be compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filesize: Option<u64>,
    /// Its checksum, if it is to be compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<String>,
    /// Kind of the checksum, if it is to be compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum_type: Option<ChecksumType>,
}

/// A file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileComponent {
    /// Its name.
    pub filename: String,
    /// Its size in bytes.
    pub filesize: u64,
    /// Its checksum in lower-case hexadecimal digits.
    pub checksum: String,
    /// Kind of the checksum.
    pub checksum_type: ChecksumType,
}
