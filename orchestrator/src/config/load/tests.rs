//! What the layers make together, and what is wrong with them.

mod exposed;
mod sources;

use std::path::Path;

use super::*;
use crate::config::Problem;

fn write(directory: &Path, name: &str, text: &str) -> PathBuf {
    let path = directory.join(name);
    fs::write(&path, text).unwrap();
    path
}

fn environment(name: &str, value: &str) -> [(String, String); 1] {
    [(name.to_owned(), value.to_owned())]
}

fn error_of(text: &str) -> String {
    let directory = tempfile::tempdir().unwrap();
    let file = write(directory.path(), "site.yaml", text);
    let error = Site::load(&[file], [], &[]).unwrap_err().to_string();
    error.replace(&directory.path().display().to_string(), "DIR")
}

#[test]
fn later_layers_win_in_the_documented_order() {
    let directory = tempfile::tempdir().unwrap();
    let first = write(directory.path(), "a.yaml", "builds: {max_running: 1, attempts: 5}\n");
    let second = write(directory.path(), "b.yaml", "builds: {max_running: 2}\n");
    let files = [first, second.clone()];
    let load = |environment: &[(String, String)], flags: &[FlagSetting]| {
        let site = Site::load(&files, environment.iter().cloned(), flags).unwrap();
        let origin = site.origins().of("builds.max_running").clone();
        (site.builds.max_running, site.builds.attempts, origin)
    };
    assert_eq!(load(&[], &[]), (2, 5, Origin::File { path: second, line: Some(1), key: None }));

    let variable = environment("REACTOR__BUILDS__MAX_RUNNING", "3");
    assert_eq!(load(&variable, &[]), (3, 5, Origin::Environment("REACTOR__BUILDS__MAX_RUNNING".to_owned())));

    let flag = FlagSetting { flag: "--max-running", key: "builds.max_running", text: "4".to_owned() };
    assert_eq!(load(&variable, &[flag]), (4, 5, Origin::Flag("--max-running".to_owned())));
}

#[test]
fn a_directory_means_its_yaml_files_by_name() {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), "20-last.yaml", "builds: {attempts: 20}\n");
    write(directory.path(), "10-first.yaml", "builds: {attempts: 10, max_running: 10}\n");
    write(directory.path(), "30-empty.yaml", "# nothing yet\n\n");
    write(directory.path(), "notes.txt", "not: [yaml\n");
    let site = Site::load(&[directory.path().to_owned()], [], &[]).unwrap();
    assert_eq!((site.builds.attempts, site.builds.max_running), (20, 10));
}

#[test]
fn foreign_variables_are_left_alone() {
    let mut variables = environment("REACTOR_SERVER", "x").to_vec();
    variables.extend(environment("PATH", "/bin"));
    assert_eq!(Site::load(&[], variables, &[]).unwrap(), Site::default());
}

#[test]
fn lists_and_options_come_from_the_environment() {
    let mut variables = environment("REACTOR__DEFAULT_PLATFORMS", "x86_64,aarch64").to_vec();
    variables.extend(environment("REACTOR__BUILDS__MEMORY", "2GiB"));
    variables.extend(environment("REACTOR__WORKERS__LOCAL__SLOTS", "2"));
    let site = Site::load(&[], variables, &[]).unwrap();
    assert_eq!(site.default_platforms().len(), 2);
    assert_eq!(site.limits().memory_bytes, Some(2 << 30));
    assert_eq!(site.workers.local.slots, 2);
}

#[test]
fn bad_files_are_refused_with_file_key_and_advice() {
    for (text, parts) in [
        ("service: {lisen: x}\n", &["DIR/site.yaml", "lisen", "did you mean 'listen'?"][..]),
        ("bilds: {}\n", &["DIR/site.yaml", "bilds", "did you mean 'builds'?"]),
        ("builds: {time: 15}\n", &["DIR/site.yaml", "15", "unit"]),
        ("builds: {failure_policy: stop}\n", &["stop", "stop_others"]),
        ("platforms: {X86: {}}\n", &["X86", "platform"]),
        ("platforms: {vax: {}}\n", &["'platforms.vax'", "DIR/site.yaml", "architecture"]),
        ("platforms: {s390x: {enabled: false}}\ndefault_platforms: [s390x]\n", &["s390x is disabled"]),
        ("platforms: {x: {architecture: y, varient: z}}\n", &["varient", "did you mean 'variant'?"]),
        ("default_platforms: []\n", &["'default_platforms'", "at least one"]),
        ("builds: {attempts: 0}\n", &["'builds.attempts'", "at least 1"]),
        ("workers: {heartbeat_timeout: 6s}\n", &["'workers.heartbeat_timeout'", "twice"]),
        ("workers: {log_window: 1KiB}\n", &["'workers.log_window'", "64KiB"]),
        (
            "service: {tls: {key_file: /dev/null}}\n",
            &["'service.tls.key_file'", "certificate_file is missing"],
        ),
        (
            "service: {tls: {certificate_file: /etc/hostname, key_file: /etc/hostname}}\n\
             workers: {local: {platforms: [x86_64]}}\n",
            &["'workers.local.platforms'", "together with service.tls"],
        ),
        (
            "koji: {bridge: 'https://h:1', tls: {key_file: /dev/null}}\n",
            &["'koji.tls.key_file'", "koji.tls.certificate_file is missing"],
        ),
        (
            "koji: {bridge: 'https://h:1', tls: {ca_file: /nonexistent/ca}}\n",
            &["'koji.tls.ca_file'", "/nonexistent/ca"],
        ),
        ("koji: {bridge: 'h:1', tls: {ca_file: /etc/hostname}}\n", &["'koji.bridge'", "https://HOST:PORT"]),
        ("workers: {reattach_window: 0s}\n", &["'workers.reattach_window'", "longer than nothing"]),
        ("builds: {max_image: 0MiB}\n", &["'builds.max_image'", "larger than nothing"]),
        ("workers: {local: {registry_config: /nonexistent/c}}\n", &["'workers.local.registry_config'"]),
        ("service: {listen: 'https://h:1'}\n", &["'service.listen'", "https needs"]),
        ("service: {listen: 'localhost'}\n", &["localhost", "HOST:PORT"]),
        (
            "service: {worker_token_file: /nonexistent/x}\n",
            &["'service.worker_token_file'", "/nonexistent/x"],
        ),
        ("registries: [{host: a.example, ca_file: /nonexistent/ca}]\n", &["'registries'", "/nonexistent/ca"]),
        ("registries: [{host: a.example}, {host: a.example}]\n", &["listed twice"]),
        ("builds: [\n", &["DIR/site.yaml"]),
        ("builds: {attempts: 1, attempts: 2}\n", &["DIR/site.yaml", "attempts"]),
    ] {
        let error = error_of(text);
        for part in parts {
            assert!(error.contains(part), "{text}{part} is not in: {error}");
        }
    }
}

#[test]
fn every_problem_of_every_layer_is_reported_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let text = "\
bilds: {}
builds:
  attempts: 0
  time: 15
  atempts: 1
  max_running: many
image_labels: {a: b}
registries:
- host: a.example
  plain_htp: true
koji: {hub_url: 'http://u:secret@h/'}
";
    let first = write(directory.path(), "a.yaml", text);
    let second = write(directory.path(), "b.yaml", "default_platforms: []\nmail: {hots: x}\n");
    let variables = environment("REACTOR__BUILDS__ATEMPTS", "1");
    let flag = FlagSetting { flag: "--local-worker", key: "workers.local.platforms", text: "vax".to_owned() };
    let missing = PathBuf::from("/nonexistent/site.yaml");
    let errors = Site::load(&[first, second, missing], variables, &[flag]).unwrap_err();
    let found: Vec<String> = errors
        .problems
        .iter()
        .map(|error| format!("{} {}", error.code(), error.key().unwrap_or("-")))
        .collect();
    let expected = [
        "config.unknown_key bilds",
        "config.unknown_key builds.atempts",
        "config.unknown_key image_labels",
        "config.unknown_key registries[0].plain_htp",
        "config.bad_value builds.max_running",
        "config.bad_value builds.time",
        "config.unknown_key mail.hots",
        "config.unreadable -",
        "config.unknown_key builds.atempts",
        "config.out_of_range builds.attempts",
        "config.unknown_platform workers.local.platforms",
        "config.secret_in_url koji.hub_url",
    ];
    assert_eq!(sorted(&found), sorted(&expected), "{errors}");
    let text = errors.to_string();
    for part in [
        "a.yaml:1: there is no setting 'bilds'; did you mean 'builds'?",
        "a.yaml:5: there is no setting 'builds.atempts'; did you mean 'attempts'?",
        "a.yaml:7: there is no setting 'image_labels'; did you mean 'labels.set'?",
        "a.yaml:10: there is no setting 'registries[0].plain_htp'; did you mean 'plain_http'?",
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    assert!(!text.contains("secret"), "{text}");
}

fn sorted<T: AsRef<str>>(list: &[T]) -> Vec<&str> {
    let mut list: Vec<&str> = list.iter().map(AsRef::as_ref).collect();
    list.sort_unstable();
    list
}

#[test]
fn every_problem_has_a_code_of_its_own_and_an_advice() {
    let mut codes: Vec<&str> = Problem::ALL.iter().map(|problem| problem.code()).collect();
    codes.extend(ConfigError::READING_CODES);
    let number = codes.len();
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), number);
    assert!(codes.iter().all(|code| code.starts_with("config.")), "{codes:?}");
    assert!(Problem::ALL.iter().all(|problem| problem.advice().len() > 10));
}

#[test]
fn settings_about_other_systems_are_checked() {
    for (text, code, key) in [
        ("koji: {hub_url: 'ftp://h'}", "config.bad_url", "koji.hub_url"),
        ("koji: {root_url: nothing}", "config.bad_url", "koji.root_url"),
        ("repositories: {proxy: 'http://u:p@proxy:1'}", "config.secret_in_url", "repositories.proxy"),
        ("labels: {set: {'a b': c}}", "config.bad_label_name", "labels.set.a b"),
        ("labels: {equal: [[a]]}", "config.equal_labels", "labels.equal"),
        ("labels: {equal: [[a, a]]}", "config.equal_labels", "labels.equal"),
        ("labels: {equal: [[a, 'b/']]}", "config.bad_label_name", "labels.equal"),
        (
            "composes: {default_signing_intent: spam}",
            "config.unknown_signing_intent",
            "composes.default_signing_intent",
        ),
        (
            "composes: {signing_intents: [{name: a, keys: []}, {name: a, keys: []}]}",
            "config.duplicate",
            "composes.signing_intents",
        ),
        (
            "composes: {token_directory: /a, certificate_directory: /b}",
            "config.contradiction",
            "composes.token_directory",
        ),
        ("artifacts: {allowed_domains: ['http://h']}", "config.bad_domain", "artifacts.allowed_domains"),
        ("policy: {allowed_sources: ['h/path']}", "config.bad_domain", "policy.allowed_sources"),
        ("policy: {allowed_targets: ['a[']}", "config.bad_pattern", "policy.allowed_targets"),
        ("pools: {vax: []}", "config.unknown_platform", "pools.vax"),
        (
            "pools: {x86_64: [{name: a, max_builds: 1}, {name: a, max_builds: 2}]}",
            "config.duplicate",
            "pools.x86_64",
        ),
        ("mail: {host: m.example}", "config.missing", "mail.host"),
        ("mail: {from: ''}", "config.bad_mail_address", "mail.from"),
        ("mail: {error_addresses: ['A <a@example.org>']}", "config.bad_mail_address", "mail.error_addresses"),
        ("mail: {additional_addresses: [a]}", "config.bad_mail_address", "mail.additional_addresses"),
        ("mail: {domain: 'a b'}", "config.bad_domain", "mail.domain"),
        ("mail: {port: 65536}", "config.out_of_range", "mail.port"),
        ("mail: {user: u}", "config.missing", "mail.user"),
        ("mail: {password_file: /p}", "config.missing", "mail.password_file"),
        ("mail: {user: u, password_file: /p}", "config.contradiction", "mail.user"),
        ("mail: {ca_file: /ca.pem}", "config.contradiction", "mail.ca_file"),
        // S11
        ("mail: {send_on: [unknown_state]}", "config.bad_value", "mail.send_on"),
        ("webhooks: [{url: 'ftp://h/x'}]", "config.bad_url", "webhooks"),
        ("webhooks: [{url: 'https://h/x'}, {url: 'https://h/x'}]", "config.duplicate", "webhooks"),
        ("openshift: {token_file: /x}", "config.missing", "openshift.token_file"),
        ("publication: {registries: [a.example, a.example]}", "config.duplicate", "publication.registries"),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let file = write(directory.path(), "site.yaml", text);
        let errors = Site::read(&[file], [], &[]).unwrap_err();
        let found: Vec<_> = errors.problems.iter().map(|error| (error.code(), error.key())).collect();
        assert_eq!(found, [(code, Some(key))], "{text}: {errors}");
    }
}

#[test]
fn bad_variables_and_flags_are_named() {
    for (variable, value, parts) in [
        (
            "REACTOR__BUILDS__MAX_RUNING",
            "1",
            &["REACTOR__BUILDS__MAX_RUNING", "did you mean 'builds.max_running'?"][..],
        ),
        ("REACTOR__BUILDS__MAX_RUNNING", "many", &["REACTOR__BUILDS__MAX_RUNNING", "whole number"]),
        ("REACTOR__BUILDS", "1", &["it is a section"]),
        ("REACTOR__PLATFORMS", "x", &["configuration file"]),
        ("REACTOR__LABELS__SET__VENDOR", "x", &["REACTOR__LABELS__SET__VENDOR", "configuration file"]),
        ("REACTOR__LABELS__EQUAL", "a,b", &["REACTOR__LABELS__EQUAL", "configuration file"]),
    ] {
        let error = Site::load(&[], environment(variable, value), &[]).unwrap_err().to_string();
        for part in parts {
            assert!(error.contains(part), "{part} is not in: {error}");
        }
    }
    let flag = FlagSetting { flag: "--local-worker", key: "workers.local.platforms", text: "vax".to_owned() };
    let error = Site::load(&[], [], &[flag]).unwrap_err().to_string();
    assert!(error.contains("flag --local-worker") && error.contains("vax"), "{error}");
}

#[test]
fn a_missing_file_is_an_error() {
    let error = Site::load(&[PathBuf::from("/nonexistent/site.yaml")], [], &[]).unwrap_err().to_string();
    assert!(error.contains("/nonexistent/site.yaml"), "{error}");
}

#[test]
fn a_file_of_nothing_but_unknown_keys_is_soon_done() {
    let directory = tempfile::tempdir().unwrap();
    let text: String = (0..30_000).map(|number| format!("k{number}: {number}\n")).collect();
    let file = write(directory.path(), "site.yaml", &text);
    let errors = Site::load(&[file], [], &[]).unwrap_err();
    assert_eq!(errors.problems.len(), 100);
}
