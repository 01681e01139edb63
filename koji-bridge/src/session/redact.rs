//! Faults without secrets. A hub that is being debugged says in a fault what its
//! functions had in hand, and a password, a session's key or a reservation's token
//! can be among it; what the bridge tells on must not have them.

use std::ops::Range;

use crate::xmlrpc::Fault;

/// What is put in a secret's place.
const HIDDEN: &str = "(hidden)";
/// Length of a reservation's token, in hexadecimal digits.
const TOKEN: usize = 64;
/// Length of the random part of a session's key.
const KEY: usize = 19;
/// Shortest secret that is looked for: shorter ones are parts of ordinary words.
const SHORTEST: usize = 4;

/// The fault without these secrets, and without anything that has the form of a
/// session's key (`<user id>-<19 letters and digits>`) or of a token (64
/// hexadecimal digits, but for digests that name their algorithm).
pub(super) fn redacted<'a>(fault: Fault, secrets: impl IntoIterator<Item = &'a str>) -> Fault {
    let mut fault = fault.without_locals();
    for secret in secrets.into_iter().filter(|secret| secret.len() >= SHORTEST) {
        if fault.text.contains(secret) {
            fault.text = fault.text.replace(secret, HIDDEN);
        }
    }
    let found: Vec<_> = secrets_by_form(&fault.text);
    for place in found.into_iter().rev() {
        fault.text.replace_range(place, HIDDEN);
    }
    fault
}

/// Where something has the form of a secret. Letters, digits and hyphens are the
/// characters of words here, so that parts of a build's name are none.
fn secrets_by_form(text: &str) -> Vec<Range<usize>> {
    let is_part = |character: char| character.is_ascii_alphanumeric() || character == '-';
    let mut found = Vec::new();
    let mut at = 0;
    for word in text.split_inclusive(|character: char| !is_part(character)) {
        let bare = word.trim_end_matches(|character: char| !is_part(character));
        if is_key(bare) || (is_token(bare) && !text[..at].ends_with("sha256:")) {
            found.push(at..at + bare.len());
        }
        at += word.len();
    }
    found
}

fn is_key(word: &str) -> bool {
    word.split_once('-').is_some_and(|(user, random)| {
        !user.is_empty()
            && user.bytes().all(|byte| byte.is_ascii_digit())
            && random.len() == KEY
            && random.bytes().all(|byte| byte.is_ascii_alphanumeric())
    })
}

fn is_token(word: &str) -> bool {
    word.len() == TOKEN && word.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_hidden_and_nothing_else_is() {
        let hex = "0123456789abcdef".repeat(4);
        let key = "12-abcdefghijKLMNO1234";
        let rows = [
            ("No such build: 'x-1-1'".to_owned(), "No such build: 'x-1-1'".to_owned()),
            ("wrong token hunter2, hunter2".to_owned(), "wrong token (hidden), (hidden)".to_owned()),
            (format!("token {hex}."), "token (hidden).".to_owned()),
            (format!("'{hex}'"), "'(hidden)'".to_owned()),
            (format!("no image sha256:{hex} here"), format!("no image sha256:{hex} here")),
            (format!("{hex}0"), format!("{hex}0")),
            (format!("key={key}&callnum=7"), "key=(hidden)&callnum=7".to_owned()),
            (format!("{key}: {key}"), "(hidden): (hidden)".to_owned()),
            (format!("build foo-{key} exists"), format!("build foo-{key} exists")),
            (format!("{key}5"), format!("{key}5")),
            (format!("ü {key} ü"), "ü (hidden) ü".to_owned()),
            ("the id is abc".to_owned(), "the id is abc".to_owned()),
            (
                "Traceback\nkoji.E: no\nLocals by frame, innermost last\n  environ = {}".to_owned(),
                "Traceback\nkoji.E: no\n".to_owned(),
            ),
        ];
        for (text, wanted) in rows {
            assert_eq!(redacted(Fault::new(1, text.clone()), ["hunter2", "", "abc"]).text, wanted, "{text}");
        }
    }
}
