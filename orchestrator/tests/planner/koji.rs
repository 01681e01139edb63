//! What only Koji knows, asked of a bridge in memory.

use std::collections::BTreeMap;

use common::{
    koji::{KojiBuild, KojiBuildState, KojiCapability, KojiTarget},
    nvr::Nvr,
    work::ManifestFormat,
};
use orchestrator::{
    plan::{BaseIdentity, Draft},
    services::Reach,
};
use serde_json::{Value, json};
use testkit::{
    git::GitRepository,
    koji::InMemoryBridge,
    registry::{InMemoryRegistry, Options},
};

use crate::world::{Case, DOCKERFILE, code_of, platform, problems, repository};

fn asking(repository: &GitRepository, bridge: &InMemoryBridge) -> Case {
    let site = format!(
        "koji:\n  hub_url: https://koji.example.org/kojihub\n  bridge: {}\n  unrecorded_builds: allow\n",
        bridge.address()
    );
    let mut case = Case::of(repository, &site);
    case.reach = Reach::Questions;
    case
}

fn target(name: &str, platforms: &[&str]) -> KojiTarget {
    KojiTarget {
        name: name.into(),
        build_tag: "test-tag".into(),
        destination_tag: "done".into(),
        platforms: platforms.iter().map(|name| (*name).to_owned()).collect(),
    }
}

#[tokio::test]
async fn a_target_that_koji_does_not_have_is_said_so() {
    // CMP-16
    let bridge = InMemoryBridge::start().await.unwrap();
    bridge.add_target(target("known", &["x86_64"]));
    bridge.add_repository("test-tag", 2, "https://files.example.org/repos/test-tag/2");
    let repository = repository(&[("Dockerfile", DOCKERFILE)]);
    for (name, expected) in [("known", &[][..]), ("unknown", &["koji.unknown_target"])] {
        let draft =
            asking(&repository, &bridge).with(|request| request.target = Some(name.into())).draft().await;
        assert_eq!(problems(&draft), expected, "{name}");
    }
}

#[tokio::test]
async fn artifacts_of_a_build_that_koji_does_not_have() {
    // ART-5
    let bridge = InMemoryBridge::start().await.unwrap();
    let wishes = "- nvr: no-such-build-1-1\n  archives:\n  - filename: a.jar\n";
    let repository = repository(&[("Dockerfile", DOCKERFILE), ("fetch-artifacts-koji.yaml", wishes)]);
    let draft = asking(&repository, &bridge).draft().await;
    let text = format!("{:?}", draft.problems);
    assert!(text.contains("no-such-build-1-1"), "{text}");
    assert_eq!(draft.problems.len(), 1, "{text}");
    assert_eq!(code_of(&draft, "fetch_artifacts"), "");
}

#[tokio::test]
async fn platforms_of_the_target_are_told_with_their_arithmetic() {
    // PLT-2, through everything.
    let bridge = InMemoryBridge::start().await.unwrap();
    bridge.add_target(target("test-target", &["x86_64", "ppc64le", "s390x"]));
    let files = [("Dockerfile", DOCKERFILE), ("container.yaml", "platforms:\n  not: [s390x]\n")];
    let repository = repository(&files);
    let draft = asking(&repository, &bridge)
        .with(|request| request.target = Some("test-target".into()))
        .draft()
        .await;
    let names: Vec<&str> = draft.platforms.iter().map(|planned| planned.platform.as_str()).collect();
    assert_eq!(names, ["x86_64", "ppc64le"], "{:?}", draft.platform_arithmetic);
    let arithmetic = draft.platform_arithmetic.join("\n");
    assert!(arithmetic.contains("s390x") && draft.platform_arithmetic.len() > 1, "{arithmetic}");
}

#[tokio::test]
async fn what_the_bridge_cannot_do_is_a_reason() {
    let bridge = InMemoryBridge::start().await.unwrap();
    bridge.set_capabilities(&[KojiCapability::Targets]);
    let repository = repository(&[("Dockerfile", DOCKERFILE)]);
    let draft = asking(&repository, &bridge).draft().await;
    assert_eq!(code_of(&draft, "find_parent_build"), "koji.not_offered");
    assert_eq!(code_of(&draft, "record_build"), "koji.not_offered");
    bridge.stop().await;
}

/// A registry with parents that Koji has built, and one that it has not.
struct Parents {
    registry: InMemoryRegistry,
    bridge: InMemoryBridge,
    /// Image ids by repository and architecture.
    ids: BTreeMap<(&'static str, &'static str), String>,
}

const ARCHITECTURES: [&str; 2] = ["amd64", "arm64"];

impl Parents {
    async fn new() -> Self {
        let bridge = InMemoryBridge::start().await.unwrap();
        bridge.set_capabilities(&KojiCapability::ALL);
        let registry = InMemoryRegistry::start(Options::default()).await.unwrap();
        let mut parents = Self { registry, bridge, ids: BTreeMap::new() };
        parents.put("base", json!({ "com.redhat.component": "base", "version": "44", "release": "1" }));
        parents.put("builder", json!({ "com.redhat.component": "builder", "version": "2", "release": "9" }));
        parents.put("other", json!({ "com.redhat.component": "other", "version": "1", "release": "1" }));
        parents.put("plain", json!({}));
        parents
    }

    fn put(&mut self, repository: &'static str, labels: Value) {
        let mut members = Vec::new();
        for architecture in ARCHITECTURES {
            let config = json!({
                "architecture": architecture, "os": "linux", "config": { "Labels": labels },
                "rootfs": { "type": "layers", "diff_ids": [] }, "repository": repository,
            })
            .to_string();
            let (format, size) = (ManifestFormat::Oci, config.len());
            let config = self.registry.put_blob(repository, config);
            let manifest = json!({
                "schemaVersion": 2, "mediaType": format.manifest(), "layers": [],
                "config": { "mediaType": format.config(), "digest": config.as_str(), "size": size },
            });
            let manifest =
                self.registry.put_manifest(repository, None, format.manifest(), manifest.to_string());
            members.push(json!({
                "mediaType": format.manifest(), "digest": manifest.digest.as_str(), "size": manifest.size,
                "platform": { "os": "linux", "architecture": architecture },
            }));
            self.ids.insert((repository, architecture), config.to_string());
        }
        let index = ManifestFormat::Oci.index();
        let text = json!({ "schemaVersion": 2, "mediaType": index, "manifests": members });
        self.registry.put_manifest(repository, Some("1"), index, text.to_string());
    }

    /// Koji has a build, and recorded this digest for all of its images.
    fn build(&self, id: u64, nvr: &str, state: KojiBuildState, recorded: &str) {
        self.bridge.add_build(KojiBuild {
            id,
            nvr: nvr.parse().unwrap(),
            state,
            volume: String::new(),
            files_url: String::new(),
            extra: json!({ "image": { "index": { "digests": { "application/x": recorded } } } }),
            origin: Default::default(),
            details_unavailable: false,
        });
    }

    /// The digest of an index.
    fn index(&self, repository: &str) -> String {
        let tags = self.registry.tags(repository);
        tags.get("1").unwrap().to_string()
    }

    async fn draft(&self, dockerfile: &str, settings: &str) -> Draft {
        let host = self.registry.host();
        let dockerfile = format!("{dockerfile}{LABELS}");
        let repository = repository(&[("Dockerfile", &dockerfile), ("help.md", " \n")]);
        let mut case = asking(&repository, &self.bridge).with(|request| {
            request.platforms = vec![platform("x86_64"), platform("aarch64")];
            request.release = Some("3".to_owned());
            request.build_args = [("REGISTRY".to_owned(), host.to_string())].into();
        });
        case.site_yaml.push_str(settings);
        case.site_yaml.push_str(&format!("registries:\n- {{host: '{host}', plain_http: true}}\n"));
        case.draft().await
    }
}

const LABELS: &str =
    "LABEL name=team/hello version=1.0 release=3 com.redhat.component=hello-container\nCOPY Dockerfile /\n";

#[tokio::test]
async fn what_koji_is_told_of_parents() {
    let parents = Parents::new().await;
    parents.build(77, "base-44-1", KojiBuildState::Complete, &parents.index("base"));
    parents.build(78, "builder-2-9", KojiBuildState::Complete, &parents.index("builder"));
    let host = parents.registry.host();
    let dockerfile = format!(
        "ARG REGISTRY\nFROM $REGISTRY/plain:1\nFROM ${{REGISTRY}}/builder:1 AS b\nFROM scratch AS s\n\
         FROM ${{REGISTRY}}/builder:1\nCOPY --from={host}/other:1 / /\nFROM ${{REGISTRY}}/base:1\n\
         COPY --from=b / /\n"
    );
    let draft = parents.draft(&dockerfile, "").await;
    assert_eq!(problems(&draft), [""; 0]);
    let recording = draft.recording.unwrap();
    let (plain, builder, base) = ("$REGISTRY/plain:1", "${REGISTRY}/builder:1", "${REGISTRY}/base:1");
    assert_eq!(recording.parent_images, [plain, builder, builder, base], "in order, as written");
    let build = |id: u64, nvr: &str| Some((id, nvr.parse::<Nvr>().unwrap()));
    let builds = [(plain, None), (builder, build(78, "builder-2-9")), (base, build(77, "base-44-1"))];
    let builds: BTreeMap<_, _> = builds.map(|(name, build)| (name.to_owned(), build)).into();
    assert_eq!(recording.parent_builds, builds);
    let recorded = recording.base.unwrap();
    assert_eq!(recorded.build, build(77, "base-44-1"));
    for (name, architecture) in [("x86_64", "amd64"), ("aarch64", "arm64")] {
        let expected = parents.ids[&("base", architecture)].parse().unwrap();
        assert_eq!(recorded.images[&platform(name)], BaseIdentity::Id(expected), "{name}");
    }
    assert_eq!(recording.help, None, "a blank file makes no page");
    assert_eq!(
        parents.bridge.count("FindBuild"),
        3,
        "each build and the release once, COPY --from not at all"
    );
}

#[tokio::test]
async fn the_site_says_what_comes_of_parents_that_koji_does_not_vouch_for() {
    let parents = Parents::new().await;
    let other = format!("sha256:{}", "0".repeat(64));
    parents.build(77, "base-44-1", KojiBuildState::Complete, &other);
    parents.build(78, "builder-2-9", KojiBuildState::Failed, &other);
    let from = |name: &str| format!("ARG REGISTRY\nFROM $REGISTRY/plain:1 AS p\nFROM $REGISTRY/{name}:1\n");
    let notices = |draft: &Draft| {
        let codes = draft.notices.iter().map(|notice| notice.code.clone());
        codes
            .filter(|code| code.starts_with("parent.d") || code.starts_with("koji.parent_"))
            .collect::<Vec<_>>()
    };
    let unnamed = "koji.parent_unnamed";
    let mismatch = "parent.digest_mismatch";
    for (id, name, settings, expected, said) in [
        ("7.2 default", "base", "", &[mismatch][..], &[unnamed][..]),
        ("A22 warn", "base", "  parent_digest: warn\n", &[], &[unnamed, mismatch]),
        ("A22 enforce", "base", "  parent_digest: warn\n  missing_parent: fail\n", &[unnamed], &[mismatch]),
        ("7.2 state", "builder", "", &["koji.parent_build_unusable"], &[unnamed]),
    ] {
        let draft = parents.draft(&from(name), settings).await;
        assert_eq!(
            (problems(&draft), notices(&draft)),
            (expected.to_vec(), said.iter().map(|c| (*c).to_owned()).collect()),
            "{id}"
        );
    }
}
