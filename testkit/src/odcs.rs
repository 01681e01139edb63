//! ODCS in memory: the part of its interface (version 1) that builds use, with
//! faults by order and a record of what was asked for.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    response::{IntoResponse as _, Response},
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinSet};

use crate::registry::answer::{cut, status_answer};
pub use crate::registry::{Effect, Fault};

/// Requests with longer bodies are refused.
const MAX_BODY_BYTES: usize = 1 << 20;

/// A request as it came.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// Method. Example: `POST`.
    pub method: String,
    /// Path. Example: `/api/1/composes/3`.
    pub path: String,
    /// The `Authorization` header; may be empty.
    pub authorization: String,
    /// The body; null when there was none.
    pub body: Value,
}

/// ODCS in memory. It stops when this is dropped.
#[derive(Debug)]
pub struct InMemoryOdcs {
    api_url: String,
    inner: Arc<Mutex<Content>>,
    _server: JoinSet<()>,
}

#[derive(Debug, Default)]
struct Content {
    composes: BTreeMap<u64, Value>,
    /// States that a compose goes through: each look at it takes one.
    states: BTreeMap<u64, Vec<String>>,
    /// What answers to new requests are changed by.
    template: Value,
    /// States that each new compose goes through.
    course: Vec<String>,
    faults: Vec<Fault>,
    calls: Vec<Call>,
}

fn lock(content: &Mutex<Content>) -> MutexGuard<'_, Content> {
    content.lock().unwrap_or_else(PoisonError::into_inner)
}

impl InMemoryOdcs {
    /// Starts a server on a free port of the loopback interface. New composes are
    /// done at the second look.
    ///
    /// # Errors
    /// No port is to be had.
    pub async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let api_url = format!("http://{}/api/1", listener.local_addr()?);
        let content =
            Content { course: vec!["generating".to_owned(), "done".to_owned()], ..Content::default() };
        let inner = Arc::new(Mutex::new(content));
        let router = Router::new().fallback(handle).with_state(Arc::clone(&inner));
        let mut server = JoinSet::new();
        server.spawn(async move {
            // Serving ends with the server, not by itself.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { api_url, inner, _server: server })
    }

    /// Address of the interface, without a slash at the end.
    pub fn api_url(&self) -> &str {
        &self.api_url
    }

    /// Puts a compose there. What `fields` does not say is made up: it is done,
    /// and does not expire soon.
    pub fn put(&self, id: u64, fields: &Value) {
        let mut compose = made_up(id);
        merge(&mut compose, fields);
        lock(&self.inner).composes.insert(id, compose);
    }

    /// The states that a compose goes through; each look at it takes one.
    pub fn course(&self, id: u64, states: &[&str]) {
        let states = states.iter().rev().map(|&state| state.to_owned()).collect();
        lock(&self.inner).states.insert(id, states);
    }

    /// The states that new composes go through.
    pub fn new_course(&self, states: &[&str]) {
        lock(&self.inner).course = states.iter().map(|&state| state.to_owned()).collect();
    }

    /// Fields that new composes have whatever was asked for.
    pub fn new_fields(&self, fields: Value) {
        lock(&self.inner).template = fields;
    }

    /// Orders a fault. Of several that match, the first one strikes.
    pub fn add_fault(&self, fault: Fault) {
        lock(&self.inner).faults.push(fault);
    }

    /// All requests so far, in the order in which they came.
    pub fn calls(&self) -> Vec<Call> {
        lock(&self.inner).calls.clone()
    }

    /// The requests so far with this method.
    pub fn calls_of(&self, method: &str) -> Vec<Call> {
        self.calls().into_iter().filter(|call| call.method == method).collect()
    }
}

fn made_up(id: u64) -> Value {
    json!({
        "id": id,
        "state_name": "done",
        "state_reason": "",
        "source": "",
        "arches": "",
        "sigkeys": "",
        "result_repofile": format!("http://odcs.example.org/composes/odcs-{id}.repo"),
        "time_to_expire": "2199-01-01T00:00:00Z",
    })
}

/// A compose as the interface sends it: the state as number and as name. Which
/// of the two comes first depends on the number, for readers must take both.
fn told(compose: &Value) -> String {
    let name = compose["state_name"].as_str().unwrap_or_default();
    let number = ["wait", "generating", "done", "removed", "failed"].iter().position(|known| *known == name);
    let mut fields: Vec<String> = compose
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(key, _)| !matches!(key.as_str(), "state" | "state_name"))
        .map(|(key, value)| format!("{}: {value}", json!(key)))
        .collect();
    let mut states =
        [format!("\"state\": {}", number.unwrap_or(5)), format!("\"state_name\": {}", json!(name))];
    if compose["id"].as_u64().is_some_and(|id| id % 2 == 1) {
        states.reverse();
    }
    fields.extend(states);
    format!("{{{}}}", fields.join(", "))
}

fn merge(compose: &mut Value, fields: &Value) {
    for (key, value) in fields.as_object().into_iter().flatten() {
        compose[key] = value.clone();
    }
}

async fn handle(State(inner): State<Arc<Mutex<Content>>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, MAX_BODY_BYTES).await.unwrap_or_default();
    let path = parts.uri.path().to_owned();
    let authorization = parts.headers.get("authorization").and_then(|value| value.to_str().ok());
    let call = Call {
        method: parts.method.to_string(),
        path: path.clone(),
        authorization: authorization.unwrap_or_default().to_owned(),
        body: serde_json::from_slice(&body).unwrap_or_default(),
    };
    let (effect, right) = {
        let mut content = lock(&inner);
        content.calls.push(call.clone());
        let effect = Fault::strike(&mut content.faults, &parts.method, &path);
        let right = match effect {
            // The request is not acted on.
            Some(Effect::Status(..) | Effect::Silence) => Value::Null,
            _ => content.answer(&call),
        };
        (effect, right)
    };
    let right = if right.is_null() {
        status_answer(404, &[], "no such compose")
    } else {
        Response::new(Body::from(told(&right)))
    };
    match effect {
        Some(Effect::Status(status, headers, body)) => status_answer(status, &headers, body),
        Some(Effect::Silence) => std::future::pending().await,
        Some(Effect::CutAnswer(after)) => cut(right, after),
        Some(Effect::Redirect(origin)) => status_answer(307, &[("location", format!("{origin}{path}"))], ""),
        Some(Effect::Body(bytes)) => bytes.into_response(),
        _ => right,
    }
}

impl Content {
    fn next_id(&self) -> u64 {
        self.composes.keys().last().map_or(1, |last| last + 1)
    }

    /// The answer to a call; null when there is none.
    fn answer(&mut self, call: &Call) -> Value {
        let rest = call.path.trim_start_matches("/api/1/composes").trim_start_matches('/');
        match (call.method.as_str(), rest.parse::<u64>()) {
            ("POST", Err(_)) if rest.is_empty() => self.begin(&call.body),
            ("GET", Ok(id)) => {
                let next = self.states.get_mut(&id).and_then(Vec::pop);
                let Some(compose) = self.composes.get_mut(&id) else { return Value::Null };
                if let Some(state) = next {
                    compose["state_name"] = state.into();
                }
                compose.clone()
            }
            ("PATCH", Ok(id)) => {
                let Some(mut compose) = self.composes.get(&id).cloned() else { return Value::Null };
                let next = self.next_id();
                merge(
                    &mut compose,
                    &json!({
                        "id": next,
                        "state_name": "wait",
                        "time_to_expire": "2199-01-01T00:00:00Z",
                        "result_repofile": format!("http://odcs.example.org/composes/odcs-{next}.repo"),
                    }),
                );
                self.keep(next, compose)
            }
            _ => Value::Null,
        }
    }

    fn begin(&mut self, body: &Value) -> Value {
        let id = self.next_id();
        let words = |value: &Value| -> String {
            let words = value.as_array().into_iter().flatten().filter_map(Value::as_str);
            words.collect::<Vec<_>>().join(" ")
        };
        let mut compose = made_up(id);
        merge(
            &mut compose,
            &json!({
                "state_name": "wait",
                "source": body["source"]["source"],
                "sigkeys": words(&body["source"]["sigkeys"]),
                "arches": words(&body["arches"]),
            }),
        );
        let template = self.template.clone();
        merge(&mut compose, &template);
        self.keep(id, compose)
    }

    fn keep(&mut self, id: u64, compose: Value) -> Value {
        self.composes.insert(id, compose.clone());
        self.states.insert(id, self.course.iter().rev().cloned().collect());
        compose
    }
}
