//! `orchestrator errors`: what a code means, and what to do about it.

use clap::Args;
use serde_json::json;

use crate::{
    cli::{
        CommandLine,
        arguments::{Format, FormatArguments},
        error::CliError,
        exit::Exit,
        output::Tone,
    },
    config::nearest,
    errors::{self, AREAS, Page},
};

/// Which codes.
#[derive(Debug, Args)]
pub(crate) struct ErrorsArguments {
    /// The code, such as source.ref_not_found; without one all are listed.
    #[arg(value_name = "CODE")]
    pub(crate) code: Option<String>,
    /// Print all pages as a document in Markdown.
    #[arg(long, conflicts_with_all = ["code", "output"])]
    pub(crate) markdown: bool,
    #[command(flatten)]
    pub(crate) format: FormatArguments,
}

/// Runs the command.
pub(crate) fn run(arguments: &ErrorsArguments, here: &mut CommandLine) -> Result<Exit, CliError> {
    if arguments.markdown {
        here.output.bytes(errors::markdown().as_bytes());
        return Ok(Exit::Ok);
    }
    match (&arguments.code, arguments.format.output) {
        (Some(code), format) => {
            let page = errors::page(code).ok_or_else(|| unknown(code))?;
            match format {
                Format::Text => show(page, here),
                Format::Json => here.output.line(&json!(page).to_string()),
            }
        }
        (None, Format::Text) => list(here),
        (None, Format::Json) => {
            let pages: Vec<&Page> = errors::pages().collect();
            here.output.line(&json!(pages).to_string());
        }
    }
    Ok(Exit::Ok)
}

fn unknown(code: &str) -> CliError {
    let shown: String = code.chars().take(80).collect();
    let meant = match nearest(code, errors::pages().map(|page| page.code)) {
        Some(near) => format!("did you mean '{near}'?"),
        None => "`orchestrator errors` lists all".to_owned(),
    };
    CliError::Usage(format!("there is no code '{}'; {meant}", shown.escape_debug()))
}

fn show(page: &Page, here: &mut CommandLine) {
    let dress = here.output.dress;
    let heading = format!("{} ({})", page.code, page.class);
    here.output.line(&dress.paint(Tone::Strong, &heading));
    here.output.line(&format!("  {}", page.title));
    here.output.line(&format!("  {}", page.means));
    here.output.line(&format!("  what to do: {}", page.fix));
    if !page.example.is_empty() {
        here.output.line(&format!("  example: {}", page.example));
    }
}

fn list(here: &mut CommandLine) {
    let dress = here.output.dress;
    for (position, area) in AREAS.iter().enumerate() {
        if position > 0 {
            here.output.line("");
        }
        here.output.line(&dress.paint(Tone::Strong, area.title));
        for page in area.pages {
            here.output.line(&format!("  {:<42} {}", page.code, page.title));
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{
        arguments::{Arguments, Command},
        output::kept,
    };

    fn called(words: &[&str]) -> (Result<Exit, CliError>, String) {
        let all = ["orchestrator", "errors"].iter().chain(words);
        let Command::Errors(arguments) = Arguments::try_parse_from(all).unwrap().command else { panic!() };
        let (output, results, _) = kept::output();
        let directory = std::path::PathBuf::new();
        let mut here = CommandLine { output, environment: Vec::new(), directory };
        let ended = run(&arguments, &mut here);
        (ended, results.text())
    }

    #[test]
    fn one_code_has_a_page() {
        let (ended, text) = called(&["source.ref_not_found"]);
        assert_eq!(ended.unwrap(), Exit::Ok);
        assert!(
            text.starts_with("source.ref_not_found (user)\n") && text.contains("git ls-remote"),
            "{text}"
        );
        let (_, text) = called(&["source.ref_not_found", "--output", "json"]);
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["class"], "user");
    }

    #[test]
    fn without_a_code_all_are_listed() {
        let (_, text) = called(&[]);
        assert!(text.lines().count() > errors::pages().count(), "{text}");
        let (_, text) = called(&["--output", "json"]);
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value.as_array().unwrap().len(), errors::pages().count());
        let (_, text) = called(&["--markdown"]);
        assert_eq!(text, errors::markdown());
    }

    #[test]
    fn an_unknown_code_is_a_mistake_of_the_caller() {
        let error = called(&["source.ref_not_fuond"]).0.unwrap_err();
        assert_eq!(error.exit(), Exit::Usage);
        assert!(error.to_string().contains("did you mean 'source.ref_not_found'?"), "{error}");
    }
}
