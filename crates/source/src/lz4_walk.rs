//! Finds the frames of an LZ4 file, for a decompressor that knows one frame of data.
//!
//! Follows the bytes on their way to the decompressor: magic and descriptor, then blocks by their
//! lengths, then the end mark. So a file that breaks off between two blocks is noticed, which `lz4_flex`
//! takes for its end; skippable frames are passed over; and what stands behind a frame and is none is
//! said to be so. Source: LZ4 Frame Format Description 1.6.3, "Frame Format", "Skippable Frames".

use std::io::{self, Read};

use crate::damage::Damage;

/// Of a frame of data.
const MAGIC: u32 = 0x184d_2204;
/// Of a frame that holds anything else; the lowest four bits may be any.
const MAGIC_SKIPPABLE: u32 = 0x184d_2a50;
/// Magic number, FLG and BD.
const HEAD_BYTES: usize = 6;

/// A reader of frames of data alone, that fails where its bytes end inside a frame.
#[derive(Debug)]
pub(crate) struct Lz4Walk<R> {
    inner: R,
    expected: Expected,
    /// Bytes of the current length, as far as they have come.
    part: [u8; 4],
    part_bytes: usize,
    /// The first bytes of the current frame, and how many have been given.
    head: [u8; HEAD_BYTES],
    head_given: usize,
    has_block_checksum: bool,
    has_content_checksum: bool,
    /// Whether any frame of data has been read to its end.
    has_whole: bool,
    is_at_end: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    /// A frame of either kind, or the end of the file.
    Frame,
    /// The first bytes of the frame, which have been read, are to be given.
    Head,
    /// Four bytes of block length, or of the end mark.
    BlockLength,
    /// Bytes to pass over, then a block length.
    Block(u64),
    /// Bytes to pass over, then a frame.
    FrameEnd(u64),
}

impl<R: Read> Lz4Walk<R> {
    pub(crate) fn new(inner: R) -> Self {
        Self {
            inner,
            expected: Expected::Frame,
            part: [0; 4],
            part_bytes: 0,
            head: [0; HEAD_BYTES],
            head_given: 0,
            has_block_checksum: false,
            has_content_checksum: false,
            has_whole: false,
            is_at_end: false,
        }
    }

    /// Whether the bytes have ended, and with them a frame.
    pub(crate) fn is_at_end(&self) -> bool {
        self.is_at_end
    }

    pub(crate) fn inner_mut(&mut self) -> &mut R {
        &mut self.inner
    }

    pub(crate) fn inner(&self) -> &R {
        &self.inner
    }

    /// Goes on to the next frame of data; `false` if there is none.
    fn find_frame(&mut self) -> io::Result<bool> {
        loop {
            let mut magic = [0; 4];
            match self.read_up_to(&mut magic)? {
                0 => return Ok(false),
                4 => {}
                _ if self.has_whole => return Err(damaged(Damage::Trailing)),
                _ => return Err(damaged(Damage::CutShort)),
            }
            let number = u32::from_le_bytes(magic);
            if number & !0xf == MAGIC_SKIPPABLE {
                let mut length = [0; 4];
                self.read_whole(&mut length)?;
                self.skip(u64::from(u32::from_le_bytes(length)))?;
                continue;
            }
            if number != MAGIC {
                let damage = if self.has_whole { Damage::Trailing } else { Damage::Invalid };
                return Err(damaged(damage));
            }
            self.head[..4].copy_from_slice(&magic);
            let mut descriptor = [0; 2];
            self.read_whole(&mut descriptor)?;
            self.head[4..].copy_from_slice(&descriptor);
            (self.expected, self.head_given) = (Expected::Head, 0);
            return Ok(true);
        }
    }

    /// Fills the front of `part`: all of it, or as much as there is.
    fn read_up_to(&mut self, part: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < part.len() {
            match self.inner.read(&mut part[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    fn read_whole(&mut self, part: &mut [u8]) -> io::Result<()> {
        let is_whole = self.read_up_to(part)? == part.len();
        if is_whole { Ok(()) } else { Err(damaged(Damage::CutShort)) }
    }

    fn skip(&mut self, byte_count: u64) -> io::Result<()> {
        let skipped = io::copy(&mut (&mut self.inner).take(byte_count), &mut io::sink())?;
        if skipped == byte_count { Ok(()) } else { Err(damaged(Damage::CutShort)) }
    }

    /// Takes note of bytes of the current part, which they do not go beyond.
    fn follow(&mut self, bytes: &[u8]) {
        match self.expected {
            Expected::Frame => unreachable!("frames are found before their bytes are given"),
            Expected::Head => {
                self.head_given += bytes.len();
                if self.head_given == HEAD_BYTES {
                    self.begin_frame();
                }
            }
            Expected::BlockLength => {
                self.part[self.part_bytes..self.part_bytes + bytes.len()].copy_from_slice(bytes);
                self.part_bytes += bytes.len();
                if self.part_bytes == self.part.len() {
                    self.part_bytes = 0;
                    self.begin_block();
                }
            }
            Expected::Block(left) => {
                let left = left - byte_count(bytes);
                self.expected =
                    if left == 0 { Expected::BlockLength } else { Expected::Block(left) };
            }
            Expected::FrameEnd(left) => match left - byte_count(bytes) {
                0 => self.end_frame(),
                left => self.expected = Expected::FrameEnd(left),
            },
        }
    }

    fn begin_frame(&mut self) {
        let flags = self.head[4];
        self.has_block_checksum = flags & 0x10 != 0;
        self.has_content_checksum = flags & 0x04 != 0;
        let content_size = if flags & 0x08 != 0 { 8 } else { 0 };
        let dictionary = if flags & 0x01 != 0 { 4 } else { 0 };
        self.expected = Expected::Block(content_size + dictionary + 1);
    }

    fn end_frame(&mut self) {
        self.expected = Expected::Frame;
        self.has_whole = true;
    }

    fn begin_block(&mut self) {
        let length = u32::from_le_bytes(self.part);
        let checksum = |is_there: bool| if is_there { 4 } else { 0 };
        match length {
            // The end mark.
            0 if self.has_content_checksum => self.expected = Expected::FrameEnd(4),
            0 => self.end_frame(),
            // The highest bit says that the block is stored as it is.
            length => {
                let stored = u64::from(length & 0x7fff_ffff);
                match stored + checksum(self.has_block_checksum) {
                    0 => self.expected = Expected::BlockLength,
                    left => self.expected = Expected::Block(left),
                }
            }
        }
    }
}

impl<R: Read> Read for Lz4Walk<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        if self.expected == Expected::Frame && !self.find_frame()? {
            self.is_at_end = true;
            return Ok(0);
        }
        let left = match self.expected {
            Expected::Frame => unreachable!("a frame was found"),
            Expected::Head => {
                let head = &self.head[self.head_given..];
                let count = head.len().min(buffer.len());
                buffer[..count].copy_from_slice(&head[..count]);
                self.follow(&buffer[..count]);
                return Ok(count);
            }
            Expected::BlockLength => self.part.len() - self.part_bytes,
            Expected::Block(left) | Expected::FrameEnd(left) => {
                usize::try_from(left).unwrap_or(usize::MAX)
            }
        };
        let room = left.min(buffer.len());
        let count = self.inner.read(&mut buffer[..room])?;
        if count == 0 {
            return Err(damaged(Damage::CutShort));
        }
        self.follow(&buffer[..count]);
        Ok(count)
    }
}

/// Not `UnexpectedEof`: that is what lz4_flex takes for an end.
fn damaged(damage: Damage) -> io::Error {
    io::Error::other(damage)
}

fn byte_count(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).expect("a usize fits u64")
}
