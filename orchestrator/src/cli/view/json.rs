//! The view for programs: one JSON object per line. Each has one key that says
//! what it holds: `event` (a `BuildEvent`), `log` (a `LogRecord`), and at the
//! very end `build` (a `Build`), in the contract's own names.

use proto::v1;
use serde_json::json;

use crate::cli::{
    json,
    output::Output,
    view::{Ending, View},
};

/// One JSON object for everything.
pub(crate) struct Json<'a> {
    output: &'a mut Output,
}

impl<'a> Json<'a> {
    /// Writes to `output`.
    pub(crate) fn new(output: &'a mut Output) -> Self {
        Self { output }
    }
}

impl View for Json<'_> {
    fn event(&mut self, event: &v1::BuildEvent) {
        self.output.line(&json!({ "event": json::of(event) }).to_string());
    }

    fn log(&mut self, record: &v1::LogRecord) {
        self.output.line(&json!({ "log": json::of(record) }).to_string());
    }

    fn remark(&mut self, text: &str) {
        self.output.remark(text);
    }

    fn finish(&mut self, ending: Option<&Ending>) {
        if let Some(ending) = ending {
            self.output.line(&json!({ "build": json::of(&ending.build) }).to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::cli::{
        output::kept,
        view::{Tails, samples},
    };

    #[test]
    fn every_line_is_an_object_that_says_what_it_holds() {
        let (mut output, results, remarks) = kept::output();
        let mut view = Json::new(&mut output);
        for event in samples::failing_build() {
            view.event(&event);
        }
        view.log(&samples::record("x86_64", "hello\n"));
        view.remark("cancelling");
        let build = samples::succeeded();
        view.finish(Some(&Ending { build, later_failures: Vec::new(), tails: Tails::default() }));

        let lines: Vec<Value> =
            results.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let kinds: Vec<&str> =
            lines.iter().map(|line| line.as_object().unwrap().keys().next().unwrap().as_str()).collect();
        assert_eq!(kinds[..kinds.len() - 2], ["event"].repeat(samples::failing_build().len()));
        assert_eq!(kinds[kinds.len() - 2..], ["log", "build"]);
        assert_eq!(lines[0]["event"]["created"]["request"]["source"]["ref"], "main");
        assert_eq!(lines[lines.len() - 2]["log"]["text"], "hello\n");
        assert_eq!(lines[lines.len() - 1]["build"]["state"], "BUILD_STATE_SUCCEEDED");
        assert_eq!(remarks.text(), "cancelling\n");
    }
}
