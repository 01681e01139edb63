//! `fetch-artifacts-koji.yaml` and `fetch-artifacts-url.yaml`: files to be put
//! into `artifacts/` of the build context. A missing file asks for nothing; an
//! empty one is a mistake, for nobody commits it on purpose.

use common::{
    ParseError,
    failure::{Failure, FailureClass},
    nvr::Nvr,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

use super::{
    inputs::{ArchiveMatcher, KojiArtifacts, UrlArtifact, or_default},
    strict::{self, InputFile, MAX_PROBLEMS, at_line},
};

/// Name of the file that names Koji builds, beside the Dockerfile.
pub const KOJI_FILE: &str = "fetch-artifacts-koji.yaml";
/// Name of the file with URLs, beside the Dockerfile.
pub const URL_FILE: &str = "fetch-artifacts-url.yaml";
/// Name of a file that is refused: its build system is not supported yet.
pub const PNC_FILE: &str = "fetch-artifacts-pnc.yaml";

const KOJI_INPUT: InputFile = InputFile {
    name: KOJI_FILE,
    limit: 64 * 1024,
    code: "source.artifacts_koji",
    code_unknown_key: "source.artifacts_koji_unknown_key",
    code_too_large: "source.artifacts_koji_too_large",
};

const URL_INPUT: InputFile = InputFile {
    name: URL_FILE,
    limit: 64 * 1024,
    code: "source.artifacts_url",
    code_unknown_key: "source.artifacts_url_unknown_key",
    code_too_large: "source.artifacts_url_too_large",
};

/// What is wrong with an entry. `line` counts from 1.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactProblem {
    /// Not the name of a build.
    #[error("{KOJI_FILE}:{} {error}", at_line(*line))]
    Nvr {
        /// Why.
        error: ParseError,
        /// Where.
        line: Option<usize>,
    },
    /// Not a pattern of file names.
    #[error("{KOJI_FILE}:{} '{pattern}' is not a pattern: {error}", at_line(*line))]
    Pattern {
        /// What is written.
        pattern: String,
        /// Why.
        error: globset::ErrorKind,
        /// Where.
        line: Option<usize>,
    },
    /// Not a URL from which files can be fetched.
    #[error("{URL_FILE}:{} '{url}' is not a URL with http or https", at_line(*line))]
    Url {
        /// What is written.
        url: String,
        /// Where.
        line: Option<usize>,
    },
    /// Nothing to compare the file with.
    #[error("{URL_FILE}:{} '{url}' has no checksum", at_line(*line))]
    NoChecksum {
        /// What is written.
        url: String,
        /// Where.
        line: Option<usize>,
    },
    /// A checksum of the wrong form.
    #[error("{URL_FILE}:{} {kind} '{text}' is not {digits} lower-case hexadecimal digits", at_line(*line))]
    Checksum {
        /// Which one.
        kind: &'static str,
        /// What is written.
        text: String,
        /// How many digits it has.
        digits: usize,
        /// Where.
        line: Option<usize>,
    },
    /// A path that is not below `artifacts/`, or is none.
    #[error("{URL_FILE}:{} the target '{target}' is not a path below artifacts/", at_line(*line))]
    Target {
        /// What is written.
        target: String,
        /// Where.
        line: Option<usize>,
    },
}

impl From<ArtifactProblem> for Failure {
    fn from(problem: ArtifactProblem) -> Self {
        let (code, advice) = match &problem {
            ArtifactProblem::Nvr { .. } => ("source.artifact_nvr", "name the build as NAME-VERSION-RELEASE"),
            ArtifactProblem::Pattern { .. } => ("source.artifact_pattern", "correct the pattern"),
            ArtifactProblem::Url { .. } => ("source.artifact_url", "correct the URL"),
            ArtifactProblem::NoChecksum { .. } => {
                ("source.artifact_no_checksum", "add 'sha256', for what a URL gives can change")
            }
            ArtifactProblem::Checksum { .. } => ("source.artifact_checksum", "correct the checksum"),
            ArtifactProblem::Target { .. } => {
                ("source.artifact_target", "write a relative path without '..', or leave 'target' out")
            }
        };
        Failure::from_error(FailureClass::Source, code, &problem).with_advice(advice)
    }
}

/// An entry of the file about Koji as it is written.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WrittenKoji {
    nvr: String,
    #[serde(default, deserialize_with = "or_default")]
    #[schemars(with = "Option<Vec<ArchiveMatcher>>")]
    archives: Vec<ArchiveMatcher>,
}

/// An entry of the file about URLs as it is written.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WrittenUrl {
    url: String,
    target: Option<String>,
    md5: Option<String>,
    sha1: Option<String>,
    sha256: Option<String>,
}

/// Reads `fetch-artifacts-koji.yaml`.
///
/// # Errors
/// It is too large or not a list of builds; all entries that are wrong.
pub fn read_koji(text: &[u8]) -> Result<Vec<KojiArtifacts>, Failure> {
    let strict::Read { value, places } = strict::read::<Option<Vec<WrittenKoji>>>(&KOJI_INPUT, text)?;
    let value = value.ok_or_else(|| empty(&KOJI_INPUT))?;
    let mut wishes = Vec::new();
    let mut problems: Vec<ArtifactProblem> = Vec::new();
    for (index, WrittenKoji { nvr, archives }) in value.into_iter().enumerate() {
        for (number, matcher) in archives.iter().enumerate() {
            let Some(pattern) = &matcher.filename else { continue };
            if let Err(error) = globset::Glob::new(pattern) {
                let line = places.closest(&format!("[{index}].archives[{number}].filename"));
                let error = error.kind().clone();
                problems.push(ArtifactProblem::Pattern { pattern: pattern.clone(), error, line });
            }
        }
        match nvr.parse::<Nvr>() {
            Ok(nvr) => wishes.push(KojiArtifacts { nvr, archives }),
            Err(error) => {
                let line = places.closest(&format!("[{index}].nvr"));
                problems.push(ArtifactProblem::Nvr { error, line });
            }
        }
    }
    all(wishes, problems)
}

/// Reads `fetch-artifacts-url.yaml`.
///
/// # Errors
/// It is too large or not a list of files; all entries that are wrong.
pub fn read_urls(text: &[u8]) -> Result<Vec<UrlArtifact>, Failure> {
    let strict::Read { value, places } = strict::read::<Option<Vec<WrittenUrl>>>(&URL_INPUT, text)?;
    let value = value.ok_or_else(|| empty(&URL_INPUT))?;
    let mut wishes = Vec::new();
    let mut problems: Vec<ArtifactProblem> = Vec::new();
    for (index, written) in value.into_iter().enumerate() {
        let line = |key: &str| places.closest(&format!("[{index}].{key}"));
        let WrittenUrl { url, target, md5, sha1, sha256 } = written;
        for (kind, text, digits) in [("md5", &md5, 32), ("sha1", &sha1, 40), ("sha256", &sha256, 64)] {
            let Some(text) = text else { continue };
            let digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
            if text.len() != digits || !text.bytes().all(digit) {
                let (text, line) = (text.clone(), line(kind));
                problems.push(ArtifactProblem::Checksum { kind, text, digits, line });
            }
        }
        if md5.is_none() && sha1.is_none() && sha256.is_none() {
            problems.push(ArtifactProblem::NoChecksum { url: url.clone(), line: line("url") });
        }
        if let Some(target) = target.as_ref().filter(|target| !is_below(target)) {
            problems.push(ArtifactProblem::Target { target: target.clone(), line: line("target") });
        }
        match url.parse::<Url>().ok().filter(|url| matches!(url.scheme(), "http" | "https")) {
            Some(url) => wishes.push(UrlArtifact { url, target, md5, sha1, sha256 }),
            None => problems.push(ArtifactProblem::Url { line: line("url"), url }),
        }
    }
    all(wishes, problems)
}

/// Why `fetch-artifacts-pnc.yaml` cannot be there.
pub fn pnc_unsupported() -> Failure {
    let message = format!("{PNC_FILE}: artifacts of that build system are not supported yet");
    Failure::new(FailureClass::Source, "source.artifacts_pnc_unsupported", message).with_advice(format!(
        "the image would lack them, so it is not built; name them in {URL_FILE} instead"
    ))
}

fn empty(file: &InputFile) -> Failure {
    Failure::new(FailureClass::Source, file.code, format!("{}: it is empty", file.name))
        .with_advice("list what is to be fetched, or remove the file")
}

fn all<T>(wishes: Vec<T>, problems: Vec<ArtifactProblem>) -> Result<Vec<T>, Failure> {
    let problems = problems.into_iter().take(MAX_PROBLEMS).map(Failure::from);
    Failure::all(problems).map_or(Ok(wishes), Err)
}

/// Whether a path stays below the directory it is relative to.
fn is_below(path: &str) -> bool {
    let fits = |part: &str| !part.is_empty() && part != "." && part != "..";
    path.len() <= 1024 && !path.contains(['\\', '\0']) && path.split('/').all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(failure: Failure) -> Vec<String> {
        failure.each().into_iter().map(|failure| failure.code).collect()
    }

    #[test]
    fn builds_and_their_files() {
        let read = read_koji(
            b"- nvr: com.sun.xml.bind.mvn-jaxb-parent-2.2.11.4-1\n  archives:\n  - filename: jaxb-core-*.jar\n    \
              group_id: org.glassfish.jaxb\n- nvr: a-1-1\n",
        )
        .unwrap();
        assert_eq!(read[0].nvr.name(), "com.sun.xml.bind.mvn-jaxb-parent");
        assert_eq!(read[0].archives[0].filename.as_deref(), Some("jaxb-core-*.jar"));
        assert!(read[1].archives.is_empty());
    }

    #[test]
    fn koji_files_that_are_wrong() {
        let file = "source.artifacts_koji";
        let cases: &[(&str, &str, &[&str])] = &[
            ("ART-6 unknown key", "- nvr: a-1-1\n  spam: x\n", &["source.artifacts_koji_unknown_key"]),
            ("ART-6 empty", "", &[file]),
            ("ART-6 map", "nvr: a-1-1\n", &[file]),
            ("ART-6 archives", "- nvr: a-1-1\n  archives: {filename: x}\n", &[file]),
            ("no nvr", "- archives: []\n", &[file]),
            (
                "two problems",
                "- nvr: a\n- nvr: b-1-1\n  archives: [{filename: '[a'}]\n",
                &["source.artifact_nvr", "source.artifact_pattern"],
            ),
        ];
        for (case, text, expected) in cases {
            let failure = read_koji(text.as_bytes()).unwrap_err();
            assert!(failure.message.starts_with("fetch-artifacts-koji.yaml:"), "{case}: {failure}");
            assert_eq!(codes(failure), *expected, "{case}");
        }
    }

    #[test]
    fn url_files_that_are_wrong() {
        let sum = "source.artifact_checksum";
        let cases: &[(&str, &str, &[&str])] = &[
            ("ART-6 no hash", "- url: http://h/a\n", &["source.artifact_no_checksum"]),
            ("ART-6 short md5", "- {url: 'http://h/a', md5: abc}\n", &[sum]),
            ("ART-6 short sha1", "- {url: 'http://h/a', sha1: abc}\n", &[sum]),
            ("ART-6 short sha256", "- {url: 'http://h/a', sha256: abc}\n", &[sum]),
            ("empty", "", &["source.artifacts_url"]),
            (
                "unknown",
                "- {ulr: x, md5: y}\n",
                &["source.artifacts_url_unknown_key", "source.artifacts_url"],
            ),
            (
                "all of an entry",
                "- {url: 'ftp://h/a', target: ../x}\n",
                &["source.artifact_no_checksum", "source.artifact_target", "source.artifact_url"],
            ),
        ];
        for (case, text, expected) in cases {
            let failure = read_urls(text.as_bytes()).unwrap_err();
            assert!(failure.message.starts_with("fetch-artifacts-url.yaml:"), "{case}: {failure}");
            let mut codes = codes(failure);
            // The reader may stop at the unknown key or at the missing one.
            codes.truncate(if *case == "unknown" { 1 } else { codes.len() });
            assert_eq!(codes, expected[..codes.len()], "{case}");
        }
        let numbers = format!("- url: http://h/a\n  md5: {}\n", "1".repeat(32));
        assert!(read_urls(numbers.as_bytes()).is_ok(), "digits alone are text, too");
    }
}
