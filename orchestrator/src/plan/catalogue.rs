//! Every step of a build, in the order of execution: its name, what OSBS called
//! it, and whether it applies.
//!
//! There is one list. `plan` prints it with its answers, the flow asks it before
//! it runs or leaves out a step, and a test holds that the order in which steps
//! really start is the order of this list, so that it cannot lie. Steps of OSBS
//! that are gone for good stay in it, at the place where they were: people look
//! for them.

mod answers;
mod entries;
pub mod former;

use common::flow::Stage;

use super::{Facts, PlannedStep, Reason};

pub use entries::CATALOGUE;

/// Code of steps that are gone for good.
pub const RETIRED: &str = "step.retired";

/// One step.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// Its name. Example: `pin_parents`.
    pub name: &'static str,
    /// What OSBS called it, if it had it.
    pub former: Option<Former>,
    /// The stage it belongs to.
    pub stage: Stage,
    /// What it does, in a sentence.
    pub does: &'static str,
    /// Beginnings of the paths of settings and inputs that it reads, as `explain`
    /// prints them. Example: `site.labels`.
    pub reads: &'static [&'static str],
    /// Whether it applies.
    pub applies: fn(&Facts<'_>) -> Answer,
}

/// A step of OSBS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Former {
    /// One of the orchestrator's.
    Orchestrator(&'static str),
    /// One of the worker's: the orchestrator does it now.
    Worker(&'static str),
}

impl Former {
    /// Its name. Example: `pull_base_image`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Orchestrator(name) | Self::Worker(name) => name,
        }
    }

    /// Which process had it.
    pub fn role(self) -> &'static str {
        match self {
            Self::Orchestrator(_) => "orchestrator",
            Self::Worker(_) => "worker",
        }
    }
}

/// Whether a step applies to a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It does.
    Runs,
    /// It does not.
    Skipped(Reason),
}

impl Answer {
    /// It does not, because.
    pub(crate) fn skipped(code: &str, sentence: impl Into<String>) -> Self {
        Self::Skipped(Reason { code: code.to_owned(), sentence: sentence.into() })
    }
}

/// The entry of a step.
pub fn entry(name: &str) -> Option<&'static Entry> {
    CATALOGUE.iter().find(|entry| entry.name == name)
}

/// The steps of a build, all of them, each with its answer.
pub fn steps(facts: &Facts<'_>) -> Vec<PlannedStep> {
    let planned = |entry: &Entry| {
        let reason = match (entry.applies)(facts) {
            Answer::Runs => None,
            Answer::Skipped(reason) => Some(reason),
        };
        PlannedStep {
            name: entry.name.to_owned(),
            former_name: entry.former.map(|former| former.name().to_owned()),
            former_role: entry.former.map(|former| former.role().to_owned()),
            stage: entry.stage,
            runs: reason.is_none(),
            reason,
        }
    };
    CATALOGUE.iter().map(planned).collect()
}
