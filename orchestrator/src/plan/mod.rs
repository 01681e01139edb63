//! The first half of a build: every decision, made once.
//!
//! [`decide`] runs the steps that look at the outside world and ends in a
//! [`Plan`]: an immutable value with everything that the second half (`run`)
//! needs. Whatever can be computed from recorded outputs alone (tags, the final
//! Dockerfiles) is a pure function and no step.

pub mod artifacts;
pub mod composes;
mod context;
mod decide;
mod destinations;
#[cfg(test)]
mod fixture;
mod parents;
mod platforms;
pub mod repositories;
mod repository;
mod settings;
mod source;
pub mod sources;
mod tags;
mod value;

pub use context::{ExtraFileContent, ExtraFileRecord, MakeContext};
pub use decide::decide;
pub use destinations::CheckDestinations;
pub use parents::PinParents;
pub use platforms::SelectPlatforms;
pub use repository::ReadRepository;
pub use settings::FreezeSettings;
pub use source::{FetchSource, ResolveSource};
pub use tags::Tags;
pub use value::{Plan, PlatformPlan, Target};
