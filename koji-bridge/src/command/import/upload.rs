//! Files of an import on their way to the hub, one after the other, each read as
//! it is sent.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use common::{
    failure::{Failure, FailureClass},
    ticket::TicketMaker,
};
use futures::StreamExt as _;
use tokio::fs::File;
use tokio_util::{io::ReaderStream, sync::CancellationToken};

use super::{
    super::{
        CommandFailure, Exit,
        output::{has_reader, remark},
    },
    files::LocalFile,
};
use crate::{
    metrics::Metrics,
    session::HubSettings,
    settings::UploadSettings,
    upload::{FileHeader, Place, UploadError, UploadOptions, Uploads},
};

/// What upload directories of this command are made for.
const KEY: &str = "import";
/// Time between two lines about one file.
const PACE: Duration = Duration::from_secs(5);

/// Takes files to the hub.
pub(super) struct Uploader(Uploads);

impl Uploader {
    pub(super) fn new(hub: &HubSettings, settings: &UploadSettings) -> Result<Self, CommandFailure> {
        // One file at a time needs one session.
        let options = UploadOptions { parallel: 1, ..settings.options() };
        let tickets = TicketMaker::for_now().map_err(|error| {
            let failure = Failure::from_error(FailureClass::Infrastructure, "koji.upload_key", &error);
            CommandFailure::new(Exit::Failed, failure)
        })?;
        Ok(Self(Uploads::new(
            &Arc::new(hub.clone()),
            tickets,
            options,
            Metrics::default(),
            CancellationToken::new(),
        )?))
    }

    /// A directory of the hub that nobody has used.
    pub(super) fn directory(&self) -> Result<String, CommandFailure> {
        Ok(self.0.prepare(KEY)?.directory)
    }

    /// Uploads files into a directory that nobody has used, and answers with it.
    pub(super) async fn upload(&self, files: &[LocalFile]) -> Result<String, CommandFailure> {
        let directory = self.directory()?;
        for (index, file) in files.iter().enumerate() {
            self.send(&directory, file).await?;
            if has_reader() {
                remark(&format!("uploaded {} of {}: {}", index + 1, files.len(), file.name));
            }
        }
        Ok(directory)
    }

    async fn send(&self, directory: &str, file: &LocalFile) -> Result<(), CommandFailure> {
        let header = FileHeader {
            place: Place::new(directory, &file.name)?,
            size: file.size,
            offset: 0,
            md5: Some(file.md5.clone()),
        };
        let open = File::open(&file.path).await.map_err(|error| unreadable(file, &error))?;
        let (name, size, place) = (file.name.clone(), file.size, header.place.clone());
        let (mut sent, mut told) = (0, Instant::now());
        let data = ReaderStream::with_capacity(open, 256 << 10).map(move |part| {
            let part = part.map_err(|error| UploadError::BrokenOff {
                place: place.clone(),
                received: sent,
                reason: error.to_string(),
            })?;
            sent += part.len() as u64;
            if has_reader() && told.elapsed() >= PACE {
                told = Instant::now();
                remark(&format!("{name}: {} of {} MiB", sent >> 20, size >> 20));
            }
            Ok(part)
        });
        self.0.receive(header, data).await?;
        Ok(())
    }

    pub(super) async fn close(&self) {
        self.0.close().await;
    }
}

fn unreadable(file: &LocalFile, error: &std::io::Error) -> CommandFailure {
    let message = format!("cannot read {}: {error}", file.path.display());
    let failure = Failure::new(FailureClass::User, "koji.import_file", message)
        .with_advice("leave the files as they are until they are imported");
    CommandFailure::new(Exit::Usage, failure)
}
