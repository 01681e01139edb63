//! The first half of a build: every decision, made once.
//!
//! [`decide`] runs the steps that look at the outside world and ends in a
//! [`Plan`]: an immutable value with everything that the second half (`run`)
//! needs. Whatever can be computed from recorded outputs alone (tags, the final
//! Dockerfiles) is a pure function and no step.

pub mod artifacts;
mod base_urls;
pub mod catalogue;
pub mod composes;
mod context;
mod decide;
mod destinations;
pub mod dockerfiles;
mod draft;
mod dry_run;
pub mod explain;
mod facts;
mod filesystem;
#[cfg(test)]
mod fixture;
pub mod help;
mod inject_parent;
pub mod joints;
#[cfg(test)]
pub(crate) mod koji_fixture;
pub mod labels;
mod parent_build;
mod parent_digests;
mod parents;
mod platforms;
mod policy;
mod rebuild;
mod record;
mod recording;
mod release;
pub mod release_env;
pub mod repositories;
mod repository;
mod reservation;
pub mod scope;
mod settings;
mod source;
pub mod sources;
mod tags;
mod target;
mod target_repository;
mod value;

pub use crate::outside::KojiReach;
pub use base_urls::FindBaseUrls;
pub use catalogue::CATALOGUE;
pub use context::{ExtraFileContent, ExtraFileRecord, MakeContext};
pub use decide::{Asked, decide, draft};
pub use destinations::CheckDestinations;
pub use draft::{
    Decision, Draft, Execution, Notice, PLAN, PlannedFile, PlannedLabel, PlannedPlatform, PlannedStep,
    PlannedWorkOrder, Reason, RepositoryKey, Said, Verdict,
};
pub use dry_run::{DRY_RUN_ENDS, DryRun, Silence, dry_run};
pub use facts::{Facts, is_koji_filesystem};
pub use filesystem::{
    CancelFilesystemTask, FetchFilesystems, FilesystemFile, FilesystemTask, StartFilesystem, WaitFilesystem,
};
pub use inject_parent::{InjectParent, InjectedParent};
pub use parent_build::{FindParentBuild, ParentBuild, ParentWait, parent_nvr};
pub use parent_digests::{DigestVerdict, PinnedDigests, RecordedDigests};
pub use parents::{BaseImage, FromImage, PinParents, PinnedParents, PinnedPlatform, RegistryImage};
pub use platforms::{SelectPlatforms, SelectedPlatform, Selection};
pub use rebuild::{NoteRebuild, Rebuild, source_of_rebuild};
pub use recording::{BaseIdentity, RecordedBase, RecordedComposes, Recording};
pub use release::{ChooseRelease, ReleaseChoice, ReleaseLabels, ReleaseSource};
pub use repository::{ReadRepository, RepositoryFacts};
pub use reservation::{RESERVATION_TOKEN, RESERVING, ReserveBuild, Reserved};
pub use settings::{FreezeSettings, FrozenSettings};
pub use source::{FetchSource, ResolveSource};
pub use tags::{TagInputs, Tags};
pub use target::{FindTarget, ReachKoji};
pub use target_repository::FindTargetRepository;
pub use value::{Plan, PlatformPlan, Target};
