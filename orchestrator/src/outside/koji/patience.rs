//! How long a Koji that does not answer is waited for.

use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use common::failure::Failure;

/// Wait before the second try; it doubles from there, with jitter.
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// Longest wait between two tries.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// Longest patience there is.
const MOST: Duration = Duration::from_secs(7 * 24 * 3600);
/// What the bridge says of a hub that is down, for maintenance or otherwise.
const HUB_IS_DOWN: [&str; 2] = ["koji.offline", "koji.unreachable"];

/// How long a Koji that does not answer is waited for, from its first failure on.
/// While a hub is down nothing is lost by waiting; everything else that is worth
/// another try is less likely to end by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KojiPatience {
    /// For a hub that is down, as the bridge says.
    pub offline: Duration,
    /// For a bridge that does not answer, and for all other failures that are
    /// worth another try.
    pub unreachable: Duration,
}

impl Default for KojiPatience {
    /// A day for a hub that is down, half an hour for anything else.
    fn default() -> Self {
        Self { offline: Duration::from_secs(24 * 3600), unreachable: Duration::from_secs(1800) }
    }
}

impl KojiPatience {
    /// One try only.
    pub const NONE: Self = Self { offline: Duration::ZERO, unreachable: Duration::ZERO };
    /// Longest time of a step that waits for Koji as long as its patience lasts.
    pub const STEP_LIMIT: Duration = Duration::from_secs(8 * 24 * 3600);

    /// The same for another time that a hub may be down; at most a week.
    #[must_use]
    pub fn with_offline(self, offline: Duration) -> Self {
        Self { offline, ..self }.at_most(MOST)
    }

    /// The same, but never longer than this.
    #[must_use]
    pub fn at_most(self, limit: Duration) -> Self {
        Self { offline: self.offline.min(limit), unreachable: self.unreachable.min(limit) }
    }

    /// How long a call that failed like this is repeated; zero for one that is
    /// not.
    pub fn with(&self, failure: &Failure) -> Duration {
        match failure.class.is_worth_another_try() {
            true if HUB_IS_DOWN.contains(&failure.code.as_str()) => self.offline.max(self.unreachable),
            true => self.unreachable,
            false => Duration::ZERO,
        }
    }

    /// The waits between tries, without end.
    pub fn waits(self) -> ExponentialBackoff {
        ExponentialBuilder::default()
            .with_min_delay(FIRST_WAIT)
            .with_max_delay(LONGEST_WAIT)
            .without_max_times()
            .with_jitter()
            .build()
    }
}
