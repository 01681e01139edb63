//! Step: fetches what an image task has made.

use std::path::{Path, PathBuf};

use common::{
    failure::{Failure, FailureClass},
    flow::{Context, Policy, Stage, Step},
    image::Digest,
    platform::Platform,
};
use serde::{Deserialize, Serialize};

use super::{FilesystemTask, configured};
use crate::{
    outside::{Koji, TaskOutput},
    plan::target::koji_policy,
    services::{PlanServices, disk_failure, patiently},
};

/// Directory of the fetched files below the build's own.
const DIRECTORY: &str = "filesystems";
/// How names of root file systems end.
const ENDINGS: [&str; 4] = [".tar.gz", ".tar.bz2", ".tar.xz", ".tar"];
/// Largest root file system in bytes, packed.
const MAX_SIZE: u64 = 8 << 30;

/// Fetches the root file system of each platform. Not for dry runs.
#[derive(Serialize)]
pub struct FetchFilesystems<'a> {
    /// The task; it has ended well.
    pub task: FilesystemTask,
    /// Name of the image that it made.
    pub name: &'a str,
    /// The platforms.
    pub platforms: &'a [Platform],
}

/// The root file system of one platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilesystemFile {
    /// The platform.
    pub platform: Platform,
    /// Where the Dockerfile expects it in the build context.
    /// Example: `koji-filesystem-x86_64.tar.xz`.
    pub path_in_context: String,
    /// Its content.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// Where it is from.
    pub output: TaskOutput,
}

impl FilesystemFile {
    /// Where it is on this machine, below the build's own directory. The name is
    /// the hexadecimal part of its digest.
    pub fn path(&self, build_directory: &Path) -> PathBuf {
        build_directory.join(DIRECTORY).join(self.digest.hex())
    }

    /// Fetches it again if it is not on this machine any more.
    ///
    /// # Errors
    /// Koji cannot be asked, or has another file by now.
    pub async fn ensure(&self, services: &PlanServices) -> Result<(), Failure> {
        let path = self.path(&services.directory);
        if tokio::fs::metadata(&path).await.is_ok_and(|found| found.len() == self.size) {
            return Ok(());
        }
        let koji = configured(services)?;
        let digest = fetch(koji, &self.platform, &self.output, &services.directory).await?;
        if digest == self.digest {
            return Ok(());
        }
        let message = format!(
            "'{}' of Koji task {} was {} and is {digest} now",
            self.output.name, self.output.task, self.digest
        );
        Err(Failure::new(FailureClass::Infrastructure, "filesystem.changed", message)
            .with_advice("submit the build again"))
    }
}

impl Step<PlanServices> for FetchFilesystems<'_> {
    const NAME: &'static str = "fetch_filesystems";
    const STAGE: Stage = Stage::Prepare;
    /// In the order of `platforms`.
    type Output = Vec<FilesystemFile>;

    fn policy(&self) -> Policy {
        Policy { attempts: 3, wait: std::time::Duration::from_secs(5), ..koji_policy() }
    }

    async fn run(&self, cx: &Context<'_, PlanServices>) -> Result<Self::Output, Failure> {
        let services = cx.services;
        let koji = configured(services)?;
        let outputs =
            patiently(cx, "list the files of a task in Koji", || koji.task_outputs(self.task.task)).await?;
        let mut files = Vec::new();
        for (platform, output) in self.choose(&outputs)? {
            let digest = fetch(koji, platform, output, &services.directory).await?;
            let line = format!("{platform}: {} ({} bytes) is {digest}", output.name, output.size);
            services.say(cx.name, &line).await;
            files.push(FilesystemFile {
                platform: platform.clone(),
                path_in_context: format!(
                    "koji-filesystem-{platform}{}",
                    ending(&output.name).unwrap_or_default()
                ),
                digest,
                size: output.size,
                output: output.clone(),
            });
        }
        Ok(files)
    }
}

impl FetchFilesystems<'_> {
    /// The file of each platform; all that are missing are reported together.
    fn choose<'b>(
        &'b self,
        outputs: &'b [TaskOutput],
    ) -> Result<Vec<(&'b Platform, &'b TaskOutput)>, Failure> {
        let mut problems = Vec::new();
        let mut chosen = Vec::new();
        for platform in self.platforms {
            match root_filesystem(outputs, self.name, platform) {
                None => problems.push(self.no_file(platform, outputs)),
                Some(output) if output.size > MAX_SIZE => problems.push(too_large(platform, output)),
                Some(output) => chosen.push((platform, output)),
            }
        }
        Failure::all(problems).map_or(Ok(chosen), Err)
    }

    fn no_file(&self, platform: &Platform, outputs: &[TaskOutput]) -> Failure {
        let names: Vec<_> = outputs.iter().take(20).map(|output| output.name.as_str()).collect();
        let message = format!(
            "Koji task {} has left no root file system '{}…{platform}….tar*': it has {}",
            self.task.task,
            self.name,
            if names.is_empty() { "no files".to_owned() } else { names.join(", ") }
        );
        Failure::new(FailureClass::Source, "filesystem.no_file", message)
            .with_advice("the image task must be for this platform, and its name that of the configuration")
            .on_platform(platform)
    }
}

/// The first file that is the root file system of a platform by its name: it
/// begins with the image's name, has the platform's in it as a word, and ends as
/// an archive does. Upper and lower case count the same.
fn root_filesystem<'a>(outputs: &'a [TaskOutput], name: &str, platform: &Platform) -> Option<&'a TaskOutput> {
    let (name, platform) = (name.to_lowercase(), platform.as_str().to_lowercase());
    let fits = |output: &&TaskOutput| {
        let file = output.name.to_lowercase();
        let Some(stem) = ending(&file).and_then(|ending| file.strip_suffix(ending)) else { return false };
        stem.strip_prefix(&name).is_some_and(|rest| has_word(rest, &platform))
    };
    outputs.iter().find(fits)
}

/// Whether a text has a word that is not a part of a longer one: `ppc64` is not
/// in `x-ppc64le`.
fn has_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let before = text.get(..at).and_then(|before| before.chars().next_back());
        let after = text.get(at + word.len()..).and_then(|after| after.chars().next());
        ![before, after].into_iter().flatten().any(|c| c.is_alphanumeric() || c == '_')
    })
}

fn ending(name: &str) -> Option<&'static str> {
    let name = name.to_lowercase();
    ENDINGS.into_iter().find(|ending| name.ends_with(ending))
}

/// Downloads a file to its place, which has its digest as name.
async fn fetch(
    koji: &Koji,
    platform: &Platform,
    output: &TaskOutput,
    build_directory: &Path,
) -> Result<Digest, Failure> {
    let directory = build_directory.join(DIRECTORY);
    let disk = |what: &'static str| {
        let directory = directory.clone();
        move |error: std::io::Error| disk_failure(what, &directory, &error)
    };
    tokio::fs::create_dir_all(&directory).await.map_err(disk("cannot make"))?;
    let unfinished = directory.join(format!(".{platform}.part"));
    let digest = koji.download(output, &unfinished).await?;
    tokio::fs::rename(&unfinished, directory.join(digest.hex())).await.map_err(disk("cannot write in"))?;
    Ok(digest)
}

fn too_large(platform: &Platform, output: &TaskOutput) -> Failure {
    let message = format!("'{}' has {} bytes; at most {MAX_SIZE} are accepted", output.name, output.size);
    Failure::new(FailureClass::Source, "filesystem.too_large", message)
        .with_advice("install less in the image's kickstart")
        .on_platform(platform)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(names: &[&str], name: &str, platform: &str) -> Option<String> {
        let output =
            |name: &&str| TaskOutput { task: 1, name: (*name).into(), size: 1, volume: String::new() };
        let outputs: Vec<_> = names.iter().map(output).collect();
        root_filesystem(&outputs, name, &platform.parse().unwrap()).map(|output| output.name.clone())
    }

    #[test]
    fn the_file_is_found_by_its_name() {
        let spam = "fedora-23-spam-x86_64.tar.gz";
        let cases: &[(&str, &[&str], &str, &str, Option<&str>)] = &[
            ("FS-10", &["build.log", spam], "fedora-23", "x86_64", Some(spam)),
            (
                "case",
                &["Fedora-23-1.0.X86_64.TAR.XZ"],
                "fedora-23",
                "x86_64",
                Some("Fedora-23-1.0.X86_64.TAR.XZ"),
            ),
            ("endings", &["a-x86_64.tdl", "a-x86_64.tar"], "a", "x86_64", Some("a-x86_64.tar")),
            ("another platform", &[spam], "fedora-23", "aarch64", None),
            (
                "a longer platform",
                &["a-1.ppc64le.tar.xz", "a-1.ppc64.tar.xz"],
                "a",
                "ppc64",
                Some("a-1.ppc64.tar.xz"),
            ),
            ("FS-10, escaped: a dot is a dot", &["fedoraX23-x86_64.tar"], "fedora.23", "x86_64", None),
            ("FS-10, escaped: brackets", &["a[b]-x86_64.tar"], "a[b]", "x86_64", Some("a[b]-x86_64.tar")),
            ("another name", &["other-x86_64.tar"], "a", "x86_64", None),
            ("the name's own platform", &["x86_64-a-s390x.tar"], "x86_64-a", "x86_64", None),
        ];
        for (id, names, name, platform, expected) in cases {
            assert_eq!(found(names, name, platform).as_deref(), *expected, "{id}");
        }
    }
}
