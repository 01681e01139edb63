//! Secrets are files, and settings name them. To tell whether two machines have
//! the same one, a fingerprint is enough; the content is never shown. Only for
//! the user of this machine: over the network the path alone is told.

use super::Explained;
use crate::config::{SecretFile, Site};

/// Adds to each setting of the site that names secrets whether the files are
/// there, and the fingerprint of each. Reads them.
pub fn add_fingerprints(settings: &mut [Explained], site: &Site) {
    for entry in settings {
        let Some(key) = entry.path.strip_prefix("site.") else { continue };
        let files = site.secret_files(key);
        let told: Vec<String> = files
            .iter()
            .map(|file| {
                let path = file.path.to_string_lossy();
                if path == entry.value { state(file) } else { format!("{path}: {}", state(file)) }
            })
            .collect();
        if !told.is_empty() {
            entry.value = format!("{} ({})", entry.value, told.join("; "));
        }
    }
}

fn state(file: &SecretFile) -> String {
    match &file.fingerprint {
        Some(fingerprint) => format!("present, fingerprint {fingerprint}"),
        None if file.present => "present".to_owned(),
        None => "absent".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::Settings, plan::joints};

    #[test]
    fn a_secret_shows_its_fingerprint_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("token");
        std::fs::write(&file, "open sesame\n").unwrap();
        let mut settings = Settings::default();
        settings.service.worker_token_file = Some(file.clone());
        settings.openshift.token_file = Some("/nonexistent".into());
        settings.openshift.certificate_directory = Some(directory.path().to_owned());
        settings.labels.set.insert("x.token_file".into(), file.display().to_string());
        let site = Site::default().with_settings(settings);
        let bare = joints::site_leaves(&site);
        let mut leaves = bare.clone();
        add_fingerprints(&mut leaves, &site);
        let value = |path: &str| &leaves.iter().find(|leaf| leaf.path == path).unwrap().value;
        let fingerprint = &site.secret_files("service.worker_token_file")[0].fingerprint.clone().unwrap();
        assert_eq!(
            *value("site.service.worker_token_file"),
            format!("{} (present, fingerprint {fingerprint})", file.display())
        );
        assert_eq!(value("site.openshift.token_file"), "/nonexistent (absent)");
        assert!(value("site.openshift.certificate_directory").contains("/key: absent)"));
        assert_eq!(value("site.git.credentials_file"), "not set");
        assert_eq!(*value("site.labels.set.x.token_file"), file.display().to_string());
        assert!(!leaves.iter().any(|leaf| leaf.value.contains("sesame")));
        // What goes over the network knows of no file.
        assert!(!bare.iter().any(|leaf| leaf.value.contains("fingerprint") || leaf.value.contains("absent")));
    }
}
