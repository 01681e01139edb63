//! `container.yaml`: what a repository says about its own builds.
//!
//! Read once, straight into types. The types are the schema: the JSON Schema in
//! `docs/schemas` is made of them, and a key that they do not have is an error
//! that names the nearest one that they do have, wherever it is. The names of the
//! keys are those that OSBS documents, those that it no longer has included:
//! a key without which the image would come out wrong is refused, one that only
//! describes it is accepted with a notice.

mod check;
mod platforms;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use common::{failure::Failure, yaml::Places};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::IgnoredAny};

pub use check::ContainerYamlProblem;
pub use platforms::PlatformLimits;

use super::{
    inputs::{AutomaticRebuild, ComposeWish, FlatpakWish, NamedRemoteSource, RemoteSource, or_default},
    strict::{self, InputFile, MAX_PROBLEMS},
};

/// Name of the file, beside the Dockerfile.
pub const FILE: &str = "container.yaml";

/// The file and its limits.
pub(super) const INPUT: InputFile = InputFile {
    name: FILE,
    limit: 64 * 1024,
    code: "source.container_yaml",
    code_unknown_key: "source.container_yaml_unknown_key",
    code_too_large: "source.container_yaml_too_large",
};

/// The content of `container.yaml`. An absent or empty file is the default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[serde(deny_unknown_fields)]
pub struct ContainerYaml {
    /// Version of the format: 1, the only one there is.
    pub version: Option<u64>,
    /// Which platforms the repository builds on.
    #[serde(deserialize_with = "or_default")]
    #[schemars(with = "Option<PlatformLimits>")]
    pub platforms: PlatformLimits,
    /// Package repositories to be made for the build.
    pub compose: Option<ComposeWish>,
    /// A Flatpak is described here. Not acted on yet.
    pub flatpak: Option<FlatpakWish>,
    /// What is different in a build that nobody asked for.
    #[serde(deserialize_with = "or_default")]
    #[schemars(with = "Option<AutomaticRebuild>")]
    pub autorebuild: AutomaticRebuild,
    /// Further tags of the image, as written.
    #[serde(deserialize_with = "or_default")]
    #[schemars(with = "Option<Vec<String>>")]
    pub tags: Vec<String>,
    /// Name of the environment variable that holds the release in the image.
    pub set_release_env: Option<String>,
    /// Which builder is wanted. Refused: there is one builder.
    pub image_build_method: Option<String>,
    /// Sources of dependencies to fetch. Refused for now.
    pub remote_source: Option<RemoteSource>,
    /// Several of them. Refused for now.
    #[serde(deserialize_with = "or_default")]
    #[schemars(with = "Option<Vec<NamedRemoteSource>>")]
    pub remote_sources: Vec<NamedRemoteSource>,
    /// The image is an operator bundle. Refused for now.
    pub operator_manifests: Option<Anything>,
    /// Go modules that the image is said to have. Without effect.
    pub go: Option<Anything>,
    /// Builds of the Project Newcastle build system. Without effect.
    pub pnc: Option<Anything>,
}

/// Most keys whose lines are kept, and longest path that is: they are part of the
/// build's record, and a value of which only its presence matters can have any.
const MAX_LINES: usize = 200;
const MAX_PATH: usize = 100;

/// A value of which only its being there matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Anything;

/// Something that a file says and that changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// Stable code.
    pub code: String,
    /// One sentence.
    pub text: String,
}

impl ContainerYaml {
    /// Reads the file's text: what it says, and the line of each key. A key is
    /// named by its path (example: `compose.packages`); entries of lists are left
    /// out.
    ///
    /// # Errors
    /// Every unknown key, and then: not YAML, a value of the wrong kind, or all
    /// values that cannot be or are not supported.
    pub fn read(text: &[u8]) -> Result<(Self, BTreeMap<String, usize>), Failure> {
        let strict::Read { value, places } = strict::read::<Option<Self>>(&INPUT, text)?;
        let value = value.unwrap_or_default();
        let problems = value.problems(&places);
        match Failure::all(problems.iter().take(MAX_PROBLEMS).map(ContainerYamlProblem::failure)) {
            Some(failure) => Err(failure),
            None => Ok((value, lines(&places))),
        }
    }

    /// The JSON Schema of the file, as it is checked in.
    pub fn schema() -> Schema {
        let mut schema = schemars::schema_for!(ContainerYaml);
        schema.insert("title".to_owned(), FILE.into());
        schema
    }
}

fn lines(places: &Places) -> BTreeMap<String, usize> {
    let short = |path: &&str| path.len() <= MAX_PATH && !path.contains('[');
    let paths = places.paths().filter(short).take(MAX_LINES);
    paths.filter_map(|path| Some((path.to_owned(), places.line(path)?))).collect()
}

impl Serialize for Anything {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bool(true)
    }
}

impl<'de> Deserialize<'de> for Anything {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Self)
    }
}

impl JsonSchema for Anything {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Anything".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        Schema::default()
    }
}
