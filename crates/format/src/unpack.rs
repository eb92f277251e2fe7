//! Packed bytes of pages and buffers, into memory of those before them.

use std::io::Read;

use ::parquet::basic::Compression;
use ::parquet::errors::ParquetError;
use tidemill_record::recycled::{PartMemory, Room};
use twox_hash::XxHash32;

/// How bytes are packed, of the ways that are known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packing {
    None,
    Snappy,
    Zstd,
    Lz4,
    /// Blocks of that, each behind its length, between a head and a checksum.
    Lz4Frame,
    Gzip,
}

impl Packing {
    /// Of a column of Parquet; `None` where that is `parquet`'s to unpack.
    pub(crate) fn of(compression: Compression) -> Option<Self> {
        Some(match compression {
            Compression::UNCOMPRESSED => Self::None,
            Compression::SNAPPY => Self::Snappy,
            Compression::ZSTD(_) => Self::Zstd,
            Compression::LZ4_RAW => Self::Lz4,
            Compression::GZIP(_) => Self::Gzip,
            _ => return None,
        })
    }

    /// How many bytes come of one, at most.
    fn factor_max(self) -> usize {
        match self {
            Self::None => 1,
            // A copy of 64 bytes takes three, or a length of 255 one; in gzip 258 bytes take two bits.
            Self::Snappy => 22,
            Self::Lz4 | Self::Lz4Frame => 255,
            Self::Gzip => 1032,
            // A block of 128 KiB takes four.
            Self::Zstd => 32 << 10,
        }
    }
}

/// Unpacks; what that takes is kept from page to page, and from row group to row group.
#[derive(Default)]
pub(crate) struct Unpacker {
    snappy: snap::raw::Decoder,
    zstd: Option<zstd::bulk::Decompressor<'static>>,
}

impl Unpacker {
    /// `byte_count` bytes that `packed` becomes, behind those of `head` as they are.
    ///
    /// # Errors
    /// `packed` is damaged, or becomes another number of bytes.
    ///
    /// # Cost
    /// O(bytes). Memory is taken of pages before, once those are held no more, and is not written but by what is unpacked.
    pub(crate) fn unpack(
        &mut self,
        packing: Packing,
        head: &[u8],
        packed: &[u8],
        byte_count: usize,
        memory: &mut PartMemory,
    ) -> Result<Room<u8>, ParquetError> {
        // A head may say anything; memory is taken for what may come of so many bytes.
        if byte_count / packing.factor_max() > packed.len() + 64 {
            return Err(other_length());
        }
        let mut room = memory.take(head.len() + byte_count);
        let (before, to) = room.split_at_mut(head.len());
        before.copy_from_slice(head);
        self.unpack_to(packing, packed, to)?;
        Ok(room)
    }

    /// Fills `to` with what `packed` becomes.
    ///
    /// # Errors
    /// As [`Self::unpack`]; then any bytes are in `to`.
    pub(crate) fn unpack_to(
        &mut self,
        packing: Packing,
        packed: &[u8],
        to: &mut [u8],
    ) -> Result<(), ParquetError> {
        let unpacked = match packing {
            Packing::None => {
                if packed.len() == to.len() {
                    to.copy_from_slice(packed);
                }
                packed.len()
            }
            // Nothing becomes of pages of NULLs, and some writers pack that as nothing.
            _ if to.is_empty() => 0,
            Packing::Snappy => self.snappy.decompress(packed, to)?,
            Packing::Zstd => {
                let context = match &mut self.zstd {
                    Some(context) => context,
                    none => none.insert(zstd::bulk::Decompressor::new()?),
                };
                context.decompress_to_buffer(packed, to)?
            }
            Packing::Lz4 => lz4_block(packed, to, 0, true)?,
            Packing::Lz4Frame => match lz4_frame(packed, to) {
                Some(unpacked) => unpacked?,
                None => read_all(lz4_flex::frame::FrameDecoder::new(packed), to)?,
            },
            Packing::Gzip => read_all(flate2::bufread::MultiGzDecoder::new(packed), to)?,
        };
        if unpacked == to.len() { Ok(()) } else { Err(other_length()) }
    }
}

/// Unpacks a block to `to[at..]`, and says how many bytes it became. It may point at what stands before, unless it is independent of that.
fn lz4_block(
    packed: &[u8],
    to: &mut [u8],
    at: usize,
    is_independent: bool,
) -> Result<usize, ParquetError> {
    /// How far back a block points.
    const WINDOW_BYTES: usize = 64 << 10;
    let (before, to) = to.split_at_mut(at);
    let outcome = if is_independent || before.is_empty() {
        lz4_flex::block::decompress_into(packed, to)
    } else {
        let window = &before[before.len().saturating_sub(WINDOW_BYTES)..];
        lz4_flex::block::decompress_into_with_dict(packed, to, window)
    };
    outcome.map_err(|source| ParquetError::External(Box::new(source)))
}

/// How many bytes a frame of LZ4 becomes, which are in `to`; `None` of one of a rarer kind.
///
/// Spec: "LZ4 Frame Format Description", version 1.6.
fn lz4_frame(packed: &[u8], to: &mut [u8]) -> Option<Result<usize, ParquetError>> {
    const MAGIC: [u8; 4] = 0x184d_2204_u32.to_le_bytes();
    const VERSION: u8 = 0b1100_0000;
    const HAS_VERSION: u8 = 0b0100_0000;
    const ARE_INDEPENDENT: u8 = 0b0010_0000;
    const HAS_SIZE: u8 = 0b0000_1000;
    const HAS_CHECKSUM: u8 = 0b0000_0100;
    /// Of a block: it is not packed.
    const IS_PLAIN: u32 = 1 << 31;

    let (head, rest) = packed.split_first_chunk::<6>()?;
    let [magic @ .., flags, blocks] = head;
    let known = VERSION | ARE_INDEPENDENT | HAS_SIZE | HAS_CHECKSUM;
    if magic != &MAGIC || flags & !known != 0 || flags & VERSION != HAS_VERSION {
        return None;
    }
    if !matches!(blocks, 0x40 | 0x50 | 0x60 | 0x70) {
        return None;
    }
    let (described, rest) = rest.split_at_checked(if flags & HAS_SIZE == 0 { 0 } else { 8 })?;
    let (&[of_head], mut rest) = rest.split_first_chunk::<1>()?;
    let mut hashed = [0; 10];
    hashed[..2].copy_from_slice(&head[4..]);
    hashed[2..2 + described.len()].copy_from_slice(described);
    if (XxHash32::oneshot(0, &hashed[..2 + described.len()]) >> 8) & 0xff != u32::from(of_head) {
        return None;
    }
    let damaged = || ParquetError::General("a frame of LZ4 is damaged".to_owned());
    let mut at = 0;
    let mut blocks = || {
        loop {
            let (length, behind) = rest.split_first_chunk().ok_or_else(damaged)?;
            let length = u32::from_le_bytes(*length);
            rest = behind;
            if length == 0 {
                break;
            }
            let byte_count = usize::try_from(length & !IS_PLAIN).map_err(|_| damaged())?;
            let (block, behind) = rest.split_at_checked(byte_count).ok_or_else(damaged)?;
            rest = behind;
            if length & IS_PLAIN == 0 {
                at += lz4_block(block, to, at, flags & ARE_INDEPENDENT != 0)?;
            } else {
                to.get_mut(at..at + byte_count).ok_or_else(other_length)?.copy_from_slice(block);
                at += byte_count;
            }
        }
        if flags & HAS_CHECKSUM != 0 {
            let (checksum, _) = rest.split_first_chunk().ok_or_else(damaged)?;
            if XxHash32::oneshot(0, &to[..at]) != u32::from_le_bytes(*checksum) {
                return Err(damaged());
            }
        }
        Ok(at)
    };
    Some(blocks())
}

/// How many bytes a reader gives, which are in `to`; one more than there is room for, if it gives more.
fn read_all(mut reader: impl Read, to: &mut [u8]) -> Result<usize, ParquetError> {
    let mut count = 0;
    while count < to.len() {
        match reader.read(&mut to[count..])? {
            0 => return Ok(count),
            more => count += more,
        }
    }
    Ok(count + reader.read(&mut [0])?)
}

fn other_length() -> ParquetError {
    ParquetError::General("what is packed is not as long as is said before it".to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::io::Write;

    use lz4_flex::frame::{BlockMode, BlockSize, FrameEncoder, FrameInfo};

    use super::*;

    fn frame(text: &[u8], mode: BlockMode, size: Option<u64>) -> Vec<u8> {
        let described = FrameInfo::new()
            .block_mode(mode)
            .block_size(BlockSize::Max64KB)
            .content_size(size)
            .content_checksum(true);
        let mut encoder = FrameEncoder::with_frame_info(described, Vec::new());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    /// A text that is worth packing, packed in each way.
    fn packed(text: &[u8]) -> Vec<(Packing, Vec<u8>)> {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(text).unwrap();
        vec![
            (Packing::None, text.to_vec()),
            (Packing::Snappy, snap::raw::Encoder::new().compress_vec(text).unwrap()),
            (Packing::Zstd, zstd::bulk::compress(text, 3).unwrap()),
            (Packing::Lz4, lz4_flex::block::compress(text)),
            (Packing::Lz4Frame, frame(text, BlockMode::Independent, None)),
            (Packing::Lz4Frame, frame(text, BlockMode::Linked, Some(text.len() as u64))),
            (Packing::Gzip, gzip.finish().unwrap()),
        ]
    }

    #[test]
    fn every_packing_gives_the_bytes_behind_the_head() {
        let text: Vec<u8> = (0..40_000_u32).flat_map(|n| (n / 7 % 300).to_le_bytes()).collect();
        let (mut unpacker, mut memory) = (Unpacker::default(), PartMemory::default());
        for (packing, packed) in packed(&text) {
            for head in [&b""[..], b"levels"] {
                let room =
                    unpacker.unpack(packing, head, &packed, text.len(), &mut memory).unwrap();
                assert_eq!((&room[..head.len()], &room[head.len()..]), (head, text.as_slice()));
                drop(memory.lend(room));
            }
        }
    }

    #[test]
    fn other_lengths_and_damaged_bytes_are_refused() {
        let text = b"one and two and one and two and one and two and three".repeat(5);
        let (mut unpacker, mut memory) = (Unpacker::default(), PartMemory::default());
        for (packing, packed) in packed(&text) {
            let mut unpack =
                |packed: &[u8], count| unpacker.unpack(packing, b"", packed, count, &mut memory);
            for count in [text.len() - 1, text.len() + 1, 1, 1 << 20] {
                assert!(unpack(&packed, count).is_err(), "{packing:?} of {count} bytes");
            }
            for end in 0..packed.len() {
                assert!(unpack(&packed[..end], text.len()).is_err(), "{packing:?} cut at {end}");
            }
        }
    }

    #[test]
    fn nothing_becomes_nothing() {
        let (mut unpacker, mut memory) = (Unpacker::default(), PartMemory::default());
        for packing in [Packing::Zstd, Packing::Lz4, Packing::Lz4Frame, Packing::Gzip] {
            let room = unpacker.unpack(packing, b"levels", b"", 0, &mut memory).unwrap();
            assert_eq!(&room[..], b"levels");
        }
    }
}
