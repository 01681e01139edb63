//! worker.proto: what of an image Koji gets, and what built it.

use common::{
    secret::Secret,
    work::{ArchiveContent, BuildEnvironment, KojiFile, KojiUpload},
};

use super::{
    super::{
        BadField,
        field::{MAX_TEXT, enumeration, line, lines, list, parsed_if_any},
    },
    not_empty,
};
use crate::v1;

/// Longest name of a directory or a file in bytes.
const MAX_NAME: usize = 1024;

impl From<KojiUpload> for v1::KojiUpload {
    fn from(upload: KojiUpload) -> Self {
        let archive = match upload.archive {
            ArchiveContent::Image => v1::KojiArchiveContent::Image,
            ArchiveContent::Reference => v1::KojiArchiveContent::Reference,
        };
        Self {
            address: upload.address.map(|address| address.to_string()).unwrap_or_default(),
            directory: upload.directory,
            ticket: upload.ticket.expose().to_owned(),
            archive: archive.into(),
            pull_specs: upload.pull_specs,
        }
    }
}

impl TryFrom<v1::KojiUpload> for KojiUpload {
    type Error = BadField;

    fn try_from(upload: v1::KojiUpload) -> Result<Self, BadField> {
        let archive = match enumeration("archive", upload.archive)? {
            v1::KojiArchiveContent::Unspecified => return Err(BadField::missing("archive")),
            v1::KojiArchiveContent::Image => ArchiveContent::Image,
            v1::KojiArchiveContent::Reference => ArchiveContent::Reference,
        };
        Ok(Self {
            address: parsed_if_any("address", &upload.address)?,
            directory: line("directory", not_empty("directory", upload.directory)?, MAX_NAME)?,
            ticket: Secret::new(not_empty("ticket", upload.ticket)?),
            archive,
            pull_specs: lines("pull_specs", upload.pull_specs, MAX_TEXT)?,
        })
    }
}

impl From<KojiFile> for v1::KojiFile {
    fn from(file: KojiFile) -> Self {
        Self { name: file.name, size: file.size, md5: file.md5 }
    }
}

impl TryFrom<v1::KojiFile> for KojiFile {
    type Error = BadField;

    fn try_from(file: v1::KojiFile) -> Result<Self, BadField> {
        let is_digit = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
        if file.md5.len() != 32 || !file.md5.chars().all(is_digit) {
            return Err(BadField::new("md5", "it is not 32 lower-case hexadecimal digits"));
        }
        let name = line("name", not_empty("name", file.name)?, MAX_NAME)?;
        Ok(Self { name, size: file.size, md5: file.md5 })
    }
}

impl From<BuildEnvironment> for v1::BuildEnvironment {
    fn from(environment: BuildEnvironment) -> Self {
        let tool = |(name, version)| v1::BuildTool { name, version };
        Self {
            operating_system: environment.operating_system,
            architecture: environment.architecture,
            kernel_architecture: environment.kernel_architecture,
            tools: environment.tools.into_iter().map(tool).collect(),
        }
    }
}

impl TryFrom<v1::BuildEnvironment> for BuildEnvironment {
    type Error = BadField;

    fn try_from(environment: v1::BuildEnvironment) -> Result<Self, BadField> {
        let tool = |tool: v1::BuildTool| {
            Ok((line("tools.name", tool.name, MAX_TEXT)?, line("tools.version", tool.version, MAX_TEXT)?))
        };
        let tools = list("tools", environment.tools)?;
        Ok(Self {
            operating_system: line("operating_system", environment.operating_system, MAX_TEXT)?,
            architecture: line("architecture", environment.architecture, MAX_TEXT)?,
            kernel_architecture: line("kernel_architecture", environment.kernel_architecture, MAX_TEXT)?,
            tools: tools.into_iter().map(tool).collect::<Result<_, BadField>>()?,
        })
    }
}
