//! Archives that go to a bridge in memory, with faults on the way.

use bytes::Bytes;
use common::{
    image::Digest,
    koji::KojiCapability,
    service::{ConnectOptions, connect},
};
use futures::TryStreamExt as _;
use proto::v1::PrepareUploadRequest;
use tempfile::TempDir;
use testkit::koji::{Effect, InMemoryBridge};

use super::*;
use crate::{
    publish::{SpooledBlob, SpooledImage, SpooledLayer},
    report::tests::reporter,
};

const NAME: &str = "docker-image.tar.gz";
const SIZE: usize = 900_000;

/// A bridge, a place to upload to, and a file that goes there.
struct Stage {
    bridge: InMemoryBridge,
    destination: Destination,
    archive: Archive,
    file: KojiFile,
    content: Vec<u8>,
    _spool: TempDir,
}

fn blob(spool: &TempDir, name: &str, content: &[u8]) -> SpooledBlob {
    let path = spool.path().join(name);
    std::fs::write(&path, content).unwrap();
    SpooledBlob { path, digest: Digest::of(content), size: content.len() as u64 }
}

impl Stage {
    async fn new() -> Self {
        let bridge = InMemoryBridge::start().await.unwrap();
        bridge.set_capabilities(&KojiCapability::ALL);
        let connection = connect(bridge.address(), &ConnectOptions::default()).await.unwrap();
        let mut client = KojiBridgeServiceClient::new(connection.clone());
        let request = PrepareUploadRequest { key: "bld_1".into() };
        let prepared = client.prepare_upload(request).await.unwrap().into_inner();
        let patience =
            Patience { attempts: 6, first_wait: Duration::ZERO, longest_wait: Duration::from_millis(1) };
        let ticket = Secret::new(prepared.ticket);
        let destination = Destination { connection, directory: prepared.directory, ticket, patience };

        let spool = tempfile::tempdir().unwrap();
        let bytes: Vec<u8> = (0..SIZE).map(|at| (at * at / 251) as u8).collect();
        let layer = SpooledLayer {
            blob: blob(&spool, "layer", &bytes),
            diff_id: Digest::of(b"plain"),
            uncompressed_size: 5,
        };
        let image = SpooledImage { config: blob(&spool, "config", b"{}"), layers: vec![layer] };
        let (archive, md5) = Archive::of_image(&image).unwrap().with_md5().await.unwrap();
        let content: Vec<Bytes> = archive.read_from(0).try_collect().await.unwrap();
        let file = KojiFile { name: NAME.into(), size: archive.size(), md5 };
        Self { bridge, destination, archive, file, content: content.concat(), _spool: spool }
    }

    async fn send(&self) -> Result<(), KojiUploadError> {
        self.destination.send(&self.file, &self.archive, &reporter()).await
    }

    fn there(&self) -> Option<Vec<u8>> {
        self.bridge.uploaded(&self.destination.directory, NAME)
    }

    fn is_whole(&self) -> bool {
        self.there().as_ref() == Some(&self.content)
    }

    /// Puts a file there as an earlier attempt of the work order would have.
    async fn leave(&self, content: &[u8]) {
        let size = content.len() as u64;
        let header = Header { size, md5: String::new(), ..self.destination.header(&self.file, 0) };
        let parts = [Part::Header(header), Part::Data(Bytes::copy_from_slice(content))];
        let messages = parts.map(|part| UploadFileRequest { part: Some(part) });
        self.destination.client().upload_file(stream::iter(messages)).await.unwrap();
    }
}

#[tokio::test]
async fn a_file_is_sent_once_where_nothing_is_in_the_way() {
    let stage = Stage::new().await;
    stage.send().await.unwrap();
    assert!(stage.is_whole());
    assert_eq!(stage.bridge.count("UploadFile"), 1);
}

#[tokio::test]
async fn an_upload_goes_on_where_it_was_cut_off() {
    let stage = Stage::new().await;
    // In pieces that only reach the end if every try goes on where the last one ended.
    stage.bridge.add_fault("UploadFile", 3, Effect::Cut(250_000));
    stage.bridge.add_fault("FindUpload", 1, Effect::Status(Code::Unavailable, "the bridge starts"));
    stage.send().await.unwrap();
    assert!(stage.is_whole());
    assert_eq!(stage.bridge.count("UploadFile"), 4);
}

#[tokio::test]
async fn what_an_earlier_attempt_has_left_is_never_gone_on_with() {
    for left in [1, 100_000, SIZE * 2] {
        for unanswered in 0..3 {
            let stage = Stage::new().await;
            stage.leave(&vec![b'x'; left]).await;
            // The first tries do not come so far that anything is replaced.
            stage.bridge.add_fault("UploadFile", unanswered, Effect::Status(Code::Unavailable, "not yet"));
            stage.send().await.unwrap();
            assert!(stage.is_whole(), "{left} bytes were left, {unanswered} tries failed");
        }
    }
}

#[tokio::test]
async fn a_file_of_an_earlier_attempt_may_be_cut_off_too() {
    let stage = Stage::new().await;
    stage.leave(&vec![b'x'; SIZE * 2]).await;
    // The first call empties the file; it has nothing that could be cut.
    stage.bridge.add_fault("UploadFile", 2, Effect::Cut(300_000));
    stage.send().await.unwrap();
    assert!(stage.is_whole());
}

#[tokio::test]
async fn a_refusal_ends_it_and_so_does_the_end_of_patience() {
    for (code, tries, transient) in [
        (Code::PermissionDenied, 1, false),
        (Code::InvalidArgument, 1, false),
        (Code::Unimplemented, 1, false),
        (Code::Unavailable, 6, true),
        (Code::Aborted, 6, true),
    ] {
        let stage = Stage::new().await;
        stage.bridge.add_fault("UploadFile", 99, Effect::Status(code, "no"));
        let error = stage.send().await.unwrap_err();
        assert_eq!(matches!(error, KojiUploadError::Unavailable { .. }), transient, "{error}");
        let wanted = if transient { "worker.koji_unreachable" } else { "worker.koji_refused" };
        assert_eq!(error.failure().code, wanted);
        assert_eq!(stage.bridge.count("UploadFile"), tries, "{code:?}");
    }
}

#[tokio::test]
async fn a_layer_that_is_gone_is_the_workers_own_failure() {
    let stage = Stage::new().await;
    std::fs::remove_file(stage._spool.path().join("layer")).unwrap();
    let error = stage.send().await.unwrap_err();
    assert_eq!(error.failure().code, "worker.scratch_failed");
    assert_eq!(stage.bridge.count("UploadFile"), 1);
}
