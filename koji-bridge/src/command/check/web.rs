//! Addresses beside the hub's interface: who has signed for the hub, and whether
//! its files and its site for people answer.

use std::{error::Error, time::Duration};

use common::failure::FailureClass;
use openssl::x509::X509;
use reqwest::{Client, StatusCode, redirect, tls::TlsInfo};
use url::Url;

use super::{Checkup, Name, files::common_name};
use crate::transport::authorities;

/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(30);

impl Checkup<'_> {
    /// Who has signed the hub's certificate, and whether ours is asked for late.
    pub(super) async fn tls(&mut self) {
        let Ok(url) = self.session.hub() else { return };
        if url.scheme() != "https" {
            return self.report.warning(
                Name::Tls,
                "koji.hub_in_the_clear",
                "everything goes to the hub in the clear, the session's key as well",
                "give koji.hub_url as an https address",
            );
        }
        let late = if self.hub.session().is_asked_late().await {
            "; it asks for certificates late, so TLS 1.2 with OpenSSL is used"
        } else {
            ""
        };
        // Whoever must show a certificate cannot look at the hub's this way.
        let found = match self.ask(&url).await {
            Ok(answer) => signed(&answer),
            Err(_) => None,
        };
        let found = found.unwrap_or_else(|| "the hub's certificate holds".to_owned());
        self.report.ok(Name::Tls, format!("{found}{late}"));
    }

    /// Whether files and pages can be had.
    pub(super) async fn addresses(&mut self) {
        let files = self.settings.koji.options().files_url;
        let place = self.repository_place(&files).await;
        match self.look(place.as_deref().unwrap_or(&files)).await {
            Ok(StatusCode::NOT_FOUND) if place.is_some() => self.report.warning(
                Name::FilesUrl,
                "koji.files_missing",
                format!("{} is not there", place.unwrap_or_default()),
                "see that koji.files_url is the address of the hub's files (its topurl)",
            ),
            Ok(status) if status.is_server_error() => {
                self.no_files(&format!("{files} answers {status}"));
            }
            Ok(status) => self.report.ok(Name::FilesUrl, format!("{files} answers ({status})")),
            Err(reason) => self.no_files(&reason),
        }
        let web = self.settings.koji.options().web_url;
        if web.is_empty() {
            return self.report.skipped(Name::WebUrl, "koji.web_url is not set");
        }
        let advice = "correct koji.web_url; it is for links only";
        match self.look(&web).await {
            Ok(status) if status.is_client_error() || status.is_server_error() => {
                let found = format!("{web} answers {status}");
                self.report.warning(Name::WebUrl, "koji.web_unreachable", found, advice);
            }
            Ok(status) => self.report.ok(Name::WebUrl, format!("{web} answers ({status})")),
            Err(reason) => self.report.warning(Name::WebUrl, "koji.web_unreachable", reason, advice),
        }
    }

    fn no_files(&mut self, reason: &str) {
        self.report.refused(
            Name::FilesUrl,
            FailureClass::Infrastructure,
            "koji.files_unreachable",
            reason,
            "correct koji.files_url, and see that it can be reached from here",
        );
    }

    /// A file of the target's repository, which every builder reads.
    async fn repository_place(&self, files: &str) -> Option<String> {
        if !self.report.is_ok(Name::Repository) {
            return None;
        }
        let target = self.hub.target(self.arguments.target.as_deref()?).await.ok()?.target;
        let repository = self.hub.repository(&target.build_tag).await.ok()?;
        let platform = target.platforms.first()?;
        Some(format!("{files}/repos/{}/{}/{platform}/repodata/repomd.xml", repository.tag, repository.id))
    }

    /// The status with which an address answers.
    async fn look(&self, address: &str) -> Result<StatusCode, String> {
        let url = Url::parse(address).map_err(|error| format!("{address}: {error}"))?;
        let answer = self.ask(&url).await.map_err(|reason| format!("{address} does not answer: {reason}"))?;
        Ok(answer.status())
    }

    async fn ask(&self, url: &Url) -> Result<reqwest::Response, String> {
        let mut builder = Client::builder()
            .tls_backend_rustls()
            .user_agent(concat!("koji-bridge/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::limited(5))
            .tls_info(true)
            .timeout(ANSWER);
        // The site's own authorities beside those of the system, which others may use.
        if let Some(path) = &self.session.ca_file {
            builder = builder.tls_certs_merge(authorities(path).await?);
        }
        let client = builder.build().map_err(|error| words(&error))?;
        client.head(url.clone()).send().await.map_err(|error| words(&error.without_url()))
    }
}

/// Who has signed the certificate of an answer, and how long it holds.
fn signed(answer: &reqwest::Response) -> Option<String> {
    let der = answer.extensions().get::<TlsInfo>()?.peer_certificate()?;
    let certificate = X509::from_der(der).ok()?;
    let issuer = common_name(certificate.issuer_name()).unwrap_or_else(|| "nobody with a name".to_owned());
    Some(format!("the hub's certificate is signed by '{issuer}' and holds until {}", certificate.not_after()))
}

/// An error with what lies below it.
fn words(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}
