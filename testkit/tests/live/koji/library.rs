//! The library, as programs use it, on a hub where things go wrong.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use testkit::hub::{Effect, HubSettings};

use super::{client::OfficialClient, document, facts::Facts, hub};

/// Uploads the files of a document one after the other and imports it, reserved or not.
/// Arguments: directory of the files, `reserve` or nothing.
const IMPORT: &str = r#"
import os
hub = session()
directory = ARGUMENTS[0]
document = json.load(open(os.path.join(directory, "metadata.json")))
token = None
if "reserve" in ARGUMENTS:
    wanted = {name: document["build"][name] for name in ("name", "version", "release")}
    reserved = hub.CGInitBuild("atomic-reactor", wanted)
    document["build"]["build_id"] = reserved["build_id"]
    token = reserved["token"]
target = "koji-upload/by-hand-" + document["build"]["release"]
for output in document["output"]:
    hub.uploadWrapper(os.path.join(directory, output["filename"]), target, blocksize=65536)
answer(hub.CGImport(document, target, token)["nvr"])
"#;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the official Koji client"]
async fn imports_of_all_ways_are_the_same_field_by_field() -> Result<()> {
    for settings in [HubSettings::default(), HubSettings::old()] {
        let hub = hub(settings).await?;
        let client = OfficialClient::of(&hub)?;
        let directory = |release: &str| client.file(release);
        for release in ["1", "2", "3"] {
            document::write(&directory(release), release)?;
        }
        let (metadata, files) = (directory("1").join("metadata.json"), directory("1"));
        let (metadata, files) = (metadata.to_string_lossy(), files.to_string_lossy());
        let ended = client.user(&["import-cg", "--noprogress", &metadata, &files]).await?;
        ensure!(ended.code == Some(0), "{ended:?}");
        client.script(IMPORT, &[&directory("2").to_string_lossy()]).await?;
        client.script(IMPORT, &[&directory("3").to_string_lossy(), "reserve"]).await?;
        let first = Facts::read(&client, &document::nvr("1")).await?;
        ensure!(first.at("/build/state") == &json!(1) && first.at("/build/owner_name") == &json!("osbs"));
        ensure!(first.at("/images").as_array().map(Vec::len) == Some(2), "{first:?}");
        for release in ["2", "3"] {
            let other = Facts::read(&client, &document::nvr(release)).await?;
            let rename = |text: &str| match text {
                text if text == release => "1".to_owned(),
                text => text
                    .replace(&format!("1.0-{release}"), "1.0-1")
                    .replace(&format!("1.0/{release}/"), "1.0/1/"),
            };
            let mut differences = first.differences(&other, &rename);
            if release == "3" {
                // A reserved build begins when it is reserved, whatever its document says.
                differences.retain(|line| !line.starts_with("/build/start_t"));
            }
            ensure!(differences.is_empty(), "release {release}: {differences:#?}");
        }
    }
    Ok(())
}

/// What goes wrong at which method, how often; what somebody does, and what that is
/// answered; how often the method came to the hub, if that matters.
struct Row {
    case: &'static str,
    faults: &'static [(&'static str, usize, Effect)],
    script: &'static str,
    answer: fn() -> Value,
    calls: Option<(&'static str, usize)>,
}

const ROWS: &[Row] = &[
    Row {
        case: "calls in one, and one of them fails",
        faults: &[],
        script: r#"
hub = session()
with hub.multicall() as calls:
    results = [calls.getTag("f44-container"), calls.getTag("nothing", strict=True), calls.echo([1, None, 2**40])]
answer([results[0].result["name"], failure(lambda: results[1].result), results[2].result])"#,
        answer: || {
            json!(["f44-container", ["GenericError", "No such tagInfo: 'nothing'"], [[1, null, 1_u64 << 40]]])
        },
        calls: None,
    },
    Row {
        case: "a session that has expired is renewed",
        faults: &[("CGInitBuild", 1, Effect::ExpireSession)],
        script: r#"
hub = session()
before = dict(hub.sinfo)
hub.CGInitBuild("atomic-reactor", {"name": "hello-container", "version": "1.0", "release": "1"})
# Hubs of before 1.31 look at no headers, and open a new session.
same = before["session-id"] == hub.sinfo["session-id"]
answer([same == bool(hub.sinfo.get("header-auth")), before["session-key"] == hub.sinfo["session-key"],
        hub.getBuild("hello-container-1.0-1")["state"], hub.getLoggedInUser()["name"]])"#,
        answer: || json!([true, false, 0, "osbs"]),
        calls: None,
    },
    Row {
        case: "the answer of a write is lost: it was carried out, and the repetition is refused",
        faults: &[("CGInitBuild", 1, Effect::DropAnswer)],
        script: r#"
hub = session()
wanted = {"name": "hello-container", "version": "1.0", "release": "1"}
failed = failure(hub.CGInitBuild, "atomic-reactor", wanted)
answer([failed[0], "unable to retry call" in failed[1], hub.getBuild("hello-container-1.0-1")["state"],
        failure(hub.CGInitBuild, "atomic-reactor", wanted)])"#,
        answer: || json!(["RetryError", true, 0, ["GenericError", "Build is already reserved"]]),
        calls: None,
    },
    Row {
        case: "a write is lost before it counts: the repetition does it",
        faults: &[("CGInitBuild", 1, Effect::DropBeforeCommit)],
        script: r#"
hub = session()
made = hub.CGInitBuild("atomic-reactor", {"name": "hello-container", "version": "1.0", "release": "1"})
answer([sorted(made), hub.getBuild(made["build_id"])["state"]])"#,
        answer: || json!([["build_id", "token"], 0]),
        calls: None,
    },
    Row {
        case: "an answer that nobody can read counts as lost",
        faults: &[("CGInitBuild", 1, Effect::PoisonedAnswer)],
        script: r#"
hub = session()
answer(failure(hub.CGInitBuild, "atomic-reactor", {"name": "hello-container", "version": "1.0", "release": "1"})[0])"#,
        answer: || json!("RetryError"),
        calls: None,
    },
    Row {
        case: "reads are repeated until there is an answer",
        faults: &[
            ("getTag", 1, Effect::DropAnswer),
            ("getTag", 1, Effect::Status(500)),
            ("getTag", 1, Effect::BadGateway),
        ],
        script: r#"answer(session().getTag("f44-container")["name"])"#,
        answer: || json!("f44-container"),
        calls: None,
    },
    Row {
        case: "a fault is not repeated",
        faults: &[("getTag", 1, Effect::Raise(1000, String::new()))],
        script: r#"answer(failure(session().getTag, "f44-container"))"#,
        answer: || json!(["GenericError", ""]),
        calls: Some(("getTag", 1)),
    },
    Row {
        case: "a hub that is offline is asked again by who wants that",
        faults: &[("getTag", 2, Effect::Offline)],
        script: r#"answer(session(offline_retry=True).getTag("f44-container")["name"])"#,
        answer: || json!("f44-container"),
        calls: Some(("getTag", 3)),
    },
    Row {
        case: "and by nobody else",
        faults: &[("getTag", 1, Effect::Offline)],
        script: r#"answer(failure(session().getTag, "f44-container")[0])"#,
        answer: || json!("ServerOffline"),
        calls: Some(("getTag", 1)),
    },
    Row {
        case: "an upload in small blocks",
        faults: &[],
        script: UPLOAD,
        answer: || json!([300_001, true]),
        calls: Some(("rawUpload", 5)),
    },
    Row {
        case: "an upload that is cut, refused and answered late",
        faults: &[
            ("rawUpload", 1, Effect::CutUpload(1000)),
            ("rawUpload", 1, Effect::Status(502)),
            ("rawUpload", 1, Effect::DropAnswer),
            ("rawUpload", 1, Effect::Delay(20)),
        ],
        script: UPLOAD,
        answer: || json!([300_001, true]),
        calls: None,
    },
    Row {
        case: "a block whose checksum is answered wrong",
        faults: &[("rawUpload", 1, Effect::WrongChecksum)],
        script: r#"
import tempfile
with tempfile.NamedTemporaryFile() as file:
    file.write(b"hello")
    file.flush()
    failed = failure(session().uploadWrapper, file.name, "koji-upload/wrong", name="file")
answer([failed[0], failed[1].split(":")[0]])"#,
        answer: || json!(["GenericError", "upload checksum failed"]),
        calls: None,
    },
    Row {
        case: "a reservation is given back and taken again",
        faults: &[],
        script: r#"
hub = session()
wanted = {"name": "hello-container", "version": "1.0", "release": "1"}
first = hub.CGInitBuild("atomic-reactor", wanted)
wrong = failure(hub.CGRefundBuild, "atomic-reactor", first["build_id"], "x")[1].split(" build ID")[0]
hub.CGRefundBuild("atomic-reactor", first["build_id"], first["token"], state=koji.BUILD_STATES["CANCELED"])
state = hub.getBuild(first["build_id"])["state"]
second = hub.CGInitBuild("atomic-reactor", wanted)
answer([wrong, state, first["build_id"] == second["build_id"], first["token"] == second["token"]])"#,
        answer: || json!(["Token doesn't match", 4, true, false]),
        calls: None,
    },
    Row {
        case: "the lock of a user, held by another session and taken by force",
        faults: &[],
        script: r#"
one, two = session(), session()
one.exclusiveSession()
locked = failure(two.getTag, "f44-container")[0]
three = session()
three.exclusiveSession(force=True)
answer([locked, failure(one.getTag, "f44-container")[0], three.getTag("f44-container")["name"]])"#,
        answer: || json!(["AuthLockError", "AuthError", "f44-container"]),
        calls: None,
    },
    Row {
        case: "children of a session, and the end of all",
        faults: &[],
        script: r#"
hub = session()
child = hub.subsession()
name = child.getLoggedInUser()["name"]
hub.logout()
answer([name, failure(child.getTag, "f44-container")[0], hub.logged_in])"#,
        answer: || json!(["osbs", "AuthError", false]),
        calls: None,
    },
    Row {
        case: "a wrong password",
        faults: &[],
        script: r#"
hub = session(login=False)
hub.opts["password"] = "wrong"
answer(failure(hub.login)[0])"#,
        answer: || json!("AuthError"),
        calls: None,
    },
];

const UPLOAD: &str = r#"
import hashlib, tempfile
hub = session()
content = bytes(range(256)) * 1171 + b"\0" * 225
with tempfile.NamedTemporaryFile() as file:
    file.write(content)
    file.flush()
    hub.uploadWrapper(file.name, "koji-upload/small", name="file", blocksize=65536)
there = hub.checkUpload("koji-upload/small", "file", verify="md5")
answer([int(there["size"]), there["hexdigest"] == hashlib.md5(content).hexdigest()])"#;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the official Koji client"]
async fn the_library_meets_each_fault() -> Result<()> {
    for settings in [HubSettings::default(), HubSettings::old()] {
        for row in ROWS {
            let hub = hub(settings.clone()).await?;
            let client = OfficialClient::of(&hub)?;
            for (method, times, effect) in row.faults {
                hub.fault(method, *times, effect.clone());
            }
            let answer = client.script(row.script, &[]).await?;
            ensure!(answer == (row.answer)(), "{}: {answer}", row.case);
            if let Some((method, times)) = row.calls {
                ensure!(hub.count(method) == times, "{}: {:#?}", row.case, hub.calls());
            }
            hub.stop().await;
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the official Koji client"]
async fn a_hub_that_comes_back_is_not_given_up() -> Result<()> {
    let hub = hub(HubSettings::default()).await?;
    let client = OfficialClient::of(&hub)?;
    hub.go_offline(Some(Duration::from_millis(500)));
    let script = r#"
hub = session(login=False, offline_retry=True, offline_retry_interval=0.1)
hub.login()
answer(hub.getLoggedInUser()["name"])"#;
    ensure!(client.script(script, &[]).await? == json!("osbs"));
    Ok(())
}
