//! Typed documents against those that were really imported.

use serde_json::{Map, Value, json};

use super::*;
use crate::nvr::Nvr;

const IMAGE: [&str; 2] = [
    "sha256:274b59f4a6d5a400a79af81a6add282e85549ab068f538c06e2cc568a1412f05",
    "sha256:5ca26f0a4b1b0fd4f200c4732418c8231bb025b1d6395431562d32bd5c594d6a",
];
const LAYER: [&str; 2] = [
    "sha256:ec89490710d728a2bae10f75c7268a99013799cd2f50249ef18bf4e1f53452ea",
    "sha256:d1c4dbadb8a11476462d3bf56f93f44aaf488e51fef9e99d22ebae0e408059b1",
];
const DIGEST: &str = "sha256:abababababababababababababababababababababababababababababababab";
const REPOSITORY: &str = "registry.example.test/lucarval/docker-hello-world";
const V1: &str = "application/vnd.docker.distribution.manifest.v1+json";
const V2: &str = "application/vnd.docker.distribution.manifest.v2+json";
const LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

fn rpm(name: &str, version: &str, release: &str, arch: &str, md5: &str) -> Component {
    Component::Rpm(RpmComponent {
        name: name.into(),
        version: version.into(),
        release: release.into(),
        epoch: None,
        arch: arch.into(),
        sigmd5: Some(md5.into()),
        signature: Some("f55e7430f5282ee4".into()),
    })
}

fn file(filename: String, filesize: u64, checksum: &str, arch: &str, buildroot: &str) -> OutputFile {
    OutputFile {
        filename,
        filesize,
        checksum: checksum.into(),
        checksum_type: ChecksumType::Md5,
        arch: arch.into(),
        buildroot_id: buildroot.into(),
    }
}

fn log(filename: &str, filesize: u64, checksum: &str, arch: &str, buildroot: &str) -> Output {
    Output::Log(Log { file: file(filename.into(), filesize, checksum, arch, buildroot), subdir: None })
}

fn buildroot(arch: &str) -> Buildroot {
    let tool = |name: &str, version: &str| Tool { name: name.into(), version: version.into() };
    Buildroot {
        id: format!("{arch}-1"),
        host: Host { os: Some("Fedora 27 (Workstation Edition)".into()), arch: Some(arch.into()) },
        content_generator: ContentGenerator { name: "atomic-reactor".into(), version: "1.6.32".into() },
        container: Container { kind: "docker".into(), arch: arch.into() },
        tools: vec![tool("atomic-reactor", "1.6.32"), tool("docker", "1.13.1")],
        components: vec![rpm("glibc", "2.26", "27.fc27", arch, "0123456789abcdef0123456789abcdef")],
        extra: Some(BuildrootExtra {
            osbs: Some(OsbsBuildroot {
                build_id: "docker-hello-world-osbs-box-demo-f7644-1-build".into(),
                builder_image_id: format!("docker-pullable://local_buildroot@{DIGEST}"),
                koji: None,
            }),
        }),
    }
}

fn image(platform: usize, release: &str, checksum: &str) -> Output {
    let (arch, goarch) = [("x86_64", "amd64"), ("aarch64", "arm64")][platform];
    let config = json!({
        "architecture": goarch,
        "config": {
            "Cmd": ["/bin/sh"],
            "Env": ["PATH=/usr/bin"],
            "Labels": {
                "com.redhat.component": "docker-hello-world",
                "name": "lucarval/docker-hello-world",
                "version": "1.0",
            },
        },
        "created": "2018-04-25T18:31:00Z",
        "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": [LAYER[platform]]},
        "history": [{"created": "2018-04-25T18:31:00Z", "created_by": "RUN echo hello"}],
    });
    let name = format!("docker-image-{}.{arch}.tar.gz", IMAGE[platform]);
    Output::Image(ImageArchive {
        file: file(name, 599, checksum, arch, &format!("{arch}-1")),
        components: vec![rpm("bash", "4.4.12", "13.fc27", arch, "fedcba9876543210fedcba9876543210")],
        extra: ImageArchiveExtra {
            image: ImageArch { arch: arch.into() },
            docker: DockerExtra {
                id: IMAGE[platform].into(),
                parent_id: Some(DIGEST.into()),
                repositories: vec![format!("{REPOSITORY}:1.0-{release}"), format!("{REPOSITORY}@{DIGEST}")],
                layer_sizes: vec![LayerSize { layer: LayerId::DiffId(LAYER[platform].into()), size: 10240 }],
                tags: vec![format!("candidate-11114-20180425183022-{arch}")],
                config: config.as_object().cloned(),
                digests: [(V1.to_owned(), format!("sha256:{}", "1".repeat(64))), (V2.into(), DIGEST.into())]
                    .into(),
                ..DockerExtra::default()
            },
        },
    })
}

fn build(release: &str, tags: &[&str]) -> Build {
    let extra = BuildExtra {
        image: Image {
            autorebuild: Some(false),
            help: Some(None),
            media_types: texts(&[V1, V2, LIST]).into_iter().collect(),
            index: Some(Index {
                tags: texts(tags),
                pull: vec![format!("{REPOSITORY}@{DIGEST}"), format!("{REPOSITORY}:1.0-1")],
                digests: [(LIST.to_owned(), DIGEST.to_owned())].into(),
                ..Index::default()
            }),
            ..Image::default()
        },
        submitter: "osbs".into(),
        ..BuildExtra::default()
    };
    let nvr = Nvr::new("docker-hello-world", "1.0", release).unwrap();
    let commit = "9".repeat(40);
    Build {
        source: Some(format!("git://git.example.test/lucarval/docker-hello-world#{commit}")),
        owner: Some("osbs".into()),
        ..Build::new(&nvr, 1_524_680_960, 1_524_681_060, extra)
    }
}

fn one_platform_2018() -> Metadata {
    let output = vec![
        image(0, "1", "31243c16bb1fd7b8f33460d00292823b"),
        log("x86_64-build.log", 62, "9bf218563ef2f7079953765d060a4d18", "x86_64", "x86_64-1"),
        log("orchestrator.log", 67, "6aaa6df360df73c549d148ceb26bd290", "noarch", "x86_64-1"),
        log("x86_64.log", 61, "bf5209c54823b8194f9abb4a835e09b6", "noarch", "x86_64-1"),
    ];
    Metadata::new(build("1", &["latest", "1.0", "1.0-1"]), vec![buildroot("x86_64")], output)
}

fn two_platforms_reserved() -> Metadata {
    let mut build = build("2", &["1.0-2"]);
    build.build_id = Some(3);
    let image_extra = &mut build.extra.image;
    image_extra.parent_build_id = Some(2);
    let index = image_extra.index.as_mut().unwrap();
    index.floating_tags = Some(texts(&["latest", "1.0"]));
    index.unique_tags = Some(texts(&["candidate-32571-20180425182951"]));
    build.extra.operator_manifests = Some(AppRegistry::default());
    build.extra.osbs_build =
        Some(OsbsBuild { kind: "container_build".into(), engine: "podman".into(), subtypes: Vec::new() });
    let output = vec![
        image(0, "2", "31243c16bb1fd7b8f33460d00292823b"),
        log("x86_64-build.log", 62, "9bf218563ef2f7079953765d060a4d18", "x86_64", "x86_64-1"),
        image(1, "2", "ce17d126e51abf4f571ec8f1d5b2cb68"),
        log("aarch64-build.log", 62, "5a86038832d83b99649e9b3baad80bf9", "aarch64", "aarch64-1"),
        log("orchestrator.log", 67, "6aaa6df360df73c549d148ceb26bd290", "noarch", "x86_64-1"),
        log("x86_64.log", 61, "bf5209c54823b8194f9abb4a835e09b6", "noarch", "x86_64-1"),
    ];
    Metadata::new(build, vec![buildroot("x86_64"), buildroot("aarch64")], output)
}

/// A recorded document, its media types in the order that is promised to readers.
fn recorded(text: &str) -> Value {
    let mut document: Value = serde_json::from_str(text).unwrap();
    let types = document.pointer_mut("/build/extra/image/media_types").unwrap();
    types.as_array_mut().unwrap().sort_by_key(|media_type| media_type.as_str().unwrap().to_owned());
    document
}

#[test]
fn documents_equal_those_that_were_imported() {
    let documents = [
        ("one_platform_2018", one_platform_2018(), include_str!("fixtures/one_platform_2018.json")),
        (
            "two_platforms_reserved",
            two_platforms_reserved(),
            include_str!("fixtures/two_platforms_reserved.json"),
        ),
    ];
    for (name, document, text) in documents {
        let recorded = recorded(text);
        let written = serde_json::to_value(&document).unwrap();
        assert_eq!(written, recorded, "{name}");
        assert_eq!(serde_json::from_value::<Metadata>(recorded).unwrap(), document, "{name}");
        insta::assert_snapshot!(name, serde_json::to_string_pretty(&document).unwrap());
    }
}

/// What newer builds have beside that.
#[test]
fn every_kind_of_content_is_read_and_written() {
    let mut document = two_platforms_reserved();
    let extra = &mut document.build.extra;
    extra.container_koji_task_id = Some(12);
    extra.filesystem_koji_task_id = Some(13);
    extra.custom_user_metadata = json!({"team": "base"}).as_object().cloned();
    extra.operator_manifests_archive = Some("operator_manifests.zip".into());
    let archive = json!({"archive": "operator_manifests.zip"});
    extra.typeinfo = [("operator-manifests".to_owned(), archive)].into();
    let image = &mut extra.image;
    image.help = Some(Some("help.md".into()));
    image.parent_images = Some(texts(&["fedora:44", "scratch-pad:1"]));
    let parent = ParentBuild { id: 2, nvr: "fedora-44-1".into() };
    image.parent_image_builds =
        Some([("fedora:44".to_owned(), Some(parent)), ("scratch-pad:1".to_owned(), None)].into());
    image.flatpak = true;
    image.modules = Some(texts(&["app-stable-1"]));
    image.source_modules = Some(texts(&["app:stable"]));
    image.odcs = Some(Composes {
        compose_ids: vec![7, 8],
        signing_intent: "release".into(),
        signing_intent_overridden: true,
    });
    image.yum_repourls = Some(texts(&["https://repo.example.test/a.repo"]));
    image.go = Some(GoModules {
        modules: vec![GoModule { module: "example.org/app".into(), archive: None, path: Some("go".into()) }],
    });
    image.pnc = Some(PncBuilds { builds: vec![PncBuild { id: "A1".into() }] });
    image.operator_manifests = Some(OperatorManifests {
        custom_csv_modifications_applied: false,
        related_images: RelatedImages {
            pullspecs: vec![PinnedPullSpec {
                original: "a:1".into(),
                new: format!("a@{DIGEST}"),
                pinned: true,
            }],
            created_by_osbs: true,
        },
    });
    image.remote_sources = Some(vec![RemoteSource { name: "app".into(), url: None }]);
    image.remote_sources_version = Some(2);
    document.build.owner = None;
    document.build.task_id = Some(12);
    document.buildroots[1].extra = None;
    document.buildroots[1].host.os = None;
    document.buildroots[1].components = vec![
        Component::KojiFile(KojiFileComponent {
            archive_id: 9,
            nvr: "maven-app-1-1".into(),
            filename: "app.jar".into(),
            filesize: Some(3_000_000_000),
            checksum: None,
            checksum_type: Some(ChecksumType::Sha256),
        }),
        Component::File(FileComponent {
            filename: "a.txt".into(),
            filesize: 1,
            checksum: "0".repeat(32),
            checksum_type: ChecksumType::Md5,
        }),
    ];
    document.output.push(Output::Archive(Archive {
        file: file("operator_manifests.zip".into(), 5_000_000_000, &"0".repeat(32), "noarch", "x86_64-1"),
        kind: "operator-manifests".into(),
        components: None,
        extra: ArchiveExtra {
            typeinfo: [("operator-manifests".to_owned(), Value::Object(Map::new()))].into(),
            other: [("source-url".to_owned(), json!("https://example.test/a.zip"))].into(),
        },
    }));
    let Output::Log(log) = &mut document.output[1] else { panic!("no log") };
    log.subdir = Some("x86_64".into());
    let written = serde_json::to_value(&document).unwrap();
    assert_eq!(serde_json::from_value::<Metadata>(written.clone()).unwrap(), document);
    insta::assert_snapshot!("newer_content", serde_json::to_string_pretty(&written).unwrap());
}

/// Keys of the seed's documents whose absence and null differ.
#[test]
fn absent_is_not_null() {
    let mut document = one_platform_2018();
    document.build.source = None;
    document.build.owner = None;
    document.build.extra.image.help = None;
    document.build.extra.image.media_types.clear();
    let written = serde_json::to_value(&document).unwrap();
    let build = &written["build"];
    assert_eq!((build.get("source"), build.get("owner")), (Some(&Value::Null), Some(&Value::Null)));
    for absent in ["task_id", "build_id", "epoch", "metadata_only"] {
        assert_eq!(build.get(absent), None, "{absent}");
    }
    for absent in ["help", "media_types", "flatpak", "modules", "odcs", "parent_build_id", "yum_repourls"] {
        assert_eq!(build["extra"]["image"].get(absent), None, "{absent}");
    }
    let read: Metadata = serde_json::from_value(written).unwrap();
    assert_eq!(read.build.extra.image.help, None);
}

#[test]
fn the_written_document_has_no_characters_that_break_answers() {
    let mut document = one_platform_2018();
    document.build.extra.submitter = "o\u{1b}sbs".into();
    let escaped = document.escaped().unwrap();
    assert_eq!(escaped.replaced, 1);
    assert_eq!(escaped.value["build"]["extra"]["submitter"], "o\\x1bsbs");
}
