//! One layer on its way to disk: hashed before and after compression.
//!
//! The same input gives the same bytes: gzip (RFC 1952) at level 6 with no name,
//! no time and no operating system in its header. A layer that the engine has
//! compressed already is kept as it is.

use std::{
    fs::File,
    io::{self, BufWriter, Read, Write},
    path::Path,
};

use common::image::Digest;
use flate2::{Compression, GzBuilder, read::MultiGzDecoder};
use sha2::{Digest as _, Sha256};

use super::{ExportError, SpooledBlob, SpooledLayer};

const LEVEL: u32 = 6;
const PIECE: usize = 64 * 1024;
const GZIP: &[u8] = &[0x1f, 0x8b];
/// RFC 8878.
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

/// Writes and hashes at once.
pub(crate) struct Hashing<W> {
    inner: W,
    hash: Sha256,
    size: u64,
}

impl<W: Write> Hashing<W> {
    pub(crate) fn new(inner: W) -> Self {
        Self { inner, hash: Sha256::new(), size: 0 }
    }

    /// Flushes; returns digest and size of what was written.
    pub(crate) fn finish(mut self) -> io::Result<(Digest, u64)> {
        self.inner.flush()?;
        Ok((Digest::from_sha256(&self.hash.finalize().into()), self.size))
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Hands on what it reads to a writer too.
struct Tee<R, W> {
    from: R,
    to: W,
}

impl<R: Read, W: Write> Read for Tee<R, W> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(buffer)?;
        self.to.write_all(&buffer[..count])?;
        Ok(count)
    }
}

/// Reads a layer to its end and leaves it compressed in the file `path`.
///
/// # Errors
/// Reading or writing fails, or the layer is compressed in a way that neither
/// manifest format knows.
pub(crate) fn spool(mut layer: impl Read, path: &Path) -> Result<SpooledLayer, ExportError> {
    let mut magic = Vec::with_capacity(ZSTD.len());
    layer.by_ref().take(ZSTD.len() as u64).read_to_end(&mut magic).map_err(ExportError::Archive)?;
    if magic.starts_with(ZSTD) {
        return Err(ExportError::Compression("zstd"));
    }
    let spool = |source| ExportError::Spool { path: path.to_owned(), source };
    let file = Hashing::new(BufWriter::with_capacity(PIECE, File::create(path).map_err(spool)?));
    let compressed = magic.starts_with(GZIP);
    let whole = io::Cursor::new(magic).chain(layer);
    let (blob, plain) =
        if compressed { keep(whole, file) } else { compress(whole, file) }.map_err(|error| {
            // Reading and writing meet in one call; only a full disk has to be told apart.
            if error.kind() == io::ErrorKind::StorageFull {
                spool(error)
            } else {
                ExportError::Archive(error)
            }
        })?;
    Ok(SpooledLayer {
        blob: SpooledBlob { path: path.to_owned(), digest: blob.0, size: blob.1 },
        diff_id: plain.0,
        uncompressed_size: plain.1,
    })
}

/// Digest and size of what went through.
type Sum = (Digest, u64);

fn compress<W: Write>(mut layer: impl Read, file: Hashing<W>) -> io::Result<(Sum, Sum)> {
    let (mut hash, mut size) = (Sha256::new(), 0);
    let mut gzip = GzBuilder::new().mtime(0).write(file, Compression::new(LEVEL));
    let mut piece = vec![0; PIECE];
    loop {
        let count = layer.read(&mut piece)?;
        if count == 0 {
            break;
        }
        hash.update(&piece[..count]);
        size += count as u64;
        gzip.write_all(&piece[..count])?;
    }
    let blob = gzip.finish()?.finish()?;
    Ok((blob, (Digest::from_sha256(&hash.finalize().into()), size)))
}

fn keep<W: Write>(layer: impl Read, mut file: Hashing<W>) -> io::Result<(Sum, Sum)> {
    let mut plain = Hashing::new(io::sink());
    io::copy(&mut MultiGzDecoder::new(Tee { from: layer, to: &mut file }), &mut plain)?;
    let plain = plain.finish()?;
    Ok((file.finish()?, plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spooled(content: &[u8]) -> (SpooledLayer, Vec<u8>) {
        let directory = tempfile::tempdir().unwrap();
        let layer = spool(content, &directory.path().join("layer")).unwrap();
        let bytes = std::fs::read(&layer.blob.path).unwrap();
        (layer, bytes)
    }

    #[test]
    fn a_plain_layer_is_compressed_the_same_way_each_time() {
        let content = b"layer ".repeat(20_000);
        let (layer, bytes) = spooled(&content);
        assert_eq!(spooled(&content).1, bytes);
        assert_eq!((layer.diff_id, layer.uncompressed_size), (Digest::of(&content), content.len() as u64));
        assert_eq!((layer.blob.digest, layer.blob.size), (Digest::of(&bytes), bytes.len() as u64));
        assert_eq!(bytes[4..8], [0; 4], "no time in the header");
        let mut plain = Vec::new();
        MultiGzDecoder::new(&bytes[..]).read_to_end(&mut plain).unwrap();
        assert_eq!(plain, content);
    }

    #[test]
    fn a_compressed_layer_is_kept_as_it_is() {
        let (_, compressed) = spooled(b"some layer");
        let (layer, bytes) = spooled(&compressed);
        assert_eq!(bytes, compressed);
        assert_eq!((layer.diff_id, layer.uncompressed_size), (Digest::of(b"some layer"), 10));
    }

    #[test]
    fn an_empty_and_a_short_layer_are_layers() {
        assert_eq!(spooled(b"").0.diff_id, Digest::of(b""));
        assert_eq!(spooled(b"ab").0.diff_id, Digest::of(b"ab"));
    }

    #[test]
    fn what_no_manifest_can_say_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let error = spool(&[ZSTD, b"rest"].concat()[..], &directory.path().join("layer")).unwrap_err();
        assert!(matches!(error, ExportError::Compression("zstd")), "{error}");
        let broken = [GZIP, b"not really"].concat();
        assert!(spool(&broken[..], &directory.path().join("layer")).is_err());
    }
}
