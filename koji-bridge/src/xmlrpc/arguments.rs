//! Arguments of a call: by position, then by name.

use std::collections::BTreeMap;

use super::Value;

/// The member that marks a struct of named arguments.
pub const STARSTAR: &str = "__starstar";

/// Arguments of a call. Named ones travel as one more parameter at the end: a
/// struct with all of them and the member `__starstar`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Arguments {
    /// By position.
    pub positional: Vec<Value>,
    /// By name.
    pub named: BTreeMap<String, Value>,
}

impl Arguments {
    /// No arguments.
    pub fn none() -> Self {
        Self::default()
    }

    /// The same with one more positional argument.
    #[must_use]
    pub fn with(mut self, value: impl Into<Value>) -> Self {
        self.positional.push(value.into());
        self
    }

    /// The same with a named argument.
    #[must_use]
    pub fn named(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.named.insert(name.to_owned(), value.into());
        self
    }

    /// The parameters as they travel.
    pub fn to_parameters(&self) -> Vec<Value> {
        let mut parameters = self.positional.clone();
        if !self.named.is_empty() {
            let mut members = self.named.clone();
            members.insert(STARSTAR.to_owned(), Value::Bool(true));
            parameters.push(Value::Struct(members));
        }
        parameters
    }

    /// The arguments that parameters stand for.
    pub fn from_parameters(mut parameters: Vec<Value>) -> Self {
        let mut named = BTreeMap::new();
        if let Some(Value::Struct(members)) = parameters.last_mut()
            && members.get(STARSTAR) == Some(&Value::Bool(true))
        {
            members.remove(STARSTAR);
            named = std::mem::take(members);
            parameters.pop();
        }
        Self { positional: parameters, named }
    }
}
