//! Sessions with a hub that plays by a script, and the recorded traffic of real
//! hubs.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod files;
mod golden;
mod life;
mod own_requests;
mod rules;
mod script;
mod secrets;
mod tls;
