//! The words of a mail. Its subject and first lines are those of OSBS, for the
//! programs and filters that read them.

use std::fmt::Write as _;

use common::failure::Failure;

use super::Notice;
use crate::config::Status;

/// Longest text of one failure in a mail, in bytes.
const MAX_MESSAGE: usize = 4 * 1024;
/// Failures that are told one by one.
const MAX_FAILURES: usize = 20;

/// The subject. Example: `Failed building image r.example.org/foo/bar:1.0-1`.
pub(super) fn subject(notice: &Notice) -> String {
    format!("{} building image {}", notice.status, image(notice))
}

/// The text. `explanation` says why somebody gets it who is not told of every
/// build; it may be empty.
pub(super) fn body(notice: &Notice, submitter: &str, explanation: &str) -> String {
    let mut text =
        format!("Image: {}\nStatus: {}\nSubmitted by: {submitter}\n", image(notice), notice.status);
    if let Some(url) = notice.log_url.as_ref().filter(|_| !notice.automatic) {
        line(&mut text, "Logs", url);
    }
    if !explanation.is_empty() {
        let _ = write!(text, "\n{explanation}\n");
    }
    text.push('\n');
    line(&mut text, "Source", &notice.source.uri);
    if let Some(reference) = &notice.source.reference {
        line(&mut text, "Ref", reference);
    }
    if let Some(commit) = &notice.commit {
        line(&mut text, "Commit", commit);
    }
    if let Some(image) = &notice.triggered_by {
        line(&mut text, "Caused by", image);
    }
    if let Some(task) = notice.koji_task {
        line(&mut text, "Koji task", task);
    }
    if let Some(nvr) = &notice.nvr {
        line(&mut text, "Name, version, release", nvr);
    }
    line(&mut text, "Build", &notice.build);
    if let Some(koji) = &notice.koji {
        line(&mut text, "Koji build", koji.build);
    }
    if let Some(image) = &notice.image {
        line(&mut text, "Digest", &image.digest);
    }
    let heading = match notice.status {
        Status::Succeeded => "Published as:",
        Status::Failed | Status::Canceled => "It would have been published as:",
    };
    let _ = write!(text, "\n{heading}\n");
    for name in &notice.names {
        let _ = writeln!(text, "    {name}");
    }
    if !notice.failures.is_empty() {
        text.push_str(match notice.status {
            Status::Succeeded => "\nWhat failed after the image was published:\n",
            Status::Failed | Status::Canceled => "\nWhat happened, first things first:\n",
        });
    }
    notice.failures.iter().take(MAX_FAILURES).for_each(|failure| describe(&mut text, failure));
    if let Some(more) = notice.failures.len().checked_sub(MAX_FAILURES).filter(|more| *more > 0) {
        let _ = write!(text, "\n    and {more} more\n");
    }
    text
}

/// The first of the image's names.
fn image(notice: &Notice) -> &str {
    notice.names.first().map_or("", String::as_str)
}

fn line(text: &mut String, name: &str, value: impl std::fmt::Display) {
    let _ = writeln!(text, "{name}: {value}");
}

fn describe(text: &mut String, failure: &Failure) {
    let at = if failure.step.is_empty() { String::new() } else { format!(" in {}", failure.step) };
    let _ = write!(text, "\n    {}{at}\n", failure.code);
    let end = failure.message.floor_char_boundary(MAX_MESSAGE);
    for row in failure.message[..end].lines() {
        let _ = writeln!(text, "    {row}");
    }
    if end < failure.message.len() {
        text.push_str("    […]\n");
    }
    if !failure.advice.is_empty() {
        let _ = writeln!(text, "    What to do: {}", failure.advice);
    }
}

#[cfg(test)]
mod tests {
    use common::failure::FailureClass;

    use super::*;
    use crate::run::notify::fixture::notice;

    fn failed() -> Notice {
        let failure = Failure::new(FailureClass::Source, "build.failed", "RUN false\nended with 1")
            .with_advice("look at its log")
            .in_step("x86_64/build_image");
        Notice { status: Status::Failed, failures: vec![failure], ..notice() }
    }

    #[test]
    fn the_words_are_the_former_ones() {
        let url = "https://koji/work/tasks/12345";
        let with_logs = || Notice { log_url: Some(url.to_owned()), koji_task: Some(12_345), ..failed() };
        // case, notice, submitter, subject, first lines
        let rows = [
            (
                "S06",
                with_logs(),
                "baz@bar.com",
                "Failed building image foo/bar:baz",
                "Image: foo/bar:baz\nStatus: Failed\nSubmitted by: baz@bar.com\n\
                 Logs: https://koji/work/tasks/12345\n\n",
            ),
            // There is no cluster any more whose log could be named instead.
            (
                "S07 without Koji",
                failed(),
                "Unknown",
                "Failed building image foo/bar:baz",
                "Image: foo/bar:baz\nStatus: Failed\nSubmitted by: Unknown\n\n",
            ),
            (
                "S08",
                Notice { automatic: true, ..with_logs() },
                "<autorebuild>",
                "Failed building image foo/bar:baz",
                "Image: foo/bar:baz\nStatus: Failed\nSubmitted by: <autorebuild>\n\n",
            ),
            (
                "cancelled",
                Notice { status: Status::Canceled, ..failed() },
                "mara",
                "Canceled building image foo/bar:baz",
                "Image: foo/bar:baz\nStatus: Canceled\nSubmitted by: mara\n\n",
            ),
            (
                "succeeded",
                notice(),
                "mara",
                "Succeeded building image foo/bar:baz",
                "Image: foo/bar:baz\nStatus: Succeeded\nSubmitted by: mara\n\n",
            ),
        ];
        for (case, notice, submitter, expected, first) in rows {
            assert_eq!(subject(&notice), expected, "{case}");
            let text = body(&notice, submitter, "");
            assert!(text.starts_with(first), "{case}: {text}");
        }
    }

    #[test]
    fn the_rest_says_what_was_built_and_what_went_wrong() {
        let text = body(&failed(), "mara", "Why you.");
        assert_eq!(
            text.split_once("mara\n").unwrap().1,
            "\nWhy you.\n\n\
             Source: https://git.example.org/hello.git\nRef: main\n\
             Commit: 0123456789012345678901234567890123456789\n\
             Name, version, release: hello-1.0-3\nBuild: bld_1\n\n\
             It would have been published as:\n    foo/bar:baz\n    foo/bar:latest\n\n\
             What happened, first things first:\n\n    build.failed in x86_64/build_image\n    RUN false\n    \
             ended with 1\n    What to do: look at its log\n"
        );
        let long = Failure::new(FailureClass::Source, "build.failed", "x".repeat(100_000));
        let notice = Notice { failures: vec![long; 100], ..failed() };
        let text = body(&notice, "mara", "");
        assert!(text.len() < 100_000 && text.ends_with("and 80 more\n"), "{}", text.len());
    }
}
