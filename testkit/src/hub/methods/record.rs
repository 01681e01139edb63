//! Makes answers: structs of members, and times as the hub writes them.

use jiff::Timestamp;
use koji_bridge::xmlrpc::{Value, to_value};
use serde_json::Value as Json;

/// A struct.
pub(super) fn record<const N: usize>(members: [(&str, Value); N]) -> Value {
    Value::Struct(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// The same struct without some members.
pub(super) fn without(value: Value, names: &[&str]) -> Value {
    match value {
        Value::Struct(mut members) => {
            members.retain(|name, _| !names.contains(&name.as_str()));
            Value::Struct(members)
        }
        other => other,
    }
}

/// The same struct with one more member.
pub(super) fn with(value: Value, name: &str, member: Value) -> Value {
    match value {
        Value::Struct(mut members) => {
            members.insert(name.to_owned(), member);
            Value::Struct(members)
        }
        other => other,
    }
}

/// A number of the database, or any other that is not negative.
pub(super) fn number(number: u64) -> Value {
    Value::Int(i64::try_from(number).unwrap_or(i64::MAX))
}

/// A number of the database that may be missing.
pub(super) fn maybe_number(value: Option<u64>) -> Value {
    value.map_or(Value::Nil, number)
}

/// Text that may be missing.
pub(super) fn maybe_text(value: Option<&str>) -> Value {
    value.map_or(Value::Nil, Value::from)
}

/// What was kept as JSON.
pub(super) fn json(value: &Json) -> Value {
    to_value(value).unwrap_or(Value::Nil)
}

/// A point in time as text. Example: `2018-04-25 18:31:00.912504+00:00`.
pub(super) fn time(seconds: Option<f64>) -> Value {
    let Some(seconds) = seconds else {
        return Value::Nil;
    };
    // Times of builds are far within the range of 64 bits of microseconds.
    let microseconds = (seconds * 1e6).round() as i64;
    let Ok(moment) = Timestamp::from_microsecond(microseconds) else {
        return Value::Nil;
    };
    let whole = moment.strftime("%Y-%m-%d %H:%M:%S");
    Value::String(match microseconds.rem_euclid(1_000_000) {
        0 => format!("{whole}+00:00"),
        fraction => format!("{whole}.{fraction:06}+00:00"),
    })
}

/// A point in time in epoch seconds.
pub(super) fn seconds(seconds: Option<f64>) -> Value {
    seconds.map_or(Value::Nil, Value::Double)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_the_database_does() {
        for (seconds, text) in [
            (1_524_681_060.0, "2018-04-25 18:31:00+00:00"),
            (1_795_420_724.477_281, "2026-11-23 07:58:44.477281+00:00"),
            (1_795_420_725.029_56, "2026-11-23 07:58:45.029560+00:00"),
        ] {
            assert_eq!(time(Some(seconds)), Value::from(text));
        }
        assert_eq!(time(None), Value::Nil);
    }
}
