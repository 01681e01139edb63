//! Layers, and what their errors say.

use serde::Deserialize;
use tempfile::{TempDir, tempdir};

use super::*;

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    listen: String,
    slots: u32,
    platforms: Vec<String>,
    store: Store,
}

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
struct Store {
    path: String,
    sync: bool,
}

fn directory(files: &[(&str, &str)]) -> TempDir {
    let directory = tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(directory.path().join(name), text).unwrap();
    }
    directory
}

fn read(paths: &[PathBuf], environment: &[(&str, &str)]) -> Result<Settings, SettingsError> {
    let environment = environment.iter().map(|(name, text)| ((*name).into(), (*text).into())).collect();
    layered(paths, "REACTOR", &environment)
}

#[test]
fn later_layers_beat_earlier_ones_key_by_key() {
    let files = directory(&[
        ("10-site.yaml", "listen: localhost:1\nslots: 2\nstore: { path: /a, sync: true }\n"),
        ("20-host.yaml", "slots: 3\nplatforms: [x86_64, s390x]\n"),
        ("30-empty.yaml", "# nothing\n"),
        ("ignored.txt", "slots: x\n"),
    ]);
    let environment =
        [("REACTOR__STORE__PATH", "/b"), ("REACTOR_SLOTS", "9"), ("OTHER__SLOTS", "9"), ("PATH", "x")];
    let settings = read(&[files.path().to_owned()], &environment).unwrap();
    assert_eq!(
        settings,
        Settings {
            listen: "localhost:1".into(),
            slots: 3,
            platforms: vec!["x86_64".into(), "s390x".into()],
            store: Store { path: "/b".into(), sync: true },
        }
    );
}

#[test]
fn text_of_the_environment_becomes_what_the_field_is() {
    let environment = [("REACTOR__SLOTS", "7"), ("REACTOR__STORE__SYNC", "true"), ("REACTOR__LISTEN", "010")];
    let settings = read(&[], &environment).unwrap();
    assert_eq!((settings.slots, settings.store.sync, settings.listen.as_str()), (7, true, "010"));
}

#[test]
fn nothing_at_all_is_the_defaults() {
    assert_eq!(read(&[], &[]).unwrap(), Settings::default());
}

#[test]
fn errors_name_the_layer_and_the_key() {
    let good = ("10.yaml", "slots: 1\n");
    for (bad, part) in [
        ("lisen: x\n", "lisen"),
        ("slots: many\n", "slots"),
        ("store: { pth: x }\n", "pth"),
        ("slots: [\n", "line"),
        ("- a\n", "map"),
    ] {
        let files = directory(&[good, ("20.yaml", bad), ("30.yaml", "listen: x\n")]);
        let error = read(&[files.path().to_owned()], &[]).unwrap_err().to_string();
        assert!(error.contains("20.yaml: ") && error.contains(part), "{bad}: {error}");
    }
    let error = read(&[], &[("REACTOR__SLOTS", "many")]).unwrap_err().to_string();
    assert!(error.starts_with("the environment: ") && error.contains("slots"), "{error}");
}

#[test]
fn a_missing_file_is_named() {
    let error = read(&["/does/not/exist.yaml".into()], &[]).unwrap_err().to_string();
    assert!(error.contains("/does/not/exist.yaml"), "{error}");
}

#[test]
fn only_variables_with_the_prefix_are_taken_from_the_process() {
    let variables = [("REACTOR__SLOTS", "1"), ("REACTOR_SLOTS", "2"), ("PATH", "/bin")];
    let variables = variables.into_iter().map(|(name, text)| (name.into(), text.into()));
    let taken = with_prefix("REACTOR", variables);
    assert_eq!(taken, BTreeMap::from([("REACTOR__SLOTS".to_owned(), "1".to_owned())]));
}

#[test]
fn a_number_in_a_text_setting_is_read_as_a_number() {
    for (text, read_as) in [("1.10", "1.1"), ("'1.10'", "1.10")] {
        let files = directory(&[("a.yaml", &format!("listen: {text}\n"))]);
        assert_eq!(read(&[files.path().join("a.yaml")], &[]).unwrap().listen, read_as);
    }
}
