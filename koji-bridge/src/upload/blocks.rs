//! Messages of any size into blocks of one size.

use std::{pin::Pin, time::Duration};

use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt as _};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

/// Slowest client that is waited for, in bytes a second.
const SLOWEST: u64 = 10_000;

/// A piece of a file, and what comes behind it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Piece<E> {
    /// The bytes; a whole block unless it is the last piece.
    pub(super) bytes: Bytes,
    /// What comes behind.
    pub(super) then: Then<E>,
}

/// What comes behind a piece.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Then<E> {
    /// More.
    More,
    /// Nothing: the data is whole.
    End,
    /// Nothing, because of an error in the stream.
    Broken(E),
    /// Nothing came in time.
    Silence,
    /// Somebody else ended it.
    Ended,
}

/// A stream of data that is cut anew.
pub(super) struct Blocks<E> {
    data: Pin<Box<dyn Stream<Item = Result<Bytes, E>> + Send>>,
    size: usize,
    /// What the rest of the data will fill, in bytes.
    expected: u64,
    silence: Duration,
    end: CancellationToken,
    /// What is left of the last message.
    rest: Bytes,
}

impl<E> Blocks<E> {
    /// The data in blocks of `size`, the last one as it comes; `expected` bytes
    /// will come. A client that is silent for `silence`, or too slow to fill a
    /// block in good time, ends it, and so does `end`.
    pub(super) fn new(
        data: impl Stream<Item = Result<Bytes, E>> + Send + 'static,
        size: usize,
        expected: u64,
        silence: Duration,
        end: CancellationToken,
    ) -> Self {
        Self { data: Box::pin(data), size: size.max(1), expected, silence, end, rest: Bytes::new() }
    }

    /// The next piece. After one behind which nothing comes it must not be asked
    /// again.
    pub(super) async fn next(&mut self) -> Piece<E> {
        let pace = Instant::now() + self.silence + Duration::from_secs(self.size as u64 / SLOWEST);
        let piece = self.fill(pace).await;
        self.expected = self.expected.saturating_sub(piece.bytes.len() as u64);
        piece
    }

    async fn fill(&mut self, pace: Instant) -> Piece<E> {
        if self.rest.len() >= self.size {
            return Piece { bytes: self.rest.split_to(self.size), then: Then::More };
        }
        // A small file takes no room for a whole block.
        let room = usize::try_from(self.expected).map_or(self.size, |expected| expected.min(self.size));
        let mut block = BytesMut::with_capacity(room);
        let then = loop {
            let missing = self.size - block.len();
            block.extend_from_slice(&self.rest.split_to(self.rest.len().min(missing)));
            if block.len() == self.size {
                break Then::More;
            }
            let deadline = pace.min(Instant::now() + self.silence);
            let message = tokio::select! {
                biased;
                () = self.end.cancelled() => break Then::Ended,
                message = timeout_at(deadline, self.data.next()) => message,
            };
            match message {
                Err(_) => break Then::Silence,
                Ok(None) => break Then::End,
                Ok(Some(Err(error))) => break Then::Broken(error),
                Ok(Some(Ok(message))) => self.rest = message,
            }
        };
        Piece { bytes: block.freeze(), then }
    }
}

#[cfg(test)]
mod tests {
    use futures::stream;

    use super::*;

    type Read = (Vec<u8>, Then<&'static str>);

    fn blocks(
        data: impl Stream<Item = Result<Bytes, &'static str>> + Send + 'static,
        size: usize,
    ) -> Blocks<&'static str> {
        Blocks::new(data, size, 100, Duration::from_secs(60), CancellationToken::new())
    }

    async fn all(mut blocks: Blocks<&'static str>) -> Vec<Read> {
        let mut read = Vec::new();
        loop {
            let Piece { bytes, then } = blocks.next().await;
            let goes_on = then == Then::More;
            read.push((bytes.to_vec(), then));
            if !goes_on {
                return read;
            }
        }
    }

    async fn cut(messages: &[&'static str], size: usize) -> Vec<Read> {
        let messages: Vec<_> = messages.iter().map(|text| Ok(Bytes::from_static(text.as_bytes()))).collect();
        all(blocks(stream::iter(messages), size)).await
    }

    fn more(text: &str) -> Read {
        (text.into(), Then::More)
    }

    #[tokio::test]
    async fn bytes_are_cut_anew_and_none_is_lost() {
        let end = |text: &str| (text.into(), Then::End);
        assert_eq!(cut(&["abc", "", "defgh"], 4).await, [more("abcd"), more("efgh"), end("")]);
        assert_eq!(cut(&["abcdefghi"], 4).await, [more("abcd"), more("efgh"), end("i")]);
        assert_eq!(cut(&["a", "b", "c"], 4).await, [end("abc")]);
        assert_eq!(cut(&[], 4).await, [end("")]);
    }

    #[tokio::test]
    async fn what_came_before_an_error_is_told_with_it() {
        let data =
            stream::iter([Ok(Bytes::from_static(b"abcde")), Err("gone"), Ok(Bytes::from_static(b"x"))]);
        assert_eq!(all(blocks(data, 4)).await, [more("abcd"), ("e".into(), Then::Broken("gone"))]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_is_silent_or_drips_is_not_waited_for() {
        let began = Instant::now();
        let data = stream::iter([Ok(Bytes::from_static(b"a"))]).chain(stream::pending());
        assert_eq!(all(blocks(data, 4)).await, [("a".into(), Then::Silence)]);
        assert_eq!(began.elapsed().as_secs(), 60);

        let drops = stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_secs(50)).await;
            Some((Ok(Bytes::from_static(b"a")), ()))
        });
        assert_eq!(all(blocks(drops, 100)).await, [("a".into(), Then::Silence)]);
    }

    #[tokio::test]
    async fn somebody_else_can_end_it() {
        let mut blocks = blocks(stream::pending(), 4);
        blocks.end.cancel();
        assert_eq!(blocks.next().await, Piece { bytes: Bytes::new(), then: Then::Ended });
    }
}
