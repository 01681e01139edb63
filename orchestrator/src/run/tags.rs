//! Steps: tags, the only effect that everybody sees.
//!
//! What the tags pointed to before is noted first, so that a build that fails
//! between two destinations can put everything back.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use common::{
    failure::{Failure, FailureClass},
    flow::{
        Context, Flow, Policy, Stage, Step,
        event::{KojiRecord, Publication},
    },
    image::{Digest, Tag},
    work::Descriptor,
};
use registry_client::{Registry as _, Selector};
use serde::{Deserialize, Serialize};

use super::{RecordedBuild, publish::destination_flows};
use crate::{
    plan::{Plan, Target},
    services::BuildServices,
};

/// What each tag pointed to before the build; `None` for a new tag.
pub(super) type FormerTags = BTreeMap<Tag, Option<Descriptor>>;

/// What was noted of the tags of one destination.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotedTags {
    /// Unique and primary tags, which name this build alone.
    pub fixed: BTreeSet<Tag>,
    /// What each tag, fixed or floating, pointed to.
    pub former: BTreeMap<Tag, Option<Descriptor>>,
}

/// Notes what the tags of one destination point to now.
#[derive(Serialize)]
pub struct NoteTags<'a> {
    /// The destination.
    pub target: &'a Target,
    /// Unique and primary tags.
    pub fixed: &'a [&'a Tag],
    /// All tags that will be set there.
    pub tags: Vec<&'a Tag>,
}

impl Step<BuildServices> for NoteTags<'_> {
    const NAME: &'static str = "note_tags";
    const STAGE: Stage = Stage::Publish;
    type Output = NotedTags;

    fn policy(&self) -> Policy {
        tag_policy()
    }

    async fn run(&self, cx: &Context<'_, BuildServices>) -> Result<NotedTags, Failure> {
        let destination = cx.services.open(self.target).await?;
        let mut former = FormerTags::new();
        for tag in &self.tags {
            let now = destination.head_manifest(&Selector::Tag((*tag).clone())).await?;
            former.insert((*tag).clone(), now);
        }
        let fixed = self.fixed.iter().copied().cloned().collect();
        Ok(NotedTags { fixed, former })
    }
}

/// Sets unique and primary tags at one destination.
#[derive(Serialize)]
pub struct PushTags<'a>(pub TagOrder<'a>);

/// Moves floating tags at one destination, when all else is done.
#[derive(Serialize)]
pub struct PushFloatingTags<'a>(pub TagOrder<'a>);

/// Tags to point to the index.
#[derive(Serialize)]
pub struct TagOrder<'a> {
    target: &'a Target,
    index: &'a Descriptor,
    tags: Vec<&'a Tag>,
}

impl Step<BuildServices> for PushTags<'_> {
    const NAME: &'static str = "push_tags";
    const STAGE: Stage = Stage::Publish;
    type Output = ();

    fn policy(&self) -> Policy {
        tag_policy()
    }

    async fn run(&self, cx: &Context<'_, BuildServices>) -> Result<(), Failure> {
        self.0.carry_out(cx).await
    }
}

impl Step<BuildServices> for PushFloatingTags<'_> {
    const NAME: &'static str = "push_floating_tags";
    const STAGE: Stage = Stage::Publish;
    type Output = ();

    fn policy(&self) -> Policy {
        tag_policy()
    }

    async fn run(&self, cx: &Context<'_, BuildServices>) -> Result<(), Failure> {
        self.0.carry_out(cx).await
    }
}

impl TagOrder<'_> {
    async fn carry_out(&self, cx: &Context<'_, BuildServices>) -> Result<(), Failure> {
        let destination = cx.services.open(self.target).await?;
        let selector = Selector::Digest(self.index.digest.clone());
        let Some(index) = cx.services.staging().await?.manifest(&selector).await? else {
            let message = format!("the index {} is not in the staging layout", self.index.digest);
            return Err(Failure::new(FailureClass::Internal, "publish.no_index", message));
        };
        for tag in &self.tags {
            let selector = Selector::Tag((*tag).clone());
            destination.put_manifest(&selector, &self.index.media_type, index.bytes.clone()).await?;
            check_tag(destination.as_ref(), self.target, tag, &self.index.digest).await?;
            cx.services.say(cx.name, &format!("{}:{tag} is {}", self.target, self.index.digest)).await;
        }
        Ok(())
    }
}

async fn check_tag(
    destination: &dyn registry_client::Registry,
    target: &Target,
    tag: &Tag,
    wanted: &Digest,
) -> Result<(), Failure> {
    let found = destination.head_manifest(&Selector::Tag(tag.clone())).await?;
    if found.as_ref().is_some_and(|found| found.digest == *wanted) {
        return Ok(());
    }
    let found = found.map_or_else(|| "nothing".to_owned(), |found| found.digest.to_string());
    let message = format!("{target}:{tag} was set to {wanted} but points to {found}");
    Err(Failure::new(FailureClass::Infrastructure, "publish.tag_mismatch", message)
        .with_advice("somebody else writes this tag, or the registry serves stale answers"))
}

/// Tags the index everywhere: unique and primary tags first, then the build in
/// Koji, floating tags when every destination and Koji have those.
///
/// # Errors
/// The first tag that could not be set.
pub(super) async fn tag_everywhere(
    flow: &Flow<'_, BuildServices>,
    plan: &Plan,
    index: &Descriptor,
    recorded: Option<&RecordedBuild>,
) -> Result<(Vec<Publication>, Option<KojiRecord>), Failure> {
    let flows = destination_flows(flow, &plan.targets);
    let fixed: Vec<&Tag> = plan.tags.unique.iter().chain(&plan.tags.primary).collect();
    let floating = |target: &'_ Target| -> Vec<Tag> {
        let extra =
            target.extra_tag().filter(|tag| !fixed.contains(tag) && !plan.tags.floating.contains(tag));
        plan.tags.floating.iter().chain(extra).cloned().collect()
    };
    let mut publications = Vec::new();
    for (flow, target) in flows.iter().zip(&plan.targets) {
        let tags: Vec<Tag> = fixed.iter().copied().cloned().chain(floating(target)).collect();
        flow.run(NoteTags { target, fixed: &fixed, tags: tags.iter().collect() }).await?;
        publications.push(Publication { destination: target.to_string(), tags });
    }
    for (flow, target) in flows.iter().zip(&plan.targets) {
        flow.run(PushTags(TagOrder { target, index, tags: fixed.clone() })).await?;
    }
    let koji = super::koji::tag(flow, plan, recorded).await?;
    super::left_out(flow, plan, "push_floating_tags").await?;
    for (flow, target) in flows.iter().zip(&plan.targets) {
        let tags = floating(target);
        if !tags.is_empty() {
            flow.run(PushFloatingTags(TagOrder { target, index, tags: tags.iter().collect() })).await?;
        }
    }
    Ok((publications, koji))
}

/// Puts back what the tags of one destination pointed to before.
#[derive(Serialize)]
pub struct WithdrawTags<'a> {
    /// The destination.
    pub target: &'a Target,
    /// What the tags pointed to before.
    pub former: FormerTags,
    /// The index that must not stay tagged.
    pub index: &'a Digest,
}

/// What could and could not be put back.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Withdrawn {
    /// Tags that point again to what they did before, or are gone.
    pub withdrawn: Vec<Tag>,
}

impl Step<BuildServices> for WithdrawTags<'_> {
    const NAME: &'static str = "withdraw_tags";
    const STAGE: Stage = Stage::Finish;
    type Output = Withdrawn;

    fn policy(&self) -> Policy {
        tag_policy()
    }

    async fn run(&self, cx: &Context<'_, BuildServices>) -> Result<Withdrawn, Failure> {
        let destination = cx.services.open(self.target).await?;
        let mut withdrawn = Withdrawn::default();
        let mut failed = Vec::new();
        for (tag, former) in &self.former {
            match self.put_back(destination.as_ref(), tag, former.as_ref()).await {
                Ok(false) => {}
                Ok(true) => {
                    cx.services.say(cx.name, &format!("{}:{tag} was put back", self.target)).await;
                    withdrawn.withdrawn.push(tag.clone());
                }
                Err(failure) => failed.push((tag, failure)),
            }
        }
        if failed.is_empty() { Ok(withdrawn) } else { Err(self.remaining(&failed)) }
    }
}

impl WithdrawTags<'_> {
    /// Puts one tag back, if it is ours to put back.
    async fn put_back(
        &self,
        destination: &dyn registry_client::Registry,
        tag: &Tag,
        former: Option<&Descriptor>,
    ) -> Result<bool, Failure> {
        let selector = Selector::Tag(tag.clone());
        let ours = destination.head_manifest(&selector).await?.is_some_and(|now| now.digest == *self.index);
        let moved = former.is_none_or(|former| former.digest != *self.index);
        if !ours || !moved {
            return Ok(false);
        }
        let before = match former {
            Some(former) => destination.manifest(&Selector::Digest(former.digest.clone())).await?,
            None => None,
        };
        match before {
            Some(manifest) => {
                let media_type = manifest.descriptor.media_type.clone();
                destination.put_manifest(&selector, &media_type, manifest.bytes).await?;
            }
            None => {
                destination.delete_tag(tag).await?;
            }
        }
        Ok(true)
    }

    /// Names the tags that could not be put back. It is tried again if that can
    /// help any of them.
    fn remaining(&self, failed: &[(&Tag, Failure)]) -> Failure {
        let tags: Vec<String> = failed.iter().map(|(tag, _)| format!("{}:{tag}", self.target)).collect();
        let worth_it = failed.iter().find(|(_, failure)| failure.class.is_worth_another_try());
        let class = worth_it.or(failed.first()).map_or(FailureClass::Internal, |(_, failure)| failure.class);
        let message =
            format!("{} may still point to {}, which is not published", tags.join(", "), self.index);
        let mut failure = Failure::new(class, "publish.tags_remain", message)
            .with_advice("set these tags back, or remove them, by hand");
        failure.causes = failed.iter().map(|(tag, failure)| format!("{tag}: {failure}")).collect();
        failure
    }
}

/// Setting a tag that has begun is carried through: half a set of tags helps
/// nobody.
fn tag_policy() -> Policy {
    Policy {
        attempts: 3,
        wait: Duration::from_secs(5),
        timeout: Duration::from_secs(600),
        grace: Duration::from_secs(60),
    }
}
