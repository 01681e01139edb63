//! The first half of a build: every decision, made once.
//!
//! [`decide`] runs the steps that look at the outside world and ends in a
//! [`Plan`]: an immutable value with everything that the second half (`run`)
//! needs. Whatever can be computed from recorded outputs alone (tags, the final
//! Dockerfiles) is a pure function and no step.

mod context;
mod decide;
mod destinations;
mod draft;
mod dry_run;
pub mod explain;
pub mod joints;
mod parents;
mod platforms;
mod repository;
mod settings;
mod source;
mod tags;
mod value;

pub use context::MakeContext;
pub use decide::decide;
pub use destinations::CheckDestinations;
pub use draft::{
    Decision, Draft, Execution, Notice, PlannedFile, PlannedLabel, PlannedPlatform, PlannedStep,
    PlannedWorkOrder, Reason, Said, Verdict,
};
pub use dry_run::DryRun;
pub use parents::PinParents;
pub use platforms::SelectPlatforms;
pub use repository::ReadRepository;
pub use settings::FreezeSettings;
pub use source::{FetchSource, ResolveSource};
pub use tags::Tags;
pub use value::{Plan, PlatformPlan, Target};
