//! Image tasks: started, waited for, cancelled, and their files fetched.

use std::path::Path;

use common::failure::Failure;
use common::image::Digest;
use proto::{convert::image_build_request, v1};
use sha2::{Digest as _, Sha256};
use tokio::{
    fs::File,
    io::{AsyncWriteExt as _, BufWriter},
    time::timeout,
};
use tonic::{Status, Streaming};

use super::{ImageTask, Koji, KojiError, KojiTask, KojiTaskState, TaskOutput, found};

impl Koji {
    /// Starts an image task and answers with its number. `key` is what the
    /// caller knows it by: the bridge answers a repeated call with the same task,
    /// as far as it remembers.
    ///
    /// # Errors
    /// The bridge or the hub cannot answer, or refuses.
    pub async fn start_image_task(&self, task: &ImageTask, key: &str) -> Result<u64, Failure> {
        let request = image_build_request(task, key);
        let answer =
            self.ask("StartImageBuild", async |client| client.start_image_build(request).await).await?;
        Ok(answer.task_id)
    }

    /// Waits for the end of a task, for as long as it takes; `None` when there is
    /// no such task.
    ///
    /// # Errors
    /// The bridge stops telling before the end; the task goes on, and can be
    /// waited for again.
    pub async fn wait_for_task(&self, task: u64) -> Result<Option<KojiTask>, Failure> {
        const CALL: &str = "WatchTask";
        let request = v1::WatchTaskRequest { task_id: task };
        let states = self.ask(CALL, async |client| client.watch_task(request).await).await;
        let Some(mut states) = found(states)? else { return Ok(None) };
        // The first state comes at once; the next when there is one, and that a
        // silent connection still lives is seen to by the transport.
        let mut next = self.next(CALL, &mut states).await?;
        while let Some(answer) = next {
            let state = self.read(CALL, read_state(answer.state))?;
            if state != KojiTaskState::Unfinished {
                let reason = answer.failure.map(|failure| failure.message).unwrap_or_default();
                return Ok(Some(KojiTask { id: task, state, reason }));
            }
            next = states.message().await.map_err(|status| self.broken(CALL, &status))?;
        }
        Err(KojiError::WatchEnded { bridge: self.bridge.clone(), task }.into())
    }

    /// Cancels a task. One that is over stays as it is.
    ///
    /// # Errors
    /// The bridge or the hub cannot answer, or refuses.
    pub async fn cancel_task(&self, task: u64) -> Result<(), Failure> {
        let request = v1::CancelTaskRequest { task_id: task };
        self.ask("CancelTask", async |client| client.cancel_task(request).await).await?;
        Ok(())
    }

    /// The files that a task and its descendants have left.
    ///
    /// # Errors
    /// The bridge or the hub cannot answer.
    pub async fn task_outputs(&self, task: u64) -> Result<Vec<TaskOutput>, Failure> {
        let request = v1::ListTaskOutputsRequest { task_id: task };
        let answer =
            self.ask("ListTaskOutputs", async |client| client.list_task_outputs(request).await).await?;
        Ok(self.read("ListTaskOutputs", answer.try_into())?)
    }

    /// Writes the content of a task's file to a new file, and answers with its
    /// digest. What was there is overwritten.
    ///
    /// # Errors
    /// The bridge or the hub cannot answer, more or less comes than the hub said,
    /// or the disk refuses.
    pub async fn download(&self, output: &TaskOutput, to: &Path) -> Result<Digest, Failure> {
        const CALL: &str = "DownloadTaskOutput";
        let disk = |source| KojiError::Disk { path: to.display().to_string(), source };
        let (name, volume) = (output.name.clone(), output.volume.clone());
        let request = v1::DownloadTaskOutputRequest { task_id: output.task, name, volume };
        let mut parts = self.ask(CALL, async |client| client.download_task_output(request).await).await?;
        let mut file = BufWriter::new(File::create(to).await.map_err(disk)?);
        let (mut hash, mut got) = (Sha256::new(), 0);
        let wrong = |got| KojiError::WrongSize {
            task: output.task,
            name: output.name.clone(),
            expected: output.size,
            got,
        };
        while let Some(part) = self.next(CALL, &mut parts).await? {
            got += part.data.len() as u64;
            if got > output.size {
                return Err(wrong(got).into());
            }
            hash.update(&part.data);
            file.write_all(&part.data).await.map_err(disk)?;
        }
        if got != output.size {
            return Err(wrong(got).into());
        }
        file.flush().await.map_err(disk)?;
        file.get_ref().sync_all().await.map_err(disk)?;
        Ok(Digest::from_sha256(&hash.finalize().into()))
    }

    /// The next message of a stream that should not keep anybody waiting.
    async fn next<T>(&self, call: &'static str, stream: &mut Streaming<T>) -> Result<Option<T>, KojiError> {
        match timeout(self.deadline, stream.message()).await {
            Ok(message) => message.map_err(|status| self.broken(call, &status)),
            Err(_) => Err(KojiError::Silent { bridge: self.bridge.clone(), call, after: self.deadline }),
        }
    }

    fn broken(&self, call: &'static str, status: &Status) -> KojiError {
        KojiError::from_status(&self.bridge, call, status)
    }
}

fn read_state(number: i32) -> Result<KojiTaskState, proto::convert::BadField> {
    let state = v1::KojiTaskState::try_from(number).unwrap_or(v1::KojiTaskState::Unspecified);
    KojiTaskState::try_from(state)
}
