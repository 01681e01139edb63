//! `content_sets.yml`: for each architecture, the content sets (sets of package
//! repositories) that the image's packages come from.

use std::collections::BTreeMap;

use common::failure::Failure;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, de::Error as _};

use super::strict::{self, InputFile};

/// Name of the file, beside the Dockerfile. Only with this ending: a file
/// [`OTHER_ENDING`] is not read.
pub const FILE: &str = "content_sets.yml";
/// A name under which people expect the file to be read, too.
pub const OTHER_ENDING: &str = "content_sets.yaml";

const INPUT: InputFile = InputFile {
    name: FILE,
    limit: 64 * 1024,
    code: "source.content_sets",
    code_unknown_key: "source.content_sets",
    code_too_large: "source.content_sets_too_large",
};

/// Content sets by Koji's name of the architecture. An empty file has none, and
/// so has an architecture without a value.
pub type ContentSets = BTreeMap<String, Vec<String>>;

/// Names without blanks.
#[derive(JsonSchema)]
struct Names(Vec<String>);

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let names = Vec::<String>::deserialize(deserializer)?;
        match names.iter().find(|name| name.is_empty() || name.contains(char::is_whitespace)) {
            Some(name) => Err(D::Error::custom(format!("'{name}' is not the name of a content set"))),
            None => Ok(Self(names)),
        }
    }
}

/// Reads the file.
///
/// # Errors
/// It is too large, not YAML, or not a map of lists of names.
pub fn read(text: &[u8]) -> Result<ContentSets, Failure> {
    let read = strict::read::<Option<BTreeMap<String, Option<Names>>>>(&INPUT, text)?;
    let sets = read.value.unwrap_or_default().into_iter();
    Ok(sets.map(|(arch, names)| (arch, names.map(|names| names.0).unwrap_or_default())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn architectures_have_lists_of_names() {
        let read = read(b"x86_64:\n- server-rpms\n- extras-rpms\nppc64le: [a]\ns390x:\n").unwrap();
        assert_eq!(read["x86_64"], ["server-rpms", "extras-rpms"]);
        assert_eq!(read["ppc64le"], ["a"]);
        assert!(read["s390x"].is_empty());
        for empty in ["", "# none\n", "{}"] {
            assert!(super::read(empty.as_bytes()).unwrap().is_empty(), "{empty}");
        }
    }

    #[test]
    fn anything_else_is_refused_with_the_file() {
        for bad in ["- a\n", "x86_64: a\n", "x86_64: [{a: b}]\n", "x86_64: [a b]\n", "x86_64: ['']\n", "a: ["]
        {
            let failure = read(bad.as_bytes()).unwrap_err();
            assert_eq!(failure.code, "source.content_sets", "{bad}");
            assert!(failure.message.starts_with("content_sets.yml: "), "{failure}");
        }
        let long = vec![b'#'; 64 * 1024 + 1];
        assert_eq!(read(&long).unwrap_err().code, "source.content_sets_too_large");
    }
}
