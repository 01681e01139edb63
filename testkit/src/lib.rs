//! Real servers and made-up inputs for the tests of the other crates.

pub mod git;
