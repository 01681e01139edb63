//! How fast a file goes through the bridge to a hub, beside the official client
//! that sends the same file to the same hub without a bridge.
//!
//! The hub is the stand-in of the test kit, in this process; the bridge is a
//! process of its own, as is the official client. Each round sends the file four
//! times: either way without a cut and with ten. The bridge's client breaks off
//! itself and goes on where the hub's file ends; the official client cannot do
//! that, so there the hub cuts the connection. Every copy on the hub's disk is
//! compared with the file, out of the time. Prints figures; decides nothing.
#![expect(clippy::print_stdout, reason = "the output is what this program is for")]

mod official;
mod through_bridge;

use std::{
    fs::File,
    io::{BufWriter, Read as _, Write as _},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use md5::{Digest as _, Md5};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use testkit::hub::{HubSettings, KojiHub};

use self::{official::official, through_bridge::Bridge};

const USER: &str = "osbs";
const PASSWORD: &str = "a-password";
const CUTS: u64 = 10;
/// Bytes in one request to the hub, either way.
const BLOCK: u64 = 1 << 20;

#[derive(Debug, Parser)]
struct Arguments {
    /// Size of the file in MiB.
    #[arg(long, default_value_t = 256)]
    size: u64,
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Where the file and the hub's copies are written.
    #[arg(long)]
    directory: Option<PathBuf>,
    /// A python3 that knows the official client's library; without it only the
    /// bridge is measured. testkit/machine/koji-client.sh installs one.
    #[arg(long)]
    python: Option<PathBuf>,
    /// What cargo says to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

/// What one upload took.
struct Taken {
    time: Duration,
    /// Processor time of the bridge or of the official client, in seconds.
    processor: f64,
    /// Most memory of that process so far, in KiB.
    memory: u64,
}

/// What is sent.
struct Content {
    path: PathBuf,
    size: u64,
    md5: String,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(run(&arguments))
}

async fn run(arguments: &Arguments) -> Result<()> {
    let directory = match &arguments.directory {
        Some(parent) => tempfile::tempdir_in(parent)?,
        None => tempfile::tempdir()?,
    };
    let content = write(&directory.path().join("content"), arguments.size << 20)?;
    let hub = KojiHub::start_in(&directory.path().join("hub"), HubSettings::default()).await?;
    hub.with_user(USER, PASSWORD)?;
    let bridge = Bridge::start(&hub, directory.path()).await?;
    let name =
        format!("{} MiB, {} rounds, in {}", arguments.size, arguments.rounds, directory.path().display());
    println!("{name}\n{:<16} {:>5} {:>9} {:>12} {:>10}", "", "cuts", "MiB/s", "CPU s/GiB", "peak MiB");
    for round in 0..arguments.rounds {
        for cuts in [0, CUTS] {
            let place = format!("koji-upload/{round}-{cuts}");
            let (place_by_bridge, taken) = bridge.send(&content, cuts).await?;
            verify(&hub, &place_by_bridge, &content)?;
            tell("bridge", cuts, &content, &taken);
            if let Some(python) = &arguments.python {
                let taken = official(python, &hub, &content, &place, cuts).await?;
                verify(&hub, &place, &content)?;
                tell("official client", cuts, &content, &taken);
            }
        }
    }
    drop(bridge);
    hub.stop().await;
    Ok(())
}

/// Writes a file whose blocks all differ.
fn write(path: &Path, size: u64) -> Result<Content> {
    let (mut file, mut sum) = (BufWriter::new(File::create(path)?), Md5::new());
    let mut random = StdRng::seed_from_u64(1);
    let mut block = vec![0_u8; usize::try_from(BLOCK)?];
    for _ in 0..size / BLOCK {
        random.fill(&mut block[..]);
        sum.update(&block);
        file.write_all(&block)?;
    }
    file.flush()?;
    Ok(Content { path: path.to_owned(), size, md5: hex::encode(sum.finalize()) })
}

/// Holds the hub's copy against the file, and removes it.
fn verify(hub: &KojiHub, place: &str, content: &Content) -> Result<()> {
    let directory = hub.top_directory().join("work").join(place);
    let mut file = File::open(directory.join("content")).context("the hub's copy")?;
    let (mut sum, mut block) = (Md5::new(), vec![0; usize::try_from(BLOCK)?]);
    loop {
        let read = file.read(&mut block)?;
        if read == 0 {
            break;
        }
        sum.update(block.get(..read).unwrap_or_default());
    }
    ensure!(hex::encode(sum.finalize()) == content.md5, "the hub's copy in {place} is not the file");
    std::fs::remove_dir_all(directory)?;
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn tell(who: &str, cuts: u64, content: &Content, taken: &Taken) {
    let mib = (content.size >> 20) as f64;
    println!(
        "{who:<16} {cuts:>5} {:>9.0} {:>12.2} {:>10.1}",
        mib / taken.time.as_secs_f64(),
        taken.processor / (mib / 1024.0),
        taken.memory as f64 / 1024.0,
    );
}
