//! Where the characters stand that CSV's structure is made of: delimiters, newlines and quotes.
//!
//! Their positions are gathered into a list some thousand bytes ahead of the records, 64 bytes at a
//! time: SSE2 where the target has it (every x86-64 does), a plain loop elsewhere, with equal
//! results.

use crate::text::slot::narrow;

/// How far the list is filled at a time: it then takes a part of L1 only.
const AHEAD_BYTES: usize = 8 << 10;
const BLOCK_BYTES: usize = 64;

/// Positions of the structural characters of a frame, front to back.
pub(crate) struct Structure {
    // Fixed at construction.
    delimiter: u8,
    quote: u8,
    // Changes with every record.
    positions: Vec<u32>,
    /// Index of the first position that no record has taken.
    cursor: usize,
    /// Bytes of the frame that have been looked through.
    seen: usize,
}

impl Structure {
    pub(crate) fn new(delimiter: u8, quote: u8) -> Self {
        Self { delimiter, quote, positions: Vec::new(), cursor: 0, seen: 0 }
    }

    /// Starts over at `position` of a new frame.
    pub(crate) fn begin(&mut self, position: usize) {
        self.positions.clear();
        self.cursor = 0;
        self.seen = position;
    }

    /// The next `count` positions, if the frame has so many.
    #[inline]
    pub(crate) fn peek(&mut self, bytes: &[u8], count: usize) -> Option<&[u32]> {
        if self.positions.len() - self.cursor < count {
            self.fill(bytes, count);
        }
        self.positions.get(self.cursor..self.cursor + count)
    }

    /// Steps over `count` positions.
    #[inline]
    pub(crate) fn take(&mut self, count: usize) {
        self.cursor += count;
    }

    /// Steps over all positions before `position`.
    pub(crate) fn skip_to(&mut self, position: usize) {
        if position >= self.seen {
            self.begin(position);
            return;
        }
        let rest = &self.positions[self.cursor..];
        self.cursor += rest.iter().take_while(|at| (**at as usize) < position).count();
    }

    #[cold]
    fn fill(&mut self, bytes: &[u8], count: usize) {
        self.positions.drain(..self.cursor);
        self.cursor = 0;
        while self.positions.len() < count && self.seen < bytes.len() {
            let end = bytes.len().min(self.seen + AHEAD_BYTES);
            let (blocks, rest) = bytes[self.seen..end].as_chunks::<BLOCK_BYTES>();
            for block in blocks {
                let mask = block_mask(block, self.delimiter, self.quote);
                self.note(mask);
            }
            if !rest.is_empty() {
                // Zero is none of the three, and if it is, the padding is masked off.
                let mut padded = [0; BLOCK_BYTES];
                padded[..rest.len()].copy_from_slice(rest);
                let mask = block_mask(&padded, self.delimiter, self.quote);
                self.note(mask & ((1 << rest.len()) - 1));
                self.seen -= BLOCK_BYTES - rest.len();
            }
        }
    }

    /// Appends the positions of one block's set bits.
    #[inline]
    fn note(&mut self, mut mask: u64) {
        let base = narrow(self.seen);
        self.positions.reserve(BLOCK_BYTES);
        while mask != 0 {
            self.positions.push(base + mask.trailing_zeros());
            mask &= mask - 1;
        }
        self.seen += BLOCK_BYTES;
    }
}

/// Bit `i` is set where byte `i` is a newline, the delimiter or the quote.
#[cfg(target_arch = "x86_64")]
#[inline]
fn block_mask(block: &[u8; BLOCK_BYTES], delimiter: u8, quote: u8) -> u64 {
    use std::arch::x86_64::{
        __m128i, _mm_cmpeq_epi8, _mm_loadu_si128, _mm_movemask_epi8, _mm_or_si128, _mm_set1_epi8,
    };
    let lanes = block.as_chunks::<16>().0.iter();
    // SAFETY: every x86-64 has SSE2; each lane is 16 readable bytes, and the load needs no alignment.
    unsafe {
        let newline = _mm_set1_epi8(b'\n'.cast_signed());
        let delimiter = _mm_set1_epi8(delimiter.cast_signed());
        let quote = _mm_set1_epi8(quote.cast_signed());
        lanes.enumerate().fold(0, |mask, (index, lane)| {
            let lane = _mm_loadu_si128(lane.as_ptr().cast::<__m128i>());
            let outer =
                _mm_or_si128(_mm_cmpeq_epi8(lane, newline), _mm_cmpeq_epi8(lane, delimiter));
            let found = _mm_or_si128(outer, _mm_cmpeq_epi8(lane, quote));
            mask | (u64::from(_mm_movemask_epi8(found).cast_unsigned()) << (16 * index))
        })
    }
}

/// Bit `i` is set where byte `i` is a newline, the delimiter or the quote.
#[cfg(not(target_arch = "x86_64"))]
#[inline]
fn block_mask(block: &[u8; BLOCK_BYTES], delimiter: u8, quote: u8) -> u64 {
    block_mask_portable(block, delimiter, quote)
}

#[cfg(any(test, not(target_arch = "x86_64")))]
fn block_mask_portable(block: &[u8; BLOCK_BYTES], delimiter: u8, quote: u8) -> u64 {
    block.iter().enumerate().fold(0, |mask, (index, &byte)| {
        let is_found = byte == b'\n' || byte == delimiter || byte == quote;
        mask | (u64::from(is_found) << index)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn both_ways_find_the_same() {
        let mut state = 7_u64;
        for _ in 0..500 {
            let mut block = [0; BLOCK_BYTES];
            for byte in &mut block {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                *byte = b"ab,\"\n\r\0\xff"[(state >> 60) as usize % 8];
            }
            assert_eq!(block_mask(&block, b',', b'"'), block_mask_portable(&block, b',', b'"'));
        }
    }

    #[test]
    fn positions_come_in_order_however_they_are_asked_for() {
        let bytes: Vec<u8> = (0..20_000).map(|i| if i % 7 == 3 { b',' } else { b'x' }).collect();
        let expected: Vec<u32> = (0..20_000).filter(|i| i % 7 == 3).collect();
        let mut structure = Structure::new(b',', b'"');
        structure.begin(0);
        let mut found = Vec::new();
        while let Some(two) = structure.peek(&bytes, 2).map(<[u32]>::to_vec) {
            found.extend(two);
            structure.take(2);
        }
        found.extend(structure.peek(&bytes, 1).into_iter().flatten());
        assert_eq!(found, expected);
        structure.begin(0);
        structure.peek(&bytes, 1).unwrap();
        structure.skip_to(100);
        assert_eq!(structure.peek(&bytes, 1), Some(&[101][..]));
        structure.skip_to(19_990);
        assert_eq!(structure.peek(&bytes, 1), Some(&[19_995][..]));
    }
}
