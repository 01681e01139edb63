//! The format of the label `url`: text with other labels in braces. `{{` and `}}`
//! stand for single braces. Names of labels may have dots and dashes.

use common::failure::{Failure, FailureClass};

/// Expands a format.
///
/// # Errors
/// Braces that do not fit together, or labels that are not there, all of them at
/// once.
pub(super) fn expand(format: &str, label: &dyn Fn(&str) -> Option<String>) -> Result<String, Failure> {
    let mut url = String::new();
    let mut missing: Vec<&str> = Vec::new();
    let mut rest = format;
    while let Some(at) = rest.find(['{', '}']) {
        url.push_str(&rest[..at]);
        let from = &rest[at..];
        if let Some(behind) = from.strip_prefix("{{") {
            url.push('{');
            rest = behind;
        } else if let Some(behind) = from.strip_prefix("}}") {
            url.push('}');
            rest = behind;
        } else {
            let Some((name, behind)) = from.strip_prefix('{').and_then(|from| from.split_once('}')) else {
                return Err(bad_format(format, "a brace is not closed, or was not opened"));
            };
            if name.is_empty() || name.contains(['{', '!', ':']) {
                return Err(bad_format(format, &format!("'{{{name}}}' is not the name of a label")));
            }
            match label(name) {
                Some(value) => url.push_str(&value),
                None if !missing.contains(&name) => missing.push(name),
                None => {}
            }
            rest = behind;
        }
    }
    url.push_str(rest);
    if missing.is_empty() {
        return Ok(url);
    }
    let names: Vec<String> = missing.iter().map(|name| format!("'{name}'")).collect();
    let message =
        format!("labels.info_url '{format}' asks for {}, which the image does not have", names.join(", "));
    Err(Failure::new(FailureClass::Source, "labels.info_url_label", message)
        .with_advice("set the label in the Dockerfile; the site wants it for the label 'url'"))
}

fn bad_format(format: &str, reason: &str) -> Failure {
    let message = format!("labels.info_url '{format}': {reason}");
    Failure::new(FailureClass::Policy, "labels.info_url_format", message)
        .with_advice("ask the operators: write labels as {name}, and a brace as {{ or }}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(name: &str) -> Option<String> {
        (!name.starts_with("no")).then(|| format!("<{name}>"))
    }

    #[test]
    fn labels_stand_in_braces() {
        for (format, expected) in [
            ("https://x/", "https://x/"),
            ("url_pre {label1} {label2} url_post", "url_pre <label1> <label2> url_post"),
            ("{a-b.c}{a-b.c}", "<a-b.c><a-b.c>"),
            ("{{a}} {a}", "{a} <a>"),
            ("ä{a}ä", "ä<a>ä"),
        ] {
            assert_eq!(expand(format, &label).unwrap(), expected, "{format}");
        }
    }

    #[test]
    fn mistakes_are_named() {
        for (format, code, part) in [
            ("{no1} {a} {no2} {no1}", "labels.info_url_label", "'no1', 'no2',"),
            ("{", "labels.info_url_format", "closed"),
            ("a}", "labels.info_url_format", "closed"),
            ("{}", "labels.info_url_format", "'{}'"),
            ("{a!r}", "labels.info_url_format", "'{a!r}'"),
            ("{a:>3}", "labels.info_url_format", "'{a:>3}'"),
            ("{a{b}", "labels.info_url_format", "'{a{b}'"),
        ] {
            let failure = expand(format, &label).unwrap_err();
            assert_eq!(failure.code, code, "{format}");
            assert!(failure.message.contains(part), "{format}: {failure}");
        }
    }
}
