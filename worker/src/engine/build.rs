//! One build with the classic builder.
//!
//! `POST /build` of the Docker Engine API, version 1 of its builder: a tar body
//! up, a stream of JSON items down. The image has no name; its id comes in an
//! `aux` item after each stage, the last one counts.

use std::{collections::HashMap, path::Path, time::Duration};

use bollard::{
    body_try_stream,
    models::BuildInfo,
    query_parameters::{BuildImageOptions, BuilderVersion},
};
use common::{
    platform::Architecture,
    work::{WorkOrder, WorkPhase},
};
use futures::StreamExt as _;
use tokio::time::{Instant, timeout, timeout_at};

use super::{
    DockerEngine, EngineError, FailedStep,
    classify::{Circumstances, build_error, shortened},
    context_body::tar_stream,
    dockerfile,
    emulation::{BINFMT_MISC, Emulation, emulation_of},
    images::{CreatedImages, is_image_id},
    lines::{Lines, plain},
    memory::LimitedMemory,
    sweep::BuildMarker,
};
use crate::report::Reporter;

/// A piece of output without line feed is passed on after this pause.
const PAUSE: Duration = Duration::from_millis(200);

/// What a build needs besides the work order.
pub(crate) struct BuildInputs<'a> {
    /// The work order.
    pub(crate) order: &'a WorkOrder,
    /// Its platform, parsed.
    pub(crate) wanted: &'a Architecture,
    /// What marks its containers.
    pub(crate) marker: &'a BuildMarker,
    /// Name of this host, for the label that the order may want it in.
    pub(crate) host: &'a str,
    /// File with the build context, an uncompressed tar archive.
    pub(crate) context: &'a Path,
    /// When its time is up.
    pub(crate) deadline: Instant,
    /// How much time it had from the start of the work order.
    pub(crate) limit: Duration,
    /// Where the images that it makes are noted.
    pub(crate) images: &'a CreatedImages,
}

/// What the engine's output has told so far.
#[derive(Debug, Default)]
struct Heard {
    step: Option<(usize, usize, String)>,
    image: Option<String>,
}

impl DockerEngine {
    /// Runs a build and returns the id of its image. Output goes to the report
    /// as it comes. Dropping the future closes the connection, and then the
    /// engine stops; [`DockerEngine::sweep`] proves that it did.
    ///
    /// # Errors
    /// Whatever the build failed with.
    pub(crate) async fn build(
        &self,
        inputs: &BuildInputs<'_>,
        report: &Reporter,
    ) -> Result<String, EngineError> {
        self.check_emulation(inputs, report).await?;
        timeout_at(inputs.deadline, self.run_build(inputs, report))
            .await
            .unwrap_or(Err(EngineError::TimeLimit { limit: inputs.limit }))
    }

    async fn check_emulation(&self, inputs: &BuildInputs<'_>, report: &Reporter) -> Result<(), EngineError> {
        if !self.is_on_this_host() {
            return Ok(());
        }
        let (wanted, engine) = (inputs.wanted, &self.info.architecture);
        if emulation_of(wanted, engine, Path::new(BINFMT_MISC)) != Emulation::Missing {
            return Ok(());
        }
        let detail = format!("no enabled handler for them in {BINFMT_MISC}");
        if dockerfile::runs_programs(&String::from_utf8_lossy(&inputs.order.dockerfile)) {
            return Err(EngineError::NotEmulated { wanted: wanted.clone(), engine: engine.clone(), detail });
        }
        let warning =
            format!("programs for {wanted} do not run here ({detail}); going on, since no RUN asks for it");
        report.say(warning).await;
        Ok(())
    }

    async fn run_build(&self, inputs: &BuildInputs<'_>, report: &Reporter) -> Result<String, EngineError> {
        let order = inputs.order;
        let body = tar_stream(&order.dockerfile_path, &order.dockerfile, inputs.context).await;
        let body = body
            .map_err(|source| EngineError::Context { path: inputs.context.display().to_string(), source })?;
        let limited = LimitedMemory::new(order.limits.memory_bytes);
        let docker = limited.apply(self.patient(inputs.deadline.saturating_duration_since(Instant::now())));
        let mut stream = docker.build_image(options(inputs), None, Some(body_try_stream(body))).boxed();
        limited.check()?;

        let mut lines = Lines::default();
        let mut heard = Heard::default();
        loop {
            let next = if lines.is_waiting() {
                match timeout(PAUSE, stream.next()).await {
                    Ok(next) => next,
                    Err(_) => {
                        if let Some(line) = lines.flush() {
                            report.build_output(line).await;
                        }
                        continue;
                    }
                }
            } else {
                stream.next().await
            };
            match next {
                Some(Ok(item)) => hear(item, &mut lines, &mut heard, inputs, report).await,
                Some(Err(error)) => {
                    if let Some(line) = lines.flush() {
                        report.build_output(line).await;
                    }
                    return Err(self.explain(error, &lines, &heard, inputs));
                }
                None => break,
            }
        }
        if let Some(line) = lines.flush() {
            report.build_output(line).await;
        }
        heard.image.ok_or_else(|| EngineError::NoImage {
            last_words: lines.tail().last().cloned().unwrap_or_default(),
        })
    }

    fn explain(
        &self,
        error: bollard::errors::Error,
        lines: &Lines,
        heard: &Heard,
        inputs: &BuildInputs<'_>,
    ) -> EngineError {
        let (message, status) = match EngineError::of_call("building", error) {
            EngineError::Refused { message, status, .. } => (message, status),
            other => return other,
        };
        let text = String::from_utf8_lossy(&inputs.order.dockerfile);
        let step = heard.step.as_ref().map(|(number, total, what)| FailedStep {
            announced: shortened(&format!("Step {number}/{total} : {what}"), 200),
            line: dockerfile::line_of_step(&text, *number),
        });
        let told = build_error(Circumstances {
            message: &message,
            step,
            tail: lines.tail(),
            wanted: inputs.wanted,
            engine: &self.info.architecture,
            memory_limit: inputs.order.limits.memory_bytes,
        });
        match told {
            // An answer without a stream is about the request, not about an instruction.
            EngineError::InstructionFailed { exit_code: None, .. } if status >= 300 => {
                EngineError::Refused { doing: "the build".to_owned(), status, message }
            }
            told => told,
        }
    }
}

/// Takes in one item of the engine's stream.
async fn hear(
    item: BuildInfo,
    lines: &mut Lines,
    heard: &mut Heard,
    inputs: &BuildInputs<'_>,
    report: &Reporter,
) {
    if let Some(id) = item.aux.and_then(|aux| aux.id) {
        inputs.images.add(&id);
        heard.image = Some(id);
    }
    let text = match (item.stream, item.status) {
        (Some(text), _) => text,
        // The engine reports a pull of its own this way; its progress is noise.
        (None, Some(status)) if item.progress_detail.is_none() => match item.id {
            Some(id) => format!("{id}: {status}\n"),
            None => format!("{status}\n"),
        },
        _ => return,
    };
    for line in lines.push(&text) {
        heard.line(&plain(&String::from_utf8_lossy(&line)), inputs.images, report);
        report.build_output(line).await;
    }
}

impl Heard {
    fn line(&mut self, line: &str, images: &CreatedImages, report: &Reporter) {
        if let Some((number, total, what)) = parse_step(line) {
            // A program's output may look like an announcement; the count tells.
            let expected = match &self.step {
                Some((before, of, _)) => number == before + 1 && total == *of,
                None => number == 1,
            };
            if expected {
                report.progress(WorkPhase::Building, number as u64 - 1, total as u64);
                self.step = Some((number, total, what.to_owned()));
            }
        } else if let Some(id) = line.strip_prefix("---> ").filter(|id| is_image_id(id)) {
            // What a FROM ends with is the parent, which is not ours.
            let is_from = self.step.as_ref().is_none_or(|(_, _, what)| starts_with_from(what));
            if !is_from {
                images.add(id);
            }
        }
    }
}

fn starts_with_from(instruction: &str) -> bool {
    instruction.split_whitespace().next().is_some_and(|word| word.eq_ignore_ascii_case("from"))
}

/// Parses `Step 5/7 : RUN make`.
fn parse_step(line: &str) -> Option<(usize, usize, &str)> {
    let (count, what) = line.strip_prefix("Step ")?.split_once(" : ")?;
    let (number, total) = count.split_once('/')?;
    Some((number.parse().ok()?, total.parse().ok()?, what.trim()))
}

fn options(inputs: &BuildInputs<'_>) -> BuildImageOptions {
    let order = inputs.order;
    let map = |map: &std::collections::BTreeMap<String, String>| -> HashMap<String, String> {
        map.iter().map(|(key, value)| (key.clone(), value.clone())).collect()
    };
    BuildImageOptions {
        dockerfile: order.dockerfile_path.clone(),
        extrahosts: Some(inputs.marker.host_entry()),
        nocache: !order.use_cache,
        rm: true,
        forcerm: true,
        buildargs: Some(map(&order.build_args)),
        labels: Some(labels(order, inputs.host)),
        platform: order.engine_platform.clone(),
        version: BuilderVersion::BuilderV1,
        ..Default::default()
    }
}

/// The labels of the order and, where it wants one, that of the host. Nobody
/// else knows the host, so a label of the order that has the same name gives way.
fn labels(order: &WorkOrder, host: &str) -> HashMap<String, String> {
    let of_host = order.host_label.iter().map(|label| (label.clone(), host.to_owned()));
    order.labels.clone().into_iter().chain(of_host).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::holdings::tests::order;

    #[test]
    fn the_label_of_the_host_is_added_where_the_order_wants_it() {
        let mut order = order("wo_1");
        order.labels.insert("vendor".to_owned(), "Example".to_owned());
        order.labels.insert("Build_Host".to_owned(), "faked".to_owned());
        for (host_label, build_host, count) in
            [(None, None, 2), (Some("com.redhat.build-host"), Some("h"), 3), (Some("Build_Host"), None, 2)]
        {
            order.host_label = host_label.map(str::to_owned);
            let labels = labels(&order, "h");
            assert_eq!(labels.get("com.redhat.build-host").map(String::as_str), build_host);
            assert_eq!((labels.len(), labels["vendor"].as_str()), (count, "Example"), "{host_label:?}");
            let written = if host_label == Some("Build_Host") { "h" } else { "faked" };
            assert_eq!(labels["Build_Host"], written, "{host_label:?}");
        }
    }

    #[test]
    fn announcements_are_parsed() {
        assert_eq!(parse_step("Step 5/7 : RUN make all"), Some((5, 7, "RUN make all")));
        for other in ["", "Step one", "Step 1/x : RUN", " ---> abc", "Stepping"] {
            assert_eq!(parse_step(other), None, "{other}");
        }
    }

    #[test]
    fn output_that_looks_like_an_announcement_changes_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let images = CreatedImages::new(directory.path().join("images"));
        let report = crate::report::tests::reporter();
        let mut heard = Heard::default();
        for line in [
            "Step 1/3 : FROM base",
            "---> 0123456789ab",
            "Step 2/3 : RUN x",
            "Step 9/9 : RUN y",
            "---> Running in aaaaaaaaaaaa",
            "---> bbbbbbbbbbbb",
            "Step 3/3 : LABEL a=b",
        ] {
            heard.line(line, &images, &report);
        }
        assert_eq!(heard.step, Some((3, 3, "LABEL a=b".to_owned())));
        assert_eq!(images.ids(), ["bbbbbbbbbbbb"]);
    }
}
