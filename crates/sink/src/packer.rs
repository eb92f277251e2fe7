//! Compression of what a file sink writes: one gzip member or Zstandard frame after the other.
//!
//! Members and frames that stand behind each other are one file to whoever reads it, so that the parts of one file are
//! joined as they are. What comes out is a function of what goes in, however that is cut: the library is given blocks of
//! one size.

use std::io;

use flate2::{Compress, Crc, FlushCompress, Status};
use tidemill_plan::{Codec, Packing};
use zstd::zstd_safe::zstd_sys::ZSTD_EndDirective;
use zstd::zstd_safe::{
    CCtx, CParameter, InBuffer, OutBuffer, ResetDirective, SafeResult, get_error_name,
};

/// Bytes that are compressed in one call.
pub(crate) const BLOCK_BYTES: usize = 64 * 1024;

/// Room that is made for what a call gives.
const ROOM_BYTES: usize = 32 * 1024;

/// A gzip header without a name or a time (RFC 1952, section 2.3), made by an unknown system.
const GZIP_HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

/// About what zlib-rs takes for a stream.
const DEFLATE_BYTES: usize = 400 * 1024;

/// Compresses one member or frame after the other.
pub(crate) struct Packer {
    stream: Stream,
    /// Not yet compressed; shorter than [`BLOCK_BYTES`] between calls.
    block: Vec<u8>,
    /// The member at hand has a byte.
    has_begun: bool,
}

enum Stream {
    Gzip(Box<Gzip>),
    Zstd(CCtx<'static>),
}

struct Gzip {
    deflate: Compress,
    sum: Crc,
    has_begun: bool,
}

impl Packer {
    /// Makes one; `None` where what is written stays as it is.
    ///
    /// # Panics
    /// If a file cannot be compressed so as a whole.
    pub(crate) fn new(packing: Packing) -> Option<Self> {
        let stream = match packing.codec {
            Codec::None => return None,
            Codec::Gzip => {
                let level = flate2::Compression::new(packing.level.unwrap_or(6));
                let (deflate, sum) = (Compress::new(level, false), Crc::new());
                Stream::Gzip(Box::new(Gzip { deflate, sum, has_begun: false }))
            }
            Codec::Zstd => {
                let mut context = CCtx::create();
                let level = i32::try_from(packing.level.unwrap_or(3)).expect("a level is small");
                for parameter in
                    [CParameter::CompressionLevel(level), CParameter::ChecksumFlag(true)]
                {
                    context.set_parameter(parameter).expect("the binder has checked the level");
                }
                Stream::Zstd(context)
            }
            Codec::Snappy | Codec::Lz4 => unreachable!("the binder refuses it for text"),
        };
        Some(Self { stream, block: Vec::with_capacity(BLOCK_BYTES), has_begun: false })
    }

    /// Whether the member at hand has a byte.
    pub(crate) fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// Adds bytes to the member at hand, and appends what is ready of it.
    pub(crate) fn push(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        self.has_begun |= !bytes.is_empty();
        while !bytes.is_empty() {
            let count = bytes.len().min(BLOCK_BYTES - self.block.len());
            self.block.extend_from_slice(&bytes[..count]);
            bytes = &bytes[count..];
            if self.block.len() == BLOCK_BYTES {
                self.stream.compress(&self.block, false, out)?;
                self.block.clear();
            }
        }
        Ok(())
    }

    /// Appends the rest of the member; one without bytes is a member, too. What is pushed then begins the next.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        self.stream.compress(&self.block, true, out)?;
        self.block.clear();
        self.has_begun = false;
        Ok(())
    }

    /// Bytes that it holds, about.
    pub(crate) fn held_bytes(&self) -> usize {
        BLOCK_BYTES
            + match &self.stream {
                Stream::Gzip(_) => DEFLATE_BYTES,
                Stream::Zstd(context) => context.sizeof(),
            }
    }
}

impl std::fmt::Debug for Packer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Packer").field("block_bytes", &self.block.len()).finish_non_exhaustive()
    }
}

impl Stream {
    fn compress(&mut self, block: &[u8], is_last: bool, out: &mut Vec<u8>) -> io::Result<()> {
        match self {
            Self::Gzip(gzip) => gzip.compress(block, is_last, out),
            Self::Zstd(context) => zstd(context, block, is_last, out),
        }
    }
}

impl Gzip {
    fn compress(&mut self, block: &[u8], is_last: bool, out: &mut Vec<u8>) -> io::Result<()> {
        if !self.has_begun {
            out.extend_from_slice(&GZIP_HEADER);
            self.has_begun = true;
        }
        self.sum.update(block);
        let flush = if is_last { FlushCompress::Finish } else { FlushCompress::None };
        let before = self.deflate.total_in();
        loop {
            let done = self.deflate.total_in() - before;
            let rest = &block[usize::try_from(done).expect("at most a block")..];
            if rest.is_empty() && !is_last {
                return Ok(());
            }
            out.reserve(ROOM_BYTES);
            let status = self.deflate.compress_vec(rest, out, flush).map_err(io::Error::other)?;
            if status == Status::StreamEnd {
                break;
            }
        }
        out.extend_from_slice(&self.sum.sum().to_le_bytes());
        out.extend_from_slice(&self.sum.amount().to_le_bytes());
        self.deflate.reset();
        self.sum.reset();
        self.has_begun = false;
        Ok(())
    }
}

fn zstd(
    context: &mut CCtx<'static>,
    block: &[u8],
    is_last: bool,
    out: &mut Vec<u8>,
) -> io::Result<()> {
    let checked =
        |result: SafeResult| result.map_err(|code| io::Error::other(get_error_name(code)));
    let directive =
        if is_last { ZSTD_EndDirective::ZSTD_e_end } else { ZSTD_EndDirective::ZSTD_e_continue };
    let mut input = InBuffer::around(block);
    loop {
        out.reserve(ROOM_BYTES);
        let end = out.len();
        let mut output = OutBuffer::around_pos(out, end);
        let left = checked(context.compress_stream2(&mut output, &mut input, directive))?;
        let is_done = if is_last { left == 0 } else { input.pos() == block.len() };
        if is_done {
            break;
        }
    }
    if is_last {
        checked(context.reset(ResetDirective::SessionOnly))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::io::Read;

    use super::*;

    const CODECS: [Codec; 2] = [Codec::Gzip, Codec::Zstd];

    /// Text that compresses as records do.
    fn text(row_count: u32) -> Vec<u8> {
        (0..row_count).flat_map(|row| format!("{row},name {}\n", row % 97).into_bytes()).collect()
    }

    /// What the libraries' own readers make of several members or frames.
    fn unpacked(codec: Codec, packed: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        match codec {
            Codec::Gzip => flate2::read::MultiGzDecoder::new(packed).read_to_end(&mut out).unwrap(),
            _ => zstd::stream::read::Decoder::new(packed).unwrap().read_to_end(&mut out).unwrap(),
        };
        out
    }

    #[test]
    fn what_comes_out_does_not_depend_on_how_it_was_cut() {
        let text = text(60_000);
        for codec in CODECS {
            for level in [None, Some(1), Some(9)] {
                let pack = |piece_bytes: usize| {
                    let mut packer = Packer::new(Packing { codec, level }).unwrap();
                    let mut out = Vec::new();
                    for piece in text.chunks(piece_bytes) {
                        packer.push(piece, &mut out).unwrap();
                    }
                    packer.finish(&mut out).unwrap();
                    out
                };
                let whole = pack(text.len());
                assert!(whole.len() < text.len() / 2, "{codec:?} {level:?} {}", whole.len());
                assert!(unpacked(codec, &whole) == text, "{codec:?} {level:?}");
                for piece_bytes in [1_000, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1] {
                    assert!(pack(piece_bytes) == whole, "{codec:?} {level:?} {piece_bytes}");
                }
            }
        }
    }

    #[test]
    fn members_stand_behind_each_other_and_the_next_is_like_the_first() {
        let text = text(20_000);
        for codec in CODECS {
            let mut packer = Packer::new(Packing { codec, level: None }).unwrap();
            let mut out = Vec::new();
            let mut ends = vec![0];
            for piece in [&text[..], &[], &text[..100], &text[..]] {
                packer.push(piece, &mut out).unwrap();
                packer.finish(&mut out).unwrap();
                ends.push(out.len());
            }
            assert!(out[..ends[1]] == out[ends[3]..], "{codec:?}");
            let expected = [&text[..], &text[..100], &text[..]].concat();
            assert!(unpacked(codec, &out) == expected, "{codec:?}");
        }
    }
}
