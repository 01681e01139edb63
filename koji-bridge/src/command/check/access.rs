//! Who the bridge is at the hub, and what it may do there.

use std::collections::{BTreeMap, BTreeSet};

use common::failure::FailureClass;
use serde::Deserialize;

use super::{Checkup, Name, hub::Methods};
use crate::{
    hub::HubError,
    login::LoginError,
    session::{CallError, LoggedInUser, Login, Session},
    xmlrpc::Arguments,
};

/// The type of users that builder hosts log in as.
const HOST: i64 = 1;
/// The permission that gives all others.
const ADMIN: &str = "admin";
/// The type of builds that images are.
const IMAGE: &str = "image";

/// Who is logged in, and what they may do.
#[derive(Debug)]
pub(super) struct User {
    pub(super) user: LoggedInUser,
    /// `None` when the hub does not tell.
    pub(super) permissions: Option<BTreeSet<String>>,
}

/// `getSessionInfo`.
#[derive(Debug, Deserialize)]
struct SessionInfo {
    exclusive: Option<bool>,
    start_time: Option<String>,
    renew_time: Option<String>,
}

/// An entry of `listCGs`.
#[derive(Debug, Deserialize)]
struct Generator {
    users: Vec<String>,
}

/// An entry of `listBTypes`.
#[derive(Debug, Deserialize)]
struct BuildType {
    name: String,
}

impl Checkup<'_> {
    /// Whether the login works, and what follows from it.
    pub(super) async fn login(&mut self) -> Option<User> {
        if matches!(self.session.login, Login::Anonymous) {
            self.report.warning(
                Name::Login,
                "koji.anonymous",
                "the bridge logs in as nobody, and only asks",
                "name who logs in at koji.login, if builds are to be imported",
            );
            return None;
        }
        let how = self.session.login.name();
        let user = match self.hub.session().user().await {
            Ok(Some(user)) => user,
            Ok(None) => {
                let reason = "the hub takes the bridge's session for nobody's";
                self.report.failed(Name::Login, HubError::unexpected("getLoggedInUser", reason));
                return None;
            }
            Err(error @ CallError::Login(LoginError::Locked { .. })) => {
                self.report.ok(Name::Login, format!("the hub takes it ({how})"));
                self.report.failed(Name::Lock, HubError::from(error));
                self.report.skipped(Name::Session, "because of 'lock'");
                self.report.skipped(Name::Permissions, "because of 'lock'");
                self.report.skipped(Name::Upload, "because of 'lock'");
                return None;
            }
            Err(error) => {
                self.report.failed(Name::Login, HubError::from(error));
                return None;
            }
        };
        self.whom(&user, how);
        self.report.ok(Name::Lock, "no other session has the exclusive lock of the user");
        self.session_info().await;
        let permissions = self.permissions(user.id).await;
        Some(User { user, permissions })
    }

    fn whom(&mut self, user: &LoggedInUser, how: &str) {
        let proxy_user = match &self.session.login {
            Login::Certificate { proxy_user, .. } | Login::Gssapi { proxy_user, .. } => proxy_user.as_deref(),
            Login::Anonymous | Login::Password { .. } => None,
        };
        if let Some(wanted) = proxy_user.filter(|wanted| *wanted != user.name) {
            self.report.refused(
                Name::Login,
                FailureClass::Policy,
                "koji.proxy_user_ignored",
                format!("the hub takes the bridge for {}, and not for the proxy user {wanted}", user.name),
                "see that the hub lists the bridge in ProxyDNs or ProxyPrincipals, or drop proxy_user",
            );
            return;
        }
        let method = match user.authtype {
            Some(0) => "password",
            Some(1) => "Kerberos of old",
            Some(2) => "certificate",
            Some(3) => "GSSAPI",
            _ => how,
        };
        let principal = user.krb_principal.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
        let found = format!("logged in as {}{principal} by {method}", user.name);
        if user.usertype == Some(HOST) {
            self.report.warning(
                Name::Login,
                "koji.user_is_host",
                format!("{found}, a builder host"),
                "give the bridge a user of its own: a builder locks out all others of its name",
            );
        } else {
            self.report.ok(Name::Login, found);
        }
    }

    async fn session_info(&mut self) {
        let info: Result<Option<SessionInfo>, _> =
            self.hub.session().read("getSessionInfo", Arguments::none()).await;
        match info {
            Ok(Some(info)) => {
                let since = info.start_time.unwrap_or_else(|| "now".to_owned());
                let renewed = info.renew_time.map(|at| format!(", renewed at {at}")).unwrap_or_default();
                let lock = if info.exclusive == Some(true) { ", exclusive" } else { "" };
                self.report.ok(Name::Session, format!("since {since}{renewed}{lock}"));
            }
            Ok(None) => self.report.refused(
                Name::Session,
                FailureClass::Infrastructure,
                "koji.not_logged_in",
                "the hub knows nothing of the session that it has just given",
                "see that the bridge reaches the hub from one address (CheckClientIP of the hub)",
            ),
            Err(error) => self.report.failed(Name::Session, HubError::from(error)),
        }
    }

    async fn permissions(&mut self, user: i64) -> Option<BTreeSet<String>> {
        let told: Result<BTreeSet<String>, _> =
            self.hub.session().read("getUserPerms", Arguments::none().with(user)).await;
        let permissions = match told {
            Ok(permissions) => permissions,
            Err(error) => {
                self.report.failed(Name::Permissions, HubError::from(error));
                return None;
            }
        };
        let names: Vec<&str> = permissions.iter().map(String::as_str).collect();
        if permissions.contains(ADMIN) {
            self.report.warning(
                Name::Permissions,
                "koji.user_is_admin",
                format!("the bridge may do everything: {}", names.join(", ")),
                "take the permission admin from its user; access to the content generator is enough",
            );
        } else if names.is_empty() {
            self.report.ok(Name::Permissions, "none, and none are needed for an import");
        } else {
            self.report.ok(Name::Permissions, names.join(", "));
        }
        Some(permissions)
    }

    /// Whether there is the content generator, and the bridge may use it.
    pub(super) async fn generator(
        &mut self,
        session: &Session,
        user: Option<&User>,
        methods: Option<&Methods>,
    ) {
        const METHOD: &str = "listCGs";
        let name = self.settings.koji.content_generator.clone();
        if methods.is_some_and(|methods| !methods.contains(METHOD)) {
            return self.silent(Name::Generator, &format!("who may import as {name}"));
        }
        let told = session.read::<BTreeMap<String, Generator>>(METHOD, Arguments::none()).await;
        let generators = match told {
            Ok(generators) => generators,
            Err(error) => return self.report.failed(Name::Generator, HubError::from(error)),
        };
        let Some(generator) = generators.get(&name) else {
            let known: Vec<&str> = generators.keys().map(String::as_str).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            return self.report.refused(
                Name::Generator,
                FailureClass::Policy,
                "koji.unknown_generator",
                format!("the hub has no content generator '{name}'; it has {known}"),
                "correct koji.content_generator, or have it added: koji grant-cg-access --new USER GENERATOR",
            );
        };
        let Some(User { user, .. }) = user else {
            return self.report.ok(Name::Generator, format!("{name} is there; who may use it, nobody asked"));
        };
        if generator.users.contains(&user.name) {
            self.report.ok(Name::Generator, format!("{} may import as {name}", user.name));
        } else {
            self.report.refused(
                Name::Generator,
                FailureClass::Policy,
                "koji.no_generator_access",
                format!("{} may not import as {name}", user.name),
                "have an administrator allow it: koji grant-cg-access USER GENERATOR",
            );
        }
    }

    /// Whether the hub knows images.
    pub(super) async fn build_types(&mut self, session: &Session, methods: Option<&Methods>) {
        const METHOD: &str = "listBTypes";
        if methods.is_some_and(|methods| !methods.contains(METHOD)) {
            return self.silent(Name::BuildTypes, "which types of builds it has");
        }
        match session.read::<Vec<BuildType>>(METHOD, Arguments::none()).await {
            Err(error) => self.report.failed(Name::BuildTypes, HubError::from(error)),
            Ok(types) if types.iter().any(|found| found.name == IMAGE) => {
                let names: Vec<&str> = types.iter().map(|found| found.name.as_str()).collect();
                self.report.ok(Name::BuildTypes, names.join(", "));
            }
            Ok(_) => self.report.refused(
                Name::BuildTypes,
                FailureClass::Policy,
                "koji.no_image_type",
                "the hub has no build type 'image'",
                "have an administrator add it: koji call addBType image",
            ),
        }
    }

    fn silent(&mut self, name: Name, what: &str) {
        let found = format!("the hub does not tell {what}");
        self.report.warning(
            name,
            "koji.hub_silent",
            found,
            "have those who run the hub look, or import a test build",
        );
    }
}
