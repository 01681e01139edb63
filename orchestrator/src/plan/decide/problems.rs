//! Everything that is wrong, collected while planning goes on.

use common::{
    failure::{Failure, FailureClass},
    flow::step::JOURNAL_FAILED,
};

/// Problems in the order in which they were found.
#[derive(Debug, Default)]
pub(super) struct Problems(Vec<Failure>);

impl Problems {
    /// The value, or `None` when there is a problem, which is kept.
    ///
    /// # Errors
    /// Planning was stopped, or its record failed: nothing goes on after that.
    pub(super) fn take<T>(&mut self, outcome: Result<T, Failure>) -> Result<Option<T>, Failure> {
        match outcome {
            Ok(value) => Ok(Some(value)),
            Err(failure) if failure.class == FailureClass::Cancelled || failure.code == JOURNAL_FAILED => {
                Err(failure)
            }
            Err(failure) => {
                self.push(failure);
                Ok(None)
            }
        }
    }

    /// Adds a problem, unless it is known: two steps can find the same one.
    pub(super) fn push(&mut self, problem: Failure) {
        for problem in problem.each() {
            let known = |other: &Failure| other.code == problem.code && other.message == problem.message;
            if !self.0.iter().any(known) {
                self.0.push(problem);
            }
        }
    }

    /// Adds problems.
    pub(super) fn extend(&mut self, problems: impl IntoIterator<Item = Failure>) {
        for problem in problems {
            self.push(problem);
        }
    }

    /// Whether nothing is wrong so far.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them.
    pub(super) fn into_inner(self) -> Vec<Failure> {
        self.0
    }
}
