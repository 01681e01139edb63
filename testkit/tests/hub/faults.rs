//! Faults by order: what a client sees of them, and what is stored.

use koji_bridge::xmlrpc::{Arguments, Call, read_answer};
use testkit::hub::{Effect, FaultOrder, HubSettings, KojiHub};

use crate::support::{Caller, fault, furnish, reservation, start};

#[tokio::test]
async fn an_answer_can_be_lost_before_and_after_it_is_stored() {
    let (hub, mut caller) = start().await;
    for (effect, stored) in [(Effect::DropBeforeCommit, false), (Effect::DropAnswer, true)] {
        hub.fault("CGInitBuild", 1, effect.clone());
        caller.number += 1;
        assert!(caller.again("CGInitBuild", reservation("1")).await.is_none(), "{effect:?}");
        assert_eq!(hub.state(|state| state.builds.len()), usize::from(stored), "{effect:?}");
    }
    assert_eq!(fault(caller.again("CGInitBuild", reservation("1")).await.unwrap()).0, 1009);
}

#[tokio::test]
async fn a_server_in_front_can_fail() {
    let (hub, caller) = start().await;
    let document = Call::new("getAPIVersion", Arguments::none()).to_xml().unwrap();
    for (effect, status) in [(Effect::Status(500), 500), (Effect::BadGateway, 502)] {
        hub.fault("*", 1, effect);
        let response = caller.http.post(hub.url()).body(document.clone()).send().await.unwrap();
        assert_eq!(response.status(), status);
    }
    hub.fault("getAPIVersion", 1, Effect::PoisonedAnswer);
    let response = caller.http.post(hub.url()).body(document.clone()).send().await.unwrap();
    assert!(read_answer(&response.bytes().await.unwrap()).is_err());
    let response = caller.http.post(hub.url()).body(document).send().await.unwrap();
    assert!(read_answer(&response.bytes().await.unwrap()).is_ok(), "everything struck once");
}

#[tokio::test]
async fn the_hub_is_offline_until_it_is_told_otherwise() {
    let (hub, mut caller) = start().await;
    hub.go_offline(None);
    assert_eq!(fault(caller.call("getAPIVersion", Arguments::none()).await).0, 1014);
    assert_eq!(fault(caller.upload("filename=a&filepath=b&fileverify=md5", "x").await.unwrap()).0, 1014);
    hub.go_online();
    caller.call("getAPIVersion", Arguments::none()).await.unwrap();
    hub.fault("getAPIVersion", 2, Effect::Raise(1005, "no".to_owned()));
    for expected in [Some(1005), Some(1005), None] {
        let answer = caller.call("getAPIVersion", Arguments::none()).await;
        assert_eq!(answer.err().map(|fault| fault.code), expected);
    }
    assert_eq!(hub.count("getAPIVersion"), 5);
    hub.order(FaultOrder { method: "*".to_owned(), skip: 1, times: 1, effect: Effect::Offline });
    caller.call("getAPIVersion", Arguments::none()).await.unwrap();
    assert_eq!(fault(caller.call("getAPIVersion", Arguments::none()).await).0, 1014);
}

#[tokio::test]
async fn a_hub_takes_its_orders_over_http_too() {
    let (hub, mut caller) = start().await;
    let admin = hub.url().replace("/kojihub", "/admin");
    let send = |method: reqwest::Method, what: &str, body: &'static str| {
        let request = caller.http.request(method, format!("{admin}/{what}")).body(body);
        async move { request.send().await.unwrap() }
    };
    let post = reqwest::Method::POST;
    let order = r#"{"method": "getAPIVersion", "times": 9, "effect": {"raise": [1000, "so there"]}}"#;
    assert_eq!(send(post.clone(), "faults", order).await.status(), 204);
    assert_eq!(send(post.clone(), "faults", r#"{"method": "x", "effect": "nonsense"}"#).await.status(), 400);
    let raised = caller.again("getAPIVersion", Arguments::none()).await.unwrap();
    assert_eq!(fault(raised), (1000, "so there".to_owned()));
    assert_eq!(send(reqwest::Method::DELETE, "faults", "").await.status(), 204);
    assert_eq!(send(post, "offline", "").await.status(), 204);
    assert_eq!(fault(caller.call("getAPIVersion", Arguments::none()).await).0, 1014);
    let admin = |what: &str| format!("{}/{what}", hub.url().replace("/kojihub", "/admin"));
    caller.http.delete(admin("offline")).send().await.unwrap();
    caller.call("getAPIVersion", Arguments::none()).await.unwrap();
    let calls = caller.http.get(admin("calls")).send().await.unwrap().text().await.unwrap();
    assert!(calls.contains(r#""method":"login""#), "{calls}");
}

#[tokio::test]
async fn what_was_answered_is_there_when_the_hub_starts_again() {
    let directory = tempfile::tempdir().unwrap();
    let hub = KojiHub::start_in(directory.path(), HubSettings::default()).await.unwrap();
    furnish(&hub);
    assert!(
        KojiHub::start_in(directory.path(), HubSettings::default()).await.is_err(),
        "one hub per directory"
    );
    let mut caller = Caller::login(&hub.url(), "osbs", "osbs-pw").await;
    caller.call("CGInitBuild", reservation("1")).await.unwrap();
    caller.upload("filename=a&filepath=b&fileverify=md5&offset=0", "x").await.unwrap().unwrap();
    hub.stop().await;
    assert!(caller.again("getAPIVersion", Arguments::none()).await.is_none(), "all connections have ended");
    let hub = KojiHub::start_in(directory.path(), HubSettings::default()).await.unwrap();
    caller.url = hub.url();
    // The session is still good, and so is the number of its last write.
    caller.number -= 1;
    assert_eq!(fault(caller.again("CGInitBuild", reservation("1")).await.unwrap()).0, 1009);
    caller.number += 1;
    let check = Arguments::none().with("b").with("a");
    assert!(caller.call("checkUpload", check).await.unwrap().get("size").is_some());
}
