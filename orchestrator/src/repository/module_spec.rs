//! How a module is named in a compose: one parser for every place.

use std::{fmt, str::FromStr};

use common::ParseError;

/// A module's name, stream, version and profile. Example: `eog:f26`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModuleSpec {
    /// Name.
    pub name: String,
    /// Stream.
    pub stream: String,
    /// Version; `None` means the newest.
    pub version: Option<String>,
    /// Profile.
    pub profile: Option<String>,
}

impl FromStr for ModuleSpec {
    type Err = ParseError;

    /// Reads, in this order: `NAME:STREAM:VERSION[/PROFILE]`,
    /// `NAME:STREAM[/PROFILE]`, `NAME-STREAM-VERSION` with a version of exactly
    /// 14 digits, and `NAME-STREAM`, parted at the last dash.
    fn from_str(text: &str) -> Result<Self, ParseError> {
        let bad = || ParseError::new("module", text, "expected NAME:STREAM[:VERSION][/PROFILE]");
        let sound = |c: char| c.is_ascii_alphanumeric() || "._+~^-:/".contains(c);
        if !text.chars().all(sound) || text.len() > 256 {
            return Err(bad());
        }
        let (name, stream, version, profile) = if text.contains(':') {
            let (whole, profile) = match text.split_once('/') {
                Some((whole, profile)) => (whole, Some(profile)),
                None => (text, None),
            };
            let mut parts = whole.split(':');
            match (parts.next(), parts.next(), parts.next(), parts.next()) {
                (Some(name), Some(stream), version, None) => (name, stream, version, profile),
                _ => return Err(bad()),
            }
        } else {
            let (rest, last) = text.rsplit_once('-').ok_or_else(bad)?;
            let is_version = last.len() == 14 && last.bytes().all(|b| b.is_ascii_digit());
            match rest.rsplit_once('-').filter(|_| is_version) {
                Some((name, stream)) => (name, stream, Some(last), None),
                None => (rest, last, None, None),
            }
        };
        let parts = [Some(name), Some(stream), version, profile];
        if parts.into_iter().flatten().any(|part| part.is_empty() || part.contains(['/', ':'])) {
            return Err(bad());
        }
        Ok(Self {
            name: name.to_owned(),
            stream: stream.to_owned(),
            version: version.map(str::to_owned),
            profile: profile.map(str::to_owned),
        })
    }
}

impl fmt::Display for ModuleSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.name, self.stream)?;
        if let Some(version) = &self.version {
            write!(f, ":{version}")?;
        }
        if let Some(profile) = &self.profile {
            write!(f, "/{profile}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read() {
        // case, text, how it is written back
        let cases = [
            ("MODS-1", "eog", None),
            ("MODS-1", "eog:f26", Some("eog:f26")),
            ("MODS-1", "eog:f26/default", Some("eog:f26/default")),
            ("MODS-1", "eog-f26", Some("eog:f26")),
            ("MODS-1", "eog:f26:20170629213428/default", Some("eog:f26:20170629213428/default")),
            ("MODS-1", "a-b-c-20176291342855", Some("a-b:c:20176291342855")),
            ("MODS-1", "a-b-c-d", Some("a-b-c:d")),
            ("MODS-1", "a:b:c:d", None),
            ("one digit less", "a-b-c-2017629134285", Some("a-b-c:2017629134285")),
            ("only two parts", "b-20176291342855", Some("b:20176291342855")),
            ("empty", "", None),
            ("nothing before the colon", ":f26", None),
            ("nothing after it", "eog:", None),
            ("empty profile", "eog:f26/", None),
            ("two profiles", "eog:f26/a/b", None),
            ("nothing after the dash", "eog-", None),
            ("a blank", "eog:f 26", None),
        ];
        for (case, text, expected) in cases {
            let read = text.parse::<ModuleSpec>().ok().map(|spec| spec.to_string());
            assert_eq!(read.as_deref(), expected, "{case}: {text}");
        }
    }
}
