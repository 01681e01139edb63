//! Step: reads what the repository itself says: Dockerfile and `container.yaml`.

use std::collections::BTreeMap;

use common::{
    ParseError,
    failure::{Failure, FailureClass},
    flow::{Context, Policy, Stage, Step},
    names::Component,
    request::BuildRequest,
};
use serde::{Deserialize, Serialize};

use super::source::STOP_THREADS;
use crate::{
    repository::{
        ResolvedSource, SourceError, SourceTree,
        container_yaml::{ContainerYaml, PlatformLimits},
        dockerfile::{Arguments, Dockerfile},
    },
    services::PlanServices,
};

/// Where the Dockerfile is expected.
const DOCKERFILE: &str = "Dockerfile";
const CONTAINER_YAML: &str = "container.yaml";
/// Largest Dockerfile in bytes: it is part of the build's record, and of every
/// work order.
const MAX_DOCKERFILE: usize = 128 * 1024;

/// Reads the repository.
#[derive(Serialize)]
pub struct ReadRepository<'a> {
    /// What the user asked for.
    pub request: &'a BuildRequest,
    /// The commit.
    pub resolved: &'a ResolvedSource,
}

/// What the repository says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepositoryFacts {
    /// Path of the Dockerfile.
    pub dockerfile_path: String,
    /// The Dockerfile as it is in the repository.
    pub dockerfile: String,
    /// Labels of its final stage.
    pub labels: BTreeMap<String, String>,
    /// Which platforms it wants.
    pub platforms: PlatformLimits,
    /// Under which name the image is built.
    pub component: Component,
}

impl Step<PlanServices> for ReadRepository<'_> {
    const NAME: &'static str = "read_repository";
    const STAGE: Stage = Stage::Prepare;
    type Output = RepositoryFacts;

    fn policy(&self) -> Policy {
        Policy { grace: STOP_THREADS, ..Policy::default() }
    }

    async fn run(&self, cx: &Context<'_, PlanServices>) -> Result<RepositoryFacts, Failure> {
        let tree = cx.services.source_tree(&self.request.source, self.resolved, cx.cancel).await?;
        for path in tree.submodules() {
            let text = format!("the submodule '{path}' is left out: submodules are not fetched");
            cx.warn("source.submodule_ignored", text).await?;
        }
        let files = tree.on_thread(read_files).await?;
        let text = files.dockerfile.ok_or_else(|| no_dockerfile(self.resolved))?;
        if text.len() > MAX_DOCKERFILE {
            return Err(dockerfile_too_large(text.len()));
        }
        let dockerfile = Dockerfile::parse(&text)?;
        if let Some(image) = dockerfile.syntax() {
            let text = format!(
                "line '# syntax={image}' of {DOCKERFILE} has no effect: the engine's own builder is used, \
                 and what only that front-end understands will fail"
            );
            cx.warn("source.syntax_ignored", text).await?;
        }
        let labels = dockerfile.labels(&Arguments::new(&self.request.build_args))?;
        let rules = match files.container_yaml {
            Some(text) => ContainerYaml::read(&text)?,
            None => ContainerYaml::default(),
        };
        for key in &rules.not_acted_on {
            let text = format!("'{key}' in {CONTAINER_YAML} is known but not acted on yet");
            cx.warn("source.key_not_acted_on", text).await?;
        }
        Ok(RepositoryFacts {
            dockerfile_path: DOCKERFILE.to_owned(),
            component: component(self.request, &labels)?,
            dockerfile: String::from_utf8_lossy(dockerfile.as_bytes()).into_owned(),
            labels,
            platforms: rules.platforms,
        })
    }
}

/// The files that are looked at.
struct Files {
    dockerfile: Option<Vec<u8>>,
    container_yaml: Option<Vec<u8>>,
}

fn read_files(tree: &SourceTree) -> Result<Files, SourceError> {
    tree.check_links()?;
    Ok(Files { dockerfile: tree.read(DOCKERFILE)?, container_yaml: tree.read(CONTAINER_YAML)? })
}

fn dockerfile_too_large(bytes: usize) -> Failure {
    let message = format!("'{DOCKERFILE}' has {bytes} bytes; at most {MAX_DOCKERFILE} are accepted");
    Failure::new(FailureClass::Source, "source.dockerfile_too_large", message)
        .with_advice("move long scripts into files of their own and COPY them")
}

fn no_dockerfile(resolved: &ResolvedSource) -> Failure {
    let message = format!("commit {} has no file '{DOCKERFILE}'", resolved.commit);
    Failure::new(FailureClass::Source, "source.no_dockerfile", message)
        .with_advice("the Dockerfile must be at the top of the repository")
}

/// The name from the request, else from the labels, else from the address.
fn component(request: &BuildRequest, labels: &BTreeMap<String, String>) -> Result<Component, Failure> {
    if let Some(component) = &request.component {
        return Ok(component.clone());
    }
    let labelled = ["com.redhat.component", "BZComponent"].iter().find_map(|name| labels.get(*name));
    let text = labelled
        .filter(|text| !text.is_empty())
        .map_or_else(|| last_part(&request.source.uri), String::as_str);
    text.parse().map_err(|error: ParseError| {
        Failure::from_error(FailureClass::Source, "plan.invalid_component", &error)
            .with_advice("set the label com.redhat.component, or name the component in the request")
    })
}

fn last_part(uri: &str) -> &str {
    let path = uri.trim_end_matches('/');
    let path = path.strip_suffix("/.git").unwrap_or(path);
    let name = path.rsplit(['/', ':']).next().unwrap_or(path);
    name.strip_suffix(".git").unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_component_comes_from_request_label_or_address() {
        let request = |component: Option<&str>| BuildRequest {
            component: component.map(|text| text.parse().unwrap()),
            ..BuildRequest::new("https://git.example.org/containers/hello.git/", None)
        };
        let labels = BTreeMap::from([("com.redhat.component".to_owned(), "labelled".to_owned())]);
        assert_eq!(component(&request(Some("asked")), &labels).unwrap().as_str(), "asked");
        assert_eq!(component(&request(None), &labels).unwrap().as_str(), "labelled");
        assert_eq!(component(&request(None), &BTreeMap::new()).unwrap().as_str(), "hello");
    }

    #[test]
    fn addresses_of_every_form_have_a_last_part() {
        for (uri, name) in [
            ("https://h/a/hello.git", "hello"),
            ("git@h:team/hello", "hello"),
            ("h:hello.git", "hello"),
            ("/srv/hello/.git", "hello"),
            ("file:///srv/hello/", "hello"),
        ] {
            assert_eq!(last_part(uri), name, "{uri}");
        }
    }
}
