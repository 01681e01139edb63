//! ODCS, the service that makes package repositories ("composes") on demand.
//!
//! Its interface, version 1: `POST composes/` begins one, `GET composes/ID` tells
//! about one, `PATCH composes/ID` renews one. It takes no key that would tell a
//! repeated request from a second one; who repeats a `POST` after its answer was
//! lost may begin two.

use std::time::Duration;

use common::{
    failure::{Failure, FailureClass},
    platform::Platform,
    retry::Patience,
    secret::Secret,
};
use jiff::Timestamp;
use reqwest::Method;
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use serde_json::{Value, json};
use url::Url;

use super::{Http, HttpError, HttpSettings, shown};
use crate::config::Composes;

/// Largest answer in bytes.
const MAX_ANSWER: u64 = 4 << 20;
/// Largest file with a client certificate in bytes.
const MAX_CERTIFICATE: u64 = 1 << 20;

/// What a compose is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ComposeKind {
    /// Packages of a Koji tag.
    Tag,
    /// Modules.
    Module,
    /// Content sets of Pulp.
    Pulp,
}

/// A compose to be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComposeRequest {
    /// What it is made of.
    pub kind: ComposeKind,
    /// The tag, or modules or content sets with blanks between them.
    pub source: String,
    /// Packages of the tag; empty for other kinds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub packages: Vec<String>,
    /// Keys that packages may be signed with; `None` leaves it to ODCS.
    pub sigkeys: Option<Vec<String>>,
    /// For which platforms; `None` leaves it to ODCS.
    pub arches: Option<Vec<Platform>>,
}

impl ComposeRequest {
    /// The body of the `POST`.
    fn body(&self) -> Value {
        let mut source = json!({ "type": self.kind, "source": self.source });
        if !self.packages.is_empty() {
            source["packages"] = json!(self.packages);
        }
        if let Some(keys) = &self.sigkeys {
            source["sigkeys"] = json!(keys);
        }
        let mut body = json!({ "source": source });
        if let Some(arches) = &self.arches {
            body["arches"] = json!(arches);
        }
        body
    }
}

/// State of a compose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum ComposeState {
    /// Not begun.
    Wait,
    /// Being made.
    Generating,
    /// Ready for use.
    Done,
    /// It was, and is gone.
    Removed,
    /// It cannot be made.
    Failed,
    /// Another one, by its name.
    Other(String),
}

impl ComposeState {
    /// The state that a number of ODCS's interface means.
    fn of_number(number: u64) -> Self {
        match number {
            0 => Self::Wait,
            1 => Self::Generating,
            2 => Self::Done,
            3 => Self::Removed,
            4 => Self::Failed,
            _ => Self::Other(number.to_string()),
        }
    }
}

impl From<String> for ComposeState {
    fn from(name: String) -> Self {
        match name.as_str() {
            "wait" => Self::Wait,
            "generating" => Self::Generating,
            "done" => Self::Done,
            "removed" => Self::Removed,
            "failed" => Self::Failed,
            _ => Self::Other(name),
        }
    }
}

impl From<ComposeState> for String {
    fn from(state: ComposeState) -> Self {
        match state {
            ComposeState::Wait => "wait".to_owned(),
            ComposeState::Generating => "generating".to_owned(),
            ComposeState::Done => "done".to_owned(),
            ComposeState::Removed => "removed".to_owned(),
            ComposeState::Failed => "failed".to_owned(),
            ComposeState::Other(name) => name,
        }
    }
}

/// A compose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Told")]
pub struct Compose {
    /// Its number.
    pub id: u64,
    /// Its state.
    pub state: ComposeState,
    /// Why it is in that state; may be empty.
    pub state_reason: String,
    /// What it is made of, as ODCS says it.
    pub source: String,
    /// Architectures it was made for; may be empty.
    pub arches: Vec<String>,
    /// Keys that its packages may be signed with; may be empty.
    pub sigkeys: Vec<String>,
    /// Where its repository file is.
    pub result_repofile: Option<String>,
    /// When it goes away.
    pub time_to_expire: Option<Timestamp>,
}

/// A compose as ODCS tells about it, or as it was recorded. ODCS tells the state
/// twice: `state` is a number, `state_name` its name. The record has the name as
/// `state`.
#[derive(Deserialize)]
struct Told {
    id: u64,
    #[serde(default)]
    state: Option<StateTold>,
    #[serde(default)]
    state_name: Option<ComposeState>,
    #[serde(default, deserialize_with = "text")]
    state_reason: String,
    #[serde(default, deserialize_with = "text")]
    source: String,
    #[serde(default, deserialize_with = "words")]
    arches: Vec<String>,
    #[serde(default, deserialize_with = "words")]
    sigkeys: Vec<String>,
    #[serde(default)]
    result_repofile: Option<String>,
    #[serde(default)]
    time_to_expire: Option<Timestamp>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum StateTold {
    Number(u64),
    Name(ComposeState),
}

impl TryFrom<Told> for Compose {
    type Error = &'static str;

    fn try_from(told: Told) -> Result<Self, &'static str> {
        let state = match (told.state_name, told.state) {
            (Some(name), _) | (None, Some(StateTold::Name(name))) => name,
            (None, Some(StateTold::Number(number))) => ComposeState::of_number(number),
            (None, None) => return Err("a compose has neither 'state_name' nor 'state'"),
        };
        Ok(Self {
            id: told.id,
            state,
            state_reason: told.state_reason,
            source: told.source,
            arches: told.arches,
            sigkeys: told.sigkeys,
            result_repofile: told.result_repofile,
            time_to_expire: told.time_to_expire,
        })
    }
}

/// A text that may be null.
fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Words with blanks between them, a list of them, or null.
fn words<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::Null => Ok(Vec::new()),
        Value::String(text) => Ok(text.split_whitespace().map(str::to_owned).collect()),
        list => serde_json::from_value(list).map_err(D::Error::custom),
    }
}

/// ODCS with the site's credentials.
#[derive(Debug, Clone)]
pub struct Odcs {
    http: Http,
    base: Url,
    token: Option<Secret>,
}

impl Odcs {
    /// The site's ODCS; `None` where it has none. The token or certificate is
    /// read now, so that a new one is noticed by the next build.
    ///
    /// # Errors
    /// The address is none, or the credentials cannot be read.
    pub async fn of_site(site: &Composes) -> Result<Option<Self>, Failure> {
        // Tries follow each other closely, for somebody polls.
        let patience = Patience {
            attempts: 4,
            first_wait: Duration::from_secs(2),
            longest_wait: Duration::from_secs(30),
        };
        Self::patient(site, patience).await
    }

    pub(crate) async fn patient(site: &Composes, patience: Patience) -> Result<Option<Self>, Failure> {
        let Some(api_url) = &site.api_url else { return Ok(None) };
        let wrong = |code: &str, text: String| Failure::new(FailureClass::Policy, code, text);
        let base = format!("{}/", api_url.trim_end_matches('/')).parse::<Url>().ok();
        let base = base.filter(|url| matches!(url.scheme(), "http" | "https")).ok_or_else(|| {
            let shown = super::shown_address(api_url);
            wrong("site.bad_compose_service", format!("composes.api_url '{shown}' is no web address"))
        })?;
        let token = match &site.token_directory {
            Some(directory) => Some(token(directory.join("token")).await.map_err(|reason| {
                wrong("site.compose_token", reason)
                    .with_advice("correct composes.token_directory, or put the file 'token' there")
            })?),
            None => None,
        };
        let identity = match &site.certificate_directory {
            Some(directory) => Some(identity(&directory.join("cert")).await.map_err(|reason| {
                let text = format!("the client certificate of ODCS in {}/cert {reason}", directory.display());
                wrong("site.compose_certificate", text).with_advice(
                    "certificate and key go into one PEM file 'cert' in composes.certificate_directory",
                )
            })?),
            None => None,
        };
        let settings =
            HttpSettings { patience, insecure: site.insecure, identity, ..HttpSettings::default() };
        Ok(Some(Self { http: Http::with(settings)?, base, token }))
    }

    /// Begins a compose. Not repeated when the answer is lost: that could begin
    /// a second one.
    ///
    /// # Errors
    /// ODCS cannot be reached, or refuses.
    pub async fn begin(&self, request: &ComposeRequest) -> Result<Compose, Failure> {
        self.call(Method::POST, "composes/", Some(&request.body())).await
    }

    /// A compose by number.
    ///
    /// # Errors
    /// ODCS cannot be reached, or has no such compose.
    pub async fn compose(&self, id: u64) -> Result<Compose, Failure> {
        self.call(Method::GET, &format!("composes/{id}"), None).await
    }

    /// Makes a compose anew that is gone or about to go. The new one can have
    /// another number.
    ///
    /// # Errors
    /// ODCS cannot be reached, or refuses.
    pub async fn renew(&self, id: u64) -> Result<Compose, Failure> {
        self.call(Method::PATCH, &format!("composes/{id}"), Some(&json!({}))).await
    }

    async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Compose, Failure> {
        let url = self.base.join(path).unwrap_or_else(|_| self.base.clone());
        let answer = self.http.call(method, &url, self.token.as_ref(), body, MAX_ANSWER).await;
        let answer = answer.map_err(|error| refused(&error))?;
        serde_json::from_slice(&answer).map_err(|error| {
            Failure::from(HttpError::Answer { url: shown(&url), reason: error.to_string() }).with_advice(
                "composes.api_url has to be the address of ODCS's interface, such as https://odcs.example.org/api/1",
            )
        })
    }
}

/// What an error of ODCS means for a build.
fn refused(error: &HttpError) -> Failure {
    let (class, code, advice) = match error.status() {
        Some(401 | 403) => (
            FailureClass::Policy,
            "compose.forbidden",
            "ODCS does not accept the site's token or certificate; look at composes in the configuration",
        ),
        Some(404) => (FailureClass::User, "compose.not_found", "look at the numbers of the composes"),
        Some(400) => (FailureClass::Source, "compose.refused", "look at 'compose' of container.yaml"),
        _ => (FailureClass::Infrastructure, "compose.unavailable", "try again later"),
    };
    Failure::from_error(class, code, error).with_advice(advice)
}

async fn token(file: std::path::PathBuf) -> Result<Secret, String> {
    let read = tokio::task::spawn_blocking(move || Secret::from_file(&file)).await;
    read.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
}

async fn identity(file: &std::path::Path) -> Result<reqwest::Identity, String> {
    let size = tokio::fs::metadata(file).await.map_err(|error| format!("cannot be read: {error}"))?.len();
    if size > MAX_CERTIFICATE {
        return Err("is too large".to_owned());
    }
    let pem = tokio::fs::read(file).await.map_err(|error| format!("cannot be read: {error}"))?;
    // The client's own error may quote the file.
    reqwest::Identity::from_pem(&pem).map_err(|_| "is no PEM file with a certificate and its key".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_read_by_name_or_number_in_any_order() {
        let rest = r#""id": 7, "state_reason": null"#;
        for (state, expected) in [
            (r#""state": 2, "state_name": "done""#, ComposeState::Done),
            (r#""state_name": "done", "state": 2"#, ComposeState::Done),
            (r#""state": 0"#, ComposeState::Wait),
            (r#""state": 1"#, ComposeState::Generating),
            (r#""state": 2"#, ComposeState::Done),
            (r#""state": 3"#, ComposeState::Removed),
            (r#""state": 4"#, ComposeState::Failed),
            (r#""state": 5, "state_name": "new""#, ComposeState::Other("new".to_owned())),
            (r#""state_name": "removed""#, ComposeState::Removed),
        ] {
            let told = format!("{{{rest}, {state}}}");
            let compose: Compose = serde_json::from_str(&told).unwrap();
            assert_eq!(compose.state, expected, "{told}");
            let record = serde_json::to_string(&compose).unwrap();
            assert_eq!(serde_json::from_str::<Compose>(&record).unwrap(), compose, "{record}");
        }
        let failure = serde_json::from_str::<Compose>(r#"{"id": 7}"#).unwrap_err();
        assert!(failure.to_string().contains("state_name"), "{failure}");
    }
}
