//! What a session does about every fault and every break, row by row.

use std::{sync::Arc, time::Duration};

use koji_bridge::{
    login::LoginError,
    session::{CallError, ErrorKind, Session},
    xmlrpc::{Arguments, Value},
};

use crate::script::{
    Generation::{self, Current, Old, Silent},
    Hub,
    Reply::{self, Cut, Fault, Garbage, Is, Status},
};

const OK: Reply = Is(Value::Int(1));
const INVALID: Reply = Fault(1002, "Invalid session or bad credentials");
const DEBUGGED: Reply = Fault(
    1002,
    "Traceback (most recent call last):\n  File \"auth.py\", line 1, in f\n    raise x\nkoji.AuthError: Invalid \
     session or bad credentials\n",
);
const EXPIRED: Reply = Fault(1007, "session \"1\" has expired");
const TWICE: Reply = Fault(1009, "unable to retry call 0 (method x) for session 1");
const BEHIND: Reply = Fault(1008, "500 > 499 (session 1)");
const LOCKED: Reply = Fault(1006, "User locked by another session");
const TOO_LONG: Reply = Status(400, "Invalid request: Request too long\n");
const NO_XML: Reply = Status(400, "Invalid request: not well-formed (invalid token): line 5, column 26\n");
const UNREAD: Reply = Status(400, "Invalid request: Apache/mod_wsgi request data read error\n");
const OFFLINE: Reply = Fault(1014, "Server disabled for maintenance");
const REFUSED: Reply = Fault(1000, "No such build");

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum What {
    Read,
    Write,
}
use What::{Read, Write};

async fn run(session: &Session, what: What) -> String {
    let answer: Result<i64, CallError> = match what {
        Read => session.read("getThing", Arguments::none().with("x")).await,
        Write => session.write("doThing", Arguments::none().with("x")).await,
    };
    match answer {
        Ok(1) => "ok".to_owned(),
        Ok(other) => format!("ok {other}"),
        Err(error) => outcome(&error),
    }
}

fn outcome(error: &CallError) -> String {
    match error {
        CallError::Refused { fault, .. } => format!("refused {}", fault.code),
        CallError::Committed { .. } => "committed".to_owned(),
        CallError::Lost { .. } => "lost".to_owned(),
        CallError::Offline { .. } => "offline".to_owned(),
        CallError::Unreachable { .. } => "unreachable".to_owned(),
        CallError::Unreadable { .. } => "unreadable".to_owned(),
        CallError::Unexpected { .. } => "unexpected".to_owned(),
        CallError::Damaged { .. } => "damaged".to_owned(),
        CallError::Unsendable { .. } => "unsendable".to_owned(),
        CallError::Login(LoginError::Refused { fault, .. }) => format!("login refused {}", fault.code),
        CallError::Login(error) => error.code().to_owned(),
        CallError::Cancelled => "cancelled".to_owned(),
    }
}

async fn check(
    generation: Generation,
    what: What,
    logins: &[Reply],
    calls: &[Reply],
    outcome: &str,
    course: &str,
) {
    let hub = Hub::new(generation, logins, calls).start().await;
    let mut settings = hub.settings();
    settings.offline_limit = Some(Duration::from_millis(100));
    settings.offline_interval = Duration::from_millis(2);
    let session = Session::new(Arc::new(settings)).unwrap();
    let row = format!("{what:?} {logins:?} {calls:?}");
    assert_eq!(run(&session, what).await, outcome, "{row}");
    if !course.is_empty() {
        assert_eq!(hub.hub.course(), course, "{row}");
    }
    for asked in hub.hub.asked() {
        assert_eq!(asked.headers.get("content-type").unwrap(), "text/xml");
        assert!(asked.headers.contains_key("content-length"), "{row}");
    }
}

#[tokio::test]
async fn faults() {
    for code in [1, 1000, 1003, 1004, 1005, 1019, 1020, 4711] {
        for what in [Read, Write] {
            let refused = format!("refused {code}");
            check(Current, what, &[], &[Fault(code, "no")], &refused, "login 1:0").await;
        }
    }
    let rows: &[(What, &[Reply], &str, &str)] = &[
        (Read, &[OK], "ok", "login 1:0"),
        // 1009: a write was carried out, a query gets another number.
        (Write, &[TWICE], "committed", "login 1:0"),
        (Read, &[TWICE, OK], "ok", "login 1:0 1:1"),
        // 1007: renewed once; numbers go on, also after that of the renewal.
        (Read, &[EXPIRED, OK], "ok", "login 1:0 renew 1:2"),
        (Write, &[EXPIRED, OK], "ok", "login 1:0 renew 1:2"),
        (Read, &[EXPIRED, EXPIRED], "refused 1007", "login 1:0 renew 1:2"),
        (Write, &[EXPIRED, REFUSED], "refused 1000", "login 1:0 renew 1:2"),
        // 1002: a new session once.
        (Read, &[INVALID, OK], "ok", "login 1:0 login 2:0"),
        (Write, &[INVALID, OK], "ok", "login 1:0 login 2:0"),
        (Write, &[INVALID, INVALID], "refused 1002", "login 1:0 login 2:0"),
        (Write, &[DEBUGGED, OK], "ok", "login 1:0 login 2:0"),
        (Write, &[Fault(1002, "Not logged-in")], "refused 1002", "login 1:0"),
        (Read, &[Fault(1002, "not entitled")], "refused 1002", "login 1:0"),
        // 1006 and 1008.
        (Read, &[LOCKED], "koji.login_locked", "login 1:0"),
        // 1014: waits, with a new number each time.
        (Read, &[OFFLINE, OFFLINE, OK], "ok", "login 1:0 1:1 1:2"),
        (Write, &[OFFLINE, OFFLINE, REFUSED], "refused 1000", "login 1:0 1:1 1:2"),
        // A fault, and then the next call.
        (Write, &[Fault(1001, "locked")], "refused 1001", "login 1:0"),
    ];
    for (what, calls, outcome, course) in rows {
        check(Current, *what, &[], calls, outcome, course).await;
    }
}

#[tokio::test]
async fn breaks() {
    let bad_gateway = Status(502, "<h1>Bad Gateway</h1>");
    let rows: &[(What, &[Reply], &str, &str)] = &[
        (Read, &[Cut, OK], "ok", "login 1:0 1:0"),
        (Write, &[Cut, OK], "ok", "login 1:0 1:0"),
        (Write, &[bad_gateway.clone(), Cut, OK], "ok", "login 1:0 1:0 1:0"),
        (Write, &[Cut, TWICE], "committed", "login 1:0 1:0"),
        (Write, &[Cut, REFUSED], "refused 1000", "login 1:0 1:0"),
        (Read, &[Cut, Cut, Cut, Cut], "unreachable", "login 1:0 1:0 1:0 1:0"),
        (Write, &[Cut, Cut, Cut, Cut], "lost", "login 1:0 1:0 1:0 1:0"),
        // What may have been carried out is never repeated in another session.
        (Write, &[Cut, INVALID], "lost", "login 1:0 1:0"),
        (Write, &[Cut, EXPIRED], "lost", "login 1:0 1:0"),
        (Write, &[Cut, LOCKED], "lost", "login 1:0 1:0"),
        (Read, &[Cut, EXPIRED, OK], "ok", "login 1:0 1:0 renew 1:2"),
        // Nor with another number while the hub is offline.
        (Write, &[Cut, OFFLINE, TWICE], "committed", "login 1:0 1:0 1:0"),
        (Read, &[Cut, OFFLINE, OK], "ok", "login 1:0 1:0 1:1"),
        // Answers that cannot be read.
        (Read, &[Garbage, OK], "ok", "login 1:0 1:0"),
        (Read, &[Garbage, Garbage], "unreadable", "login 1:0 1:0"),
        (Write, &[Garbage, TWICE], "committed", "login 1:0 1:0"),
        // Answers of another form.
        (Read, &[Is(Value::Nil)], "unexpected", "login 1:0"),
        (Write, &[Is(Value::Nil)], "committed", "login 1:0"),
        // Requests that no try makes better.
        (Read, &[TOO_LONG], "unexpected", "login 1:0"),
        (Write, &[TOO_LONG], "unexpected", "login 1:0"),
        (Write, &[NO_XML], "unexpected", "login 1:0"),
        (Write, &[Status(400, "Invalid request: Empty request\n")], "unexpected", "login 1:0"),
        (Write, &[Status(413, "no")], "unexpected", "login 1:0"),
        // One that the hub could not read to its end, some times.
        (Read, &[UNREAD, OK], "ok", "login 1:0 1:0"),
        (Write, &[UNREAD, UNREAD, REFUSED], "refused 1000", "login 1:0 1:0 1:0"),
        (Write, &[UNREAD, UNREAD, UNREAD, UNREAD], "unreachable", "login 1:0 1:0 1:0 1:0"),
        (Write, &[UNREAD, INVALID, OK], "ok", "login 1:0 1:0 login 2:0"),
        (Write, &[Cut, UNREAD, TWICE], "committed", "login 1:0 1:0 1:0"),
        (Write, &[Cut, UNREAD, INVALID], "lost", "login 1:0 1:0 1:0"),
        // An address where no hub ever was.
        (Read, &[Status(404, "no"), OK], "unexpected", "login 1:0"),
        (Write, &[Status(404, "no"), OK], "unexpected", "login 1:0"),
        (Read, &[OFFLINE, Status(404, "no"), OK], "ok", "login 1:0 1:1 1:1"),
        (Read, &[Status(302, "elsewhere")], "unexpected", "login 1:0"),
        (Write, &[Cut, TOO_LONG], "lost", "login 1:0 1:0"),
        (Read, &[Status(403, "no"), Status(500, "no"), OK], "ok", "login 1:0 1:0 1:0"),
    ];
    for (what, calls, outcome, course) in rows {
        check(Current, *what, &[], calls, outcome, course).await;
    }
    let (what, forever) = (Write, vec![OFFLINE; 500]);
    check(Current, what, &[], &forever, "offline", "").await;
}

#[tokio::test]
async fn other_generations_of_hubs() {
    let rows: &[(Generation, What, &[Reply], &str, &str)] = &[
        (Old, Read, &[OK], "ok", "login 1:0"),
        (Old, Write, &[Cut, TWICE], "committed", "login 1:0 1:0"),
        // A session in the address is not renewed.
        (Old, Read, &[EXPIRED, OK], "ok", "login 1:0 login 2:0"),
        // Numbers count at hubs that do not tell their version, too.
        (Silent, Write, &[Cut, OK], "ok", "login 1:0 1:0"),
        (Silent, Write, &[Cut, TWICE], "committed", "login 1:0 1:0"),
        (Silent, Read, &[Cut, OK], "ok", "login 1:0 1:0"),
    ];
    for (generation, what, calls, outcome, course) in rows {
        check(*generation, *what, &[], calls, outcome, course).await;
    }
}

#[tokio::test]
async fn logins() {
    let rows: &[(&[Reply], &str, &str)] = &[
        (&[Status(503, "busy"), Cut], "ok", "login login login 1:0"),
        (&[OFFLINE, OFFLINE], "ok", "login login login 1:0"),
        (&[Fault(1002, "invalid username or password")], "login refused 1002", "login"),
        (&[LOCKED], "koji.login_locked", "login"),
        (&[Status(403, "no"), OK], "koji.login_unauthorized", "login"),
        (&[Status(401, "no"), OK], "koji.login_unauthorized", "login"),
        (&[Status(301, "no"), OK], "koji.login_answer", "login"),
        (&[Status(404, "no"), OK], "koji.login_answer", "login"),
        (&[UNREAD], "ok", "login login 1:0"),
        (&[TOO_LONG], "koji.login_answer", "login"),
        (&[Garbage], "koji.login_answer", "login"),
        (&[Is(Value::Nil)], "koji.login_answer", "login"),
        (&[Cut, Cut, Cut, Cut], "unreachable", "login login login login"),
    ];
    for (logins, outcome, course) in rows {
        check(Current, Write, logins, &[], outcome, course).await;
    }
    // A hub that cannot renew, and one that knows the session no longer.
    let rows: &[(&[Reply], &str, &str)] = &[
        (&[Fault(1019, "unexpected keyword argument 'renew'")], "ok", "login 1:0 renew login 2:0"),
        (&[Status(500, "no")], "ok", "login 1:0 renew login 2:0"),
        (&[LOCKED], "koji.login_locked", "login 1:0 renew"),
    ];
    for (renewals, outcome, course) in rows {
        let first = Is(Value::Struct(std::collections::BTreeMap::from([
            ("session-id".to_owned(), Value::Int(1)),
            ("session-key".to_owned(), Value::from(crate::script::KEY)),
            ("header-auth".to_owned(), Value::Bool(true)),
        ])));
        let logins: Vec<_> = std::iter::once(first).chain(renewals.iter().cloned()).collect();
        let course = course.replace("2:0", "1:0");
        check(Current, Write, &logins, &[EXPIRED, OK], outcome, &course).await;
    }
}

#[tokio::test]
async fn kinds_tell_what_may_have_happened() {
    let rows: &[(What, &[Reply], ErrorKind)] = &[
        (Write, &[REFUSED], ErrorKind::Permanent),
        (Write, &[TWICE], ErrorKind::Ambiguous),
        (Write, &[Cut, INVALID], ErrorKind::Ambiguous),
        (Read, &[Cut, Cut, Cut, Cut], ErrorKind::Retryable),
        (Read, &[Garbage, Garbage], ErrorKind::Permanent),
    ];
    for (what, calls, kind) in rows {
        let session_hub = Hub::new(Current, &[], calls).start().await;
        let session = session_hub.session();
        let answer: Result<i64, CallError> = match what {
            Read => session.read("getThing", Arguments::none()).await,
            Write => session.write("doThing", Arguments::none()).await,
        };
        assert_eq!(answer.unwrap_err().kind(), *kind, "{calls:?}");
    }
}

#[tokio::test]
async fn logins_that_may_succeed_later_say_so() {
    let away = Fault(1, "<class 'psycopg2.OperationalError'>: could not connect to server");
    let rows = [
        (away, ErrorKind::Retryable),
        (Fault(1002, "invalid username or password"), ErrorKind::Permanent),
        (Fault(1004, "not allowed"), ErrorKind::Permanent),
        (LOCKED, ErrorKind::Permanent),
        (Status(401, "no"), ErrorKind::Permanent),
        (Status(404, "no"), ErrorKind::Permanent),
    ];
    for (login, kind) in rows {
        let hub = Hub::new(Current, std::slice::from_ref(&login), &[]).start().await;
        let error = hub.session().read::<i64>("getThing", Arguments::none()).await.unwrap_err();
        assert!(matches!(error, CallError::Login(_)), "{error}");
        assert_eq!(error.kind(), kind, "{login:?}");
    }
}

#[tokio::test]
async fn a_hub_that_has_seen_a_later_call_is_told_that_the_session_ends() {
    let rows: &[(What, &str, &[&str])] =
        &[(Read, "ok", &["login", "1:0", "1:1", "login", "2:0"]), (Write, "lost", &["login", "1:0", "1:1"])];
    for (what, wanted, asked) in rows {
        let hub = Hub::new(Current, &[], &[BEHIND]).start().await;
        let session = hub.session();
        assert_eq!(run(&session, *what).await, *wanted);
        // Ends when what was begun has ended.
        session.logout().await;
        let course = hub.hub.course();
        let mut words: Vec<_> = course.split(' ').filter(|word| *word != "2:1").collect();
        words.sort_unstable();
        let mut asked = asked.to_vec();
        asked.sort_unstable();
        assert_eq!(words, asked, "{course}");
    }
}
