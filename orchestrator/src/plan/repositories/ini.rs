//! The INI dialect of yum and dnf, as far as one has to look into it: sections,
//! `key = value`, values that go on in indented lines, and comments. The text is
//! never taken apart and put together again; lines are only added and left out.

use std::collections::BTreeSet;

/// Keys of which a repository needs one to be any good (dnf.conf(5)).
const PLACES: [&str; 3] = ["baseurl", "metalink", "mirrorlist"];

/// One line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line<'a> {
    /// Nothing, or a comment.
    Empty,
    /// `[name]`.
    Section(&'a str),
    /// `key = value` or `key: value`.
    Key(&'a str, &'a str),
    /// More of the value before.
    More,
}

fn read(line: &str) -> Result<Line<'_>, &'static str> {
    let text = line.trim();
    if text.is_empty() || text.starts_with(['#', ';']) {
        return Ok(Line::Empty);
    }
    if line.starts_with([' ', '\t']) {
        return Ok(Line::More);
    }
    if let Some(rest) = text.strip_prefix('[') {
        let name = rest.strip_suffix(']').ok_or("begins a section and does not end it")?;
        return if name.trim().is_empty() {
            Err("has a section without a name")
        } else {
            Ok(Line::Section(name))
        };
    }
    match text.split_once(['=', ':']) {
        Some((key, value)) if !key.trim().is_empty() => Ok(Line::Key(key.trim(), value.trim())),
        _ => Err("is neither a section nor 'key=value'"),
    }
}

/// Whether a text is a repository file: sections, each with a `name` and a place
/// that packages come from, no section twice.
///
/// # Errors
/// What is wrong, with its line or section.
pub(super) fn check(text: &str) -> Result<(), String> {
    let mut names = BTreeSet::new();
    let mut section: Option<(&str, BTreeSet<String>)> = None;
    let ends = |section: &Option<(&str, BTreeSet<String>)>| match section {
        Some((name, keys)) if *name != "main" => {
            if !keys.contains("name") {
                return Err(format!("section [{name}] has no 'name'"));
            }
            if !PLACES.iter().any(|place| keys.contains(*place)) {
                return Err(format!("section [{name}] has no 'baseurl'"));
            }
            Ok(())
        }
        _ => Ok(()),
    };
    let mut in_value = false;
    for (at, line) in text.strip_prefix('\u{feff}').unwrap_or(text).lines().enumerate() {
        if line.contains(|c: char| c.is_control() && c != '\t') {
            return Err(format!("line {} has a control character", at + 1));
        }
        match read(line).map_err(|reason| format!("line {} {reason}", at + 1))? {
            Line::Empty => {}
            Line::Section(name) => {
                ends(&section)?;
                if !names.insert(name) {
                    return Err(format!("section [{name}] is there twice"));
                }
                section = Some((name, BTreeSet::new()));
                in_value = false;
            }
            Line::Key(key, value) => {
                let Some((_, keys)) = &mut section else {
                    return Err(format!("line {} is in no section", at + 1));
                };
                if !value.is_empty() || PLACES.contains(&key) {
                    keys.insert(key.to_ascii_lowercase());
                }
                in_value = true;
            }
            Line::More if in_value => {}
            Line::More => return Err(format!("line {} goes on with a value that never began", at + 1)),
        }
    }
    if names.is_empty() {
        return Err("it has no section".to_owned());
    }
    ends(&section)
}

/// The same text with `proxy` set in every section. What a section said about it
/// is left out. The text must have passed [`check`], or be as good.
pub(super) fn with_proxy(text: &str, proxy: &str) -> String {
    let mut out = String::with_capacity(text.len() + 128);
    let mut in_section = false;
    let mut dropping = false;
    // Blank lines and comments before the next section stay before it.
    let mut held = String::new();
    let set = |out: &mut String| {
        out.push_str("proxy = ");
        out.push_str(proxy);
        out.push('\n');
    };
    for line in text.strip_prefix('\u{feff}').unwrap_or(text).lines() {
        let kind = read(line).unwrap_or(Line::More);
        match kind {
            Line::Empty => {
                held.push_str(line);
                held.push('\n');
                continue;
            }
            Line::Section(_) => {
                if in_section {
                    set(&mut out);
                }
                in_section = true;
                dropping = false;
            }
            Line::Key(key, _) => dropping = key.eq_ignore_ascii_case("proxy"),
            Line::More => {}
        }
        out.push_str(&std::mem::take(&mut held));
        if !dropping {
            out.push_str(line);
            out.push('\n');
        }
    }
    if in_section {
        set(&mut out);
    }
    out.push_str(&held);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_package_managers_read_is_a_repository_file() {
        let rows: &[(&str, &str, Result<(), &str>)] = &[
            ("plain", "[a]\nname=A\nbaseurl=http://a/$basearch\n", Ok(())),
            ("spaces, colon, comment", "# c\n[a b]\nname : A\nBaseURL = x\n; d\n", Ok(())),
            ("several places", "[a]\nname=A\nbaseurl=x\n  y\n\tz\ngpgcheck=0\n", Ok(())),
            ("place in the next line", "[a]\nname=A\nbaseurl=\n  y\n", Ok(())),
            ("metalink", "[a]\nname=A\nmetalink=x\n[b]\nname=B\nmirrorlist=y", Ok(())),
            ("mark of order", "\u{feff}[a]\r\nname=A\r\nbaseurl=x\r\n", Ok(())),
            ("main", "[main]\nkeepcache=1\n[a]\nname=A\nbaseurl=x\n", Ok(())),
            ("empty", "", Err("it has no section")),
            ("a page", "<html>\n", Err("line 1 is neither")),
            ("before a section", "a=b\n[a]\n", Err("line 1 is in no section")),
            ("no end", "[a\nname=A\n", Err("line 1 begins a section")),
            ("no name of a section", "[ ]\n", Err("line 1 has a section without a name")),
            ("no name", "[a]\nbaseurl=x\n", Err("section [a] has no 'name'")),
            ("no place", "[a]\nname=A\n[b]\nname=B\nbaseurl=x\n", Err("section [a] has no 'baseurl'")),
            ("no place at the end", "[a]\nname=A\n", Err("section [a] has no 'baseurl'")),
            ("twice", "[a]\nname=A\nbaseurl=x\n[a]\n", Err("section [a] is there twice")),
            ("value from nowhere", "[a]\n  x\n", Err("line 2 goes on")),
            ("escape", "[a]\nname=\x1b[2J\n", Err("line 2 has a control character")),
        ];
        for (id, text, expected) in rows {
            match (check(text), expected) {
                (Ok(()), Ok(())) => {}
                (Err(found), Err(expected)) => assert!(found.starts_with(expected), "{id}: {found}"),
                (found, _) => panic!("{id}: {found:?}"),
            }
        }
    }

    #[test]
    fn the_proxy_is_in_every_section_once() {
        let rows = [
            ("YUM-5", "[repo]\n", "[repo]\nproxy = P\n"),
            (
                "two",
                "[a]\nname=A\n\n# b\n[b]\nname=B",
                "[a]\nname=A\nproxy = P\n\n# b\n[b]\nname=B\nproxy = P\n",
            ),
            ("its own", "[a]\nproxy=old\n  older\nname=A\n", "[a]\nname=A\nproxy = P\n"),
            ("value of two lines", "[a]\nbaseurl=x\n  y\n\n", "[a]\nbaseurl=x\n  y\nproxy = P\n\n"),
            ("untouched", "", ""),
        ];
        for (id, text, expected) in rows {
            let found = with_proxy(text, "P");
            assert_eq!(found, expected, "{id}");
            assert_eq!(with_proxy(&found, "P"), found, "{id}: again");
        }
    }
}
