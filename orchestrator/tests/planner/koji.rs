//! What only Koji knows, asked of a bridge in memory.

use common::koji::{KojiCapability, KojiTarget};
use orchestrator::services::Reach;
use testkit::{git::GitRepository, koji::InMemoryBridge};

use crate::world::{Case, DOCKERFILE, code_of, problems, repository};

fn asking(repository: &GitRepository, bridge: &InMemoryBridge) -> Case {
    let site = format!(
        "koji:\n  hub_url: https://koji.example.org/kojihub\n  bridge: {}\n  unrecorded_builds: allow\n",
        bridge.address()
    );
    let mut case = Case::of(repository, &site);
    case.reach = Reach::Questions;
    case
}

fn target(name: &str, platforms: &[&str]) -> KojiTarget {
    KojiTarget {
        name: name.into(),
        build_tag: "test-tag".into(),
        destination_tag: "done".into(),
        platforms: platforms.iter().map(|name| (*name).to_owned()).collect(),
    }
}

#[tokio::test]
async fn a_target_that_koji_does_not_have_is_said_so() {
    // CMP-16
    let bridge = InMemoryBridge::start().await.unwrap();
    bridge.add_target(target("known", &["x86_64"]));
    bridge.add_repository("test-tag", 2, "https://files.example.org/repos/test-tag/2");
    let repository = repository(&[("Dockerfile", DOCKERFILE)]);
    for (name, expected) in [("known", &[][..]), ("unknown", &["koji.unknown_target"])] {
        let draft =
            asking(&repository, &bridge).with(|request| request.target = Some(name.into())).draft().await;
        assert_eq!(problems(&draft), expected, "{name}");
    }
}

#[tokio::test]
async fn artifacts_of_a_build_that_koji_does_not_have() {
    // ART-5
    let bridge = InMemoryBridge::start().await.unwrap();
    let wishes = "- nvr: no-such-build-1-1\n  archives:\n  - filename: a.jar\n";
    let repository = repository(&[("Dockerfile", DOCKERFILE), ("fetch-artifacts-koji.yaml", wishes)]);
    let draft = asking(&repository, &bridge).draft().await;
    let text = format!("{:?}", draft.problems);
    assert!(text.contains("no-such-build-1-1"), "{text}");
    assert_eq!(draft.problems.len(), 1, "{text}");
    assert_eq!(code_of(&draft, "fetch_artifacts"), "");
}

#[tokio::test]
async fn platforms_of_the_target_are_told_with_their_arithmetic() {
    // PLT-2, through everything.
    let bridge = InMemoryBridge::start().await.unwrap();
    bridge.add_target(target("test-target", &["x86_64", "ppc64le", "s390x"]));
    let files = [("Dockerfile", DOCKERFILE), ("container.yaml", "platforms:\n  not: [s390x]\n")];
    let repository = repository(&files);
    let draft = asking(&repository, &bridge)
        .with(|request| request.target = Some("test-target".into()))
        .draft()
        .await;
    let names: Vec<&str> = draft.platforms.iter().map(|planned| planned.platform.as_str()).collect();
    assert_eq!(names, ["x86_64", "ppc64le"], "{:?}", draft.platform_arithmetic);
    let arithmetic = draft.platform_arithmetic.join("\n");
    assert!(arithmetic.contains("s390x") && draft.platform_arithmetic.len() > 1, "{arithmetic}");
}

#[tokio::test]
async fn what_the_bridge_cannot_do_is_a_reason() {
    let bridge = InMemoryBridge::start().await.unwrap();
    bridge.set_capabilities(&[KojiCapability::Targets]);
    let repository = repository(&[("Dockerfile", DOCKERFILE)]);
    let draft = asking(&repository, &bridge).draft().await;
    assert_eq!(code_of(&draft, "find_parent_build"), "koji.not_offered");
    assert_eq!(code_of(&draft, "record_build"), "koji.not_offered");
    bridge.stop().await;
}
