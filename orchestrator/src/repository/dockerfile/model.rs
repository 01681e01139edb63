//! The instructions of a Dockerfile, as far as reactor looks at them, with their
//! places in the text.

use std::ops::Range;

use super::{DockerfileError, Flaw, lines::End, parse};

/// A Dockerfile: its text, unchanged, and what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dockerfile {
    pub(super) text: String,
    pub(super) escape: char,
    pub(super) syntax: Option<String>,
    pub(super) instructions: Vec<Instruction>,
}

/// A piece of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    /// Where it is, in bytes.
    pub(super) span: Range<usize>,
    /// What it says, continuations removed.
    pub(super) text: String,
}

/// One instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Instruction {
    /// Line on which it begins, from 1.
    pub(super) line: usize,
    /// Its lines, in bytes, with the last line feed and its here-documents.
    pub(super) span: Range<usize>,
    /// How its last line ends.
    pub(super) end: End,
    pub(super) kind: Kind,
}

/// What an instruction says, as far as it matters here. Triggers (ONBUILD) run in
/// the builds of children and are like any other instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    From {
        /// The `--platform` flag, whole, and its value.
        platform: Option<(Range<usize>, Word)>,
        image: Word,
        name: Option<String>,
    },
    Arg(String),
    Env(String),
    Label(String),
    /// COPY with `--from`.
    Copy {
        from: Word,
    },
    /// RUN, with the images of `--mount=…from=`.
    Run {
        from: Vec<Word>,
    },
    /// USER, without the keyword.
    User(String),
    Maintainer,
    Other,
}

impl Dockerfile {
    /// Reads a Dockerfile.
    ///
    /// # Errors
    /// It is not UTF-8 or not a Dockerfile; the error names the line.
    pub fn parse(text: &[u8]) -> Result<Self, DockerfileError> {
        match std::str::from_utf8(text) {
            Ok(text) => parse::parse(text),
            Err(error) => {
                let line = 1 + text[..error.valid_up_to()].iter().filter(|b| **b == b'\n').count();
                Err(DockerfileError::flawed(Flaw::NotUtf8, line, "it is not UTF-8"))
            }
        }
    }

    /// The text, byte for byte as it was read.
    pub fn as_bytes(&self) -> &[u8] {
        self.text.as_bytes()
    }

    /// The image of a `# syntax=` directive. BuildKit runs it as its own front
    /// end; it is no parent and is never pinned, so a caller should say so.
    pub fn syntax(&self) -> Option<&str> {
        self.syntax.as_deref()
    }

    /// Number of stages, at least one.
    pub fn stages(&self) -> usize {
        self.instructions.iter().filter(|instruction| matches!(instruction.kind, Kind::From { .. })).count()
    }
}
