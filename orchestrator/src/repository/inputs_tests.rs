//! Whatever somebody commits, the readers answer: no panic, no hang.

use proptest::prelude::*;

use super::{
    additional_tags, artifact_files,
    container_yaml::ContainerYaml,
    content_sets,
    image_build_conf::{self, ImageBuildConf, ImageTaskDefaults},
    ini,
    module_spec::ModuleSpec,
    repo_config::RepositoryConfig,
};

/// Every reader of a file, one after the other.
fn read_everything(text: &[u8]) {
    if let Ok((read, lines)) = ContainerYaml::read(text) {
        // What was read is recorded, and must come back from the record.
        let stored = serde_json::to_string(&read).unwrap();
        assert_eq!(serde_json::from_str::<ContainerYaml>(&stored).unwrap(), read);
        assert!(lines.len() <= 200);
        assert!(read.notices().len() <= 3);
    }
    if let Err(failure) = ContainerYaml::read(text) {
        assert!(failure.each().len() <= 200);
    }
    drop(additional_tags::read(text));
    drop(content_sets::read(text));
    drop(artifact_files::read_koji(text));
    drop(artifact_files::read_urls(text));
    drop(RepositoryConfig::read(text));
    drop(ini::read(text));
    drop(image_build_conf::base_urls(text));
    if let Ok(conf) = ImageBuildConf::read(text) {
        drop(conf.request(&[], &ImageTaskDefaults::default()));
    }
}

/// Text that looks like `container.yaml` and the files beside it.
fn yaml_like() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        Just("platforms"),
        Just("only"),
        Just("compose"),
        Just("modules"),
        Just("tags"),
        Just("remote_sources"),
        Just("remote_source"),
        Just("modular_koji_tags"),
        Just("flatpak"),
        Just("go"),
        Just("version"),
        Just("nvr"),
        Just("archives"),
        Just("url"),
        Just("sha256"),
        Just("x86_64"),
        Just("eog:f26"),
        Just("true"),
        Just("1"),
        Just("null"),
        Just("~"),
        Just("<<"),
        Just("&a"),
        Just("*a"),
        Just("!!str"),
        Just("é\u{0}"),
    ];
    let mark = prop_oneof![
        Just(": "),
        Just(":\n  "),
        Just("\n- "),
        Just("\n  - "),
        Just("\n"),
        Just(" {"),
        Just("}"),
        Just(" ["),
        Just("]"),
        Just(", "),
        Just("\""),
        Just("'"),
        Just("|\n"),
        Just("? "),
        Just("\n---\n"),
        Just("#"),
        Just("\t"),
        Just("."),
        Just("["),
    ];
    prop::collection::vec((word, mark), 0..40)
        .prop_map(|parts| parts.into_iter().flat_map(|(word, mark)| [word, mark]).collect())
}

fn ini_like() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        Just("[image-build]"),
        Just("[factory-parameters]"),
        Just("[autorebuild]"),
        Just("["),
        Just("]"),
        Just("name"),
        Just("disk_size"),
        Just("enabled"),
        Just("="),
        Just(":"),
        Just("\n"),
        Just("\r\n"),
        Just("\n  "),
        Just("\\"),
        Just("\""),
        Just("%(x)s"),
        Just("#"),
        Just(";"),
        Just("é"),
        Just("\u{feff}"),
        Just("99999999999999999999"),
    ];
    prop::collection::vec(part, 0..60).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        read_everything(&bytes);
    }

    #[test]
    fn text_like_yaml_never_panics(text in yaml_like()) {
        read_everything(text.as_bytes());
    }

    #[test]
    fn text_like_ini_never_panics(text in ini_like()) {
        read_everything(text.as_bytes());
    }

    #[test]
    fn modules_come_back_as_they_were_meant(text in "[a-z0-9:/.-]{0,30}") {
        if let Ok(spec) = text.parse::<ModuleSpec>() {
            prop_assert_eq!(spec.to_string().parse::<ModuleSpec>(), Ok(spec));
        }
    }
}

#[test]
fn hostile_shapes_are_answered_in_time() {
    let deep_map: String = (0..20_000).map(|_| "{a: ").collect();
    let deep_indent: String = (0..300).map(|n| format!("{}a:\n", " ".repeat(n))).collect();
    let shapes = [
        "[".repeat(60_000),
        deep_map,
        deep_indent,
        "- ".repeat(30_000),
        format!("tags: ['{}']", "x".repeat(60_000)),
        format!("? {}\n: b", "[".repeat(1000)),
        format!("a: &a\n{}", "- *a\n".repeat(10_000)),
        format!("{}: 1", "k".repeat(60_000)),
        "a: 1\n".repeat(10_000),
        "[x]\n".repeat(4_000),
        "a\n".repeat(8_000),
        "=".repeat(16_000),
        "\u{feff}".repeat(5_000),
    ];
    let start = std::time::Instant::now();
    for shape in shapes {
        read_everything(shape.as_bytes());
    }
    assert!(start.elapsed() < std::time::Duration::from_secs(60), "{:?}", start.elapsed());
}
