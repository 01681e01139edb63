//! Starting workers where the work is.
//!
//! Workers that were started by hand dial in by themselves and need nothing
//! from here. A [`Launcher`] starts the others: today as processes on this
//! machine, for a build in the foreground and for small sites.

mod process;

pub use process::{Launcher, LocalWorkers};
