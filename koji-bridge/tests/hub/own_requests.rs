//! Our requests against the recorded ones of the official client: same path, same
//! query, same session headers, same call.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use koji_bridge::{
    session::{Chunk, Session},
    xmlrpc::{Arguments, Value},
};
use url::Url;

use crate::{
    files::{Recorded, names, request},
    script::{Asked, Generation, Hub},
};

/// Headers that mean something to a hub.
const HEADERS: [&str; 5] =
    ["content-type", "content-length", "koji-session-id", "koji-session-key", "koji-session-callnum"];
/// Values that differ from session to session.
const OF_THE_SESSION: [&str; 3] = ["session-id", "session-key", "callnum"];

fn query_of(recorded: &Recorded) -> BTreeMap<String, String> {
    let url: Url = format!("http://hub{}", recorded.target()).parse().unwrap();
    url.query_pairs().into_owned().map(masked).collect()
}

fn masked((name, value): (String, String)) -> (String, String) {
    let hidden = OF_THE_SESSION.contains(&&*name);
    (name, if hidden { "masked".to_owned() } else { value })
}

fn known(names: impl Iterator<Item = String>) -> BTreeSet<String> {
    names.filter(|name| HEADERS.contains(&&**name)).collect()
}

/// Calls in a session, and uploads; not logins, nor what was broken by hand.
fn sessions() -> Vec<String> {
    let asks = |name: &String| {
        let recorded = request(name);
        let with_session =
            recorded.header("koji-session-key").is_some() || recorded.target().contains("session-key");
        let by_hand = recorded.header("user-agent").is_none();
        with_session && !by_hand && !recorded.target().contains("ssllogin")
    };
    let names: Vec<_> = names().into_iter().filter(asks).collect();
    assert!(names.len() > 25, "only {} requests", names.len());
    names
}

async fn send(session: &Session, recorded: &Recorded) {
    // Only the request counts here, the answer need not fit.
    if recorded.header("content-type") == Some("application/octet-stream") {
        let query = query_of(recorded);
        let chunk = Chunk {
            directory: &query["filepath"],
            name: &query["filename"],
            offset: query["offset"].parse().unwrap(),
            overwrite: query.contains_key("overwrite"),
            data: Bytes::from(recorded.body.clone()),
        };
        let _ = session.upload_chunk(&chunk).await;
    } else {
        let call = recorded.call().unwrap();
        let method: &'static str = Box::leak(call.method.into_boxed_str());
        let _ = session.write::<Value>(method, call.arguments).await;
    }
}

fn compare(name: &str, asked: &Asked, recorded: &Recorded) {
    let hub = recorded.target().split('?').next().unwrap();
    // Three hubs of the recordings have a path of their own.
    assert!(hub.starts_with(&asked.path), "{name}: {} for {hub}", asked.path);
    let query: BTreeMap<_, _> = asked.query.iter().cloned().map(masked).collect();
    assert_eq!(query, query_of(recorded), "{name}");
    let ours = known(asked.headers.keys().map(|name| name.as_str().to_owned()));
    assert_eq!(ours, known(recorded.headers.iter().map(|(name, _)| name.clone())), "{name}");
    // Released hubs look for the number under a name that no client of theirs uses.
    assert_eq!(asked.headers.get("koji-callnum"), asked.headers.get("koji-session-callnum"));
    assert_eq!(asked.headers.get("content-type").unwrap(), recorded.header("content-type").unwrap());
    match recorded.call() {
        Ok(call) => assert_eq!(asked.call().unwrap(), call, "{name}"),
        Err(_) => assert_eq!(asked.body, recorded.body, "{name}"),
    }
}

#[tokio::test]
async fn calls_and_uploads_are_those_of_the_official_client() {
    for name in sessions() {
        let recorded = request(&name);
        let old = name.starts_with("old-");
        let generation = if old { Generation::Old } else { Generation::Current };
        // -1 appends, which no client of ours does; files of 2018 are checked by md5.
        let query = query_of(&recorded);
        if query.get("offset").is_some_and(|offset| offset == "-1") {
            continue;
        }
        let hub = Hub::new(generation, &[], &[]).start().await;
        send(&hub.session(), &recorded).await;
        compare(&name, &hub.hub.asked()[1], &recorded);
    }
}

#[tokio::test]
async fn the_login_by_password_is_that_of_the_official_client() {
    let hub = Hub::new(Generation::Current, &[], &[]).start().await;
    hub.session().user().await.unwrap_err();
    let mut recorded = request("031-password-login").call().unwrap();
    recorded.arguments.positional[1] = Value::from(crate::script::PASSWORD);
    assert_eq!(hub.hub.asked()[0].call().unwrap(), recorded);
    let asked = &hub.hub.asked()[1];
    compare("019-getLoggedInUser", asked, &request("019-getLoggedInUser"));
    assert_eq!(asked.call().unwrap().arguments, Arguments::none());
}
