//! What a fault of the hub means for an import, a reservation or a tag.
//!
//! The fault's code decides as far as it can. Most refusals share code 1000 or 1,
//! and only their text tells them apart, so the text picks the explanation. Texts
//! differ between hubs and change; whatever matches nothing is passed on in the
//! hub's own words. Programs that decide what to do next may lean on the code and
//! on the few texts that Koji offers no code for, and not on these explanations.

use common::failure::{Failure, FailureClass};

use super::{
    kinds,
    wordings::{self, Wording},
};

/// What the hub was asked for when it refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doing {
    /// An import (`CGImport`).
    Import,
    /// A reservation (`CGInitBuild`).
    Reserve,
    /// Giving a reservation back (`CGRefundBuild`).
    Refund,
    /// A tag (`tagBuild`), or its task.
    Tag,
    /// A task that is started or cancelled.
    Task,
    /// A question that changes nothing.
    Query,
}

impl Doing {
    fn as_str(self) -> &'static str {
        match self {
            Self::Import => "the import",
            Self::Reserve => "the reservation",
            Self::Refund => "to take the reservation back",
            Self::Tag => "the tag",
            Self::Task => "the task",
            Self::Query => "to answer",
        }
    }
}

/// What a fault means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained {
    /// Stable code. Example: `koji.build_exists`.
    pub code: &'static str,
    /// Whose fault it is.
    pub class: FailureClass,
    /// The field of the document or the thing concerned; empty when unknown.
    /// Examples: `build.owner`, `tag`.
    pub field: String,
    /// What was refused, in the hub's words.
    pub message: String,
    /// What to do about it.
    pub advice: &'static str,
}

impl Explained {
    /// The refusal in the form that leaves the bridge.
    pub fn failure(&self) -> Failure {
        Failure::new(self.class, self.code, self.message.as_str()).with_advice(self.advice)
    }
}

/// Explains a fault of the hub.
pub fn explain_fault(code: i64, text: &str, during: Doing) -> Explained {
    let with_document = matches!(during, Doing::Import | Doing::Reserve);
    let missing = missing_key(text).filter(|_| code == 1 && with_document);
    let (kind, field) = match (missing, wording(code, text, during)) {
        (Some(key), _) => (&kinds::KEY_MISSING, key.to_owned()),
        (None, Some(wording)) => (wording.kind, wording.field.to_owned()),
        (None, None) => (wordings::by_code(code, during), String::new()),
    };
    let place = if field.is_empty() { String::new() } else { format!(" over {field}") };
    let message = format!("Koji refused {}{place}: {} (fault {code})", during.as_str(), text.trim());
    Explained { code: kind.code, class: kind.class, field, message, advice: kind.advice }
}

/// The wording that a text begins with, or else one that is in it: a hub in debug
/// mode puts a traceback in front.
fn wording(code: i64, text: &str, during: Doing) -> Option<&'static Wording> {
    let fits = |wording: &&Wording| {
        wording.faults.contains(&code) && wording.during.is_none_or(|only| only == during)
    };
    let mut begins = wordings::ALL.iter().filter(fits);
    let mut contains = wordings::ALL.iter().filter(fits);
    begins
        .find(|wording| text.starts_with(wording.text))
        .or_else(|| contains.find(|wording| text.contains(wording.text)))
}

/// The key that the hub did not find: `<class 'KeyError'>: 'host'`, and on hubs of
/// 2018 `<type 'exceptions.KeyError'>: 'host'`.
fn missing_key(text: &str) -> Option<&str> {
    let (_, after) = text.split_once("KeyError'>: '")?;
    let key = after.split('\'').next()?;
    // A checksum type that the hub cannot store comes this way as well.
    (key != "adler32").then_some(key)
}
