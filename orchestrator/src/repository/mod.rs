//! The user's repository: finding the commit, fetching it, and understanding
//! what is in it.
//!
//! Nothing here makes a working tree. A commit is fetched into a bare
//! repository and its files are read from git's own objects, so that no link,
//! path or hook of a hostile repository ever meets the file system. The build
//! context is written straight from those objects.

pub mod additional_tags;
mod address;
pub mod artifact_files;
pub mod build_file;
pub mod checkout;
pub mod container_yaml;
pub mod content_sets;
pub mod context;
#[cfg(test)]
mod context_tests;
mod credentials;
pub mod dockerfile;
pub mod dockerignore;
mod error;
pub mod extra;
pub mod fetch;
mod host_keys;
pub mod image_build_conf;
pub mod ini;
pub mod inputs;
#[cfg(test)]
mod inputs_tests;
mod links;
pub mod module_spec;
mod near;
pub mod platforms;
mod remote;
#[cfg(test)]
mod remote_tests;
pub mod repo_config;
pub mod repo_file;
mod shown;
pub mod source;
mod strict;
pub mod tree;

pub use address::remote_host;
pub use error::SourceError;
pub use fetch::fetch;
pub use shown::shown_address;
pub use source::{CommitId, GitAccess, ResolvedSource, resolve};
pub use tree::SourceTree;
