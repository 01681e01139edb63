//! File names of repository files.

use std::collections::BTreeSet;

use percent_encoding::percent_decode_str;
use sha2::{Digest as _, Sha256};
use url::Url;

/// Longest name without its ending, in bytes.
const MAX_STEM: usize = 100;
const ENDING: &str = ".repo";

/// Names that were given already. No two files get the same one.
#[derive(Debug, Default)]
pub(super) struct Names(BTreeSet<String>);

impl Names {
    /// The name of the file at an address: the last part of its path, decoded,
    /// with the ending that package managers look for.
    pub(super) fn of(&mut self, url: &Url) -> String {
        let last = url.path_segments().and_then(|mut parts| parts.next_back()).unwrap_or_default();
        let decoded = percent_decode_str(last).decode_utf8_lossy();
        let fits = |c: char| c.is_ascii_alphanumeric() || "._+-@~ ".contains(c);
        let safe: String = decoded.chars().map(|c| if fits(c) { c } else { '_' }).collect();
        let stem = safe.strip_suffix(ENDING).unwrap_or(&safe).trim().trim_start_matches('.');
        let stem = stem.get(..MAX_STEM).unwrap_or(stem);
        let stem = if stem.is_empty() { "repository" } else { stem };
        let mut name = format!("{stem}{ENDING}");
        let hash = hex::encode(Sha256::digest(url.as_str()));
        // The second of two gets a piece of the address's hash: the same in every run.
        for length in (8..=hash.len()).step_by(8) {
            if !self.0.contains(&name) {
                break;
            }
            name = format!("{stem}-{}{ENDING}", &hash[..length]);
        }
        self.0.insert(name.clone());
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_safe_and_differ() {
        let mut names = Names::default();
        for (id, url, expected) in [
            ("YUM-4", "http://example.com/example%20repo.repo", "example repo.repo"),
            ("query", "http://example.com/a.repo?x=/etc/b.repo", "a.repo"),
            ("fragment", "http://example.com/b.repo#c/d.repo", "b.repo"),
            ("ending", "http://example.com/plain", "plain.repo"),
            ("directory", "http://example.com/dir/", "repository.repo"),
            ("nothing", "http://example.com", "repository-"),
            ("hidden", "http://example.com/.repo", "repository-"),
            ("slash", "http://example.com/..%2f..%2fpasswd", "_.._passwd.repo"),
            ("quote", "http://example.com/a'%22$(b).repo", "a____b_.repo"),
            ("control", "http://example.com/a%0ab%00.repo", "a_b_.repo"),
            ("other bytes", "http://example.com/%ff%c3%a4.repo", "__.repo"),
            ("spaces", "http://example.com/%20x%20.repo", "x.repo"),
            ("7162269b, the same name", "http://other.com/a.repo", "a-"),
            ("7162269b, a third time", "http://third.com/a.repo", "a-"),
        ] {
            let found = names.of(&url.parse().unwrap());
            assert!(found.starts_with(expected.trim_end_matches('.')), "{id}: {found}");
            assert!(found.ends_with(".repo"), "{id}: {found}");
        }
        assert_eq!(names.0.len(), 14, "{:?}", names.0);
        let long = names.of(&format!("http://example.com/{}", "x".repeat(3000)).parse().unwrap());
        assert_eq!(long.len(), MAX_STEM + ENDING.len());
        let mut again = Names::default();
        let both = |names: &mut Names| {
            ["http://a.com/x.repo", "http://b.com/x.repo"].map(|url| names.of(&url.parse().unwrap()))
        };
        assert_eq!(both(&mut again), both(&mut Names::default()), "the same in every run");
    }
}
