//! Reads one setting from one text, as the environment and flags give it.
//!
//! The type that is asked for decides what the text means, so `1.10` stays text
//! where text is wanted and is an error where a whole number is. Lists are
//! separated by commas. Maps, lists of maps and lists of lists belong into a file.

use std::fmt;

use serde::{
    Deserializer,
    de::{DeserializeOwned, IntoDeserializer, Visitor, value},
    forward_to_deserialize_any,
};

/// Reads `text` as a `T`.
pub(crate) fn read<T: DeserializeOwned>(text: &str) -> Result<T, TextError> {
    T::deserialize(Text { text, is_item: false })
}

/// The text does not say what the setting needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TextError(String);

impl fmt::Display for TextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for TextError {}

impl serde::de::Error for TextError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

impl From<value::Error> for TextError {
    fn from(error: value::Error) -> Self {
        Self(error.to_string())
    }
}

#[derive(Clone, Copy)]
struct Text<'a> {
    text: &'a str,
    /// Whether it is an entry of a list already.
    is_item: bool,
}

impl<'a> IntoDeserializer<'a, TextError> for Text<'a> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'a> Text<'a> {
    fn number<T: std::str::FromStr>(self) -> Result<T, TextError> {
        self.text
            .trim()
            .parse()
            .map_err(|_| TextError(format!("'{}' is not a whole number in range", self.text)))
    }

    fn in_a_file<T>(self) -> Result<T, TextError> {
        Err(TextError("this setting has parts of its own; set it in a configuration file".to_owned()))
    }
}

macro_rules! numbers {
    ($($method:ident $visit:ident),*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TextError> {
            visitor.$visit(self.number()?)
        })*
    };
}

impl<'de> Deserializer<'de> for Text<'de> {
    type Error = TextError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TextError> {
        visitor.visit_str(self.text)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TextError> {
        match self.text.trim() {
            "true" => visitor.visit_bool(true),
            "false" => visitor.visit_bool(false),
            other => Err(TextError(format!("'{other}' is neither true nor false"))),
        }
    }

    numbers!(deserialize_u8 visit_u8, deserialize_u16 visit_u16, deserialize_u32 visit_u32, deserialize_u64 visit_u64);

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TextError> {
        if self.text.is_empty() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, TextError> {
        if self.is_item {
            return self.in_a_file();
        }
        let items = self.text.split(',').map(str::trim).filter(|item| !item.is_empty());
        let items = items.map(|text| Text { text, is_item: true });
        visitor.visit_seq(value::SeqDeserializer::new(items))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, TextError> {
        visitor.visit_enum(IntoDeserializer::<TextError>::into_deserializer(self.text))
    }

    fn deserialize_map<V: Visitor<'de>>(self, _: V) -> Result<V::Value, TextError> {
        self.in_a_file()
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, TextError> {
        self.in_a_file()
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u128 f32 f64 char str string bytes byte_buf unit unit_struct newtype_struct
        tuple tuple_struct identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, path::PathBuf};

    use common::{platform::Platform, request::FailurePolicy};

    use super::*;
    use crate::config::{Period, Size};

    #[test]
    fn the_type_decides_what_a_text_means() {
        assert_eq!(read::<String>("1.10").unwrap(), "1.10");
        assert_eq!(read::<u32>("8").unwrap(), 8);
        assert!(read::<bool>("true").unwrap());
        assert_eq!(read::<Option<PathBuf>>("/a: b").unwrap(), Some(PathBuf::from("/a: b")));
        assert_eq!(read::<Option<PathBuf>>("").unwrap(), None);
        assert_eq!(read::<Period>("15s").unwrap(), Period::from_secs(15));
        assert_eq!(read::<Option<Size>>("1KiB").unwrap(), Some(Size::from_bytes(1024)));
        assert_eq!(read::<FailurePolicy>("stop_others").unwrap(), FailurePolicy::StopOthers);
        let platforms: Vec<Platform> = read("x86_64, aarch64").unwrap();
        assert_eq!(platforms.iter().map(Platform::as_str).collect::<Vec<_>>(), ["x86_64", "aarch64"]);
        assert!(read::<Vec<Platform>>("").unwrap().is_empty());
    }

    #[test]
    fn a_wrong_text_says_why() {
        for (error, part) in [
            (read::<u32>("many").unwrap_err(), "whole number"),
            (read::<u32>("-1").unwrap_err(), "whole number"),
            (read::<bool>("yes").unwrap_err(), "neither true nor false"),
            (read::<FailurePolicy>("stop").unwrap_err(), "stop_others"),
            (read::<Period>("15").unwrap_err(), "unit"),
            (read::<BTreeMap<String, String>>("a=b").unwrap_err(), "configuration file"),
            (read::<Vec<Vec<String>>>("a,b").unwrap_err(), "configuration file"),
        ]
        .map(|(error, part)| (error.to_string(), part))
        {
            assert!(error.contains(part), "{error}");
        }
    }
}
