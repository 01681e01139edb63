//! Addresses of repositories as they may be shown.

use url::Url;

/// An address of a repository without what may be a secret: for logs, labels,
/// plans, failures and other programs.
///
/// A password and what follows the path are dropped, and so is the user of
/// `http` and `https`, which often is a token. The user of `ssh` stays: it is
/// part of where the repository is.
pub fn shown_address(uri: &str) -> String {
    if uri.starts_with('/') {
        return uri.to_owned();
    }
    if let Ok(mut url) = Url::parse(uri)
        && url.has_host()
    {
        // An address that cannot have them has none.
        let _ = url.set_password(None);
        if matches!(url.scheme(), "http" | "https") {
            let _ = url.set_username("");
        }
        url.set_query(None);
        url.set_fragment(None);
        return url.to_string();
    }
    // scp's form, or none at all.
    match uri.rsplit_once('@') {
        Some((user, rest)) if user.contains([':', '/']) => {
            let scheme = user.find("://").and_then(|at| user.get(..at + 3)).unwrap_or_default();
            format!("{scheme}{rest}")
        }
        _ => uri.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_is_shown() {
        for (uri, expected) in [
            ("https://me:secret@git.example.org/rpms/a.git", "https://git.example.org/rpms/a.git"),
            ("https://secret@git.example.org/a", "https://git.example.org/a"),
            ("https://git.example.org/a?token=secret#secret", "https://git.example.org/a"),
            ("ssh://me:secret@git.example.org/a", "ssh://me@git.example.org/a"),
            ("git@git.example.org:a.git", "git@git.example.org:a.git"),
            ("me:secret@git.example.org:a.git", "git.example.org:a.git"),
            ("https://me:secret@", "https://"),
            ("https://me:secret@bad host/x", "https://bad host/x"),
            ("file:///srv/git/a", "file:///srv/git/a"),
            ("/srv/git/a@b:c", "/srv/git/a@b:c"),
        ] {
            assert_eq!(shown_address(uri), expected);
        }
    }
}
