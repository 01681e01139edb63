//! `koji-bridge check`: in order, and each check failing for its own reason.

use std::{fs, os::unix::fs::PermissionsExt as _};

use rcgen::{CertificateParams, DnType, KeyPair, date_time_ymd};
use serde_json::{Value, json};
use testkit::hub::{Effect, HubSettings, KojiHub, State};

use super::{Bench, secret};
use crate::support::{GENERATOR, PACKAGE, USER};

const ALL: &str = "check --json --target f44-candidate --nvr hello-container-1.0-1 --upload";

/// The outcome and the code of a check's findings.
fn findings<'a>(report: &'a Value, name: &str) -> Vec<(&'a str, &'a str)> {
    let checks = report["checks"].as_array().unwrap().iter().filter(|check| check["check"] == name);
    let text = |check: &'a Value, key: &str| check[key].as_str().unwrap_or_default();
    checks.map(|check| (text(check, "outcome"), text(check, "code"))).collect()
}

#[tokio::test]
async fn a_hub_in_order_is_in_order() {
    let bench = Bench::new().await;
    let ended = bench.run(ALL).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let report = ended.json();
    assert_eq!(report["ok"], true);
    let expected = |name: &str| match name {
        "tls" => ("warning", "koji.hub_in_the_clear"),
        "certificate" | "web_url" => ("skipped", ""),
        _ => ("ok", ""),
    };
    let checks = report["checks"].as_array().unwrap();
    assert_eq!(checks.len(), 21, "{report:#}");
    for check in checks {
        let name = check["check"].as_str().unwrap();
        assert_eq!(findings(&report, name), [expected(name)], "{name}: {report:#}");
    }
    let text = bench.run("check").await;
    assert_eq!(text.code, Some(0), "{text:?}");
    assert!(text.stdout.contains("logged in as osbs by password"), "{text:?}");
    assert!(text.stdout.contains("no --target is given") && !text.stdout.contains('\u{1b}'), "{text:?}");
    // Nothing has changed but for the upload.
    let wrote = ["CGInitBuild", "CGImport", "tagBuild", "createUser"].map(|method| bench.hub.count(method));
    assert_eq!((wrote, bench.hub.count("rawUpload")), ([0; 4], 1));
}

type Edit = fn(&mut Value);
type Arrange = fn(&mut State);

/// What is wrong, and what is said about it: check, outcome, code, exit code.
struct Row {
    case: &'static str,
    hub: Arrange,
    fault: Option<(&'static str, i64, &'static str)>,
    settings: Edit,
    said: (&'static str, &'static str, &'static str, i32),
    skipped: &'static [&'static str],
}

const ROW: Row =
    Row { case: "", hub: |_| {}, fault: None, settings: |_| {}, said: ("", "", "", 0), skipped: &[] };

fn tag<'a>(state: &'a mut State, name: &str) -> &'a mut testkit::hub::state::Tag {
    let id = state.tag_id(name).unwrap();
    state.tags.get_mut(&id).unwrap()
}

fn rows() -> Vec<Row> {
    vec![
        Row {
            case: "a key that is none",
            settings: |settings| settings["koji"]["hub"] = "x".into(),
            said: ("settings", "failed", "koji.settings", 3),
            skipped: &["files", "hub", "login", "target", "files_url"],
            ..ROW
        },
        Row {
            case: "no hub",
            settings: |settings| *settings = json!({}),
            said: ("settings", "failed", "koji.no_hub", 3),
            skipped: &["hub"],
            ..ROW
        },
        Row {
            case: "no file with the password",
            settings: |settings| settings["koji"]["login"]["password_file"] = "/nowhere".into(),
            said: ("files", "failed", "koji.secret_file", 3),
            skipped: &["hub", "login"],
            ..ROW
        },
        Row {
            case: "nobody listens",
            settings: |settings| settings["koji"]["hub_url"] = "http://127.0.0.1:1/kojihub".into(),
            said: ("hub", "failed", "koji.unreachable", 4),
            skipped: &["tls", "login", "session", "generator", "target", "repository", "package", "upload"],
            ..ROW
        },
        Row {
            case: "offline",
            fault: Some(("*", 1014, "Server disabled for maintenance")),
            said: ("hub", "failed", "koji.offline", 75),
            skipped: &["login"],
            ..ROW
        },
        Row {
            case: "a wrong password",
            settings: |settings| settings["koji"]["login"]["user"] = "other".into(),
            said: ("login", "failed", "koji.login_refused", 3),
            skipped: &["session", "lock", "permissions", "upload"],
            ..ROW
        },
        Row {
            case: "nobody logs in",
            settings: |settings| settings["koji"]["login"] = Value::Null,
            said: ("login", "warning", "koji.anonymous", 0),
            skipped: &["session", "lock", "permissions", "upload"],
            ..ROW
        },
        Row {
            case: "a builder has the user",
            fault: Some(("getLoggedInUser", 1006, "User locked by another session")),
            said: ("lock", "failed", "koji.session_locked", 3),
            skipped: &["session", "permissions", "upload"],
            ..ROW
        },
        Row {
            case: "no session",
            fault: Some(("getSessionInfo", 1000, "no")),
            said: ("session", "failed", "koji.refused", 3),
            ..ROW
        },
        Row {
            case: "an administrator",
            hub: |state| {
                let id = state.user_id(USER).unwrap();
                state.users.get_mut(&id).unwrap().permissions.insert("admin".into());
            },
            said: ("permissions", "warning", "koji.user_is_admin", 0),
            ..ROW
        },
        Row {
            case: "permissions are not told",
            fault: Some(("getUserPerms", 1, "<class 'KeyError'>: 'x'")),
            said: ("permissions", "failed", "koji.hub_exception", 1),
            ..ROW
        },
        Row {
            case: "a hub of few words",
            fault: Some(("system.listMethods", 1000, "Invalid method: system.listMethods")),
            said: ("methods", "warning", "koji.hub_silent", 0),
            ..ROW
        },
        Row {
            case: "no such content generator",
            hub: |state| state.content_generators.clear(),
            said: ("generator", "failed", "koji.unknown_generator", 1),
            ..ROW
        },
        Row {
            case: "another's content generator",
            hub: |state| state.content_generators.get_mut(GENERATOR).unwrap().users.clear(),
            said: ("generator", "failed", "koji.no_generator_access", 1),
            ..ROW
        },
        Row {
            case: "no images",
            hub: |state| state.build_types.retain(|name, _| name != "image"),
            said: ("build_types", "failed", "koji.no_image_type", 1),
            ..ROW
        },
        Row {
            case: "no such target",
            hub: |state| state.targets.clear(),
            said: ("target", "failed", "koji.no_target", 2),
            skipped: &["repository", "destination_tag", "package"],
            ..ROW
        },
        Row {
            case: "a build tag without architectures",
            hub: |state| tag(state, "f44-build").arches = None,
            said: ("target", "failed", "koji.target_without_platforms", 1),
            ..ROW
        },
        Row {
            case: "no repository",
            hub: |state| state.repositories.clear(),
            said: ("repository", "failed", "koji.no_repository", 2),
            ..ROW
        },
        Row {
            case: "a locked tag",
            hub: |state| tag(state, "f44").locked = true,
            said: ("destination_tag", "failed", "koji.tag_locked", 1),
            ..ROW
        },
        Row {
            case: "a tag for others",
            hub: |state| tag(state, "f44").permission = Some("secalert".into()),
            said: ("destination_tag", "failed", "koji.tag_permission", 1),
            ..ROW
        },
        Row {
            case: "a package that is not listed",
            hub: |state| tag(state, "f44").packages.clear(),
            said: ("package", "failed", "koji.package_not_listed", 1),
            ..ROW
        },
        Row {
            case: "a blocked package",
            hub: |state| {
                let (id, owner) = (state.tag_id("f44").unwrap(), state.user_id(USER).unwrap());
                state.list_package(id, PACKAGE, owner, true);
            },
            said: ("package", "failed", "koji.package_blocked", 1),
            ..ROW
        },
        Row {
            case: "uploads are refused",
            fault: Some(("rawUpload", 1004, "no")),
            said: ("upload", "failed", "koji.not_allowed", 3),
            ..ROW
        },
        Row {
            case: "no files",
            settings: |settings| settings["koji"]["files_url"] = "http://127.0.0.1:1/".into(),
            said: ("files_url", "failed", "koji.files_unreachable", 1),
            ..ROW
        },
        Row {
            case: "other files",
            settings: |settings| {
                let url = settings["koji"]["files_url"].as_str().unwrap().to_owned();
                settings["koji"]["files_url"] = format!("{url}/elsewhere").into();
            },
            said: ("files_url", "warning", "koji.files_missing", 0),
            ..ROW
        },
        Row {
            case: "no site",
            settings: |settings| settings["koji"]["web_url"] = "http://127.0.0.1:1/koji".into(),
            said: ("web_url", "warning", "koji.web_unreachable", 0),
            ..ROW
        },
    ]
}

#[tokio::test]
async fn each_check_fails_for_its_own_reason() {
    for Row { case, hub, fault, settings, said: (check, outcome, code, exit), skipped } in rows() {
        let mut bench = Bench::new().await;
        bench.hub.change(hub).unwrap();
        if let Some((method, code, text)) = fault {
            bench.hub.fault(method, 100, Effect::Raise(code, text.to_owned()));
        }
        settings(&mut bench.settings);
        let ended = bench.run(ALL).await;
        let report = ended.json();
        assert_eq!(ended.code, Some(exit), "{case}: {report:#}");
        assert!(findings(&report, check).contains(&(outcome, code)), "{case}: {report:#}");
        assert_eq!(report["ok"], exit == 0, "{case}");
        for name in skipped {
            assert_eq!(findings(&report, name), [("skipped", "")], "{case}: {name}: {report:#}");
        }
        // The others were made all the same.
        if outcome == "failed" && skipped.is_empty() {
            let failed = report["checks"].as_array().unwrap().iter();
            let failed: Vec<_> = failed.filter(|check| check["outcome"] == "failed").collect();
            assert_eq!(failed.len(), 1, "{case}: {report:#}");
        }
    }
}

#[tokio::test]
async fn a_name_that_is_taken_says_by_what() {
    let bench = Bench::new().await;
    let (id, _) = bench.reserve("1").await;
    let said = async |code| {
        let report = bench.run(ALL).await.json();
        assert!(findings(&report, "build").contains(&code), "{code:?}: {report:#}");
    };
    said(("failed", "koji.build_reserved")).await;
    bench.hub.change(|state| state.builds.get_mut(&id).unwrap().task = Some(17)).unwrap();
    said(("failed", "koji.build_in_progress")).await;
    for (state, code) in
        [(1, ("failed", "koji.build_exists")), (2, ("failed", "koji.build_exists")), (4, ("ok", ""))]
    {
        bench.hub.change(|all| all.builds.get_mut(&id).unwrap().state = state).unwrap();
        said(code).await;
    }
}

#[tokio::test]
async fn a_password_that_everybody_may_read_is_told() {
    let bench = Bench::new().await;
    fs::set_permissions(bench.path("password"), fs::Permissions::from_mode(0o644)).unwrap();
    let ended = bench.run("check --json").await;
    assert_eq!(findings(&ended.json(), "files"), [("warning", "koji.secret_file_open")]);
    assert_eq!(ended.code, Some(0));
}

#[tokio::test]
async fn an_old_hub_is_told_to_be_old() {
    for (version, finding) in [("1.21.1", ("warning", "koji.hub_too_old")), ("1.35.3", ("ok", ""))] {
        let settings = HubSettings { version: Some(version.to_owned()), ..HubSettings::default() };
        let bench = Bench::over(KojiHub::start_with(settings).await.unwrap());
        assert_eq!(findings(&bench.run("check --json").await.json(), "version"), [finding], "{version}");
    }
}

#[tokio::test]
async fn certificates_are_looked_at() {
    let hub = KojiHub::start_tls(HubSettings::default()).await.unwrap();
    let mut bench = Bench::over(hub);
    let directory = bench.directory.path();
    let authority = bench.hub.authority().unwrap();
    let own = secret(directory, "own.pem", &authority.client(USER).unwrap());
    fs::write(directory.join("ca.pem"), authority.certificate()).unwrap();
    let other = testkit::hub::Authority::new().unwrap();
    fs::write(directory.join("other.pem"), other.certificate()).unwrap();
    let key = KeyPair::generate().unwrap();
    let dated = |name: &str, first: i32, last: i32| {
        let mut parameters = CertificateParams::new([USER.to_owned()]).unwrap();
        parameters.distinguished_name.push(DnType::CommonName, USER);
        parameters.not_before = date_time_ymd(first, 1, 1);
        parameters.not_after = date_time_ymd(last, 1, 1);
        let certificate = parameters.self_signed(&key).unwrap().pem();
        secret(directory, name, &format!("{certificate}{}", key.serialize_pem()))
    };
    let (expired, early) = (dated("expired.pem", 2000, 2001), dated("early.pem", 4000, 4001));
    let empty = secret(directory, "empty.pem", "nothing");
    let ok = ("ok", "");
    let bad = ("failed", "koji.certificate_file");
    for (file, ca, certificate, tls, login, exit) in [
        (&own, "ca.pem", ok, ok, ok, 0),
        (&own, "other.pem", ok, ("failed", "koji.hub_certificate"), ("skipped", ""), 3),
        (&expired, "ca.pem", bad, ok, bad, 1),
        (&early, "ca.pem", bad, ok, ("failed", "koji.client_certificate"), 1),
        (&empty, "ca.pem", bad, ok, bad, 1),
    ] {
        bench.settings["koji"]["login"] = json!({"certificate_file": file});
        bench.settings["koji"]["ca_file"] = json!(bench.path(ca));
        let ended = bench.run("check --json").await;
        let report = ended.json();
        let found = ["certificate", "tls", "login"].map(|name| findings(&report, name)[0]);
        assert_eq!(found, [certificate, tls, login], "{} {ca}: {report:#}", file.display());
        assert_eq!(ended.code, Some(exit), "{} {ca}: {report:#}", file.display());
        if exit == 0 {
            assert!(report.to_string().contains("signed by 'Koji Test CA'"), "{report:#}");
            assert!(report.to_string().contains("CN=osbs, holds until"), "{report:#}");
        }
    }
}
