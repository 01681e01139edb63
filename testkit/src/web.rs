//! A web server in memory: files by path, faults by order, a record of all
//! requests.

use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    response::{IntoResponse as _, Response},
};
use bytes::Bytes;
use tokio::{net::TcpListener, task::JoinSet};
use url::Url;

use crate::registry::answer::{cut, status_answer};
pub use crate::registry::{Effect, Fault, RecordedRequest};

/// Largest body of a request that is kept, in bytes; of a larger one nothing is.
const MAX_BODY: usize = 16 * 1024 * 1024;

/// A web server in memory. It stops when this is dropped.
#[derive(Debug)]
pub struct WebServer {
    origin: String,
    inner: Arc<Mutex<Content>>,
    _server: JoinSet<()>,
}

#[derive(Debug, Default)]
struct Content {
    files: HashMap<String, Bytes>,
    redirects: HashMap<String, String>,
    faults: Vec<Fault>,
    requests: Vec<RecordedRequest>,
    bodies: Vec<Bytes>,
    trickle: Option<Duration>,
}

fn lock(content: &Mutex<Content>) -> MutexGuard<'_, Content> {
    content.lock().unwrap_or_else(PoisonError::into_inner)
}

impl WebServer {
    /// Starts a server on a free port of the loopback interface.
    ///
    /// # Errors
    /// No port is to be had.
    pub async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let origin = format!("http://{}", listener.local_addr()?);
        let inner = Arc::new(Mutex::<Content>::default());
        let router = Router::new().fallback(handle).with_state(Arc::clone(&inner));
        let mut server = JoinSet::new();
        server.spawn(async move {
            // Serving ends with the server, not by itself.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { origin, inner, _server: server })
    }

    /// Address without a path. Example: `http://127.0.0.1:41873`.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Host and port. Example: `127.0.0.1:41873`.
    pub fn host(&self) -> &str {
        self.origin.trim_start_matches("http://")
    }

    /// Address of a path that begins with a slash.
    ///
    /// # Errors
    /// The path cannot be one.
    pub fn url(&self, path: &str) -> Result<Url, url::ParseError> {
        Url::parse(&format!("{}{path}", self.origin))
    }

    /// Puts a file at a path; the path as it is on the wire.
    pub fn put(&self, path: &str, content: impl Into<Bytes>) {
        lock(&self.inner).files.insert(path.to_owned(), content.into());
    }

    /// Sends who asks for a path to another address.
    pub fn redirect(&self, path: &str, to: &str) {
        lock(&self.inner).redirects.insert(path.to_owned(), to.to_owned());
    }

    /// From now on a second byte of each file comes only after so long.
    pub fn trickle(&self, wait: Duration) {
        lock(&self.inner).trickle = Some(wait);
    }

    /// Orders a fault. Of several that match, the first one strikes.
    pub fn add_fault(&self, fault: Fault) {
        lock(&self.inner).faults.push(fault);
    }

    /// All requests so far, in the order in which they came.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        lock(&self.inner).requests.clone()
    }

    /// The bodies of all requests so far, in the same order.
    pub fn bodies(&self) -> Vec<Bytes> {
        lock(&self.inner).bodies.clone()
    }

    /// Number of requests whose path contains a text.
    pub fn count(&self, path: &str) -> usize {
        lock(&self.inner).requests.iter().filter(|request| request.path.contains(path)).count()
    }
}

async fn handle(State(inner): State<Arc<Mutex<Content>>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, MAX_BODY).await.unwrap_or_default();
    let path = parts.uri.path().to_owned();
    let (effect, right, trickle) = {
        let mut content = lock(&inner);
        content.requests.push(RecordedRequest {
            method: parts.method.clone(),
            path: path.clone(),
            query: parts.uri.query().unwrap_or_default().to_owned(),
            headers: parts.headers.clone(),
        });
        content.bodies.push(body);
        let effect = Fault::strike(&mut content.faults, &parts.method, &path);
        let right = match (content.redirects.get(&path), content.files.get(&path)) {
            (Some(to), _) => status_answer(302, &[("location", to.clone())], ""),
            (None, Some(file)) => Response::new(Body::from(file.clone())),
            (None, None) => status_answer(404, &[], "no such file"),
        };
        (effect, right, content.trickle)
    };
    match effect {
        Some(Effect::Status(status, headers, body)) => status_answer(status, &headers, body),
        Some(Effect::Silence) => std::future::pending().await,
        Some(Effect::Redirect(origin)) => status_answer(307, &[("location", format!("{origin}{path}"))], ""),
        Some(Effect::CutAnswer(after)) => cut(right, after),
        Some(Effect::Body(bytes)) => bytes.into_response(),
        _ => match trickle {
            Some(wait) => slowly(right, wait),
            None => right,
        },
    }
}

/// The same answer, byte by byte.
fn slowly(response: Response, wait: Duration) -> Response {
    let (parts, body) = response.into_parts();
    let bytes = futures::stream::once(axum::body::to_bytes(body, usize::MAX));
    let slow = futures::StreamExt::flat_map(bytes, move |whole| {
        let whole = whole.unwrap_or_default();
        futures::stream::unfold(0, move |at| {
            let byte = whole.get(at..=at).map(Bytes::copy_from_slice);
            async move {
                let byte = byte?;
                if at > 0 {
                    tokio::time::sleep(wait).await;
                }
                Some((Ok::<_, io::Error>(byte), at + 1))
            }
        })
    });
    Response::from_parts(parts, Body::from_stream(slow))
}
