//! `koji-bridge reservations`: what is reserved and neither imported nor given
//! back, oldest first, so that what was left over can be seen.

use common::service::Shutdown;
use jiff::Timestamp;
use serde_json::json;

use super::{
    CommandFailure, Exit, open,
    output::{aligned, remark, say, visible},
};
use crate::{arguments::ReservationsArguments, hub::FoundReservation};

pub(super) async fn run(
    arguments: &ReservationsArguments,
    shutdown: &Shutdown,
) -> Result<Exit, CommandFailure> {
    let hub = open(&arguments.common, shutdown)?;
    let found = hub.reservations().await;
    hub.close().await;
    let found = found?;
    if arguments.json {
        say(&json!({"reservations": found.iter().map(described).collect::<Vec<_>>()}).to_string());
        return Ok(Exit::Ok);
    }
    if found.is_empty() {
        remark("there are no reservations");
        return Ok(Exit::Ok);
    }
    let now = Timestamp::now();
    let mut rows = vec![["ID", "BUILD", "AGE", "TASK", "KEY"].map(str::to_owned)];
    rows.extend(found.iter().map(|reservation| {
        let age = reservation.created_at.map(|at| age(now.as_second() - at.as_second()));
        [
            reservation.build.to_string(),
            reservation.nvr.to_string(),
            age.unwrap_or_else(|| "-".to_owned()),
            reservation.task.map_or_else(|| "-".to_owned(), |task| task.to_string()),
            reservation.key.as_deref().map_or_else(|| "-".to_owned(), visible),
        ]
    }));
    aligned(&rows).iter().for_each(|line| say(line));
    Ok(Exit::Ok)
}

fn described(reservation: &FoundReservation) -> serde_json::Value {
    let FoundReservation { build, nvr, created_at, key, task } = reservation;
    json!({
        "build_id": build, "nvr": nvr, "created_at": created_at.map(|at| at.to_string()),
        "key": key, "task_id": task,
    })
}

/// An age in its two largest units.
fn age(seconds: i64) -> String {
    let seconds = seconds.max(0);
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match (days, hours, minutes) {
        (1.., _, _) => format!("{days}d {}h", hours % 24),
        (0, 1.., _) => format!("{hours}h {}m", minutes % 60),
        (0, 0, 1..) => format!("{minutes}m"),
        _ => format!("{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn an_age_has_its_largest_units() {
        for (seconds, shown) in
            [(-5, "0s"), (59, "59s"), (61, "1m"), (3_661, "1h 1m"), (90_000, "1d 1h"), (864_000, "10d 0h")]
        {
            assert_eq!(super::age(seconds), shown, "{seconds}");
        }
    }
}
