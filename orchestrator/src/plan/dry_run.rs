//! Planning that changes nothing: the same decisions as for a build, in a
//! directory of their own, remembered only as long as it takes.

use std::{path::PathBuf, sync::Arc, time::Duration};

use common::{
    failure::Failure,
    flow::{Flow, event::EventKind, journal::MemoryJournal},
    image::Tag,
    names::BuildId,
    request::BuildRequest,
};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::{
    Draft, Notice,
    decide::{Asked, draft},
    source::STOP_THREADS,
};
use crate::{
    config::Site,
    outside::Outside,
    services::{BuildStamp, LayoutRoot, Narrator, PlanServices, Reach, Vault},
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

/// How long a dry run may take to end when it is cancelled. Its directory must
/// stay so long: threads may still be writing to it.
pub const DRY_RUN_ENDS: Duration = STOP_THREADS.saturating_add(Duration::from_secs(5));

/// Says nothing to anybody.
pub struct Silence;

#[async_trait::async_trait]
impl Narrator for Silence {
    async fn say(&self, _: &str, _: &str) {}
}

/// Plans, and changes nothing anywhere.
///
/// # Errors
/// It was stopped. What is wrong with the build is part of the draft.
pub async fn dry_run(what: DryRun) -> Result<Draft, Failure> {
    let stamp = BuildStamp { build: BuildId::generate(), created_at: Timestamp::now() };
    let services = PlanServices {
        site: what.site,
        outside: what.outside,
        stamp,
        directory: what.directory,
        layout_root: what.layout_root,
        reach: if what.reach == Reach::Nothing { Reach::Nothing } else { Reach::Questions },
        narrator: what.narrator,
        vault: Vault::none(),
        shutdown: what.cancel.clone(),
    };
    let journal = MemoryJournal::default();
    let flow = Flow::new(&services, &journal, what.cancel);
    let asked = Asked {
        request: &what.request,
        assumed_parent: what.assumed_parent.as_deref(),
        unique_tag: what.unique_tag.as_ref(),
    };
    let mut draft = Box::pin(draft(&flow, asked)).await?;
    for event in journal.events() {
        if let EventKind::Warning { code, message } = event {
            draft.notices.push(Notice { code, text: message });
        }
    }
    Ok(draft)
}
