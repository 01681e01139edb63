//! Holds the annotated configuration and the table of settings to the types.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::config::Site;

fn in_repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// What a key has in a tree of settings.
fn at<'a>(settings: &'a Value, key: &str) -> &'a Value {
    key.split('.').fold(settings, |value, part| &value[part])
}

/// The row of a key, as it must stand in `docs/operating.md`.
fn row(name: &str, meaning: &str) -> String {
    let defaults = Site::default().to_json();
    let default = match at(&defaults, name) {
        Value::Null => String::new(),
        Value::String(text) => format!("`{text}`"),
        other => format!("`{other}`").replace(['"'], ""),
    };
    format!("| `{name}` | {default} | {meaning} |")
}

#[test]
fn the_annotated_configuration_is_all_defaults() {
    let site = Site::load(&[in_repository("deploy/config.yaml")], [], &[]).unwrap();
    assert_eq!(site.settings, Site::default().settings);
}

#[test]
fn the_annotated_configuration_has_every_key() {
    let text = std::fs::read(in_repository("deploy/config.yaml")).unwrap();
    let written: Value = common::yaml::read("deploy/config.yaml", &text).unwrap();
    for key in Site::keys() {
        let (section, name) = key.name.rsplit_once('.').unwrap_or(("", &key.name));
        let section = if section.is_empty() { &written } else { at(&written, section) };
        assert!(section.get(name).is_some(), "{} is not in deploy/config.yaml", key.name);
    }
}

#[test]
fn the_examples_in_its_comments_are_valid() {
    let text = std::fs::read_to_string(in_repository("deploy/config.yaml")).unwrap();
    // An example is what stands three blanks deep in a comment.
    let example = text.lines().filter_map(|line| line.trim_start().strip_prefix("#   "));
    let example: Vec<&str> = example.filter(|line| !line.starts_with("orchestrator")).collect();
    let directory = tempfile::tempdir().unwrap();
    let (file, named) = (directory.path().join("example.yaml"), directory.path().join("named"));
    std::fs::write(&named, "x").unwrap();
    // The files that it names are elsewhere.
    let example = ["/etc/pki/example-ca.pem", "/run/secrets/reactor/registry.json"]
        .into_iter()
        .fold(example.join("\n"), |text, path| text.replace(path, &named.display().to_string()));
    std::fs::write(&file, &example).unwrap();
    let site = Site::load(&[file], [], &[]).unwrap();
    assert_eq!((site.platforms.len(), site.registries.len()), (3, 2), "{example}");
    assert_eq!((site.pools.len(), site.labels.set.len(), site.composes.signing_intents.len()), (1, 1, 2));
}

#[test]
fn the_operating_guide_lists_every_key() {
    let guide = std::fs::read_to_string(in_repository("docs/operating.md")).unwrap();
    let missing: Vec<String> = Site::keys()
        .into_iter()
        .map(|key| row(&key.name, &key.meaning))
        .filter(|row| !guide.contains(row.as_str()))
        .collect();
    assert!(missing.is_empty(), "docs/operating.md lacks these rows:\n{}", missing.join("\n"));
}

#[test]
fn the_schemas_are_those_of_the_types() {
    for (file, flag, schema) in [
        ("deploy/config.schema.json", "", Site::schema()),
        ("deploy/config-v1.schema.json", " --v1", Site::schema_of_version_1()),
    ] {
        let written = std::fs::read_to_string(in_repository(file)).unwrap_or_default();
        assert!(
            written == format!("{schema:#}\n"),
            "{file} is of another version; run: orchestrator config schema{flag} > {file}"
        );
    }
}

#[test]
fn the_schema_describes_every_key() {
    let schema = Site::schema();
    for key in Site::keys() {
        let pointer = format!("/properties/{}", key.name.replace('.', "/properties/"));
        let described = schema.pointer(&pointer).unwrap_or(&Value::Null);
        assert_eq!(described["description"], key.meaning, "{}", key.name);
    }
}
