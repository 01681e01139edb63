//! Characters that Koji's answers cannot carry.
//!
//! A hub stores any text that JSON can carry, and answers in XML 1.0, which
//! lacks most control characters. It does not look before it answers: a build
//! with one such character breaks every list of builds that it is in, for
//! everybody. So they are taken out before a document goes there.
//!
//! What XML 1.0 takes is left alone: tab, line feed, carriage return, and U+007F
//! to U+009F, which are legal though odd. Lone surrogates cannot be in a text of
//! this language; reading JSON that has one fails.

use serde_json::{Map, Value};

/// A document without such characters.
#[derive(Debug, Clone, PartialEq)]
pub struct Escaped {
    /// The document.
    pub value: Value,
    /// How many characters were replaced.
    pub replaced: usize,
}

/// Replaces each character that XML 1.0 cannot carry by its escape as text, in
/// values and keys: U+001B becomes the four characters `\x1b`, U+FFFE the six
/// characters `\ufffe`.
pub fn escape_control_characters(value: Value) -> Escaped {
    let mut replaced = 0;
    let value = escape(value, &mut replaced);
    Escaped { value, replaced }
}

/// Whether a text has a character that XML 1.0 cannot carry.
pub fn has_control_characters(text: &str) -> bool {
    text.contains(is_odd)
}

fn escape(value: Value, replaced: &mut usize) -> Value {
    match value {
        Value::String(text) => Value::String(escape_text(text, replaced)),
        Value::Array(items) => Value::Array(items.into_iter().map(|item| escape(item, replaced)).collect()),
        Value::Object(map) => Value::Object(escape_map(map, replaced)),
        Value::Null | Value::Bool(_) | Value::Number(_) => value,
    }
}

fn escape_map(map: Map<String, Value>, replaced: &mut usize) -> Map<String, Value> {
    let (odd, mut kept): (Vec<_>, Map<_, _>) = {
        let (odd, kept): (Vec<_>, Vec<_>) = map.into_iter().partition(|(key, _)| key.contains(is_odd));
        let kept = kept.into_iter().map(|(key, value)| (key, escape(value, replaced))).collect();
        (odd, kept)
    };
    for (key, value) in odd {
        let mut key = escape_text(key, replaced);
        // Nothing may be lost when the map has the escaped text as a key as well.
        while kept.contains_key(&key) {
            key.push('_');
        }
        kept.insert(key, escape(value, replaced));
    }
    kept
}

fn escape_text(text: String, replaced: &mut usize) -> String {
    if !text.contains(is_odd) {
        return text;
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        let code = u32::from(c);
        match is_odd(c) {
            false => escaped.push(c),
            true if code < 0x20 => escaped.push_str(&format!("\\x{code:02x}")),
            true => escaped.push_str(&format!("\\u{code:04x}")),
        }
        *replaced += usize::from(is_odd(c));
    }
    escaped
}

/// Whether XML 1.0 has no way to write it (production `Char`).
fn is_odd(c: char) -> bool {
    !matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_xml_cannot_carry_becomes_text() {
        // (text, what becomes of it, how many characters were replaced)
        let cases = [
            ("plain ümlaut", "plain ümlaut", 0),
            ("tab\tline\nreturn\r", "tab\tline\nreturn\r", 0),
            ("\u{1b}[31mred\u{1b}[0m", "\\x1b[31mred\\x1b[0m", 2),
            ("\0", "\\x00", 1),
            ("\u{1f}\u{b}\u{c}", "\\x1f\\x0b\\x0c", 3),
            ("\u{7f}\u{85}\u{9f}", "\u{7f}\u{85}\u{9f}", 0),
            ("\u{fffd}\u{fffe}\u{ffff}", "\u{fffd}\\ufffe\\uffff", 2),
            ("\u{1f600}\u{1fffe}", "\u{1f600}\u{1fffe}", 0),
            ("\\x1b", "\\x1b", 0),
        ];
        for (text, expected, replaced) in cases {
            let escaped = escape_control_characters(json!({"a": [text]}));
            assert_eq!(escaped, Escaped { value: json!({"a": [expected]}), replaced }, "{text:?}");
            let escaped = escape_control_characters(json!({text: 1}));
            assert_eq!(escaped, Escaped { value: json!({expected: 1}), replaced }, "key {text:?}");
        }
    }

    #[test]
    fn keys_that_become_equal_are_both_kept() {
        let escaped = escape_control_characters(json!({"a\u{1}": 1, "a\\x01": 2, "n": [null, true, 1.5]}));
        assert_eq!(escaped.value, json!({"a\\x01": 2, "a\\x01_": 1, "n": [null, true, 1.5]}));
        assert_eq!(escaped.replaced, 1);
    }

    #[test]
    fn a_lone_surrogate_does_not_get_this_far() {
        assert!(serde_json::from_str::<Value>(r#""\ud800""#).is_err());
    }
}
