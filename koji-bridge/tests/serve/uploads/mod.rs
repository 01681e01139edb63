//! Files through the bridge to the hub's disk, whatever happens on the way.

mod beginnings;
mod broken;
mod places;
mod refused;
mod restarts;
mod whole;

use std::{path::Path, time::Duration};

use bytes::Bytes;
use koji_bridge::settings::UploadSettings;
use md5::{Digest as _, Md5};
use proto::v1::{
    self, UploadFileRequest,
    upload_file_request::{Header, Part},
};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use testkit::hub::{HubSettings, KojiHub};
use tokio::{sync::mpsc, task::JoinSet};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use crate::support::{self, Client, GENERATOR, PASSWORD, Running, USER, login, settings};

/// Bytes in one request to the hub: the smallest that the settings take.
pub(crate) const BLOCK: usize = 64 << 10;
/// A test that waits longer than this hangs.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn upload_settings() -> UploadSettings {
    UploadSettings { block_bytes: BLOCK, ..UploadSettings::default() }
}

/// A hub that knows the bridge's user.
async fn hub() -> KojiHub {
    furnished(KojiHub::start().await.unwrap())
}

/// The same, which keeps everything.
async fn hub_in(directory: &Path) -> KojiHub {
    furnished(KojiHub::start_in(directory, HubSettings::default()).await.unwrap())
}

fn furnished(hub: KojiHub) -> KojiHub {
    hub.with_user(USER, PASSWORD).unwrap();
    hub.grant(USER, GENERATOR).unwrap();
    hub
}

async fn bridge(hub: &KojiHub, uploads: UploadSettings) -> Running {
    support::start_with(settings(hub, &login()), uploads).await
}

/// A place to upload to.
#[derive(Clone)]
struct Target {
    client: Client,
    directory: String,
    ticket: String,
}

impl Target {
    async fn new(bridge: &Running) -> Self {
        let mut client = bridge.client().await;
        let request = v1::PrepareUploadRequest { key: "bld_1".into() };
        let prepared = client.prepare_upload(request).await.unwrap().into_inner();
        Self { client, directory: prepared.directory, ticket: prepared.ticket }
    }

    /// The same place by way of another bridge.
    async fn by(&self, bridge: &Running) -> Self {
        Self { client: bridge.client().await, ..self.clone() }
    }

    /// The header of a file that is sent from `offset` on.
    fn header(&self, name: &str, content: &[u8], offset: u64) -> Header {
        Header {
            directory: self.directory.clone(),
            name: name.into(),
            size: content.len() as u64,
            ticket: self.ticket.clone(),
            offset,
            md5: hex::encode(Md5::digest(content)),
        }
    }

    async fn send(&self, messages: Vec<UploadFileRequest>) -> Result<v1::UploadFileResponse, Status> {
        let sent = self.client.clone().upload_file(tokio_stream::iter(messages)).await;
        sent.map(tonic::Response::into_inner)
    }

    /// Sends what of a file comes from `offset` on.
    async fn upload(
        &self,
        name: &str,
        content: &[u8],
        offset: u64,
    ) -> Result<v1::UploadFileResponse, Status> {
        let rest = &content[usize::try_from(offset).unwrap()..];
        self.send(messages(self.header(name, content, offset), rest, 10_000)).await
    }

    async fn find(&self, name: &str) -> u64 {
        let (directory, ticket) = (self.directory.clone(), self.ticket.clone());
        let request = v1::FindUploadRequest { directory, name: name.into(), ticket };
        let mut client = self.client.clone();
        let found = client.find_upload(request);
        tokio::time::timeout(PATIENCE, found).await.expect("in time").unwrap().into_inner().size
    }

    /// Begins an upload that goes on as the sender is given messages.
    fn begin(&self, header: Header) -> Begun {
        let (sender, receiver) = mpsc::channel(1);
        let mut client = self.client.clone();
        let mut call = JoinSet::new();
        call.spawn(async move {
            client.upload_file(ReceiverStream::new(receiver)).await.map(tonic::Response::into_inner)
        });
        let begun = Begun { sender: Some(sender), call };
        begun.sender.as_ref().unwrap().try_send(message(Part::Header(header))).unwrap();
        begun
    }

    fn on_disk(&self, hub: &KojiHub, name: &str) -> Option<Vec<u8>> {
        std::fs::read(hub.top_directory().join("work").join(&self.directory).join(name)).ok()
    }

    /// Waits until the hub has so many bytes of a file, or more.
    async fn reaches(&self, hub: &KojiHub, name: &str, size: usize) {
        let reached = async {
            while self.on_disk(hub, name).is_none_or(|content| content.len() < size) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, reached).await.expect("in time");
    }
}

/// An upload under way.
struct Begun {
    sender: Option<mpsc::Sender<UploadFileRequest>>,
    call: JoinSet<Result<v1::UploadFileResponse, Status>>,
}

impl Begun {
    /// Sends data; whether the other side still takes it.
    async fn send(&self, data: &[u8]) -> bool {
        let sender = self.sender.as_ref().unwrap();
        for piece in data.chunks(10_000) {
            if sender.send(message(Part::Data(Bytes::copy_from_slice(piece)))).await.is_err() {
                return false;
            }
        }
        true
    }

    /// Ends the data, and waits for the answer.
    async fn finish(mut self) -> Result<v1::UploadFileResponse, Status> {
        self.sender = None;
        self.answer().await
    }

    /// Waits for the answer, with the data open.
    async fn answer(&mut self) -> Result<v1::UploadFileResponse, Status> {
        let answer = tokio::time::timeout(PATIENCE, self.call.join_next());
        answer.await.expect("in time").expect("one answer").unwrap()
    }

    /// Breaks off as a client does whose process dies.
    async fn break_off(mut self) {
        self.call.shutdown().await;
    }
}

fn message(part: Part) -> UploadFileRequest {
    UploadFileRequest { part: Some(part) }
}

/// A header and data in messages of this size.
fn messages(header: Header, data: &[u8], size: usize) -> Vec<UploadFileRequest> {
    let data = data.chunks(size).map(|piece| Part::Data(Bytes::copy_from_slice(piece)));
    std::iter::once(Part::Header(header)).chain(data).map(message).collect()
}

/// Content that repeats nowhere.
fn content(seed: u64, size: usize) -> Vec<u8> {
    let mut content = vec![0; size];
    StdRng::seed_from_u64(seed).fill(&mut content[..]);
    content
}

fn adler(data: &[u8]) -> String {
    format!("{:08x}", simd_adler32::adler32(&data))
}
