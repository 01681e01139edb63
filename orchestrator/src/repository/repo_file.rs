//! A package repository as `/etc/yum.repos.d` has it.
//!
//! Such files come from the web or are made from a Koji target. Builds see them
//! while their instructions run, and the image keeps none of them.

use serde::{Deserialize, Serialize};

/// A `.repo` file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepositoryFile {
    /// File name below `/etc/yum.repos.d`, with its ending. Example: `f44.repo`.
    pub name: String,
    /// Its content, in the INI dialect of yum and dnf.
    pub content: String,
    /// Where it is from: a URL, or the Koji target it was made for.
    /// Example: `Koji target f44-container-candidate`.
    pub from: String,
}
