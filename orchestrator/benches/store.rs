//! How fast events and log text become durable, as ratios taken in one run.
//!
//! Each round measures, one after another on the same disk: 64 writers whose
//! events share commits, one writer whose events have a commit each, a plain
//! file that is synced after every 64 events, and 8 workers that send log lines
//! a hundred at a time. Prints each round and the medians; decides nothing.
#![expect(clippy::print_stdout, reason = "the output is what this program is for")]

use std::{
    fs::File,
    io::Write,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Result;
use bytes::Bytes;
use common::{
    flow::event::EventKind,
    log::{LogRecord, LogStream},
    names::{BuildId, WorkOrderId},
    request::BuildRequest,
};
use jiff::Timestamp;
use orchestrator::store::{
    Store,
    logs::{LogLimits, LogStore},
};
use tokio::task::JoinSet;

const ROUNDS: usize = 7;
const TIME: Duration = Duration::from_secs(2);
const WRITERS: usize = 64;
const WORKERS: usize = 8;
const LINES: usize = 100;

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(run())
}

async fn run() -> Result<()> {
    let directory = match std::env::args().skip(1).find(|argument| !argument.starts_with('-')) {
        Some(parent) => tempfile::tempdir_in(parent)?,
        None => tempfile::tempdir()?,
    };
    let store = Store::open(directory.path()).await?;
    let logs = LogStore::open(directory.path(), LogLimits::default())?;
    println!("directory {}, rounds {ROUNDS}, {} s each part", directory.path().display(), TIME.as_secs());
    println!(
        "{:>10} {:>10} {:>10} {:>12} | {:>9} {:>9}",
        "shared/s", "single/s", "file/s", "log lines/s", "shared:1", "shared:f"
    );
    let (mut to_single, mut to_file, mut lines) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let shared = events(&store, WRITERS).await?;
        let single = events(&store, 1).await?;
        let file = plain_file(directory.path())?;
        let log = log_lines(&logs).await?;
        println!(
            "{shared:>10.0} {single:>10.0} {file:>10.0} {log:>12.0} | {:>9.1} {:>9.2}",
            shared / single,
            shared / file
        );
        to_single.push(shared / single);
        to_file.push(shared / file);
        lines.push(log);
    }
    println!("medians: {WRITERS} writers to one commit per event {:.1}", median(&mut to_single));
    println!(
        "         {WRITERS} writers to a plain file synced every {WRITERS} events {:.2}",
        median(&mut to_file)
    );
    println!("         log lines/s {:.0}", median(&mut lines));
    store.close().await;
    logs.close().await;
    Ok(())
}

fn event() -> EventKind {
    let message =
        "parent registry.example.org/base/fedora:44 was pinned to a digest that is newer than the last";
    EventKind::Warning { code: "bench.example".into(), message: message.into() }
}

/// Events per second that `writers` builds append, one at a time each.
async fn events(store: &Store, writers: usize) -> Result<f64> {
    let mut builds = Vec::new();
    for _ in 0..writers {
        builds.push(store.create(&BuildRequest::new("file:///bench", None), None).await?.id);
    }
    let (begin, mut tasks) = (Instant::now(), JoinSet::new());
    for build in builds {
        let store = store.clone();
        tasks.spawn(async move {
            let mut count = 0_u32;
            while begin.elapsed() < TIME {
                store.append(&build, vec![event()]).await?;
                count += 1;
            }
            anyhow::Ok(count)
        });
    }
    let mut total = 0;
    while let Some(count) = tasks.join_next().await {
        total += count??;
    }
    Ok(f64::from(total) / begin.elapsed().as_secs_f64())
}

/// Events per second that a plain file takes, synced after each group.
fn plain_file(directory: &Path) -> Result<f64> {
    let text = serde_json::to_vec(&event())?;
    let group: Vec<u8> = std::iter::repeat_n(text, WRITERS).flatten().collect();
    let mut file = File::create(directory.join("plain"))?;
    let (begin, mut total) = (Instant::now(), 0_u32);
    while begin.elapsed() < TIME {
        file.write_all(&group)?;
        file.sync_data()?;
        total += WRITERS as u32;
    }
    Ok(f64::from(total) / begin.elapsed().as_secs_f64())
}

/// Lines per second of 120 bytes that workers of builds of their own store, with
/// four messages under way each.
async fn log_lines(logs: &LogStore) -> Result<f64> {
    let (begin, mut tasks) = (Instant::now(), JoinSet::new());
    for _ in 0..WORKERS {
        let (logs, build) = (logs.clone(), BuildId::generate());
        tasks.spawn(async move {
            let platform = "x86_64".parse()?;
            let order = WorkOrderId::derive(&build, &platform, 1);
            let (mut count, mut offset) = (0_u32, 0);
            let text = Bytes::from(vec![b'x'; 120]);
            while begin.elapsed() < TIME {
                let mut under_way = Vec::new();
                for _ in 0..4 {
                    let records = (0..LINES).map(|_| {
                        let record = LogRecord {
                            offset,
                            at: Timestamp::now(),
                            platform: Some(platform.clone()),
                            stream: LogStream::Build,
                            step: "x86_64/build_image".into(),
                            text: text.clone(),
                        };
                        offset = record.end();
                        record
                    });
                    under_way.push(logs.append(&build, Some(&order), records.collect()));
                }
                for stored in futures::future::join_all(under_way).await {
                    stored?;
                    count += LINES as u32;
                }
            }
            logs.finish(&build).await;
            anyhow::Ok(count)
        });
    }
    let mut total = 0;
    while let Some(count) = tasks.join_next().await {
        total += count??;
    }
    Ok(f64::from(total) / begin.elapsed().as_secs_f64())
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
