//! The hub itself: whether it answers, how old it is, and what it cannot do.

use std::collections::BTreeSet;

use common::failure::FailureClass;

use super::{Checkup, Name};
use crate::{
    hub::HubError,
    session::{CallError, Login, Session},
    xmlrpc::Arguments,
};

/// Methods without which no build gets into Koji.
const NEEDED: [&str; 5] = ["CGImport", "checkUpload", "getBuild", "getBuildTarget", "tagBuild"];

/// Names of a hub's methods, if it tells them.
pub(super) type Methods = BTreeSet<String>;

impl Checkup<'_> {
    /// Whether the hub answers.
    pub(super) async fn reach(&mut self, anonymous: &Session) -> bool {
        const METHOD: &str = "getAPIVersion";
        let mut answer = anonymous.read::<i64>(METHOD, Arguments::none()).await;
        // A web server may take nobody without a certificate.
        let is_away = matches!(answer, Err(CallError::Offline { .. }));
        if answer.is_err() && !is_away && !matches!(self.session.login, Login::Anonymous) {
            answer = self.hub.session().read(METHOD, Arguments::none()).await.or(answer);
        }
        match answer {
            Ok(1) => {
                let found = format!("{} answers", self.hub.url());
                self.report.ok(Name::Hub, found);
                true
            }
            Ok(other) => {
                let reason = format!("its interface has version {other}, and 1 is needed");
                self.report.failed(Name::Hub, HubError::unexpected(METHOD, reason));
                false
            }
            Err(error) => {
                let is_tls = matches!(
                    error,
                    CallError::Login(
                        crate::login::LoginError::HubCertificate { .. }
                            | crate::login::LoginError::ClientCertificate { .. }
                    )
                );
                self.report.failed(if is_tls { Name::Tls } else { Name::Hub }, HubError::from(error));
                if is_tls {
                    self.report.skipped(Name::Hub, "because of 'TLS'");
                }
                false
            }
        }
    }

    /// How old the hub is.
    pub(super) async fn version(&mut self, session: &Session) {
        let told: Result<String, _> = session.read("getKojiVersion", Arguments::none()).await;
        let version = session.hub_version().or(told.ok());
        let Some(version) = version else {
            self.report.warning(
                Name::Version,
                "koji.hub_silent",
                "the hub does not tell its version, so it is older than 1.23",
                "see that its Koji is 1.18 or later",
            );
            return;
        };
        match (parts(&version), session.hub_version()) {
            (Some(known), _) if known < (1, 22) => self.report.warning(
                Name::Version,
                "koji.hub_too_old",
                format!("Koji {version} takes checksums by MD5 only"),
                "import with checksums of type md5, or have the hub updated to Koji 1.22 or later",
            ),
            (Some(known), None) if known >= (1, 31) => self.report.warning(
                Name::Version,
                "koji.hub_too_old",
                format!("Koji {version} does not keep a call from being carried out twice"),
                "have the hub updated to Koji 1.34.1 or later; until then lost answers cost a look each",
            ),
            _ => self.report.ok(Name::Version, format!("Koji {version}")),
        }
    }

    /// What the hub can do.
    pub(super) async fn methods(&mut self, session: &Session) -> Option<Methods> {
        let methods: Methods = match session.read("system.listMethods", Arguments::none()).await {
            Ok(methods) => methods,
            Err(error) if error.fault().is_some() => {
                self.report.warning(
                    Name::Methods,
                    "koji.hub_silent",
                    "the hub does not tell what it can do",
                    "nothing; what it cannot do is found out when it is needed",
                );
                return None;
            }
            Err(error) => {
                self.report.failed(Name::Methods, HubError::from(error));
                return None;
            }
        };
        let missing: Vec<&str> = NEEDED.into_iter().filter(|name| !methods.contains(*name)).collect();
        if !missing.is_empty() {
            self.report.refused(
                Name::Methods,
                FailureClass::Policy,
                "koji.hub_too_old",
                format!("the hub has no {}", missing.join(", ")),
                "have it updated; content generators need Koji 1.11 or later",
            );
        }
        let lacks = |name: &str| !methods.contains(name);
        if lacks("CGInitBuild") {
            self.report.warning(
                Name::Methods,
                "koji.no_reservations",
                "the hub cannot reserve builds",
                "switch reservations off (koji.reserve), or have it updated to Koji 1.18 or later",
            );
        } else if lacks("CGRefundBuild") {
            self.report.warning(
                Name::Methods,
                "koji.hub_too_old",
                "the hub cannot take reservations back by their token",
                "nothing, they are cancelled instead; Koji 1.19 and later can",
            );
        } else if missing.is_empty() {
            let drafts = if lacks("promoteBuild") { "" } else { ", and drafts" };
            let found = format!("{} methods: imports, reservations, refunds{drafts}", methods.len());
            self.report.ok(Name::Methods, found);
        }
        Some(methods)
    }
}

/// The first two parts of a version.
fn parts(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.split('.').map(str::parse);
    Some((parts.next()?.ok()?, parts.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    #[test]
    fn versions_are_compared_by_numbers() {
        for (version, expected) in
            [("1.35.3", Some((1, 35))), ("1.9", Some((1, 9))), ("1", None), ("devel", None)]
        {
            assert_eq!(super::parts(version), expected, "{version}");
        }
    }
}
