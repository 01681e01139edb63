//! common.proto: sources, failures, log records, descriptors.

use common::{
    failure::{Failure, FailureClass},
    log::{LogRecord, LogStream, MAX_RECORD_BYTES},
    platform::Platform,
    request::GitSource,
    work::Descriptor,
};

use super::{
    BadField,
    field::{MAX_ADDRESS, enumeration, line, line_if_any, parsed, parsed_if_any},
    from_timestamp, to_timestamp,
};
use crate::v1;

/// An optional platform as the wire has it: empty for none.
pub(super) fn platform_text(platform: Option<Platform>) -> String {
    platform.map(String::from).unwrap_or_default()
}

impl From<GitSource> for v1::GitSource {
    fn from(source: GitSource) -> Self {
        Self { uri: source.uri, r#ref: source.reference.unwrap_or_default() }
    }
}

impl TryFrom<v1::GitSource> for GitSource {
    type Error = BadField;

    fn try_from(source: v1::GitSource) -> Result<Self, BadField> {
        if source.uri.is_empty() {
            return Err(BadField::missing("uri"));
        }
        Ok(Self {
            uri: line("uri", source.uri, MAX_ADDRESS)?,
            reference: line_if_any("ref", source.r#ref, MAX_ADDRESS)?,
        })
    }
}

impl From<FailureClass> for v1::FailureClass {
    fn from(class: FailureClass) -> Self {
        match class {
            FailureClass::User => Self::User,
            FailureClass::Source => Self::Source,
            FailureClass::Parent => Self::Parent,
            FailureClass::Policy => Self::Policy,
            FailureClass::Infrastructure => Self::Infrastructure,
            FailureClass::Capacity => Self::Capacity,
            FailureClass::Cancelled => Self::Cancelled,
            FailureClass::Timeout => Self::Timeout,
            FailureClass::Internal => Self::Internal,
        }
    }
}

impl TryFrom<v1::FailureClass> for FailureClass {
    type Error = BadField;

    fn try_from(class: v1::FailureClass) -> Result<Self, BadField> {
        Ok(match class {
            v1::FailureClass::Unspecified => return Err(BadField::missing("class")),
            v1::FailureClass::User => Self::User,
            v1::FailureClass::Source => Self::Source,
            v1::FailureClass::Parent => Self::Parent,
            v1::FailureClass::Policy => Self::Policy,
            v1::FailureClass::Infrastructure => Self::Infrastructure,
            v1::FailureClass::Capacity => Self::Capacity,
            v1::FailureClass::Cancelled => Self::Cancelled,
            v1::FailureClass::Timeout => Self::Timeout,
            v1::FailureClass::Internal => Self::Internal,
        })
    }
}

impl From<Failure> for v1::Failure {
    /// Further problems lie side by side in the message, however they lay in the
    /// failure.
    fn from(mut failure: Failure) -> Self {
        let others = std::mem::take(&mut failure.others).into_iter().flat_map(Failure::each);
        Self {
            class: v1::FailureClass::from(failure.class).into(),
            code: failure.code,
            message: failure.message,
            advice: failure.advice,
            causes: failure.causes,
            step: failure.step,
            platform: platform_text(failure.platform),
            at: Some(to_timestamp(failure.at)),
            others: others.map(Self::from).collect(),
        }
    }
}

impl TryFrom<v1::Failure> for Failure {
    type Error = BadField;

    /// Texts that are too long are cut and not refused: a failure must get
    /// through. Of further problems below further problems nothing is read, so
    /// that nobody can send a chain without end.
    fn try_from(mut failure: v1::Failure) -> Result<Self, BadField> {
        let others = std::mem::take(&mut failure.others).into_iter().take(Self::MAX_OTHERS).enumerate();
        let others = others
            .map(|(index, other)| alone(other).map_err(|error| error.within(&format!("others[{index}]"))));
        let others = others.collect::<Result<_, _>>()?;
        Ok(Self { others, ..alone(failure)? }.bounded())
    }
}

/// A failure without what was found beside it.
fn alone(failure: v1::Failure) -> Result<Failure, BadField> {
    if failure.code.is_empty() {
        return Err(BadField::missing("code"));
    }
    Ok(Failure {
        class: enumeration::<v1::FailureClass>("class", failure.class)?.try_into()?,
        code: failure.code,
        message: failure.message,
        advice: failure.advice,
        causes: failure.causes,
        others: Vec::new(),
        step: failure.step,
        platform: parsed_if_any("platform", &failure.platform)?,
        at: from_timestamp("at", failure.at)?,
    })
}

impl From<LogStream> for v1::LogStream {
    fn from(stream: LogStream) -> Self {
        match stream {
            LogStream::Build => Self::Build,
            LogStream::Worker => Self::Worker,
            LogStream::Orchestrator => Self::Orchestrator,
        }
    }
}

impl TryFrom<v1::LogStream> for LogStream {
    type Error = BadField;

    fn try_from(stream: v1::LogStream) -> Result<Self, BadField> {
        match stream {
            v1::LogStream::Unspecified => Err(BadField::missing("stream")),
            v1::LogStream::Build => Ok(Self::Build),
            v1::LogStream::Worker => Ok(Self::Worker),
            v1::LogStream::Orchestrator => Ok(Self::Orchestrator),
        }
    }
}

impl From<LogRecord> for v1::LogRecord {
    fn from(record: LogRecord) -> Self {
        Self {
            offset: record.offset,
            at: Some(to_timestamp(record.at)),
            platform: platform_text(record.platform),
            stream: v1::LogStream::from(record.stream).into(),
            step: record.step,
            text: record.text,
        }
    }
}

impl TryFrom<v1::LogRecord> for LogRecord {
    type Error = BadField;

    fn try_from(record: v1::LogRecord) -> Result<Self, BadField> {
        if record.text.len() > MAX_RECORD_BYTES {
            let reason =
                format!("it has {} bytes; at most {MAX_RECORD_BYTES} are accepted", record.text.len());
            return Err(BadField::new("text", reason));
        }
        Ok(Self {
            offset: record.offset,
            at: from_timestamp("at", record.at)?,
            platform: parsed_if_any("platform", &record.platform)?,
            stream: enumeration::<v1::LogStream>("stream", record.stream)?.try_into()?,
            step: record.step,
            text: record.text,
        })
    }
}

impl From<Descriptor> for v1::Descriptor {
    fn from(descriptor: Descriptor) -> Self {
        Self { media_type: descriptor.media_type, digest: descriptor.digest.into(), size: descriptor.size }
    }
}

impl TryFrom<v1::Descriptor> for Descriptor {
    type Error = BadField;

    fn try_from(descriptor: v1::Descriptor) -> Result<Self, BadField> {
        if descriptor.media_type.is_empty() {
            return Err(BadField::missing("media_type"));
        }
        Ok(Self {
            media_type: descriptor.media_type,
            digest: parsed("digest", &descriptor.digest)?,
            size: descriptor.size,
        })
    }
}

#[cfg(test)]
mod tests {
    use common::image::Digest;

    use super::*;

    #[test]
    fn sources_round_trip() {
        for reference in [None, Some("main".to_owned())] {
            let source = GitSource { uri: "https://git.example.org/x.git".into(), reference };
            assert_eq!(v1::GitSource::from(source.clone()).try_into(), Ok(source));
        }
        let bad = v1::GitSource { uri: "a\nb".into(), r#ref: String::new() };
        assert_eq!(GitSource::try_from(bad).unwrap_err().field, "uri");
    }

    #[test]
    fn failures_of_every_class_round_trip() {
        for number in 1..=9 {
            let class = v1::FailureClass::try_from(number).unwrap().try_into().unwrap();
            let mut failure = Failure::new(class, "x.y", "m").with_advice("a").in_step("s");
            failure.causes = vec!["c".into()];
            let failure = failure.on_platform(&"s390x".parse().unwrap());
            assert_eq!(v1::Failure::from(failure.clone()).try_into(), Ok(failure));
        }
    }

    #[test]
    fn an_endless_failure_is_cut_and_gets_through() {
        let text = "x".repeat(1 << 20);
        let mut failure = Failure::new(FailureClass::Source, "x.y", text.clone()).with_advice(text.clone());
        failure.causes = vec![text; 1000];
        let failure: Failure = v1::Failure::from(failure).try_into().unwrap();
        assert_eq!(failure.causes.len(), Failure::MAX_CAUSES);
        assert!(serde_json::to_string(&failure).unwrap().len() < 512 * 1024);
    }

    #[test]
    fn problems_beside_a_failure_round_trip_side_by_side() {
        let problem = |code: &str| Failure::new(FailureClass::User, code, "m");
        let all = Failure::all([problem("a"), problem("b"), problem("c")]).unwrap();
        assert_eq!(v1::Failure::from(all.clone()).try_into(), Ok(all.clone()));
        let nested = Failure { others: vec![Failure { others: vec![all], ..problem("x") }], ..problem("y") };
        let back: Failure = v1::Failure::from(nested).try_into().unwrap();
        assert_eq!(
            back.each().iter().map(|one| one.code.as_str()).collect::<Vec<_>>(),
            ["y", "x", "a", "b", "c"]
        );
    }

    #[test]
    fn a_chain_of_problems_without_end_is_cut() {
        let mut chain = v1::Failure::from(Failure::new(FailureClass::User, "x.y", "m"));
        for _ in 0..60 {
            chain = v1::Failure { others: vec![chain.clone()], ..chain };
            chain.others.truncate(1);
        }
        let failure: Failure = chain.try_into().unwrap();
        assert_eq!(failure.each().len(), 2);

        let many = vec![Failure::new(FailureClass::User, "x.y", "x".repeat(1 << 16)); 1000];
        let failure: Failure = v1::Failure::from(Failure::all(many).unwrap()).try_into().unwrap();
        assert!(failure.others.len() <= Failure::MAX_OTHERS);
        assert!(serde_json::to_string(&failure).unwrap().len() < 512 * 1024);

        let mut bad = v1::Failure::from(Failure::new(FailureClass::User, "x.y", "m"));
        bad.others = vec![bad.clone(), v1::Failure { code: String::new(), ..bad.clone() }];
        assert_eq!(Failure::try_from(bad).unwrap_err().field, "others[1].code");
    }

    #[test]
    fn a_failure_without_class_is_refused() {
        let good = v1::Failure::from(Failure::new(FailureClass::User, "x.y", "m"));
        for class in [0, 99] {
            let bad = v1::Failure { class, ..good.clone() };
            assert_eq!(Failure::try_from(bad).unwrap_err().field, "class");
        }
    }

    #[test]
    fn log_records_round_trip_whatever_their_bytes() {
        let mut record = LogRecord {
            offset: 7,
            at: jiff::Timestamp::UNIX_EPOCH,
            platform: None,
            stream: LogStream::Build,
            step: "x86_64/build_image".into(),
            text: bytes::Bytes::from_static(b"\xff\n"),
        };
        assert_eq!(v1::LogRecord::from(record.clone()).try_into(), Ok(record.clone()));
        record.text = vec![b'x'; MAX_RECORD_BYTES + 1].into();
        assert_eq!(LogRecord::try_from(v1::LogRecord::from(record)).unwrap_err().field, "text");
    }

    #[test]
    fn descriptors_round_trip() {
        let blob = Descriptor { media_type: "text/plain".into(), digest: Digest::of(b"x"), size: 1 };
        assert_eq!(v1::Descriptor::from(blob.clone()).try_into(), Ok(blob.clone()));
        let bad = v1::Descriptor { digest: "sha256:1".into(), ..blob.into() };
        assert_eq!(Descriptor::try_from(bad).unwrap_err().field, "digest");
    }
}
