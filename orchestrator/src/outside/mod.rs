//! Other systems that planning asks: registries, git remotes, Koji (through its
//! bridge) and the web. Cloning shares the connections.

mod allowed;
mod http;
mod koji;
mod odcs;

use registry_client::Client;

pub use allowed::{AllowedPlaceError, AllowedPlaces};
pub use http::{Downloaded, Http, HttpError, HttpSettings};
pub use koji::{
    Koji, KojiArchive, KojiBuild, KojiChecksum, KojiRepository, KojiTarget, KojiTask, KojiTaskState,
};
pub use odcs::{Compose, ComposeKind, ComposeRequest, ComposeState, Odcs};

use crate::repository::GitAccess;

/// The systems, with the site's credentials.
#[derive(Clone)]
pub struct Outside {
    /// Registries.
    pub registries: Client,
    /// How git remotes are reached.
    pub git: GitAccess,
    /// Koji; `None` where the site has none.
    pub koji: Option<Koji>,
    /// Web servers.
    pub http: Http,
}
