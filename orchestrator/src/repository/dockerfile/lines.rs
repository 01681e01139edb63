//! Logical lines of a Dockerfile: comments, continuations, here-documents.
//!
//! The rules are those of BuildKit's parser (frontend/dockerfile/parser/parser.go):
//! a line that ends with the escape character goes on in the next one; comments
//! and empty lines in between do not count; the lines after an ADD, COPY or RUN
//! with `<<NAME` belong to it up to the one that says `NAME`.
//!
//! The result is a copy of the text, of the same length, in which here-documents
//! are comments: a parser that does not know them then sees every token at its
//! place.

use std::ops::Range;

use super::{DockerfileError, Flaw, words};

/// A Dockerfile's text made simple.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Lines {
    /// The text without here-documents, of the same length.
    pub(super) masked: String,
    /// The escape character: `\` or, after a directive, a back-tick.
    pub(super) escape: char,
    /// Image of the `syntax` directive, with which BuildKit replaces itself.
    pub(super) syntax: Option<String>,
    /// The lines of each instruction, in order.
    pub(super) instructions: Vec<InstructionLines>,
}

/// The physical lines of one instruction, with its here-documents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct InstructionLines {
    /// Where they are, in bytes, with the last line feed.
    pub(super) span: Range<usize>,
    /// How the last one ends.
    pub(super) end: End,
}

/// How the last line of an instruction ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    /// As it should.
    Complete,
    /// With an escape at this place, although the file is over: whatever is
    /// written behind it would become part of the instruction.
    Dangling(Range<usize>),
    /// With two escapes at the end of the file, which some engines take for a
    /// continuation.
    Unclear,
}

/// Reads a text that does not begin with a byte order mark.
pub(super) fn read(text: &str) -> Result<Lines, DockerfileError> {
    let (escape, syntax) = directives(text)?;
    let physical = physical(text);
    let mut masked = text.as_bytes().to_vec();
    let mut instructions = Vec::new();
    let mut at = 0;
    while let Some(first) = physical.get(at) {
        let number = at + 1;
        if is_comment_or_empty(&text[first.clone()]) {
            at += 1;
            continue;
        }
        let (last, continues) = logical_end(text, &physical, at, escape)?;
        let header = first.start..physical[last].end;
        instructions.push(InstructionLines {
            span: header.clone(),
            end: match continues {
                Continues::No => End::Complete,
                Continues::Yes => End::Dangling(escape_at_end(text, &physical[last], escape)),
                Continues::Unclear => End::Unclear,
            },
        });
        at = last + 1;
        if !takes_here_documents(&text[header.clone()]) {
            continue;
        }
        let logical = joined(text, &physical[number - 1..at], escape);
        for here in here_documents(&logical) {
            let close = physical[at..].iter().position(|line| here.ends(content(&text[line.clone()])));
            let Some(close) = close else {
                let reason = format!("the here-document <<{} has no end", here.name);
                return Err(DockerfileError::flawed(Flaw::HereDocument, number, reason));
            };
            for line in &physical[at..=at + close] {
                mask(&mut masked[line.clone()]);
            }
            at += close + 1;
            if let Some(instruction) = instructions.last_mut() {
                instruction.span.end = physical[at - 1].end;
            }
        }
        hide_here_operators(&mut masked[header]);
    }
    let masked = String::from_utf8(masked).map_err(|_| {
        DockerfileError::flawed(Flaw::HereDocument, 1, "a here-document could not be set aside")
    })?;
    Ok(Lines { masked, escape, syntax, instructions })
}

/// Spans of the lines, each with its line feed.
fn physical(text: &str) -> Vec<Range<usize>> {
    let mut start = 0;
    text.split_inclusive('\n')
        .map(|line| {
            let span = start..start + line.len();
            start = span.end;
            span
        })
        .collect()
}

/// A line without its end.
fn content(line: &str) -> &str {
    let line = line.strip_suffix('\n').unwrap_or(line);
    line.strip_suffix('\r').unwrap_or(line)
}

fn is_comment_or_empty(line: &str) -> bool {
    let line = line.trim_start();
    line.is_empty() || line.starts_with('#')
}

/// Index of the last line of the instruction that begins at `first`, and whether
/// that line would go on if the file did.
fn logical_end(
    text: &str,
    physical: &[Range<usize>],
    first: usize,
    escape: char,
) -> Result<(usize, Continues), DockerfileError> {
    let mut last = first;
    let mut at = first;
    loop {
        let line = &text[physical[at].clone()];
        if at == first || !is_comment_or_empty(line) {
            last = at;
            match continues(content(line), escape) {
                Continues::No => return Ok((last, Continues::No)),
                Continues::Yes => {}
                Continues::Unclear if at + 1 < physical.len() => {
                    let reason = format!(
                        "it ends with '{escape}{escape}', which some engines take for a continuation and some do not"
                    );
                    return Err(DockerfileError::invalid(at + 1, reason));
                }
                Continues::Unclear => return Ok((last, Continues::Unclear)),
            }
        }
        at += 1;
        if at == physical.len() {
            return Ok((last, Continues::Yes));
        }
    }
}

#[derive(PartialEq)]
enum Continues {
    Yes,
    No,
    Unclear,
}

fn continues(line: &str, escape: char) -> Continues {
    let Some(before) = line.trim_end_matches([' ', '\t']).strip_suffix(escape) else { return Continues::No };
    if before.ends_with(escape) { Continues::Unclear } else { Continues::Yes }
}

/// The escape at the end of a line, with the spaces behind it.
fn escape_at_end(text: &str, line: &Range<usize>, escape: char) -> Range<usize> {
    let content = content(&text[line.clone()]);
    let before = content.trim_end_matches([' ', '\t']);
    let before = before.strip_suffix(escape).unwrap_or(before);
    line.start + before.len()..line.start + content.len()
}

/// The instruction on one line, without comments and continuations.
fn joined(text: &str, lines: &[Range<usize>], escape: char) -> String {
    let mut joined = String::new();
    for (index, span) in lines.iter().enumerate() {
        let line = &text[span.clone()];
        if index > 0 && is_comment_or_empty(line) {
            continue;
        }
        let line = content(line);
        joined.push_str(line.trim_end_matches([' ', '\t']).strip_suffix(escape).unwrap_or(line));
    }
    joined
}

fn takes_here_documents(instruction: &str) -> bool {
    let mut words = instruction.split_ascii_whitespace();
    let mut word = words.next().unwrap_or_default();
    if word.eq_ignore_ascii_case("ONBUILD") {
        word = words.next().unwrap_or_default();
    }
    ["ADD", "COPY", "RUN"].iter().any(|name| word.eq_ignore_ascii_case(name)) && instruction.contains("<<")
}

struct HereDocument {
    name: String,
    strips_tabs: bool,
}

impl HereDocument {
    fn ends(&self, line: &str) -> bool {
        let line = if self.strips_tabs { line.trim_start_matches('\t') } else { line };
        line == self.name
    }
}

/// The here-documents that an instruction begins: words of the form
/// `[digits]<<[-]NAME`, where the name may be quoted.
fn here_documents(instruction: &str) -> Vec<HereDocument> {
    let mut found = Vec::new();
    for word in words::split(instruction, '\\') {
        let word = word.trim_start_matches(|c: char| c.is_ascii_digit());
        let Some(rest) = word.strip_prefix("<<") else { continue };
        let (strips_tabs, name) = match rest.strip_prefix('-') {
            Some(name) => (true, name),
            None => (false, rest),
        };
        let name = unquoted(name);
        if !name.is_empty() && !rest.contains('<') {
            found.push(HereDocument { name, strips_tabs });
        }
    }
    found
}

fn unquoted(word: &str) -> String {
    let mut name = String::new();
    let mut quote = None;
    let mut characters = word.chars();
    while let Some(c) = characters.next() {
        match (c, quote) {
            ('"' | '\'', None) => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            ('\\', None) => name.extend(characters.next()),
            (c, _) => name.push(c),
        }
    }
    name
}

/// Turns a line into a comment of the same length; an empty one stays.
fn mask(line: &mut [u8]) {
    for (index, byte) in line.iter_mut().enumerate() {
        if *byte != b'\n' && *byte != b'\r' {
            *byte = if index == 0 { b'#' } else { b'.' };
        }
    }
    // A carriage return in the middle of a line is no line end.
    if line.first() == Some(&b'\r') && line.get(1).is_some_and(|next| *next != b'\n') {
        line[0] = b'#';
    }
}

fn hide_here_operators(header: &mut [u8]) {
    for at in 1..header.len() {
        if header[at - 1] == b'<' && header[at] == b'<' {
            header[at - 1] = b'_';
            header[at] = b'_';
        }
    }
}

/// Reads the directives at the very top (`# escape=`, `# syntax=`, `# check=`).
fn directives(text: &str) -> Result<(char, Option<String>), DockerfileError> {
    let mut escape = None;
    let mut syntax = None;
    for (index, line) in text.lines().enumerate() {
        let Some((name, value)) = line.strip_prefix('#').and_then(|line| line.split_once('=')) else { break };
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
        let twice = || DockerfileError::invalid(index + 1, format!("the directive '{name}' is there twice"));
        match name.as_str() {
            "escape" if escape.is_some() => return Err(twice()),
            "escape" => match value {
                "`" => escape = Some('`'),
                "\\" => escape = Some('\\'),
                _ => {
                    let reason = format!("the escape character is '{value}'; it can be \\ or `");
                    return Err(DockerfileError::invalid(index + 1, reason));
                }
            },
            "syntax" if syntax.is_some() => return Err(twice()),
            "syntax" => syntax = value.split_whitespace().next().map(str::to_owned),
            "check" => {}
            _ => break,
        }
    }
    Ok((escape.unwrap_or('\\'), syntax))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn here_documents_become_comments_of_the_same_length() {
        let cases = [
            ("RUN <<EOF\necho\nEOF\nRUN b\n", "RUN __EOF\n#...\n#..\nRUN b\n"),
            ("run cat <<-'E F' > x\n\tFROM ä\n\n\tE F\nX", "run cat __-'E F' > x\n#.......\n\n#...\nX"),
            ("COPY <<A <<\"B\" /x/\na\nA\nb\nB\n", "COPY __A __\"B\" /x/\n#\n#\n#\n#\n"),
            ("RUN a \\\n # c\n 3<<E\nx\r\nE\r\nRUN b", "RUN a \\\n # c\n 3__E\n#\r\n#\r\nRUN b"),
            ("ONBUILD RUN <<E\nx\nE\n", "ONBUILD RUN __E\n#\n#\n"),
            ("RUN cat <<< x\n", "RUN cat __< x\n"),
            ("RUN echo '<<E'\n", "RUN echo '__E'\n"),
            ("ENV a=<<E\nRUN x\n", "ENV a=<<E\nRUN x\n"),
            ("# RUN <<E\nRUN x\n", "# RUN <<E\nRUN x\n"),
        ];
        for (text, expected) in cases {
            let lines = read(text).unwrap();
            assert_eq!(lines.masked, expected, "{text}");
            assert_eq!(lines.masked.len(), text.len());
        }
    }

    #[test]
    fn a_here_document_needs_an_end() {
        let error = read("FROM a\nRUN b\nRUN <<EOF\nx\n").unwrap_err();
        assert_eq!(error.to_string(), "Dockerfile line 3: the here-document <<EOF has no end");
    }

    #[test]
    fn directives_are_read_from_the_top_only() {
        let cases = [
            ("FROM a", '\\', None),
            ("# escape=`\nFROM a", '`', None),
            ("#syntax = docker/dockerfile:1\n# ESCAPE = `\nFROM a", '`', Some("docker/dockerfile:1")),
            ("# comment\n# escape=`\nFROM a", '\\', None),
            ("\n# escape=`\nFROM a", '\\', None),
            ("# other=1\n# escape=`\nFROM a", '\\', None),
        ];
        for (text, escape, syntax) in cases {
            let lines = read(text).unwrap();
            assert_eq!((lines.escape, lines.syntax.as_deref()), (escape, syntax), "{text}");
        }
        assert!(read("# escape=x\n").is_err() && read("# escape=`\n# escape=`\n").is_err());
    }

    #[test]
    fn two_escapes_at_the_end_of_a_line_are_refused() {
        let error = read("FROM a\nRUN x \\\\\nRUN y\n").unwrap_err();
        assert!(error.to_string().starts_with("Dockerfile line 2: "), "{error}");
        assert!(read("FROM a\nRUN x \\\\").is_ok() && read("FROM a\nRUN x \\n\\\n y\n").is_ok());
    }
}
