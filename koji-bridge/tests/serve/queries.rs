//! What changes nothing.

use proto::v1;
use serde_json::{Value, json};
use testkit::hub::Effect;
use tonic::Code;

use crate::support::{PACKAGE, Stage, USER, nvr, start, told};

#[tokio::test]
async fn targets_and_repositories_are_found() {
    let stage = Stage::new().await;
    stage.hub.add_tag("f44", "x86_64 aarch64 x86_64", &[]).unwrap();
    stage.hub.add_tag("f44-build", "", &["f44"]).unwrap();
    let tag = stage.hub.state(|state| state.tag_id("f44-build")).unwrap();
    stage.hub.add_target("f44-candidate", "f44-build", "f44").unwrap();
    let mut client = stage.client().await;
    let found =
        client.resolve_target(v1::ResolveTargetRequest { name: "f44-candidate".into() }).await.unwrap();
    assert_eq!(
        found.into_inner(),
        v1::ResolveTargetResponse {
            build_tag: "f44-build".into(),
            destination_tag: "f44".into(),
            platforms: vec!["x86_64".into(), "aarch64".into()],
            build_tag_id: tag,
        }
    );
    let absent = client.resolve_target(v1::ResolveTargetRequest { name: "nope".into() }).await.unwrap_err();
    let (code, _, stable) = told(&absent);
    assert_eq!((code, stable.as_str()), (Code::NotFound, "koji.no_target"));

    for (tag, expected) in [("f44-build", "koji.no_repository"), ("nope", "koji.no_tag")] {
        let status = client.get_repository(v1::GetRepositoryRequest { tag: tag.into() }).await.unwrap_err();
        let (code, _, stable) = told(&status);
        assert_eq!((code, stable.as_str()), (Code::NotFound, expected), "{tag}");
    }
    let id = stage.hub.add_repository("f44-build").unwrap();
    let found = client.get_repository(v1::GetRepositoryRequest { tag: "f44-build".into() }).await.unwrap();
    let expected = format!("{}/repos/f44-build/{id}/$basearch", stage.hub.files_url());
    assert_eq!(found.into_inner(), v1::GetRepositoryResponse { repository_id: id, base_url: expected });
}

#[tokio::test]
async fn builds_and_their_files_are_found() {
    let stage = Stage::new().await;
    let id = stage.imported("koji-upload/1.a", "1").await;
    let mut client = stage.client().await;
    for request in [
        v1::FindBuildRequest { nvr: Some(nvr("1")), build_id: 0 },
        v1::FindBuildRequest { nvr: None, build_id: id },
    ] {
        let found = client.find_build(request).await.unwrap().into_inner();
        assert_eq!((found.build_id, found.state()), (id, v1::KojiBuildState::Complete));
        assert_eq!((found.owner.as_str(), found.nvr.unwrap()), (USER, nvr("1")));
        assert_eq!(found.source, "git://git.example.org/hello#4f1c2d");
        assert_eq!(found.files_url, format!("{}/packages/{PACKAGE}/1.0/1", stage.hub.files_url()));
        let extra: Value = serde_json::from_str(&found.extra_json).unwrap();
        assert_eq!(extra["image"], json!({}));
        assert!(found.completed_at.is_some() && found.volume.is_empty() && !found.details_unavailable);
    }
    for kind in ["", "image"] {
        let request = v1::ListArchivesRequest { build_id: id, kind: kind.into() };
        let files = client.list_archives(request).await.unwrap().into_inner().archives;
        assert_eq!((files.len(), files[0].filename.as_str()), (1, "image.tar.gz"), "{kind}");
        assert!(files[0].size > 0 && files[0].checksum.len() == 32);
    }
    let none = v1::ListArchivesRequest { build_id: id, kind: "maven".into() };
    assert!(client.list_archives(none).await.unwrap().into_inner().archives.is_empty());
    let absent = [
        client.find_build(v1::FindBuildRequest { nvr: Some(nvr("9")), build_id: 0 }).await.err(),
        client.find_build(v1::FindBuildRequest { nvr: None, build_id: 999 }).await.err(),
        client.list_archives(v1::ListArchivesRequest { build_id: 999, kind: String::new() }).await.err(),
    ];
    for status in absent {
        let (code, _, stable) = told(&status.unwrap());
        assert_eq!((code, stable.as_str()), (Code::NotFound, "koji.no_build"));
    }
    let nothing = client.find_build(v1::FindBuildRequest::default()).await.unwrap_err();
    assert_eq!(nothing.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn a_build_that_cannot_be_read_is_there_all_the_same() {
    let stage = Stage::new().await;
    let id = stage.imported("koji-upload/1.a", "1").await;
    let mut client = stage.client().await;
    for request in [
        v1::FindBuildRequest { nvr: Some(nvr("1")), build_id: 0 },
        v1::FindBuildRequest { nvr: None, build_id: id },
    ] {
        stage.hub.fault("getBuild", 2, Effect::PoisonedAnswer);
        let found = client.find_build(request).await.unwrap().into_inner();
        assert_eq!((found.build_id, found.nvr.unwrap()), (id, nvr("1")));
        assert!(found.details_unavailable && found.extra_json.is_empty());
    }
}

#[tokio::test]
async fn the_next_release_is_the_hubs_or_counted_on_from_a_number() {
    let stage = Stage::new().await;
    let mut client = stage.client().await;
    let request = || v1::NextReleaseRequest { name: PACKAGE.into(), version: "1.0".into() };
    let mut directories = (0..).map(|number| format!("koji-upload/1.{number}"));
    for (imported, next) in [
        (None, "1"),
        (Some("4"), "5"),
        (Some("20180425.nightly.2"), "20180425.nightly.3"),
        // The hub cannot count on from this one; the newest number is 4.
        (Some("r8"), "5"),
        (Some("7.2"), "8.2"),
    ] {
        if let Some(release) = imported {
            stage.imported(&directories.next().unwrap(), release).await;
        }
        let release = client.next_release(request()).await.unwrap().into_inner().release;
        assert_eq!(release, next, "after {imported:?}");
    }
    let missing = client.next_release(v1::NextReleaseRequest::default()).await.unwrap_err();
    assert_eq!(missing.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn people_are_found() {
    let stage = Stage::new().await;
    let id = stage.imported("koji-upload/1.a", "1").await;
    stage.hub.add_package("f44", PACKAGE, "alice").unwrap();
    stage.hub.add_package("f45", PACKAGE, "alice").unwrap();
    let mut client = stage.client().await;
    let owners = v1::FindPackageOwnersRequest { build_id: id };
    assert!(client.find_package_owners(owners).await.unwrap().into_inner().owners.is_empty());
    for tag in ["f44", "f45"] {
        let request = v1::TagBuildRequest { build_id: id, tag: tag.into() };
        let task = client.tag_build(request).await.unwrap().into_inner().task_id;
        crate::tasks::wait(&mut client, task).await;
    }
    let found = client.find_package_owners(owners).await.unwrap().into_inner().owners;
    assert_eq!(found.iter().map(|owner| owner.name.as_str()).collect::<Vec<_>>(), ["alice"]);
    for (name, found) in [("", USER), ("alice", "alice")] {
        let user = client.get_user(v1::GetUserRequest { name: name.into() }).await.unwrap().into_inner().user;
        assert_eq!(user.unwrap().name, found);
    }
    let absent = client.get_user(v1::GetUserRequest { name: "nobody-here".into() }).await.unwrap_err();
    assert_eq!(told(&absent).2, "koji.no_user");
}

#[tokio::test]
async fn nobody_may_ask_and_nothing_else() {
    let stage = Stage::new().await;
    let id = stage.imported("koji-upload/1.a", "1").await;
    let bridge = start(&stage.hub, &Value::Null).await;
    let mut client = bridge.client().await;
    let found = client.find_build(v1::FindBuildRequest { nvr: None, build_id: id }).await.unwrap();
    assert_eq!(found.into_inner().build_id, id);
    let request = v1::ReserveBuildRequest { nvr: Some(nvr("2")), key: "k".into(), task_id: 0 };
    let (code, _, stable) = told(&client.reserve_build(request).await.unwrap_err());
    assert_eq!((code, stable.as_str()), (Code::Unimplemented, "koji.anonymous"));
    let described = client.describe(v1::DescribeRequest {}).await.unwrap().into_inner();
    let offered: Vec<_> = described.capabilities().collect();
    assert!(offered.contains(&v1::KojiCapability::Builds));
    assert!(!offered.contains(&v1::KojiCapability::Reserve), "{offered:?}");
}
