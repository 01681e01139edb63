//! Other systems that planning asks: registries, git remotes, Koji (through its
//! bridge) and the web; and those that are told about builds: OpenShift, whose image
//! streams follow an image, mail servers and webhooks.
//! Cloning shares the connections.

mod allowed;
mod http;
mod koji;
mod mail;
mod odcs;
mod openshift;
mod webhook;

use registry_client::Client;

pub use allowed::{AllowedPlaceError, AllowedPlaces};
pub use http::{Downloaded, Http, HttpError, HttpSettings, shown, shown_address};
pub use koji::{
    ImageTask, Import, Imported, Koji, KojiArchive, KojiBridge, KojiBuild, KojiBuildState, KojiCapability,
    KojiChecksum, KojiError, KojiPatience, KojiReach, KojiRepository, KojiTarget, KojiTask, KojiTaskInfo,
    KojiTaskState, KojiUser, Part, Refund, Reservation, ReservationRequest, TagAnswer, TaskOutput, Upload,
    UploadDirectory,
};
pub use mail::{Attachment, Delivery, Letter, MailError, Mailer, RefusedRecipient, mail_address};
pub use odcs::{Compose, ComposeKind, ComposeRequest, ComposeState, Odcs};

pub use openshift::{FollowedTag, OpenShift, OpenShiftError};
pub use webhook::{WebhookClient, WebhookError};

#[cfg(test)]
pub(crate) use openshift::fixture as openshift_fixture;

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
