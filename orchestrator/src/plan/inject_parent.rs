//! Step: builds on a given Koji build instead of the image that FROM names.
//!
//! The build must have an image of the same repository: injecting is for another
//! version of the parent, and not for another parent.

use common::{
    failure::{Failure, FailureClass},
    flow::{Context, Policy, Stage, Step},
    image::ImageReference,
    nvr::Nvr,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::target::{askable, koji_policy};
use crate::{
    outside::{Koji, KojiArchive, KojiBuild},
    services::{PlanServices, patiently},
};

/// Finds the image of the Koji build that the request names. `None` where Koji
/// may not be asked.
#[derive(Serialize)]
pub struct InjectParent<'a> {
    /// The build: its NVR or its number.
    pub build: &'a str,
    /// The image that FROM names in the last stage.
    pub replaces: &'a ImageReference,
}

/// What is built upon instead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InjectedParent {
    /// The image, by digest where Koji recorded one.
    pub image: ImageReference,
    /// The build's number, however it was named.
    pub koji_build: u64,
    /// Its name, version and release.
    pub nvr: Nvr,
}

impl Step<PlanServices> for InjectParent<'_> {
    const NAME: &'static str = "inject_parent";
    const STAGE: Stage = Stage::Prepare;
    type Output = Option<InjectedParent>;

    fn policy(&self) -> Policy {
        koji_policy()
    }

    async fn run(&self, cx: &Context<'_, PlanServices>) -> Result<Option<InjectedParent>, Failure> {
        if cx.services.outside.koji.is_none() {
            return Err(no_koji(self.build));
        }
        let Some(koji) = askable(cx.services) else { return Ok(None) };
        let build = find(cx, koji, self.build).await?.ok_or_else(|| unknown(self.build))?;
        if !build.is_complete() {
            return Err(incomplete(&build));
        }
        let mut pulls = recorded_pulls(&build);
        if pulls.is_empty() {
            pulls = archived_pulls(
                &patiently(cx, "list the files of a build in Koji", || koji.archives(build.id, None)).await?,
            );
        }
        let image = choose(&build, &pulls, self.replaces)?;
        cx.services.say(cx.name, &format!("{} is replaced by {image} of {}", self.replaces, build.nvr)).await;
        Ok(Some(InjectedParent { image, koji_build: build.id, nvr: build.nvr }))
    }
}

/// The build of this number or NVR.
async fn find(
    cx: &Context<'_, PlanServices>,
    koji: &Koji,
    build: &str,
) -> Result<Option<KojiBuild>, Failure> {
    if let Ok(id) = build.parse() {
        return patiently(cx, "look for a build in Koji", || koji.build_by_id(id)).await;
    }
    let nvr: Nvr = build.parse().map_err(|error| {
        Failure::from_error(FailureClass::User, "inject.bad_build", &error)
            .with_advice("give the Koji build as NAME-VERSION-RELEASE or as its number")
    })?;
    patiently(cx, "look for a build in Koji", || koji.build(&nvr)).await
}

/// What the build's record says can be pulled.
fn recorded_pulls(build: &KojiBuild) -> Vec<String> {
    build.extra.pointer("/image/index/pull").map(texts).unwrap_or_default()
}

/// What the first file of the build that can be pulled says.
fn archived_pulls(archives: &[KojiArchive]) -> Vec<String> {
    let pulls = |archive: &KojiArchive| archive.extra.pointer("/docker/repositories").map(texts);
    archives.iter().filter_map(pulls).find(|pulls| !pulls.is_empty()).unwrap_or_default()
}

fn texts(list: &Value) -> Vec<String> {
    let elements = list.as_array().into_iter().flatten();
    elements.filter_map(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned).collect()
}

/// The first image by digest, else the first; it must be of the repository that
/// it stands in for.
fn choose(build: &KojiBuild, pulls: &[String], replaces: &ImageReference) -> Result<ImageReference, Failure> {
    let by_digest = pulls.iter().find(|pull| pull.contains('@'));
    let pull = by_digest.or_else(|| pulls.first()).ok_or_else(|| no_image(build))?;
    let image: ImageReference = pull.parse().map_err(|error| {
        Failure::from_error(FailureClass::Parent, "inject.bad_image", &error)
            .with_advice(format!("the record of {} in Koji is not one of a container image", build.nvr))
    })?;
    if image.repository != replaces.repository {
        return Err(other_repository(build, &image, replaces));
    }
    Ok(image)
}

fn no_koji(build: &str) -> Failure {
    let message = format!("the build is to be on Koji build {build}, and the site has no Koji");
    Failure::new(FailureClass::User, "inject.no_koji", message)
        .with_advice("leave out the request's parent_build, or set koji.bridge in the site's configuration")
}

fn unknown(build: &str) -> Failure {
    let message = format!("Koji build {build}, on which to build, is not found");
    Failure::new(FailureClass::User, "inject.build_not_found", message)
        .with_advice("correct the request's parent_build")
}

fn incomplete(build: &KojiBuild) -> Failure {
    let message = format!("Koji build {} is {}: it cannot be built upon", build.nvr, build.state);
    Failure::new(FailureClass::Parent, "inject.build_not_complete", message)
        .with_advice("wait until it is complete, or name another one as the request's parent_build")
}

fn no_image(build: &KojiBuild) -> Failure {
    let message = format!("Koji build {} has no image that could be pulled", build.nvr);
    Failure::new(FailureClass::User, "inject.no_image", message)
        .with_advice("name a container build as the request's parent_build")
}

fn other_repository(build: &KojiBuild, image: &ImageReference, replaces: &ImageReference) -> Failure {
    let message = format!(
        "the repository '{}' of {} differs from '{}', which the Dockerfile builds on",
        image.repository, build.nvr, replaces.repository
    );
    Failure::new(FailureClass::User, "inject.other_repository", message)
        .with_advice("name a build of the image in the last FROM as the request's parent_build")
}

#[cfg(test)]
mod tests {
    use common::koji::{KojiBuildState, KojiChecksum};
    use serde_json::json;

    use super::*;
    use crate::{plan::koji_fixture::Planning, services::Reach};

    const ID: u64 = 123_456_789;
    const DIGEST: &str = "sha256:07cc0000000000000000000000000000000000000000000000000000000007cc";

    fn build(extra: Value) -> KojiBuild {
        KojiBuild {
            id: ID,
            nvr: "base-image-1.0-99".parse().unwrap(),
            state: KojiBuildState::Complete,
            volume: String::new(),
            files_url: String::new(),
            extra,
            origin: Default::default(),
            details_unavailable: false,
        }
    }

    fn recorded(pulls: &[&str]) -> KojiBuild {
        build(json!({"image": {"index": {"pull": pulls}}}))
    }

    fn archive(extra: Value) -> KojiArchive {
        KojiArchive {
            filename: "image.tar.gz".into(),
            group_id: String::new(),
            artifact_id: String::new(),
            version: String::new(),
            checksum: KojiChecksum::Md5("0".repeat(32)),
            extra,
        }
    }

    fn archives(repository: &str) -> Vec<KojiArchive> {
        let pulls = [format!("spam.com/{repository}:27-3"), format!("spam.com/{repository}@{DIGEST}")];
        let empty = json!({"docker": {"repositories": []}});
        vec![archive(Value::Null), archive(empty), archive(json!({"docker": {"repositories": pulls}}))]
    }

    async fn inject(build: &str, setup: impl FnOnce(&Planning)) -> Result<InjectedParent, Failure> {
        let planning = Planning::start().await;
        setup(&planning);
        let from = "fedora:26".parse().unwrap();
        Ok(planning.run(InjectParent { build, replaces: &from }).await?.unwrap())
    }

    #[tokio::test]
    async fn the_image_is_that_of_the_build() {
        let by_digest = format!("spam.com/fedora@{DIGEST}");
        type Setup = fn(&Planning);
        let from_archives: Setup = |planning| {
            planning.bridge.add_build(build(Value::Null));
            planning.bridge.add_archives(ID, "image", archives("fedora"));
        };
        let from_record: Setup = |planning| {
            planning
                .bridge
                .add_build(recorded(&["spam.com/fedora:26-3", &format!("spam.com/fedora@{DIGEST}")]));
            planning.bridge.add_archives(ID, "image", archives("other"));
        };
        let without_digest: Setup = |planning| {
            planning.bridge.add_build(recorded(&["spam.com/fedora:26-3", "spam.com/fedora:26-spam"]))
        };
        let cases = [
            ("INJ-1 with extra null", "123456789", from_archives, by_digest.as_str()),
            ("INJ-2", "base-image-1.0-99", from_archives, &by_digest),
            ("INJ-3", "base-image-1.0-99", from_record, &by_digest),
            ("INJ-4", "123456789", without_digest, "spam.com/fedora:26-3"),
        ];
        for (id, name, setup, expected) in cases {
            let injected = inject(name, setup).await.unwrap();
            assert_eq!(injected.image.to_string(), expected, "{id}");
            assert_eq!(injected.koji_build, ID, "{id}");
        }
    }

    #[tokio::test]
    async fn what_does_not_fit_is_refused() {
        type Setup = fn(&Planning);
        let other: Setup = |planning| planning.bridge.add_build(recorded(&["spam.com/rawhide/fedora:26"]));
        let centos: Setup = |planning| planning.bridge.add_build(recorded(&["spam.com/centos:26"]));
        let nothing: Setup = |_| {};
        let no_archives: Setup = |planning| planning.bridge.add_build(build(json!({"image": {}})));
        let no_repositories: Setup = |planning| {
            planning.bridge.add_build(recorded(&[]));
            planning.bridge.add_archives(ID, "image", [archive(json!({"docker": {"repositories": []}}))]);
        };
        let failed: Setup = |planning| {
            let state = KojiBuildState::Failed;
            planning.bridge.add_build(KojiBuild { state, ..recorded(&["spam.com/fedora:26"]) });
        };
        let garbage: Setup = |planning| planning.bridge.add_build(recorded(&["UPPER/x y"]));
        let cases = [
            ("INJ-5", "123456789", other, "inject.other_repository", "differs from"),
            ("INJ-5", "123456789", centos, "inject.other_repository", "centos"),
            ("INJ-6", "123456789", nothing, "inject.build_not_found", "not found"),
            ("INJ-6", "123456789", no_archives, "inject.no_image", "base-image-1.0-99"),
            ("INJ-6", "123456789", no_repositories, "inject.no_image", "base-image-1.0-99"),
            ("the state counts", "123456789", failed, "inject.build_not_complete", "failed"),
            ("no NVR", "nodash", nothing, "inject.bad_build", "nodash"),
            ("no reference", "123456789", garbage, "inject.bad_image", "UPPER"),
        ];
        for (id, name, setup, code, part) in cases {
            let failure = inject(name, setup).await.unwrap_err();
            assert_eq!(failure.code, code, "{id}");
            assert!(failure.message.contains(part), "{id}: {failure}");
        }
    }

    #[tokio::test]
    async fn without_koji_the_wish_cannot_be_met() {
        let planning = Planning::start().await;
        let from = "fedora:26".parse().unwrap();
        let step = || InjectParent { build: "1", replaces: &from };
        let failure = planning.without_koji().run(step()).await.unwrap_err();
        assert_eq!(failure.code, "inject.no_koji");
        assert_eq!(planning.reaching(Reach::Nothing).run(step()).await.unwrap(), None);
    }
}
