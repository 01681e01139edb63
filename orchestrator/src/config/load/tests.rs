use std::path::Path;

use super::*;

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
    assert_eq!(load(&[], &[]), (2, 5, Origin::File(second)));

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
