//! The life of a session: one call at a time, callers that go away, waiting that
//! can be seen, uploads, the end.

use std::{sync::Arc, sync::atomic::Ordering, time::Duration};

use bytes::Bytes;
use koji_bridge::{
    session::{CallError, Chunk, ErrorKind, HubState, Login, Session},
    xmlrpc::{Arguments, Call, Fault, Value},
};
use tokio::{task::JoinSet, time::timeout};

use crate::script::{
    Generation::{Current, Old},
    Hub,
    Reply::{self, Cut, Fault as Refusal, Hang, Is, Status},
    settings,
};

/// A test that waits longer than this hangs.
const PATIENCE: Duration = Duration::from_secs(30);

async fn read(session: &Session) -> Result<i64, CallError> {
    session.read("getThing", Arguments::none()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_call_is_in_flight_and_numbers_grow() {
    let hub = Hub::new(Current, &[], &[]).slow(Duration::from_millis(2)).start().await;
    let session = hub.session();
    let calls = (0..20).map(|_| {
        let session = session.clone();
        async move { read(&session).await }
    });
    for answer in futures::future::join_all(calls).await {
        assert_eq!(answer.unwrap(), 1);
    }
    assert_eq!(hub.hub.most_busy.load(Ordering::SeqCst), 1);
    let wanted: Vec<_> =
        std::iter::once("login".to_owned()).chain((0..20).map(|number| format!("1:{number}"))).collect();
    assert_eq!(hub.hub.course(), wanted.join(" "));
}

#[tokio::test]
async fn a_call_whose_caller_went_away_ends_its_session() {
    let hub = Hub::new(Current, &[], &[Hang]).start().await;
    let session = hub.session();
    let write = session.write::<i64>("doThing", Arguments::none());
    let mut write = Box::pin(write);
    // Dropped as soon as the hub has it.
    timeout(PATIENCE, async {
        loop {
            tokio::select! {
                biased;
                answer = &mut write => panic!("{answer:?}"),
                () = tokio::time::sleep(Duration::from_millis(5)) => {}
            }
            if hub.hub.asked().len() == 2 {
                break;
            }
        }
    })
    .await
    .unwrap();
    drop(write);
    assert_eq!(read(&session).await.unwrap(), 1);
    // The hub is told of the end of the first while the second is at work.
    session.logout().await;
    let course = hub.hub.course();
    assert!(course.starts_with("login 1:0 "), "{course}");
    let mut words: Vec<_> = course.split(' ').collect();
    words.sort_unstable();
    assert_eq!(words, ["1:0", "1:1", "2:0", "2:1", "login", "login"], "{course}");
    let logouts = hub.hub.asked().iter().filter(|asked| asked.call().unwrap().method == "logout").count();
    assert_eq!(logouts, 2);
}

#[tokio::test]
async fn waiting_can_be_seen() {
    let offline = Refusal(1014, "Server disabled for maintenance");
    let hub = Hub::new(Current, &[], &[offline.clone(), offline]).start().await;
    let mut settings = hub.settings();
    settings.offline_interval = Duration::from_millis(50);
    let session = Session::new(Arc::new(settings)).unwrap();
    let mut state = session.state();
    assert_eq!(*state.borrow_and_update(), HubState::LoggedOut);
    let mut call = JoinSet::new();
    call.spawn({
        let session = session.clone();
        async move { read(&session).await }
    });
    let seen = timeout(PATIENCE, state.wait_for(|state| matches!(state, HubState::Offline { .. }))).await;
    let HubState::Offline { text, .. } = seen.unwrap().unwrap().clone() else { unreachable!() };
    assert_eq!(text, "Server disabled for maintenance");
    timeout(PATIENCE, state.wait_for(|state| *state == HubState::Connected)).await.unwrap().unwrap();
    assert_eq!(call.join_next().await.unwrap().unwrap().unwrap(), 1);
    assert_eq!(session.hub_version().as_deref(), Some("1.35.3"));
}

#[tokio::test]
async fn who_waits_behind_a_wait_does_not_wait_again() {
    let hub = Hub::new(Current, &[], &vec![Refusal(1014, "offline"); 1000]).start().await;
    let mut settings = hub.settings();
    settings.offline_interval = Duration::from_millis(40);
    settings.offline_limit = Some(Duration::from_millis(200));
    let session = Session::new(Arc::new(settings)).unwrap();
    let answers = futures::future::join_all((0..4).map(|_| read(&session))).await;
    assert!(answers.iter().all(|answer| matches!(answer, Err(CallError::Offline { .. }))), "{answers:?}");
    // The first asks six times at most, the others once each; four times six were too many.
    let tries = hub.hub.asked().len() - 1;
    assert!(tries <= 9, "{tries}");
}

#[tokio::test]
async fn a_hub_that_is_away_is_unreachable() {
    let hub = Hub::new(Current, &[], &[]).start().await;
    let url = hub.url.clone();
    drop(hub);
    let session = Session::new(Arc::new(settings(url, Login::Anonymous))).unwrap();
    let error = session.write::<i64>("doThing", Arguments::none()).await.unwrap_err();
    assert!(matches!(error, CallError::Unreachable { .. }), "{error}");
    assert_eq!(error.kind(), ErrorKind::Retryable);
    assert!(matches!(&*session.state().borrow(), HubState::Unreachable { .. }));
}

#[tokio::test]
async fn nobody_asks_without_a_session() {
    let refusal = Refusal(1004, "you must be logged in for this operation");
    let hub =
        Hub::new(Current, &[], &[Is(Value::Int(1)), Cut, Is(Value::Int(1)), refusal, Cut]).start().await;
    let session = Session::new(Arc::new(settings(hub.url.clone(), Login::Anonymous))).unwrap();
    assert_eq!(read(&session).await.unwrap(), 1);
    assert_eq!(read(&session).await.unwrap(), 1);
    let write = || session.write::<i64>("doThing", Arguments::none());
    assert!(matches!(write().await, Err(CallError::Refused { .. })));
    assert!(matches!(write().await, Err(CallError::Lost { .. })));
    assert_eq!(hub.hub.course(), "anonymous anonymous anonymous anonymous anonymous");
}

#[tokio::test]
async fn logout_ends_waits_and_further_calls() {
    let hub = Hub::new(Current, &[], &[Is(Value::Int(1)), Is(Value::Nil)]).start().await;
    let session = hub.session();
    read(&session).await.unwrap();
    session.logout().await;
    assert_eq!(hub.hub.course(), "login 1:0 1:1");
    assert_eq!(hub.hub.asked()[2].call().unwrap(), Call::new("logout", Arguments::none()));
    assert!(matches!(read(&session).await, Err(CallError::Cancelled)));
    assert_eq!(*session.state().borrow(), HubState::LoggedOut);
    // A call that waits for a hub that is offline is let go.
    let hub = Hub::new(Current, &[], &vec![Refusal(1014, "offline"); 9]).start().await;
    let mut settings = hub.settings();
    settings.offline_interval = Duration::from_secs(3600);
    let session = Session::new(Arc::new(settings)).unwrap();
    let mut call = JoinSet::new();
    call.spawn({
        let session = session.clone();
        async move { read(&session).await }
    });
    let mut state = session.state();
    timeout(PATIENCE, state.wait_for(|state| matches!(state, HubState::Offline { .. })))
        .await
        .unwrap()
        .unwrap();
    session.logout().await;
    assert!(matches!(
        timeout(PATIENCE, call.join_next()).await.unwrap().unwrap().unwrap(),
        Err(CallError::Cancelled)
    ));
}

#[tokio::test]
async fn several_reads_travel_together() {
    let mut fault = std::collections::BTreeMap::new();
    fault.insert("faultCode".to_owned(), Value::Int(1000));
    fault.insert("faultString".to_owned(), Value::from("No such build: 'x'"));
    let answer = Value::Array(vec![Value::Array(vec![Value::Int(5)]), Value::Struct(fault)]);
    let hub = Hub::new(Current, &[], &[Cut, Is(answer)]).start().await;
    let calls =
        vec![Call::new("a", Arguments::none()), Call::new("b", Arguments::none().named("strict", true))];
    let answers = hub.session().read_all(calls).await.unwrap();
    assert_eq!(answers, [Ok(Value::Int(5)), Err(Fault::new(1000, "No such build: 'x'"))]);
    assert_eq!(hub.hub.course(), "login 1:0 1:0");
}

fn written(size: i64, offset: i64, hexdigest: &str) -> Reply {
    Is(Value::Struct(std::collections::BTreeMap::from([
        ("size".to_owned(), Value::Int(size)),
        ("fileverify".to_owned(), Value::from("adler32")),
        ("offset".to_owned(), Value::Int(offset)),
        ("hexdigest".to_owned(), Value::from(hexdigest)),
    ])))
}

#[tokio::test]
async fn parts_of_files_are_sent_until_they_arrive_whole() {
    let right = written(9, 1024, "11e60398");
    let invalid = Refusal(1002, "Invalid session or bad credentials");
    let twice = Refusal(1009, "unable to retry call 0");
    let unread = || Status(400, "Apache/mod_wsgi request data read error");
    // What the hub does; whether the part was sent more than once, if it arrived; the course.
    let rows: &[(&[Reply], Result<bool, ErrorKind>, &str)] = &[
        (std::slice::from_ref(&right), Ok(false), "login 1:0"),
        (&[unread(), right.clone()], Ok(true), "login 1:0 1:0"),
        (&[Status(400, "Request too long"), right.clone()], Ok(true), "login 1:0 1:0"),
        (
            &[unread(), unread(), unread(), unread(), right.clone()],
            Err(ErrorKind::Retryable),
            "login 1:0 1:0 1:0 1:0",
        ),
        (&[Cut, right.clone()], Ok(true), "login 1:0 1:0"),
        (&[Cut, twice, right.clone()], Ok(true), "login 1:0 1:0 1:1"),
        (&[Cut, invalid, right.clone()], Ok(true), "login 1:0 1:0 login 2:0"),
        (&[Refusal(1001, "locked"), Refusal(1001, "locked"), right.clone()], Ok(true), "login 1:0 1:1 1:2"),
        (&[written(9, 1024, "00000001"), right.clone()], Ok(true), "login 1:0 1:1"),
        (
            &[written(8, 1024, "11e60398"), written(9, 0, "11e60398"), written(9, 1024, "x")],
            Err(ErrorKind::Retryable),
            "login 1:0 1:1 1:2",
        ),
        (&[Refusal(1000, "destination is a symlink: x")], Err(ErrorKind::Permanent), "login 1:0"),
    ];
    for (replies, outcome, course) in rows {
        let hub = Hub::new(Current, &[], replies).start().await;
        let (directory, name, data) = ("koji-upload/17.a", "a b:c.tar", Bytes::from_static(b"Wikipedia"));
        let chunk = Chunk { directory, name, offset: 1024, overwrite: true, data: data.clone() };
        let answer = hub.session().upload_chunk(&chunk).await;
        let ended = answer.map(|answer| answer.repeated).map_err(|error| error.kind());
        assert_eq!(ended, *outcome, "{replies:?}");
        assert_eq!(hub.hub.course(), *course, "{replies:?}");
        for asked in &hub.hub.asked()[1..] {
            if asked.headers.get("content-type").unwrap() == "application/octet-stream" {
                assert_eq!(asked.body, data);
            }
        }
    }
}

#[tokio::test]
async fn a_repeated_try_is_the_same_to_the_byte() {
    for generation in [Current, Old] {
        let hub = Hub::new(generation, &[], &[Cut, Cut, Is(Value::Int(1))]).start().await;
        let arguments = Arguments::none().with("ü").named("b", 1).named("a", Value::Nil);
        hub.session().write::<i64>("doThing", arguments).await.unwrap();
        let asked = hub.hub.asked();
        for again in &asked[2..] {
            assert_eq!(
                (&again.body, &again.query, &again.headers),
                (&asked[1].body, &asked[1].query, &asked[1].headers)
            );
        }
        assert_eq!(asked.len(), 4);
    }
}

#[tokio::test]
async fn what_cannot_be_written_is_not_sent() {
    let hub = Hub::new(Current, &[], &[]).start().await;
    let arguments = Arguments::none().with("a\u{8}b");
    let error = hub.session().write::<i64>("doThing", arguments).await.unwrap_err();
    assert!(matches!(error, CallError::Unsendable { .. }), "{error}");
    assert_eq!(hub.hub.course(), "");
}
