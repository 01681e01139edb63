//! `orchestrator config`: checks and shows the site's configuration.

use serde_json::{Value, json};

use crate::{
    cli::{
        CommandLine,
        arguments::{ConfigCheckArguments, ConfigCommand, ConfigPrintArguments, Format},
        error::CliError,
        exit::Exit,
    },
    config::{ConfigErrors, Site},
};

/// Runs the command.
pub(crate) fn run(command: ConfigCommand, here: &mut CommandLine) -> Result<Exit, CliError> {
    match command {
        ConfigCommand::Check(arguments) => Ok(check(&arguments, here)),
        ConfigCommand::Print(arguments) => print(&arguments, here),
        ConfigCommand::Schema(arguments) => {
            let schema = if arguments.v1 { Site::schema_of_version_1() } else { Site::schema() };
            here.output.line(&format!("{schema:#}"));
            Ok(Exit::Ok)
        }
    }
}

fn check(arguments: &ConfigCheckArguments, here: &mut CommandLine) -> Exit {
    let (files, environment) = (&arguments.site.files, here.environment());
    let checked = if arguments.no_files {
        Site::read(files, environment, &[])
    } else {
        Site::load(files, environment, &[])
    };
    let (problems, retired, notices) = match &checked {
        Ok(site) => (&[][..], site.retired(), site.notices()),
        Err(errors) => (errors.problems.as_slice(), errors.retired.as_slice(), errors.notices.as_slice()),
    };
    match arguments.format.output {
        Format::Text => {
            for notice in notices {
                here.output.line(&format!("note: {notice}"));
            }
            for retired in retired {
                here.output.line(&format!("retired: {retired}"));
            }
            for problem in problems {
                here.output.line(&format!("{}: {problem}", problem.code()));
                here.output.line(&format!("  hint: {}", problem.advice()));
            }
            if let Ok(site) = &checked {
                here.output.line(&format!("the configuration is usable; digest {}", site.digest()));
            }
        }
        Format::Json => here.output.line(&as_json(&checked).to_string()),
    }
    if problems.is_empty() { Exit::Ok } else { Exit::Config }
}

/// What a check found.
fn as_json(checked: &Result<Site, ConfigErrors>) -> Value {
    match checked {
        Ok(site) => json!({
            "digest": site.digest(),
            "problems": [],
            "retired": site.retired(),
            "notices": site.notices(),
        }),
        Err(errors) => {
            let problems: Vec<Value> = errors
                .problems
                .iter()
                .map(|problem| {
                    json!({
                        "code": problem.code(),
                        "key": problem.key(),
                        "message": problem.to_string(),
                        "advice": problem.advice(),
                    })
                })
                .collect();
            json!({"problems": problems, "retired": errors.retired, "notices": errors.notices})
        }
    }
}

fn print(arguments: &ConfigPrintArguments, here: &mut CommandLine) -> Result<Exit, CliError> {
    let site = Site::read(&arguments.site.files, here.environment(), &[])?;
    match arguments.format.output {
        Format::Text => here.output.bytes(site.to_yaml().as_bytes()),
        Format::Json => {
            let origins: serde_json::Map<String, Value> = site
                .explain()
                .into_iter()
                .map(|explained| (explained.key, explained.origin.to_string().into()))
                .collect();
            let printed = json!({
                "digest": site.digest(),
                "settings": site.to_json(),
                "origins": origins,
                "retired": site.retired(),
                "notices": site.notices(),
            });
            here.output.line(&printed.to_string());
        }
    }
    Ok(Exit::Ok)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;
    use crate::cli::{arguments::Command, output::kept, parse};

    fn command(line: &str) -> (Exit, String, String) {
        let words = ["orchestrator", "config"].into_iter().chain(line.split_whitespace());
        let (mut output, results, remarks) = kept::output();
        let arguments = parse(words.map(OsString::from), &mut output).unwrap();
        let Command::Config(command) = arguments.command else { panic!("{line}") };
        let mut here = CommandLine { output, environment: Vec::new(), directory: "/".into() };
        let exit = run(command, &mut here).unwrap_or_else(|error| error.exit());
        (exit, results.text(), remarks.text())
    }

    fn file(text: &str) -> (tempfile::TempDir, String) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("site.yaml");
        std::fs::write(&path, text).unwrap();
        let path = path.display().to_string();
        (directory, path)
    }

    #[test]
    fn a_check_names_every_problem_and_every_retired_key() {
        let (_directory, path) = file("version: 1\npdc: {}\nyum_prxy: x\nodcs: {}\n");
        let (exit, text, _) = command(&format!("check --config {path}"));
        assert_eq!(exit, Exit::Config);
        for part in [
            &format!("retired: {path}:2: 'pdc' is retired: ")[..],
            &format!(
                "config.unknown_key: {path}:3: there is no setting 'yum_prxy'; did you mean 'yum_proxy'?"
            ),
            &format!("config.bad_value: {path}:4: 'odcs'"),
            "  hint: ",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
        let (exit, text, _) = command(&format!("check --output json --config {path}"));
        let found: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((exit, found["problems"].as_array().unwrap().len()), (Exit::Config, 2));
        assert_eq!(found["retired"][0]["key"], "pdc");
    }

    #[test]
    fn files_are_looked_for_only_when_they_are_wanted() {
        let (_directory, path) = file("git: {ssh_key_file: /nonexistent/key}\n");
        let (exit, text, _) = command(&format!("check --config {path}"));
        assert!(exit == Exit::Config && text.starts_with("config.file: "), "{text}");
        let (exit, text, _) = command(&format!("check --no-files --config {path}"));
        assert!(exit == Exit::Ok && text.contains("usable; digest sha256:"), "{text}");
    }

    #[test]
    fn the_print_tells_origins_to_people_and_programs() {
        let (_directory, path) = file("builds:\n  attempts: 3\n");
        let (exit, text, _) = command(&format!("print --config {path}"));
        assert!(exit == Exit::Ok && text.contains(&format!("# {path}:2\n")), "{text}");
        let (_, text, _) = command(&format!("print --output json --config {path}"));
        let printed: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(printed["settings"]["builds"]["attempts"], 3);
        assert_eq!(printed["origins"]["builds.attempts"], format!("{path}:2"));
        assert_eq!(printed["origins"]["builds.time"], "built in");
    }

    #[test]
    fn both_schemas_are_printed() {
        for (line, key) in [("schema", "labels"), ("schema --v1", "image_labels")] {
            let schema: Value = serde_json::from_str(&command(line).1).unwrap();
            assert!(schema["properties"].get(key).is_some(), "{line}");
        }
    }
}
