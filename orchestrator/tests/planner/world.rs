//! The seed's inputs, and dry runs of them and of small repositories.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use common::{failure::Failure, image::Tag, platform::Platform, request::BuildRequest};
use orchestrator::{
    app,
    config::Site,
    plan::{
        Draft, DryRun, Silence, dry_run,
        explain::{Explanation, Subject},
        joints,
    },
    request::replay::{Replay, from_environment},
    services::{LayoutRoot, Reach},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::git::GitRepository;
use tokio_util::sync::CancellationToken;

pub(crate) const SEED_CONFIG: &str = include_str!("../seed/config.yaml");
pub(crate) const SEED_PARAMS: &str = include_str!("../seed/orchestrator-user-params.json");

/// The environment of the seed's pod, with changes of `USER_PARAMS`; a change to
/// null leaves the key out.
pub(crate) fn pod(config: &str, changes: &[(&str, Value)]) -> Vec<(String, String)> {
    let mut params: serde_json::Map<String, Value> = serde_json::from_str(SEED_PARAMS).unwrap();
    for (key, value) in changes {
        match value {
            Value::Null => drop(params.remove(*key)),
            value => drop(params.insert((*key).to_owned(), value.clone())),
        }
    }
    let labels = json!({
        "buildconfig": "docker-hello-world-osbs-box-demo-f7644",
        "is_autorebuild": "false",
        "git-branch": "osbs-box-demo",
    });
    let build = json!({"metadata": {"name": "b-1", "namespace": "osbs", "labels": labels}});
    let variables = [
        ("BUILD", build.to_string()),
        ("SOURCE_REPOSITORY", "git://github.com/sosiouxme/docker-hello-world".to_owned()),
        ("SOURCE_URI", "git://github.com/sosiouxme/docker-hello-world".to_owned()),
        ("SOURCE_REF", "origin/osbs-box-demo".to_owned()),
        ("OUTPUT_IMAGE", "kojiadmin/docker-hello-world:candidate-32571-20180425182951".to_owned()),
        ("OUTPUT_REGISTRY", String::new()),
        ("REACTOR_CONFIG", config.to_owned()),
        ("USER_PARAMS", Value::Object(params).to_string()),
    ];
    variables.map(|(name, value)| (name.to_owned(), value)).into()
}

/// A dry run to be.
pub(crate) struct Case {
    pub(crate) site_yaml: String,
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) request: BuildRequest,
    pub(crate) origins: BTreeMap<String, String>,
    pub(crate) reach: Reach,
    pub(crate) assumed_parent: Option<String>,
    pub(crate) unique_tag: Option<Tag>,
}

/// A draft and its explanation.
pub(crate) struct Told {
    pub(crate) draft: Draft,
    pub(crate) explanation: Explanation,
}

impl Case {
    /// A captured pod, asking nobody.
    pub(crate) fn replay(config: &str, changes: &[(&str, Value)]) -> Self {
        Self::try_replay(&pod(config, changes)).unwrap()
    }

    pub(crate) fn try_replay(environment: &[(String, String)]) -> Result<Self, Failure> {
        let Replay { request, site_yaml, unique_tag, assumed_parent, origins, .. } =
            from_environment(environment)?;
        let site_yaml = site_yaml.unwrap();
        let environment = Vec::new();
        let reach = Reach::Nothing;
        Ok(Self { site_yaml, environment, request, origins, reach, assumed_parent, unique_tag })
    }

    /// The seed as it is.
    pub(crate) fn seed() -> Self {
        Self::replay(SEED_CONFIG, &[])
    }

    /// A repository of this machine, on a site with one setting or none.
    pub(crate) fn of(repository: &GitRepository, site_yaml: &str) -> Self {
        Self {
            site_yaml: site_yaml.to_owned(),
            environment: Vec::new(),
            request: BuildRequest::new(repository.path().to_str().unwrap(), None),
            origins: BTreeMap::new(),
            reach: Reach::Nothing,
            assumed_parent: None,
            unique_tag: None,
        }
    }

    pub(crate) fn with(mut self, change: impl FnOnce(&mut BuildRequest)) -> Self {
        change(&mut self.request);
        self
    }

    /// The site's configuration, from a file as people have it.
    pub(crate) fn site(&self) -> Site {
        self.site_in(&TempDir::new().unwrap())
    }

    fn site_in(&self, directory: &TempDir) -> Site {
        let file = directory.path().join("site.yaml");
        std::fs::write(&file, &self.site_yaml).unwrap();
        let files: &[PathBuf] = &[file];
        Site::read(files, self.environment.clone(), &[]).unwrap()
    }

    pub(crate) async fn draft(&self) -> Draft {
        self.tell().await.draft
    }

    /// Plans and explains.
    pub(crate) async fn tell(&self) -> Told {
        let directory = TempDir::new().unwrap();
        let site = Arc::new(self.site_in(&directory));
        let layouts = PathBuf::from("/nonexistent/layouts");
        let run = DryRun {
            site: site.clone(),
            outside: app::outside(&site).unwrap(),
            request: self.request.clone(),
            reach: self.reach,
            layout_root: LayoutRoot::Free(layouts.clone()),
            directory: directory.path().join("work"),
            assumed_parent: self.assumed_parent.clone(),
            unique_tag: self.unique_tag.clone(),
            narrator: Arc::new(Silence),
            cancel: CancellationToken::new(),
        };
        let draft = dry_run(run).await.unwrap();
        assert!(!layouts.exists(), "a dry run makes no layout");
        let readers = joints::readers();
        let mut explanation = Explanation::of(Subject {
            site: joints::site_leaves(&site),
            request: Some(&self.request),
            request_origins: self.origins.clone(),
            repository: Vec::new(),
            draft: Some(&draft),
            readers: &readers,
        });
        // Each case has the file in another directory, which is no change.
        let passing = format!("{}/", directory.path().display());
        for entry in &mut explanation.entries {
            entry.origin = entry.origin.replace(&passing, "");
            for said in &mut entry.beaten {
                said.from = said.from.replace(&passing, "");
            }
        }
        Told { draft, explanation }
    }
}

/// A repository with these files.
pub(crate) fn repository(files: &[(&str, &str)]) -> GitRepository {
    let repository = GitRepository::new().unwrap();
    repository.commit_files("first", files).unwrap();
    repository
}

/// A Dockerfile that needs no registry.
pub(crate) const DOCKERFILE: &str = "FROM scratch\n\
                              LABEL name=team/hello version=1.0 release=3 com.redhat.component=hello-container\n\
                              COPY Dockerfile /\n";

/// Former names of a role that run, in their order.
pub(crate) fn running<'a>(draft: &'a Draft, role: &str) -> Vec<&'a str> {
    former(draft, role).filter(|(_, reason)| reason.is_none()).map(|(name, _)| name).collect()
}

/// Former names of a role that do not run, in their order, with the code.
pub(crate) fn fallen<'a>(draft: &'a Draft, role: &str) -> Vec<(&'a str, &'a str)> {
    former(draft, role).filter_map(|(name, reason)| Some((name, reason?))).collect()
}

fn former<'a>(draft: &'a Draft, role: &str) -> impl Iterator<Item = (&'a str, Option<&'a str>)> {
    draft.steps.iter().filter(move |step| step.former_role.as_deref() == Some(role)).map(|step| {
        assert_eq!(step.runs, step.reason.is_none());
        let reason = step.reason.as_ref().map(|reason| {
            assert!(reason.sentence.split(' ').count() > 3, "{}: {}", step.name, reason.sentence);
            reason.code.as_str()
        });
        (step.former_name.as_deref().unwrap(), reason)
    })
}

/// The code for which one of our steps does not run; empty when it runs.
pub(crate) fn code_of<'a>(draft: &'a Draft, step: &str) -> &'a str {
    let step = draft.steps.iter().find(|planned| planned.name == step).unwrap();
    step.reason.as_ref().map_or("", |reason| reason.code.as_str())
}

pub(crate) fn platform(name: &str) -> Platform {
    name.parse().unwrap()
}

/// Codes of everything that is wrong.
pub(crate) fn problems(draft: &Draft) -> Vec<&str> {
    draft.problems.iter().map(|problem| problem.code.as_str()).collect()
}
