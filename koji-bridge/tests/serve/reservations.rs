//! Reservations: whose they are, taken over, given back.

use proto::v1;
use testkit::hub::{Effect, HubSettings, state::build_state};
use tonic::Code;

use crate::support::{Client, GENERATOR, PACKAGE, Stage, nvr, told};

fn request(release: &str, key: &str) -> v1::ReserveBuildRequest {
    v1::ReserveBuildRequest { nvr: Some(nvr(release)), key: key.into(), task_id: 0 }
}

async fn reserve(client: &mut Client, release: &str, key: &str) -> v1::ReserveBuildResponse {
    client.reserve_build(request(release, key)).await.unwrap().into_inner()
}

fn states(stage: &Stage) -> Vec<(String, u8)> {
    stage.hub.state(|state| state.builds.values().map(|build| (build.release.clone(), build.state)).collect())
}

#[tokio::test]
async fn a_repeated_call_takes_its_reservation_over() {
    let stage = Stage::new().await;
    let mut client = stage.client().await;
    for release in ["", "7"] {
        let first = reserve(&mut client, release, "key a").await;
        let (_bridge, mut other) = stage.another_client().await;
        let again = reserve(&mut other, release, "key a").await;
        assert_eq!((again.build_id, &again.nvr), (first.build_id, &first.nvr), "'{release}'");
        assert_ne!(again.token, first.token);
        // The first token is worthless now, the second is not.
        let refund = |token: &str| v1::RefundBuildRequest {
            build_id: first.build_id,
            token: token.into(),
            ..v1::RefundBuildRequest::default()
        };
        assert_eq!(
            told(&client.refund_build(refund(&first.token)).await.unwrap_err()).2,
            "koji.token_mismatch"
        );
        // Whoever has the key gives it back all the same.
        let by_key = v1::RefundBuildRequest { key: "key a".into(), ..refund(&first.token) };
        let (mut token, mut refunded) = (again.token.clone(), true);
        if release == "7" {
            assert!(client.refund_build(by_key).await.unwrap().into_inner().refunded);
            (token, refunded) = (first.token.clone(), false);
        }
        assert_eq!(client.refund_build(refund(&token)).await.unwrap().into_inner().refunded, refunded);
        assert!(!client.refund_build(refund(&again.token)).await.unwrap().into_inner().refunded);
    }
}

#[tokio::test]
async fn another_key_gets_another_release_or_none() {
    let stage = Stage::new().await;
    let mut client = stage.client().await;
    let first = reserve(&mut client, "", "key a").await;
    let second = reserve(&mut client, "", "key b").await;
    assert_eq!((first.nvr.unwrap().release, second.nvr.unwrap().release), ("1".into(), "2".into()));
    let (code, failure, stable) = told(&client.reserve_build(request("1", "key b")).await.unwrap_err());
    assert_eq!((code, stable.as_str()), (Code::InvalidArgument, "koji.build_reserved"));
    assert_eq!(failure.fault.unwrap().0, 1000);
    assert_eq!(states(&stage), [("1".into(), build_state::BUILDING), ("2".into(), build_state::BUILDING)]);
}

#[tokio::test]
async fn a_lost_answer_leaves_one_reservation() {
    for (effect, release) in [
        (Effect::DropAnswer, ""),
        (Effect::DropAnswer, "7"),
        (Effect::DropBeforeCommit, "7"),
        (Effect::PoisonedAnswer, "7"),
    ] {
        let stage = Stage::new().await;
        let mut client = stage.client().await;
        stage.hub.fault("CGInitBuild", 1, effect.clone());
        let reserved = reserve(&mut client, release, "key a").await;
        let token = stage.hub.state(|state| state.builds[&reserved.build_id].token.clone());
        assert_eq!(token.as_deref(), Some(reserved.token.as_str()), "{effect:?}");
        assert_eq!(states(&stage).len(), 1, "{effect:?}");
    }
}

#[tokio::test]
async fn a_reservation_whose_token_nobody_has_is_given_back_by_its_key() {
    let stage = Stage::new().await;
    let mut client = stage.client().await;
    for (reserved, asked, key, refunded) in [
        ("", "", "key a", true),
        ("7", "7", "key a", true),
        ("8", "8", "key b", false),
        ("9", "8", "key a", true),
    ] {
        reserve(&mut client, reserved, "key a").await;
        let refund = v1::RefundBuildRequest {
            key: key.into(),
            nvr: Some(nvr(asked)),
            ..v1::RefundBuildRequest::default()
        };
        let answer = client.refund_build(refund).await.unwrap().into_inner();
        assert_eq!(answer.refunded, refunded, "{reserved:?} {asked:?} {key:?}");
    }
    let absent = v1::RefundBuildRequest {
        key: "key a".into(),
        nvr: Some(nvr("55")),
        ..v1::RefundBuildRequest::default()
    };
    assert!(!client.refund_build(absent).await.unwrap().into_inner().refunded);
    let building = states(&stage).into_iter().filter(|(_, state)| *state == build_state::BUILDING);
    assert_eq!(building.map(|(release, _)| release).collect::<Vec<_>>(), ["9"]);
}

#[tokio::test]
async fn a_hub_that_keeps_no_keys_loses_no_reservation_unseen() {
    let settings = HubSettings { keeps_reservation_extra: false, ..HubSettings::default() };
    let stage = Stage::with(settings).await;
    let mut client = stage.client().await;
    stage.hub.fault("CGInitBuild", 1, Effect::DropAnswer);
    let (_, _, stable) = told(&client.reserve_build(request("7", "key a")).await.unwrap_err());
    assert_eq!(stable, "koji.reservation_lost");
}

#[tokio::test]
async fn one_exception_of_the_hub_takes_no_keys_away() {
    let stage = Stage::new().await;
    let mut client = stage.client().await;
    let passing = "<class 'psycopg2.OperationalError'>: server closed the connection unexpectedly";
    stage.hub.fault("CGInitBuild", 1, Effect::Raise(1, passing.into()));
    for release in ["1", "2"] {
        reserve(&mut client, release, "key a").await;
    }
    let keys = stage.hub.state(|state| state.builds.values().filter(|build| build.extra.is_some()).count());
    assert_eq!(keys, 2);
}

#[tokio::test]
async fn a_hub_that_refuses_keys_gets_none() {
    let stage = Stage::new().await;
    let mut client = stage.client().await;
    stage.hub.fault("CGInitBuild", 1, Effect::Raise(1019, "unexpected keyword argument 'extra'".into()));
    reserve(&mut client, "1", "key a").await;
    reserve(&mut client, "2", "key a").await;
    assert_eq!(stage.hub.count("CGInitBuild"), 3, "it is remembered");
    let extras = stage.hub.state(|state| state.builds.values().filter(|build| build.extra.is_some()).count());
    assert_eq!(extras, 0);
}

#[tokio::test]
async fn what_the_hub_cannot_or_does_not_want_is_said() {
    let stage = Stage::new().await;
    let mut client = stage.client().await;
    for (fault, text, code, stable) in [
        (1000, "Invalid method: CGInitBuild", Code::Unimplemented, "koji.no_reservations"),
        (
            1002,
            "Content generator access required (atomic-reactor)",
            Code::PermissionDenied,
            "koji.no_generator_access",
        ),
        (
            1000,
            "No such entry in table content_generator: x",
            Code::PermissionDenied,
            "koji.unknown_generator",
        ),
    ] {
        stage.hub.fault("CGInitBuild", 2, Effect::Raise(fault, text.into()));
        let (found, _, told) = told(&client.reserve_build(request("1", "key a")).await.unwrap_err());
        assert_eq!((found, told.as_str()), (code, stable), "{text}");
        stage.hub.clear_faults();
    }
    for bad in [request("1-2", "key a"), request("1", ""), v1::ReserveBuildRequest::default()] {
        let status = client.reserve_build(bad.clone()).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{bad:?}");
    }
}

#[tokio::test]
async fn a_task_is_not_put_at_risk() {
    let stage = Stage::new().await;
    let mut client = stage.client().await;
    let request = v1::ReserveBuildRequest { task_id: 88213, ..request("1", "key a") };
    let reserved = client.reserve_build(request).await.unwrap().into_inner();
    stage.hub.state(|state| {
        let build = &state.builds[&reserved.build_id];
        assert_eq!((build.task, build.content_generator.as_deref()), (None, Some(GENERATOR)));
        let extra = build.extra.as_ref().unwrap();
        assert_eq!((&extra["reactor"]["task_id"], build.name.as_str()), (&88213.into(), PACKAGE));
    });
    // A reservation that has one is not cancelled: its task would be, too.
    stage.hub.change(|state| state.builds.get_mut(&reserved.build_id).unwrap().task = Some(1)).unwrap();
    let again = v1::ReserveBuildRequest { nvr: Some(nvr("1")), key: "key a".into(), task_id: 0 };
    assert_eq!(told(&client.reserve_build(again).await.unwrap_err()).2, "koji.reservation_has_task");
}
