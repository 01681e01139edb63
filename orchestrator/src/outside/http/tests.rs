//! The web client against a real server with faults.

use std::time::{Duration, Instant};

use axum::http::Method;
use common::{failure::Failure, retry::Patience};
use jiff::Timestamp;
use reqwest::header::{HeaderMap, HeaderValue, RETRY_AFTER};
use testkit::web::{Effect, Fault, WebServer};

use super::{AllowedPlaces, Http, HttpError, HttpSettings, retry_after};

const SECOND: Duration = Duration::from_secs(1);

fn quick() -> Http {
    let first_wait = Duration::from_millis(1);
    Http::with(HttpSettings {
        patience: Patience { attempts: 4, first_wait, longest_wait: 2 * SECOND },
        deadline: SECOND,
        download_deadline: SECOND,
        silence: SECOND / 2,
        ..HttpSettings::default()
    })
    .unwrap()
}

fn status(status: u16) -> Effect {
    Effect::Status(status, vec![], "")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_pass_is_tried_again_and_the_rest_is_not() {
    let rows: Vec<(&str, Fault, Result<(), &str>, usize)> = vec![
        ("503 then ok", Fault::once(Method::GET, "/f", status(503)), Ok(()), 2),
        ("408 twice then ok", Fault::once(Method::GET, "/f", status(408)).times(2), Ok(()), 3),
        ("429 thrice then ok", Fault::once(Method::GET, "/f", status(429)).times(3), Ok(()), 4),
        ("500 always", Fault::once(Method::GET, "/f", status(500)).always(), Err("http.server_error"), 4),
        ("404", Fault::once(Method::GET, "/f", status(404)), Err("http.not_found"), 1),
        ("403", Fault::once(Method::GET, "/f", status(403)), Err("http.forbidden"), 1),
        ("418", Fault::once(Method::GET, "/f", status(418)), Err("http.status"), 1),
        ("cut then ok", Fault::once(Method::GET, "/f", Effect::CutAnswer(3)), Ok(()), 2),
        (
            "cut always",
            Fault::once(Method::GET, "/f", Effect::CutAnswer(3)).always(),
            Err("http.unreachable"),
            4,
        ),
        ("too large", Fault::once(Method::GET, "/f", Effect::Body(&[b'x'; 2000])), Err("http.too_large"), 1),
    ];
    for (id, fault, expected, tries) in rows {
        let server = WebServer::start().await.unwrap();
        server.put("/f", "content");
        server.add_fault(fault.clone());
        let found = quick().get(&server.url("/f").unwrap(), 1000).await;
        let found = found.map_err(Failure::from);
        assert_eq!(found.as_ref().map(|_| ()).map_err(|f| f.code.as_str()), expected, "{id}");
        assert_eq!(server.count("/f"), tries, "{id}");

        let server = WebServer::start().await.unwrap();
        server.put("/f", "content");
        server.add_fault(fault);
        let directory = tempfile::tempdir().unwrap();
        let url = server.url("/f").unwrap();
        let found = quick().download(&url, 1000, directory.path(), &AllowedPlaces::any()).await;
        let found = found.map_err(Failure::from);
        assert_eq!(found.as_ref().map(|_| ()).map_err(|f| f.code.as_str()), expected, "{id}");
        let files = std::fs::read_dir(directory.path()).unwrap().count();
        assert_eq!(files, usize::from(expected.is_ok()), "{id}: nothing but whole files is left");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_is_named_by_what_it_is() {
    let server = WebServer::start().await.unwrap();
    server.put("/a%20b", "hello\n");
    let directory = tempfile::tempdir().unwrap();
    let url = server.url("/a%20b").unwrap();
    let into = directory.path().join("deep/er");
    let found = quick().download(&url, 6, &into, &AllowedPlaces::any()).await.unwrap();
    assert_eq!(found.size, 6);
    assert_eq!(found.md5, "b1946ac92492d2347c6235b4d2611184");
    assert_eq!(found.sha1, "f572d396fae9206628714fb2ce00f72e94f2258f");
    assert_eq!(found.sha256, "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03");
    assert_eq!(found.path, into.join(&found.sha256));
    assert_eq!(std::fs::read(&found.path).unwrap(), b"hello\n");
    assert_eq!(std::fs::read_dir(&into).unwrap().count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn redirects_stay_where_one_may_go() {
    let (ours, foreign) = (WebServer::start().await.unwrap(), WebServer::start().await.unwrap());
    ours.put("/ok/file", "ours");
    foreign.put("/ok/file", "foreign");
    ours.redirect("/ok/here", "/ok/file");
    ours.redirect("/ok/out", "/secret");
    ours.redirect("/ok/there", foreign.url("/ok/file").unwrap().as_str());
    ours.redirect("/ok/twice", "/ok/there");
    ours.redirect("/ok/circle", "/ok/circle");
    ours.redirect("/ok/disk", "file:///etc/passwd");
    ours.redirect("/ok/nowhere", "http://[");
    let allowed = AllowedPlaces::parse(&[format!("{}/ok", ours.host())]).unwrap();
    let rows = [
        ("/ok/here", Ok("ours")),
        ("/ok/out", Err("http.redirect_refused")),
        ("/ok/there", Err("http.redirect_refused")),
        ("/ok/twice", Err("http.redirect_refused")),
        ("/ok/circle", Err("http.redirect_refused")),
        ("/ok/disk", Err("http.redirect_refused")),
        ("/ok/nowhere", Err("http.redirect_refused")),
        ("/secret", Err("http.not_allowed")),
    ];
    for (path, expected) in rows {
        let found = quick().get_from(&ours.url(path).unwrap(), 100, &allowed).await.map_err(Failure::from);
        match expected {
            Ok(content) => assert_eq!(found.unwrap(), content, "{path}"),
            Err(code) => assert_eq!(found.unwrap_err().code, code, "{path}"),
        }
    }
    assert_eq!((foreign.requests().len(), ours.count("/ok/circle"), ours.count("/secret")), (0, 11, 0));
    let anywhere = quick().get(&ours.url("/ok/twice").unwrap(), 100).await.unwrap();
    assert_eq!(anywhere, "foreign");
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_and_silent_servers_are_given_up() {
    let server = WebServer::start().await.unwrap();
    server.put("/f", "content");
    let once = Http::with(HttpSettings { patience: Patience::NONE, ..quick().settings }).unwrap();
    server.add_fault(Fault::once(Method::GET, "/f", Effect::Silence));
    let begun = Instant::now();
    let error = once.get(&server.url("/f").unwrap(), 100).await.unwrap_err();
    assert!(matches!(error, HttpError::Transport { .. }), "{error}");
    // Each byte comes in time, and the whole never.
    server.trickle(SECOND / 4);
    let error = once.get(&server.url("/f").unwrap(), 100).await.unwrap_err();
    assert_eq!(Failure::from(error).code, "http.deadline");
    assert!(begun.elapsed() < 10 * SECOND);
    let gone = server.url("/f").unwrap();
    drop(server);
    let failure = Failure::from(once.get(&gone, 100).await.unwrap_err());
    assert_eq!(failure.code, "http.unreachable");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_wait_that_the_server_asks_for_is_kept() {
    let server = WebServer::start().await.unwrap();
    server.put("/f", "content");
    let busy = Effect::Status(429, vec![("retry-after", "1".to_owned())], "");
    server.add_fault(Fault::once(Method::GET, "/f", busy));
    let begun = Instant::now();
    quick().get(&server.url("/f").unwrap(), 100).await.unwrap();
    assert!(begun.elapsed() >= SECOND);

    let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    for (text, expected) in [
        ("7", Some(7)),
        (" 7 ", Some(7)),
        ("Thu, 01 Jan 2026 00:00:09 GMT", Some(9)),
        ("Wed, 01 Jan 2025 00:00:09 GMT", Some(0)),
        ("soon", None),
        ("-1", None),
    ] {
        let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(text))]);
        assert_eq!(retry_after(&headers, now), expected.map(Duration::from_secs), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_asked_for_again_only_if_nobody_can_have_heard_it() {
    let rows = [
        ("503", status(503), true),
        ("429", status(429), true),
        ("500", status(500), false),
        ("504", status(504), false),
        ("cut", Effect::CutAnswer(1), false),
    ];
    for (id, effect, again) in rows {
        let server = WebServer::start().await.unwrap();
        server.put("/f", "content");
        server.add_fault(Fault::once(Method::POST, "/f", effect.clone()));
        server.add_fault(Fault::once(Method::GET, "/f", effect));
        let (url, http) = (server.url("/f").unwrap(), quick());
        let found = http.call(Method::POST, &url, None, None, 100).await;
        assert_eq!((found.is_ok(), server.requests().len()), (again, 1 + usize::from(again)), "{id}");
        assert!(http.call(Method::GET, &url, None, None, 100).await.is_ok(), "{id}");
    }
}

#[tokio::test]
async fn a_password_in_an_address_is_not_told() {
    let url = "ftp://me:hunter2@example.org/x".parse().unwrap();
    let failure = Failure::from(quick().get(&url, 100).await.unwrap_err());
    assert_eq!(failure.code, "http.not_allowed");
    assert!(!format!("{failure:?}").contains("hunter2"), "{failure:?}");
}
