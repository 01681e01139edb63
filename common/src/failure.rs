//! Why something failed, in the one form that leaves a crate.
//!
//! Inside a crate errors are enums. Where a step or a call ends they become a
//! [`Failure`]: whose fault it is, a stable code, what failed on what input, and
//! what to do about it. Events store it, the wire carries it, people read it.

use std::{error::Error, fmt};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::platform::Platform;

/// Whose fault a failure is. The set is closed: a new kind forces a decision
/// about retries everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureClass {
    /// The request is wrong.
    User,
    /// The repository is wrong: it does not build, or says something invalid.
    Source,
    /// A parent image is missing or lacks a platform.
    Parent,
    /// A rule of the site forbids it.
    Policy,
    /// A machine, network, engine or registry failed.
    Infrastructure,
    /// No worker could take the work in time.
    Capacity,
    /// Somebody asked for it to stop.
    Cancelled,
    /// A deadline passed.
    Timeout,
    /// A defect of reactor itself.
    Internal,
}

impl FailureClass {
    /// Whether the same work could end differently elsewhere or later.
    pub fn is_worth_another_try(self) -> bool {
        match self {
            Self::Infrastructure => true,
            Self::User
            | Self::Source
            | Self::Parent
            | Self::Policy
            | Self::Capacity
            | Self::Cancelled
            | Self::Timeout
            | Self::Internal => false,
        }
    }

    /// The name in events and on terminals. Example: `infrastructure`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Source => "source",
            Self::Parent => "parent",
            Self::Policy => "policy",
            Self::Infrastructure => "infrastructure",
            Self::Capacity => "capacity",
            Self::Cancelled => "cancelled",
            Self::Timeout => "timeout",
            Self::Internal => "internal",
        }
    }
}

/// Why something failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Whose fault it is.
    pub class: FailureClass,
    /// Stable code for programs. Example: `source.ref_not_found`.
    pub code: String,
    /// What failed, on what input.
    pub message: String,
    /// What the reader can do about it; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub advice: String,
    /// Underlying errors, outermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<String>,
    /// Further problems found at the same time that have nothing to do with this
    /// one: each has to be solved.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<Failure>,
    /// Full name of the step that failed; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub step: String,
    /// The platform it concerns, if only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// When it happened.
    #[serde(default = "Timestamp::now")]
    pub at: Timestamp,
}

impl Failure {
    /// A failure that happened now.
    pub fn new(class: FailureClass, code: &str, message: impl Into<String>) -> Self {
        Self {
            class,
            code: code.to_owned(),
            message: message.into(),
            advice: String::new(),
            causes: Vec::new(),
            others: Vec::new(),
            step: String::new(),
            platform: None,
            at: Timestamp::now(),
        }
    }

    /// A failure made from an error: its text becomes the message, its chain of
    /// sources the causes.
    pub fn from_error(class: FailureClass, code: &str, error: &(dyn Error + 'static)) -> Self {
        let mut failure = Self::new(class, code, error.to_string());
        let mut source = error.source();
        while let Some(cause) = source {
            failure.causes.push(cause.to_string());
            source = cause.source();
        }
        failure
    }

    /// A build or step that was asked to stop.
    pub fn cancelled(reason: &str) -> Self {
        let reason = if reason.is_empty() { "no reason given" } else { reason };
        Self::new(FailureClass::Cancelled, "cancelled", format!("cancelled: {reason}"))
    }

    /// Several independent problems as one failure: the first, with the others
    /// beside it. `None` when there is no problem.
    pub fn all(problems: impl IntoIterator<Item = Self>) -> Option<Self> {
        let mut problems = problems.into_iter().flat_map(Self::each);
        let mut first = problems.next()?;
        first.others = problems.collect();
        Some(first)
    }

    /// This problem and the others beside it, one by one.
    pub fn each(mut self) -> Vec<Self> {
        let others = std::mem::take(&mut self.others);
        std::iter::once(self).chain(others.into_iter().flat_map(Self::each)).collect()
    }

    /// The same failure with advice.
    #[must_use]
    pub fn with_advice(mut self, advice: impl Into<String>) -> Self {
        self.advice = advice.into();
        self
    }

    /// The same failure on one platform.
    #[must_use]
    pub fn on_platform(mut self, platform: &Platform) -> Self {
        self.platform = Some(platform.clone());
        self
    }

    /// The same failure in a step, unless it already names one.
    #[must_use]
    pub fn in_step(mut self, step: &str) -> Self {
        if self.step.is_empty() {
            step.clone_into(&mut self.step);
        }
        self
    }
}

impl Failure {
    /// Longest text of a failure in bytes once it was [`bounded`](Self::bounded).
    pub const MAX_TEXT_BYTES: usize = 16 * 1024;
    /// Most causes of a failure once it was bounded.
    pub const MAX_CAUSES: usize = 16;
    /// Most further problems of a failure once it was bounded.
    pub const MAX_OTHERS: usize = 100;
    /// Most bytes of text in all further problems together once it was bounded.
    pub const MAX_OTHERS_BYTES: usize = 128 * 1024;

    /// The same failure, of a size that can be stored and sent whatever an
    /// engine, a registry or a worker had to say. What goes wrong is said at the
    /// beginning of a text or at its end, so the middle of a long one is left out.
    /// Of further problems those are kept that fit.
    #[must_use]
    pub fn bounded(mut self) -> Self {
        let mut room = Self::MAX_OTHERS_BYTES;
        let others = std::mem::take(&mut self.others).into_iter().flat_map(Self::each);
        let others = others.take(Self::MAX_OTHERS).map(Self::without_long_texts);
        self.others = others
            .take_while(|other| {
                let left = room.checked_sub(other.text_bytes());
                room = left.unwrap_or(room);
                left.is_some()
            })
            .collect();
        self.without_long_texts()
    }

    fn text_bytes(&self) -> usize {
        let texts = [&self.code, &self.message, &self.advice, &self.step];
        texts.into_iter().chain(&self.causes).map(String::len).sum()
    }

    fn without_long_texts(mut self) -> Self {
        self.causes.truncate(Self::MAX_CAUSES);
        let texts = [&mut self.code, &mut self.message, &mut self.advice, &mut self.step];
        for text in texts.into_iter().chain(&mut self.causes) {
            if text.len() > Self::MAX_TEXT_BYTES {
                let begin = text.floor_char_boundary(Self::MAX_TEXT_BYTES / 2);
                let end = text.ceil_char_boundary(text.len() - Self::MAX_TEXT_BYTES / 2);
                text.replace_range(begin..end, " […] ");
            }
        }
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(platform) = &self.platform {
            write!(f, "{platform}: ")?;
        }
        f.write_str(&self.message)?;
        for cause in &self.causes {
            if !self.message.contains(cause.as_str()) {
                write!(f, ": {cause}")?;
            }
        }
        if !self.advice.is_empty() {
            write!(f, " ({})", self.advice)?;
        }
        write!(f, " [{}]", self.code)
    }
}

impl Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot read the manifest")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn the_chain_of_causes_is_kept() {
        let error = Outer(std::io::Error::other("connection reset"));
        let failure = Failure::from_error(FailureClass::Infrastructure, "registry.io", &error)
            .with_advice("try again later")
            .on_platform(&"s390x".parse().unwrap());
        assert_eq!(failure.causes, ["connection reset"]);
        assert_eq!(
            failure.to_string(),
            "s390x: cannot read the manifest: connection reset (try again later) [registry.io]"
        );
    }

    #[test]
    fn the_step_nearest_to_the_fault_is_kept() {
        let failure = Failure::new(FailureClass::Internal, "x", "y").in_step("inner").in_step("outer");
        assert_eq!(failure.step, "inner");
    }
}
