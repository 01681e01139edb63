//! From the bytes of a repository's files to what they mean.

use std::collections::BTreeMap;

use common::{
    failure::{Failure, FailureClass},
    image::Tag,
    request::BuildRequest,
};

use super::{
    super::{Notice, dockerfiles::OWN_DIRECTORY, is_koji_filesystem},
    RepositoryFacts,
    component::component,
};
use crate::repository::{
    SourceError, SourceTree, additional_tags, artifact_files,
    build_file::{BuildFile, NoBuildFile},
    container_yaml::{self, ContainerYaml},
    content_sets,
    dockerfile::{Arguments, Dockerfile},
    image_build_conf::{self, ImageBuildConf},
    inputs::ArtifactWishes,
    repo_config::{self, RepositoryConfig},
};

/// The help file, in Markdown.
const HELP: &str = "help.md";

/// Largest Dockerfile in bytes: it is part of the build's record, and of every
/// work order.
const MAX_DOCKERFILE: usize = 128 * 1024;
/// Largest sum of everything, as JSON, in bytes: a record is bounded, and the
/// labels can grow out of small variables.
const MAX_FACTS: usize = 240 * 1024;

/// Most lines that a notice names.
const MAX_LINES: usize = 10;

/// A file's content, if it is there and can be read.
type Content = Result<Option<Vec<u8>>, Failure>;

/// Everything that is looked at. A file that cannot be read is no reason not to
/// read the others.
pub(super) struct Files {
    pub(super) build_file: BuildFile,
    pub(super) dockerfile: Content,
    pub(super) container_yaml: Content,
    pub(super) additional_tags: Content,
    pub(super) content_sets: Content,
    pub(super) artifacts_koji: Content,
    pub(super) artifacts_url: Content,
    pub(super) repository_config: Content,
    /// Only if the Dockerfile asks for a file system of Koji: the name of the
    /// file that describes it, and the file.
    pub(super) image_build_conf: Option<(String, Content)>,
    /// Whether the repository has the directory that is ours in a build context.
    pub(super) has_own_directory: bool,
    /// Names of the files of which only their being there matters.
    pub(super) there: Vec<&'static str>,
}

impl Files {
    /// Reads the files beside the Dockerfile of a directory; `None` is the top.
    pub(super) fn read(
        tree: &SourceTree,
        directory: Option<&str>,
        build_args: &BTreeMap<String, String>,
    ) -> Result<Self, ReadError> {
        tree.check_links()?;
        Self::gather(
            directory,
            build_args,
            |path| tree.entry(path.as_bytes()).is_some(),
            |path| tree.read(path).map_err(Failure::from),
        )
        .map_err(ReadError::Build)
    }

    /// The same, from wherever the files are.
    pub(super) fn gather(
        directory: Option<&str>,
        build_args: &BTreeMap<String, String>,
        has: impl Fn(&str) -> bool,
        read: impl Fn(&str) -> Content,
    ) -> Result<Self, NoBuildFile> {
        let build_file = BuildFile::find(directory, &has)?;
        let beside = |name: &str| read(&build_file.directory().path(name));
        let dockerfile = match &build_file {
            BuildFile::Dockerfile(_) => read(&build_file.path()),
            BuildFile::ContainerYaml(_) => Ok(None),
        };
        let conf = dockerfile.as_ref().ok().and_then(Option::as_deref);
        let conf = conf.and_then(|text| filesystem(text, build_args));
        let there = [HELP, artifact_files::PNC_FILE, content_sets::OTHER_ENDING].into_iter();
        Ok(Self {
            container_yaml: beside(container_yaml::FILE),
            additional_tags: beside(additional_tags::FILE),
            content_sets: beside(content_sets::FILE),
            artifacts_koji: beside(artifact_files::KOJI_FILE),
            artifacts_url: beside(artifact_files::URL_FILE),
            repository_config: read(repo_config::FILE),
            has_own_directory: has(OWN_DIRECTORY),
            image_build_conf: conf.map(|name| {
                let content = beside(&name);
                (name, content)
            }),
            there: there.filter(|name| has(&build_file.directory().path(name))).collect(),
            dockerfile,
            build_file,
        })
    }

    fn has(&self, name: &str) -> bool {
        self.there.contains(&name)
    }
}

/// Why nothing can be read at all.
#[derive(Debug)]
pub(super) enum ReadError {
    Source(SourceError),
    Build(NoBuildFile),
}

impl From<SourceError> for ReadError {
    fn from(error: SourceError) -> Self {
        Self::Source(error)
    }
}

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Source(error) => error.into(),
            ReadError::Build(error) => error.into(),
        }
    }
}

/// Collects what is wrong, and goes on.
#[derive(Default)]
struct Problems(Vec<Failure>);

impl Problems {
    fn take<T, E: Into<Failure>>(&mut self, result: Result<T, E>) -> Option<T> {
        result.map_err(|problem| self.0.push(problem.into())).ok()
    }

    /// Reads a file that is there.
    fn file<T: Default>(&mut self, content: &Content, read: impl FnOnce(&[u8]) -> Result<T, Failure>) -> T {
        let result = match content {
            Ok(None) => return T::default(),
            Ok(Some(text)) => read(text),
            Err(failure) => Err(failure.clone()),
        };
        self.take(result).unwrap_or_default()
    }
}

/// What the files mean, with what their author should know.
pub(super) fn understand(
    files: &Files,
    request: &BuildRequest,
) -> Result<(RepositoryFacts, Vec<Notice>), Failure> {
    let mut problems = Problems::default();
    let (container, container_lines) = problems.file(&files.container_yaml, ContainerYaml::read);
    let container_is_sound = problems.0.is_empty();
    if let BuildFile::ContainerYaml(_) = &files.build_file {
        // Whatever is wrong with container.yaml, this is, too.
        if container.flatpak.is_some() {
            problems.0.push(flatpak_not_supported(&files.build_file));
        } else if container_is_sound {
            problems.0.push(NoBuildFile::NoDockerfile(files.build_file.path()).into());
        }
        return Err(Failure::all(problems.0).unwrap_or_else(|| flatpak_not_supported(&files.build_file)));
    }
    let mut notices: Vec<Notice> =
        container.notices().into_iter().map(|notice| Notice::new(&notice.code, notice.text)).collect();
    let dockerfile = problems.file(&files.dockerfile, |text| dockerfile(text).map(Some));
    let arguments = Arguments::new(&request.build_args);
    let labels = dockerfile.as_ref().and_then(|dockerfile| problems.take(dockerfile.labels(&arguments)));
    let component = labels.as_ref().and_then(|labels| problems.take(component(request, labels)));
    let tags_file = !matches!(files.additional_tags, Ok(None));
    let additional_tags = if container.tags.is_empty() && container_is_sound {
        problems.file(&files.additional_tags, additional_tags::read)
    } else {
        if tags_file {
            let text =
                format!("{} has no effect, for {} has 'tags'", additional_tags::FILE, container_yaml::FILE);
            notices.push(Notice::new("source.additional_tags_ignored", text));
        }
        tags(&container)
    };
    let content_sets = problems.file(&files.content_sets, content_sets::read);
    let artifacts = ArtifactWishes {
        koji: problems.file(&files.artifacts_koji, artifact_files::read_koji),
        urls: problems.file(&files.artifacts_url, artifact_files::read_urls),
    };
    if files.has_own_directory {
        problems.0.push(own_directory());
    }
    if files.has(artifact_files::PNC_FILE) {
        problems.0.push(artifact_files::pnc_unsupported());
    }
    let repository_config = problems.file(&files.repository_config, RepositoryConfig::read);
    let image_build_conf = files.image_build_conf.as_ref().and_then(|(name, content)| {
        let text = content.clone().and_then(|text| text.ok_or_else(|| no_image_build_conf(name)));
        problems.take(text.and_then(|text| {
            ImageBuildConf::read(&text)?;
            Ok::<_, Failure>(String::from_utf8_lossy(&text).into_owned())
        }))
    });
    if files.has(content_sets::OTHER_ENDING) {
        let text = format!("{} is not read: only {} is", content_sets::OTHER_ENDING, content_sets::FILE);
        notices.push(Notice::new("source.content_sets_ignored", text));
    }
    if let Some(image) = dockerfile.as_ref().and_then(Dockerfile::syntax) {
        let text = format!(
            "line '# syntax={image}' of Dockerfile has no effect: the engine's own builder is used, and what \
             only that front-end understands will fail"
        );
        notices.push(Notice::new("source.syntax_ignored", text));
    }
    notices.extend(dockerfile.as_ref().map(needs_buildkit).unwrap_or_default());
    if container.autorebuild.add_timestamp_to_release {
        let text = format!(
            "{} says autorebuild.add_timestamp_to_release, which is not acted on",
            container_yaml::FILE
        );
        notices.push(Notice::new("source.add_timestamp_ignored", text));
    }
    let (Some(dockerfile), Some(labels), Some(component), None) =
        (dockerfile, labels, component, Failure::all(problems.0.clone()))
    else {
        let none = || NoBuildFile::File(files.build_file.path()).into();
        return Err(Failure::all(problems.0).unwrap_or_else(none));
    };
    let facts = RepositoryFacts {
        dockerfile_path: files.build_file.path(),
        dockerfile: String::from_utf8_lossy(dockerfile.as_bytes()).into_owned(),
        labels,
        container,
        container_lines,
        additional_tags,
        content_sets,
        artifacts,
        has_help: files.has(HELP).then(|| HELP.to_owned()),
        base_is_koji_filesystem: files.image_build_conf.is_some(),
        image_build_conf,
        repository_config,
        component,
    };
    bounded(&facts)?;
    Ok((facts, notices))
}

/// The tags of `container.yaml`, each once. They were checked when it was read.
fn tags(container: &ContainerYaml) -> Vec<Tag> {
    let mut tags: Vec<Tag> = Vec::new();
    for tag in container.tags.iter().filter_map(|tag| tag.parse().ok()) {
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    tags
}

fn dockerfile(text: &[u8]) -> Result<Dockerfile, Failure> {
    if text.len() > MAX_DOCKERFILE {
        let bytes = text.len();
        let message = format!("'Dockerfile' has {bytes} bytes; at most {MAX_DOCKERFILE} are accepted");
        return Err(Failure::new(FailureClass::Source, "source.dockerfile_too_large", message)
            .with_advice("move long scripts into files of their own and COPY them"));
    }
    Ok(Dockerfile::parse(text)?)
}

/// The name of the file that describes the file system, if the image stands on
/// one. A Dockerfile whose base cannot be told stands on none; why it cannot is
/// said when the parents are looked up.
fn filesystem(dockerfile: &[u8], build_args: &BTreeMap<String, String>) -> Option<String> {
    let dockerfile = self::dockerfile(dockerfile).ok()?;
    let base = dockerfile.base(&Arguments::new(build_args)).ok()??.expanded;
    let tag = base.tag.as_ref().map(Tag::as_str);
    is_koji_filesystem(&base.to_string()).then(|| image_build_conf::file_name(tag).to_owned())
}

fn no_image_build_conf(name: &str) -> Failure {
    let message = format!("Image build configuration file not found: FROM koji/image-build needs '{name}'");
    Failure::new(FailureClass::Source, "source.no_image_build_conf", message)
        .with_advice("commit the file beside the Dockerfile, or name another one with the tag")
}

/// What the engine's classic builder will refuse, each kind once with its lines.
fn needs_buildkit(dockerfile: &Dockerfile) -> Vec<Notice> {
    let mut lines: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for needed in dockerfile.needs_buildkit() {
        let lines = lines.entry(needed.what).or_default();
        if lines.len() < MAX_LINES {
            lines.push(needed.line.to_string());
        }
    }
    let notice = |(what, lines): (String, Vec<String>)| {
        let lines = lines.join(", ");
        let text = format!("Dockerfile line {lines}: {what}, which the engine's classic builder refuses");
        Notice::new("dockerfile.needs_buildkit", text)
    };
    lines.into_iter().take(MAX_LINES).map(notice).collect()
}

/// A file of the repository in there would go into the image together with ours.
fn own_directory() -> Failure {
    let message = format!("the repository has '{OWN_DIRECTORY}', where a build puts files of its own");
    Failure::new(FailureClass::Source, "source.reserved_directory", message)
        .with_advice(format!("give '{OWN_DIRECTORY}' another name"))
}

fn flatpak_not_supported(file: &BuildFile) -> Failure {
    let message = format!("'{}' describes a Flatpak, and Flatpaks are not supported yet", file.path());
    Failure::new(FailureClass::Source, "source.flatpak_not_supported", message)
        .with_advice("add a Dockerfile to build a container image")
}

/// Whether it all fits into a record.
fn bounded(facts: &RepositoryFacts) -> Result<(), Failure> {
    let bytes = serde_json::to_vec(facts).map_or(usize::MAX, |json| json.len());
    if bytes <= MAX_FACTS {
        return Ok(());
    }
    let message = format!(
        "the Dockerfile, its labels and the files beside it come to {bytes} bytes; at most {MAX_FACTS} can be \
         recorded"
    );
    Err(Failure::new(FailureClass::Source, "source.inputs_too_large", message)
        .with_advice("shorten the largest of these files"))
}
