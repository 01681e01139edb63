//! What the types alone cannot see: values that are not allowed, and keys that
//! are known and refused. All of them are found, not only the first.

use common::{
    ParseError,
    failure::{Failure, FailureClass},
    image::Tag,
    yaml::Places,
};

use super::{ContainerYaml, FILE, Notice};
use crate::repository::{additional_tags::MAX_TAGS, module_spec::ModuleSpec, strict::at_line};

/// What is wrong with a value. `line` counts from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContainerYamlProblem {
    /// A format that nobody has described yet.
    #[error("{FILE}:{} version {version} is not known", at_line(*line))]
    Version {
        /// What is written.
        version: u64,
        /// Where.
        line: Option<usize>,
    },
    /// A builder is named.
    #[error("{FILE}:{} image_build_method '{method}' cannot be chosen: there is one builder", at_line(*line))]
    BuildMethod {
        /// What is written.
        method: String,
        /// Where.
        line: Option<usize>,
    },
    /// Dependencies would have to be fetched.
    #[error("{FILE}:{} {key}: remote sources are not supported yet", at_line(*line))]
    RemoteSource {
        /// Which of the two keys.
        key: &'static str,
        /// Where.
        line: Option<usize>,
    },
    /// Manifests would have to be changed.
    #[error("{FILE}:{} operator_manifests: operator bundles are not supported yet", at_line(*line))]
    OperatorManifests {
        /// Where.
        line: Option<usize>,
    },
    /// Not the name of a variable.
    #[error("{FILE}:{} set_release_env: '{name}' is not the name of an environment variable", at_line(*line))]
    ReleaseVariable {
        /// What is written.
        name: String,
        /// Where.
        line: Option<usize>,
    },
    /// Not a tag.
    #[error("{FILE}:{} tags: {error}", at_line(*line))]
    Tag {
        /// Why.
        error: ParseError,
        /// Where.
        line: Option<usize>,
    },
    /// More tags than an image can get.
    #[error("{FILE}:{} tags: there are {count}; at most {MAX_TAGS} can be set", at_line(*line))]
    TooManyTags {
        /// How many.
        count: usize,
        /// Where.
        line: Option<usize>,
    },
    /// Not a module.
    #[error("{FILE}:{} compose.modules: {error}", at_line(*line))]
    Module {
        /// Why.
        error: ParseError,
        /// Where.
        line: Option<usize>,
    },
}

impl ContainerYamlProblem {
    /// The problem as it leaves a step.
    pub fn failure(&self) -> Failure {
        let (code, advice) = match self {
            Self::Version { .. } => ("source.container_yaml_version", "write 'version: 1', or leave it out"),
            Self::BuildMethod { .. } => (
                "source.image_build_method",
                "remove the key: instructions that needed 'imagebuilder' work without it",
            ),
            Self::RemoteSource { .. } => (
                "source.remote_source_unsupported",
                "the image would lack its sources, so it is not built; commit the dependencies, or fetch them \
                 in the Dockerfile, and remove the key",
            ),
            Self::OperatorManifests { .. } => (
                "source.operator_manifests_unsupported",
                "the bundle's images would not be pinned, so it is not built; pin them yourself and remove \
                 the key",
            ),
            Self::ReleaseVariable { .. } => (
                "source.set_release_env",
                "use letters, digits and '_', not beginning with a digit, such as 'RELEASE'",
            ),
            Self::Tag { .. } => ("source.container_yaml_tag", "correct the tag or remove it"),
            Self::TooManyTags { .. } => ("source.too_many_tags", "remove tags that nobody uses"),
            Self::Module { .. } => ("source.module_spec", "name the module as NAME:STREAM"),
        };
        Failure::from_error(FailureClass::Source, code, self).with_advice(advice)
    }
}

impl ContainerYaml {
    /// Every value that cannot be, and every key that is refused.
    pub(super) fn problems(&self, places: &Places) -> Vec<ContainerYamlProblem> {
        let line = |key: &str| places.closest(key);
        let mut problems = Vec::new();
        if self.tags.len() > MAX_TAGS {
            problems.push(ContainerYamlProblem::TooManyTags { count: self.tags.len(), line: line("tags") });
        }
        if let Some(version) = self.version.filter(|version| *version != 1) {
            problems.push(ContainerYamlProblem::Version { version, line: line("version") });
        }
        if let Some(method) = &self.image_build_method {
            let line = line("image_build_method");
            problems.push(ContainerYamlProblem::BuildMethod { method: method.clone(), line });
        }
        if self.remote_source.is_some() {
            let key = "remote_source";
            problems.push(ContainerYamlProblem::RemoteSource { key, line: line(key) });
        }
        if !self.remote_sources.is_empty() {
            let key = "remote_sources";
            problems.push(ContainerYamlProblem::RemoteSource { key, line: line(key) });
        }
        if self.operator_manifests.is_some() {
            problems.push(ContainerYamlProblem::OperatorManifests { line: line("operator_manifests") });
        }
        if let Some(name) = self.set_release_env.as_ref().filter(|name| !is_variable(name)) {
            let line = line("set_release_env");
            problems.push(ContainerYamlProblem::ReleaseVariable { name: name.clone(), line });
        }
        for (index, tag) in self.tags.iter().enumerate() {
            if let Err(error) = tag.parse::<Tag>() {
                let line = line(&format!("tags[{index}]"));
                problems.push(ContainerYamlProblem::Tag { error, line });
            }
        }
        let modules = self.compose.iter().flat_map(|compose| &compose.modules);
        for (index, module) in modules.enumerate() {
            if let Err(error) = module.parse::<ModuleSpec>() {
                let line = line(&format!("compose.modules[{index}]"));
                problems.push(ContainerYamlProblem::Module { error, line });
            }
        }
        problems
    }

    /// Keys that are there and change nothing, with what to do about them.
    pub fn notices(&self) -> Vec<Notice> {
        let mut notices = Vec::new();
        let mut add = |there: bool, code: &str, text: &str| {
            if there {
                notices.push(Notice { code: code.to_owned(), text: format!("{FILE}: {text}") });
            }
        };
        add(
            self.go.is_some(),
            "source.go_ignored",
            "'go' has no effect: it only listed modules in the build's metadata; remove it",
        );
        add(
            self.pnc.is_some(),
            "source.pnc_ignored",
            "'pnc' has no effect: builds of that system are not supported yet",
        );
        add(
            self.flatpak.is_some(),
            "source.flatpak_ignored",
            "'flatpak' has no effect beside a Dockerfile: Flatpaks are not supported yet",
        );
        notices
    }
}

fn is_variable(name: &str) -> bool {
    let first = name.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    first && name.len() <= 128 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}
