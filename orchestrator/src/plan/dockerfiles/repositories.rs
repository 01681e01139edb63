//! Package repositories, for as long as the image is built.
//!
//! Every stage that begins with an image from outside, and in which something is
//! run, gets the files right behind its FROM. Only the final stage becomes the
//! image, so only there they are removed again at the end, as root, and then the
//! user is who it was. Stages on `scratch` have no package manager and get none.

use common::failure::{Failure, FailureClass};

use super::{Made, last_stage};
use crate::repository::dockerfile::Dockerfile;

/// Where package managers look for repositories.
const DIRECTORY: &str = "/etc/yum.repos.d/";
/// Longest instruction that removes the files: the engine reads lines of at most
/// 64 KiB.
const MAX_LINE_BYTES: usize = 60_000;

impl Made<'_> {
    pub(super) fn with_repositories(&mut self, dockerfile: &Dockerfile) -> Result<Dockerfile, Failure> {
        let repositories = self.inputs.repositories;
        let arguments = self.inputs.arguments;
        // Asked of the repository's own: there, stages that begin with a file system
        // have not become ones on scratch yet. Stages keep their numbers.
        let original = self.inputs.dockerfile;
        let stages = original.stages_that_run(arguments)?;
        let from_archive = original.stages_from(super::is_filesystem, arguments)?;
        if repositories.is_empty() || stages.is_empty() {
            return Ok(dockerfile.clone());
        }
        let remove = removal(repositories.keys())?;
        for (name, content) in repositories {
            self.add_file(&format!("repositories/{name}"), content.clone());
        }
        let mut edits = dockerfile.edit();
        let files = format!("{}/{}/repositories/*", super::OWN_DIRECTORY, self.inputs.platform);
        for stage in &stages {
            // The file system itself comes first.
            let skip = usize::from(from_archive.contains(stage));
            edits.insert_after_maintainer(*stage, skip, &format!("ADD {files} '{DIRECTORY}'"))?;
        }
        let root = original.root_of_final_stage(arguments)?;
        if root.is_some_and(|root| stages.contains(&root)) {
            let last = last_stage(dockerfile);
            let user = dockerfile.final_user(arguments, self.inputs.inherited_user)?;
            if user.is_some() {
                edits.append(last, "USER root")?;
            }
            edits.append(last, &remove)?;
            if let Some(user) = user {
                edits.append(last, &user)?;
            }
        }
        Ok(edits.finish()?)
    }
}

/// The instruction that removes the files.
fn removal<'n>(names: impl Iterator<Item = &'n String>) -> Result<String, Failure> {
    let mut problems = Vec::new();
    let mut instruction = "RUN rm -f".to_owned();
    for name in names {
        let bad = name.is_empty() || name == "." || name == ".." || name.len() > 255;
        if bad || name.chars().any(|c| c == '/' || c.is_control()) {
            let message = format!("{name:?} cannot be the name of a repository's file");
            problems.push(
                Failure::new(FailureClass::User, "repositories.file_name", message)
                    .with_advice("use an address whose last part is a plain file name, such as hello.repo"),
            );
        }
        instruction.push_str(" '");
        instruction.push_str(DIRECTORY);
        instruction.push_str(&name.replace('\'', "'\\''"));
        instruction.push('\'');
    }
    if instruction.len() > MAX_LINE_BYTES {
        let message = "the files of the package repositories are too many to be removed again".to_owned();
        problems.push(
            Failure::new(FailureClass::User, "repositories.too_many", message)
                .with_advice("ask for fewer repositories"),
        );
    }
    match Failure::all(problems) {
        Some(failure) => Err(failure),
        None => Ok(instruction),
    }
}
