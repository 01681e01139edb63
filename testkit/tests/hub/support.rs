//! A client with nothing in it that could hide what the hub does.

use koji_bridge::xmlrpc::{Answer, Arguments, Call, Value, read_answer};
use reqwest::{Client, Response};
use testkit::hub::KojiHub;

/// A client with a session or without.
pub(crate) struct Caller {
    pub(crate) url: String,
    pub(crate) http: Client,
    pub(crate) session: Option<(i64, String)>,
    /// Number of the next call.
    pub(crate) number: u64,
}

impl Caller {
    pub(crate) fn anonymous(url: &str) -> Self {
        let http = Client::builder().no_proxy().build().unwrap();
        Self { url: url.to_owned(), http, session: None, number: 0 }
    }

    pub(crate) async fn login(url: &str, user: &str, password: &str) -> Self {
        let mut caller = Self::anonymous(url);
        let answer = caller.call("login", Arguments::none().with(user).with(password)).await;
        caller.take(&answer.unwrap());
        caller
    }

    /// Takes the session of a login's answer.
    pub(crate) fn take(&mut self, answer: &Value) {
        let id = answer.get("session-id").and_then(Value::as_i64).unwrap();
        let key = answer.get("session-key").and_then(Value::as_str).unwrap().to_owned();
        self.session = Some((id, key));
        self.number = 0;
    }

    /// A call with the next number.
    pub(crate) async fn call(&mut self, method: &str, arguments: Arguments) -> Answer {
        self.number += 1;
        self.again(method, arguments).await.expect("an answer")
    }

    /// A call with the number of the last one; `None` if there was no answer.
    pub(crate) async fn again(&self, method: &str, arguments: Arguments) -> Option<Answer> {
        let document = Call::new(method, arguments).to_xml().unwrap();
        let request = self.http.post(&self.url).header("Content-Type", "text/xml").body(document);
        read(self.sign(request).send().await.ok()?).await
    }

    /// Uploads a part of a file.
    pub(crate) async fn upload(&mut self, query: &str, body: impl Into<reqwest::Body>) -> Option<Answer> {
        self.number += 1;
        let request = self.http.post(format!("{}?{query}", self.url));
        let request = request.header("Content-Type", "application/octet-stream").body(body);
        read(self.sign(request).send().await.ok()?).await
    }

    fn sign(&self, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        match &self.session {
            None => request,
            Some((id, key)) => request
                .header("Koji-Session-Id", id.to_string())
                .header("Koji-Session-Key", key)
                .header("Koji-Session-Callnum", self.number.to_string()),
        }
    }
}

async fn read(response: Response) -> Option<Answer> {
    assert_eq!(response.status(), 200);
    Some(read_answer(&response.bytes().await.ok()?).expect("a document of XML-RPC"))
}

/// Code and text of a fault.
#[track_caller]
pub(crate) fn fault(answer: Answer) -> (i64, String) {
    let fault = answer.expect_err("a fault");
    (fault.code, fault.text)
}

/// A hub with a user `osbs` who may use a content generator, a user `alice`, and
/// an administrator.
pub(crate) fn furnish(hub: &KojiHub) {
    hub.with_user("admin", "admin-pw").unwrap();
    hub.permit("admin", "admin").unwrap();
    hub.with_user("osbs", "osbs-pw").unwrap();
    hub.grant("osbs", "atomic-reactor").unwrap();
    hub.with_user("alice", "alice-pw").unwrap();
    hub.add_tag("f99", "", &[]).unwrap();
    hub.add_package("f99", "docker-hello-world", "osbs").unwrap();
    hub.add_tag("f99-build", "x86_64 aarch64", &["f99"]).unwrap();
    hub.add_tag("f99-candidate", "", &["f99"]).unwrap();
    hub.add_target("candidate", "f99-build", "f99-candidate").unwrap();
    hub.add_repository("f99-build").unwrap();
}

/// A hub as [`furnish`] leaves it, and `osbs` logged in.
pub(crate) async fn start() -> (KojiHub, Caller) {
    let hub = KojiHub::start().await.unwrap();
    furnish(&hub);
    let caller = Caller::login(&hub.url(), "osbs", "osbs-pw").await;
    (hub, caller)
}

/// Arguments of a reservation.
pub(crate) fn reservation(release: &str) -> Arguments {
    let member = |(name, value): (&str, &str)| (name.to_owned(), Value::from(value));
    let data = [("name", "docker-hello-world"), ("version", "1.0"), ("release", release)].map(member);
    Arguments::none().with("atomic-reactor").with(Value::Struct(data.into()))
}
