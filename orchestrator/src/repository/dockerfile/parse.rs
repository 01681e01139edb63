//! From text to instructions, by the crate `parse-dockerfile`.

use std::ops::Range;

use parse_dockerfile::{Flag, Instruction as Parsed, UnescapedString};

use super::{
    DockerfileError, Flaw,
    lines::{self, End, InstructionLines},
    model::{Dockerfile, Instruction, Kind, Word},
};

const BYTE_ORDER_MARK: &str = "\u{feff}";

/// Reads a text.
pub(super) fn parse(text: &str) -> Result<Dockerfile, DockerfileError> {
    let body = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    let offset = text.len() - body.len();
    let lines = lines::read(body)?;
    let masked = lines.masked.as_str();
    let parsed = parse_dockerfile::parse(masked).map_err(|error| invalid(&error))?;
    let escape = parsed.parser_directives.escape.as_ref().map_or('\\', |escape| escape.value.value);
    if escape != lines.escape {
        return Err(DockerfileError::invalid(1, "its directives are ambiguous; keep one of each at the top"));
    }
    let line_feeds = body.match_indices('\n').map(|(at, _)| at).collect();
    let reader = Reader { body, masked, offset, lines: &lines.instructions, escape, line_feeds };
    let mut instructions = Vec::with_capacity(parsed.instructions.len());
    for instruction in &parsed.instructions {
        instructions.push(reader.instruction(instruction)?);
    }
    Ok(Dockerfile { text: text.to_owned(), escape: lines.escape, syntax: lines.syntax, instructions })
}

fn invalid(error: &parse_dockerfile::Error) -> DockerfileError {
    let text = error.to_string();
    // The crate's text ends with the place, which is said once already.
    let reason = text.split(" at line ").next().unwrap_or(&text);
    let no_from = reason.ends_with("expected FROM") || reason.contains("one FROM instruction");
    let flaw = if no_from { Flaw::NoFrom } else { Flaw::Syntax };
    DockerfileError::flawed(flaw, error.line().max(1), reason)
}

struct Reader<'a> {
    body: &'a str,
    masked: &'a str,
    offset: usize,
    lines: &'a [InstructionLines],
    escape: char,
    /// Where the line feeds are.
    line_feeds: Vec<usize>,
}

impl Reader<'_> {
    fn instruction(&self, parsed: &Parsed<'_>) -> Result<Instruction, DockerfileError> {
        let line = self.line(keyword(parsed));
        let kind = match parsed {
            Parsed::From(from) => {
                let mut platform = None;
                for flag in &from.options {
                    match (&*flag.name.value, &flag.value) {
                        ("platform", Some(value)) if platform.is_none() => {
                            platform = Some((self.moved(&flag.span()), self.word(value)));
                        }
                        (name, _) => {
                            let reason =
                                format!("FROM has no flag --{name}, or not twice or without a value");
                            return Err(DockerfileError::flawed(Flaw::FromFlag, line, reason));
                        }
                    }
                }
                let name = from.as_.as_ref().map(|(_, name)| name.value.to_string());
                if name.as_deref() == Some("") {
                    return Err(DockerfileError::invalid(line, "there is no name after AS"));
                }
                Kind::From { platform, image: self.word(&from.image), name }
            }
            Parsed::Arg(arg) => Kind::Arg(arg.arguments.value.to_string()),
            Parsed::Env(env) => Kind::Env(env.arguments.value.to_string()),
            Parsed::Label(label) => Kind::Label(label.arguments.value.to_string()),
            Parsed::Copy(copy) => self.copy(&copy.options),
            Parsed::Run(run) => self.run(&run.options, line)?,
            Parsed::User(user) => Kind::User(user.arguments.value.to_string()),
            Parsed::Maintainer(_) => Kind::Maintainer,
            _ => Kind::Other,
        };
        let (span, end) = self.lines_of(keyword(parsed), line)?;
        Ok(Instruction { line, span, end, kind })
    }

    /// The lines of the instruction whose keyword is at `at`.
    fn lines_of(&self, at: usize, line: usize) -> Result<(Range<usize>, End), DockerfileError> {
        let found = self.lines.partition_point(|lines| lines.span.end <= at);
        let found = self.lines.get(found).filter(|lines| {
            let before = self.body.get(lines.span.start..at);
            // Lines in front of it can be nothing but continuations of nothing.
            let is_empty = |line: &str| {
                let line = line.trim();
                line.is_empty() || line.starts_with('#') || line.chars().all(|c| c == self.escape)
            };
            before.is_some_and(|before| before.lines().all(is_empty))
        });
        let Some(InstructionLines { span, end }) = found else {
            return Err(DockerfileError::invalid(line, "it is not clear where this instruction begins"));
        };
        let end = match end {
            End::Dangling(escape) => End::Dangling(self.moved(escape)),
            other => other.clone(),
        };
        Ok((self.moved(span), end))
    }

    fn copy(&self, flags: &[Flag<'_>]) -> Kind {
        let from = flags.iter().rfind(|flag| flag.name.value == "from").and_then(|flag| flag.value.as_ref());
        match from {
            Some(value) if !value.value.is_empty() => Kind::Copy { from: self.word(value) },
            _ => Kind::Other,
        }
    }

    /// The images of `--mount=type=…,from=IMAGE,…`, whose value is one record of
    /// comma-separated values.
    fn run(&self, flags: &[Flag<'_>], line: usize) -> Result<Kind, DockerfileError> {
        let mut from = Vec::new();
        for flag in flags.iter().filter(|flag| flag.name.value == "mount") {
            let Some(value) = &flag.value else { continue };
            for field in value.value.split(',') {
                let field = field.trim_matches('"');
                let Some((key, image)) = field.split_once('=') else { continue };
                if !key.trim().eq_ignore_ascii_case("from") || image.is_empty() {
                    continue;
                }
                let span = self.part(&value.span, field).ok_or_else(|| {
                    DockerfileError::invalid(
                        line,
                        format!("write '{field}' of --mount on one line, and once"),
                    )
                })?;
                let start = span.end - image.len();
                from.push(Word { span: self.moved(&(start..span.end)), text: image.to_owned() });
            }
        }
        Ok(Kind::Run { from })
    }

    /// Where a part of a flag is, if it is there exactly once and unbroken.
    fn part(&self, span: &Range<usize>, part: &str) -> Option<Range<usize>> {
        let raw = self.masked.get(span.clone())?;
        let mut places = raw.match_indices(part).map(|(at, _)| span.start + at).filter(|at| {
            let before = self.masked[..*at].chars().next_back();
            let after = self.masked[at + part.len()..].chars().next();
            matches!(before, Some(',' | '=' | '"')) && !matches!(after, Some(c) if !",\" \t\r\n".contains(c))
        });
        match (places.next(), places.next()) {
            (Some(at), None) => Some(at..at + part.len()),
            _ => None,
        }
    }

    fn word(&self, parsed: &UnescapedString<'_>) -> Word {
        Word { span: self.moved(&parsed.span), text: parsed.value.to_string() }
    }

    fn moved(&self, span: &Range<usize>) -> Range<usize> {
        span.start + self.offset..span.end + self.offset
    }

    fn line(&self, at: usize) -> usize {
        1 + self.line_feeds.partition_point(|line_feed| *line_feed < at)
    }
}

/// Where an instruction begins.
fn keyword(parsed: &Parsed<'_>) -> usize {
    match parsed {
        Parsed::Add(i) => i.add.span.start,
        Parsed::Arg(i) => i.arg.span.start,
        Parsed::Cmd(i) => i.cmd.span.start,
        Parsed::Copy(i) => i.copy.span.start,
        Parsed::Entrypoint(i) => i.entrypoint.span.start,
        Parsed::Env(i) => i.env.span.start,
        Parsed::Expose(i) => i.expose.span.start,
        Parsed::From(i) => i.from.span.start,
        Parsed::Healthcheck(i) => i.healthcheck.span.start,
        Parsed::Label(i) => i.label.span.start,
        Parsed::Maintainer(i) => i.maintainer.span.start,
        Parsed::Onbuild(i) => i.onbuild.span.start,
        Parsed::Run(i) => i.run.span.start,
        Parsed::Shell(i) => i.shell.span.start,
        Parsed::Stopsignal(i) => i.stopsignal.span.start,
        Parsed::User(i) => i.user.span.start,
        Parsed::Volume(i) => i.volume.span.start,
        Parsed::Workdir(i) => i.workdir.span.start,
        _ => 0,
    }
}
