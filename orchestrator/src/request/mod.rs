//! What a user asks for, before anything is planned.
//!
//! `validate` has the rules that a request keeps by itself, whoever made it and
//! however it came. `user_params` reads the parameters that the system of 2018
//! handed to its pods, and says of each what became of it; `replay` makes a
//! request from the whole environment of such a pod.

pub mod replay;
pub mod user_params;
pub mod validate;

#[cfg(test)]
mod properties;
