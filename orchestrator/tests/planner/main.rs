//! What people of the former system expect of a plan: the cases that its tests
//! knew, and the whole seed, against the catalogue and whole dry runs. Each row
//! carries the number of its case.

#![allow(clippy::unwrap_used, clippy::panic, reason = "whatever fails here is a failed test")]

mod explained;
mod golden;
mod koji;
mod layers;
mod names;
mod repository;
mod site;
mod steps;
mod tags;
mod workers;
mod world;
