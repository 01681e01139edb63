//! Steps and the flow that runs them.
//!
//! House rules for a step: it is idempotent; an id it needs is made by an
//! earlier step; everything it learns is in its output, below 256 KiB; its
//! errors say whose fault they are; no step calls another. What is too large for
//! the journal is caught here: an output becomes a failure, a failure is cut.

use std::{fmt, future::Future, time::Duration};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sha2::{Digest as _, Sha256};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::{
    failure::{Failure, FailureClass},
    flow::{
        event::EventKind,
        journal::{Journal, JournalError, StepRecord},
    },
};

/// The five parts of a build's life, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// From a git address to a commit on this machine.
    Source,
    /// Everything that is decided before anything is built.
    Prepare,
    /// One image for each platform.
    Build,
    /// Members, index, tags.
    Publish,
    /// What always happens at the end.
    Finish,
}

impl Stage {
    /// The name in events and on terminals. Example: `prepare`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Prepare => "prepare",
            Self::Build => "build",
            Self::Publish => "publish",
            Self::Finish => "finish",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How often and how long a step may try.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    /// Tries in all; only failures that are worth it are tried again.
    pub attempts: u32,
    /// Wait between two tries.
    pub wait: Duration,
    /// Longest time of one try.
    pub timeout: Duration,
    /// How long the step may go on by itself after a cancellation, to stop what
    /// it started elsewhere. After that it is dropped.
    pub grace: Duration,
}

impl Default for Policy {
    /// One try of up to ten minutes, dropped at once when cancelled.
    fn default() -> Self {
        Self { attempts: 1, wait: Duration::ZERO, timeout: Duration::from_secs(600), grace: Duration::ZERO }
    }
}

/// One unit of durable work over the services `S`. Its fields are its inputs.
pub trait Step<S>: Serialize + Send + Sync {
    /// Name, unique in a plan. Example: `resolve_source`.
    const NAME: &'static str;
    /// The stage it belongs to.
    const STAGE: Stage;
    /// What it finds out or makes.
    type Output: Serialize + DeserializeOwned + Send;

    /// How often and how long it may try.
    fn policy(&self) -> Policy {
        Policy::default()
    }

    /// Does the work. May run again after a crash with the same inputs.
    fn run(&self, cx: &Context<'_, S>) -> impl Future<Output = Result<Self::Output, Failure>> + Send;
}

/// What a running step may touch.
pub struct Context<'a, S> {
    /// The outside world.
    pub services: &'a S,
    /// Fires when the step should stop.
    pub cancel: &'a CancellationToken,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// An earlier process began this attempt and did not end it: what the step
    /// started elsewhere may still be there.
    pub resumed: bool,
    /// Full name of the step, for logs and failures.
    pub name: &'a str,
    journal: &'a dyn Journal,
}

impl<S> Context<'_, S> {
    /// Tells the user something that is not a failure.
    ///
    /// # Errors
    /// The journal failed.
    pub async fn warn(&self, code: &str, message: impl Into<String> + Send) -> Result<(), Failure> {
        self.note(EventKind::Warning { code: code.to_owned(), message: message.into() }).await
    }

    /// Adds an event of another kind to the history.
    ///
    /// # Errors
    /// The journal failed.
    pub async fn note(&self, event: EventKind) -> Result<(), Failure> {
        self.journal.append(event).await.map_err(Failure::from)
    }
}

impl From<JournalError> for Failure {
    fn from(error: JournalError) -> Self {
        Failure::from_error(FailureClass::Internal, JOURNAL_FAILED, &error)
    }
}

/// Code of a failure of the journal itself.
pub const JOURNAL_FAILED: &str = "flow.journal_failed";
/// Code of a step that found out more than the journal takes.
pub const OUTPUT_TOO_LARGE: &str = "flow.output_too_large";
/// Largest output of a step as JSON, in bytes.
pub const MAX_OUTPUT_BYTES: usize = 256 * 1024;

/// Code of a step whose inputs differ from the recorded run.
pub const DIVERGED: &str = "flow.diverged";

/// Runs the steps of one plan.
pub struct Flow<'a, S> {
    services: &'a S,
    journal: &'a dyn Journal,
    cancel: CancellationToken,
    scope: String,
}

impl<'a, S: Sync> Flow<'a, S> {
    /// A flow over `services` that remembers in `journal` and stops when
    /// `cancel` fires.
    pub fn new(services: &'a S, journal: &'a dyn Journal, cancel: CancellationToken) -> Self {
        Self { services, journal, cancel, scope: String::new() }
    }

    /// The same flow under a narrower name, for work repeated per platform. Its
    /// token can be fired alone.
    pub fn scoped(&self, name: &str) -> Flow<'a, S> {
        Flow {
            services: self.services,
            journal: self.journal,
            cancel: self.cancel.child_token(),
            scope: format!("{}{name}/", self.scope),
        }
    }

    /// The same flow over other services: one history, one end.
    pub fn over<'b, T: Sync>(&self, services: &'b T) -> Flow<'b, T>
    where
        'a: 'b,
    {
        Flow { services, journal: self.journal, cancel: self.cancel.clone(), scope: self.scope.clone() }
    }

    /// What the steps may touch.
    pub fn services(&self) -> &'a S {
        self.services
    }

    /// The token that stops this flow and those scoped from it.
    pub fn cancel(&self) -> &CancellationToken {
        &self.cancel
    }

    /// Runs a step, or recalls its outcome when an earlier run had one.
    ///
    /// A failure is recalled too: it has shaped what came after it, and only a
    /// user's wish to try again makes it forgotten.
    ///
    /// # Errors
    /// What the step failed with; a cancellation, which is not recorded; a
    /// recorded run with other inputs; a failure of the journal.
    pub async fn run<T: Step<S>>(&self, step: T) -> Result<T::Output, Failure> {
        let name = self.name_of::<T>();
        let input = fingerprint(&step, &name)?;
        let interrupted = match self.journal.last(&name).await? {
            Some(StepRecord::Succeeded { input: seen, .. } | StepRecord::Failed { input: seen, .. })
                if seen != input =>
            {
                return Err(diverged(&name));
            }
            Some(StepRecord::Succeeded { output, .. }) => return recall(output, &name),
            Some(StepRecord::Failed { failure, .. }) => return Err(failure),
            Some(StepRecord::Started { attempt, .. }) => Some(attempt),
            Some(StepRecord::Skipped) | None => None,
        };
        let policy = step.policy();
        let mut earlier = Vec::new();
        for attempt in interrupted.unwrap_or(1).. {
            if self.cancel.is_cancelled() {
                return Err(Failure::cancelled("the build was asked to stop").in_step(&name));
            }
            let started =
                EventKind::StepStarted { step: name.clone(), stage: T::STAGE, attempt, input: input.clone() };
            self.journal.append(started).await?;
            let outcome = self.attempt(&step, &name, attempt, interrupted == Some(attempt), policy).await;
            let outcome = outcome.and_then(|output| Ok((as_recorded(&output, &name)?, output)));
            let failure = match outcome {
                Ok((value, output)) => {
                    let step = name.clone();
                    self.journal.append(EventKind::StepSucceeded { step, input, output: value }).await?;
                    return Ok(output);
                }
                Err(failure) => failure.in_step(&name).bounded(),
            };
            // Why the first try failed often says more than how the last one did.
            let this = format!("attempt {attempt} failed: {} [{}]", failure.message, failure.code);
            let failure = Failure { causes: [failure.causes, earlier.clone()].concat(), ..failure };
            earlier.push(this);
            // A cancelled step may be asked for again (by a restarted process
            // whose predecessor was shut down), so it must not be remembered as
            // failed. A journal that failed cannot remember anything.
            if failure.class == FailureClass::Cancelled || failure.code == JOURNAL_FAILED {
                return Err(failure);
            }
            let will_retry = attempt < policy.attempts && failure.class.is_worth_another_try();
            self.journal
                .append(EventKind::StepFailed {
                    step: name.clone(),
                    input: input.clone(),
                    failure: failure.clone(),
                    will_retry,
                })
                .await?;
            if !will_retry {
                return Err(failure);
            }
            tokio::select! {
                () = tokio::time::sleep(policy.wait) => {}
                () = self.cancel.cancelled() => {}
            }
        }
        Err(Failure::new(FailureClass::Internal, "flow.attempts", format!("{name}: too many attempts")))
    }

    /// Records that a step is left out, once.
    ///
    /// # Errors
    /// The journal failed.
    pub async fn skip(&self, step: &str, reason_code: &str, reason: &str) -> Result<(), Failure> {
        let step = format!("{}{step}", self.scope);
        if self.journal.last(&step).await? == Some(StepRecord::Skipped) {
            return Ok(());
        }
        let (reason_code, reason) = (reason_code.to_owned(), reason.to_owned());
        Ok(self.journal.append(EventKind::StepSkipped { step, reason_code, reason }).await?)
    }

    /// The recorded output of a step, looked up by its type.
    ///
    /// # Errors
    /// The journal failed, or holds something else than this step's output.
    pub async fn recorded<T: Step<S>>(&self) -> Result<Option<T::Output>, Failure> {
        let name = self.name_of::<T>();
        match self.journal.last(&name).await? {
            Some(StepRecord::Succeeded { output, .. }) => recall(output, &name).map(Some),
            _ => Ok(None),
        }
    }

    /// Whether a step ever began, however it ended.
    ///
    /// # Errors
    /// The journal failed.
    pub async fn began<T: Step<S>>(&self) -> Result<bool, Failure> {
        let last = self.journal.last(&self.name_of::<T>()).await?;
        Ok(last.is_some_and(|record| record != StepRecord::Skipped))
    }

    async fn attempt<T: Step<S>>(
        &self,
        step: &T,
        name: &str,
        attempt: u32,
        resumed: bool,
        policy: Policy,
    ) -> Result<T::Output, Failure> {
        let (services, cancel, journal) = (self.services, &self.cancel, self.journal);
        let cx = Context { services, cancel, attempt, resumed, name, journal };
        let stopped = async {
            self.cancel.cancelled().await;
            tokio::time::sleep(policy.grace).await;
        };
        tokio::select! {
            done = timeout(policy.timeout, step.run(&cx)) => done.unwrap_or_else(|_| Err(timed_out(name, policy))),
            () = stopped => Err(Failure::cancelled("the build was asked to stop")),
        }
    }

    fn name_of<T: Step<S>>(&self) -> String {
        format!("{}{}", self.scope, T::NAME)
    }
}

fn fingerprint(step: &impl Serialize, name: &str) -> Result<String, Failure> {
    let bytes = serde_json::to_vec(step).map_err(|error| unserializable(name, &error))?;
    Ok(hex::encode(&Sha256::digest(bytes)[..16]))
}

/// An output as the journal keeps it.
fn as_recorded(output: &impl Serialize, name: &str) -> Result<serde_json::Value, Failure> {
    let text = serde_json::to_string(output).map_err(|error| unserializable(name, &error))?;
    if text.len() > MAX_OUTPUT_BYTES {
        let message =
            format!("{name} found {} bytes to record; at most {MAX_OUTPUT_BYTES} are kept", text.len());
        return Err(Failure::new(FailureClass::Internal, OUTPUT_TOO_LARGE, message)
            .with_advice("make what the step reads smaller: fewer or shorter labels, tags or parents"));
    }
    serde_json::to_value(output).map_err(|error| unserializable(name, &error))
}

fn recall<T: DeserializeOwned>(output: serde_json::Value, name: &str) -> Result<T, Failure> {
    serde_json::from_value(output).map_err(|error| {
        Failure::from_error(FailureClass::Infrastructure, DIVERGED, &error)
            .with_advice(format!("another version of reactor recorded {name}; submit the build again"))
    })
}

fn diverged(name: &str) -> Failure {
    Failure::new(
        FailureClass::Infrastructure,
        DIVERGED,
        format!("{name}: inputs differ from the recorded run"),
    )
    .with_advice("settings or version changed while the build was under way; submit it again")
    .in_step(name)
}

fn unserializable(name: &str, error: &serde_json::Error) -> Failure {
    Failure::from_error(FailureClass::Internal, "flow.unserializable", error).in_step(name)
}

fn timed_out(name: &str, policy: Policy) -> Failure {
    let seconds = policy.timeout.as_secs();
    Failure::new(FailureClass::Timeout, "flow.step_timeout", format!("{name} took longer than {seconds} s"))
}

#[cfg(test)]
mod tests;
