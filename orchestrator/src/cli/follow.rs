//! Follows a build: its events and its log as one stream of updates that
//! survives broken connections.
//!
//! Each of the two keeps its place (the last sequence, the next offset), dials
//! again with a growing pause, and goes on from there. Nothing is lost, because
//! the service sends everything after the place; nothing comes twice, because
//! what lies before the place is dropped. It gives up when a whole [`PATIENCE`]
//! has passed without progress.

use std::time::Duration;

use futures::{Stream, stream};
use proto::v1;
use tokio::time::Instant;
use tonic::{Status, Streaming};

use crate::cli::{client::Client, error::CliError};

/// First pause before dialling again; it doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// How long a connection may stay lost.
const PATIENCE: Duration = Duration::from_secs(300);

/// What is new.
#[derive(Debug)]
pub(crate) enum Update {
    /// Something happened to the build.
    Event(Box<v1::BuildEvent>),
    /// The build printed something.
    Log(v1::LogRecord),
    /// The connection was lost; it is dialled again.
    Interrupted(CliError),
}

/// From where to follow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Start {
    /// Events with a higher sequence only.
    pub(crate) after_sequence: u64,
    /// Log text from this byte on.
    pub(crate) offset: u64,
}

/// The events of a build, until it has ended.
pub(crate) fn events(
    client: Client,
    build: String,
    after: u64,
) -> impl Stream<Item = Result<Update, CliError>> + Send {
    let source = Events { client, build, after, stream: None };
    stream::unfold(Follower::new(source), Follower::next)
}

/// The log of a build; with `request.follow`, until the build has ended.
pub(crate) fn logs(
    client: Client,
    request: v1::ReadLogsRequest,
) -> impl Stream<Item = Result<Update, CliError>> + Send {
    let place = request.offset;
    let source =
        Logs { client, request, place, stream: None, waiting: Vec::new().into_iter(), complete: false };
    stream::unfold(Follower::new(source), Follower::next)
}

/// What one look at a source brought.
enum Look {
    New(Update),
    /// Connected, but nothing new in the message.
    Nothing,
    /// It is complete.
    End(Option<Update>),
}

/// A stream that can be opened again at its place.
trait Source: Send {
    fn look(&mut self) -> impl Future<Output = Result<Look, CliError>> + Send;
    /// Forgets a broken connection.
    fn reset(&mut self);
}

struct Follower<S> {
    source: S,
    ended: bool,
    /// The next pause.
    pause: Duration,
    /// Since when the connection is lost.
    lost: Option<Instant>,
}

impl<S: Source> Follower<S> {
    fn new(source: S) -> Self {
        Self { source, ended: false, pause: FIRST_PAUSE, lost: None }
    }

    async fn next(mut self) -> Option<(Result<Update, CliError>, Self)> {
        while !self.ended {
            if self.lost.is_some() {
                tokio::time::sleep(self.pause).await;
                self.pause = (self.pause * 2).min(LONGEST_PAUSE);
            }
            match self.source.look().await {
                Ok(look) => {
                    (self.pause, self.lost) = (FIRST_PAUSE, None);
                    match look {
                        Look::Nothing => {}
                        Look::New(update) => return Some((Ok(update), self)),
                        Look::End(update) => {
                            self.ended = true;
                            return update.map(|update| (Ok(update), self));
                        }
                    }
                }
                Err(error) => {
                    self.source.reset();
                    let first = self.lost.is_none();
                    let since = *self.lost.get_or_insert_with(Instant::now);
                    if !error.is_passing() || since.elapsed() >= PATIENCE {
                        self.ended = true;
                        return Some((Err(error), self));
                    }
                    // One remark per loss is enough.
                    if first {
                        return Some((Ok(Update::Interrupted(error)), self));
                    }
                }
            }
        }
        None
    }
}

struct Events {
    client: Client,
    build: String,
    after: u64,
    stream: Option<Streaming<v1::WatchBuildResponse>>,
}

impl Source for Events {
    async fn look(&mut self) -> Result<Look, CliError> {
        const CALL: &str = "watching the build";
        let stream = match &mut self.stream {
            Some(stream) => stream,
            none => none.insert(self.client.watch(&self.build, self.after).await?),
        };
        let message = stream.message().await.map_err(|status| self.client.error(CALL, status))?;
        let cut = |text: String| self.client.error(CALL, Status::unavailable(text));
        let Some(response) = message else {
            // Who has seen the last event before gets nothing more.
            let build = self.client.get(&self.build).await?;
            if is_final(build.state()) && build.last_sequence <= self.after {
                return Ok(Look::End(None));
            }
            return Err(cut("the stream ended before the build did".to_owned()));
        };
        let Some(event) = response.event else { return Ok(Look::Nothing) };
        if event.sequence <= self.after {
            return Ok(Look::Nothing);
        }
        if event.sequence > self.after + 1 {
            return Err(cut(format!("event {} is missing", self.after + 1)));
        }
        self.after = event.sequence;
        if matches!(event.kind, Some(v1::build_event::Kind::Ended(_))) {
            return Ok(Look::End(Some(Update::Event(Box::new(event)))));
        }
        Ok(Look::New(Update::Event(Box::new(event))))
    }

    fn reset(&mut self) {
        self.stream = None;
    }
}

fn is_final(state: v1::BuildState) -> bool {
    use v1::BuildState::{Cancelled, Failed, Succeeded};
    matches!(state, Succeeded | Failed | Cancelled)
}

struct Logs {
    client: Client,
    request: v1::ReadLogsRequest,
    /// Everything before this byte was handed out.
    place: u64,
    stream: Option<Streaming<v1::ReadLogsResponse>>,
    /// Records of the last message that are not handed out yet.
    waiting: std::vec::IntoIter<v1::LogRecord>,
    /// The service said that nothing follows them.
    complete: bool,
}

impl Source for Logs {
    async fn look(&mut self) -> Result<Look, CliError> {
        const CALL: &str = "reading the log";
        // The request's own offset may point into a record, which is then shown
        // whole; any later place is the end of a record.
        let begun = self.place != self.request.offset;
        for record in self.waiting.by_ref() {
            let end = record.offset + record.text.len() as u64;
            if end > self.place && !(begun && record.offset < self.place) {
                self.place = end;
                return Ok(Look::New(Update::Log(record)));
            }
        }
        if self.complete {
            return Ok(Look::End(None));
        }
        let stream = match &mut self.stream {
            Some(stream) => stream,
            none => {
                let request = v1::ReadLogsRequest { offset: self.place, ..self.request.clone() };
                none.insert(self.client.logs(request).await?)
            }
        };
        let message = stream.message().await.map_err(|status| self.client.error(CALL, status))?;
        let Some(response) = message else {
            let status = Status::unavailable("the stream ended before the log did");
            return Err(self.client.error(CALL, status));
        };
        self.complete = response.end;
        self.waiting = response.records.into_iter();
        Ok(Look::Nothing)
    }

    fn reset(&mut self) {
        self.stream = None;
        self.waiting = Vec::new().into_iter();
    }
}
