//! Whether an image may be distributed more widely than the one it stands on.
//! Pure.
//!
//! The label `distribution-scope` knows four values. An image must be at least as
//! restrictive as its base image; where either says nothing, or nothing that is
//! known, there is nothing to compare.

use std::collections::BTreeMap;

use common::failure::{Failure, FailureClass};
use serde::{Deserialize, Serialize};

use super::labels::DISTRIBUTION_SCOPE;

/// How widely an image may be distributed, the most restrictive first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// Not at all.
    Private,
    /// From the registry of its source only.
    AuthoritativeSourceOnly,
    /// To whom is entitled.
    Restricted,
    /// To everybody.
    Public,
}

impl Scope {
    /// The label's value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::AuthoritativeSourceOnly => "authoritative-source-only",
            Self::Restricted => "restricted",
            Self::Public => "public",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let all = [Self::Private, Self::AuthoritativeSourceOnly, Self::Restricted, Self::Public];
        all.into_iter().find(|scope| scope.as_str() == text)
    }
}

/// What comparing two scopes has given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "verdict")]
pub enum Verdict {
    /// The image is at least as restrictive as its base image.
    Allowed {
        /// The image's scope.
        image: Scope,
        /// The base image's.
        base: Scope,
    },
    /// There was nothing to compare.
    NotCompared {
        /// Why, as a sentence.
        reason: String,
        /// Whether somebody should look at it: a value is not known.
        warn: bool,
    },
}

/// Compares the scope of an image, as its labels are settled, with that of the
/// image that its final stage stands on (no labels for `scratch`).
///
/// # Errors
/// The image is less restrictive: `policy.distribution_scope`.
pub fn check_scope(image: Option<&str>, base: &BTreeMap<String, String>) -> Result<Verdict, Failure> {
    let sides = [("the image", image), ("its base image", base.get(DISTRIBUTION_SCOPE).map(String::as_str))];
    let mut scopes = Vec::with_capacity(2);
    for (whose, value) in sides {
        let Some(value) = value else {
            let reason = format!("{whose} has no label '{DISTRIBUTION_SCOPE}'");
            return Ok(Verdict::NotCompared { reason, warn: false });
        };
        let Some(scope) = Scope::parse(value) else {
            let value: String = value.chars().take(80).collect();
            let reason = format!("'{value}' of {whose} is not a known {DISTRIBUTION_SCOPE}");
            return Ok(Verdict::NotCompared { reason, warn: true });
        };
        scopes.push(scope);
    }
    let (image, base) = match scopes[..] {
        [image, base] => (image, base),
        _ => return Ok(Verdict::NotCompared { reason: String::new(), warn: false }),
    };
    if image <= base {
        return Ok(Verdict::Allowed { image, base });
    }
    let message = format!(
        "the {DISTRIBUTION_SCOPE} of the image is '{}', which is less restrictive than '{}' of its base image",
        image.as_str(),
        base.as_str()
    );
    Err(Failure::new(FailureClass::Policy, "policy.distribution_scope", message).with_advice(format!(
        "set LABEL {DISTRIBUTION_SCOPE}={} or a more restrictive one in the Dockerfile, or use another base image",
        base.as_str()
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(image: Option<&str>, base: Option<&str>) -> Result<Verdict, Failure> {
        let base = base.map(|scope| (DISTRIBUTION_SCOPE.to_owned(), scope.to_owned()));
        check_scope(image, &base.into_iter().collect())
    }

    #[test]
    fn an_image_is_at_least_as_restrictive_as_its_base() {
        let all = ["private", "authoritative-source-only", "restricted", "public"];
        // SCP-1 is the first base image; the others follow from the order.
        for (base_at, base) in all.iter().enumerate() {
            for (image_at, image) in all.iter().enumerate() {
                let verdict = check(Some(image), Some(base));
                assert_eq!(verdict.is_ok(), image_at <= base_at, "SCP-1 {base} {image}");
                let code = verdict.err().map(|failure| failure.code);
                assert!(code.is_none_or(|code| code == "policy.distribution_scope"));
            }
        }
    }

    #[test]
    fn what_says_nothing_is_not_compared() {
        for (name, image, base, warns) in [
            ("SCP-2 no parent", Some("public"), None, false),
            ("SCP-2 no image", None, Some("private"), false),
            ("SCP-2 unknown parent", Some("public"), Some("invalid-choice"), true),
            ("SCP-2 unknown parent, no image", None, Some("invalid-choice"), false),
            ("SCP-2 unknown image", Some("invalid-choice"), Some("private"), true),
            ("neither", None, None, false),
        ] {
            let verdict = check(image, base).unwrap();
            assert!(matches!(verdict, Verdict::NotCompared { warn, .. } if warn == warns), "{name}");
        }
    }
}
