//! Several calls in one: each is answered or refused by itself.

use std::collections::BTreeMap;

use super::{Answer, Arguments, Call, Fault, Value, ValueError};

/// The method that carries several calls.
pub const MULTICALL: &str = "multiCall";

/// The call that carries these calls.
pub fn write_multicall(calls: &[Call]) -> Call {
    let one = |call: &Call| {
        Value::Struct(BTreeMap::from([
            ("methodName".to_owned(), Value::String(call.method.clone())),
            ("params".to_owned(), Value::Array(call.arguments.to_parameters())),
        ]))
    };
    let calls = Value::Array(calls.iter().map(one).collect());
    Call::new(MULTICALL, Arguments::none().with(calls))
}

/// The answers of `count` calls, in their order: a list with one element is a
/// result, a struct is a fault.
///
/// # Errors
/// The value is no answer to that many calls.
pub fn read_multicall(value: Value, count: usize) -> Result<Vec<Answer>, ValueError> {
    let Value::Array(entries) = value else {
        let text = format!("a multicall is answered with a list, not with {}", value.kind());
        return Err(ValueError::new(text));
    };
    if entries.len() != count {
        let text = format!("{count} calls were answered with {} results", entries.len());
        return Err(ValueError::new(text));
    }
    entries.into_iter().map(read_entry).collect()
}

fn read_entry(entry: Value) -> Result<Answer, ValueError> {
    match entry {
        Value::Array(mut one) if one.len() == 1 => Ok(Ok(one.pop().unwrap_or(Value::Nil))),
        Value::Struct(members) => {
            let code = members.get("faultCode").and_then(Value::as_i64);
            let text = members.get("faultString").and_then(Value::as_str);
            match (code, text) {
                (Some(code), Some(text)) => Ok(Err(Fault::new(code, text))),
                _ => {
                    Err(ValueError::new("a call in a multicall was answered with a struct that is no fault"))
                }
            }
        }
        other => {
            let text = format!("a call in a multicall was answered with {}", other.kind());
            Err(ValueError::new(text))
        }
    }
}
