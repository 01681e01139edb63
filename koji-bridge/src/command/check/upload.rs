//! A file of a few bytes goes to the hub and is looked for there. The hub removes
//! it with other leftovers of uploads.

use std::sync::Arc;

use bytes::Bytes;
use common::{failure::FailureClass, ticket::TicketMaker};
use futures::stream;
use md5::{Digest as _, Md5};
use tokio_util::sync::CancellationToken;

use super::{super::CommandFailure, Checkup, Name};
use crate::{
    metrics::Metrics,
    upload::{FileHeader, Place, UploadOptions, Uploads},
};

/// What is uploaded.
const CONTENT: &[u8] = b"koji-bridge check\n";
/// Its name.
const FILE: &str = "check.txt";

impl Checkup<'_> {
    /// Whether files can be uploaded, if that is asked for.
    pub(super) async fn upload(&mut self, logged_in: bool) {
        if !self.arguments.upload {
            return self.report.skipped(Name::Upload, "--upload is not given");
        }
        if !logged_in {
            return;
        }
        match self.send().await {
            Ok(place) => {
                self.report.ok(Name::Upload, format!("{} bytes arrived in {place}", CONTENT.len()));
            }
            Err(failure) => self.report.failed(Name::Upload, failure),
        }
    }

    async fn send(&self) -> Result<Place, CommandFailure> {
        let options = UploadOptions { parallel: 1, ..self.settings.uploads.options() };
        let tickets = TicketMaker::for_now().map_err(|error| {
            let class = FailureClass::Infrastructure;
            let failure = common::failure::Failure::from_error(class, "koji.upload_key", &error);
            CommandFailure::new(super::Exit::Failed, failure)
        })?;
        let uploads = Uploads::new(
            &Arc::new(self.session.clone()),
            tickets,
            options,
            Metrics::default(),
            CancellationToken::new(),
        )?;
        let directory = uploads.prepare("check")?.directory;
        let place = Place::new(&directory, FILE)?;
        let header = FileHeader {
            place: place.clone(),
            size: CONTENT.len() as u64,
            offset: 0,
            md5: Some(hex::encode(Md5::digest(CONTENT))),
        };
        let sent = uploads.receive(header, stream::iter([Ok(Bytes::from_static(CONTENT))])).await;
        uploads.close().await;
        sent?;
        Ok(place)
    }
}
