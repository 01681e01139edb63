//! Step: which Koji build a parent image is.
//!
//! The labels of the parent name it. A parent that was built a moment ago may
//! not be in Koji yet, so a build waits for it; a dry run asks once. Only a
//! complete build counts: one that failed is no parent, however long one waits.
//! One that never comes may be of another Koji: the site says whether that is a
//! failure.

use std::{collections::BTreeMap, time::Duration};

use common::{
    failure::{Failure, FailureClass},
    flow::{Context, Policy, Stage, Step},
    nvr::Nvr,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::{
    parent_digests::RecordedDigests,
    release::ReleaseLabels,
    target::{askable, koji_policy},
};
use crate::{
    config::ParentCheck,
    outside::{Koji, KojiBuild, KojiBuildState},
    services::{PlanServices, patiently},
};

/// The Koji build that an image's labels name: component, version and release,
/// each in either spelling. `None` where one is missing, or they cannot be those
/// of a Koji build.
pub fn parent_nvr(labels: &BTreeMap<String, String>) -> Option<Nvr> {
    let labels = ReleaseLabels::of(labels);
    Nvr::new(&labels.component?, &labels.version?, &labels.release?).ok()
}

/// How a parent is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParentWait {
    /// Between two questions.
    pub interval: Duration,
    /// In all.
    pub limit: Duration,
}

impl ParentWait {
    /// Every 10 s, for so long.
    pub fn at_most(limit: Duration) -> Self {
        Self { interval: Duration::from_secs(10), limit }
    }
}

/// Finds a parent's build, and waits for it. `None` where Koji may not be asked,
/// where a dry run would have to wait, and for one that never came where the site
/// takes that.
#[derive(Serialize)]
pub struct FindParentBuild<'a> {
    /// The build, from [`parent_nvr`].
    pub nvr: &'a Nvr,
    /// Whether the digests that Koji recorded are wanted.
    pub digests: bool,
    /// What comes of a build that never comes.
    pub missing: ParentCheck,
    /// How it is waited for.
    #[serde(skip)]
    pub wait: ParentWait,
}

/// The Koji build of a parent image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParentBuild {
    /// Its number.
    pub id: u64,
    /// Name, version, release.
    pub nvr: Nvr,
    /// Which signatures its packages have, if it says. Example: `release`.
    pub signing_intent: Option<String>,
    /// What Koji recorded of its image; `None` unless it was wanted.
    pub digests: Option<RecordedDigests>,
}

impl Step<PlanServices> for FindParentBuild<'_> {
    const NAME: &'static str = "find_parent_build";
    const STAGE: Stage = Stage::Prepare;
    type Output = Option<ParentBuild>;

    fn policy(&self) -> Policy {
        Policy { timeout: self.wait.limit + koji_policy().timeout, ..koji_policy() }
    }

    async fn run(&self, cx: &Context<'_, PlanServices>) -> Result<Option<ParentBuild>, Failure> {
        let Some(koji) = askable(cx.services) else { return Ok(None) };
        let Some(build) = self.complete_build(cx, koji).await? else { return Ok(None) };
        let digests = match self.digests {
            true => {
                let asked = || koji.archives(build.id, Some("image"));
                let archives = patiently(cx, "list the images of a build in Koji", asked).await?;
                Some(RecordedDigests::of(&build, &archives))
            }
            false => None,
        };
        cx.services.say(cx.name, &format!("the parent is Koji build {} ({})", build.nvr, build.id)).await;
        let signing_intent = build.extra.pointer("/image/odcs/signing_intent").and_then(Value::as_str);
        Ok(Some(ParentBuild {
            id: build.id,
            signing_intent: signing_intent.map(str::to_owned),
            nvr: build.nvr,
            digests,
        }))
    }
}

impl FindParentBuild<'_> {
    /// The build once it is complete; `None` in a dry run that would have to wait.
    async fn complete_build(
        &self,
        cx: &Context<'_, PlanServices>,
        koji: &Koji,
    ) -> Result<Option<KojiBuild>, Failure> {
        let deadline = Instant::now() + self.wait.limit;
        loop {
            let found = patiently(cx, "look for a build in Koji", || koji.build(self.nvr)).await?;
            let state = match found {
                Some(build) if build.is_complete() => return Ok(Some(build)),
                Some(build) if build.state != KojiBuildState::Building => return Err(unusable(&build)),
                Some(_) => "in progress",
                None => "not there yet",
            };
            if !cx.services.reach.may_change() {
                let text =
                    format!("the parent's Koji build {} is {state}; a build would wait for it", self.nvr);
                cx.warn("koji.parent_build_pending", text).await?;
                return Ok(None);
            }
            let now = Instant::now();
            if now >= deadline {
                let failure = missing(self.nvr, state, self.wait.limit);
                if self.missing == ParentCheck::Fail {
                    return Err(failure);
                }
                cx.warn(&failure.code, &failure.message).await?;
                return Ok(None);
            }
            let line = format!("waiting for the parent's Koji build {}: it is {state}", self.nvr);
            cx.services.say(cx.name, &line).await;
            sleep(self.wait.interval.min(deadline - now)).await;
        }
    }
}

fn missing(nvr: &Nvr, state: &str, limit: Duration) -> Failure {
    let message = format!("the parent's Koji build {nvr} is {state} after {} s", limit.as_secs());
    Failure::new(FailureClass::Parent, "koji.parent_build_missing", message)
        .with_advice("see what became of the parent's build, or build on an image that Koji knows")
}

fn unusable(build: &KojiBuild) -> Failure {
    let message = format!("the parent's Koji build {} is {}, not complete", build.nvr, build.state);
    Failure::new(FailureClass::Parent, "koji.parent_build_unusable", message)
        .with_advice("build the parent again, or build on another one")
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use testkit::koji::Effect;
    use tonic::Code;

    use super::*;
    use crate::{plan::koji_fixture::Planning, services::Reach};

    const QUICK: ParentWait =
        ParentWait { interval: Duration::from_millis(5), limit: Duration::from_millis(200) };

    fn build(state: KojiBuildState) -> KojiBuild {
        KojiBuild {
            id: 7,
            nvr: nvr(),
            state,
            volume: String::new(),
            files_url: String::new(),
            extra: json!({"image": {"odcs": {"signing_intent": "release"}}}),
            origin: Default::default(),
            details_unavailable: false,
        }
    }

    fn nvr() -> Nvr {
        "base-image-1.0-99".parse().unwrap()
    }

    fn step(nvr: &Nvr) -> FindParentBuild<'_> {
        FindParentBuild { nvr, digests: false, missing: ParentCheck::Fail, wait: QUICK }
    }

    #[test]
    fn labels_name_the_build() {
        let cases: &[(&str, &[(&str, &str)], Option<&str>)] = &[
            (
                "KPR-1",
                &[("com.redhat.component", "base-image"), ("version", "1.0"), ("release", "99")],
                Some("base-image-1.0-99"),
            ),
            (
                "KPR-1 old",
                &[("BZComponent", "base-image"), ("Version", "1.0"), ("Release", "99")],
                Some("base-image-1.0-99"),
            ),
            ("KPR-4", &[("com.redhat.component", "base-image"), ("release", "99")], None),
            ("no build's", &[("com.redhat.component", "a b"), ("version", "1"), ("release", "1")], None),
        ];
        for (id, labels, expected) in cases {
            let labels = labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            assert_eq!(parent_nvr(&labels).map(|nvr| nvr.to_string()).as_deref(), *expected, "{id}");
        }
    }

    #[tokio::test]
    async fn kpr_1_and_2_the_build_is_waited_for() {
        for (times, calls) in [(0, 1), (4, 5)] {
            let planning = Planning::start().await;
            planning.bridge.add_build_after(build(KojiBuildState::Complete), times);
            let found = planning.run(step(&nvr())).await.unwrap().unwrap();
            assert_eq!((found.id, found.signing_intent.as_deref()), (7, Some("release")));
            assert_eq!(planning.bridge.count("FindBuild"), calls);
        }
    }

    #[tokio::test]
    async fn kpr_3_a_build_that_never_comes_is_a_failure() {
        let planning = Planning::start().await;
        let failure = planning.run(step(&nvr())).await.unwrap_err();
        assert_eq!(failure.code, "koji.parent_build_missing");
        assert!(failure.message.contains("base-image-1.0-99"));
        assert!(planning.bridge.count("FindBuild") > 2);
    }

    #[tokio::test]
    async fn where_the_site_takes_it_a_build_that_never_comes_is_a_warning() {
        let (planning, nvr) = (Planning::start().await, nvr());
        let tolerant = || FindParentBuild { missing: ParentCheck::Warn, ..step(&nvr) };
        assert_eq!(planning.run(tolerant()).await.unwrap(), None);
        assert_eq!(planning.warnings(), ["koji.parent_build_missing"]);
        // One that is there and will never be a build is none of another Koji.
        let failed = Planning::start().await;
        failed.bridge.add_build(build(KojiBuildState::Failed));
        let failure = failed.run(tolerant()).await.unwrap_err();
        assert_eq!(failure.code, "koji.parent_build_unusable");
        assert!(failure.message.contains("base-image-1.0-99 is failed"), "{}", failure.message);
        // Without a wait it is asked for once.
        let wait = ParentWait { limit: Duration::ZERO, ..QUICK };
        let again = planning.again();
        let before = again.bridge.count("FindBuild");
        assert_eq!(again.run(FindParentBuild { wait, ..tolerant() }).await.unwrap(), None);
        assert_eq!(again.bridge.count("FindBuild"), before + 1);
    }

    #[tokio::test]
    async fn only_a_complete_build_counts() {
        use KojiBuildState::{Building, Cancelled, Deleted, Failed};
        for state in [Failed, Cancelled, Deleted] {
            let planning = Planning::start().await;
            planning.bridge.add_build(build(state));
            let failure = planning.run(step(&nvr())).await.unwrap_err();
            assert_eq!(failure.code, "koji.parent_build_unusable", "{state}");
            assert_eq!(planning.bridge.count("FindBuild"), 1, "{state}: no use waiting");
        }
        let planning = Planning::start().await;
        planning.bridge.add_build(build(Building));
        assert_eq!(planning.run(step(&nvr())).await.unwrap_err().code, "koji.parent_build_missing");
    }

    #[tokio::test]
    async fn a_dry_run_asks_once() {
        let dry = Planning::start().await.reaching(Reach::Questions);
        assert_eq!(dry.run(step(&nvr())).await.unwrap(), None);
        assert_eq!(dry.warnings(), ["koji.parent_build_pending"]);
        assert_eq!(dry.bridge.count("FindBuild"), 1);
        let offline = dry.reaching(Reach::Nothing);
        assert_eq!(offline.run(step(&nvr())).await.unwrap(), None);
        assert_eq!(dry.bridge.count("FindBuild"), 1);
        dry.bridge.add_build(build(KojiBuildState::Complete));
        assert_eq!(dry.again().run(step(&nvr())).await.unwrap().map(|found| found.id), Some(7));
    }

    #[tokio::test]
    async fn digests_come_where_they_are_wanted() {
        let planning = Planning::start().await;
        planning.bridge.add_build(build(KojiBuildState::Complete));
        let nvr = nvr();
        let wanted = FindParentBuild { digests: true, ..step(&nvr) };
        let found = planning.run(wanted).await.unwrap().unwrap();
        assert_eq!(found.digests, Some(RecordedDigests::default()));
        assert_eq!(planning.bridge.count("ListArchives"), 1);
    }

    #[tokio::test]
    async fn a_bridge_that_cannot_is_no_missing_parent() {
        let planning = Planning::start().await;
        planning.bridge.add_fault("FindBuild", 9, Effect::Status(Code::Unimplemented, ""));
        assert_eq!(planning.run(step(&nvr())).await.unwrap_err().code, "koji.not_offered");
    }
}
