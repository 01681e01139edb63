//! Points and spans of time (google/protobuf/timestamp.proto, duration.proto).

use std::time::Duration;

use jiff::Timestamp;

use super::BadField;

/// Longest duration that protobuf allows: about 10,000 years, in seconds.
const MAX_SECONDS: i64 = 315_576_000_000;

/// A point in time as protobuf has it.
pub fn to_timestamp(at: Timestamp) -> prost_types::Timestamp {
    let (mut seconds, mut nanos) = (at.as_second(), at.subsec_nanosecond());
    // Before 1970 jiff counts both backwards; protobuf's nanoseconds always
    // count forwards.
    if nanos < 0 {
        seconds -= 1;
        nanos += 1_000_000_000;
    }
    prost_types::Timestamp { seconds, nanos }
}

/// A point in time that must be there.
///
/// # Errors
/// Missing, not normalized, or outside of the years that can be told.
pub fn from_timestamp(field: &str, timestamp: Option<prost_types::Timestamp>) -> Result<Timestamp, BadField> {
    let prost_types::Timestamp { seconds, nanos } = timestamp.ok_or_else(|| BadField::missing(field))?;
    if !(0..1_000_000_000).contains(&nanos) {
        return Err(BadField::new(field, "its nanoseconds are not from 0 to 999,999,999"));
    }
    Timestamp::new(seconds, nanos).map_err(|error| BadField::new(field, error.to_string()))
}

/// A span of time as protobuf has it; one that is longer than protobuf allows
/// becomes the longest.
pub fn to_duration(span: Duration) -> prost_types::Duration {
    match i64::try_from(span.as_secs()) {
        // Fewer than 10^9 by the type's own promise, so the cast cannot wrap.
        Ok(seconds) if seconds < MAX_SECONDS => {
            prost_types::Duration { seconds, nanos: span.subsec_nanos().cast_signed() }
        }
        _ => prost_types::Duration { seconds: MAX_SECONDS, nanos: 0 },
    }
}

/// A span of time that must be there.
///
/// # Errors
/// Missing, negative, not normalized, or longer than protobuf allows.
pub fn from_duration(field: &str, span: Option<prost_types::Duration>) -> Result<Duration, BadField> {
    let prost_types::Duration { seconds, nanos } = span.ok_or_else(|| BadField::missing(field))?;
    if seconds < 0 || nanos < 0 {
        return Err(BadField::new(field, "it is negative"));
    }
    match (u64::try_from(seconds), u32::try_from(nanos)) {
        (Ok(whole), Ok(nanos)) if seconds <= MAX_SECONDS && nanos < 1_000_000_000 => {
            Ok(Duration::new(whole, nanos))
        }
        _ => Err(BadField::new(field, "it is not a duration that protobuf allows")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_in_time_round_trip() {
        for text in ["2026-11-23T10:20:30.123456789Z", "1969-12-31T23:59:59.75Z", "1970-01-01T00:00:00Z"] {
            let at: Timestamp = text.parse().unwrap();
            let sent = to_timestamp(at);
            assert!(sent.nanos >= 0);
            assert_eq!(from_timestamp("at", Some(sent)), Ok(at), "{text}");
        }
    }

    #[test]
    fn impossible_points_in_time_are_refused() {
        for (seconds, nanos) in [(0, -1), (0, 1_000_000_000), (i64::MAX, 0), (i64::MIN, 0)] {
            assert!(from_timestamp("at", Some(prost_types::Timestamp { seconds, nanos })).is_err());
        }
        assert_eq!(from_timestamp("at", None), Err(BadField::missing("at")));
    }

    #[test]
    fn spans_round_trip() {
        for span in [Duration::ZERO, Duration::from_millis(1500), Duration::from_secs(3600)] {
            assert_eq!(from_duration("time", Some(to_duration(span))), Ok(span));
        }
        let longest = from_duration("time", Some(to_duration(Duration::MAX))).unwrap();
        assert_eq!(longest.as_secs(), MAX_SECONDS.unsigned_abs());
    }

    #[test]
    fn negative_and_impossible_spans_are_refused() {
        for (seconds, nanos) in [(-1, 0), (0, -1), (1, 1_000_000_000), (MAX_SECONDS + 1, 0)] {
            let span = prost_types::Duration { seconds, nanos };
            assert!(from_duration("time", Some(span)).is_err(), "{seconds} {nanos}");
        }
    }
}
