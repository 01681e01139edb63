//! What a hub answers in place of a result. A hub says why in plain words, or, if
//! its administrators debug it, in a traceback of Python with the words at its
//! end (`KojiDebug`, `KojiTraceback`); who decides by the words must find them in
//! both.

use std::fmt;

/// With this a traceback of Python begins.
const TRACEBACK: &str = "Traceback (most recent call last):\n";
/// With this an extended traceback of Koji goes on, after the exception.
const LOCALS: &str = "Locals by frame, innermost last\n";

/// What a hub answers in place of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Its code, which programs go by. Example: 1000, Koji's `GenericError`.
    pub code: i64,
    /// Its text, for people.
    pub text: String,
}

impl Fault {
    /// A fault.
    pub fn new(code: i64, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
    }

    /// Whether the hub's words begin with a text, be they the fault's whole text,
    /// the words after the class of an exception, or those at the end of a
    /// traceback, with the class and without it.
    pub fn says(&self, prefix: &str) -> bool {
        self.text.starts_with(prefix)
            || exception(&self.text).starts_with(prefix)
            || self.message().starts_with(prefix)
    }

    /// The hub's words without a traceback and without the exception's class.
    pub fn message(&self) -> &str {
        let exception = exception(&self.text);
        let after_class = match exception.strip_prefix("<class '") {
            Some(rest) => rest.split_once("'>: ").map(|(_, words)| words),
            // Plain words of a hub may have a colon, too.
            None if exception.len() == self.text.len() => None,
            None => match exception.split_once(": ") {
                Some((class, words)) if is_class(class) => Some(words),
                _ => None,
            },
        };
        after_class.unwrap_or(exception).trim_end()
    }

    /// The fault without the variables of the hub's functions, which an extended
    /// traceback ends with: requests with their keys and passwords are among them.
    #[must_use]
    pub(crate) fn without_locals(mut self) -> Self {
        if let Some(at) = self.text.find(LOCALS) {
            self.text.truncate(at);
        }
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "fault {}: {}", self.code, self.text)
    }
}

/// The class and the words of the exception that a traceback ends with; the whole
/// of another text. Of several tracebacks the last is the one that was not caught.
fn exception(text: &str) -> &str {
    let traceback = text.split_once(LOCALS).map_or(text, |(traceback, _)| traceback);
    let Some((_, mut rest)) = traceback.rsplit_once(TRACEBACK) else { return text };
    // Lines about files and their code are indented.
    while rest.starts_with(' ') {
        rest = rest.split_once('\n').map_or("", |(_, next)| next);
    }
    rest
}

fn is_class(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: &str = "Traceback (most recent call last):\n  File \"/usr/share/hub.py\", line 7, in f\n    \
                         raise koji.GenericError('No such build')\n    ^^^^^^^\n";

    #[test]
    fn words_are_found_in_plain_texts_and_in_tracebacks() {
        let traceback = |end: &str| format!("{FRAME}{end}");
        let chained = format!(
            "{FRAME}KeyError: 'a'\n\nDuring handling of the above exception, another exception \
             occurred:\n\n{FRAME}koji.AuthError: Invalid session or bad credentials\n"
        );
        let extended = format!(
            "{FRAME}koji.GenericError: No such build: x\nLocals by frame, innermost last\nFrame f in hub.py at \
             line 7\n  secret = Traceback (most recent call last):\n  x\nkoji.Other: other\n"
        );
        // Text, words, what it says, what it does not say.
        let rows = [
            ("No such build: x".to_owned(), "No such build: x", "No such build", "such"),
            ("osbs: not a user".to_owned(), "osbs: not a user", "osbs: ", "not a user"),
            (String::new(), "", "", "x"),
            ("<class 'KeyError'>: 'version'".to_owned(), "'version'", "<class 'KeyError'>", "KeyError"),
            (
                traceback("koji.GenericError: No such build: x\n"),
                "No such build: x",
                "No such build",
                "raise",
            ),
            (traceback("koji.GenericError: a\n  b\n"), "a\n  b", "a\n  b", "b"),
            (traceback("KeyError\n"), "KeyError", "KeyError", "No such build"),
            (traceback("a b: c\n"), "a b: c", "a b", "c"),
            (traceback(""), "", "Traceback", "raise"),
            (chained, "Invalid session or bad credentials", "koji.AuthError: Invalid", "'a'"),
            (extended, "No such build: x", "koji.GenericError", "other"),
        ];
        for (text, message, said, unsaid) in rows {
            let fault = Fault::new(1000, text);
            assert_eq!(fault.message(), message, "{fault}");
            assert!(fault.says(said), "{fault}");
            assert!(fault.says(message), "{fault}");
            assert!(!fault.says(unsaid), "{fault}");
            let shorter = fault.clone().without_locals();
            assert_eq!(shorter.message(), message);
            assert!(!shorter.text.contains("secret"));
        }
    }
}
