//! Reservations of the bridge's user, whoever made them: what a person looks
//! through when builds seem to be left over.

use common::{
    failure::{Failure, FailureClass},
    nvr::Nvr,
};
use jiff::Timestamp;
use serde::Deserialize;

use super::{
    super::{BuildName, Hub, HubError, answers::Build, builds::Sight},
    own::written_key,
};
use crate::xmlrpc::{Arguments, Call, Value, from_value};

/// Most builds in progress that are looked through.
const MOST_BUILDS: i64 = 1000;

/// A reservation as the hub has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundReservation {
    /// Number of the build.
    pub build: u64,
    /// What is reserved.
    pub nvr: Nvr,
    /// When it was reserved, if the hub tells.
    pub created_at: Option<Timestamp>,
    /// What the bridge's caller knows it by, if that is written in it.
    pub key: Option<String>,
    /// The task that it belongs to.
    pub task: Option<u64>,
}

/// What `listBuilds` has and the rest of the bridge does not need.
#[derive(Debug, Deserialize)]
struct Created {
    build_id: u32,
    creation_ts: Option<f64>,
}

impl Created {
    fn at(&self) -> Option<Timestamp> {
        let seconds = self.creation_ts.filter(|seconds| seconds.is_finite())?;
        #[expect(clippy::cast_possible_truncation, reason = "a cast of floats saturates")]
        Timestamp::from_millisecond((seconds * 1e3).round() as i64).ok()
    }
}

impl Hub {
    /// The builds in progress of the bridge's user and content generator, oldest
    /// first; at most 1000.
    ///
    /// # Errors
    /// Nobody is logged in, or the hub cannot answer.
    pub async fn reservations(&self) -> Result<Vec<FoundReservation>, HubError> {
        let order = [("order".to_owned(), "build_id".into()), ("limit".to_owned(), Value::Int(MOST_BUILDS))];
        let asked = Arguments::none()
            .named("userID", self.me().await?.id)
            .named("state", 0)
            .named("queryOpts", Value::Struct(order.into()));
        let listed: Vec<Created> = self.read("listBuilds", asked).await?;
        if listed.is_empty() {
            return Ok(Vec::new());
        }
        // A list does not say whose content generator a build is of.
        let ask = |build: &Created| Call::new("getBuild", Arguments::none().with(i64::from(build.build_id)));
        let answers = self.session().read_all(listed.iter().map(ask).collect()).await?;
        let mut found = Vec::new();
        for (created, answer) in listed.iter().zip(answers) {
            let value = match answer {
                Ok(Value::Nil) => continue,
                Ok(value) => value,
                Err(fault) => {
                    tracing::warn!(build = created.build_id, %fault, "a build cannot be looked at");
                    continue;
                }
            };
            let build: Build =
                from_value(value).map_err(|error| HubError::unexpected("getBuild", error.to_string()))?;
            if !build.is_building() || !self.is_of_our_generator(&build) {
                continue;
            }
            let Some(nvr) = build.nvr() else { continue };
            found.push(FoundReservation {
                build: build.number(),
                nvr,
                created_at: created.at(),
                key: written_key(&build).map(str::to_owned),
                task: build.task(),
            });
        }
        Ok(found)
    }

    fn is_of_our_generator(&self, build: &Build) -> bool {
        build.cg_name.as_deref() == Some(self.options().content_generator.as_str())
    }

    /// Gives back a reservation of the bridge's user and content generator.
    pub(super) async fn refund_mine(&self, name: &BuildName) -> Result<bool, HubError> {
        let build = match self.require_build(name).await? {
            Sight::Clear(build) if build.is_building() => build,
            _ => return Ok(false),
        };
        let _turn = self.exclusively(&format!("release {}-{}", build.name, build.version)).await?;
        if build.owner_id == Some(self.me().await?.id) && self.is_of_our_generator(&build) {
            return self.cancel_build(build.number()).await;
        }
        let message = format!(
            "build {} is in progress for {} by content generator {}, and not a reservation of this bridge",
            build.number(),
            build.owner_name.as_deref().unwrap_or("nobody"),
            build.cg_name.as_deref().unwrap_or("none"),
        );
        let failure = Failure::new(FailureClass::Policy, "koji.reservation_not_ours", message)
            .with_advice("have its owner or an administrator cancel it: koji cancel BUILD");
        Err(HubError::failed("cancelBuild", failure))
    }
}
