//! A draft with something of everything, for tests of all that shows one.

use common::{
    failure::{Failure, FailureClass},
    flow::Stage,
    image::Digest,
    platform::Architecture,
    request::{BuildMode, FailurePolicy, GitSource, Limits},
    work::{Descriptor, ManifestFormat, Parent},
};

use crate::plan::{
    Decision, Draft, Execution, Notice, PlannedFile, PlannedLabel, PlannedPlatform, PlannedStep,
    PlannedWorkOrder, Reason, RepositoryKey, Said, Tags, Target, Verdict,
};

fn said(from: &str, value: &str) -> Said {
    Said { from: from.into(), value: value.into() }
}

fn label(value: &str, chain: &[(&str, &str)]) -> PlannedLabel {
    PlannedLabel { value: value.into(), chain: chain.iter().map(|(from, value)| said(from, value)).collect() }
}

fn platform(name: &str, architecture: &str) -> PlannedPlatform {
    let labels = [
        ("architecture", label(name, &[("platform", name)])),
        ("version", label("1.0", &[("Dockerfile:4", "1.0")])),
        (
            "vendor",
            label(
                "Example Project",
                &[
                    ("site: labels.set.vendor", "Example Project"),
                    ("Dockerfile:3", "me"),
                    ("parent image", "Fedora"),
                ],
            ),
        ),
    ];
    let dockerfile = "FROM registry.example.org/base@sha256:aa\nLABEL vendor=\"Example Project\"\n";
    PlannedPlatform {
        platform: name.parse().unwrap(),
        architecture: Architecture::plain(architecture),
        parents: vec![
            Parent {
                written_as: "base:44".into(),
                pinned: Some(format!("registry.example.org/base@{}", Digest::of(name.as_bytes()))),
            },
            Parent { written_as: "only-here".into(), pinned: None },
        ],
        labels: labels.into_iter().map(|(name, label)| (name.to_owned(), label)).collect(),
        dockerfile: Some(dockerfile.into()),
        dockerfile_diff: Some(
            "@@ -1 +1 @@\n-FROM base:44\n+FROM registry.example.org/base@sha256:aa\n".into(),
        ),
        work_order: Some(PlannedWorkOrder {
            id: format!("wo_01-{name}-1").parse().unwrap(),
            engine_platform: format!("linux/{architecture}"),
            dockerfile_digest: Digest::of(dockerfile.as_bytes()),
            build_args: [("VERSION".to_owned(), "1.2".to_owned())].into(),
            labels: [("vendor".to_owned(), "Example Project".to_owned())].into(),
            host_label: Some("com.redhat.build-host".into()),
            limits: Limits { memory_bytes: Some(2 << 30), time: Some(std::time::Duration::from_secs(3600)) },
            manifest_format: ManifestFormat::Oci,
        }),
    }
}

fn step(name: &str, former_name: Option<&str>, stage: Stage, reason: Option<(&str, &str)>) -> PlannedStep {
    PlannedStep {
        name: name.into(),
        former_name: former_name.map(str::to_owned),
        former_role: former_name.map(|_| "orchestrator".to_owned()),
        stage,
        runs: reason.is_none(),
        reason: reason.map(|(code, sentence)| Reason { code: code.into(), sentence: sentence.into() }),
    }
}

fn file(path: &str, from: &str, known: bool) -> PlannedFile {
    PlannedFile {
        path: path.into(),
        from: from.into(),
        digest: known.then(|| Digest::of(path.as_bytes())),
        size: known.then_some(0),
        platform: known.then(|| "x86_64".parse().unwrap()),
    }
}

/// Something of everything.
pub(crate) fn draft() -> Draft {
    let tags = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
    Draft {
        source: GitSource { uri: "https://git.example.org/hello.git".into(), reference: Some("main".into()) },
        commit: Some("7fd1a60b01f91b314f59955a4e4d4e80d8edf11d".into()),
        full_ref: Some("refs/heads/main".into()),
        mode: BuildMode::Isolated { release: "3.1".into() },
        target: Some("f44-container-candidate".into()),
        settings_digest: Digest::of(b"site"),
        component: Some("hello".parse().unwrap()),
        nvr: Some("hello-1.0-3.1".parse().unwrap()),
        release: Some(Decision { value: "3.1".into(), because: "the request names it".into() }),
        rebuild: Some(Decision { value: "false".into(), because: "somebody asked for the build".into() }),
        platform_arithmetic: vec![
            "the site has x86_64, aarch64 and s390x".into(),
            "container.yaml leaves s390x out".into(),
        ],
        platforms: vec![platform("x86_64", "amd64"), platform("aarch64", "arm64")],
        tags: Some(Tags {
            unique: tags(&["f44-12345-20260301120000"]),
            primary: tags(&["1.0-3.1"]),
            floating: Vec::new(),
        }),
        destinations: vec![
            Target::Layout { directory: "/srv/layouts/hello".into() },
            Target::Registry {
                host: "registry.example.org:5000".parse().unwrap(),
                repository: "team/hello".parse().unwrap(),
                tag: Some("stable".parse().unwrap()),
            },
        ],
        repositories: vec![file("updates.repo", "https://example.org/updates.repo", true)],
        artifacts: vec![file("artifacts/driver.jar", "https://example.org/driver.jar", false)],
        context: Some(Descriptor {
            media_type: "application/vnd.oci.image.layer.v1.tar".into(),
            digest: Digest::of(b"context"),
            size: 10_240,
        }),
        dockerfile_path: Some("Dockerfile".into()),
        repository_keys: vec![RepositoryKey {
            path: "autorebuild.from_latest".into(),
            value: "true".into(),
            from: "container.yaml:7".into(),
        }],
        steps: vec![
            step("freeze_settings", Some("reactor_config"), Stage::Prepare, None),
            step("pin_parents", Some("pull_base_image"), Stage::Prepare, None),
            step(
                "request_composes",
                Some("resolve_composes"),
                Stage::Prepare,
                Some((
                    "composes.not_configured",
                    "the site has no compose service: 'composes.api_url' is not set in any of its files",
                )),
            ),
            step("build_image", None, Stage::Build, None),
        ],
        verdicts: vec![
            Verdict {
                rule: "git.allow_local".into(),
                allowed: true,
                sentence: "the repository is on another host".into(),
            },
            Verdict {
                rule: "policy.allowed_targets".into(),
                allowed: false,
                sentence: "the target is none of f43, f44".into(),
            },
        ],
        notices: vec![Notice::new("source.submodule_ignored", "the submodule 'vendor/x' is left out")],
        assumptions: vec![Notice::new("parents.not_asked", "base:44 was not looked up: offline")],
        problems: vec![
            Failure::new(FailureClass::Source, "labels.conflict", "Dockerfile:3: name and Name differ")
                .with_advice("give both the same value"),
        ],
        execution: Execution {
            queue_deadline_seconds: 3600,
            attempts: 2,
            failure_policy: FailurePolicy::StopOthers,
            extra_tags: tags(&["stable"]),
        },
        recording: None,
    }
}
