//! The log store as its callers see it.

mod reading;
mod recovering;
mod storing;

use std::{fs, path::Path};

use bytes::Bytes;
use common::{
    log::{LogRecord, LogStream},
    names::{BuildId, WorkOrderId},
    platform::Platform,
};
use jiff::Timestamp;
use tempfile::TempDir;

use super::{LogLimits, LogStore};

fn build() -> BuildId {
    "bld_1".parse().unwrap()
}

fn order(platform: &str) -> WorkOrderId {
    WorkOrderId::derive(&build(), &platform.parse().unwrap(), 1)
}

/// Whole lines as records of a worker, the first at `offset` of its log.
fn records(platform: &str, mut offset: u64, text: &[u8]) -> Vec<LogRecord> {
    let lines = text.split_inclusive(|byte| *byte == b'\n');
    lines
        .map(|line| {
            let record = LogRecord {
                offset,
                at: Timestamp::from_microsecond(1_700_000_000_000_000 + offset as i64).unwrap(),
                platform: (!platform.is_empty()).then(|| platform.parse().unwrap()),
                stream: LogStream::Build,
                step: format!("{platform}/build_image"),
                text: Bytes::copy_from_slice(line),
            };
            offset = record.end();
            record
        })
        .collect()
}

fn own_line(text: &str) -> Vec<LogRecord> {
    let mut records = records("", 0, text.as_bytes());
    records.iter_mut().for_each(|record| record.stream = LogStream::Orchestrator);
    records
}

fn open() -> (TempDir, LogStore) {
    open_with(LogLimits::default())
}

fn open_with(limits: LogLimits) -> (TempDir, LogStore) {
    let directory = tempfile::tempdir().unwrap();
    let store = LogStore::open(directory.path(), limits).unwrap();
    (directory, store)
}

/// Everything that is stored, after a check that offsets have no gap.
async fn all(store: &LogStore) -> Vec<LogRecord> {
    let (mut records, mut from) = (Vec::new(), 0);
    loop {
        let page = store.read(&build(), from, None, 1000).await.unwrap();
        for record in page.records {
            assert_eq!(record.offset, from);
            from = record.end();
            records.push(record);
        }
        assert_eq!(page.next_offset, from);
        if page.at_end {
            return records;
        }
    }
}

fn text_of<'a>(records: impl IntoIterator<Item = &'a LogRecord>) -> Vec<u8> {
    records.into_iter().flat_map(|record| record.text.to_vec()).collect()
}

/// The text of one platform.
async fn platform_text(store: &LogStore, platform: &str) -> Vec<u8> {
    let platform: Platform = platform.parse().unwrap();
    text_of(all(store).await.iter().filter(|record| record.platform.as_ref() == Some(&platform)))
}

/// A copy of the logs as a process that is killed now would leave them.
fn killed(directory: &Path) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    let from = directory.join("logs").join(build().as_str());
    let to = copy.path().join("logs").join(build().as_str());
    fs::create_dir_all(&to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
    copy
}
