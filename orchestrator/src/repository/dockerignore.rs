//! `.dockerignore`: which files stay out of the build context.
//!
//! The rules are those of Docker's pattern matcher (moby/patternmatcher and
//! Docker's reference, ".dockerignore file"): one pattern a line, all of them
//! rooted at the context; `*`, `?` and `[…]` stay within a component, `**` spans
//! any number; a pattern that matches a directory covers all below it; `!` takes
//! back; the last pattern that matches decides.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _, path::Path};

use common::failure::{Failure, FailureClass};
use globset::{Glob, GlobBuilder, GlobMatcher};

/// Name of the file, at the root of the context.
pub const FILE: &str = ".dockerignore";

/// A pattern that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(".dockerignore line {line}: {reason}")]
pub struct DockerignoreError {
    /// Line, from 1.
    pub line: usize,
    /// What is wrong.
    pub reason: String,
}

impl From<DockerignoreError> for Failure {
    fn from(error: DockerignoreError) -> Self {
        Failure::from_error(FailureClass::Source, "dockerignore.invalid", &error)
    }
}

#[derive(Debug, Clone)]
struct Pattern {
    takes_back: bool,
    glob: GlobMatcher,
}

/// The patterns of a `.dockerignore`. The default ignores nothing.
#[derive(Debug, Clone, Default)]
pub struct Dockerignore {
    patterns: Vec<Pattern>,
}

impl Dockerignore {
    /// Reads the file's text.
    ///
    /// # Errors
    /// It is not UTF-8, or has a pattern that cannot be understood.
    pub fn parse(text: &[u8]) -> Result<Self, DockerignoreError> {
        let text = std::str::from_utf8(text).map_err(|error| {
            let line = 1 + text[..error.valid_up_to()].iter().filter(|b| **b == b'\n').count();
            DockerignoreError { line, reason: "it is not UTF-8".to_owned() }
        })?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut patterns = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let fail = |reason: String| DockerignoreError { line: index + 1, reason };
            // A comment is one only at the very beginning of its line.
            if line.starts_with('#') || line.trim().is_empty() {
                continue;
            }
            let line = line.trim();
            let (takes_back, pattern) = match line.strip_prefix('!') {
                Some(pattern) => (true, pattern.trim()),
                None => (false, line),
            };
            if pattern.is_empty() {
                return Err(fail("there is no pattern after '!'".to_owned()));
            }
            let Some(clean) = clean(pattern) else { continue };
            let glob = glob(&clean).map_err(|error| fail(format!("'{pattern}': {}", error.kind())))?;
            patterns.push(Pattern { takes_back, glob: glob.compile_matcher() });
        }
        Ok(Self { patterns })
    }

    /// Whether a path, `/`-separated and relative to the context, is left out.
    pub fn ignores(&self, path: &[u8]) -> bool {
        let with_ancestors: Vec<&Path> = path
            .iter()
            .enumerate()
            .filter(|(_, b)| **b == b'/')
            .map(|(at, _)| &path[..at])
            .chain([path])
            .map(|bytes| Path::new(OsStr::from_bytes(bytes)))
            .collect();
        let hit = |pattern: &&Pattern| with_ancestors.iter().any(|path| pattern.glob.is_match(path));
        self.patterns.iter().rfind(hit).is_some_and(|pattern| !pattern.takes_back)
    }
}

/// The pattern without `.`, `..`, doubled and outer slashes (Go's path.Clean).
/// `None` when nothing is left, which matches nothing.
fn clean(pattern: &str) -> Option<String> {
    let mut parts: Vec<&str> = Vec::new();
    for part in pattern.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    (!parts.is_empty()).then(|| parts.join("/"))
}

/// The same pattern for globset, which knows braces and takes `**` only as a
/// whole component.
fn glob(pattern: &str) -> Result<Glob, globset::Error> {
    let mut translated = String::with_capacity(pattern.len());
    let mut characters = pattern.chars();
    let mut in_class = false;
    while let Some(c) = characters.next() {
        match c {
            '\\' => {
                translated.push(c);
                translated.extend(characters.next());
                continue;
            }
            '[' => in_class = true,
            ']' => in_class = false,
            '{' | '}' if !in_class => translated.push('\\'),
            _ => {}
        }
        translated.push(c);
    }
    GlobBuilder::new(&translated).literal_separator(true).backslash_escape(true).build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_decide_as_in_docker() {
        // patterns, ignored, kept
        let cases: &[(&str, &[&str], &[&str])] = &[
            ("", &[], &["a", "a/b"]),
            ("# a\n\n  \na\n", &["a", "a/b"], &["b", "b/a", "aa"]),
            ("/a/\n", &["a", "a/b/c"], &["b/a"]),
            ("./a//b/../c\n", &["a/c", "a/c/d"], &["a", "a/b"]),
            ("*.md\n", &["x.md", "x.md/y"], &["a/x.md", "x.mdx"]),
            ("*/temp*\n", &["a/temp", "a/temporary.txt", "a/temp/b"], &["temp", "a/b/temp"]),
            ("*/*/temp*\n", &["a/b/temporary"], &["a/temp"]),
            ("temp?\n", &["tempa"], &["temp", "tempab", "temp/"]),
            ("**/*.go\n", &["x.go", "a/x.go", "a/b/x.go"], &["x.gop"]),
            ("a/**\n", &["a/b", "a/b/c"], &["a", "b"]),
            ("a/**/z\n", &["a/z", "a/b/z", "a/b/c/z"], &["a/b", "z"]),
            ("**\n", &["a", "a/b"], &[]),
            ("*\n!keep\n", &["a", "a/keep"], &["keep", "keep/x"]),
            ("*.md\n!README*.md\nREADME-secret.md\n", &["a.md", "README-secret.md"], &["README.md"]),
            ("*.md\nREADME-secret.md\n!README*.md\n", &["a.md"], &["README.md", "README-secret.md"]),
            ("a\n!a/b\na/b/c\n", &["a", "a/x", "a/b/c", "a/b/c/d"], &["a/b", "a/b/x"]),
            ("[a-c]x\n[^d]y\n", &["ax", "cx", "ay"], &["dx", "dy"]),
            ("\\*\n\\#x\n", &["*", "#x"], &["a", "x"]),
            ("{a,b}\n", &["{a,b}"], &["a", "b"]),
            ("a b\r\n  c  \n", &["a b", "c"], &["a"]),
            ("\u{feff}a\n", &["a"], &["b"]),
            ("!a\n", &[], &["a", "b"]),
            ("..\n.\n/\n", &[], &["a", ".."]),
            (".git\nDockerfile\n.dockerignore\n", &[".git/config", "Dockerfile"], &["a/Dockerfile"]),
        ];
        for (text, ignored, kept) in cases {
            let rules =
                Dockerignore::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"));
            for path in *ignored {
                assert!(rules.ignores(path.as_bytes()), "{text:?} should ignore {path}");
            }
            for path in *kept {
                assert!(!rules.ignores(path.as_bytes()), "{text:?} should keep {path}");
            }
        }
        assert!(Dockerignore::parse(b"*.x\n").unwrap().ignores(b"\xff.x"));
    }

    #[test]
    fn mistakes_carry_their_line() {
        for (text, line) in [("a\n!\n", 2), ("[a\n", 1), ("a\n\nb[z-a]\n", 3)] {
            assert_eq!(Dockerignore::parse(text.as_bytes()).unwrap_err().line, line, "{text}");
        }
        assert_eq!(Dockerignore::parse(b"a\n\xff\n").unwrap_err().line, 2);
    }
}
