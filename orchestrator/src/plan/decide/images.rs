//! What each platform's image will be: labels, scope, final Dockerfile, work
//! order.

use std::collections::BTreeMap;

use common::{failure::Failure, flow::Flow, image::Digest, names::WorkOrderId};

use super::{
    Problems,
    contents::Contents,
    parents::Parents,
    pure::{CheckScope, SettleLabels, WriteDockerfiles},
    source::Read,
};
use crate::{
    config::{Labels, Site},
    plan::{
        BaseImage, Draft, ExtraFileContent, ExtraFileRecord, Facts, FilesystemFile, Notice, PinnedParents,
        PlannedLabel, PlannedPlatform, PlannedWorkOrder, ReleaseLabels, Said, SelectedPlatform, Verdict,
        dockerfiles::{DockerfileInputs, FinalDockerfile, make_dockerfile},
        labels::{
            Automatic, BUILD_HOST, DISTRIBUTION_SCOPE, LabelInputs, LabelOrigin, LabelSource, SettledLabels,
            settle_labels,
        },
        scope::{self, check_scope},
    },
    repository::{
        dockerfile::{Arguments, Dockerfile},
        remote_host, shown_address,
    },
    services::PlanServices,
};

/// Who says what an image inherits.
pub(super) const PARENT_IMAGE: &str = "parent image";

/// What the images are made from.
pub(super) struct Inputs<'a> {
    flow: &'a Flow<'a, PlanServices>,
    facts: &'a Facts<'a>,
    read: Option<&'a Read>,
    platforms: &'a [SelectedPlatform],
    parents: &'a Parents,
    site_labels: Labels,
    pub(super) release: Option<String>,
}

/// Whether labels and names are such that an image could come of it: asked before
/// something expensive begins. Only for images that inherit nothing.
pub(super) fn could_be(
    flow: &Flow<'_, PlanServices>,
    facts: &Facts<'_>,
    read: Option<&Read>,
    platforms: &[SelectedPlatform],
) -> bool {
    let Some(read) = read else { return false };
    let nothing = Parents { are_known: true, ..Parents::default() };
    let inputs = Inputs::new(flow, facts, Some(read), platforms, &nothing);
    let recorded = facts.is_recorded();
    let named = |labels: &SettledLabels| {
        !recorded || (labels.own("com.redhat.component").is_some() && labels.own("version").is_some())
    };
    inputs.settled(read, None).is_ok_and(|labels| labels.iter().all(named))
}

fn base_of(parents: &PinnedParents, index: usize) -> Option<&BaseImage> {
    parents.platforms.get(index).and_then(|platform| platform.base.as_ref())
}

fn arguments(facts: &Facts<'_>, selected: &SelectedPlatform, base: Option<&BaseImage>) -> Arguments {
    let env = base.map(|base| base.env.clone()).unwrap_or_default();
    Arguments::new(&facts.request.build_args).for_platform(&selected.architecture).with_parent_env(env)
}

impl<'a> Inputs<'a> {
    /// The images of these platforms. A URL that is made of labels which the
    /// parent may have is left out while that is not known.
    pub(super) fn new(
        flow: &'a Flow<'a, PlanServices>,
        facts: &'a Facts<'a>,
        read: Option<&'a Read>,
        platforms: &'a [SelectedPlatform],
        parents: &'a Parents,
    ) -> Self {
        let mut inputs = Self {
            flow,
            facts,
            read,
            platforms,
            parents,
            site_labels: facts.settings.labels.clone(),
            release: None,
        };
        if !parents.are_known && read.is_some_and(|read| inputs.lacks_labels_for_url(read)) {
            inputs.site_labels.info_url = None;
        }
        inputs
    }

    /// Whether the only thing wrong is that the URL needs labels which the image
    /// has not by itself.
    fn lacks_labels_for_url(&self, read: &Read) -> bool {
        let failure = self.settled(read, Some("1")).err();
        failure.is_some_and(|failure| failure.each().iter().all(|one| one.code == "labels.info_url_label"))
    }

    /// Who the image says that it is, on the first platform, before it has a
    /// release. `None` when nothing is known of it.
    pub(super) fn release_labels(&self) -> Option<ReleaseLabels> {
        let read = self.read?;
        let Some(labels) = self.settled(read, None).ok().and_then(|labels| labels.into_iter().next()) else {
            return Some(ReleaseLabels::of(&read.facts.labels));
        };
        let own = |name: &str| labels.own(name).map(str::to_owned);
        Some(ReleaseLabels {
            component: own("com.redhat.component"),
            version: own("version"),
            release: own("release"),
        })
    }

    /// Whether the scope of each image fits its parent's.
    pub(super) fn scope_fits(&self, labels: &[SettledLabels]) -> bool {
        self.scopes(labels).is_ok()
    }

    fn scopes(&self, labels: &[SettledLabels]) -> Result<Vec<scope::Verdict>, Failure> {
        let nothing = BTreeMap::new();
        let each = labels.iter().enumerate().map(|(index, labels)| {
            let base = base_of(&self.parents.pinned, index).map_or(&nothing, |base| &base.labels);
            check_scope(labels.value(DISTRIBUTION_SCOPE), base)
        });
        each.collect()
    }
}

impl Inputs<'_> {
    /// The labels of each platform, in the order of the platforms; none when they
    /// cannot be settled.
    pub(super) async fn settle_labels(
        &self,
        found: &mut Problems,
        draft: &mut Draft,
    ) -> Result<Vec<SettledLabels>, Failure> {
        let Some(read) = self.read else { return Ok(Vec::new()) };
        let settled = self.settled(read, self.release.as_deref());
        let recorded = self.flow.run(SettleLabels::of(settled.as_ref())).await;
        if found.take(recorded)?.is_none() {
            return Ok(Vec::new());
        }
        let settled = settled.unwrap_or_default();
        if self.site_labels.info_url != self.facts.settings.labels.info_url {
            let text = "the label 'url' is made of labels that the parent image may have, which was not read";
            draft.assumptions.push(Notice::new("labels.url_not_known", text));
        }
        let site = &self.flow.services().site;
        for (index, (selected, labels)) in self.platforms.iter().zip(&settled).enumerate() {
            let parents = self.parents.pinned.platforms.get(index).map(|platform| platform.parents.clone());
            let label = |(name, label): (&String, &super::super::labels::LabelValue)| {
                let chain = label.chain.iter().map(|origin| said(name, origin, site)).collect();
                (name.clone(), PlannedLabel { value: label.value.clone(), chain })
            };
            draft.platforms.push(PlannedPlatform {
                platform: selected.platform.clone(),
                architecture: selected.architecture.clone(),
                parents: parents.unwrap_or_default(),
                labels: labels.effective.iter().map(label).collect(),
                dockerfile: None,
                dockerfile_diff: None,
                work_order: None,
            });
        }
        Ok(settled)
    }

    fn settled(&self, read: &Read, release: Option<&str>) -> Result<Vec<SettledLabels>, Failure> {
        let dockerfile = Dockerfile::parse(read.facts.dockerfile.as_bytes())?;
        let stamp = &self.flow.services().stamp;
        let nothing = BTreeMap::new();
        // A directory of this machine means nothing to those who read the label.
        let address = remote_host(&read.source.uri).map(|_| shown_address(&read.source.uri));
        let of = |(index, selected): (usize, &SelectedPlatform)| {
            let base = base_of(&self.parents.pinned, index);
            settle_labels(&LabelInputs {
                site: &self.site_labels,
                requested: &self.facts.request.labels,
                release,
                dockerfile: &dockerfile.labels(&arguments(self.facts, selected, base))?,
                base: base.map_or(&nothing, |base| &base.labels),
                automatic: Automatic {
                    build_date: stamp.created_at,
                    architecture: &selected.platform,
                    vcs_type: "git",
                    vcs_url: address.as_deref(),
                    vcs_ref: read.resolved.commit.as_str(),
                },
            })
        };
        self.platforms.iter().enumerate().map(of).collect()
    }

    /// Compares the scope of each image with its parent's.
    pub(super) async fn check_scope(
        &self,
        labels: &[SettledLabels],
        found: &mut Problems,
        draft: &mut Draft,
    ) -> Result<(), Failure> {
        if labels.is_empty() {
            return Ok(());
        }
        let verdicts = self.scopes(labels);
        draft.verdicts.push(match &verdicts {
            Ok(verdicts) => verdict(verdicts.first()),
            Err(failure) => {
                Verdict { rule: failure.code.clone(), allowed: false, sentence: failure.message.clone() }
            }
        });
        found.take(self.flow.run(CheckScope::of(verdicts.as_ref())).await)?;
        Ok(())
    }

    /// Writes the final Dockerfiles, and tells which files they need in the
    /// context, beside what was gathered.
    pub(super) async fn write_dockerfiles(
        &self,
        labels: &[SettledLabels],
        contents: &Contents,
        filesystems: &[FilesystemFile],
        found: &mut Problems,
        draft: &mut Draft,
    ) -> Result<Vec<ExtraFileRecord>, Failure> {
        let mut extra = contents.extra.clone();
        let Some(read) = self.read.filter(|_| !labels.is_empty()) else { return Ok(extra) };
        // A dry run has no file systems; what FROM they replace stays as it is.
        if self.facts.begins_with_koji_filesystem() && filesystems.is_empty() {
            return Ok(extra);
        }
        let help = match self.help(read).await {
            Ok(help) => help,
            Err(failure) => {
                found.take(Err::<(), _>(failure))?;
                return Ok(extra);
            }
        };
        let written = self.written(read, labels, contents, filesystems, help.as_deref());
        let recorded = self.flow.run(WriteDockerfiles::of(written.as_ref())).await;
        if found.take(recorded)?.is_none() {
            return Ok(extra);
        }
        for (platform, written) in draft.platforms.iter_mut().zip(written.unwrap_or_default()) {
            platform.dockerfile = Some(written.text);
            platform.dockerfile_diff = Some(written.diff);
            for notice in written.notices {
                let notice = Notice::new(&notice.code, notice.text);
                if !draft.notices.contains(&notice) {
                    draft.notices.push(notice);
                }
            }
            for file in written.extra_files {
                let text = String::from_utf8_lossy(&file.content).into_owned();
                let content = ExtraFileContent::Text(text);
                extra.push(ExtraFileRecord { path: file.path, executable: false, content });
            }
        }
        extra.extend(filesystems.iter().map(ExtraFileRecord::from));
        Ok(extra)
    }

    fn written(
        &self,
        read: &Read,
        labels: &[SettledLabels],
        contents: &Contents,
        filesystems: &[FilesystemFile],
        help: Option<&[u8]>,
    ) -> Result<Vec<FinalDockerfile>, Failure> {
        let dockerfile = Dockerfile::parse(read.facts.dockerfile.as_bytes())?;
        let build_date = self.flow.services().stamp.created_at;
        let of = |(index, (selected, labels)): (usize, (&SelectedPlatform, &SettledLabels))| {
            let base = base_of(&self.parents.pinned, index);
            let parents =
                self.parents.pinned.platforms.get(index).map_or(&[][..], |platform| &platform.parents);
            let repositories: BTreeMap<String, Vec<u8>> = contents
                .repositories(&selected.platform)
                .map(|file| (file.name.clone(), file.content.clone().into_bytes()))
                .collect();
            make_dockerfile(&DockerfileInputs {
                dockerfile: &dockerfile,
                arguments: &arguments(self.facts, selected, base),
                platform: &selected.platform,
                parents,
                filesystem: filesystems
                    .iter()
                    .find(|file| file.platform == selected.platform)
                    .map(|file| file.path_in_context.as_str()),
                labels,
                help,
                build_date,
                repositories: &repositories,
                inherited_user: base.map(|base| base.user.as_str()).filter(|user| !user.is_empty()),
                release_env: read.facts.container.set_release_env.as_deref(),
            })
        };
        self.platforms.iter().zip(labels).enumerate().map(of).collect()
    }

    /// The text of the help file.
    async fn help(&self, read: &Read) -> Result<Option<Vec<u8>>, Failure> {
        let Some(name) = read.facts.has_help.clone() else { return Ok(None) };
        let cancel = self.flow.cancel();
        let tree = self.flow.services().source_tree(&read.source, &read.resolved, cancel).await?;
        let text = tree.on_thread(move |tree| tree.read(&name)).await?;
        Ok(text)
    }

    /// What each worker will get.
    pub(super) fn plan_work_orders(&self, draft: &mut Draft) {
        let build = &self.flow.services().stamp.build;
        let settings = self.facts.settings;
        for platform in &mut draft.platforms {
            let Some(dockerfile) = &platform.dockerfile else { continue };
            platform.work_order = Some(PlannedWorkOrder {
                id: WorkOrderId::derive(build, &platform.platform, 1),
                engine_platform: platform.architecture.engine_platform(),
                dockerfile_digest: Digest::of(dockerfile.as_bytes()),
                build_args: self.facts.request.build_args.clone(),
                labels: BTreeMap::new(),
                host_label: Some(BUILD_HOST.to_owned()),
                limits: self.facts.request.limits.or(self.flow.services().site.limits()),
                manifest_format: settings.publication.manifest_format,
            });
        }
    }
}

fn verdict(first: Option<&scope::Verdict>) -> Verdict {
    let sentence = match first {
        Some(scope::Verdict::Allowed { image, base }) => {
            format!("the image is {}, its parent {}", image.as_str(), base.as_str())
        }
        Some(scope::Verdict::NotCompared { reason, .. }) => reason.clone(),
        None => "there is no image to look at".to_owned(),
    };
    Verdict { rule: "policy.distribution_scope".to_owned(), allowed: true, sentence }
}

/// Who had a say about a label, for people.
fn said(name: &str, origin: &LabelOrigin, site: &Site) -> Said {
    let setting = |key: String| format!("{}: {key}", site.origins().of(&key));
    let from = match &origin.source {
        LabelSource::Alias { of } => format!("the other spelling, {of}"),
        LabelSource::Equal { to } => format!("must equal {to} ({})", setting("labels.equal".to_owned())),
        LabelSource::InfoUrl => setting("labels.info_url".to_owned()),
        LabelSource::Automatic => "found out about the build".to_owned(),
        LabelSource::Release => "the chosen release".to_owned(),
        LabelSource::Site => setting(format!("labels.set.{name}")),
        LabelSource::Request => format!("request: labels.{name}"),
        LabelSource::Dockerfile => "Dockerfile".to_owned(),
        LabelSource::Base => PARENT_IMAGE.to_owned(),
    };
    Said { from, value: origin.value.clone() }
}
