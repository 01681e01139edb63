//! When a stream has to end: with the caller's deadline or with the process.
//! Calls with one answer are cut off at their deadline by the server itself.

use std::{future::Future, time::Duration};

use futures::{Stream, StreamExt as _, stream};
use tokio_util::sync::CancellationToken;
use tonic::{Status, metadata::MetadataMap};

/// The header that says how long a caller waits.
const HEADER: &str = "grpc-timeout";

/// Resolves with the status of a stream that has to end.
pub(super) fn end_of_stream(
    metadata: &MetadataMap,
    end: &CancellationToken,
) -> impl Future<Output = Status> + Send + 'static {
    let deadline = metadata.get(HEADER).and_then(|value| timeout(value.to_str().ok()?));
    let end = end.clone();
    async move {
        let expired = async {
            match deadline {
                Some(deadline) => tokio::time::sleep(deadline).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = end.cancelled() => Status::unavailable("the bridge is stopping"),
            () = expired => Status::deadline_exceeded("the caller's deadline has passed"),
        }
    }
}

/// The same stream, which ends with a status when it has to.
pub(super) fn until<T: Send + 'static>(
    items: impl Stream<Item = Result<T, Status>> + Send + 'static,
    end: impl Future<Output = Status> + Send + 'static,
) -> impl Stream<Item = Result<T, Status>> + Send + 'static {
    let state = Some((Box::pin(items), Box::pin(end)));
    stream::unfold(state, async |state| {
        let (mut items, mut end) = state?;
        tokio::select! {
            biased;
            status = &mut end => Some((Err(status), None)),
            item = items.next() => Some((item?, Some((items, end)))),
        }
    })
}

/// A wait as gRPC writes it: at most eight digits and a unit.
fn timeout(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(count * 3600),
        "M" => Duration::from_secs(count * 60),
        "S" => Duration::from_secs(count),
        "m" => Duration::from_millis(count),
        "u" => Duration::from_micros(count),
        "n" => Duration::from_nanos(count),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_read_as_grpc_writes_them() {
        for (text, wait) in [
            ("2H", Some(Duration::from_secs(7200))),
            ("60S", Some(Duration::from_secs(60))),
            ("1500m", Some(Duration::from_millis(1500))),
            ("99999999n", Some(Duration::from_nanos(99_999_999))),
            ("999999999S", None),
            ("S", None),
            ("", None),
            ("5", None),
            ("-5S", None),
        ] {
            assert_eq!(timeout(text), wait, "{text}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_ends_with_its_deadline_or_with_the_process() {
        let mut metadata = MetadataMap::new();
        metadata.insert(HEADER, "5S".parse().unwrap());
        let token = CancellationToken::new();
        for (ends, code) in [(false, tonic::Code::DeadlineExceeded), (true, tonic::Code::Unavailable)] {
            if ends {
                token.cancel();
            }
            let items = stream::pending::<Result<(), Status>>();
            let items = until(items, end_of_stream(&metadata, &token));
            let all: Vec<_> = items.collect().await;
            assert_eq!(all.len(), 1);
            assert_eq!(all[0].as_ref().unwrap_err().code(), code);
        }
    }
}
