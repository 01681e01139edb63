//! `koji-bridge check`: looks for everything that would make a build fail at Koji
//! later. All checks are made, whatever the others find; what hangs on one that
//! failed is said to be skipped.

mod access;
mod destination;
mod files;
mod hub;
mod report;
mod upload;
mod web;

use std::{sync::Arc, time::Duration};

use common::service::Shutdown;

use super::{CommandFailure, CommandSettings, Exit};
use crate::{
    arguments::CheckArguments,
    hub::Hub,
    session::{HubSettings, Login, Session},
};
use report::{Name, Report};

/// How long one answer may take.
const ANSWER: Duration = Duration::from_secs(60);

/// A look at a hub, under way.
struct Checkup<'a> {
    arguments: &'a CheckArguments,
    settings: &'a CommandSettings,
    session: HubSettings,
    hub: Hub,
    report: Report,
}

pub(super) async fn run(arguments: &CheckArguments, shutdown: &Shutdown) -> Result<Exit, CommandFailure> {
    let mut report = Report::default();
    let settings = match CommandSettings::read(&arguments.common) {
        Ok(settings) => settings,
        Err(failure) => {
            report.failed(Name::Settings, failure);
            return Ok(report.print(arguments.json));
        }
    };
    report.hub = settings.koji.hub_url.to_string();
    files::check(&settings.koji, &mut report);
    let opened = settings.hub().and_then(|session| {
        let session = impatient(session);
        let hub = Hub::new(session.clone(), settings.koji.options(), shutdown.clone())?;
        Ok((session, hub))
    });
    let (session, hub) = match opened {
        Ok(opened) => opened,
        Err(failure) => {
            report.failed(Name::Settings, failure);
            return Ok(report.print(arguments.json));
        }
    };
    report.ok(Name::Settings, format!("read from {}", settings.layer));
    let mut checkup = Checkup { arguments, settings: &settings, session, hub, report };
    checkup.run().await?;
    checkup.hub.close().await;
    Ok(checkup.report.print(arguments.json))
}

impl Checkup<'_> {
    async fn run(&mut self) -> Result<(), CommandFailure> {
        // Where a login is needed even to be answered, the other session will do.
        let anonymous = HubSettings { login: Login::Anonymous, ..self.session.clone() };
        let anonymous = HubSettings { url: self.session.hub()?, ..anonymous };
        let anonymous = Session::new(Arc::new(anonymous))?;
        let reached = self.reach(&anonymous).await;
        let user = if reached { self.login().await } else { None };
        if reached {
            let session = if user.is_some() { self.hub.session().clone() } else { anonymous.clone() };
            self.tls().await;
            let methods = self.methods(&session).await;
            self.version(&session).await;
            self.generator(&session, user.as_ref(), methods.as_ref()).await;
            self.build_types(&session, methods.as_ref()).await;
            self.destination(&session, user.as_ref()).await;
            self.upload(user.is_some()).await;
        }
        self.addresses().await;
        anonymous.logout().await;
        Ok(())
    }
}

/// The same settings for somebody who waits for an answer.
fn impatient(mut settings: HubSettings) -> HubSettings {
    settings.timeout = settings.timeout.min(ANSWER);
    settings.auth_timeout = settings.auth_timeout.min(ANSWER);
    settings.max_retries = settings.max_retries.min(1);
    settings.retry_interval = settings.retry_interval.min(Duration::from_secs(1));
    settings.offline_limit = Some(Duration::ZERO);
    settings
}
