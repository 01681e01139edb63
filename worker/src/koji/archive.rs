//! The archive of an image: what `docker load` takes, compressed with gzip.
//!
//! A gzip file may have several members, one after another (RFC 1952, section
//! 2.2), and a layer on disk is one: so the archive is the compressed headers of
//! the tar entries with the layers between them, byte for byte as they are.

use std::{
    collections::BTreeSet,
    io::{self, Write as _},
    path::PathBuf,
};

use bytes::Bytes;
use flate2::{Compression, GzBuilder};
use futures::{Stream, StreamExt as _, TryStreamExt as _, stream};
use md5::{Digest as _, Md5};
use serde::Serialize;
use tar::Header;
use tokio::{
    fs::File,
    io::{AsyncReadExt as _, AsyncSeekExt as _},
};
use tokio_util::io::ReaderStream;

use crate::publish::SpooledImage;

/// Size of the blocks of a tar archive.
const BLOCK: u64 = 512;
/// Bytes that are read at a time.
const PIECE: usize = 256 * 1024;
/// Name of the note in an archive that only points to an image.
const NOTE: &str = "README";

/// A stretch of the archive.
#[derive(Debug, Clone)]
enum Part {
    /// Compressed tar headers and small files.
    Bytes(Bytes),
    /// A compressed layer.
    File { path: PathBuf, size: u64 },
}

impl Part {
    fn size(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File { size, .. } => *size,
        }
    }
}

/// An archive that is put together while it is read.
#[derive(Debug, Clone)]
pub(super) struct Archive {
    parts: Vec<Part>,
}

/// One image of `manifest.json`, as `docker save` writes it.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ManifestEntry<'a> {
    config: &'a str,
    repo_tags: Option<&'a [String]>,
    layers: &'a [String],
}

impl Archive {
    /// The whole image.
    ///
    /// # Errors
    /// The configuration cannot be read.
    pub(super) fn of_image(image: &SpooledImage) -> io::Result<Self> {
        let mut writer = Writer::default();
        let config = format!("{}.json", image.config.digest.hex());
        writer.file(&config, &std::fs::read(&image.config.path)?)?;
        let name = |hex: &str| format!("{hex}/layer.tar");
        let layers: Vec<String> = image.layers.iter().map(|layer| name(layer.diff_id.hex())).collect();
        let mut written = BTreeSet::new();
        for (layer, name) in image.layers.iter().zip(&layers) {
            // Layers with equal content are one file that is listed twice.
            if written.insert(name) {
                writer.header(name, layer.uncompressed_size)?;
                writer.compressed(layer.blob.path.clone(), layer.blob.size)?;
                writer.pad(layer.uncompressed_size);
            }
        }
        let entry = ManifestEntry { config: &config, repo_tags: None, layers: &layers };
        writer.file("manifest.json", &serde_json::to_vec(&[entry])?)?;
        writer.finish()
    }

    /// A note that says where the image is.
    ///
    /// # Errors
    /// Never in practice: everything is in memory.
    pub(super) fn of_reference(pull_specs: &[String]) -> io::Result<Self> {
        let mut note = String::from("The image is not in this archive. It is published as\n");
        for pull_spec in pull_specs {
            note.push_str(&format!("  {pull_spec}\n"));
        }
        let mut writer = Writer::default();
        writer.file(NOTE, note.as_bytes())?;
        writer.finish()
    }

    /// Size in bytes.
    pub(super) fn size(&self) -> u64 {
        self.parts.iter().map(Part::size).sum()
    }

    /// The archive and its MD5 in hexadecimal digits.
    ///
    /// # Errors
    /// A layer cannot be read.
    pub(super) async fn with_md5(self) -> io::Result<(Self, String)> {
        let mut sum = Md5::new();
        let mut pieces = self.read_from(0);
        while let Some(piece) = pieces.try_next().await? {
            sum.update(&piece);
        }
        drop(pieces);
        Ok((self, hex::encode(sum.finalize())))
    }

    /// The content from `offset` on.
    pub(super) fn read_from(
        &self,
        offset: u64,
    ) -> impl Stream<Item = io::Result<Bytes>> + Send + Unpin + 'static + use<> {
        let mut skip = offset;
        let mut rest = Vec::new();
        for part in &self.parts {
            let skipped = skip.min(part.size());
            skip -= skipped;
            if skipped < part.size() {
                rest.push((part.clone(), skipped));
            }
        }
        stream::iter(rest).then(|(part, skipped)| part.read_from(skipped)).try_flatten().boxed()
    }
}

impl Part {
    async fn read_from(self, skipped: u64) -> io::Result<stream::BoxStream<'static, io::Result<Bytes>>> {
        Ok(match self {
            Self::Bytes(bytes) => {
                let skipped = usize::try_from(skipped).unwrap_or(usize::MAX).min(bytes.len());
                stream::iter(pieces(bytes.slice(skipped..)).map(Ok)).boxed()
            }
            Self::File { path, size } => {
                let mut file = File::open(path).await?;
                file.seek(io::SeekFrom::Start(skipped)).await?;
                ReaderStream::with_capacity(file.take(size - skipped), PIECE).boxed()
            }
        })
    }
}

fn pieces(mut bytes: Bytes) -> impl Iterator<Item = Bytes> + Send {
    std::iter::from_fn(move || {
        let piece = bytes.split_to(bytes.len().min(PIECE));
        (!piece.is_empty()).then_some(piece)
    })
}

/// Puts an archive together. What is not a layer is gathered and compressed.
#[derive(Default)]
struct Writer {
    parts: Vec<Part>,
    plain: Vec<u8>,
}

impl Writer {
    fn header(&mut self, name: &str, size: u64) -> io::Result<()> {
        let mut header = Header::new_gnu();
        header.set_path(name)?;
        header.set_size(size);
        header.set_mode(0o644);
        header.set_mtime(0);
        header.set_cksum();
        self.plain.extend_from_slice(header.as_bytes());
        Ok(())
    }

    fn file(&mut self, name: &str, content: &[u8]) -> io::Result<()> {
        self.header(name, content.len() as u64)?;
        self.plain.extend_from_slice(content);
        self.pad(content.len() as u64);
        Ok(())
    }

    /// Fills the last block of an entry with this size.
    fn pad(&mut self, size: u64) {
        let rest = (BLOCK - size % BLOCK) % BLOCK;
        self.plain.extend(std::iter::repeat_n(0, usize::try_from(rest).unwrap_or_default()));
    }

    /// The content of an entry that is compressed already.
    fn compressed(&mut self, path: PathBuf, size: u64) -> io::Result<()> {
        self.flush()?;
        self.parts.push(Part::File { path, size });
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        let mut gzip = GzBuilder::new().mtime(0).write(Vec::new(), Compression::default());
        gzip.write_all(&std::mem::take(&mut self.plain))?;
        self.parts.push(Part::Bytes(gzip.finish()?.into()));
        Ok(())
    }

    fn finish(mut self) -> io::Result<Archive> {
        // Two empty blocks end a tar archive.
        self.plain.extend([0; 2 * BLOCK as usize]);
        self.flush()?;
        Ok(Archive { parts: self.parts })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use common::image::Digest;
    use flate2::read::MultiGzDecoder;

    use super::*;
    use crate::publish::{SpooledBlob, SpooledLayer};

    fn spooled(directory: &std::path::Path, name: &str, content: &[u8]) -> SpooledBlob {
        let path = directory.join(name);
        std::fs::write(&path, content).unwrap();
        SpooledBlob { path, digest: Digest::of(content), size: content.len() as u64 }
    }

    fn layer(directory: &std::path::Path, name: &str, plain: &[u8]) -> SpooledLayer {
        let mut gzip = GzBuilder::new().write(Vec::new(), Compression::default());
        gzip.write_all(plain).unwrap();
        SpooledLayer {
            blob: spooled(directory, name, &gzip.finish().unwrap()),
            diff_id: Digest::of(plain),
            uncompressed_size: plain.len() as u64,
        }
    }

    async fn content(archive: &Archive, offset: u64) -> Vec<u8> {
        let pieces: Vec<Bytes> = archive.read_from(offset).try_collect().await.unwrap();
        pieces.concat()
    }

    #[tokio::test]
    async fn the_archive_is_what_an_engine_saves() {
        let directory = tempfile::tempdir().unwrap();
        let one = layer(directory.path(), "one", &vec![1; 700_000]);
        let other = layer(directory.path(), "other", b"not whole blocks");
        let config = spooled(directory.path(), "config", b"{}");
        let image = SpooledImage { config, layers: vec![one.clone(), other, one] };
        let (archive, md5) = Archive::of_image(&image).unwrap().with_md5().await.unwrap();
        let whole = content(&archive, 0).await;
        assert_eq!(whole.len() as u64, archive.size());
        assert_eq!(md5, hex::encode(Md5::digest(&whole)));

        let mut entries = std::collections::BTreeMap::new();
        let mut tar = tar::Archive::new(MultiGzDecoder::new(&whole[..]));
        for entry in tar.entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            let path = entry.path().unwrap().display().to_string();
            assert!(entries.insert(path, bytes).is_none(), "an entry comes once");
        }
        let manifest: serde_json::Value = serde_json::from_slice(&entries["manifest.json"]).unwrap();
        assert_eq!(entries[manifest[0]["Config"].as_str().unwrap()], b"{}");
        let layers = manifest[0]["Layers"].as_array().unwrap();
        assert_eq!((layers.len(), entries.len()), (3, 4));
        assert_eq!(entries[layers[1].as_str().unwrap()], b"not whole blocks");
        assert_eq!(layers[0], layers[2]);
        assert_eq!(entries[layers[0].as_str().unwrap()].len(), 700_000);
    }

    #[tokio::test]
    async fn every_rest_of_the_archive_can_be_read() {
        let directory = tempfile::tempdir().unwrap();
        let config = spooled(directory.path(), "config", b"{}");
        let image = SpooledImage { config, layers: vec![layer(directory.path(), "one", b"layer")] };
        let archive = Archive::of_image(&image).unwrap();
        let whole = content(&archive, 0).await;
        for offset in 0..=whole.len() {
            assert_eq!(content(&archive, offset as u64).await, whole[offset..], "from {offset}");
        }
    }

    #[tokio::test]
    async fn a_reference_names_the_image() {
        let archive = Archive::of_reference(&["r.example.org/hello:1.0-3".to_owned()]).unwrap();
        let whole = content(&archive, 0).await;
        let mut text = String::new();
        let mut tar = tar::Archive::new(MultiGzDecoder::new(&whole[..]));
        tar.entries().unwrap().next().unwrap().unwrap().read_to_string(&mut text).unwrap();
        assert!(text.contains("r.example.org/hello:1.0-3"), "{text}");
    }
}
