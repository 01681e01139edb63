//! Reservations against a bridge in memory.

use common::koji::{KojiBuild, KojiBuildState, KojiCapability};
use testkit::koji::Effect;
use tonic::Code;

use super::*;
use crate::{plan::koji_fixture::Planning, services::Reach};

fn labels() -> ReleaseLabels {
    ReleaseLabels { component: Some("hello".to_owned()), version: Some("1.0".to_owned()), release: None }
}

fn build(id: u64, nvr: &str, state: KojiBuildState) -> KojiBuild {
    KojiBuild {
        id,
        nvr: nvr.parse().unwrap(),
        state,
        volume: String::new(),
        files_url: "https://files.example.org/packages/hello".to_owned(),
        extra: serde_json::Value::Null,
        origin: Default::default(),
        details_unavailable: false,
    }
}

async fn planning() -> Planning {
    let planning = Planning::start().await;
    planning.bridge.set_capabilities(&KojiCapability::ALL);
    planning
}

async fn reserve(planning: &Planning, from: ReleaseSource, release: &str) -> Result<Option<String>, Failure> {
    let (labels, choice) = (labels(), ReleaseChoice::new(Some(release), from, "a test says so"));
    let reserved = planning.run(ReserveBuild { labels: &labels, choice: &choice, task: None }).await?;
    Ok(reserved.map(|reserved| reserved.nvr.to_string()))
}

#[tokio::test]
async fn a_release_that_somebody_took_gives_way_if_koji_chose_it() {
    use KojiBuildState::{Building, Cancelled, Complete, Deleted, Failed};
    use ReleaseSource::{Appended, Isolated, Koji, Label, Request};
    let rows: [(&str, ReleaseSource, &str, &[(&str, KojiBuildState)], Result<&str, &str>); 10] = [
        ("free", Koji, "3", &[], Ok("hello-1.0-3")),
        ("taken", Koji, "3", &[("3", Complete), ("4", Building)], Ok("hello-1.0-5")),
        ("deleted is taken", Koji, "3", &[("3", Deleted)], Ok("hello-1.0-4")),
        ("failed is free", Koji, "3", &[("3", Failed)], Ok("hello-1.0-3")),
        ("cancelled is free", Label, "3", &[("3", Cancelled)], Ok("hello-1.0-3")),
        ("suffix", Koji, "3.fc44", &[("3.fc44", Complete)], Ok("hello-1.0-4.fc44")),
        ("appended", Appended, "7.1", &[("7.1", Complete), ("7.2", Complete)], Ok("hello-1.0-7.3")),
        ("the label's", Label, "3", &[("3", Complete)], Err("koji.build_exists")),
        ("the request's", Request, "3", &[("3", Building)], Err("koji.build_exists")),
        ("isolated", Isolated, "3.1", &[("3.1", Complete)], Err("koji.build_exists")),
    ];
    for (case, from, release, taken, expected) in rows {
        let planning = planning().await;
        for (number, (release, state)) in (1..).zip(taken) {
            planning.bridge.add_build(build(number, &format!("hello-1.0-{release}"), *state));
        }
        let reserved = reserve(&planning, from, release).await;
        match expected {
            Ok(nvr) => assert_eq!(reserved.unwrap().as_deref(), Some(nvr), "{case}"),
            Err(code) => {
                let failure = reserved.unwrap_err();
                assert_eq!((failure.code.as_str(), failure.class), (code, FailureClass::User), "{case}");
            }
        }
        let kept = planning.services.vault.secret(RESERVATION_TOKEN).await.unwrap();
        assert_eq!(kept.is_some(), expected.is_ok(), "{case}");
    }
}

#[tokio::test]
async fn the_search_has_an_end() {
    let planning = planning().await;
    for number in 1..=MAX_TRIES as u64 {
        planning.bridge.add_build(build(number, &format!("hello-1.0-{number}"), KojiBuildState::Complete));
    }
    let failure = reserve(&planning, ReleaseSource::Koji, "1").await.unwrap_err();
    assert_eq!(failure.code, "release.none_free");
    assert_eq!(planning.bridge.count("ReserveBuild"), MAX_TRIES);
}

#[tokio::test]
async fn a_dry_run_reserves_nothing() {
    for reach in [Reach::Questions, Reach::Nothing] {
        let planning = planning().await.reaching(reach);
        assert_eq!(reserve(&planning, ReleaseSource::Koji, "1").await.unwrap(), None);
        assert_eq!(planning.bridge.count("ReserveBuild"), 0);
    }
}

#[tokio::test]
async fn a_step_that_runs_again_goes_on_with_what_it_asked_for() {
    let first = planning().await;
    first.bridge.add_build(build(1, "hello-1.0-1", KojiBuildState::Building));
    assert_eq!(reserve(&first, ReleaseSource::Koji, "1").await.unwrap().as_deref(), Some("hello-1.0-2"));
    // The answer was lost with the process; in the meantime the first release became free.
    first.bridge.forget_builds();
    first.bridge.add_build(build(1, "hello-1.0-1", KojiBuildState::Cancelled));
    let again = first.again();
    let reserved = reserve(&again, ReleaseSource::Koji, "1").await.unwrap();
    assert_eq!(reserved.as_deref(), Some("hello-1.0-2"));
}

#[tokio::test]
async fn a_refusal_is_told_as_it_is() {
    let planning = planning().await;
    let denied = Effect::Status(Code::PermissionDenied, "not a content generator");
    planning.bridge.add_fault("ReserveBuild", 1, denied);
    let failure = reserve(&planning, ReleaseSource::Koji, "1").await.unwrap_err();
    assert_eq!(failure.code, "koji.refused");
}

#[tokio::test]
async fn a_hub_without_reservations_is_no_failure() {
    for (from, taken, expected) in [
        (ReleaseSource::Koji, false, Ok(None)),
        (ReleaseSource::Label, false, Ok(None)),
        (ReleaseSource::Label, true, Err("koji.build_exists")),
    ] {
        let planning = planning().await;
        planning.bridge.add_fault("ReserveBuild", 1, Effect::Status(Code::Unimplemented, "too old"));
        if taken {
            planning.bridge.add_build(build(1, "hello-1.0-3", KojiBuildState::Complete));
        }
        let reserved = reserve(&planning, from, "3").await;
        assert_eq!(reserved.map_err(|failure| failure.code), expected.map_err(str::to_owned), "{from:?}");
        assert_eq!(planning.warnings().contains(&"koji.no_reservations".to_owned()), !taken, "{from:?}");
        assert!(planning.services.vault.secret(RESERVING).await.unwrap().is_none(), "{from:?}");
    }
}
