//! Whether labels can be written into a Dockerfile at all.
//!
//! An instruction cannot hold a line break, a name ends at the first `=`, and the
//! engine reads lines of at most 64 KiB (`bufio.MaxScanTokenSize`), in which
//! quoting may double a text.

use std::collections::BTreeMap;

use common::failure::{Failure, FailureClass};

use super::{LabelSource, Layers};

/// Most labels that are set on one image.
const MAX_LABELS: usize = 1000;
/// Longest name in bytes.
const MAX_NAME_BYTES: usize = 512;
/// Longest value in bytes.
const MAX_VALUE_BYTES: usize = 30_000;
/// All names and values together, in bytes.
const MAX_BYTES: usize = 256 * 1024;
/// Most problems that are told.
const MAX_PROBLEMS: usize = 20;

/// Everything that is wrong with labels that have to be set.
pub(super) fn problems(set: &BTreeMap<String, String>, layers: &Layers) -> Vec<Failure> {
    let mut problems: Vec<Failure> =
        set.iter().flat_map(|(name, value)| problems_of(name, value, layers)).take(MAX_PROBLEMS).collect();
    let bytes: usize = set.iter().map(|(name, value)| name.len() + value.len()).sum();
    if set.len() > MAX_LABELS || bytes > MAX_BYTES {
        let message = format!(
            "{} labels of {bytes} bytes have to be set; at most {MAX_LABELS} of {MAX_BYTES} bytes are accepted",
            set.len()
        );
        problems.push(
            Failure::new(FailureClass::User, "labels.too_many", message)
                .with_advice("ask for fewer labels; large data does not belong into labels"),
        );
    }
    problems
}

fn problems_of(name: &str, value: &str, layers: &Layers) -> Vec<Failure> {
    let (class, place) = place(name, layers);
    let shown: String = name.chars().take(80).collect();
    let mut problems = Vec::new();
    let control = |c: char| c.is_control() && c != '\t';
    if name.is_empty() || name.len() > MAX_NAME_BYTES || name.chars().any(|c| control(c) || c == '=') {
        let message = format!("{place}: {shown:?} cannot be the name of a label");
        problems.push(Failure::new(class, "labels.name", message).with_advice(format!(
            "use 1 to {MAX_NAME_BYTES} bytes without '=' and without control characters"
        )));
    }
    if value.chars().any(control) {
        let message =
            format!("{place}: the value of the label {shown:?} has line breaks or control characters");
        problems.push(
            Failure::new(class, "labels.line_break", message)
                .with_advice("a LABEL instruction cannot hold them; write the value on one line"),
        );
    }
    if value.len() > MAX_VALUE_BYTES {
        let message = format!("{place}: the value of the label {shown:?} has {} bytes", value.len());
        problems.push(
            Failure::new(class, "labels.too_long", message)
                .with_advice(format!("at most {MAX_VALUE_BYTES} bytes are accepted")),
        );
    }
    problems
}

/// Who has to correct a label.
fn place(name: &str, layers: &Layers) -> (FailureClass, String) {
    let chain = layers.chain(name);
    let source = chain.first().map(|origin| &origin.source);
    match source {
        Some(LabelSource::Alias { of: other } | LabelSource::Equal { to: other }) => {
            let given = layers.given.iter().find(|(_, labels)| labels.contains_key(other));
            let (class, place) = origin(given.map(|(source, _)| source));
            (class, format!("{place} (label {other:?})"))
        }
        source => {
            let (class, place) = origin(source);
            (class, place.to_owned())
        }
    }
}

fn origin(source: Option<&LabelSource>) -> (FailureClass, &'static str) {
    match source {
        Some(LabelSource::Site) => (FailureClass::Policy, "labels.set of the site's configuration"),
        Some(LabelSource::InfoUrl) => (FailureClass::Policy, "labels.info_url of the site's configuration"),
        Some(LabelSource::Dockerfile) => (FailureClass::Source, "the Dockerfile"),
        Some(LabelSource::Base) => (FailureClass::Parent, "the base image"),
        Some(LabelSource::Automatic) => (FailureClass::Source, "the build's own labels"),
        _ => (FailureClass::User, "the request"),
    }
}
