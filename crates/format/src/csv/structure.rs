//! Where the characters stand that CSV's structure is made of: delimiters, newlines and quotes.
//!
//! Their positions are gathered into a list some thousand bytes ahead of the records, 64 bytes at a
//! time, by the [`Lanes`] that the caller is compiled for.

use crate::text::lanes::Lanes;
use crate::text::slot::narrow;

/// How far the list is filled at a time: it then takes a part of L1 only.
const AHEAD_BYTES: usize = 4 << 10;
const BLOCK_BYTES: usize = 64;

/// Positions of the structural characters of a frame, front to back.
pub(crate) struct Structure {
    // Fixed at construction.
    delimiter: u8,
    quote: u8,
    // Changes with every record.
    /// Those found are the first [`Self::count`]; what is behind them is room.
    positions: Vec<u32>,
    count: usize,
    /// Index of the first position that no record has taken.
    cursor: usize,
    /// Bytes of the frame that have been looked through.
    seen: usize,
}

impl Structure {
    pub(crate) fn new(delimiter: u8, quote: u8) -> Self {
        Self { delimiter, quote, positions: Vec::new(), count: 0, cursor: 0, seen: 0 }
    }

    /// Starts over at `position` of a new frame.
    pub(crate) fn begin(&mut self, position: usize) {
        self.count = 0;
        self.cursor = 0;
        self.seen = position;
    }

    /// The next `count` positions, if the frame has so many.
    #[inline(always)]
    pub(crate) fn peek<L: Lanes>(&mut self, bytes: &[u8], count: usize) -> Option<&[u32]> {
        if self.count - self.cursor < count {
            self.fill::<L>(bytes, count);
            if self.count < count {
                return None;
            }
        }
        self.positions.get(self.cursor..self.cursor + count)
    }

    /// Steps over `count` positions.
    #[inline(always)]
    pub(crate) fn take(&mut self, count: usize) {
        self.cursor += count;
    }

    /// Steps over all positions before `position`.
    pub(crate) fn skip_to(&mut self, position: usize) {
        if position >= self.seen {
            self.begin(position);
            return;
        }
        let rest = &self.positions[self.cursor..self.count];
        self.cursor += rest.iter().take_while(|at| (**at as usize) < position).count();
    }

    /// Looks further, until `count` positions are known or the frame ends.
    #[inline(always)]
    fn fill<L: Lanes>(&mut self, bytes: &[u8], count: usize) {
        self.positions.copy_within(self.cursor..self.count, 0);
        self.count -= self.cursor;
        self.cursor = 0;
        let three = [b'\n', self.delimiter, self.quote];
        while self.count < count && self.seen < bytes.len() {
            let room = self.count + AHEAD_BYTES + BLOCK_BYTES;
            if self.positions.len() < room {
                self.positions.resize(room, 0);
            }
            let end = bytes.len().min(self.seen + AHEAD_BYTES);
            let (blocks, rest) = bytes[self.seen..end].as_chunks::<BLOCK_BYTES>();
            for block in blocks {
                self.note(L::any_of(block, three));
            }
            if !rest.is_empty() {
                // What is behind the end is masked off, whichever characters the three are.
                let mut padded = [0; BLOCK_BYTES];
                padded[..rest.len()].copy_from_slice(rest);
                self.note(L::any_of(&padded, three) & ((1 << rest.len()) - 1));
                self.seen -= BLOCK_BYTES - rest.len();
            }
        }
    }

    /// Appends the positions of one block's set bits.
    ///
    /// Writes a fixed number of positions, set or not, before it asks whether there are more, because
    /// a branch for every bit is one that cannot be foreseen.
    #[inline(always)]
    fn note(&mut self, mut mask: u64) {
        let base = narrow(self.seen);
        let found = mask.count_ones() as usize;
        let room: &mut [u32; BLOCK_BYTES] =
            self.positions[self.count..].first_chunk_mut().expect("made before every look ahead");
        let mut write = |from: usize, to: usize| {
            for position in &mut room[from..to] {
                *position = base + mask.trailing_zeros();
                mask &= mask.wrapping_sub(1);
            }
        };
        write(0, 12);
        if found > 12 {
            write(12, 24);
            if found > 24 {
                write(24, BLOCK_BYTES);
            }
        }
        self.count += found;
        self.seen += BLOCK_BYTES;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::text::lanes::Baseline;

    #[test]
    fn positions_come_in_order_however_they_are_asked_for() {
        let bytes: Vec<u8> = (0..20_000).map(|i| if i % 7 == 3 { b',' } else { b'x' }).collect();
        let expected: Vec<u32> = (0..20_000).filter(|i| i % 7 == 3).collect();
        let mut structure = Structure::new(b',', b'"');
        structure.begin(0);
        let mut found = Vec::new();
        while let Some(two) = structure.peek::<Baseline>(&bytes, 2).map(<[u32]>::to_vec) {
            found.extend(two);
            structure.take(2);
        }
        found.extend(structure.peek::<Baseline>(&bytes, 1).into_iter().flatten());
        assert_eq!(found, expected);
        structure.begin(0);
        structure.peek::<Baseline>(&bytes, 1).unwrap();
        structure.skip_to(100);
        assert_eq!(structure.peek::<Baseline>(&bytes, 1), Some(&[101][..]));
        structure.skip_to(19_990);
        assert_eq!(structure.peek::<Baseline>(&bytes, 1), Some(&[19_995][..]));
    }
}
