//! What a test tells a hub that runs as a process of its own: `/admin/faults`,
//! `/admin/offline`, `/admin/calls`.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Body,
    http::{Method, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use serde::Deserialize;

use super::{
    engine::Engine,
    faults::{FaultOrder, Offline},
};

/// Longest order in bytes.
const LONGEST: usize = 65_536;

/// How long the hub is offline.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct OfflineOrder {
    /// `None`: until told otherwise.
    seconds: Option<f64>,
}

/// Answers a request. `what` is what follows `/admin/`.
pub(super) async fn serve(engine: &Arc<Engine>, what: &str, method: &Method, body: Body) -> Response {
    let Ok(text) = axum::body::to_bytes(body, LONGEST).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    match (method, what) {
        (&Method::POST, "faults") => match serde_json::from_slice::<FaultOrder>(&text) {
            Ok(order) => {
                engine.order(order);
                StatusCode::NO_CONTENT.into_response()
            }
            Err(error) => (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
        },
        (&Method::DELETE, "faults") => {
            engine.inner().orders.clear();
            StatusCode::NO_CONTENT.into_response()
        }
        (&Method::POST, "offline") => {
            let text: &[u8] = if text.is_empty() { b"{}" } else { &text };
            match serde_json::from_slice::<OfflineOrder>(text) {
                Ok(order) => {
                    let time = order.seconds.and_then(|time| Duration::try_from_secs_f64(time).ok());
                    engine.inner().offline = Offline::after(time);
                    StatusCode::NO_CONTENT.into_response()
                }
                Err(error) => (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
            }
        }
        (&Method::DELETE, "offline") => {
            engine.inner().offline = Offline::No;
            StatusCode::NO_CONTENT.into_response()
        }
        (&Method::GET, "calls") => match serde_json::to_string(&engine.inner().calls) {
            Ok(calls) => ([(header::CONTENT_TYPE, "application/json")], calls).into_response(),
            Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
        },
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}
