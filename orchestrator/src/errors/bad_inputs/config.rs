//! Configurations of a site that cannot be used.

use super::{Told, held, none_of};
use crate::config::Site;

/// Name, text of the file, code, what the message says.
const ROWS: &[(&str, &str, &str, &str)] = &[
    ("a list that is not closed", "builds: [\n", "config.not_yaml", "site.yaml"),
    ("the former form, from the future", "version: 7\n", "config.unknown_version", "7"),
    ("a misspelt key", "service: {lisen: x}\n", "config.unknown_key", "lisen"),
    ("a time without unit", "builds: {time: 15}\n", "config.bad_value", "builds.time"),
    ("no attempt at all", "builds: {attempts: 0}\n", "config.out_of_range", "builds.attempts"),
    ("a platform of no kind", "platforms: {vax: {}}\n", "config.unknown_platform", "platforms.vax"),
    (
        "a platform that is off, by default",
        "platforms: {s390x: {enabled: false}}\ndefault_platforms: [s390x]\n",
        "config.disabled_platform",
        "default_platforms",
    ),
    ("mail from nobody", "mail: {host: smtp.example.org}\n", "config.missing", "mail.from"),
    (
        "a mail address with a display name",
        "mail: {additional_addresses: ['A <a@example.org>']}\n",
        "config.bad_mail_address",
        "mail.additional_addresses",
    ),
    (
        "an authority for no TLS",
        "registries: [{host: a.example, plain_http: true, ca_file: /ca.pem}]\n",
        "config.contradiction",
        "a.example",
    ),
    (
        "a registry twice",
        "registries: [{host: a.example}, {host: a.example}]\n",
        "config.duplicate",
        "a.example",
    ),
    ("a hub by ftp", "koji: {hub_url: 'ftp://koji.example.org/'}\n", "config.bad_url", "koji.hub_url"),
    (
        "a password in a proxy",
        "repositories: {proxy: 'http://me:secret@proxy.example.org:3128'}\n",
        "config.secret_in_url",
        "repositories.proxy",
    ),
    (
        "a domain with a scheme",
        "artifacts: {allowed_domains: ['https://h/x']}\n",
        "config.bad_domain",
        "https://h/x",
    ),
    ("a label with a space", "labels: {set: {'a b': c}}\n", "config.bad_label_name", "a b"),
    ("a label equal to itself", "labels: {equal: [[a]]}\n", "config.equal_labels", "[a]"),
    (
        "an intent that is not listed",
        "composes: {default_signing_intent: gold}\n",
        "config.unknown_signing_intent",
        "gold",
    ),
    (
        "an open bracket",
        "policy: {allowed_targets: ['f[44']}\n",
        "config.bad_pattern",
        "policy.allowed_targets",
    ),
    (
        "a registry with a scheme",
        "source_registry: 'https://r.example.org'\n",
        "config.bad_registry",
        "source_registry",
    ),
    (
        "a token that is not there",
        "service: {worker_token_file: /nonexistent/token}\n",
        "config.file",
        "/nonexistent/token",
    ),
];

const UNREADABLE: &str = "config.unreadable";

pub(super) fn codes() -> Vec<&'static str> {
    ROWS.iter().map(|row| row.2).chain([UNREADABLE]).collect()
}

/// What a site's file makes people hear.
pub(super) fn told(text: impl AsRef<[u8]>) -> Vec<Told> {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("site.yaml");
    std::fs::write(&file, text).unwrap();
    Site::load(&[file], [], &[]).err().iter().flat_map(|errors| &errors.problems).map(Told::from).collect()
}

#[test]
fn each_problem_has_its_own_answer() {
    assert!(told("").is_empty());
    none_of(ROWS.iter().map(|(name, text, code, says)| held(name, code, says, &told(text))));
    let missing = Site::load(&["/nonexistent/site.yaml".into()], [], &[]).unwrap_err();
    let told: Vec<Told> = missing.problems.iter().map(Told::from).collect();
    none_of([held("a file that is not there", UNREADABLE, "/nonexistent/site.yaml", &told)]);
}
