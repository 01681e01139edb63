//! Requests and answers: which address means what, and what HTTP says about calls.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::{ConnectInfo, Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use koji_bridge::xmlrpc::{Answer, Arguments, Call};

use super::{
    admin,
    authority::ClientCertificates,
    connection::Peer,
    context::Connection,
    credentials::Credentials,
    engine::{Engine, Outcome, UPLOAD},
    faults::Effect,
    files, raw_upload, wire,
};

/// The address of the hub.
pub(super) const HUB: &str = "/kojihub";
/// The address of logins.
pub(super) const LOGIN: &str = "/kojihub/ssllogin";
/// The address below which the hub's files are.
pub(super) const FILES: &str = "/kojifiles";

/// What a server says that asks for certificates of clients too late for them.
const TOO_LATE: &str = "<h1>Forbidden</h1>\n<p>You don't have permission to access this resource.\
    Reason: Cannot perform Post-Handshake Authentication.<br /></p>\n";

/// Longest delay that an order can ask for, in milliseconds.
const LONGEST_DELAY: u64 = 600_000;
/// Wait between two looks whether a session's earlier call has ended.
const GLANCE: Duration = Duration::from_millis(5);

/// Whatever a handler needs to know of a request.
struct Asked {
    query: Vec<(String, String)>,
    headers: HeaderMap,
    connection: Connection,
    peer: Peer,
}

pub(super) async fn handle(
    State(engine): State<Arc<Engine>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().trim_end_matches('/').to_owned();
    if let Some(rest) = path.strip_prefix(FILES) {
        return files::serve(&engine.top_directory, rest, &parts.method, &parts.headers).await;
    }
    if let Some(rest) = path.strip_prefix("/admin/") {
        return admin::serve(&engine, rest, &parts.method, body).await;
    }
    if path != HUB && path != LOGIN {
        return html(StatusCode::NOT_FOUND, "<h1>Not Found</h1>\n");
    }
    let query = parts.uri.query().unwrap_or_default();
    let mut asked = Asked {
        query: url::form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
        headers: parts.headers,
        connection: Connection {
            login_address: path == LOGIN,
            certificate: peer.common_name.clone(),
            subject: peer.subject.clone(),
            ..Connection::default()
        },
        peer,
    };
    let mut response = match guard(&engine, &mut asked) {
        Some(refused) => refused,
        None => hub(&engine, &parts.method, asked, body).await,
    };
    let version = engine.settings.version.as_deref().and_then(|text| HeaderValue::from_str(text).ok());
    if let Some(version) = version {
        response.headers_mut().insert("Koji-Version", version);
    }
    response
}

/// What the web server in front of the hub wants at the address of logins.
fn guard(engine: &Engine, asked: &mut Asked) -> Option<Response> {
    if !asked.connection.login_address {
        return None;
    }
    let settings = &engine.settings;
    if let Some(principal) = &settings.gssapi_principal {
        let authorization = asked.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let Some(token) = authorization.and_then(|value| value.strip_prefix("Negotiate ")) else {
            let mut response = html(StatusCode::UNAUTHORIZED, "<h1>Unauthorized</h1>\n");
            let value = HeaderValue::from_static("Negotiate");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, value);
            return Some(response);
        };
        let text = STANDARD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let named = text.filter(|text| text.contains('@') && !text.contains(char::is_control));
        asked.connection.principal = Some(named.unwrap_or_else(|| principal.clone()));
        return None;
    }
    let late = settings.client_certificates == ClientCertificates::AskedLate;
    (late && asked.connection.certificate.is_none()).then(|| html(StatusCode::FORBIDDEN, TOO_LATE))
}

async fn hub(engine: &Arc<Engine>, method: &Method, asked: Asked, body: Body) -> Response {
    if method != Method::POST {
        let text = "Method Not Allowed\nThis is an XML-RPC server. Only POST requests are accepted.\n";
        let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, text.to_owned());
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
        return response;
    }
    let kind = asked.headers.get(header::CONTENT_TYPE);
    if kind.is_some_and(|kind| kind == "application/octet-stream") {
        return upload(engine, asked, body).await;
    }
    let Ok(document) = axum::body::to_bytes(body, engine.settings.max_request).await else {
        return bad_request("Request too long");
    };
    if document.is_empty() {
        return bad_request("Empty request");
    }
    let call = match Call::from_xml(&document) {
        Ok(call) => call,
        Err(error) => return bad_request(&wire::complaint(&document, &error)),
    };
    let effect = engine.strike(&call);
    if let Some(response) = instead(effect.as_ref()) {
        return response;
    }
    let credentials = Credentials::read(&asked.headers, &asked.query, &engine.settings);
    let session = credentials.as_ref().ok().and_then(|named| named.as_ref()).map(|named| named.session);
    if let Some(session) = session {
        // The database has one transaction of a session after the other.
        while engine.inner().outliving.contains(&session) {
            tokio::time::sleep(GLANCE).await;
        }
    }
    if let Some(Effect::Outlive(milliseconds)) = effect {
        engine.inner().outliving.extend(session);
        let (engine, connection) = (Arc::clone(engine), asked.connection);
        let wait = Duration::from_millis(milliseconds.min(LONGEST_DELAY));
        // It holds the engine, for whose release a hub waits that is stopped.
        let carried_out = move || {
            engine.execute(&call, credentials, connection, None);
            if let Some(session) = session {
                engine.inner().outliving.remove(&session);
            }
        };
        let runtime = tokio::runtime::Handle::current();
        drop(tokio::task::spawn_blocking(move || {
            runtime.block_on(tokio::time::sleep(wait));
            carried_out();
        }));
        return lost(&asked.peer);
    }
    let (shared, ordered) = (Arc::clone(engine), effect.clone());
    let connection = asked.connection;
    let carried_out =
        tokio::task::spawn_blocking(move || shared.execute(&call, credentials, connection, ordered.as_ref()));
    match carried_out.await {
        Ok(Outcome::Answered(answer)) => answered(&answer, effect.as_ref()).await,
        Ok(Outcome::Lost) | Err(_) => lost(&asked.peer),
    }
}

async fn upload(engine: &Arc<Engine>, asked: Asked, body: Body) -> Response {
    let effect = engine.strike(&Call::new(UPLOAD, Arguments::none()));
    if let Some(response) = instead(effect.as_ref()) {
        return response;
    }
    let credentials = Credentials::read(&asked.headers, &asked.query, &engine.settings);
    let named = credentials.as_ref().ok().cloned().flatten();
    let caller = engine.admit_upload(credentials, effect.as_ref());
    let admitted = caller.as_ref().ok().copied();
    let received = raw_upload::receive(engine, caller, &asked.query, body, effect.as_ref()).await;
    let fault = match &received {
        Ok(Err(fault)) => Some(fault.code),
        _ => None,
    };
    engine.inner().record(UPLOAD, named.as_ref(), admitted, fault);
    match (received, &effect) {
        (Err(raw_upload::Broken), _) | (_, Some(Effect::DropAnswer | Effect::DropBeforeCommit)) => {
            lost(&asked.peer)
        }
        (Ok(answer), _) => answered(&answer, effect.as_ref()).await,
    }
}

/// What comes in place of a call that is not even carried out.
fn instead(effect: Option<&Effect>) -> Option<Response> {
    match effect? {
        Effect::Status(code) => {
            let status = StatusCode::from_u16(*code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            Some(plain(status, "Internal Server Error\n".to_owned()))
        }
        Effect::BadGateway => Some(html(StatusCode::BAD_GATEWAY, "<h1>Proxy Error</h1>\n")),
        _ => None,
    }
}

async fn answered(answer: &Answer, effect: Option<&Effect>) -> Response {
    let mut document = wire::answer(answer);
    match effect {
        Some(Effect::Delay(milliseconds)) => {
            tokio::time::sleep(Duration::from_millis((*milliseconds).min(LONGEST_DELAY))).await;
        }
        Some(Effect::PoisonedAnswer) => document = wire::poisoned(&document),
        _ => {}
    }
    ([(header::CONTENT_TYPE, "text/xml")], document).into_response()
}

/// Cuts the connection: the answer goes nowhere.
fn lost(peer: &Peer) -> Response {
    peer.scissors.cut();
    StatusCode::INTERNAL_SERVER_ERROR.into_response()
}

fn bad_request(text: &str) -> Response {
    let mut response = plain(StatusCode::BAD_REQUEST, format!("Invalid request: {text}\n"));
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

fn plain(status: StatusCode, text: String) -> Response {
    (status, [(header::CONTENT_TYPE, "text/plain")], text).into_response()
}

/// A page as a web server in front of the hub makes it.
pub(super) fn html(status: StatusCode, inner: &str) -> Response {
    let title = format!("{} {}", status.as_u16(), status.canonical_reason().unwrap_or_default());
    let page = format!("<html><head>\n<title>{title}</title>\n</head><body>\n{inner}</body></html>\n");
    (status, [(header::CONTENT_TYPE, "text/html; charset=iso-8859-1")], page).into_response()
}
