//! Which file of a repository says how the image is built.

use common::failure::{Failure, FailureClass};

use super::container_yaml;

/// Name of the usual one.
pub const DOCKERFILE: &str = "Dockerfile";

/// The file that says how the image is built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BuildFile {
    /// A Dockerfile.
    Dockerfile(BuildDirectory),
    /// There is none, but a `container.yaml` that may describe a Flatpak.
    ContainerYaml(BuildDirectory),
}

/// The directory with everything about the build. Empty for the top of the
/// repository.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BuildDirectory(String);

/// No file says how the image is built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoBuildFile {
    /// There is no such directory.
    #[error("the directory '{0}' doesn't exist in the repository")]
    Directory(String),
    /// It holds nothing to build.
    #[error("the file '{0}' doesn't exist in the repository")]
    File(String),
    /// It holds a `container.yaml` that is about no Flatpak.
    #[error("'{0}' has no accompanying Dockerfile")]
    NoDockerfile(String),
}

impl From<NoBuildFile> for Failure {
    fn from(error: NoBuildFile) -> Self {
        let code = match &error {
            NoBuildFile::Directory(_) => "source.no_build_directory",
            NoBuildFile::File(_) => "source.no_dockerfile",
            NoBuildFile::NoDockerfile(_) => "source.no_accompanying_dockerfile",
        };
        Failure::from_error(FailureClass::Source, code, &error)
            .with_advice("the Dockerfile must be at the top of the repository; commit it there")
    }
}

impl BuildDirectory {
    /// The path of a file in it.
    pub fn path(&self, file: &str) -> String {
        if self.0.is_empty() { file.to_owned() } else { format!("{}/{file}", self.0) }
    }
}

impl BuildFile {
    /// Looks for it below `local`, a directory or one of the two files in one;
    /// `None` means the top. `has` says whether a path is there.
    ///
    /// # Errors
    /// The directory is missing, or has neither file.
    pub fn find(local: Option<&str>, has: impl Fn(&str) -> bool) -> Result<Self, NoBuildFile> {
        let local = local.unwrap_or_default().trim_matches('/');
        let directory = match local.rsplit_once('/') {
            _ if local == DOCKERFILE || local == container_yaml::FILE => "",
            Some((directory, DOCKERFILE | container_yaml::FILE)) => directory,
            _ => local,
        };
        if !directory.is_empty() && !has(directory) {
            return Err(NoBuildFile::Directory(directory.to_owned()));
        }
        let directory = BuildDirectory(directory.to_owned());
        if has(&directory.path(DOCKERFILE)) {
            Ok(Self::Dockerfile(directory))
        } else if has(&directory.path(container_yaml::FILE)) {
            Ok(Self::ContainerYaml(directory))
        } else {
            Err(NoBuildFile::File(directory.path(DOCKERFILE)))
        }
    }

    /// The directory of the file.
    pub fn directory(&self) -> &BuildDirectory {
        match self {
            Self::Dockerfile(directory) | Self::ContainerYaml(directory) => directory,
        }
    }

    /// Its path.
    pub fn path(&self) -> String {
        match self {
            Self::Dockerfile(directory) => directory.path(DOCKERFILE),
            Self::ContainerYaml(directory) => directory.path(container_yaml::FILE),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_dockerfile_goes_first() {
        let both = ["Dockerfile", "container.yaml", "subdir", "subdir/Dockerfile"];
        let flatpak = ["container.yaml", "subdir", "subdir/container.yaml"];
        let cases: &[(&str, &[&str], Option<&str>, Result<&str, &str>)] = &[
            ("SRC-1", &both, None, Ok("Dockerfile")),
            ("SRC-1", &both, Some("subdir"), Ok("subdir/Dockerfile")),
            ("SRC-1", &both, Some("subdir/Dockerfile"), Ok("subdir/Dockerfile")),
            ("SRC-1", &both, Some("Dockerfile"), Ok("Dockerfile")),
            ("SRC-2", &flatpak, None, Ok("container.yaml")),
            ("SRC-2", &flatpak, Some("subdir/container.yaml"), Ok("subdir/container.yaml")),
            ("SRC-3", &both, Some("other"), Err("the directory 'other' doesn't exist in the repository")),
            (
                "SRC-3",
                &["subdir"],
                Some("subdir/"),
                Err("the file 'subdir/Dockerfile' doesn't exist in the repository"),
            ),
            ("SRC-3", &[], None, Err("the file 'Dockerfile' doesn't exist in the repository")),
        ];
        for (case, files, local, expected) in cases {
            let found = BuildFile::find(*local, |path| files.contains(&path));
            let found = found.map(|file| file.path()).map_err(|error| error.to_string());
            assert_eq!(found, expected.map(str::to_owned).map_err(str::to_owned), "{case} {local:?}");
        }
        let failure = Failure::from(NoBuildFile::NoDockerfile("subdir/container.yaml".to_owned()));
        assert!(failure.message.contains("no accompanying Dockerfile"), "SRC-3");
    }
}
