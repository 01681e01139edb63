//! The logs that come with the mail about a rebuild that failed: nobody was
//! looking when it did.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use common::names::BuildId;

use crate::{
    outside::Attachment,
    store::logs::{LogError, LogStore},
};

/// Most bytes of one log that are sent: what went wrong is at its end.
const MOST_OF_ONE: usize = 512 * 1024;
/// Bytes at the end of the build's whole log that are looked at.
const MOST_LOOKED_AT: u64 = 32 * 1024 * 1024;
/// Bytes that are read at a time.
const PAGE: usize = 1024 * 1024;
/// Logs that are sent at most.
const MOST_LOGS: usize = 16;
/// Name of the orchestrator's own log.
const ORCHESTRATOR: &str = "orchestrator";

/// The end of one log.
#[derive(Debug, Default)]
struct Tail {
    parts: VecDeque<Bytes>,
    size: usize,
    left_out: bool,
}

impl Tail {
    fn push(&mut self, text: Bytes) {
        self.size += text.len();
        self.parts.push_back(text);
        while self.size > MOST_OF_ONE
            && let Some(first) = self.parts.pop_front()
        {
            self.size -= first.len();
            self.left_out = true;
        }
    }

    fn into_content(self) -> Vec<u8> {
        let mut content = Vec::with_capacity(self.size + 64);
        if self.left_out {
            content.extend_from_slice(b"[the beginning of this log is left out]\n");
        }
        self.parts.iter().for_each(|part| content.extend_from_slice(part));
        content
    }
}

/// One file for each platform, and one for the orchestrator's own lines.
///
/// # Errors
/// The logs cannot be read.
pub(super) async fn attachments(logs: &LogStore, build: &BuildId) -> Result<Vec<Attachment>, LogError> {
    let end = *logs.subscribe(build).await?.borrow();
    let begin = end.saturating_sub(MOST_LOOKED_AT);
    let mut tails: BTreeMap<String, Tail> = BTreeMap::new();
    let mut from = begin;
    while from < end {
        let page = logs.read(build, from, None, PAGE).await?;
        for record in page.records {
            let name =
                record.platform.map_or_else(|| ORCHESTRATOR.to_owned(), |platform| platform.to_string());
            if tails.contains_key(&name) || tails.len() < MOST_LOGS {
                let beginning = || Tail { left_out: begin > 0, ..Tail::default() };
                tails.entry(name).or_insert_with(beginning).push(record.text);
            }
        }
        if page.next_offset <= from {
            break;
        }
        from = page.next_offset;
    }
    let file = |(name, tail): (String, Tail)| Attachment {
        name: format!("{name}.log"),
        content: tail.into_content(),
    };
    Ok(tails.into_iter().map(file).collect())
}

#[cfg(test)]
mod tests {
    use common::log::{LogRecord, LogStream};
    use jiff::Timestamp;
    use md5::{Digest as _, Md5};

    use super::*;
    use crate::store::logs::LogLimits;

    fn record(platform: Option<&str>, text: impl Into<Bytes>) -> LogRecord {
        LogRecord {
            offset: 0,
            at: Timestamp::UNIX_EPOCH,
            platform: platform.map(|name| name.parse().unwrap()),
            stream: LogStream::Build,
            step: String::new(),
            text: text.into(),
        }
    }

    #[tokio::test]
    async fn each_platform_has_a_file_of_its_own() {
        let directory = tempfile::tempdir().unwrap();
        let logs = LogStore::open(directory.path(), LogLimits::default()).unwrap();
        let build: BuildId = "bld_1".parse().unwrap();
        assert_eq!(attachments(&logs, &build).await.unwrap(), [], "no log yet");
        let records = vec![
            record(None, "orchestrator\n"),
            record(Some("x86_64"), "Hurray for bacon: \u{2017}\n"),
            record(Some("x86_64"), "line 2\n"),
        ];
        logs.append(&build, None, records).await.unwrap();
        let found = attachments(&logs, &build).await.unwrap();
        let found: Vec<_> = found
            .iter()
            .map(|file| (file.name.as_str(), file.content.len(), hex::encode(Md5::digest(&file.content))))
            .collect();
        let expected = [
            ("orchestrator.log", 13, "ac9ed4cc35a9a77264ca3a0fb81be117".to_owned()),
            ("x86_64.log", 29, "c2487bf0142ea344df8b36990b0186be".to_owned()),
        ];
        assert_eq!(found, expected, "S12");
    }

    #[tokio::test]
    async fn of_a_long_log_the_end_is_sent() {
        let directory = tempfile::tempdir().unwrap();
        let logs = LogStore::open(directory.path(), LogLimits::default()).unwrap();
        let build: BuildId = "bld_1".parse().unwrap();
        let line = |number: usize| record(Some("x86_64"), format!("{number:>9} {}\n", "x".repeat(60_000)));
        logs.append(&build, None, (0..20).map(line).collect()).await.unwrap();
        let found = attachments(&logs, &build).await.unwrap();
        let text = String::from_utf8(found[0].content.clone()).unwrap();
        assert!(text.starts_with("[the beginning of this log is left out]\n"));
        assert!(text.contains("       19 x") && !text.contains("        9 x"));
        assert!(text.len() < MOST_OF_ONE + 64);
    }
}
