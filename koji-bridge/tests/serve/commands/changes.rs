//! `koji-bridge tag`, `refund` and `reservations`.

use common::{koji::Reservation, service::Shutdown};
use koji_bridge::{
    hub::{Hub, ReserveRequest},
    settings::KojiSettings,
};
use testkit::hub::{Effect, FaultOrder};

use super::{Bench, secret};
use crate::support::{GENERATOR, PACKAGE, PASSWORD, USER};

impl Bench {
    /// A complete build.
    async fn complete(&self, release: &str) -> u64 {
        let (id, _) = self.reserve(release).await;
        self.hub.change(|state| state.builds.get_mut(&id).unwrap().state = 1).unwrap();
        id
    }

    /// Reserves as the service does, with a key.
    async fn reserve_with_key(&self, release: &str, key: &str) -> Reservation {
        let koji: KojiSettings = serde_json::from_value(self.settings["koji"].clone()).unwrap();
        let hub = Hub::new(koji.hub("test").unwrap(), koji.options(), Shutdown::new()).unwrap();
        let request = ReserveRequest {
            name: PACKAGE.into(),
            version: "1.0".into(),
            release: Some(release.into()),
            key: key.into(),
            task: None,
        };
        let reserved = hub.reserve(request).await.unwrap();
        hub.close().await;
        reserved
    }
}

#[tokio::test]
async fn a_build_is_tagged_once_and_waited_for() {
    let bench = Bench::new().await;
    let id = bench.complete("1").await;
    let ended = bench.run("tag hello-container-1.0-1 f44").await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stdout.contains(": closed\n") && ended.stdout.ends_with("has the tag f44\n"), "{ended:?}");
    let again = bench.run(&format!("tag {id} f44")).await;
    assert_eq!(again.code, Some(0), "{again:?}");
    assert!(again.stdout.contains("has the tag f44 already"), "{again:?}");
    assert_eq!(bench.hub.count("tagBuild"), 1);
}

#[tokio::test]
async fn a_tag_that_cannot_be_says_why() {
    let bench = Bench::new().await;
    bench.complete("1").await;
    bench.hub.add_tag("locked", "", &[]).unwrap();
    bench
        .hub
        .change(|state| {
            let id = state.tag_id("locked").unwrap();
            state.tags.get_mut(&id).unwrap().locked = true;
        })
        .unwrap();
    for (line, code, exit) in [
        ("tag hello-container-1.0-9 f44", "koji.no_build", 2),
        ("tag hello-container-1.0-1 nowhere", "koji.unknown_tag", 2),
        ("tag hello-container-1.0-1 locked", "koji.tag_locked", 3),
    ] {
        let ended = bench.run(line).await;
        assert_eq!(ended.code, Some(exit), "{line}: {ended:?}");
        assert!(ended.stderr.contains(&format!("[{code}]")), "{line}: {ended:?}");
    }
    let skip = 0;
    bench.hub.order(FaultOrder {
        method: "getTaskInfo".into(),
        skip,
        times: 100,
        effect: Effect::Delay(1500),
    });
    let late = bench.run("tag hello-container-1.0-1 f44 --timeout 1").await;
    assert_eq!(late.code, Some(75), "{late:?}");
    assert!(late.stderr.contains("[koji.tag_pending]"), "{late:?}");
}

#[tokio::test]
async fn a_task_that_is_not_waited_for_is_told() {
    let bench = Bench::new().await;
    bench.complete("1").await;
    let ended = bench.run("tag hello-container-1.0-1 f44 --no-wait").await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stdout.starts_with("task ") && !ended.stdout.contains("closed"), "{ended:?}");
}

#[tokio::test]
async fn a_reservation_is_given_back_by_token_key_or_owner() {
    let bench = Bench::new().await;
    let (first, token) = bench.reserve("1").await;
    secret(bench.directory.path(), "token", &token);
    let second = bench.reserve_with_key("2", "bld_2").await.build;
    let third = bench.reserve_with_key("3", "bld_3").await.build;
    // What is left over can be seen.
    let listed = bench.run("reservations --json").await.json();
    let ids: Vec<_> =
        listed["reservations"].as_array().unwrap().iter().map(|row| row["build_id"].clone()).collect();
    assert_eq!(ids, [first, second, third]);
    assert_eq!(listed["reservations"][1]["key"], "bld_2");
    let table = bench.run("reservations").await;
    assert!(table.stdout.starts_with("ID") && table.stdout.contains("hello-container-1.0-3"), "{table:?}");

    for (line, exit, said, states) in [
        ("refund hello-container-1.0-2 --key bld_3", 0, "no reservation", [0, 0, 0]),
        ("refund hello-container-1.0-1 --token-file token --cancelled", 0, "is given back", [4, 0, 0]),
        ("refund hello-container-1.0-1 --token-file token", 0, "none any more", [4, 0, 0]),
        ("refund hello-container-1.0-2 --key bld_2", 0, "is given back", [4, 4, 0]),
        ("refund hello-container-1.0-3 --mine", 0, "is given back", [4, 4, 4]),
        ("refund hello-container-1.0-3 --mine", 0, "none any more", [4, 4, 4]),
        ("refund hello-container-1.0-9 --mine", 2, "koji.no_build", [4, 4, 4]),
    ] {
        let ended = bench.run(line).await;
        assert_eq!(ended.code, Some(exit), "{line}: {ended:?}");
        assert!(format!("{}{}", ended.stdout, ended.stderr).contains(said), "{line}: {ended:?}");
        assert_eq!([first, second, third].map(|id| bench.build_state(id)), states, "{line}");
        assert!(!format!("{ended:?}").contains(&token), "{line}");
    }
    let none = bench.run("reservations").await;
    assert_eq!((none.code, none.stdout.as_str()), (Some(0), ""), "{none:?}");
}

#[tokio::test]
async fn what_is_not_ours_is_left_alone() {
    let bench = Bench::new().await;
    let (id, _) = bench.reserve("1").await;
    bench.hub.with_user("somebody", PASSWORD).unwrap();
    bench
        .hub
        .change(|state| {
            let other = state.user_id("somebody").unwrap();
            state.builds.get_mut(&id).unwrap().owner = other;
        })
        .unwrap();
    let ended = bench.run(&format!("refund {id} --mine")).await;
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert!(ended.stderr.contains("[koji.reservation_not_ours]"), "{ended:?}");
    bench
        .hub
        .change(|state| {
            let ours = state.user_id(USER).unwrap();
            let build = state.builds.get_mut(&id).unwrap();
            (build.owner, build.content_generator) = (ours, Some(format!("not-{GENERATOR}")));
        })
        .unwrap();
    assert_eq!(bench.run(&format!("refund {id} --mine")).await.code, Some(3));
    assert_eq!(bench.build_state(id), 0);
    assert_eq!(bench.hub.count("cancelBuild"), 0);
    let listed = bench.run("reservations --json").await.json();
    assert_eq!(listed["reservations"].as_array().unwrap().len(), 0);
}
