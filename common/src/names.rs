//! Names and identities: builds, work orders, workers, components.
//!
//! Identities carry their kind as a prefix, so that a pasted id is never
//! ambiguous, and are made from version 7 UUIDs, so that they sort by time.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::ParseError;

macro_rules! prefixed_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The prefix that every id of this kind begins with.
            pub const PREFIX: &'static str = $prefix;

            /// The whole id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = ParseError;

            fn from_str(text: &str) -> Result<Self, ParseError> {
                let rest = text.strip_prefix($prefix).unwrap_or_default();
                let well_formed = (1..=80).contains(&rest.len())
                    && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
                if well_formed {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(ParseError::new(
                        $what,
                        text,
                        concat!("expected '", $prefix, "' and up to 80 letters, digits, '-', '_' or '.'"),
                    ))
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = ParseError;

            fn try_from(text: String) -> Result<Self, ParseError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }
    };
}

prefixed_id!(
    /// One build, for its whole life. Example: `bld_0193a1b2c3d47e5f8a9b0c1d2e3f4a5b`.
    BuildId, "bld_", "build id"
);
prefixed_id!(
    /// One platform of one build, handed to a worker. Example: `wo_0193…`.
    WorkOrderId, "wo_", "work order id"
);
prefixed_id!(
    /// A worker process. Chosen by the worker. Example: `wrk_build07-4711`.
    WorkerId, "wrk_", "worker id"
);

impl BuildId {
    /// A new id; ids made later sort later.
    pub fn generate() -> Self {
        Self(format!("{}{}", Self::PREFIX, Uuid::now_v7().simple()))
    }
}

impl WorkOrderId {
    /// The id of a try at one platform of a build: the same inputs give the
    /// same id, so that a resumed build recognises the work it handed out.
    pub fn derive(build: &BuildId, platform: &crate::platform::Platform, attempt: u32) -> Self {
        let build = build.as_str().trim_start_matches(BuildId::PREFIX);
        Self(format!("{}{build}-{platform}-{attempt}", Self::PREFIX))
    }

    /// Under which name one worker's log of this order is kept. An order that is
    /// given to another worker begins a new log: its text has nothing to do with
    /// what the first worker had sent by then.
    #[must_use]
    pub fn log_of(&self, worker: &WorkerId) -> Self {
        Self(format!("{}.{worker}", self.0))
    }

    /// The build that a derived id belongs to.
    pub fn build(&self) -> Option<BuildId> {
        let (build, _) = self.0.strip_prefix(Self::PREFIX)?.split_once('-')?;
        format!("{}{build}", BuildId::PREFIX).parse().ok()
    }
}

impl WorkerId {
    /// A new id that shows the host it was made on.
    pub fn generate(host: &str) -> Self {
        let host: String = host
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '-' })
            .take(30)
            .collect();
        let unique = Uuid::now_v7().simple().to_string();
        Self(format!("{}{host}-{}", Self::PREFIX, &unique[20..]))
    }
}

/// A component: the name under which an image is built. Lower-case letters,
/// digits and separators; at most 128 characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Component(String);

impl Component {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Component {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let starts_well = text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
        let allowed = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.+".contains(&b));
        if starts_well && allowed && text.len() <= 128 {
            Ok(Self(text.to_owned()))
        } else {
            Err(ParseError::new(
                "component",
                text,
                "expected a letter or digit, then up to 127 letters, digits, '-', '_', '.' or '+'",
            ))
        }
    }
}

impl TryFrom<String> for Component {
    type Error = ParseError;

    fn try_from(text: String) -> Result<Self, ParseError> {
        text.parse()
    }
}

impl From<Component> for String {
    fn from(component: Component) -> String {
        component.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn build_ids_round_trip_and_sort_by_time() {
        let (first, second) = (BuildId::generate(), BuildId::generate());
        assert!(first < second);
        assert_eq!(first.as_str().parse::<BuildId>().unwrap(), first);
    }

    #[test]
    fn ids_of_another_kind_are_refused() {
        for bad in ["", "bld_", "wrk_1", "bld_a/b", "bld_a b", "1234"] {
            assert!(bad.parse::<BuildId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_work_order_id_follows_from_its_inputs() {
        let build: BuildId = "bld_01".parse().unwrap();
        let platform = "aarch64".parse().unwrap();
        let order = WorkOrderId::derive(&build, &platform, 2);
        assert_eq!(order.as_str(), "wo_01-aarch64-2");
        assert_eq!(order.build(), Some(build));
        let worker: WorkerId = "wrk_a".parse().unwrap();
        assert_eq!(order.log_of(&worker).as_str(), "wo_01-aarch64-2.wrk_a");
        assert_eq!("wo_x".parse::<WorkOrderId>().unwrap().build(), None);
    }

    #[test]
    fn a_worker_id_shows_its_host() {
        let id = WorkerId::generate("build07.example.org");
        assert!(id.as_str().starts_with("wrk_build07-example-org-"), "{id}");
        assert_eq!(id.as_str().parse::<WorkerId>().unwrap(), id);
    }

    #[test]
    fn components_follow_the_grammar() {
        for good in ["hello", "hello-container", "python3.12", "gtk+"] {
            assert!(good.parse::<Component>().is_ok(), "{good}");
        }
        for bad in ["", "-x", "a b", "a/b", "ä"] {
            assert!(bad.parse::<Component>().is_err(), "{bad}");
        }
    }
}
