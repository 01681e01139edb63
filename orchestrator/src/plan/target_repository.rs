//! Step: the packages of the build's own target, as a repository file.
//!
//! A tag without a repository is a failure here and now. The system that this
//! follows went on without packages, and failed in the middle of an instruction.

use common::{
    failure::{Failure, FailureClass},
    flow::{Context, Policy, Stage, Step},
};
use serde::Serialize;

use super::target::{askable, koji_policy};
use crate::{
    outside::{KojiRepository, KojiTarget},
    repository::repo_file::RepositoryFile,
    services::{PlanServices, patiently},
};

/// Finds the newest repository of the target's build tag. `None` where Koji may
/// not be asked, or is not there.
#[derive(Serialize)]
pub struct FindTargetRepository<'a> {
    /// The target.
    pub target: &'a KojiTarget,
    /// Proxy that package managers use.
    pub proxy: Option<&'a str>,
}

impl Step<PlanServices> for FindTargetRepository<'_> {
    const NAME: &'static str = "find_target_repository";
    const STAGE: Stage = Stage::Prepare;
    type Output = Option<RepositoryFile>;

    fn policy(&self) -> Policy {
        koji_policy()
    }

    async fn run(&self, cx: &Context<'_, PlanServices>) -> Result<Option<RepositoryFile>, Failure> {
        let Some(koji) = askable(cx.services) else { return Ok(None) };
        let found =
            patiently(cx, "find the repository of a tag in Koji", || koji.repository(&self.target.build_tag))
                .await?;
        let repository = found.ok_or_else(|| no_repository(self.target))?;
        let file = repository_file(self.target, &repository, self.proxy)?;
        cx.services.say(cx.name, &format!("{}: {}", file.name, repository.base_url)).await;
        Ok(Some(file))
    }
}

/// The file for a target's repository.
///
/// # Errors
/// The proxy's address is not one line.
fn repository_file(
    target: &KojiTarget,
    repository: &KojiRepository,
    proxy: Option<&str>,
) -> Result<RepositoryFile, Failure> {
    // Koji takes nearly anything as a name; a file and a section do not.
    let fits = |c: char| c.is_ascii_alphanumeric() || "._+-".contains(c);
    let safe: String = target.name.chars().map(|c| if fits(c) { c } else { '_' }).collect();
    // Dockerfiles in the wild enable and disable this repository by this name.
    let id = format!("atomic-reactor-koji-plugin-{safe}");
    let mut lines = vec![
        format!("[{id}]"),
        format!("name={id}"),
        format!("baseurl={}", repository.base_url),
        "enabled=1".to_owned(),
        // Koji signs no packages of its own repositories.
        "gpgcheck=0".to_owned(),
    ];
    if let Some(proxy) = proxy.filter(|proxy| !proxy.is_empty()) {
        if proxy.chars().any(|c| c.is_control() || c == ' ') {
            return Err(bad_proxy(proxy));
        }
        lines.push(format!("proxy={proxy}"));
    }
    let content = lines.join("\n") + "\n";
    Ok(RepositoryFile { name: format!("{safe}.repo"), content, from: format!("Koji target {}", target.name) })
}

fn no_repository(target: &KojiTarget) -> Failure {
    let message = format!(
        "the build tag {} of target {} has no repository that is ready: there are no packages to build from",
        target.build_tag, target.name
    );
    Failure::new(FailureClass::User, "koji.no_repository", message).with_advice(
        "run 'koji regen-repo' for the tag, choose another target, or name repository files in the request",
    )
}

fn bad_proxy(proxy: &str) -> Failure {
    let message = format!("repositories.proxy '{}' is no address", proxy.escape_debug());
    Failure::new(FailureClass::Infrastructure, "config.proxy", message)
        .with_advice("correct repositories.proxy in the site's configuration")
}

#[cfg(test)]
mod tests {
    use testkit::koji::Effect;
    use tonic::Code;

    use super::*;
    use crate::{plan::koji_fixture::Planning, services::Reach};

    fn target(name: &str) -> KojiTarget {
        KojiTarget {
            name: name.into(),
            build_tag: "tag".into(),
            destination_tag: "done".into(),
            platforms: Vec::new(),
        }
    }

    fn content(base_url: &str, proxy: Option<&str>) -> String {
        let repository = KojiRepository { id: 2, tag: "tag".into(), base_url: base_url.into() };
        let file = repository_file(&target("target"), &repository, proxy).unwrap();
        assert_eq!((file.name.as_str(), file.from.as_str()), ("target.repo", "Koji target target"));
        file.content
    }

    #[test]
    fn the_file_says_what_yum_needs() {
        let plain = "http://example.com/repos/tag/2/$basearch";
        let tls = "https://example.com/repos/tag/2/$basearch";
        let head = |url: &str| {
            let id = "atomic-reactor-koji-plugin-target";
            format!("[{id}]\nname={id}\nbaseurl={url}\nenabled=1\ngpgcheck=0\n")
        };
        let proxy = Some("http://proxy.example.com");
        let cases = [
            ("YUM-1", plain, None, head(plain)),
            ("YUM-2 proxy", plain, proxy, head(plain) + "proxy=http://proxy.example.com\n"),
            ("YUM-2 without its defect: TLS is verified", tls, None, head(tls)),
            ("no proxy", plain, Some(""), head(plain)),
        ];
        for (id, url, proxy, expected) in cases {
            assert_eq!(content(url, proxy), expected, "{id}");
        }
    }

    #[test]
    fn hostile_names_make_neither_paths_nor_sections() {
        let base_url = "http://example.com/$basearch".to_owned();
        let repository = KojiRepository { id: 2, tag: "tag".into(), base_url };
        let file = repository_file(&target("../a]\n[b"), &repository, None).unwrap();
        assert_eq!(file.name, ".._a___b.repo");
        assert_eq!(file.content.lines().count(), 5);
        let bad = repository_file(&target("a"), &repository, Some("http://p\nx=1")).unwrap_err();
        assert_eq!(bad.code, "config.proxy");
    }

    #[tokio::test]
    async fn yum_3_and_defect_47_a_missing_repository_fails_here_and_not_in_a_run_instruction() {
        let planning = Planning::start().await;
        let target = target("target");
        let step = || FindTargetRepository { target: &target, proxy: None };
        let failure = planning.run(step()).await.unwrap_err();
        assert_eq!(failure.code, "koji.no_repository");
        assert!(failure.message.contains("tag") && failure.message.contains("target"), "{failure}");

        planning.bridge.add_repository("tag", 2, "http://example.com/repos/tag/2/$basearch");
        let file = planning.again().run(step()).await.unwrap().unwrap();
        assert!(file.content.contains("baseurl=http://example.com/repos/tag/2/$basearch\n"));
        assert_eq!(planning.reaching(Reach::Nothing).run(step()).await.unwrap(), None);
        planning.bridge.add_fault("GetRepository", 9, Effect::Status(Code::Unimplemented, ""));
        assert_eq!(planning.again().run(step()).await.unwrap_err().code, "koji.not_offered");
    }
}
