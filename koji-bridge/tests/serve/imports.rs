//! Imports: once, whatever gets lost.

use std::{collections::BTreeSet, time::Duration};

use koji_bridge::{session::Chunk, settings::UploadSettings};
use proto::{convert::KojiFailureKind, v1};
use serde_json::{Value, json};
use testkit::hub::{Effect, HubSettings, state::build_state};
use tokio::task::JoinSet;
use tonic::Code;

use crate::support::{PACKAGE, Stage, import_request, login, nvr, settings, start_with, told};

const DIRECTORY: &str = "koji-upload/1524681021.170606.JTroFLPr";

fn complete(stage: &Stage) -> usize {
    stage
        .hub
        .state(|state| state.builds.values().filter(|build| build.state == build_state::COMPLETE).count())
}

#[tokio::test]
async fn a_repeated_import_is_found() {
    let stage = Stage::new().await;
    let document = stage.prepare(DIRECTORY, "1").await;
    let mut client = stage.client().await;
    let first = client.import_build(import_request(&document, DIRECTORY, "")).await.unwrap().into_inner();
    assert!(!first.found && first.warnings.is_empty(), "{first:?}");
    // By another directory, too: files and source are the same.
    for directory in [DIRECTORY, "koji-upload/2.other"] {
        let request = import_request(&document, directory, "");
        let again = client.import_build(request).await.unwrap().into_inner();
        assert_eq!((again.build_id, again.found), (first.build_id, true), "{directory}");
    }
    assert_eq!(stage.hub.count("CGImport"), 1);
    let mut other = document.clone();
    other["build"]["source"] = "git://git.example.org/other#1".into();
    let status = client.import_build(import_request(&other, DIRECTORY, "")).await.unwrap_err();
    let (code, _, stable) = told(&status);
    assert_eq!((code, stable.as_str()), (Code::InvalidArgument, "koji.build_exists"));
}

#[tokio::test]
async fn a_reserved_build_is_imported_with_its_token() {
    let stage = Stage::new().await;
    let mut client = stage.client().await;
    let request = v1::ReserveBuildRequest { nvr: Some(nvr("1")), key: "k".into(), task_id: 0 };
    let reserved = client.reserve_build(request).await.unwrap().into_inner();
    let mut document = stage.prepare(DIRECTORY, "1").await;
    document["build"]["build_id"] = reserved.build_id.into();
    let wrong = client.import_build(import_request(&document, DIRECTORY, "wrong")).await.unwrap_err();
    let (_, failure, stable) = told(&wrong);
    assert_eq!(stable, "koji.token_mismatch");
    assert!(failure.failure.advice.contains("can be used again"), "{failure:?}");
    let request = import_request(&document, DIRECTORY, &reserved.token);
    let imported = client.import_build(request.clone()).await.unwrap().into_inner();
    assert_eq!((imported.build_id, imported.found), (reserved.build_id, false));
    let again = client.import_build(request).await.unwrap().into_inner();
    assert_eq!((again.build_id, again.found), (reserved.build_id, true));
    assert_eq!(complete(&stage), 1);
}

#[tokio::test]
async fn a_lost_answer_is_found_out() {
    // The cases of a lost answer: carried out or not, unreadable, the hub gone.
    for (name, effect, times) in [
        ("answer lost after commit", Effect::DropAnswer, 1),
        ("answer lost again and again", Effect::DropAnswer, 2),
        ("poisoned answer", Effect::PoisonedAnswer, 1),
        ("bad gateway", Effect::BadGateway, 1),
        ("session expired", Effect::ExpireSession, 1),
    ] {
        let stage = Stage::new().await;
        let document = stage.prepare(DIRECTORY, "1").await;
        let mut client = stage.client().await;
        stage.hub.fault("CGImport", times, effect);
        let imported = client.import_build(import_request(&document, DIRECTORY, "")).await;
        let imported = imported.unwrap_or_else(|status| panic!("{name}: {status:?}")).into_inner();
        assert!(imported.build_id > 0, "{name}");
        assert_eq!(complete(&stage), 1, "{name}");
    }
}

#[tokio::test]
async fn imports_of_one_build_do_not_race() {
    let stage = Stage::new().await;
    let document = stage.prepare(DIRECTORY, "1").await;
    let client = stage.client().await;
    let import = || {
        let (mut client, request) = (client.clone(), import_request(&document, DIRECTORY, ""));
        async move { client.import_build(request).await.unwrap().into_inner() }
    };
    let all = futures::future::join_all((0..5).map(|_| import())).await;
    assert_eq!(all.iter().filter(|imported| !imported.found).count(), 1, "{all:?}");
    assert!(all.iter().all(|imported| imported.build_id == all[0].build_id));
    assert_eq!(stage.hub.count("CGImport"), 1);
}

#[tokio::test]
async fn problems_come_at_once_and_before_the_hub_is_asked() {
    let stage = Stage::new().await;
    let document = stage.prepare(DIRECTORY, "1").await;
    let mut client = stage.client().await;
    type Edit = fn(&mut Value);
    let cases: [(&str, Edit, Code, &[&str]); 4] = [
        (
            "several at once",
            |document| {
                document["metadata_version"] = 1.into();
                document["build"].as_object_mut().unwrap().remove("source");
            },
            Code::InvalidArgument,
            &["koji.metadata_version_unknown", "koji.metadata_key_missing"],
        ),
        (
            "not ours",
            |document| document["buildroots"][0]["content_generator"]["name"] = "other".into(),
            Code::PermissionDenied,
            &["koji.metadata_generator_not_ours"],
        ),
        ("no map", |document| *document = json!([]), Code::InvalidArgument, &["koji.metadata_wrong_type"]),
        (
            "a name that leads out",
            |document| document["output"][0]["filename"] = "../x".into(),
            Code::InvalidArgument,
            &["koji.metadata_bad_path"],
        ),
    ];
    for (name, edit, code, codes) in cases {
        let mut edited = document.clone();
        edit(&mut edited);
        let status = client.import_build(import_request(&edited, DIRECTORY, "")).await.unwrap_err();
        let (found, failure, _) = told(&status);
        let problems: Vec<_> = failure.failure.each().into_iter().map(|problem| problem.code).collect();
        assert_eq!(found, code, "{name}: {status:?}");
        assert!(codes.iter().all(|code| problems.iter().any(|found| found == code)), "{name}: {problems:?}");
    }
    let request =
        v1::ImportBuildRequest { metadata_json: "{".into(), ..import_request(&document, DIRECTORY, "") };
    assert_eq!(told(&client.import_build(request).await.unwrap_err()).2, "koji.metadata_not_json");
    for directory in ["/etc", "koji-upload/../../x", "a//b"] {
        let status = client.import_build(import_request(&document, directory, "")).await.unwrap_err();
        assert_eq!(told(&status).2, "koji.bad_directory", "{directory}");
    }
    assert_eq!(stage.hub.count("CGImport"), 0);
}

#[tokio::test]
async fn control_characters_are_escaped_and_told() {
    let stage = Stage::new().await;
    let mut document = stage.prepare(DIRECTORY, "1").await;
    document["build"]["extra"]["note"] = "a\u{1b}[1mb\u{0}".into();
    let mut client = stage.client().await;
    let imported = client.import_build(import_request(&document, DIRECTORY, "")).await.unwrap().into_inner();
    assert!(imported.warnings.iter().any(|warning| warning.contains("2 control characters")), "{imported:?}");
    let found = client.find_build(v1::FindBuildRequest { nvr: Some(nvr("1")), build_id: 0 }).await.unwrap();
    let extra: Value = serde_json::from_str(&found.into_inner().extra_json).unwrap();
    assert_eq!(extra["note"], "a\\x1b[1mb\\x00");
}

#[tokio::test]
async fn files_that_are_missing_and_files_that_are_lost_differ() {
    for released in [false, true] {
        missing_or_lost(released).await;
    }
}

async fn missing_or_lost(released: bool) {
    let stage = Stage::with(HubSettings { released, ..HubSettings::default() }).await;
    let mut client = stage.client().await;
    let mut document = stage.prepare(DIRECTORY, "1").await;
    // The hub finds out about this name when it has moved the other files.
    let mut odd = document["output"][0].clone();
    odd["filename"] = "notes.unknownext".into();
    document["output"].as_array_mut().unwrap().push(odd);
    let data = format!("{DIRECTORY} 1 image.tar.gz").into();
    let chunk = Chunk { directory: DIRECTORY, name: "notes.unknownext", offset: 0, overwrite: true, data };
    stage.session().upload_chunk(&chunk).await.unwrap();
    let missing =
        client.import_build(import_request(&document, "koji-upload/2.empty", "")).await.unwrap_err();
    assert_eq!(told(&missing).2, "koji.metadata_file_missing");
    assert!(!stage.hub.top_directory().join("work/koji-upload/2.empty").exists(), "a look writes nothing");
    let mut cut = document.clone();
    cut["output"][0]["filesize"] = 1.into();
    let status = client.import_build(import_request(&cut, DIRECTORY, "")).await.unwrap_err();
    assert_eq!(told(&status).2, "koji.metadata_file_missing");
    assert_eq!(stage.hub.count("CGImport"), 0);
    // The hub deletes what it has moved.
    for attempt in ["at once", "again"] {
        let status = client.import_build(import_request(&document, DIRECTORY, "")).await.unwrap_err();
        let (_, failure, stable) = told(&status);
        assert_eq!(stable, "koji.files_lost", "{attempt}: {failure:?}");
        assert_eq!(failure.kind, KojiFailureKind::Permanent);
        assert!(failure.failure.message.contains("image.tar.gz"), "{failure:?}");
    }
    assert_eq!((stage.hub.count("CGImport"), complete(&stage)), (1, 0));
}

#[tokio::test]
async fn an_outcome_that_cannot_be_found_out_is_said_to_be_unknown() {
    let stage = Stage::new().await;
    let document = stage.prepare(DIRECTORY, "1").await;
    let mut client = stage.client().await;
    stage.hub.fault("CGImport", 10, Effect::BadGateway);
    let (code, failure, _) =
        told(&client.import_build(import_request(&document, DIRECTORY, "")).await.unwrap_err());
    assert_eq!((code, failure.kind), (Code::Aborted, KojiFailureKind::Ambiguous), "{failure:?}");
    stage.hub.clear_faults();
    let imported = client.import_build(import_request(&document, DIRECTORY, "")).await.unwrap().into_inner();
    assert!(!imported.found && imported.build_id > 0);
    stage.hub.state(|state| assert_eq!(state.build_id(PACKAGE, "1.0", "1"), Some(imported.build_id)));
}

#[tokio::test]
async fn an_import_that_died_half_way_needs_an_administrator() {
    let stage = Stage::new().await;
    let document = stage.prepare(DIRECTORY, "1").await;
    let mut client = stage.client().await;
    // The files have moved, the transaction is gone.
    stage.hub.fault("CGImport", 1, Effect::DropBeforeCommit);
    // At first it may be that the hub is still at it.
    let mut ends = Vec::new();
    while ends.last().is_none_or(|(code, _)| *code == Code::Aborted) {
        let status = client.import_build(import_request(&document, DIRECTORY, "")).await.unwrap_err();
        let (code, failure, _) = told(&status);
        ends.push((code, failure.failure));
    }
    assert_eq!(ends[0].1.code, "koji.import_unfinished");
    let (_, failure) = ends.pop().unwrap();
    assert_eq!(failure.code, "koji.build_directory_left");
    assert!(!failure.advice.contains("used again"), "{failure:?}");
}

#[tokio::test]
async fn an_import_outlives_the_bridge_and_is_not_sent_again() {
    for reserves in [false, true] {
        let stage = Stage::new().await;
        let mut document = stage.prepare(DIRECTORY, "1").await;
        let mut token = String::new();
        if reserves {
            let request = v1::ReserveBuildRequest { nvr: Some(nvr("1")), key: "k".into(), task_id: 0 };
            let reserved = stage.client().await.reserve_build(request).await.unwrap().into_inner();
            document["build"]["build_id"] = reserved.build_id.into();
            token = reserved.token;
        }
        let mut koji = settings(&stage.hub, &login());
        koji.patience.import_quiet_seconds = 600;
        let apart = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let doomed = apart.spawn(start_with(koji.clone(), UploadSettings::default())).await.unwrap();
        let mut client = doomed.client().await;
        stage.hub.fault("CGImport", 1, Effect::Outlive(1500));
        let request = import_request(&document, DIRECTORY, &token);
        let sent = request.clone();
        let mut import = JoinSet::new();
        import.spawn(async move { client.import_build(sent).await });
        while stage.hub.outliving() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        apart.shutdown_background();
        assert!(import.join_next().await.unwrap().unwrap().is_err());
        let bridge = start_with(koji, UploadSettings::default()).await;
        let imported = bridge.client().await.import_build(request).await.unwrap().into_inner();
        assert!(imported.found, "{imported:?}");
        assert_eq!(complete(&stage), 1);
        let calls = stage.hub.calls();
        let sessions: BTreeSet<_> =
            calls.iter().filter(|call| call.method == "CGImport").map(|call| call.session).collect();
        assert_eq!(sessions.len(), 1, "the second bridge asks for no import: {calls:?}");
        let image = stage.hub.top_directory().join(format!("packages/{PACKAGE}/1.0/1/images/image.tar.gz"));
        assert!(image.is_file(), "{}", image.display());
    }
}

#[tokio::test]
async fn a_reservation_is_not_given_back_while_its_import_runs() {
    let stage = Stage::new().await;
    let mut client = stage.client().await;
    let request = v1::ReserveBuildRequest { nvr: Some(nvr("1")), key: "k".into(), task_id: 0 };
    let reserved = client.reserve_build(request).await.unwrap().into_inner();
    let mut document = stage.prepare(DIRECTORY, "1").await;
    document["build"]["build_id"] = reserved.build_id.into();
    stage.hub.fault("CGImport", 1, Effect::Outlive(1000));
    let request = import_request(&document, DIRECTORY, &reserved.token);
    let (mut other, sent) = (client.clone(), request);
    let mut import = JoinSet::new();
    import.spawn(async move { other.import_build(sent).await });
    while stage.hub.outliving() == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let refund = v1::RefundBuildRequest {
        build_id: reserved.build_id,
        token: reserved.token,
        ..v1::RefundBuildRequest::default()
    };
    assert!(!client.refund_build(refund).await.unwrap().into_inner().refunded);
    let imported = import.join_next().await.unwrap().unwrap().unwrap().into_inner();
    assert_eq!(imported.build_id, reserved.build_id);
    assert_eq!(complete(&stage), 1);
}

#[tokio::test]
async fn another_build_of_the_same_source_or_task_is_no_repetition() {
    let stage = Stage::new().await;
    let document = stage.prepare(DIRECTORY, "1").await;
    let mut client = stage.client().await;
    client.import_build(import_request(&document, DIRECTORY, "")).await.unwrap();
    for (pointer, value) in
        [("/output/0/checksum", json!("d41d8cd98f00b204e9800998ecf8427e")), ("/output/0/type", json!("log"))]
    {
        let mut other = document.clone();
        *other.pointer_mut(pointer).unwrap() = value;
        other["output"][0].as_object_mut().unwrap().remove("components");
        let status = client.import_build(import_request(&other, DIRECTORY, "")).await.unwrap_err();
        assert_eq!(told(&status).2, "koji.build_exists", "{pointer}");
    }
    assert_eq!(stage.hub.count("CGImport"), 1);
}
