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
const LINES_FIRST: usize = 2;

/// Positions of the stops of a frame, which are its delimiters and newlines, front to back.
pub(crate) struct Structure {
    // Fixed at construction.
    delimiter: u8,
    quote: u8,
    // Changes with every record.
    /// Those found are the first [`Self::stop_count`]; what is behind them is room. The first of all
    /// stands for the newline before the text.
    stops: Vec<u32>,
    stop_count: usize,
    /// Index of the first stop that no record has taken, at least 1. The stop before is the newline of
    /// the record before.
    cursor: usize,
    /// The newlines among the stops; room behind them as above.
    lines: Vec<Line>,
    line_count: usize,
    /// Index of the first line that no record has taken.
    line_cursor: usize,
    /// Quotes found.
    quote_count: u32,
    /// Those before the cursor.
    quotes_taken: u32,
    /// Bytes of the frame that have been looked through.
    seen: usize,
}

/// A newline.
#[derive(Clone, Copy, Default)]
struct Line {
    /// Its index among the stops.
    stop: u32,
    /// Quotes before it.
    quotes: u32,
}

impl Structure {
    pub(crate) fn new(delimiter: u8, quote: u8) -> Self {
        let mut structure = Self {
            delimiter,
            quote,
            stops: Vec::new(),
            stop_count: 0,
            cursor: 0,
            lines: Vec::new(),
            line_count: 0,
            line_cursor: 0,
            quote_count: 0,
            quotes_taken: 0,
            seen: 0,
        };
        structure.begin(0);
        structure
    }

    /// Starts over at `position` of a new frame.
    pub(crate) fn begin(&mut self, position: usize) {
        self.make_room(1);
        self.stop_count = 1;
        self.cursor = 1;
        self.line_count = 0;
        self.line_cursor = 0;
        self.quote_count = 0;
        self.quotes_taken = 0;
        self.seen = position;
    }

    /// The records from `start` on, at most `rows_max`, that have `field_count` fields and no quotes: for
    /// `n` of them, `n × field_count` stops, with the byte before `start` in front. Fewer than there are
    /// where the list ends.
    #[inline(always)]
    pub(crate) fn run<L: Lanes>(
        &mut self,
        bytes: &[u8],
        start: usize,
        field_count: usize,
        rows_max: usize,
    ) -> &[u32] {
        if self.line_cursor == self.line_count {
            self.fill::<L>(bytes);
        }
        let known = &self.lines[self.line_cursor..self.line_count];
        let fields = narrow(field_count);
        let (mut stop, quotes) = (narrow(self.cursor - 1), self.quotes_taken);
        let mut row_count = 0;
        for line in &known[..known.len().min(rows_max)] {
            stop += fields;
            if (line.stop ^ stop) | (line.quotes ^ quotes) != 0 {
                break;
            }
            row_count += 1;
        }
        self.stops[self.cursor - 1] = narrow(start).wrapping_sub(1);
        &self.stops[self.cursor - 1..self.cursor + row_count * field_count]
    }

    /// Steps over so many records of a run of `field_count` fields: their stops, as [`Self::run`] gives
    /// them.
    #[inline(always)]
    pub(crate) fn take(&mut self, row_count: usize, field_count: usize) -> &[u32] {
        let first = self.cursor - 1;
        self.cursor += row_count * field_count;
        self.line_cursor += row_count;
        if let Some(line) = self.line_cursor.checked_sub(1).map(|last| self.lines[last]) {
            self.quotes_taken = line.quotes;
        }
        &self.stops[first..self.cursor]
    }

    /// Steps over all lines that end before `position`, which is where a record begins.
    pub(crate) fn skip_to(&mut self, position: usize) {
        if position >= self.seen {
            self.begin(position);
            return;
        }
        while self.line_cursor < self.line_count {
            let line = self.lines[self.line_cursor];
            if self.stops[line.stop as usize] as usize >= position {
                break;
            }
            self.cursor = line.stop as usize + 1;
            self.quotes_taken = line.quotes;
            self.line_cursor += 1;
        }
    }

    /// Looks further, until another newline is known or the frame ends.
    #[inline(always)]
    fn fill<L: Lanes>(&mut self, bytes: &[u8]) {
        // The stop before the cursor stays in front.
        self.stops.copy_within(self.cursor - 1..self.stop_count, 0);
        self.stop_count -= self.cursor - 1;
        self.cursor = 1;
        self.line_count = 0;
        self.line_cursor = 0;
        self.quote_count -= self.quotes_taken;
        self.quotes_taken = 0;
        while self.line_count == 0 && self.seen < bytes.len() {
            self.make_room(self.stop_count + AHEAD_BYTES + BLOCK_BYTES);
            let end = bytes.len().min(self.seen + AHEAD_BYTES);
            let (blocks, rest) = bytes[self.seen..end].as_chunks::<BLOCK_BYTES>();
            for block in blocks {
                self.note::<L>(block, u64::MAX);
                self.seen += BLOCK_BYTES;
            }
            if !rest.is_empty() {
                // What is behind the end is masked off, whatever it would be taken for.
                let mut padded = [0; BLOCK_BYTES];
                padded[..rest.len()].copy_from_slice(rest);
                self.note::<L>(&padded, (1 << rest.len()) - 1);
                self.seen += rest.len();
            }
        }
    }

    fn make_room(&mut self, room: usize) {
        if self.stops.len() < room {
            self.stops.resize(room, 0);
            self.lines.resize(room, Line::default());
        }
    }

    /// Appends what one block holds where `valid` has bits.
    ///
    /// Writes a fixed number of positions, set or not, before it asks whether there are more, because
    /// a branch for every bit is one that cannot be foreseen.
    #[inline(always)]
    fn note<L: Lanes>(&mut self, block: &[u8; BLOCK_BYTES], valid: u64) {
        let newlines = L::equal_to(block, b'\n') & valid;
        let stops = newlines | (L::equal_to(block, self.delimiter) & valid);
        let quotes = L::equal_to(block, self.quote) & valid;
        self.note_lines(newlines, stops, quotes);
        self.quote_count += quotes.count_ones();
        let base = narrow(self.seen);
        let room: &mut [u32; BLOCK_BYTES] =
            self.stops[self.stop_count..].first_chunk_mut().expect("made before every look ahead");
        let mut left = stops;
        let mut write = |from: usize, to: usize| {
            for position in &mut room[from..to] {
                *position = base + left.trailing_zeros();
                left &= left.wrapping_sub(1);
            }
        };
        let found = stops.count_ones() as usize;
        write(0, STOPS_FIRST);
        if found > STOPS_FIRST {
            write(STOPS_FIRST, 2 * STOPS_FIRST);
            if found > 2 * STOPS_FIRST {
                write(2 * STOPS_FIRST, BLOCK_BYTES);
            }
        }
        self.stop_count += found;
    }

    #[inline(always)]
    fn note_lines(&mut self, newlines: u64, stops: u64, quotes: u64) {
        let room: &mut [Line; BLOCK_BYTES] =
            self.lines[self.line_count..].first_chunk_mut().expect("as much room as for stops");
        let (stop_base, quote_base) = (narrow(self.stop_count), self.quote_count);
        let found = newlines.count_ones() as usize;
        let mut left = newlines;
        let mut write = |line: &mut Line| {
            // All bits before the lowest one, or all where there is none.
            let before = left.wrapping_sub(1) & !left;
            *line = Line {
                stop: stop_base + (stops & before).count_ones(),
                quotes: quote_base + (quotes & before).count_ones(),
            };
            left &= left.wrapping_sub(1);
        };
        room[..LINES_FIRST].iter_mut().for_each(&mut write);
        if found > LINES_FIRST {
            room[LINES_FIRST..found].iter_mut().for_each(write);
        }
        self.line_count += found;
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
            let run = structure.run::<Baseline>(text, at, FIELDS, rows_max);
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
