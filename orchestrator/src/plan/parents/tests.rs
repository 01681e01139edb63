use std::{
    path::PathBuf,
    sync::{Arc, Mutex},
};

use common::{
    failure::FailureClass,
    flow::{Flow, MemoryJournal},
    image::Digest,
    platform::Architecture,
    work::ManifestFormat,
};
use jiff::Timestamp;
use registry_client::{Client, HostSettings, RegistrySettings};
use serde_json::json;
use testkit::registry::{InMemoryRegistry, Options};
use tokio_util::sync::CancellationToken;

use super::{
    look_up::{below_library, qualify},
    *,
};
use crate::{
    config::Site,
    outside::{Http, Outside},
    repository::GitAccess,
    services::{BuildStamp, LayoutRoot, Narrator, Reach},
};

/// What steps said.
#[derive(Default)]
struct Lines(Mutex<Vec<String>>);

#[async_trait::async_trait]
impl Narrator for Lines {
    async fn say(&self, _step: &str, text: &str) {
        self.0.lock().unwrap().push(text.to_owned());
    }
}

/// A registry that is the site's source registry, and planning that asks it.
struct World {
    registry: InMemoryRegistry,
    services: PlanServices,
    lines: Arc<Lines>,
    platforms: Vec<SelectedPlatform>,
}

impl World {
    async fn new(platforms: &[(&str, &str)], reach: Reach) -> Self {
        let registry = InMemoryRegistry::start(Options::default()).await.unwrap();
        let defaults = HostSettings { plain_http: true, ..HostSettings::default() };
        let registries = Client::new(RegistrySettings { defaults, ..RegistrySettings::default() });
        let mut site = Site::default();
        site.settings.source_registry = registry.host().to_string();
        let lines = Arc::new(Lines::default());
        let services = PlanServices {
            shutdown: tokio_util::sync::CancellationToken::new(),
            site: Arc::new(site),
            outside: Outside {
                registries,
                git: GitAccess::default(),
                koji: None,
                http: Http::new().unwrap(),
            },
            stamp: BuildStamp { build: "bld_1".parse().unwrap(), created_at: Timestamp::UNIX_EPOCH },
            directory: PathBuf::new(),
            layout_root: LayoutRoot::Free(PathBuf::new()),
            reach,
            narrator: lines.clone(),
            vault: crate::services::Vault::none(),
        };
        let platforms = platforms.iter().map(|(platform, architecture)| SelectedPlatform {
            platform: platform.parse().unwrap(),
            architecture: Architecture::plain(architecture),
        });
        let platforms = platforms.collect();
        Self { registry, services, lines, platforms }
    }

    /// An index of one image for each architecture, and an attestation.
    fn put(&self, repository: &str, tag: &str, architectures: &[&str]) -> Vec<Digest> {
        let mut members = Vec::new();
        let mut digests = Vec::new();
        for architecture in architectures.iter().copied().chain(["unknown"]) {
            let config = json!({
                "architecture": architecture, "os": "linux",
                "config": {
                    "Labels": { "name": repository, "version": "1" },
                    "Env": ["PATH=/bin", "OPTIONS=a=b", "ALONE"],
                    "User": "1001",
                },
                "rootfs": { "type": "layers", "diff_ids": [] },
            });
            let media_type = ManifestFormat::Oci.manifest();
            let manifest = self.put_image(repository, None, config.to_string());
            members.push(json!({
                "mediaType": media_type, "digest": manifest.as_str(), "size": 1,
                "platform": {
                    "os": if architecture == "unknown" { "unknown" } else { "linux" },
                    "architecture": architecture,
                },
            }));
            digests.push(manifest);
        }
        digests.pop();
        let index =
            json!({ "schemaVersion": 2, "mediaType": ManifestFormat::Oci.index(), "manifests": members });
        self.registry.put_manifest(repository, Some(tag), ManifestFormat::Oci.index(), index.to_string());
        digests
    }

    fn put_image(&self, repository: &str, tag: Option<&str>, config: String) -> Digest {
        let format = ManifestFormat::Oci;
        let size = config.len();
        let config = self.registry.put_blob(repository, config);
        let manifest = json!({
            "schemaVersion": 2, "mediaType": format.manifest(), "layers": [],
            "config": { "mediaType": format.config(), "digest": config.as_str(), "size": size },
        });
        self.registry.put_manifest(repository, tag, format.manifest(), manifest.to_string()).digest
    }

    async fn pin(&self, dockerfile: &str, replace: Option<(&str, &str)>) -> Result<PinnedParents, Failure> {
        self.pin_or_local(dockerfile, replace, false).await
    }

    async fn pin_or_local(
        &self,
        dockerfile: &str,
        replace: Option<(&str, &str)>,
        allow_local: bool,
    ) -> Result<PinnedParents, Failure> {
        let replace: Option<(ImageReference, ImageReference)> =
            replace.map(|(from, to)| (from.parse().unwrap(), to.parse().unwrap()));
        let journal = MemoryJournal::default();
        let flow = Flow::new(&self.services, &journal, CancellationToken::new());
        flow.run(PinParents {
            dockerfile,
            build_args: &BTreeMap::new(),
            platforms: &self.platforms,
            allow_local,
            replace: replace.as_ref().map(|(from, to)| (from, to)),
        })
        .await
    }

    /// Name and pin of each parent of the first platform.
    async fn pins(&self, dockerfile: &str, replace: Option<(&str, &str)>) -> Vec<(String, String)> {
        let pinned =
            self.pin(dockerfile, replace).await.unwrap_or_else(|error| panic!("{dockerfile}: {error}"));
        let parents = pinned.platforms[0].parents.iter();
        parents.map(|parent| (parent.written_as.clone(), parent.pinned.clone().unwrap_or_default())).collect()
    }
}

const ONE: &[(&str, &str)] = &[("x86_64", "amd64")];
const TWO: &[(&str, &str)] = &[("x86_64", "amd64"), ("ppc64le", "ppc64le")];

#[tokio::test]
async fn parents_are_found_where_they_are_written() {
    let world = World::new(ONE, Reach::Everything).await;
    let here = world.registry.host();
    for repository in ["busybox", "library/busybox", "library/library-only", "team/tool", "trigger"] {
        for tag in ["latest", "2"] {
            world.put(repository, tag, &["amd64"]);
        }
    }
    let with_host = format!("FROM {here}/library/busybox");
    let elsewhere = World::new(ONE, Reach::Everything).await;
    elsewhere.put("busybox", "latest", &["amd64"]);
    let other = format!("FROM {}/busybox", elsewhere.registry.host());
    let other_place = format!("{}/busybox", elsewhere.registry.host());
    let place = |repository: &str| format!("{here}/{repository}");
    type Row<'a> = (&'a str, &'a str, Option<(&'a str, &'a str)>, String);
    let rows: &[Row<'_>] = &[
        ("PUL-1", "FROM busybox:latest", None, place("busybox")),
        ("PUL-1 untagged is latest", "FROM busybox", None, place("busybox")),
        ("PUL-2", &with_host, None, place("library/busybox")),
        ("PUL-3", "FROM library-only:latest", None, place("library/library-only")),
        // The system that this follows refused another registry than the site's.
        ("PUL-4", &other, None, other_place),
        ("PUL-5", "FROM invalid-image", Some(("invalid-image", "trigger:2")), place("trigger")),
        ("PUL-5 earlier stage", "FROM a AS x\nFROM scratch\n", Some(("a", "team/tool")), place("team/tool")),
        ("PUL-11 one platform", "FROM team/tool", None, place("team/tool")),
    ];
    for (case, dockerfile, replace, expected) in rows {
        let pins = world.pins(dockerfile, *replace).await;
        let [(_, pin)] = pins.as_slice() else { panic!("{case}: {pins:?}") };
        assert!(pin.starts_with(&format!("{expected}@sha256:")), "{case}: {pin}");
    }
    assert!(world.registry.requests().iter().all(|request| !request.path.contains("/layers")));
}

#[tokio::test]
async fn a_parent_that_nobody_has_is_named_as_it_is_written() {
    let world = World::new(ONE, Reach::Everything).await;
    world.put("library/tool", "latest", &["amd64"]);
    let failure = world.pin("\nFROM parent-image\n", None).await.unwrap_err();
    assert_eq!((failure.code.as_str(), failure.class), ("parent.not_found", FailureClass::Parent), "PUL-7");
    assert!(failure.message.contains("Dockerfile line 2: the parent parent-image does"), "PUL-7: {failure}");
    assert_eq!(world.registry.count("GET", "/v2/library/parent-image/manifests/"), 1, "PUL-7");

    // A namespace that somebody wrote is not replaced.
    let failure = world.pin("FROM other/tool\n", None).await.unwrap_err();
    assert_eq!(failure.code, "parent.not_found");
    assert_eq!(world.registry.count("GET", "/v2/library/tool/"), 0);
}

#[tokio::test]
async fn all_platforms_must_be_there() {
    let world = World::new(TWO, Reach::Everything).await;
    world.put("both", "latest", &["amd64", "ppc64le"]);
    world.put("one", "latest", &["amd64"]);
    world.put("none", "latest", &["s390x"]);
    let config = json!({
        "architecture": "amd64", "os": "linux", "config": null, "rootfs": { "type": "layers", "diff_ids": [] },
    });
    world.put_image("single", Some("latest"), config.to_string());
    let rows: &[(&str, &str, &[&str])] = &[
        ("PUL-8", "FROM both", &[]),
        ("PUL-9", "FROM one", &["ppc64le"]),
        ("PUL-9 both lacking", "FROM none", &["x86_64", "ppc64le"]),
        ("PUL-10", "FROM single", &["ppc64le"]),
    ];
    for (case, dockerfile, lacking) in rows {
        let problems = world.pin(dockerfile, None).await.err().map(Failure::each).unwrap_or_default();
        let platforms: Vec<String> =
            problems.iter().filter_map(|problem| Some(problem.platform.as_ref()?.to_string())).collect();
        assert_eq!(platforms, *lacking, "{case}");
        assert!(problems.iter().all(|problem| problem.code == "parent.lacks_platform"), "{case}");
    }
}

#[tokio::test]
async fn everything_that_is_wrong_is_told_at_once() {
    let world = World::new(TWO, Reach::Everything).await;
    world.put("one", "latest", &["amd64"]);
    world.put("both", "latest", &["amd64", "ppc64le"]);
    let dockerfile = "FROM one AS a\nFROM both\nCOPY --from=absent:1 /x /y\nCOPY --from=a /x /y\n";
    let failure = world.pin_or_local(dockerfile, None, true).await.unwrap_err();
    assert_eq!(failure.code, "parent.lacks_platform", "a local parent is no way out of that");
    let problems = world.pin(dockerfile, None).await.unwrap_err().each();
    let mut told: Vec<(&str, bool)> = problems
        .iter()
        .map(|problem| (problem.code.as_str(), problem.message.starts_with("Dockerfile line ")))
        .collect();
    told.sort_unstable();
    assert_eq!(told, [("parent.lacks_platform", true), ("parent.not_found", true)]);
    assert!(problems.iter().any(|problem| problem.message.contains("line 3: the parent absent:1")));
}

#[tokio::test]
async fn the_base_is_what_the_final_stage_stands_on() {
    let world = World::new(TWO, Reach::Everything).await;
    let digests = world.put("base", "1", &["amd64", "ppc64le"]);
    world.put("tool", "latest", &["amd64", "ppc64le"]);
    let rows: &[(&str, Option<&str>)] = &[
        ("FROM base:1 AS a\nFROM tool\nFROM a\n", Some("base")),
        ("FROM base:1\nFROM tool\n", Some("tool")),
        ("FROM base:1\nFROM scratch\nCOPY --from=tool / /\n", None),
        ("FROM koji/image-build:f44\n", None),
    ];
    for (dockerfile, expected) in rows {
        let pinned = world.pin(dockerfile, None).await.unwrap();
        for platform in &pinned.platforms {
            let base = platform.base.as_ref();
            let name = base.map(|base| base.labels["name"].as_str());
            assert_eq!(name, *expected, "{dockerfile}");
            assert!(base.is_none_or(|base| base.user == "1001" && base.env["OPTIONS"] == "a=b"));
        }
    }
    let pinned = world.pin(rows[0].0, None).await.unwrap();
    let base = |position: usize| pinned.platforms[position].base.clone().unwrap().reference.digest.unwrap();
    assert_eq!([base(0), base(1)], [digests[0].clone(), digests[1].clone()]);
    let skipped = world.pin("FROM koji/image-build\nCOPY --from=tool / /\n", None).await.unwrap();
    assert_eq!(skipped.platforms[0].parents.len(), 1, "only the tool is a parent");
}

#[tokio::test]
async fn from_instructions_are_kept_as_they_are_written() {
    let world = World::new(TWO, Reach::Everything).await;
    let digests = world.put("base", "1", &["amd64", "ppc64le"]);
    world.put("tool", "latest", &["amd64", "ppc64le"]);
    let dockerfile = "ARG BASE=base:1\nFROM tool AS a\nFROM koji/image-build AS f\nFROM ${BASE} AS b\n\
        FROM scratch\nFROM tool\nCOPY --from=base:1 / /\nFROM b\n";
    let pinned = world.pin(dockerfile, None).await.unwrap();
    for (platform, manifest) in pinned.platforms.iter().zip(&digests) {
        let from: Vec<_> = platform.from.iter().map(|from| (from.written.as_str(), from.is_base)).collect();
        let expected = [("tool", false), ("koji/image-build", false), ("${BASE}", true), ("tool", false)];
        assert_eq!(from, expected);
        assert_eq!(platform.from[1].image, None, "Koji makes it");
        let base = platform.from[2].image.as_ref().unwrap();
        assert_eq!((platform.from[2].name.as_str(), &base.manifest), ("base:1", manifest));
        assert!(base.index.is_some() && base.id != base.manifest);
        assert_eq!(base.build, None, "it has no component");
    }
    let id = |position: usize| pinned.platforms[position].from[2].image.clone().unwrap();
    assert!(id(0).id != id(1).id && id(0).index == id(1).index);
}

#[tokio::test]
async fn an_offline_plan_pins_nothing_and_says_so() {
    let world = World::new(TWO, Reach::Nothing).await;
    let pinned = world.pin("FROM base:1\nCOPY --from=tool / /\n", Some(("base:1", "new:2"))).await.unwrap();
    for platform in &pinned.platforms {
        let names: Vec<&str> = platform.parents.iter().map(|parent| parent.written_as.as_str()).collect();
        assert_eq!(names, ["base:1", "tool"]);
        assert!(platform.parents.iter().all(|parent| parent.pinned.is_none()) && platform.base.is_none());
    }
    assert!(world.registry.requests().is_empty());
    let lines = world.lines.0.lock().unwrap();
    assert!(lines.len() == 2 && lines[0].contains("base:1, replaced by new:2,"), "{lines:?}");
}

#[tokio::test]
async fn a_local_parent_has_no_pin_and_no_base() {
    let world = World::new(ONE, Reach::Everything).await;
    let pinned = world.pin_or_local("FROM only-here\n", None, true).await.unwrap();
    let parents = vec![Parent { written_as: "only-here".to_owned(), pinned: None }];
    let name = || "only-here".to_owned();
    let from = vec![FromImage { written: name(), name: name(), is_base: true, image: None }];
    assert_eq!(pinned.platforms, [PinnedPlatform { parents, base: None, from }]);
}

/// The registry, the repository below it and the tag or digest of a name. Names
/// are read as the OCI specification and Docker have them today, so two rows
/// differ from the system that this follows.
#[test]
fn image_names_are_read() {
    let hex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let by_digest = format!("registry:5000/image-name@sha256:{hex}");
    let both = format!("registry.example.com/ns/repo:tag@sha256:{hex}");
    let digest = format!("sha256:{hex}");
    type Row<'a> = (&'a str, &'a str, Option<&'a str>, &'a str, Option<&'a str>, Option<&'a str>);
    let rows: &[Row<'_>] = &[
        (
            "T01",
            "repository.com/prefix/image-name:1",
            Some("repository.com"),
            "prefix/image-name",
            Some("1"),
            None,
        ),
        ("T02", &by_digest, Some("registry:5000"), "image-name", None, Some(&digest)),
        ("T03", "prefix/image-name:1", None, "prefix/image-name", Some("1"), None),
        ("T03", "library/fedora:20", None, "library/fedora", Some("20"), None),
        ("T03", "fedora:20", None, "fedora", Some("20"), None),
        ("T03", "image-name", None, "image-name", None, None),
        // It was a namespace; every engine takes it for a registry.
        ("T04 now a registry", "localhost/foo", Some("localhost"), "foo", None, None),
        // It was a registry without a dot.
        ("T05 now a namespace", "ns/sub/repo:1", None, "ns/sub/repo", Some("1"), None),
        // The tag was part of the repository.
        ("T06 now a tag", &both, Some("registry.example.com"), "ns/repo", Some("tag"), Some(&digest)),
        ("T07", "a.b/c/d/e:1", Some("a.b"), "c/d/e", Some("1"), None),
    ];
    for (case, text, host, repository, tag, digest) in rows {
        let read: ImageReference = text.parse().unwrap();
        assert_eq!(read.host.as_ref().map(|host| host.as_str()), *host, "{case}");
        assert_eq!(read.repository.as_str(), *repository, "{case}");
        assert_eq!(read.tag.as_ref().map(|tag| tag.as_str()), *tag, "{case}");
        assert_eq!(read.digest.as_ref().map(|digest| digest.as_str()), *digest, "{case}");
        assert_eq!(read.to_string(), *text, "{case}");
    }
}

#[test]
fn library_is_for_names_without_any_place() {
    for (case, written, expected) in [
        ("T08", "bar", Some("r.example.org/library/bar")),
        ("T08 tag kept", "bar:1", Some("r.example.org/library/bar:1")),
        ("a namespace is kept", "ns/bar", None),
        ("a registry is kept", "other.example.org/bar", None),
    ] {
        let written: ImageReference = written.parse().unwrap();
        let qualified = qualify(&written, "r.example.org").unwrap();
        let below = below_library(&written, qualified).map(|reference| reference.to_string());
        assert_eq!(below.as_deref(), expected, "{case}");
    }
}
