//! A hub on loopback that answers by a script and writes down what it was asked.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use bytes::Bytes;
use common::secret::Secret;
use koji_bridge::{
    session::{HubSettings, Login, Session},
    xmlrpc::{Call, Fault, Value, write_answer},
};
use tokio::{net::TcpListener, task::JoinSet};
use url::Url;

pub(crate) const PASSWORD: &str = "hunter2-password";
pub(crate) const KEY: &str = "7-SecretSecretSecret";

/// What the hub does with a request.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// A result.
    Is(Value),
    /// A fault.
    Fault(i64, &'static str),
    /// Another status and a page.
    Status(u16, &'static str),
    /// The answer breaks off.
    Cut,
    /// Something that is no XML-RPC.
    Garbage,
    /// A page that repeats the address.
    Echo(u16),
    /// No answer at all.
    Hang,
}

/// One request as it came in.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

#[derive(Debug, Default)]
struct Script {
    logins: VecDeque<Reply>,
    calls: VecDeque<Reply>,
    asked: Vec<Asked>,
    sessions: usize,
}

/// How the hub is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Generation {
    /// Session in headers; tells its version.
    Current,
    /// Session in headers; does not tell its version.
    Silent,
    /// Session in the address.
    Old,
}

#[derive(Clone)]
pub(crate) struct Hub {
    script: Arc<Mutex<Script>>,
    generation: Generation,
    busy: Arc<AtomicUsize>,
    /// Most requests that were under way at once.
    pub(crate) most_busy: Arc<AtomicUsize>,
    /// How long an answer takes.
    delay: Duration,
}

/// A hub that is up.
pub(crate) struct Running {
    pub(crate) hub: Hub,
    pub(crate) url: Url,
    _server: JoinSet<()>,
}

impl Hub {
    pub(crate) fn new(generation: Generation, logins: &[Reply], calls: &[Reply]) -> Self {
        let script = Script {
            logins: logins.iter().cloned().collect(),
            calls: calls.iter().cloned().collect(),
            ..Script::default()
        };
        let (busy, most_busy) = (Arc::default(), Arc::default());
        Self { script: Arc::new(Mutex::new(script)), generation, busy, most_busy, delay: Duration::ZERO }
    }

    pub(crate) fn slow(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    pub(crate) fn router(&self) -> Router {
        Router::new().fallback(answer).with_state(self.clone())
    }

    pub(crate) async fn start(self) -> Running {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/kojihub", listener.local_addr().unwrap()).parse().unwrap();
        let mut server = JoinSet::new();
        let router = self.router();
        server.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Running { hub: self, url, _server: server }
    }

    /// Puts replies at the end of the script.
    pub(crate) fn expect(&self, calls: &[Reply]) {
        self.script.lock().unwrap().calls.extend(calls.iter().cloned());
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.script.lock().unwrap().asked.clone()
    }

    /// What was asked, in short: `login`, `renew`, and for calls the session's
    /// number and the call's. Example: `login 1:0 1:0 renew 1:0`.
    pub(crate) fn course(&self) -> String {
        let words: Vec<_> = self.asked().iter().map(Asked::short).collect();
        words.join(" ")
    }
}

impl Running {
    pub(crate) fn settings(&self) -> HubSettings {
        settings(self.url.clone(), password())
    }

    pub(crate) fn session(&self) -> Session {
        Session::new(Arc::new(self.settings())).unwrap()
    }
}

pub(crate) fn password() -> Login {
    Login::Password { user: "osbs".to_owned(), password: Secret::new(PASSWORD) }
}

/// Settings with little patience.
pub(crate) fn settings(url: Url, login: Login) -> HubSettings {
    HubSettings {
        timeout: Duration::from_secs(20),
        max_retries: 3,
        retry_interval: Duration::from_millis(5),
        offline_interval: Duration::from_millis(5),
        ..HubSettings::new(url, login)
    }
}

impl Asked {
    pub(crate) fn call(&self) -> Option<Call> {
        Call::from_xml(&self.body).ok()
    }

    /// What names the session, wherever it is: its number, its key, the call's number.
    fn session(&self) -> Option<[String; 3]> {
        let header = |name: &str| self.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
        let query =
            |name: &str| self.query.iter().find(|(found, _)| found == name).map(|(_, value)| value.clone());
        let named = |header_name: &str, query_name: &str| header(header_name).or_else(|| query(query_name));
        assert_eq!(
            header("koji-session-callnum"),
            header("koji-callnum"),
            "hubs look at the one or the other"
        );
        Some([
            named("koji-session-id", "session-id")?,
            named("koji-session-key", "session-key")?,
            named("koji-session-callnum", "callnum")?,
        ])
    }

    fn short(&self) -> String {
        if let Some(call) = self.call()
            && matches!(&*call.method, "login" | "sslLogin")
        {
            return if call.arguments.named.contains_key("renew") { "renew" } else { "login" }.to_owned();
        }
        match self.session() {
            Some([id, _, number]) => format!("{id}:{number}"),
            None => "anonymous".to_owned(),
        }
    }
}

async fn answer(State(hub): State<Hub>, request: Request) -> Response {
    let busy = hub.busy.fetch_add(1, Ordering::SeqCst) + 1;
    hub.most_busy.fetch_max(busy, Ordering::SeqCst);
    let response = reply(&hub, request).await;
    hub.busy.fetch_sub(1, Ordering::SeqCst);
    response
}

async fn reply(hub: &Hub, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 24).await.unwrap();
    let address = parts.uri.to_string();
    let query = url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes());
    let query = query.into_owned().collect();
    let asked = Asked { path: parts.uri.path().to_owned(), query, headers: parts.headers, body };
    tokio::time::sleep(hub.delay).await;
    let reply = {
        let mut script = hub.script.lock().unwrap();
        let short = asked.short();
        let renews = asked.session().map(|[id, ..]| id);
        script.asked.push(asked);
        if matches!(&*short, "login" | "renew") {
            script.logins.pop_front().unwrap_or_else(|| {
                if short == "login" {
                    script.sessions += 1;
                }
                let id = renews.unwrap_or_else(|| script.sessions.to_string()).parse().unwrap();
                let mut members = std::collections::BTreeMap::from([
                    ("session-id".to_owned(), Value::Int(id)),
                    ("session-key".to_owned(), Value::from(KEY)),
                ]);
                if hub.generation != Generation::Old {
                    members.insert("header-auth".to_owned(), Value::Bool(true));
                }
                Reply::Is(Value::Struct(members))
            })
        } else {
            script.calls.pop_front().unwrap_or(Reply::Is(Value::Int(1)))
        }
    };
    let page = |status: u16, text: String| {
        let builder = Response::builder().status(StatusCode::from_u16(status).unwrap());
        builder.header("content-type", "text/html").body(Body::from(text)).unwrap()
    };
    let document = match reply {
        Reply::Is(value) => write_answer(&Ok(value)).unwrap(),
        Reply::Fault(code, text) => write_answer(&Err(Fault::new(code, text))).unwrap(),
        Reply::Status(status, text) => return page(status, text.to_owned()),
        Reply::Echo(status) => return page(status, format!("<p>cannot serve {address}</p>")),
        Reply::Garbage => "<html>this is no answer".to_owned(),
        Reply::Hang => {
            tokio::time::sleep(Duration::from_secs(600)).await;
            String::new()
        }
        Reply::Cut => {
            let part = futures::stream::iter([
                Ok(Bytes::from_static(b"<?xml")),
                Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset)),
            ]);
            let builder = Response::builder().header("content-length", "1000");
            return builder.body(Body::from_stream(part)).unwrap();
        }
    };
    let mut builder = Response::builder().header("content-type", "text/xml");
    if hub.generation == Generation::Current {
        builder = builder.header("koji-version", "1.35.3");
    }
    builder.body(Body::from(document)).unwrap()
}
