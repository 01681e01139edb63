//! The programs as processes, with a real engine, a real registry and real git.
//!
//! Run by `testkit/test.sh`, which starts what is needed and says where it is:
//! `TESTKIT_REGISTRY` has the base images, `TESTKIT_GIT` serves the samples, and
//! `TESTKIT_KOJI` is the official Koji client.

#![allow(clippy::expect_used, clippy::print_stderr, clippy::disallowed_methods, reason = "tests may")]

mod deaths;
mod factory;
mod failures;
mod image;
mod interruptions;
mod koji;
mod people;
mod remotes;
mod repositories;
