//! Who gets mail about a build.

use common::koji::{KojiPeople, KojiUser};
use lettre::Address;

use crate::{config::Mail, outside::mail_address};

use super::Notice;

/// Who gets mail, and why some do not.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Recipients {
    /// Their addresses, each once.
    pub(super) addresses: Vec<Address>,
    /// Nobody was left, and these are the site's addresses for that case.
    pub(super) in_place: bool,
    /// Whose mail goes nowhere, in sentences.
    pub(super) skipped: Vec<String>,
}

impl Recipients {
    /// The site's additional addresses, who submitted the build, and the owners of
    /// its package, as far as the site wants; the error addresses if nobody is
    /// left. Without `people` Koji was not asked or did not answer.
    pub(super) fn choose(settings: &Mail, notice: &Notice, people: Option<&KojiPeople>) -> Self {
        let mut chosen = Self::default();
        for address in &settings.additional_addresses {
            chosen.add(address, "mail.additional_addresses");
        }
        let domain = settings.domain.as_deref();
        if settings.to_submitter {
            match (people.and_then(|people| people.task_owner.as_ref()), plain_user(notice)) {
                (Some(owner), _) => chosen.add_user(owner, domain),
                (None, Some(user)) => chosen.add_user(&user, domain),
                (None, None) => {}
            }
        }
        if settings.to_package_owner {
            let owners = people.map(|people| people.package_owners.as_slice()).unwrap_or_default();
            owners.iter().for_each(|owner| chosen.add_user(owner, domain));
        }
        if chosen.addresses.is_empty() {
            chosen.in_place = true;
            for address in &settings.error_addresses {
                chosen.add(address, "mail.error_addresses");
            }
        }
        chosen
    }

    fn add(&mut self, text: &str, from: &str) {
        match mail_address(text) {
            Ok(address) => self.push(address),
            Err(reason) => {
                self.skipped
                    .push(format!("'{}' of {from} is no mail address: {reason}", text.escape_debug()));
            }
        }
    }

    fn add_user(&mut self, user: &KojiUser, domain: Option<&str>) {
        match address_of(user, domain) {
            Ok(address) => self.push(address),
            Err(reason) => self.skipped.push(reason),
        }
    }

    fn push(&mut self, address: Address) {
        if !self.addresses.contains(&address) {
            self.addresses.push(address);
        }
    }
}

/// Who submitted the build, as the mail says it.
pub(super) fn submitter(settings: &Mail, notice: &Notice, people: Option<&KojiPeople>) -> String {
    if notice.automatic {
        return "<autorebuild>".to_owned();
    }
    let owner = people.and_then(|people| people.task_owner.clone()).or_else(|| plain_user(notice));
    let Some(owner) = owner else { return "Unknown".to_owned() };
    match address_of(&owner, settings.domain.as_deref()) {
        Ok(address) => address.to_string(),
        Err(_) => owner.name,
    }
}

/// The user of a request that no task of Koji stands behind.
fn plain_user(notice: &Notice) -> Option<KojiUser> {
    let asked = !notice.automatic && notice.koji_task.is_none() && !notice.user.is_empty();
    asked.then(|| KojiUser { name: notice.user.clone(), principals: Vec::new() })
}

/// The first principal that is an address, in small letters, else the name at the
/// site's domain.
fn address_of(user: &KojiUser, domain: Option<&str>) -> Result<Address, String> {
    let principal = user.principals.iter().find_map(|text| mail_address(&text.to_lowercase()).ok());
    if let Some(address) = principal {
        return Ok(address);
    }
    let name = user.name.escape_debug();
    let Some(domain) = domain else {
        return Err(format!("nobody knows the mail address of '{name}': no principal, and no mail.domain"));
    };
    mail_address(&format!("{}@{domain}", user.name))
        .map_err(|reason| format!("'{name}' at {domain} is no mail address: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::notify::fixture::notice;

    fn user(name: &str, principals: &[&str]) -> KojiUser {
        KojiUser { name: name.to_owned(), principals: principals.iter().map(|&p| p.to_owned()).collect() }
    }

    fn settings(change: impl FnOnce(&mut Mail)) -> Mail {
        let mut mail = Mail {
            error_addresses: vec!["error@example.org".to_owned()],
            domain: Some("domain.com".to_owned()),
            to_submitter: true,
            to_package_owner: true,
            ..Mail::default()
        };
        change(&mut mail);
        mail
    }

    struct Row {
        case: &'static str,
        mail: Mail,
        people: Option<KojiPeople>,
        expected: &'static [&'static str],
        in_place: bool,
        skipped: usize,
    }

    #[test]
    fn everybody_is_told_once() {
        let people = |owner: Option<KojiUser>, owners: &[KojiUser]| {
            Some(KojiPeople { task_owner: owner, package_owners: owners.to_vec() })
        };
        let nobody = || settings(|mail| mail.error_addresses.clear());
        let row =
            |case, mail, people, expected| Row { case, mail, people, expected, in_place: false, skipped: 0 };
        let rows = [
            row(
                "S09",
                settings(|_| {}),
                people(Some(user("foo", &[])), &[user("baz", &[])]),
                &["foo@domain.com", "baz@domain.com"],
            ),
            row(
                "a principal wins, in small letters",
                settings(|_| {}),
                people(Some(user("foo", &["Foo@EXAMPLE.ORG"])), &[]),
                &["foo@example.org"],
            ),
            row(
                "each once, additional ones first",
                settings(|mail| {
                    mail.additional_addresses = vec!["foo@domain.com".into(), "list@example.org".into()]
                }),
                people(Some(user("foo", &[])), &[user("foo", &[]), user("baz", &[])]),
                &["foo@domain.com", "list@example.org", "baz@domain.com"],
            ),
            row(
                "a principal that is no address",
                settings(|_| {}),
                people(Some(user("foo", &["host/x.example.org"])), &[]),
                &["foo@domain.com"],
            ),
            row(
                "neither is wanted",
                settings(|mail| {
                    (mail.to_submitter, mail.to_package_owner) = (false, false);
                    mail.additional_addresses = vec!["list@example.org".into()];
                }),
                people(Some(user("foo", &[])), &[user("baz", &[])]),
                &["list@example.org"],
            ),
            Row { in_place: true, ..row("S10", settings(|_| {}), None, &["error@example.org"]) },
            Row { in_place: true, ..row("nobody at all", nobody(), None, &[]) },
            Row {
                in_place: true,
                skipped: 2,
                ..row(
                    "no domain",
                    settings(|mail| mail.domain = None),
                    people(Some(user("foo", &[])), &[user("baz", &[])]),
                    &["error@example.org"],
                )
            },
            Row {
                skipped: 1,
                ..row(
                    "a name that cannot be an address",
                    settings(|_| {}),
                    people(Some(user("a b\r\nBcc: x", &[])), &[user("baz", &[])]),
                    &["baz@domain.com"],
                )
            },
        ];
        let notice = Notice { koji_task: Some(12_345), ..notice() };
        for Row { case, mail, people, expected, in_place, skipped } in rows {
            let chosen = Recipients::choose(&mail, &notice, people.as_ref());
            let addresses: Vec<String> = chosen.addresses.iter().map(Address::to_string).collect();
            assert_eq!(addresses, expected, "{case}");
            assert_eq!(
                (chosen.in_place, chosen.skipped.len()),
                (in_place, skipped),
                "{case}: {:?}",
                chosen.skipped
            );
        }
    }

    #[test]
    fn who_submitted_is_said() {
        let owner = |user| Some(KojiPeople { task_owner: Some(user), package_owners: Vec::new() });
        let by_hand = || Notice { user: "mara".to_owned(), koji_task: None, ..notice() };
        let with_task = || Notice { koji_task: Some(7), ..by_hand() };
        for (case, notice, people, expected) in [
            ("S06", with_task(), owner(user("x", &["baz@bar.com"])), "baz@bar.com"),
            (
                "S08",
                Notice { automatic: true, ..with_task() },
                owner(user("x", &["baz@bar.com"])),
                "<autorebuild>",
            ),
            ("S10, Koji is silent", with_task(), None, "Unknown"),
            ("no task", by_hand(), None, "mara@domain.com"),
            ("a name of its own", Notice { user: "m x".to_owned(), ..by_hand() }, None, "m x"),
        ] {
            assert_eq!(submitter(&settings(|_| {}), &notice, people.as_ref()), expected, "{case}");
        }
        let chosen = Recipients::choose(&settings(|_| {}), &by_hand(), None);
        assert_eq!(chosen.addresses[0].to_string(), "mara@domain.com");
    }
}
