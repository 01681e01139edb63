//! Files that tasks have left.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use common::koji::TaskOutput;
use futures::{Stream, stream};
use serde::Deserialize;
use tokio::sync::OwnedSemaphorePermit;

use super::{
    Hub, HubError,
    answers::{Task, size},
    archives::{number, too_many},
};
use crate::{
    session::CallError,
    xmlrpc::{Arguments, Value},
};

/// Most files that are listed.
const MOST_OUTPUTS: usize = 10_000;
/// Most tasks whose files are listed together.
const MOST_TASKS: usize = 1_000;
/// Bytes that the hub is asked for at a time.
const BLOCK: usize = 10 << 20;
/// Most bytes that are handed on at a time.
const PART: usize = 1 << 20;

/// An entry of `listTaskOutput`.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Output {
    /// A file, where volumes do not matter.
    File(Stat),
    /// A file on several volumes, by volume.
    Volumes(BTreeMap<String, Stat>),
}

#[derive(Debug, Deserialize)]
struct Stat {
    #[serde(deserialize_with = "size")]
    st_size: u64,
}

/// The content of a file, part by part.
#[derive(Debug)]
pub struct OutputContent {
    hub: Hub,
    arguments: Arguments,
    offset: usize,
    block: Bytes,
    /// Bounds how much is in memory.
    _place: OwnedSemaphorePermit,
}

impl Hub {
    /// The files of a task, then those of its descendants.
    ///
    /// # Errors
    /// There is no such task, there are too many files, or the hub cannot answer.
    pub async fn task_outputs(&self, task: u64) -> Result<Vec<TaskOutput>, HubError> {
        self.task_details(task).await?;
        let mut waiting = VecDeque::from([task]);
        let mut seen = 0;
        let mut outputs = Vec::new();
        while let Some(task) = waiting.pop_front() {
            seen += 1;
            outputs.extend(self.outputs_of(task).await?);
            if seen > MOST_TASKS || outputs.len() > MOST_OUTPUTS {
                return Err(too_many("koji.too_many_outputs", "listTaskOutput", "the task", outputs.len()));
            }
            let children: Vec<Task> =
                self.read("getTaskChildren", Arguments::none().with(number(task)?)).await?;
            waiting.extend(children.iter().map(|child| u64::from(child.id)));
        }
        Ok(outputs)
    }

    async fn outputs_of(&self, task: u64) -> Result<Vec<TaskOutput>, HubError> {
        const METHOD: &str = "listTaskOutput";
        let asked = Arguments::none().with(number(task)?).named("stat", true);
        let of_all = asked.clone().named("all_volumes", true);
        let files: BTreeMap<String, Output> = match self.0.queries.read(METHOD, of_all).await {
            // A hub of a time before volumes.
            Err(CallError::Refused { fault, .. }) if fault.code == 1019 => self.read(METHOD, asked).await?,
            read => read?,
        };
        let mut outputs = Vec::new();
        for (name, output) in files {
            let on = |volume: &str, size| TaskOutput {
                task,
                name: name.clone(),
                size,
                volume: if volume == "DEFAULT" { String::new() } else { volume.to_owned() },
            };
            match output {
                Output::File(stat) => outputs.push(on("", stat.st_size)),
                Output::Volumes(volumes) => {
                    outputs.extend(volumes.iter().map(|(volume, stat)| on(volume, stat.st_size)));
                }
            }
        }
        Ok(outputs)
    }

    /// Opens a file that a task has left, and reads its beginning.
    ///
    /// # Errors
    /// There is no such file, or the hub cannot answer.
    pub async fn task_output(&self, task: u64, name: &str, volume: &str) -> Result<OutputContent, HubError> {
        let mut arguments = Arguments::none().with(number(task)?).with(name);
        if !volume.is_empty() {
            arguments = arguments.named("volume", volume);
        }
        let place = Arc::clone(&self.0.open_downloads).acquire_owned();
        let place = tokio::select! {
            biased;
            () = self.0.shutdown.token.cancelled() => return Err(CallError::Cancelled.into()),
            place = place => place.map_err(|_| CallError::Cancelled)?,
        };
        let mut content =
            OutputContent { hub: self.clone(), arguments, offset: 0, block: Bytes::new(), _place: place };
        match content.fill().await {
            Ok(()) => Ok(content),
            Err(HubError::Call { call: CallError::Refused { method, fault }, .. })
                if fault.says("no file ") =>
            {
                let message = format!("the hub has no file '{name}' of task {task}");
                Err(HubError::NotFound { method, code: "koji.no_task_output", message })
            }
            Err(error) => Err(error),
        }
    }
}

impl OutputContent {
    /// The parts, of at most 1 MiB. Nothing is asked while nobody takes them.
    pub fn into_parts(self) -> impl Stream<Item = Result<Bytes, HubError>> + Send + 'static {
        stream::unfold(Some(self), async |content| {
            let mut content = content?;
            if content.block.is_empty() {
                return None;
            }
            let part = content.block.split_to(PART.min(content.block.len()));
            if content.block.is_empty()
                && let Err(error) = content.fill().await
            {
                return Some((Err(error), None));
            }
            Some((Ok(part), Some(content)))
        })
    }

    /// Reads the next block; an empty one is the end.
    async fn fill(&mut self) -> Result<(), HubError> {
        const METHOD: &str = "downloadTaskOutput";
        let arguments =
            self.arguments.clone().named("offset", self.offset as i64).named("size", BLOCK as i64);
        self.block = match self.hub.0.downloads.read(METHOD, arguments).await? {
            Value::Bytes(bytes) => bytes.into(),
            Value::String(text) => {
                decoded(text).map_err(|error| HubError::unexpected(METHOD, format!("no base64: {error}")))?
            }
            other => return Err(HubError::unexpected(METHOD, other.kind())),
        };
        self.offset += self.block.len();
        Ok(())
    }
}

/// The bytes of a block. Some hubs break the text into lines.
fn decoded(mut text: String) -> Result<Bytes, base64::DecodeError> {
    text.retain(|character| !character.is_ascii_whitespace());
    Ok(STANDARD.decode(text)?.into())
}
