//! Messages of any size into blocks of one size.

use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt as _, stream};

/// A stream of data cut anew.
#[derive(Debug)]
pub(super) struct Blocks;

impl Blocks {
    /// The same bytes in blocks of `size`, the last one as it comes. An error ends
    /// the stream; what came before it and fills no block is dropped, since the
    /// client sends it again.
    pub(super) fn of<E>(
        data: impl Stream<Item = Result<Bytes, E>> + Send,
        size: usize,
    ) -> impl Stream<Item = Result<Bytes, E>> + Send
    where
        E: Send,
    {
        let size = size.max(1);
        let state = Some((Box::pin(data), BytesMut::with_capacity(size)));
        stream::unfold(state, move |state| async move {
            let (mut data, mut block) = state?;
            loop {
                if block.len() >= size {
                    let full = block.split_to(size).freeze();
                    return Some((Ok(full), Some((data, block))));
                }
                match data.next().await {
                    Some(Ok(piece)) => block.extend_from_slice(&piece),
                    Some(Err(error)) => return Some((Err(error), None)),
                    None if block.is_empty() => return None,
                    None => return Some((Ok(block.freeze()), None)),
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn blocks(pieces: &[&[u8]], size: usize) -> Vec<Vec<u8>> {
        let data = stream::iter(pieces.iter().map(|piece| Ok::<_, ()>(Bytes::copy_from_slice(piece))));
        Blocks::of(data, size).map(|block| block.unwrap().to_vec()).collect().await
    }

    #[tokio::test]
    async fn bytes_are_cut_anew_and_none_is_lost() {
        assert_eq!(blocks(&[b"abc", b"", b"defgh"], 4).await, [b"abcd", b"efgh"]);
        assert_eq!(blocks(&[b"abcdefghi"], 4).await, [&b"abcd"[..], b"efgh", b"i"]);
        assert!(blocks(&[], 4).await.is_empty());
    }

    #[tokio::test]
    async fn an_error_ends_the_blocks() {
        let data =
            stream::iter([Ok(Bytes::from_static(b"abcde")), Err("gone"), Ok(Bytes::from_static(b"x"))]);
        let all: Vec<_> = Blocks::of(data, 4).collect().await;
        assert_eq!(all, [Ok(Bytes::from_static(b"abcd")), Err("gone")]);
    }
}
