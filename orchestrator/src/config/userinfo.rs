//! Finds user names and passwords in addresses, so that none is kept, shown or
//! quoted. They stand before an `@`: `https://user:password@host`.

use serde_json::Value;

use crate::config::schema;

/// Stands for what is not shown.
const MASK: &str = "***";

/// Longest text that an error quotes; a longer one was cut, maybe before its `@`.
const MAX_QUOTED: usize = 200;

/// Keys whose texts are hosts or addresses without a scheme; `[]` is any entry.
/// The last ones are keys of version 1.
const HOSTS: &[&str] = &[
    "service.listen",
    "koji.hub_url",
    "koji.root_url",
    "koji.bridge",
    "composes.api_url",
    "repositories.proxy",
    "openshift.url",
    "labels.info_url",
    "mail.host",
    "workers.local.engine",
    "source_registry",
    "registries[].host",
    "publication.registries",
    "artifacts.allowed_domains",
    "repositories.allowed_domains",
    "policy.allowed_sources",
    "registries[].url",
    "source_registry.url",
];

/// Whether the value of `key`, or a part of it, is an address with a user name
/// or password.
pub(crate) fn is_in(key: &str, value: &Value) -> bool {
    match value {
        Value::String(text) => in_text(key, text),
        Value::Array(items) => {
            let entry = format!("{key}[]");
            items.iter().any(|item| is_in(&entry, item))
        }
        Value::Object(entries) => entries.iter().any(|(name, value)| is_in(&format!("{key}.{name}"), value)),
        _ => false,
    }
}

fn in_text(key: &str, text: &str) -> bool {
    in_address(text) || (is_host(key) && !text.starts_with("unix:") && in_authority(text))
}

fn is_host(key: &str) -> bool {
    let key = schema::without_numbers(key);
    HOSTS.contains(&key.trim_end_matches("[]"))
}

/// Whether a text holds an address with userinfo. The name alone counts too, it
/// may be a token; only ssh needs one to say who logs in.
fn in_address(text: &str) -> bool {
    text.match_indices("://").any(|(at, separator)| {
        let scheme = text[..at].rsplit(|c: char| !c.is_ascii_alphanumeric() && !"+-.".contains(c)).next();
        let rest = &text[at + separator.len()..];
        if scheme.is_some_and(|scheme| scheme.ends_with("ssh")) {
            let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
            return authority.rsplit_once('@').is_some_and(|(userinfo, _)| userinfo.contains(':'));
        }
        in_authority(rest)
    })
}

/// Whether userinfo stands at the beginning of `rest`. A password that holds a
/// slash is one too: what is before the slash is no host with a port then.
fn in_authority(rest: &str) -> bool {
    let rest = rest.split(char::is_whitespace).next().unwrap_or_default();
    let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    let port = authority.rsplit_once(':').map_or("", |(_, port)| port);
    let no_port = !port.ends_with(']') && port.parse::<u16>().is_err() && !port.is_empty();
    authority.contains('@') || (no_port && rest.contains('@'))
}

/// Whether a message about `key` quotes such an address.
pub(crate) fn is_quoted(key: &str, message: &str) -> bool {
    let quoted = message.split(['\'', '"', '`']).skip(1).any(|part| in_text(key, part));
    in_address(message) || quoted
}

/// A message without what stands before an `@` in what it quotes.
pub(crate) fn masked(message: &str) -> String {
    let Some(end) = message.rfind('@') else {
        if message.len() > MAX_QUOTED && message.contains(':') && message.contains(['\'', '"', '`']) {
            return without_quotes(message);
        }
        return message.to_owned();
    };
    let before = &message[..end];
    let start = before
        .find("://")
        .map(|at| at + 3)
        .or_else(|| before.find(['\'', '"', '`']).map(|at| at + 1))
        .or_else(|| before.rfind(char::is_whitespace).map(|at| at + 1))
        .unwrap_or_default();
    format!("{}{MASK}{}", &message[..start], &message[end..])
}

fn without_quotes(message: &str) -> String {
    let (first, last) = (message.find(['\'', '"', '`']), message.rfind(['\'', '"', '`']));
    match first.zip(last) {
        Some((first, last)) if first < last => format!("{}{MASK}{}", &message[..=first], &message[last..]),
        _ => MASK.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn userinfo_is_told_from_hosts_paths_and_mail_addresses() {
        for (key, text, found) in [
            ("koji.hub_url", "https://u:p@h/", true),
            ("koji.hub_url", "https://ghp_x@h", true),
            ("koji.hub_url", "https://u:p/w@h/", true),
            ("koji.hub_url", "u:p@h", true),
            ("koji.hub_url", "https://h/@scope/x", false),
            ("koji.hub_url", "https://h:80/@scope/x", false),
            ("koji.hub_url", "https://[::1]/a@b", false),
            ("labels.set.url", "see https://a/ and https://u:p@h", true),
            ("labels.set.maintainer", "a@example.org", false),
            ("labels.set.maintainer", "A: a@example.org", false),
            ("labels.set.url", "ssh://git@h/x", false),
            ("labels.set.url", "git+ssh://git:x@h/x", true),
            ("artifacts.allowed_domains", "u:p@h", true),
            ("artifacts.allowed_domains", "h/a@b", false),
            ("publication.registries[0]", "u@h", true),
            ("registries[3].url", "u:p@h/v2", true),
            ("service.listen", "unix:/run/a@b", false),
            ("mail.from", "a@example.org", false),
            ("mail.host", "u:p@m", true),
        ] {
            assert_eq!(is_in(key, &Value::from(text)), found, "{key} {text}");
        }
        let list = serde_json::json!([{"host": "u@h"}]);
        assert!(is_in("registries", &list));
    }

    #[test]
    fn messages_lose_what_is_before_the_host() {
        for (message, shown) in [
            ("'https://u:p w@h' is bad", "'https://***@h' is bad"),
            ("'u:p@h' is bad", "'***@h' is bad"),
            ("nothing to hide", "nothing to hide"),
            ("bad u:p@h", "bad ***@h"),
        ] {
            assert_eq!(masked(message), shown);
        }
        let cut = format!("'https://u:{}' is bad", "p".repeat(200));
        assert!(!masked(&cut).contains("pp"), "{cut}");
    }
}
