use super::*;

fn read(text: &str) -> Result<KojiSettings, String> {
    common::yaml::read("test", text.as_bytes()).map_err(|error| error.to_string())
}

const HUB: &str = "hub_url: https://koji.example.org/kojihub\nfiles_url: https://files.example.org/\n";

fn hub(rest: &str) -> Result<HubSettings, String> {
    read(&format!("{HUB}{rest}"))?.hub("bridge.yaml").map_err(|error| error.to_string())
}

#[test]
fn logins_are_of_one_kind_and_whole() {
    let password = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&password, "secret\n").unwrap();
    let password = password.path().display();
    for (login, expected) in [
        (String::new(), Ok("Anonymous")),
        (
            "login: {certificate_file: /c/both.pem}".to_owned(),
            Ok("Certificate { file: \"/c/both.pem\", proxy_user: None }"),
        ),
        (
            "login: {certificate_directory: /c, proxy_user: osbs}".to_owned(),
            Ok("Certificate { file: \"/c/cert\", proxy_user: Some(\"osbs\") }"),
        ),
        (
            "login: {principal: osbs@EXAMPLE.ORG, keytab_file: /k}".to_owned(),
            Ok(
                "Gssapi { principal: Some(\"osbs@EXAMPLE.ORG\"), keytab: Some(\"/k\"), cache: None, proxy_user: None }",
            ),
        ),
        (
            "login: {}".to_owned(),
            Ok("Gssapi { principal: None, keytab: None, cache: None, proxy_user: None }"),
        ),
        (format!("login: {{user: osbs, password_file: {password}}}"), Ok("Password { user: \"osbs\"")),
        ("login: {principal: osbs@EXAMPLE.ORG}".to_owned(), Err("principal and keytab_file belong together")),
        ("login: {user: osbs}".to_owned(), Err("user and password_file belong together")),
        ("login: {user: osbs, password_file: /nowhere}".to_owned(), Err("/nowhere")),
        ("login: {user: osbs, certificate_file: /c}".to_owned(), Err("choose one")),
        ("login: {certificate_directory: /c, certificate_file: /c}".to_owned(), Err("choose one of")),
        ("content_generator: ''".to_owned(), Err("koji.content_generator")),
        ("login: {pasword_file: /x}".to_owned(), Err("pasword_file")),
    ] {
        match (hub(&login), expected) {
            (Ok(settings), Ok(kind)) => {
                let shown = format!("{:?}", settings.login);
                assert!(shown.starts_with(kind), "{login}: {shown}");
                assert!(!shown.contains("secret"), "{shown}");
            }
            (Err(error), Err(part)) => assert!(error.contains(part), "{login}: {error}"),
            (found, _) => panic!("{login}: {found:?}"),
        }
    }
    let error = hub("login: {user: osbs}").unwrap_err();
    assert!(error.contains("bridge.yaml") && error.contains("koji.login"), "{error}");
}

#[test]
fn authorities_beside_the_certificate_are_used() {
    let directory = tempfile::tempdir().unwrap();
    let login = format!("login: {{certificate_directory: {}}}", directory.path().display());
    assert_eq!(hub(&login).unwrap().ca_file, None);
    let authorities = directory.path().join("serverca");
    std::fs::write(&authorities, "x").unwrap();
    assert_eq!(hub(&login).unwrap().ca_file, Some(authorities));
    assert_eq!(hub(&format!("{login}\nca_file: /mine")).unwrap().ca_file, Some("/mine".into()));
}

#[test]
fn addresses_have_no_slash_at_the_end() {
    let settings = read(&format!("{HUB}volumes: {{vol3: 'https://v3.example.org/x/'}}")).unwrap();
    let options = settings.options();
    assert_eq!((options.files_url.as_str(), options.web_url.as_str()), ("https://files.example.org", ""));
    assert_eq!(options.volumes["vol3"], "https://v3.example.org/x");
    assert_eq!((options.content_generator.as_str(), options.task_poll.as_secs()), ("atomic-reactor", 5));
}
