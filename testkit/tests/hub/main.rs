//! The stand-in Koji hub as its clients see it.

mod faults;
mod process;
mod recordings;
mod sessions;
mod support;
mod tls;
mod uploads;
