//! The codec against the recordings: every request means the same after it was
//! read and written again, and every answer can be read, but for the one that a
//! hub has spoilt.

use koji_bridge::xmlrpc::{
    Arguments, Call, Fault, ReadError, Value, read_answer, read_multicall, write_answer,
};

use crate::files::{names, request, response};

/// Requests that are broken on purpose, and uploads.
fn is_xml_rpc(name: &str) -> bool {
    let broken = ["011", "012", "013", "014"].iter().any(|number| name.starts_with(number));
    !broken && request(name).header("content-type") == Some("text/xml")
}

#[test]
fn requests_mean_the_same_when_written_again() {
    let mut seen = 0;
    for name in names().iter().filter(|name| is_xml_rpc(name)) {
        let call = request(name).call().unwrap_or_else(|error| panic!("{name}: {error}"));
        let again = Call::from_xml(call.to_xml().unwrap().as_bytes()).unwrap();
        assert_eq!(call, again, "{name}");
        seen += 1;
    }
    assert!(seen > 55, "only {seen} requests");
}

#[test]
fn broken_requests_are_refused() {
    for (name, malformed) in
        [("012-http-empty-post", false), ("013-http-bad-xml", false), ("014-http-control-char", true)]
    {
        let error = request(name).call().unwrap_err();
        assert_eq!(matches!(error, ReadError::Malformed { .. }), malformed, "{name}: {error}");
    }
}

#[test]
fn answers_are_read_but_for_the_poisoned_one() {
    let mut seen = 0;
    for name in names() {
        let answer = response(&name);
        if answer.status() != 200 {
            continue;
        }
        let read = read_answer(&answer.body);
        if name == "106-CGImport-poisoned-answer-1" {
            assert!(matches!(read, Err(ReadError::Malformed { .. })), "{read:?}");
            continue;
        }
        let read = read.unwrap_or_else(|error| panic!("{name}: {error}"));
        let again = read_answer(write_answer(&read).unwrap().as_bytes()).unwrap();
        assert_eq!(read, again, "{name}");
        seen += 1;
    }
    assert!(seen > 60, "only {seen} answers");
}

#[test]
fn answers_mean_what_the_hub_meant() {
    let value = |name: &str| read_answer(&response(name).body).unwrap().unwrap();
    let fault = |name: &str| read_answer(&response(name).body).unwrap().unwrap_err().code;
    assert_eq!(value("001-getAPIVersion"), Value::Int(1));
    assert_eq!(value("048-strict-header-only"), Value::Nil);
    assert_eq!(value("019-getLoggedInUser").get("name"), Some(&Value::from("osbs")));
    let codes = [
        ("006-fault-invalid-method", 1000),
        ("007-fault-parameter", 1019),
        ("009-fault-python", 1),
        ("010-fault-not-logged-in", 1004),
        ("016-offline", 1014),
        ("017-lockout", 1014),
        ("024-ssllogin-disabled-user", 1002),
        ("034-auth-expired-renew-1", 1007),
        ("038-callnum-retry", 1009),
        ("039-callnum-sequence", 1008),
        ("044-exclusive-denied", 1006),
    ];
    for (name, code) in codes {
        assert_eq!(fault(name), code, "{name}");
    }
}

#[test]
fn every_type_of_the_recording_has_its_kind() {
    let Arguments { positional, named } = request("003-echo-types").call().unwrap().arguments;
    assert!(named.is_empty());
    assert_eq!(
        Value::Array(positional.clone()),
        read_answer(&response("003-echo-types").body).unwrap().unwrap()
    );
    let has = |wanted: &Value| assert!(positional.contains(wanted), "{wanted:?} is not in {positional:?}");
    for number in [1, -1, i64::from(i32::MAX), i64::from(i32::MAX) + 1, 5_368_709_120, i64::MAX] {
        has(&Value::Int(number));
    }
    has(&Value::Double(1_524_680_960.25));
    has(&Value::Nil);
    assert!(positional.iter().any(|value| matches!(value, Value::DateTime(_))));
    assert!(positional.iter().any(|value| matches!(value, Value::Bytes(_))));
    let raw = request("005-raw-i4-i8-exnil").call().unwrap().arguments.positional;
    assert_eq!(raw, [Value::Int(7), Value::Int(7), Value::Nil, Value::Nil, Value::from("bare text")]);
}

#[test]
fn named_arguments_and_multicalls_are_understood() {
    let named = request("018-ssllogin").call().unwrap();
    assert_eq!(named, Call::new("sslLogin", Arguments::none().named("proxyuser", Value::Nil)));
    let Value::Array(calls) = request("146-multicall").call().unwrap().arguments.positional.remove(0) else {
        panic!("a multicall without a list");
    };
    let answer = read_answer(&response("146-multicall").body).unwrap().unwrap();
    let answers = read_multicall(answer, calls.len()).unwrap();
    assert_eq!(answers[1], Err(Fault::new(1000, "No such build: 'nope-1-1'")));
    assert!(answers[0].as_ref().unwrap().get("dest_tag_name").is_some());
}
