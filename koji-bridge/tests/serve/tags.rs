//! Tags.

use proto::v1;
use testkit::hub::Effect;
use tonic::Code;

use crate::{
    support::{PACKAGE, Stage, told},
    tasks::wait,
};

fn request(build: u64, tag: &str) -> v1::TagBuildRequest {
    v1::TagBuildRequest { build_id: build, tag: tag.into() }
}

#[tokio::test]
async fn a_build_is_tagged_once() {
    let stage = Stage::new().await;
    let build = stage.imported("koji-upload/1.a", "1").await;
    stage.hub.add_package("f44", PACKAGE, "alice").unwrap();
    let mut client = stage.client().await;
    let first = client.tag_build(request(build, "f44")).await.unwrap().into_inner();
    assert!(first.task_id > 0 && !first.tagged);
    assert_eq!(wait(&mut client, first.task_id).await, v1::KojiTaskState::Closed);
    let again = client.tag_build(request(build, "f44")).await.unwrap().into_inner();
    assert_eq!((again.task_id, again.tagged), (0, true));
    assert_eq!(stage.hub.count("tagBuild"), 1);
}

#[tokio::test]
async fn a_lost_answer_leaves_the_build_tagged() {
    for effect in [Effect::DropAnswer, Effect::DropBeforeCommit, Effect::PoisonedAnswer] {
        let stage = Stage::new().await;
        let build = stage.imported("koji-upload/1.a", "1").await;
        stage.hub.add_package("f44", PACKAGE, "alice").unwrap();
        let mut client = stage.client().await;
        stage.hub.fault("tagBuild", 1, effect.clone());
        loop {
            match client.tag_build(request(build, "f44")).await {
                Ok(answer) if answer.get_ref().tagged => break,
                Ok(answer) => {
                    wait(&mut client, answer.into_inner().task_id).await;
                }
                // Looking may come between the task's beginning and its end.
                Err(status) => assert_eq!(status.code(), Code::Aborted, "{effect:?}: {status:?}"),
            }
        }
        let tagged =
            stage.hub.state(|state| state.tasks.values().filter(|task| task.method == "tagBuild").count());
        assert_eq!(tagged, 1, "{effect:?}");
    }
}

#[tokio::test]
async fn what_the_hub_does_not_want_is_said() {
    let stage = Stage::new().await;
    let build = stage.imported("koji-upload/1.a", "1").await;
    stage.hub.add_tag("f44", "x86_64", &[]).unwrap();
    let mut client = stage.client().await;
    for (build, tag, code, stable) in [
        (999, "f44", Code::NotFound, "koji.no_build"),
        (build, "nope", Code::NotFound, "koji.unknown_tag"),
        (build, "f44", Code::PermissionDenied, "koji.package_not_listed"),
    ] {
        let (found, _, told) = told(&client.tag_build(request(build, tag)).await.unwrap_err());
        assert_eq!((found, told.as_str()), (code, stable), "{build} {tag}");
    }
}
