//! Outputs of an import, as the metadata describes them and the upload has them.

use std::{fs, fs::File, io::Read as _, path::Path};

use koji_bridge::xmlrpc::Fault;
use md5::{Digest, Md5};
use serde_json::{Map, Value as Json};
use sha2::Sha256;
use simd_adler32::Adler32;

use super::{
    super::{builds::parse_nvr, python},
    ImportLog,
    buildroots::Buildroots,
    check::LEGACY_TYPES,
    components, paths,
};
use crate::hub::{context::fault, state::State};

/// Where the uploaded files are, and what the database has.
#[derive(Debug)]
pub(super) struct Place<'a> {
    pub(super) state: &'a State,
    pub(super) top: &'a Path,
    pub(super) directory: &'a str,
}

/// What an output is.
#[derive(Debug)]
pub(super) enum Kind {
    Log,
    Rpm,
    /// An archive of a build type, with the details of the type.
    Archive {
        build_type: String,
        details: Json,
    },
}

/// An output that is fit to be imported.
#[derive(Debug)]
pub(super) struct Output {
    pub(super) kind: Kind,
    /// The uploaded file.
    pub(super) path: String,
    pub(super) filename: String,
    pub(super) size: u64,
    pub(super) checksum: String,
    pub(super) checksum_type: String,
    pub(super) buildroot: Json,
    pub(super) subdirectory: Option<String>,
    pub(super) metadata_only: bool,
    pub(super) extra: Option<Json>,
}

/// Checks the outputs: size, checksum, build root, type and components.
///
/// # Errors
/// The first thing that is wrong with one of them.
pub(super) fn check(
    place: &Place<'_>,
    metadata: &Json,
    types: &Map<String, Json>,
    buildroots: &Buildroots,
    log: &mut ImportLog,
) -> Result<Vec<Output>, Fault> {
    let outputs = python::items(python::key(metadata, "output")?)?;
    outputs.iter().map(|output| check_one(place, output, types, buildroots, log)).collect()
}

fn check_one(
    place: &Place<'_>,
    output: &Json,
    types: &Map<String, Json>,
    buildroots: &Buildroots,
    log: &mut ImportLog,
) -> Result<Output, Fault> {
    let members = python::members(output)?;
    let below = members.get("relpath").and_then(Json::as_str).unwrap_or_default();
    let filename = python::text(python::key(output, "filename")?);
    let path = paths::join(&paths::work(place.top), &[place.directory, below, &filename])?;
    let size = fs::metadata(&path).map_err(|error| paths::os_error(&error, &path))?.len();
    let expected = python::key(output, "filesize")?;
    if expected.as_u64() != Some(size) {
        return Err(fault::generic(format!(
            "File size {size} for {filename} (expected {}) doesn't match. Corrupted upload?",
            python::text(expected)
        )));
    }
    let checksum_type = python::text(python::key(output, "checksum_type")?);
    let computed = checksum(&path, &checksum_type)?;
    let checksum = python::text(python::key(output, "checksum")?);
    if checksum != computed {
        return Err(fault::generic(format!(
            "File checksum mismatch for {filename}: {checksum} != {computed}"
        )));
    }
    let buildroot = python::key(output, "buildroot_id")?;
    if !buildroots.has(buildroot) {
        let text = format!("Missing buildroot metadata for id {}", python::repr(buildroot));
        return Err(fault::generic(text));
    }
    let subdirectory = members.get("subdir").filter(|value| python::truth(value)).map(python::text);
    let kind = match python::key(output, "type")?.as_str() {
        Some("log") => Kind::Log,
        Some("rpm") => {
            if subdirectory.is_some() {
                return Err(fault::generic("subdir field not allowed for rpm outputs"));
            }
            rpm_name(&filename)?;
            Kind::Rpm
        }
        _ => archive(place.state, members, &filename, types, log)?,
    };
    Ok(Output {
        kind,
        path,
        filename,
        size,
        checksum,
        checksum_type,
        buildroot: buildroot.clone(),
        subdirectory,
        metadata_only: members.get("metadata_only").is_some_and(python::truth),
        extra: members.get("extra").filter(|extra| !extra.is_null()).cloned(),
    })
}

/// The build type of an archive. Old types stand in `extra` itself, others in
/// `extra.typeinfo`; the output's `type` does not matter.
fn archive(
    state: &State,
    output: &Map<String, Json>,
    filename: &str,
    types: &Map<String, Json>,
    log: &mut ImportLog,
) -> Result<Kind, Fault> {
    let nothing = Json::Object(Map::new());
    let extra = python::members(output.get("extra").unwrap_or(&nothing))?;
    let several = || fault::generic(format!("Output file has multiple types: {filename}"));
    let mut found: Option<(&str, &Json)> = None;
    for (name, details) in extra.iter().filter(|(name, _)| LEGACY_TYPES.contains(&name.as_str())) {
        if found.replace((name, details)).is_some() {
            return Err(several());
        }
        if output.get("subdir").is_some_and(python::truth) {
            return Err(fault::generic("subdir field not allowed for legacy btypes"));
        }
    }
    for (name, details) in python::members(extra.get("typeinfo").unwrap_or(&nothing))? {
        match found {
            Some((known, _)) if known == name => {
                return Err(fault::generic(format!("Duplicate typeinfo for: {}", python::quoted(name))));
            }
            Some(_) => return Err(several()),
            None => found = Some((name, details)),
        }
    }
    let Some((build_type, details)) = found else {
        return Err(fault::generic(format!("No typeinfo for: {filename}")));
    };
    if !types.contains_key(build_type) {
        return Err(fault::generic(format!("Output type {build_type} not listed in build types")));
    }
    if let Some(components) = output.get("components") {
        if matches!(build_type, "maven" | "win") {
            let text = format!("Component list not allowed for archives of type {build_type}");
            return Err(fault::generic(text));
        }
        components::check(state, components, log)?;
    }
    Ok(Kind::Archive { build_type: build_type.to_owned(), details: details.clone() })
}

/// The name of an rpm has name, version, release and architecture.
fn rpm_name(filename: &str) -> Result<(), Fault> {
    let bare = filename.strip_suffix(".rpm").unwrap_or(filename);
    let (nvr, _) =
        bare.rsplit_once('.').ok_or_else(|| fault::generic(format!("invalid format: {filename}")))?;
    parse_nvr(nvr).map(|_| ())
}

/// The checksum of a file in hexadecimal digits.
fn checksum(path: &str, checksum_type: &str) -> Result<String, Fault> {
    let failed = |error: std::io::Error| paths::os_error(&error, path);
    let mut file = File::open(path).map_err(failed)?;
    let mut each = |take: &mut dyn FnMut(&[u8])| -> Result<(), Fault> {
        let mut buffer = vec![0; 65_536];
        loop {
            match file.read(&mut buffer).map_err(failed)? {
                0 => return Ok(()),
                read => take(buffer.get(..read).unwrap_or_default()),
            }
        }
    };
    match checksum_type {
        "md5" => {
            let mut sum = Md5::new();
            each(&mut |bytes| sum.update(bytes))?;
            Ok(hex::encode(sum.finalize()))
        }
        "sha256" => {
            let mut sum = Sha256::new();
            each(&mut |bytes| sum.update(bytes))?;
            Ok(hex::encode(sum.finalize()))
        }
        "adler32" => {
            let mut sum = Adler32::new();
            each(&mut |bytes| sum.write(bytes))?;
            Ok(format!("{:08x}", sum.finish()))
        }
        other => Err(fault::generic(format!("Unsupported verify type: {other}"))),
    }
}
