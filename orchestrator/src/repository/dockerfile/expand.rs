//! Variables, quotes and escapes in a word, after BuildKit's shell lexer
//! (frontend/dockerfile/shell/lex.go).
//!
//! Known are `$name`, `${name}` and the modifiers `-`, `+` and `?`, each also
//! with a colon, which makes an empty value count as none. The newer modifiers
//! for patterns (`#`, `%`, `/`) are refused by name.

use std::{iter::Peekable, str::Chars};

/// What to do with a variable that has no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    /// It is empty, as in a shell.
    Empty,
    /// It is an error.
    Error,
}

/// Expands one word. `lookup` knows the variables. The error says what is wrong.
pub(super) fn expand(
    word: &str,
    escape: char,
    missing: Missing,
    lookup: &dyn Fn(&str) -> Option<String>,
) -> Result<String, String> {
    let mut lexer = Lexer { rest: word.chars().peekable(), escape, missing, lookup, depth: 0 };
    lexer.until(None)
}

struct Lexer<'a> {
    rest: Peekable<Chars<'a>>,
    escape: char,
    missing: Missing,
    lookup: &'a dyn Fn(&str) -> Option<String>,
    depth: usize,
}

impl Lexer<'_> {
    fn until(&mut self, stop: Option<char>) -> Result<String, String> {
        let mut result = String::new();
        loop {
            let Some(c) = self.rest.next() else {
                return match stop {
                    None => Ok(result),
                    Some(stop) => Err(format!("'{stop}' is missing")),
                };
            };
            match c {
                c if Some(c) == stop => return Ok(result),
                '\'' => self.single(&mut result)?,
                '"' => self.double(&mut result)?,
                '$' => result.push_str(&self.dollar()?),
                // An escape at the very end stands for itself.
                c if c == self.escape => result.push(self.rest.next().unwrap_or(c)),
                c => result.push(c),
            }
        }
    }

    fn single(&mut self, result: &mut String) -> Result<(), String> {
        loop {
            match self.rest.next() {
                Some('\'') => return Ok(()),
                Some(c) => result.push(c),
                None => return Err("the closing ' is missing".to_owned()),
            }
        }
    }

    fn double(&mut self, result: &mut String) -> Result<(), String> {
        loop {
            match self.rest.next() {
                Some('"') => return Ok(()),
                Some('$') => result.push_str(&self.dollar()?),
                Some(c) if c == self.escape => match self.rest.next() {
                    Some(next) if next == '"' || next == '$' || next == self.escape => result.push(next),
                    Some(next) => result.extend([c, next]),
                    None => return Err("the closing \" is missing".to_owned()),
                },
                Some(c) => result.push(c),
                None => return Err("the closing \" is missing".to_owned()),
            }
        }
    }

    /// After a `$`.
    fn dollar(&mut self) -> Result<String, String> {
        if self.rest.peek() != Some(&'{') {
            let name = self.name();
            return if name.is_empty() { Ok("$".to_owned()) } else { self.value(&name) };
        }
        self.rest.next();
        let name = self.name();
        if name.is_empty() {
            return Err("a name is missing after '${'".to_owned());
        }
        let first = self.rest.next().ok_or_else(|| "'}' is missing".to_owned())?;
        let (colon, modifier) = match first {
            '}' => return self.value(&name),
            ':' => (true, self.rest.next().ok_or_else(|| "'}' is missing".to_owned())?),
            modifier => (false, modifier),
        };
        if !matches!(modifier, '-' | '+' | '?') {
            let colon = if colon { ":" } else { "" };
            return Err(format!("the modifier '{colon}{modifier}' of ${{{name}…}} is not supported"));
        }
        let value = (self.lookup)(&name).filter(|value| !colon || !value.is_empty());
        // A word that is not used may refer to what is not there.
        let used = matches!((modifier, &value), ('-' | '?', None) | ('+', Some(_)));
        let word = self.word(used)?;
        match (modifier, value) {
            ('-', None) | ('+', Some(_)) => Ok(word),
            ('+', None) => Ok(String::new()),
            ('?', None) if word.is_empty() => Err(format!("${{{name}}} has no value")),
            ('?', None) => Err(format!("${{{name}}} has no value: {word}")),
            (_, value) => Ok(value.unwrap_or_default()),
        }
    }

    /// The word of a modifier, up to its brace.
    fn word(&mut self, used: bool) -> Result<String, String> {
        self.depth += 1;
        if self.depth > 32 {
            return Err("variables are nested more than 32 deep".to_owned());
        }
        let before = self.missing;
        if !used {
            self.missing = Missing::Empty;
        }
        let word = self.until(Some('}'));
        self.missing = before;
        self.depth -= 1;
        word
    }

    fn name(&mut self) -> String {
        let mut name = String::new();
        while let Some(&c) = self.rest.peek() {
            let fits = c == '_' || c.is_ascii_alphabetic() || c.is_ascii_digit();
            if !fits {
                break;
            }
            name.push(c);
            self.rest.next();
            if name.len() == 1 && c.is_ascii_digit() {
                // `$1` is one character long.
                break;
            }
        }
        name
    }

    fn value(&self, name: &str) -> Result<String, String> {
        match ((self.lookup)(name), self.missing) {
            (Some(value), _) => Ok(value),
            (None, Missing::Empty) => Ok(String::new()),
            (None, Missing::Error) => Err(format!("the variable '{name}' has no value")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup(name: &str) -> Option<String> {
        let value = match name {
            "X" => "x",
            "Y" => "why not",
            "EMPTY" => "",
            _ => return None,
        };
        Some(value.to_owned())
    }

    #[test]
    fn words_expand_as_in_the_engine() {
        let cases = [
            ("plain", "plain"),
            ("$X", "x"),
            ("${X}", "x"),
            ("a$X.b", "ax.b"),
            ("a${X}b", "axb"),
            ("$XY|", "|"),
            ("$NONE", ""),
            ("${NONE:-d}", "d"),
            ("${NONE-d}", "d"),
            ("${EMPTY:-d}", "d"),
            ("${EMPTY-d}", ""),
            ("${X:-d}", "x"),
            ("${X:+a}", "a"),
            ("${NONE:+a}", ""),
            ("${EMPTY:+a}", ""),
            ("${EMPTY+a}", "a"),
            ("${NONE:-${X}-$X}", "x-x"),
            ("${NONE:-a:b}", "a:b"),
            ("${X:?needed}", "x"),
            ("\\$X", "$X"),
            ("'$X'", "$X"),
            ("\"$X\"", "x"),
            ("\"\\$X \\\" \\n \\\\\"", "$X \" \\n \\"),
            ("a\\b\\\\", "ab\\"),
            ("$", "$"),
            ("a$.b", "a$.b"),
            ("$$", "$$"),
            ("\"a b\"c'd e'", "a bcd e"),
            ("$Y", "why not"),
            ("end\\", "end\\"),
        ];
        for (word, expected) in cases {
            assert_eq!(expand(word, '\\', Missing::Empty, &lookup).as_deref(), Ok(expected), "{word}");
        }
    }

    #[test]
    fn broken_words_say_what_is_missing() {
        for (word, expected) in [
            ("${X", "'}' is missing"),
            ("${X:", "'}' is missing"),
            ("${X:-a", "'}' is missing"),
            ("${}", "a name is missing"),
            ("'a", "closing '"),
            ("\"a", "closing \""),
            ("${X#a}", "'#' of ${X…} is not supported"),
            ("${X:=a}", "':=' of ${X…} is not supported"),
            ("${NONE:?say so}", "has no value: say so"),
        ] {
            let error = expand(word, '\\', Missing::Empty, &lookup).unwrap_err();
            assert!(error.contains(expected), "{word}: {error}");
        }
        let deep = format!("{}x{}", "${A:-".repeat(100), "}".repeat(100));
        assert!(expand(&deep, '\\', Missing::Empty, &lookup).is_err());
    }

    #[test]
    fn a_missing_variable_can_be_an_error_where_it_is_used() {
        for (word, good) in [
            ("$NONE", false),
            ("${NONE}", false),
            ("${NONE:-d}", true),
            ("${X:-$NONE}", true),
            ("${NONE:-$NONE}", false),
            ("${NONE:+$NONE}", true),
            ("${EMPTY}", true),
            ("'$NONE'", true),
        ] {
            assert_eq!(expand(word, '\\', Missing::Error, &lookup).is_ok(), good, "{word}");
        }
    }
}
