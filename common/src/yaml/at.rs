//! Reads the value of one key, whatever stands elsewhere.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, DeserializeSeed, IgnoredAny, MapAccess, Visitor},
};

use crate::yaml::{YamlError, checked};

/// Reads what stands at `path` in a YAML document; no path means the whole.
/// `None` if there is nothing, or no value. Errors quote no lines, so that
/// what stands beside the key is not shown.
///
/// # Errors
/// As of [`read`](crate::yaml::read); what other keys have is not looked at.
pub fn read_at<T: DeserializeOwned>(file: &str, text: &[u8], path: &[&str]) -> Result<Option<T>, YamlError> {
    let text = checked(file, text)?;
    let options = serde_saphyr::options! { with_snippet: false };
    let seed = At { path, value: PhantomData };
    serde_saphyr::with_deserializer_from_str_with_options(text, options, |document| {
        seed.deserialize(document)
    })
    .map_err(|error| YamlError { file: file.to_owned(), reason: error.to_string() })
}

/// The value at a path of what comes next.
struct At<'a, T> {
    path: &'a [&'a str],
    value: PhantomData<T>,
}

impl<'de, T: Deserialize<'de>> DeserializeSeed<'de> for At<'_, T> {
    type Value = Option<T>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<T>, D::Error> {
        if self.path.is_empty() {
            Option::<T>::deserialize(deserializer)
        } else {
            deserializer.deserialize_option(self)
        }
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for At<'_, T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a map with the key {:?}", self.path.first().unwrap_or(&""))
    }

    fn visit_none<E>(self) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<T>, D::Error> {
        deserializer.deserialize_map(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Option<T>, A::Error> {
        let Some((wanted, below)) = self.path.split_first() else { return Ok(None) };
        let mut found = None;
        while let Some(key) = map.next_key::<String>()? {
            if key == *wanted {
                found = map.next_value_seed(At { path: below, value: PhantomData })?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] = b"a: {b: 1.10, c: [x]}\nd: secret\nempty:\n";

    #[test]
    fn one_key_is_read_and_the_rest_passed_over() {
        let at = |path: &[&str]| read_at::<String>("x.yaml", TEXT, path).unwrap();
        assert_eq!(at(&["a", "b"]).as_deref(), Some("1.10"));
        assert_eq!(at(&["empty", "b"]), None);
        assert_eq!(at(&["empty"]), None);
        assert_eq!(at(&["absent"]), None);
        assert_eq!(read_at::<Vec<String>>("x.yaml", TEXT, &["a", "c"]).unwrap().unwrap(), ["x"]);
        assert_eq!(read_at::<String>("x.yaml", b"# nothing\n", &["a"]).unwrap(), None);
    }

    #[test]
    fn errors_name_the_place_and_show_nothing_else() {
        for path in [&["a", "c"][..], &["d", "b"], &["a"]] {
            let error = read_at::<String>("x.yaml", TEXT, path).unwrap_err().to_string();
            assert!(error.starts_with("x.yaml: ") && error.contains("line"), "{error}");
            assert_eq!(error.lines().count(), 1, "{error}");
        }
    }
}
