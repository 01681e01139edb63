use super::*;
use crate::repository::inputs::KojiTags;

fn read(text: &str) -> ContainerYaml {
    ContainerYaml::read(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error:?}")).0
}

fn problems(text: &str) -> Vec<Failure> {
    ContainerYaml::read(text.as_bytes()).expect_err(text).each()
}

#[test]
fn limits_are_one_name_or_many() {
    let cases: &[(&str, &[&str], &[&str])] = &[
        ("", &[], &[]),
        ("# nothing\n", &[], &[]),
        ("---\n", &[], &[]),
        ("{}", &[], &[]),
        ("platforms:\n", &[], &[]),
        ("platforms: {only: x86_64}", &["x86_64"], &[]),
        ("platforms:\n  only: [x86_64, spam]\n  not:\n  - s390x\n", &["x86_64", "spam"], &["s390x"]),
        // PLT-6 emptied the set before; without a value, a key says nothing.
        ("platforms: {only: null, not: }", &[], &[]),
        ("platforms: {only: []}", &[], &[]),
    ];
    for (text, only, not) in cases {
        let read = read(text);
        assert_eq!(read.platforms.only, *only, "{text}");
        assert_eq!(read.platforms.not, *not, "{text}");
    }
}

const EVERYTHING: &str = "\
version: 1
platforms:
  only: x86_64
compose:
  packages: [bash, libc]
  modules:
  - eog:f26
  pulp_repos: true
  signing_intent: release
  inherit: true
  multilib_arches: [x86_64]
  multilib_method: [devel]
  include_unpublished_pulp_repos: false
  ignore_absent_pulp_repos: true
  modular_koji_tags: [one]
  module_resolve_tags: true
  build_only_content_sets: false
flatpak:
  id: org.gnome.eog
  branch: stable
  runtime: org.fedoraproject.Platform
  sdk: org.fedoraproject.Sdk
  base_image: fedora:44
  cleanup-commands: |
    rm -rf /x
  command: eog
  tags: [Viewer]
  finish-args: --socket=x11
autorebuild:
  from_latest: true
  ignore_isolated_builds: true
  add_timestamp_to_release: true
tags: [spam, '1.10', ba-d]
set_release_env: RELEASE
go: {modules: [{module: x}]}
pnc: {x: [1, {y: z}]}
";

#[test]
fn every_key_is_read_with_its_line() {
    let (read, lines) = ContainerYaml::read(EVERYTHING.as_bytes()).unwrap();
    let compose = read.compose.as_ref().unwrap();
    assert_eq!(compose.packages, ["bash", "libc"]);
    assert!(compose.pulp_repos && compose.inherit && compose.ignore_absent_pulp_repos);
    assert_eq!(compose.modular_koji_tags, KojiTags::Named(vec!["one".to_owned()]));
    assert_eq!(compose.module_resolve_tags, KojiTags::OfTarget(true));
    let flatpak = read.flatpak.as_ref().unwrap();
    assert_eq!(flatpak.cleanup_commands.as_deref(), Some("rm -rf /x\n"));
    assert_eq!(flatpak.finish_args.as_deref(), Some("--socket=x11"));
    assert!(read.autorebuild.from_latest && read.autorebuild.add_timestamp_to_release);
    assert_eq!(read.tags, ["spam", "1.10", "ba-d"]);
    assert_eq!(read.set_release_env.as_deref(), Some("RELEASE"));
    for (key, line) in [("version", 1), ("platforms.only", 3), ("compose.signing_intent", 9), ("flatpak", 18)]
    {
        assert_eq!(lines.get(key), Some(&line), "{key}");
    }
    let codes: Vec<_> = read.notices().into_iter().map(|notice| notice.code).collect();
    assert_eq!(codes, ["source.go_ignored", "source.pnc_ignored", "source.flatpak_ignored"]);

    let stored = serde_json::to_string(&read).unwrap();
    assert_eq!(serde_json::from_str::<ContainerYaml>(&stored).unwrap(), read);
    let stored = serde_json::to_string(&ContainerYaml::default()).unwrap();
    assert_eq!(serde_json::from_str::<ContainerYaml>(&stored).unwrap(), ContainerYaml::default());
}

#[test]
fn mistakes_are_named_with_file_and_place() {
    let unknown = "source.container_yaml_unknown_key";
    let kind = "source.container_yaml";
    let cases = [
        (
            "\nplatform: {only: x}\n",
            unknown,
            "container.yaml: line 2: unknown key 'platform'; did you mean 'platforms'?",
        ),
        ("remote_sorces: []\n", unknown, "did you mean 'remote_sources'?"),
        ("something: 1\n", unknown, "known are autorebuild, compose"),
        ("platforms: x86_64\n", kind, "container.yaml: "),
        (
            "platforms: {onli: x86_64}\n",
            unknown,
            "line 1: unknown key 'platforms.onli'; did you mean 'only'?",
        ),
        ("platforms: {only: {a: b}}\n", kind, "the name of a platform or a list of them"),
        (
            "compose:\n  pulp_rep: true\n",
            unknown,
            "line 2: unknown key 'compose.pulp_rep'; did you mean 'pulp_repos'?",
        ),
        (
            "remote_sources:\n- name: a\n  remote_source: {rpeo: x}\n",
            unknown,
            "'remote_sources[0].remote_source.rpeo'",
        ),
        ("compose: {pulp_repos: perhaps}\n", kind, "container.yaml: "),
        ("compose: {modular_koji_tags: x}\n", kind, "true, false or a list of Koji tags"),
        ("tags: a\n", kind, "container.yaml: "),
        ("tags: [a]\ntags: [b]\n", kind, "tags"),
        ("- a\n", kind, "container.yaml: "),
        ("a: [", unknown, "unknown key 'a'"),
        ("tags: [", kind, "container.yaml: "),
        ("'platforms.only': x\n", kind, "platforms.only"),
        ("version: 2\n", "source.container_yaml_version", "line 1: version 2"),
        (
            "image_build_method: imagebuilder\n",
            "source.image_build_method",
            "'imagebuilder' cannot be chosen",
        ),
        (
            "\nremote_source: {repo: a, ref: b}\n",
            "source.remote_source_unsupported",
            "line 2: remote_source: ",
        ),
        (
            "remote_sources: [{name: a, remote_source: {repo: a, ref: b, pkg_managers: [npm], packages: {npm: [{path: x}]}}}]",
            "source.remote_source_unsupported",
            "remote_sources: ",
        ),
        (
            "operator_manifests: {manifests_dir: x}\n",
            "source.operator_manifests_unsupported",
            "operator bundles",
        ),
        ("set_release_env: 1X\n", "source.set_release_env", "'1X'"),
        ("tags:\n- good\n- -bad\n", "source.container_yaml_tag", "line 3: tags: "),
        ("compose:\n  modules: [eog]\n", "source.module_spec", "line 2: compose.modules: "),
    ];
    for (text, code, expected) in cases {
        let failure = &problems(text)[0];
        assert_eq!(failure.code, code, "{text}: {failure}");
        assert!(failure.message.starts_with("container.yaml:"), "{failure}");
        assert!(failure.message.contains(expected), "{text}: {failure}");
        assert!(!failure.advice.is_empty(), "{text}");
    }
}

#[test]
fn independent_problems_are_told_together() {
    let text = "platfroms: 1\ncompose: {a: 1, pulp_repos: perhaps}\ntgas: []\n";
    let found = problems(text);
    let lines: Vec<_> = found.iter().map(|failure| failure.message.split(':').nth(1).unwrap()).collect();
    assert_eq!(&lines[..3], [" line 1", " line 2", " line 3"], "{found:?}");

    let found = problems("image_build_method: x\noperator_manifests: {}\ntags: ['@', a, '#']\nversion: 3\n");
    assert_eq!(found.len(), 5, "{found:?}");

    let many: String = (0..1000).map(|n| format!("unknown{n}: 1\n")).collect();
    assert_eq!(problems(&many).len(), MAX_PROBLEMS);
}

#[test]
fn large_files_and_bombs_are_stopped() {
    let large = "#".repeat(INPUT.limit + 1);
    assert_eq!(problems(&large)[0].code, "source.container_yaml_too_large");

    let mut bomb = String::from("go:\n  a: &a [x,x,x,x,x,x,x,x,x,x]\n");
    for (this, last) in ('b'..='k').zip('a'..='j') {
        bomb.push_str(&format!("  {this}: &{this} [{}]\n", vec![format!("*{last}"); 10].join(",")));
    }
    assert_eq!(problems(&bomb)[0].code, "source.container_yaml");

    let deep = format!("go: {}", "[".repeat(30_000));
    assert_eq!(problems(&deep)[0].code, "source.container_yaml");
    let long = format!("tags: [{}]\n", "x".repeat(60_000));
    assert_eq!(problems(&long)[0].code, "source.container_yaml_tag");
    let many = format!("tags: [{}]\n", "x,".repeat(20_000));
    assert_eq!(problems(&many)[0].code, "source.too_many_tags");
    assert_eq!(problems("tags: &a [*a]\n")[0].code, "source.container_yaml");
}

/// `UPDATE_SCHEMAS=1 cargo test -p orchestrator schema` writes the file anew.
#[test]
fn the_schema_that_is_checked_in_is_that_of_the_types() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/schemas/container.schema.json");
    let schema = serde_json::to_string_pretty(&ContainerYaml::schema()).unwrap() + "\n";
    if std::env::var_os("UPDATE_SCHEMAS").is_some() {
        std::fs::write(path, &schema).unwrap();
    }
    assert_eq!(std::fs::read_to_string(path).unwrap(), schema, "set UPDATE_SCHEMAS=1 to write it anew");
}
