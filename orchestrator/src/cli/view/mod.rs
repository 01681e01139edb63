//! What a person or a program sees of a build while it runs and when it has
//! ended: plain lines, a live display, or JSON.

pub(crate) mod board;
pub(crate) mod explain;
pub(crate) mod json;
pub(crate) mod lines;
pub(crate) mod live;
pub(crate) mod narrator;
pub(crate) mod plain;
pub(crate) mod plan;
pub(crate) mod summary;
pub(crate) mod tails;
pub(crate) mod text;
pub(crate) mod wrap;

#[cfg(test)]
pub(crate) mod samples;

use jiff::Timestamp;
use proto::v1;

use crate::cli::{arguments::Format, output::Output};
pub(crate) use tails::Tails;

/// A build that has ended, and what is worth telling besides.
pub(crate) struct Ending {
    /// The build as it stands at the end.
    pub(crate) build: v1::Build,
    /// Failures after the primary one.
    pub(crate) later_failures: Vec<v1::Failure>,
    /// The last log lines of each platform.
    pub(crate) tails: Tails,
}

/// Shows one build.
pub(crate) trait View {
    /// Something happened.
    fn event(&mut self, event: &v1::BuildEvent);
    /// The build printed something.
    fn log(&mut self, record: &v1::LogRecord);
    /// Something about the watching itself. Example: the connection is lost.
    fn remark(&mut self, text: &str);
    /// Time passes.
    fn tick(&mut self, _now: Timestamp) {}
    /// Nothing more will come; `ending` is missing when the build goes on alone.
    fn finish(&mut self, ending: Option<&Ending>);
}

/// The view for what the user asked for and what reads along.
pub(crate) fn choose(output: &mut Output, format: Format) -> Box<dyn View + '_> {
    match format {
        Format::Json => Box::new(json::Json::new(output)),
        Format::Text if output.is_terminal() => Box::new(live::Live::new(output)),
        Format::Text => Box::new(plain::Plain::new(output)),
    }
}
