//! Where the characters stand that CSV's structure is made of: delimiters, newlines and quotes.
//!
//! Text is looked through some thousand bytes ahead of the records, 64 bytes at a time, by the
//! [`Lanes`] that the caller is compiled for. Of stops, which are delimiters
//! and newlines, a bit a byte is kept; newlines and quotes are listed. A record without quotes is then the
//! bits between two newlines, and the right number of them makes it regular, without a look at the text.

#[cfg(target_arch = "x86_64")]
use super::ends::note_rows_avx2;
use super::ends::{BITS_BEHIND, Bits, note_rows, write};
#[cfg(target_arch = "x86_64")]
use crate::text::lanes::Avx2;
use crate::text::lanes::{Baseline, Lanes, Level};
use crate::text::slot::narrow;

/// How far is looked ahead at a time: bits, lists and the text then take a part of L1 only.
const AHEAD_BYTES: usize = 8 << 10;
const BLOCK_BYTES: usize = 64;
/// Newlines or quotes of one block that are listed without asking whether there are so many.
const LISTED_FIRST: usize = 2;

/// The structure of a frame, as far as it has been looked through.
pub(crate) struct Structure {
    // Fixed at construction.
    delimiter: u8,
    quote: u8,
    // Changes with every look ahead.
    /// Which bytes from `base` on are stops, a bit each, with [`BITS_BEHIND`].
    stops: Vec<u8>,
    base: usize,
    newlines: Positions,
    quotes: Positions,
    /// Bytes of the frame that have been looked through.
    seen: usize,
    /// No byte at or behind this one is anything but ASCII, as far as has been looked.
    ascii_from: usize,
    // Changes with every run.
    /// The byte before the first record, then the ends of all fields. Room behind them.
    ends: Vec<u32>,
}

/// Records that are regular.
pub(crate) struct Run<'a> {
    /// The byte before the first record, then the ends of the fields of each.
    pub(crate) ends: &'a [u32],
    /// Whether they are known to be ASCII.
    pub(crate) is_ascii: bool,
}

/// Positions that were found, front to back, the foremost of which are taken.
#[derive(Default)]
struct Positions {
    /// Those found are the first `count`; what is behind them is room.
    list: Vec<u32>,
    count: usize,
    /// Index of the first that no record has taken.
    cursor: usize,
}

impl Positions {
    fn clear(&mut self) {
        (self.count, self.cursor) = (0, 0);
    }

    /// Those that no record has taken.
    fn left(&self) -> &[u32] {
        &self.list[self.cursor..self.count]
    }

    /// Forgets what is taken, and makes room for all bytes of a look ahead.
    fn make_room(&mut self) {
        self.list.copy_within(self.cursor..self.count, 0);
        self.count -= self.cursor;
        self.cursor = 0;
        let room = self.count + AHEAD_BYTES + BLOCK_BYTES;
        if self.list.len() < room {
            self.list.resize(room, 0);
        }
    }

    /// Appends `base` plus the place of each bit.
    #[inline(never)]
    fn append(&mut self, base: u32, bits: u64) {
        self.count += list(self.list[self.count..].first_chunk_mut().expect(ROOM), base, bits);
    }

    /// Steps over all before `position`.
    fn skip_to(&mut self, position: u32) {
        while self.cursor < self.count && self.list[self.cursor] < position {
            self.cursor += 1;
        }
    }
}

impl Structure {
    pub(crate) fn new(delimiter: u8, quote: u8) -> Self {
        Self {
            delimiter,
            quote,
            stops: vec![0; BITS_BEHIND],
            base: 0,
            newlines: Positions::default(),
            quotes: Positions::default(),
            seen: 0,
            ascii_from: 0,
            ends: Vec::new(),
        }
    }

    /// Starts over at `position` of a new frame.
    pub(crate) fn begin(&mut self, position: usize) {
        self.stops.clear();
        self.stops.resize(BITS_BEHIND, 0);
        self.newlines.clear();
        self.quotes.clear();
        self.base = position;
        self.seen = position;
        self.ascii_from = position;
    }

    /// Takes the records from `start` on, at most `rows_max`, that start before `limit` and have
    /// `field_count` fields and no quotes; with `stop_at_return` those before one that ends with a
    /// carriage return. Fewer than there are where the look ahead ends.
    #[inline(always)]
    pub(crate) fn run<L: Lanes>(
        &mut self,
        bytes: &[u8],
        (start, limit): (usize, usize),
        field_count: usize,
        rows_max: usize,
        stop_at_return: bool,
    ) -> Run<'_> {
        if self.newlines.left().is_empty() {
            self.fill::<L>(bytes, start);
        }
        self.quotes.skip_to(narrow(start));
        let newlines = self.newlines.left();
        let mut newlines = &newlines[..newlines.len().min(rows_max)];
        if let Some(&quote) = self.quotes.left().first() {
            newlines = &newlines[..newlines.partition_point(|&newline| newline < quote)];
        }
        if newlines.last().is_some_and(|&last| last as usize >= limit) {
            let before =
                newlines.partition_point(|&newline| (newline as usize) < limit.saturating_sub(1));
            newlines = &newlines[..newlines.len().min(before + 1)];
        }
        let room = 1 + newlines.len() * field_count;
        if self.ends.len() < room {
            self.ends.resize(room, 0);
        }
        self.ends[0] = narrow(start).wrapping_sub(1);
        let text = stop_at_return.then_some(bytes);
        let bits = Bits { stops: &self.stops, base: self.base };
        let ends = &mut self.ends[1..];
        let row_count = match L::LEVEL {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the caller is compiled for this level.
            Level::Avx2 => unsafe {
                note_rows_avx2(bits, text, narrow(start), newlines, field_count, ends)
            },
            Level::Baseline => note_rows(bits, text, narrow(start), newlines, field_count, ends),
        };
        self.newlines.cursor += row_count;
        let is_ascii = start >= self.ascii_from;
        Run { ends: &self.ends[..=row_count * field_count], is_ascii }
    }

    /// Steps over all records that end before `position`, which is where one begins.
    pub(crate) fn skip_to(&mut self, position: usize) {
        if position >= self.seen {
            self.begin(position);
        } else {
            self.newlines.skip_to(narrow(position));
        }
    }

    /// Looks further, until a newline is known or the frame ends. The open record begins at `start`.
    #[inline(always)]
    fn fill<L: Lanes>(&mut self, bytes: &[u8], start: usize) {
        let taken = (start - self.base) / 8;
        self.stops.drain(..taken);
        self.base += 8 * taken;
        while self.newlines.left().is_empty() && self.seen < bytes.len() {
            self.newlines.make_room();
            self.quotes.make_room();
            let end = bytes.len().min(self.seen + AHEAD_BYTES);
            let (blocks, rest) = bytes[self.seen..end].as_chunks::<BLOCK_BYTES>();
            let mut is_ascii = match L::LEVEL {
                #[cfg(target_arch = "x86_64")]
                // SAFETY: the caller is compiled for this level.
                Level::Avx2 => unsafe { self.note_avx2(blocks) },
                Level::Baseline => self.note::<Baseline>(blocks, u64::MAX),
            };
            if !rest.is_empty() {
                // What is behind the end is masked off, whatever it would be taken for.
                let mut padded = [0; BLOCK_BYTES];
                padded[..rest.len()].copy_from_slice(rest);
                is_ascii &= self.note::<L>(&[padded], (1 << rest.len()) - 1);
            }
            self.seen = end;
            if !is_ascii {
                self.ascii_from = end;
            }
        }
    }

    /// Apart from the rest of the decoder, which leaves the loop too few registers.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
    #[inline(never)]
    fn note_avx2(&mut self, blocks: &[[u8; BLOCK_BYTES]]) -> bool {
        self.note::<Avx2>(blocks, u64::MAX)
    }

    /// Takes in blocks, where `valid` has bits. Whether they are all ASCII.
    #[inline(always)]
    fn note<L: Lanes>(&mut self, blocks: &[[u8; BLOCK_BYTES]], valid: u64) -> bool {
        let (delimiter, quote) = (self.delimiter, self.quote);
        let known = self.stops.len() - BITS_BEHIND;
        self.stops.resize(known + 8 * blocks.len() + BITS_BEHIND, 0);
        let words = self.stops[known..].as_chunks_mut::<8>().0;
        let newline_list = &mut self.newlines.list[self.newlines.count..];
        let (mut newline_count, mut is_ascii) = (0, true);
        let mut base = narrow(self.seen);
        for (block, stops) in blocks.iter().zip(words) {
            let newlines = L::equal_to(block, b'\n') & valid;
            *stops = (newlines | (L::equal_to(block, delimiter) & valid)).to_le_bytes();
            let room = newline_list[newline_count..].first_chunk_mut().expect(ROOM);
            newline_count += list(room, base, newlines);
            if L::contains(block, quote) {
                self.quotes.append(base, Baseline::equal_to(block, quote) & valid);
            }
            is_ascii &= L::is_ascii(block);
            base += narrow(BLOCK_BYTES);
        }
        self.newlines.count += newline_count;
        self.seen += blocks.len() * BLOCK_BYTES;
        is_ascii
    }
}

const ROOM: &str = "made before every look ahead";

/// Lists `base` plus the place of each bit, and says how many there are.
#[inline(always)]
fn list(room: &mut [u32; BLOCK_BYTES], base: u32, bits: u64) -> usize {
    let found = bits.count_ones() as usize;
    let (first, others) = room.split_at_mut(LISTED_FIRST);
    let left = write(first, base, bits);
    if found > LISTED_FIRST {
        write(&mut others[..found - LISTED_FIRST], base, left);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIELDS: usize = 2;

    /// Takes as many records as a run has, again and again; where it has none, what `skip` says.
    fn stops(text: &[u8], rows_max: usize, skip: impl Fn(usize) -> Option<usize>) -> Vec<u32> {
        let mut structure = Structure::new(b',', b'"');
        let (mut at, mut found) = (0, Vec::new());
        loop {
            let run =
                structure.run::<Baseline>(text, (at, usize::MAX), FIELDS, rows_max, false).ends;
            assert_eq!(run[0], narrow(at).wrapping_sub(1));
            let taken = run[1..].to_vec();
            if let Some(last) = taken.last() {
                at = *last as usize + 1;
                found.extend(taken);
            } else if let Some(next) = skip(at) {
                structure.skip_to(next);
                at = next;
            } else {
                return found;
            }
        }
    }

    #[test]
    fn regular_records_are_found_however_many_are_taken_at_a_time() {
        let text: Vec<u8> =
            (0..9000).flat_map(|i| format!("{i},{}\n", i * i).into_bytes()).collect();
        let is_stop = |at: &usize| matches!(text[*at], b',' | b'\n');
        let expected: Vec<u32> = (0..text.len()).filter(is_stop).map(narrow).collect();
        for rows_max in [1, 7, 256] {
            assert_eq!(stops(&text, rows_max, |_| None), expected);
        }
    }

    #[test]
    fn others_end_a_run() {
        let lines = ["1,2", "a", "3,4", "\"x\",5", "", "6,7", "8,9,0", "1,1"];
        let many = lines.iter().cycle().take(8 * 3000);
        let text: Vec<u8> = many.flat_map(|line| format!("{line}\n").into_bytes()).collect();
        let next = |at: usize| {
            let len = text[at..].iter().position(|byte| *byte == b'\n')?;
            Some(at + len + 1)
        };
        // Of eight records, four are regular, two stops each.
        assert_eq!(stops(&text, 256, next).len(), 8 * 3000);
    }
}
