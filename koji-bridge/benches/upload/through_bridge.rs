//! A bridge in a process of its own, and a client that sends files through it.

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom},
    path::Path,
    process::{Child, Command, Stdio},
    time::Instant,
};

use anyhow::{Context as _, Result, bail, ensure};
use bytes::Bytes;
use common::service::{ConnectOptions, Connection, connect};
use proto::v1::{
    self, UploadFileRequest,
    koji_bridge_service_client::KojiBridgeServiceClient,
    upload_file_request::{Header, Part},
};
use testkit::hub::KojiHub;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::{Content, PASSWORD, Taken, USER};

/// Bytes in one message.
const MESSAGE: usize = 256 << 10;
/// Clock ticks of a second in `/proc`, on every Linux of this century.
const TICKS: f64 = 100.0;

pub(super) struct Bridge {
    process: Child,
    client: KojiBridgeServiceClient<Connection>,
}

impl Bridge {
    /// Starts a bridge in front of a hub.
    pub(super) async fn start(hub: &KojiHub, directory: &Path) -> Result<Self> {
        let password = directory.join("password");
        fs::write(&password, PASSWORD)?;
        let config = directory.join("bridge.yaml");
        let settings = serde_json::json!({
            "service": {"listen": "127.0.0.1:0"},
            "koji": {
                "hub_url": hub.url(), "files_url": hub.files_url(),
                "login": {"user": USER, "password_file": password},
            },
        });
        fs::write(&config, settings.to_string())?;
        let mut process = Command::new(env!("CARGO_BIN_EXE_koji-bridge"))
            .args(["serve", "--config"])
            .arg(&config)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut line = String::new();
        BufReader::new(process.stdout.take().context("its output")?).read_line(&mut line)?;
        let address = line.trim().strip_prefix("listening on ").context("the bridge does not start")?;
        let connection = connect(&address.parse()?, &ConnectOptions::default()).await?;
        Ok(Self { process, client: KojiBridgeServiceClient::new(connection) })
    }

    /// Sends the file; the client breaks off so many times. Tells where it went.
    pub(super) async fn send(&self, content: &Content, cuts: u64) -> Result<(String, Taken)> {
        let mut client = self.client.clone();
        let request = v1::PrepareUploadRequest { key: "bench".to_owned() };
        let v1::PrepareUploadResponse { directory, ticket, .. } =
            client.prepare_upload(request).await?.into_inner();
        let header = Header {
            directory: directory.clone(),
            name: "content".to_owned(),
            size: content.size,
            ticket: ticket.clone(),
            offset: 0,
            md5: content.md5.clone(),
        };
        let (used, began) = (self.processor()?, Instant::now());
        let mut offset = 0;
        for cut in 1..=cuts {
            let end = content.size * cut / (cuts + 1);
            self.part(content, Header { offset, ..header.clone() }, Some(end)).await?;
            let request = v1::FindUploadRequest {
                directory: directory.clone(),
                name: "content".to_owned(),
                ticket: ticket.clone(),
            };
            offset = client.find_upload(request).await?.into_inner().size;
        }
        let verified = self.part(content, Header { offset, ..header }, None).await?;
        ensure!(verified == (cuts > 0), "the hub has not added the file up");
        let time = began.elapsed();
        let processor = self.processor()? - used;
        Ok((directory, Taken { time, processor, memory: self.memory()? }))
    }

    /// Sends what comes from the header's offset on; breaks off at `cut`, with
    /// whatever is on its way. Whether the hub has added the file up.
    async fn part(&self, content: &Content, header: Header, cut: Option<u64>) -> Result<bool> {
        let (sender, receiver) = mpsc::channel(4);
        let (path, offset) = (content.path.clone(), header.offset);
        let end = cut.unwrap_or(content.size);
        sender.send(message(Part::Header(header))).await?;
        let reading = tokio::task::spawn_blocking(move || read(&path, offset, end, &sender).map(|()| sender));
        let mut client = self.client.clone();
        let call = client.upload_file(ReceiverStream::new(receiver));
        if cut.is_none() {
            let reading = async { reading.await?.map(drop) };
            let (answer, read) = tokio::join!(call, reading);
            read?;
            return Ok(answer?.into_inner().verified);
        }
        tokio::select! {
            answer = call => bail!("an answer before the end: {answer:?}"),
            read = reading => read?.map(|_| false),
        }
    }

    /// Processor time so far, in seconds.
    fn processor(&self) -> Result<f64> {
        let text = fs::read_to_string(format!("/proc/{}/stat", self.process.id()))?;
        let fields = text.rsplit_once(") ").context("a name in parentheses")?.1.split(' ');
        // User and system time, the 14th and 15th field; the name is the second.
        let ticks: Vec<f64> = fields.skip(11).take(2).map(str::parse).collect::<Result<_, _>>()?;
        Ok(ticks.iter().sum::<f64>() / TICKS)
    }

    /// Most memory so far, in KiB.
    fn memory(&self) -> Result<u64> {
        let text = fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("VmHWM")?;
        Ok(line.trim().trim_end_matches(" kB").parse()?)
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        // One that is gone already needs no end.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Reads a stretch of a file into messages, until nobody takes them.
fn read(path: &Path, offset: u64, end: u64, sender: &mpsc::Sender<UploadFileRequest>) -> Result<()> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(offset))?;
    let mut file = file.take(end.saturating_sub(offset));
    loop {
        let mut piece = Vec::with_capacity(MESSAGE);
        if (&mut file).take(MESSAGE as u64).read_to_end(&mut piece)? == 0 {
            return Ok(());
        }
        if sender.blocking_send(message(Part::Data(Bytes::from(piece)))).is_err() {
            return Ok(());
        }
    }
}

fn message(part: Part) -> UploadFileRequest {
    UploadFileRequest { part: Some(part) }
}
