//! Logs as Koji gets them, from a real store to a bridge in memory.

use jiff::Timestamp;
use tempfile::TempDir;
use testkit::koji::{Effect, InMemoryBridge};

use super::*;
use crate::store::logs::LogLimits;

fn record(platform: Option<&str>, stream: LogStream, text: &str) -> LogRecord {
    LogRecord {
        offset: 0,
        at: Timestamp::UNIX_EPOCH,
        platform: platform.map(|name| name.parse().unwrap()),
        stream,
        step: String::new(),
        text: Bytes::copy_from_slice(text.as_bytes()),
    }
}

#[tokio::test]
async fn each_log_has_its_lines_even_when_the_connection_breaks() {
    use LogStream::{Build, Orchestrator, Worker};
    let directory = TempDir::new().unwrap();
    let logs = LogStore::open(directory.path(), LogLimits::default()).unwrap();
    let build: BuildId = "bld_1".parse().unwrap();
    let long = "x".repeat(600_000) + "\n";
    let records = vec![
        record(None, Orchestrator, "begins\n"),
        record(Some("x86_64"), Worker, "fetches\n"),
        record(Some("x86_64"), Build, &long),
        record(Some("aarch64"), Build, "STEP 1\n"),
        record(None, Orchestrator, "ends\n"),
    ];
    logs.append(&build, None, records).await.unwrap();

    let bridge = InMemoryBridge::start().await.unwrap();
    bridge.set_capabilities(&common::koji::KojiCapability::ALL);
    let koji = Koji::new(bridge.address().clone());
    let prepared = koji.prepare_upload("bld_1").await.unwrap();
    let x86_64: Platform = "x86_64".parse().unwrap();
    let s390x: Platform = "s390x".parse().unwrap();
    let whole = format!("fetches\n{long}");
    let rows = [
        (LogFile::Orchestrator, Some("begins\nends\n")),
        (LogFile::Platform(x86_64.clone()), Some(whole.as_str())),
        (LogFile::Build(x86_64), Some(long.as_str())),
        (LogFile::Build(s390x), None),
    ];
    for (file, expected) in rows {
        bridge.add_fault("UploadFile", 1, Effect::Cut(9));
        let to = (prepared.directory.as_str(), &prepared.ticket);
        let sent = upload(&koji, (&logs, &build), &file, to).await.unwrap();
        let there = bridge.uploaded(&prepared.directory, &file.to_string());
        assert_eq!(there.map(|bytes| String::from_utf8(bytes).unwrap()).as_deref(), expected, "{file}");
        let md5 = expected.map(|text| hex::encode(Md5::digest(text)));
        assert_eq!(sent.map(|sent| (sent.size, sent.md5)), expected.map(|text| text.len() as u64).zip(md5));
    }
    logs.close().await;
}
