//! plan.proto: the readers that a plan's conversion needs.
//!
//! The plan is the orchestrator's own type, which this crate does not know; the
//! orchestrator turns it into its message. How a field is read, and what a bad
//! one means, is still decided here.

use std::str::FromStr;

use common::{
    ParseError,
    flow::Stage,
    request::{BuildMode, FailurePolicy},
    work::ManifestFormat,
};

use super::{BadField, field};

/// Parses a field that must be there.
///
/// # Errors
/// It is empty, or not what it should be.
pub fn parsed<T: FromStr<Err = ParseError>>(name: &str, text: &str) -> Result<T, BadField> {
    field::parsed(name, text)
}

/// Parses a field of which an empty text means that nothing is said.
///
/// # Errors
/// It is not what it should be.
pub fn parsed_if_any<T: FromStr<Err = ParseError>>(name: &str, text: &str) -> Result<Option<T>, BadField> {
    field::parsed_if_any(name, text)
}

/// Parses each text of a list; none is left out.
///
/// # Errors
/// One is not what it should be; it is named by its place.
pub fn each_parsed<T: FromStr<Err = ParseError>>(name: &str, texts: &[String]) -> Result<Vec<T>, BadField> {
    let parse = |(index, text): (usize, &String)| field::parsed(&format!("{name}[{index}]"), text);
    texts.iter().enumerate().map(parse).collect()
}

/// A message that must be there, converted.
///
/// # Errors
/// It is missing, or a field of it is bad.
pub fn message<M, T: TryFrom<M, Error = BadField>>(name: &str, message: Option<M>) -> Result<T, BadField> {
    field::message(name, message)
}

/// A message that may be there, converted.
///
/// # Errors
/// A field of it is bad.
pub fn message_if_any<M, T: TryFrom<M, Error = BadField>>(
    name: &str,
    message: Option<M>,
) -> Result<Option<T>, BadField> {
    field::message_if_any(name, message)
}

/// Each message of a list, converted.
///
/// # Errors
/// A field of one is bad.
pub fn messages<M, T: TryFrom<M, Error = BadField>>(
    name: &str,
    messages: Vec<M>,
) -> Result<Vec<T>, BadField> {
    field::messages(name, messages)
}

/// The kind of a build by name, and the release if it is an isolated one.
pub fn from_mode(mode: BuildMode) -> (&'static str, String) {
    match mode {
        BuildMode::Normal => ("normal", String::new()),
        BuildMode::Scratch => ("scratch", String::new()),
        BuildMode::Isolated { release } => ("isolated", release),
    }
}

/// The kind of a build.
///
/// # Errors
/// There is none of that name.
pub fn to_mode(name: &str, text: &str, release: String) -> Result<BuildMode, BadField> {
    match text {
        "normal" => Ok(BuildMode::Normal),
        "scratch" => Ok(BuildMode::Scratch),
        "isolated" => Ok(BuildMode::Isolated { release }),
        _ => Err(BadField::new(name, format!("'{text}' is not normal, scratch or isolated"))),
    }
}

/// The policy.
///
/// # Errors
/// There is none of that name.
pub fn to_failure_policy(name: &str, text: &str) -> Result<FailurePolicy, BadField> {
    [FailurePolicy::FinishOthers, FailurePolicy::StopOthers]
        .into_iter()
        .find(|policy| policy.as_str() == text)
        .ok_or_else(|| BadField::new(name, format!("'{text}' is not finish_others or stop_others")))
}

/// A stage by its name.
///
/// # Errors
/// There is no such stage.
pub fn to_stage(name: &str, text: &str) -> Result<Stage, BadField> {
    [Stage::Source, Stage::Prepare, Stage::Build, Stage::Publish, Stage::Finish]
        .into_iter()
        .find(|stage| stage.as_str() == text)
        .ok_or_else(|| BadField::new(name, format!("'{text}' is not a stage")))
}

/// A kind of manifest by its media type.
///
/// # Errors
/// It is not an image manifest's.
pub fn to_manifest_format(name: &str, media_type: &str) -> Result<ManifestFormat, BadField> {
    ManifestFormat::of_manifest(media_type)
        .ok_or_else(|| BadField::new(name, format!("'{media_type}' is not an image manifest's type")))
}
