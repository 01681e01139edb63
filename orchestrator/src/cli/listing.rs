//! Lists of builds and workers as tables.

use jiff::Timestamp;
use proto::v1::{Build, Worker};

use crate::cli::{
    output::Dress,
    table::{Shrink, Table},
    view::{
        narrator::WHOLE,
        text::{age, between, harmless, state, time},
    },
};

/// Fewest characters of an id that are shown: the prefix and the time in it.
const LEAST_ID: usize = 16;

/// Builds, one line each, under a heading.
pub(crate) fn builds(builds: &[Build], now: Timestamp, dress: Dress) -> Vec<String> {
    let mut table = Table::new(&[
        ("BUILD", Shrink::Never),
        ("STATE", Shrink::Never),
        ("AGE", Shrink::Never),
        ("WHAT", Shrink::Beginning(12)),
        ("PLATFORMS", Shrink::End(9)),
        ("USER", Shrink::End(6)),
    ]);
    // Where nobody counts columns, ids are shown whole.
    let shown = dress.width.map_or(usize::MAX, |_| unique_beginning(builds));
    for build in builds {
        let age = time(build.created_at.as_ref()).map_or_else(|| "-".to_owned(), |at| age(between(at, now)));
        let request = build.request.clone().unwrap_or_default();
        let what = if request.component.is_empty() {
            request.source.map(|source| source.uri).unwrap_or_default()
        } else {
            request.component
        };
        table.row(vec![
            build.id.chars().take(shown).collect(),
            state(build.state).0.to_owned(),
            age,
            harmless(&what),
            platforms(build, &request.platforms),
            harmless(&request.user),
        ]);
    }
    table.lines(dress.width)
}

/// What was made, or else what was asked for.
fn platforms(build: &Build, asked: &[String]) -> String {
    match &build.result {
        Some(result) => {
            result.members.iter().map(|member| member.platform.as_str()).collect::<Vec<_>>().join(",")
        }
        None if asked.is_empty() => "-".to_owned(),
        None => asked.join(","),
    }
}

/// The length at which the beginnings of all ids differ.
fn unique_beginning(builds: &[Build]) -> usize {
    let mut ids: Vec<&str> = builds.iter().map(|build| build.id.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    let common =
        ids.windows(2).map(|pair| pair[0].chars().zip(pair[1].chars()).take_while(|(a, b)| a == b).count());
    common.max().map_or(LEAST_ID, |common| LEAST_ID.max(common + 1))
}

/// Workers, one line each, under a heading.
pub(crate) fn workers(workers: &[Worker], now: Timestamp, dress: Dress) -> Vec<String> {
    let mut table = Table::new(&[
        ("WORKER", Shrink::End(16)),
        ("PLATFORMS", Shrink::End(9)),
        ("BUSY", Shrink::Never),
        ("SINCE", Shrink::Never),
        ("VERSION", Shrink::Never),
        ("HOST", Shrink::End(8)),
        ("ENGINE", Shrink::End(8)),
    ]);
    for worker in workers {
        let since =
            time(worker.attached_at.as_ref()).map_or_else(|| "-".to_owned(), |at| age(between(at, now)));
        table.row(vec![
            worker.id.clone(),
            worker.platforms.join(","),
            format!("{}/{}", worker.work_order_ids.len(), worker.slots),
            since,
            harmless(&worker.version),
            harmless(&worker.host),
            harmless(&worker.engine),
        ]);
    }
    table.lines(dress.width)
}

/// A line of the log of all platforms.
pub(crate) fn log_line(platform: &str, line: &str) -> String {
    let platform = if platform.is_empty() { WHOLE } else { platform };
    format!("{platform:<8} | {line}").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::view::samples;

    fn three() -> Vec<Build> {
        let id = |last: &str| format!("bld_0193a1b2c3d47e5f8a9b0c1d2e3f4{last}");
        let mut running =
            Build { id: id("a5b"), state: 2, created_at: samples::at(-7200), ..Build::default() };
        running.request = Some(samples::request());
        if let Some(request) = &mut running.request {
            request.component.clear();
            request.user = "a-service-account-with-a-long-name".into();
        }
        let succeeded = Build { id: "bld_0193b0000000".to_owned() + &"0".repeat(20), ..samples::succeeded() };
        let queued =
            Build { id: "bld_0193c0000000".to_owned() + &"0".repeat(20), state: 1, ..Build::default() };
        vec![queued, succeeded, running]
    }

    #[test]
    fn builds_fit_into_eighty_columns() {
        let now = Timestamp::new(samples::BEGIN + 90, 0).unwrap();
        let lines = builds(&three(), now, Dress { colour: false, width: Some(80) });
        assert_eq!(
            lines,
            [
                "BUILD             STATE      AGE  WHAT            PLATFORMS       USER",
                "bld_0193c0000000  queued     -                    -",
                "bld_0193b0000000  succeeded  1m   hello           x86_64,aarch64  mara",
                "bld_0193a1b2c3d4  running    2h   …org/hello.git  x86_64,aarch64  a-service-acc…",
            ]
        );
        assert!(lines.iter().all(|line| console::measure_text_width(line) <= 80));
    }

    #[test]
    fn off_a_terminal_ids_are_whole() {
        let lines = builds(&three(), Timestamp::UNIX_EPOCH, Dress { colour: false, width: None });
        assert!(lines[3].starts_with("bld_0193a1b2c3d47e5f8a9b0c1d2e3f4a5b  running"), "{}", lines[3]);
    }

    #[test]
    fn a_shown_id_is_unique() {
        let twins = ["bld_0193a1b2c3d47aa1", "bld_0193a1b2c3d47aa2"]
            .map(|id| Build { id: id.into(), ..Build::default() });
        assert_eq!(unique_beginning(&twins), 20);
        assert_eq!(unique_beginning(&twins[..1]), LEAST_ID);
    }

    #[test]
    fn workers_show_their_places() {
        let worker = Worker {
            id: "wrk_build07-1".into(),
            platforms: vec!["x86_64".into(), "i686".into()],
            slots: 2,
            work_order_ids: vec!["wo_1".into()],
            host: "build07.example.org".into(),
            version: "0.1.0".into(),
            engine: "Docker 20.10.24".into(),
            attached_at: samples::at(0),
            progress: vec![],
        };
        let now = Timestamp::new(samples::BEGIN + 300, 0).unwrap();
        let lines = workers(&[worker], now, Dress { colour: false, width: None });
        assert_eq!(
            lines,
            [
                "WORKER         PLATFORMS    BUSY  SINCE  VERSION  HOST                 ENGINE",
                "wrk_build07-1  x86_64,i686  1/2   5m     0.1.0    build07.example.org  Docker 20.10.24",
            ]
        );
    }
}
