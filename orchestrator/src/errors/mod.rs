//! Every code that people can meet, each with a page: what happened, what it
//! means, what to do. Failures name their code; `orchestrator errors CODE` and
//! docs/errors.md show its page. A test holds that the code of this workspace
//! and these pages know the same codes.

mod pages;

#[cfg(test)]
mod bad_inputs;
#[cfg(test)]
mod complete;

use std::fmt::Write as _;

use serde::Serialize;

pub use pages::AREAS;

/// What there is to know about a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Page {
    /// The code, which stays. Example: `source.ref_not_found`.
    pub code: &'static str,
    /// Whose matter it is: a class of failures (where it depends, several with a
    /// comma between them), `notice` for what does not stop a build, or `skip` for
    /// why a step is left out.
    pub class: &'static str,
    /// What happened, in one sentence.
    pub title: &'static str,
    /// Why it is so.
    pub means: &'static str,
    /// What to do about it.
    pub fix: &'static str,
    /// A short input that leads there; may be empty.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub example: &'static str,
}

impl Page {
    /// Each class it may have.
    pub fn classes(&self) -> impl Iterator<Item = &'static str> {
        self.class.split(", ")
    }
}

/// Codes that belong together.
#[derive(Debug, Clone, Copy)]
pub struct Area {
    /// A heading.
    pub title: &'static str,
    /// What they have in common, in a sentence.
    pub about: &'static str,
    /// Its codes, in their order.
    pub pages: &'static [Page],
}

/// All pages, area by area.
pub fn pages() -> impl Iterator<Item = &'static Page> {
    AREAS.iter().flat_map(|area| area.pages)
}

/// The page of a code.
pub fn page(code: &str) -> Option<&'static Page> {
    pages().find(|page| page.code == code)
}

/// The document of all pages, `docs/errors.md`.
pub fn markdown() -> String {
    let mut text = String::from(
        "# Codes\n\n\
         Every failure, notice and skipped step has a code that stays. This file is made by\n\
         `orchestrator errors --markdown`; `orchestrator errors CODE` shows one entry. The word after a code\n\
         says whose matter it is: a class of failures, `notice` for what does not stop a build, `skip` for\n\
         why a step is left out of a build.\n\n",
    );
    for area in AREAS {
        let _ = writeln!(text, "- [{}](#{})", area.title, anchor(area.title));
    }
    for area in AREAS {
        let _ = write!(text, "\n## {}\n\n{}\n", area.title, area.about);
        for page in area.pages {
            let Page { code, class, title, means, fix, example } = page;
            let _ = write!(text, "\n### `{code}` ({class})\n\n{title}\n\n{means}\n\n**What to do:** {fix}\n");
            if !example.is_empty() {
                let _ = write!(text, "\n```text\n{example}\n```\n");
            }
        }
    }
    text
}

fn anchor(title: &str) -> String {
    let kept = title.chars().filter(|c| c.is_alphanumeric() || *c == ' ' || *c == '-');
    kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
}
