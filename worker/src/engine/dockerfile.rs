//! The little that a worker must know of a Dockerfile: which instructions it
//! has and on which line each begins.
//!
//! The engine numbers its steps by instruction, people read by line. This
//! follows the frontend reference: comments, the `escape` directive,
//! continuation lines and here-documents. It decides nothing about the build.

/// One instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Instruction {
    /// Line it begins on, from 1.
    pub line: usize,
    /// Its keyword in capitals. Example: `RUN`.
    pub keyword: String,
}

/// The instructions of a Dockerfile, in order.
pub(crate) fn instructions(text: &str) -> Vec<Instruction> {
    let escape = escape_character(text);
    let mut found = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            continue;
        }
        let keyword = trimmed.split_whitespace().next().unwrap_or_default().to_ascii_uppercase();
        let mut whole = String::new();
        let mut part = line;
        while let Some(rest) = part.trim_end().strip_suffix(escape) {
            whole.push_str(rest);
            // Comments and empty lines inside an instruction do not end it.
            match lines.by_ref().find(|(_, next)| !is_skipped(next)) {
                Some((_, next)) => part = next,
                None => break,
            }
        }
        whole.push_str(part);
        if matches!(keyword.as_str(), "RUN" | "COPY" | "ADD") {
            for end in here_documents(&whole) {
                lines.by_ref().find(|(_, next)| next.trim_start_matches('\t') == end);
            }
        }
        found.push(Instruction { line: number + 1, keyword });
    }
    found
}

/// Whether anything of the image's own is run while it is built.
pub(crate) fn runs_programs(text: &str) -> bool {
    instructions(text).iter().any(|instruction| instruction.keyword == "RUN")
}

/// The line of the `number`th instruction, counted from 1 as the engine does.
pub(crate) fn line_of_step(text: &str, number: usize) -> Option<usize> {
    instructions(text).get(number.checked_sub(1)?).map(|instruction| instruction.line)
}

fn is_skipped(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || line.starts_with('#')
}

fn escape_character(text: &str) -> char {
    for line in text.lines() {
        let Some((name, value)) = line.trim().strip_prefix('#').and_then(|rest| rest.split_once('=')) else {
            break;
        };
        if name.trim().eq_ignore_ascii_case("escape") {
            return value.trim().chars().next().unwrap_or('\\');
        }
    }
    '\\'
}

/// The words that end the here-documents which a line opens.
fn here_documents(line: &str) -> Vec<String> {
    let mut ends = Vec::new();
    for word in line.split_whitespace().filter(|word| !word.starts_with("<<<")) {
        let Some((_, name)) = word.split_once("<<") else { continue };
        let name = name.strip_prefix('-').unwrap_or(name).trim_matches(['"', '\'']);
        if !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            ends.push(name.to_owned());
        }
    }
    ends
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<(usize, String)> {
        instructions(text).into_iter().map(|i| (i.line, i.keyword)).collect()
    }

    #[test]
    fn comments_and_continuations_do_not_count() {
        let text =
            "# a comment\nARG V=1\n\nFROM scratch\nrun echo a \\\n  # inside\n\n  && echo b\nCMD [\"x\"]\n";
        let expected = [(2, "ARG"), (4, "FROM"), (5, "RUN"), (9, "CMD")];
        assert_eq!(lines(text), expected.map(|(line, word)| (line, word.to_owned())));
        assert_eq!(line_of_step(text, 4), Some(9));
        assert_eq!(line_of_step(text, 0), None);
        assert_eq!(line_of_step(text, 5), None);
    }

    #[test]
    fn the_escape_directive_changes_what_continues_a_line() {
        let text = "# escape=`\nFROM x\nRUN a `\n b\nCOPY c:\\ d\\\nCMD y\n";
        let words: Vec<String> = instructions(text).into_iter().map(|i| i.keyword).collect();
        assert_eq!(words, ["FROM", "RUN", "COPY", "CMD"]);
    }

    #[test]
    fn here_documents_are_no_instructions() {
        let text = "FROM x\nRUN <<EOF cat <<-'B'\nCMD no\nEOF\nRUN no\n\tB\nLABEL a=b\n";
        assert_eq!(lines(text).len(), 3);
        assert_eq!(lines(text)[2], (7, "LABEL".to_owned()));
    }

    #[test]
    fn only_run_runs_programs() {
        assert!(runs_programs("FROM x\n run ls\n"));
        assert!(!runs_programs("FROM x\n# RUN ls\nCOPY RUN /\nCMD RUN\n"));
    }
}
