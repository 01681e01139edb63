use clap::{CommandFactory as _, error::ErrorKind};

use super::*;

fn parse(line: &str) -> Result<Arguments, clap::Error> {
    Arguments::try_parse_from(["orchestrator"].into_iter().chain(line.split_whitespace()))
}

#[test]
fn the_command_line_is_consistent() {
    Arguments::command().debug_assert();
}

#[test]
fn the_documented_lines_are_understood() {
    for line in [
        "build https://x/y.git",
        "build https://x/y.git --ref v1 --platform x86_64 --platform aarch64 --to oci:out",
        "build u --to docker://127.0.0.1:5000/hello --component hello --target t --scratch",
        "build u --isolated --release 12.1 --config a.yaml --config b.d --user mara --output json",
        "build u --build-arg A=1 --label B= --memory 2GiB --time-limit 1h --allow-local-parents --fail-fast",
        "build u --keep-going --state s --no-color",
        "build u --keep-state --dump-request --log-filter info",
        "build u --koji-task 6 --branch f44 --repo-url http://x/y --repo-url http://x/z --image-stream a-b",
        "build u --compose-id 1,2 --compose-id 3 --parent-build fedora-26-9 --filesystem-task 7 --flatpak",
        "build u --signing-intent release --rebuild --triggered-by r.example.org/a:1",
        "build --from-env --to oci:out --platform x86_64 --memory 1GiB --allow-local-parents --keep-going",
        "builds submit --from-env --dump-request",
        "--no-color build u",
        "plan u --ref main --offline --output json --config c --target f44",
        "plan --from-env --config c",
        "explain",
        "explain plan.labels u --ref main --offline --output json",
        "explain --from-env --worker x86_64",
        "builds plan bld_1 --output json",
        "builds explain bld_1 plan.nvr",
        "serve",
        "serve --listen 0.0.0.0:7070 --config c --state s --worker-token-file f --local-worker x86_64",
        "serve --listen unix:/run/reactor.sock --print-config --output json --log-format json",
        "builds submit u --ref main --idempotency-key k --watch --server h:1",
        "builds list --limit 5 --state failed,cancelled --server https://h:1 --token-file t --ca-file c",
        "builds show bld_1 --output json",
        "builds watch bld_1 --after 7",
        "builds logs bld_1 --platform x86_64 --offset 4096 --follow",
        "builds cancel bld_1 --reason why",
        "workers list --server unix:/run/x",
    ] {
        if let Err(error) = parse(line) {
            panic!("{line}: {error}");
        }
    }
}

#[test]
fn mistakes_are_refused_with_their_word() {
    for (line, kind, part) in [
        ("build", ErrorKind::MissingRequiredArgument, "GIT_URI"),
        ("build u --isolated", ErrorKind::MissingRequiredArgument, "--release"),
        ("build u --from-env", ErrorKind::ArgumentConflict, "GIT_URI"),
        ("build u --koji-task 0", ErrorKind::ValueValidation, "koji-task"),
        ("build u --compose-id x", ErrorKind::ValueValidation, "compose-id"),
        ("build u --triggered-by Not:An:Image", ErrorKind::ValueValidation, "triggered-by"),
        ("build u --isolated --scratch --release 1", ErrorKind::ArgumentConflict, "--scratch"),
        ("build u --fail-fast --keep-going", ErrorKind::ArgumentConflict, "--keep-going"),
        ("build u --platform linux/amd64", ErrorKind::ValueValidation, "Koji's name"),
        ("build u --to somewhere", ErrorKind::ValueValidation, "oci:DIR"),
        ("build u --memory lots", ErrorKind::ValueValidation, "2GiB"),
        ("build u --time-limit 5", ErrorKind::ValueValidation, "unit"),
        ("build u --build-arg A", ErrorKind::ValueValidation, "KEY=VALUE"),
        ("build u --output xml", ErrorKind::InvalidValue, "json"),
        ("serve --listen nowhere", ErrorKind::ValueValidation, "HOST:PORT"),
        ("builds list --state lost", ErrorKind::ValueValidation, "cancelled"),
        ("builds list --limit 0", ErrorKind::ValueValidation, "limit"),
        ("builds logs b --offset -1", ErrorKind::UnknownArgument, "-1"),
        ("builds", ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand, "watch"),
        ("", ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand, "serve"),
        ("biuld u", ErrorKind::InvalidSubcommand, "build"),
    ] {
        let error = parse(line).unwrap_err();
        assert_eq!(error.kind(), kind, "{line}: {error}");
        assert!(error.to_string().contains(part), "{line}: {error}");
        assert_eq!(error.exit_code(), 2, "{line}");
    }
}

#[test]
fn a_captured_pod_speaks_for_every_flag_that_says_what_to_build() {
    for flag in [
        "--ref a",
        "--component a",
        "--target a",
        "--scratch",
        "--isolated --release 1.1",
        "--release 1",
        "--user a",
        "--koji-task 1",
        "--branch a",
        "--repo-url http://x/y",
        "--compose-id 1",
        "--signing-intent a",
        "--parent-build 1",
        "--filesystem-task 1",
        "--flatpak",
        "--rebuild",
        "--triggered-by a",
        "--image-stream a",
        "--build-arg A=1",
        "--label a=b",
    ] {
        let error = parse(&format!("build --from-env {flag}")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ArgumentConflict, "{flag}: {error}");
    }
}

#[test]
fn the_version_names_the_contract() {
    let error = parse("--version").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DisplayVersion);
    let text = error.to_string();
    assert!(text.starts_with("orchestrator ") && text.contains(&proto::CONTRACT_DIGEST[..19]), "{text}");
}

#[test]
fn a_server_is_named_by_flag_or_taken_for_local() {
    let Command::Builds(BuildsCommand::Show(show)) = parse("builds show b --server h:1").unwrap().command
    else {
        panic!("another command");
    };
    assert_eq!((show.server.server.to_string().as_str(), show.build.as_str()), ("h:1", "b"));
    // The variable wins over the default, so the test asks the definition.
    let command = Arguments::command();
    let server = command
        .find_subcommand("workers")
        .and_then(|workers| workers.find_subcommand("list"))
        .and_then(|list| list.get_arguments().find(|argument| argument.get_id() == "server"))
        .unwrap();
    assert_eq!(server.get_env().unwrap(), "REACTOR_SERVER");
    assert_eq!(server.get_default_values(), ["127.0.0.1:7070"]);
}
