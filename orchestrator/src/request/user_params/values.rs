//! JSON values as user parameters have them, and what is wrong with others.

use std::{collections::BTreeSet, fmt, str::FromStr};

use common::{ParseError, failure::Failure};
use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, Visitor},
};
use serde_json::Value;

use super::{bad_value, keys::Kind};

/// A JSON object that says each key once; plain maps let the last one win.
pub(super) struct Object(pub(super) Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Keys;
        impl<'de> Visitor<'de> for Keys {
            type Value = Object;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
                let mut seen = BTreeSet::new();
                let mut object = Object(Vec::new());
                while let Some((key, value)) = map.next_entry::<String, Value>()? {
                    if !seen.insert(key.clone()) {
                        return Err(A::Error::custom(format!("the key '{key}' is there twice")));
                    }
                    object.0.push((key, value));
                }
                Ok(object)
            }
        }
        deserializer.deserialize_map(Keys)
    }
}

impl Kind {
    /// Whether the value is one of this kind.
    pub(super) fn check(self, name: &str, value: &Value) -> Result<(), Failure> {
        let all = |is: fn(&Value) -> bool| value.as_array().is_some_and(|list| list.iter().all(is));
        let (fits, expected) = match self {
            Self::Text => (value.is_string(), "expected a text"),
            Self::Number => (value.is_u64(), "expected a whole number above 0"),
            Self::Flag => (value.is_boolean(), "expected true or false, without quotes"),
            Self::TextOrNumber => (value.is_string() || value.is_u64(), "expected a text or a number"),
            Self::Texts => (all(Value::is_string), "expected a list of texts"),
            Self::Numbers => (all(Value::is_u64), "expected a list of whole numbers"),
            Self::Anything => (true, ""),
        };
        if fits { Ok(()) } else { Err(bad_value(name, value, expected)) }
    }
}

pub(super) fn text(value: &Value) -> Option<String> {
    value.as_str().map(str::to_owned)
}

pub(super) fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(text).collect()
}

pub(super) fn numbers(value: &Value) -> Vec<u64> {
    value.as_array().into_iter().flatten().filter_map(Value::as_u64).collect()
}

pub(super) fn parsed<T: FromStr<Err = ParseError>>(name: &str, value: &Value) -> Result<T, Failure> {
    let text = value.as_str().unwrap_or_default();
    text.parse().map_err(|error: ParseError| bad_value(name, value, &error.reason))
}

pub(super) fn parsed_list<T: FromStr<Err = ParseError>>(
    name: &str,
    value: &Value,
) -> Result<Vec<T>, Failure> {
    value.as_array().into_iter().flatten().map(|element| parsed(name, element)).collect()
}
