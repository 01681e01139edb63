//! Users, their permissions, and which content generators they may use.

use koji_bridge::xmlrpc::{Arguments, Fault, Value};

use super::{
    Entry,
    arguments::{flag, given, required_text, text, wrong_type},
    python::{from_wire, quoted, repr},
    record::{number, record},
};
use crate::hub::{
    context::{Context, fault},
    state::User,
};

/// The methods of this topic.
pub(super) const ENTRIES: &[Entry] = &[
    Entry::read("getUser", "get_user(userInfo=None, strict=False, krb_princs=True)", get_user),
    Entry::read("getPerms", "getPerms()", get_permissions),
    Entry::read("hasPerm", "hasPerm(perm, strict=False)", has_permission),
    Entry::read("getUserPerms", "getUserPerms(userID=None)", get_user_permissions),
    Entry::read("listCGs", "list_cgs()", list_content_generators),
    Entry::read("listBTypes", "list_btypes(query=None, queryOpts=None)", list_build_types),
    Entry::write("createUser", "createUser(username, status=None, krb_principal=None)", create_user),
    Entry::write("enableUser", "enableUser(username)", enable_user),
    Entry::write("disableUser", "disableUser(username)", disable_user),
    Entry::write(
        "grantPermission",
        "grantPermission(userinfo, permission, create=False, description=None)",
        grant_permission,
    ),
    Entry::write("grantCGAccess", "grant_cg_access(user, cg, create=False)", grant_access),
    Entry::write("revokeCGAccess", "revoke_cg_access(user, cg)", revoke_access),
    Entry::write("addBType", "add_btype(name)", add_build_type),
];

/// A user as the hub describes it.
pub(super) fn described(id: u64, user: &User) -> Value {
    let principals = user.principals.iter().map(|name| Value::from(name.as_str())).collect();
    record([
        ("id", number(id)),
        ("name", Value::from(user.name.as_str())),
        ("status", Value::Int(user.disabled.into())),
        ("usertype", Value::Int(0)),
        ("krb_principals", Value::Array(principals)),
    ])
}

/// The user that a number, a name or a struct with one of them stands for.
pub(super) fn find(context: &Context<'_>, who: &Value) -> Result<Option<u64>, Fault> {
    Ok(match who {
        Value::Int(id) => u64::try_from(*id).ok().filter(|id| context.state.users.contains_key(id)),
        Value::String(name) => context.state.user_id(name).or_else(|| {
            let has = |user: &User| user.principals.contains(name);
            context.state.users.iter().find(|(_, user)| has(user)).map(|(id, _)| *id)
        }),
        Value::Struct(members) => match members.get("id").or_else(|| members.get("name")) {
            Some(inner @ (Value::Int(_) | Value::String(_))) => return find(context, inner),
            _ => None,
        },
        other => return Err(wrong_type(other, "str")),
    })
}

/// The same, for a user that must be there.
///
/// # Errors
/// It is not: fault 1000.
pub(super) fn find_strictly(context: &Context<'_>, who: &Value) -> Result<u64, Fault> {
    find(context, who)?.ok_or_else(|| fault::generic(format!("No such user: {}", repr(&from_wire(who)))))
}

/// Refuses callers without a permission.
///
/// # Errors
/// The caller is not logged in or lacks the permission: fault 1004.
pub(super) fn require(context: &Context<'_>, permission: &str) -> Result<(), Fault> {
    context.logged_in()?;
    if context.may(permission) {
        return Ok(());
    }
    let name = context.caller().map_or("", |user| user.name.as_str());
    Err(fault::not_allowed(format!("{permission} permission required (logged in as {name})")))
}

fn get_user(context: &mut Context<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let found = match given(arguments, "userInfo") {
        None => Some(context.logged_in()?),
        Some(who) if flag(arguments, "strict") => Some(find_strictly(context, who)?),
        Some(who) => find(context, who)?,
    };
    let user = found.and_then(|id| Some((id, context.state.users.get(&id)?)));
    Ok(user.map_or(Value::Nil, |(id, user)| described(id, user)))
}

fn permissions(user: Option<&User>) -> Value {
    let names = user.into_iter().flat_map(|user| &user.permissions);
    Value::Array(names.map(|name| Value::from(name.as_str())).collect())
}

fn get_permissions(context: &mut Context<'_>, _: &Arguments) -> Result<Value, Fault> {
    Ok(permissions(context.caller()))
}

fn has_permission(context: &mut Context<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    Ok(Value::Bool(context.may(required_text(arguments, "perm")?)))
}

fn get_user_permissions(context: &mut Context<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let id = match given(arguments, "userID") {
        None => context.logged_in()?,
        Some(who) => find_strictly(context, who)?,
    };
    Ok(permissions(context.state.users.get(&id)))
}

fn list_content_generators(context: &mut Context<'_>, _: &Arguments) -> Result<Value, Fault> {
    let name = |id: &u64| Some(Value::from(context.state.users.get(id)?.name.as_str()));
    let entries = context.state.content_generators.iter().map(|(cg, entry)| {
        let users = Value::Array(entry.users.iter().filter_map(name).collect());
        (cg.clone(), record([("id", number(entry.id)), ("users", users)]))
    });
    Ok(Value::Struct(entries.collect()))
}

/// All build types; what narrows the list is passed over.
fn list_build_types(context: &mut Context<'_>, _: &Arguments) -> Result<Value, Fault> {
    let entry =
        |(name, id): (&String, &u64)| record([("id", number(*id)), ("name", Value::from(name.as_str()))]);
    Ok(Value::Array(context.state.build_types.iter().map(entry).collect()))
}

fn create_user(context: &mut Context<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    require(context, "admin")?;
    let name = required_text(arguments, "username")?;
    if context.state.user_id(name).is_some() {
        return Err(fault::generic(format!("user already exists: {name}")));
    }
    let id = context.state.add_user(name);
    let principal = text(arguments, "krb_principal")?;
    if let (Some(user), Some(principal)) = (context.state.users.get_mut(&id), principal) {
        user.principals.push(principal.to_owned());
    }
    Ok(number(id))
}

fn set_disabled(context: &mut Context<'_>, arguments: &Arguments, disabled: bool) -> Result<Value, Fault> {
    require(context, "admin")?;
    let who = Value::from(required_text(arguments, "username")?);
    let id = find_strictly(context, &who)?;
    if let Some(user) = context.state.users.get_mut(&id) {
        user.disabled = disabled;
    }
    Ok(Value::Nil)
}

fn enable_user(context: &mut Context<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    set_disabled(context, arguments, false)
}

fn disable_user(context: &mut Context<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    set_disabled(context, arguments, true)
}

fn grant_permission(context: &mut Context<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    require(context, "admin")?;
    let permission = required_text(arguments, "permission")?;
    let id = find_strictly(context, given(arguments, "userinfo").unwrap_or(&Value::Nil))?;
    if let Some(user) = context.state.users.get_mut(&id)
        && !user.permissions.insert(permission.to_owned())
    {
        return Err(fault::generic(format!("user {} already has permission: {permission}", user.name)));
    }
    Ok(Value::Nil)
}

fn grant_access(context: &mut Context<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    require(context, "admin")?;
    let id = find_strictly(context, given(arguments, "user").unwrap_or(&Value::Nil))?;
    let name = required_text(arguments, "cg")?;
    if !flag(arguments, "create") && !context.state.content_generators.contains_key(name) {
        return Err(no_generator(name));
    }
    if !context.state.grant(id, name) {
        return Err(fault::generic("User already has access to content generator"));
    }
    Ok(Value::Nil)
}

fn revoke_access(context: &mut Context<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    require(context, "admin")?;
    let id = find_strictly(context, given(arguments, "user").unwrap_or(&Value::Nil))?;
    let name = required_text(arguments, "cg")?;
    let generator = context.state.content_generators.get_mut(name).ok_or_else(|| no_generator(name))?;
    generator.users.remove(&id);
    Ok(Value::Nil)
}

fn no_generator(name: &str) -> Fault {
    fault::generic(format!("No such entry in table content_generator: {name}"))
}

fn add_build_type(context: &mut Context<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    require(context, "admin")?;
    let name = required_text(arguments, "name")?;
    if context.state.build_types.contains_key(name) {
        return Err(fault::generic(format!("btype already exists: {}", quoted(name))));
    }
    let id = context.state.next_id();
    context.state.build_types.insert(name.to_owned(), id);
    Ok(Value::Nil)
}
