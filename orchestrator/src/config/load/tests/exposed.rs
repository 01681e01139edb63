//! User names and passwords in addresses: refused in every layer, shown by nothing.

use super::*;

const SECRET: &str = "hunter2";

/// The problems as CODE KEY.
fn found(errors: &ConfigErrors) -> Vec<String> {
    errors.problems.iter().map(|error| format!("{} {}", error.code(), error.key().unwrap_or("-"))).collect()
}

fn read(text: &str) -> ConfigErrors {
    let layer = SiteLayer::Text { name: "SITE".to_owned(), text: text.to_owned() };
    let errors = Site::read_layers(&[layer], [], &[]).unwrap_err();
    assert!(!format!("{errors} {errors:?}").contains(SECRET), "{text}: {errors:?}");
    errors
}

#[test]
fn a_beaten_password_is_refused_with_its_own_place() {
    let directory = tempfile::tempdir().unwrap();
    let lower = write(directory.path(), "1.yaml", "koji:\n  hub_url: https://u:hunter2@h/\n");
    let upper = write(directory.path(), "2.yaml", "koji: {hub_url: 'https://h/'}\n");
    let errors = Site::read(&[lower, upper], [], &[]).unwrap_err();
    assert_eq!(found(&errors), ["config.secret_in_url koji.hub_url"]);
    let text = format!("{errors} {errors:?}");
    assert!(text.contains("1.yaml:2") && !text.contains(SECRET), "{text}");
    // What lost is noted without it.
    let mut origins = crate::config::Origins::default();
    let layer = Layer::Other(Origin::Flag("--x".to_owned()));
    origins.note("koji.hub_url", &"https://u:hunter2@h/", &layer);
    assert!(!format!("{origins:?}").contains(SECRET), "{origins:?}");
}

#[test]
fn every_setting_that_may_hold_an_address_is_looked_at() {
    for (text, key) in [
        ("koji: {hub_url: 'https://hunter2@h/'}", "koji.hub_url"),
        ("koji: {root_url: 'https://u:hunter2@h/'}", "koji.root_url"),
        ("koji: {bridge: 'u:hunter2@h:1'}", "koji.bridge"),
        ("composes: {api_url: 'u:hunter2@h'}", "composes.api_url"),
        ("repositories: {proxy: 'http://u:hunter2@h:1'}", "repositories.proxy"),
        ("repositories: {allowed_domains: [h, 'u:hunter2@h/x']}", "repositories.allowed_domains"),
        ("artifacts: {allowed_domains: ['https://hunter2@h']}", "artifacts.allowed_domains"),
        ("artifacts: {sources_command: [curl, '--proxy=http://u:hunter2@h']}", "artifacts.sources_command"),
        ("openshift: {url: 'https://u:hunter2/x@h'}", "openshift.url"),
        ("workers: {local: {engine: 'http://u:hunter2@h:1'}}", "workers.local.engine"),
        ("labels: {info_url: 'https://u:hunter2@h/{name}'}", "labels.info_url"),
        ("labels: {set: {a: 'https://hunter2@h'}}", "labels.set.a"),
        ("mail: {host: 'u:hunter2@m', from: a@example.org}", "mail.host"),
        ("policy: {allowed_sources: ['hunter2@h']}", "policy.allowed_sources"),
        ("source_registry: 'u:hunter2@h'", "source_registry"),
        ("service: {listen: 'https://u:hunter2@h:1'}", "service.listen"),
        ("publication: {registries: ['u:hunter2@h']}", "publication.registries"),
        ("version: 1\nregistries: [{url: 'https://u:hunter2@h/v2'}]", "registries[0].url"),
        ("version: 1\nregistries: [{url: 'u:hunter2@h/v2'}]", "registries[0].url"),
        ("version: 1\nsource_registry: {url: 'https://hunter2@h'}", "source_registry.url"),
        ("version: 1\nyum_proxy: 'http://u:hunter2@h:1'", "repositories.proxy"),
    ] {
        let errors = read(text);
        assert_eq!(found(&errors), [format!("config.secret_in_url {key}")], "{text}: {errors}");
    }
    for text in ["mail: {from: a@example.org}", "labels: {set: {a: 'ssh://git@h/x', b: m@example.org}}"] {
        let layer = SiteLayer::Text { name: "SITE".to_owned(), text: text.to_owned() };
        assert!(Site::read_layers(&[layer], [], &[]).is_ok(), "{text}");
    }
}

#[test]
fn errors_about_something_else_quote_no_password_either() {
    for text in [
        "builds: {attempts: 'https://u:hunter2@h'}",
        "default_platforms: ['https://u:hunter2@h']",
        "registries: [{host: 'u:hunter2@h'}]",
        "registries: [{host: 'https://u:hunter2@h', plain: x}]",
        "'https://u:hunter2@h': x",
        "version: 'https://u:hunter2@h'",
        "labels: {set: {'https://u:hunter2@h': x}}",
    ] {
        read(text);
    }
    let long = format!("service: {{listen: 'https://u:hunter2{}@h'}}", "x".repeat(300));
    read(&long);
    let variable = environment("REACTOR__SERVICE__LISTEN", "https://u:hunter2@h:1");
    let errors = Site::load(&[], variable, &[]).unwrap_err();
    assert_eq!(found(&errors), ["config.secret_in_url service.listen"]);
    assert!(!errors.to_string().contains(SECRET), "{errors}");
}
