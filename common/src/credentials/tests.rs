//! What is found in which file, and what is refused.

use super::*;

fn shown(login: Option<Login>) -> Option<String> {
    login.map(|login| match login {
        Login::Password { user, password } => format!("{user}/{}", password.expose()),
        Login::IdentityToken(token) => format!("token {}", token.expose()),
    })
}

fn all(text: &str) -> Result<RegistryLogins, String> {
    entries(text.as_bytes()).and_then(RegistryLogins::all)
}

fn only(text: &str, host: &Host) -> Result<RegistryLogins, String> {
    entries(text.as_bytes()).and_then(|entries| RegistryLogins::only(entries, host))
}

#[test]
fn all_forms_are_read_and_matched_by_host() {
    let pair = r#"{"username":"u","password":"p"}"#;
    let other = r#"{"username":"o","password":"p"}"#;
    let padded = STANDARD.encode("u:p\0\0");
    for (host, text, expected) in [
        // Forms of the file.
        ("r.io", r#"{"auths":{"r.io":{"auth":"dTpwOnE="}}}"#.to_owned(), Some("u/p:q")),
        ("r.io", r#"{"r.io":{"auth":"dTpwOnE=","email":"u@example.org"}}"#.to_owned(), Some("u/p:q")),
        ("r.io", format!(r#"{{"auths":{{"r.io":{pair}}},"detachKeys":"ctrl-x"}}"#), Some("u/p")),
        ("r.io", r#"{"credsStore":"desktop"}"#.to_owned(), None),
        ("r.io", r#"{"auths":{}}"#.to_owned(), None),
        ("r.io", "{}".to_owned(), None),
        // Keys.
        ("r.io", format!(r#"{{"auths":{{"https://r.io/v2/":{pair}}}}}"#), Some("u/p")),
        ("r.io", format!(r#"{{"http://R.io":{pair}}}"#), Some("u/p")),
        ("r.io:5000", format!(r#"{{"https://r.io:5000/v2":{pair}}}"#), Some("u/p")),
        ("r.io:5000", format!(r#"{{"r.io":{pair}}}"#), None),
        ("r.io", format!(r#"{{"r.io:5000":{pair}}}"#), None),
        ("notr.io", format!(r#"{{"r.io":{pair}}}"#), None),
        ("r.io", format!(r#"{{"example.org/x://r.io":{pair}}}"#), None),
        ("docker.io", format!(r#"{{"auths":{{"https://index.docker.io/v1/":{pair}}}}}"#), Some("u/p")),
        ("index.docker.io", format!(r#"{{"registry-1.docker.io":{pair}}}"#), Some("u/p")),
        // The very same key comes first, in either order of names.
        ("r.io", format!(r#"{{"http://r.io":{other},"r.io":{pair}}}"#), Some("u/p")),
        ("r.io", format!(r#"{{"r.io":{pair},"z://r.io":{other}}}"#), Some("u/p")),
        ("docker.io", format!(r#"{{"docker.io":{pair},"a://docker.io":{other}}}"#), Some("u/p")),
        // Entries.
        ("r.io", r#"{"auths":{"r.io":{"identitytoken":"t","auth":"dTpw"}}}"#.to_owned(), Some("token t")),
        ("r.io", r#"{"auths":{"r.io":{"identityToken":"t"}}}"#.to_owned(), Some("token t")),
        ("r.io", format!(r#"{{"auths":{{"r.io":{{"auth":"{padded}"}}}}}}"#), Some("u/p")),
        ("r.io", r#"{"r.io":{"auth":"","username":"u","password":"p"}}"#.to_owned(), Some("u/p")),
        ("r.io", r#"{"r.io":{"auth":null,"username":"u","password":"p"}}"#.to_owned(), Some("u/p")),
        ("r.io", r#"{"auths":{"r.io":{"username":"u"}}}"#.to_owned(), None),
        ("r.io", r#"{"auths":{"r.io":{"password":"p"}}}"#.to_owned(), None),
        ("r.io", r#"{"auths":{"r.io":{"auth":"dTo="}}}"#.to_owned(), None),
        ("r.io", r#"{"auths":{"r.io":{}},"credHelpers":{"r.io":"pass"}}"#.to_owned(), None),
        ("r.io", format!(r#"{{"r.io":{{}},"https://r.io":{pair}}}"#), Some("u/p")),
    ] {
        let host = host.parse().unwrap();
        for logins in [all(&text), only(&text, &host)] {
            let found = shown(logins.unwrap().for_host(&host));
            assert_eq!(found.as_deref(), expected, "{host} in {text}");
        }
    }
}

#[test]
fn a_bad_file_is_refused_without_showing_its_content() {
    let host = "r.io".parse().unwrap();
    for (text, reason) in [
        ("hunter2", "line 1: it is not a credentials file"),
        ("{\n\"hunter2", "line 2: it is not a credentials file"),
        (r#"["hunter2"]"#, "it is not a credentials file"),
        (r#"{"auths":"hunter2"}"#, "'auths' is not an object"),
        (r#"{"r.io":"hunter2"}"#, "it is not an object of texts"),
        (r#"{"auths":{"r.io":{"password":["hunter2"]}}}"#, "it is not an object of texts"),
        (r#"{"auths":{"r.io":{"auth":"hunter2!"}}}"#, "'auth' is not base64 text"),
        (r#"{"auths":{"r.io":{"auth":"aHVudGVyMg=="}}}"#, "'auth' has no colon"),
        (r#"{"auths":{"https://r.io/hunter2":{"auth":"!"}}}"#, "'auth' is not base64 text"),
    ] {
        for logins in [all(text), only(text, &host)] {
            let error = logins.unwrap_err();
            assert!(error.contains(reason) && !error.contains("hunter2"), "{error}");
        }
    }
}

#[test]
fn a_broken_entry_of_another_host_hurts_only_who_wants_all() {
    let text = r#"{"auths":{"a.io":{"auth":"dTpw"},"b.io":{"auth":"!"}}}"#;
    let (good, bad) = ("a.io".parse().unwrap(), "b.io".parse().unwrap());
    assert_eq!(shown(only(text, &good).unwrap().for_host(&good)).as_deref(), Some("u/p"));
    assert!(only(text, &bad).is_err());
    assert_eq!(all(text).unwrap_err(), "entry 2 in order of names: 'auth' is not base64 text");
}

#[test]
fn a_directory_is_searched_for_the_known_names() {
    let directory = tempfile::tempdir().unwrap();
    let host = "r.io".parse().unwrap();
    let error = RegistryLogins::from_file(directory.path()).unwrap_err();
    assert!(matches!(error, LoginsError::Read { path, .. } if path == directory.path()));
    for name in NAMES.iter().rev() {
        let file = directory.path().join(name);
        std::fs::write(&file, format!(r#"{{"r.io":{{"username":"{name}","password":"p"}}}}"#)).unwrap();
        for path in [directory.path(), &file] {
            let found = RegistryLogins::from_file(path).unwrap().for_host(&host);
            assert_eq!(shown(found), Some(format!("{name}/p")));
        }
    }
}

#[test]
fn a_file_is_read_up_to_a_mebibyte() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let host = "r.io".parse().unwrap();
    for (size, fits) in [(MAX_BYTES, true), (MAX_BYTES + 1, false)] {
        let spaces = " ".repeat(usize::try_from(size - 2).unwrap());
        std::fs::write(file.path(), format!("{{}}{spaces}")).unwrap();
        let read = RegistryLogins::from_file_for(file.path(), &host);
        assert_eq!(read.is_ok(), fits, "{size}");
        assert!(fits || matches!(read, Err(LoginsError::Read { .. })));
    }
}

#[test]
fn a_password_makes_a_header_and_a_token_does_not() {
    let login = Login::Password { user: "user".to_owned(), password: Secret::new("hunter2") };
    assert!(login.basic().unwrap().matches("Basic dXNlcjpodW50ZXIy"));
    assert!(!format!("{login:?}").contains("hunter2"));
    assert!(Login::IdentityToken(Secret::new("t")).basic().is_none());
}
