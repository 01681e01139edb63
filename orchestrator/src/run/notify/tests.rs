use bytes::Bytes;
use common::{
    flow::{Journal as _, MemoryJournal, StepRecord, event::EventKind},
    image::Digest,
    koji::KojiUser,
    log::{LogRecord, LogStream},
    request::BuildRequest,
};
use jiff::Timestamp;
use reqwest::Method;
use serde_json::Value;
use testkit::{
    mail::{MailEffect, MailServer, ReceivedMail},
    web::{Effect, Fault, WebServer},
};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::{
    config::Site,
    run::finish,
    services::{BuildStamp, fixture as of_services},
};

/// A site that tells by mail and to one webhook, and everybody it tells.
struct World {
    state: tempfile::TempDir,
    mail: MailServer,
    web: WebServer,
    site: Site,
    request: BuildRequest,
    journal: MemoryJournal,
}

impl World {
    async fn new() -> Self {
        let (mail, web) = (MailServer::start().await.unwrap(), WebServer::start().await.unwrap());
        web.put("/hook", "");
        let mut site = Site::default();
        site.settings.mail = Mail {
            host: Some(mail.host()),
            port: Some(mail.port().into()),
            from: Some("reactor@example.org".to_owned()),
            error_addresses: vec!["error@example.org".to_owned()],
            additional_addresses: vec!["list@example.org".to_owned()],
            domain: Some("example.org".to_owned()),
            to_submitter: true,
            ..Mail::default()
        };
        let url = web.url("/hook").unwrap();
        site.settings.webhooks = vec![Webhook { url, send_on: Ending::ALL.to_vec(), secret_file: None }];
        let request = BuildRequest::new("https://me:hunter2@git.example.org/hello.git", Some("main"));
        let state = tempfile::tempdir().unwrap();
        Self { state, mail, web, site, request, journal: MemoryJournal::default() }
    }

    async fn services(&self) -> BuildServices {
        let shared =
            of_services::services(self.state.path(), self.site.clone(), CancellationToken::new()).await;
        let build = shared.store.create(&self.request, None).await.unwrap().id;
        BuildServices::new(shared, BuildStamp { build, created_at: Timestamp::now() })
    }

    /// Tells everybody, and returns the codes of what failed.
    async fn tell(
        &self,
        services: &BuildServices,
        outcome: &Result<BuildResult, Failures>,
        people: Option<&KojiPeople>,
    ) -> Vec<String> {
        let flow = Flow::new(services, &self.journal, CancellationToken::new());
        let failures = notify(&flow, outcome, &[], people).await;
        failures.into_iter().flat_map(Failure::each).map(|failure| failure.code).collect()
    }

    fn only_mail(&self) -> ReceivedMail {
        let received = self.mail.received();
        assert_eq!(received.len(), 1, "{received:?}");
        received[0].clone()
    }

    fn warnings(&self) -> Vec<String> {
        let code = |event: EventKind| match event {
            EventKind::Warning { code, .. } => Some(code),
            _ => None,
        };
        self.journal.events().into_iter().filter_map(code).collect()
    }
}

fn failed() -> Result<BuildResult, Failures> {
    let failure = Failure::new(FailureClass::Source, "source.ref_not_found", "there is no 'main'")
        .with_advice("name another branch")
        .in_step("resolve_source");
    Err(failure.into())
}

fn succeeded() -> Result<BuildResult, Failures> {
    Ok(BuildResult {
        index_digest: Digest::of(b"index"),
        index_media_type: "application/vnd.oci.image.index.v1+json".to_owned(),
        members: Vec::new(),
        publications: vec![common::flow::event::Publication {
            destination: "docker://r.example.org/team/hello".to_owned(),
            tags: vec!["1.0-1".parse().unwrap(), "latest".parse().unwrap()],
        }],
        koji: None,
    })
}

#[tokio::test]
async fn a_build_that_failed_before_it_was_planned_is_told_of() {
    let world = World::new().await;
    let services = world.services().await;
    assert_eq!(world.tell(&services, &failed(), None).await, [""; 0]);
    let mail = world.only_mail();
    assert_eq!(mail.to, ["list@example.org"]);
    for part in [
        "Subject: Failed building image hello\r\n",
        "Image: hello\r\nStatus: Failed\r\nSubmitted by: Unknown\r\n",
        "Source: https://git.example.org/hello.git\r\n",
        "    source.ref_not_found in resolve_source\r\n    there is no 'main'\r\n",
        "    What to do: name another branch\r\n",
    ] {
        assert!(mail.text.contains(part), "{part}: {}", mail.text);
    }
    let id = format!("{}.manual_fail", services.stamp.build);
    assert!(mail.text.contains(&format!("Message-ID: <{id}@example.org>\r\n")), "{}", mail.text);
    let event: Value = serde_json::from_slice(&world.web.bodies()[0]).unwrap();
    assert_eq!(
        (event["id"].as_str(), event["data"]["names"][0].as_str()),
        (Some(id.as_str()), Some("hello"))
    );
    assert_eq!(event["data"]["failures"][0]["code"], "source.ref_not_found");
    assert!(!format!("{mail:?} {event}").contains("hunter2"), "addresses hold no password");
}

#[tokio::test]
async fn a_build_that_succeeded_is_told_of_with_its_names() {
    let world = World::new().await;
    let services = world.services().await;
    let flow = Flow::new(&services, &world.journal, CancellationToken::new());
    // As the end of a build does it: after the outcome is recorded.
    assert_eq!(finish(&flow, &succeeded()).await, []);
    let mail = world.only_mail();
    for part in [
        "Subject: Succeeded building image r.example.org/team/hello:1.0-1\r\n",
        "Published as:\r\n    r.example.org/team/hello:1.0-1\r\n    r.example.org/team/hello:latest\r\n",
        &format!("Digest: {}\r\n", Digest::of(b"index")),
    ] {
        assert!(mail.text.contains(part), "{part}: {}", mail.text);
    }
    let event: Value = serde_json::from_slice(&world.web.bodies()[0]).unwrap();
    assert_eq!(event["data"]["image"]["digest"], Digest::of(b"index").to_string());
    assert_eq!(world.web.requests()[0].headers["content-type"], "application/cloudevents+json");
}

#[tokio::test]
async fn everybody_is_told_once_whatever_dies() {
    let world = World::new().await;
    let services = world.services().await;
    // The process before this one told the webhook and died over the mail.
    let flow = Flow::new(&services, &world.journal, CancellationToken::new());
    let notice = super::fixture::notice();
    let addressee = Addressee::Webhook(&world.site.settings.webhooks[0]);
    flow.scoped("webhook-1").run(Notify { notice: &notice, addressee }).await.unwrap();
    let told = world.journal.last("webhook-1/notify").await.unwrap();
    assert!(matches!(told, Some(StepRecord::Succeeded { .. })), "{told:?}");
    let begun = EventKind::StepStarted {
        step: "mail/notify".to_owned(),
        stage: Stage::Finish,
        attempt: 1,
        input: "of the process before".to_owned(),
    };
    world.journal.append(begun).await.unwrap();

    assert_eq!(world.tell(&services, &failed(), None).await, [""; 0]);
    assert_eq!((world.mail.received().len(), world.web.count("/hook")), (1, 1));
    // Once more, and the failure reads otherwise.
    let other = Failure::new(FailureClass::Infrastructure, "flow.diverged", "settings changed");
    assert_eq!(world.tell(&services, &Err(other.into()), None).await, [""; 0]);
    assert_eq!((world.mail.received().len(), world.web.count("/hook")), (1, 1));
}

#[tokio::test]
async fn what_fails_is_a_later_failure_and_keeps_nobody_else_from_the_news() {
    let world = World::new().await;
    let services = world.services().await;
    world.mail.add_fault("list@", 1, MailEffect::Reply("550 5.1.1 no such list"));
    world.web.add_fault(Fault::once(Method::POST, "/hook", Effect::Status(403, vec![], "")));
    let people = KojiPeople {
        task_owner: Some(KojiUser { name: "mara".to_owned(), principals: Vec::new() }),
        package_owners: Vec::new(),
    };
    let expected = ["mail.recipient_refused", "webhook.refused"];
    assert_eq!(world.tell(&services, &failed(), Some(&people)).await, expected);
    assert_eq!(world.only_mail().to, ["mara@example.org"]);
    // What failed for good is remembered, and not tried by the next process.
    assert_eq!(world.tell(&services, &failed(), Some(&people)).await, expected);
    assert_eq!((world.mail.received().len(), world.web.count("/hook")), (1, 1));
}

#[tokio::test]
async fn error_addresses_learn_why_they_get_the_mail() {
    let mut world = World::new().await;
    world.site.settings.mail.additional_addresses.clear();
    world.site.settings.mail.domain = None;
    let services = world.services().await;
    let people = KojiPeople {
        task_owner: Some(KojiUser { name: "mara".to_owned(), principals: Vec::new() }),
        package_owners: Vec::new(),
    };
    assert_eq!(world.tell(&services, &failed(), Some(&people)).await, [""; 0]);
    let mail = world.only_mail();
    assert_eq!(mail.to, ["error@example.org"], "S10");
    let text = mail.text.replace("=\r\n", "").replace("\r\n", " ");
    assert!(text.contains("You get this mail because nobody else could be told"), "S10: {text}");
    assert!(text.contains("nobody knows the mail address of 'mara'"), "S10: {text}");
    assert_eq!(world.warnings(), ["mail.no_address"]);
}

#[tokio::test]
async fn without_anybody_to_tell_there_is_a_notice() {
    let mut world = World::new().await;
    world.site.settings.mail.additional_addresses.clear();
    world.site.settings.mail.error_addresses.clear();
    let services = world.services().await;
    assert_eq!(world.tell(&services, &failed(), None).await, [""; 0]);
    assert_eq!(world.mail.received(), []);
    assert_eq!(world.warnings(), ["mail.no_recipients"]);
}

#[tokio::test]
async fn only_wanted_endings_are_told() {
    let mut world = World::new().await;
    world.site.settings.mail.send_on = vec![Ending::ManualFail];
    world.site.settings.webhooks[0].send_on = vec![Ending::AutoSuccess];
    let services = world.services().await;
    assert_eq!(world.tell(&services, &succeeded(), None).await, [""; 0]);
    assert_eq!((world.mail.received().len(), world.web.count("/hook")), (0, 0));
    let skipped: Vec<(String, String)> = world
        .journal
        .events()
        .into_iter()
        .filter_map(|event| match event {
            EventKind::StepSkipped { step, reason_code, .. } => Some((step, reason_code)),
            _ => None,
        })
        .collect();
    let not_wanted = |step: &str| (step.to_owned(), "notify.not_wanted".to_owned());
    assert_eq!(skipped, [not_wanted("mail/notify"), not_wanted("webhook-1/notify")]);
}

#[tokio::test]
async fn a_rebuild_that_failed_brings_its_logs() {
    for (case, rebuild, attached) in [("S08", true, true), ("somebody asked", false, false)] {
        let mut world = World::new().await;
        world.request.rebuild = rebuild;
        world.request.koji_task = Some(12_345);
        world.site.settings.koji.root_url = Some("https://koji".to_owned());
        let services = world.services().await;
        let record = LogRecord {
            offset: 0,
            at: Timestamp::UNIX_EPOCH,
            platform: Some("x86_64".parse().unwrap()),
            stream: LogStream::Build,
            step: String::new(),
            text: Bytes::from_static(b"RUN false\n"),
        };
        services.shared.logs.append(&services.stamp.build, None, vec![record]).await.unwrap();
        assert_eq!(world.tell(&services, &failed(), None).await, [""; 0], "{case}");
        let text = world.only_mail().text;
        let logs = "Logs: https://koji/work/tasks/2345/12345\r\n";
        assert_eq!(text.contains("filename=\"x86_64.log\""), attached, "{case}: {text}");
        assert_eq!(text.contains("UlVOIGZhbHNlCg=="), attached, "{case}: {text}");
        assert_eq!(text.contains("Submitted by: <autorebuild>\r\n"), attached, "{case}: {text}");
        assert_eq!(text.contains(logs), !attached, "{case}: {text}");
    }
}

#[tokio::test]
async fn a_site_that_tells_nobody_records_nothing() {
    let mut world = World::new().await;
    world.site = Site::default();
    let services = world.services().await;
    assert_eq!(world.tell(&services, &failed(), None).await, [""; 0]);
    assert!(world.journal.events().is_empty());
}
