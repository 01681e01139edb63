//! `image-build.conf`: how Koji makes the file system of a base image.
//!
//! The file is made for Koji's own command line. Its options are laid over
//! defaults, and the result is what the hub's `buildImageOz` call takes. Values
//! are literal: a percent sign in a URL is a percent sign.

use std::collections::BTreeMap;

use common::{
    failure::{Failure, FailureClass},
    platform::Platform,
};
use serde::{Deserialize, Serialize};

use super::ini::{self, IniError, Section};

/// Name of the file, beside the Dockerfile, unless the tag in
/// `FROM koji/image-build:TAG` names another one.
pub const FILE: &str = "image-build.conf";
/// Largest file in bytes.
pub const MAX_BYTES: usize = 16 * 1024;

/// The file, read and not yet completed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageBuildConf(Vec<Section>);

/// What the file does not say, or must not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageTaskDefaults {
    /// Base URLs of package repositories, as [`base_urls`] finds them.
    pub base_urls: Vec<String>,
    /// Where the kickstart file is: `{repository}#{commit}`.
    pub kickstart_url: String,
    /// Whether it is a scratch build.
    pub scratch: bool,
}

/// What Koji is asked to make.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageTaskRequest {
    /// Name of the image.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Koji's names of the architectures. Never empty.
    pub architectures: Vec<String>,
    /// Koji target.
    pub target: String,
    /// Where the installer is found, with `$arch` for the architecture.
    pub install_tree: String,
    /// Size of the disk in gigabytes.
    pub disk_size: u64,
    /// Formats. Example: `docker`.
    pub formats: Vec<String>,
    /// Package repositories, with `$arch` for the architecture.
    pub repositories: Vec<String>,
    /// All other options. Example: `ksurl`.
    pub options: BTreeMap<String, String>,
    /// Options for OVA files, as `KEY=VALUE`.
    pub ova_options: Vec<String>,
    /// Parameters for the image factory.
    pub factory_parameters: Vec<(String, String)>,
    /// Whether the result is thrown away.
    pub scratch: bool,
}

/// What is wrong with the file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImageBuildConfProblem {
    /// It is too large.
    #[error("{FILE}: it has {0} bytes; at most {MAX_BYTES} are read")]
    TooLarge(usize),
    /// It is not an INI file.
    #[error("{FILE}: {0}")]
    Syntax(IniError),
    /// An option must be there.
    #[error("{FILE}: [image-build] has no option '{0}'")]
    Missing(&'static str),
    /// An option must say something.
    #[error("{FILE}: {0} cannot be empty")]
    Empty(&'static str),
    /// An option must be a number.
    #[error("{FILE}: disk_size '{0}' is not a number of gigabytes")]
    DiskSize(String),
}

impl From<ImageBuildConfProblem> for Failure {
    fn from(problem: ImageBuildConfProblem) -> Self {
        let (code, advice) = match &problem {
            ImageBuildConfProblem::TooLarge(_) => ("source.image_build_conf_too_large", "shorten the file"),
            ImageBuildConfProblem::Syntax(_) => ("source.image_build_conf", "write 'option = value' lines"),
            ImageBuildConfProblem::Missing(_) => ("source.image_build_conf_missing", "add the option"),
            ImageBuildConfProblem::Empty(_) => {
                ("source.image_build_conf_empty", "set it in [image-build], or give package repositories")
            }
            ImageBuildConfProblem::DiskSize(_) => {
                ("source.image_build_conf_disk_size", "write a whole number, such as 10")
            }
        };
        Failure::from_error(FailureClass::Source, code, &problem).with_advice(advice)
    }
}

/// The name of the file that a tag of `koji/image-build` means.
pub fn file_name(tag: Option<&str>) -> &str {
    tag.filter(|tag| !tag.is_empty() && *tag != "latest").unwrap_or(FILE)
}

/// The base URLs in a repository file (`.repo`), in its order.
///
/// # Errors
/// It is not an INI file.
pub fn base_urls(repository_file: &[u8]) -> Result<Vec<String>, IniError> {
    let sections = ini::read(repository_file)?;
    let urls = sections.iter().filter_map(|section| section.get("baseurl"));
    Ok(urls.flat_map(str::split_whitespace).map(|url| url.replace("$basearch", "$arch")).collect())
}

impl ImageBuildConf {
    /// Reads the file's text.
    ///
    /// # Errors
    /// It is too large, or not an INI file.
    pub fn read(text: &[u8]) -> Result<Self, ImageBuildConfProblem> {
        if text.len() > MAX_BYTES {
            return Err(ImageBuildConfProblem::TooLarge(text.len()));
        }
        ini::read(text).map(Self).map_err(ImageBuildConfProblem::Syntax)
    }

    /// What Koji is to be asked. `platforms` are used instead of the file's
    /// architectures; none of them leaves it to the file.
    ///
    /// # Errors
    /// Every option that is missing, empty or not a number.
    pub fn request(
        &self,
        platforms: &[Platform],
        defaults: &ImageTaskDefaults,
    ) -> Result<ImageTaskRequest, Vec<ImageBuildConfProblem>> {
        let mut options = self.image_options(defaults);
        if !platforms.is_empty() {
            let names: Vec<_> = platforms.iter().map(Platform::as_str).collect();
            options.insert("arches".to_owned(), names.join(","));
        }
        let mut problems = Vec::new();
        let mut required = |name: &'static str| match options.remove(name) {
            None => {
                problems.push(ImageBuildConfProblem::Missing(name));
                String::new()
            }
            Some(value) if list(&value).is_empty() => {
                problems.push(ImageBuildConfProblem::Empty(name));
                value
            }
            Some(value) => value,
        };
        let name = required("name");
        let version = required("version");
        let architectures = list(&required("arches"));
        let target = required("target");
        let install_tree = required("install_tree");
        let disk_size = required("disk_size");
        let disk_size = disk_size.parse().unwrap_or_else(|_| {
            if !disk_size.is_empty() {
                problems.push(ImageBuildConfProblem::DiskSize(disk_size));
            }
            0
        });
        if !problems.is_empty() {
            return Err(problems);
        }
        let mut factory = Section::default();
        factory.set("create_docker_metadata", "False");
        for (option, value) in self.section("factory-parameters") {
            factory.set(option, value);
        }
        let ova = self.section("ova-options").iter();
        Ok(ImageTaskRequest {
            name,
            version,
            architectures,
            target,
            install_tree,
            disk_size,
            formats: list(&options.remove("format").unwrap_or_default()),
            repositories: list(&options.remove("repo").unwrap_or_default()),
            options,
            ova_options: ova.map(|(option, value)| format!("{option}={value}")).collect(),
            factory_parameters: factory.options,
            scratch: defaults.scratch,
        })
    }

    /// The defaults, and the options of the section `image-build` over them.
    fn image_options(&self, defaults: &ImageTaskDefaults) -> BTreeMap<String, String> {
        let urls = &defaults.base_urls;
        let mut options: BTreeMap<String, String> = [
            ("name", "default-name"),
            ("arches", "x86_64"),
            ("format", "docker"),
            ("disk_size", "10"),
            ("install_tree", urls.first().map_or("", String::as_str)),
            ("repo", &urls.join(",")),
            ("ksurl", &defaults.kickstart_url),
            ("kickstart", "kickstart.ks"),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
        options.extend(self.section("image-build").iter().cloned());
        options
    }

    fn section(&self, name: &str) -> &[(String, String)] {
        self.0.iter().find(|section| section.name == name).map_or(&[], |section| &section.options)
    }
}

/// The parts of a comma-separated list, empty ones left out.
fn list(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: &str = "\
[image-build]
name = fedora-23
version = 1.0
target = guest-fedora-23-docker
install_tree = http://install-tree.example.com/$arch/fedora23/
format = docker
distro = Fedora-23
repo = http://repo.example.com/fedora/$arch/os/
disk = 100%
ksurl = git+http://ksrepo.example.com/%7Eme?#b232f73e
ksversion = FEDORA23
kickstart = fedora-23.ks
[factory-parameters]
create_docker_metadata = False
[ova-options]
ova_option_1 = ova_option_1_value
";

    fn platforms(text: &str) -> Vec<Platform> {
        text.split_whitespace().map(|name| name.parse().unwrap()).collect()
    }

    fn request(
        text: &str,
        names: &str,
        urls: &[&str],
    ) -> Result<ImageTaskRequest, Vec<ImageBuildConfProblem>> {
        let defaults = ImageTaskDefaults {
            base_urls: urls.iter().map(|url| (*url).to_owned()).collect(),
            kickstart_url: "git://h/r#abc".to_owned(),
            scratch: false,
        };
        ImageBuildConf::read(text.as_bytes()).unwrap().request(&platforms(names), &defaults)
    }

    #[test]
    fn fs_1_what_the_file_says_is_asked_for() {
        let request = request(FULL, "", &[]).unwrap();
        assert_eq!((request.name.as_str(), request.version.as_str()), ("fedora-23", "1.0"));
        assert_eq!(request.architectures, ["x86_64"]);
        assert_eq!(request.target, "guest-fedora-23-docker");
        assert_eq!(request.install_tree, "http://install-tree.example.com/$arch/fedora23/");
        assert_eq!(request.disk_size, 10);
        assert_eq!(request.formats, ["docker"]);
        assert_eq!(request.repositories, ["http://repo.example.com/fedora/$arch/os/"]);
        assert_eq!(request.factory_parameters, [("create_docker_metadata".to_owned(), "False".to_owned())]);
        assert_eq!(request.ova_options, ["ova_option_1=ova_option_1_value"]);
        assert_eq!(request.options["kickstart"], "fedora-23.ks");
        assert_eq!(request.options["disk"], "100%", "only disk_size is a number, and % means itself");
        assert_eq!(request.options["ksurl"], "git+http://ksrepo.example.com/%7Eme?#b232f73e");
    }

    #[test]
    fn fs_2_defaults_come_from_the_repositories() {
        let first = base_urls(b"[a]\nname = a\nbaseurl = http://h/$basearch/a\n").unwrap();
        let second = base_urls(b"[b]\nbaseurl=http://h/b\n[c]\nbaseurl=http://h/$basearch/c\n").unwrap();
        let urls: Vec<&str> = first.iter().chain(&second).map(String::as_str).collect();
        let request = request("[image-build]\nversion = 1.0\ntarget = t\n", "", &urls).unwrap();
        assert_eq!(request.name, "default-name");
        assert_eq!(request.install_tree, "http://h/$arch/a");
        assert_eq!(request.repositories, ["http://h/$arch/a", "http://h/b", "http://h/$arch/c"]);
        assert_eq!(request.options["ksurl"], "git://h/r#abc");
        assert_eq!(request.options["kickstart"], "kickstart.ks");
    }

    #[test]
    fn fs_3_what_is_missing_is_told_at_once() {
        use ImageBuildConfProblem::{DiskSize, Empty, Missing};
        let only_tree = request("[image-build]\nversion = 1\ntarget = t\n", "", &[]).unwrap_err();
        assert_eq!(only_tree, [Empty("install_tree")]);
        assert!(only_tree[0].to_string().ends_with("install_tree cannot be empty"));
        let all = request("[image-build]\nname =\ndisk_size = many\n", "", &["http://h"]).unwrap_err();
        assert_eq!(all, [Empty("name"), Missing("version"), Missing("target"), DiskSize("many".to_owned())]);
    }

    #[test]
    fn fs_4_platforms_go_before_the_file() {
        let text = FULL.replace("format =", "arches = i386,i486\nformat =");
        for (names, expected) in [
            ("x86_64 aarch64 ppc64le", vec!["x86_64", "aarch64", "ppc64le"]),
            ("x86_64", vec!["x86_64"]),
            ("", vec!["i386", "i486"]),
        ] {
            assert_eq!(request(&text, names, &[]).unwrap().architectures, expected, "FS-4 {names}");
        }
    }

    #[test]
    fn the_tag_names_another_file() {
        for (tag, file) in
            [(None, FILE), (Some("latest"), FILE), (Some(""), FILE), (Some("f44.conf"), "f44.conf")]
        {
            assert_eq!(file_name(tag), file);
        }
    }

    #[test]
    fn files_of_another_kind_are_refused() {
        let large = vec![b'#'; MAX_BYTES + 1];
        assert!(matches!(ImageBuildConf::read(&large), Err(ImageBuildConfProblem::TooLarge(_))));
        let failure = Failure::from(ImageBuildConf::read(b"[image-build\n").unwrap_err());
        assert_eq!(failure.code, "source.image_build_conf");
    }
}
