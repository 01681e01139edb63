//! The site's configuration: what can be set, where it is read from, and who
//! set what.
//!
//! The order of the layers is: built-in values, files given by `--config` (a
//! directory means its `*.yaml` by name), environment variables such as
//! `REACTOR__BUILDS__MAX_RUNNING`, flags. A file that has a `version` is of the
//! form of 2018 and is translated. Secrets are never settings; a setting names
//! the file that holds one.

mod check;
#[cfg(test)]
mod documented;
mod encoding;
mod error;
mod explain;
mod layers;
mod legacy;
mod load;
pub(crate) mod nearest;
mod origin;
mod print;
mod schema;
mod secrets;
mod sections;
mod site;
mod text;
mod units;
mod userinfo;

pub(crate) use encoding::is_not_utf8;
pub use encoding::text_of_environment;
pub use error::{ConfigError, ConfigErrors, Problem};
pub use explain::Explained;
pub use layers::Key;
pub use legacy::Retired;
pub use load::{ENVIRONMENT_PREFIX, FlagSetting, SiteLayer};
pub(crate) use nearest::nearest;
pub use origin::{Origin, Origins, Said};
pub use secrets::SecretFile;
pub use sections::{
    Artifacts, Builds, Composes, Ending, Git, ImageArchive, KojiSetting, KojiTls, Labels, LocalWorkers, Mail,
    MailEncryption, OpenShift, ParentCheck, PlatformSetting, Policy, Pool, Publication, RegistrySetting,
    Repositories, Service, SigningIntent, State, Status, Tls, UnrecordedBuilds, Webhook, Workers,
};
pub use site::{Settings, Site};
pub use units::{Period, Size};
