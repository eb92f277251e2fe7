//! Where the characters stand that CSV's structure is made of: delimiters, newlines and quotes.
//!
//! Positions are gathered some thousand bytes ahead of the records, 64 bytes at a time, by the
//! [`Lanes`](crate::text::lanes::Lanes) that the caller is compiled for. Records without quotes that have the right
//! number of fields are then found by arithmetic on them, without a look at the text.

use crate::text::lanes::Lanes;
use crate::text::slot::narrow;

/// How far the lists are filled at a time: they and the text then take a part of L1 only.
const AHEAD_BYTES: usize = 8 << 10;
const BLOCK_BYTES: usize = 64;
/// Stops of one block that are written without asking whether there are so many.
const STOPS_FIRST: usize = 12;
/// The same of newlines.
const NEWLINES_FIRST: usize = 2;

/// Positions of what gives a frame its structure, each list front to back.
pub(crate) struct Structure {
    // Fixed at construction.
    delimiter: u8,
    quote: u8,
    // Changes with every record.
    /// Delimiters and newlines. The one before the first untaken is the newline of the record before;
    /// the first of all stands for one before the text.
    stops: Positions,
    newlines: Positions,
    quotes: Positions,
    /// Bytes of the frame that have been looked through.
    seen: usize,
    /// No byte at or behind this one is anything but ASCII, as far as has been looked.
    ascii_from: usize,
}

/// Positions that were found, of which the foremost are taken.
#[derive(Default)]
struct Positions {
    /// Those found are the first `count`; what is behind them is room.
    list: Vec<u32>,
    count: usize,
    /// Index of the first that no record has taken.
    cursor: usize,
}

impl Positions {
    /// Forgets what is taken, but for the last `kept` of it, and makes room for all bytes of a look
    /// ahead.
    fn make_room(&mut self, kept: usize) {
        let first = self.cursor - kept;
        self.list.copy_within(first..self.count, 0);
        self.count -= first;
        self.cursor = kept;
        let room = self.count + AHEAD_BYTES + BLOCK_BYTES;
        if self.list.len() < room {
            self.list.resize(room, 0);
        }
    }

    /// Appends `base` plus the place of each bit.
    ///
    /// Writes a fixed number of positions, set or not, before it asks whether there are more, because
    /// a branch for every bit is one that cannot be foreseen.
    #[inline(always)]
    fn note<const FIRST: usize>(&mut self, base: u32, bits: u64) {
        let room: &mut [u32; BLOCK_BYTES] =
            self.list[self.count..].first_chunk_mut().expect("made before every look ahead");
        let mut left = bits;
        let mut write = |positions: &mut [u32]| {
            for position in positions {
                *position = base + left.trailing_zeros();
                left &= left.wrapping_sub(1);
            }
        };
        let found = bits.count_ones() as usize;
        write(&mut room[..FIRST]);
        if found > FIRST {
            write(&mut room[FIRST..2 * FIRST]);
            if found > 2 * FIRST {
                write(&mut room[2 * FIRST..]);
            }
        }
        self.count += found;
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
        let mut structure = Self {
            delimiter,
            quote,
            stops: Positions::default(),
            newlines: Positions::default(),
            quotes: Positions::default(),
            seen: 0,
            ascii_from: 0,
        };
        structure.begin(0);
        structure
    }

    /// Starts over at `position` of a new frame.
    pub(crate) fn begin(&mut self, position: usize) {
        for positions in [&mut self.stops, &mut self.newlines, &mut self.quotes] {
            (positions.count, positions.cursor) = (0, 0);
        }
        self.stops.make_room(0);
        (self.stops.count, self.stops.cursor) = (1, 1);
        self.seen = position;
        self.ascii_from = position;
    }

    /// The records from `start` on, at most `rows_max`, that have `field_count` fields and no quotes, and
    /// of which `is_wanted` says so by their start and end: for `n` of them, `n × field_count` stops, with
    /// the byte before `start` in front. Fewer than there are where the lists end.
    #[inline(always)]
    pub(crate) fn run<L: Lanes>(
        &mut self,
        bytes: &[u8],
        start: usize,
        field_count: usize,
        rows_max: usize,
        is_wanted: impl Fn(u32, u32) -> bool,
    ) -> &[u32] {
        if self.newlines.cursor == self.newlines.count {
            self.fill::<L>(bytes);
        }
        self.quotes.skip_to(narrow(start));
        let Positions { list: quotes, count: quote_count, cursor: quote_cursor } = &self.quotes;
        let quote = quotes[*quote_cursor..*quote_count].first().copied().unwrap_or(u32::MAX);
        let newlines = &self.newlines.list[self.newlines.cursor..self.newlines.count];
        let first = self.stops.cursor - 1;
        let stops = &mut self.stops.list[first..self.stops.count];
        stops[0] = narrow(start).wrapping_sub(1);
        let (mut before, mut row_count) = (stops[0], 0);
        let ends = stops[1..].iter().skip(field_count - 1).step_by(field_count);
        // Where each newline is that of a record, none is within one.
        for (&end, &newline) in ends.zip(newlines).take(rows_max) {
            if end != newline || end > quote || !is_wanted(before.wrapping_add(1), end) {
                break;
            }
            before = end;
            row_count += 1;
        }
        &stops[..=row_count * field_count]
    }

    /// Steps over so many records of a run of `field_count` fields: their stops, as [`Self::run`] gives
    /// them.
    #[inline(always)]
    pub(crate) fn take(&mut self, row_count: usize, field_count: usize) -> &[u32] {
        let first = self.stops.cursor - 1;
        self.stops.cursor += row_count * field_count;
        self.newlines.cursor += row_count;
        &self.stops.list[first..self.stops.cursor]
    }

    /// Whether the text from `start` on is ASCII, as far as has been looked.
    pub(crate) fn is_ascii_from(&self, start: usize) -> bool {
        start >= self.ascii_from
    }

    /// Steps over all records that end before `position`, which is where one begins.
    pub(crate) fn skip_to(&mut self, position: usize) {
        if position >= self.seen {
            self.begin(position);
            return;
        }
        self.stops.skip_to(narrow(position));
        self.newlines.skip_to(narrow(position));
    }

    /// Looks further, until another newline is known or the frame ends.
    #[inline(always)]
    fn fill<L: Lanes>(&mut self, bytes: &[u8]) {
        while self.newlines.cursor == self.newlines.count && self.seen < bytes.len() {
            // The stop before the cursor stays in front.
            self.stops.make_room(1);
            self.newlines.make_room(0);
            self.quotes.make_room(0);
            let end = bytes.len().min(self.seen + AHEAD_BYTES);
            let (blocks, rest) = bytes[self.seen..end].as_chunks::<BLOCK_BYTES>();
            let mut is_ascii = true;
            for block in blocks {
                is_ascii &= self.note::<L>(block, u64::MAX);
                self.seen += BLOCK_BYTES;
            }
            if !rest.is_empty() {
                // What is behind the end is masked off, whatever it would be taken for.
                let mut padded = [0; BLOCK_BYTES];
                padded[..rest.len()].copy_from_slice(rest);
                is_ascii &= self.note::<L>(&padded, (1 << rest.len()) - 1);
                self.seen += rest.len();
            }
            if !is_ascii {
                self.ascii_from = self.seen;
            }
        }
    }

    /// Appends what one block holds where `valid` has bits. Whether it is all ASCII.
    #[inline(always)]
    fn note<L: Lanes>(&mut self, block: &[u8; BLOCK_BYTES], valid: u64) -> bool {
        let base = narrow(self.seen);
        let newlines = L::equal_to(block, b'\n') & valid;
        let stops = newlines | (L::equal_to(block, self.delimiter) & valid);
        let quotes = L::equal_to(block, self.quote) & valid;
        self.newlines.note::<NEWLINES_FIRST>(base, newlines);
        self.stops.note::<STOPS_FIRST>(base, stops);
        if quotes != 0 {
            self.quotes.note::<STOPS_FIRST>(base, quotes);
        }
        L::is_ascii(block)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::lanes::Baseline;

    const FIELDS: usize = 2;

    /// Takes as many records as a run has, again and again; where it has none, what `skip` says.
    fn stops(text: &[u8], rows_max: usize, skip: impl Fn(usize) -> Option<usize>) -> Vec<u32> {
        let mut structure = Structure::new(b',', b'"');
        let (mut at, mut found) = (0, Vec::new());
        loop {
            let run = structure.run::<Baseline>(text, at, FIELDS, rows_max, |_, _| true);
            assert_eq!(run[0], narrow(at).wrapping_sub(1));
            let taken = run[1..].to_vec();
            if let Some(last) = taken.last() {
                at = *last as usize + 1;
                structure.take(taken.len() / FIELDS, FIELDS);
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
