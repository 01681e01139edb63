//! Logging in: by password, by client certificate, by GSSAPI, for somebody else.

use koji_bridge::xmlrpc::{Arguments, Fault, Value};

use super::{
    Entry,
    arguments::{flag, integer, required_text, text},
    sessions::{take_lock, ticket},
};
use crate::hub::{
    context::{Context, fault},
    state::{LoginSession, User},
};

/// The methods of this topic.
pub(super) const ENTRIES: &[Entry] = &[
    Entry::write("login", "login(user, password, opts=None, renew=False, exclusive=False)", login),
    Entry::write(
        "sslLogin",
        "sslLogin(proxyuser=None, proxyauthtype=None, renew=False, exclusive=False)",
        ssl_login,
    ),
];

/// Ways to log in, by Koji's numbers.
mod authtype {
    pub(super) const PASSWORD: u8 = 0;
    pub(super) const CERTIFICATE: u8 = 2;
    pub(super) const GSSAPI: u8 = 3;
}

fn login(context: &mut Context<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let name = required_text(arguments, "user")?;
    let password = required_text(arguments, "password")?;
    let found = context.state.user_id(name).filter(|id| {
        context.state.users.get(id).is_some_and(|user| user.password.as_deref() == Some(password))
    });
    let user = found.ok_or_else(|| fault::auth("invalid username or password"))?;
    open(context, user, authtype::PASSWORD, arguments)
}

fn ssl_login(context: &mut Context<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let connection = context.connection;
    // Whoever came with a ticket is known by it, whatever certificate there is too.
    let (who, shown, mut authtype) = match (&connection.principal, &connection.certificate) {
        (Some(principal), _) => (principal, principal, authtype::GSSAPI),
        (None, Some(name)) => (name, connection.subject.as_ref().unwrap_or(name), authtype::CERTIFICATE),
        (None, None) => return Err(fault::auth("could not verify client: NONE")),
    };
    let user = match text(arguments, "proxyuser")?.filter(|name| !name.is_empty()) {
        None => find_or_make(context, who)?,
        Some(other) => {
            if !context.settings.proxy_users.iter().any(|proxy| proxy == who) {
                return Err(fault::auth(format!("{shown} is not authorized to login other users")));
            }
            if let Some(number) = integer(arguments, "proxyauthtype")? {
                authtype = u8::try_from(number).unwrap_or(authtype);
            }
            find_or_make(context, other)?
        }
    };
    open(context, user, authtype, arguments)
}

/// The user of a name or of a Kerberos principal; it is made if the hub does that.
fn find_or_make(context: &mut Context<'_>, who: &str) -> Result<u64, Fault> {
    let by_principal = |(_, user): &(&u64, &User)| user.principals.iter().any(|principal| principal == who);
    let (name, principal) = match who.split_once('@') {
        Some((name, _)) => (name, Some(who)),
        None => (who, None),
    };
    let known = context.state.users.iter().find(by_principal).map(|(id, _)| *id);
    let known = known.or_else(|| context.state.user_id(who));
    if let Some(id) = known {
        return Ok(id);
    }
    if !context.settings.login_creates_user {
        let what = if principal.is_some() { "Kerberos principal" } else { "user" };
        return Err(fault::auth(format!("Unknown {what}: {who}")));
    }
    let id = context.state.add_user(name);
    if let (Some(user), Some(principal)) = (context.state.users.get_mut(&id), principal) {
        user.principals.push(principal.to_owned());
    }
    Ok(id)
}

/// Opens a session, or renews the one that the login names.
fn open(context: &mut Context<'_>, user: u64, authtype: u8, arguments: &Arguments) -> Result<Value, Fault> {
    if let Some(user) = context.state.users.get(&user).filter(|user| user.disabled) {
        return Err(fault::auth(format!("logins by {} are not allowed", user.name)));
    }
    let named = context.connection.named_session;
    let named = named.and_then(|id| Some((id, context.state.sessions.get_mut(&id)?)));
    let id = match named {
        Some((id, session)) if flag(arguments, "renew") => {
            if session.user != user {
                return Err(fault::auth("Invalid session or bad credentials"));
            }
            session.renew();
            id
        }
        Some((_, session)) if !session.expired => return Err(fault::auth("Already logged in")),
        _ => context.state.add_session(LoginSession::new(user, authtype, context.now)),
    };
    if flag(arguments, "exclusive") {
        take_lock(context, id, user, false)?;
    }
    Ok(ticket(context, id))
}
