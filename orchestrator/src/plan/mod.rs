//! The first half of a build: every decision, made once.
//!
//! [`decide`] runs the steps that look at the outside world and ends in a
//! [`Plan`]: an immutable value with everything that the second half (`run`)
//! needs. Whatever can be computed from recorded outputs alone (tags, the final
//! Dockerfiles) is a pure function and no step.

mod context;
mod decide;
mod destinations;
pub mod dockerfiles;
pub mod help;
pub mod labels;
mod parents;
mod platforms;
pub mod release_env;
mod repository;
pub mod scope;
mod settings;
mod source;
mod tags;
mod value;

pub use context::MakeContext;
pub use decide::decide;
pub use destinations::CheckDestinations;
pub use parents::PinParents;
pub use platforms::SelectPlatforms;
pub use repository::ReadRepository;
pub use settings::FreezeSettings;
pub use source::{FetchSource, ResolveSource};
pub use tags::{TagInputs, Tags};
pub use value::{Plan, PlatformPlan, Target};
