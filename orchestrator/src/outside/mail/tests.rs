use std::io::Write as _;

use common::failure::Failure;
use testkit::mail::{MailEffect, MailServer};

use super::*;

/// Tries without waits worth mentioning.
const QUICK: Patience =
    Patience { attempts: 3, first_wait: Duration::from_millis(1), longest_wait: Duration::from_millis(5) };

fn settings(server: &MailServer) -> config::Mail {
    config::Mail {
        host: Some(server.host()),
        port: Some(server.port().into()),
        from: Some("reactor@example.org".to_owned()),
        ..config::Mail::default()
    }
}

fn mailer(settings: &config::Mail) -> Mailer {
    Mailer::of_site(settings).unwrap().unwrap().with_patience(QUICK, Duration::from_secs(10))
}

fn letter(to: &[&str]) -> Letter {
    Letter {
        id: "bld_1.manual_fail".to_owned(),
        to: to.iter().map(|address| address.parse().unwrap()).collect(),
        subject: "Failed building image foo/bar:baz\r\nBcc: other@example.org".to_owned(),
        text: "Image: foo/bar:baz\n.\nan answer: \u{2017}\u{1b}[31m\n".to_owned(),
        attachments: Vec::new(),
    }
}

#[tokio::test]
async fn a_letter_reaches_everybody_as_it_was_meant() {
    let server = MailServer::start().await.unwrap();
    let log = Attachment { name: "x86_64.log".to_owned(), content: b"line\n\xff\n".to_vec() };
    let letter = Letter { attachments: vec![log], ..letter(&["a@example.org", "b@example.org"]) };
    let delivery = mailer(&settings(&server)).send(&letter).await.unwrap();
    assert_eq!((delivery.accepted, delivery.refused), (letter.to, vec![]));
    let received = server.received();
    assert_eq!(received.len(), 1);
    let mail = &received[0];
    assert_eq!(
        (mail.from.as_str(), mail.to.as_slice()),
        ("reactor@example.org", &["a@example.org".into(), "b@example.org".into()][..])
    );
    for part in [
        "Message-ID: <bld_1.manual_fail@example.org>\r\n",
        "From: reactor@example.org\r\n",
        "To: a@example.org, b@example.org\r\n",
        "Auto-Submitted: auto-generated\r\n",
        "Subject: Failed building image foo/bar:baz",
        "Content-Disposition: attachment; filename=\"x86_64.log\"\r\n",
        "Content-Type: application/octet-stream\r\n",
        "bGluZQr/Cg==",
    ] {
        assert!(mail.text.contains(part), "{part}: {}", mail.text);
    }
    assert!(!mail.text.contains("\nBcc:"), "a subject is one line: {}", mail.text);
    assert!(mail.text.is_ascii(), "any server can take it");
}

#[tokio::test]
async fn what_the_server_says_decides_who_gets_it() {
    use MailEffect::{HangUp, Reply};
    // case, faults (command, times, effect), tries of the letter, who got it, who did not, code
    type Row = (
        &'static str,
        &'static [(&'static str, usize, MailEffect)],
        usize,
        &'static [&'static str],
        usize,
        Option<&'static str>,
    );
    let both = &["a@example.org", "b@example.org"][..];
    let rows: &[Row] = &[
        ("nothing is wrong", &[], 1, both, 0, None),
        ("one is unknown", &[("b@", 9, Reply("550 5.1.1 no such user"))], 1, &both[..1], 1, None),
        ("one is put off once", &[("b@", 1, Reply("451 4.7.1 later"))], 2, both, 0, None),
        ("one is put off for ever", &[("b@", 9, Reply("451 4.7.1 later"))], 1, &both[..1], 1, None),
        (
            "all are put off for ever",
            &[("RCPT", 99, Reply("451 4.7.1 later"))],
            0,
            &[],
            0,
            Some("mail.put_off"),
        ),
        ("all are unknown", &[("RCPT", 99, Reply("550 5.1.1 no"))], 0, &[], 2, None),
        ("the letter is put off once", &[("DATA", 1, Reply("452 4.3.1 full"))], 1, both, 0, None),
        ("busy at first", &[("CONNECT", 1, Reply("421 4.3.2 busy"))], 1, both, 0, None),
        ("hangs up in the middle", &[("RCPT", 1, HangUp)], 1, both, 0, None),
        ("hangs up for ever", &[("MAIL", 99, HangUp)], 0, &[], 0, Some("mail.unreachable")),
        ("refuses the letter", &[(".\r\n", 1, Reply("554 5.7.1 spam"))], 0, &[], 0, Some("mail.refused")),
        ("refuses the sender", &[("MAIL", 1, Reply("550 5.7.1 who?"))], 0, &[], 0, Some("mail.refused")),
    ];
    for (case, faults, letters, accepted, refused, code) in rows {
        let server = MailServer::start().await.unwrap();
        for (command, times, effect) in *faults {
            server.add_fault(command, *times, *effect);
        }
        let sent = mailer(&settings(&server)).send(&letter(both)).await;
        assert_eq!(server.received().len(), *letters, "{case}");
        match sent {
            Ok(delivery) => {
                let names: Vec<String> = delivery.accepted.iter().map(ToString::to_string).collect();
                assert_eq!(
                    (names, delivery.refused.len()),
                    (accepted.iter().map(|&a| a.to_owned()).collect(), *refused),
                    "{case}"
                );
                assert_eq!(*code, None, "{case}");
                let told: Vec<String> = server.received().into_iter().flat_map(|mail| mail.to).collect();
                assert_eq!(told, *accepted, "{case}: each once");
            }
            Err(error) => assert_eq!(Some(Failure::from(error).code.as_str()), *code, "{case}"),
        }
    }
}

#[tokio::test]
async fn a_letter_that_may_have_been_taken_comes_again_under_the_same_id() {
    let server = MailServer::start().await.unwrap();
    server.add_fault(".\r\n", 1, MailEffect::HangUp);
    mailer(&settings(&server)).send(&letter(&["a@example.org"])).await.unwrap();
    let ids: Vec<String> = server
        .received()
        .iter()
        .filter_map(|mail| mail.text.lines().find(|line| line.starts_with("Message-ID:")).map(str::to_owned))
        .collect();
    assert_eq!(ids, ["Message-ID: <bld_1.manual_fail@example.org>"; 2]);
}

#[tokio::test]
async fn a_silent_server_is_not_waited_for() {
    let server = MailServer::start().await.unwrap();
    server.add_fault("EHLO", 9, MailEffect::Silence);
    let mailer = mailer(&settings(&server)).with_patience(QUICK, Duration::from_millis(50));
    let error = mailer.send(&letter(&["a@example.org"])).await.unwrap_err();
    assert_eq!(Failure::from(error).code, "mail.deadline");
    assert_eq!(server.commands().len(), 3, "it was tried again");
}

#[tokio::test]
async fn logins_and_encryption_are_what_the_site_says() {
    let server = MailServer::start().await.unwrap();
    server.require_login("reactor", "hunter2");
    let mut password = tempfile::NamedTempFile::new().unwrap();
    password.write_all(b"hunter2\n").unwrap();
    let mut wrong = tempfile::NamedTempFile::new().unwrap();
    wrong.write_all(b"hunter3\n").unwrap();
    let login = |file: &std::path::Path| config::Mail {
        user: Some("reactor".to_owned()),
        password_file: Some(file.to_owned()),
        ..settings(&server)
    };
    let starttls = config::Mail { encryption: MailEncryption::Starttls, ..login(password.path()) };
    let tls = config::Mail { encryption: MailEncryption::Tls, ..login(password.path()) };
    for (case, settings, code) in [
        ("right", login(password.path()), None),
        ("wrong password", login(wrong.path()), Some("mail.login_refused")),
        ("no login", settings(&server), Some("mail.refused")),
        ("no STARTTLS there", starttls, Some("mail.no_starttls")),
        ("no TLS there", tls, Some("mail.unreachable")),
    ] {
        let before = server.commands().len();
        let sent = mailer(&settings).send(&letter(&["a@example.org"])).await;
        let found = sent.err().map(Failure::from);
        assert_eq!(found.as_ref().map(|failure| failure.code.as_str()), code, "{case}: {found:?}");
        let shown = format!("{found:?}");
        assert!(!shown.contains("hunter") && !shown.contains("aHVudGVy"), "{case}: {shown}");
        let tried = server.commands()[before..].iter().any(|command| command == "AUTH");
        assert_eq!(
            tried,
            !settings.encryption.eq(&MailEncryption::Starttls)
                && settings.user.is_some()
                && settings.encryption == MailEncryption::None,
            "{case}: no password in the clear"
        );
    }
    assert_eq!(server.received()[0].user.as_deref(), Some("reactor"));

    let missing = login(std::path::Path::new("/nowhere/password"));
    assert_eq!(
        Mailer::of_site(&missing).err().map(|error| Failure::from(error).code).as_deref(),
        Some("mail.no_password")
    );
    let authority = config::Mail {
        ca_file: Some(password.path().to_owned()),
        encryption: MailEncryption::Tls,
        ..settings(&server)
    };
    assert_eq!(
        Mailer::of_site(&authority).err().map(|error| Failure::from(error).code).as_deref(),
        Some("mail.invalid_authority")
    );
    assert!(Mailer::of_site(&config::Mail::default()).unwrap().is_none());
}

#[test]
fn addresses_are_checked() {
    for good in ["a@example.org", "a.b+c@example.org", "a@localhost"] {
        assert!(mail_address(good).is_ok(), "{good}");
    }
    for bad in [
        "",
        "a",
        "a@",
        "@example.org",
        "a b@example.org",
        "A <a@example.org>",
        "a@b@example.org",
        "a@example.org\r\nRCPT TO:<b@c>",
        "ä@example.org",
    ] {
        assert!(mail_address(bad).is_err(), "{bad}");
    }
}
