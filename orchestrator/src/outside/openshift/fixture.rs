//! A small OpenShift in memory: stores what it is given and answers it again,
//! with faults by order.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri},
};
use common::retry::Patience;
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinSet};

use super::OpenShift;
use crate::config;

/// Eight tries without a wait worth mentioning.
pub(crate) const QUICK: Patience =
    Patience { attempts: 8, first_wait: Duration::from_millis(1), longest_wait: Duration::from_millis(2) };

/// Where the API's documents of the project are.
const PROJECT: &str = "/cluster/apis/image.openshift.io/v1/namespaces/images/";

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// Method and path below the project. Example: `PUT imagestreamtags/hello:latest`.
    pub(crate) what: String,
    pub(crate) authorization: String,
}

#[derive(Default)]
struct Inner {
    seen: Vec<Seen>,
    documents: BTreeMap<String, Value>,
    /// Answers to the next changes, instead of what they ask for.
    faults: VecDeque<u16>,
}

/// The cluster.
pub(crate) struct Cluster {
    address: String,
    inner: Arc<Mutex<Inner>>,
    _server: JoinSet<()>,
}

impl Cluster {
    pub(crate) async fn start() -> Self {
        common::service::install_crypto_provider();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = format!("http://{}/cluster/", listener.local_addr().unwrap());
        let inner = Arc::new(Mutex::new(Inner::default()));
        let router = Router::new().fallback(handle).with_state(inner.clone());
        let mut server = JoinSet::new();
        server.spawn(async move {
            let _ended = axum::serve(listener, router).await;
        });
        Self { address, inner, _server: server }
    }

    /// The site's section for this cluster.
    pub(crate) fn setting(&self) -> config::OpenShift {
        config::OpenShift {
            certificate_directory: None,
            url: Some(self.address.clone()),
            insecure: false,
            namespace: "images".to_owned(),
            token_file: None,
        }
    }

    /// A way to it that does not wait long.
    pub(crate) fn client(&self) -> OpenShift {
        OpenShift::of_site(&self.setting()).unwrap().unwrap().with_patience(QUICK)
    }

    pub(crate) fn put(&self, path: &str, document: Value) {
        self.inner.lock().unwrap().documents.insert(path.to_owned(), document);
    }

    pub(crate) fn document(&self, path: &str) -> Option<Value> {
        self.inner.lock().unwrap().documents.get(path).cloned()
    }

    pub(crate) fn fail(&self, statuses: impl IntoIterator<Item = u16>) {
        self.inner.lock().unwrap().faults.extend(statuses);
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.inner.lock().unwrap().seen.clone()
    }

    /// The changes that were asked for, in their order.
    pub(crate) fn changes(&self) -> Vec<String> {
        let changes = |seen: &Seen| !seen.what.starts_with("GET ");
        self.seen().into_iter().filter(changes).map(|seen| seen.what).collect()
    }
}

async fn handle(
    State(inner): State<Arc<Mutex<Inner>>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, Json<Value>) {
    let mut inner = inner.lock().unwrap();
    let path = uri.path().strip_prefix(PROJECT).unwrap_or("outside the project").replace("%3A", ":");
    let authorization = headers.get("authorization").map(|value| value.to_str().unwrap().to_owned());
    let authorization = authorization.unwrap_or_default();
    inner.seen.push(Seen { what: format!("{method} {path}"), authorization });
    if method == Method::GET {
        return match inner.documents.get(&path) {
            Some(document) => (StatusCode::OK, Json(document.clone())),
            None => (StatusCode::NOT_FOUND, Json(json!({ "kind": "Status", "message": "not found" }))),
        };
    }
    if let Some(fault) = inner.faults.pop_front() {
        let document = json!({ "kind": "Status", "message": "the cluster has a bad day" });
        return (StatusCode::from_u16(fault).unwrap(), Json(document));
    }
    let document: Value = serde_json::from_slice(&body).unwrap();
    let name = document["metadata"]["name"].as_str().unwrap().to_owned();
    let path = if method == Method::POST { format!("{path}/{name}") } else { path };
    inner.documents.insert(path, document.clone());
    (StatusCode::CREATED, Json(document))
}
