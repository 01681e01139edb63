//! The world of one build: a repository, a registry with parents and a place for
//! the image, a layout as a second place, a state directory, workers.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use common::{
    destination::Destination,
    flow::event::{BuildResult, Event, EventKind},
    image::Digest,
    koji::{KojiBuildState, KojiCapability, KojiTarget},
    request::BuildRequest,
    service::ServiceAddress,
    work::ManifestFormat,
};
use orchestrator::config::Site;
use registry_client::{
    Client, HostSettings, Layout, Registry, RegistrySettings, Selector,
    verify::{Depth, verify},
};
use serde_json::Value;
use tempfile::TempDir;
use testkit::{
    git::GitRepository,
    koji::InMemoryBridge,
    registry::{InMemoryRegistry, Options},
};

use crate::{
    image::TinyImage,
    koji_stage::{Stage, TASK},
    worker::Worker,
};

/// Where the image goes in the registry.
pub(crate) const REPOSITORY: &str = "out/hello";
const PLATFORMS: [(&str, &str); 2] = [("x86_64", "amd64"), ("aarch64", "arm64")];
const DOCKERFILE: &str = "ARG REGISTRY\nFROM ${REGISTRY}/base:1\n\
    LABEL com.redhat.component=hello-container version=1.0 release=1\nCOPY hello /\n";
/// What Koji calls the build.
pub(crate) const NVR: &str = "hello-container-1.0-1";

/// Tags by place and name, each with what it points to.
pub(crate) type Tags = BTreeMap<(&'static str, String), Digest>;

/// Everything outside the orchestrator's process.
pub(crate) struct World {
    pub(crate) registry: InMemoryRegistry,
    /// The way to it. Without logins it knows nothing that a process could forget.
    pub(crate) client: Client,
    pub(crate) directory: TempDir,
    pub(crate) request: BuildRequest,
    pub(crate) workers: Vec<Arc<Worker>>,
    /// The tags before the build.
    pub(crate) before: Tags,
    /// How long workers may take to come back. Where they are to be found again,
    /// longer than a busy machine needs to get that far.
    pub(crate) reattach_window: Duration,
    /// Koji, in worlds that have one.
    pub(crate) koji: Option<InMemoryBridge>,
    /// Koji with the real bridge and a hub, in worlds that have these.
    pub(crate) hub: Option<Stage>,
    _git: Arc<GitRepository>,
}

thread_local! {
    // One for the runtime of each test, since to read the system's authorities takes longer than a build.
    static CLIENT: Client = {
        let defaults = HostSettings { plain_http: true, ..HostSettings::default() };
        Client::new(RegistrySettings { defaults, ..RegistrySettings::default() })
    };
}

/// The repository, the same for all worlds that exist at the same time.
fn repository() -> Result<Arc<GitRepository>> {
    static SHARED: Mutex<Weak<GitRepository>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(repository) = shared.upgrade() {
        return Ok(repository);
    }
    let repository = Arc::new(GitRepository::new()?);
    repository.commit_files("hello", &[("Dockerfile", DOCKERFILE), ("hello", "Hello!\n")])?;
    *shared = Arc::downgrade(&repository);
    Ok(repository)
}

impl World {
    /// A world in which `latest` is on an older image everywhere.
    pub(crate) async fn new() -> Result<Self> {
        let registry = InMemoryRegistry::start(Options::default()).await?;
        let client = CLIENT.with(Client::clone);
        let index = ManifestFormat::Oci.index();
        let mut members = Vec::new();
        for (_, architecture) in PLATFORMS {
            let image = TinyImage::new(architecture, "base")?;
            image.put(&registry, "base", None);
            let of = image.descriptor();
            members.push(serde_json::json!({
                "mediaType": of.media_type, "digest": of.digest.as_str(), "size": of.size,
                "platform": { "os": "linux", "architecture": architecture },
            }));
        }
        let base = serde_json::json!({ "schemaVersion": 2, "mediaType": index, "manifests": members });
        registry.put_manifest("base", Some("1"), index, base.to_string());

        let git = repository()?;
        let directory = TempDir::new()?;
        let layout = Destination::Layout { directory: directory.path().join("layout") };
        let destination = format!("docker://{}/{REPOSITORY}:stable", registry.host()).parse()?;
        let request = BuildRequest {
            platforms: PLATFORMS.iter().map(|(name, _)| name.parse()).collect::<Result<_, _>>()?,
            destinations: vec![destination, layout],
            build_args: [("REGISTRY".to_owned(), registry.host().to_string())].into(),
            ..BuildRequest::new(&git.path().display().to_string(), None)
        };
        let mut world = Self {
            registry,
            client,
            directory,
            request,
            workers: Vec::new(),
            before: Tags::new(),
            reattach_window: Duration::from_millis(50),
            koji: None,
            hub: None,
            _git: git,
        };
        world.hire(false)?;

        let old = TinyImage::new("amd64", "an older image")?;
        old.put(&world.registry, REPOSITORY, Some("latest"));
        let layout = Layout::create(world.layout()).await?;
        old.upload(&layout).await?;
        let latest = Selector::Tag("latest".parse()?);
        layout.put_manifest(&latest, ManifestFormat::Oci.manifest(), old.manifest.clone()).await?;
        world.before = world.tags()?;
        ensure!(world.before.len() == 2);
        Ok(world)
    }

    /// The same with a Koji in which builds are recorded.
    pub(crate) async fn with_koji() -> Result<Self> {
        let mut world = Self::new().await?;
        let bridge = InMemoryBridge::start().await?;
        bridge.set_capabilities(&KojiCapability::ALL);
        bridge.add_target(KojiTarget {
            name: "f44".to_owned(),
            build_tag: "f44-build".to_owned(),
            destination_tag: "f44-done".to_owned(),
            platforms: PLATFORMS.iter().map(|(name, _)| (*name).to_owned()).collect(),
        });
        bridge.add_repository("f44-build", 9, "https://files.example.org/repos/f44-build/9/$basearch");
        bridge.add_task_of(88, "somebody");
        world.request.target = Some("f44".to_owned());
        world.request.koji_task = Some(88);
        world.koji = Some(bridge);
        Ok(world)
    }

    /// The same with the real bridge and a hub.
    pub(crate) async fn with_koji_hub() -> Result<Self> {
        let mut world = Self::new().await?;
        world.hub = Some(Stage::start(world.directory.path()).await?);
        world.request.target = Some("f44".to_owned());
        world.request.koji_task = Some(TASK);
        Ok(world)
    }

    /// Where Koji's bridge is, in worlds that have one.
    pub(crate) fn koji_address(&self) -> Option<ServiceAddress> {
        let of_hub = self.hub.as_ref().map(Stage::address);
        of_hub.or_else(|| self.koji.as_ref().map(InMemoryBridge::address)).cloned()
    }

    /// The site, as far as this world differs from none.
    pub(crate) fn site(&self) -> Result<Site> {
        if self.koji_address().is_none() {
            return Ok(Site::default());
        }
        let file = self.directory.path().join("site.yaml");
        std::fs::write(&file, "koji:\n  hub_url: https://koji.example.org/kojihub\n")?;
        Ok(Site::load(&[file], [], &[])?)
    }

    /// The real bridge and its hub.
    pub(crate) fn stage(&self) -> Result<&Stage> {
        self.hub.as_ref().context("a world without a hub")
    }

    /// Koji's bridge.
    pub(crate) fn bridge(&self) -> Result<&InMemoryBridge> {
        self.koji.as_ref().context("a world without Koji")
    }

    /// Koji has exactly this build, complete, imported once, with its tag.
    pub(crate) fn check_recorded(&self, result: &BuildResult) -> Result<()> {
        let bridge = self.bridge()?;
        let builds = bridge.builds();
        let [build] = builds.as_slice() else { anyhow::bail!("{builds:?}") };
        ensure!(build.nvr.to_string() == NVR && build.is_complete(), "{build:?}");
        ensure!(bridge.imports() == 1, "{} imports", bridge.imports());
        ensure!(bridge.tags(build.id) == ["f44-done"], "{:?}", bridge.tags(build.id));
        let record = result.koji.as_ref().context("the result does not name the build")?;
        ensure!(record.build == build.id && record.nvr == build.nvr, "{record:?}");
        ensure!(record.tag.as_deref() == Some("f44-done"), "{record:?}");
        let document = bridge.imported(build.id).context("no document")?;
        let index = &document["build"]["extra"]["image"]["index"];
        ensure!(index["digests"][&result.index_media_type] == result.index_digest.as_str(), "{index}");
        Ok(())
    }

    /// Nothing is reserved in Koji.
    pub(crate) fn check_nothing_reserved(&self) -> Result<()> {
        let builds = self.bridge()?.builds();
        let reserved = builds.iter().any(|build| build.state == KojiBuildState::Building);
        ensure!(!reserved && builds.len() <= 1, "{builds:?}");
        Ok(())
    }

    /// New workers, one for each platform, instead of those that were there.
    pub(crate) fn hire(&mut self, moody: bool) -> Result<()> {
        self.workers = PLATFORMS.iter().map(|(name, _)| Worker::new(name, moody)).collect::<Result<_>>()?;
        Ok(())
    }

    /// The state directory.
    pub(crate) fn state(&self) -> PathBuf {
        self.directory.path().join("state")
    }

    /// Which destination the registry is, from 1.
    fn registry_position(&self) -> usize {
        let is_registry = |to: &Destination| matches!(to, Destination::Registry { .. });
        self.request.destinations.iter().position(is_registry).map_or(0, |position| position + 1)
    }

    /// Whether a tag names one build alone.
    fn is_unique(&self, tag: &str) -> bool {
        tag.starts_with(if self.request.target.is_some() { "f44-" } else { "none-" })
    }

    /// Tags are as they were, but those that a build in Koji names.
    pub(crate) fn check_withdrawn(&self) -> Result<()> {
        let imported = self.bridge()?.imports() > 0;
        let tags = self.tags()?;
        ensure!(self.before.keys().all(|key| tags.contains_key(key)), "{tags:?}");
        let mut changed = self.changed()?;
        changed.retain(|(_, tag), _| !(imported && (self.is_unique(tag) || tag == "1.0-1")));
        ensure!(changed.is_empty(), "{changed:?}");
        Ok(())
    }

    fn layout(&self) -> PathBuf {
        self.directory.path().join("layout")
    }

    /// All tags at both destinations.
    pub(crate) fn tags(&self) -> Result<Tags> {
        let mut tags = Tags::new();
        for (tag, digest) in self.registry.tags(REPOSITORY) {
            tags.insert(("registry", tag), digest);
        }
        let index: Value = serde_json::from_slice(&std::fs::read(self.layout().join("index.json"))?)?;
        for entry in index["manifests"].as_array().context("no entries")? {
            let name = entry["annotations"]["org.opencontainers.image.ref.name"].as_str();
            let digest = entry["digest"].as_str().context("no digest")?.parse()?;
            tags.insert(("layout", name.context("an entry without a tag")?.to_owned()), digest);
        }
        Ok(tags)
    }

    /// Tags that are not as they were.
    pub(crate) fn changed(&self) -> Result<Tags> {
        let mut tags = self.tags()?;
        tags.retain(|key, digest| self.before.get(key) != Some(digest));
        Ok(tags)
    }

    /// Nothing may be tagged that is not complete everywhere, at any time.
    pub(crate) async fn check_that_tags_are_complete(&self) -> Result<()> {
        for ((place, tag), digest) in self.changed()? {
            self.check_complete(&digest).await.with_context(|| format!("{tag} at {place}"))?;
        }
        Ok(())
    }

    /// Every destination has the index and all that belongs to it, byte for byte.
    async fn check_complete(&self, index: &Digest) -> Result<()> {
        let remote = self.client.repository(&self.registry.host(), &REPOSITORY.parse()?);
        let layout = Layout::open(self.layout()).await?;
        let places: [&dyn Registry; 2] = [&remote, &layout];
        for place in places {
            let selector = Selector::Digest(index.clone());
            let found = place.head_manifest(&selector).await?.context("the index is missing")?;
            let verified = verify(place, &found, Depth::Content).await?;
            ensure!((verified.manifests, verified.blobs) == (3, 4), "{verified:?}");
        }
        Ok(())
    }

    /// The image is everywhere, its tags are right, and there is no other index.
    pub(crate) async fn check_published(&self, result: &BuildResult) -> Result<()> {
        let requests = self.registry.requests();
        let pushed: Vec<&str> = requests
            .iter()
            .filter(|request| request.method == "PUT")
            .filter_map(|request| request.path.strip_prefix("/v2/out/hello/manifests/"))
            .collect();
        let by_digest = |name: &&str| name.starts_with("sha256:");
        let first_tag = pushed.iter().position(|name| !by_digest(name)).context("no tag was put")?;
        ensure!(!pushed[first_tag..].iter().any(by_digest), "a tag came before a manifest: {pushed:?}");
        let mut manifests: Vec<&str> = pushed.iter().copied().filter(by_digest).collect();
        manifests.sort_unstable();
        manifests.dedup();
        let members = result.members.iter().map(|member| &member.manifest_digest);
        let mut wanted: Vec<&str> = members.chain([&result.index_digest]).map(Digest::as_str).collect();
        wanted.sort_unstable();
        ensure!(manifests == wanted, "the registry got {manifests:?}");
        ensure!(self.indexes_in_layout()? == [result.index_digest.clone()], "the layout has other indexes");

        self.check_complete(&result.index_digest).await?;
        let [registry, layout] = result.publications.as_slice() else { anyhow::bail!("not two places") };
        ensure!(registry.destination == format!("docker://{}/{REPOSITORY}", self.registry.host()));
        ensure!(layout.destination == format!("oci:{}", self.layout().display()));
        let unique = layout.tags.first().context("no tags")?.as_str();
        ensure!(self.is_unique(unique), "{unique}");
        let names = |tags: &[common::image::Tag]| tags.iter().map(ToString::to_string).collect::<Vec<_>>();
        ensure!(names(&layout.tags) == [unique, "1.0-1", "1.0", "latest"]);
        ensure!(names(&registry.tags) == [unique, "1.0-1", "1.0", "latest", "stable"]);
        let mut tags = Tags::new();
        for (place, publication) in [("registry", registry), ("layout", layout)] {
            let index = || result.index_digest.clone();
            tags.extend(names(&publication.tags).into_iter().map(|tag| ((place, tag), index())));
        }
        ensure!(self.tags()? == tags, "{:?}", self.tags()?);
        Ok(())
    }

    fn indexes_in_layout(&self) -> Result<Vec<Digest>> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(self.layout().join("blobs/sha256"))? {
            let bytes = std::fs::read(entry?.path())?;
            let document: Option<Value> = serde_json::from_slice(&bytes).ok();
            if document.is_some_and(|document| document.get("manifests").is_some()) {
                found.push(Digest::of(&bytes));
            }
        }
        Ok(found)
    }

    /// How often each tag was put into the registry, in the order of names.
    pub(crate) fn tag_puts(&self) -> BTreeMap<String, usize> {
        let mut puts = BTreeMap::new();
        for request in self.registry.requests() {
            let name = request.path.strip_prefix("/v2/out/hello/manifests/");
            if let Some(name) = name.filter(|name| request.method == "PUT" && !name.starts_with("sha256:")) {
                *puts.entry(name.to_owned()).or_default() += 1;
            }
        }
        puts
    }

    /// No tag was put more often than the step that sets it began, and no step
    /// began again after it had succeeded.
    pub(crate) fn check_effects(&self, events: &[Event]) -> Result<()> {
        let began = |wanted: &str| {
            let of =
                |event: &&Event| matches!(&event.kind, EventKind::StepStarted { step, .. } if step == wanted);
            events.iter().filter(of).count()
        };
        for (tag, puts) in self.tag_puts() {
            let fixed = self.is_unique(&tag) || tag == "1.0-1";
            let setting = if fixed { "push_tags" } else { "push_floating_tags" };
            // The registry is one of the two destinations; a former tag is put back by a step of its own.
            let put_back =
                if self.before.contains_key(&("registry", tag.clone())) { "withdraw_tags" } else { "" };
            let to = self.registry_position();
            let began = began(&format!("to-{to}/{setting}")) + began(&format!("to-{to}/{put_back}"));
            ensure!(puts <= began, "{tag} was put {puts} times by a step that began {began} times");
        }
        let mut succeeded = Vec::new();
        for event in events {
            match &event.kind {
                EventKind::StepSucceeded { step, .. } => succeeded.push(step),
                EventKind::StepStarted { step, .. } => {
                    ensure!(!succeeded.contains(&step), "{step} ran again after it had succeeded");
                }
                _ => {}
            }
        }
        let position = |wanted: fn(&EventKind) -> bool| events.iter().position(|event| wanted(&event.kind));
        let tagged = position(
            |kind| matches!(kind, EventKind::StepStarted { step, .. } if step.ends_with("/push_tags")),
        );
        let pushed = events.iter().rposition(
            |event| matches!(&event.kind, EventKind::StepStarted { step, .. } if step.ends_with("/push_image")),
        );
        ensure!(tagged.is_none() || pushed < tagged, "a tag was set while an image was still on its way");
        Ok(())
    }

    /// Nothing of a build is left where builds keep their files.
    pub(crate) fn check_no_files(&self) -> Result<()> {
        let left = std::fs::read_dir(work_directory(&self.state()))?.count();
        ensure!(left == 0, "{left} directories of builds are left");
        Ok(())
    }
}

/// Where builds keep their files.
pub(crate) fn work_directory(state: &Path) -> PathBuf {
    state.join("work")
}
