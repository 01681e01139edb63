//! Reservations: made, taken over when their token was lost, given back.
//!
//! A hub knows no keys of callers, and tells a token once. So the key is written
//! into the build's `extra`, where it can be read until the import replaces it: a
//! reservation that has the bridge's generator, its user and the key is the
//! caller's own. A hub gives no second token, so such a reservation is cancelled
//! and made again, which keeps the build's number.
//!
//! The task that a build belongs to is written there too and not into the build's
//! own field, because a hub that cancels a build cancels its task with it.

mod mine;
mod own;
mod refund;

use std::collections::BTreeSet;

use common::{
    failure::{Failure, FailureClass},
    koji::Reservation,
    nvr::Nvr,
    secret::Secret,
};
use proto::convert::KojiFailureKind;
use serde::Deserialize;

use super::{Hub, HubError, error::is_missing_method, releases::counted_on};
use crate::{
    metadata::Doing,
    session::CallError,
    xmlrpc::{Arguments, Fault, Value},
};
pub use mine::FoundReservation;
use own::Own;
pub use refund::Refund;

/// Most releases that are tried for one reservation.
const MOST_RELEASES: usize = 21;
/// Most times that a reservation is taken over in one call.
const MOST_TAKEOVERS: usize = 2;

/// What is to be reserved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReserveRequest {
    /// Name of the package.
    pub name: String,
    /// Version.
    pub version: String,
    /// Release; the next free one without it.
    pub release: Option<String>,
    /// What the caller knows the reservation by.
    pub key: String,
    /// The Koji task that the build belongs to.
    pub task: Option<u64>,
}

/// `CGInitBuild`.
#[derive(Deserialize)]
struct Granted {
    build_id: u32,
    token: String,
}

/// What a try for one release ends with.
enum Try {
    Reserved(Reservation),
    /// Somebody else has the release; the hub's words.
    Taken(HubError),
}

impl ReserveRequest {
    fn nvr(&self, release: &str) -> Result<Nvr, HubError> {
        Nvr::new(&self.name, &self.version, release)
            .map_err(|error| HubError::bad_request("koji.bad_nvr", error.to_string()))
    }
}

impl Hub {
    /// Reserves a build. A repeated call with the same key gets the same build with
    /// a new token.
    ///
    /// # Errors
    /// The release is taken, or the hub refuses or cannot answer.
    pub async fn reserve(&self, request: ReserveRequest) -> Result<Reservation, HubError> {
        let hub = self.clone();
        self.carry_on(async move {
            hub.may_write()?;
            let _turn = hub.exclusively(&format!("release {}-{}", request.name, request.version)).await?;
            match &request.release {
                Some(release) => {
                    let nvr = request.nvr(release)?;
                    match hub.try_release(&nvr, &request).await? {
                        Try::Reserved(reservation) => Ok(reservation),
                        Try::Taken(error) => Err(error),
                    }
                }
                None => hub.reserve_next(&request).await,
            }
        })
        .await
    }

    async fn reserve_next(&self, request: &ReserveRequest) -> Result<Reservation, HubError> {
        let mut last = None;
        // Without a look, a call that is repeated would take one release more.
        if let Some(nvr) = self.own_release(&request.name, &request.version, &request.key).await? {
            match self.try_release(&nvr, request).await? {
                Try::Reserved(reservation) => return Ok(reservation),
                Try::Taken(error) => last = Some(error),
            }
        }
        let mut tried = BTreeSet::new();
        while tried.len() < MOST_RELEASES {
            if !tried.is_empty() {
                self.pause(self.options().reservation_pause).await?;
            }
            let mut release = self.next_release(&request.name, &request.version).await?;
            // Hubs before 1.21 do not count what is only reserved.
            while tried.contains(&release) {
                let uncounted =
                    || HubError::unexpected("getNextRelease", format!("'{release}' is no number"));
                release = counted_on(&release).ok_or_else(uncounted)?;
            }
            let nvr = request.nvr(&release)?;
            tried.insert(release);
            match self.try_release(&nvr, request).await? {
                Try::Reserved(reservation) => return Ok(reservation),
                Try::Taken(error) => {
                    tracing::info!(%nvr, %error, "the release is taken; trying the next one");
                    last = Some(error);
                }
            }
        }
        let mut failure = Failure::new(
            FailureClass::Infrastructure,
            "koji.no_free_release",
            format!(
                "{MOST_RELEASES} releases of {}-{} were taken one after the other",
                request.name, request.version
            ),
        )
        .with_advice("see who builds this package so often, and try again");
        failure.causes.extend(last.map(|error| error.to_string()));
        Err(HubError::of_kind(KojiFailureKind::Retryable, "CGInitBuild", failure))
    }

    async fn try_release(&self, nvr: &Nvr, request: &ReserveRequest) -> Result<Try, HubError> {
        for _ in 0..=MOST_TAKEOVERS {
            let call = match self.init_build(nvr, request).await {
                Ok(granted) => {
                    tracing::info!(%nvr, build = granted.build_id, "reserved");
                    return Ok(Try::Reserved(Reservation {
                        build: granted.build_id.into(),
                        nvr: nvr.clone(),
                        token: Secret::new(granted.token),
                    }));
                }
                Err(call) => call,
            };
            let taken = call.fault().is_some_and(is_taken);
            let lost = matches!(call, CallError::Committed { .. } | CallError::Lost { .. });
            if call.fault().is_some_and(is_missing_method) {
                return Err(no_reservations());
            }
            let error = HubError::Call { doing: Doing::Reserve, call };
            if !taken && !lost {
                return Err(error);
            }
            match self.look_for_own(nvr, &request.key, lost).await? {
                Own::Reserved(build) if !self.0.abilities.has("CGRefundBuild") => {
                    return Ok(Try::Taken(no_second_token(nvr, build)));
                }
                Own::Reserved(build) => {
                    tracing::info!(%nvr, build, "reserved by a call before, whose token is lost; reserving anew");
                    self.cancel_reservation(nvr, build).await?;
                }
                Own::Unproven(build) if lost => return Err(token_lost(nvr, build)),
                Own::Unproven(_) | Own::Others => return Ok(Try::Taken(error)),
                Own::Nothing if taken => return Ok(Try::Taken(error)),
                Own::Nothing => return Err(error),
            }
        }
        let message = format!("{nvr} was reserved and its token lost several times in a row");
        let failure = Failure::new(FailureClass::Infrastructure, "koji.outcome_unknown", message)
            .with_advice("repeat the request: the bridge looks again before it does anything");
        Err(HubError::of_kind(KojiFailureKind::Ambiguous, "CGInitBuild", failure))
    }

    /// Asks for a reservation, with the key in it if the hub takes that.
    async fn init_build(&self, nvr: &Nvr, request: &ReserveRequest) -> Result<Granted, CallError> {
        let ask = async |with_key: bool| {
            let asked = Arguments::none()
                .with(self.options().content_generator.as_str())
                .with(reservation(nvr, request, with_key));
            self.write_plain::<Granted>("CGInitBuild", asked).await
        };
        if !self.0.abilities.keeps_keys() {
            return ask(false).await;
        }
        match ask(true).await {
            Err(CallError::Refused { fault, .. }) if refuses_keys(&fault) => {
                let granted = ask(false).await?;
                tracing::warn!(%fault, "this hub keeps no keys of reservations; a token that is lost stays lost");
                self.0.abilities.note_that_keys_are_lost();
                Ok(granted)
            }
            // An exception that nobody expected: nothing is stored, and it may pass.
            Err(CallError::Refused { fault, .. }) if fault.code == 1 && !is_taken(&fault) => {
                tracing::warn!(%fault, "trying the reservation once more");
                ask(true).await
            }
            answer => answer,
        }
    }
}

/// What a build is reserved with.
fn reservation(nvr: &Nvr, request: &ReserveRequest, with_key: bool) -> Value {
    let text = |text: &str| Value::String(text.to_owned());
    let mut members: Vec<(&str, Value)> =
        vec![("name", text(nvr.name())), ("version", text(nvr.version())), ("release", text(nvr.release()))];
    if with_key {
        let mut ours = vec![(own::KEY.to_owned(), text(&request.key))];
        if let Some(task) = request.task.and_then(|task| i64::try_from(task).ok()) {
            ours.push(("task_id".to_owned(), Value::Int(task)));
        }
        let extra = [(own::SECTION.to_owned(), Value::Struct(ours.into_iter().collect()))];
        members.push(("extra", Value::Struct(extra.into())));
    }
    Value::Struct(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// Whether a hub says that the name, version and release are in use. These texts
/// have no code of their own; the last one is that of a race in the database.
fn is_taken(fault: &Fault) -> bool {
    let begins = |text| fault.says(text);
    match fault.code {
        1000 => {
            begins("Build already exists")
                || begins("Build is already reserved")
                || begins("Build already in progress")
                // Hubs of 1.18.
                || begins("Existing build found")
        }
        1 => fault.text.contains("build_pkg_ver_rel"),
        _ => false,
    }
}

/// Whether a hub cannot do with the key, which is in `extra`.
fn refuses_keys(fault: &Fault) -> bool {
    matches!(fault.code, 1 | 1019)
        && !is_taken(fault)
        && ["'extra'", "\"extra\""].iter().any(|name| fault.message().contains(name))
}

fn no_reservations() -> HubError {
    HubError::NotOffered {
        method: "CGInitBuild",
        code: "koji.no_reservations",
        message: "this hub cannot reserve builds".to_owned(),
        advice: "switch reservations off, or have the hub updated to Koji 1.18 or later",
    }
}

fn no_second_token(nvr: &Nvr, build: u64) -> HubError {
    let message = format!(
        "{nvr} (build {build}) is reserved by this very request, but its token is lost, and this hub reserves no \
         build again that was cancelled"
    );
    let failure = Failure::new(FailureClass::Infrastructure, "koji.reservation_lost", message)
        .with_advice("choose another release, or have the hub updated to Koji 1.19 or later");
    HubError::failed("CGInitBuild", failure)
}

fn token_lost(nvr: &Nvr, build: u64) -> HubError {
    let message = format!(
        "{nvr} (build {build}) is reserved, perhaps by this very request, but its token is lost and the hub \
         keeps no keys that would tell"
    );
    let failure = Failure::new(FailureClass::Infrastructure, "koji.reservation_lost", message).with_advice(
        "cancel the reservation (koji cancel BUILD) if nobody else builds this release, or choose another",
    );
    HubError::failed("CGInitBuild", failure)
}

#[cfg(test)]
mod unit_tests {
    use super::*;

    #[test]
    fn only_extra_tells_that_keys_are_refused() {
        for (code, text, refused) in [
            (1019, "<class 'TypeError'>: unexpected keyword argument 'extra'", true),
            (1, "<class 'psycopg2.errors.UndefinedColumn'>: column \"extra\" does not exist", true),
            (1, "<class 'psycopg2.OperationalError'>: server closed the connection", false),
            (1019, "<class 'TypeError'>: unexpected keyword argument 'epoch'", false),
            (1000, "Invalid value for 'extra'", false),
        ] {
            assert_eq!(refuses_keys(&Fault::new(code, text)), refused, "{text}");
        }
    }

    #[test]
    fn only_some_refusals_mean_that_the_release_is_taken() {
        for (code, text, taken) in [
            (1000, "Build is already reserved", true),
            (1000, "Build already in progress (task 5)", true),
            (1000, "Existing build found: hello-1-1 (id=35)", true),
            (1000, "Build already exists (id=35, state=COMPLETE): {}", true),
            (1, "<class 'psycopg2.errors.UniqueViolation'>: … \"build_pkg_ver_rel\"", true),
            (1, "<class 'KeyError'>: 'release'", false),
            (1000, "No such entry in table content_generator: nope", false),
            (1002, "Content generator access required (atomic-reactor)", false),
        ] {
            assert_eq!(is_taken(&Fault::new(code, text)), taken, "{text}");
        }
    }
}
