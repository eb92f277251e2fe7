//! Many bytes looked at in one step: what the decoders of text ask of SIMD.
//!
//! [`Level::detect`] chooses once a decoder. Everything above this module is written once, over
//! [`Lanes`], and compiled for each implementor; both give the same bits for the same bytes.

#[cfg(target_arch = "x86_64")]
mod avx2;
mod bounds;
mod json_bytes;
mod level;
#[cfg(any(test, not(target_arch = "x86_64")))]
mod plain;
#[cfg(target_arch = "x86_64")]
mod sse2;

use std::convert::Infallible;

pub(crate) use bounds::Bounds;
pub(crate) use json_bytes::JsonBytes;
#[cfg(target_arch = "x86_64")]
pub(crate) use level::Avx2;
pub(crate) use level::Level;

use crate::text::slot::{Row, Slot};
use crate::text::usual_time;

/// What the decoders ask of a block of bytes. Bit `i` of a mask belongs to byte `i`.
///
/// A value of an implementor is the proof that the host has what it needs; it takes no room.
pub(crate) trait Lanes: Fours + Copy {
    /// Which implementor it is.
    fn level(self) -> Level;

    /// Where a byte is this one.
    fn equal_to(self, block: &[u8; 64], byte: u8) -> u64;

    /// For each bit, whether an odd number of bits are set up to it, itself counted.
    #[inline(always)]
    fn parities(self, bits: u64) -> u64 {
        parities(bits)
    }

    /// Whether there is such a byte, or one beyond ASCII.
    fn contains_or_beyond(self, block: &[u8; 64], byte: u8) -> bool;

    /// Whether no byte has its highest bit set.
    fn is_ascii(self, block: &[u8; 64]) -> bool;

    /// Where a JSON string ends or needs care: a quote, a backslash, a control character.
    fn string_stops(self, lane: &[u8; 32]) -> u32;

    /// What JSON makes of 64 bytes.
    fn json_bytes(self, block: &[u8; 64]) -> JsonBytes;

    /// Where a byte is one of these.
    fn any_of(self, lane: &[u8; 32], bytes: [u8; 4]) -> u32;

    /// Whether each byte of some blocks keeps to its bounds.
    fn keep_to<const BLOCKS: usize>(
        self,
        blocks: &[[u8; 64]; BLOCKS],
        bounds: &[Bounds; BLOCKS],
    ) -> bool;

    /// Whether no byte whose lower bound is a space is a quote or a backslash.
    fn has_no_specials(self, block: &[u8; 64], bounds: &Bounds) -> bool;

    /// Where an ASCII digit is, and where a point.
    fn digits_and_points(self, lane: &[u8; 16]) -> (u32, u32);

    /// The timestamp that the first `len` (at least 1) of these bytes are in its usual form.
    #[inline(always)]
    fn timestamp(self, bytes: &[u8; 32], len: usize) -> Option<i64> {
        let (words, _) = bytes.as_chunks::<16>();
        usual_time::timestamp(words.first_chunk::<2>()?.map(u128::from_le_bytes), len)
    }
}

/// Four short texts at a time, and the numbers they are.
pub(crate) trait Fours {
    /// Texts of 1 to 8 bytes, four of them.
    type Four: Copy;

    /// The texts of a slot of each of four rows, counted from where they begin; `None` if any is not plain,
    /// or of another length, or at the very end of the frame, or if there is no way to read four at once.
    fn four_of_slots(self, frame: &[u8], rows: &[Row; 4], slots: [Slot; 4]) -> Option<Self::Four>;

    /// The same between a stop and the next one, and so `stride` stops later and so on.
    fn four_of_stops(self, frame: &[u8], stops: &[u32], stride: usize) -> Option<Self::Four>;

    /// The integers they are; `None` if there is another text among them.
    fn four_integers(self, four: Self::Four) -> Option<[i64; 4]>;

    /// The doubles they are, with at most one point each.
    fn four_doubles(self, four: Self::Four) -> Option<[f64; 4]>;
}

/// Runs anywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Baseline;

/// Reads them one by one.
impl Fours for Baseline {
    type Four = Infallible;

    #[inline(always)]
    fn four_of_slots(self, _: &[u8], _: &[Row; 4], _: [Slot; 4]) -> Option<Infallible> {
        None
    }

    #[inline(always)]
    fn four_of_stops(self, _: &[u8], _: &[u32], _: usize) -> Option<Infallible> {
        None
    }

    #[inline(always)]
    fn four_integers(self, four: Infallible) -> Option<[i64; 4]> {
        match four {}
    }

    #[inline(always)]
    fn four_doubles(self, four: Infallible) -> Option<[f64; 4]> {
        match four {}
    }
}

#[cfg(not(target_arch = "x86_64"))]
impl Lanes for Baseline {
    #[inline(always)]
    fn level(self) -> Level {
        Level::Baseline
    }

    #[inline(always)]
    fn equal_to(self, block: &[u8; 64], byte: u8) -> u64 {
        plain::equal_to(block, byte)
    }

    #[inline(always)]
    fn contains_or_beyond(self, block: &[u8; 64], byte: u8) -> bool {
        self.equal_to(block, byte) != 0 || !block.is_ascii()
    }

    #[inline(always)]
    fn is_ascii(self, block: &[u8; 64]) -> bool {
        block.is_ascii()
    }

    #[inline(always)]
    fn string_stops(self, lane: &[u8; 32]) -> u32 {
        plain::string_stops(lane)
    }

    #[inline(always)]
    fn json_bytes(self, block: &[u8; 64]) -> JsonBytes {
        plain::json_bytes(block)
    }

    #[inline(always)]
    fn any_of(self, lane: &[u8; 32], bytes: [u8; 4]) -> u32 {
        plain::any_of(lane, bytes)
    }

    #[inline(always)]
    fn keep_to<const BLOCKS: usize>(
        self,
        blocks: &[[u8; 64]; BLOCKS],
        bounds: &[Bounds; BLOCKS],
    ) -> bool {
        blocks.iter().zip(bounds).all(|(block, bounds)| bounds::keeps_to(block, bounds))
    }

    #[inline(always)]
    fn has_no_specials(self, block: &[u8; 64], bounds: &Bounds) -> bool {
        has_no_specials(block, bounds)
    }

    #[inline(always)]
    fn digits_and_points(self, lane: &[u8; 16]) -> (u32, u32) {
        plain::digits_and_points(lane)
    }
}

/// By shifts: each step takes in twice as many bits.
#[inline(always)]
fn parities(mut bits: u64) -> u64 {
    for step in [1, 2, 4, 8, 16, 32] {
        bits ^= bits << step;
    }
    bits
}

/// Vectorized by the compiler, as far as the host goes.
#[inline(always)]
fn has_no_specials(block: &[u8; 64], bounds: &Bounds) -> bool {
    let is_special = |at: usize| bounds.low[at] == b' ' && matches!(block[at], b'"' | b'\\');
    (0..block.len()).fold(0, |special, at| special | u8::from(is_special(at))) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Blocks in which every byte value occurs, and such as look like text.
    fn blocks() -> impl Iterator<Item = [u8; 64]> {
        let mut state = 7_u64;
        (0..4000).map(move |round| {
            std::array::from_fn(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let random = (state >> 56) as u8;
                let textual =
                    b"ab,\"\\\n\r\0\xff0189./:-{}[] \t\x0c\x1a\x1f;"[usize::from(random) % 27];
                if round % 2 == 0 { random } else { textual }
            })
        })
    }

    fn check(lanes: impl Lanes) {
        for block in blocks() {
            let low = block.first_chunk::<32>().expect("there are more");
            assert_eq!(lanes.json_bytes(&block), plain::json_bytes(&block));
            let sixteen = block.first_chunk::<16>().expect("there are more");
            let bits = u64::from_le_bytes(*block.first_chunk().expect("there are more"));
            let odd = |at: u32| (bits << (63 - at)).count_ones() % 2 == 1;
            assert!((0..64).all(|at| (lanes.parities(bits) >> at) & 1 == u64::from(odd(at))));
            for byte in *b"\n,\"\0\xff;" {
                assert_eq!(lanes.equal_to(&block, byte), plain::equal_to(&block, byte));
                assert_eq!(
                    lanes.contains_or_beyond(&block, byte),
                    block.contains(&byte) || !block.is_ascii()
                );
            }
            // Each byte may be one of those from half of it to itself.
            let ranges = block.map(|byte| (byte / 2, byte));
            let bounds = Bounds::of(&ranges).next().expect("one block");
            let any = Bounds::ANY;
            let both = [bounds.clone(), any];
            assert!(lanes.keep_to(&[block, block], &both));
            let at = usize::from(block[0]) % 64;
            for other in 0..=u8::MAX {
                let mut block = block;
                let is_within = (block[at] / 2..=block[at]).contains(&other);
                block[at] = other;
                let bounds = [bounds.clone()];
                assert_eq!(lanes.keep_to(&[block], &bounds), is_within, "{block:?} {at}");
                assert_eq!(lanes.keep_to(&[block, block], &both), is_within, "{block:?} {at}");
            }
            // One byte may be any text, the others anything.
            let mut ranges = [(0, u8::MAX); 64];
            ranges[at] = (b' ', 0x7f);
            let bounds = Bounds::of(&ranges).next().expect("one block");
            for other in 0..=u8::MAX {
                let mut block = block;
                block[at] = other;
                let is_plain = !matches!(other, b'"' | b'\\');
                assert_eq!(lanes.has_no_specials(&block, &bounds), is_plain, "{block:?} {at}");
            }
            assert_eq!(lanes.is_ascii(&block), block.is_ascii());
            let ascii = block.map(|byte| byte & 0x7f);
            assert!(lanes.is_ascii(&ascii));
            assert_eq!(lanes.string_stops(low), plain::string_stops(low));
            let any = [b',', b'"', block[3], 0xff];
            assert_eq!(lanes.any_of(low, any), plain::any_of(low, any));
            assert_eq!(lanes.digits_and_points(sixteen), plain::digits_and_points(sixteen));
        }
    }

    #[test]
    fn the_baseline_finds_what_a_loop_finds() {
        check(Baseline);
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn avx2_finds_what_a_loop_finds() {
        if let Some(lanes) = Avx2::detect() {
            check(lanes);
        }
    }
}
