//! The drop table: which former steps fall out because the site's configuration
//! says nothing of what they need.

use orchestrator::request::replay::from_environment;
use serde_json::json;

use crate::world::{Case, SEED_CONFIG, code_of, fallen, pod, running};

/// The seed's configuration without some of its sections.
fn without(sections: &[&str]) -> String {
    let mut config = String::new();
    let mut leaving_out = false;
    for line in SEED_CONFIG.lines() {
        if line.starts_with(|first: char| first.is_ascii_lowercase()) {
            let section = line.split(':').next().unwrap();
            leaving_out = sections.contains(&section);
        }
        if !leaving_out {
            config.push_str(line);
            config.push('\n');
        }
    }
    config
}

#[tokio::test]
async fn a_site_that_says_nothing() {
    // INP-4, INP-7 and E40: `version: 1` alone, and a request that asks for everything.
    let asked = [("koji_parent_build", json!("fedora-26-9"))];
    let draft = Case::replay("version: 1\n", &asked).draft().await;
    let expected = [
        ("resolve_module_compose", "flatpak.not_asked_for"),
        ("flatpak_create_dockerfile", "flatpak.not_asked_for"),
        ("add_filesystem", "filesystem.not_asked_for"),
        ("inject_parent_image", "koji.not_configured"),
        ("koji_parent", "koji.not_configured"),
        ("resolve_composes", "composes.not_configured"),
        ("pulp_tag", "step.retired"),
        ("pulp_sync", "step.retired"),
        ("pulp_publish", "step.retired"),
        ("pulp_pull", "step.retired"),
        // Did not depend on the configuration then, and failed without OpenShift.
        ("import_image", "image_stream.not_configured"),
        ("delete_from_registry", "step.retired"),
        ("koji_import", "koji.not_configured"),
        ("koji_tag_build", "koji.not_configured"),
        ("sendmail", "mail.not_configured"),
    ];
    assert_eq!(fallen(&draft, "orchestrator"), expected);
    let expected = [
        ("distgit_fetch_artefacts", "sources.not_configured"),
        // Stayed then, and failed for want of the section 'koji'.
        ("koji", "koji.not_configured"),
        ("add_yum_repo_by_url", "repositories.not_asked_for"),
    ];
    assert_eq!(fallen(&draft, "worker"), expected);
    // Two that fell out then and stay now: the release can come from the
    // Dockerfile, and artifacts by URL need no Koji.
    assert!(running(&draft, "orchestrator").contains(&"bump_release"));
    assert!(running(&draft, "worker").contains(&"fetch_maven_artifacts"));
    // And platforms are selected without a target.
    assert!(running(&draft, "orchestrator").contains(&"check_and_set_platforms"));
    assert_eq!(code_of(&draft, "find_target"), "koji.not_configured");
    assert_eq!(code_of(&draft, "reach_koji"), "koji.not_configured");
}

#[tokio::test]
async fn each_section_that_is_missing_drops_its_steps() {
    let seed = Case::seed().draft().await;
    for (case, sections, roles) in [
        (
            "koji",
            &["koji"][..],
            &[
                ("koji_parent", "koji.not_configured"),
                ("koji", "koji.not_configured"),
                ("koji_import", "koji.not_configured"),
                ("koji_tag_build", "koji.not_configured"),
            ][..],
        ),
        ("sources_command", &["sources_command"], &[("distgit_fetch_artefacts", "sources.not_configured")]),
        ("openshift", &["openshift"], &[("import_image", "image_stream.not_configured")]),
        ("labels", &["image_labels"], &[]),
        ("registries", &["registries", "source_registry"], &[]),
    ] {
        let draft = Case::replay(&without(sections), &[]).draft().await;
        let of = |draft| [fallen(draft, "orchestrator"), fallen(draft, "worker")].concat();
        let (before, mut after) = (of(&seed), of(&draft));
        after.retain(|step| !before.contains(step));
        let mut expected = roles.to_vec();
        after.sort_unstable();
        expected.sort_unstable();
        assert_eq!(after, expected, "{case}");
    }
}

#[tokio::test]
async fn sections_that_are_there_bring_their_steps_back() {
    let smtp = "smtp:\n  host: smtp.example.com\n  from_address: reactor@example.com\n";
    let odcs = "odcs:\n  api_url: https://odcs.example.com/odcs/1\n  auth:\n    openidc_dir: /etc/odcs\n  \
                signing_intents:\n  - name: release\n    keys: [R123]\n  default_signing_intent: release\n";
    let draft = Case::replay(&format!("{SEED_CONFIG}\n{smtp}{odcs}"), &[]).draft().await;
    assert_eq!(code_of(&draft, "notify"), "");
    assert_eq!(code_of(&draft, "decide_composes"), "");
}

#[tokio::test]
async fn pulp_is_gone_however_it_is_configured() {
    let pulp = "pulp:\n  name: stage\n  auth:\n    ssl_certs_dir: /etc/pulp\n";
    let registry = |version: u8| {
        format!("registries:\n- url: https://container-registry.example.com/v{version}\n  insecure: false\n")
    };
    let same = "source_registry:\n  url: https://container-registry.example.com/v2\n";
    for (case, config) in [
        ("pulp", format!("{SEED_CONFIG}\n{pulp}")),
        ("INP-8", format!("version: 1\ncontent_versions: [v2]\n{pulp}{}{same}", registry(2))),
        ("INP-9", format!("version: 1\n{pulp}{}", registry(1))),
    ] {
        let case = (case, Case::replay(&config, &[]));
        assert!(case.1.site().retired().iter().any(|retired| retired.key.starts_with("pulp")), "{}", case.0);
        let draft = case.1.draft().await;
        for step in ["tag_in_pulp", "sync_pulp", "publish_pulp", "pull_from_pulp", "delete_from_registry"] {
            assert_eq!(code_of(&draft, step), "step.retired", "{} {step}", case.0);
        }
    }
}

#[test]
fn lists_of_steps_are_not_read() {
    // INP-6: there is no list from which a step could be taken, and no other way in.
    let mut pod = pod(SEED_CONFIG, &[]);
    let plugins = r#"{"prebuild_plugins": [{"name": "dockerfile_content"}]}"#;
    pod.push(("ATOMIC_REACTOR_PLUGINS".to_owned(), plugins.to_owned()));
    assert!(Case::try_replay(&pod).is_ok(), "the parameters win, as they did");
    pod.retain(|(name, _)| name != "USER_PARAMS");
    let failure = Case::try_replay(&pod).err().unwrap();
    assert_eq!(failure.code, "request.replay_plugin_list");
}

#[test]
fn what_customised_a_site_or_a_worker_is_told_to_be_retired() {
    // PLAN-3 to PLAN-7, UP-9, PLAN-19: there is no second list of steps and no
    // second copy of the configuration, and a replay says so.
    for (key, value) in [
        ("customize_conf", json!("orchestrator_customize.json")),
        ("reactor_config_map", json!("reactor-config-map")),
        ("reactor_config_override", json!({"version": 1})),
        ("build_imagestream", json!("buildroot-stream:v1.0")),
    ] {
        let replay = from_environment(&pod(SEED_CONFIG, &[(key, value)])).unwrap();
        let said = |note: &String| note.starts_with(&format!("USER_PARAMS.{key} is retired, because "));
        assert!(replay.notes.iter().any(said), "{key}: {:?}", replay.notes);
        assert_eq!(replay.site_yaml.as_deref(), Some(SEED_CONFIG), "{key}");
    }
}
