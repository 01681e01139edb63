//! Planning that changes nothing: the same decisions as for a build, in a
//! directory of their own, remembered only as long as it takes.

use std::{path::PathBuf, sync::Arc};

use common::{image::Tag, request::BuildRequest};
use tokio_util::sync::CancellationToken;

use super::Draft;
use crate::{
    config::Site,
    outside::Outside,
    services::{LayoutRoot, Narrator, Reach},
};

/// What a dry run is about.
pub struct DryRun {
    /// The site's settings.
    pub site: Arc<Site>,
    /// Other systems.
    pub outside: Outside,
    /// What is asked for.
    pub request: BuildRequest,
    /// How far it reaches: never [`Reach::Everything`].
    pub reach: Reach,
    /// Where layouts may be.
    pub layout_root: LayoutRoot,
    /// A directory for clones and contexts; what is made in it can be thrown away.
    pub directory: PathBuf,
    /// What the first FROM is said to be, for when the repository cannot be read.
    pub assumed_parent: Option<String>,
    /// The unique tag, when it was made elsewhere.
    pub unique_tag: Option<Tag>,
    /// Where steps tell what they find.
    pub narrator: Arc<dyn Narrator>,
    /// Ends it.
    pub cancel: CancellationToken,
}
