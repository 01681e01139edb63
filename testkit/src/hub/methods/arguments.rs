//! Reads arguments that have been brought to their names.

use koji_bridge::xmlrpc::{Arguments, Fault, Value};

use crate::hub::context::fault;

/// An argument; `None` if it is absent or nil.
pub fn given<'a>(arguments: &'a Arguments, name: &str) -> Option<&'a Value> {
    arguments.named.get(name).filter(|value| !matches!(value, Value::Nil))
}

/// Whether an argument is given and true, as Python counts truth.
pub fn flag(arguments: &Arguments, name: &str) -> bool {
    given(arguments, name).is_some_and(truth)
}

/// Text that may be absent.
///
/// # Errors
/// It is given and no text: fault 1019.
pub fn text<'a>(arguments: &'a Arguments, name: &str) -> Result<Option<&'a str>, Fault> {
    match given(arguments, name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(other) => Err(wrong_type(other, "str")),
    }
}

/// Text that must be there.
///
/// # Errors
/// It is absent or no text: fault 1019.
pub fn required_text<'a>(arguments: &'a Arguments, name: &str) -> Result<&'a str, Fault> {
    text(arguments, name)?.ok_or_else(|| wrong_type(&Value::Nil, "str"))
}

/// An integer that may be absent. Text of digits is taken for one.
///
/// # Errors
/// It is given and no integer: fault 1019.
pub fn integer(arguments: &Arguments, name: &str) -> Result<Option<i64>, Fault> {
    match given(arguments, name) {
        None => Ok(None),
        Some(Value::Int(number)) => Ok(Some(*number)),
        Some(Value::Bool(truth)) => Ok(Some(i64::from(*truth))),
        Some(value @ Value::String(text)) => match text.trim().parse() {
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(wrong_type(value, "int")),
        },
        Some(other) => Err(wrong_type(other, "int")),
    }
}

/// An integer that must be there.
///
/// # Errors
/// It is absent or no integer: fault 1019.
pub fn required_integer(arguments: &Arguments, name: &str) -> Result<i64, Fault> {
    integer(arguments, name)?.ok_or_else(|| wrong_type(&Value::Nil, "int"))
}

/// Whether Python takes a value for true.
pub fn truth(value: &Value) -> bool {
    match value {
        Value::Nil => false,
        Value::Bool(truth) => *truth,
        Value::Int(number) => *number != 0,
        Value::Double(number) => *number != 0.0,
        Value::String(text) | Value::DateTime(text) => !text.is_empty(),
        Value::Bytes(bytes) => !bytes.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Struct(members) => !members.is_empty(),
    }
}

/// The complaint about a value of a wrong type. `expected` is Python's name of the
/// right one.
pub fn wrong_type(value: &Value, expected: &str) -> Fault {
    let (class, shown) = match value {
        Value::Nil => ("NoneType", "None".to_owned()),
        Value::Bool(true) => ("bool", "True".to_owned()),
        Value::Bool(false) => ("bool", "False".to_owned()),
        Value::Int(number) => ("int", number.to_string()),
        Value::Double(number) => ("float", format!("{number:?}")),
        Value::String(text) => ("str", text.clone()),
        Value::Bytes(_) => ("bytes", "…".to_owned()),
        Value::DateTime(text) => ("xmlrpc.client.DateTime", text.clone()),
        Value::Array(_) => ("list", "[…]".to_owned()),
        Value::Struct(_) => ("dict", "{…}".to_owned()),
    };
    fault::parameter(format!(
        "Invalid type for value '{shown}': <class '{class}'>, expected type <class '{expected}'>"
    ))
}
