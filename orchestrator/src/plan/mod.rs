//! The first half of a build: every decision, made once.
//!
//! [`decide`] runs the steps that look at the outside world and ends in a
//! [`Plan`]: an immutable value with everything that the second half (`run`)
//! needs. Whatever can be computed from recorded outputs alone (tags, the final
//! Dockerfiles) is a pure function and no step.

mod context;
mod decide;
mod destinations;
mod parents;
mod platforms;
mod repository;
mod settings;
mod source;
mod tags;
mod value;

use std::time::Duration;

pub use context::MakeContext;
pub use decide::decide;
pub use destinations::CheckDestinations;
pub use parents::PinParents;
pub use platforms::SelectPlatforms;
pub use repository::ReadRepository;
pub use settings::FreezeSettings;
pub use source::{FetchSource, ResolveSource};
pub use tags::Tags;
pub use value::{Plan, PlatformPlan, Target};

/// How long work on the build's directory may take to stop by itself when it is
/// cancelled, so that it has ended when the directory is removed.
const STOP_TIME: Duration = Duration::from_secs(10);
