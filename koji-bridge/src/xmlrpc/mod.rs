//! XML-RPC as Koji hubs speak it: values, calls, answers and faults.
//!
//! The dialect is Python's with nil and 64-bit integers always allowed. A
//! document is read into a [`Value`] first and from there, through serde, into
//! the types that the callers have; writing goes the other way. Koji's own two
//! conventions are here too: named arguments, which travel as a last struct with
//! the member `__starstar`, and multicalls.

mod arguments;
mod de;
mod error;
mod fault;
mod multicall;
mod read;
mod ser;
mod write;

use std::collections::BTreeMap;

pub use arguments::{Arguments, STARSTAR};
pub use de::from_value;
pub use error::{ReadError, ValueError, WriteError};
pub use fault::Fault;
pub use multicall::{MULTICALL, read_multicall, write_multicall};
pub use ser::to_value;

/// A value of XML-RPC.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Nothing (`nil`).
    Nil,
    /// A truth value.
    Bool(bool),
    /// An integer: `int` on the wire when it has 32 bits, else `i8`.
    Int(i64),
    /// A floating-point number.
    Double(f64),
    /// Text.
    String(String),
    /// Bytes (`base64`).
    Bytes(Vec<u8>),
    /// A point in time as it was written (`dateTime.iso8601`). Example:
    /// `20180425T18:31:00`.
    DateTime(String),
    /// A list.
    Array(Vec<Value>),
    /// Members by name. Of two with one name the later counts.
    Struct(BTreeMap<String, Value>),
}

impl Value {
    /// What kind of value it is, for errors.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Nil => "nil",
            Self::Bool(_) => "a boolean",
            Self::Int(_) => "an integer",
            Self::Double(_) => "a double",
            Self::String(_) => "a string",
            Self::Bytes(_) => "base64",
            Self::DateTime(_) => "a date and time",
            Self::Array(_) => "an array",
            Self::Struct(_) => "a struct",
        }
    }

    /// A member of a struct; `None` for other values and other names.
    pub fn get(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Struct(members) => members.get(name),
            _ => None,
        }
    }

    /// The text of a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The number of an integer.
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(*number),
            _ => None,
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::String(text)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Self::Bool(truth)
    }
}

/// A call of a method.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// The method's name. Example: `getBuild`.
    pub method: String,
    /// What it is called with.
    pub arguments: Arguments,
}

impl Call {
    /// A call.
    pub fn new(method: impl Into<String>, arguments: Arguments) -> Self {
        Self { method: method.into(), arguments }
    }

    /// Writes a `methodCall` document.
    ///
    /// # Errors
    /// Text or a name has a character that XML 1.0 cannot carry.
    pub fn to_xml(&self) -> Result<String, WriteError> {
        write::call(&self.method, &self.arguments.to_parameters())
    }

    /// Reads a `methodCall` document.
    ///
    /// # Errors
    /// It is not one, or not well-formed.
    pub fn from_xml(document: &[u8]) -> Result<Self, ReadError> {
        let (method, parameters) = read::call(document)?;
        Ok(Self { method, arguments: Arguments::from_parameters(parameters) })
    }
}

/// What a call ends with.
pub type Answer = Result<Value, Fault>;

/// Writes a `methodResponse` document.
///
/// # Errors
/// Text or a name has a character that XML 1.0 cannot carry.
pub fn write_answer(answer: &Answer) -> Result<String, WriteError> {
    write::answer(answer)
}

/// Reads a `methodResponse` document.
///
/// # Errors
/// It is not one, or not well-formed.
pub fn read_answer(document: &[u8]) -> Result<Answer, ReadError> {
    read::answer(document)
}

#[cfg(test)]
mod tests;
