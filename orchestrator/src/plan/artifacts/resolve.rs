//! Which files are meant, and where they go. Nothing here asks anybody.

use std::collections::BTreeMap;

use common::failure::{Failure, FailureClass};
use globset::{GlobBuilder, GlobMatcher};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use url::Url;

use super::{Checksums, WantedArtifact};
use crate::{
    outside::{AllowedPlaces, KojiArchive, KojiChecksum, shown as shown_url},
    repository::inputs::{ArchiveMatcher, KojiArtifacts, UrlArtifact},
};

const KOJI_FILE: &str = "fetch-artifacts-koji.yaml";
const URL_FILE: &str = "fetch-artifacts-url.yaml";

/// Longest path and longest component of one in bytes (Linux, PATH_MAX, NAME_MAX;
/// with room for what is in front).
const MAX_PATH: usize = 3000;
const MAX_COMPONENT: usize = 255;

/// What a file name may hold and a URL's path may not.
const NOT_IN_PATHS: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'`')
    .add(b'{')
    .add(b'}');

/// The files of a build that are wanted. Without matchers these are all; with
/// some, those that any of them matches. Every matcher has to match something,
/// but another one may have matched it before.
pub(super) fn archives_of(
    wish: &KojiArtifacts,
    archives: &[KojiArchive],
    directory: &str,
) -> Result<Vec<WantedArtifact>, Failure> {
    let mut problems = Vec::new();
    let mut taken = vec![wish.archives.is_empty(); archives.len()];
    for matcher in &wish.archives {
        let shown = shown(matcher);
        let pattern = match matcher.filename.as_deref().map(pattern).transpose() {
            Ok(pattern) => pattern,
            Err(reason) => {
                let text = format!("{KOJI_FILE}, {}: {shown} is no pattern: {reason}", wish.nvr);
                problems.push(Failure::new(FailureClass::Source, "artifacts.bad_pattern", text));
                continue;
            }
        };
        let mut found = false;
        for (archive, taken) in archives.iter().zip(&mut taken) {
            let fits = pattern.as_ref().is_none_or(|pattern| pattern.is_match(&archive.filename))
                && matcher.group_id.as_ref().is_none_or(|group| *group == archive.group_id);
            *taken |= fits;
            found |= fits;
        }
        if !found {
            let text = format!("{KOJI_FILE}: failed to find archives of {} with {shown}", wish.nvr);
            problems.push(
                Failure::new(FailureClass::Source, "artifacts.archives_not_found", text)
                    .with_advice("look at the build's Maven archives in Koji"),
            );
        }
    }
    let mut wanted = Vec::new();
    for (archive, _) in archives.iter().zip(taken).filter(|(_, taken)| *taken) {
        match of_archive(archive, directory) {
            Ok(file) => wanted.push(file),
            Err(reason) => {
                let text = format!("{KOJI_FILE}, {}: file '{}' {reason}", wish.nvr, archive.filename);
                problems.push(Failure::new(FailureClass::Source, "artifacts.unsafe_destination", text));
            }
        }
    }
    Failure::all(problems).map_or(Ok(wanted), Err)
}

/// A pattern as Python's `fnmatch` reads it: `*` crosses slashes, and braces and
/// backslashes mean themselves.
fn pattern(text: &str) -> Result<GlobMatcher, String> {
    let text: String = text.chars().fold(String::new(), |mut all, c| {
        match c {
            '{' | '}' => all.extend(['[', c, ']']),
            _ => all.push(c),
        }
        all
    });
    let glob = GlobBuilder::new(&text).literal_separator(false).backslash_escape(false).build();
    glob.map(|glob| glob.compile_matcher()).map_err(|error| error.kind().to_string())
}

fn shown(matcher: &ArchiveMatcher) -> String {
    let filename = matcher.filename.as_ref().map(|name| format!("filename '{name}'"));
    let group = matcher.group_id.as_ref().map(|group| format!("group_id '{group}'"));
    let parts: Vec<String> = filename.into_iter().chain(group).collect();
    if parts.is_empty() { "any name".to_owned() } else { parts.join(" and ") }
}

/// A Maven archive: `GROUP/AS/PATH/ARTIFACT/VERSION/FILE` below the build's Maven
/// directory, and below `artifacts/`.
fn of_archive(archive: &KojiArchive, directory: &str) -> Result<WantedArtifact, String> {
    let KojiArchive { filename, group_id, artifact_id, version, checksum, .. } = archive;
    let path = format!("{}/{artifact_id}/{version}/{filename}", group_id.replace('.', "/"));
    let destination = safe_path(&path)?;
    let on_the_wire = utf8_percent_encode(&destination, NOT_IN_PATHS);
    let url = Url::parse(&format!("{}/{on_the_wire}", directory.trim_end_matches('/')))
        .map_err(|error| format!("has no address: {error}"))?;
    let mut checksums = Checksums::default();
    match checksum {
        KojiChecksum::Md5(sum) => checksums.md5 = Some(sum.to_ascii_lowercase()),
        KojiChecksum::Sha1(sum) => checksums.sha1 = Some(sum.to_ascii_lowercase()),
        KojiChecksum::Sha256(sum) => checksums.sha256 = Some(sum.to_ascii_lowercase()),
    }
    Ok(WantedArtifact { url, destination, checksums, is_asked: false })
}

/// A file by URL.
pub(super) fn by_url(wish: &UrlArtifact, allowed: &AllowedPlaces) -> Result<WantedArtifact, Failure> {
    let (url, shown) = (&wish.url, shown_url(&wish.url));
    let mut problems = Vec::new();
    if !url.username().is_empty() || url.password().is_some() {
        let text = format!("{URL_FILE}: the address {shown} is written with a user name or password");
        problems.push(
            Failure::new(FailureClass::Source, "artifacts.credentials_in_url", text)
                .with_advice("take them out: a repository is no place for them, and revoke the password"),
        );
    } else if !matches!(url.scheme(), "http" | "https") || !allowed.allows(url) {
        let text = format!("{URL_FILE}: {shown} is not in the list of allowed domains");
        problems.push(
            Failure::new(FailureClass::Policy, "artifacts.domain_not_allowed", text)
                .with_advice("the places are in artifacts.allowed_domains of the site's configuration"),
        );
    }
    let sums = Checksums {
        md5: wish.md5.as_ref().map(|sum| sum.to_ascii_lowercase()),
        sha1: wish.sha1.as_ref().map(|sum| sum.to_ascii_lowercase()),
        sha256: wish.sha256.as_ref().map(|sum| sum.to_ascii_lowercase()),
    };
    if sums == Checksums::default() {
        let text = format!("{URL_FILE}: {shown} has no checksum");
        problems.push(
            Failure::new(FailureClass::Source, "artifacts.no_checksum", text)
                .with_advice("give one of md5, sha1 and sha256"),
        );
    }
    let last = url.path_segments().and_then(|mut parts| parts.next_back()).unwrap_or_default();
    let last = percent_decode_str(last).decode_utf8_lossy();
    let target = wish.target.as_deref().unwrap_or(&last);
    let destination = safe_path(target).unwrap_or_else(|reason| {
        let text = format!("{URL_FILE}: the target '{}' of {shown} {reason}", target.escape_debug());
        problems.push(
            Failure::new(FailureClass::Source, "artifacts.unsafe_destination", text)
                .with_advice("give a relative path; it is below artifacts/"),
        );
        String::new()
    });
    match Failure::all(problems) {
        None => Ok(WantedArtifact { url: url.clone(), destination, checksums: sums, is_asked: true }),
        Some(failure) => Err(failure),
    }
}

/// A path that stays below the directory it is put into, or why not.
fn safe_path(path: &str) -> Result<String, String> {
    let reason = if path.is_empty() {
        "is empty"
    } else if path.starts_with('/') {
        "is absolute"
    } else if path.contains('\\') {
        "has a backslash"
    } else if path.contains(char::is_control) {
        "has a control character"
    } else if path.len() > MAX_PATH || path.split('/').any(|part| part.len() > MAX_COMPONENT) {
        "is too long"
    } else if path.split('/').any(|part| part.is_empty() || part == "." || part == "..") {
        "has '.', '..' or nothing as a component"
    } else {
        return Ok(path.to_owned());
    };
    Err(reason.to_owned())
}

/// Destinations that two files want, or that one file wants as a directory.
pub(super) fn conflicts(wanted: &[WantedArtifact]) -> Vec<Failure> {
    let mut problems = Vec::new();
    let mut seen: BTreeMap<&str, &WantedArtifact> = BTreeMap::new();
    let fail = |text: String| {
        Failure::new(FailureClass::Source, "artifacts.duplicate_destination", text)
            .with_advice("give one of them another target")
    };
    for file in wanted {
        if let Some(other) = seen.insert(&file.destination, file) {
            let (one, two) = (other.shown_url(), file.shown_url());
            let text = format!("both {one} and {two} would be artifacts/{}", file.destination);
            problems.push(fail(text));
        }
    }
    for file in wanted {
        let ends = file.destination.match_indices('/').map(|(at, _)| at);
        for above in ends.filter_map(|end| seen.get(&file.destination[..end])) {
            let text = format!(
                "artifacts/{} of {} would be a file, and a directory for {}",
                above.destination,
                above.shown_url(),
                file.shown_url()
            );
            problems.push(fail(text));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations_stay_below_their_directory() {
        for good in ["a", "a/b.jar", "..a/b..", "a b", "ä"] {
            assert_eq!(safe_path(good).as_deref(), Ok(good));
        }
        let long = "x".repeat(300);
        for bad in
            ["", "/a", "..", "../a", "a/../../b", "a//b", "a/", "./a", "a\\..\\b", "a\0b", "a\nb", &long]
        {
            assert!(safe_path(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn patterns_are_those_of_fnmatch() {
        for (glob, name, fits) in [
            ("*", "a/b", true),
            ("*javadoc*", "x-javadoc.jar", true),
            ("*gboss", "x.jar", false),
            ("a{b,c}", "ab", false),
            ("a{b,c}", "a{b,c}", true),
            ("a\\*", "a\\xyz", true),
            ("[!a]?", "bc", true),
            ("[ab].jar", "c.jar", false),
            ("A*", "abc", false),
        ] {
            assert_eq!(pattern(glob).unwrap().is_match(name), fits, "{glob} {name}");
        }
        assert!(pattern("[a").is_err());
    }
}
