//! The official client: `koji` as a person types it, and Python that uses its library.

use std::{path::PathBuf, process::Stdio, time::Duration};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tempfile::TempDir;
use testkit::hub::KojiHub;
use tokio::{process::Command, time::timeout};

use super::USER;

/// What all scripts begin with.
const PRELUDE: &str = include_str!("prelude.py");

/// No command takes longer, on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// The official client, set up for a hub.
pub(super) struct OfficialClient {
    koji: PathBuf,
    directory: TempDir,
    url: String,
}

/// What a command did.
#[derive(Debug)]
pub(super) struct Ended {
    /// Its exit code.
    pub(super) code: Option<i32>,
    /// What it wrote, errors last.
    pub(super) text: String,
}

impl OfficialClient {
    /// The client that `testkit/machine/koji-client.sh` installed.
    pub(super) fn of(hub: &KojiHub) -> Result<Self> {
        let koji =
            std::env::var("TESTKIT_KOJI").context("TESTKIT_KOJI: run the tests with testkit/test.sh")?;
        let directory = tempfile::tempdir()?;
        let configuration = format!("[koji]\nserver = {}\ntopurl = {}\n", hub.url(), hub.files_url());
        std::fs::write(directory.path().join("koji.conf"), configuration)?;
        Ok(Self { koji: koji.into(), directory, url: hub.url() })
    }

    /// Adds lines to the configuration of the command line.
    pub(super) fn configure(&self, lines: &str) -> Result<()> {
        let file = self.file("koji.conf");
        let before = std::fs::read_to_string(&file)?;
        Ok(std::fs::write(file, before + lines)?)
    }

    /// Where its files are; they go with the client.
    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// `koji ARGUMENTS` of somebody who has no password.
    pub(super) async fn anonymous(&self, arguments: &[&str]) -> Result<Ended> {
        self.command_line(&[], arguments).await
    }

    /// `koji ARGUMENTS` of the user who may import.
    pub(super) async fn user(&self, arguments: &[&str]) -> Result<Ended> {
        self.command_line(&["--user", USER.0, "--password", USER.1], arguments).await
    }

    /// `koji OPTIONS ARGUMENTS`.
    async fn command_line(&self, options: &[&str], arguments: &[&str]) -> Result<Ended> {
        let mut command = Command::new(&self.koji);
        command.arg("--config").arg(self.file("koji.conf")).args(options).args(arguments);
        run(command).await
    }

    /// What a script passed to `answer`. The script finds `koji`, the hub's address
    /// `URL` and `ARGUMENTS`, and `session(…)` for a session of the user who may import.
    pub(super) async fn script(&self, script: &str, arguments: &[&str]) -> Result<Value> {
        let file = self.file("script.py");
        std::fs::write(&file, format!("{PRELUDE}\n{script}"))?;
        let mut command = Command::new(self.koji.with_file_name("python3"));
        command.arg(&file).arg(&self.url).args([USER.0, USER.1]).args(arguments);
        let ended = run(command).await?;
        ensure!(ended.code == Some(0), "the script failed: {}", ended.text);
        let last = ended.text.lines().rfind(|line| line.starts_with("answer: ")).context("an answer")?;
        Ok(serde_json::from_str(last.trim_start_matches("answer: "))?)
    }
}

async fn run(mut command: Command) -> Result<Ended> {
    command.stdin(Stdio::null()).kill_on_drop(true).env_remove("http_proxy").env_remove("HTTP_PROXY");
    let output = timeout(PATIENCE, command.output()).await.context("it took too long")??;
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    Ok(Ended { code: output.status.code(), text })
}
