//! Durable flows: steps that run once, whatever happens to the process.
//!
//! A **step** is a value whose fields are its inputs; a **plan** is an ordinary
//! async function that runs steps one after another or side by side. [`Flow`]
//! looks every step up in a [`Journal`] before it runs it, so that running the
//! plan again after a crash repeats nothing that had finished.
//!
//! [`event`] is the history of a build, [`state`] the pure rules about it.

pub mod event;
pub mod journal;
pub mod state;
pub mod step;

pub use journal::{Journal, JournalError, MemoryJournal, StepRecord};
pub use step::{Context, Flow, Policy, Stage, Step};
