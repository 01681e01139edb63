//! Whole commands against a service that runs in the test.

mod service;

use std::sync::atomic::Ordering;

use futures::{StreamExt as _, stream};
use proto::v1;
use serde_json::Value;

use super::*;
use crate::cli::{
    arguments::Format,
    client::Client,
    follow::Start,
    output::kept::{self, Kept},
    signals::Signal,
    view::{self, samples},
    watch::{OnSignal, Watched, watch},
};
use service::{Script, Service};

fn records() -> Vec<v1::LogRecord> {
    let mut offset = 0;
    (0..20)
        .map(|number| {
            let platform = if number % 2 == 0 { "x86_64" } else { "aarch64" };
            let record = v1::LogRecord { offset, ..samples::record(platform, &format!("line {number}\n")) };
            offset += record.text.len() as u64;
            record
        })
        .collect()
}

fn script() -> Script {
    Script {
        build: samples::failed(),
        events: samples::failing_build(),
        records: records(),
        ..Script::default()
    }
}

/// Runs a command line; `SERVER` in it is the service's address.
async fn command(line: &str, service: &Service) -> (Exit, String, String) {
    let line = line.replace("SERVER", &service.address);
    let words = ["orchestrator"].into_iter().chain(line.split_whitespace()).map(OsString::from);
    let (mut output, results, remarks) = kept::output();
    let exit = match parse(words, &mut output) {
        Ok(arguments) => {
            let environment = vec![("USER".to_owned(), "caller".to_owned())];
            let mut here = CommandLine { output, environment, directory: "/".into() };
            run(arguments, &mut here).await
        }
        Err(exit) => exit,
    };
    (exit, results.text(), remarks.text())
}

fn json_lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn watching_survives_broken_connections_without_loss_or_repetition() {
    let mut broken = script();
    broken.break_after = 3;
    let service = Service::start(broken).await;
    let (exit, results, remarks) = command("builds watch bld_ --output json --server SERVER", &service).await;
    assert_eq!(exit, Exit::Failed, "{remarks}");
    let lines = json_lines(&results);
    let sequences: Vec<u64> = lines.iter().filter_map(|line| line["event"]["sequence"].as_u64()).collect();
    assert_eq!(sequences, (1..=15).collect::<Vec<_>>());
    let log: String = lines.iter().filter_map(|line| line["log"]["text"].as_str()).collect();
    assert_eq!(log, (0..20).map(|number| format!("line {number}\n")).collect::<String>());
    assert_eq!(lines.last().unwrap()["build"]["state"], "BUILD_STATE_FAILED");
    assert!(service.seen.streams.load(Ordering::Relaxed) > 10, "the connections did break");
    assert!(remarks.contains("connection lost, trying again"), "{remarks}");
    service.stop().await;
}

#[tokio::test]
async fn watching_goes_on_after_a_sequence() {
    let service = Service::start(script()).await;
    let (_, results, _) =
        command("builds watch bld_01 --after 13 --output json --server SERVER", &service).await;
    let sequences: Vec<u64> =
        json_lines(&results).iter().filter_map(|line| line["event"]["sequence"].as_u64()).collect();
    assert_eq!(sequences, [14, 15]);

    let (exit, results, _) = command("builds watch bld_01 --after 15 --server SERVER", &service).await;
    assert_eq!(exit, Exit::Failed, "the end was seen before");
    assert!(!results.contains("ended: failed") && results.contains("failed bld_01"), "{results}");
    service.stop().await;
}

#[tokio::test]
async fn plain_watching_ends_with_the_summary() {
    let service = Service::start(script()).await;
    let (exit, results, _) = command("builds watch bld_01 --server SERVER", &service).await;
    assert_eq!(exit, Exit::Failed);
    for part in [
        "2025-11-25T12:03:45Z build    | accepted: https://git.example.org/hello.git at main",
        "| line 19",
        "failed bld_01 after 25s",
        "failure    RUN false ended with 1 [source.build_failed] in x86_64/build_image",
        "    line 18\n",
    ] {
        assert!(results.contains(part), "{part} is not in:\n{results}");
    }
    service.stop().await;
}

#[tokio::test]
async fn submitting_sends_the_request_and_names_the_build() {
    let service = Service::start(script()).await;
    let line = "builds submit https://x/y --ref main --idempotency-key k-1 --server SERVER";
    let (exit, results, remarks) = command(line, &service).await;
    assert_eq!((exit, results.as_str()), (Exit::Ok, "bld_01\n"));
    assert!(remarks.contains("builds watch bld_01"), "{remarks}");
    let submitted = service.seen.submitted.lock().unwrap().remove(0);
    assert_eq!(submitted.idempotency_key, "k-1");
    let request = submitted.request.unwrap();
    assert_eq!((request.user.as_str(), request.source.unwrap().r#ref.as_str()), ("caller", "main"));

    let (exit, results, _) = command(&format!("{line} --watch --output json"), &service).await;
    assert_eq!(exit, Exit::Failed);
    assert!(json_lines(&results).last().unwrap()["build"]["id"] == "bld_01");
    service.stop().await;
}

#[tokio::test]
async fn a_builds_plan_and_its_origins_are_shown() {
    let service = Service::start(script()).await;
    let (exit, results, remarks) = command("builds plan bld --server SERVER", &service).await;
    assert_eq!(exit, Exit::Ok, "{remarks}");
    assert!(results.starts_with("plan of hello-1.0-3.1\n"), "{results}");
    let (_, results, _) = command("builds plan bld --output json --server SERVER", &service).await;
    assert_eq!(json_lines(&results)[0]["steps"][0]["former_name"], "reactor_config");
    let (exit, results, _) = command("builds explain bld plan.labels.vendor --server SERVER", &service).await;
    assert_eq!(exit, Exit::Ok);
    assert!(results.contains("  beats    me from Dockerfile:3\n"), "{results}");
    let (_, _, remarks) = command("builds explain bld plan.labels.vendor --server SERVER", &service).await;
    assert!(remarks.contains("note: the settings are of now [explain.other_settings]\n"), "{remarks}");
    service.stop().await;
}

#[tokio::test]
async fn planning_and_explaining_need_no_service() {
    let service = Service::start(script()).await;
    let (_, results, remarks) = command("plan https://x/y --offline --output json", &service).await;
    assert!(json_lines(&results)[0]["steps"].is_array(), "{remarks}");
    let (exit, results, _) = command("explain site.builds.attempts", &service).await;
    assert_eq!(exit, Exit::Ok);
    assert!(results.contains("  from     built in\n"), "{results}");
    let (_, again, _) = command("explain site.builds.attempts", &service).await;
    assert_eq!(results, again);
    let (_, results, _) =
        command("explain request https://x/y --target f44 --offline --output json", &service).await;
    let entries = &json_lines(&results)[0]["entries"];
    let target = entries.as_array().unwrap().iter().find(|entry| entry["path"] == "request.target").unwrap();
    assert_eq!((&target["value"], &target["origin"]), (&"f44".into(), &"flag --target".into()));
    for (line, part) in [
        ("explain site.builds.attemts", "near it are site.builds.attempts"),
        ("explain --worker x86_64", "--worker needs a request"),
        ("explain --target f44", "--target needs a request"),
        ("explain site.builds --platform x86_64", "--platform needs a request"),
        ("explain site.builds --dump-request", "--dump-request prints a request"),
        ("explain https://x/y --from-env", "beside --from-env"),
        ("plan https://x/y --label a=1 --label a=2", "--label a is given more than once"),
        ("plan https://u:hunter2@h:99999/x", "request.source_password"),
        ("plan", "GIT_URI"),
    ] {
        let (exit, _, remarks) = command(line, &service).await;
        assert_eq!(exit, Exit::Usage, "{line}");
        assert!(remarks.contains(part), "{line}: {remarks}");
        assert!(!remarks.contains("hunter2"), "{remarks}");
    }
    for path in ["request", "plan.no_such_thing"] {
        let line = format!("explain {path} file:///nonexistent/repository --output json");
        let (exit, results, remarks) = command(&line, &service).await;
        assert_eq!(exit, Exit::Failed, "{remarks}");
        assert!(remarks.contains("problem: cannot read the repository"), "{remarks}");
        let told = json_lines(&results);
        assert!(
            told.iter().all(|told| told["problems"][0]["code"] == "source.no_such_directory"),
            "{results}"
        );
        assert_eq!(told.len(), usize::from(path == "request"));
    }
    let started = std::time::Instant::now();
    let (exit, results, _) = command("plan file:///nonexistent/repository", &service).await;
    assert_eq!(exit, Exit::Failed);
    assert!(
        results.contains("no such directory") && results.contains("[source.no_such_directory]"),
        "{results}"
    );
    assert!(started.elapsed().as_secs() < 4, "a try again would not find it either");
    service.stop().await;
}

#[tokio::test]
async fn dumping_a_request_needs_no_service() {
    let service = Service::start(script()).await;
    let address = service.address.clone();
    for line in
        ["build https://x/y --ref v1 --dump-request", "builds submit https://x/y --ref v1 --dump-request"]
    {
        let (exit, results, _) = command(line, &service).await;
        assert_eq!(exit, Exit::Ok);
        let source = &json_lines(&results)[0]["request"]["source"];
        assert_eq!((&source["uri"], &source["ref"]), (&"https://x/y".into(), &"v1".into()), "{address}");
    }
    assert!(service.seen.submitted.lock().unwrap().is_empty());
    service.stop().await;
}

#[tokio::test]
async fn lists_go_through_all_pages() {
    let service = Service::start(script()).await;
    let count = |text: &str| text.lines().filter(|line| line.starts_with("bld_")).count();
    let (exit, results, _) = command("builds list --server SERVER", &service).await;
    assert_eq!((exit, count(&results)), (Exit::Ok, 6), "{results}");
    let (_, results, _) = command("builds list --limit 3 --server SERVER", &service).await;
    assert_eq!(count(&results), 3, "{results}");
    let (_, results, _) = command("builds list --limit 5 --output json --server SERVER", &service).await;
    assert_eq!(json_lines(&results)[0]["builds"].as_array().unwrap().len(), 5);
    let (exit, results, _) = command("workers list --server SERVER", &service).await;
    assert_eq!(exit, Exit::Ok);
    assert!(results.contains("wrk_a"), "{results}");
    service.stop().await;
}

#[tokio::test]
async fn one_build_is_shown_and_cancelled() {
    let service = Service::start(script()).await;
    let (exit, results, _) = command("builds show bld --server SERVER", &service).await;
    assert_eq!(exit, Exit::Ok, "showing a failed build is no failure");
    assert!(results.contains("advice     run the command by hand"), "{results}");
    let (exit, results, _) =
        command("builds cancel bld --reason late --output json --server SERVER", &service).await;
    assert_eq!((exit, &json_lines(&results)[0]["build"]["id"]), (Exit::Ok, &"bld_01".into()));
    assert_eq!(*service.seen.cancelled.lock().unwrap(), ["late"]);
    service.stop().await;
}

#[tokio::test]
async fn logs_come_exact_or_readable_and_survive_breaks() {
    let mut broken = script();
    broken.break_after = 4;
    let service = Service::start(broken).await;
    let (exit, results, _) = command("builds logs bld_01 --platform x86_64 --server SERVER", &service).await;
    assert_eq!(exit, Exit::Ok);
    assert_eq!(results, (0..20).step_by(2).map(|number| format!("line {number}\n")).collect::<String>());

    let (_, results, _) = command("builds logs bld_01 --offset 120 --server SERVER", &service).await;
    assert_eq!(results.lines().next(), Some("x86_64   | line 16"), "the record that holds byte 120");
    assert_eq!(results.lines().count(), 4);
    service.stop().await;
}

#[tokio::test]
async fn refusals_and_absent_services_say_what_to_do() {
    let service = Service::start(script()).await;
    for (line, exit, parts) in [
        ("builds show bld_9 --server SERVER", Exit::Usage, ["there is no build 'bld_9'", "builds list"]),
        (
            "builds submit u --idempotency-key refused --server SERVER",
            Exit::Usage,
            ["request.source.uri: it is empty", "InvalidArgument"],
        ),
        ("builds list --server 127.0.0.1:1", Exit::Unreachable, ["127.0.0.1:1", "`orchestrator serve`"]),
        (
            "builds list --server SERVER --token-file /nonexistent/t",
            Exit::Config,
            ["/nonexistent/t", "secret"],
        ),
        ("serve --config /nonexistent/c", Exit::Config, ["/nonexistent/c", "hint:"]),
        ("serve --state /dev/null/x", Exit::Config, ["state.directory", "/dev/null/x"]),
        ("frobnicate", Exit::Usage, ["frobnicate", "--help"]),
    ] {
        let (ended, results, remarks) = command(line, &service).await;
        assert_eq!(ended, exit, "{line}: {remarks}");
        assert_eq!(results, "", "{line}");
        for part in parts {
            assert!(remarks.contains(part), "{line}: {part} is not in:\n{remarks}");
        }
    }
    service.stop().await;
}

#[tokio::test]
async fn the_effective_configuration_is_printed() {
    let service = Service::start(script()).await;
    let (exit, results, _) = command("serve --listen 127.0.0.1:9 --print-config", &service).await;
    assert_eq!(exit, Exit::Ok);
    assert!(results.contains("# flag --listen"), "{results}");
    let (_, results, _) = command("serve --print-config --output json", &service).await;
    assert_eq!(json_lines(&results)[0]["builds"]["max_running"], 8);
    service.stop().await;
}

/// Watches the held build of a service while `signals` come.
async fn watch_with(signals: Vec<Signal>, on_signal: OnSignal) -> (Watched, Vec<String>, String, Kept) {
    let mut held = script();
    held.build.state = v1::BuildState::Cancelled.into();
    held.hold_events_at = Some(9);
    let service = Service::start(held).await;
    let address = service.address.parse().unwrap();
    let client = Client::new(&address, None, None).await.unwrap();
    let (mut output, results, remarks) = kept::output();
    let mut view = view::choose(&mut output, Format::Text);
    let signals = stream::iter(signals).chain(stream::pending());
    let watched =
        watch(&client, "bld_01", Start::default(), view.as_mut(), signals, on_signal).await.unwrap();
    drop(view);
    let cancelled = service.seen.cancelled.lock().unwrap().clone();
    drop(client);
    service.stop().await;
    (watched, cancelled, remarks.text(), results)
}

#[tokio::test]
async fn the_first_signal_cancels_and_the_end_is_still_shown() {
    for (signal, exit, reason) in
        [(Signal::Interrupt, Exit::Interrupted, "Ctrl-C"), (Signal::Terminate, Exit::Terminated, "SIGTERM")]
    {
        let (watched, cancelled, remarks, results) = watch_with(vec![signal], OnSignal::Cancel).await;
        assert_eq!(watched, Watched { exit, left: false });
        assert_eq!(cancelled, [reason]);
        assert!(remarks.contains("cancelling; press again to leave at once"), "{remarks}");
        assert!(results.text().contains("cancelled bld_01"), "{}", results.text());
    }
}

#[tokio::test]
async fn the_second_signal_leaves_at_once() {
    let signals = vec![Signal::Terminate, Signal::Interrupt];
    let (watched, _, remarks, results) = watch_with(signals, OnSignal::Cancel).await;
    assert_eq!(watched, Watched { exit: Exit::Interrupted, left: true });
    assert!(remarks.contains("leaving at once"), "{remarks}");
    assert!(!results.text().contains("cancelled bld_01"));
}

#[tokio::test]
async fn leaving_a_services_build_does_not_cancel_it() {
    let (watched, cancelled, remarks, _) = watch_with(vec![Signal::Interrupt], OnSignal::Leave).await;
    assert_eq!(watched, Watched { exit: Exit::Interrupted, left: true });
    assert!(cancelled.is_empty());
    assert!(remarks.contains("builds cancel bld_01"), "{remarks}");
}
