//! The service over a hub of the test kit: gRPC in, XML-RPC out.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod imports;
mod life;
mod queries;
mod reservations;
mod support;
mod tags;
mod tasks;
mod uploads;
