//! Tasks.

use std::{
    fs::{self, File},
    io::{Read as _, Seek as _, SeekFrom},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use koji_bridge::xmlrpc::{Arguments, Fault, Value};

use super::{
    Entry,
    arguments::{flag, given, integer, required_integer, required_text},
    content_generator::paths,
    query_options,
    record::{json, maybe_number, number, record, seconds, time, with},
};
use crate::hub::{
    context::{Context, fault},
    state::{State, Task, task_state},
    tasks::{self, output_directory},
};

/// The methods of this topic.
pub(super) const ENTRIES: &[Entry] = &[
    Entry::read("getTaskInfo", "getTaskInfo(task_id, request=False, strict=False)", get_task_info),
    Entry::read("taskFinished", "taskFinished(taskId)", task_finished),
    Entry::read("getTaskResult", "getTaskResult(taskId, raise_fault=True)", get_task_result),
    Entry::read(
        "listTaskOutput",
        "list_task_output(taskID, stat=False, all_volumes=False, strict=False)",
        list_task_output,
    ),
    Entry::read(
        "downloadTaskOutput",
        "downloadTaskOutput(taskID, fileName, offset=0, size=-1, volume=None)",
        download_task_output,
    ),
    Entry::read(
        "getTaskChildren",
        "getTaskChildren(task_id, request=False, strict=False)",
        get_task_children,
    ),
    Entry::read("getTaskDescendents", "getTaskDescendents(task_id, request=False)", get_task_descendents),
    Entry::read("getHost", "get_host(hostInfo, strict=False, event=None)", get_host),
    Entry::read("listTasks", "listTasks(opts=None, queryOpts=None)", list_tasks),
    Entry::write("cancelTask", "cancelTask(task_id, recurse=True)", cancel_task),
];

/// Name of the host that tasks are said to run on.
const HOST: &str = "builder.example.test";

/// A task as `getTaskInfo` answers it.
fn describe(id: u64, task: &Task, request: bool) -> Value {
    let answer = record([
        ("id", number(id)),
        ("state", Value::Int(task.state.into())),
        ("method", Value::from(task.method.as_str())),
        ("arch", Value::from("noarch")),
        ("channel_id", number(task.channel)),
        ("host_id", maybe_number(task.started.map(|_| 1))),
        ("owner", number(task.owner)),
        ("parent", maybe_number(task.parent)),
        ("label", Value::Nil),
        ("priority", Value::Int(task.priority)),
        ("weight", Value::Double(if task.method == "buildContainer" { 2.0 } else { 1.0 })),
        ("waiting", Value::Nil),
        ("awaited", Value::Nil),
        ("create_time", time(Some(task.created))),
        ("create_ts", seconds(Some(task.created))),
        ("start_time", time(task.started)),
        ("start_ts", seconds(task.started)),
        ("completion_time", time(task.completed)),
        ("completion_ts", seconds(task.completed)),
    ]);
    if request { with(answer, "request", json(&task.request)) } else { answer }
}

/// The task of a number, after all that had to end by now has ended.
fn find<'a>(context: &'a mut Context<'_>, wanted: i64) -> Option<(u64, &'a Task)> {
    tasks::settle(context.state, context.now);
    let id = u64::try_from(wanted).ok()?;
    Some((id, context.state.tasks.get(&id)?))
}

fn get_task_info(context: &mut Context<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let (request, strict) = (flag(arguments, "request"), flag(arguments, "strict"));
    let mut one = |wanted: &Value| -> Result<Value, Fault> {
        let wanted = match wanted {
            Value::Int(wanted) => *wanted,
            other => return Err(super::arguments::wrong_type(other, "int")),
        };
        match find(context, wanted) {
            Some((id, task)) => Ok(describe(id, task, request)),
            None if strict => Err(fault::generic(format!("No such task: {wanted}"))),
            None => Ok(Value::Nil),
        }
    };
    match arguments.named.get("task_id").unwrap_or(&Value::Nil) {
        Value::Array(wanted) => Ok(Value::Array(wanted.iter().map(one).collect::<Result<_, _>>()?)),
        wanted => one(wanted),
    }
}

fn task_finished(context: &mut Context<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let (_, task) = find(context, required_integer(arguments, "taskId")?)
        .ok_or_else(|| fault::generic("query returned no rows"))?;
    Ok(Value::Bool(tasks::has_ended(task.state)))
}

fn get_task_result(context: &mut Context<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let raise = given(arguments, "raise_fault").is_none_or(super::arguments::truth);
    let (id, task) = find(context, required_integer(arguments, "taskId")?)
        .ok_or_else(|| fault::generic("No such task"))?;
    match (task.state, &task.result) {
        (task_state::CANCELED, _) => Err(fault::generic(format!("Task {id} is canceled"))),
        (task_state::CLOSED | task_state::FAILED, Ok(result)) => Ok(json(result)),
        (task_state::CLOSED | task_state::FAILED, Err((code, text))) if raise => {
            Err(Fault::new(*code, text.as_str()))
        }
        (task_state::CLOSED | task_state::FAILED, Err((code, text))) => {
            Ok(record([("faultCode", Value::Int(*code)), ("faultString", Value::from(text.as_str()))]))
        }
        _ => Err(fault::generic(format!("Task {id} is not finished"))),
    }
}

/// The path of a task's output, or of a file in it.
fn output(context: &Context<'_>, id: i64) -> String {
    let id = u64::try_from(id).unwrap_or(u64::MAX);
    format!("{}/{}", context.top_directory.display(), output_directory(id))
}

fn list_task_output(context: &mut Context<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let wanted = required_integer(arguments, "taskID")?;
    if flag(arguments, "strict") && find(context, wanted).is_none() {
        return Err(fault::generic("Task doesn't exist"));
    }
    let entries = fs::read_dir(output(context, wanted)).into_iter().flatten().flatten();
    let mut files: Vec<(String, fs::Metadata)> = entries
        .filter_map(|entry| Some((entry.file_name().to_string_lossy().into_owned(), entry.metadata().ok()?)))
        .filter(|(_, found)| found.is_file())
        .collect();
    files.sort_by(|one, other| one.0.cmp(&other.0));
    let (stat, all_volumes) = (flag(arguments, "stat"), flag(arguments, "all_volumes"));
    if !stat && !all_volumes {
        return Ok(Value::Array(files.into_iter().map(|(name, _)| Value::String(name)).collect()));
    }
    Ok(files.iter().fold(record([]), |answer, (name, found)| {
        let volume = Value::from("DEFAULT");
        let details = match (stat, all_volumes) {
            (true, true) => record([("DEFAULT", describe_file(found))]),
            (true, false) => describe_file(found),
            (false, _) => Value::Array(vec![volume]),
        };
        with(answer, name, details)
    }))
}

/// Size and times of a file. The size is text, since it may not fit into 32 bits.
fn describe_file(found: &fs::Metadata) -> Value {
    let since_epoch = |time: std::io::Result<std::time::SystemTime>| {
        let time = time.ok().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
        Value::Double(time.map_or(0.0, |time| time.as_secs_f64()))
    };
    record([
        ("st_size", Value::String(found.len().to_string())),
        ("st_mtime", since_epoch(found.modified())),
        ("st_atime", since_epoch(found.accessed())),
        ("st_ctime", since_epoch(found.modified())),
    ])
}

/// A piece of a file in base64, as text.
fn download_task_output(context: &mut Context<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let id = required_integer(arguments, "taskID")?;
    let name = required_text(arguments, "fileName")?;
    let offset = integer(arguments, "offset")?.unwrap_or(0);
    let size = u64::try_from(integer(arguments, "size")?.unwrap_or(-1)).unwrap_or(u64::MAX);
    if name.contains("..") {
        return Err(fault::generic(format!("Invalid file name: {name}")));
    }
    let path = format!("{}/{name}", output(context, id));
    if !fs::metadata(&path).is_ok_and(|found| found.is_file()) {
        return Err(fault::generic(format!("no file \"{name}\" output by task {id}")));
    }
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(&path)?;
        match u64::try_from(offset) {
            Ok(offset) => file.seek(SeekFrom::Start(offset))?,
            Err(_) => file.seek(SeekFrom::End(offset))?,
        };
        let mut piece = Vec::new();
        file.take(size).read_to_end(&mut piece)?;
        Ok(piece)
    };
    let piece = read().map_err(|error| paths::os_error(&error, &path))?;
    Ok(Value::String(STANDARD.encode(piece)))
}

fn children(state: &State, parent: u64, request: bool) -> Vec<(u64, Value)> {
    let children = state.tasks.iter().filter(|(_, task)| task.parent == Some(parent));
    children.map(|(id, task)| (*id, describe(*id, task, request))).collect()
}

fn get_task_children(context: &mut Context<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let wanted = required_integer(arguments, "task_id")?;
    let Some((id, _)) = find(context, wanted) else {
        if flag(arguments, "strict") {
            return Err(fault::generic(format!("No such task: {wanted}")));
        }
        return Ok(Value::Array(Vec::new()));
    };
    let children = children(context.state, id, flag(arguments, "request"));
    Ok(Value::Array(children.into_iter().map(|(_, child)| child).collect()))
}

/// The tasks of an owner, of a method, in certain states; other options of real
/// hubs are passed over.
fn list_tasks(context: &mut Context<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let wanted = |name: &str| given(arguments, "opts").and_then(|options| options.get(name));
    let (owner, method) = (wanted("owner").and_then(Value::as_i64), wanted("method").and_then(Value::as_str));
    let states = match wanted("state") {
        Some(Value::Array(states)) => Some(states.iter().filter_map(Value::as_i64).collect::<Vec<_>>()),
        _ => None,
    };
    let decode = wanted("decode") == Some(&Value::Bool(true));
    let fits = |task: &Task| {
        owner.is_none_or(|owner| u64::try_from(owner) == Ok(task.owner))
            && method.is_none_or(|method| task.method == method)
            && states.as_ref().is_none_or(|states| states.contains(&task.state.into()))
    };
    let tasks = context.state.tasks.iter().filter(|(_, task)| fits(task));
    let rows = tasks.map(|(id, task)| describe(*id, task, decode)).collect();
    query_options::apply(rows, arguments)
}

fn get_task_descendents(context: &mut Context<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let wanted = required_integer(arguments, "task_id")?;
    let Some((id, _)) = find(context, wanted) else {
        return Ok(with(record([]), &wanted.to_string(), Value::Array(Vec::new())));
    };
    let mut answer = record([]);
    let mut waiting = vec![id];
    while let Some(id) = waiting.pop() {
        let children = children(context.state, id, flag(arguments, "request"));
        waiting.extend(children.iter().map(|(child, _)| *child));
        let children = children.into_iter().map(|(_, child)| child).collect();
        answer = with(answer, &id.to_string(), Value::Array(children));
    }
    Ok(answer)
}

/// The one host that tasks are said to run on.
fn get_host(_: &mut Context<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let wanted = arguments.named.get("hostInfo").unwrap_or(&Value::Nil);
    if *wanted != Value::Int(1) && *wanted != Value::from(HOST) {
        let text = format!("Invalid hostInfo: {}", super::python::text(&super::python::from_wire(wanted)));
        return if flag(arguments, "strict") { Err(fault::generic(text)) } else { Ok(Value::Nil) };
    }
    Ok(record([
        ("id", Value::Int(1)),
        ("user_id", Value::Nil),
        ("name", Value::from(HOST)),
        ("arches", Value::from("noarch")),
        ("task_load", Value::Double(0.0)),
        ("capacity", Value::Double(2.0)),
        ("description", Value::Nil),
        ("comment", Value::Nil),
        ("enabled", Value::Bool(true)),
        ("ready", Value::Bool(true)),
    ]))
}

fn cancel_task(context: &mut Context<'_>, arguments: &Arguments) -> Result<Value, Fault> {
    let caller = context.user;
    let administrator = context.may("admin");
    let (id, task) = find(context, required_integer(arguments, "task_id")?)
        .ok_or_else(|| fault::generic("query returned no rows"))?;
    if caller != Some(task.owner) && !administrator {
        return Err(fault::not_allowed("Cannot cancel task, not owner"));
    }
    tasks::cancel(context.state, id, context.now);
    Ok(Value::Nil)
}
