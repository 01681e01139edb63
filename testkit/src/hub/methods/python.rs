//! Values as Python sees and prints them, since a hub complains in its words.
//!
//! Metadata is looked at without any check of its form. What is not as expected
//! ends in an exception that nobody catches, whose class and text are answered.

use koji_bridge::xmlrpc::{Fault, Value};
use serde_json::{Map, Value as Json};

use crate::hub::context::fault;

/// The name of a value's class.
pub(super) fn class(value: &Json) -> &'static str {
    match value {
        Json::Null => "NoneType",
        Json::Bool(_) => "bool",
        Json::Number(number) if number.is_f64() => "float",
        Json::Number(_) => "int",
        Json::String(_) => "str",
        Json::Array(_) => "list",
        Json::Object(_) => "dict",
    }
}

/// A value as `repr` prints it.
pub(super) fn repr(value: &Json) -> String {
    match value {
        Json::Null => "None".to_owned(),
        Json::Bool(true) => "True".to_owned(),
        Json::Bool(false) => "False".to_owned(),
        Json::Number(number) => number.to_string(),
        Json::String(text) => quoted(text),
        Json::Array(items) => {
            let items: Vec<String> = items.iter().map(repr).collect();
            format!("[{}]", items.join(", "))
        }
        Json::Object(members) => {
            let members: Vec<String> =
                members.iter().map(|(name, member)| format!("{}: {}", quoted(name), repr(member))).collect();
            format!("{{{}}}", members.join(", "))
        }
    }
}

/// A value as `str` prints it.
pub(super) fn text(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        other => repr(other),
    }
}

/// Text in Python's quotes.
pub(super) fn quoted(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut out = String::from(quote);
    for character in text.chars() {
        match character {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{0}'..='\u{1f}' | '\u{7f}' => out.push_str(&format!("\\x{:02x}", u32::from(character))),
            _ if character == quote => {
                out.push('\\');
                out.push(character);
            }
            _ => out.push(character),
        }
    }
    out.push(quote);
    out
}

/// Whether Python takes a value for true.
pub(super) fn truth(value: &Json) -> bool {
    match value {
        Json::Null => false,
        Json::Bool(truth) => *truth,
        Json::Number(number) => number.as_f64() != Some(0.0),
        Json::String(text) => !text.is_empty(),
        Json::Array(items) => !items.is_empty(),
        Json::Object(members) => !members.is_empty(),
    }
}

/// A value that came over XML-RPC as JSON.
pub(super) fn from_wire(value: &Value) -> Json {
    serde_json::to_value(value).unwrap_or_default()
}

/// The exception of a key that is not there.
pub(super) fn no_key(name: &str) -> Fault {
    fault::uncaught("KeyError", &quoted(name))
}

/// `value[name]`.
///
/// # Errors
/// There is no such key, or the value has no keys.
pub(super) fn key<'a>(value: &'a Json, name: &str) -> Result<&'a Json, Fault> {
    match value {
        Json::Object(members) => members.get(name).ok_or_else(|| no_key(name)),
        Json::Array(_) => {
            Err(fault::uncaught("TypeError", "list indices must be integers or slices, not str"))
        }
        Json::String(_) => Err(fault::uncaught("TypeError", "string indices must be integers, not 'str'")),
        other => {
            Err(fault::uncaught("TypeError", &format!("'{}' object is not subscriptable", class(other))))
        }
    }
}

/// A dictionary's members, for `value.get(…)`.
///
/// # Errors
/// It is no dictionary.
pub(super) fn members(value: &Json) -> Result<&Map<String, Json>, Fault> {
    value.as_object().ok_or_else(|| {
        let text = format!("'{}' object has no attribute 'get'", class(value));
        fault::uncaught("AttributeError", &text)
    })
}

/// What a list has, for `for … in value`.
///
/// # Errors
/// It is no list.
pub(super) fn items(value: &Json) -> Result<&[Json], Fault> {
    value
        .as_array()
        .map(Vec::as_slice)
        .ok_or_else(|| fault::uncaught("TypeError", &format!("'{}' object is not iterable", class(value))))
}

/// `needle in value`, for a dictionary's keys and a text's pieces.
///
/// # Errors
/// The value cannot be searched.
pub(super) fn holds(value: &Json, needle: &str) -> Result<bool, Fault> {
    match value {
        Json::Object(members) => Ok(members.contains_key(needle)),
        Json::String(text) => Ok(text.contains(needle)),
        Json::Array(items) => Ok(items.iter().any(|item| item.as_str() == Some(needle))),
        other => {
            let text = format!("argument of type '{}' is not iterable", class(other));
            Err(fault::uncaught("TypeError", &text))
        }
    }
}

/// `int(value)`, with the hub's complaint.
///
/// # Errors
/// It is no integer, nor text of one: fault 1019.
pub(super) fn integer(value: &Json) -> Result<i64, Fault> {
    let number = match value {
        Json::Null => return Err(fault::parameter("Invalid type, expected type <class 'int'>")),
        Json::Bool(truth) => Some(i64::from(*truth)),
        // A cast that saturates is as good as any for numbers beyond 64 bits.
        Json::Number(number) => number.as_i64().or_else(|| number.as_f64().map(|number| number as i64)),
        Json::String(text) => text.trim().parse().ok(),
        Json::Array(_) | Json::Object(_) => None,
    };
    number.ok_or_else(|| {
        fault::parameter(format!(
            "Invalid type for value '{}': <class '{}'>, expected type <class 'int'>",
            text(value),
            class(value)
        ))
    })
}

/// `float(value)`.
///
/// # Errors
/// It is no number, nor text of one.
pub(super) fn float(value: &Json) -> Result<f64, Fault> {
    match value {
        Json::Bool(truth) => Ok(f64::from(u8::from(*truth))),
        Json::Number(number) => Ok(number.as_f64().unwrap_or_default()),
        Json::String(text) => text.trim().parse().map_err(|_| {
            fault::uncaught("ValueError", &format!("could not convert string to float: {}", quoted(text)))
        }),
        other => {
            let class = class(other);
            let text = format!("float() argument must be a string or a real number, not '{class}'");
            Err(fault::uncaught("TypeError", &text))
        }
    }
}
