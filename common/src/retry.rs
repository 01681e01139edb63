//! What is worth another try, and when.
//!
//! Retryability belongs to the error: everything that may be retried implements
//! [`Transient`]. Callers choose how patient they are with a [`Patience`] and
//! leave the loop to [`retry`].

use std::{future::Future, time::Duration};

use backon::{BackoffBuilder as _, ExponentialBuilder};

/// An error that knows whether the same call could succeed later.
pub trait Transient {
    /// `Some` when another try is sensible. The value is the shortest wait that
    /// the other side asked for, zero when it asked for none.
    fn retry_after(&self) -> Option<Duration>;
}

/// How often and how long to try.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// Tries in all, at least one.
    pub attempts: usize,
    /// Wait before the second try; it doubles from there, with jitter.
    pub first_wait: Duration,
    /// Longest wait, also for what the other side asks.
    pub longest_wait: Duration,
}

impl Default for Patience {
    /// Five tries over about fifteen seconds.
    fn default() -> Self {
        Self { attempts: 5, first_wait: Duration::from_secs(1), longest_wait: Duration::from_secs(60) }
    }
}

impl Patience {
    /// One try only.
    pub const NONE: Self = Self { attempts: 1, first_wait: Duration::ZERO, longest_wait: Duration::ZERO };
}

/// Calls `operation` until it succeeds, fails for good, or patience runs out;
/// the last error is returned then. Each wait is logged with `what`.
///
/// # Errors
/// The last error of `operation`.
pub async fn retry<T, E, F, O>(patience: Patience, what: &str, mut operation: O) -> Result<T, E>
where
    E: Transient + std::fmt::Display,
    F: Future<Output = Result<T, E>>,
    O: FnMut() -> F,
{
    let mut waits = ExponentialBuilder::default()
        .with_min_delay(patience.first_wait)
        .with_max_delay(patience.longest_wait)
        .with_max_times(patience.attempts.saturating_sub(1))
        .with_jitter()
        .build();
    loop {
        let error = match operation().await {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        let (Some(asked), Some(planned)) = (error.retry_after(), waits.next()) else {
            return Err(error);
        };
        let wait = planned.max(asked).min(patience.longest_wait);
        tracing::warn!(what, %error, wait_ms = wait.as_millis() as u64, "trying again");
        tokio::time::sleep(wait).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, thiserror::Error)]
    #[error("{0:?}")]
    struct Fault(Option<Duration>);

    impl Transient for Fault {
        fn retry_after(&self) -> Option<Duration> {
            self.0
        }
    }

    async fn count(fault: Fault, fail_first: usize) -> (usize, bool) {
        let calls = std::cell::Cell::new(0);
        let result = retry(Patience::default(), "test", || {
            calls.set(calls.get() + 1);
            let outcome = if calls.get() <= fail_first { Err(Fault(fault.0)) } else { Ok(()) };
            async move { outcome }
        })
        .await;
        (calls.get(), result.is_ok())
    }

    #[tokio::test(start_paused = true)]
    async fn transient_errors_are_tried_again_and_others_are_not() {
        assert_eq!(count(Fault(Some(Duration::ZERO)), 3).await, (4, true));
        assert_eq!(count(Fault(Some(Duration::ZERO)), 99).await, (5, false));
        assert_eq!(count(Fault(None), 3).await, (1, false));
    }

    #[tokio::test(start_paused = true)]
    async fn the_wait_that_was_asked_for_is_kept() {
        let before = tokio::time::Instant::now();
        count(Fault(Some(Duration::from_secs(30))), 1).await;
        assert!(before.elapsed() >= Duration::from_secs(30));
    }
}
