//! A build that has ended, for tests.

use common::request::GitSource;
use jiff::{SignedDuration, Timestamp};

use super::Notice;
use crate::config::Status;

/// A build that somebody asked for and that succeeded.
pub(super) fn notice() -> Notice {
    Notice {
        build: "bld_1".parse().unwrap(),
        created_at: Timestamp::UNIX_EPOCH,
        ended_at: Timestamp::UNIX_EPOCH + SignedDuration::from_hours(1),
        status: Status::Succeeded,
        automatic: false,
        triggered_by: None,
        user: "mara".to_owned(),
        source: GitSource {
            uri: "https://git.example.org/hello.git".to_owned(),
            reference: Some("main".to_owned()),
        },
        commit: Some("0123456789012345678901234567890123456789".to_owned()),
        koji_task: None,
        log_url: None,
        nvr: Some("hello-1.0-3".parse().unwrap()),
        component: Some("hello".parse().unwrap()),
        names: vec!["foo/bar:baz".to_owned(), "foo/bar:latest".to_owned()],
        image: None,
        koji: None,
        failures: Vec::new(),
    }
}
