//! Images in registries and in OCI layouts on disk, behind one trait.
//!
//! A [`Registry`] is one repository in one place. [`Remote`] speaks the OCI
//! distribution protocol (and Docker's, from which it came) over HTTP;
//! [`Layout`] is an OCI image layout directory. Everything else here is written
//! against the trait: [`resolve`] finds the image of an architecture, [`copy`]
//! carries an image from one place to another, [`index`] joins members into one
//! index, [`verify`] reads back what is there. Manifests are kept byte for byte;
//! nothing is ever serialized again to learn its digest.

pub mod copy;
pub mod document;
mod error;
pub mod index;
mod layout;
mod registry;
mod remote;
pub mod resolve;
mod settings;
mod source;
mod verified;
pub mod verify;

pub use error::{Answer, Diagnostic, RegistryError};
pub use layout::{BlobWriter, Layout};
pub use registry::{BlobStat, BlobStream, Manifest, Place, Registry, Selector};
pub use remote::{Client, Limits, Remote};
pub use settings::{HostSettings, RegistrySettings};
pub use source::BlobSource;
