//! Uploads by calls: the check of an upload, and the upload in base64 of old
//! clients.

use std::{
    fs,
    io::{Seek as _, SeekFrom, Write as _},
    os::unix::fs::MetadataExt as _,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use koji_bridge::xmlrpc::{Arguments, Fault, Value};

use super::{
    Entry,
    arguments::{given, integer, required_integer, required_text, text},
    record::{number, record, with},
};
use crate::hub::{
    context::{Context, fault},
    upload_files::{Checksum, UploadPath, file_checksum, os_error},
};

/// The methods of this topic. What they do is not in the database.
pub(super) const ENTRIES: &[Entry] = &[
    Entry::read("checkUpload", "checkUpload(path, name, verify=None, tail=None, volume=None)", check),
    Entry::read(
        "uploadFile",
        "uploadFile(path, name, size, md5sum, offset, data, volume=None, checksum=None)",
        upload,
    ),
];

/// The position that means the end of a file.
const END: i64 = -1;

fn check(context: &mut Context<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let (directory, name) = (required_text(arguments, "path")?, required_text(arguments, "name")?);
    let path = UploadPath::new(context.top_directory, directory, name)?.path();
    let Ok(mut file) = fs::File::open(&path) else { return Ok(Value::Nil) };
    let metadata = file.metadata().map_err(|error| os_error(&error))?;
    if !metadata.is_file() {
        return Err(fault::generic(format!("Not a regular file: {}", path.display())));
    }
    let size = metadata.len();
    let modified = metadata.mtime() as f64 + metadata.mtime_nsec() as f64 / 1e9;
    let answer = record([("size", number(size)), ("mtime", Value::Double(modified))]);
    let Some(verify) = text(arguments, "verify")? else { return Ok(answer) };
    let sum = Checksum::new(verify)?;
    let from = match integer(arguments, "tail")? {
        None => 0,
        Some(tail) => {
            let tail =
                u64::try_from(tail).map_err(|_| fault::generic(format!("invalid tail value: {tail}")))?;
            size.saturating_sub(tail)
        }
    };
    let digits = file_checksum(&mut file, from, sum).map_err(|error| os_error(&error))?;
    let answer = with(answer, "sumlength", number(size - from));
    Ok(with(answer, "hexdigest", Value::String(digits)))
}

/// What a checksum argument asks for: a kind and its digits.
fn expected(argument: Option<&Value>) -> Result<Option<(Checksum, String)>, Fault> {
    match argument {
        None => Ok(None),
        Some(Value::String(digits)) => Ok(Some((Checksum::new("md5")?, digits.clone()))),
        Some(Value::Array(pair)) => match pair.as_slice() {
            [Value::String(kind), Value::String(digits)] => Ok(Some((Checksum::new(kind)?, digits.clone()))),
            _ => Err(fault::uncaught("ValueError", "not enough values to unpack (expected 2)")),
        },
        Some(_) => Err(fault::uncaught("TypeError", "cannot unpack the checksum")),
    }
}

fn upload(context: &mut Context<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let user = context.logged_in()?;
    let (directory, name) = (required_text(arguments, "path")?, required_text(arguments, "name")?);
    let offset = required_integer(arguments, "offset")?;
    let size = integer(arguments, "size")?.and_then(|size| u64::try_from(size).ok());
    let text: String = required_text(arguments, "data")?.split_whitespace().collect();
    let data =
        STANDARD.decode(text).map_err(|error| fault::uncaught("binascii.Error", &error.to_string()))?;
    let expected = expected(given(arguments, "checksum").or_else(|| given(arguments, "md5sum")))?;
    if offset != END {
        let length = u64::try_from(data.len()).unwrap_or(u64::MAX);
        let differs = |(mut sum, digits): (Checksum, String)| {
            sum.update(&data);
            sum.digits() != digits
        };
        if size.is_some_and(|size| size != length) || expected.clone().is_some_and(differs) {
            return Ok(Value::Bool(false));
        }
    }
    let place = UploadPath::new(context.top_directory, directory, name)?;
    place.claim(user)?;
    if place.exists(context.settings.released)? && offset == 0 && !name.ends_with(".log") {
        return Err(fault::generic(format!("file already exists: {}", place.path().display())));
    }
    let write = || {
        let path = place.path();
        let mut file =
            fs::OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        match u64::try_from(offset) {
            Ok(offset) => {
                if offset == 0 {
                    file.set_len(0)?;
                }
                file.seek(SeekFrom::Start(offset))?;
            }
            Err(_) => {
                file.seek(SeekFrom::End(0))?;
            }
        }
        file.write_all(&data)?;
        let whole = match expected {
            Some((sum, digits)) if offset == END => {
                if let Some(size) = size {
                    file.set_len(size)?;
                }
                file_checksum(&mut file, 0, sum)? == digits
            }
            _ => true,
        };
        Ok::<_, std::io::Error>(whole)
    };
    write().map(Value::Bool).map_err(|error| os_error(&error))
}
