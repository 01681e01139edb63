//! The sections of the configuration, each with its keys, their types, defaults
//! and meanings.

mod image;
mod notices;
mod outside;
mod parts;
mod service;

pub use image::{Artifacts, Labels, Policy, Publication, Repositories};
pub use notices::{Ending, MailEncryption, Status, Webhook};
pub use outside::{
    Composes, Git, ImageArchive, KojiSetting, KojiTls, Mail, OpenShift, ParentCheck, SigningIntent,
    UnrecordedBuilds,
};
pub use parts::{PlatformSetting, Pool, RegistrySetting};
pub use service::{Builds, LocalWorkers, Service, State, Tls, Workers};
