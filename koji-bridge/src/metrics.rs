//! What the bridge counts, in the text form that Prometheus reads.
//!
//! Labels have few values: the calls of the contract and the codes of gRPC.

use std::{sync::Arc, time::Duration};

use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};
use tonic::Code;

use crate::session::HubState;

/// Upper bounds of durations, in seconds: from a look-up to a long import.
const BOUNDS: [f64; 9] = [0.01, 0.05, 0.25, 1.0, 5.0, 15.0, 60.0, 300.0, 1800.0];

/// Names of a session's states.
const STATES: [&str; 4] = ["logged_out", "connected", "offline", "unreachable"];

/// The bridge's counters. Clones count together.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Arc<Registry>,
    requests: Family<Request, Counter>,
    durations: Family<Method, Histogram>,
    states: Family<State, Gauge>,
    uploaded: Counter,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    method: &'static str,
    code: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Method {
    method: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct State {
    state: &'static str,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("koji");
        let requests = Family::<Request, Counter>::default();
        let durations = Family::<Method, Histogram>::new_with_constructor(|| Histogram::new(BOUNDS));
        let states = Family::<State, Gauge>::default();
        let uploaded = Counter::default();
        registry.register("requests", "Calls of the bridge by method and gRPC code", requests.clone());
        registry.register(
            "request_duration_seconds",
            "How long calls took; of streams, until their beginning",
            durations.clone(),
        );
        registry.register("session_state", "1 for the state that the hub is in", states.clone());
        registry.register("uploaded_bytes", "Bytes of files that went to the hub", uploaded.clone());
        Self { registry: Arc::new(registry), requests, durations, states, uploaded }
    }
}

impl Metrics {
    /// Counts a call that has ended.
    pub fn count(&self, method: &'static str, code: Code, took: Duration) {
        let code = format!("{code:?}");
        self.requests.get_or_create(&Request { method, code }).inc();
        self.durations.get_or_create(&Method { method }).observe(took.as_secs_f64());
    }

    /// Tells the state of the hub.
    pub fn set_state(&self, state: &HubState) {
        let now = match state {
            HubState::LoggedOut => STATES[0],
            HubState::Connected => STATES[1],
            HubState::Offline { .. } => STATES[2],
            HubState::Unreachable { .. } => STATES[3],
        };
        for state in STATES {
            self.states.get_or_create(&State { state }).set(i64::from(state == now));
        }
    }

    /// Counts bytes of a file that the hub has taken.
    pub fn count_uploaded(&self, bytes: u64) {
        self.uploaded.inc_by(bytes);
    }

    /// All of it as text.
    pub fn text(&self) -> String {
        let mut text = String::new();
        if text::encode(&mut text, &self.registry).is_err() {
            // Only what cannot be formatted; there is no such thing in it.
            text.clear();
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happened_is_counted() {
        let metrics = Metrics::default();
        metrics.count("FindBuild", Code::Ok, Duration::from_millis(20));
        metrics.clone().count("FindBuild", Code::NotFound, Duration::from_millis(20));
        metrics.count_uploaded(7);
        metrics.set_state(&HubState::Connected);
        let text = metrics.text();
        for line in [
            "koji_requests_total{method=\"FindBuild\",code=\"Ok\"} 1",
            "koji_requests_total{method=\"FindBuild\",code=\"NotFound\"} 1",
            "koji_request_duration_seconds_bucket{le=\"0.05\",method=\"FindBuild\"} 2",
            "koji_request_duration_seconds_count{method=\"FindBuild\"} 2",
            "koji_session_state{state=\"connected\"} 1",
            "koji_session_state{state=\"offline\"} 0",
            "koji_uploaded_bytes_total 7",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in:\n{text}");
        }
    }
}
