//! What there is to tell about a build that has ended, for every addressee the
//! same.

use common::{
    failure::{Failure, FailureClass},
    flow::{
        Flow,
        event::{BuildResult, KojiRecord, Publication},
    },
    image::{ImageReference, Tag},
    names::{BuildId, Component},
    nvr::Nvr,
    request::{BuildMode, BuildRequest, GitSource},
};
use jiff::Timestamp;

use crate::{
    config::{Ending, KojiSetting, Status},
    outside::shown_address,
    plan::{CheckDestinations, NoteRebuild, PLAN, ResolveSource, Tags, Target},
    run::{Failures, Outcome, OutcomeImage},
    services::BuildServices,
};

/// Most names of an image that are told.
const MAX_NAMES: usize = 100;

/// What there is to tell.
#[derive(Debug, Clone)]
pub struct Notice {
    /// The build.
    pub build: BuildId,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
    /// How it ended.
    pub status: Status,
    /// Nobody asked for it: something that the image contains has changed.
    pub automatic: bool,
    /// The image whose change caused it.
    pub triggered_by: Option<ImageReference>,
    /// On whose behalf; may be empty.
    pub user: String,
    /// Where the source is, without user names and passwords.
    pub source: GitSource,
    /// The commit, if it came to be known.
    pub commit: Option<String>,
    /// The Koji task that asked for it.
    pub koji_task: Option<u64>,
    /// Where its logs are in Koji.
    pub log_url: Option<String>,
    /// What it is called in Koji.
    pub nvr: Option<Nvr>,
    /// What it is called in the site.
    pub component: Option<Component>,
    /// The names under which the image is published, or would have been.
    pub names: Vec<String>,
    /// The image.
    pub image: Option<OutcomeImage>,
    /// What Koji has of a build that did not succeed.
    pub koji: Option<KojiRecord>,
    /// What failed, the primary cause first.
    pub failures: Vec<Failure>,
}

impl Notice {
    /// Puts together what is known of a build that has come to its end. `later`
    /// is what failed at that end.
    ///
    /// # Errors
    /// Record or store cannot be read.
    pub(super) async fn of(
        flow: &Flow<'_, BuildServices>,
        koji: &KojiSetting,
        outcome: &Result<BuildResult, Failures>,
        later: &[Failure],
    ) -> Result<Option<Self>, Failure> {
        let services = flow.services();
        let (store, build) = (&services.shared.store, &services.stamp.build);
        let Some(history) = store.history(build).await? else { return Ok(None) };
        let request = &history.request;
        let planning = flow.over(&services.planning);
        let noted = planning.recorded::<NoteRebuild<'_>>().await?;
        let resolved = planning.recorded::<ResolveSource<'_>>().await?;
        let targets = planning.recorded::<CheckDestinations<'_>>().await?;
        let plan = store.document(build, PLAN).await?;
        let planned = Planned::read(plan.as_deref().unwrap_or_default());
        let recorded = Outcome::of(flow, outcome).await?;
        let component = planned.component.clone().or_else(|| request.component.clone());
        let names = match outcome {
            Ok(result) => published(&result.publications, &planned.tags.unique),
            Err(_) => meant(&targets.unwrap_or_default(), &planned.tags),
        };
        let names = if names.is_empty() { vec![called(component.as_ref(), request)] } else { names };
        let commit = recorded.commit.map(|commit| commit.to_string());
        Ok(Some(Self {
            build: build.clone(),
            created_at: history.created_at,
            ended_at: Timestamp::now(),
            status: status(outcome),
            automatic: match &noted {
                Some(noted) => noted.automatic,
                None => request.rebuild && request.mode == BuildMode::Normal,
            },
            triggered_by: noted.and_then(|noted| noted.triggered_by),
            user: request.user.clone(),
            source: GitSource {
                uri: shown_address(&request.source.uri),
                reference: request.source.reference.clone(),
            },
            commit: commit.or(resolved.map(|resolved| resolved.commit.to_string())),
            koji_task: request.koji_task,
            log_url: log_url(koji, request.koji_task),
            nvr: recorded.nvr,
            component,
            names: names.into_iter().take(MAX_NAMES).collect(),
            image: recorded.image,
            koji: recorded.koji,
            failures: failures(outcome, later),
        }))
    }

    /// The ending that describes it best.
    pub fn ending(&self) -> Ending {
        Ending::of(self.automatic, self.status)
    }

    /// Whether somebody with such wishes wants to be told.
    pub fn is_wanted(&self, wanted: &[Ending]) -> bool {
        wanted.iter().any(|ending| ending.fits(self.automatic, self.status))
    }

    /// The id of this piece of news, the same whoever tells it and how often.
    pub fn id(&self) -> String {
        format!("{}.{}", self.build, self.ending())
    }
}

fn status(outcome: &Result<BuildResult, Failures>) -> Status {
    match outcome {
        Ok(_) => Status::Succeeded,
        Err(failures) if failures.primary.class == FailureClass::Cancelled => Status::Canceled,
        Err(_) => Status::Failed,
    }
}

/// Everything that failed.
fn failures(outcome: &Result<BuildResult, Failures>, later: &[Failure]) -> Vec<Failure> {
    let mut all: Vec<Failure> = Vec::new();
    if let Err(failures) = outcome {
        all.extend(failures.all().cloned());
    }
    all.extend(later.iter().cloned());
    all.into_iter().flat_map(|failure| failure.bounded().each()).take(Failure::MAX_OTHERS).collect()
}

/// What a plan says about names; anything may be missing in one of another age.
#[derive(Debug, Default, PartialEq, Eq)]
struct Planned {
    component: Option<Component>,
    tags: Tags,
}

impl Planned {
    fn read(plan: &str) -> Self {
        let plan: serde_json::Value = serde_json::from_str(plan).unwrap_or_default();
        let at = |name: &str| plan.get(name).cloned().unwrap_or_default();
        Self {
            component: serde_json::from_value(at("component")).ok(),
            tags: serde_json::from_value(at("tags")).unwrap_or_default(),
        }
    }
}

/// The names of a published image: its tags that people use. The unique tag is
/// one only where there is no other.
fn published(publications: &[Publication], unique: &[Tag]) -> Vec<String> {
    let mut names = Vec::new();
    for publication in publications {
        let place = publication.destination.strip_prefix("docker://").unwrap_or(&publication.destination);
        let known: Vec<&Tag> = publication.tags.iter().filter(|tag| !unique.contains(tag)).collect();
        let tags = if known.is_empty() { publication.tags.iter().collect() } else { known };
        names.extend(tags.into_iter().map(|tag| format!("{place}:{tag}")));
    }
    names
}

/// The names that an image would have got.
fn meant(targets: &[Target], tags: &Tags) -> Vec<String> {
    let mut names = Vec::new();
    for target in targets {
        let place = target.to_string();
        let place = place.strip_prefix("docker://").unwrap_or(&place);
        let known = || tags.primary.iter().chain(&tags.floating).chain(target.extra_tag());
        let known: Vec<&Tag> =
            if known().next().is_some() { known().collect() } else { tags.unique.iter().collect() };
        if known.is_empty() {
            names.push(place.to_owned());
        }
        names.extend(known.into_iter().map(|tag| format!("{place}:{tag}")));
    }
    names
}

/// What to call an image of which nothing was planned.
fn called(component: Option<&Component>, request: &BuildRequest) -> String {
    let address = shown_address(&request.source.uri);
    let last = address.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    match (component, last.strip_suffix(".git").unwrap_or(last)) {
        (Some(component), _) => component.to_string(),
        (None, "") => address,
        (None, name) => name.to_owned(),
    }
}

/// Where Koji keeps the files of a task: by the last four digits of its number.
fn log_url(koji: &KojiSetting, task: Option<u64>) -> Option<String> {
    let (root, task) = (koji.root_url()?, task?);
    Some(format!("{root}/work/tasks/{}/{task}", task % 10_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tags(names: &[&str]) -> Vec<Tag> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    #[test]
    fn names_are_those_that_people_use() {
        let all = Tags { unique: tags(&["u"]), primary: tags(&["1-1"]), floating: tags(&["1", "latest"]) };
        let scratch = Tags { unique: tags(&["u"]), ..Tags::default() };
        let place = |to: &str, names: &[&str]| Publication { destination: to.to_owned(), tags: tags(names) };
        for (case, publications, expected) in [
            ("a registry", place("docker://r/foo", &["u", "1-1", "1"]), &["r/foo:1-1", "r/foo:1"][..]),
            ("a layout", place("oci:/x", &["u", "latest"]), &["oci:/x:latest"]),
            ("scratch", place("docker://r/foo", &["u"]), &["r/foo:u"]),
        ] {
            assert_eq!(published(&[publications], &all.unique), expected, "{case}");
        }
        let registry = |tag: Option<&str>| Target::Registry {
            host: "r.example".parse().unwrap(),
            repository: "foo/bar".parse().unwrap(),
            tag: tag.map(|tag| tag.parse().unwrap()),
        };
        for (case, tags, extra, expected) in [
            (
                "normal",
                &all,
                None,
                &["r.example/foo/bar:1-1", "r.example/foo/bar:1", "r.example/foo/bar:latest"][..],
            ),
            ("scratch", &scratch, None, &["r.example/foo/bar:u"]),
            ("scratch with a tag", &scratch, Some("x"), &["r.example/foo/bar:x"]),
            ("no plan", &Tags::default(), None, &["r.example/foo/bar"]),
        ] {
            assert_eq!(meant(&[registry(extra)], tags), expected, "{case}");
        }
        for (uri, expected) in [
            ("https://me:secret@git.example.org/rpms/hello.git", "hello"),
            ("https://git.example.org/hello/", "hello"),
        ] {
            assert_eq!(called(None, &BuildRequest::new(uri, None)), expected);
        }
    }

    #[test]
    fn a_plan_of_any_age_is_read() {
        let plan = r#"{"component":"hello","tags":{"unique":["u"],"primary":[],"floating":["1"]},"more":1}"#;
        let planned = Planned::read(plan);
        assert_eq!(planned.component.unwrap().as_str(), "hello");
        assert_eq!(planned.tags, Tags { unique: tags(&["u"]), primary: vec![], floating: tags(&["1"]) });
        for other in ["", "{}", r#"{"component":null,"tags":null}"#, r#"{"tags":7}"#] {
            assert_eq!(Planned::read(other), Planned::default(), "{other}");
        }
    }

    #[test]
    fn logs_are_where_koji_keeps_them() {
        let koji = KojiSetting { root_url: Some("https://koji/".to_owned()), ..KojiSetting::default() };
        let of = |koji, task| log_url(koji, task);
        assert_eq!(of(&koji, Some(12_345)).as_deref(), Some("https://koji/work/tasks/2345/12345"), "S06");
        assert_eq!(of(&koji, None), None);
        assert_eq!(of(&KojiSetting::default(), Some(1)), None);
    }

    #[test]
    fn a_cancelled_build_says_who_wanted_it_and_what_remained() {
        let stopped = Failure::cancelled("wrong branch").in_step("x86_64/build_image");
        let later = Failure::new(FailureClass::Infrastructure, "publish.tags_remain", "one:latest");
        let outcome = Err(Failures::from(stopped));
        assert_eq!(status(&outcome), Status::Canceled);
        let told = failures(&outcome, &[later]);
        assert_eq!(told[0].message, "cancelled: wrong branch");
        assert_eq!(
            (told[0].step.as_str(), told[1].code.as_str()),
            ("x86_64/build_image", "publish.tags_remain")
        );
    }
}
