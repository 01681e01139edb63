//! Prints the effective configuration, for people (YAML that says who set each
//! value) and for programs (JSON).
//!
//! Secrets are files, so only their paths can show. The YAML is a configuration
//! file again: reading it gives the same settings.

use serde_json::Value;

use crate::config::{Key, Origin, Site, secrets::REGISTRIES};

impl Site {
    /// The effective settings as YAML, each with a comment that says who set it.
    pub fn to_yaml(&self) -> String {
        let (mut text, keys) = (String::new(), Self::keys());
        if let Value::Object(settings) = self.to_json() {
            for (name, value) in &settings {
                self.print(&mut text, (name, name), value, 0, &keys);
            }
        }
        text
    }

    /// The effective settings as JSON.
    pub fn to_json(&self) -> Value {
        // Serializing plain structs with text keys into memory cannot fail.
        serde_json::to_value(&self.settings).unwrap_or_default()
    }

    /// Whether what stands below this key are entries, leaves of their own.
    fn is_entry(key: &str, keys: &[Key]) -> bool {
        keys.iter()
            .any(|map| map.is_map && key.strip_prefix(&map.name).is_some_and(|entry| entry.starts_with('.')))
    }

    fn print(&self, text: &mut String, (name, key): (&str, &str), value: &Value, depth: usize, keys: &[Key]) {
        let indent = "  ".repeat(depth);
        match value {
            Value::Object(below) if !below.is_empty() && !Self::is_entry(key, keys) => {
                text.push_str(&format!("{indent}{name}:\n"));
                for (name, value) in below {
                    self.print(text, (name, &format!("{key}.{name}")), value, depth + 1, keys);
                }
            }
            Value::Array(entries) if key == REGISTRIES && !entries.is_empty() => {
                text.push_str(&format!("{indent}{name}:\n"));
                for entry in entries {
                    let host = entry.get("host").and_then(Value::as_str).unwrap_or_default();
                    let origin = self.origins().of(&format!("{REGISTRIES}.{host}"));
                    let line = format!("{indent}- {}", scalar(entry));
                    text.push_str(&format!("{line:<40}  # {}\n", one_line(&origin.to_string())));
                }
            }
            leaf => {
                let line = format!("{indent}{}: {}", scalar(&Value::from(name)), scalar(leaf));
                match self.origins().of(key) {
                    Origin::BuiltIn => text.push_str(&format!("{line}\n")),
                    origin => text.push_str(&format!("{line:<40}  # {}\n", one_line(&origin.to_string()))),
                }
            }
        }
    }
}

/// A value in YAML's flow style, which is JSON but for plain words.
fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) if is_plain(text) => text.clone(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(scalar).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(entries) => {
            let entries: Vec<String> =
                entries.iter().map(|(name, value)| format!("{name}: {}", scalar(value))).collect();
            format!("{{{}}}", entries.join(", "))
        }
        other => other.to_string(),
    }
}

/// Whether a text needs no quotes in any YAML dialect: it begins with a letter
/// and holds nothing with a meaning, and is not one of YAML's words.
fn is_plain(text: &str) -> bool {
    const WORDS: &[&str] = &["true", "false", "yes", "no", "on", "off", "null", "y", "n"];
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"/._-".contains(&b))
        && !WORDS.contains(&text.to_ascii_lowercase().as_str())
}

fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::config::FlagSetting;

    const FILE: &str = "\
builds: {max_running: 2, memory: 2GiB}
platforms: {mips64: {architecture: mips64le, variant: '1.10'}}
registries: [{host: 'localhost:5000', plain_http: true}]
";

    fn site(directory: &std::path::Path) -> (Site, PathBuf) {
        let file = directory.join("site.yaml");
        std::fs::write(&file, FILE).unwrap();
        let environment = [("REACTOR__BUILDS__TIME".to_owned(), "10m".to_owned())];
        let flag = FlagSetting { flag: "--listen", key: "service.listen", text: "127.0.0.1:1".to_owned() };
        (Site::load(std::slice::from_ref(&file), environment, &[flag]).unwrap(), file)
    }

    #[test]
    fn the_print_says_who_set_what_and_reads_back() {
        let directory = tempfile::tempdir().unwrap();
        let (site, file) = site(directory.path());
        let printed = site.to_yaml();
        let line = |start: &str| {
            printed.lines().find(|line| line.trim_start().starts_with(start)).unwrap().trim().to_owned()
        };
        let file = file.display();
        for (start, end) in [
            ("max_running: 2", format!("# {file}:1")),
            ("time: \"10m\"", "# environment variable REACTOR__BUILDS__TIME".to_owned()),
            ("listen: \"127.0.0.1:1\"", "# flag --listen".to_owned()),
            ("mips64: {architecture: mips64le, enabled: true, variant: \"1.10\"}", format!("# {file}:2")),
            ("attempts: 2", "attempts: 2".to_owned()),
        ] {
            assert!(line(start).ends_with(&end), "{start} … {end}\n{printed}");
        }

        let again = directory.path().join("again.yaml");
        std::fs::write(&again, &printed).unwrap();
        let read_back = Site::load(&[again], [], &[]).unwrap();
        assert_eq!(read_back.settings, site.settings);
    }

    #[test]
    fn words_with_a_meaning_are_quoted() {
        for (text, printed) in [
            ("docker.io", "docker.io"),
            ("/run/secrets/token", "/run/secrets/token"),
            ("no", "\"no\""),
            ("1.10", "\"1.10\""),
            ("a: b #c", "\"a: b #c\""),
            ("", "\"\""),
        ] {
            assert_eq!(scalar(&Value::from(text)), printed);
        }
    }
}
