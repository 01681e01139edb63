//! Small repositories for one test each, read over `file://`.

use std::{path::Path, process::Command};

use anyhow::{Result, ensure};
use tempfile::TempDir;

/// A repository with one commit on `main`.
pub(crate) struct Repository(TempDir);

impl Repository {
    /// Commits these files.
    pub(crate) fn with(files: &[(&str, &str)]) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("sample-").tempdir()?;
        for (path, text) in files {
            let path = directory.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap_or(directory.path()))?;
            std::fs::write(path, text)?;
        }
        let repository = Self(directory);
        repository.git(&["init", "--quiet", "--initial-branch=main"])?;
        repository.commit()?;
        Ok(repository)
    }

    /// Commits whatever is in the directory.
    pub(crate) fn commit(&self) -> Result<()> {
        self.git(&["add", "--all"])?;
        self.git(&["-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "--quiet", "-m", "x"])
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn uri(&self) -> String {
        format!("file://{}", self.0.path().display())
    }

    fn git(&self, arguments: &[&str]) -> Result<()> {
        let status = Command::new("git").arg("-C").arg(self.0.path()).args(arguments).status()?;
        ensure!(status.success(), "git {arguments:?}");
        Ok(())
    }
}

/// A Dockerfile on the base image of the test registry.
pub(crate) fn on_base(instructions: &str) -> String {
    format!("ARG REGISTRY\nFROM ${{REGISTRY}}/base:1\n{instructions}\n")
}
