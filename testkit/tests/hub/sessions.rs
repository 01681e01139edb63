//! The life of a session: call numbers, expiry, the lock, sessions in the address.

use koji_bridge::xmlrpc::{Arguments, Call, Value, read_answer};
use testkit::hub::{Effect, HubSettings, KojiHub};

use crate::support::{Caller, fault, furnish, reservation, start};

fn none() -> Arguments {
    Arguments::none()
}

#[tokio::test]
async fn a_number_is_used_up_by_a_write_that_was_stored() {
    let (_hub, mut caller) = start().await;
    caller.number = 499;
    caller.call("CGInitBuild", reservation("1")).await.unwrap();
    let id = caller.session.clone().unwrap().0;
    let (code, text) = fault(caller.again("CGInitBuild", reservation("1")).await.unwrap());
    assert_eq!(code, 1009);
    assert_eq!(text, format!("unable to retry call 500 (method CGInitBuild) for session {id}"));
    caller.number = 499;
    let (code, text) = fault(caller.again("getAPIVersion", none()).await.unwrap());
    assert_eq!((code, text), (1008, format!("500 > 499 (session {id})")));
    // Reads and writes that were refused leave their numbers free.
    caller.number = 501;
    for _ in 0..2 {
        caller.again("getAPIVersion", none()).await.unwrap().unwrap();
        let (code, text) = fault(caller.again("CGInitBuild", reservation("1")).await.unwrap());
        assert_eq!((code, text.as_str()), (1000, "Build is already reserved"));
    }
    caller.again("CGInitBuild", reservation("2")).await.unwrap().unwrap();
}

#[tokio::test]
async fn an_expired_session_is_renewed_with_a_new_key() {
    let (hub, mut caller) = start().await;
    caller.call("CGInitBuild", reservation("1")).await.unwrap();
    hub.fault("getLoggedInUser", 1, Effect::ExpireSession);
    let (id, key) = caller.session.clone().unwrap();
    for method in ["getLoggedInUser", "getAPIVersion"] {
        let (code, text) = fault(caller.call(method, none()).await);
        assert_eq!((code, text), (1007, format!("session \"{id}\" has expired")));
    }
    let renewal = none().with("osbs").with("osbs-pw").named("renew", true);
    let answer = caller.call("login", renewal.clone()).await.unwrap();
    caller.take(&answer);
    let (new_id, new_key) = caller.session.clone().unwrap();
    assert_eq!(id, new_id);
    assert_ne!(key, new_key);
    // Numbers begin anew.
    caller.call("CGInitBuild", reservation("2")).await.unwrap();
    let (code, text) = fault(caller.call("login", none().with("osbs").with("osbs-pw")).await);
    assert_eq!((code, text.as_str()), (1002, "Already logged in"));
    let (code, _) =
        fault(caller.call("login", none().with("alice").with("alice-pw").named("renew", true)).await);
    assert_eq!(code, 1002);
}

#[tokio::test]
async fn a_closed_session_is_gone_with_its_children() {
    let (_hub, mut caller) = start().await;
    let mut child = Caller { http: caller.http.clone(), ..Caller::anonymous(&caller.url) };
    child.take(&caller.call("subsession", none()).await.unwrap());
    child.call("getAPIVersion", none()).await.unwrap();
    let mut second = Caller { http: caller.http.clone(), ..Caller::anonymous(&caller.url) };
    second.take(&caller.call("subsession", none()).await.unwrap());
    let id = second.session.clone().unwrap().0;
    caller.call("logoutChild", none().with(id)).await.unwrap();
    let gone = (1002, "Invalid session or bad credentials".to_owned());
    assert_eq!(fault(second.call("getAPIVersion", none()).await), gone);
    child.call("getAPIVersion", none()).await.unwrap();
    assert_eq!(caller.call("logout", none()).await.unwrap(), Value::Nil);
    assert_eq!(fault(caller.call("getAPIVersion", none()).await), gone);
    assert_eq!(fault(child.call("getAPIVersion", none()).await), gone);
}

#[tokio::test]
async fn one_session_of_a_user_can_have_the_lock() {
    let (hub, mut holder) = start().await;
    let mut other = Caller::login(&hub.url(), "osbs", "osbs-pw").await;
    holder.call("exclusiveSession", none().named("force", false)).await.unwrap();
    let mut child = Caller::anonymous(&hub.url());
    child.take(&holder.call("subsession", none()).await.unwrap());
    child.call("getAPIVersion", none()).await.unwrap();
    let (code, text) = fault(child.call("exclusiveSession", none()).await);
    assert_eq!((code, text.as_str()), (1000, "subsessions cannot become exclusive"));
    let (code, text) = fault(other.call("getAPIVersion", none()).await);
    assert_eq!((code, text.as_str()), (1006, "User locked by another session"));
    let (code, text) = fault(other.call("exclusiveSession", none().named("force", false)).await);
    assert_eq!((code, text.as_str()), (1006, "Cannot get exclusive session"));
    other.call("exclusiveSession", none().named("force", true)).await.unwrap();
    assert_eq!(fault(holder.call("getAPIVersion", none()).await).0, 1002);
    other.call("sharedSession", none()).await.unwrap();
    Caller::login(&hub.url(), "osbs", "osbs-pw").await.call("getAPIVersion", none()).await.unwrap();
    hub.fault("getAPIVersion", 1, Effect::LoseLock);
    assert_eq!(fault(other.call("getAPIVersion", none()).await).0, 1006);
}

#[tokio::test]
async fn an_old_hub_has_its_sessions_in_the_address() {
    let hub = KojiHub::start_with(HubSettings::old()).await.unwrap();
    furnish(&hub);
    let mut caller = Caller::anonymous(&hub.url());
    let answer = caller.call("login", none().with("osbs").with("osbs-pw")).await.unwrap();
    assert_eq!(answer.get("header-auth"), None);
    caller.take(&answer);
    assert_eq!(caller.call("getLoggedInUser", none()).await.unwrap(), Value::Nil, "headers mean nothing");
    let (id, key) = caller.session.clone().unwrap();
    let address = format!("{}?session-id={id}&session-key={key}&callnum=3", hub.url());
    let document = Call::new("getLoggedInUser", none()).to_xml().unwrap();
    let response = caller.http.post(address).body(document).send().await.unwrap();
    assert!(!response.headers().contains_key("koji-version"));
    let user = read_answer(&response.bytes().await.unwrap()).unwrap().unwrap();
    assert_eq!(user.get("name"), Some(&Value::from("osbs")));
    let call = hub.calls().pop().unwrap();
    assert_eq!((call.user.as_deref(), call.call_number), (Some("osbs"), Some(3)));
}

#[tokio::test]
async fn a_strict_hub_takes_sessions_in_the_address_for_anonymous() {
    let settings = HubSettings { url_sessions: false, ..HubSettings::default() };
    let hub = KojiHub::start_with(settings).await.unwrap();
    let caller = Caller::anonymous(&hub.url());
    let document = Call::new("getLoggedInUser", none()).to_xml().unwrap();
    let address = format!("{}?session-id=4&session-key=2-x&callnum=9", hub.url());
    let response = caller.http.post(address).body(document).send().await.unwrap();
    assert_eq!(read_answer(&response.bytes().await.unwrap()).unwrap().unwrap(), Value::Nil);
}

#[tokio::test]
async fn calls_in_a_multicall_are_undone_one_by_one() {
    let (hub, mut caller) = start().await;
    let call = |method: &str, arguments: Arguments| {
        Value::Struct(
            [
                ("methodName".to_owned(), Value::from(method)),
                ("params".to_owned(), Value::Array(arguments.to_parameters())),
            ]
            .into(),
        )
    };
    let calls = Value::Array(vec![
        call("CGInitBuild", reservation("1")),
        call("CGInitBuild", reservation("1")),
        call("getTag", none().with("zzz").named("strict", true)),
        call("getTag", none().with("f99")),
    ]);
    let Value::Array(answers) = caller.call("multiCall", none().with(calls)).await.unwrap() else { panic!() };
    let code = |at: usize| answers[at].get("faultCode").and_then(Value::as_i64);
    assert_eq!([code(0), code(1), code(2), code(3)], [None, Some(1000), Some(1000), None]);
    assert_eq!(answers[2].get("faultString"), Some(&Value::from("No such tagInfo: 'zzz'")));
    assert_eq!(hub.state(|state| state.builds.len()), 1);
    // It wrote, so that its number is used up.
    assert_eq!(fault(caller.again("multiCall", none().with(Value::Array(vec![]))).await.unwrap()).0, 1009);
}
