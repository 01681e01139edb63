//! Settings about who is told how builds end.

use crate::{
    config::{MailEncryption, Problem, check::Checks},
    outside::mail_address,
};

impl Checks<'_> {
    pub(super) fn mail(&mut self) {
        let mail = &self.site.mail;
        self.require(
            mail.host.is_none() || mail.from.is_some(),
            Problem::Missing,
            "mail.host",
            "mail.from is missing; mail needs a sender",
        );
        for (key, addresses) in [
            ("mail.from", mail.from.as_slice()),
            ("mail.error_addresses", &mail.error_addresses),
            ("mail.additional_addresses", &mail.additional_addresses),
        ] {
            for address in addresses {
                if let Err(reason) = mail_address(address) {
                    let reason = format!("'{}' is no mail address: {reason}", address.escape_debug());
                    self.invalid(Problem::BadMailAddress, key, reason);
                }
            }
        }
        if let Some(domain) = &mail.domain
            && mail_address(&format!("somebody@{domain}")).is_err()
        {
            let reason = format!("'{}' is no domain of mail addresses", domain.escape_debug());
            self.invalid(Problem::BadDomain, "mail.domain", reason);
        }
        self.require(
            mail.port.is_none_or(|port| (1..=65_535).contains(&port)),
            Problem::OutOfRange,
            "mail.port",
            "it must be between 1 and 65535",
        );
        let plain = mail.encryption == MailEncryption::None;
        match (&mail.user, &mail.password_file) {
            (Some(_), None) => {
                self.invalid(Problem::Missing, "mail.user", "mail.password_file is missing");
            }
            (None, Some(_)) => {
                self.invalid(Problem::Missing, "mail.password_file", "mail.user is missing");
            }
            (Some(_), Some(_)) if plain => self.invalid(
                Problem::Contradiction,
                "mail.user",
                "the password would go over the network in the clear; set mail.encryption",
            ),
            _ => {}
        }
        self.require(
            !(plain && mail.ca_file.is_some()),
            Problem::Contradiction,
            "mail.ca_file",
            "it is of no use without mail.encryption",
        );
    }

    pub(super) fn webhooks(&mut self) {
        let site = self.site;
        for webhook in &site.webhooks {
            self.address("webhooks", webhook.url.as_str());
        }
        self.no_doubles("webhooks", site.webhooks.iter().map(|webhook| webhook.url.as_str()));
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Site;

    #[test]
    fn what_is_wrong_is_named() {
        for (case, text, named) in [
            ("S11", "mail: {send_on: [manual_fail, unknown_state]}", "unknown_state"),
            ("of a webhook", "webhooks: [{url: 'https://h/x', send_on: [never]}]", "never"),
            ("a webhook without address", "webhooks: [{send_on: [manual_fail]}]", "url"),
            ("a key of a webhook", "webhooks: [{url: 'https://h/x', secret: hunter2}]", "webhooks"),
            ("a password in an address", "webhooks: [{url: 'https://u:hunter2@h/x'}]", "webhooks"),
            ("a way to encrypt", "mail: {encryption: ssl}", "ssl"),
        ] {
            let directory = tempfile::tempdir().unwrap();
            let file = directory.path().join("site.yaml");
            std::fs::write(&file, format!("{text}\n")).unwrap();
            let errors = Site::read(&[file], [], &[]).unwrap_err().to_string();
            assert!(errors.contains(named), "{case}: {errors}");
            assert!(errors.contains(":1"), "{case}: {errors}");
            assert!(!errors.contains("hunter2"), "{case}: {errors}");
        }
    }
}
