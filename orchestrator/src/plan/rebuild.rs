//! Step: whether anybody asked for this build, and which commit it is about.
//!
//! An automatic rebuild happens because something that the image contains has
//! changed. That is a fact about the request, and it is noted once, for the steps
//! that treat such a build differently. Nothing outside is marked: the next build
//! is automatic if its own request says so.
//!
//! With `autorebuild.from_latest` in `container.yaml` the head of the branch is
//! built instead of the commit of the last build. So the repository is read
//! twice: once at the commit in the request, to learn what it wants, and once at
//! what [`source_of_rebuild`] says. Everything is then read anew, the Dockerfile
//! as well, and whatever `from_latest` says at the head changes nothing any more.

use common::{
    failure::{Failure, FailureClass},
    flow::{Context, Stage, Step},
    image::ImageReference,
    request::{BuildMode, BuildRequest, GitSource},
};
use serde::{Deserialize, Serialize};

use crate::{repository::inputs::AutomaticRebuild, services::PlanServices};

/// Notes whether the build is an automatic one.
#[derive(Serialize)]
pub struct NoteRebuild<'a> {
    /// What was asked for.
    pub request: &'a BuildRequest,
    /// What the repository wants in such a build, as it was read first.
    pub autorebuild: &'a AutomaticRebuild,
}

/// Whether the build is an automatic one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rebuild {
    /// Nobody asked for it.
    pub automatic: bool,
    /// The image whose change caused it, if that is known.
    pub triggered_by: Option<ImageReference>,
    /// The head of the branch is built instead of the commit in the request.
    pub from_latest: bool,
}

impl Step<PlanServices> for NoteRebuild<'_> {
    const NAME: &'static str = "note_rebuild";
    const STAGE: Stage = Stage::Prepare;
    type Output = Rebuild;

    async fn run(&self, cx: &Context<'_, PlanServices>) -> Result<Rebuild, Failure> {
        let rebuild = rebuild(self.request, self.autorebuild);
        let text = match (&rebuild.triggered_by, rebuild.from_latest) {
            _ if !rebuild.automatic => "somebody asked for this build".to_owned(),
            (trigger, latest) => {
                let cause = trigger.as_ref().map(|image| format!(": {image} has changed"));
                let what = if latest { "; the head of the branch is built" } else { "" };
                format!("automatic rebuild{}{what}", cause.unwrap_or_default())
            }
        };
        cx.services.say(cx.name, &text).await;
        Ok(rebuild)
    }
}

/// The fact. Scratch and isolated builds are never automatic: somebody wanted
/// exactly these.
fn rebuild(request: &BuildRequest, autorebuild: &AutomaticRebuild) -> Rebuild {
    let automatic = request.rebuild && request.mode == BuildMode::Normal;
    Rebuild {
        automatic,
        triggered_by: request.triggered_by.clone().filter(|_| automatic),
        from_latest: automatic && autorebuild.from_latest,
    }
}

/// What to resolve and read instead of the request's source, once `container.yaml`
/// of the commit in the request is known; `None` when that commit is built.
///
/// # Errors
/// The head of the branch is wanted, and the request does not name the branch.
pub fn source_of_rebuild(request: &BuildRequest, rebuild: &Rebuild) -> Result<Option<GitSource>, Failure> {
    if !rebuild.from_latest {
        return Ok(None);
    }
    let branch = request.branch.as_deref().filter(|branch| !branch.is_empty()).ok_or_else(|| {
        let message = "container.yaml says autorebuild.from_latest, and the request names no branch";
        Failure::new(FailureClass::User, "request.rebuild_needs_branch", message)
            .with_advice("name the branch in the request, or remove from_latest")
    })?;
    let name = branch.strip_prefix("refs/heads/").unwrap_or(branch);
    let reference = Some(format!("refs/heads/{name}"));
    Ok(Some(GitSource { uri: request.source.uri.clone(), reference }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(rebuild: bool, mode: BuildMode, branch: Option<&str>) -> BuildRequest {
        BuildRequest {
            rebuild,
            mode,
            branch: branch.map(str::to_owned),
            triggered_by: Some("r.example.org/base:1".parse().unwrap()),
            ..BuildRequest::new("https://h/r.git", Some("0123456789012345678901234567890123456789"))
        }
    }

    #[test]
    fn only_a_normal_build_that_nobody_asked_for_is_automatic() {
        let isolated = BuildMode::Isolated { release: "1.1".to_owned() };
        // case, rebuild, mode, from_latest, automatic, what is resolved
        let cases = [
            ("REB-1", false, BuildMode::Normal, true, false, None),
            ("REB-2", true, BuildMode::Normal, true, true, Some("refs/heads/the-branch")),
            ("REB-3", true, BuildMode::Normal, false, true, None),
            ("scratch", true, BuildMode::Scratch, true, false, None),
            ("isolated", true, isolated, true, false, None),
        ];
        for (case, asked, mode, from_latest, automatic, reference) in cases {
            let request = request(asked, mode, Some("the-branch"));
            let wish = AutomaticRebuild { from_latest, ..AutomaticRebuild::default() };
            let rebuild = rebuild(&request, &wish);
            assert_eq!(rebuild.automatic, automatic, "{case}");
            assert_eq!(rebuild.triggered_by.is_some(), automatic, "{case}");
            let source = source_of_rebuild(&request, &rebuild).unwrap();
            assert_eq!(source.and_then(|source| source.reference).as_deref(), reference, "{case}");
        }
    }

    #[test]
    fn the_branch_must_be_known() {
        let wish = AutomaticRebuild { from_latest: true, ..AutomaticRebuild::default() };
        for (branch, expected) in [
            (None, Err("request.rebuild_needs_branch")),
            (Some(""), Err("request.rebuild_needs_branch")),
            (Some("refs/heads/f44"), Ok(Some("refs/heads/f44".to_owned()))),
        ] {
            let request = request(true, BuildMode::Normal, branch);
            let source = source_of_rebuild(&request, &rebuild(&request, &wish));
            let reference = source.map(|source| source.and_then(|source| source.reference));
            assert_eq!(reference.map_err(|failure| failure.code), expected.map_err(str::to_owned));
        }
    }
}
