use std::path::PathBuf;

use super::*;
use crate::config::{ConfigErrors, Origin, ParentCheck};

const SITE: &str = include_str!("testdata/site-2018.yaml");

fn load(text: &str) -> Result<Site, ConfigErrors> {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("v1.yaml");
    std::fs::write(&file, text).unwrap();
    Site::read(&[file], [], &[])
}

/// The errors as CODE KEY LINE.
fn errors(text: &str) -> Vec<String> {
    let Err(errors) = load(text) else { return Vec::new() };
    let line = |error: &ConfigError| match error {
        ConfigError::UnknownKey { origin: Origin::File { line, .. }, .. }
        | ConfigError::Value { origin: Origin::File { line, .. }, .. }
        | ConfigError::Invalid { origin: Origin::File { line, .. }, .. }
        | ConfigError::Version { origin: Origin::File { line, .. }, .. } => line.unwrap_or_default(),
        _ => 0,
    };
    let shown =
        |error| format!("{} {} {}", ConfigError::code(error), error.key().unwrap_or("-"), line(error));
    errors.problems.iter().map(shown).collect()
}

const KOJI: &str =
    "version: 1\nkoji:\n  hub_url: https://k/hub\n  root_url: https://koji.example.com/root/\n";
const ODCS: &str = "version: 1\nodcs:\n  api_url: https://odcs/\n  signing_intents:\n  \
    - {name: release, keys: [R123, R234]}\n  - {name: beta, keys: [R123, B456, B457]}\n  \
    - {name: unsigned, keys: []}\n  default_signing_intent: release\n";
const OPENSHIFT: &str = "version: 1\nopenshift:\n  url: https://o/\n";
const SMTP: &str = "version: 1\nsmtp:\n  host: m.example\n  from_address: f@example.org\n";

/// Acceptance cases about what is accepted. No expected error means that the
/// text is accepted.
#[test]
fn what_is_accepted_and_what_is_not() {
    let with = |start: &str, more: &str| format!("{start}{more}");
    let (value, unknown) = ("config.bad_value", "config.unknown_key");
    for (case, text, expected) in [
        ("CFG-1", String::new(), ""),
        ("CFG-1", "version: 1\n".to_owned(), ""),
        // The original accepted unknown keys at the top (spec defect 22).
        ("CFG-1 fixed", "version: 1\nspecial: foo\n".to_owned(), "config.unknown_key special 2"),
        // Without a version it is our own form, so the key itself is unknown.
        ("CFG-2", "clusters: {}\n".to_owned(), "config.unknown_key clusters 1"),
        ("CFG-3", "version: 2\n".to_owned(), "config.unknown_version version 1"),
        ("CFG-3", "version: one\n".to_owned(), "config.unknown_version version 1"),
        ("CFG-4", "version: 1\nclusters:\n  foo:\n".to_owned(), &format!("{value} clusters 2")),
        ("CFG-4", "version: 1\nclusters:\n  bar: 1\n".to_owned(), &format!("{value} clusters 2")),
        (
            "CFG-4",
            "version: 1\nclusters:\n  plat/form: []\n".to_owned(),
            &format!("{value} clusters.plat/form 3"),
        ),
        ("CFG-5", cluster("max_concurrent_builds: one"), &format!("{value} clusters 2")),
        ("CFG-5", cluster("max_concurrent_builds: -1"), &format!("{value} clusters 2")),
        ("CFG-5", cluster("max_concurrent_builds: 1, enabled: never"), &format!("{value} clusters 2")),
        ("CFG-5", cluster("enabled: true"), &format!("{value} clusters 2")),
        (
            "CFG-5",
            "version: 1\nclusters:\n  x86_64:\n  - max_concurrent_builds: 1\n".to_owned(),
            &format!("{value} clusters 2"),
        ),
        (
            "CFG-5",
            cluster("max_concurrent_builds: 1, extra: x"),
            &format!("{unknown} clusters.x86_64[0].extra 4"),
        ),
        // Found at load, where the original found it in the middle of a build.
        (
            "CFG-10",
            with(&ODCS.replace("intent: release", "intent: spam"), "  auth: {openidc_dir: /o}\n"),
            "config.unknown_signing_intent composes.default_signing_intent 8",
        ),
        ("CFG-11", with(KOJI, "  auth: {proxyuser: p, krb_principal: k, krb_keytab_path: t}\n"), ""),
        ("CFG-11", with(KOJI, "  auth: {proxyuser: p, ssl_certs_dir: /c}\n"), ""),
        ("CFG-11", with(KOJI, "  auth: {proxyuser: p}\n"), ""),
        ("CFG-11", with(KOJI, "  auth: {}\n"), ""),
        ("CFG-12", with(KOJI, "  auth:\n"), &format!("{value} koji 2")),
        (
            "CFG-12",
            with(KOJI, "  auth: {ssl_certs_dir: /c, krb_principal: k, krb_keytab_path: t}\n"),
            &format!("{value} koji.auth 5"),
        ),
        ("CFG-12", with(KOJI, "  auth: {krb_principal: k}\n"), &format!("{value} koji.auth 5")),
        ("CFG-12", with(KOJI, "  auth: {krb_keytab_path: k}\n"), &format!("{value} koji.auth 5")),
        (
            "CFG-12",
            "version: 1\nkoji:\n  hub_url: https://k/\n  auth: {}\n".to_owned(),
            &format!("{value} koji 2"),
        ),
        ("CFG-13", "version: 1\npulp: {name: p, auth: {username: u, password: x}}\n".to_owned(), ""),
        (
            "CFG-14",
            with(ODCS, "  auth: {openidc_dir: /o, ssl_certs_dir: /c}\n"),
            &format!("{value} odcs.auth 9"),
        ),
        ("CFG-14", with(ODCS, "  auth: {}\n"), &format!("{value} odcs.auth 9")),
        ("CFG-14", ODCS.to_owned(), &format!("{value} odcs 2")),
        (
            "CFG-14",
            "version: 1\nodcs: {auth: {openidc_dir: /o}, signing_intents: [], default_signing_intent: x}\n"
                .to_owned(),
            &format!("{value} odcs 2"),
        ),
        ("CFG-15", with(ODCS, "  auth: {ssl_certs_dir: /nonexistent}\n"), ""),
        ("CFG-20", with(OPENSHIFT, "  auth: {krb_keytab_path: k}\n"), &format!("{value} openshift.auth 4")),
        ("CFG-20", with(OPENSHIFT, "  auth:\n"), &format!("{value} openshift 2")),
        ("CFG-20", "version: 1\nopenshift: {insecure: true}\n".to_owned(), &format!("{value} openshift 2")),
        (
            "CFG-22",
            with(OPENSHIFT, "  insecure: false\n  auth: {enable: }\n"),
            &format!("{value} openshift 2"),
        ),
        // The key itself is retired, so its value does not matter.
        ("CFG-22", with(OPENSHIFT, "  build_json_dir:\n"), ""),
        // Spec defect 22: half a descriptor switched the checks of platforms off.
        (
            "D-22",
            "version: 1\nplatform_descriptors: [{platform: x86_64}]\n".to_owned(),
            &format!("{value} platform_descriptors 2"),
        ),
        ("hints", with(SMTP, "  hots: x\n"), &format!("{unknown} smtp.hots 5")),
    ] {
        let found = errors(&text);
        let expected: Vec<&str> = Some(expected).filter(|text| !text.is_empty()).into_iter().collect();
        assert_eq!(found, expected, "{case}: {text}");
    }
}

fn cluster(more: &str) -> String {
    format!("version: 1\nclusters:\n  x86_64:\n  - {{name: one, {more}}}\n")
}

#[test]
fn several_problems_are_found_at_once() {
    let text = "version: 1\nspecial: x\nkoji: 1\nimage_lables: {}\nregistries:\n- {url: 'ftp://h'}\n\
                image_equal_labels: [[a]]\n";
    let mut found = errors(text);
    found.sort();
    assert_eq!(
        found,
        [
            "config.bad_value koji 3",
            "config.bad_value registries[0].url 6",
            "config.equal_labels labels.equal 7",
            "config.unknown_key image_lables 4",
            "config.unknown_key special 2",
        ]
    );
    let text = load("version: 1\nimage_lables: {}\n").unwrap_err().to_string();
    assert!(text.contains("v1.yaml:2: ") && text.contains("did you mean 'image_labels'?"), "{text}");
}

#[test]
fn pools_keep_their_order() {
    let text = "version: 1\nclusters:\n  x86_64:\n  - {name: one, max_concurrent_builds: 4}\n  \
                - {name: two, max_concurrent_builds: 8, enabled: true}\n  \
                - {name: three, max_concurrent_builds: 16, enabled: false}\n";
    let site = load(text).unwrap();
    let pools = site.enabled_pools(&"x86_64".parse().unwrap());
    let pools: Vec<_> = pools.iter().map(|pool| (pool.name.as_str(), pool.max_builds)).collect();
    assert_eq!(pools, [("one", 4), ("two", 8)], "CFG-6");
    assert!(site.enabled_pools(&"s390x".parse().unwrap()).is_empty(), "CFG-1");
}

#[test]
fn signing_intents_are_ordered_and_found_by_their_keys() {
    let site = load(&format!("{ODCS}  auth: {{openidc_dir: /o}}\n")).unwrap();
    for (name, restrictiveness) in [("unsigned", 0), ("beta", 1), ("release", 2)] {
        assert_eq!(site.composes.intent(name).unwrap().0, restrictiveness, "CFG-7");
    }
    for (case, keys, name) in [
        ("CFG-8", &["R123", "R234"][..], Some("release")),
        ("CFG-8", &["R123"], Some("release")),
        ("CFG-8", &["B456", "R123"], Some("beta")),
        ("CFG-8", &["B456"], Some("beta")),
        ("CFG-8", &[], Some("unsigned")),
        ("CFG-9", &["missing"], None),
        ("CFG-9", &["R123", "R234", "B457"], None),
    ] {
        let found = site.composes.intent_of_keys(keys).map(|intent| intent.name.as_str());
        assert_eq!(found, name, "{case} {keys:?}");
    }
}

#[test]
fn values_become_our_own_settings() {
    let koji = load(&format!("{KOJI}  auth: {{}}\n")).unwrap();
    assert_eq!(koji.koji.root_url(), Some("https://koji.example.com/root"), "CFG-16");
    assert_eq!(koji.koji.bridge().unwrap().to_string(), "unix:/run/reactor/koji-bridge.sock");
    assert_eq!(Site::default().koji.bridge(), None);

    for (case, text, missing, digest) in [
        ("KPR legacy default", "", ParentCheck::Warn, ParentCheck::Fail),
        ("KPR legacy skip", "skip_koji_check_for_base_image: true\n", ParentCheck::Warn, ParentCheck::Fail),
        (
            "KPR legacy",
            "skip_koji_check_for_base_image: false\nfail_on_digest_mismatch: false\n\
             deep_manifest_list_inspection: false\n",
            ParentCheck::Fail,
            ParentCheck::Warn,
        ),
    ] {
        let site = load(&format!("{KOJI}  auth: {{}}\n{text}")).unwrap();
        assert_eq!((site.koji.missing_parent, site.koji.parent_digest), (missing, digest), "{case}");
        assert_eq!(site.retired().len(), usize::from(text.contains("deep")), "{case}");
    }

    let text = "version: 1\nregistries:\n- {url: 'https://old.example.com/v1'}\n\
                - {url: 'https://container-registry.example.com/v2', auth: {cfg_path: /s}}\n";
    let site = load(text).unwrap();
    let hosts: Vec<&str> = site.publication.registries.iter().map(|host| host.as_str()).collect();
    assert_eq!(hosts, ["container-registry.example.com"], "CFG-17");
    assert_eq!(site.registries[0].credentials_file, Some(PathBuf::from("/s")), "CFG-17");
    assert!(!site.registries[0].plain_http, "CFG-17");
    let only_old = load("version: 1\nregistries: [{url: 'https://old.example.com/v1'}]\n").unwrap();
    // It is an error of a build that names no destination, no longer of the configuration.
    assert!(only_old.publication.registries.is_empty() && only_old.retired().len() == 1, "CFG-17");

    let text = "version: 1\nplatform_descriptors: [{platform: x86_64, architecture: amd64}]\n";
    let table = load(text).unwrap().platform_table();
    for (platform, architecture) in [("x86_64", "amd64"), ("ppc64le", "ppc64le")] {
        assert_eq!(
            table.architecture(&platform.parse().unwrap()).unwrap().architecture,
            architecture,
            "CFG-19"
        );
    }

    let site = load(&format!("{OPENSHIFT}  auth: {{ssl_certs_dir: /D}}\n")).unwrap();
    let files: Vec<_> = site.secret_files("openshift.certificate_directory");
    let files: Vec<_> = files.iter().map(|file| file.path.display().to_string()).collect();
    assert_eq!(
        (files, &site.openshift.token_file),
        (vec!["/D/cert".into(), "/D/key".into()], &None),
        "CFG-21"
    );

    let text = "  error_addresses: [e@example.org]\n  additional_addresses: [a@example.org]\n";
    let site = load(&format!("{SMTP}{text}")).unwrap();
    // The original swapped the two in one place (mission D4).
    assert_eq!(site.mail.error_addresses, ["e@example.org"], "D4");
    assert_eq!(site.mail.additional_addresses, ["a@example.org"], "D4");
}

#[test]
fn a_whole_site_of_2018_loads_and_every_leaf_names_its_own_key() {
    let site = load(SITE).unwrap();
    let origin = |key: &str| match site.origins().of(key) {
        Origin::File { line, key, .. } => (line.unwrap(), key.clone().unwrap_or_default()),
        other => panic!("{key}: {other}"),
    };
    for (key, line, former) in [
        ("pools.x86_64", 5, "clusters.x86_64"),
        ("koji.hub_url", 13, ""),
        ("labels.set.vendor", 19, "image_labels.vendor"),
        ("openshift.insecure", 25, ""),
        ("openshift.token_file", 28, "openshift.auth.enable"),
        ("platforms.x86_64", 31, "platform_descriptors[0]"),
        ("publication.registries", 39, "registries"),
        ("registries", 39, "registries"),
        ("source_registry", 46, "source_registry.url"),
        ("artifacts.sources_command", 48, "sources_command"),
    ] {
        assert_eq!(origin(key), (line, former.to_owned()), "{key}");
    }
    assert_eq!(site.artifacts.sources_command, ["fetch", "sources"]);
    assert_eq!(site.publication.registries[0].as_str(), "192.0.2.1:5000");
    assert_eq!(site.source_registry, "registry.example.org");
    let plain: Vec<bool> = site.registries.iter().map(|registry| registry.plain_http).collect();
    assert_eq!(plain, [false, true], "https stays https, http:// is spoken as such");
    let retired: Vec<&str> = site.retired().iter().map(|retired| retired.key.as_str()).collect();
    assert_eq!(
        retired,
        [
            "clusters_client_config_dir",
            "koji.auth.ssl_certs_dir",
            "openshift.build_json_dir",
            "platform_descriptors[0].enable_v1",
            "content_versions",
            "registries[0].insecure",
            "required_secrets",
            "worker_token_secrets",
        ]
    );
    assert!(site.explain().iter().all(|explained| !explained.key.is_empty()));
}

#[test]
fn a_password_in_a_retired_section_shows_nowhere() {
    let text = "version: 1\npulp:\n  name: p\n  auth: {username: u, password: hunter2}\nkoji: [\n";
    let errors = load(text).unwrap_err();
    assert!(!format!("{errors} {errors:?}").contains("hunter2"), "{errors:?}");
    let text = "version: 1\npulp:\n  name: p\n  auth: {username: u, password: hunter2}\nkoji: x\n";
    let errors = load(text).unwrap_err();
    assert!(!format!("{errors} {errors:?}").contains("hunter2"), "{errors:?}");
    assert_eq!(errors.retired.len(), 1);
}

#[test]
fn both_forms_can_be_mixed() {
    let directory = tempfile::tempdir().unwrap();
    let (first, second) = (directory.path().join("1.yaml"), directory.path().join("2.yaml"));
    std::fs::write(&first, SITE).unwrap();
    std::fs::write(&second, "koji:\n  hub_url: https://other/hub\n").unwrap();
    let site = Site::read(&[first, second.clone()], [], &[]).unwrap();
    assert_eq!(site.koji.hub_url.as_deref(), Some("https://other/hub"));
    assert_eq!(site.origins().of("koji.hub_url"), &Origin::File { path: second, line: Some(2), key: None });
    let chain = site.origins().chain("koji.hub_url");
    assert_eq!(chain[0].value, "https://192.0.2.1:8083/kojihub");
}

#[test]
fn kerberos_does_not_become_the_token_of_the_account() {
    let auth = "  auth: {enable: true, krb_principal: p, krb_keytab_path: /k}\n";
    let site = load(&format!("{OPENSHIFT}{auth}")).unwrap();
    assert_eq!(site.openshift.token_file, None);
    let retired: Vec<String> = site.retired().iter().map(ToString::to_string).collect();
    assert!(retired.iter().any(|retired| retired.contains("no token is set")), "{retired:?}");
}

#[test]
fn what_nobody_wrote_beats_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (first, second) = (directory.path().join("1.yaml"), directory.path().join("2.yaml"));
    std::fs::write(&first, "composes: {insecure: true}\nopenshift: {insecure: true}\n").unwrap();
    let text = format!("{ODCS}  auth: {{openidc_dir: /o}}\n{}", OPENSHIFT.replace("version: 1\n", ""));
    std::fs::write(&second, text).unwrap();
    let site = Site::read(&[first, second], [], &[]).unwrap();
    assert!(site.composes.insecure && site.openshift.insecure);
}

#[test]
fn a_platform_has_one_description() {
    let text = |second: &str| {
        format!(
            "version: 1\nplatform_descriptors:\n- {{platform: x86_64, architecture: amd64}}\n\
             - {{platform: x86_64, architecture: {second}}}\n"
        )
    };
    assert_eq!(errors(&text("arm64")), ["config.duplicate platform_descriptors[1] 4"]);
    assert!(errors(&text("amd64")).is_empty(), "the same said twice harms nobody");
}
