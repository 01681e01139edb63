//! Taking apart the arguments of instructions into words.

/// Splits at spaces that are neither quoted nor escaped. Quotes and escapes stay
/// in the words: expansion removes them.
pub(super) fn split(text: &str, escape: char) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        match (c, quote) {
            (c, None) if c.is_whitespace() => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                continue;
            }
            (c, None | Some('"')) if c == escape => {
                word.push(c);
                word.extend(characters.next());
                continue;
            }
            ('"' | '\'', None) => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            _ => {}
        }
        word.push(c);
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// The pairs of a LABEL or ENV: `name=value …`, or the old `name value` whose
/// value is the rest of the line.
pub(super) fn pairs(text: &str, escape: char) -> Result<Vec<(String, String)>, String> {
    let words = split(text, escape);
    let Some(first) = words.first() else { return Err("it has no name".to_owned()) };
    if !first.contains('=') {
        let rest = text.trim_start().strip_prefix(first.as_str()).unwrap_or_default().trim();
        if rest.is_empty() {
            return Err(format!("'{first}' has no value; write name=value"));
        }
        return Ok(vec![(first.clone(), rest.to_owned())]);
    }
    words
        .iter()
        .map(|word| match word.split_once('=') {
            Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
            None => Err(format!("'{word}' has no '='; quote values that contain spaces")),
        })
        .collect()
}

/// The variables of an ARG: `name` or `name=default`.
pub(super) fn arguments(text: &str, escape: char) -> Vec<(String, Option<String>)> {
    let apart = |word: String| match word.split_once('=') {
        Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
        None => (word, None),
    };
    split(text, escape).into_iter().map(apart).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_come_in_two_forms() {
        let cases: &[(&str, &[(&str, &str)])] = &[
            ("a=b", &[("a", "b")]),
            ("a=b c=\"d e\"  f='g h'", &[("a", "b"), ("c", "\"d e\""), ("f", "'g h'")]),
            ("a=b\\ c d=", &[("a", "b\\ c"), ("d", "")]),
            ("a b c", &[("a", "b c")]),
            ("a  b=c  d", &[("a", "b=c  d")]),
            ("\"a b\"=c", &[("\"a b\"", "c")]),
            ("a=\"x=y\\\" z\"", &[("a", "\"x=y\\\" z\"")]),
        ];
        for (text, expected) in cases {
            let found = pairs(text, '\\').unwrap();
            let found: Vec<(&str, &str)> = found.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
            assert_eq!(found, *expected, "{text}");
        }
        for bad in ["", "a", "a=b c"] {
            assert!(pairs(bad, '\\').is_err(), "{bad}");
        }
    }

    #[test]
    fn the_escape_character_can_be_another() {
        assert_eq!(split("a` b c\\ d", '`'), ["a` b", "c\\", "d"]);
    }
}
