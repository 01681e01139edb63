//! Documents of XML-RPC as a hub writes and refuses them.

use koji_bridge::xmlrpc::{Answer, Fault, ReadError, write_answer};

use super::raw::write_raw_answer;

/// An answer as a hub writes it. It does not look at text of results: characters
/// that XML cannot carry are written all the same.
pub(super) fn answer(answer: &Answer) -> String {
    if let Ok(document) = write_answer(answer) {
        return document;
    }
    match answer {
        Ok(result) => write_raw_answer(result),
        Err(fault) => {
            let fault = Fault::new(fault.code, fault.text.escape_debug().to_string());
            write_answer(&Err(fault)).unwrap_or_default()
        }
    }
}

/// The same answer with an escape character in it.
pub(super) fn poisoned(document: &str) -> String {
    document.replacen("</methodResponse>", "\u{1b}</methodResponse>", 1)
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
    use koji_bridge::xmlrpc::{Call, Value, read_answer};

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
