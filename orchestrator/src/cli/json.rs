//! Messages of the contract as JSON, for `--output json` and `--dump-request`.
//!
//! The names are those of the `.proto` files, which grpcurl and every protobuf
//! library also read (protobuf JSON mapping): enums by name, timestamps in
//! RFC 3339, durations in seconds with an `s`; what is not set is left out.
//! Two things differ from that mapping, both in favour of the reader: 64-bit
//! numbers are numbers, and the text of a log record is text. Where it is not
//! UTF-8, `text` is the nearest text and `text_base64` the exact bytes.
//!
//! The conversion follows the descriptors of the contract, so a field that is
//! added there appears here.

use std::sync::OnceLock;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use prost::Message;
use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MapKey, ReflectMessage as _, Value as Dynamic,
};
use proto::v1;
use serde_json::{Map, Value, json};

/// A message that has a JSON form.
pub(crate) trait Named: Message {
    /// Its full name in the contract.
    const NAME: &'static str;
}

macro_rules! named {
    ($($message:ident),* $(,)?) => {
        $(impl Named for v1::$message {
            const NAME: &'static str = concat!("reactor.v1.", stringify!($message));
        })*
    };
}

named!(Build, BuildEvent, LogRecord, SubmitBuildRequest, ListBuildsResponse, ListWorkersResponse);

/// The message as JSON.
pub(crate) fn of<M: Named>(message: &M) -> Value {
    let decoded = descriptors()
        .and_then(|pool| pool.get_message_by_name(M::NAME))
        .and_then(|descriptor| DynamicMessage::decode(descriptor, message.encode_to_vec().as_slice()).ok());
    // The descriptors were made from the same files as the type, so decoding
    // what it encoded cannot fail; a test converts one message of each kind.
    decoded.map_or(Value::Null, |message| of_message(&message))
}

fn descriptors() -> Option<&'static DescriptorPool> {
    static POOL: OnceLock<Option<DescriptorPool>> = OnceLock::new();
    POOL.get_or_init(|| DescriptorPool::decode(proto::DESCRIPTORS).ok()).as_ref()
}

fn of_message(message: &DynamicMessage) -> Value {
    let descriptor = message.descriptor();
    match descriptor.full_name() {
        "google.protobuf.Timestamp" => return of_timestamp(message),
        "google.protobuf.Duration" => return of_duration(message),
        _ => {}
    }
    let mut object = Map::new();
    for (field, value) in message.fields() {
        object.insert(field.name().to_owned(), of_value(&field, value));
    }
    if descriptor.full_name() == v1::LogRecord::NAME {
        // A record at the beginning has an offset too.
        object.entry("offset").or_insert(json!(0));
        let text = message.get_field_by_name("text");
        if let Some(Dynamic::Bytes(text)) = text.as_deref() {
            spell_out_text(&mut object, text);
        }
    }
    Value::Object(object)
}

fn spell_out_text(object: &mut Map<String, Value>, text: &[u8]) {
    object.insert("text".to_owned(), json!(String::from_utf8_lossy(text)));
    if std::str::from_utf8(text).is_err() {
        object.insert("text_base64".to_owned(), json!(STANDARD.encode(text)));
    }
}

fn of_value(field: &FieldDescriptor, value: &Dynamic) -> Value {
    match value {
        Dynamic::List(items) => items.iter().map(|item| of_single(&field.kind(), item)).collect(),
        Dynamic::Map(entries) => {
            let kind = field.kind().as_message().map(|entry| entry.map_entry_value_field().kind());
            let convert = |value| kind.as_ref().map_or(Value::Null, |kind| of_single(kind, value));
            let entries = entries.iter().map(|(key, value)| (of_key(key), convert(value)));
            Value::Object(entries.collect())
        }
        single => of_single(&field.kind(), single),
    }
}

fn of_key(key: &MapKey) -> String {
    match key {
        MapKey::Bool(key) => key.to_string(),
        MapKey::I32(key) => key.to_string(),
        MapKey::I64(key) => key.to_string(),
        MapKey::U32(key) => key.to_string(),
        MapKey::U64(key) => key.to_string(),
        MapKey::String(key) => key.clone(),
    }
}

fn of_single(kind: &Kind, value: &Dynamic) -> Value {
    match value {
        Dynamic::Bool(value) => json!(value),
        Dynamic::I32(value) => json!(value),
        Dynamic::I64(value) => json!(value),
        Dynamic::U32(value) => json!(value),
        Dynamic::U64(value) => json!(value),
        Dynamic::F32(value) => json!(value),
        Dynamic::F64(value) => json!(value),
        Dynamic::String(value) => json!(value),
        Dynamic::Bytes(value) => json!(STANDARD.encode(value)),
        // A number that this version has no name for is kept as a number.
        Dynamic::EnumNumber(number) => kind
            .as_enum()
            .and_then(|kind| kind.get_value(*number))
            .map_or_else(|| json!(number), |value| json!(value.name())),
        Dynamic::Message(message) => of_message(message),
        Dynamic::List(_) | Dynamic::Map(_) => Value::Null,
    }
}

fn of_timestamp(message: &DynamicMessage) -> Value {
    let (seconds, nanos) = seconds_and_nanos(message);
    Timestamp::new(seconds, nanos).map_or(Value::Null, |at| json!(at.to_string()))
}

fn of_duration(message: &DynamicMessage) -> Value {
    let (seconds, nanos) = seconds_and_nanos(message);
    let sign = if seconds < 0 || nanos < 0 { "-" } else { "" };
    let fraction = format!("{:09}", nanos.unsigned_abs());
    let fraction = fraction.trim_end_matches('0');
    let point = if fraction.is_empty() { "" } else { "." };
    json!(format!("{sign}{}{point}{fraction}s", seconds.unsigned_abs()))
}

fn seconds_and_nanos(message: &DynamicMessage) -> (i64, i32) {
    let field = |name| message.get_field_by_name(name);
    let seconds = field("seconds").and_then(|value| value.as_i64()).unwrap_or_default();
    let nanos = field("nanos").and_then(|value| value.as_i32()).unwrap_or_default();
    (seconds, nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64, nanos: i32) -> Option<prost_types::Timestamp> {
        Some(prost_types::Timestamp { seconds, nanos })
    }

    #[test]
    fn a_request_is_what_grpcurl_takes() {
        let request = v1::SubmitBuildRequest {
            request: Some(v1::BuildRequest {
                source: Some(v1::GitSource { uri: "https://x/y".into(), r#ref: "main".into() }),
                platforms: vec!["x86_64".into()],
                mode: v1::BuildMode::Scratch.into(),
                build_args: [("A".to_owned(), "1".to_owned())].into(),
                limits: Some(v1::Limits {
                    memory_bytes: 2 << 40,
                    time: Some(prost_types::Duration { seconds: 90, nanos: 500_000_000 }),
                }),
                ..v1::BuildRequest::default()
            }),
            idempotency_key: String::new(),
        };
        assert_eq!(
            of(&request),
            json!({"request": {
                "source": {"uri": "https://x/y", "ref": "main"},
                "platforms": ["x86_64"],
                "mode": "BUILD_MODE_SCRATCH",
                "build_args": {"A": "1"},
                "limits": {"memory_bytes": 2_199_023_255_552_u64, "time": "90.5s"},
            }})
        );
    }

    #[test]
    fn an_event_has_its_kind_as_a_field() {
        let event = v1::BuildEvent {
            sequence: 7,
            at: at(1_764_072_225, 0),
            kind: Some(v1::build_event::Kind::WorkerChanged(v1::build_event::WorkerChanged {
                platform: "s390x".into(),
                status: v1::build_event::worker_changed::Status::Waiting.into(),
                ..Default::default()
            })),
        };
        assert_eq!(
            of(&event),
            json!({
                "sequence": 7,
                "at": "2025-11-25T12:03:45Z",
                "worker_changed": {"platform": "s390x", "status": "STATUS_WAITING"},
            })
        );
    }

    #[test]
    fn log_text_is_text_and_exact_where_it_is_not() {
        let record = |text: &'static [u8]| v1::LogRecord { text: text.into(), ..v1::LogRecord::default() };
        assert_eq!(of(&record(b"a\n")), json!({"offset": 0, "text": "a\n"}));
        assert_eq!(of(&record(b"a\xff")), json!({"offset": 0, "text": "a\u{fffd}", "text_base64": "Yf8="}));
    }

    #[test]
    fn an_unknown_enum_value_stays_a_number() {
        let build = v1::Build { state: 99, ..v1::Build::default() };
        assert_eq!(of(&build), json!({"state": 99}));
    }

    #[test]
    fn every_kind_of_message_is_in_the_descriptors() {
        fn check<M: Named + Default>() {
            assert!(of(&M::default()).is_object(), "{}", M::NAME);
        }
        check::<v1::Build>();
        check::<v1::BuildEvent>();
        check::<v1::LogRecord>();
        check::<v1::SubmitBuildRequest>();
        check::<v1::ListBuildsResponse>();
        check::<v1::ListWorkersResponse>();
    }
}
