//! Which error a build ended with, told from the engine's words.
//!
//! The classic builder has no codes: what it says about a failure is one
//! sentence, and some causes show only in the output before it. The sentences
//! are those of the engines' own sources (moby `builder/dockerfile`,
//! `runc libcontainer`), from 17.06 to 29.

use common::platform::Architecture;

use super::error::{EngineError, FailedStep};

/// Longest message of a failure in characters; it repeats whole instructions.
const MAX_MESSAGE: usize = 1000;

/// What was known when a build failed.
pub(crate) struct Circumstances<'a> {
    /// The engine's error.
    pub message: &'a str,
    /// The instruction that was running, if one was.
    pub step: Option<FailedStep>,
    /// The last lines of output, oldest first.
    pub tail: &'a [String],
    /// What is built.
    pub wanted: &'a Architecture,
    /// What the engine is.
    pub engine: &'a Architecture,
    /// Memory limit in bytes, if there is one.
    pub memory_limit: Option<u64>,
}

/// Whether a text says that a disk is full (`strerror(ENOSPC)`, and what quotas
/// say).
pub(crate) fn is_no_space(text: &str) -> bool {
    let text = text.to_lowercase();
    text.contains("no space left on device") || text.contains("disk quota exceeded")
}

fn is_exec_format(text: &str) -> bool {
    text.to_lowercase().contains("exec format error")
}

fn is_invalid_dockerfile(message: &str) -> bool {
    const BEGINNINGS: &[&str] = &[
        "dockerfile parse error",
        "failed to parse dockerfile",
        "the dockerfile (",
        "cannot locate specified dockerfile",
        "unknown instruction",
        "no build stage in current context",
        "no source files were specified",
        "failed to process",
        "invalid reference format",
        "invalid from flag value",
    ];
    const PARTS: &[&str] =
        &["requires buildkit", "file with no instructions", "unknown flag:", "parse error line"];
    let message = message.to_lowercase();
    BEGINNINGS.iter().any(|beginning| message.starts_with(beginning))
        || PARTS.iter().any(|part| message.contains(part))
}

/// Whether a registry or the engine says that an image is not there.
pub(crate) fn is_image_missing(message: &str) -> bool {
    let message = message.to_lowercase();
    [
        "manifest unknown",
        "manifest for ",
        "no such image",
        "repository does not exist",
        "name unknown",
        "no matching manifest",
        "not found",
    ]
    .iter()
    .any(|part| message.contains(part))
        && !message.contains("file not found")
        && !message.contains("no such host")
}

/// A text of at most `limit` characters; the middle is what nobody misses.
pub(crate) fn shortened(text: &str, limit: usize) -> String {
    let count = text.chars().count();
    if count <= limit {
        return text.to_owned();
    }
    let head: String = text.chars().take(limit / 2).collect();
    let tail: String = text.chars().skip(count - limit / 2).collect();
    format!("{head} … {tail}")
}

/// Whether a container could not even be set up, which is no fault of what it
/// should have run.
fn is_engine_trouble(message: &str) -> bool {
    let message = message.to_lowercase();
    [
        "failed to create endpoint",
        "failed to create shim",
        "failed to create task",
        "error creating overlay mount",
        "error mounting",
        "cannot allocate memory",
        "too many open files",
        "input/output error",
        "could not find bridge",
        "driver failed programming",
        "all predefined address pools",
        "cannot start a container that has died",
        "context deadline exceeded",
    ]
    .iter()
    .any(|part| message.contains(part))
}

/// The exit code in "The command '…' returned a non-zero code: 7".
fn exit_code(message: &str) -> Option<i64> {
    message.rsplit_once("returned a non-zero code: ")?.1.trim().parse().ok()
}

/// The error that a failed build ended with.
pub(crate) fn build_error(it: Circumstances<'_>) -> EngineError {
    let message = shortened(it.message.trim(), MAX_MESSAGE);
    let exit_code = exit_code(&message);
    let in_tail = |says: fn(&str) -> bool| it.tail.iter().rev().find(|line| says(line)).cloned();
    let doing = it.step.as_ref().map_or_else(|| "building".to_owned(), ToString::to_string);

    if is_no_space(&message) {
        return EngineError::NoSpace { doing, message };
    }
    if let Some(line) = in_tail(is_no_space) {
        return EngineError::NoSpace { doing, message: line };
    }
    if it.wanted.architecture != it.engine.architecture {
        let detail =
            Some(message.clone()).filter(|text| is_exec_format(text)).or_else(|| in_tail(is_exec_format));
        if let Some(detail) = detail {
            return EngineError::NotEmulated { wanted: it.wanted.clone(), engine: it.engine.clone(), detail };
        }
    }
    if let (Some(137), Some(limit), Some(step)) = (exit_code, it.memory_limit, &it.step) {
        return EngineError::OutOfMemory { step: step.clone(), limit };
    }
    if exit_code.is_some() {
        return EngineError::InstructionFailed { step: it.step, message, exit_code };
    }
    if is_invalid_dockerfile(&message) {
        return EngineError::DockerfileInvalid { message };
    }
    let from =
        it.step.as_ref().and_then(|step| step.announced.split_once(" : ")).map(|(_, text)| text.trim());
    if let Some(parent) = from.and_then(|text| text.strip_prefix("FROM "))
        && is_image_missing(&message)
    {
        return EngineError::ParentNotFound { parent: parent.trim().to_owned(), message };
    }
    if is_engine_trouble(&message) {
        return EngineError::ContainerFailed { message };
    }
    EngineError::InstructionFailed { step: it.step, message, exit_code: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(message: &str, tail: &[&str], announced: &str, foreign: bool, limit: Option<u64>) -> String {
        let tail: Vec<String> = tail.iter().map(|line| (*line).to_owned()).collect();
        let engine = Architecture::plain("amd64");
        let wanted = Architecture::plain(if foreign { "arm64" } else { "amd64" });
        let step =
            (!announced.is_empty()).then(|| FailedStep { announced: announced.to_owned(), line: Some(3) });
        let error = build_error(Circumstances {
            message,
            step,
            tail: &tail,
            wanted: &wanted,
            engine: &engine,
            memory_limit: limit,
        });
        error.failure().code
    }

    #[test]
    fn every_way_a_build_ends_has_its_code() {
        let failed = "The command '/bin/sh -c make' returned a non-zero code: 2";
        let killed = "The command '/bin/sh -c make' returned a non-zero code: 137";
        let run = "Step 3/4 : RUN make";
        let exec = "exec /bin/sh: exec format error";
        let full = "write /x: No space left on device";
        for (message, tail, step, foreign, limit, expected) in [
            (failed, vec![], run, false, None, "build.instruction_failed"),
            (failed, vec!["make: *** [all] Error 2"], run, true, None, "build.instruction_failed"),
            (killed, vec![], run, false, None, "build.instruction_failed"),
            (killed, vec![], run, false, Some(64), "build.out_of_memory"),
            (failed, vec![], run, false, Some(64), "build.instruction_failed"),
            (failed, vec![exec], run, true, None, "engine.platform_not_emulated"),
            (failed, vec![exec], run, false, None, "build.instruction_failed"),
            (exec, vec![], run, true, None, "engine.platform_not_emulated"),
            (
                "failed to create endpoint x on network bridge: could not find bridge docker0",
                vec![],
                run,
                false,
                None,
                "engine.container_failed",
            ),
            (failed, vec![full, "make failed"], run, false, None, "engine.no_space"),
            (
                "failed to copy: write /var/lib: no space left on device",
                vec![],
                run,
                false,
                None,
                "engine.no_space",
            ),
            (
                "dockerfile parse error line 7: unknown instruction: RUM",
                vec![],
                "",
                false,
                None,
                "build.dockerfile_invalid",
            ),
            (
                "dockerfile parse error on line 7: unknown instruction: RUM",
                vec![],
                "",
                false,
                None,
                "build.dockerfile_invalid",
            ),
            (
                "the Dockerfile (Dockerfile) cannot be empty",
                vec![],
                "",
                false,
                None,
                "build.dockerfile_invalid",
            ),
            ("the --mount option requires BuildKit.", vec![], "", false, None, "build.dockerfile_invalid"),
            (
                "COPY failed: file not found in build context or excluded by .dockerignore: stat x: file does not exist",
                vec![],
                "Step 2/4 : COPY x /x",
                false,
                None,
                "build.instruction_failed",
            ),
            (
                "manifest for r.example.org/base:1 not found: manifest unknown",
                vec![],
                "Step 1/4 : FROM r.example.org/base:1",
                false,
                None,
                "parent.not_found",
            ),
        ] {
            assert_eq!(code(message, &tail, step, foreign, limit), expected, "{message} {tail:?}");
        }
    }

    #[test]
    fn a_failed_instruction_names_its_step_line_and_exit_code() {
        let error = build_error(Circumstances {
            message: "The command '/bin/sh -c false' returned a non-zero code: 7",
            step: Some(FailedStep { announced: "Step 5/7 : RUN false".into(), line: Some(12) }),
            tail: &[],
            wanted: &Architecture::plain("amd64"),
            engine: &Architecture::plain("amd64"),
            memory_limit: None,
        });
        let text = error.failure().to_string();
        assert!(text.contains("Step 5/7 : RUN false (line 12 of the Dockerfile)"), "{text}");
        assert!(text.contains("non-zero code: 7"), "{text}");
        assert!(matches!(error, EngineError::InstructionFailed { exit_code: Some(7), .. }));
    }

    #[test]
    fn a_long_instruction_loses_its_middle_and_keeps_its_code() {
        let message = format!("The command '{}' returned a non-zero code: 3", "x".repeat(5000));
        let error = build_error(Circumstances {
            message: &message,
            step: None,
            tail: &[],
            wanted: &Architecture::plain("amd64"),
            engine: &Architecture::plain("amd64"),
            memory_limit: None,
        });
        assert!(error.to_string().chars().count() < MAX_MESSAGE + 10);
        assert!(error.to_string().ends_with("non-zero code: 3"), "{error}");
    }

    #[test]
    fn missing_images_are_told_from_missing_files_and_hosts() {
        for missing in [
            "manifest for x not found: manifest unknown: manifest unknown",
            "pull access denied for x, repository does not exist or may require 'docker login'",
            "No such image: x:latest",
        ] {
            assert!(is_image_missing(missing), "{missing}");
        }
        for other in ["dial tcp: lookup r: no such host", "COPY failed: file not found in build context"] {
            assert!(!is_image_missing(other), "{other}");
        }
    }
}
