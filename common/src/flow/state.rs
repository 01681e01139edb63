//! Where a build stands, and what may happen next. Pure: no I/O, no clock.
//!
//! [`decide`] says what a request means now; [`History::apply`] is the only way
//! in which a build changes. Live traffic and recovery both use them, so an
//! impossible history is found and not obeyed.
//!
//! ```text
//!  (none) ── created ──► Queued ──► Running ──► Finishing ──► Succeeded
//!                           │                      ▲   │       Failed
//!                           │ cancel         cancel│   └─────► Cancelled
//!                           └──────────────────────┴── (ends through Finishing)
//! ```

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    failure::Failure,
    flow::{
        event::{BuildResult, Event, EventKind, KojiRecord},
        journal::StepRecord,
    },
    request::BuildRequest,
};

/// Where a build stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BuildState {
    /// Accepted and stored, not started.
    Queued,
    /// Planning, building or publishing.
    Running,
    /// The outcome is known; cleaning up.
    Finishing,
    /// The image is complete in every destination.
    Succeeded,
    /// It is not complete. Nothing was tagged, unless Koji had the build already.
    Failed,
    /// Stopped on request, with the same exception.
    Cancelled,
}

impl BuildState {
    /// Every state, in the order of a build's life.
    pub const ALL: [Self; 6] =
        [Self::Queued, Self::Running, Self::Finishing, Self::Succeeded, Self::Failed, Self::Cancelled];

    /// Whether nothing more will happen.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }

    /// The name in the store and on terminals. Example: `running`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Finishing => "finishing",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    fn may_become(self, next: Self) -> bool {
        match self {
            Self::Queued => matches!(next, Self::Running | Self::Finishing),
            Self::Running => next == Self::Finishing,
            Self::Finishing => next.is_final(),
            Self::Succeeded | Self::Failed | Self::Cancelled => false,
        }
    }
}

/// What somebody wants from a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// The supervisor takes it up, or takes it up again after a restart.
    Claim,
    /// A user wants it to stop.
    Cancel {
        /// Why.
        reason: String,
    },
    /// The plan has returned.
    Finish,
}

/// What a command means for a build in `state`: the events to store, possibly
/// none. `cancel_requested` tells whether somebody already asked for it to stop.
pub fn decide(state: BuildState, cancel_requested: bool, command: Command) -> Vec<EventKind> {
    match (command, state) {
        (Command::Claim, BuildState::Queued) => {
            vec![EventKind::StateChanged { state: BuildState::Running }]
        }
        (Command::Cancel { reason }, BuildState::Queued | BuildState::Running) if !cancel_requested => {
            vec![EventKind::CancelRequested { reason }]
        }
        (Command::Finish, BuildState::Queued | BuildState::Running) => {
            vec![EventKind::StateChanged { state: BuildState::Finishing }]
        }
        // A build that runs already was claimed before a restart. One that is
        // finishing has its outcome, and an ended one has ended: asking it to
        // stop changes nothing.
        (Command::Claim, BuildState::Running | BuildState::Finishing)
        | (Command::Cancel { .. }, BuildState::Queued | BuildState::Running | BuildState::Finishing)
        | (Command::Finish, BuildState::Finishing)
        | (_, BuildState::Succeeded | BuildState::Failed | BuildState::Cancelled) => Vec::new(),
    }
}

/// A history that cannot have happened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Illegal {
    /// The sequence has a gap or goes back.
    #[error("event {found} follows event {last}")]
    Sequence {
        /// The last good sequence.
        last: u64,
        /// The one that came.
        found: u64,
    },
    /// The first event is not the creation, or the creation comes twice.
    #[error("event {0}: a build is created once, by its first event")]
    Creation(u64),
    /// A change between states that do not follow one another.
    #[error("event {sequence}: a build that is {} cannot become {}", from.as_str(), to.as_str())]
    Transition {
        /// The event.
        sequence: u64,
        /// The state before.
        from: BuildState,
        /// The state that the event claims.
        to: BuildState,
    },
    /// Something after the end.
    #[error("event {0}: the build had already ended")]
    AfterEnd(u64),
}

/// A build as its events tell it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    /// What was asked for.
    pub request: BuildRequest,
    /// Where it stands.
    pub state: BuildState,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When it began to run.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Sequence of the newest event.
    pub last_sequence: u64,
    /// Why it was asked to stop, if it was.
    pub cancel_reason: Option<String>,
    /// The newest record of each step, by full name.
    pub steps: BTreeMap<String, StepRecord>,
    /// The primary cause when it did not succeed.
    pub failure: Option<Failure>,
    /// What was made when it succeeded.
    pub result: Option<BuildResult>,
    /// What Koji has of it all the same when it did not succeed.
    pub koji: Option<KojiRecord>,
}

impl History {
    /// Begins a history with its first event.
    ///
    /// # Errors
    /// The event is not the creation of a build.
    pub fn begin(event: &Event) -> Result<Self, Illegal> {
        let EventKind::Created { request } = &event.kind else {
            return Err(Illegal::Creation(event.sequence));
        };
        if event.sequence != 1 {
            return Err(Illegal::Sequence { last: 0, found: event.sequence });
        }
        Ok(Self {
            request: (**request).clone(),
            state: BuildState::Queued,
            created_at: event.at,
            started_at: None,
            ended_at: None,
            last_sequence: 1,
            cancel_reason: None,
            steps: BTreeMap::new(),
            failure: None,
            result: None,
            koji: None,
        })
    }

    /// Folds a whole history; `None` when there are no events.
    ///
    /// # Errors
    /// The events cannot have happened in this order.
    pub fn fold<'a>(events: impl IntoIterator<Item = &'a Event>) -> Result<Option<Self>, Illegal> {
        let mut events = events.into_iter();
        let Some(first) = events.next() else { return Ok(None) };
        let mut history = Self::begin(first)?;
        for event in events {
            history.apply(event)?;
        }
        Ok(Some(history))
    }

    /// Takes the next event.
    ///
    /// # Errors
    /// The event cannot follow what has happened so far; nothing is changed.
    pub fn apply(&mut self, event: &Event) -> Result<(), Illegal> {
        let sequence = event.sequence;
        if sequence != self.last_sequence + 1 {
            return Err(Illegal::Sequence { last: self.last_sequence, found: sequence });
        }
        if self.state.is_final() {
            return Err(Illegal::AfterEnd(sequence));
        }
        let change = match &event.kind {
            EventKind::Created { .. } => return Err(Illegal::Creation(sequence)),
            EventKind::StateChanged { state } if !state.is_final() => Some(*state),
            EventKind::StateChanged { state } => {
                return Err(Illegal::Transition { sequence, from: self.state, to: *state });
            }
            EventKind::Ended { state, .. } => Some(*state),
            _ => None,
        };
        if let Some(to) = change
            && !self.state.may_become(to)
        {
            return Err(Illegal::Transition { sequence, from: self.state, to });
        }
        if let Some(to) = change {
            self.state = to;
        }
        match &event.kind {
            EventKind::StateChanged { state: BuildState::Running } => self.started_at = Some(event.at),
            EventKind::CancelRequested { reason } => self.cancel_reason = Some(reason.clone()),
            EventKind::Ended { failure, result, koji, .. } => {
                self.ended_at = Some(event.at);
                self.failure.clone_from(failure);
                self.result.clone_from(result);
                self.koji.clone_from(koji);
            }
            kind => {
                if let Some((step, record)) = StepRecord::of_event(kind) {
                    self.steps.insert(step.to_owned(), record);
                }
            }
        }
        self.last_sequence = sequence;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(sequence: u64, kind: EventKind) -> Event {
        Event { sequence, at: Timestamp::UNIX_EPOCH, kind }
    }

    fn created() -> Event {
        let request = Box::new(BuildRequest::new("file:///x", None));
        event(1, EventKind::Created { request })
    }

    fn ended(state: BuildState) -> EventKind {
        EventKind::Ended { state, failure: None, later_failures: vec![], result: None, koji: None }
    }

    #[test]
    fn a_build_lives_from_created_to_ended() {
        use BuildState::{Finishing, Running, Succeeded};
        let events = [
            created(),
            event(2, EventKind::StateChanged { state: Running }),
            event(3, EventKind::StateChanged { state: Finishing }),
            event(4, ended(Succeeded)),
        ];
        let history = History::fold(&events).unwrap().unwrap();
        assert_eq!(history.state, Succeeded);
        assert_eq!(history.last_sequence, 4);
        assert!(history.started_at.is_some() && history.ended_at.is_some());
    }

    #[test]
    fn impossible_histories_are_found() {
        let mut history = History::begin(&created()).unwrap();
        let gap = event(3, EventKind::StateChanged { state: BuildState::Running });
        assert_eq!(history.apply(&gap), Err(Illegal::Sequence { last: 1, found: 3 }));
        let jump = event(2, ended(BuildState::Succeeded));
        assert!(matches!(history.apply(&jump), Err(Illegal::Transition { .. })));
        let twice = Event { sequence: 2, ..created() };
        assert_eq!(history.apply(&twice), Err(Illegal::Creation(2)));
        assert!(History::begin(&jump).is_err());
        assert_eq!(history, History::begin(&created()).unwrap(), "nothing was changed");
    }

    #[test]
    fn every_command_has_an_answer_in_every_state() {
        let cancel = || Command::Cancel { reason: "r".into() };
        for state in BuildState::ALL {
            let may_cancel = matches!(state, BuildState::Queued | BuildState::Running);
            assert_eq!(!decide(state, false, cancel()).is_empty(), may_cancel, "{state:?}");
            assert!(decide(state, true, cancel()).is_empty(), "asked twice: {state:?}");
            assert_eq!(!decide(state, false, Command::Claim).is_empty(), state == BuildState::Queued);
            assert_eq!(!decide(state, false, Command::Finish).is_empty(), may_cancel);
        }
    }

    #[test]
    fn what_decide_says_can_be_applied() {
        for (state, event_count) in
            [(BuildState::Queued, 1), (BuildState::Running, 1), (BuildState::Finishing, 0)]
        {
            for command in [Command::Claim, Command::Finish] {
                for kind in decide(state, false, command) {
                    let mut history = History { state, ..History::begin(&created()).unwrap() };
                    history.apply(&event(2, kind)).unwrap();
                    assert!(event_count > 0);
                }
            }
        }
    }
}
