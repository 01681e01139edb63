use std::path::Path;

use common::{
    failure::FailureClass,
    flow::{MemoryJournal, Stage, Step, event::EventKind},
    image::{Digest, Tag},
    request::BuildRequest,
    work::{Descriptor, ManifestFormat},
};
use jiff::Timestamp;
use registry_client::{Layout, Registry as _, Selector};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::{
    config::Site,
    plan::Target,
    run::{OUTCOME, PushFloatingTags},
    services::{BuildStamp, PlanServices, fixture},
};

fn tag(name: &str) -> Tag {
    name.parse().unwrap()
}

async fn services(state: &Path) -> BuildServices {
    let shared = fixture::services(state, Site::default(), CancellationToken::new()).await;
    let request = BuildRequest::new("https://git.example.org/hello.git", None);
    let build = shared.store.create(&request, None).await.unwrap().id;
    BuildServices::new(shared, BuildStamp { build, created_at: Timestamp::now() })
}

/// An index of no members, told apart by a note.
async fn put(layout: &Layout, note: &str, tags: &[&str]) -> Descriptor {
    let media_type = ManifestFormat::Oci.index();
    let text = format!(
        r#"{{"schemaVersion":2,"mediaType":"{media_type}","manifests":[],"annotations":{{"note":"{note}"}}}}"#
    );
    let bytes = bytes::Bytes::from(text);
    let digest = Digest::of(&bytes);
    let by_digest = Selector::Digest(digest.clone());
    let selectors = tags.iter().map(|name| Selector::Tag(tag(name))).chain([by_digest]);
    for selector in selectors {
        layout.put_manifest(&selector, media_type, bytes.clone()).await.unwrap();
    }
    Descriptor { media_type: media_type.to_owned(), digest, size: bytes.len() as u64 }
}

fn succeeded<V, S: Step<V>>(scope: &str, output: &impl Serialize) -> EventKind {
    EventKind::StepSucceeded {
        step: format!("{scope}{}", S::NAME),
        input: "recorded by another configuration".to_owned(),
        output: serde_json::to_value(output).unwrap(),
    }
}

/// The record of a build that died while it moved its last tags at two layouts.
async fn record(
    targets: &[Target],
    index: &Descriptor,
    former: &super::super::tags::FormerTags,
) -> MemoryJournal {
    let journal = MemoryJournal::default();
    let mut events = vec![
        succeeded::<PlanServices, CheckDestinations<'_>>("", &targets),
        succeeded::<BuildServices, AssembleIndex<'_>>("", index),
    ];
    for number in 1..=targets.len() {
        let scope = format!("to-{number}/");
        let noted = NotedTags { fixed: [tag("c-new")].into(), former: former.clone() };
        events.push(succeeded::<BuildServices, NoteTags<'_>>(&scope, &noted));
        events.push(succeeded::<BuildServices, PushTags<'_>>(&scope, &()));
        events.push(EventKind::StepStarted {
            step: format!("{scope}{}", PushFloatingTags::NAME),
            stage: Stage::Publish,
            attempt: 1,
            input: String::new(),
        });
    }
    for event in events {
        common::flow::Journal::append(&journal, event).await.unwrap();
    }
    journal
}

#[tokio::test]
async fn tags_go_back_without_a_plan_and_past_those_that_cannot() {
    let state = tempfile::tempdir().unwrap();
    let services = services(state.path()).await;
    let mut targets = Vec::new();
    let mut layouts = Vec::new();
    let (mut index, mut former) = (None, None);
    for name in ["one", "two"] {
        let directory = state.path().join(name);
        let layout = Layout::create(&directory).await.unwrap();
        let before = put(&layout, "before", &["a-broken", "b-latest"]).await;
        let broken = put(&layout, "broken", &["a-broken"]).await;
        index = Some(put(&layout, "ours", &["a-broken", "b-latest", "c-new"]).await);
        former = Some(
            [
                (tag("a-broken"), Some(broken.clone())),
                (tag("b-latest"), Some(before.clone())),
                (tag("c-new"), None),
            ]
            .into(),
        );
        targets.push(Target::Layout { directory });
        layouts.push((layout, before.digest, broken.digest));
    }
    // At the first layout, what one tag pointed to cannot be read any more.
    let file = layouts[0].0.local_blob(&layouts[0].2).unwrap();
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    std::fs::write(&file, "damaged").unwrap();

    let journal = record(&targets, index.as_ref().unwrap(), former.as_ref().unwrap()).await;
    let flow = Flow::new(&services, &journal, CancellationToken::new());
    let diverged = Failure::new(FailureClass::Infrastructure, "flow.diverged", "settings changed");
    // From here on nobody really waits between two tries. The store's and the steps' deadlines pass at once too,
    // so the outcome may not be recorded, which is told and keeps nothing else from being done.
    tokio::time::pause();
    let mut failures = finish(&flow, &Err(diverged.into())).await;
    failures.retain(|failure| !failure.code.starts_with("store.") && failure.code != "flow.step_timeout");

    let codes: Vec<&str> = failures.iter().map(|failure| failure.code.as_str()).collect();
    assert_eq!(codes, ["publish.tags_remain"], "{failures:?}");
    assert!(failures[0].message.contains("one:a-broken") && !failures[0].message.contains("b-latest"));
    for (number, (layout, before, broken)) in layouts.iter().enumerate() {
        let now = async |name: &str| {
            let found = layout.head_manifest(&Selector::Tag(tag(name))).await.unwrap();
            found.map(|found| found.digest)
        };
        assert_eq!(now("b-latest").await.as_ref(), Some(before));
        assert_eq!(now("c-new").await, None);
        assert_eq!(now("a-broken").await.as_ref() == Some(broken), number == 1);
    }
}

#[tokio::test]
async fn once_koji_has_the_build_only_floating_tags_go_back() {
    let state = tempfile::tempdir().unwrap();
    let services = services(state.path()).await;
    let directory = state.path().join("one");
    let layout = Layout::create(&directory).await.unwrap();
    let before = put(&layout, "before", &["b-latest"]).await;
    let index = put(&layout, "ours", &["b-latest", "c-new"]).await;
    let former = [(tag("b-latest"), Some(before.clone())), (tag("c-new"), None)].into();
    let journal = record(&[Target::Layout { directory }], &index, &former).await;
    let imported = crate::run::RecordedBuild { build: 7, nvr: "hello-1.0-3".parse().unwrap(), web_url: None };
    let event = succeeded::<BuildServices, RecordBuild<'_>>("", &imported);
    common::flow::Journal::append(&journal, event).await.unwrap();
    let flow = Flow::new(&services, &journal, CancellationToken::new());
    let outcome = crate::run::as_it_stands(&flow, Err(Failure::cancelled("too late").into())).await;
    let failures = finish(&flow, &outcome).await;
    assert!(failures.is_empty(), "{failures:?}");
    let now = async |name: &str| {
        let found = layout.head_manifest(&Selector::Tag(tag(name))).await.unwrap();
        found.map(|found| found.digest)
    };
    assert_eq!(now("b-latest").await, Some(before.digest));
    assert_eq!(now("c-new").await, Some(index.digest), "the import names it");
    let document = services.shared.store.document(&services.stamp.build, OUTCOME).await.unwrap().unwrap();
    let recorded: Outcome = serde_json::from_str(&document).unwrap();
    assert_eq!(recorded.koji.unwrap().build, 7);
    let message = recorded.failure.unwrap().message;
    assert!(
        message.contains("too late (imported into Koji as build 7, hello-1.0-3, not tagged"),
        "{message}"
    );
}

#[tokio::test]
async fn a_build_that_succeeded_keeps_its_tags() {
    let state = tempfile::tempdir().unwrap();
    let services = services(state.path()).await;
    let directory = state.path().join("one");
    let layout = Layout::create(&directory).await.unwrap();
    let index = put(&layout, "ours", &["latest"]).await;
    let targets = [Target::Layout { directory }];
    let journal = record(&targets, &index, &[(tag("latest"), None)].into()).await;
    let flow = Flow::new(&services, &journal, CancellationToken::new());
    let result = BuildResult {
        index_digest: index.digest.clone(),
        index_media_type: index.media_type,
        members: Vec::new(),
        publications: Vec::new(),
        koji: None,
    };
    let failures = finish(&flow, &Ok(result)).await;
    assert!(failures.is_empty(), "{failures:?}");
    let document = services.shared.store.document(&services.stamp.build, OUTCOME).await.unwrap().unwrap();
    let outcome: Outcome = serde_json::from_str(&document).unwrap();
    assert_eq!(outcome.image.unwrap().digest, index.digest);
    let found = layout.head_manifest(&Selector::Tag(tag("latest"))).await.unwrap();
    assert_eq!(found.map(|found| found.digest), Some(index.digest));
}

#[tokio::test]
async fn a_task_of_ours_that_nobody_waits_for_is_cancelled() {
    use proto::v1::KojiTaskState;
    // case, ours, waited for, cancelled
    for (case, ours, waited, cancelled) in
        [("ours", true, false, true), ("somebody else's", false, false, false), ("made", true, true, false)]
    {
        let state = tempfile::tempdir().unwrap();
        let mut services = services(state.path()).await;
        let bridge = testkit::koji::InMemoryBridge::start().await.unwrap();
        let task = 7;
        bridge.add_task(task);
        services.planning.outside.koji = Some(crate::outside::Koji::new(bridge.address().clone()));
        let journal = MemoryJournal::default();
        let started = Some(crate::plan::FilesystemTask { task, ours });
        let mut events = vec![succeeded::<PlanServices, StartFilesystem<'_>>("", &started)];
        if waited {
            events.push(succeeded::<PlanServices, WaitFilesystem>("", &()));
        }
        for event in events {
            common::flow::Journal::append(&journal, event).await.unwrap();
        }
        let flow = Flow::new(&services, &journal, CancellationToken::new());
        let failed = Failure::new(FailureClass::Source, "labels.missing", "no label");
        let failures = finish(&flow, &Err(failed.into())).await;
        assert!(failures.is_empty(), "{case}: {failures:?}");
        let is_cancelled = bridge.task_state(task) == Some(KojiTaskState::Canceled);
        assert_eq!(is_cancelled, cancelled, "{case}");
    }
}
