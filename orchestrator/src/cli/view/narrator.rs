//! Tells events in words: one line for each, the same on terminals and in files.

use std::collections::BTreeMap;

use jiff::Timestamp;
use proto::v1::{
    BuildEvent, Failure,
    build_event::{Kind, StepFailed, WorkerChanged, worker_changed::Status},
};

use crate::cli::{
    output::Tone,
    view::text::{between, harmless, length, state, time},
};

/// What a line is about when it concerns no single platform.
pub(crate) const WHOLE: &str = "build";

/// An event in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    /// The platform, or [`WHOLE`].
    pub(crate) about: String,
    /// What happened.
    pub(crate) text: String,
    /// How it is coloured.
    pub(crate) tone: Tone,
}

/// Remembers when steps began, to tell how long they took.
#[derive(Debug, Default)]
pub(crate) struct Narrator {
    began: BTreeMap<String, Timestamp>,
}

impl Narrator {
    /// The event as a line.
    pub(crate) fn tell(&mut self, event: &BuildEvent) -> Line {
        let at = time(event.at.as_ref());
        let line =
            |about: &str, text: String, tone| Line { about: about.to_owned(), text: harmless(&text), tone };
        match &event.kind {
            Some(Kind::Created(created)) => {
                let source = created.request.as_ref().and_then(|request| request.source.as_ref());
                let (uri, reference) = source.map_or(("", ""), |source| (&source.uri, &source.r#ref));
                let reference = if reference.is_empty() { String::new() } else { format!(" at {reference}") };
                line(WHOLE, format!("accepted: {uri}{reference}"), Tone::Plain)
            }
            Some(Kind::StateChanged(changed)) => {
                let (name, tone) = state(changed.state);
                line(WHOLE, name.to_owned(), tone)
            }
            Some(Kind::StepStarted(started)) => {
                if let Some(at) = at {
                    self.began.insert(started.step.clone(), at);
                }
                let (about, step) = split(&started.step);
                let again = if started.attempt > 1 {
                    format!(", attempt {}", started.attempt)
                } else {
                    String::new()
                };
                line(about, format!("{step} …{again}"), Tone::Faint)
            }
            Some(Kind::StepSucceeded(succeeded)) => {
                let took = self.took(&succeeded.step, at);
                let (about, step) = split(&succeeded.step);
                line(about, format!("{step} done{took}"), Tone::Good)
            }
            Some(Kind::StepFailed(failed)) => {
                let took = self.took(&failed.step, at);
                let (about, step) = split(&failed.step);
                line(about, format!("{step} failed{took}: {}", reason(failed)), Tone::Bad)
            }
            Some(Kind::StepSkipped(skipped)) => {
                let (about, step) = split(&skipped.step);
                line(about, format!("{step} skipped: {}", skipped.reason), Tone::Faint)
            }
            Some(Kind::WorkerChanged(changed)) => {
                let (text, tone) = worker(changed);
                line(&changed.platform, text, tone)
            }
            Some(Kind::Warning(warning)) => {
                line(WHOLE, format!("warning: {} [{}]", warning.message, warning.code), Tone::Warning)
            }
            Some(Kind::CancelRequested(request)) => {
                let reason = if request.reason.is_empty() { "no reason given" } else { &request.reason };
                line(WHOLE, format!("asked to stop: {reason}"), Tone::Warning)
            }
            Some(Kind::Ended(ended)) => {
                let (name, tone) = state(ended.state);
                line(WHOLE, format!("ended: {name}"), tone)
            }
            None => line(WHOLE, "something that this version has no words for".to_owned(), Tone::Faint),
        }
    }

    fn took(&mut self, step: &str, end: Option<Timestamp>) -> String {
        let began = self.began.remove(step);
        began.zip(end).map_or_else(String::new, |(began, end)| format!(" in {}", length(between(began, end))))
    }
}

/// The platform and the bare name of a step.
pub(crate) fn split(step: &str) -> (&str, &str) {
    step.split_once('/').unwrap_or((WHOLE, step))
}

fn reason(failed: &StepFailed) -> String {
    let reason = failed.failure.as_ref().map_or_else(|| "no reason given".to_owned(), told);
    if failed.will_retry { format!("{reason}; it will be tried again") } else { reason }
}

/// A failure in one line: what failed and its code.
pub(crate) fn told(failure: &Failure) -> String {
    format!("{} [{}]", failure.message, failure.code)
}

fn worker(changed: &WorkerChanged) -> (String, Tone) {
    let why = if changed.reason.is_empty() { String::new() } else { format!(": {}", changed.reason) };
    let worker = &changed.worker_id;
    match changed.status() {
        Status::Waiting => (format!("waiting for a worker{why}"), Tone::Warning),
        Status::Assigned => (format!("given to {worker}{why}"), Tone::Plain),
        Status::Reattached => (format!("{worker} is back{why}"), Tone::Plain),
        Status::Lost => (format!("{worker} is lost{why}"), Tone::Warning),
        Status::Finished => (format!("{worker} sent its result{why}"), Tone::Plain),
        Status::Unspecified => (format!("{worker} changed{why}"), Tone::Plain),
    }
}
