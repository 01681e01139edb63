//! Who is told how builds end, and of which endings.
//!
//! The names of the endings are those that OSBS had for its mails, so that a list
//! of a former site means here what it meant there.

use std::{fmt, path::PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::config::schema::text_schema;

/// How the connection to the mail server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MailEncryption {
    /// Not at all: for a server on the same machine or network. What OSBS did.
    None,
    /// The connection is encrypted before anything is said (RFC 3207); a server
    /// that cannot do that gets no mail.
    Starttls,
    /// The connection is encrypted from its beginning (RFC 8314).
    Tls,
}

impl MailEncryption {
    /// The port where a server usually is that does this.
    pub fn usual_port(self) -> u16 {
        match self {
            Self::None => 25,
            Self::Starttls => 587,
            Self::Tls => 465,
        }
    }
}

/// How a build ended, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It made an image.
    Succeeded,
    /// It made none.
    Failed,
    /// Somebody asked for it to stop.
    Canceled,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
            Self::Canceled => "Canceled",
        })
    }
}

/// An ending of a build that somebody may want to be told of. Builds that
/// somebody asked for are `manual`, automatic rebuilds are `auto`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// A build that somebody asked for succeeded.
    ManualSuccess,
    /// It did not, whether it failed or was cancelled.
    ManualFail,
    /// It was cancelled.
    ManualCanceled,
    /// An automatic rebuild succeeded.
    AutoSuccess,
    /// It did not, whether it failed or was cancelled.
    AutoFail,
    /// It was cancelled.
    AutoCanceled,
}

impl Ending {
    /// Every one.
    pub const ALL: [Self; 6] = [
        Self::ManualSuccess,
        Self::ManualFail,
        Self::ManualCanceled,
        Self::AutoSuccess,
        Self::AutoFail,
        Self::AutoCanceled,
    ];
    /// Those that people are told of unless the site says otherwise: all but
    /// rebuilds that went well.
    pub const FOR_PEOPLE: [Self; 4] =
        [Self::AutoCanceled, Self::AutoFail, Self::ManualSuccess, Self::ManualFail];

    /// The one name that fits a build best.
    pub fn of(automatic: bool, status: Status) -> Self {
        match (automatic, status) {
            (false, Status::Succeeded) => Self::ManualSuccess,
            (false, Status::Failed) => Self::ManualFail,
            (false, Status::Canceled) => Self::ManualCanceled,
            (true, Status::Succeeded) => Self::AutoSuccess,
            (true, Status::Failed) => Self::AutoFail,
            (true, Status::Canceled) => Self::AutoCanceled,
        }
    }

    /// Whether a build ended like this. A cancelled build has failed as well.
    pub fn fits(self, automatic: bool, status: Status) -> bool {
        let best = Self::of(automatic, status);
        match self {
            Self::ManualFail => !automatic && status != Status::Succeeded,
            Self::AutoFail => automatic && status != Status::Succeeded,
            _ => self == best,
        }
    }

    /// Its name in settings and messages. Example: `manual_fail`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ManualSuccess => "manual_success",
            Self::ManualFail => "manual_fail",
            Self::ManualCanceled => "manual_canceled",
            Self::AutoSuccess => "auto_success",
            Self::AutoFail => "auto_fail",
            Self::AutoCanceled => "auto_canceled",
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A program that is told how builds end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// Where it listens, by http or https. Example: `https://hooks.example.org/reactor`.
    #[schemars(schema_with = "text_schema")]
    pub url: Url,
    /// Which endings it is told of; all, unless the list says otherwise.
    #[serde(default = "every_ending")]
    pub send_on: Vec<Ending>,
    /// File with the secret that messages to it are signed with. Without it they
    /// are not signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_file: Option<PathBuf>,
}

fn every_ending() -> Vec<Ending> {
    Ending::ALL.to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use Ending::{AutoCanceled, AutoFail, AutoSuccess, ManualCanceled, ManualFail, ManualSuccess};

    /// The columns are those of the acceptance cases: a rebuild, no step failed,
    /// the rebuild was cancelled, the build was cancelled; which endings are
    /// wanted, and whether mail goes out.
    #[test]
    fn what_is_wanted_is_told() {
        for (case, rebuild, success, auto_canceled, canceled, wanted, sent) in [
            ("S01", false, true, false, false, &[ManualSuccess][..], true),
            ("S02", false, false, false, false, &[ManualFail], true),
            ("S02", false, false, false, true, &[ManualFail], true),
            ("S03", false, true, false, true, &[ManualCanceled], true),
            ("S03", false, true, false, false, &[ManualCanceled], false),
            ("S04", true, false, false, false, &[AutoFail], true),
            ("S04", true, false, true, true, &[AutoCanceled], true),
            ("S05", true, false, true, true, &[ManualSuccess, ManualFail, AutoSuccess], false),
            ("nothing is wanted", false, false, false, false, &[], false),
            ("the default, a rebuild that went well", true, true, false, false, &Ending::FOR_PEOPLE, false),
        ] {
            let status = match (success, if rebuild { auto_canceled } else { canceled }) {
                (_, true) => Status::Canceled,
                (true, _) => Status::Succeeded,
                (false, _) => Status::Failed,
            };
            let told = wanted.iter().any(|ending| ending.fits(rebuild, status));
            assert_eq!(told, sent, "{case}");
        }
    }

    #[test]
    fn names_are_those_of_the_settings() {
        for ending in Ending::ALL {
            assert_eq!(serde_json::to_value(ending).unwrap(), ending.as_str());
        }
    }
}
