//! The engine's export stream, handed to the thread that reads the archive.
//!
//! The thread reads through a short queue, so the engine is read no faster than
//! layers are compressed. Dropping the future ends the queue, and with it the
//! thread.

use std::{
    io::{self, Read},
    path::PathBuf,
    time::Duration,
};

use bytes::{Buf as _, Bytes};
use common::{
    failure::{Failure, FailureClass},
    platform::Architecture,
    work::WorkPhase,
};
use futures::{Stream, StreamExt as _};
use tokio::{sync::mpsc, time::timeout};
use tokio_util::task::TaskTracker;

use super::{SpooledImage, export::read_archive};
use crate::{
    engine::{DockerEngine, EngineError},
    report::Reporter,
};

/// Pieces in the queue; the engine sends at most 32 KiB at a time.
const QUEUE: usize = 32;
/// An export that says nothing for this long has failed.
const SILENCE: Duration = Duration::from_secs(1800);
/// Bytes between two reports of progress.
const REPORT_EVERY: u64 = 4 * 1024 * 1024;

struct Pieces {
    queue: mpsc::Receiver<Bytes>,
    current: Bytes,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.queue.blocking_recv() {
                Some(piece) => self.current = piece,
                None => return Ok(0),
            }
        }
        let count = buffer.len().min(self.current.len());
        self.current.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}

/// Takes an image out of the engine into `directory`.
///
/// # Errors
/// The engine, the archive or the disk fails; the first cause counts.
pub(crate) async fn export_image(
    engine: &DockerEngine,
    image_id: &str,
    directory: PathBuf,
    wanted: Architecture,
    report: &Reporter,
    tracker: &TaskTracker,
) -> Result<SpooledImage, Failure> {
    let (sender, queue) = mpsc::channel(QUEUE);
    let reader = tracker.spawn_blocking(move || {
        let mut pieces = Pieces { queue, current: Bytes::new() };
        let image = read_archive(&mut pieces, &directory, &wanted)?;
        // What follows the end of the archive is padding; the engine wants it read.
        io::copy(&mut pieces, &mut io::sink()).map_err(super::ExportError::Archive)?;
        Ok::<_, super::ExportError>(image)
    });
    let sent = forward(engine.export(image_id), sender, report).await;
    let read = reader.await.map_err(|error| {
        Failure::new(FailureClass::Internal, "worker.panicked", format!("reading the archive: {error}"))
    })?;
    // The reader fails as well when the engine breaks off; the engine is the cause.
    sent.map_err(|error| error.failure())?;
    read.map_err(|error| error.failure())
}

async fn forward(
    mut stream: impl Stream<Item = Result<Bytes, EngineError>> + Unpin,
    sender: mpsc::Sender<Bytes>,
    report: &Reporter,
) -> Result<(), EngineError> {
    let (mut done, mut reported) = (0, 0);
    report.progress(WorkPhase::Exporting, 0, 0);
    report.say("exporting the image".to_owned()).await;
    loop {
        let piece = match timeout(SILENCE, stream.next()).await {
            Ok(Some(piece)) => piece?,
            Ok(None) => return Ok(()),
            Err(_) => return Err(EngineError::Silent { doing: "exporting the image".to_owned() }),
        };
        done += piece.len() as u64;
        if done - reported >= REPORT_EVERY {
            reported = done;
            report.progress(WorkPhase::Exporting, done, 0);
        }
        if sender.send(piece).await.is_err() {
            // The reader gave up and says why.
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_read_as_one_stream() {
        let (sender, queue) = mpsc::channel(4);
        for piece in ["ab", "", "cdef"] {
            sender.try_send(Bytes::from(piece)).unwrap();
        }
        drop(sender);
        let mut text = String::new();
        Pieces { queue, current: Bytes::new() }.read_to_string(&mut text).unwrap();
        assert_eq!(text, "abcdef");
    }

    #[tokio::test]
    async fn an_engine_that_breaks_off_is_the_cause() {
        let stream = futures::stream::iter([
            Ok(Bytes::from("x")),
            Err(EngineError::Silent { doing: "exporting".to_owned() }),
        ]);
        let (sender, mut queue) = mpsc::channel(4);
        let error = forward(stream, sender, &crate::report::tests::reporter()).await.unwrap_err();
        assert!(matches!(error, EngineError::Silent { .. }));
        assert_eq!(queue.recv().await.unwrap(), "x");
        assert!(queue.recv().await.is_none());
    }
}
