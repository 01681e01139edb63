//! Files that are named must be there, so that a typo shows at start and not in
//! the middle of the first build.

use std::path::Path;

use crate::config::{Problem, check::Checks, secrets};

impl Checks<'_> {
    pub(super) fn files(&mut self) {
        let site = self.site;
        let named = [
            ("service.worker_token_file", &site.service.worker_token_file),
            ("service.client_token_file", &site.service.client_token_file),
            ("service.tls.certificate_file", &site.service.tls.certificate_file),
            ("service.tls.key_file", &site.service.tls.key_file),
            ("git.credentials_file", &site.git.credentials_file),
            ("git.ssh_key_file", &site.git.ssh_key_file),
            ("git.ssh_known_hosts_file", &site.git.ssh_known_hosts_file),
            ("workers.local.program", &site.workers.local.program),
            ("workers.local.registry_config", &site.workers.local.registry_config),
            ("koji.tls.ca_file", &site.koji.tls.ca_file),
            ("koji.tls.certificate_file", &site.koji.tls.certificate_file),
            ("koji.tls.key_file", &site.koji.tls.key_file),
            ("mail.ca_file", &site.mail.ca_file),
            ("mail.password_file", &site.mail.password_file),
            ("openshift.token_file", &site.openshift.token_file),
        ];
        for (key, file) in named {
            if let Some(file) = file {
                self.file(key, file);
            }
        }
        for registry in &site.registries {
            if let Some(file) = &registry.ca_file {
                self.file("registries", file);
            }
            // It may be a directory that holds one of Docker's files.
            if let Some(file) = registry.credentials_file.as_deref().filter(|file| !file.is_dir()) {
                self.file("registries", file);
            }
        }
        for file in site.webhooks.iter().filter_map(|webhook| webhook.secret_file.as_deref()) {
            self.file("webhooks", file);
        }
        for (key, directory, names) in secrets::DIRECTORIES {
            if let Some(directory) = directory(site) {
                for name in *names {
                    self.file(key, &directory.join(name));
                }
            }
        }
    }

    fn file(&mut self, key: &str, file: &Path) {
        match std::fs::File::open(file).and_then(|opened| opened.metadata()) {
            Ok(metadata) if metadata.is_file() => {}
            Ok(_) => self.invalid(Problem::File, key, format!("{} is not a file", file.display())),
            Err(error) => {
                self.invalid(Problem::File, key, format!("cannot open {}: {error}", file.display()));
            }
        }
    }
}
