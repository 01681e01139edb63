//! Signing intents: names for "packages may be signed with these keys", from the
//! most restrictive to the least.

use common::failure::{Failure, FailureClass};

use crate::config::{Composes, SigningIntent};

/// The site's intents.
#[derive(Debug, Clone, Copy)]
pub struct Intents<'a> {
    /// Most restrictive first.
    list: &'a [SigningIntent],
    default: Option<&'a str>,
}

/// One of the site's intents.
#[derive(Debug, Clone, Copy)]
pub struct Intent<'a> {
    /// How restrictive it is: 0 is the least.
    pub restrictiveness: usize,
    /// Its name.
    pub name: &'a str,
    /// The keys.
    pub keys: &'a [String],
}

impl<'a> Intent<'a> {
    /// The less restrictive one of two.
    #[must_use]
    pub fn or_less(self, other: Self) -> Self {
        if other.restrictiveness < self.restrictiveness { other } else { self }
    }
}

impl<'a> Intents<'a> {
    /// The site's intents.
    pub fn of_site(site: &'a Composes) -> Self {
        Self { list: &site.signing_intents, default: site.default_signing_intent.as_deref() }
    }

    /// All of them, most restrictive first.
    pub fn all(self) -> impl Iterator<Item = Intent<'a>> {
        let count = self.list.len();
        self.list.iter().enumerate().map(move |(at, intent)| Intent {
            restrictiveness: count - 1 - at,
            name: &intent.name,
            keys: &intent.keys,
        })
    }

    /// The intent of builds that name none.
    ///
    /// # Errors
    /// The site names none, or one that it does not have.
    pub fn default(self) -> Result<Intent<'a>, Failure> {
        let name = self.default.ok_or_else(|| {
            Failure::new(
                FailureClass::Policy,
                "site.no_default_intent",
                "the site has a compose service and no composes.default_signing_intent",
            )
            .with_advice("name one of composes.signing_intents there")
        })?;
        self.by_name(name, "composes.default_signing_intent")
    }

    /// An intent by name; `place` says who named it.
    ///
    /// # Errors
    /// The site has none of this name.
    pub fn by_name(self, name: &str, place: &str) -> Result<Intent<'a>, Failure> {
        self.all().find(|intent| intent.name == name).ok_or_else(|| {
            Failure::new(
                FailureClass::User,
                "compose.unknown_intent",
                format!("unknown signing intent '{name}' in {place}"),
            )
            .with_advice(format!("the site has {}", self.described()))
        })
    }

    /// The most restrictive intent whose keys hold all of `keys`. No keys stand
    /// for packages without signatures: only an intent without keys fits them.
    pub fn by_keys(self, keys: &[String]) -> Option<Intent<'a>> {
        self.all().find(|intent| {
            if keys.is_empty() {
                intent.keys.is_empty()
            } else {
                keys.iter().all(|key| intent.keys.contains(key))
            }
        })
    }

    /// All intents with their keys, for people.
    pub fn described(self) -> String {
        let each = self.all().map(|intent| match intent.keys {
            [] => format!("{} (unsigned)", intent.name),
            keys => format!("{} ({})", intent.name, keys.join(" ")),
        });
        let text = each.collect::<Vec<_>>().join(", ");
        if text.is_empty() { "no signing intents".to_owned() } else { text }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::site, *};

    #[test]
    fn restrictiveness_is_the_order_of_the_configuration() {
        let site = site();
        let found: Vec<_> = Intents::of_site(&site).all().map(|i| (i.name, i.restrictiveness)).collect();
        assert_eq!(found, [("release", 2), ("beta", 1), ("unsigned", 0)], "CFG-7");
    }

    #[test]
    fn intents_are_found_by_their_keys() {
        let site = site();
        let rows: &[(&str, &[&str], Option<&str>)] = &[
            ("CFG-8", &["R123", "R234"], Some("release")),
            ("CFG-8", &["R123"], Some("release")),
            ("CFG-8", &["B456", "R123"], Some("beta")),
            ("CFG-8", &["R123", "B456"], Some("beta")),
            ("CFG-8", &["B456"], Some("beta")),
            ("CFG-8", &[], Some("unsigned")),
            ("CFG-9", &["missing"], None),
            ("CFG-9", &["R123", "R234", "B457"], None),
        ];
        for (id, keys, expected) in rows {
            let keys: Vec<String> = keys.iter().map(|&key| key.to_owned()).collect();
            let found = Intents::of_site(&site).by_keys(&keys).map(|intent| intent.name);
            assert_eq!(found, *expected, "{id} {keys:?}");
        }
    }

    #[test]
    fn a_default_that_is_none_is_found_when_it_is_needed() {
        let mut site = site();
        site.default_signing_intent = Some("spam".to_owned());
        let failure = Intents::of_site(&site).default().unwrap_err();
        assert_eq!(failure.code, "compose.unknown_intent", "CFG-10");
        assert!(failure.advice.contains("beta (R123 B456 B457)") && failure.advice.contains("unsigned"));
        site.default_signing_intent = None;
        assert_eq!(Intents::of_site(&site).default().unwrap_err().code, "site.no_default_intent");
    }
}
