//! The site's configuration: what can be set, where it is read from, and who
//! set what.
//!
//! The order of the layers is: built-in values, files given by `--config` (a
//! directory means its `*.yaml` by name), environment variables such as
//! `REACTOR__BUILDS__MAX_RUNNING`, flags. Secrets are never settings; a setting
//! names the file that holds one.

mod check;
#[cfg(test)]
mod documented;
mod error;
mod layers;
mod load;
pub(crate) mod nearest;
mod print;
mod site;
mod text;
mod units;

pub use error::ConfigError;
pub use layers::{Key, Origin, Origins};
pub use load::{ENVIRONMENT_PREFIX, FlagSetting};
pub(crate) use nearest::nearest;
pub use site::{
    Artifacts, Builds, Composes, Git, KojiSetting, Labels, LocalWorkers, Mail, OpenShift, PlatformSetting,
    Publication, RegistrySetting, Repositories, Service, Settings, SigningIntent, Site, State, Tls, Workers,
};
pub use units::{Period, Size};
