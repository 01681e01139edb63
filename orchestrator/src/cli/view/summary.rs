//! What is told at the end: on success the digests and where the image is, on
//! failure what failed first and what to do, always the next command to try.

use proto::v1::{Build, BuildState, Failure, KojiRecord, Publication};

use crate::cli::{
    output::{Dress, Tone},
    view::{
        Ending, Tails,
        narrator::told,
        text::{between, fault, harmless, length, size, state, time},
    },
};

/// The lines of the summary.
pub(crate) fn lines(ending: &Ending, dress: Dress) -> Vec<String> {
    let mut lines = vec![headline(&ending.build, dress)];
    lines.extend(about(&ending.build));
    if let Some(result) = &ending.build.result {
        lines.push(field("index", &result.index_digest));
        for (position, member) in result.members.iter().enumerate() {
            let branch = if position + 1 == result.members.len() { "└─" } else { "├─" };
            lines.push(format!(
                "  {branch} {:<8} {}  {}",
                member.platform,
                member.manifest_digest,
                size(member.size)
            ));
        }
        for publication in &result.publications {
            lines.push(field("published", &publication.destination));
            if !publication.tags.is_empty() {
                lines.push(field("tags", &publication.tags.join(", ")));
            }
        }
        lines.extend(result.koji.iter().flat_map(in_koji));
    }
    lines.extend(ending.build.koji.iter().flat_map(in_koji));
    if let Some(failure) = &ending.build.failure {
        lines.extend(of_failure(failure, &ending.tails, dress));
    }
    for failure in &ending.later_failures {
        let platform =
            if failure.platform.is_empty() { String::new() } else { format!("{}: ", failure.platform) };
        lines.push(field("later", &harmless(&format!("{platform}{}", told(failure)))));
    }
    if let Some(command) = next_command(&ending.build) {
        lines.push(format!("{} {command}", dress.paint(Tone::Strong, "next:")));
    }
    lines
}

/// What Koji knows of the build.
fn in_koji(record: &KojiRecord) -> Vec<String> {
    let tag = if record.tag.is_empty() { String::new() } else { format!(", tagged {}", record.tag) };
    let mut lines =
        vec![field("koji", &harmless(&format!("{} (build {}){tag}", record.nvr, record.build_id)))];
    if !record.web_url.is_empty() {
        lines.push(field("page", &harmless(&record.web_url)));
    }
    lines
}

/// The build's own facts, without its outcome. Also shown for a build that runs.
pub(crate) fn about(build: &Build) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(request) = &build.request {
        if let Some(source) = &request.source {
            let reference =
                if source.r#ref.is_empty() { String::new() } else { format!(" at {}", source.r#ref) };
            lines.push(field("source", &harmless(&format!("{}{reference}", source.uri))));
        }
        for (name, value) in
            [("component", &request.component), ("target", &request.target), ("user", &request.user)]
        {
            if !value.is_empty() {
                lines.push(field(name, &harmless(value)));
            }
        }
        if !request.platforms.is_empty() {
            lines.push(field("platforms", &request.platforms.join(", ")));
        }
    }
    if !build.commit.is_empty() {
        lines.push(field("commit", &build.commit));
    }
    lines
}

/// State, id and duration.
pub(crate) fn headline(build: &Build, dress: Dress) -> String {
    let (name, tone) = state(build.state);
    let (created, ended) = (time(build.created_at.as_ref()), time(build.ended_at.as_ref()));
    let took = created
        .zip(ended)
        .map_or_else(String::new, |(created, ended)| format!(" after {}", length(between(created, ended))));
    format!("{} {}{took}", dress.paint(tone, name), dress.paint(Tone::Strong, &build.id))
}

fn of_failure(failure: &Failure, tails: &Tails, dress: Dress) -> Vec<String> {
    let place = match (failure.platform.is_empty(), failure.step.is_empty()) {
        (_, false) => format!(" in {}", failure.step),
        (false, true) => format!(" on {}", failure.platform),
        (true, true) => String::new(),
    };
    let what = harmless(&format!("{}{place}", told(failure)));
    let mut lines = vec![field("failure", &dress.paint(Tone::Bad, &what))];
    for cause in failure.causes.iter().filter(|cause| !failure.message.contains(cause.as_str())) {
        lines.push(field("because", &harmless(cause)));
    }
    lines.push(field("fault", fault(failure.class)));
    if !failure.advice.is_empty() {
        lines.push(field("advice", &harmless(&failure.advice)));
    }
    if let Some(page) = crate::errors::page(&failure.code) {
        lines.push(field("more", &format!("orchestrator errors {}", page.code)));
    }
    let tail: Vec<&str> = tails.of(&failure.platform).collect();
    if !tail.is_empty() {
        let of = if failure.platform.is_empty() { "the build" } else { &failure.platform };
        lines.push(format!("  last log lines of {of}:"));
        lines.extend(tail.into_iter().map(|line| format!("    {}", dress.paint(Tone::Faint, line))));
    }
    lines
}

fn field(name: &str, value: &str) -> String {
    format!("  {name:<10} {value}")
}

/// A command that shows more. Only for places that it can reach as written.
fn next_command(build: &Build) -> Option<String> {
    if build.state() != BuildState::Succeeded {
        return None;
    }
    let result = build.result.as_ref()?;
    let publication = result.publications.first()?;
    Some(format!("skopeo inspect --raw {}", quoted(&reference(publication, &result.index_digest))))
}

/// The index in its destination, by tag if it has one.
fn reference(publication: &Publication, index_digest: &str) -> String {
    let destination = &publication.destination;
    // A colon after the last slash begins a tag, except in `oci:NAME` itself.
    let named = destination.strip_prefix("oci:").or_else(|| destination.strip_prefix("docker://"));
    let last = named.unwrap_or(destination).rsplit('/').next().unwrap_or_default();
    match publication.tags.first() {
        _ if last.contains(':') => destination.clone(),
        Some(tag) => format!("{destination}:{tag}"),
        None if destination.starts_with("docker://") => format!("{destination}@{index_digest}"),
        None => destination.clone(),
    }
}

/// The text as one word of a shell.
fn quoted(text: &str) -> String {
    if text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./:@+=,%".contains(&b)) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::view::samples;

    const BARE: Dress = Dress { colour: false, width: None };

    #[test]
    fn success_names_everything_that_was_made() {
        let ending =
            Ending { build: samples::succeeded(), later_failures: Vec::new(), tails: Tails::default() };
        assert_eq!(
            lines(&ending, BARE).join("\n"),
            format!(
                "\
succeeded bld_01 after 1m 12s
  source     https://git.example.org/hello.git at main
  component  hello
  user       mara
  platforms  x86_64, aarch64
  commit     {commit}
  index      sha256:{a}
  ├─ x86_64   sha256:{b}  3.3 MiB
  └─ aarch64  sha256:{c}  512 B
  published  oci:/srv/layouts/hello
  tags       1.0-3, latest
  published  docker://127.0.0.1:5000/hello
next: skopeo inspect --raw oci:/srv/layouts/hello:1.0-3",
                commit = "1".repeat(40),
                a = "a".repeat(64),
                b = "b".repeat(64),
                c = "c".repeat(64),
            )
        );
    }

    #[test]
    fn failure_tells_the_first_cause_and_what_to_do() {
        let mut tails = Tails::default();
        tails.push(&samples::record("x86_64", "RUN false\nexit code 1\n"));
        tails.push(&samples::record("aarch64", "fine here\n"));
        let ending =
            Ending { build: samples::failed(), later_failures: vec![samples::later_failure()], tails };
        assert_eq!(
            lines(&ending, BARE)[5..].join("\n"),
            "  \
  failure    RUN false ended with 1 [source.build_failed] in x86_64/build_image
  because    exit status 1
  fault      the repository is wrong
  advice     run the command by hand
  last log lines of x86_64:
    RUN false
    exit code 1
  later      aarch64: stopped [cancelled]"
        );
    }

    #[test]
    fn the_next_command_can_be_pasted() {
        for (destination, tags, command) in [
            ("docker://127.0.0.1:5000/hello", &["1"][..], "docker://127.0.0.1:5000/hello:1"),
            ("docker://r.example/hello", &[], "docker://r.example/hello@sha256:0"),
            ("docker://r.example/hello:2", &["1"], "docker://r.example/hello:2"),
            ("oci:/srv/my layout", &["1"], "'oci:/srv/my layout:1'"),
            ("oci:hello", &[], "oci:hello"),
        ] {
            let tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
            let publication = Publication { destination: destination.to_owned(), tags };
            assert_eq!(quoted(&reference(&publication, "sha256:0")), command);
        }
    }
}
