//! Places on the web that a site allows.
//!
//! An entry is a host, or a host and the beginning of a path: `example.org`,
//! `example.org/path/`, `example.org:8080/x`. It is compared with an address part
//! by part, after both were parsed as URLs; a comparison of the texts would take
//! `example.org.evil.net` and `example.org@evil.net` for `example.org`.

use common::failure::{Failure, FailureClass};
use percent_encoding::percent_decode_str;
use url::Url;

/// How often a path is decoded to look for tricks. Nobody honest encodes twice.
const MAX_DECODINGS: usize = 4;

/// An entry of the site's list that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{entry}' is no HOST, HOST:PORT or HOST/PATH: {reason}")]
pub struct AllowedPlaceError {
    /// The entry.
    pub entry: String,
    /// What is wrong with it.
    pub reason: String,
}

impl From<AllowedPlaceError> for Failure {
    fn from(error: AllowedPlaceError) -> Self {
        Failure::from_error(FailureClass::Policy, "site.bad_allowed_domain", &error)
            .with_advice("correct allowed_domains in the site's configuration")
    }
}

/// A list of allowed places. An empty list allows every place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowedPlaces(Vec<Place>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    /// Lower case; the form that the `url` crate gives it.
    host: String,
    /// Whether the hosts below `host` are meant, and not `host` itself.
    below: bool,
    /// `None` is the usual port of the address's scheme.
    port: Option<u16>,
    /// Whole components that the path begins with, decoded.
    path: Vec<String>,
}

impl AllowedPlaces {
    /// Every place.
    pub fn any() -> Self {
        Self::default()
    }

    /// Reads a list of entries. `.example.org` and `*.example.org` stand for all
    /// hosts below `example.org`.
    ///
    /// # Errors
    /// The first entry that cannot be understood.
    pub fn parse(entries: &[String]) -> Result<Self, AllowedPlaceError> {
        let places = entries.iter().map(|entry| {
            Place::parse(entry).map_err(|reason| AllowedPlaceError { entry: entry.clone(), reason })
        });
        places.collect::<Result<_, _>>().map(Self)
    }

    /// Whether an address is in one of the places.
    pub fn allows(&self, url: &Url) -> bool {
        self.0.is_empty() || self.0.iter().any(|place| place.holds(url))
    }
}

impl Place {
    fn parse(entry: &str) -> Result<Self, String> {
        let text = entry.trim();
        let text = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).unwrap_or(text);
        let (below, text) = match text.strip_prefix("*.").or_else(|| text.strip_prefix('.')) {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let parse =
            |scheme: &str| Url::parse(&format!("{scheme}://{text}")).map_err(|error| error.to_string());
        // A port that is usual for one of the schemes is kept only by the other.
        let (url, other) = (parse("http")?, parse("https")?);
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or("it has no host")?;
        if text.starts_with('/') || host.contains('*') {
            return Err("its host is not one".to_owned());
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("it has a user name".to_owned());
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err("it has a query or a fragment".to_owned());
        }
        let mut path = components(&url).ok_or("its path is misleading")?;
        if path.last().is_some_and(String::is_empty) {
            path.pop();
        }
        Ok(Self { host: host.to_owned(), below, port: url.port().or(other.port()), path })
    }

    fn holds(&self, url: &Url) -> bool {
        let Some(host) = url.host_str() else { return false };
        let right_host = if self.below {
            host.strip_suffix(&self.host).is_some_and(|front| front.len() > 1 && front.ends_with('.'))
        } else {
            host == self.host
        };
        let right_port = match self.port {
            Some(port) => url.port_or_known_default() == Some(port),
            None => url.port().is_none(),
        };
        right_host
            && right_port
            && matches!(url.scheme(), "http" | "https")
            && url.username().is_empty()
            && url.password().is_none()
            && components(url).is_some_and(|path| path.starts_with(&self.path))
    }
}

/// The components of a path, decoded. `None` when one of them would be read as
/// several, or as a step upwards, by a server that decodes more eagerly than it
/// should.
fn components(url: &Url) -> Option<Vec<String>> {
    url.path_segments()?
        .map(|component| {
            let once = percent_decode_str(component).decode_utf8().ok()?.into_owned();
            let mut text = once.clone();
            for _ in 0..MAX_DECODINGS {
                if text == ".."
                    || text == "."
                    || text.contains(['/', '\\'])
                    || text.contains(char::is_control)
                {
                    return None;
                }
                let next = percent_decode_str(&text).decode_utf8().ok()?.into_owned();
                if next == text {
                    return Some(once);
                }
                text = next;
            }
            None
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(entries: &[&str], url: &str) -> bool {
        let entries: Vec<String> = entries.iter().map(|&entry| entry.to_owned()).collect();
        AllowedPlaces::parse(&entries).unwrap().allows(&url.parse().unwrap())
    }

    #[test]
    fn the_list_is_a_match_of_urls_and_not_of_texts() {
        let jar = "https://filer.com/eggs/spam/eggs.jar";
        let rows: &[(&str, &[&str], &str, bool)] = &[
            ("ART-8 empty", &[], jar, true),
            ("ART-8 host", &["filer.com"], jar, true),
            ("ART-8 upper case", &["FILER.COM"], jar, true),
            ("ART-8 path", &["filer.com/eggs"], jar, true),
            ("ART-8 path/", &["filer.com/eggs/"], jar, true),
            ("ART-8 two parts", &["filer.com/eggs/spam"], jar, true),
            ("ART-8 two parts/", &["FILER.com/eggs/spam/"], jar, true),
            ("ART-8 whole", &["filer.com/eggs/spam/eggs.jar"], jar, true),
            ("ART-8 one of two", &["other.com", "filer.com/"], jar, true),
            ("ART-8 other path", &["filer.com/spam/"], jar, false),
            ("ART-8 other host", &["spam.com"], jar, false),
            ("part of a component", &["filer.com/egg"], jar, false),
            ("paths have a case", &["filer.com/EGGS"], jar, false),
            ("longer host", &["filer.com"], "https://filer.com.evil.org/eggs", false),
            ("longer host in front", &["filer.com"], "https://evilfiler.com/eggs", false),
            ("user that looks like a host", &["filer.com"], "https://filer.com@evil.org/eggs", false),
            ("user that looks like a path", &["filer.com/x"], "https://filer.com%2fx@evil.org/", false),
            ("a user at all", &["filer.com"], "https://me:secret@filer.com/eggs", false),
            ("backslash as slash", &["filer.com"], "https://evil.org\\@filer.com/eggs", false),
            ("step up", &["filer.com/eggs"], "https://filer.com/eggs/../secret", false),
            ("step up, encoded", &["filer.com/eggs"], "https://filer.com/eggs/%2e%2e/secret", false),
            ("step up in one component", &["filer.com/eggs"], "https://filer.com/eggs/..%2fsecret", false),
            ("step up, encoded twice", &["filer.com/eggs"], "https://filer.com/eggs/%252e%252e/s", false),
            ("slash, encoded twice", &["filer.com/eggs"], "https://filer.com/eggs/..%252fs", false),
            ("backslash, encoded", &["filer.com/eggs"], "https://filer.com/eggs/..%5csecret", false),
            ("line feed, encoded", &["filer.com"], "https://filer.com/a%0ab", false),
            ("empty component", &["filer.com/eggs"], "https://filer.com//eggs/x", false),
            ("empty component later", &["filer.com/eggs"], "https://filer.com/eggs//x", true),
            ("same letters, encoded", &["filer.com/eggs"], "https://filer.com/%65ggs/x", true),
            ("other port", &["filer.com"], "https://filer.com:8443/eggs", false),
            ("usual port said", &["filer.com:443"], "https://filer.com/eggs", true),
            ("usual port of the other scheme", &["filer.com:443"], "http://filer.com/eggs", false),
            ("port 80", &["filer.com:80"], "http://filer.com/eggs", true),
            ("port", &["filer.com:8080/x"], "http://filer.com:8080/x/y", true),
            ("port missing", &["filer.com:8080/x"], "http://filer.com/x/y", false),
            ("host below", &["filer.com"], "https://a.filer.com/eggs", false),
            ("host below, dot", &[".filer.com"], "https://a.filer.com/eggs", true),
            ("host below, star", &["*.filer.com/eggs"], "https://a.b.filer.com/eggs", true),
            ("host itself, star", &["*.filer.com"], "https://filer.com/eggs", false),
            ("no host below, star", &["*.filer.com"], "https://evilfiler.com/eggs", false),
            ("other scheme", &["filer.com"], "ftp://filer.com/eggs", false),
            ("entry with a scheme", &["https://filer.com/eggs"], jar, true),
            ("address as a number", &["127.0.0.1"], "http://2130706433/", true),
        ];
        for (id, entries, url, expected) in rows {
            assert_eq!(allows(entries, url), *expected, "{id}: {entries:?} {url}");
        }
    }

    #[test]
    fn entries_that_mean_nothing_are_refused() {
        for bad in
            ["", "/x", "a b", "me@filer.com", "filer.com?x", "filer.com:99999", "a.*.com", "f.com/%2e%2e%2fx"]
        {
            let failure = Failure::from(AllowedPlaces::parse(&[bad.to_owned()]).unwrap_err());
            assert_eq!(failure.code, "site.bad_allowed_domain", "{bad}");
        }
    }
}
