//! The user parameters of the system that this one follows: a JSON object in the
//! variable `USER_PARAMS`, with everything that was asked for and much that was
//! not. Read strictly: every key is known, and either sets a field of the
//! request, or serves the replay of a pod, or is retired, or cannot be honoured
//! and is refused. Nothing is ignored silently.
//!
//! The writer of that time left out what was false, zero, empty or null, and its
//! reader took such values for absent, whatever their type; so does this one.

mod keys;
mod values;

use common::{
    failure::Failure,
    image::Tag,
    names::Component,
    platform::Platform,
    request::{BuildMode, BuildRequest},
};
use serde_json::Value;

pub use keys::{Fate, Key, Kind, map, table};

use crate::{
    config::nearest::nearest,
    request::validate::{kinds_exclusive, problem, shown},
};
use values::Object;

/// Longest user parameters in bytes: more than a process can get as a variable.
const MAX_BYTES: usize = 1024 * 1024;
/// Longest data of the caller's own in bytes, as the contract carries it.
const MAX_USER_DATA: usize = 64 * 1024;
/// Most problems that are named one by one; of the others their number is told.
const MAX_NAMED: usize = 100;
/// Longest name of a key that could be a mistyped one, in bytes.
const MAX_TYPO: usize = 64;
const WORKER: &str = "replay the pod of the orchestrator: a worker's parameters mix what was asked for with \
                      what the orchestrator had decided, and a work order replaces them";

/// What user parameters say. `None` and empty where they say nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserParams {
    /// Git repository.
    pub git_uri: Option<String>,
    /// What to build of it, as it was written. Example: `origin/f44`.
    pub git_ref: Option<String>,
    /// Branch, for records.
    pub git_branch: Option<String>,
    /// On whose behalf.
    pub user: Option<String>,
    /// Component.
    pub component: Option<Component>,
    /// Koji target.
    pub koji_target: Option<String>,
    /// The Koji task that asked.
    pub koji_task_id: Option<u64>,
    /// Platforms.
    pub platforms: Vec<Platform>,
    /// Release.
    pub release: Option<String>,
    /// A throw-away build.
    pub scratch: bool,
    /// A one-off fix.
    pub isolated: bool,
    /// A Flatpak.
    pub flatpak: bool,
    /// Repository files by URL.
    pub yum_repourls: Vec<String>,
    /// Composes that exist.
    pub compose_ids: Vec<u64>,
    /// Which signatures packages must have.
    pub signing_intent: Option<String>,
    /// The Koji build to build upon: NVR or number.
    pub koji_parent_build: Option<String>,
    /// The Koji image task to build upon.
    pub filesystem_koji_task_id: Option<u64>,
    /// Image stream that follows the image.
    pub imagestream_name: Option<String>,
    /// Data of the caller's own, for Koji to keep.
    pub userdata: Option<serde_json::Map<String, Value>>,
    /// The tag that names this very build: what follows the last colon of
    /// `image_tag`.
    pub unique_tag: Option<Tag>,
    /// The image that stands first in the Dockerfile, when it is one that can be
    /// pulled.
    pub base_image: Option<String>,
    /// Keys that said something which has no meaning any more.
    pub retired: Vec<&'static Key>,
    /// Keys that set a field of the request.
    pub set: Vec<&'static Key>,
}

impl UserParams {
    /// Reads user parameters. Text of no length, `null` and `{}` say nothing.
    ///
    /// # Errors
    /// It is no JSON object, or it has keys that are unknown, have values of
    /// another type than they should, or ask for what is not supported; all of
    /// them together.
    pub fn read(json: &[u8]) -> Result<Self, Failure> {
        let mut params = Self::default();
        let mut problems = Vec::new();
        for (name, value) in object(json)? {
            let Some(key) = table().iter().find(|key| key.name == name) else {
                problems.push(if problems.len() < MAX_NAMED { unknown(&name) } else { unnamed() });
                continue;
            };
            if is_unsaid(&value) {
                continue;
            }
            if let Err(failure) = params.take(key, &value) {
                problems.push(failure);
            }
        }
        if params.scratch && params.isolated {
            problems.push(kinds_exclusive(&["scratch", "isolated"]));
        }
        match Failure::all(few(problems)) {
            Some(failure) => Err(failure),
            None => Ok(params),
        }
    }

    fn take(&mut self, key: &'static Key, value: &Value) -> Result<(), Failure> {
        key.kind.check(key.name, value)?;
        match key.fate {
            Fate::Retired(_) => self.retired.push(key),
            Fate::Refused(reason) => {
                let message = format!("USER_PARAMS: '{}' cannot be honoured: {reason}", key.name);
                let advice = "leave the key out to replay the build without it";
                return Err(problem("request.user_params_unsupported", message, advice));
            }
            Fate::Field(_) => {
                self.assign(key.name, value)?;
                self.set.push(key);
            }
            Fate::Replay(_) => self.assign(key.name, value)?,
        }
        Ok(())
    }

    /// Sets what a key stands for; the value has been found to be of its kind.
    fn assign(&mut self, name: &'static str, value: &Value) -> Result<(), Failure> {
        match name {
            "build_type" if value == "worker" => {
                let message = "USER_PARAMS: 'build_type' says that this is the pod of a worker";
                return Err(problem("request.user_params_worker", message, WORKER));
            }
            "build_type" if value != "orchestrator" => {
                return Err(bad_value(name, value, "expected 'orchestrator'"));
            }
            "git_uri" => self.git_uri = values::text(value),
            "git_ref" => self.git_ref = values::text(value),
            "git_branch" => self.git_branch = values::text(value),
            "user" => self.user = values::text(value),
            "component" => self.component = Some(values::parsed(name, value)?),
            "koji_target" => self.koji_target = values::text(value),
            "koji_task_id" => self.koji_task_id = value.as_u64(),
            "platforms" => self.platforms = values::parsed_list(name, value)?,
            "release" => self.release = values::text(value),
            "scratch" => self.scratch = true,
            "isolated" => self.isolated = true,
            "flatpak" => self.flatpak = true,
            "yum_repourls" => self.yum_repourls = values::texts(value),
            "compose_ids" => self.compose_ids = values::numbers(value),
            "signing_intent" => self.signing_intent = values::text(value),
            "koji_parent_build" => {
                self.koji_parent_build =
                    values::text(value).or_else(|| value.as_u64().map(|n| n.to_string()));
            }
            "filesystem_koji_task_id" => self.filesystem_koji_task_id = value.as_u64(),
            "imagestream_name" => self.imagestream_name = values::text(value),
            "userdata" => {
                let data = value.as_object().ok_or_else(|| bad_value(name, value, "expected an object"))?;
                if value.to_string().len() > MAX_USER_DATA {
                    return Err(bad_value(name, value, "expected at most 64 KiB"));
                }
                self.userdata = Some(data.clone());
            }
            "image_tag" => {
                self.unique_tag =
                    Some(unique_tag("USER_PARAMS: 'image_tag'", &values::text(value).unwrap_or_default())?)
            }
            "base_image" => self.base_image = values::text(value),
            _ => {}
        }
        Ok(())
    }

    /// The request that they describe, with the source as far as they name it.
    /// An isolated build without a release gets an empty one, for the rules of
    /// a request to find.
    pub fn request(&self) -> BuildRequest {
        let mode = match (self.isolated, self.scratch) {
            (true, _) => BuildMode::Isolated { release: self.release.clone().unwrap_or_default() },
            (false, true) => BuildMode::Scratch,
            (false, false) => BuildMode::Normal,
        };
        BuildRequest {
            platforms: self.platforms.clone(),
            component: self.component.clone(),
            target: self.koji_target.clone(),
            mode,
            release: self.release.clone().filter(|_| !self.isolated),
            user: self.user.clone().unwrap_or_default(),
            koji_task: self.koji_task_id,
            branch: self.git_branch.clone(),
            repository_urls: self.yum_repourls.clone(),
            composes: self.compose_ids.clone(),
            signing_intent: self.signing_intent.clone(),
            parent_build: self.koji_parent_build.clone(),
            filesystem_task: self.filesystem_koji_task_id,
            flatpak: self.flatpak,
            image_stream: self.imagestream_name.clone(),
            user_data: self.userdata.clone(),
            ..BuildRequest::new(self.git_uri.as_deref().unwrap_or_default(), self.git_ref.as_deref())
        }
    }
}

/// The tag in what was written as `USER/COMPONENT:TAG`.
pub(super) fn unique_tag(place: &str, text: &str) -> Result<Tag, Failure> {
    let tag = text.rsplit_once(':').map_or("", |(_, tag)| tag);
    tag.parse().map_err(|_| {
        let message = format!("{place}: '{}' does not end in a tag", shown(text));
        problem("request.replay_bad_tag", message, "expected USER/COMPONENT:TAG")
    })
}

fn object(json: &[u8]) -> Result<Vec<(String, Value)>, Failure> {
    if json.len() > MAX_BYTES {
        let message = format!("USER_PARAMS: it has {} bytes", json.len());
        return Err(problem("request.user_params_too_long", message, "at most 1 MiB is read"));
    }
    if json.trim_ascii().is_empty() {
        return Ok(Vec::new());
    }
    let read = serde_json::from_slice::<Option<Object>>(json).map_err(|error| {
        let message =
            format!("USER_PARAMS: no JSON object with each key once: {}", shown(&error.to_string()));
        problem(
            "request.user_params_syntax",
            message,
            "copy the value of the variable whole, without quotes around it",
        )
    })?;
    Ok(read.map(|object| object.0).unwrap_or_default())
}

/// Whether the writer of that time would have left the value out.
fn is_unsaid(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(flag) => !flag,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
    }
}

/// The first problems, and how many more there are.
fn few(mut problems: Vec<Failure>) -> Vec<Failure> {
    let more = problems.len().saturating_sub(MAX_NAMED);
    if more > 0 {
        problems.truncate(MAX_NAMED);
        let message = format!("USER_PARAMS: {more} more problems are not named");
        problems.push(problem("request.user_params_more", message, "mend the named ones first"));
    }
    problems
}

/// Stands for a problem that is only counted.
fn unnamed() -> Failure {
    problem("request.user_params_unknown", "", "")
}

fn unknown(name: &str) -> Failure {
    let message = format!("USER_PARAMS: there is no key '{}'", shown(name));
    let near = (name.len() <= MAX_TYPO).then(|| nearest(name, table().iter().map(|key| key.name)));
    let advice = match near.flatten() {
        Some(near) => format!("did you mean '{near}'?"),
        None => "docs/from-osbs.md has the keys".to_owned(),
    };
    problem("request.user_params_unknown", message, &advice)
}

fn bad_value(name: &str, value: &Value, expected: &str) -> Failure {
    let message = format!("USER_PARAMS: '{name}' is {}", shown(&value.to_string()));
    problem("request.user_params_value", message, expected)
}

#[cfg(test)]
mod tests;
