//! A request from the environment of a pod of the system that this one follows,
//! so that a captured pod can be planned or built again. What was asked for is
//! spread over several variables there, and partly said twice; each field of the
//! request knows here which of them it came from.
//!
//! Only the pod of an orchestrator replays. Where two variables disagree, the
//! one that the old system acted upon wins, and a note says so.

use std::{collections::BTreeMap, fmt};

use common::{
    failure::Failure,
    image::{ImageReference, Tag},
    request::BuildRequest,
};
use serde_json::Value;

use crate::config::is_not_utf8;
use crate::request::{
    user_params::{Fate, UserParams, unique_tag},
    validate::{kinds_exclusive, problem, shown},
};

/// What a pod's source was when it named none.
const DEFAULT_REFERENCE: &str = "master";
const WHICH_POD: &str = "--from-env replays the environment of the pod of an orchestrator: BUILD, SOURCE_URI, \
                         SOURCE_REF, OUTPUT_IMAGE, USER_PARAMS and REACTOR_CONFIG";

/// The variables of a pod that are read.
pub(crate) const VARIABLES: &[&str] = &[
    "BUILD",
    "BUILD_JSON",
    "SOURCE_URI",
    "SOURCE_REPOSITORY",
    "SOURCE_REF",
    "OUTPUT_IMAGE",
    "OUTPUT_REGISTRY",
    "USER_PARAMS",
    "REACTOR_CONFIG",
    "ATOMIC_REACTOR_PLUGINS",
    "DOCK_PLUGINS",
];

/// A pod's environment, understood.
#[derive(Clone, PartialEq, Eq)]
pub struct Replay {
    /// What was asked for, without destinations: in the old system the site's
    /// registries and the label `name` made those.
    pub request: BuildRequest,
    /// Text of `REACTOR_CONFIG`: YAML, the site's configuration of that time. It
    /// can hold passwords.
    pub site_yaml: Option<String>,
    /// The unique tag that the build had.
    pub unique_tag: Option<Tag>,
    /// The image that stood first in the Dockerfile, or `koji/image-build` and
    /// the like.
    pub assumed_parent: Option<String>,
    /// What was there and is not used, or was said twice: one sentence each.
    pub notes: Vec<String>,
    /// Where each field of the request came from. Example: `target` from
    /// `USER_PARAMS.koji_target`.
    pub origins: BTreeMap<String, String>,
}

impl fmt::Debug for Replay {
    /// Without the site's configuration, which can hold passwords.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replay")
            .field("request", &self.request)
            .field("site_yaml", &self.site_yaml.as_ref().map(String::len))
            .field("unique_tag", &self.unique_tag)
            .field("assumed_parent", &self.assumed_parent)
            .field("notes", &self.notes)
            .field("origins", &self.origins)
            .finish()
    }
}

/// Reads a pod's environment. Variables that a pod did not have are left alone.
///
/// # Errors
/// Variables are missing or cannot be read, or are those of another kind of pod;
/// everything that is wrong is told at once.
pub fn from_environment(variables: &[(String, String)]) -> Result<Replay, Failure> {
    let environment = Environment(variables);
    let mut problems: Vec<Failure> = variables
        .iter()
        .filter(|(name, value)| VARIABLES.contains(&name.as_str()) && is_not_utf8(value))
        .map(|(name, _)| {
            let message = format!("environment variable {name}: it is not UTF-8");
            problem("request.replay_not_utf8", message, "copy the value of the variable whole, as UTF-8")
        })
        .collect();
    if let Some(failure) = Failure::all(std::mem::take(&mut problems)) {
        return Err(failure);
    }
    problems.extend(another_pod(&environment));
    if problems.is_empty() {
        problems.extend(missing(&environment));
    }
    let build = gather(build(&environment), &mut problems);
    let params = environment.get("USER_PARAMS").unwrap_or_default();
    let params = gather(UserParams::read(params.as_bytes()), &mut problems);
    let output_tag =
        environment.get("OUTPUT_IMAGE").map(|image| unique_tag("OUTPUT_IMAGE", image)).transpose();
    let output_tag = gather(output_tag, &mut problems);
    let triggered_by = gather(build.as_ref().map_or(Ok(None), triggered_by), &mut problems);
    if let (Some(build), Some(params)) = (&build, &params) {
        let (scratch, isolated) =
            (params.scratch || label(build, "scratch"), params.isolated || label(build, "isolated"));
        if scratch && isolated && !(params.scratch && params.isolated) {
            problems.push(kinds_exclusive(&["scratch", "isolated"]));
        }
    }
    if let Some(failure) = Failure::all(problems) {
        return Err(failure);
    }
    let mut reading = Reading { origins: BTreeMap::new(), notes: Vec::new() };
    let (build, params) = (build.unwrap_or_default(), params.unwrap_or_default());
    let unique_tag = reading.tag(params.unique_tag.clone(), output_tag.flatten());
    let assumed_parent = params.base_image.clone();
    let request = reading.request(&environment, &build, params, triggered_by.flatten());
    reading.leftovers(&environment);
    Ok(Replay {
        request,
        site_yaml: environment.get("REACTOR_CONFIG").map(str::to_owned),
        unique_tag,
        assumed_parent,
        notes: reading.notes,
        origins: reading.origins,
    })
}

/// Variables by name; an empty one counts as absent.
struct Environment<'a>(&'a [(String, String)]);

impl<'a> Environment<'a> {
    fn get(&self, wanted: &str) -> Option<&'a str> {
        let found = self.0.iter().find(|(name, _)| name == wanted);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.trim().is_empty())
    }

    fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }
}

fn gather<T>(result: Result<T, Failure>, problems: &mut Vec<Failure>) -> Option<T> {
    result.map_err(|failure| problems.push(failure)).ok()
}

/// An environment of a kind that is not replayed.
fn another_pod(environment: &Environment<'_>) -> Option<Failure> {
    if environment.has("BUILD_JSON") {
        let is_pod = ["BUILD", "SOURCE_URI", "OUTPUT_IMAGE"].iter().all(|name| environment.has(name));
        return Some(if is_pod {
            let message = "BUILD_JSON and the variables of a pod are both set, and only one can be meant";
            problem("request.replay_ambiguous", message, "unset BUILD_JSON to replay the pod")
        } else {
            let message = "BUILD_JSON is no input any more: it listed steps, and these are planned";
            problem("request.replay_build_json", message, WHICH_POD)
        });
    }
    let plugins =
        ["ATOMIC_REACTOR_PLUGINS", "DOCK_PLUGINS"].into_iter().find(|name| environment.has(name))?;
    if environment.has("USER_PARAMS") {
        return None;
    }
    let message = format!("{plugins} lists the steps of a build from before there were user parameters");
    let advice = "say what was asked for by flags, or capture a pod that has USER_PARAMS: steps are planned, \
                  and not listed by who asks";
    Some(problem("request.replay_plugin_list", message, advice))
}

/// All variables that are missing, in one sentence.
fn missing(environment: &Environment<'_>) -> Option<Failure> {
    let wanted: &[(&str, &[&str])] = &[
        ("BUILD", &["BUILD"]),
        ("SOURCE_URI", &["SOURCE_URI", "SOURCE_REPOSITORY"]),
        ("OUTPUT_IMAGE", &["OUTPUT_IMAGE"]),
        ("USER_PARAMS", &["USER_PARAMS"]),
    ];
    let lacks: Vec<_> = wanted
        .iter()
        .filter(|(_, names)| !names.iter().any(|name| environment.has(name)))
        .map(|(shown, _)| *shown)
        .collect();
    if lacks.is_empty() {
        return None;
    }
    let message = format!("the environment lacks {}", lacks.join(", "));
    Some(problem("request.replay_incomplete", message, WHICH_POD))
}

/// The object that stood for the build in OpenShift.
fn build(environment: &Environment<'_>) -> Result<Value, Failure> {
    let text = environment.get("BUILD").unwrap_or("{}");
    let bad = |reason: &str| {
        let message = format!("BUILD: no JSON object: {reason}");
        problem("request.replay_build_syntax", message, "copy the value of the variable whole")
    };
    match serde_json::from_str::<Value>(text) {
        Ok(build) if build.is_object() => Ok(build),
        Ok(_) => Err(bad("it is another value")),
        Err(error) => Err(bad(&error.to_string())),
    }
}

/// Whether a label of the build says yes. The old system took any text for yes,
/// and wrote no other than `true`.
fn label(build: &Value, name: &str) -> bool {
    let value = &build["metadata"]["labels"][name];
    *value == Value::Bool(true) || value.as_str().is_some_and(|text| text.eq_ignore_ascii_case("true"))
}

fn triggered_by(build: &Value) -> Result<Option<ImageReference>, Failure> {
    let Some(image) = build["spec"]["triggeredBy"][0]["imageChangeBuild"]["imageID"].as_str() else {
        return Ok(None);
    };
    if image.is_empty() {
        return Ok(None);
    }
    image.parse().map(Some).map_err(|_| {
        let message = format!("BUILD: imageChangeBuild.imageID '{}' is no image", shown(image));
        problem("request.replay_bad_trigger", message, "expected HOST/REPOSITORY@DIGEST")
    })
}

/// What is learned on the way besides the request.
struct Reading {
    origins: BTreeMap<String, String>,
    notes: Vec<String>,
}

impl Reading {
    fn from(&mut self, field: &str, origin: &str) {
        self.origins.insert(field.to_owned(), origin.to_owned());
    }

    fn note(&mut self, note: String) {
        self.notes.push(note);
    }

    fn tag(&mut self, asked: Option<Tag>, output: Option<Tag>) -> Option<Tag> {
        if let (Some(asked), Some(output)) = (&asked, &output)
            && asked != output
        {
            self.note(format!(
                "OUTPUT_IMAGE has the tag {output}, which was not used; USER_PARAMS.image_tag was."
            ));
        }
        asked.or(output)
    }

    fn request(
        &mut self,
        environment: &Environment<'_>,
        build: &Value,
        mut params: UserParams,
        triggered_by: Option<ImageReference>,
    ) -> BuildRequest {
        for key in &params.set {
            if let Fate::Field(field) = key.fate {
                let field = field.strip_prefix("request.").unwrap_or(field);
                self.from(field, &format!("USER_PARAMS.{}", key.name));
            }
        }
        for (name, said) in [("scratch", &mut params.scratch), ("isolated", &mut params.isolated)] {
            if label(build, name) && !*said {
                *said = true;
                self.from("mode", &format!("BUILD.metadata.labels.{name}"));
            }
        }
        for key in &params.retired {
            if let Fate::Retired(reason) = key.fate {
                self.note(format!("USER_PARAMS.{} is retired, {reason}.", key.name));
            }
        }
        let mut request = params.request();
        self.source(environment, &mut request);
        let branch = build["metadata"]["labels"]["git-branch"].as_str().filter(|branch| !branch.is_empty());
        if let (None, Some(branch)) = (&request.branch, branch) {
            request.branch = Some(branch.to_owned());
            self.from("branch", "BUILD.metadata.labels.git-branch");
        }
        if label(build, "is_autorebuild") {
            // The step that looked at the label was not there for other kinds of builds.
            if params.scratch || params.isolated {
                self.note("BUILD.metadata.labels.is_autorebuild counts for normal builds only.".to_owned());
            } else {
                request.rebuild = true;
                self.from("rebuild", "BUILD.metadata.labels.is_autorebuild");
            }
        }
        if triggered_by.is_some() {
            request.triggered_by = triggered_by;
            self.from("triggered_by", "BUILD.spec.triggeredBy[0].imageChangeBuild.imageID");
        }
        request
    }

    /// The old system built what the variables of the source said; that the user
    /// parameters say it once more was for records.
    fn source(&mut self, environment: &Environment<'_>, request: &mut BuildRequest) {
        for name in ["SOURCE_URI", "SOURCE_REPOSITORY"] {
            let Some(uri) = environment.get(name) else { continue };
            if !request.source.uri.is_empty() && request.source.uri != uri {
                self.note(format!("USER_PARAMS.git_uri is not what was built; {name} is."));
            }
            uri.clone_into(&mut request.source.uri);
            self.from("source.uri", name);
            break;
        }
        let written = match (environment.get("SOURCE_REF"), request.source.reference.take()) {
            (Some(reference), asked) => {
                if asked.is_some_and(|asked| asked != reference) {
                    self.note("USER_PARAMS.git_ref is not what was built; SOURCE_REF is.".to_owned());
                }
                self.from("source.ref", "SOURCE_REF");
                reference.to_owned()
            }
            (None, Some(asked)) => {
                self.note("SOURCE_REF is not set; USER_PARAMS.git_ref was used.".to_owned());
                asked
            }
            (None, None) => {
                self.from("source.ref", "the default of the old system");
                DEFAULT_REFERENCE.to_owned()
            }
        };
        request.source.reference = Some(branch_of_clone(&written).to_owned());
    }

    fn leftovers(&mut self, environment: &Environment<'_>) {
        for (name, reason) in [
            ("OUTPUT_REGISTRY", "nothing used it; the registries of the site are the destinations"),
            ("ATOMIC_REACTOR_PLUGINS", "USER_PARAMS wins, as it did"),
            ("DOCK_PLUGINS", "USER_PARAMS wins, as it did"),
        ] {
            if environment.has(name) {
                self.note(format!("{name} is not used: {reason}."));
            }
        }
        if !environment.has("REACTOR_CONFIG") {
            self.note(
                "There is no REACTOR_CONFIG: the site's configuration comes from elsewhere.".to_owned(),
            );
        }
    }
}

/// `origin/BRANCH` is how a clone names the branch of the repository that it was
/// made of.
fn branch_of_clone(reference: &str) -> &str {
    ["refs/remotes/origin/", "origin/"]
        .iter()
        .find_map(|prefix| reference.strip_prefix(prefix))
        .filter(|branch| !branch.is_empty())
        .unwrap_or(reference)
}

#[cfg(test)]
mod tests;
