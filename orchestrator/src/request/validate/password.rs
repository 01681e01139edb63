//! Which addresses of repositories could hold a password. Addresses are stored,
//! shown and logged, so one that is in doubt is refused.

use url::Url;

/// Whether the address holds a password or a token, or is written so badly that
/// one could hide in it. Over HTTP a user alone is as bad: that is how tokens are
/// passed. Over SSH a user is part of the address, and no secret.
pub(super) fn may_hold_one(address: &str) -> bool {
    if address.starts_with('/') {
        return false;
    }
    let lower = address.to_ascii_lowercase();
    // With one slash, or none, it still is a URL to those who follow the WHATWG.
    let is_web = lower.starts_with("http:") || lower.starts_with("https:");
    let after_scheme = lower.split_once("://").filter(|(scheme, _)| is_scheme(scheme)).map(|(_, rest)| rest);
    match (Url::parse(address), after_scheme) {
        (Ok(url), _) if is_web => !url.username().is_empty() || url.password().is_some(),
        (Ok(url), Some(_)) => url.password().is_some() || url.username().to_lowercase().contains("%3a"),
        (Err(_), _) if is_web => address.contains('@'),
        (Err(_), Some(rest)) => rest.rsplit_once('@').is_some_and(|(user, _)| is_double(user)),
        // The form of scp: USER@HOST:PATH.
        (_, None) => lower.split_once('@').is_some_and(|(user, _)| is_double(user)),
    }
}

fn is_scheme(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
}

/// Whether a user's name could have a password behind it.
fn is_double(user: &str) -> bool {
    user.contains(':') || user.contains("%3a")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_found_however_it_is_written() {
        for address in [
            "https://u:pw@h/x",
            "https://u:pw@h:99999/x",
            "https://ghp_token@h/x",
            "HTTPS://ghp_token@h/x",
            "https:/u:pw@h/x",
            "https:u:pw@h/x",
            "https:///u:pw@h/x",
            "https:\\\\u:pw@h\\x",
            " http:/u:pw@h/x",
            "https://u:pw@h h/x",
            "u:pw@host:path",
            "u:hun/ter2@host:path",
            "u:p@ss@host:path",
            "u:p://w@host:path",
            "u%3Apw@host:path",
            "u:pw@h://x",
            "ssh://git:pw@host/x",
            "ssh://git%3Apw@host/x",
            "ssh://git:pw@host:99999/x",
            "ssh:/git:pw@host/x",
            "ftp://u:pw@h/x",
            "foo://u:pw@h/x",
        ] {
            assert!(may_hold_one(address), "{address}");
        }
    }

    #[test]
    fn addresses_without_one_pass() {
        for address in [
            "https://h/x",
            "https://h:8443/a@b:c",
            "git@host:path/x.git",
            "ssh://git@host/x",
            "ssh://git@host:2222/~/x",
            "git://host:9418/x",
            "host:path",
            "file:///srv/a:b@c",
            "/srv/a:b@c",
            "./here",
            "",
        ] {
            assert!(!may_hold_one(address), "{address}");
        }
    }
}
