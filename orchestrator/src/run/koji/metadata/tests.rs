//! Documents of builds that nobody built, against what OSBS wrote.

use std::time::Duration;

use common::{
    image::Digest,
    packages::{Package, PackageKind},
    work::{ArchiveContent, BuildEnvironment, Layer, ManifestFormat},
};
use serde_json::json;

use super::*;
use crate::{
    plan::{BaseIdentity, RecordedBase, RecordedComposes, Reserved, Tags},
    run::members::fixture::member,
};

fn built(platform: &str, architecture: &str) -> BuiltMember {
    let mut member = member(platform, architecture);
    member.local_parents = [("only-here".to_owned(), "sha256:of-the-engine".to_owned())].into();
    let blob = member.config.clone();
    member.layers = vec![Layer { diff_id: Digest::of(b"layer"), blob, uncompressed_size: 5_000_000_000 }];
    member.koji_files = vec![KojiFile {
        name: format!("docker-image-{}.{platform}.tar.gz", member.config.digest),
        size: 4_294_967_297,
        md5: "9e107d9d372bb6826bd81d3542a419d6".to_owned(),
    }];
    member.environment = BuildEnvironment {
        operating_system: "Fedora Linux 44".to_owned(),
        architecture: platform.to_owned(),
        kernel_architecture: platform.to_owned(),
        tools: vec![
            ("reactor-worker".to_owned(), "0.1.0".to_owned()),
            ("docker".to_owned(), "29.1".to_owned()),
        ],
    };
    member
}

fn inventory() -> PackageInventory {
    let package = |kind, name: &str, epoch, signature: Option<&str>| Package {
        kind,
        name: name.to_owned(),
        epoch,
        version: "5.2".to_owned(),
        release: "3.fc44".to_owned(),
        architecture: "x86_64".to_owned(),
        md5: Some("0".repeat(32)),
        signature: signature.map(str::to_owned),
    };
    let packages = vec![
        package(PackageKind::Rpm, "bash", None, Some("199e2f91fd431d51")),
        package(PackageKind::Rpm, "openssl", Some(1), None),
        package(PackageKind::Deb, "dpkg", None, None),
    ];
    PackageInventory { databases: Vec::new(), packages }
}

fn recording() -> Recording {
    Recording {
        nvr: "hello-container-1.0-3".parse().unwrap(),
        reserved: None,
        content_generator: "atomic-reactor".to_owned(),
        web_url: "https://koji.example.org/koji".to_owned(),
        source: "https://git.example.org/hello#0123456789012345678901234567890123456789".to_owned(),
        task: None,
        filesystem_task: None,
        tag: Some("f44-container".to_owned()),
        archive: ArchiveContent::Image,
        autorebuild: false,
        isolated: false,
        help: None,
        // In the order of the text, which is no other order.
        parent_images: ["golang:1", "builder:2", "builder:2", "base:44"]
            .map(|name| format!("registry.example.org/{name}"))
            .to_vec(),
        parent_builds: [
            ("registry.example.org/golang:1".to_owned(), None),
            ("registry.example.org/builder:2".to_owned(), Some((78, "builder-2-9".parse().unwrap()))),
            ("registry.example.org/base:44".to_owned(), Some((77, "base-44-1".parse().unwrap()))),
        ]
        .into(),
        base: Some(RecordedBase {
            build: Some((77, "base-44-1".parse().unwrap())),
            images: ["x86_64", "aarch64"]
                .map(|name| (name.parse().unwrap(), BaseIdentity::Id(Digest::of(name.as_bytes()))))
                .into(),
        }),
        repository_urls: Vec::new(),
        composes: None,
        user_data: None,
    }
}

fn plan() -> Plan {
    let digest = Digest::of(b"context");
    let tags = |names: &[&str]| names.iter().map(|name| name.parse().unwrap()).collect();
    Plan {
        commit: "0123456789012345678901234567890123456789".parse().unwrap(),
        component: "hello".parse().unwrap(),
        platforms: Vec::new(),
        context: Descriptor { media_type: "application/x-tar".to_owned(), digest, size: 1 },
        dockerfile_path: "Dockerfile".to_owned(),
        build_args: Default::default(),
        host_label: None,
        version: None,
        release: None,
        labels_may_differ: Vec::new(),
        packages_may_differ: Vec::new(),
        own_labels: Vec::new(),
        image_stream: None,
        limits: Default::default(),
        queue_deadline: Duration::ZERO,
        attempts: 1,
        failure_policy: common::request::FailurePolicy::StopOthers,
        format: ManifestFormat::Oci,
        tags: Tags {
            unique: tags(&["f44-88-20260301120000"]),
            primary: tags(&["1.0-3"]),
            floating: tags(&["1.0", "latest"]),
        },
        targets: vec![
            Target::Layout { directory: "/srv/images".into() },
            Target::Registry {
                host: "registry.example.org".parse().unwrap(),
                repository: "team/hello".parse().unwrap(),
                tag: Some("stable".parse().unwrap()),
            },
        ],
        recording: None,
        steps: Vec::new(),
    }
}

/// The document of a build on these platforms.
fn document(platforms: &[(&str, &str)], recording: &Recording, plan: &Plan) -> Value {
    let members: Vec<BuiltMember> = platforms.iter().map(|(name, other)| built(name, other)).collect();
    let config = json!({ "architecture": "amd64", "os": "linux", "container_config": { "Cmd": [] } });
    let Value::Object(config) = config else { panic!("no object") };
    let facts = |member| MemberFacts { member, inventory: inventory(), config: config.clone() };
    let members: Vec<MemberFacts<'_>> = members.iter().map(facts).collect();
    let file = |name: String| KojiFile { name, size: 81_920, md5: "a".repeat(32) };
    let mut logs = vec![UploadedLog { file: file("orchestrator.log".to_owned()), platform: None }];
    for (name, _) in platforms {
        for log in [format!("{name}.log"), format!("{name}-build.log")] {
            let of_engine = log.ends_with("-build.log");
            let platform = of_engine.then(|| name.parse().unwrap());
            logs.push(UploadedLog { file: file(log), platform });
        }
    }
    let metadata = compose(&MetadataFacts {
        plan,
        recording,
        build: &"bld_1".parse().unwrap(),
        version: "0.1.0",
        index: &Descriptor {
            media_type: ManifestFormat::Oci.index().to_owned(),
            digest: Digest::of(b"index"),
            size: 10,
        },
        members: &members,
        logs: &logs,
        submitter: "reactor".to_owned(),
        owner: recording.task.map(|_| "somebody".to_owned()),
        started: "2026-03-01T12:00:00.25Z".parse().unwrap(),
        ended: "2026-03-01T12:05:00.75Z".parse().unwrap(),
    });
    metadata.escaped().unwrap().value
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap()
}

#[test]
fn one_platform() {
    insta::assert_snapshot!(pretty(&document(&[("x86_64", "amd64")], &recording(), &plan())));
}

#[test]
fn two_platforms_with_everything() {
    let Value::Object(data) = json!({ "team": "a", "list": [1, "\u{1b}[0m"] }) else { panic!("no object") };
    let nvr = || "hello-container-1.0-3".parse().unwrap();
    let recording = Recording {
        reserved: Some(Reserved { build: 1204, nvr: nvr() }),
        task: Some(88),
        filesystem_task: Some(99),
        help: Some("help.md".to_owned()),
        repository_urls: vec!["https://repos.example.org/a.repo".to_owned()],
        composes: Some(RecordedComposes {
            ids: vec![5, 6],
            signing_intent: "release".to_owned(),
            overridden: true,
        }),
        user_data: Some(data),
        ..recording()
    };
    insta::assert_snapshot!(pretty(&document(
        &[("x86_64", "amd64"), ("aarch64", "arm64")],
        &recording,
        &plan()
    )));
}

#[test]
fn what_a_kind_of_build_changes() {
    let one = [("x86_64", "amd64")];
    let whole = document(&one, &recording(), &plan());
    assert_eq!(whole["build"]["owner"], Value::Null);
    let rebuild = Recording { autorebuild: true, ..recording() };
    assert_eq!(document(&one, &rebuild, &plan())["build"]["extra"]["image"]["autorebuild"], true);

    let mut isolated = plan();
    isolated.tags.floating.clear();
    let recorded = Recording { isolated: true, ..recording() };
    let image = &document(&one, &recorded, &isolated)["build"]["extra"]["image"];
    assert_eq!(image["isolated"], true);
    // The destination's own tag moves, whatever the kind of build.
    assert_eq!(image["index"]["floating_tags"], json!(["stable"]));
    assert!(image.get("flatpak").is_none(), "absent unless it is one");

    let none = (Vec::new(), Default::default());
    let scratch = Recording { parent_images: none.0, parent_builds: none.1, base: None, ..recording() };
    let from_scratch = document(&one, &scratch, &plan());
    let image = &from_scratch["build"]["extra"]["image"];
    assert!(image.get("parent_build_id").is_none() && image["parent_images"] == json!([]));
    assert_eq!(image["parent_image_builds"], json!({}));
    let id = |document: &Value| document["output"][0]["extra"]["docker"].get("parent_id").cloned();
    assert_eq!(id(&from_scratch), None);
    assert_eq!(id(&whole), Some(json!(Digest::of(b"x86_64").to_string())), "4.7: the id, on that platform");
    // One that only the engine has is what the worker says it is.
    let images = [("x86_64".parse().unwrap(), BaseIdentity::Local("only-here".to_owned()))].into();
    let local = Recording { base: Some(RecordedBase { build: None, images }), ..recording() };
    assert_eq!(id(&document(&one, &local, &plan())), Some(json!("sha256:of-the-engine")));

    // Nothing that a registry has: no pull specifications, and no empty ones.
    let mut layout = plan();
    layout.targets.truncate(1);
    let document = document(&one, &recording(), &layout);
    assert_eq!(document["build"]["extra"]["image"]["index"]["pull"], json!([]));
    assert_eq!(document["output"][0]["extra"]["docker"]["repositories"], json!([]));
}

#[test]
fn tools_are_named_once_and_engines_by_their_former_names() {
    let engine = |name: &str| {
        let mut member = built("x86_64", "amd64");
        member.environment.tools = [name, name].map(|name| (name.to_owned(), "1".to_owned())).to_vec();
        let config = Map::new();
        let members = [MemberFacts { member: &member, inventory: PackageInventory::default(), config }];
        let (plan, recording) = (plan(), recording());
        let metadata = compose(&MetadataFacts {
            plan: &plan,
            recording: &recording,
            build: &"bld_1".parse().unwrap(),
            version: "0.1.0",
            index: &member.manifest,
            members: &members,
            logs: &[],
            submitter: String::new(),
            owner: None,
            started: Timestamp::UNIX_EPOCH,
            ended: Timestamp::UNIX_EPOCH,
        });
        assert_eq!(metadata.buildroots[0].tools.len(), 1);
        let engine = metadata.build.extra.osbs_build.map(|build| build.engine).unwrap();
        (engine, metadata.buildroots[0].container.kind.clone())
    };
    assert_eq!(engine("docker"), ("docker_api".to_owned(), "docker".to_owned()));
    assert_eq!(engine("podman"), ("podman".to_owned(), "none".to_owned()));
}
