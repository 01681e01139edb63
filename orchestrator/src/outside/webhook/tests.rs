use std::io::Write as _;

use reqwest::Method;
use testkit::web::{Effect, Fault, WebServer};

use super::*;

/// Tries without waits worth mentioning.
const QUICK: Patience =
    Patience { attempts: 3, first_wait: Duration::from_millis(1), longest_wait: Duration::from_millis(5) };

fn client(url: Url, secret: Option<&Path>) -> Result<WebhookClient, WebhookError> {
    let secret_file = secret.map(Path::to_owned);
    let client = WebhookClient::of_site(&Webhook { url, send_on: Vec::new(), secret_file })?;
    Ok(client.with_patience(QUICK, Duration::from_secs(10)))
}

#[tokio::test]
async fn a_message_has_an_id_and_a_signature() {
    let server = WebServer::start().await.unwrap();
    server.put("/hook", "");
    // Test case 2 of RFC 4231.
    let mut secret = tempfile::NamedTempFile::new().unwrap();
    secret.write_all(b"Jefe\n").unwrap();
    let body = Bytes::from_static(b"what do ya want for nothing?");
    let signed = client(server.url("/hook?token=x").unwrap(), Some(secret.path())).unwrap();
    signed.tell("bld_1.manual_fail", "application/json", &body).await.unwrap();
    let plain = client(server.url("/hook").unwrap(), None).unwrap();
    plain.tell("bld_1.manual_fail", "application/json", &body).await.unwrap();
    let requests = server.requests();
    let header = |at: usize, name: &str| {
        requests[at].headers.get(name).map(|value| value.to_str().unwrap().to_owned())
    };
    assert_eq!(
        header(0, SIGNATURE).as_deref(),
        Some("sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
    );
    assert_eq!(header(0, EVENT_ID).as_deref(), Some("bld_1.manual_fail"));
    assert_eq!(header(0, "content-type").as_deref(), Some("application/json"));
    assert_eq!((requests[0].method.as_str(), requests[0].query.as_str()), ("POST", "token=x"));
    assert_eq!(header(1, SIGNATURE), None);
    assert_eq!(server.bodies(), [body.clone(), body]);
}

#[tokio::test]
async fn what_can_pass_is_tried_again() {
    let status = |status| Effect::Status(status, vec![], "");
    let again = |status| Effect::Status(status, vec![("retry-after", "0".to_owned())], "");
    for (case, effect, times, requests, code) in [
        ("works", None, 0, 1, None),
        ("fails once", Some(status(500)), 1, 2, None),
        ("is busy twice", Some(again(429)), 2, 3, None),
        ("fails for ever", Some(status(503)), 99, 3, Some("webhook.server_error")),
        ("refuses", Some(status(403)), 1, 1, Some("webhook.refused")),
        (
            "is elsewhere",
            Some(Effect::Redirect("http://127.0.0.1:1".to_owned())),
            1,
            1,
            Some("webhook.redirected"),
        ),
    ] {
        let server = WebServer::start().await.unwrap();
        server.put("/T0KEN", "");
        if let Some(effect) = effect {
            server.add_fault(Fault::once(Method::POST, "/T0KEN", effect).times(times));
        }
        let told = client(server.url("/T0KEN?x=T0KEN").unwrap(), None).unwrap();
        let told = told.tell("id", "application/json", &Bytes::new()).await.map_err(Failure::from);
        assert_eq!(told.as_ref().err().map(|failure| failure.code.as_str()), code, "{case}");
        assert_eq!(server.count("/"), requests, "{case}");
        assert!(!format!("{told:?}").contains("T0KEN"), "{case}: an address may be a secret");
    }
}

#[tokio::test]
async fn who_cannot_be_reached_is_named_and_not_waited_for() {
    let server = WebServer::start().await.unwrap();
    server.add_fault(Fault::once(Method::POST, "/hook", Effect::Silence).always());
    let silent = client(server.url("/hook").unwrap(), None).unwrap();
    let silent = silent.with_patience(QUICK, Duration::from_millis(50));
    let failure = Failure::from(silent.tell("id", "text/plain", &Bytes::new()).await.unwrap_err());
    assert_eq!(failure.code, "webhook.deadline");
    assert_eq!(server.count("/hook"), 3);

    let nobody = client("http://127.0.0.1:1/T0KEN".parse().unwrap(), None).unwrap();
    let failure = Failure::from(nobody.tell("id", "text/plain", &Bytes::new()).await.unwrap_err());
    assert_eq!(failure.code, "webhook.unreachable");
    assert!(failure.message.contains("http://127.0.0.1:1"), "{failure}");
    assert!(!format!("{failure:?}").contains("T0KEN"), "{failure:?}");
}

#[test]
fn what_the_site_says_must_be_usable() {
    let nowhere = Path::new("/nowhere/secret");
    for (url, secret, code) in
        [("ftp://h/x", None, "webhook.invalid_url"), ("https://h/x", Some(nowhere), "webhook.no_secret")]
    {
        let error = client(url.parse().unwrap(), secret).unwrap_err();
        assert_eq!(Failure::from(error).code, code, "{url}");
    }
}
