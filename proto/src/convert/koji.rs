//! koji.proto: what the bridge says of a hub.

use common::{
    koji::{
        ImageTask, KojiArchive, KojiBridge, KojiBuild, KojiBuildState, KojiCapability, KojiChecksum,
        KojiOrigin, KojiTarget, KojiTaskState, KojiUser, Reservation, ReservationRequest, TaskOutput,
        UploadDirectory,
    },
    nvr::Nvr,
    secret::Secret,
};
use serde_json::Value;

use super::{
    BadField,
    field::{MAX_TEXT, enumeration, line, lines, message, messages, parsed_if_any},
};
use crate::v1;

/// Longest address in bytes.
const MAX_ADDRESS: usize = 4096;
/// Most platforms of a tag or task.
const MAX_PLATFORMS: usize = 64;
/// Most files of a build or task.
const MAX_FILES: usize = 10_000;

impl From<&Nvr> for v1::Nvr {
    fn from(nvr: &Nvr) -> Self {
        Self { name: nvr.name().into(), version: nvr.version().into(), release: nvr.release().into() }
    }
}

impl TryFrom<v1::Nvr> for Nvr {
    type Error = BadField;

    fn try_from(nvr: v1::Nvr) -> Result<Self, BadField> {
        Self::new(&nvr.name, &nvr.version, &nvr.release)
            .map_err(|error| BadField::new("nvr", error.to_string()))
    }
}

impl From<KojiCapability> for v1::KojiCapability {
    fn from(capability: KojiCapability) -> Self {
        match capability {
            KojiCapability::Targets => Self::Targets,
            KojiCapability::Builds => Self::Builds,
            KojiCapability::Releases => Self::Releases,
            KojiCapability::Repositories => Self::Repositories,
            KojiCapability::Archives => Self::Archives,
            KojiCapability::ImageTasks => Self::ImageTasks,
            KojiCapability::Reserve => Self::Reserve,
            KojiCapability::Upload => Self::Upload,
            KojiCapability::Import => Self::Import,
            KojiCapability::Tag => Self::Tag,
            KojiCapability::People => Self::People,
        }
    }
}

/// What a number means; `None` for one of a later contract.
fn capability(number: i32) -> Option<KojiCapability> {
    Some(match v1::KojiCapability::try_from(number).ok()? {
        v1::KojiCapability::Unspecified => return None,
        v1::KojiCapability::Targets => KojiCapability::Targets,
        v1::KojiCapability::Builds => KojiCapability::Builds,
        v1::KojiCapability::Releases => KojiCapability::Releases,
        v1::KojiCapability::Repositories => KojiCapability::Repositories,
        v1::KojiCapability::Archives => KojiCapability::Archives,
        v1::KojiCapability::ImageTasks => KojiCapability::ImageTasks,
        v1::KojiCapability::Reserve => KojiCapability::Reserve,
        v1::KojiCapability::Upload => KojiCapability::Upload,
        v1::KojiCapability::Import => KojiCapability::Import,
        v1::KojiCapability::Tag => KojiCapability::Tag,
        v1::KojiCapability::People => KojiCapability::People,
    })
}

impl From<KojiBridge> for v1::DescribeResponse {
    fn from(bridge: KojiBridge) -> Self {
        let number = |capability| v1::KojiCapability::from(capability).into();
        Self {
            version: bridge.version,
            hub_url: bridge.hub_url,
            files_url: bridge.files_url,
            capabilities: bridge.capabilities.into_iter().map(number).collect(),
            content_generator: bridge.content_generator,
            web_url: bridge.web_url,
        }
    }
}

impl TryFrom<v1::DescribeResponse> for KojiBridge {
    type Error = BadField;

    /// A capability of a later contract is left out: nobody here could use it.
    fn try_from(answer: v1::DescribeResponse) -> Result<Self, BadField> {
        let mut capabilities: Vec<_> = answer.capabilities.into_iter().filter_map(capability).collect();
        capabilities.sort_unstable();
        capabilities.dedup();
        Ok(Self {
            version: line("version", answer.version, MAX_TEXT)?,
            hub_url: line("hub_url", answer.hub_url, MAX_ADDRESS)?,
            files_url: line("files_url", answer.files_url, MAX_ADDRESS)?,
            capabilities,
            content_generator: line("content_generator", answer.content_generator, MAX_TEXT)?,
            web_url: line("web_url", answer.web_url, MAX_ADDRESS)?,
        })
    }
}

impl From<KojiTarget> for v1::ResolveTargetResponse {
    /// Without the number of the build tag, which is set beside.
    fn from(target: KojiTarget) -> Self {
        Self {
            build_tag: target.build_tag,
            destination_tag: target.destination_tag,
            platforms: target.platforms,
            build_tag_id: 0,
        }
    }
}

/// The target of this name, as the bridge found it.
///
/// # Errors
/// It has no build tag, or texts that cannot be names.
pub fn koji_target(name: &str, answer: v1::ResolveTargetResponse) -> Result<KojiTarget, BadField> {
    let build_tag = name_of("build_tag", answer.build_tag)?;
    at_most("platforms", answer.platforms.len(), MAX_PLATFORMS)?;
    let platform = |platform| name_of("platforms", platform);
    Ok(KojiTarget {
        name: name.to_owned(),
        build_tag,
        destination_tag: line("destination_tag", answer.destination_tag, MAX_TEXT)?,
        platforms: answer.platforms.into_iter().map(platform).collect::<Result<_, _>>()?,
    })
}

impl From<KojiBuildState> for v1::KojiBuildState {
    fn from(state: KojiBuildState) -> Self {
        match state {
            KojiBuildState::Building => Self::Building,
            KojiBuildState::Complete => Self::Complete,
            KojiBuildState::Deleted => Self::Deleted,
            KojiBuildState::Failed => Self::Failed,
            KojiBuildState::Cancelled => Self::Canceled,
        }
    }
}

impl TryFrom<v1::KojiBuildState> for KojiBuildState {
    type Error = BadField;

    fn try_from(state: v1::KojiBuildState) -> Result<Self, BadField> {
        Ok(match state {
            v1::KojiBuildState::Unspecified => return Err(BadField::missing("state")),
            v1::KojiBuildState::Building => Self::Building,
            v1::KojiBuildState::Complete => Self::Complete,
            v1::KojiBuildState::Deleted => Self::Deleted,
            v1::KojiBuildState::Failed => Self::Failed,
            v1::KojiBuildState::Canceled => Self::Cancelled,
        })
    }
}

impl From<KojiBuild> for v1::FindBuildResponse {
    /// Without the time of completion, which is set beside.
    fn from(build: KojiBuild) -> Self {
        Self {
            build_id: build.id,
            state: v1::KojiBuildState::from(build.state).into(),
            completed_at: None,
            nvr: Some((&build.nvr).into()),
            extra_json: json_text(&build.extra),
            volume: build.volume,
            files_url: build.files_url,
            task_id: build.origin.task.unwrap_or_default(),
            owner: build.origin.owner,
            source: build.origin.source,
            details_unavailable: build.details_unavailable,
        }
    }
}

impl TryFrom<v1::FindBuildResponse> for KojiBuild {
    type Error = BadField;

    fn try_from(build: v1::FindBuildResponse) -> Result<Self, BadField> {
        Ok(Self {
            id: number("build_id", build.build_id)?,
            nvr: message("nvr", build.nvr)?,
            state: enumeration::<v1::KojiBuildState>("state", build.state)?.try_into()?,
            volume: line("volume", build.volume, MAX_TEXT)?,
            files_url: line("files_url", build.files_url, MAX_ADDRESS)?,
            extra: json("extra_json", &build.extra_json)?,
            origin: KojiOrigin {
                task: Some(build.task_id).filter(|task| *task != 0),
                owner: line("owner", build.owner, MAX_TEXT)?,
                source: line("source", build.source, MAX_ADDRESS)?,
            },
            details_unavailable: build.details_unavailable,
        })
    }
}

impl From<KojiUser> for v1::KojiUser {
    fn from(user: KojiUser) -> Self {
        Self { name: user.name, principals: user.principals }
    }
}

impl TryFrom<v1::KojiUser> for KojiUser {
    type Error = BadField;

    fn try_from(user: v1::KojiUser) -> Result<Self, BadField> {
        Ok(Self {
            name: name_of("name", user.name)?,
            principals: lines("principals", user.principals, MAX_TEXT)?,
        })
    }
}

impl From<&ReservationRequest> for v1::ReserveBuildRequest {
    fn from(request: &ReservationRequest) -> Self {
        Self {
            nvr: Some((&request.nvr).into()),
            key: request.key.clone(),
            task_id: request.task.unwrap_or_default(),
        }
    }
}

impl TryFrom<v1::ReserveBuildResponse> for Reservation {
    type Error = BadField;

    fn try_from(answer: v1::ReserveBuildResponse) -> Result<Self, BadField> {
        Ok(Self {
            build: number("build_id", answer.build_id)?,
            nvr: message("nvr", answer.nvr)?,
            token: Secret::new(name_of("token", answer.token)?),
        })
    }
}

impl TryFrom<v1::PrepareUploadResponse> for UploadDirectory {
    type Error = BadField;

    fn try_from(answer: v1::PrepareUploadResponse) -> Result<Self, BadField> {
        Ok(Self {
            directory: name_of("directory", answer.directory)?,
            ticket: Secret::new(name_of("ticket", answer.ticket)?),
            worker_address: parsed_if_any("worker_address", &answer.worker_address)?,
        })
    }
}

impl From<KojiArchive> for v1::KojiArchive {
    /// Without the size, which nobody plans with.
    fn from(archive: KojiArchive) -> Self {
        let (kind, checksum) = match archive.checksum {
            KojiChecksum::Md5(digits) => (v1::KojiChecksumType::Md5, digits),
            KojiChecksum::Sha1(digits) => (v1::KojiChecksumType::Sha1, digits),
            KojiChecksum::Sha256(digits) => (v1::KojiChecksumType::Sha256, digits),
        };
        Self {
            filename: archive.filename,
            group_id: archive.group_id,
            artifact_id: archive.artifact_id,
            version: archive.version,
            checksum_type: kind.into(),
            checksum,
            extra_json: json_text(&archive.extra),
            size: 0,
        }
    }
}

impl TryFrom<v1::KojiArchive> for KojiArchive {
    type Error = BadField;

    fn try_from(archive: v1::KojiArchive) -> Result<Self, BadField> {
        let digits = archive.checksum.to_ascii_lowercase();
        let (length, checksum): (usize, fn(String) -> KojiChecksum) =
            match enumeration("checksum_type", archive.checksum_type)? {
                v1::KojiChecksumType::Unspecified => return Err(BadField::missing("checksum_type")),
                v1::KojiChecksumType::Md5 => (32, KojiChecksum::Md5),
                v1::KojiChecksumType::Sha1 => (40, KojiChecksum::Sha1),
                v1::KojiChecksumType::Sha256 => (64, KojiChecksum::Sha256),
            };
        if digits.len() != length || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(BadField::new("checksum", format!("expected {length} hexadecimal digits")));
        }
        Ok(Self {
            filename: file_name("filename", archive.filename)?,
            group_id: line("group_id", archive.group_id, MAX_ADDRESS)?,
            artifact_id: line("artifact_id", archive.artifact_id, MAX_ADDRESS)?,
            version: line("version", archive.version, MAX_ADDRESS)?,
            checksum: checksum(digits),
            extra: json("extra_json", &archive.extra_json)?,
        })
    }
}

impl TryFrom<v1::ListArchivesResponse> for Vec<KojiArchive> {
    type Error = BadField;

    fn try_from(list: v1::ListArchivesResponse) -> Result<Self, BadField> {
        at_most("archives", list.archives.len(), MAX_FILES)?;
        messages("archives", list.archives)
    }
}

impl TryFrom<v1::KojiTaskState> for KojiTaskState {
    type Error = BadField;

    fn try_from(state: v1::KojiTaskState) -> Result<Self, BadField> {
        Ok(match state {
            v1::KojiTaskState::Unspecified => return Err(BadField::missing("state")),
            v1::KojiTaskState::Free | v1::KojiTaskState::Open | v1::KojiTaskState::Assigned => {
                Self::Unfinished
            }
            v1::KojiTaskState::Closed => Self::Closed,
            v1::KojiTaskState::Canceled => Self::Cancelled,
            v1::KojiTaskState::Failed => Self::Failed,
        })
    }
}

/// The request for an image task that the caller knows by `key`.
pub fn image_build_request(task: &ImageTask, key: &str) -> v1::StartImageBuildRequest {
    let options = task.options.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    v1::StartImageBuildRequest {
        name: task.name.clone(),
        version: task.version.clone(),
        platforms: task.platforms.clone(),
        target: task.target.clone(),
        install_tree: task.install_tree.clone(),
        options_json: Value::Object(options).to_string(),
        key: key.to_owned(),
    }
}

impl TryFrom<v1::StartImageBuildRequest> for ImageTask {
    type Error = BadField;

    fn try_from(request: v1::StartImageBuildRequest) -> Result<Self, BadField> {
        at_most("platforms", request.platforms.len(), MAX_PLATFORMS)?;
        if request.platforms.is_empty() {
            return Err(BadField::missing("platforms"));
        }
        let platform = |platform| name_of("platforms", platform);
        let options = match json("options_json", &request.options_json)? {
            Value::Null => Vec::new(),
            Value::Object(options) => options.into_iter().collect(),
            _ => return Err(BadField::new("options_json", "expected a JSON object")),
        };
        let install_tree = line("install_tree", request.install_tree, MAX_ADDRESS)?;
        if install_tree.is_empty() {
            return Err(BadField::missing("install_tree"));
        }
        Ok(Self {
            name: name_of("name", request.name)?,
            version: name_of("version", request.version)?,
            platforms: request.platforms.into_iter().map(platform).collect::<Result<_, _>>()?,
            target: name_of("target", request.target)?,
            install_tree,
            options: options.into_iter().collect(),
        })
    }
}

impl From<TaskOutput> for v1::KojiTaskOutput {
    fn from(output: TaskOutput) -> Self {
        Self { task_id: output.task, name: output.name, size: output.size, volume: output.volume }
    }
}

impl TryFrom<v1::KojiTaskOutput> for TaskOutput {
    type Error = BadField;

    fn try_from(output: v1::KojiTaskOutput) -> Result<Self, BadField> {
        Ok(Self {
            task: number("task_id", output.task_id)?,
            // Koji lists files of sub-directories, too, with a path.
            name: name_of("name", output.name)?,
            size: output.size,
            volume: line("volume", output.volume, MAX_TEXT)?,
        })
    }
}

impl TryFrom<v1::ListTaskOutputsResponse> for Vec<TaskOutput> {
    type Error = BadField;

    fn try_from(list: v1::ListTaskOutputsResponse) -> Result<Self, BadField> {
        at_most("outputs", list.outputs.len(), MAX_FILES)?;
        messages("outputs", list.outputs)
    }
}

/// A hub's number, which is never 0.
fn number(field: &str, number: u64) -> Result<u64, BadField> {
    if number == 0 { Err(BadField::missing(field)) } else { Ok(number) }
}

/// A text of one line that must be there.
fn name_of(field: &str, text: String) -> Result<String, BadField> {
    if text.is_empty() { Err(BadField::missing(field)) } else { line(field, text, MAX_ADDRESS) }
}

/// A name that stays below the directory it is put in.
fn file_name(field: &str, text: String) -> Result<String, BadField> {
    let text = name_of(field, text)?;
    if text.starts_with('/') || text.split('/').any(|part| part == "..") {
        return Err(BadField::new(field, "it leads out of its directory"));
    }
    Ok(text)
}

fn at_most(field: &str, length: usize, most: usize) -> Result<(), BadField> {
    if length <= most {
        return Ok(());
    }
    Err(BadField::new(field, format!("it has {length} elements; at most {most} are accepted")))
}

/// JSON, of which an empty text means that there is none.
fn json(field: &str, text: &str) -> Result<Value, BadField> {
    if text.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_str(text).map_err(|error| BadField::new(field, error.to_string()))
}

fn json_text(value: &Value) -> String {
    if value.is_null() { String::new() } else { value.to_string() }
}

#[cfg(test)]
mod tests;
