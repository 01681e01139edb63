//! Sessions: logging out, subsessions, the exclusive lock.

use koji_bridge::xmlrpc::{Arguments, Fault, Value};

use super::{
    Entry,
    arguments::{flag, integer, required_integer},
    record::{maybe_number, number, record, seconds, time},
    users,
};
use crate::hub::{
    context::{Context, fault},
    credentials::exclusive_session,
    state::LoginSession,
};

/// The methods of this topic.
pub(super) const ENTRIES: &[Entry] = &[
    Entry::write("subsession", "subsession()", subsession),
    Entry::write("logout", "logout(session_id=None)", logout),
    Entry::write("logoutChild", "logoutChild(session_id)", logout_child),
    Entry::write("exclusiveSession", "exclusiveSession(force=False)", exclusive),
    Entry::write("sharedSession", "sharedSession()", shared),
    Entry::read("getLoggedInUser", "getLoggedInUser()", logged_in_user),
    Entry::read("getSessionInfo", "getSessionInfo(details=False, user_id=None)", session_info),
];

/// What a login answers.
pub(super) fn ticket(context: &Context<'_>, id: u64) -> Value {
    let key = context.state.sessions.get(&id).map_or("", |session| session.key.as_str());
    let mut answer = record([("session-id", number(id)), ("session-key", Value::from(key))]);
    if let (Value::Struct(members), true) = (&mut answer, context.settings.header_sessions) {
        members.insert("header-auth".to_owned(), Value::Bool(true));
    }
    answer
}

fn own<'a>(context: &'a Context<'_>) -> Result<(u64, &'a LoginSession), Fault> {
    let id = context.session.ok_or_else(|| fault::auth("Not logged-in"))?;
    let session = context.state.sessions.get(&id).ok_or_else(|| fault::auth("Not logged-in"))?;
    Ok((id, session))
}

fn subsession(context: &mut Context<'_>, _: &Arguments) -> Result<Value, Fault> {
    let (id, session) = own(context)?;
    let child = LoginSession {
        master: Some(session.master.unwrap_or(id)),
        ..LoginSession::new(session.user, session.authtype, context.now)
    };
    let child = context.state.add_session(child);
    Ok(ticket(context, child))
}

fn logout(context: &mut Context<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let (own, session) = own(context)?;
    let user = session.user;
    let id = match integer(arguments, "session_id")? {
        None => own,
        Some(id) => {
            let id = u64::try_from(id).unwrap_or(u64::MAX);
            let owner = context.state.sessions.get(&id).map(|session| session.user);
            if owner != Some(user) && !context.may("admin") {
                return Err(fault::not_allowed("only admins or owner may logout other session"));
            }
            id
        }
    };
    context.state.close_session(id);
    Ok(Value::Nil)
}

fn logout_child(context: &mut Context<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let (own, _) = own(context)?;
    let id = u64::try_from(required_integer(arguments, "session_id")?).unwrap_or(u64::MAX);
    if context.state.sessions.get(&id).is_some_and(|child| child.master == Some(own)) {
        context.state.close_session(id);
    }
    Ok(Value::Nil)
}

fn exclusive(context: &mut Context<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let (id, session) = own(context)?;
    let user = session.user;
    if session.master.is_some() {
        return Err(fault::generic("subsessions cannot become exclusive"));
    }
    if session.exclusive {
        return Err(fault::generic("session is already exclusive"));
    }
    take_lock(context, id, user, flag(arguments, "force"))?;
    Ok(Value::Nil)
}

/// Gives a session the exclusive lock of its user. With force, whoever has it is
/// closed.
///
/// # Errors
/// Another session has the lock: fault 1006.
pub(super) fn take_lock(context: &mut Context<'_>, id: u64, user: u64, force: bool) -> Result<(), Fault> {
    match exclusive_session(context.state, user) {
        Some(holder) if holder != id && !force => {
            return Err(Fault::new(1006, "Cannot get exclusive session"));
        }
        Some(holder) if holder != id => context.state.close_session(holder),
        _ => {}
    }
    if let Some(session) = context.state.sessions.get_mut(&id) {
        session.exclusive = true;
    }
    Ok(())
}

fn shared(context: &mut Context<'_>, _: &Arguments) -> Result<Value, Fault> {
    let (id, _) = own(context)?;
    if let Some(session) = context.state.sessions.get_mut(&id) {
        session.exclusive = false;
    }
    Ok(Value::Nil)
}

fn logged_in_user(context: &mut Context<'_>, _: &Arguments) -> Result<Value, Fault> {
    let (Some(id), Ok((_, session))) = (context.user, own(context)) else { return Ok(Value::Nil) };
    let Some(user) = context.state.users.get(&id) else { return Ok(Value::Nil) };
    let mut answer = users::described(id, user);
    if let Value::Struct(members) = &mut answer {
        let principal = user.principals.first().map_or(Value::Nil, |name| Value::from(name.as_str()));
        members.insert("krb_principal".to_owned(), principal);
        members.insert("authtype".to_owned(), Value::Int(session.authtype.into()));
    }
    Ok(answer)
}

fn session_info(context: &mut Context<'_>, _: &Arguments) -> Result<Value, Fault> {
    let Ok((_, session)) = own(context) else { return Ok(Value::Nil) };
    Ok(record([
        ("authtype", Value::Int(session.authtype.into())),
        ("callnum", maybe_number(session.call_number)),
        ("exclusive", if session.exclusive { Value::Bool(true) } else { Value::Nil }),
        ("expired", Value::Bool(session.expired)),
        ("master", maybe_number(session.master)),
        ("renew_time", Value::Nil),
        ("renew_ts", Value::Nil),
        ("start_time", time(Some(session.started))),
        ("start_ts", seconds(Some(session.started))),
        ("update_time", time(Some(context.now))),
        ("update_ts", seconds(Some(context.now))),
        ("user_id", number(session.user)),
    ]))
}
