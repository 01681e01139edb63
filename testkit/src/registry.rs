//! A registry in memory: the OCI distribution protocol on a port of its own,
//! with logins, with faults by order, and with a record of all requests.

mod access;
pub(crate) mod answer;
mod content;
mod fault;
mod store;
pub(crate) mod wire;

use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{
    Router,
    http::{HeaderMap, Method},
};
use bytes::Bytes;
use common::{
    image::{Digest, Host},
    work::Descriptor,
};
use tokio::{net::TcpListener, task::JoinSet};

pub use self::{
    access::Auth,
    fault::{Effect, Fault},
};
use self::{access::Tokens, store::Store};

/// How the registry behaves from the start.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Who is let in, and how.
    pub auth: Auth,
    /// Whether `Location` headers are relative.
    pub relative_location: bool,
    /// The longest request body that is taken, in bytes; longer ones are answered with 413.
    pub max_body_bytes: Option<u64>,
    /// Tags on one page, whatever is asked for.
    pub tags_per_page: Option<usize>,
    /// What may be deleted.
    pub deletion: Deletion,
}

/// What a registry lets its users delete.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Deletion {
    /// Manifests and single tags.
    #[default]
    Everything,
    /// Manifests by digest, their tags with them; not a tag alone, as in docker-registry 2.8.
    ByDigest,
    /// Nothing.
    Nothing,
}

/// A request as it came.
#[derive(Debug, Clone)]
pub struct RecordedRequest {
    /// Method.
    pub method: Method,
    /// Path. Example: `/v2/a/b/manifests/latest`.
    pub path: String,
    /// Query without the question mark; may be empty.
    pub query: String,
    /// Headers.
    pub headers: HeaderMap,
}

impl RecordedRequest {
    /// A header's value, if it is there and text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// A registry in memory. It stops when this is dropped.
#[derive(Debug)]
pub struct InMemoryRegistry {
    host: Host,
    inner: Arc<Inner>,
    _server: JoinSet<()>,
}

#[derive(Debug)]
struct Inner {
    options: Options,
    origin: String,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    store: Store,
    tokens: Tokens,
    faults: Vec<Fault>,
    requests: Vec<RecordedRequest>,
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl InMemoryRegistry {
    /// Starts a registry on a free port of the loopback interface.
    ///
    /// # Errors
    /// No port is to be had.
    pub async fn start(options: Options) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?.to_string();
        let host = address.parse().map_err(io::Error::other)?;
        let origin = format!("http://{address}");
        let inner = Arc::new(Inner { options, origin, state: Mutex::default() });
        let router = Router::new().fallback(answer::handle).with_state(Arc::clone(&inner));
        let service = router.into_make_service_with_connect_info::<wire::Scissors>();
        let mut server = JoinSet::new();
        server.spawn(async move {
            // Serving ends with the registry, not by itself.
            let _ = axum::serve(wire::Wires(listener), service).await;
        });
        Ok(Self { host, inner, _server: server })
    }

    /// Host and port, for image references.
    pub fn host(&self) -> Host {
        self.host.clone()
    }

    /// Address without a path. Example: `http://127.0.0.1:41873`.
    pub fn origin(&self) -> &str {
        &self.inner.origin
    }

    /// All requests so far, in the order in which they came.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.inner.state().requests.clone()
    }

    /// Number of requests with this method whose path contains a text.
    pub fn count(&self, method: &str, path: &str) -> usize {
        let state = self.inner.state();
        state.requests.iter().filter(|r| r.method.as_str() == method && r.path.contains(path)).count()
    }

    /// Forgets the requests so far.
    pub fn forget_requests(&self) {
        self.inner.state().requests.clear();
    }

    /// Orders a fault. Of several that match, the first one strikes.
    pub fn add_fault(&self, fault: Fault) {
        self.inner.state().faults.push(fault);
    }

    /// Makes all tokens worthless, as if they had expired.
    pub fn revoke_tokens(&self) {
        self.inner.state().tokens.revoke();
    }

    /// Stores a blob.
    pub fn put_blob(&self, repository: &str, content: impl Into<Bytes>) -> Digest {
        self.inner.state().store.put_blob(repository, content.into())
    }

    /// Stores a manifest or index without looking at it, under a tag if one is given.
    pub fn put_manifest(
        &self,
        repository: &str,
        tag: Option<&str>,
        media_type: &str,
        content: impl Into<Bytes>,
    ) -> Descriptor {
        let content = content.into();
        let size = content.len() as u64;
        let digest = self.inner.state().store.put_manifest(repository, tag, media_type, content);
        Descriptor { media_type: media_type.to_owned(), digest, size }
    }

    /// A blob's content.
    pub fn blob(&self, repository: &str, digest: &Digest) -> Option<Bytes> {
        self.inner.state().store.blob(repository, digest).cloned()
    }

    /// Media type and content of what a tag or digest names.
    pub fn manifest(&self, repository: &str, reference: &str) -> Option<(String, Bytes)> {
        self.inner.state().store.manifest(repository, reference).map(|(_, found)| found.clone())
    }

    /// The tags of a repository, each with the digest that it is on.
    pub fn tags(&self, repository: &str) -> HashMap<String, Digest> {
        let state = self.inner.state();
        state.store.tags(repository).map(|(tag, digest)| (tag.to_owned(), digest.clone())).collect()
    }

    /// Number of uploads that were begun and neither finished nor cancelled.
    pub fn open_uploads(&self) -> usize {
        self.inner.state().store.uploads.len()
    }
}
