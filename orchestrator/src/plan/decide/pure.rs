//! Steps whose work is a pure function of what was decided before.
//!
//! They are steps because people look for them in the history and because a
//! failure belongs to somebody. What they make can be large (a Dockerfile for each
//! platform) and can be made again at any time, so the history keeps its digest.

use common::{
    failure::{Failure, FailureClass},
    flow::{Context, Stage, Step},
    image::Digest,
};
use serde::Serialize;

use crate::services::PlanServices;

/// The digest of what a pure function made, as JSON.
pub(super) fn digest(made: &impl Serialize) -> Result<Digest, Failure> {
    let json = serde_json::to_vec(made)
        .map_err(|error| Failure::from_error(FailureClass::Internal, "flow.unserializable", &error))?;
    Ok(Digest::of(&json))
}

macro_rules! pure_steps {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => { $(
        $(#[$doc])*
        #[derive(Serialize)]
        pub(super) struct $name {
            /// What came of it, as text: a digest, or what is wrong.
            came: String,
            #[serde(skip)]
            outcome: Result<Digest, Failure>,
        }

        impl Step<PlanServices> for $name {
            const NAME: &'static str = $text;
            const STAGE: Stage = Stage::Prepare;
            type Output = Digest;

            async fn run(&self, _: &Context<'_, PlanServices>) -> Result<Digest, Failure> {
                self.outcome.clone()
            }
        }

        impl $name {
            /// The step for an outcome.
            pub(super) fn of<T: Serialize>(made: Result<&T, &Failure>) -> Self {
                let outcome = made.map_err(Failure::clone).and_then(digest);
                let came = match &outcome {
                    Ok(digest) => digest.to_string(),
                    // Not the whole failure: it knows when it happened.
                    Err(failure) => format!("{}: {}", failure.code, failure.message),
                };
                Self { came, outcome }
            }
        }
    )* };
}

pure_steps! {
    /// Settles the labels of all platforms.
    SettleLabels = "settle_labels";
    /// Compares the distribution scope with the parent's.
    CheckScope = "check_scope";
    /// Writes the final Dockerfiles.
    WriteDockerfiles = "write_dockerfiles";
}
