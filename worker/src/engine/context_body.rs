//! The body of a build request: the Dockerfile of the work order, then the
//! build context, as one tar stream (POSIX ustar with GNU long names).
//!
//! The context comes from the spool file in pieces; it is never whole in
//! memory. It brings the archive's end with it.

use std::{io, path::Path};

use bytes::Bytes;
use futures::{Stream, StreamExt as _, stream};
use tokio_util::io::ReaderStream;

/// Bytes that are read at once.
const PIECE: usize = 256 * 1024;
/// What a tar writer puts at the end: two empty records.
const TRAILER: usize = 1024;

/// A tar entry for the Dockerfile, without the end of an archive.
fn dockerfile_entry(path: &str, content: &[u8]) -> io::Result<Bytes> {
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    header.set_mtime(0);
    let mut archive = tar::Builder::new(Vec::new());
    archive.append_data(&mut header, path, content)?;
    let mut bytes = archive.into_inner()?;
    bytes.truncate(bytes.len() - TRAILER);
    Ok(bytes.into())
}

/// The tar stream to build from.
///
/// # Errors
/// The spool file cannot be opened, or the path does not fit into an archive.
pub(crate) async fn tar_stream(
    dockerfile_path: &str,
    dockerfile: &[u8],
    context: &Path,
) -> io::Result<impl Stream<Item = io::Result<Bytes>> + Send + 'static + use<>> {
    let first = dockerfile_entry(dockerfile_path, dockerfile)?;
    let rest = tokio::fs::File::open(context).await?;
    Ok(stream::iter([Ok(first)]).chain(ReaderStream::with_capacity(rest, PIECE)))
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use futures::TryStreamExt as _;

    use super::*;

    #[tokio::test]
    async fn the_dockerfile_comes_before_the_context() {
        let mut context = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(3);
        header.set_mode(0o644);
        context.append_data(&mut header, "src/a", &b"abc"[..]).unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), context.into_inner().unwrap()).unwrap();

        let long = format!("{}/Dockerfile", "deep".repeat(40));
        let stream = tar_stream(&long, b"FROM scratch\n", file.path()).await.unwrap();
        let whole: Vec<Bytes> = stream.try_collect().await.unwrap();

        let whole = whole.concat();
        let mut archive = tar::Archive::new(whole.as_slice());
        let mut seen = Vec::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            seen.push((entry.path().unwrap().to_string_lossy().into_owned(), text));
        }
        assert_eq!(seen, [(long, "FROM scratch\n".to_owned()), ("src/a".to_owned(), "abc".to_owned())]);
    }
}
