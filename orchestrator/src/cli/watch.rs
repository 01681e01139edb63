//! Watches a build through a view until it has ended: the one loop behind
//! `build`, `builds watch` and `builds submit --watch`.

use std::{future::pending, time::Duration};

use futures::{FutureExt as _, Stream, StreamExt as _, future::BoxFuture};
use jiff::Timestamp;
use proto::v1::{self, BuildState, build_event::Kind};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use crate::cli::{
    client::Client,
    error::CliError,
    exit::Exit,
    follow::{self, Start, Update},
    signals::Signal,
    view::{Ending, Tails, View},
};

/// How often a live display is drawn.
const TICK: Duration = Duration::from_millis(100);
/// How long the end of the log may take to come after the build has ended.
const LOG_GRACE: Duration = Duration::from_secs(30);

/// What the first signal means; the second always means to leave at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnSignal {
    /// The build is ours: cancel it and watch it end.
    Cancel,
    /// The build is the service's: leave it running.
    Leave,
}

/// How the watching ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Watched {
    /// How the command ends.
    pub(crate) exit: Exit,
    /// Whether a signal ended it before the build had ended.
    pub(crate) left: bool,
}

/// Shows a build until it has ended, or until signals end the watching.
pub(crate) async fn watch(
    client: &Client,
    build: &str,
    start: Start,
    view: &mut dyn View,
    signals: impl Stream<Item = Signal> + Unpin,
    on_signal: OnSignal,
) -> Result<Watched, CliError> {
    let mut watch = Watch {
        client,
        build,
        on_signal,
        view,
        tails: Tails::default(),
        ended: None,
        log_deadline: None,
        signal: None,
        cancelling: None,
    };
    let left = watch.follow(start, signals).await;
    watch.tails.close();
    match left {
        Ok(None) => Ok(Watched { exit: watch.conclude().await, left: false }),
        Ok(Some(signal)) => {
            watch.view.finish(None);
            Ok(Watched { exit: signal.exit(), left: true })
        }
        Err(error) => {
            watch.view.finish(None);
            Err(error)
        }
    }
}

struct Watch<'a> {
    client: &'a Client,
    build: &'a str,
    on_signal: OnSignal,
    view: &'a mut dyn View,
    tails: Tails,
    ended: Option<v1::build_event::Ended>,
    log_deadline: Option<Instant>,
    signal: Option<Signal>,
    cancelling: Option<BoxFuture<'static, Result<v1::Build, CliError>>>,
}

impl Watch<'_> {
    /// Follows events and log to their ends. Gives the signal that made it leave
    /// earlier, if one did.
    async fn follow(
        &mut self,
        start: Start,
        signals: impl Stream<Item = Signal> + Unpin,
    ) -> Result<Option<Signal>, CliError> {
        let request = v1::ReadLogsRequest {
            build_id: self.build.to_owned(),
            platform: String::new(),
            offset: start.offset,
            follow: true,
        };
        let mut events =
            follow::events(self.client.clone(), self.build.to_owned(), start.after_sequence).boxed().fuse();
        let mut logs = follow::logs(self.client.clone(), request).boxed().fuse();
        let mut signals = signals.fuse();
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let (mut more_events, mut more_logs) = (true, true);
        while more_events || more_logs {
            let deadline = self.log_deadline;
            tokio::select! {
                update = events.next(), if more_events => match update {
                    Some(update) => self.update(update?),
                    None => more_events = false,
                },
                update = logs.next(), if more_logs => match update {
                    Some(Ok(update)) => self.update(update),
                    // The events tell how the build ends, with or without its log.
                    Some(Err(error)) => self.view.remark(&format!("the log cannot be shown further: {error}")),
                    None => more_logs = false,
                },
                Some(signal) = signals.next() => {
                    if self.is_enough(signal) {
                        return Ok(Some(signal));
                    }
                }
                answer = at_last(&mut self.cancelling) => self.cancelled(answer),
                () = until(deadline) => {
                    self.view.remark("the build has ended, but the end of its log does not come");
                    return Ok(None);
                }
                _ = tick.tick() => self.view.tick(Timestamp::now()),
            }
        }
        Ok(None)
    }

    fn update(&mut self, update: Update) {
        match update {
            Update::Event(event) => {
                self.view.event(&event);
                if let Some(Kind::Ended(ended)) = event.kind {
                    self.ended = Some(ended);
                    self.log_deadline = Some(Instant::now() + LOG_GRACE);
                }
            }
            Update::Log(record) => {
                self.tails.push(&record);
                self.view.log(&record);
            }
            Update::Interrupted(error) => {
                self.view.remark(&format!("connection lost, trying again: {error}"));
            }
        }
    }

    /// Obeys a signal; true if it means to leave at once.
    fn is_enough(&mut self, signal: Signal) -> bool {
        if self.on_signal == OnSignal::Leave {
            self.view.remark(&format!(
                "the build goes on; `orchestrator builds watch {0}` shows it, `orchestrator builds cancel {0}` stops it",
                self.build
            ));
            return true;
        }
        if self.signal.is_some() {
            self.view.remark("leaving at once");
            return true;
        }
        self.signal = Some(signal);
        let reason = match signal {
            Signal::Interrupt => "Ctrl-C",
            Signal::Terminate => "SIGTERM",
        };
        self.view.remark("cancelling; press again to leave at once");
        let (client, build) = (self.client.clone(), self.build.to_owned());
        self.cancelling = Some(async move { client.cancel(&build, reason).await }.boxed());
        false
    }

    fn cancelled(&mut self, answer: Result<v1::Build, CliError>) {
        self.cancelling = None;
        if let Err(error) = answer {
            self.view.remark(&format!("{error}; press again to leave at once"));
        }
    }

    /// Shows the end.
    async fn conclude(self) -> Exit {
        let ended = self.ended.unwrap_or_default();
        let build = match self.client.get(self.build).await {
            Ok(build) => build,
            // The last event has what matters.
            Err(_) => v1::Build {
                id: self.build.to_owned(),
                state: ended.state,
                failure: ended.failure,
                result: ended.result,
                koji: ended.koji,
                ..v1::Build::default()
            },
        };
        let exit = match (build.state(), self.signal) {
            (BuildState::Succeeded, _) => Exit::Ok,
            (_, Some(signal)) => signal.exit(),
            (_, None) => Exit::Failed,
        };
        let ending = Ending { build, later_failures: ended.later_failures, tails: self.tails };
        self.view.finish(Some(&ending));
        exit
    }
}

async fn at_last<T>(future: &mut Option<BoxFuture<'static, T>>) -> T {
    match future {
        Some(future) => future.await,
        None => pending().await,
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => pending().await,
    }
}
