//! Steps: the index, and everything by digest to every destination.

use std::{collections::BTreeMap, time::Duration};

use common::{
    failure::Failure,
    flow::{Context, Flow, Policy, Stage, Step},
    image::Digest,
    work::{Descriptor, ManifestFormat},
};
use futures::future::join_all;
use registry_client::{
    Registry as _, Selector,
    copy::copy_manifest_by_digest,
    index::build_index,
    verify::{Depth, verify},
};
use serde::Serialize;

use super::{BuiltMember, Failures};
use crate::{
    plan::{Plan, Target},
    services::BuildServices,
};

/// Makes the index of the members, in the staging layout.
#[derive(Serialize)]
pub struct AssembleIndex<'a> {
    /// What kind of index.
    pub format: ManifestFormat,
    /// The members, in the order of the index.
    pub members: &'a [BuiltMember],
}

impl Step<BuildServices> for AssembleIndex<'_> {
    const NAME: &'static str = "assemble_index";
    const STAGE: Stage = Stage::Publish;
    type Output = Descriptor;

    fn policy(&self) -> Policy {
        // It writes two small files; cut short, it would go on beside the clean-up.
        Policy { grace: Duration::from_secs(60), ..Policy::default() }
    }

    async fn run(&self, cx: &Context<'_, BuildServices>) -> Result<Descriptor, Failure> {
        let entries: Vec<_> = self
            .members
            .iter()
            .map(|member| (member.manifest.clone(), member.architecture.clone()))
            .collect();
        let bytes = build_index(self.format, &entries, &BTreeMap::new())?;
        let index = Descriptor {
            media_type: self.format.index().to_owned(),
            digest: Digest::of(&bytes),
            size: bytes.len() as u64,
        };
        let staging = cx.services.staging().await?;
        staging.put_manifest(&Selector::Digest(index.digest.clone()), &index.media_type, bytes).await?;
        cx.services.say(cx.name, &format!("the index is {}", index.digest)).await;
        Ok(index)
    }
}

/// Sends members and index to one destination, by digest, and reads them back.
#[derive(Serialize)]
pub struct PushImage<'a> {
    /// The destination.
    pub target: &'a Target,
    /// The index.
    pub index: &'a Descriptor,
    /// The members.
    pub members: Vec<&'a Descriptor>,
}

impl Step<BuildServices> for PushImage<'_> {
    const NAME: &'static str = "push_image";
    const STAGE: Stage = Stage::Publish;
    type Output = ();

    fn policy(&self) -> Policy {
        Policy {
            attempts: 3,
            wait: Duration::from_secs(10),
            timeout: Duration::from_secs(2 * 3600),
            ..Policy::default()
        }
    }

    async fn run(&self, cx: &Context<'_, BuildServices>) -> Result<(), Failure> {
        let staging = cx.services.staging().await?;
        let destination = cx.services.open(self.target).await?;
        for member in &self.members {
            copy_manifest_by_digest(&staging, destination.as_ref(), member).await?;
            verify(destination.as_ref(), member, Depth::Sizes).await?;
        }
        copy_manifest_by_digest(&staging, destination.as_ref(), self.index).await?;
        verify(destination.as_ref(), self.index, Depth::Sizes).await?;
        let count = self.members.len();
        cx.services.say(cx.name, &format!("{} has the index and its {count} members", self.target)).await;
        Ok(())
    }
}

/// Sends the image to all destinations at once.
///
/// # Errors
/// What failed, first in time first.
pub(super) async fn push_everywhere(
    flow: &Flow<'_, BuildServices>,
    plan: &Plan,
    index: &Descriptor,
    members: &[BuiltMember],
) -> Result<(), Failures> {
    let flows = destination_flows(flow, &plan.targets);
    let pushes = flows.iter().zip(&plan.targets).map(|(flow, target)| {
        let members = members.iter().map(|member| &member.manifest).collect();
        flow.run(PushImage { target, index, members })
    });
    let failures = join_all(pushes).await.into_iter().filter_map(Result::err).collect();
    Failures::in_order(failures).map_or(Ok(()), Err)
}

/// One flow for each destination, named by its position.
pub(super) fn destination_flows<'a>(
    flow: &Flow<'a, BuildServices>,
    targets: &[Target],
) -> Vec<Flow<'a, BuildServices>> {
    (1..=targets.len()).map(|number| flow.scoped(&format!("to-{number}"))).collect()
}
