//! Secrets are files, and settings name them. To tell whether two machines have
//! the same one, a fingerprint is enough; the content is never shown. Only for
//! the user of this machine: over the network the path alone is told.

use std::{fs, path::Path};

use sha2::{Digest as _, Sha256};

use super::{Explained, Explanation};

/// Ends of the settings that name a file with a secret.
const SECRET_FILES: &[&str] = &["token_file", "credentials_file", "ssh_key_file", "tls.key_file"];
/// Largest file of which a fingerprint is made, in bytes.
const MAX_SECRET: u64 = 1 << 20;

/// Adds to each setting that names a secret whether the file is there, and a
/// fingerprint of it: eight digits of its SHA-256.
pub fn add_fingerprints(explanation: &mut Explanation) {
    for entry in explanation.entries.iter_mut().filter(|entry| names_a_secret(entry)) {
        entry.value = format!("{} ({})", entry.value, state(Path::new(&entry.value)));
    }
}

fn names_a_secret(entry: &Explained) -> bool {
    entry.path.starts_with("site.")
        && entry.value != "not set"
        && SECRET_FILES.iter().any(|end| entry.path.ends_with(end))
}

fn state(path: &Path) -> String {
    match fs::metadata(path) {
        Ok(file) if file.is_file() && file.len() <= MAX_SECRET => match fs::read(path) {
            Ok(content) => {
                format!("present, fingerprint {}", hex::encode(&Sha256::digest(content.trim_ascii())[..4]))
            }
            Err(_) => "present, not readable".to_owned(),
        },
        Ok(_) => "present".to_owned(),
        Err(_) => "absent".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_shows_its_fingerprint_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("token");
        fs::write(&file, "open sesame\n").unwrap();
        let entry = |path: &str, value: &str| Explained::new(path, value, "flag --x");
        let mut explanation = Explanation {
            entries: vec![
                entry("site.service.worker_token_file", file.to_str().unwrap()),
                entry("site.openshift.token_file", "/nonexistent"),
                entry("site.git.credentials_file", "not set"),
                entry("site.labels.set.token_file_name", "x"),
            ],
        };
        add_fingerprints(&mut explanation);
        let values: Vec<&str> = explanation.entries.iter().map(|entry| entry.value.as_str()).collect();
        assert_eq!(values[0], format!("{} (present, fingerprint 41ef4bb0)", file.display()));
        assert_eq!(values[1..], ["/nonexistent (absent)", "not set", "x"]);
        assert!(!values.concat().contains("sesame"));
    }
}
