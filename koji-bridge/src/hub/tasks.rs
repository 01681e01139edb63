//! Tasks: image tasks started, all kinds watched and cancelled.

use std::collections::{HashMap, VecDeque};

use common::{
    failure::{Failure, FailureClass},
    koji::ImageTask,
};
use futures::{Stream, stream};
use proto::v1::KojiTaskState;
use serde::Deserialize;

use super::{Hub, HubError, answers::Task, archives::number};
use crate::{
    metadata::{Doing, explain_fault},
    session::CallError,
    xmlrpc::{Arguments, Value, to_value},
};

/// Most image tasks whose keys are remembered.
const MOST_REMEMBERED: usize = 1000;
/// Tasks that are listed at a time to look for one whose number was lost.
const LISTED: usize = 50;
/// Most tasks that are looked through for it.
const MOST_LISTED: usize = 1000;

/// The state of a task, and why it failed.
#[derive(Debug, Clone)]
pub struct TaskChange {
    /// The state.
    pub state: KojiTaskState,
    /// Why it failed.
    pub failure: Option<Failure>,
}

/// Image tasks by the key of whoever asked for them; the oldest are forgotten.
#[derive(Debug, Default)]
pub(super) struct StartedTasks {
    tasks: HashMap<String, u64>,
    order: VecDeque<String>,
}

impl StartedTasks {
    fn remember(&mut self, key: &str, task: u64) {
        if self.tasks.insert(key.to_owned(), task).is_none() {
            self.order.push_back(key.to_owned());
        }
        while self.order.len() > MOST_REMEMBERED {
            if let Some(oldest) = self.order.pop_front() {
                self.tasks.remove(&oldest);
            }
        }
    }
}

/// A failed task's fault, as its result.
#[derive(Debug, Deserialize)]
struct TaskFault {
    #[serde(rename = "faultCode")]
    code: i64,
    #[serde(rename = "faultString")]
    text: String,
}

impl Hub {
    /// Starts an image task; a repeated call with the same key answers with the
    /// task of the first one, as far as it is remembered.
    ///
    /// # Errors
    /// The hub refuses or cannot answer.
    pub async fn start_image_task(&self, task: ImageTask, key: String) -> Result<u64, HubError> {
        let hub = self.clone();
        self.carry_on(async move {
            let _turn = hub.exclusively(&format!("image task {key}")).await?;
            let known = hub.started(|started| started.tasks.get(&key).copied());
            if let Some(known) = known.filter(|_| !key.is_empty()) {
                return Ok(known);
            }
            let started = hub.start(&task, &key).await?;
            if !key.is_empty() {
                hub.started(|tasks| tasks.remember(&key, started));
            }
            Ok(started)
        })
        .await
    }

    fn started<T>(&self, look: impl FnOnce(&mut StartedTasks) -> T) -> T {
        look(&mut self.0.started.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    async fn start(&self, task: &ImageTask, key: &str) -> Result<u64, HubError> {
        const METHOD: &str = "buildImageOz";
        let options = to_value(&task.options)
            .map_err(|error| HubError::bad_request("koji.bad_options", format!("options: {error}")))?;
        let platforms = task.platforms.iter().map(|platform| platform.as_str().into()).collect();
        let asked = Arguments::none()
            .with(task.name.as_str())
            .with(task.version.as_str())
            .with(Value::Array(platforms))
            .with(task.target.as_str())
            .with(task.install_tree.as_str());
        let request = asked.positional.clone();
        // Of two that are alike, the one that nobody has asked for is ours.
        let known = || self.started(|started| started.tasks.values().copied().collect::<Vec<u64>>());
        if !key.is_empty() {
            // A bridge before this one may have started it.
            let same = |parameters: &[Value]| {
                parameters.get(..request.len()) == Some(request.as_slice())
                    && parameters.get(request.len()) == Some(&options)
            };
            let (found, known) = (self.unfinished_tasks("image", same).await?, known());
            if let Some(task) = found.into_iter().find(|task| !known.contains(task)) {
                tracing::info!(task, key, "such an image task is under way already");
                return Ok(task);
            }
        }
        let lost = match self.write::<u32>(Doing::Task, METHOD, asked.named("opts", options)).await {
            Ok(number) => return Ok(number.into()),
            Err(
                error @ HubError::Call { call: CallError::Committed { .. } | CallError::Lost { .. }, .. },
            ) => error,
            Err(error) => return Err(error),
        };
        let known = known();
        let same = |parameters: &[Value]| parameters.get(..request.len()) == Some(request.as_slice());
        let found = self.unfinished_tasks("image", same).await?;
        found.into_iter().find(|task| !known.contains(task)).ok_or(lost)
    }

    /// The bridge's own tasks of a method that are not over and have such
    /// parameters, newest first. A hub that does not list tasks has none.
    pub(super) async fn unfinished_tasks(
        &self,
        method: &str,
        wanted: impl Fn(&[Value]) -> bool,
    ) -> Result<Vec<u64>, HubError> {
        let options = [
            ("method", method.into()),
            ("owner", Value::Int(self.me().await?.id)),
            ("state", Value::Array([0, 1, 4].map(Value::Int).into())),
            ("decode", true.into()),
        ];
        let structure = |members: &[(&str, Value)]| {
            Value::Struct(members.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect())
        };
        let fits =
            |task: &Task| matches!(&task.request, Some(Value::Array(parameters)) if wanted(parameters));
        let mut found = Vec::new();
        for offset in (0..MOST_LISTED).step_by(LISTED) {
            let part = [
                ("order", "-id".into()),
                ("limit", Value::Int(LISTED as i64)),
                ("offset", Value::Int(offset as i64)),
            ];
            let asked =
                Arguments::none().named("opts", structure(&options)).named("queryOpts", structure(&part));
            let tasks: Vec<Task> = match self.read("listTasks", asked).await {
                Ok(tasks) => tasks,
                Err(HubError::Call { call, .. }) if call.fault().is_some() => break,
                Err(error) => return Err(error),
            };
            found.extend(tasks.iter().filter(|task| fits(task)).map(|task| u64::from(task.id)));
            if tasks.len() < LISTED {
                break;
            }
        }
        Ok(found)
    }

    /// A task's details.
    pub(super) async fn task_details(&self, task: u64) -> Result<Task, HubError> {
        let found: Option<Task> = self.read("getTaskInfo", Arguments::none().with(number(task)?)).await?;
        found.ok_or_else(|| HubError::NotFound {
            method: "getTaskInfo",
            code: "koji.no_task",
            message: format!("the hub has no task {task}"),
        })
    }

    /// The state of a task, now and whenever it changes, until it is over or the
    /// process ends. Nothing is asked while nobody takes what comes.
    ///
    /// # Errors
    /// There is no such task, or the hub cannot answer.
    pub async fn watch_task(
        &self,
        task: u64,
    ) -> Result<impl Stream<Item = Result<TaskChange, HubError>> + Send + 'static, HubError> {
        struct Watch {
            hub: Hub,
            task: u64,
            last: TaskChange,
            told: bool,
        }
        let last = self.change(&self.task_details(task).await?).await?;
        let watch = Watch { hub: self.clone(), task, last, told: false };
        Ok(stream::unfold(Some(watch), async |watch| {
            let mut watch = watch?;
            if watch.told {
                if is_over(watch.last.state) {
                    return None;
                }
                match watch.hub.next_change(watch.task, watch.last.state).await {
                    Ok(change) => watch.last = change,
                    Err(error) => return Some((Err(error), None)),
                }
            }
            watch.told = true;
            Some((Ok(watch.last.clone()), Some(watch)))
        }))
    }

    async fn next_change(&self, task: u64, last: KojiTaskState) -> Result<TaskChange, HubError> {
        loop {
            self.pause(self.options().task_poll).await?;
            let details = self.task_details(task).await?;
            if details.state() != Some(last) {
                return self.change(&details).await;
            }
        }
    }

    async fn change(&self, task: &Task) -> Result<TaskChange, HubError> {
        let unknown =
            || HubError::unexpected("getTaskInfo", format!("task {} has state {:?}", task.id, task.state));
        let state = task.state().ok_or_else(unknown)?;
        let failure = match state {
            KojiTaskState::Failed => Some(self.task_failure(task).await?),
            _ => None,
        };
        Ok(TaskChange { state, failure })
    }

    /// Why a task failed.
    async fn task_failure(&self, task: &Task) -> Result<Failure, HubError> {
        let asked = || Arguments::none().with(i64::from(task.id));
        let quietly = asked().named("raise_fault", false);
        let (code, text) = match self.0.queries.read::<TaskFault>("getTaskResult", quietly).await {
            Ok(fault) => (fault.code, fault.text),
            // A hub that knows no such argument, or nothing better to say.
            Err(CallError::Refused { fault, .. }) if fault.code != 1019 => (fault.code, fault.text),
            Err(CallError::Refused { .. }) => {
                match self.0.queries.read::<Value>("getTaskResult", asked()).await {
                    Err(CallError::Refused { fault, .. }) => (fault.code, fault.text),
                    Ok(_) => (0, "the hub does not say why".to_owned()),
                    Err(error) => return Err(error.into()),
                }
            }
            Err(CallError::Unexpected { .. }) => (0, "the hub does not say why".to_owned()),
            Err(error) => return Err(error.into()),
        };
        let failure = if task.method.as_deref() == Some("tagBuild") {
            explain_fault(code, &text, Doing::Tag).failure()
        } else {
            let message = format!("task {} failed: {} (fault {code})", task.id, text.trim());
            Failure::new(FailureClass::Infrastructure, "koji.task_failed", message)
                .with_advice("see the task's page and its logs")
        };
        Ok(failure.bounded())
    }

    /// Cancels a task and those below it. One that is over stays as it is.
    ///
    /// # Errors
    /// There is no such task, it is somebody else's, or the hub cannot answer.
    pub async fn cancel_task(&self, task: u64) -> Result<(), HubError> {
        let hub = self.clone();
        self.carry_on(async move {
            let details = hub.task_details(task).await?;
            if details.state().is_some_and(is_over) {
                return Ok(());
            }
            let asked = Arguments::none().with(number(task)?);
            match hub.write::<Value>(Doing::Task, "cancelTask", asked).await {
                Ok(_) | Err(HubError::Call { call: CallError::Committed { .. }, .. }) => Ok(()),
                Err(error @ HubError::Call { call: CallError::Lost { .. }, .. }) => {
                    let over = hub.task_details(task).await?.state().is_some_and(is_over);
                    if over { Ok(()) } else { Err(error) }
                }
                Err(error) => Err(error),
            }
        })
        .await
    }
}

fn is_over(state: KojiTaskState) -> bool {
    matches!(state, KojiTaskState::Closed | KojiTaskState::Canceled | KojiTaskState::Failed)
}

#[cfg(test)]
mod unit_tests {
    use super::*;

    #[test]
    fn the_oldest_keys_are_forgotten() {
        let mut started = StartedTasks::default();
        for number in 0..=MOST_REMEMBERED as u64 {
            started.remember(&format!("key {number}"), number);
            started.remember(&format!("key {number}"), number);
        }
        assert_eq!(started.tasks.len(), MOST_REMEMBERED);
        assert_eq!((started.tasks.get("key 0"), started.tasks.get("key 1")), (None, Some(&1)));
    }
}
