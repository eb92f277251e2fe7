//! Notices an LZ4 file that breaks off between two blocks, which `lz4_flex` takes for its end.
//!
//! Follows the bytes on their way to the decompressor: magic and descriptor, then blocks by their
//! lengths, then the end mark. Source: LZ4 Frame Format Description 1.6.3, "Frame Format".

use std::io::{self, Read};

/// A reader that fails where its bytes end inside a frame.
#[derive(Debug)]
pub(crate) struct Lz4Walk<R> {
    inner: R,
    expected: Expected,
    /// Bytes of the current fixed-size part, as far as they have come.
    part: [u8; 6],
    part_bytes: usize,
    has_block_checksum: bool,
    has_content_checksum: bool,
    is_at_end: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    /// Magic number (4 bytes), FLG and BD; or the end of the file.
    Frame,
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
            part: [0; 6],
            part_bytes: 0,
            has_block_checksum: false,
            has_content_checksum: false,
            is_at_end: false,
        }
    }

    /// Whether the bytes have ended, and with them a frame.
    pub(crate) fn is_at_end(&self) -> bool {
        self.is_at_end
    }

    pub(crate) fn inner(&self) -> &R {
        &self.inner
    }

    fn follow(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            bytes = match self.expected {
                Expected::Frame => match self.collect(bytes, 6) {
                    (rest, true) => {
                        self.begin_frame();
                        rest
                    }
                    (rest, false) => rest,
                },
                Expected::BlockLength => match self.collect(bytes, 4) {
                    (rest, true) => {
                        self.begin_block();
                        rest
                    }
                    (rest, false) => rest,
                },
                Expected::Block(left) => {
                    let (rest, left) = pass_over(bytes, left);
                    self.expected =
                        if left == 0 { Expected::BlockLength } else { Expected::Block(left) };
                    rest
                }
                Expected::FrameEnd(left) => {
                    let (rest, left) = pass_over(bytes, left);
                    self.expected =
                        if left == 0 { Expected::Frame } else { Expected::FrameEnd(left) };
                    rest
                }
            };
        }
    }

    /// Adds to the current part; says what is left, and whether the part is whole.
    fn collect<'a>(&mut self, bytes: &'a [u8], whole: usize) -> (&'a [u8], bool) {
        let count = bytes.len().min(whole - self.part_bytes);
        self.part[self.part_bytes..self.part_bytes + count].copy_from_slice(&bytes[..count]);
        self.part_bytes += count;
        let is_whole = self.part_bytes == whole;
        if is_whole {
            self.part_bytes = 0;
        }
        (&bytes[count..], is_whole)
    }

    fn begin_frame(&mut self) {
        let flags = self.part[4];
        self.has_block_checksum = flags & 0x10 != 0;
        self.has_content_checksum = flags & 0x04 != 0;
        let content_size = if flags & 0x08 != 0 { 8 } else { 0 };
        let dictionary = if flags & 0x01 != 0 { 4 } else { 0 };
        self.expected = Expected::Block(content_size + dictionary + 1);
    }

    fn begin_block(&mut self) {
        let length = u32::from_le_bytes([self.part[0], self.part[1], self.part[2], self.part[3]]);
        let checksum = |is_there: bool| if is_there { 4 } else { 0 };
        self.expected = match length {
            // The end mark.
            0 if self.has_content_checksum => Expected::FrameEnd(4),
            0 => Expected::Frame,
            // The highest bit says that the block is stored as it is.
            length => {
                Expected::Block(u64::from(length & 0x7fff_ffff) + checksum(self.has_block_checksum))
            }
        };
    }
}

impl<R: Read> Read for Lz4Walk<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        if count == 0 && !buffer.is_empty() {
            let is_between = self.expected == Expected::Frame && self.part_bytes == 0;
            // Not `UnexpectedEof`: that is what lz4_flex takes for an end.
            self.is_at_end = is_between;
            return if is_between {
                Ok(0)
            } else {
                Err(io::Error::other("the file ends inside a frame"))
            };
        }
        self.follow(&buffer[..count]);
        Ok(count)
    }
}

fn pass_over(bytes: &[u8], left: u64) -> (&[u8], u64) {
    let count = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
    (&bytes[count..], left - u64::try_from(count).expect("a usize fits u64"))
}
