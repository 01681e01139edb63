//! Running the sources command.

use std::{
    ffi::OsString,
    path::Path,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use common::failure::{Failure, FailureClass};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    process::Command,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::services::PlanServices;

/// Variables that the command gets from the orchestrator's own environment: what
/// it needs to find programs and to get through to the network.
const PASSED_ON: [&str; 15] = [
    "PATH",
    "LANG",
    "LC_ALL",
    "TZ",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "KRB5_CONFIG",
    "KRB5CCNAME",
];
/// Most bytes of output that are told; the rest is read and dropped.
const MAX_OUTPUT: usize = 256 * 1024;
/// Longest line; longer ones are parted.
const MAX_LINE: usize = 4096;
/// How long output is read after the command has ended, should somebody who left
/// its process group still hold it open.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Kills a process group when it is dropped.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        // A group that is gone already cannot be killed, which is as well.
        let _killed = self.0.map(|group| kill_process_group(group, Signal::KILL));
    }
}

/// Runs the command in `work`'s directory `repository` to its end. Its output
/// goes to the build's log.
pub(super) async fn run(
    services: &PlanServices,
    step: &str,
    command: &[String],
    work: &Path,
    deadline: Duration,
    cancel: &CancellationToken,
) -> Result<ExitStatus, Failure> {
    let (program, arguments) = command.split_first().ok_or_else(|| {
        Failure::new(FailureClass::Internal, "internal.no_command", "there is no sources command")
    })?;
    let passed_on: Vec<(&str, OsString)> =
        PASSED_ON.iter().filter_map(|&name| Some((name, std::env::var_os(name)?))).collect();
    let failed = |error: std::io::Error| {
        let text = format!("the sources command '{program}' cannot be run: {error}");
        Failure::new(FailureClass::Infrastructure, "sources.command_missing", text)
            .with_advice("install it where the orchestrator runs, or correct artifacts.sources_command")
    };
    let mut child = Command::new(program)
        .args(arguments)
        .current_dir(work.join("repository"))
        .env_clear()
        .envs(passed_on)
        .env("HOME", work.join("home"))
        .env("TMPDIR", work.join("tmp"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(failed)?;
    let group = Group(child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)));
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let ended = CancellationToken::new();
    let wait = async {
        let status = child.wait().await;
        // Who is still there has no business any more, and may hold the output open.
        drop(group);
        ended.cancel();
        status
    };
    let output = async {
        let told = async { tokio::join!(tell(services, step, out), tell(services, step, err)) };
        let late = async {
            ended.cancelled().await;
            tokio::time::sleep(LAST_WORDS).await;
        };
        tokio::select! {
            _ = told => {}
            () = late => {}
        }
    };
    let both = async { tokio::join!(wait, output).0 };
    let status = tokio::select! {
        result = timeout(deadline, both) => result.unwrap_or_else(|_| {
            Err(std::io::Error::from(std::io::ErrorKind::TimedOut))
        }),
        () = cancel.cancelled() => return Err(Failure::cancelled("while the sources command ran")),
    };
    match status {
        Ok(status) => Ok(status),
        Err(error) if error.kind() == std::io::ErrorKind::TimedOut => {
            let text =
                format!("the sources command '{program}' ran for more than {} seconds", deadline.as_secs());
            Err(Failure::new(FailureClass::Timeout, "sources.deadline", text)
                .with_advice("look at its output in the build's log"))
        }
        Err(error) => Err(failed(error)),
    }
}

/// Tells the lines of a stream, up to a bound.
async fn tell(services: &PlanServices, step: &str, stream: Option<impl AsyncRead + Unpin>) {
    let Some(mut stream) = stream else { return };
    let (mut line, mut buffer, mut left) = (Vec::new(), vec![0; 8192], MAX_OUTPUT);
    loop {
        // A stream that cannot be read any more has ended.
        let count = stream.read(&mut buffer).await.unwrap_or(0);
        for &byte in buffer.get(..count).unwrap_or_default() {
            if byte != b'\n' {
                line.push(byte);
            }
            if byte == b'\n' || line.len() >= MAX_LINE {
                say(services, step, &line, &mut left).await;
                line.clear();
            }
        }
        if count == 0 {
            break;
        }
    }
    if !line.is_empty() {
        say(services, step, &line, &mut left).await;
    }
}

async fn say(services: &PlanServices, step: &str, line: &[u8], left: &mut usize) {
    if *left == 0 {
        return;
    }
    *left = left.saturating_sub(line.len() + 1);
    services.say(step, String::from_utf8_lossy(line).trim_end_matches('\r')).await;
    if *left == 0 {
        services.say(step, "(the rest of the output is left out)").await;
    }
}
