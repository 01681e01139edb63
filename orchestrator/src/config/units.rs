//! Amounts as people write them: `15s`, `4h`, `1h 30m`; `1MiB`, `2GiB`, `4096`.
//!
//! A number without its unit is a guess waiting to go wrong, so a duration must
//! have one. A size without one is in bytes.

use std::{fmt, str::FromStr, time::Duration};

use common::ParseError;
use serde::{Deserialize, Serialize};

/// A length of time. Example: `1h 30m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Period(Duration);

impl Period {
    /// So many seconds.
    pub const fn from_secs(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// The same as the standard library's type.
    pub const fn duration(self) -> Duration {
        self.0
    }
}

impl From<Period> for Duration {
    fn from(period: Period) -> Self {
        period.0
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_duration(self.0).fmt(f)
    }
}

impl FromStr for Period {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        humantime::parse_duration(text).map(Self).map_err(|error| {
            ParseError::new(
                "duration",
                text,
                format!("{error}; expected a number with its unit, such as 15s, 10m or 1h 30m"),
            )
        })
    }
}

impl TryFrom<String> for Period {
    type Error = ParseError;

    fn try_from(text: String) -> Result<Self, ParseError> {
        text.parse()
    }
}

impl From<Period> for String {
    fn from(period: Period) -> Self {
        period.to_string()
    }
}

/// Units of [`Size`], largest first. Powers of 1,024 only, so that there is one
/// meaning; the decimal units are read too, since memory is often sold in them.
const UNITS: &[(&str, u64)] = &[
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("B", 1),
];

/// A number of bytes. Example: `2GiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Size(u64);

impl Size {
    /// So many bytes.
    pub const fn from_bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// The number of bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Size {
    /// The largest binary unit that gives a whole number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let binary = UNITS.iter().filter(|(name, _)| name.ends_with("iB"));
        for (name, factor) in binary {
            if self.0 > 0 && self.0.is_multiple_of(*factor) {
                return write!(f, "{}{name}", self.0 / factor);
            }
        }
        write!(f, "{}", self.0)
    }
}

impl FromStr for Size {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let bad = |reason: &str| {
            ParseError::new(
                "size",
                text,
                format!("{reason}; expected bytes or a unit, such as 512MiB or 2GiB"),
            )
        };
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let number: u64 = number.parse().map_err(|_| bad("it does not begin with a whole number"))?;
        let unit = unit.trim();
        let factor = match unit {
            "" => 1,
            _ => UNITS
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(unit))
                .map(|(_, factor)| *factor)
                .ok_or_else(|| bad(&format!("'{unit}' is not a unit")))?,
        };
        number.checked_mul(factor).map(Self).ok_or_else(|| bad("it is too large"))
    }
}

impl TryFrom<String> for Size {
    type Error = ParseError;

    fn try_from(text: String) -> Result<Self, ParseError> {
        text.parse()
    }
}

impl From<Size> for String {
    fn from(size: Size) -> Self {
        size.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_round_trip() {
        for (text, seconds) in
            [("15s", 15), ("10m", 600), ("4h", 14_400), ("1h 30m", 5_400), ("2days", 172_800)]
        {
            let period: Period = text.parse().unwrap();
            assert_eq!(period.duration(), Duration::from_secs(seconds), "{text}");
            assert_eq!(period.to_string().parse::<Period>().unwrap(), period);
        }
    }

    #[test]
    fn a_duration_needs_its_unit() {
        for bad in ["", "15", "s", "-1s", "1 fortnight"] {
            let error = bad.parse::<Period>().unwrap_err().to_string();
            assert!(error.contains("15s, 10m"), "{bad}: {error}");
        }
    }

    #[test]
    fn sizes_round_trip() {
        for (text, bytes, printed) in [
            ("4096", 4096, "4KiB"),
            ("1MiB", 1 << 20, "1MiB"),
            ("2 GiB", 2 << 30, "2GiB"),
            ("2gib", 2 << 30, "2GiB"),
            ("10MB", 10_000_000, "10000000"),
            ("1025", 1025, "1025"),
            ("0", 0, "0"),
        ] {
            let size: Size = text.parse().unwrap();
            assert_eq!(size.bytes(), bytes, "{text}");
            assert_eq!(size.to_string(), printed, "{text}");
            assert_eq!(printed.parse::<Size>().unwrap(), size);
        }
    }

    #[test]
    fn bad_sizes_say_what_is_wrong() {
        for (bad, part) in [
            ("", "whole number"),
            ("GiB", "whole number"),
            ("1.5GiB", "not a unit"),
            ("99999999999TiB", "large"),
        ] {
            let error = bad.parse::<Size>().unwrap_err().to_string();
            assert!(error.contains(part), "{bad}: {error}");
        }
    }
}
