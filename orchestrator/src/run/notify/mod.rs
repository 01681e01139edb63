//! Step: tells people by mail, and programs by webhook, how a build ended.
//!
//! It comes after everything else, so that the news is final, and changes nothing
//! about the outcome: what fails here is one of the build's later failures. Each
//! addressee is a step of its own (`mail/notify`, `webhook-1/notify`), whose record
//! says that it was told; a process that takes the build up again tells only those
//! that are left. Whoever was being told when a process died is told again, with
//! the same id.

mod event;
#[cfg(test)]
mod fixture;
mod logs;
mod notice;
mod recipients;
#[cfg(test)]
mod tests;
mod text;

use std::time::Duration;

use bytes::Bytes;
use common::{
    failure::{Failure, FailureClass},
    flow::{Context, Flow, Policy, Stage, Step, event::BuildResult},
    koji::KojiPeople,
};
use futures::{StreamExt as _, future::BoxFuture, stream};
use serde::{Deserialize, Serialize};

use self::recipients::Recipients;
pub use self::{
    event::{BuildEnded, BuildEndedEvent, EndedFailure, Git},
    notice::Notice,
};
use super::Failures;
use crate::{
    config::{Ending, Mail, Settings, Status, Webhook},
    outside::{Attachment, Letter, Mailer, WebhookClient},
    plan::FreezeSettings,
    services::BuildServices,
};

/// Addressees that are told at the same time.
const AT_A_TIME: usize = 8;

/// Tells one addressee.
#[derive(Serialize)]
pub struct Notify<'a> {
    /// What there is to tell. No part of the step's fingerprint: the next process
    /// may know another text for the same failure, which is no news.
    #[serde(skip)]
    pub notice: &'a Notice,
    /// Who is told.
    #[serde(skip)]
    pub addressee: Addressee<'a>,
}

/// Who is told.
#[derive(Debug, Clone, Copy)]
pub enum Addressee<'a> {
    /// People, by mail.
    Mail {
        /// How, and whom.
        settings: &'a Mail,
        /// Who has to do with the build in Koji; `None` if Koji was not asked or
        /// did not answer.
        people: Option<&'a KojiPeople>,
    },
    /// A program.
    Webhook(&'a Webhook),
}

/// Who was told of what.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// Id of the news.
    pub id: String,
    /// Mail addresses that the server took it for; empty for a webhook.
    pub addresses: Vec<String>,
}

impl Step<BuildServices> for Notify<'_> {
    const NAME: &'static str = "notify";
    const STAGE: Stage = Stage::Finish;
    type Output = Told;

    /// The clients try again by themselves, and know what was done already.
    fn policy(&self) -> Policy {
        Policy { timeout: Duration::from_secs(300), ..Policy::default() }
    }

    async fn run(&self, cx: &Context<'_, BuildServices>) -> Result<Told, Failure> {
        match self.addressee {
            Addressee::Mail { settings, people } => self.mail(cx, settings, people).await,
            Addressee::Webhook(webhook) => self.call(webhook).await,
        }
    }
}

impl Notify<'_> {
    async fn mail(
        &self,
        cx: &Context<'_, BuildServices>,
        settings: &Mail,
        people: Option<&KojiPeople>,
    ) -> Result<Told, Failure> {
        let notice = self.notice;
        let Some(mailer) = Mailer::of_site(settings)? else { return Ok(Told::default()) };
        let recipients = Recipients::choose(settings, notice, people);
        for reason in &recipients.skipped {
            cx.warn("mail.no_address", reason.clone()).await?;
        }
        if recipients.addresses.is_empty() {
            let message = "nobody gets mail about this build: nobody is named who has an address";
            cx.warn("mail.no_recipients", message).await?;
            return Ok(Told::default());
        }
        let submitter = recipients::submitter(settings, notice, people);
        let explanation = if recipients.in_place { explanation(&recipients, people) } else { String::new() };
        let letter = Letter {
            id: notice.id(),
            subject: text::subject(notice),
            text: text::body(notice, &submitter, &explanation),
            attachments: self.attachments(cx).await?,
            to: recipients.addresses,
        };
        let delivery = mailer.send(&letter).await?;
        let addresses: Vec<String> = delivery.accepted.iter().map(ToString::to_string).collect();
        if !addresses.is_empty() {
            cx.services.say(cx.name, &format!("mail to {}", addresses.join(", "))).await;
        }
        let refused = delivery.refused.into_iter().map(|refused| {
            let message = format!("no mail to {}: {}", refused.address, refused.reply);
            Failure::new(FailureClass::Infrastructure, "mail.recipient_refused", message)
                .with_advice("correct the address, or ask those who run the mail server, with its words")
        });
        Failure::all(refused).map_or(Ok(Told { id: notice.id(), addresses }), Err)
    }

    /// Logs for a rebuild that failed: the mail goes out without those that cannot
    /// be read.
    async fn attachments(&self, cx: &Context<'_, BuildServices>) -> Result<Vec<Attachment>, Failure> {
        if !self.notice.automatic || self.notice.status != Status::Failed {
            return Ok(Vec::new());
        }
        match logs::attachments(&cx.services.shared.logs, &self.notice.build).await {
            Ok(attachments) => Ok(attachments),
            Err(error) => {
                cx.warn("mail.no_logs", format!("the mail comes without logs: {error}")).await?;
                Ok(Vec::new())
            }
        }
    }

    async fn call(&self, webhook: &Webhook) -> Result<Told, Failure> {
        let id = self.notice.id();
        let body = serde_json::to_vec(&BuildEndedEvent::from(self.notice))
            .map_err(|error| Failure::from_error(FailureClass::Internal, "webhook.unserializable", &error))?;
        WebhookClient::of_site(webhook)?.tell(&id, event::CONTENT_TYPE, &Bytes::from(body)).await?;
        Ok(Told { id, addresses: Vec::new() })
    }
}

/// Why the error addresses get a mail.
fn explanation(recipients: &Recipients, people: Option<&KojiPeople>) -> String {
    let mut text = "You get this mail because nobody else could be told: the site names you for that case \
                    (mail.error_addresses)."
        .to_owned();
    if people.is_none() {
        text.push_str("\nKoji was not asked who has to do with the build, or did not answer.");
    }
    for reason in &recipients.skipped {
        text.push_str("\n- ");
        text.push_str(reason);
    }
    text
}

/// Tells everybody whom the site wants to be told, and returns what failed. The
/// settings are those that the build began with. `later` is what failed at the
/// build's end so far, `people` who has to do with it in Koji, if that is known.
pub async fn notify(
    flow: &Flow<'_, BuildServices>,
    outcome: &Result<BuildResult, Failures>,
    later: &[Failure],
    people: Option<&KojiPeople>,
) -> Vec<Failure> {
    let services = flow.services();
    let frozen = match flow.over(&services.planning).recorded::<FreezeSettings>().await {
        Ok(frozen) => frozen.map(|frozen| frozen.settings),
        Err(failure) => return vec![failure],
    };
    let settings: &Settings = frozen.as_ref().unwrap_or(&services.shared.site);
    if settings.mail.host.is_none() && settings.webhooks.is_empty() {
        return Vec::new();
    }
    let notice = match Notice::of(flow, &settings.koji, outcome, later).await {
        Ok(Some(notice)) => notice,
        Ok(None) => return Vec::new(),
        Err(failure) => return vec![failure],
    };
    let mut calls: Vec<BoxFuture<'_, Result<(), Failure>>> = Vec::new();
    if settings.mail.host.is_some() {
        let addressee = Addressee::Mail { settings: &settings.mail, people };
        calls.push(Box::pin(tell(flow, &notice, "mail".to_owned(), &settings.mail.send_on, addressee)));
    }
    for (position, webhook) in settings.webhooks.iter().enumerate() {
        let (scope, addressee) = (format!("webhook-{}", position + 1), Addressee::Webhook(webhook));
        calls.push(Box::pin(tell(flow, &notice, scope, &webhook.send_on, addressee)));
    }
    let told: Vec<Result<(), Failure>> = stream::iter(calls).buffered(AT_A_TIME).collect().await;
    told.into_iter().filter_map(Result::err).collect()
}

/// Tells one addressee, or records why not.
async fn tell(
    flow: &Flow<'_, BuildServices>,
    notice: &Notice,
    scope: String,
    wanted: &[Ending],
    addressee: Addressee<'_>,
) -> Result<(), Failure> {
    let flow = flow.scoped(&scope);
    if !notice.is_wanted(wanted) {
        let reason = format!("{} is not among the endings that are told (send_on)", notice.ending());
        return flow.skip(Notify::NAME, "notify.not_wanted", &reason).await;
    }
    flow.run(Notify { notice, addressee }).await.map(drop)
}
