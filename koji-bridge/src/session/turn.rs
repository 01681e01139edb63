//! One call's turn: from its number to its end, whatever the hub does between.
//!
//! All rules about repetition are here. A try whose answer did not come is
//! repeated with the same number and the same bytes; after a fault the next try
//! has a new number, unless an earlier try of a write may have been carried out:
//! only the old number keeps the hub from doing it again.

use std::{mem, time::Duration};

use reqwest::StatusCode;
use tokio::time::Instant;
use url::Url;

use super::{
    CallError, HubState, Shared, code,
    live::{Live, Purpose, Work},
};
use crate::{
    login::{Attempt, Entry, LoginError, LoginFailure},
    transport::TransportError,
    xmlrpc::{Arguments, Call, Fault, ReadError, Value, read_answer},
};

/// How often a number of a repeatable call is taken for one that was used.
const MOST_NEW_NUMBERS: u32 = 3;
/// How often a call is repeated that the hub could not read to its end.
const MOST_BAD_REQUESTS: u32 = 5;
/// How long the hub may take to be told that a session was given up.
const FAREWELL: Duration = Duration::from_secs(5);

/// Who has the turn has this.
#[derive(Default)]
pub(super) struct Turn {
    live: Option<Live>,
    /// Whether the hub is known to ask for certificates late.
    late: bool,
    /// Whether a request was sent whose caller went away before its answer. The
    /// hub may still be at it, so the session is given up.
    in_flight: bool,
    /// Whether the hub has ever answered a call.
    answered: bool,
}

/// A call that was carried out.
pub(super) struct CarriedOut {
    /// What the hub answered.
    pub(super) value: Value,
    /// Whether the hub may have got the request more than once.
    pub(super) repeated: bool,
}

/// What became of a call so far.
struct Course<'a> {
    shared: &'a Shared,
    method: &'static str,
    purpose: Purpose,
    /// The number that the next try must have.
    number: Option<u64>,
    /// A try of this write may have been carried out.
    uncertain: bool,
    /// Requests that the hub may have got.
    sent: u32,
    /// Tries without an answer since the last answer.
    tries: u32,
    /// Answers that the request could not be read.
    bad_requests: u32,
    /// When the call came, before it had its turn.
    arrived: Instant,
    /// Since when the hub's being offline keeps the call.
    offline: Option<Instant>,
    renewed: bool,
    entered_again: bool,
    unreadable: bool,
    new_numbers: u32,
    /// How often the file of an upload was found locked.
    locked: u32,
}

impl Course<'_> {
    fn refused(&self, fault: Fault) -> CallError {
        CallError::Refused { method: self.method, fault }
    }

    /// An error for a call that will not be tried again: what is uncertain is
    /// lost, whatever else is wrong.
    fn end(&self, error: CallError) -> CallError {
        if self.uncertain {
            CallError::Lost { method: self.method, reason: error.to_string() }
        } else {
            error
        }
    }

    /// After a try without an answer: waits, or ends.
    async fn wait_for_connection(&mut self, error: &TransportError, reason: String) -> Result<(), CallError> {
        let (shared, method) = (self.shared, self.method);
        shared.state.unreachable(&reason);
        self.tries += 1;
        self.bad_requests += u32::from(error.has_status(StatusCode::BAD_REQUEST));
        if self.tries > shared.settings.max_retries || self.bad_requests > MOST_BAD_REQUESTS {
            return Err(self.end(CallError::Unreachable { method, reason }));
        }
        // A connection that idled too long breaks once, and at once again it works.
        let wait = if self.tries == 1 { Duration::ZERO } else { shared.settings.retry_interval };
        tracing::warn!(method, reason, tries = self.tries, wait_ms = wait.as_millis() as u64, "trying again");
        if shared.pause(wait).await { Ok(()) } else { Err(self.end(CallError::Cancelled)) }
    }

    /// After the hub said that it is offline: waits, or ends.
    async fn wait_while_offline(&mut self, text: String) -> Result<(), CallError> {
        let shared = self.shared;
        let (since, is_new) = shared.state.offline(&text);
        if is_new {
            tracing::warn!(method = self.method, text, "the hub is offline: waiting");
        }
        // Who waited behind a call that waited for the hub has waited for it, too.
        let began = *self.offline.get_or_insert(if is_new { Instant::now() } else { self.arrived });
        self.tries = 0;
        let wait = shared.settings.offline_interval;
        if shared.settings.offline_limit.is_some_and(|limit| began.elapsed() + wait > limit) {
            return Err(self.end(CallError::Offline { method: self.method, since, text }));
        }
        if shared.pause(wait).await { Ok(()) } else { Err(self.end(CallError::Cancelled)) }
    }
}

impl Turn {
    /// Carries a call out that has waited for its turn since it arrived.
    pub(super) async fn carry_out(
        &mut self,
        shared: &Shared,
        work: &Work,
        arrived: Instant,
    ) -> Result<CarriedOut, CallError> {
        if mem::take(&mut self.in_flight) {
            tracing::info!("the last call was abandoned in flight: logging in anew");
            self.give_up(shared);
        }
        let mut course = Course {
            shared,
            method: work.method,
            purpose: work.purpose,
            number: None,
            uncertain: false,
            sent: 0,
            tries: 0,
            bad_requests: 0,
            arrived,
            offline: None,
            renewed: false,
            entered_again: false,
            unreadable: false,
            new_numbers: 0,
            locked: 0,
        };
        loop {
            if self.live.is_none() {
                self.enter(&mut course).await?;
            }
            let Some(live) = &mut self.live else { continue };
            let number = *course.number.get_or_insert_with(|| live.take_number());
            let request = live.request(&shared.hub, work, number, shared.settings.timeout);
            self.in_flight = live.is_logged_in();
            let sent = live.transport.post(&request).await;
            self.in_flight = false;
            let nothing_was_sent = sent.as_ref().is_err_and(TransportError::nothing_was_sent);
            course.sent += u32::from(!nothing_was_sent);
            let answer = match sent {
                Ok(answer) => answer,
                Err(error) => {
                    self.unanswered(&mut course, error).await?;
                    continue;
                }
            };
            shared.remember_version(answer.version);
            match read_answer(&answer.body) {
                Ok(Ok(value)) => {
                    self.answered = true;
                    shared.state.set(HubState::Connected);
                    return Ok(CarriedOut { value, repeated: course.sent > 1 });
                }
                Ok(Err(fault)) => {
                    self.answered = true;
                    self.refused(&mut course, fault).await?;
                }
                Err(error) => self.unreadable(&mut course, &error).await?,
            }
        }
    }

    /// Tells the hub that the session ends.
    pub(super) async fn leave(&mut self, shared: &Shared, limit: Duration) {
        if let Some(live) = self.live.take() {
            log_out(live, &shared.hub, limit).await;
        }
    }

    /// Gives the session up, and lets the hub know while the next call goes on: it
    /// would keep the session, and what it has not begun yet of it, for a day.
    fn give_up(&mut self, shared: &Shared) {
        let Some(mut live) = self.live.take().filter(Live::is_logged_in) else { return };
        live.transport.reconnect();
        let hub = shared.hub.clone();
        shared.farewells.spawn(async move {
            if tokio::time::timeout(FAREWELL, log_out(live, &hub, FAREWELL)).await.is_err() {
                tracing::info!("the hub was not told in time of a session that was given up");
            }
        });
    }

    /// A try without an answer.
    async fn unanswered(&mut self, course: &mut Course<'_>, error: TransportError) -> Result<(), CallError> {
        let Some(live) = &mut self.live else { return Ok(()) };
        let reason = live.presentable(error.to_string());
        // A hub that was there and is not is being changed; one that never was there never will be.
        let is_nowhere = !self.answered && error.has_status(StatusCode::NOT_FOUND);
        let is_final = is_nowhere || (error.is_final() && !course.may_be_sent_again(&error));
        let unread = is_nowhere || error.was_not_read() || error.nothing_was_sent();
        if course.purpose == Purpose::Write && !unread {
            course.uncertain = true;
            if !live.is_logged_in() || is_final {
                return Err(CallError::Lost { method: course.method, reason });
            }
        }
        if is_final {
            let method = course.method;
            return Err(course.end(match error {
                TransportError::HubCertificate(_) => LoginError::HubCertificate { reason }.into(),
                TransportError::OurCertificate(_) => LoginError::ClientCertificate { reason }.into(),
                TransportError::Setup(_) => LoginError::Setup { reason }.into(),
                _ => CallError::Unexpected { method, reason },
            }));
        }
        live.transport.reconnect();
        course.wait_for_connection(&error, reason).await
    }

    /// An answer that is no XML-RPC. A query is asked once more: what a hub has
    /// written wrongly it will write wrongly again. A write's answer is lost.
    async fn unreadable(&mut self, course: &mut Course<'_>, error: &ReadError) -> Result<(), CallError> {
        let method = course.method;
        if course.purpose == Purpose::Write {
            let reason = format!("the answer cannot be read: {error}");
            return self.unanswered(course, TransportError::Broken(reason)).await;
        }
        if mem::replace(&mut course.unreadable, true) {
            return Err(CallError::Unreadable { method, reason: error.to_string() });
        }
        tracing::warn!(method, %error, "the answer cannot be read: asking once more");
        Ok(())
    }

    /// A fault: repeats what may be repeated, and ends with everything else.
    async fn refused(&mut self, course: &mut Course<'_>, fault: Fault) -> Result<(), CallError> {
        let fault = course.shared.presentable(fault, self.live.as_ref().and_then(Live::key));
        let is_write = course.purpose == Purpose::Write;
        if fault.code == code::OFFLINE {
            course.wait_while_offline(fault.text).await?;
            course.renumber();
            return Ok(());
        }
        course.shared.state.set(HubState::Connected);
        course.tries = 0;
        let settings = &course.shared.settings;
        let invalid = fault.code == code::AUTH && fault.says("Invalid session");
        match fault.code {
            code::RETRY if is_write => return Err(CallError::Committed { method: course.method }),
            code::RETRY if course.new_numbers < MOST_NEW_NUMBERS => course.new_numbers += 1,
            // The request before this one may still hold the file.
            code::LOCK if course.purpose == Purpose::Upload && course.locked < settings.max_retries => {
                course.locked += 1;
                tracing::warn!(method = course.method, text = fault.text, "trying again");
                if !course.shared.pause(settings.retry_interval).await {
                    return Err(CallError::Cancelled);
                }
            }
            code::AUTH_LOCK => {
                return Err(course.end(LoginError::Locked { text: fault.text }.into()));
            }
            code::SEQUENCE => {
                self.give_up(course.shared);
                if is_write || mem::replace(&mut course.entered_again, true) {
                    let reason = "the hub has seen a later call of this session".to_owned();
                    return Err(CallError::Lost { method: course.method, reason });
                }
            }
            code::AUTH_EXPIRED => {
                if course.uncertain {
                    self.live = None;
                    return Err(course.lost("the session has expired meanwhile"));
                }
                if mem::replace(&mut course.renewed, true) {
                    let fault = Fault::new(fault.code, "the session has expired again at once");
                    return Err(course.refused(fault));
                }
                self.renew(course).await?;
            }
            _ if invalid => {
                self.live = None;
                if course.uncertain {
                    return Err(course.lost("the hub has forgotten the session meanwhile"));
                }
                if mem::replace(&mut course.entered_again, true) {
                    return Err(course.refused(fault));
                }
                tracing::info!(method = course.method, "the hub has forgotten the session: logging in anew");
            }
            _ => return Err(course.refused(fault)),
        }
        course.renumber();
        Ok(())
    }

    /// Logs in, with the patience of a call.
    async fn enter(&mut self, course: &mut Course<'_>) -> Result<(), CallError> {
        loop {
            match self.attempt(course.shared, None).await {
                Ok(()) => return Ok(()),
                Err(LoginFailure::Final(error)) => {
                    course.shared.state.set(HubState::LoggedOut);
                    return Err(error.into());
                }
                Err(LoginFailure::Transport(error)) => {
                    course.wait_for_connection(&error, error.to_string()).await?;
                }
                Err(LoginFailure::Fault(fault)) if fault.code == code::OFFLINE => {
                    course.wait_while_offline(fault.text).await?;
                }
                Err(LoginFailure::Fault(fault)) => {
                    course.shared.state.set(HubState::LoggedOut);
                    return Err(not_let_in(course, fault).into());
                }
            }
        }
    }

    /// Renews the session where the hub can do that; else logs in.
    async fn renew(&mut self, course: &mut Course<'_>) -> Result<(), CallError> {
        let headers = self.live.as_mut().and_then(|live| {
            let number = live.take_number();
            live.headers(number)
        });
        if let Some(headers) = headers {
            match self.attempt(course.shared, Some(headers)).await {
                Ok(()) => return Ok(()),
                Err(LoginFailure::Final(error)) => return Err(error.into()),
                Err(LoginFailure::Fault(fault)) if fault.code == code::AUTH_LOCK => {
                    return Err(not_let_in(course, fault).into());
                }
                Err(LoginFailure::Fault(fault)) => {
                    tracing::info!(code = fault.code, "the hub does not renew the session: logging in anew");
                }
                Err(LoginFailure::Transport(_)) => {}
            }
        }
        self.live = None;
        self.enter(course).await
    }

    async fn attempt(
        &mut self,
        shared: &Shared,
        renew: Option<reqwest::header::HeaderMap>,
    ) -> Result<(), LoginFailure> {
        let settings = &*shared.settings;
        // A renewed session goes on with its numbers: the hub remembers the last one.
        let next = self.live.as_mut().filter(|_| renew.is_some()).map_or(0, Live::take_number);
        let attempt = Attempt { settings, hub: &shared.hub, renew, late: &mut self.late };
        let entry: Entry = Box::pin(attempt.run()).await.map_err(|failure| match failure {
            LoginFailure::Fault(fault) => {
                LoginFailure::Fault(shared.presentable(fault, self.live.as_ref().and_then(Live::key)))
            }
            other => other,
        })?;
        if entry.grant.is_some() {
            shared.remember_version(entry.version.clone());
            shared.state.set(HubState::Connected);
            tracing::info!(login = settings.login.name(), "logged in at the hub");
        }
        self.live = Some(Live::new(entry, next));
        Ok(())
    }
}

impl Course<'_> {
    /// The next try is a new call to the hub, unless it must not be.
    fn renumber(&mut self) {
        if !self.uncertain {
            self.number = None;
        }
    }

    /// Whether an upload's request may go again that the hub would not read: it is
    /// no XML, so only the connection can have been at fault.
    fn may_be_sent_again(&self, error: &TransportError) -> bool {
        self.purpose == Purpose::Upload && error.has_status(StatusCode::BAD_REQUEST)
    }

    fn lost(&self, reason: &str) -> CallError {
        CallError::Lost { method: self.method, reason: reason.to_owned() }
    }
}

/// Tells the hub that a session ends.
async fn log_out(mut live: Live, hub: &Url, limit: Duration) {
    if !live.is_logged_in() {
        return;
    }
    let Ok(body) = Call::new("logout", Arguments::none()).to_xml() else { return };
    let body = body.into();
    let purpose = Purpose::Write;
    let work = Work { method: "logout", purpose, query: Vec::new(), content_type: "text/xml", body };
    let number = live.take_number();
    if let Err(error) = live.transport.post(&live.request(hub, &work, number, limit)).await {
        tracing::info!(reason = live.presentable(error.to_string()), "the hub was not told of the end");
    }
}

fn not_let_in(course: &Course<'_>, fault: Fault) -> LoginError {
    if fault.code == code::AUTH_LOCK {
        LoginError::Locked { text: fault.text }
    } else {
        LoginError::Refused { how: course.shared.settings.login.name(), fault }
    }
}
