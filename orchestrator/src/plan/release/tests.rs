use common::koji::{KojiBuild, KojiBuildState};
use testkit::koji::Effect;
use tonic::Code;

use super::*;
use crate::plan::koji_fixture::Planning;

const BOTH: &[(&str, &str)] = &[("com.redhat.component", "hello-container"), ("version", "1.0")];

fn labels(labels: &[(&str, &str)]) -> ReleaseLabels {
    ReleaseLabels::of(&labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
}

fn with_release(release: &str) -> ReleaseLabels {
    ReleaseLabels { release: Some(release.into()), ..labels(BOTH) }
}

fn step(labels: &ReleaseLabels) -> ChooseRelease<'_> {
    let mode = &BuildMode::Normal;
    ChooseRelease {
        requested: None,
        mode,
        labels,
        append: false,
        has_koji: true,
        ask_koji: true,
        reserves: false,
        is_checked: false,
    }
}

fn build(id: u64, release: &str, state: KojiBuildState) -> KojiBuild {
    KojiBuild {
        id,
        nvr: Nvr::new("hello-container", "1.0", release).unwrap(),
        state,
        volume: String::new(),
        files_url: String::new(),
        extra: serde_json::Value::Null,
        origin: Default::default(),
        details_unavailable: false,
    }
}

#[test]
fn either_spelling_counts_and_the_newer_one_wins() {
    let old = labels(&[("BZComponent", "a"), ("Version", "1"), ("Release", "2")]);
    assert_eq!(
        (old.component.as_deref(), old.version.as_deref(), old.release.as_deref()),
        (Some("a"), Some("1"), Some("2")),
        "BMP-10"
    );
    assert_eq!(labels(&[("Release", "1"), ("release", "2")]).release.as_deref(), Some("2"));
    assert_eq!(labels(&[("Release", "1"), ("release", "")]).release.as_deref(), Some("1"));
}

#[test]
fn what_needs_no_koji_is_settled_at_once() {
    use ReleaseSource::{Isolated, Label, Nobody, NotAsked, Request, Scratch};
    let isolated = &BuildMode::Isolated { release: "3.1".into() };
    let (normal, scratch) = (&BuildMode::Normal, &BuildMode::Scratch);
    let (none, seven) = (&labels(BOTH), &with_release("7"));
    let base = || step(none);
    let cases = [
        (
            "the request wins",
            ChooseRelease { requested: Some("9"), labels: seven, ..base() },
            Some("9"),
            Request,
        ),
        (
            "over isolated, too",
            ChooseRelease { requested: Some("9"), mode: isolated, ..base() },
            Some("9"),
            Request,
        ),
        ("isolated", ChooseRelease { mode: isolated, labels: seven, ..base() }, Some("3.1"), Isolated),
        ("BMP-1", ChooseRelease { labels: seven, ..base() }, Some("7"), Label),
        ("scratch", ChooseRelease { mode: scratch, ..base() }, None, Scratch),
        ("scratch with a label", ChooseRelease { mode: scratch, labels: seven, ..base() }, Some("7"), Label),
        ("no koji", ChooseRelease { has_koji: false, ..base() }, None, Nobody),
        (
            "no koji to append",
            ChooseRelease { has_koji: false, append: true, labels: seven, ..base() },
            Some("7"),
            Label,
        ),
        ("offline", ChooseRelease { ask_koji: false, ..base() }, None, NotAsked),
        (
            "an empty request",
            ChooseRelease { requested: Some(""), mode: normal, labels: seven, ..base() },
            Some("7"),
            Label,
        ),
    ];
    for (id, step, release, from) in cases {
        let Decision::Settled(choice) = step.decide().unwrap() else { panic!("{id}") };
        assert_eq!((choice.release.as_deref(), choice.from), (release, from), "{id}");
        assert_eq!(choice.missing().is_none(), release.is_some(), "{id}");
    }
}

#[test]
fn what_cannot_be_a_release_is_refused() {
    let none = labels(&[]);
    let isolated = &BuildMode::Isolated { release: "1 2".into() };
    let dash = with_release("1-2");
    let half = labels(&[("version", "1.0")]);
    let cases = [
        ("request", ChooseRelease { requested: Some("1-2"), ..step(&none) }, "release.bad_characters", "1-2"),
        ("isolated", ChooseRelease { mode: isolated, ..step(&none) }, "release.bad_characters", "1 2"),
        ("defect 39", step(&dash), "release.bad_characters", "label"),
        ("BMP-2", step(&half), "release.missing_label", "'com.redhat.component'"),
        ("BMP-2", step(&none), "release.missing_label", "'com.redhat.component' and 'version'"),
        (
            "BMP-2 offline",
            ChooseRelease { ask_koji: false, ..step(&none) },
            "release.missing_label",
            "version",
        ),
    ];
    for (id, step, code, part) in cases {
        let failure = step.decide().unwrap_err();
        assert_eq!(failure.code, code, "{id}");
        assert!(failure.message.contains(part) && !failure.advice.is_empty(), "{id}: {failure}");
    }
}

#[tokio::test]
async fn koji_is_asked_for_the_next_free_one() {
    let cases: &[(&str, &str, &[&str], &str)] = &[
        ("BMP-3", "1", &["1", "2"], "3"),
        ("BMP-4", "20.1", &["19.1", "20"], "21"),
        ("BMP-5", "20.fc25", &["20.fc25"], "21.fc25"),
        ("BMP-7", "20.1.fc25", &["20.fc25", "20.1.fc25", "21.fc25"], "22.fc25"),
    ];
    for (id, next, taken, expected) in cases {
        let planning = Planning::start().await;
        planning.bridge.set_next_release("hello-container", "1.0", next);
        for (number, release) in (1..).zip(*taken) {
            planning.bridge.add_build(build(number, release, KojiBuildState::Failed));
        }
        let choice = planning.run(step(&labels(BOTH))).await.unwrap();
        assert_eq!((choice.release.as_deref(), choice.from), (Some(*expected), ReleaseSource::Koji), "{id}");
        assert!(planning.said().contains(expected), "{id}");
    }
}

#[tokio::test]
async fn a_number_is_appended_where_that_is_wanted() {
    let planning = Planning::start().await;
    planning.bridge.add_build(build(1, "42.1", KojiBuildState::Complete));
    let label = with_release("42");
    let choice = planning.run(ChooseRelease { append: true, ..step(&label) }).await.unwrap();
    assert_eq!((choice.release.as_deref(), choice.from), (Some("42.2"), ReleaseSource::Appended), "BMP-8");
    assert_eq!(planning.bridge.count("NextRelease"), 0);
}

#[tokio::test]
async fn the_search_has_an_end() {
    let planning = Planning::start().await;
    for number in 1..=u64::try_from(MAX_TRIES).unwrap() {
        planning.bridge.add_build(build(number, &number.to_string(), KojiBuildState::Complete));
    }
    let failure = planning.run(step(&labels(BOTH))).await.unwrap_err();
    assert_eq!(failure.code, "release.none_free");
    assert_eq!(planning.bridge.count("FindBuild"), MAX_TRIES);
}

#[tokio::test]
async fn what_koji_cannot_say_is_a_failure_and_no_guess() {
    let planning = Planning::start().await;
    planning.bridge.add_fault(
        "NextRelease",
        1,
        Effect::Status(Code::FailedPrecondition, "Unable to increment"),
    );
    let failure = planning.run(step(&labels(BOTH))).await.unwrap_err();
    assert_eq!(failure.code, "koji.refused");
    assert!(failure.message.contains("Unable to increment"), "{failure}");
    let strange = ReleaseLabels { version: Some("1-0".into()), ..labels(BOTH) };
    assert_eq!(planning.again().run(step(&strange)).await.unwrap_err().code, "release.bad_nvr");
    planning.bridge.set_next_release("hello-container", "1.0", "r8");
    planning.bridge.add_build(build(1, "r8", KojiBuildState::Complete));
    assert_eq!(planning.again().run(step(&labels(BOTH))).await.unwrap_err().code, "release.not_countable");
}

#[tokio::test]
async fn a_release_that_nobody_reserves_is_looked_up() {
    use KojiBuildState::{Building, Cancelled, Complete, Deleted, Failed};
    let isolated = &BuildMode::Isolated { release: "7".into() };
    let rows = [
        (Some(Complete), false),
        (Some(Building), false),
        (Some(Deleted), false),
        (Some(Failed), true),
        (Some(Cancelled), true),
        (None, true),
    ];
    for (state, is_free) in rows {
        let planning = Planning::start().await;
        if let Some(state) = state {
            planning.bridge.add_build(build(3, "7", state));
        }
        let (none, seven) = (labels(BOTH), with_release("7"));
        let steps = [
            ("label", ChooseRelease { is_checked: true, ..step(&seven) }),
            ("request", ChooseRelease { is_checked: true, requested: Some("7"), ..step(&none) }),
            ("isolated", ChooseRelease { is_checked: true, mode: isolated, ..step(&none) }),
        ];
        for (case, step) in steps {
            let chosen = planning.again().run(step).await;
            let code = chosen.as_ref().err().map(|failure| failure.code.as_str());
            assert_eq!(code, (!is_free).then_some("koji.build_exists"), "{case} {state:?}");
        }
        let unchecked = planning.again().run(step(&seven)).await;
        assert!(unchecked.is_ok(), "one that is reserved is refused there: {state:?}");
    }
}
