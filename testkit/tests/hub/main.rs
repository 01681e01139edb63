//! The stand-in Koji hub as its clients see it.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests may")]

mod faults;
mod process;
mod recordings;
mod sessions;
mod support;
mod tls;
mod uploads;
