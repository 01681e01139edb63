//! The final Dockerfile of a platform, put together in one place. Pure.
//!
//! The changes are made in the order in which they were made before, since some
//! show in others: file systems and parents, labels, the manual page, the copy of
//! the Dockerfile (which has all of these), package repositories, the release in
//! the environment. Each works on the instructions of the result of the one
//! before.
//!
//! All platforms share one build context, so files that differ between platforms
//! lie in directories of their own, `.reactor/{platform}/…`, and the instructions
//! of a platform name only its own:
//!
//! | file | instruction |
//! | --- | --- |
//! | `.reactor/x86_64/help.1` | `ADD … /help.1` |
//! | `.reactor/x86_64/Dockerfile-{name}-{version}-{release}` | `ADD … /root/buildinfo/…` |
//! | `.reactor/x86_64/repositories/{file}` | `ADD …/* '/etc/yum.repos.d/'` |
//!
//! Who writes the context puts [`FinalDockerfile::extra_files`] of all platforms
//! into it, and refuses a repository that has a `.reactor` itself.

mod repositories;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use common::{
    failure::{Failure, FailureClass},
    image::ImageReference,
    platform::Platform,
    work::Parent,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    Notice,
    help::{HELP_FILE, HELP_PAGE, HelpInputs, help_page},
    is_koji_filesystem,
    labels::SettledLabels,
    release_env::set_release_env,
};
use crate::repository::dockerfile::{Arguments, Dockerfile, unified_diff};

/// Directory in the context that belongs to us.
pub const OWN_DIRECTORY: &str = ".reactor";
/// Where the copy of the Dockerfile is in the image.
const BUILD_INFO: &str = "/root/buildinfo/";
/// Longest part of a file name that is made of labels.
const MAX_NVR_BYTES: usize = 200;

/// What the Dockerfile of one platform is made from.
#[derive(Debug, Clone, Copy)]
pub struct DockerfileInputs<'a> {
    /// The repository's Dockerfile.
    pub dockerfile: &'a Dockerfile,
    /// The build arguments, for this platform and with the environment of the
    /// image that the final stage stands on.
    pub arguments: &'a Arguments,
    /// The platform.
    pub platform: &'a Platform,
    /// What its parents are pinned to.
    pub parents: &'a [Parent],
    /// Path in the context of the file system's archive, for stages that begin
    /// with [such a FROM](is_koji_filesystem).
    pub filesystem: Option<&'a str>,
    /// The labels.
    pub labels: &'a SettledLabels,
    /// Content of `help.md`, if the repository has one.
    pub help: Option<&'a [u8]>,
    /// When the build was accepted.
    pub build_date: Timestamp,
    /// Package repositories: file names such as `hello.repo`, and contents.
    pub repositories: &'a BTreeMap<String, Vec<u8>>,
    /// The user of the image that the final stage stands on.
    pub inherited_user: Option<&'a str>,
    /// `set_release_env` of `container.yaml`: the name of a variable.
    pub release_env: Option<&'a str>,
}

/// A file for the build context, made here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MadeFile {
    /// Path in the context.
    pub path: String,
    /// Its bytes.
    pub content: Vec<u8>,
}

/// The final Dockerfile of one platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FinalDockerfile {
    /// The text.
    pub text: String,
    /// What differs from the repository's, as a unified diff.
    pub diff: String,
    /// Files that its instructions need, in the order of their paths.
    pub extra_files: Vec<MadeFile>,
    /// What was left out.
    pub notices: Vec<Notice>,
}

/// Makes the final Dockerfile of one platform.
///
/// # Errors
/// The Dockerfile cannot be understood or edited (`dockerfile.*`); a stage needs
/// a file system and there is none (`filesystem.missing`); the manual page cannot
/// be made (`help.*`); the files of repositories cannot be named
/// (`repositories.*`); the release cannot be set (`release_env.*`).
pub fn make_dockerfile(inputs: &DockerfileInputs<'_>) -> Result<FinalDockerfile, Failure> {
    let mut made = Made { inputs, files: BTreeMap::new(), notices: Vec::new() };
    let pinned = made.with_parents()?;
    let labelled = made.with_labels(&pinned)?;
    let helped = made.with_help(&labelled)?;
    let copied = made.with_copy(&helped)?;
    let mut dockerfile = made.with_repositories(&copied)?;
    if let Some(name) = inputs.release_env {
        match inputs.labels.own("release") {
            Some(release) => dockerfile = set_release_env(&dockerfile, name, release)?,
            // A scratch build has none, and a dry run may not know it.
            None => made.notice(
                "release_env.no_release",
                format!("{name} is not set in the environment: the build has no release"),
            ),
        }
    }
    let text = text_of(&dockerfile);
    Ok(FinalDockerfile {
        diff: unified_diff(&text_of(inputs.dockerfile), &text),
        text,
        extra_files: made.files.into_iter().map(|(path, content)| MadeFile { path, content }).collect(),
        notices: made.notices,
    })
}

struct Made<'a> {
    inputs: &'a DockerfileInputs<'a>,
    files: BTreeMap<String, Vec<u8>>,
    notices: Vec<Notice>,
}

impl Made<'_> {
    /// Parents by digest, file systems instead of their image.
    fn with_parents(&mut self) -> Result<Dockerfile, Failure> {
        let DockerfileInputs { dockerfile, arguments, .. } = *self.inputs;
        let from_archive = dockerfile.stages_from(is_filesystem, arguments)?;
        let mut edits = dockerfile.edit();
        let known: BTreeMap<&str, &String> = self
            .inputs
            .parents
            .iter()
            .filter_map(|parent| Some((parent.written_as.as_str(), parent.pinned.as_ref()?)))
            .collect();
        let pins = dockerfile.parents(arguments)?.into_iter().filter_map(|parent| {
            let reference = known.get(parent.expanded.to_string().as_str())?;
            Some((parent.key(), (*reference).clone()))
        });
        if from_archive.is_empty() {
            edits.pin(&pins.collect())?;
            return Ok(edits.finish()?);
        }
        let archive = self.inputs.filesystem.ok_or_else(no_filesystem)?;
        // Their image does not exist, whatever it was pinned to.
        let images = dockerfile.image_keys(&from_archive);
        edits.pin(&pins.filter(|(key, _)| !images.contains(key)).collect())?;
        let add = format!("ADD {} /", in_context(archive)?);
        for stage in from_archive {
            edits.replace_from(stage, "scratch")?;
            edits.insert_after_from(stage, &add)?;
        }
        Ok(edits.finish()?)
    }

    fn with_labels(&self, dockerfile: &Dockerfile) -> Result<Dockerfile, Failure> {
        let mut edits = dockerfile.edit();
        if let Some(instruction) = dockerfile.label_instruction(&self.inputs.labels.set) {
            edits.append(last_stage(dockerfile), &instruction)?;
        }
        Ok(edits.finish()?)
    }

    fn with_help(&mut self, dockerfile: &Dockerfile) -> Result<Dockerfile, Failure> {
        let Some(file) = self.inputs.help else { return Ok(dockerfile.clone()) };
        let labels = self.inputs.labels;
        let page = help_page(&HelpInputs {
            file,
            name: labels.own("name"),
            maintainer: labels.own("maintainer"),
            build_date: self.inputs.build_date,
        })?;
        let Some(page) = page else {
            self.notice("help.empty", format!("'{HELP_FILE}' is empty: the image gets no manual page"));
            return Ok(dockerfile.clone());
        };
        let path = self.add_file("help.1", page.into_bytes());
        let mut edits = dockerfile.edit();
        edits.insert_before_last(last_stage(dockerfile), &format!("ADD {path} {HELP_PAGE}"))?;
        Ok(edits.finish()?)
    }

    /// The Dockerfile as it is now, as a file in the image.
    fn with_copy(&mut self, dockerfile: &Dockerfile) -> Result<Dockerfile, Failure> {
        let name = match self.copy_name() {
            Ok(name) => name,
            Err(reason) => {
                self.notice(
                    "dockerfile.copy_left_out",
                    format!("the image gets no copy of its Dockerfile in {BUILD_INFO}: {reason}"),
                );
                return Ok(dockerfile.clone());
            }
        };
        let path = self.add_file(&name, dockerfile.as_bytes().to_vec());
        let mut edits = dockerfile.edit();
        edits.insert_before_last(last_stage(dockerfile), &format!("ADD {path} {BUILD_INFO}{name}"))?;
        Ok(edits.finish()?)
    }

    /// `Dockerfile-{name}-{version}-{release}`, or why there is none.
    fn copy_name(&self) -> Result<String, String> {
        let labels = ["name", "version", "release"].map(|label| (label, self.inputs.labels.own(label)));
        let missing: Vec<String> = labels
            .iter()
            .filter(|(_, value)| value.is_none())
            .map(|(label, _)| format!("'{label}'"))
            .collect();
        if !missing.is_empty() {
            return Err(format!("the label {} is missing", missing.join(", ")));
        }
        let parts: Vec<&str> = labels.iter().filter_map(|(_, value)| *value).collect();
        let nvr = parts.join("-").replace('/', "-");
        // What has a meaning in ADD would name other files.
        let fits = |c: char| c.is_ascii_alphanumeric() || "._+~^-".contains(c);
        if nvr.len() > MAX_NVR_BYTES || !nvr.chars().all(fits) {
            return Err("its name, version or release cannot be part of a file name".to_owned());
        }
        Ok(format!("Dockerfile-{nvr}"))
    }

    fn add_file(&mut self, name: &str, content: Vec<u8>) -> String {
        let path = format!("{OWN_DIRECTORY}/{}/{name}", self.inputs.platform);
        self.files.insert(path.clone(), content);
        path
    }

    fn notice(&mut self, code: &str, text: String) {
        self.notices.push(Notice::new(code, text));
    }
}

/// Whether an image stands for a file system that Koji makes.
fn is_filesystem(image: &ImageReference) -> bool {
    is_koji_filesystem(&image.to_string())
}

fn text_of(dockerfile: &Dockerfile) -> String {
    String::from_utf8_lossy(dockerfile.as_bytes()).into_owned()
}

fn last_stage(dockerfile: &Dockerfile) -> usize {
    dockerfile.stages().saturating_sub(1)
}

/// A path of the context as a word of an instruction.
fn in_context(path: &str) -> Result<&str, Failure> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "._+~/-".contains(c);
    if !path.is_empty() && path.chars().all(fits) {
        return Ok(path);
    }
    let message = format!("the path {path:?} of a file system cannot be written in an ADD instruction");
    Err(Failure::new(FailureClass::Internal, "filesystem.path", message))
}

fn no_filesystem() -> Failure {
    let message = "the Dockerfile begins with 'koji/image-build', but there is no file system for it";
    Failure::new(FailureClass::Source, "filesystem.missing", message)
        .with_advice("build with Koji, which makes the file system, or name another image in FROM")
}
