//! The official client's library, as programs use it that upload for builds.

use std::{path::Path, process::Command, time::Duration};

use anyhow::{Context as _, Result, ensure};
use testkit::hub::{Effect, FaultOrder, KojiHub};

use super::{BLOCK, Content, PASSWORD, Taken, USER};

/// Logs in, and then times the upload alone.
const PROGRAM: &str = r#"
import resource, sys, time
import koji
url, user, password, path, directory = sys.argv[1:]
options = {"user": user, "password": password, "use_fast_upload": True, "retry_interval": 0}
session = koji.ClientSession(url, options)
session.login()
before, began = time.process_time(), time.monotonic()
session.uploadWrapper(path, directory, blocksize=1048576)
took, used = time.monotonic() - began, time.process_time() - before
print(took, used, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"#;

/// Sends the file; the hub cuts the connection so many times.
pub(super) async fn official(
    python: &Path,
    hub: &KojiHub,
    content: &Content,
    place: &str,
    cuts: u64,
) -> Result<Taken> {
    let blocks = content.size / BLOCK;
    for cut in 1..=cuts {
        let skip = usize::try_from(blocks * cut / (cuts + 1))?;
        let effect = Effect::CutUpload(BLOCK / 2);
        hub.order(FaultOrder { method: "rawUpload".to_owned(), skip, times: 1, effect });
    }
    let mut command = Command::new(python);
    command.args(["-c", PROGRAM, &hub.url(), USER, PASSWORD]).arg(&content.path).arg(place);
    let output = tokio::task::spawn_blocking(move || command.output()).await??;
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "the official client failed: {told}");
    let text = String::from_utf8(output.stdout)?;
    let figures: Vec<f64> = text.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
    let [took, processor, memory] = figures[..] else { anyhow::bail!("three figures, not {text}") };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a whole number of KiB")]
    let memory = memory as u64;
    let time = Duration::try_from_secs_f64(took).context("a time")?;
    Ok(Taken { time, processor, memory })
}
