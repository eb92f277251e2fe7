//! Decompressed bytes of one file, from front to back.
//!
//! Decompressors cannot await, so this reads with blocking calls: the kernel reads ahead of a file
//! that is read from front to back, and decompression is slower than that.

use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use lz4_flex::frame::FrameDecoder;
use tidemill_plan::Compression;
use tidemill_rt::{Backend, File, FileIdentity, RtError};

use crate::damage::Damage;
use crate::gzip_members::GzipMembers;
use crate::lz4_walk::Lz4Walk;
use crate::{Content, ContentPlace, SourceError};

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
    Gzip(Box<GzipMembers<BufReader<FileBytes>>>),
    Zstd(zstd::stream::read::Decoder<'static, BufReader<FileBytes>>),
    Lz4(Box<FrameDecoder<Lz4Walk<BufReader<FileBytes>>>>),
}

/// The file's bytes as a `Read`.
struct FileBytes {
    file: File,
    position: u64,
    /// Bytes behind these are somebody's addition and are not read.
    end: u64,
}

impl Read for FileBytes {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end.saturating_sub(self.position)).unwrap_or(usize::MAX);
        let room = left.min(buffer.len());
        let count = self.file.read_at_blocking(&mut buffer[..room], self.position)?;
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
        let bytes =
            BufReader::with_capacity(READ_BYTES, FileBytes { file, position: 0, end: u64::MAX });
        let decompressor = match compression {
            Compression::None => return Ok(None),
            Compression::Gzip => Decompressor::Gzip(Box::new(GzipMembers::new(bytes))),
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
        let damage = Damage::of(&source, offset);
        match self.content() {
            // It was never such data: a name says otherwise.
            Some(found)
                if offset == 0
                    && damage == Damage::Invalid
                    && found.compression() != Some(compression) =>
            {
                let expected = format!("{} data by its name", compression.name());
                SourceError::WrongContent { path, found, expected, place: ContentPlace::File }
            }
            _ => SourceError::Corrupt { path, compression, damage, offset, source },
        }
    }

    /// What the first bytes of the file say that it is.
    fn content(&self) -> Option<Content> {
        let mut head = [0; Content::HEAD_BYTES];
        let count = self.file().read_at_blocking(&mut head, 0).ok()?;
        Content::of(&head[..count])
    }

    fn bytes(&self) -> &FileBytes {
        match &self.decompressor {
            Decompressor::Gzip(decoder) => decoder.inner().get_ref(),
            Decompressor::Zstd(decoder) => decoder.get_ref().get_ref(),
            Decompressor::Lz4(decoder) => decoder.get_ref().inner().get_ref(),
        }
    }

    /// The compressed file.
    pub(crate) fn file(&self) -> &File {
        &self.bytes().file
    }

    /// Length of the compressed file in bytes, as it was at the start, or as [`Self::end_at`] said.
    pub(crate) fn file_bytes(&self) -> u64 {
        self.identity.byte_count.min(self.bytes().end)
    }

    /// Takes the file to have so many bytes and no more, of those that it has. Before the first read.
    pub(crate) fn end_at(&mut self, byte_count: u64) {
        debug_assert_eq!(self.position, 0, "nothing has been read");
        match &mut self.decompressor {
            Decompressor::Gzip(decoder) => decoder.inner_mut().get_mut().end = byte_count,
            Decompressor::Zstd(decoder) => decoder.get_mut().get_mut().end = byte_count,
            Decompressor::Lz4(decoder) => decoder.get_mut().inner_mut().get_mut().end = byte_count,
        }
    }

    /// Says whether the file is still as it was at the start: one fstat.
    pub(crate) fn check_unchanged(&self) -> Result<(), SourceError> {
        let now = self.file().identity().map_err(|source| SourceError::Io {
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
