//! Release numbers.

use super::{Hub, HubError, answers::Found};
use crate::{
    session::CallError,
    xmlrpc::{Arguments, Value},
};

/// The fault of a hub that cannot count on from a release.
const CANNOT_COUNT: i64 = 1005;

impl Hub {
    /// The release that the hub would give next. Where it cannot count on from the
    /// newest build's, the bridge counts on from the newest build that has a
    /// number.
    ///
    /// # Errors
    /// The hub cannot answer.
    pub async fn next_release(&self, name: &str, version: &str) -> Result<String, HubError> {
        const METHOD: &str = "getNextRelease";
        let build = [("name".to_owned(), name.into()), ("version".to_owned(), version.into())];
        let asked = Arguments::none().with(Value::Struct(build.into()));
        match self.0.queries.read::<String>(METHOD, asked).await {
            Ok(release) if !release.is_empty() => return Ok(release),
            Ok(_) => return Err(HubError::unexpected(METHOD, "the release is empty")),
            Err(CallError::Refused { fault, .. }) if fault.code == CANNOT_COUNT => {
                tracing::debug!(
                    name,
                    version,
                    fault = fault.text,
                    "looking for the newest release that is a number"
                );
            }
            Err(error) => return Err(error.into()),
        }
        let newest = [("order".to_owned(), "-build.id".into()), ("limit".to_owned(), Value::Int(1))];
        let asked = Arguments::none().with(numbered(name, version)).with("build").with("regexp");
        let found: Vec<Found> =
            self.read("search", asked.named("queryOpts", Value::Struct(newest.into()))).await?;
        let Some(found) = found.into_iter().next() else { return Ok("1".to_owned()) };
        let release = found.name.rsplit('-').next().unwrap_or_default();
        counted_on(release).ok_or_else(|| {
            HubError::unexpected("search", format!("the release of {} is no number", found.name))
        })
    }
}

/// The expression of builds whose release is a number, in the database's syntax.
fn numbered(name: &str, version: &str) -> String {
    let literal = |text: &str| {
        let mut escaped = String::new();
        for character in text.chars() {
            if !character.is_alphanumeric() && !"_-".contains(character) {
                escaped.push('\\');
            }
            escaped.push(character);
        }
        escaped
    };
    format!(r"^{}-{}-\d+(\.\d+)?$", literal(name), literal(version))
}

/// The release after this one: its first part counted up, a second part that is a
/// number dropped. `None` when the first part is no number.
pub(super) fn counted_on(release: &str) -> Option<String> {
    let mut parts = release.splitn(3, '.');
    let first = parts.next()?.parse::<u64>().ok()?.checked_add(1)?.to_string();
    let suffix =
        parts.next().filter(|part| part.is_empty() || !part.bytes().all(|byte| byte.is_ascii_digit()));
    let rest = parts.next();
    Some([Some(first.as_str()), suffix, rest].into_iter().flatten().collect::<Vec<_>>().join("."))
}

#[cfg(test)]
mod unit_tests {
    use super::*;

    #[test]
    fn releases_are_counted_on() {
        for (release, next) in [
            ("4", Some("5")),
            ("4.1", Some("5")),
            ("4.el7", Some("5.el7")),
            ("4.1.fc27", Some("5.fc27")),
            ("4.el7.2", Some("5.el7.2")),
            ("r8", None),
            ("", None),
            ("18446744073709551615", None),
        ] {
            assert_eq!(counted_on(release).as_deref(), next, "{release}");
        }
    }

    #[test]
    fn names_are_no_expressions() {
        assert_eq!(numbered("c++-app_1", "1.0~rc"), r"^c\+\+-app_1-1\.0\~rc-\d+(\.\d+)?$");
    }
}
