//! Tasks and how they end.
//!
//! No builder works for this hub. Tasks that tag a build end by themselves some time
//! after they were made; all others wait until somebody ends them with [`finish`].
//! What ends by itself ends when it is looked at: [`settle`] goes by the time alone,
//! so that a call that stores nothing sees the same as one that does.

use std::{fs, io, path::Path};

use serde_json::Value as Json;

use super::{
    engine::now,
    methods,
    server::KojiHub,
    state::{State, Task, task_state},
};

/// What a new task is.
#[derive(Debug, Clone)]
pub struct NewTask {
    /// Method. Example: `buildContainer`.
    pub method: String,
    /// Its parameters.
    pub request: Json,
    /// Number of its owner.
    pub owner: u64,
    /// Number of its channel.
    pub channel: u64,
    /// Priority; 20 is the usual one, lower numbers come sooner.
    pub priority: i64,
    /// Task whose child it is.
    pub parent: Option<u64>,
    /// When it ends by itself; `None` for one that waits for [`finish`].
    pub ends_at: Option<f64>,
}

/// Stores a task and answers its number.
pub fn make(state: &mut State, new: NewTask, now: f64) -> u64 {
    let id = state.tasks.last_key_value().map_or(1, |(last, _)| last + 1);
    let task = Task {
        method: new.method,
        request: new.request,
        state: task_state::FREE,
        owner: new.owner,
        channel: new.channel,
        priority: new.priority,
        result: Ok(Json::Null),
        created: now,
        started: None,
        ends_at: new.ends_at,
        completed: None,
        parent: new.parent,
    };
    state.tasks.insert(id, task);
    id
}

/// Whether a task in a state has ended.
pub fn has_ended(state: u8) -> bool {
    matches!(state, task_state::CLOSED | task_state::CANCELED | task_state::FAILED)
}

/// Ends all tasks whose time has come, in the order in which they end.
pub fn settle(state: &mut State, now: f64) {
    let due = |task: &Task| task.ends_at.filter(|at| !has_ended(task.state) && *at <= now);
    let mut ending: Vec<(f64, u64)> =
        state.tasks.iter().filter_map(|(id, task)| due(task).map(|at| (at, *id))).collect();
    ending.sort_by(|one, other| one.0.total_cmp(&other.0).then(one.1.cmp(&other.1)));
    for (at, id) in ending {
        let result = methods::end_task(state, id);
        close(state, id, result, at);
    }
}

/// Marks a waiting task as running.
pub fn start(state: &mut State, id: u64, now: f64) {
    if let Some(task) = state.tasks.get_mut(&id).filter(|task| task.state == task_state::FREE) {
        task.state = task_state::OPEN;
        task.started = Some(now);
    }
}

/// Ends a task with a result, or with the code and text of a fault, and puts files
/// (name and content) where its output belongs. A task that has ended stays as it is.
///
/// # Errors
/// A file cannot be written.
pub fn finish(
    state: &mut State,
    top_directory: &Path,
    id: u64,
    result: Result<Json, (i64, String)>,
    files: &[(&str, &[u8])],
    now: f64,
) -> io::Result<()> {
    let directory = top_directory.join(output_directory(id));
    for (name, content) in files {
        fs::create_dir_all(&directory)?;
        fs::write(directory.join(name), content)?;
    }
    start(state, id, now);
    close(state, id, result, now);
    Ok(())
}

impl KojiHub {
    /// Marks a waiting task as running.
    ///
    /// # Errors
    /// It cannot be stored.
    pub fn start_task(&self, id: u64) -> io::Result<()> {
        self.change(|state| start(state, id, now()))
    }

    /// Ends a task as [`finish`] does.
    ///
    /// # Errors
    /// A file cannot be written, or the state not be stored.
    pub fn finish_task(
        &self,
        id: u64,
        result: Result<Json, (i64, String)>,
        files: &[(&str, &[u8])],
    ) -> io::Result<()> {
        let top_directory = self.top_directory();
        self.change(|state| finish(state, &top_directory, id, result, files, now()))?
    }
}

/// Cancels a task, its children, and the builds that it was making.
pub fn cancel(state: &mut State, id: u64, now: f64) {
    let Some(task) = state.tasks.get_mut(&id).filter(|task| !has_ended(task.state)) else {
        return;
    };
    task.state = task_state::CANCELED;
    task.completed = Some(now);
    let children: Vec<u64> =
        state.tasks.iter().filter(|(_, task)| task.parent == Some(id)).map(|(child, _)| *child).collect();
    for child in children {
        cancel(state, child, now);
    }
    let builds: Vec<u64> =
        state.builds.iter().filter(|(_, build)| build.task == Some(id)).map(|(build, _)| *build).collect();
    for build in builds {
        methods::cancel_build(state, build, now);
    }
}

/// The directory of a task's output below the hub's directory.
pub fn output_directory(id: u64) -> String {
    format!("work/tasks/{}/{id}", id % 10_000)
}

fn close(state: &mut State, id: u64, result: Result<Json, (i64, String)>, at: f64) {
    if let Some(task) = state.tasks.get_mut(&id).filter(|task| !has_ended(task.state)) {
        task.state = if result.is_ok() { task_state::CLOSED } else { task_state::FAILED };
        task.started = task.started.or(Some(task.created));
        task.completed = Some(at);
        task.result = result;
    }
}
