//! Answers that are not well-formed.
//!
//! A hub keeps control characters that came to it in a `metadata.json`, where JSON
//! may escape them, and later writes them into its answers as they are. XML 1.0
//! has no place for them, so that no client can read such an answer: neither
//! `getBuild` of that build nor a `listBuilds` that has it. The codec refuses to
//! write them, and rightly; here they are written all the same.

use std::collections::BTreeMap;

use koji_bridge::xmlrpc::{Value, write_answer};

/// Where stand-ins for characters that XML cannot carry begin, in a private plane
/// of Unicode that no text of a build has a use for.
const STAND_INS: u32 = 0x10_ff00;

/// The `methodResponse` document of a result, with the characters that XML cannot
/// carry written as they are. For results that
/// [`write_answer`] refuses; it writes all others the same.
pub fn write_raw_answer(result: &Value) -> String {
    // Nothing else of a result can be refused once these characters are away.
    let document = write_answer(&Ok(hidden(result))).unwrap_or_default();
    document.chars().map(shown).collect()
}

fn hidden(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(hidden_text(text)),
        Value::DateTime(text) => Value::DateTime(hidden_text(text)),
        Value::Double(number) if !number.is_finite() => Value::Nil,
        Value::Array(items) => Value::Array(items.iter().map(hidden).collect()),
        Value::Struct(members) => {
            let hide = |(name, member): (&String, &Value)| (hidden_text(name), hidden(member));
            Value::Struct(members.iter().map(hide).collect::<BTreeMap<_, _>>())
        }
        other => other.clone(),
    }
}

fn hidden_text(text: &str) -> String {
    text.chars().map(hidden_character).collect()
}

fn hidden_character(character: char) -> char {
    let offset = match character {
        '\t' | '\n' | '\r' => return character,
        '\u{0}'..='\u{1f}' => u32::from(character),
        '\u{fffe}' => 0x20,
        '\u{ffff}' => 0x21,
        _ => return character,
    };
    char::from_u32(STAND_INS + offset).unwrap_or(character)
}

fn shown(character: char) -> char {
    match u32::from(character).checked_sub(STAND_INS) {
        Some(0x20) => '\u{fffe}',
        Some(0x21) => '\u{ffff}',
        Some(code @ 0..=0x1f) => char::from_u32(code).unwrap_or(character),
        _ => character,
    }
}

#[cfg(test)]
mod tests {
    use koji_bridge::xmlrpc::{read_answer, to_value};
    use serde_json::json;

    use super::*;

    #[test]
    fn control_characters_come_out_as_they_are() {
        let poisoned = to_value(&json!({"extra": {"note": "esc\u{1b}[0m & \u{0}\u{ffff}", "n": 5}})).unwrap();
        assert!(write_answer(&Ok(poisoned.clone())).is_err());
        let document = write_raw_answer(&poisoned);
        assert!(document.contains("<string>esc\u{1b}[0m &amp; \u{0}\u{ffff}</string>"), "{document}");
        assert!(read_answer(document.as_bytes()).is_err());
    }

    #[test]
    fn other_answers_are_the_codecs() {
        let value = to_value(&json!({"a": ["\t\r\n", 1, null, 1.5, "é"]})).unwrap();
        assert_eq!(write_raw_answer(&value), write_answer(&Ok(value)).unwrap());
    }
}
