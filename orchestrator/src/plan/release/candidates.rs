//! Which releases to try, in which order. Pure.
//!
//! A release is taken apart at its first two dots: `20.1.fc25` is a number, a
//! suffix and a rest. Suffixes of digits are dropped, so that the number alone
//! counts: `20.1.fc25` becomes `20.fc25`, and the next one is `21.fc25`.

/// A release cannot be counted on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the release '{0}' does not begin with a number that can be counted on")]
pub(in crate::plan) struct NotCountable(pub(super) String);

/// Releases to try, without end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::plan) enum Candidates {
    /// `N.rest`, `N+1.rest`, …
    Counting {
        /// What the hub would give, without a suffix of digits.
        next: String,
    },
    /// `base.1`, `base.2`, …
    Appending {
        /// The release that is appended to.
        base: String,
        /// What is appended next.
        number: u64,
    },
}

impl Candidates {
    /// Those from what the hub would give next.
    pub(super) fn from(next: &str) -> Self {
        Self::Counting { next: patched(next) }
    }

    /// Those that append to a release; to `1` where there is none.
    pub(super) fn appending(base: Option<&str>) -> Self {
        Self::Appending { base: base.unwrap_or("1").to_owned(), number: 1 }
    }

    /// Those from a release that was found to be free.
    pub(in crate::plan) fn counting(release: &str) -> Self {
        Self::Counting { next: release.to_owned() }
    }

    /// Those from a release that was appended to another one; `None` for one that
    /// does not end with a number.
    pub(in crate::plan) fn appended(release: &str) -> Option<Self> {
        let (base, number) = release.rsplit_once('.')?;
        Some(Self::Appending { base: base.to_owned(), number: number.parse().ok()? })
    }

    /// The one to try now.
    pub(in crate::plan) fn current(&self) -> String {
        match self {
            Self::Counting { next } => next.clone(),
            Self::Appending { base, number } => format!("{base}.{number}"),
        }
    }

    /// Goes on to the next one.
    ///
    /// # Errors
    /// The release has no number to count on.
    pub(in crate::plan) fn advance(self) -> Result<Self, NotCountable> {
        Ok(match self {
            Self::Counting { next } => Self::Counting { next: incremented(&next)? },
            Self::Appending { base, number } => Self::Appending { base, number: number.saturating_add(1) },
        })
    }
}

/// The release without a suffix of digits.
fn patched(release: &str) -> String {
    let mut parts = release.splitn(3, '.');
    let first = parts.next().unwrap_or_default();
    join(first, parts)
}

/// The same with a number higher by one.
fn incremented(release: &str) -> Result<String, NotCountable> {
    let mut parts = release.splitn(3, '.');
    let first: Option<u64> = parts.next().and_then(|first| first.parse().ok());
    let next = first.and_then(|first| first.checked_add(1));
    Ok(join(&next.ok_or_else(|| NotCountable(release.to_owned()))?.to_string(), parts))
}

fn join<'a>(first: &'a str, mut others: impl Iterator<Item = &'a str>) -> String {
    let suffix =
        others.next().filter(|text| text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()));
    let parts = std::iter::once(first).chain(suffix).chain(others);
    parts.collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first_free(candidates: Candidates, taken: &[&str]) -> String {
        let mut candidates = candidates;
        while taken.contains(&candidates.current().as_str()) {
            candidates = candidates.advance().unwrap();
        }
        candidates.current()
    }

    #[test]
    fn counting_skips_what_is_taken() {
        let cases: &[(&str, &str, &[&str], &str)] = &[
            ("BMP-3", "1", &[], "1"),
            ("BMP-3", "1", &["1"], "2"),
            ("BMP-3", "1", &["1", "2"], "3"),
            ("BMP-4", "20.1", &["19.1"], "20"),
            ("BMP-4", "20.1", &["19.1", "20"], "21"),
            ("BMP-5", "20.fc25", &["20.fc24"], "20.fc25"),
            ("BMP-5", "20.fc25", &["20.fc25"], "21.fc25"),
            ("BMP-6", "20.foo.fc25", &["20.foo.fc25"], "21.foo.fc25"),
            ("BMP-7", "20.1.fc25", &["20.fc25", "20.1.fc25", "21.fc25"], "22.fc25"),
            ("suffix of one word", "4.el7", &["4.el7"], "5.el7"),
            ("a date", "20180425.nightly.3", &["20180425.nightly.3"], "20180426.nightly.3"),
        ];
        for (id, next, taken, expected) in cases {
            assert_eq!(first_free(Candidates::from(next), taken), *expected, "{id} {next} {taken:?}");
        }
    }

    #[test]
    fn appending_skips_what_is_taken() {
        let cases: &[(&str, Option<&str>, &[&str], &str)] = &[
            ("BMP-8", Some("42"), &["42.1", "42.2"], "42.3"),
            ("BMP-9", Some("42.1"), &["42.1.1"], "42.1.2"),
            ("BMP-9", None, &["1.1"], "1.2"),
            ("nothing taken", Some("42"), &[], "42.1"),
        ];
        for (id, base, taken, expected) in cases {
            assert_eq!(first_free(Candidates::appending(*base), taken), *expected, "{id} {base:?} {taken:?}");
        }
    }

    #[test]
    fn what_is_no_number_is_not_counted_on() {
        for release in ["r8", "fc25.1", "99999999999999999999", "18446744073709551615.fc25", ""] {
            let error = Candidates::from(release).advance().unwrap_err();
            assert!(error.to_string().contains(&patched(release)), "{release}");
        }
        assert_eq!(Candidates::from("r8").current(), "r8", "a free one may be taken as it is");
    }
}
