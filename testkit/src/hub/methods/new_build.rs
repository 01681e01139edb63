//! New rows of builds, for reservations and imports alike.

use koji_bridge::xmlrpc::Fault;
use serde_json::Value as Json;

use super::{
    builds::{is_draft, state_name},
    content_generator::paths,
    python,
};
use crate::hub::{
    context::{Context, fault},
    state::{Build, build_state},
};

/// Longest name of a package in characters (`MaxNameLengthInternal`).
const LONGEST_NAME: usize = 256;

/// What a new build is to be.
#[derive(Debug)]
pub(super) struct NewBuild {
    pub(super) name: String,
    pub(super) version: String,
    /// Release; of a draft the one that it aims at.
    pub(super) release: String,
    pub(super) epoch: Option<i64>,
    pub(super) draft: bool,
    pub(super) state: u8,
    /// Its task, not looked up yet.
    pub(super) task: Option<i64>,
    pub(super) owner: u64,
    pub(super) source: Option<String>,
    pub(super) extra: Option<Json>,
    pub(super) start_time: f64,
    pub(super) completion_time: Option<f64>,
    pub(super) content_generator: String,
}

/// Stores a build and answers its number. A failed or cancelled one of the same
/// name, version and release is taken again.
///
/// # Errors
/// Its name is not allowed, its task is not there, or the build exists.
pub(super) fn store(context: &mut Context<'_>, new: NewBuild) -> Result<u64, Fault> {
    let package = package(context, &new.name)?;
    if let Some(id) = context.state.build_id(&new.name, &new.version, &new.release) {
        if new.draft {
            let nvr = format!("{}-{}-{}", new.name, new.version, new.release);
            return Err(fault::generic(format!("Target build already exists: {nvr} (id={id})")));
        }
        recycle(context, id, new)?;
        return Ok(id);
    }
    let task = known_task(context, new.task)?;
    let id = context.state.builds.last_key_value().map_or(1, |(last, _)| last + 1);
    let release = if new.draft { format!("{},draft_{id}", new.release) } else { new.release };
    let build = Build {
        package,
        name: new.name,
        version: new.version,
        release,
        epoch: new.epoch,
        state: new.state,
        task,
        owner: new.owner,
        source: new.source,
        extra: new.extra,
        content_generator: Some(new.content_generator),
        token: None,
        types: Default::default(),
        start_time: Some(new.start_time),
        completion_time: new.completion_time,
        creation_time: context.now,
        creation_event: context.state.next_event(),
    };
    context.state.builds.insert(id, build);
    Ok(id)
}

/// The number of a task that a build names.
///
/// # Errors
/// There is none: the database's complaint, fault 1.
pub(super) fn known_task(context: &Context<'_>, task: Option<i64>) -> Result<Option<u64>, Fault> {
    let Some(task) = task else {
        return Ok(None);
    };
    match u64::try_from(task) {
        Ok(known) if context.state.tasks.contains_key(&known) => Ok(Some(known)),
        _ => Err(fault::uncaught(
            "psycopg2.errors.ForeignKeyViolation",
            &format!(
                "insert or update on table \"build\" violates foreign key constraint \
                 \"build_task_id_fkey\"\nDETAIL:  Key (task_id)=({task}) is not present in table \"task\".\n"
            ),
        )),
    }
}

/// The number of a package, which is made when its name is new.
fn package(context: &mut Context<'_>, name: &str) -> Result<u64, Fault> {
    if let Some(id) = context.state.packages.get(name) {
        return Ok(*id);
    }
    if name.chars().count() > LONGEST_NAME {
        return Err(fault::generic(format!(
            "Name {name} is too long. Max length is {LONGEST_NAME} characters"
        )));
    }
    let allowed = |character: char| character.is_ascii_alphanumeric() || "/_.+-".contains(character);
    if name.is_empty() || !name.chars().all(allowed) {
        return Err(fault::generic(format!("Name {name} does not match RegexNameInternal value")));
    }
    Ok(context.state.add_package(name))
}

fn recycle(context: &mut Context<'_>, id: u64, new: NewBuild) -> Result<(), Fault> {
    let Some(old) = context.state.builds.get(&id) else {
        return Ok(());
    };
    match old.state {
        build_state::BUILDING => {
            let same_task = old.task.and_then(|task| i64::try_from(task).ok()) == new.task;
            if new.state == build_state::BUILDING && same_task {
                // Whoever makes the build has asked again.
                return Ok(());
            }
            return Err(match old.task {
                Some(task) => fault::generic(format!("Build already in progress (task {task})")),
                None => fault::uncaught("TypeError", "%d format: a real number is required, not NoneType"),
            });
        }
        build_state::FAILED | build_state::CANCELED => {}
        state => {
            let (state, new) = (state_name(state), printed(context, &new, old));
            return Err(fault::generic(format!("Build already exists (id={id}, state={state}): {new}")));
        }
    }
    let evidence = if context.state.tag_history.iter().any(|(_, build)| *build == id) {
        Some("has tag history")
    } else if context.state.archives.values().any(|archive| archive.build == id) {
        Some("has archive data")
    } else {
        None
    };
    if let Some(evidence) = evidence {
        return Err(fault::generic(format!("Build already exists. Unable to recycle, {evidence}")));
    }
    let task = known_task(context, new.task)?;
    let event = context.state.next_event();
    let (now, top) = (context.now, context.top_directory);
    let Some(old) = context.state.builds.get_mut(&id) else {
        return Ok(());
    };
    old.state = new.state;
    old.task = task;
    old.owner = new.owner;
    old.start_time = Some(new.start_time);
    old.completion_time = new.completion_time;
    old.epoch = new.epoch;
    old.source = new.source;
    old.extra = new.extra;
    old.content_generator = Some(new.content_generator);
    old.types.clear();
    old.creation_time = now;
    old.creation_event = event;
    paths::remove(&paths::build_directory(top, old));
    Ok(())
}

/// The build that was asked for, as the hub prints it.
fn printed(context: &Context<'_>, new: &NewBuild, old: &Build) -> String {
    let generator =
        context.state.content_generators.get(&new.content_generator).map(|generator| generator.id);
    let optional = |number: Option<String>| number.unwrap_or_else(|| "None".to_owned());
    format!(
        "{{'name': {}, 'version': {}, 'release': {}, 'owner': {}, 'state': {}, 'completion_time': None, \
         'cg_id': {}, 'epoch': {}, 'pkg_id': {}, 'extra': {}, 'start_time': 'NOW', 'source': {}, \
         'task_id': {}, 'volume_id': 0, 'draft': {}}}",
        python::quoted(&new.name),
        python::quoted(&new.version),
        python::quoted(&new.release),
        new.owner,
        new.state,
        optional(generator.map(|id| id.to_string())),
        optional(new.epoch.map(|epoch| epoch.to_string())),
        old.package,
        optional(new.extra.as_ref().map(|extra| python::quoted(&extra.to_string()))),
        optional(new.source.as_deref().map(python::quoted)),
        optional(new.task.map(|task| task.to_string())),
        if is_draft(old) { "True" } else { "False" },
    )
}
