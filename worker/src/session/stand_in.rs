//! An orchestrator for tests: a real gRPC server whose side of the conversation
//! is played by the test, and which keeps content in memory.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use common::image::Digest;
use futures::{Stream, StreamExt as _, stream};
use proto::v1::{
    self, AttachRequest, AttachResponse, attach_request, attach_response,
    upload_blob_request::Part,
    worker_service_server::{WorkerService, WorkerServiceServer},
};
use tokio::{net::TcpListener, sync::mpsc, task::JoinSet, time::timeout};
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::{Request, Response, Status, Streaming, transport::Server};

/// Bound on every wait, so that a test that hangs fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// One attached worker, as the test sees it.
pub(crate) struct Attached {
    /// What the worker said first.
    pub(crate) hello: v1::Hello,
    up: Streaming<AttachRequest>,
    down: mpsc::Sender<Result<AttachResponse, Status>>,
}

impl Attached {
    /// Says something to the worker.
    pub(crate) async fn say(&self, message: attach_response::Message) {
        self.down.send(Ok(AttachResponse { message: Some(message) })).await.unwrap();
    }

    /// Accepts the worker.
    pub(crate) async fn welcome(&self, window: u64) {
        self.say(attach_response::Message::Welcome(v1::Welcome {
            version: "test".to_owned(),
            heartbeat_interval: Some(Duration::from_millis(200).try_into().unwrap()),
            heartbeat_timeout: None,
            log_window_bytes: window,
        }))
        .await;
    }

    /// Ends the stream with an error, which is how a refusal looks.
    pub(crate) async fn refuse(&self, status: Status) {
        self.down.send(Err(status)).await.unwrap();
    }

    /// The next message of the worker, `None` when it has closed the stream.
    pub(crate) async fn any(&mut self) -> Option<attach_request::Message> {
        let message = timeout(PATIENCE, self.up.message()).await.expect("the worker says nothing");
        message.ok().flatten().and_then(|request| request.message)
    }

    /// The next message that is no heartbeat and no progress.
    pub(crate) async fn next(&mut self) -> attach_request::Message {
        loop {
            match self.any().await.expect("the worker has gone") {
                attach_request::Message::Heartbeat(_) | attach_request::Message::Progress(_) => {}
                message => return message,
            }
        }
    }

    /// Collects and acknowledges log text until the result comes.
    pub(crate) async fn until_result(&mut self) -> (String, v1::WorkResult) {
        let mut text = Vec::new();
        loop {
            match self.next().await {
                attach_request::Message::Logs(batch) => self.store(&mut text, batch).await,
                attach_request::Message::Result(result) => {
                    return (String::from_utf8_lossy(&text).into_owned(), result);
                }
                other => panic!("unexpected {other:?}"),
            }
        }
    }

    /// Appends a batch to a log and acknowledges it; a gap is a failed test, and
    /// what is there already is skipped.
    pub(crate) async fn store(&self, log: &mut Vec<u8>, batch: v1::LogBatch) {
        for record in batch.records {
            let offset = usize::try_from(record.offset).unwrap();
            assert!(offset <= log.len(), "a gap before offset {offset}: only {} are stored", log.len());
            let known = log.len() - offset;
            log.extend_from_slice(record.text.get(known..).unwrap_or_default());
        }
        let up_to = log.len() as u64;
        let stored = v1::LogsStored { work_order_id: batch.work_order_id, up_to };
        self.say(attach_response::Message::LogsStored(stored)).await;
    }

    /// Says that a result is stored.
    pub(crate) async fn stored(&self, id: &str) {
        self.say(attach_response::Message::ResultStored(v1::ResultStored { work_order_id: id.to_owned() }))
            .await;
    }
}

/// What the server keeps.
#[derive(Default)]
pub(crate) struct Content {
    /// The build context of every work order.
    pub(crate) context: Mutex<Bytes>,
    /// Uploaded blobs by digest.
    pub(crate) blobs: Mutex<BTreeMap<String, Bytes>>,
    /// How many of the next streams break in the middle.
    pub(crate) breaks: AtomicUsize,
    /// Offsets at which the context was asked for.
    pub(crate) offsets: Mutex<Vec<u64>>,
}

impl Content {
    fn breaks_now(&self) -> bool {
        self.breaks.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
    }
}

struct Service {
    attached: mpsc::Sender<Attached>,
    content: Arc<Content>,
}

type Messages<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl WorkerService for Service {
    type AttachStream = Messages<AttachResponse>;
    type FetchContextStream = Messages<v1::FetchContextResponse>;

    async fn attach(
        &self,
        request: Request<Streaming<AttachRequest>>,
    ) -> Result<Response<Self::AttachStream>, Status> {
        let mut up = request.into_inner();
        let Some(AttachRequest { message: Some(attach_request::Message::Hello(hello)) }) =
            up.message().await?
        else {
            return Err(Status::invalid_argument("the first message is no Hello"));
        };
        let (down, messages) = mpsc::channel(16);
        let attached = Attached { hello, up, down };
        self.attached.send(attached).await.map_err(|_| Status::unavailable("the test is over"))?;
        Ok(Response::new(Box::pin(ReceiverStream::new(messages))))
    }

    async fn fetch_context(
        &self,
        request: Request<v1::FetchContextRequest>,
    ) -> Result<Response<Self::FetchContextStream>, Status> {
        let request = request.into_inner();
        if request.ticket != "ticket" {
            return Err(Status::permission_denied("no such ticket"));
        }
        self.content.offsets.lock().unwrap().push(request.offset);
        let context = self.content.context.lock().unwrap().clone();
        let rest = context.slice(usize::try_from(request.offset).unwrap()..);
        let mut pieces: Vec<Result<v1::FetchContextResponse, Status>> = rest
            .chunks(64 * 1024)
            .map(|piece| Ok(v1::FetchContextResponse { data: Bytes::copy_from_slice(piece) }))
            .collect();
        if self.content.breaks_now() {
            pieces.truncate(pieces.len().div_ceil(2));
            pieces.push(Err(Status::unavailable("the stream breaks")));
        }
        Ok(Response::new(Box::pin(stream::iter(pieces))))
    }

    async fn find_blobs(
        &self,
        request: Request<v1::FindBlobsRequest>,
    ) -> Result<Response<v1::FindBlobsResponse>, Status> {
        let blobs = self.content.blobs.lock().unwrap();
        let mut present = request.into_inner().digests;
        present.retain(|digest| blobs.contains_key(digest));
        Ok(Response::new(v1::FindBlobsResponse { present }))
    }

    async fn upload_blob(
        &self,
        request: Request<Streaming<v1::UploadBlobRequest>>,
    ) -> Result<Response<v1::UploadBlobResponse>, Status> {
        let mut parts = request.into_inner();
        let Some(v1::UploadBlobRequest { part: Some(Part::Header(header)) }) = parts.message().await? else {
            return Err(Status::invalid_argument("the first message is no header"));
        };
        if self.content.breaks_now() {
            return Err(Status::unavailable("the stream breaks"));
        }
        let mut bytes = Vec::new();
        while let Some(part) = parts.next().await {
            match part?.part {
                Some(Part::Data(data)) => bytes.extend_from_slice(&data),
                other => return Err(Status::invalid_argument(format!("{other:?}"))),
            }
        }
        let digest = Digest::of(&bytes).to_string();
        if digest != header.digest || bytes.len() as u64 != header.size {
            return Err(Status::data_loss("another digest or size"));
        }
        let size = header.size;
        self.content.blobs.lock().unwrap().insert(digest.clone(), bytes.into());
        Ok(Response::new(v1::UploadBlobResponse { digest, size }))
    }

    async fn list_workers(
        &self,
        _: Request<v1::ListWorkersRequest>,
    ) -> Result<Response<v1::ListWorkersResponse>, Status> {
        Ok(Response::new(v1::ListWorkersResponse { workers: Vec::new() }))
    }
}

/// A running server; it ends with this value.
pub(crate) struct StandIn {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// What it keeps.
    pub(crate) content: Arc<Content>,
    attached: mpsc::Receiver<Attached>,
    _server: JoinSet<()>,
}

impl StandIn {
    /// Starts on a free port.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, attached) = mpsc::channel(4);
        let content = Arc::new(Content::default());
        let service = Service { attached: sender, content: Arc::clone(&content) };
        let mut server = JoinSet::new();
        server.spawn(async move {
            Server::builder()
                .add_service(WorkerServiceServer::new(service))
                .serve_with_incoming(TcpListenerStream::new(listener))
                .await
                .unwrap();
        });
        Self { address, content, attached, _server: server }
    }

    /// Waits for a worker to attach.
    pub(crate) async fn attached(&mut self) -> Attached {
        timeout(PATIENCE, self.attached.recv()).await.expect("no worker attaches").unwrap()
    }

    /// Waits for a worker to attach and accepts it.
    pub(crate) async fn welcomed(&mut self) -> Attached {
        let attached = self.attached().await;
        attached.welcome(1 << 20).await;
        attached
    }
}
