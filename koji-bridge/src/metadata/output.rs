//! The files of a document.

use std::collections::BTreeSet;

use super::{
    Context, Report, UploadedFile,
    build::{Build, LEGACY_TYPES, types_in},
    buildroots::Buildroots,
    components,
    cursor::Cursor,
    kinds,
};

/// Longest architecture of an image.
const MAX_ARCH: usize = 16;

/// Extensions that every hub knows.
const USUAL_EXTENSIONS: &[&str] =
    &["tar", "tar.gz", "tar.bz2", "tar.xz", "tgz", "zip", "json", "jar", "txt", "yaml", "xml", "pom"];

/// Checks `output`.
pub(super) fn check(
    root: &Cursor<'_>,
    context: &Context,
    build: &Build<'_>,
    buildroots: &Buildroots<'_>,
    report: &mut Report,
) {
    let Some(outputs) = root.list_of_maps("output", report) else { return };
    let mut used = Vec::new();
    let mut places = BTreeSet::new();
    for output in &outputs {
        file(output, context, report);
        if let Some(buildroot) = output.field("buildroot_id", report) {
            if !buildroots.has(buildroot.value()) {
                let message = format!("{buildroot}, and there is no such buildroot");
                report.add(&kinds::BUILDROOT_UNKNOWN, &buildroot, message);
            }
            if !used.contains(&buildroot.value()) {
                used.push(buildroot.value());
            }
        }
        let name = output.key("filename").and_then(|name| name.value().as_str()).unwrap_or_default();
        let kind = output.field("type", report).and_then(|kind| kind.text(report));
        let place = match kind {
            None => None,
            Some("log") => Some(format!("data/logs/{}", below_subdir(output, name, report))),
            Some("rpm") => {
                rpm(output, name, report);
                Some(name.to_owned())
            }
            Some(_) => archive(output, name, context, build, report),
        };
        let kept = output.some("metadata_only").filter(|only| only.value() != false).is_none();
        if let Some(only) = output.some("metadata_only").filter(|_| !kept) {
            report.add(&kinds::FILE_NOT_KEPT, &only, format!("{only}: the file is recorded, but not kept"));
        }
        if let Some(at) = output.key("filename").filter(|_| !name.is_empty() && kept)
            && let Some(place) = place
            && !places.insert(place.clone())
        {
            report.add(&kinds::OUTPUT_TWICE, &at, format!("{at}, and another file goes to {place} as well"));
        }
        if output.key("components").is_some() {
            let list = output.list_of_maps("components", report).unwrap_or_default();
            list.iter().for_each(|component| components::check(component, report));
        }
    }
    let is_archive = |output: &Cursor<'_>| {
        let kind = output.key("type").and_then(|kind| kind.value().as_str());
        kind.is_some_and(|kind| !matches!(kind, "log" | "rpm"))
    };
    if let Some(draft) = build.draft.as_ref().filter(|_| outputs.iter().any(is_archive)) {
        report.add(&kinds::DRAFT, draft, format!("{draft}, and it has archives"));
    }
    if outputs.iter().any(|output| output.key("buildroot_id").is_none()) {
        return;
    }
    for id in buildroots.ids.iter().flatten().filter(|id| !used.contains(&id.value())) {
        report.add(&kinds::BUILDROOT_UNUSED, id, format!("{id}, and no output names it"));
    }
}

/// Checks what describes the uploaded file.
fn file(output: &Cursor<'_>, context: &Context, report: &mut Report) {
    let directory =
        output.some("relpath").map_or_else(|| Some(String::new()), |directory| below(&directory, report));
    let name = output.field("filename", report);
    let path = name.as_ref().and_then(|name| below(name, report).map(|path| (name, path)));
    // Hubs refuse a folder in a name; it belongs into `relpath`.
    let is_name = |name: &Cursor<'_>, path: &str| {
        !path.is_empty() && !name.value().as_str().is_some_and(|text| text.contains('/'))
    };
    if let Some((name, _)) = path.as_ref().filter(|(name, path)| !is_name(name, path)) {
        report.add(&kinds::BAD_PATH, name, format!("{name}, and must be the name of a file"));
    }
    let path = path.filter(|(name, path)| is_name(name, path));
    let uploaded = match (path, directory, &context.files) {
        (Some((name, path)), Some(directory), Some(files)) => {
            let path = join(&directory, &path);
            let uploaded = files.get(&path);
            if uploaded.is_none() {
                report.add(&kinds::FILE_MISSING, name, format!("{name}, and no file {path:?} was uploaded"));
            }
            uploaded
        }
        _ => None,
    };
    if let Some(size) = output.field("filesize", report)
        && let Some(number) = size.integer(report)
        && let Some(uploaded) = uploaded.filter(|uploaded| i128::from(uploaded.size) != number)
    {
        let message = format!("{size}, and {} bytes were uploaded", uploaded.size);
        report.add(&kinds::SIZE_DIFFERS, &size, message);
    }
    checksum(output, uploaded, report);
}

fn checksum(output: &Cursor<'_>, uploaded: Option<&UploadedFile>, report: &mut Report) {
    let checksum = output.field("checksum", report);
    let kind = output.field("checksum_type", report);
    let text = checksum.as_ref().and_then(|checksum| checksum.text(report));
    let Some(kind) = kind else { return };
    let Some(name) = kind.text(report) else { return };
    // Logs are not recorded in the database, which has no word for this one.
    let is_log = output.key("type").is_some_and(|kind| kind.value() == "log");
    let digits = match name {
        "md5" => 32,
        "sha256" => 64,
        "adler32" if is_log => 8,
        _ => {
            report.add(&kinds::CHECKSUM_TYPE, &kind, format!("{kind}, which hubs do not take"));
            return;
        }
    };
    let (Some(checksum), Some(text)) = (checksum, text) else { return };
    let is_digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    if text.len() != digits || !text.bytes().all(is_digit) {
        let message = format!("{checksum}, and must be {digits} lower-case hexadecimal digits");
        report.add(&kinds::CHECKSUM_FORM, &checksum, message);
        return;
    }
    let known = uploaded.and_then(|uploaded| match name {
        "md5" => uploaded.md5.as_deref(),
        "sha256" => uploaded.sha256.as_deref(),
        _ => None,
    });
    if let Some(known) = known.filter(|known| *known != text) {
        report.add(
            &kinds::CHECKSUM_DIFFERS,
            &checksum,
            format!("{checksum}, and what was uploaded has {known}"),
        );
    }
}

/// A path below a directory; the path alone when the directory is empty.
fn join(directory: &str, path: &str) -> String {
    if directory.is_empty() { path.to_owned() } else { format!("{directory}/{path}") }
}

/// A path below a directory without its `.` segments, empty for the directory
/// itself; notes it when it leads out.
fn below(at: &Cursor<'_>, report: &mut Report) -> Option<String> {
    let text = at.text(report)?;
    let segments: Vec<&str> = text.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    if text.starts_with('/') || segments.contains(&"..") {
        report.add(&kinds::BAD_PATH, at, format!("{at}, and must be a path below its directory"));
        return None;
    }
    Some(segments.join("/"))
}

/// A file name below the directory that `subdir` names, if it does.
fn below_subdir(output: &Cursor<'_>, name: &str, report: &mut Report) -> String {
    let subdir = output.some("subdir").and_then(|subdir| below(&subdir, report));
    join(&subdir.unwrap_or_default(), name)
}

fn rpm(output: &Cursor<'_>, name: &str, report: &mut Report) {
    let nvr_and_arch = name.strip_suffix(".rpm").and_then(|name| name.rsplit_once('.'));
    let is_whole = nvr_and_arch.is_some_and(|(nvr, arch)| {
        let parts: Vec<&str> = nvr.rsplitn(3, '-').collect();
        !arch.is_empty() && parts.len() == 3 && parts.iter().all(|part| !part.is_empty())
    });
    if let Some(at) = output.key("filename").filter(|at| at.value().is_string() && !is_whole) {
        report.add(&kinds::RPM_NAME, &at, format!("{at}, which is no name of a package"));
    }
}

/// Checks an archive; where it goes in the build's directory, if that is clear.
fn archive(
    output: &Cursor<'_>,
    name: &str,
    context: &Context,
    build: &Build<'_>,
    report: &mut Report,
) -> Option<String> {
    extension(output, name, context, report);
    let extra = output.some("extra");
    if let Some(extra) = extra.as_ref().filter(|extra| !extra.value().is_object()) {
        extra.is_not("a map", report);
        return None;
    }
    let types = extra.as_ref().map_or_else(|| Some(BTreeSet::new()), |extra| types_in(extra, report))?;
    let mut names = types.iter();
    let (Some(kind), None) = (names.next(), names.next()) else {
        match &types {
            types if types.is_empty() => {
                let message = format!("{name:?} has no type information in its extra map");
                report.add_missing(&kinds::NO_TYPE_INFORMATION, output, "extra", message);
            }
            types => {
                let types: Vec<&str> = types.iter().copied().collect();
                let message = format!("{name:?} has several types: {}", types.join(", "));
                report.add_missing(&kinds::SEVERAL_TYPES, output, "extra", message);
            }
        }
        return None;
    };
    if build.types.as_ref().is_some_and(|types| !types.contains(kind)) {
        let message = format!("{name:?} is of type {kind:?}, which the build does not name");
        report.add_missing(&kinds::TYPE_NOT_IN_BUILD, output, "extra", message);
    }
    let extra = extra?;
    let info = extra.key(kind).or_else(|| extra.key("typeinfo").and_then(|info| info.key(kind)));
    if *kind == "image"
        && let Some(image) = info.filter(|image| image.is_map(report))
        && let Some(arch) = image.field("arch", report)
        && let Some(text) = arch.text(report)
        && text.chars().count() > MAX_ARCH
    {
        report.add(&kinds::ARCH_TOO_LONG, &arch, format!("{arch}, longer than {MAX_ARCH} characters"));
    }
    if LEGACY_TYPES.contains(kind) {
        if let Some(subdir) = output.some("subdir") {
            report.add(
                &kinds::SUBDIR_NOT_ALLOWED,
                &subdir,
                format!("{subdir}, and files of type {kind} take none"),
            );
        }
        // Where Maven and Windows files go depends on more than their name.
        return (*kind == "image").then(|| format!("images/{name}"));
    }
    Some(format!("files/{kind}/{}", below_subdir(output, name, report)))
}

fn extension(output: &Cursor<'_>, name: &str, context: &Context, report: &mut Report) {
    let name = name.to_ascii_lowercase();
    let ends = |extension: &str| name.strip_suffix(extension).is_some_and(|rest| rest.ends_with('.'));
    let Some(at) = output.key("filename").filter(|at| at.value().is_string()) else { return };
    match &context.extensions {
        Some(known) if !known.iter().any(|extension| ends(&extension.to_ascii_lowercase())) => {
            report.add(&kinds::EXTENSION, &at, format!("{at}, whose extension the hub does not know"));
        }
        None if !USUAL_EXTENSIONS.iter().any(|extension| ends(extension)) => {
            report.add(&kinds::EXTENSION_UNUSUAL, &at, format!("{at}, whose extension the hub may not know"));
        }
        _ => {}
    }
}
