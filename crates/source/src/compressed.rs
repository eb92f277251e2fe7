//! Decompressed bytes of one file, from front to back.
//!
//! Decompressors cannot await, so this reads with blocking calls: the kernel reads ahead of a file
//! that is read from front to back, and decompression is slower than that.

use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;
use lz4_flex::frame::FrameDecoder;
use tidemill_plan::Compression;
use tidemill_rt::{Backend, File, FileIdentity, RtError};

use crate::SourceError;
use crate::lz4_walk::Lz4Walk;

/// Bytes of compressed input taken in one call.
const READ_BYTES: usize = 256 * 1024;

/// One pass over a compressed file.
pub(crate) struct CompressedReads {
    path: PathBuf,
    compression: Compression,
    identity: FileIdentity,
    decompressor: Decompressor,
    /// Bytes given out.
    position: u64,
    is_ended: bool,
}

enum Decompressor {
    Gzip(Box<MultiGzDecoder<BufReader<FileBytes>>>),
    Zstd(zstd::stream::read::Decoder<'static, BufReader<FileBytes>>),
    Lz4(Box<FrameDecoder<Lz4Walk<BufReader<FileBytes>>>>),
}

/// The file's bytes as a `Read`.
struct FileBytes {
    file: File,
    position: u64,
}

impl Read for FileBytes {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at_blocking(buffer, self.position)?;
        self.position += u64::try_from(count).expect("a usize fits u64");
        Ok(count)
    }
}

impl CompressedReads {
    /// Opens a file; `None` if it is not compressed.
    pub(crate) async fn open(
        backend: Backend,
        path: &Path,
        compression: Compression,
        expected: Option<FileIdentity>,
    ) -> Result<Option<Self>, SourceError> {
        let fail =
            |operation| move |source| SourceError::Io { path: path.to_owned(), operation, source };
        if compression == Compression::None {
            return Ok(None);
        }
        let file = File::open(backend, path).await.map_err(fail("open"))?;
        let identity = file.identity().map_err(fail("look at"))?;
        if let Some(change) = expected.and_then(|earlier| earlier.change_to(&identity)) {
            return Err(RtError::FileChanged { path: path.to_owned(), change }.into());
        }
        file.expect_sequential();
        let bytes = BufReader::with_capacity(READ_BYTES, FileBytes { file, position: 0 });
        let decompressor = match compression {
            Compression::None => return Ok(None),
            Compression::Gzip => Decompressor::Gzip(Box::new(MultiGzDecoder::new(bytes))),
            Compression::Zstd => {
                let decoder = zstd::stream::read::Decoder::with_buffer(bytes);
                Decompressor::Zstd(decoder.map_err(fail("decompress"))?)
            }
            Compression::Lz4 => Decompressor::Lz4(Box::new(FrameDecoder::new(Lz4Walk::new(bytes)))),
        };
        let path = path.to_owned();
        Ok(Some(Self { path, compression, identity, decompressor, position: 0, is_ended: false }))
    }

    /// Fills the front of `buffer`; returns how many bytes, 0 only at the end of the file, once it is
    /// sure that nobody has changed it.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, SourceError> {
        if buffer.is_empty() || self.is_ended {
            return Ok(0);
        }
        let outcome = match &mut self.decompressor {
            _ if self.identity.byte_count == 0 => Err(io::ErrorKind::UnexpectedEof.into()),
            Decompressor::Gzip(decoder) => decoder.read(buffer),
            Decompressor::Zstd(decoder) => decoder.read(buffer),
            // It gives nothing at the end of each frame, of which a file may have several.
            Decompressor::Lz4(decoder) => loop {
                match decoder.read(buffer) {
                    Ok(0) if !decoder.get_ref().is_at_end() => {}
                    outcome => break outcome,
                }
            },
        };
        // A file that changes under a decompressor looks corrupt; say which of the two it is.
        if !matches!(outcome, Ok(1..)) {
            self.check_unchanged()?;
        }
        let count = outcome.map_err(|source| self.failure(source))?;
        self.is_ended = count == 0;
        self.position += u64::try_from(count).expect("a usize fits u64");
        Ok(count)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    fn failure(&self, source: io::Error) -> SourceError {
        let path = self.path.clone();
        if source.raw_os_error().is_some() {
            return SourceError::Io { path, operation: "read", source };
        }
        let (compression, offset) = (self.compression, self.position);
        SourceError::Corrupt { path, compression, offset, source }
    }

    fn check_unchanged(&self) -> Result<(), SourceError> {
        let file = match &self.decompressor {
            Decompressor::Gzip(decoder) => &decoder.get_ref().get_ref().file,
            Decompressor::Zstd(decoder) => &decoder.get_ref().get_ref().file,
            Decompressor::Lz4(decoder) => &decoder.get_ref().inner().get_ref().file,
        };
        let now = file.identity().map_err(|source| SourceError::Io {
            path: self.path.clone(),
            operation: "look at",
            source,
        })?;
        match self.identity.change_to(&now) {
            None => Ok(()),
            Some(change) => Err(RtError::FileChanged { path: self.path.clone(), change }.into()),
        }
    }
}
