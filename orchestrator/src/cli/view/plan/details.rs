//! The long parts of a plan: its steps, what is changed in Dockerfiles, and the
//! work orders.

use super::Page;
use crate::{
    cli::{output::Tone, view::wrap::hang},
    plan::{Draft, PlannedPlatform, PlannedStep, PlannedWorkOrder},
};

/// Columns before what belongs to a step.
const STEP: usize = 15;

impl Page {
    /// Steps that run have numbers; those that do not say why.
    pub(super) fn steps(&self, draft: &Draft) -> Vec<String> {
        let (mut lines, mut number) = (Vec::new(), 0);
        for step in &draft.steps {
            number += usize::from(step.runs);
            lines.extend(self.step(step, number));
        }
        self.section("steps", lines)
    }

    fn step(&self, step: &PlannedStep, number: usize) -> Vec<String> {
        let number = if step.runs { number.to_string() } else { "-".to_owned() };
        let former = step.former_name.as_ref().map(|name| format!(" (was {name})")).unwrap_or_default();
        let lead = format!("  {number:>3}  {:<8}", step.stage);
        let mut lines = hang(&lead, &format!("{}{former}", step.name), STEP, self.dress);
        if let Some(reason) = &step.reason {
            let text = format!("skipped: {} [{}]", reason.sentence, reason.code);
            lines.extend(hang(&" ".repeat(STEP), &text, STEP + 2, self.dress));
        }
        if step.runs { lines } else { self.faint(lines) }
    }

    /// One diff for all platforms if they agree.
    pub(super) fn dockerfiles(&self, draft: &Draft) -> Vec<String> {
        let diff = |platform: &PlannedPlatform| platform.dockerfile_diff.clone().unwrap_or_default();
        let mut diffs: Vec<(String, Vec<&str>)> = Vec::new();
        for platform in &draft.platforms {
            let (name, diff) = (platform.platform.as_str(), diff(platform));
            match diffs.iter_mut().find(|(other, _)| *other == diff) {
                Some((_, names)) => names.push(name),
                None => diffs.push((diff, vec![name])),
            }
        }
        let mut lines = Vec::new();
        for (diff, names) in diffs.iter().filter(|(diff, _)| !diff.is_empty()) {
            let title = format!("changes of the Dockerfile for {}", names.join(", "));
            lines.extend(hang("", &title, 2, self.dress).iter().map(|line| self.heading(line)));
            // Not `lines`, which would swallow a carriage return at the end.
            for line in diff.strip_suffix('\n').unwrap_or(diff).split('\n') {
                let tone = match line.as_bytes().first() {
                    Some(b'+') => Tone::Good,
                    Some(b'-') => Tone::Bad,
                    Some(b'@') => Tone::Faint,
                    _ => Tone::Plain,
                };
                let pieces = hang("  ", line, 5, self.dress);
                lines.extend(pieces.iter().map(|piece| self.dress.paint(tone, piece)));
            }
        }
        lines
    }

    pub(super) fn work_orders(&self, draft: &Draft) -> Vec<String> {
        let orders = draft.platforms.iter().filter_map(|platform| platform.work_order.as_ref());
        let mut lines: Vec<String> = orders.flat_map(|order| self.work_order(order)).collect();
        let execution = &draft.execution;
        let policy = execution.failure_policy.as_str();
        let waits = format!(
            "wait at most {} s for a worker, {} attempts, {policy} when one fails",
            execution.queue_deadline_seconds, execution.attempts
        );
        lines.extend(self.field("execution", &waits));
        self.section("work orders", lines)
    }

    fn work_order(&self, order: &PlannedWorkOrder) -> Vec<String> {
        let mut lines = hang("  ", order.id.as_str(), 4, self.dress);
        let mut add = |name: &str, text: String| {
            lines.extend(hang(&format!("    {name:<11} "), &text, 16, self.dress));
        };
        let memory = order.limits.memory_bytes.map(|bytes| format!("{bytes} bytes of memory"));
        let time = order.limits.time.map(|time| format!("{} s", time.as_secs()));
        let limits: Vec<String> = [memory, time].into_iter().flatten().collect();
        let pairs = |map: &std::collections::BTreeMap<String, String>| {
            map.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(", ")
        };
        add("engine", order.engine_platform.clone());
        add("dockerfile", order.dockerfile_digest.to_string());
        add("limits", if limits.is_empty() { "none".to_owned() } else { limits.join(", ") });
        add("manifest", order.manifest_format.manifest().to_owned());
        if !order.build_args.is_empty() {
            add("arguments", pairs(&order.build_args));
        }
        if !order.labels.is_empty() {
            add("labels", pairs(&order.labels));
        }
        if let Some(label) = &order.host_label {
            add("host label", label.clone());
        }
        lines
    }
}
