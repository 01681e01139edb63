//! A plan for people: everything that was decided and why, in the order in which
//! somebody who wonders about a build would ask.

mod details;

use common::{failure::Failure, request::BuildMode};

use crate::{
    cli::{
        output::{Dress, Tone},
        view::wrap::hang,
    },
    plan::{
        Draft, Notice, PlannedFile, Tags,
        explain::{Explanation, Subject},
    },
};

/// Columns before the value of a field.
const VALUE: usize = 14;

/// The lines of a plan.
pub(crate) fn lines(draft: &Draft, dress: Dress) -> Vec<String> {
    let page = Page { dress };
    let mut lines = page.head(draft);
    lines.extend(page.platforms(draft));
    lines.extend(page.labels(draft));
    lines.extend(page.tags(draft.tags.as_ref()));
    lines.extend(page.list(
        "destinations",
        draft.destinations.iter().map(|target| {
            let tag = target.extra_tag().map(|tag| format!(", also as {tag}")).unwrap_or_default();
            format!("{target}{tag}")
        }),
    ));
    lines.extend(page.files("repositories", &draft.repositories));
    lines.extend(page.files("artifacts", &draft.artifacts));
    lines.extend(page.verdicts(draft));
    lines.extend(page.steps(draft));
    lines.extend(page.dockerfiles(draft));
    lines.extend(page.work_orders(draft));
    lines.extend(page.notices("notices", &draft.notices, Tone::Warning));
    lines.extend(page.notices("assumptions", &draft.assumptions, Tone::Warning));
    lines.extend(page.problems(&draft.problems));
    lines
}

/// Makes the parts of the page.
struct Page {
    dress: Dress,
}

impl Page {
    fn heading(&self, text: &str) -> String {
        self.dress.paint(Tone::Strong, text)
    }

    fn field(&self, name: &str, text: &str) -> Vec<String> {
        let lead = format!("  {name:<width$}", width = VALUE - 2);
        // A name that is too long for its column has a line of its own.
        if console::measure_text_width(&lead) > VALUE || lead.ends_with(|c: char| c != ' ') {
            let mut lines = hang("  ", name, 4, self.dress);
            lines.extend(hang(&" ".repeat(VALUE), text, VALUE, self.dress));
            return lines;
        }
        hang(&lead, text, VALUE, self.dress)
    }

    fn field_if_any(&self, name: &str, text: Option<&str>) -> Vec<String> {
        text.map(|text| self.field(name, text)).unwrap_or_default()
    }

    /// Lines under a heading, which is not there without them.
    fn section(&self, heading: &str, below: Vec<String>) -> Vec<String> {
        if below.is_empty() { below } else { [vec![self.heading(heading)], below].concat() }
    }

    fn list(&self, heading: &str, texts: impl Iterator<Item = String>) -> Vec<String> {
        self.section(heading, texts.flat_map(|text| hang("  ", &text, 4, self.dress)).collect())
    }

    fn head(&self, draft: &Draft) -> Vec<String> {
        let name = match (&draft.nvr, &draft.component) {
            (Some(nvr), _) => nvr.to_string(),
            (None, Some(component)) => component.to_string(),
            (None, None) => draft.source.uri.clone(),
        };
        let (state, tone) = match draft.problems.len() {
            0 if draft.assumptions.is_empty() => ("complete", Tone::Good),
            0 => ("with assumptions", Tone::Warning),
            _ => ("cannot be built", Tone::Bad),
        };
        let title = hang("plan of ", &name, 2, self.dress);
        let mut lines: Vec<String> = title.iter().map(|line| self.heading(line)).collect();
        lines.push(format!("  {:<width$}{}", "state", self.dress.paint(tone, state), width = VALUE - 2));
        let source = match &draft.source.reference {
            Some(reference) => format!("{} at {reference}", draft.source.uri),
            None => draft.source.uri.clone(),
        };
        let kind = match &draft.mode {
            BuildMode::Normal => "normal".to_owned(),
            BuildMode::Scratch => "scratch".to_owned(),
            BuildMode::Isolated { release } => format!("isolated, release {release}"),
        };
        lines.extend(self.field("source", &source));
        lines.extend(self.field_if_any("commit", draft.commit.as_deref()));
        lines.extend(self.field_if_any("ref", draft.full_ref.as_deref()));
        lines.extend(self.field("kind", &kind));
        lines.extend(self.field_if_any("target", draft.target.as_deref()));
        lines.extend(self.field_if_any("component", draft.component.as_ref().map(|name| name.as_str())));
        for (name, decision) in [("release", &draft.release), ("rebuild", &draft.rebuild)] {
            if let Some(decision) = decision {
                lines.extend(self.field(name, &format!("{}: {}", decision.value, decision.because)));
            }
        }
        lines.extend(self.field_if_any("dockerfile", draft.dockerfile_path.as_deref()));
        if let Some(context) = &draft.context {
            lines.extend(self.field("context", &format!("{}, {} bytes", context.digest, context.size)));
        }
        lines.extend(self.field("settings", draft.settings_digest.as_str()));
        lines
    }

    fn platforms(&self, draft: &Draft) -> Vec<String> {
        let mut lines = Vec::new();
        for platform in &draft.platforms {
            lines.extend(self.field(platform.platform.as_str(), &platform.architecture.engine_platform()));
            for parent in &platform.parents {
                let pinned = parent.pinned.as_deref().unwrap_or(match draft.asked_registries() {
                    true => "only the worker's engine has it",
                    false => "no digest yet: registries were not asked",
                });
                let text = format!("{}: {pinned}", parent.written_as);
                lines.extend(hang(&" ".repeat(VALUE), &format!("parent {text}"), VALUE + 2, self.dress));
            }
        }
        for line in &draft.platform_arithmetic {
            lines.extend(self.field("because", line));
        }
        self.section("platforms", lines)
    }

    /// Every label; those that are not simply the repository's with their chain.
    fn labels(&self, draft: &Draft) -> Vec<String> {
        let known = Explanation::of(Subject { draft: Some(draft), ..Subject::default() });
        let mut lines = Vec::new();
        for entry in known.filter("plan.labels").entries {
            let name = entry.path.trim_start_matches("plan.labels.");
            lines.extend(hang("  ", &format!("{name} = {}", entry.value), 6, self.dress));
            let changed = !entry.beaten.is_empty() || !entry.origin.starts_with("Dockerfile");
            if changed {
                let mut text = format!("from {}", entry.origin);
                for said in &entry.beaten {
                    text.push_str(&format!("; not {} from {}", said.value, said.from));
                }
                lines.extend(self.faint(hang("      ", &text, 8, self.dress)));
            }
        }
        self.section("labels", lines)
    }

    fn faint(&self, lines: Vec<String>) -> Vec<String> {
        lines.into_iter().map(|line| self.dress.paint(Tone::Faint, &line)).collect()
    }

    fn tags(&self, tags: Option<&Tags>) -> Vec<String> {
        let Some(tags) = tags else { return Vec::new() };
        let classes = [("unique", &tags.unique), ("primary", &tags.primary), ("floating", &tags.floating)];
        let lines = classes.into_iter().flat_map(|(class, tags)| {
            let texts: Vec<&str> = tags.iter().map(|tag| tag.as_str()).collect();
            self.field(class, if texts.is_empty() { "none".to_owned() } else { texts.join(", ") }.as_str())
        });
        self.section("tags", lines.collect())
    }

    fn files(&self, heading: &str, files: &[PlannedFile]) -> Vec<String> {
        self.list(
            heading,
            files.iter().map(|file| {
                let digest = file.digest.as_ref().map_or("not fetched", |digest| digest.as_str());
                let platform =
                    file.platform.as_ref().map(|name| format!(" on {name} only")).unwrap_or_default();
                format!("{} from {}{platform}: {digest}", file.path, file.from)
            }),
        )
    }

    fn verdicts(&self, draft: &Draft) -> Vec<String> {
        let lines = draft.verdicts.iter().flat_map(|verdict| {
            let (word, tone) = if verdict.allowed { ("allowed", Tone::Good) } else { ("refused", Tone::Bad) };
            let mut lines =
                hang("  ", &format!("{word} by {}: {}", verdict.rule, verdict.sentence), 4, self.dress);
            if let Some(first) = lines.first_mut() {
                *first = first.replacen(word, &self.dress.paint(tone, word), 1);
            }
            lines
        });
        self.section("rules", lines.collect())
    }

    fn notices(&self, heading: &str, notices: &[Notice], tone: Tone) -> Vec<String> {
        let texts = notices.iter().map(|notice| format!("{} [{}]", notice.text, notice.code));
        let lines = self.list(heading, texts);
        match lines.split_first() {
            Some((_, below)) => [vec![self.dress.paint(tone, heading)], below.to_vec()].concat(),
            None => lines,
        }
    }

    fn problems(&self, problems: &[Failure]) -> Vec<String> {
        let mut lines = Vec::new();
        let every = problems.iter().cloned().flat_map(Failure::each);
        for problem in every {
            let platform = problem.platform.as_ref().map(|name| format!("{name}: ")).unwrap_or_default();
            let text = format!("{platform}{} [{}]", problem.message, problem.code);
            lines.extend(hang("  ", &text, 4, self.dress));
            for cause in problem.causes.iter().filter(|cause| !problem.message.contains(cause.as_str())) {
                lines.extend(hang("    because ", cause, 6, self.dress));
            }
            if !problem.advice.is_empty() {
                lines.extend(hang("    advice: ", &problem.advice, 6, self.dress));
            }
        }
        if lines.is_empty() {
            return lines;
        }
        if problems.iter().any(|problem| crate::errors::page(&problem.code).is_some()) {
            lines.push(self.dress.paint(Tone::Faint, "  orchestrator errors CODE tells more about a code"));
        }
        [vec![self.dress.paint(Tone::Bad, "problems")], lines].concat()
    }
}

#[cfg(test)]
mod tests;
