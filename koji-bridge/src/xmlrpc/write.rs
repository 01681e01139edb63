//! Writes documents.

use std::fmt::Write as _;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use quick_xml::escape::partial_escape;

use super::{Answer, Value, WriteError};

/// How much of a text an error repeats, in characters.
const SHOWN: usize = 60;

/// A `methodCall` document.
pub(super) fn call(method: &str, parameters: &[Value]) -> Result<String, WriteError> {
    let mut out = String::from("<?xml version='1.0'?>\n<methodCall>\n<methodName>");
    text(&mut out, method)?;
    out.push_str("</methodName>\n<params>\n");
    for parameter in parameters {
        out.push_str("<param>\n");
        value(&mut out, parameter)?;
        out.push_str("</param>\n");
    }
    out.push_str("</params>\n</methodCall>\n");
    Ok(out)
}

/// A `methodResponse` document.
pub(super) fn answer(answer: &Answer) -> Result<String, WriteError> {
    let mut out = String::from("<?xml version='1.0'?>\n<methodResponse>\n");
    match answer {
        Ok(result) => {
            out.push_str("<params>\n<param>\n");
            value(&mut out, result)?;
            out.push_str("</param>\n</params>\n");
        }
        Err(fault) => {
            let members = [
                ("faultCode".to_owned(), Value::Int(fault.code)),
                ("faultString".to_owned(), Value::String(fault.text.clone())),
            ];
            out.push_str("<fault>\n");
            value(&mut out, &Value::Struct(members.into()))?;
            out.push_str("</fault>\n");
        }
    }
    out.push_str("</methodResponse>\n");
    Ok(out)
}

fn value(out: &mut String, value: &Value) -> Result<(), WriteError> {
    out.push_str("<value>");
    match value {
        Value::Nil => out.push_str("<nil/>"),
        Value::Bool(truth) => push(out, format_args!("<boolean>{}</boolean>", u8::from(*truth))),
        Value::Int(number) => match i32::try_from(*number) {
            Ok(number) => push(out, format_args!("<int>{number}</int>")),
            Err(_) => push(out, format_args!("<i8>{number}</i8>")),
        },
        Value::Double(number) if number.is_finite() => {
            // Debug keeps the ".0" that says that it is no integer.
            push(out, format_args!("<double>{number:?}</double>"));
        }
        Value::Double(number) => return Err(WriteError::NotFinite(*number)),
        Value::String(string) => {
            out.push_str("<string>");
            text(out, string)?;
            out.push_str("</string>");
        }
        Value::Bytes(bytes) => {
            out.push_str("<base64>\n");
            STANDARD.encode_string(bytes, out);
            out.push_str("\n</base64>");
        }
        Value::DateTime(written) => {
            out.push_str("<dateTime.iso8601>");
            text(out, written)?;
            out.push_str("</dateTime.iso8601>");
        }
        Value::Array(items) => {
            out.push_str("<array><data>\n");
            for item in items {
                self::value(out, item)?;
            }
            out.push_str("</data></array>");
        }
        Value::Struct(members) => {
            out.push_str("<struct>\n");
            for (name, member) in members {
                out.push_str("<member>\n<name>");
                text(out, name)?;
                out.push_str("</name>\n");
                self::value(out, member)?;
                out.push_str("</member>\n");
            }
            out.push_str("</struct>");
        }
    }
    out.push_str("</value>\n");
    Ok(())
}

/// Text. A carriage return is written as a reference, because a reader would
/// take it for a line feed (XML 1.0, section 2.11).
fn text(out: &mut String, text: &str) -> Result<(), WriteError> {
    if let Some(character) = text.chars().find(|character| !is_allowed(*character)) {
        let shown = text.chars().take(SHOWN).collect();
        return Err(WriteError::Character { text: shown, character });
    }
    let escaped = partial_escape(text);
    let mut pieces = escaped.split('\r');
    out.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        out.push_str("&#13;");
        out.push_str(piece);
    }
    Ok(())
}

/// Whether XML 1.0 can carry a character (section 2.2).
fn is_allowed(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

fn push(out: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Writing into a String cannot fail.
    let _ = out.write_fmt(arguments);
}
