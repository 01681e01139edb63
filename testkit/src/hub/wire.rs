//! Documents of XML-RPC as a hub writes and refuses them.

use koji_bridge::xmlrpc::{Answer, ReadError, Value, write_answer};

/// Where characters that XML cannot carry are hidden while a document is written.
const HIDING_PLACE: u32 = 0xF_0000;

/// An answer as a hub writes it. It does not look at text: characters that XML
/// cannot carry are written all the same.
pub(super) fn answer(answer: &Answer) -> String {
    if let Ok(document) = write_answer(answer) {
        return document;
    }
    let mut hidden = answer.clone();
    match &mut hidden {
        Ok(value) => hide(value),
        Err(fault) => fault.text = hide_text(&fault.text),
    }
    let document = write_answer(&hidden).unwrap_or_default();
    document.chars().map(shown).collect()
}

/// The same answer with an escape character in it.
pub(super) fn poisoned(document: &str) -> String {
    document.replacen("</methodResponse>", "\u{1b}</methodResponse>", 1)
}

fn hide(value: &mut Value) {
    match value {
        Value::String(text) => *text = hide_text(text),
        Value::Array(items) => items.iter_mut().for_each(hide),
        Value::Struct(members) => {
            *members = std::mem::take(members)
                .into_iter()
                .map(|(name, mut member)| {
                    hide(&mut member);
                    (hide_text(&name), member)
                })
                .collect();
        }
        Value::Double(number) if !number.is_finite() => *value = Value::Nil,
        _ => {}
    }
}

fn hide_text(text: &str) -> String {
    let hide = |character: char| {
        let allowed = !character.is_control() || matches!(character, '\t' | '\n' | '\r');
        let illegal = !allowed || matches!(character, '\u{fffe}' | '\u{ffff}');
        if illegal { char::from_u32(HIDING_PLACE + u32::from(character)).unwrap_or('?') } else { character }
    };
    text.chars().map(hide).collect()
}

fn shown(character: char) -> char {
    let hidden = u32::from(character).checked_sub(HIDING_PLACE).filter(|code| *code <= 0xFFFF);
    hidden.and_then(char::from_u32).unwrap_or(character)
}

/// What a hub says to a document that it cannot read.
pub(super) fn complaint(document: &[u8], error: &ReadError) -> String {
    let first = document.iter().find(|byte| !byte.is_ascii_whitespace());
    if first != Some(&b'<') {
        return "syntax error: line 1, column 0".to_owned();
    }
    let illegal = |byte: &u8| *byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r');
    let told = match error {
        ReadError::Encoding { at } => *at,
        ReadError::Malformed { at, .. } | ReadError::Unexpected { at, .. } => {
            usize::try_from(*at).unwrap_or(usize::MAX)
        }
    };
    let at = document.iter().position(illegal).unwrap_or(told).min(document.len());
    let before = document.get(..at).unwrap_or_default();
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let column = before.iter().rev().take_while(|byte| **byte != b'\n').count();
    format!("not well-formed (invalid token): line {line}, column {column}")
}

#[cfg(test)]
mod tests {
    use koji_bridge::xmlrpc::{Call, read_answer};

    use super::*;

    #[test]
    fn what_xml_cannot_carry_is_written_all_the_same() {
        let document = answer(&Ok(Value::from("a\u{1b}b")));
        assert!(document.contains("<string>a\u{1b}b</string>"), "{document}");
        assert!(read_answer(document.as_bytes()).is_err());
        assert!(read_answer(poisoned(&answer(&Ok(Value::Nil))).as_bytes()).is_err());
    }

    #[test]
    fn documents_that_cannot_be_read_are_refused_in_the_words_of_a_hub() {
        let call = |text: &str| {
            format!(
                "<?xml version='1.0'?>\n<methodCall>\n<methodName>echo</methodName>\n<params>\n\
                 <param><value><string>bell{text}</string></value></param>\n</params>\n</methodCall>\n"
            )
        };
        for (document, text) in [
            ("this is not xml".to_owned(), "syntax error: line 1, column 0"),
            (call("\u{7}"), "not well-formed (invalid token): line 5, column 26"),
        ] {
            let error = Call::from_xml(document.as_bytes()).unwrap_err();
            assert_eq!(complaint(document.as_bytes(), &error), text);
        }
    }
}
