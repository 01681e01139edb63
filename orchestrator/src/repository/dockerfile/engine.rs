//! What the engine's classic builder is, and is not, able to do.
//!
//! It does not define the automatic platform ARGs that BuildKit defines (they
//! have to be given to it), and it refuses the instructions' newer forms.

use std::{collections::BTreeMap, ops::Range};

use common::platform::Architecture;
use parse_dockerfile::{Flag, Instruction};

use super::{Arguments, Dockerfile, lines, model::Kind, words};

/// Something in a Dockerfile that the classic builder refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForBuildKit {
    /// Line on which the instruction begins, from 1.
    pub line: usize,
    /// What it is. Example: `RUN --mount`.
    pub what: String,
}

impl Dockerfile {
    /// The automatic platform ARGs (`TARGETARCH` and the others) that this
    /// Dockerfile declares without a default, with their values. Those that the
    /// user gives a value are left out.
    pub fn automatic_arguments(
        &self,
        architecture: &Architecture,
        given: &BTreeMap<String, String>,
    ) -> BTreeMap<String, String> {
        let mut wanted = Arguments::default().for_platform(architecture).platform;
        let declared: Vec<(String, Option<String>)> = self
            .instructions
            .iter()
            .filter_map(|instruction| match &instruction.kind {
                Kind::Arg(text) => Some(words::arguments(text, self.escape)),
                _ => None,
            })
            .flatten()
            .collect();
        wanted.retain(|name, _| {
            let mut declared = declared.iter().filter(|(declared, _)| declared == name).peekable();
            // A value from outside would win over a default wherever there is one.
            let is_declared = declared.peek().is_some() && declared.all(|(_, default)| default.is_none());
            is_declared && !given.contains_key(name)
        });
        wanted
    }

    /// What only BuildKit understands: flags, and here-documents.
    pub fn needs_buildkit(&self) -> Vec<ForBuildKit> {
        let text = self.text.trim_start_matches('\u{feff}');
        let Ok(lines) = lines::read(text) else { return Vec::new() };
        let Ok(parsed) = parse_dockerfile::parse(&lines.masked) else { return Vec::new() };
        let mut found = Vec::new();
        for instruction in &parsed.instructions {
            let (name, at, flags): (_, _, &[Flag<'_>]) = match instruction {
                Instruction::Run(run) => ("RUN", run.run.span.start, &run.options),
                Instruction::Copy(copy) => ("COPY", copy.copy.span.start, &copy.options),
                Instruction::Add(add) => ("ADD", add.add.span.start, &add.options),
                _ => continue,
            };
            let line = 1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count();
            let understood = |flag: &str| match name {
                "RUN" => false,
                "COPY" => matches!(flag, "from" | "chown"),
                _ => flag == "chown",
            };
            let flags = flags.iter().map(|flag| &*flag.name.value).filter(|flag| !understood(flag));
            found.extend(flags.map(|flag| ForBuildKit { line, what: format!("{name} --{flag}") }));
            let span = lines.instructions.iter().map(|lines| &lines.span).find(|span| span.contains(&at));
            let has_here_document = |span: &Range<usize>| {
                let texts = text.get(span.clone()).zip(lines.masked.get(span.clone()));
                texts.is_some_and(|(text, masked)| differ_in_a_line(text, masked))
            };
            if span.is_some_and(has_here_document) {
                found.push(ForBuildKit { line, what: format!("{name} <<, a here-document") });
            }
        }
        found
    }
}

/// Whether a line was set aside: a here-document's become comments of dots.
fn differ_in_a_line(text: &str, masked: &str) -> bool {
    let set_aside = |line: &str| line.strip_prefix('#').is_some_and(|rest| rest.bytes().all(|b| b == b'.'));
    text.lines().zip(masked.lines()).any(|(text, masked)| text != masked && set_aside(masked))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Dockerfile {
        Dockerfile::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn declared_automatic_arguments_get_their_values() {
        let given = BTreeMap::from([("TARGETOS".to_owned(), "mine".to_owned())]);
        for (text, expected) in [
            ("FROM a\nRUN echo $TARGETARCH\n", ""),
            ("FROM a\nARG TARGETARCH\n", "TARGETARCH=arm64"),
            ("ARG TARGETARCH\nFROM a\n", "TARGETARCH=arm64"),
            ("FROM a\nARG X TARGETVARIANT BUILDPLATFORM\n", "BUILDPLATFORM=linux/arm64/v8 TARGETVARIANT=v8"),
            ("FROM a\nARG TARGETARCH=mine\n", ""),
            ("FROM a\nARG TARGETARCH\nFROM b\nARG TARGETARCH=mine\n", ""),
            ("FROM a\nARG TARGETOS\n", ""),
            ("FROM a\n# ARG TARGETARCH\nARG X\n", ""),
        ] {
            let architecture =
                Architecture { variant: Some("v8".to_owned()), ..Architecture::plain("arm64") };
            let found = parse(text).automatic_arguments(&architecture, &given);
            let found: Vec<String> = found.iter().map(|(name, value)| format!("{name}={value}")).collect();
            assert_eq!(found.join(" "), expected, "{text}");
        }
    }

    #[test]
    fn what_only_buildkit_understands_is_found() {
        for (text, expected) in [
            ("FROM a\nRUN x <<< y && z\nCOPY --from=b --chown=1 / /\nADD --chown=1 x /\n", &[][..]),
            (
                "FROM a\n\nRUN --mount=type=cache,target=/c --network=none x\n",
                &["3 RUN --mount", "3 RUN --network"],
            ),
            ("FROM a\nCOPY --link --chmod=1 x /\n", &["2 COPY --link", "2 COPY --chmod"]),
            ("\u{feff}FROM a\nRUN <<EOF\nx\nEOF\nRUN y\n", &["2 RUN <<, a here-document"]),
            ("FROM a\nCOPY <<E /x\nE\n", &["2 COPY <<, a here-document"]),
            ("FROM a\nRUN a \\\n# <<x\n <<< b\n", &[]),
        ] {
            let found = parse(text).needs_buildkit();
            let found: Vec<String> =
                found.iter().map(|found| format!("{} {}", found.line, found.what)).collect();
            assert_eq!(found, expected, "{text}");
        }
    }
}
