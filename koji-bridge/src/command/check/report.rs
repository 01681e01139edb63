//! What the checks have found, and how it is told.

use std::collections::BTreeMap;

use common::failure::{Failure, FailureClass};
use serde::Serialize;
use serde_json::json;

use super::super::{
    CommandFailure, Exit,
    output::{Tone, aligned, paint, say, visible, wants_colours},
};

/// The checks, in the order in which they are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Name {
    Settings,
    Files,
    Certificate,
    Hub,
    Tls,
    Version,
    Methods,
    Login,
    Session,
    Lock,
    Permissions,
    Generator,
    BuildTypes,
    Target,
    Repository,
    DestinationTag,
    Package,
    Build,
    Upload,
    FilesUrl,
    WebUrl,
}

impl Name {
    const ALL: [Self; 21] = [
        Self::Settings,
        Self::Files,
        Self::Certificate,
        Self::Hub,
        Self::Tls,
        Self::Version,
        Self::Methods,
        Self::Login,
        Self::Session,
        Self::Lock,
        Self::Permissions,
        Self::Generator,
        Self::BuildTypes,
        Self::Target,
        Self::Repository,
        Self::DestinationTag,
        Self::Package,
        Self::Build,
        Self::Upload,
        Self::FilesUrl,
        Self::WebUrl,
    ];

    fn as_str(self) -> &'static str {
        match self {
            Self::Settings => "settings",
            Self::Files => "files",
            Self::Certificate => "certificate",
            Self::Hub => "hub",
            Self::Tls => "TLS",
            Self::Version => "version",
            Self::Methods => "methods",
            Self::Login => "login",
            Self::Session => "session",
            Self::Lock => "lock",
            Self::Permissions => "permissions",
            Self::Generator => "content generator",
            Self::BuildTypes => "build types",
            Self::Target => "target",
            Self::Repository => "repository",
            Self::DestinationTag => "destination tag",
            Self::Package => "package",
            Self::Build => "build",
            Self::Upload => "upload",
            Self::FilesUrl => "files_url",
            Self::WebUrl => "web_url",
        }
    }

    /// The check without which this one cannot be made.
    fn needs(self) -> Self {
        match self {
            Self::Settings | Self::Files | Self::Certificate | Self::Hub | Self::FilesUrl | Self::WebUrl => {
                Self::Settings
            }
            Self::Repository | Self::DestinationTag => Self::Target,
            Self::Package => Self::DestinationTag,
            Self::Session | Self::Lock | Self::Permissions | Self::Upload => Self::Login,
            _ => Self::Hub,
        }
    }
}

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    Ok,
    Warning,
    Failed,
    Skipped,
}

/// One check.
#[derive(Debug, Serialize)]
struct Check {
    check: Name,
    outcome: Outcome,
    #[serde(skip_serializing_if = "String::is_empty")]
    code: String,
    found: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    advice: String,
    #[serde(skip)]
    exit: Option<Exit>,
}

/// All checks so far. Some checks have several findings.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// The hub's address.
    pub(super) hub: String,
    checks: BTreeMap<Name, Vec<Check>>,
}

impl Report {
    /// It is well.
    pub(super) fn ok(&mut self, name: Name, found: impl Into<String>) {
        self.add(name, Outcome::Ok, String::new(), found.into(), String::new(), None);
    }

    /// It may be well; somebody should look.
    pub(super) fn warning(&mut self, name: Name, code: &str, found: impl Into<String>, advice: &str) {
        self.add(name, Outcome::Warning, code.to_owned(), found.into(), advice.to_owned(), None);
    }

    /// Builds would fail.
    pub(super) fn failed(&mut self, name: Name, failure: impl Into<CommandFailure>) {
        let CommandFailure { exit, failure } = failure.into();
        for problem in failure.each() {
            let found = match problem.causes.as_slice() {
                [] => problem.message,
                causes => format!("{}: {}", problem.message, causes.join(": ")),
            };
            self.add(name, Outcome::Failed, problem.code, found, problem.advice, Some(exit));
        }
    }

    /// Builds would fail for the state that things are in.
    pub(super) fn refused(
        &mut self,
        name: Name,
        class: FailureClass,
        code: &str,
        found: impl Into<String>,
        advice: &str,
    ) {
        let failure = Failure::new(class, code, found).with_advice(advice);
        self.failed(name, CommandFailure::new(Exit::Failed, failure));
    }

    /// It was not looked at.
    pub(super) fn skipped(&mut self, name: Name, because: impl Into<String>) {
        self.add(name, Outcome::Skipped, String::new(), because.into(), String::new(), None);
    }

    /// Whether a check was made and nothing of it failed.
    pub(super) fn is_ok(&self, name: Name) -> bool {
        let made = self.checks.get(&name);
        made.is_some_and(|findings| findings.iter().all(|check| check.outcome == Outcome::Ok))
    }

    fn add(
        &mut self,
        check: Name,
        outcome: Outcome,
        code: String,
        found: String,
        advice: String,
        exit: Option<Exit>,
    ) {
        let check = Check { check, outcome, code, found, advice, exit };
        self.checks.entry(check.check).or_default().push(check);
    }

    /// Tells everything, for people or for programs, and how the command ends: as
    /// the first check that failed.
    pub(super) fn print(mut self, as_json: bool) -> Exit {
        for name in Name::ALL {
            if !self.checks.contains_key(&name) {
                let because = format!("because of '{}'", name.needs().as_str());
                self.skipped(name, because);
            }
        }
        let checks: Vec<&Check> = self.checks.values().flatten().collect();
        let failed: Vec<Exit> = checks.iter().filter_map(|check| check.exit).collect();
        if as_json {
            say(&json!({"hub": self.hub, "ok": failed.is_empty(), "checks": checks}).to_string());
        } else {
            say_table(&checks);
            let count = |outcome| checks.iter().filter(|check| check.outcome == outcome).count();
            say("");
            say(&format!(
                "{}: {} ok, {} warnings, {} failed, {} skipped",
                if failed.is_empty() { "in order" } else { "not in order" },
                count(Outcome::Ok),
                count(Outcome::Warning),
                count(Outcome::Failed),
                count(Outcome::Skipped)
            ));
        }
        failed.first().copied().unwrap_or(Exit::Ok)
    }
}

fn say_table(checks: &[&Check]) {
    let mut rows = Vec::new();
    for check in checks {
        let code = if check.code.is_empty() { String::new() } else { format!(" [{}]", check.code) };
        let (outcome, name) = (word(check.outcome).0.to_owned(), check.check.as_str().to_owned());
        // What a line says is in one line.
        let found = visible(&check.found).replace('\n', " ");
        rows.push([outcome, name, format!("{found}{code}")]);
        if !check.advice.is_empty() {
            rows.push([String::new(), String::new(), format!("→ {}", check.advice)]);
        }
    }
    let colours = wants_colours();
    for (line, [outcome, ..]) in aligned(&rows).iter().zip(&rows) {
        let tone = checks.iter().map(|check| word(check.outcome)).find(|(text, _)| text == outcome);
        match tone.filter(|_| colours).zip(line.strip_prefix(outcome.as_str())) {
            Some(((_, tone), rest)) => say(&format!("{}{rest}", paint(outcome, tone))),
            None => say(line),
        }
    }
}

fn word(outcome: Outcome) -> (&'static str, Tone) {
    match outcome {
        Outcome::Ok => ("ok", Tone::Good),
        Outcome::Warning => ("warning", Tone::Warning),
        Outcome::Failed => ("failed", Tone::Bad),
        Outcome::Skipped => ("skipped", Tone::Faint),
    }
}
