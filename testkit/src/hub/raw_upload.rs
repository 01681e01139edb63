//! Uploads of raw bytes: a part of a file in the body of a request, where it
//! belongs in the query. The bytes go to the disk as they come.

use std::{collections::BTreeMap, io::SeekFrom, path::PathBuf, sync::Arc};

use axum::body::Body;
use futures::StreamExt as _;
use koji_bridge::xmlrpc::{Fault, Value};
use tokio::{
    fs::{File, OpenOptions},
    io::{AsyncSeekExt as _, AsyncWriteExt as _},
};

use super::{
    context::fault,
    engine::{Caller, Engine},
    faults::Effect,
    upload_files::{Checksum, UploadPath, os_error},
};

/// What a request says of a part of a file.
#[derive(Debug)]
struct Part {
    place: UploadPath,
    verify: String,
    /// Where the part belongs; `None` for the end of the file.
    offset: Option<u64>,
    overwrite: bool,
}

/// How an upload ended that has no answer: the connection broke, or was cut.
#[derive(Debug)]
pub(super) struct Broken;

/// Holds a file for one upload.
struct Held {
    engine: Arc<Engine>,
    path: PathBuf,
}

impl Held {
    fn take(engine: &Arc<Engine>, path: PathBuf) -> Result<Self, Fault> {
        if engine.inner().uploading.insert(path.clone()) {
            Ok(Self { engine: Arc::clone(engine), path })
        } else {
            Err(fault::lock("[Errno 11] Resource temporarily unavailable"))
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.engine.inner().uploading.remove(&self.path);
    }
}

impl Part {
    fn read(engine: &Engine, query: &[(String, String)]) -> Result<Self, Fault> {
        let value = |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let name = value("filename").ok_or_else(|| fault::uncaught("KeyError", "'filename'"))?;
        let place = UploadPath::new(&engine.top_directory, value("filepath").unwrap_or_default(), name)?;
        let volume = value("volume").unwrap_or("DEFAULT");
        if volume != "DEFAULT" {
            return Err(fault::generic(format!("No such entry in table volume: {volume}")));
        }
        let text = value("offset").unwrap_or("0");
        let offset: i64 = text.parse().map_err(|_| {
            let text = format!("invalid literal for int() with base 10: '{text}'");
            fault::uncaught("ValueError", &text)
        })?;
        if offset < -1 {
            return Err(fault::uncaught("OSError", "[Errno 22] Invalid argument"));
        }
        Ok(Self {
            place,
            verify: value("fileverify").unwrap_or_default().to_owned(),
            offset: u64::try_from(offset).ok(),
            overwrite: value("overwrite").is_some_and(|value| !value.is_empty()),
        })
    }

    fn checksum(&self) -> Result<Checksum, Fault> {
        if self.verify.is_empty() {
            let text = "local variable 'chksum' referenced before assignment";
            return Err(fault::uncaught("UnboundLocalError", text));
        }
        Checksum::new(&self.verify)
    }
}

/// Writes a part of a file. The rest of a body that is not wanted is read all the
/// same, since clients send all of it before they listen.
///
/// # Errors
/// The connection broke.
pub(super) async fn receive(
    engine: &Arc<Engine>,
    caller: Result<Caller, Fault>,
    query: &[(String, String)],
    body: Body,
    effect: Option<&Effect>,
) -> Result<Result<Value, Fault>, Broken> {
    let mut body = body.into_data_stream();
    let begun = match caller {
        Ok(caller) => begin(engine, caller, query).await,
        Err(fault) => Err(fault),
    };
    let (part, mut sum, mut file, start, held) = match begun {
        Ok(begun) => begun,
        Err(fault) => {
            while let Some(bytes) = body.next().await {
                bytes.map_err(|_| Broken)?;
            }
            return Ok(Err(fault));
        }
    };
    let (mut size, mut failed) = (0_u64, None);
    while let Some(bytes) = body.next().await {
        let mut bytes = bytes.map_err(|_| Broken)?;
        let cut = match effect {
            Some(Effect::CutUpload(after)) => {
                let left = usize::try_from(after.saturating_sub(size)).unwrap_or(usize::MAX);
                bytes.truncate(left);
                bytes.len() >= left
            }
            _ => false,
        };
        if failed.is_none() {
            failed = file.write_all(&bytes).await.err();
        }
        sum.update(&bytes);
        size += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if cut {
            file.flush().await.map_err(|_| Broken)?;
            return Err(Broken);
        }
    }
    if matches!(effect, Some(Effect::CutUpload(_))) {
        return Err(Broken);
    }
    let written = match failed {
        Some(error) => Err(error),
        None => file.flush().await,
    };
    let result = match written {
        Ok(()) => finish(&part, &file, start, size).await,
        Err(error) => Err(os_error(&error)),
    };
    drop(held);
    let digits = if effect == Some(&Effect::WrongChecksum) { "00000000".to_owned() } else { sum.digits() };
    Ok(result.map(|()| answer(&part.verify, start, size, digits)))
}

/// Opens the file at the right place.
async fn begin(
    engine: &Arc<Engine>,
    caller: Caller,
    query: &[(String, String)],
) -> Result<(Part, Checksum, File, u64, Held), Fault> {
    let part = Part::read(engine, query)?;
    part.place.claim(caller.user)?;
    let path = part.place.path();
    let exists = part.place.exists(engine.settings.released)?;
    if exists && part.offset == Some(0) && !part.overwrite {
        return Err(fault::generic(format!("upload path exists: {}", path.display())));
    }
    let sum = part.checksum()?;
    let held = Held::take(engine, path.clone())?;
    let open = async {
        let mut options = OpenOptions::new();
        let mut file = options.read(true).write(true).create(true).truncate(false).open(&path).await?;
        let start = match part.offset {
            None => file.seek(SeekFrom::End(0)).await?,
            Some(offset) => {
                if part.overwrite {
                    file.set_len(offset).await?;
                }
                file.seek(SeekFrom::Start(offset)).await?
            }
        };
        Ok::<_, std::io::Error>((file, start))
    };
    let (file, start) = open.await.map_err(|error| os_error(&error))?;
    Ok((part, sum, file, start, held))
}

/// The file has to end where its last part does.
async fn finish(part: &Part, file: &File, start: u64, size: u64) -> Result<(), Fault> {
    let length = file.metadata().await.map_err(|error| os_error(&error))?.len();
    let expected = start + size;
    if length == expected {
        return Ok(());
    }
    let path = part.place.path();
    Err(fault::generic(format!(
        "Incorrect upload length for {} - Expected {expected}, actual {length}",
        path.display()
    )))
}

fn answer(verify: &str, offset: u64, size: u64, digits: String) -> Value {
    let number = |number: u64| Value::Int(i64::try_from(number).unwrap_or(i64::MAX));
    Value::Struct(BTreeMap::from([
        ("size".to_owned(), number(size)),
        ("fileverify".to_owned(), Value::from(verify)),
        ("offset".to_owned(), number(offset)),
        ("hexdigest".to_owned(), Value::String(digits)),
    ]))
}
