//! The only door to the INI crate: `image-build.conf`, `.osbs-repo-config`, and
//! repository files.
//!
//! Values are taken as they are written: quotes, backslashes and percent signs
//! mean themselves. Names of options are in lower case, for the programs that
//! these files were made for do not tell the cases apart.

use configparser::ini::Ini;

/// A section and its options, in the order of the file. Where one is set twice,
/// the last value counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Section {
    /// Its name; empty for what stands before the first one.
    pub name: String,
    /// Options and values.
    pub options: Vec<(String, String)>,
}

/// Not an INI file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IniError {
    /// Not text.
    #[error("it is not UTF-8: {0}")]
    NotText(std::str::Utf8Error),
    /// A line that is neither a section nor an option.
    #[error("{0}")]
    Syntax(String),
}

impl Section {
    /// The value of an option.
    pub fn get(&self, option: &str) -> Option<&str> {
        self.options.iter().find(|(name, _)| name == option).map(|(_, value)| value.as_str())
    }

    /// Sets an option.
    pub fn set(&mut self, option: &str, value: &str) {
        match self.options.iter_mut().find(|(name, _)| name == option) {
            Some((_, old)) => value.clone_into(old),
            None => self.options.push((option.to_owned(), value.to_owned())),
        }
    }
}

/// Reads a text. The caller has bounded its size.
///
/// # Errors
/// See [`IniError`].
pub fn read(text: &[u8]) -> Result<Vec<Section>, IniError> {
    let text = std::str::from_utf8(text).map_err(IniError::NotText)?;
    let mut ini = Ini::new_cs();
    ini.set_default_section("");
    ini.set_comment_symbols(&['#', ';']);
    ini.set_inline_comment_symbols(Some(&[]));
    ini.set_multiline(true);
    let read = ini.read(text.to_owned()).map_err(IniError::Syntax)?;
    let mut sections: Vec<Section> = Vec::new();
    for (name, options) in read {
        let mut section = Section { name, options: Vec::new() };
        for (option, value) in options {
            let value = value
                .ok_or_else(|| IniError::Syntax(format!("'{option}' has no value; write '{option} ='")))?;
            section.set(&option.to_lowercase(), &value);
        }
        if !section.name.is_empty() || !section.options.is_empty() {
            sections.push(section);
        }
    }
    Ok(sections)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_taken_as_they_are() {
        let text = "\
# comment
[one]
Name = \"quoted\" 100% %(x)s C:\\new
url: http://h/p?a=b#c
empty =
many = a
  b
; comment
[two]
name=x
[one]
name = last
";
        let read = read(text.as_bytes()).unwrap();
        assert_eq!(read.iter().map(|section| section.name.as_str()).collect::<Vec<_>>(), ["one", "two"]);
        assert_eq!(read[0].get("name"), Some("last"));
        assert_eq!(read[0].get("url"), Some("http://h/p?a=b#c"));
        assert_eq!(read[0].get("empty"), Some(""));
        assert_eq!(read[0].get("many").map(|many| many.split_whitespace().count()), Some(2));
        let plain = super::read(b"[a]\nx = \"quoted\" 100% %(x)s C:\\new\n").unwrap();
        assert_eq!(plain[0].get("x"), Some("\"quoted\" 100% %(x)s C:\\new"));
    }

    #[test]
    fn mistakes_are_told() {
        assert!(matches!(read(b"[a]\nx = 1\nnonsense\n"), Err(IniError::Syntax(_))));
        assert!(matches!(read(b"\xff"), Err(IniError::NotText(_))));
        assert_eq!(read(b""), Ok(Vec::new()));
    }
}
