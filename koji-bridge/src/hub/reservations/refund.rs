//! Reservations given back.

use common::{nvr::Nvr, secret::Secret};

use super::{
    super::{BuildName, Hub, HubError, archives::number, builds::Sight, error::is_missing_method},
    own::Own,
};
use crate::{
    metadata::Doing,
    session::CallError,
    xmlrpc::{Arguments, Value},
};

/// State of a build that failed.
const FAILED: i64 = 3;
/// State of a build that was cancelled.
const CANCELLED: i64 = 4;

/// A reservation that is to be given back.
#[derive(Debug, Clone)]
pub enum Refund {
    /// One whose token is known.
    Build {
        /// Number of the build.
        id: u64,
        /// The token.
        token: Secret,
        /// Whether the build was cancelled and has not failed.
        cancelled: bool,
    },
    /// One whose token may have been made worthless: somebody who lost the token and
    /// has the key has taken the reservation over.
    Either {
        /// Number of the build.
        id: u64,
        /// The token.
        token: Secret,
        /// Whether the build was cancelled and has not failed.
        cancelled: bool,
        /// What it was made with.
        key: String,
    },
    /// One that may have been made, and whose token nobody has.
    Key {
        /// Name of the package.
        name: String,
        /// Version.
        version: String,
        /// Release, if it was chosen.
        release: Option<String>,
        /// What it was made with.
        key: String,
    },
    /// Any of the bridge's user and its content generator, whoever made it.
    Mine(BuildName),
}

impl Hub {
    /// Gives a reservation back. True unless there was none, or none any more.
    ///
    /// # Errors
    /// The token is another's, or the hub refuses or cannot answer.
    pub async fn refund(&self, refund: Refund) -> Result<bool, HubError> {
        let hub = self.clone();
        self.carry_on(async move {
            hub.may_write()?;
            match refund {
                Refund::Build { id, token, cancelled } => hub.refund_build(id, &token, cancelled, "").await,
                Refund::Either { id, token, cancelled, key } => {
                    hub.refund_build(id, &token, cancelled, &key).await
                }
                Refund::Key { name, version, release, key } => {
                    let _turn = hub.exclusively(&format!("release {name}-{version}")).await?;
                    hub.refund_key(&name, &version, release.as_deref(), &key).await
                }
                Refund::Mine(build) => hub.refund_mine(&build).await,
            }
        })
        .await
    }

    /// Gives a reservation back by its token, or by its key where the token is
    /// worthless because the reservation was taken over.
    async fn refund_build(
        &self,
        id: u64,
        token: &Secret,
        cancelled: bool,
        key: &str,
    ) -> Result<bool, HubError> {
        let nvr = match self.require_build(&BuildName::Number(id)).await? {
            Sight::Clear(build) => build.nvr(),
            Sight::Unreadable { nvr, .. } => Some(nvr),
            Sight::Absent => None,
        };
        // An import of the build may be under way: hubs give back what was imported
        // meanwhile, and only the build's number counts there.
        let name = nvr.map_or_else(|| format!("number {id}"), |nvr| nvr.to_string());
        let _turn = self.exclusively(&format!("build {name}")).await?;
        match self.look_for_build(&BuildName::Number(id)).await? {
            Sight::Clear(build) if build.is_building() => {}
            _ => return Ok(false),
        }
        let asked = Arguments::none()
            .with(self.options().content_generator.as_str())
            .with(number(id)?)
            .with(token.expose())
            .with(if cancelled { CANCELLED } else { FAILED });
        let call = match self.write_plain::<Value>("CGRefundBuild", asked).await {
            Ok(_) | Err(CallError::Committed { .. }) => return Ok(true),
            Err(call @ (CallError::Lost { .. } | CallError::Refused { .. })) => call,
            Err(call) => return Err(HubError::Call { doing: Doing::Refund, call }),
        };
        // A refusal of what is over already is none; the build's state tells.
        let build = match self.look_for_build(&BuildName::Number(id)).await? {
            Sight::Clear(build) if build.is_building() => build,
            _ => return Ok(matches!(call, CallError::Lost { .. })),
        };
        let ours = build.cg_name.as_deref() == Some(self.options().content_generator.as_str());
        if ours && call.fault().is_some_and(is_missing_method) {
            return self.cancel_build(id).await;
        }
        if call.fault().is_some() && !key.is_empty() && self.whose(&build, key).await? == Own::Reserved(id) {
            tracing::info!(build = id, "the token is worthless, the key is not: cancelling the reservation");
            return self.cancel_build(id).await;
        }
        Err(HubError::Call { doing: Doing::Refund, call })
    }

    async fn refund_key(
        &self,
        name: &str,
        version: &str,
        release: Option<&str>,
        key: &str,
    ) -> Result<bool, HubError> {
        let nvr = match release {
            Some(release) => Some(
                Nvr::new(name, version, release)
                    .map_err(|error| HubError::bad_request("koji.bad_nvr", error.to_string()))?,
            ),
            None => self.own_release(name, version, key).await?,
        };
        let Some(nvr) = nvr else { return Ok(false) };
        match self.look_for_own(&nvr, key, false).await? {
            Own::Reserved(build) => self.cancel_reservation(&nvr, build).await,
            Own::Unproven(build) => Err(super::token_lost(&nvr, build)),
            Own::Others | Own::Nothing => Ok(false),
        }
    }
}
