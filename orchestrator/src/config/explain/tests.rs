use std::path::{Path, PathBuf};

use super::*;
use crate::config::FlagSetting;

fn file(directory: &Path, name: &str, text: &str) -> PathBuf {
    let path = directory.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

/// A line for each effective value: what, who, whom that one beat.
fn lines(site: &Site) -> Vec<String> {
    site.explain()
        .into_iter()
        .map(|explained| {
            let beaten: Vec<String> =
                explained.beaten.iter().map(|said| format!("{} {}", said.value, said.origin)).collect();
            format!(
                "{} = {} by {} over [{}]",
                explained.key,
                explained.value,
                explained.origin,
                beaten.join("; ")
            )
        })
        .collect()
}

#[test]
fn every_leaf_has_an_origin_and_its_chain() {
    let directory = tempfile::tempdir().unwrap();
    let first = file(directory.path(), "1.yaml", "builds:\n  attempts: 3\nlabels: {set: {vendor: A}}\n");
    let second = file(directory.path(), "2.yaml", "# later\nlabels:\n  set:\n    vendor: B\n    a.b: c\n");
    let environment = [("REACTOR__BUILDS__ATTEMPTS".to_owned(), "4".to_owned())];
    let flag = FlagSetting { flag: "--attempts", key: "builds.attempts", text: "5".to_owned() };
    let site = Site::load(&[first.clone(), second.clone()], environment, &[flag]).unwrap();
    let (lines, first, second) = (lines(&site), first.display(), second.display());
    for expected in [
        format!(
            "builds.attempts = 5 by flag --attempts over \
             [4 environment variable REACTOR__BUILDS__ATTEMPTS; 3 {first}:2; 2 built in]"
        ),
        format!("labels.set.vendor = \"B\" by {second}:4 over [\"A\" {first}:3]"),
        format!("labels.set.a.b = \"c\" by {second}:5 over []"),
        "builds.time = \"4h\" by built in over []".to_owned(),
        "platforms = {} by built in over []".to_owned(),
        "koji.hub_url = null by built in over []".to_owned(),
    ] {
        assert!(lines.contains(&expected), "{expected} is not in\n{}", lines.join("\n"));
    }
    let mut sorted = site.explain();
    sorted.sort_by(|one, other| one.key.cmp(&other.key));
    assert_eq!(sorted, site.explain());
    assert!(sorted.iter().all(|explained| explained.meaning.len() > 10));
    assert!(sorted.len() >= Site::keys().len());
}

#[test]
fn one_changed_layer_changes_its_own_lines_only() {
    let directory = tempfile::tempdir().unwrap();
    let base = "builds: {attempts: 3, time: 1h}\nlabels: {set: {vendor: A, other: X}}\n";
    let first = file(directory.path(), "1.yaml", base);
    let read = |second: &str, environment: &[(&str, &str)]| {
        let second = file(directory.path(), "2.yaml", second);
        let environment = environment.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
        lines(&Site::load(&[first.clone(), second], environment, &[]).unwrap())
    };
    let before = read("# nothing\n", &[]);
    for (second, environment, changed) in [
        ("builds: {attempts: 4}\n", &[][..], &["builds.attempts"][..]),
        // The same value from elsewhere is another origin.
        ("builds: {attempts: 3}\n", &[], &["builds.attempts"]),
        ("labels: {set: {vendor: B}}\n", &[], &["labels.set.vendor"]),
        ("labels: {set: {new: B}}\n", &[], &["labels.set.new"]),
        ("# nothing\n", &[("REACTOR__BUILDS__TIME", "2h")], &["builds.time"]),
        (
            "koji: {hub_url: 'https://h/hub', root_url: 'https://h/'}\n",
            &[("REACTOR__GIT__TIMEOUT", "1m")],
            &["git.timeout", "koji.hub_url", "koji.root_url"],
        ),
        ("builds: {attempts: }\n", &[], &[]),
    ] {
        let after = read(second, environment);
        let new: Vec<&str> = after
            .iter()
            .filter(|line| !before.contains(line))
            .map(|line| line.split(' ').next().unwrap())
            .collect();
        assert_eq!(new, changed, "{second}");
        let gone = before.iter().filter(|line| !after.contains(line)).count();
        assert!(gone <= changed.len());
    }
}

#[test]
fn the_digest_is_that_of_the_values_alone() {
    let directory = tempfile::tempdir().unwrap();
    let digest = |text: &str| {
        let path = file(directory.path(), "site.yaml", text);
        Site::load(&[path], [], &[]).unwrap().digest()
    };
    assert_eq!(digest("builds: {attempts: 2}\n"), Site::default().digest());
    assert_eq!(digest("builds: {attempts: 3, time: 1h}\n"), digest("builds:\n  time: 60m\n  attempts: 3\n"));
    assert_ne!(digest("builds: {attempts: 3}\n"), Site::default().digest());
}

#[test]
fn secrets_show_as_present_with_a_fingerprint() {
    let directory = tempfile::tempdir().unwrap();
    let secret = file(directory.path(), "token", "hunter2");
    let text = format!(
        "service: {{worker_token_file: {}, client_token_file: /nonexistent/token}}\n\
         composes: {{token_directory: {}}}\n\
         registries: [{{host: a.example, credentials_file: {}}}]\n",
        secret.display(),
        directory.path().display(),
        secret.display(),
    );
    let site = Site::read(&[file(directory.path(), "site.yaml", &text)], [], &[]).unwrap();
    let explained = site.explain();
    let files =
        |key: &str| explained.iter().find(|explained| explained.key == key).unwrap().secret_files.clone();
    let present = SecretFile { path: secret, present: true, fingerprint: Some("f52fbd32".to_owned()) };
    for key in ["service.worker_token_file", "composes.token_directory", "registries.a.example"] {
        assert_eq!(files(key), std::slice::from_ref(&present), "{key}");
        assert!(Site::names_secrets(key), "{key}");
    }
    assert!(!files("service.client_token_file")[0].present);
    assert!(files("builds.time").is_empty() && !Site::names_secrets("builds.time"));
    let all = format!("{}{}{explained:?}", site.to_yaml(), site.to_json());
    assert!(!all.contains("hunter2"));
}

#[test]
fn keys_with_secrets_are_keys() {
    let keys = Site::keys();
    let secret = keys.iter().filter(|key| Site::names_secrets(&key.name)).count();
    assert_eq!(secret, 14);
    for key in keys.iter().filter(|key| key.name.ends_with("_file") || key.name.ends_with("_directory")) {
        let public = [
            "service.tls.certificate_file",
            "git.ssh_known_hosts_file",
            "koji.tls.ca_file",
            "koji.tls.certificate_file",
            "mail.ca_file",
        ]
        .contains(&key.name.as_str());
        assert_eq!(Site::names_secrets(&key.name), !public, "{}", key.name);
    }
}

#[test]
fn every_registry_has_a_line_and_an_origin_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let text = "version: 1\nregistries:\n- {url: 'http://a.example/v2'}\n- {url: 'http://b.example/v2'}\n\
                source_registry: {url: 'http://c.example'}\n";
    let first = file(directory.path(), "1.yaml", text);
    let site = Site::read(std::slice::from_ref(&first), [], &[]).unwrap();
    let origins = |site: &Site| -> Vec<(String, String)> {
        let registries = site.explain().into_iter().filter(|leaf| leaf.key.starts_with("registries"));
        registries.map(|leaf| (leaf.key, leaf.origin.to_string())).collect()
    };
    let own = |entries: &[(&str, String)]| -> Vec<(String, String)> {
        entries.iter().map(|(host, origin)| (format!("registries.{host}"), origin.clone())).collect()
    };
    let (one, printed) = (first.display(), site.to_yaml());
    let expected = own(&[
        ("a.example", format!("{one}:3 (registries[0])")),
        ("b.example", format!("{one}:4 (registries[1])")),
        ("c.example", format!("{one}:5 (source_registry)")),
    ]);
    assert_eq!(origins(&site), expected);
    for (_, origin) in expected {
        assert!(printed.contains(&format!("# {origin}\n")), "{origin} is not in\n{printed}");
    }
    let read_back = Site::read(&[file(directory.path(), "again.yaml", &printed)], [], &[]).unwrap();
    assert_eq!(read_back.settings, site.settings);

    let second = file(directory.path(), "2.yaml", "registries:\n- {host: z.example}\n- {host: b.example}\n");
    let site = Site::read(&[first, second.clone()], [], &[]).unwrap();
    let two = second.display();
    assert_eq!(
        origins(&site),
        own(&[("b.example", format!("{two}:3")), ("z.example", format!("{two}:2"))]),
        "the list of a later file replaces an earlier one"
    );
    let explained = site.explain();
    let beaten = &explained.iter().find(|leaf| leaf.key == "registries.b.example").unwrap().beaten;
    assert_eq!((beaten.len(), &beaten[0].value["plain_http"]), (1, &Value::Bool(true)));
}

#[test]
fn the_current_directory_is_an_origin_and_not_in_the_digest() {
    let site = Site::default();
    let here = site.clone().or_layout_root(Path::new("/here")).or_state_directory(Path::new("/state"));
    assert_eq!(here.origins().of("publication.layout_root").to_string(), "the current directory");
    assert_eq!(here.digest(), site.digest());
    let directory = tempfile::tempdir().unwrap();
    let named = file(directory.path(), "1.yaml", "publication: {layout_root: /here}\n");
    let named = Site::read(&[named], [], &[]).unwrap().or_layout_root(Path::new("/elsewhere"));
    assert_eq!(named.publication.layout_root.as_deref(), Some(Path::new("/here")));
    assert_ne!(named.digest(), site.digest(), "a directory that somebody named counts");
}
