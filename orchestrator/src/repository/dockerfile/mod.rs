//! Dockerfiles: which parents they have, what they become when those are pinned,
//! and which labels they set.
//!
//! A [`Dockerfile`] keeps the text as it is and a list of instructions that point
//! into it. Tokens come from the crate `parse-dockerfile`; lines, continuations
//! and here-documents are found first by [`lines`], after the rules of BuildKit's
//! parser, because the crate knows only some here-documents. Variables are
//! expanded by [`expand`], after BuildKit's shell lexer; [`quote`] is the way back.
//! An [`Edits`] replaces spans of the text, puts instructions between others, and
//! leaves every other byte alone.

mod arguments;
#[cfg(test)]
mod corpus;
mod edit;
mod engine;
mod expand;
mod labels;
mod lines;
mod model;
mod parents;
mod parse;
#[cfg(test)]
mod properties;
mod quote;
mod stages;
mod state;
mod words;

use common::failure::{Failure, FailureClass};

pub use arguments::{Arguments, read_environment};
pub use edit::{Edits, unified_diff};
pub use engine::ForBuildKit;
pub use model::Dockerfile;
pub use parents::{ParentKey, ParentKind, ParentUse};

/// A Dockerfile is not valid, or says something that reactor does not do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DockerfileError {
    /// It cannot be understood.
    #[error("Dockerfile line {line}: {reason}")]
    Invalid {
        /// Of which kind that is.
        flaw: Flaw,
        /// Line, from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// A FROM asks for a platform other than the one that is built.
    #[error("Dockerfile line {line}: --platform={written} does not fit a build for {target}")]
    PlatformFlag {
        /// Line, from 1.
        line: usize,
        /// As written.
        written: String,
        /// The platform that is built.
        target: String,
    },
    /// A parent to be replaced is not there.
    #[error("there is no parent image at byte {at} of the Dockerfile that '{reference}' could replace")]
    NoSuchParent {
        /// Offset in bytes.
        at: usize,
        /// What should have been written there.
        reference: String,
    },
    /// The parent image ends with a user that no instruction can name.
    #[error("the user of the parent image, {user:?}, cannot be written in a USER instruction")]
    InheritedUser {
        /// The user.
        user: String,
    },
    /// A change did not give what it should.
    #[error("the Dockerfile could not be changed: {reason}")]
    Edit {
        /// What is wrong.
        reason: String,
    },
}

/// Why a Dockerfile cannot be understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// An instruction is none, or not written as it has to be.
    Syntax,
    /// It is not text.
    NotUtf8,
    /// No instruction says what the image is built upon.
    NoFrom,
    /// FROM has a flag that it does not take.
    FromFlag,
    /// A here-document does not end.
    HereDocument,
    /// A stage is used that is not there yet, or never.
    UnknownStage,
    /// What should be the name of an image is none.
    ImageName,
    /// A variable cannot be replaced by its value.
    Variable,
    /// What ENV or LABEL says are no pairs of name and value.
    Words,
}

impl Flaw {
    fn code(self) -> &'static str {
        match self {
            Self::Syntax => "dockerfile.invalid",
            Self::NotUtf8 => "dockerfile.not_utf8",
            Self::NoFrom => "dockerfile.no_from",
            Self::FromFlag => "dockerfile.from_flag",
            Self::HereDocument => "dockerfile.here_document",
            Self::UnknownStage => "dockerfile.unknown_stage",
            Self::ImageName => "dockerfile.image_name",
            Self::Variable => "dockerfile.variable",
            Self::Words => "dockerfile.words",
        }
    }

    fn advice(self) -> &'static str {
        match self {
            Self::Syntax => "correct the Dockerfile and commit it",
            Self::NotUtf8 => "save the Dockerfile as UTF-8",
            Self::NoFrom => "begin with FROM and the name of the parent image, or FROM scratch",
            Self::FromFlag => "remove the flag, or write it once and with a value",
            Self::HereDocument => "end it with a line that has the word after << and nothing else",
            Self::UnknownStage => "name a stage that begins above this line, or an image",
            Self::ImageName => "write [HOST[:PORT]/]NAME[:TAG][@DIGEST]; names are in lower case",
            Self::Variable => "give the ARG a default, or its value with the request's build arguments",
            Self::Words => "write NAME=VALUE pairs, and close every quote",
        }
    }
}

impl DockerfileError {
    /// An error of [`DockerfileError::Invalid`]'s kind.
    fn invalid(line: usize, reason: impl Into<String>) -> Self {
        Self::flawed(Flaw::Syntax, line, reason)
    }

    /// The same, of a kind that has an answer of its own.
    fn flawed(flaw: Flaw, line: usize, reason: impl Into<String>) -> Self {
        Self::Invalid { flaw, line, reason: reason.into() }
    }
}

impl From<DockerfileError> for Failure {
    fn from(error: DockerfileError) -> Self {
        use FailureClass::{Internal, Parent, Source};
        let (class, code, advice) = match &error {
            DockerfileError::Invalid { flaw, .. } => (Source, flaw.code(), flaw.advice()),
            DockerfileError::PlatformFlag { .. } => (
                Source,
                "dockerfile.platform_flag",
                "remove the flag: every platform is built with parents of that platform",
            ),
            DockerfileError::InheritedUser { .. } => (
                Parent,
                "dockerfile.inherited_user",
                "set the user in the Dockerfile, or correct the parent image",
            ),
            DockerfileError::Edit { .. } => (Internal, "dockerfile.edit_failed", ""),
            DockerfileError::NoSuchParent { .. } => (Internal, "dockerfile.no_such_parent", ""),
        };
        Failure::from_error(class, code, &error).with_advice(advice)
    }
}
