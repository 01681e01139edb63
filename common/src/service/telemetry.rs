//! Structured logs on standard error: JSON for machines, text for people.

use std::{fmt, io, io::IsTerminal as _, panic, str::FromStr};

use serde::{Deserialize, Serialize};
use tracing::{Subscriber, error};
use tracing_subscriber::{EnvFilter, fmt::MakeWriter, util::SubscriberInitExt as _};

use crate::ParseError;

/// How log lines look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Text on a terminal, JSON anywhere else.
    #[default]
    Auto,
    /// One line of text for each event.
    Text,
    /// One JSON object for each event, its fields beside `timestamp` (RFC 3339,
    /// UTC), `level`, `target` and `message`.
    Json,
}

impl LogFormat {
    fn is_json(self, terminal: bool) -> bool {
        match self {
            Self::Auto => !terminal,
            Self::Text => false,
            Self::Json => true,
        }
    }
}

impl FromStr for LogFormat {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        match text {
            "auto" => Ok(Self::Auto),
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(ParseError::new("log format", text, "expected auto, text or json")),
        }
    }
}

impl fmt::Display for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Auto => "auto",
            Self::Text => "text",
            Self::Json => "json",
        })
    }
}

/// Logging cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter is not one.
    #[error("'{filter}' is not a log filter such as 'info' or 'info,orchestrator=debug'")]
    Filter {
        /// The filter.
        filter: String,
        /// What is wrong with it.
        #[source]
        source: tracing_subscriber::filter::ParseError,
    },
    /// It was set up before.
    #[error("logging is already set up")]
    Twice(
        /// What the subscriber says.
        #[source]
        tracing_subscriber::util::TryInitError,
    ),
}

/// Sends events to standard error, and panics to the events. `filter` is a list
/// of levels by target, such as `info,orchestrator=debug`.
///
/// # Errors
/// The filter is not one, or this is the second call in the process.
pub fn init(format: LogFormat, filter: &str) -> Result<(), TelemetryError> {
    let terminal = io::stderr().is_terminal();
    subscriber(format.is_json(terminal), terminal, filter, io::stderr)?
        .try_init()
        .map_err(TelemetryError::Twice)?;
    panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let message = panic.payload_as_str().unwrap_or("no message");
        error!(%place, "panicked: {message}");
    }));
    Ok(())
}

type BoxedSubscriber = Box<dyn Subscriber + Send + Sync>;

fn subscriber<W>(json: bool, colour: bool, filter: &str, writer: W) -> Result<BoxedSubscriber, TelemetryError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = EnvFilter::try_new(filter)
        .map_err(|source| TelemetryError::Filter { filter: filter.to_owned(), source })?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    Ok(if json {
        Box::new(builder.json().flatten_event(true).with_span_list(false).finish())
    } else if colour {
        // The crate's own default heeds NO_COLOR.
        Box::new(builder.finish())
    } else {
        Box::new(builder.with_ansi(false).finish())
    })
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tracing::info;

    use super::*;

    #[derive(Clone, Default)]
    struct Memory(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Memory {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(json: bool) -> String {
        let memory = Memory::default();
        let writer = memory.clone();
        let subscriber = subscriber(json, false, "info", move || writer.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, || {
            info!(address = "localhost:1", "listening");
            tracing::debug!("not shown");
        });
        let bytes = memory.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn json_lines_have_their_fields_at_the_top_and_say_utc() {
        let text = logged(true);
        assert_eq!(text.lines().count(), 1, "{text}");
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&line["message"], &line["address"]), (&"listening".into(), &"localhost:1".into()));
        let at = line["timestamp"].as_str().unwrap();
        assert!(at.ends_with('Z') && at.parse::<jiff::Timestamp>().is_ok(), "{at}");
    }

    #[test]
    fn text_lines_are_for_people() {
        let text = logged(false);
        assert!(text.contains("INFO") && text.contains("listening address=\"localhost:1\""), "{text}");
        assert!(!text.contains('\u{1b}'), "colours only on a terminal");
    }

    #[test]
    fn the_format_follows_the_terminal_unless_it_is_said() {
        for (text, terminal, json) in
            [("auto", true, false), ("auto", false, true), ("text", false, false), ("json", true, true)]
        {
            let format: LogFormat = text.parse().unwrap();
            assert_eq!((format.to_string().as_str(), format.is_json(terminal)), (text, json));
        }
        assert!("xml".parse::<LogFormat>().is_err());
    }

    #[test]
    fn a_bad_filter_and_a_second_call_are_errors() {
        let error = init(LogFormat::Text, "reactor=loud").unwrap_err();
        assert!(error.to_string().contains("reactor=loud"), "{error}");
        init(LogFormat::Text, "error").unwrap();
        assert!(matches!(init(LogFormat::Text, "error"), Err(TelemetryError::Twice(_))));
    }
}
