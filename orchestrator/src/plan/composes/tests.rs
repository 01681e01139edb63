//! Composes: decisions as tables, the steps against ODCS in memory.

use std::collections::BTreeMap;

use axum::http::Method;
use common::{failure::Failure, platform::Platform, request::BuildRequest};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use testkit::odcs::{Effect, Fault, InMemoryOdcs};

use super::{
    ComposeDecision, ComposeInputs, ComposeOutcome, applies, decide,
    decide::{final_intent, forward, needs_renewal},
    request_composes,
};
use crate::{
    config::{Composes, Settings, SigningIntent},
    outside::{Compose, ComposeKind},
    plan::fixture::World,
    repository::inputs::ComposeWish,
    services::Reach,
};

pub(super) fn site() -> Composes {
    let intent = |name: &str, keys: &[&str]| SigningIntent { name: name.to_owned(), keys: strings(keys) };
    Composes {
        api_url: Some("http://odcs.example.org/api/1".to_owned()),
        signing_intents: vec![
            intent("release", &["R123", "R234"]),
            intent("beta", &["R123", "B456", "B457"]),
            intent("unsigned", &[]),
        ],
        default_signing_intent: Some("release".to_owned()),
        ..Composes::default()
    }
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

fn platform(name: &str) -> Platform {
    name.parse().unwrap()
}

fn wish(packages: &[&str], modules: &[&str], pulp_repos: bool) -> ComposeWish {
    ComposeWish {
        packages: strings(packages),
        modules: strings(modules),
        pulp_repos,
        ..ComposeWish::default()
    }
}

/// Inputs that live as long as a test.
struct Case {
    wish: Option<ComposeWish>,
    sets: BTreeMap<Platform, Vec<String>>,
    composes: Vec<u64>,
    intent: Option<&'static str>,
    parent: Option<&'static str>,
    rebuild: bool,
    platforms: Vec<Platform>,
}

impl Case {
    fn new(wish: Option<ComposeWish>) -> Self {
        Self {
            wish,
            sets: BTreeMap::new(),
            composes: vec![],
            intent: None,
            parent: None,
            rebuild: false,
            platforms: vec![platform("x86_64")],
        }
    }

    fn sets(mut self, platforms: &[&str]) -> Self {
        self.sets = platforms.iter().map(|name| (platform(name), strings(&["a", "b", "c"]))).collect();
        self
    }

    fn inputs(&self) -> ComposeInputs<'_> {
        ComposeInputs {
            wish: self.wish.as_ref(),
            content_sets: &self.sets,
            composes: &self.composes,
            signing_intent: self.intent,
            rebuild: self.rebuild,
            target: None,
            platforms: &self.platforms,
            parent_intent: self.parent,
        }
    }

    fn decide(&self) -> Result<ComposeDecision, Failure> {
        decide(&site(), &self.inputs(), Some("test-tag"))
    }
}

const THREE: &[&str] = &["spam", "bacon", "eggs"];

#[test]
fn what_is_requested() {
    type Expected = Result<
        &'static [(ComposeKind, &'static str, &'static [&'static str], Option<&'static str>)],
        &'static str,
    >;
    use ComposeKind::{Module, Pulp, Tag};
    let rows: Vec<(&str, Case, Expected)> = vec![
        (
            "CMP-1",
            Case::new(Some(wish(THREE, &[], false))),
            Ok(&[(Tag, "test-tag", &["R123", "R234"], Some("x86_64"))]),
        ),
        (
            "CMP-2",
            Case::new(Some(wish(&[], THREE, false))),
            Ok(&[(Module, "spam bacon eggs", &["R123", "R234"], None)]),
        ),
        (
            "CMP-3",
            Case::new(Some(wish(THREE, &[], true))).sets(&["x86_64"]),
            Ok(&[(Tag, "test-tag", &["R123", "R234"], Some("x86_64")), (Pulp, "a b c", &[], Some("x86_64"))]),
        ),
        (
            "CMP-6",
            Case::new(Some(wish(THREE, &[], true))),
            Ok(&[(Tag, "test-tag", &["R123", "R234"], Some("x86_64"))]),
        ),
        (
            "CMP-7",
            Case::new(Some(wish(&[], &[], true))).sets(&["x86_64"]),
            Ok(&[(Pulp, "a b c", &[], Some("x86_64"))]),
        ),
        (
            "ab8469bd: only platforms that are built",
            Case::new(Some(wish(&[], &[], true))).sets(&["ppc64le", "x86_64"]),
            Ok(&[(Pulp, "a b c", &[], Some("x86_64"))]),
        ),
        ("CMP-8 packages", Case::new(Some(wish(&[], &[], false))), Err("compose.nothing")),
        ("CMP-8 pulp", Case::new(Some(wish(&[], &[], true))), Err("compose.nothing")),
        (
            "sets that nobody wants",
            Case::new(Some(wish(&[], &[], false))).sets(&["x86_64"]),
            Err("compose.nothing"),
        ),
        ("CMP-9", Case::new(Some(wish(THREE, THREE, false))), Err("compose.packages_and_modules")),
    ];
    for (id, case, expected) in rows {
        let found = case.decide();
        match expected {
            Ok(expected) => {
                let found = found.unwrap().requests;
                assert_eq!(found.len(), expected.len(), "{id}");
                for (found, (kind, source, keys, arches)) in found.iter().zip(expected) {
                    assert_eq!((found.kind, found.source.as_str()), (*kind, *source), "{id}");
                    assert_eq!(found.sigkeys.as_deref(), Some(&strings(keys)[..]), "{id}");
                    assert_eq!(found.arches.clone(), arches.map(|name| vec![platform(name)]), "{id}");
                }
            }
            Err(code) => assert_eq!(found.unwrap_err().code, code, "{id}"),
        }
    }
    let case = Case::new(Some(wish(THREE, &[], false)));
    let failure = decide(&site(), &case.inputs(), None).unwrap_err();
    assert_eq!(failure.code, "compose.no_target");
}

#[test]
fn independent_problems_are_reported_together() {
    let mut case = Case::new(Some(wish(THREE, THREE, false)));
    (case.intent, case.parent) = (Some("spam"), Some("bacon"));
    let codes: Vec<_> = case.decide().unwrap_err().each().into_iter().map(|f| f.code).collect();
    assert_eq!(codes, ["compose.unknown_intent", "compose.unknown_intent", "compose.packages_and_modules"]);
}

#[test]
fn ids_and_intents_of_the_request() {
    let mut case = Case::new(None);
    (case.composes, case.intent) = (vec![1, 2], Some("release"));
    assert_eq!(case.decide().unwrap_err().code, "request.intent_and_composes", "CMP-10");
    case.intent = None;
    let decision = case.decide().unwrap();
    assert_eq!((decision.existing, decision.requests.len()), (vec![1, 2], 0));
    let rows: [(&str, Vec<u64>, Option<&'static str>, &str); 2] = [
        ("CMP-17", vec![], Some("spam"), "compose.intent_ignored"),
        ("CMP-17", vec![1, 2, 3], None, "compose.ids_ignored"),
    ];
    for (id, composes, intent, code) in rows {
        let mut case = Case::new(Some(wish(THREE, &[], false)));
        (case.composes, case.intent, case.rebuild) = (composes, intent, true);
        let decision = case.decide().unwrap();
        assert_eq!((decision.existing.len(), decision.requests.len()), (0, 1), "{id}");
        assert_eq!((decision.intent.as_str(), decision.notes[0].0.as_str()), ("release", code), "{id}");
    }
}

fn compose(id: u64, fields: Value) -> Compose {
    let mut all =
        json!({ "id": id, "state_name": "done", "result_repofile": format!("http://x/odcs-{id}.repo") });
    for (key, value) in fields.as_object().unwrap() {
        all[key] = value.clone();
    }
    serde_json::from_value(all).unwrap()
}

#[test]
fn the_final_intent_is_the_least_restrictive_one() {
    // Default, container.yaml, request, parent; final, overridden.
    let rows = [
        ("release", None, None, Some("beta"), "beta", true),
        ("release", Some("beta"), None, Some("release"), "beta", false),
        ("release", Some("release"), Some("beta"), Some("release"), "beta", true),
        ("release", Some("beta"), Some("release"), Some("release"), "release", true),
        ("beta", Some("beta"), Some("release"), Some("unsigned"), "unsigned", true),
        ("beta", Some("beta"), Some("release"), Some("beta"), "beta", false),
        ("unsigned", Some("release"), None, None, "release", false),
    ];
    for (default, yaml, asked, parent, expected, overridden) in rows {
        let mut case = Case::new(Some(ComposeWish {
            signing_intent: yaml.map(str::to_owned),
            ..wish(THREE, &[], false)
        }));
        (case.intent, case.parent) = (asked, parent);
        let site = Composes { default_signing_intent: Some(default.to_owned()), ..site() };
        let decision = decide(&site, &case.inputs(), Some("test-tag")).unwrap();
        let made = compose(1, json!({ "sigkeys": decision.requests[0].sigkeys }));
        let found = final_intent(&site, &[made], &decision.intent, parent).unwrap();
        assert_eq!(
            (found.as_str(), found != decision.original_intent),
            (expected, overridden),
            "CMP-11 {yaml:?} {asked:?} {parent:?}"
        );
    }
    for (id, keys, expected) in [
        ("CMP-4", vec!["R123", "B457"], Ok("beta")),
        ("CMP-12", vec!["R123", "B456"], Ok("beta")),
        ("CMP-12", vec!["", "R234"], Ok("unsigned")),
        ("226d45ce", vec!["R123", "X999"], Err("compose.unknown_keys")),
    ] {
        let composes: Vec<_> =
            keys.iter().zip(1..).map(|(keys, id)| compose(id, json!({ "sigkeys": keys }))).collect();
        let found = final_intent(&site(), &composes, "release", None);
        let found = found.as_deref().map_err(|failure| failure.code.as_str());
        assert_eq!(found, expected, "{id} {keys:?}");
    }
    let failure =
        final_intent(&site(), &[compose(7, json!({ "sigkeys": "X999" }))], "beta", None).unwrap_err();
    let text = failure.to_string();
    assert!(
        text.contains("compose 7") && text.contains("X999") && text.contains("release (R123 R234)"),
        "{text}"
    );
}

#[test]
fn composes_that_go_away_are_renewed() {
    let now: Timestamp = "2026-01-01T12:00:00Z".parse().unwrap();
    let rows = [
        ("removed", "removed", 600, true),
        ("done and expired", "done", -1, true),
        ("118 minutes", "done", 118, true),
        ("exactly two hours", "done", 120, true),
        ("3 hours", "done", 180, false),
        ("failed", "failed", -1, false),
    ];
    for (id, state, minutes, expected) in rows {
        let expires = now + SignedDuration::from_mins(minutes);
        let compose = compose(1, json!({ "state_name": state, "time_to_expire": expires.to_string() }));
        assert_eq!(needs_renewal(&compose, now), expected, "CMP-13 {id}");
    }
    assert!(!needs_renewal(&compose(1, json!({})), now));
}

#[test]
fn repository_files_go_to_their_platforms_in_order() {
    let both = [platform("ppc64le"), platform("x86_64")];
    let file = |id: u64| format!("http://x/odcs-{id}.repo");
    let one = |arches: &str, id| compose(id, json!({ "arches": arches }));
    let found = forward(&[one("", 1), one("", 2)], &both).unwrap();
    assert_eq!((found.everywhere.clone(), found.platforms.len()), (vec![file(1), file(2)], 0), "CMP-5");
    let composes = [one("x86_64", 3), one("", 1), one("x86_64 ppc64le s390x", 2)];
    let found = forward(&composes, &both).unwrap();
    assert!(found.everywhere.is_empty());
    assert_eq!(found.platforms[&both[1]], [file(3), file(1), file(2)], "CMP-1, CMP-14");
    assert_eq!(found.platforms[&both[0]], [file(1), file(2)]);
    assert_eq!(found.platforms.len(), 2, "nothing for platforms that are not built");
    let nothing = compose(9, json!({ "result_repofile": null }));
    assert_eq!(forward(&[nothing], &both).unwrap_err().code, "compose.no_repository");
}

#[test]
fn who_has_nothing_to_do_with_composes_is_told_why() {
    let (wish, site, none) = (wish(THREE, &[], false), site(), Composes::default());
    let plain = BuildRequest::new("https://x/y.git", None);
    let with_ids = BuildRequest { composes: vec![1], ..plain.clone() };
    let rebuild = BuildRequest { rebuild: true, ..with_ids.clone() };
    let urls = BuildRequest { repository_urls: strings(&["https://x/y.repo"]), ..with_ids.clone() };
    let rows = [
        ("CMP-15 no odcs", &none, &plain, Some(&wish), Err("composes.not_configured")),
        ("CMP-15 nothing", &site, &plain, None, Err("composes.not_asked_for")),
        ("PLAN-13", &site, &urls, Some(&wish), Err("composes.repositories_given")),
        ("CMP-17", &site, &rebuild, None, Err("composes.not_asked_for")),
        ("PLAN-14", &site, &plain, Some(&wish), Ok(())),
        ("ids", &site, &with_ids, None, Ok(())),
    ];
    for (id, site, request, wish, expected) in rows {
        assert_eq!(applies(site, request, wish).map_err(|(code, _)| code), expected, "{id}");
    }
}

async fn run(odcs: &InMemoryOdcs, case: &Case, reach: Reach) -> (World, Result<ComposeOutcome, Failure>) {
    run_if(odcs, case, reach, true).await
}

async fn run_if(
    odcs: &InMemoryOdcs,
    case: &Case,
    reach: Reach,
    may_start: bool,
) -> (World, Result<ComposeOutcome, Failure>) {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("token"), "s3cret\n").unwrap();
    let composes = Composes {
        api_url: Some(odcs.api_url().to_owned()),
        token_directory: Some(directory.path().to_owned()),
        ..site()
    };
    let world = World::new(directory.path(), reach, Settings { composes, ..Settings::default() });
    let outcome = request_composes(&world.flow(), case.inputs(), may_start).await;
    (world, outcome)
}

#[tokio::test(flavor = "multi_thread")]
async fn composes_are_made_and_waited_for() {
    let odcs = InMemoryOdcs::start().await.unwrap();
    odcs.new_course(&["done"]);
    let case = Case::new(Some(wish(&[], THREE, true))).sets(&["x86_64"]);
    let (world, outcome) = run(&odcs, &case, Reach::Everything).await;
    let outcome = outcome.unwrap();
    let posts = odcs.calls_of("POST");
    assert_eq!(
        posts[0].body,
        json!({ "source": { "type": "module", "source": "spam bacon eggs", "sigkeys": ["R123", "R234"] } }),
        "CMP-2, CMP-19"
    );
    assert_eq!(
        posts[1].body,
        json!({ "source": { "type": "pulp", "source": "a b c", "sigkeys": [] }, "arches": ["x86_64"] }),
        "CMP-3, CMP-19"
    );
    assert_eq!(
        (posts[0].path.as_str(), posts[0].authorization.as_str()),
        ("/api/1/composes/", "Bearer s3cret")
    );
    assert_eq!(outcome.signing_intent, "unsigned", "a Pulp compose has no keys");
    assert!(outcome.overridden);
    let urls: Vec<_> = outcome.repository_urls.on(&platform("x86_64")).collect();
    assert_eq!(
        urls,
        ["http://odcs.example.org/composes/odcs-1.repo", "http://odcs.example.org/composes/odcs-2.repo"]
    );
    // Nothing is asked for again by a build that goes on.
    let again = request_composes(&world.flow(), case.inputs(), true).await.unwrap();
    assert_eq!((again, odcs.calls_of("POST").len()), (outcome, 2));
    assert!(!format!("{:?} {}", world.journal.events(), world.told()).contains("s3cret"));
}

#[tokio::test(flavor = "multi_thread")]
async fn existing_composes_are_used_or_renewed_or_refused() {
    let odcs = InMemoryOdcs::start().await.unwrap();
    odcs.new_course(&["done"]);
    odcs.put(3, &json!({ "sigkeys": "R123" }));
    odcs.put(4, &json!({ "sigkeys": ["B456"], "state_name": "removed" }));
    odcs.put(5, &json!({ "state_name": "failed", "state_reason": "no such tag" }));
    let mut case = Case::new(None);
    case.composes = vec![4, 3];
    let (_, outcome) = run(&odcs, &case, Reach::Everything).await;
    let outcome = outcome.unwrap();
    assert_eq!(outcome.composes.iter().map(|compose| compose.id).collect::<Vec<_>>(), [6, 3], "CMP-13");
    assert_eq!((outcome.signing_intent.as_str(), odcs.calls_of("POST").len()), ("beta", 0), "CMP-12");
    for (id, compose, code) in [("CMP-18", 5, "compose.failed"), ("unknown", 99, "compose.not_found")] {
        case.composes = vec![compose];
        let failure = run(&odcs, &case, Reach::Everything).await.1.unwrap_err();
        assert_eq!(failure.code, code, "{id}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_changes_nothing() {
    let odcs = InMemoryOdcs::start().await.unwrap();
    odcs.put(3, &json!({ "sigkeys": "R123", "state_name": "removed" }));
    let mut case = Case::new(Some(wish(&[], THREE, false)));
    let (world, outcome) = run(&odcs, &case, Reach::Questions).await;
    assert_eq!(outcome.unwrap().requested.len(), 1);
    assert!(world.told().contains("would request a compose of spam bacon eggs"), "{}", world.told());
    case.composes = vec![3];
    assert_eq!(run(&odcs, &case, Reach::Questions).await.1.unwrap().composes.len(), 1);
    assert_eq!(run(&odcs, &case, Reach::Nothing).await.1.unwrap().composes.len(), 0);
    let methods: Vec<_> = odcs.calls().into_iter().map(|call| call.method).collect();
    assert_eq!(methods, ["GET"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn beside_other_problems_composes_are_only_looked_at() {
    let odcs = InMemoryOdcs::start().await.unwrap();
    odcs.put(3, &json!({ "sigkeys": "R123", "state_name": "removed" }));
    odcs.put(5, &json!({ "state_name": "failed" }));
    let mut case = Case::new(Some(wish(&[], THREE, false)));
    let (_, outcome) = run_if(&odcs, &case, Reach::Everything, false).await;
    assert_eq!(outcome.unwrap().requested.len(), 1);
    case.composes = vec![3];
    assert_eq!(run_if(&odcs, &case, Reach::Everything, false).await.1.unwrap().composes.len(), 1);
    case.composes = vec![5];
    let failure = run_if(&odcs, &case, Reach::Everything, false).await.1.unwrap_err();
    assert_eq!(failure.code, "compose.failed");
    let empty = Case::new(Some(wish(&[], &[], false)));
    let failure = run_if(&odcs, &empty, Reach::Everything, false).await.1.unwrap_err();
    assert_eq!(failure.code, "compose.nothing");
    assert!(odcs.calls().iter().all(|call| call.method == "GET"), "nothing is begun or renewed");
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_of_odcs_have_names() {
    for (effect, code) in [
        (Effect::Status(401, vec![], ""), "compose.forbidden"),
        (Effect::Status(400, vec![], ""), "compose.refused"),
        (Effect::Status(500, vec![], ""), "compose.unavailable"),
        (Effect::CutAnswer(5), "compose.unavailable"),
        (Effect::Body(b"<html>"), "http.bad_answer"),
        (Effect::Redirect("http://127.0.0.1:1".to_owned()), "compose.unavailable"),
    ] {
        let odcs = InMemoryOdcs::start().await.unwrap();
        odcs.add_fault(Fault::once(Method::POST, "/composes", effect));
        let case = Case::new(Some(wish(&[], THREE, false)));
        let failure = run(&odcs, &case, Reach::Everything).await.1.unwrap_err();
        assert_eq!(failure.code, code);
        assert_eq!(odcs.calls_of("POST").len(), 1, "{code}: never twice");
    }
}
