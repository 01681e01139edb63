//! Step: an OpenShift image stream that follows the image.
//!
//! An adapter, off unless the site names a cluster and the request a stream. It
//! makes sure that the stream has a tag for each floating tag of the image,
//! looked at on the cluster's own schedule. It never asks for an import: the
//! floating tags have not moved yet, so the cluster would find the image before
//! this one. Tags that name one version and release are left out, since nothing
//! about them ever changes.

use std::time::Duration;

use common::{
    failure::{Failure, FailureClass},
    flow::{Context, Flow, Policy, Stage, Step},
    image::{Host, Repository, Tag},
};
use serde::{Deserialize, Serialize};

use crate::{
    outside::{FollowedTag, OpenShift},
    plan::{Plan, Target},
    services::BuildServices,
};

/// Updates the image stream.
#[derive(Serialize)]
pub struct UpdateImageStream<'a> {
    /// The stream. Example: `team-hello`.
    pub stream: &'a str,
    /// The registry where the image is.
    pub host: &'a Host,
    /// Its repository there.
    pub repository: &'a Repository,
    /// The tags to follow.
    pub tags: &'a [Tag],
}

/// What was changed in the cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamUpdate {
    /// Whether the stream is new.
    pub created: bool,
    /// Tags that did not follow the image before.
    pub changed: Vec<Tag>,
}

impl Step<BuildServices> for UpdateImageStream<'_> {
    const NAME: &'static str = "update_image_stream";
    const STAGE: Stage = Stage::Publish;
    type Output = StreamUpdate;

    fn policy(&self) -> Policy {
        // A change has up to a minute and a half to get past those of others.
        Policy { timeout: Duration::from_secs(1800), ..Policy::default() }
    }

    async fn run(&self, cx: &Context<'_, BuildServices>) -> Result<StreamUpdate, Failure> {
        check_name(self.stream)?;
        let site = &cx.services.shared.site;
        let Some(cluster) = OpenShift::of_site(&site.openshift)? else {
            let message = "the site's configuration names no OpenShift cluster (openshift.url)";
            return Err(Failure::new(FailureClass::Policy, "image_stream.no_cluster", message));
        };
        let insecure = site.registry(self.host).is_some_and(|registry| registry.plain_http);
        let update = self.update(&cluster, insecure).await?;
        let text = format!(
            "image stream {} {}, {} of {} tags changed",
            self.stream,
            if update.created { "made" } else { "found" },
            update.changed.len(),
            self.tags.len()
        );
        cx.services.say(cx.name, &text).await;
        Ok(update)
    }
}

impl UpdateImageStream<'_> {
    /// Tries every tag, and tells of all that failed.
    async fn update(&self, cluster: &OpenShift, insecure: bool) -> Result<StreamUpdate, Failure> {
        let created = cluster.ensure_stream(self.stream).await?;
        let mut update = StreamUpdate { created, changed: Vec::new() };
        let mut problems = Vec::new();
        for tag in self.tags {
            let image = format!("{}/{}:{tag}", self.host, self.repository);
            match cluster.ensure_tag(self.stream, tag, &FollowedTag { image, insecure }).await {
                Ok(true) => update.changed.push(tag.clone()),
                Ok(false) => {}
                Err(error) => {
                    let failure = Failure::from(error);
                    let message = format!("image stream tag {}:{tag}: {}", self.stream, failure.message);
                    problems.push(Failure { message, ..failure });
                }
            }
        }
        Failure::all(problems).map_or(Ok(update), Err)
    }
}

/// A stream's name becomes part of an address, and the cluster takes no others
/// (Kubernetes, DNS subdomain names).
fn check_name(name: &str) -> Result<(), Failure> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let label = |label: &str| {
        label.starts_with(plain) && label.ends_with(plain) && label.chars().all(|c| plain(c) || c == '-')
    };
    if name.len() <= 253 && name.split('.').all(label) {
        return Ok(());
    }
    let message = format!("'{}' cannot be the name of an image stream", name.escape_debug());
    Err(Failure::new(FailureClass::User, "image_stream.invalid_name", message)
        .with_advice("use small letters, digits, '-' and '.', beginning and ending with a letter or digit"))
}

/// What the stream follows, or a code and the reason why nothing. Whether there
/// are a stream and a cluster, the plan has said.
fn followed<'a>(
    floating: &[Tag],
    targets: &'a [Target],
) -> Result<(&'a Host, &'a Repository), (&'static str, &'static str)> {
    if floating.is_empty() {
        return Err(("image_stream.no_floating_tags", "the image has no tags that move"));
    }
    let registry = targets.iter().find_map(|target| match target {
        Target::Registry { host, repository, .. } => Some((host, repository)),
        Target::Layout { .. } => None,
    });
    registry.ok_or(("image_stream.no_registry", "the image goes to no registry"))
}

/// Updates the stream, or records why not.
///
/// # Errors
/// The cluster cannot be reached or refuses; the journal failed.
pub(super) async fn update_image_stream(
    flow: &Flow<'_, BuildServices>,
    plan: &Plan,
    stream: &str,
) -> Result<(), Failure> {
    let tags = &plan.tags.floating;
    match followed(tags, &plan.targets) {
        Ok((host, repository)) => {
            flow.run(UpdateImageStream { stream, host, repository, tags }).await.map(drop)
        }
        Err((code, reason)) => flow.skip(UpdateImageStream::NAME, code, reason).await,
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::outside::openshift_fixture::Cluster;

    fn tags(names: &[&str]) -> Vec<Tag> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    async fn update(cluster: &Cluster, names: &[&str]) -> Result<StreamUpdate, Failure> {
        let (host, repository) =
            ("registry.example.com".parse().unwrap(), "library/imagestream1".parse().unwrap());
        let tags = tags(names);
        let step =
            UpdateImageStream { stream: "imagestream1", host: &host, repository: &repository, tags: &tags };
        step.update(&cluster.client(), true).await
    }

    #[tokio::test]
    async fn a_missing_stream_is_made_with_all_floating_tags() {
        let cluster = Cluster::start().await;
        let names = ["latest", "1.0", "1", "stable", "next", "f44"];
        let made = update(&cluster, &names).await.unwrap();
        assert_eq!(made, StreamUpdate { created: true, changed: tags(&names) }, "I01");
        let stream = cluster.document("imagestreams/imagestream1").unwrap();
        // Each tag names its image, so the stream as a whole follows none, and
        // tags that nobody asked for stay away.
        assert!(stream["spec"].is_null(), "I01: {stream}");
        let tag = cluster.document("imagestreamtags/imagestream1:1.0").unwrap();
        assert_eq!(tag["tag"]["from"]["name"], "registry.example.com/library/imagestream1:1.0", "I01");
        assert_eq!(tag["tag"]["importPolicy"]["insecure"], true, "I01");
        assert_eq!(tag["tag"]["importPolicy"]["scheduled"], true, "I01");
        // Nothing but the stream and its tags is touched: no import is asked for.
        let changes = cluster.changes();
        assert_eq!(changes.len(), 7, "I01: {changes:?}");
        assert!(!changes.iter().any(|change| change.contains("imports")), "I01: {changes:?}");

        let again = update(&cluster, &names).await.unwrap();
        assert_eq!(again, StreamUpdate::default(), "a second build of the same changes nothing");
        assert_eq!(cluster.changes().len(), 7);
    }

    #[tokio::test]
    async fn every_tag_is_tried_and_every_failure_told() {
        let cluster = Cluster::start().await;
        update(&cluster, &[]).await.unwrap();
        cluster.fail([500, 500, 500]);
        let failure = update(&cluster, &["latest", "1.0", "stable"]).await.unwrap_err();
        let problems = failure.each();
        assert_eq!(problems.len(), 3, "I02");
        for (problem, tag) in problems.iter().zip(["latest", "1.0", "stable"]) {
            assert_eq!(problem.code, "openshift.refused", "I02");
            assert!(problem.message.contains(&format!("imagestream1:{tag}")), "I02: {problem}");
        }
        assert_eq!(cluster.changes().len(), 4, "I02: the stream and three tags were tried");
    }

    #[test]
    fn the_step_says_why_it_does_not_apply() {
        let layout = || Target::Layout { directory: PathBuf::from("/x") };
        let registry = || Target::Registry {
            host: "r.example.org".parse().unwrap(),
            repository: "team/hello".parse().unwrap(),
            tag: None,
        };
        let rows = [
            ("isolated or scratch", &[][..], vec![registry()], Err("image_stream.no_floating_tags")),
            ("only on disk", &["latest"], vec![layout()], Err("image_stream.no_registry")),
            ("the first registry", &["latest"], vec![layout(), registry()], Ok("team/hello")),
        ];
        for (case, floating, targets, expected) in rows {
            let found = followed(&tags(floating), &targets);
            let found = found.as_ref().map(|(_, repository)| repository.as_str()).map_err(|(code, _)| *code);
            assert_eq!(found, expected, "{case}");
        }
    }

    #[test]
    fn only_names_that_a_cluster_takes_reach_it() {
        for good in ["hello", "team-hello", "a.b-c", "1"] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        for bad in ["", "Team", "a/b", "a:b", "-a", "a-", "a..b", "a b", "../secrets", &"a".repeat(254)] {
            assert_eq!(check_name(bad).unwrap_err().code, "image_stream.invalid_name", "{bad}");
        }
    }
}
