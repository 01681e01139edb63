//! Documents for reserved builds.

use serde_json::json;

use super::*;

fn reserved() -> Reservation {
    let nvr = Nvr::new("docker-hello-world", "1.0", "2").unwrap();
    Reservation { build_id: Some(3), nvr: Some(nvr), task_id: None }
}

#[test]
fn a_document_and_its_reservation_agree() {
    // (what, edit, reservation, problems)
    type Edit = fn(&mut Value);
    let with_task = |task_id| Some(Reservation { task_id, ..reserved() });
    let cases: [(&str, Edit, Option<Reservation>, &[(&str, &str)]); 12] = [
        ("as it was imported", |_| {}, Some(reserved()), &[]),
        ("only a token is known", |_| {}, Some(Reservation::default()), &[]),
        (
            "token but no build_id",
            |d| remove(d, "/build/build_id"),
            Some(reserved()),
            &[("no_build_id", "build.build_id")],
        ),
        ("build_id without token", |_| {}, None, &[("no_token", "build.build_id")]),
        ("neither", |d| remove(d, "/build/build_id"), None, &[]),
        (
            "unknown build_id",
            |d| set(d, "/build/build_id", json!(99999)),
            Some(reserved()),
            &[("reservation_differs", "build.build_id")],
        ),
        (
            "build_id is text",
            |d| set(d, "/build/build_id", json!("3")),
            Some(reserved()),
            &[("wrong_type", "build.build_id")],
        ),
        (
            "other name",
            |d| set(d, "/build/name", json!("other")),
            Some(reserved()),
            &[("reservation_differs", "build.name")],
        ),
        (
            "other version and release",
            |d| {
                set(d, "/build/version", json!("1.1"));
                set(d, "/build/release", json!("3"));
            },
            Some(reserved()),
            &[("reservation_differs", "build.version"), ("reservation_differs", "build.release")],
        ),
        ("missing task", |_| {}, with_task(Some(1)), &[("reservation_differs", "build.task_id")]),
        (
            "other task",
            |d| set(d, "/build/task_id", json!(2)),
            with_task(Some(1)),
            &[("reservation_differs", "build.task_id")],
        ),
        (
            "the task, by its other key",
            |d| set(d, "/build/extra/container_koji_task_id", json!("1")),
            with_task(Some(1)),
            &[],
        ),
    ];
    for (what, edit, reservation, problems) in cases {
        let mut document = document(TWO_PLATFORMS);
        let context = Context { reservation, ..context(&document) };
        edit(&mut document);
        assert_eq!(found(&document, &context, Severity::Error), expected(problems), "{what}");
    }
}
