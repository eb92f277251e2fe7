//! Where the characters stand that CSV's structure is made of: delimiters, newlines and quotes.
//!
//! Text is looked through some thousand bytes ahead of the records, 64 bytes at a time, by the [`Lanes`]
//! that the caller is compiled for. Delimiters and newlines are stops: the list of them is where fields
//! end. Where all records have n fields, every n-th stop is a newline and no other is: newlines are
//! counted, so that this takes a look at one byte a record. Where some have not, it takes one at each stop.

#[cfg(target_arch = "x86_64")]
use crate::text::lanes::Avx2;
use crate::text::lanes::{Baseline, Lanes, Level};
use crate::text::slot::narrow;

/// How far is looked ahead at a time: lists and the text then take a part of L1 only.
const AHEAD_BYTES: usize = 8 << 10;
const BLOCK_BYTES: usize = 64;
/// Positions of one block that are listed without asking whether there are so many.
const LISTED_FIRST: usize = 8;

/// The structure of a frame, as far as it has been looked through.
pub(crate) struct Structure {
    // Fixed at construction.
    delimiter: u8,
    quote: u8,
    // Changes with every look ahead.
    stops: Positions,
    quotes: Positions,
    /// Bytes of the frame that have been looked through.
    seen: usize,
    /// No byte at or behind this one is anything but ASCII, as far as has been looked.
    ascii_from: usize,
    // Changes with every run.
    /// Newlines among the stops that no record has taken.
    newline_count: usize,
    /// Whether newlines stand elsewhere than at the ends of regular records, in this look ahead.
    is_mixed: bool,
    /// Stops in front of this one, if no record has taken them, are of regular records.
    regular_end: usize,
    /// Whether one of those records ends with a carriage return.
    has_returns: bool,
}

/// What a run of regular records stops before.
#[derive(Clone, Copy, Default)]
pub(crate) struct Stop<'a> {
    /// A record that ends with a carriage return.
    pub(crate) at_return: bool,
    /// A line that begins with this text, behind blanks or not.
    pub(crate) comments: Option<&'a str>,
}

/// Records that are regular.
pub(crate) struct Run<'a> {
    /// The byte before the first record, then the ends of the fields of each.
    pub(crate) ends: &'a [u32],
    /// Whether they are known to be ASCII.
    pub(crate) is_ascii: bool,
}

/// Positions that were found, front to back, the foremost of which are taken.
struct Positions {
    /// Those found are the first `count`; what is behind them is room.
    list: Vec<u32>,
    count: usize,
    /// Index of the first that no record has taken, at least 1: there is always one in front of it.
    cursor: usize,
}

impl Positions {
    fn new() -> Self {
        Self { list: vec![0], count: 1, cursor: 1 }
    }

    fn clear(&mut self) {
        (self.count, self.cursor) = (1, 1);
    }

    /// Those that no record has taken.
    fn left(&self) -> &[u32] {
        &self.list[self.cursor..self.count]
    }

    /// Forgets what is taken, and makes room for all bytes of a look ahead.
    fn make_room(&mut self) {
        self.list.copy_within(self.cursor..self.count, 1);
        self.count -= self.cursor - 1;
        self.cursor = 1;
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

    /// Steps over all before `position`, and gives them.
    fn skip_to(&mut self, position: u32) -> &[u32] {
        let from = self.cursor;
        while self.cursor < self.count && self.list[self.cursor] < position {
            self.cursor += 1;
        }
        &self.list[from..self.cursor]
    }
}

impl Structure {
    pub(crate) fn new(delimiter: u8, quote: u8) -> Self {
        Self {
            delimiter,
            quote,
            stops: Positions::new(),
            quotes: Positions::new(),
            seen: 0,
            ascii_from: 0,
            newline_count: 0,
            is_mixed: false,
            regular_end: 1,
            has_returns: false,
        }
    }

    /// Starts over at `position` of a new frame.
    pub(crate) fn begin(&mut self, position: usize) {
        self.stops.clear();
        self.quotes.clear();
        self.seen = position;
        self.ascii_from = position;
        self.newline_count = 0;
        self.is_mixed = false;
        self.regular_end = self.stops.cursor;
    }

    /// Takes the records from `start` on, at most `rows_max`, that start before `limit` and have
    /// `field_count` fields and no quotes; those before one to `stop` at. Fewer than there are where the look
    /// ahead ends.
    #[inline(always)]
    pub(crate) fn run(
        &mut self,
        lanes: impl Lanes,
        bytes: &[u8],
        (start, limit): (usize, usize),
        field_count: usize,
        rows_max: usize,
        stop: Stop<'_>,
    ) -> Run<'_> {
        if self.newline_count == 0 {
            self.fill(lanes, bytes);
        }
        if self.regular_end == self.stops.cursor {
            self.quotes.skip_to(narrow(start));
            self.find_regular(bytes, field_count);
        }
        let before = self.stops.cursor - 1;
        self.stops.list[before] = narrow(start).wrapping_sub(1);
        let ends = &self.stops.list[before..self.regular_end];
        let end_of = |row: usize| ends[(row + 1) * field_count] as usize;
        let mut row_count = rows_max.min((ends.len() - 1) / field_count);
        if row_count > 0 && end_of(row_count - 1) >= limit {
            row_count = 1 + rows_until(row_count - 1, |row| end_of(row) + 1 >= limit);
        }
        if stop.at_return && self.has_returns {
            let ends_so = |row: &usize| has_return(bytes, end_of(*row));
            row_count = (0..row_count).find(ends_so).unwrap_or(row_count);
        }
        if let Some(mark) = stop.comments {
            let start_of = |row: usize| ends[row * field_count].wrapping_add(1) as usize;
            let is_comment = |row: &usize| begins_comment(&bytes[start_of(*row)..], mark);
            row_count = (0..row_count).find(is_comment).unwrap_or(row_count);
        }
        self.stops.cursor += row_count * field_count;
        self.newline_count -= row_count;
        let is_ascii = start >= self.ascii_from;
        Run { ends: &ends[..=row_count * field_count], is_ascii }
    }

    /// Steps over all records that end before `position`, which is where one begins.
    pub(crate) fn skip_to(&mut self, bytes: &[u8], position: usize) {
        if position >= self.seen {
            self.begin(position);
            return;
        }
        let skipped = self.stops.skip_to(narrow(position)).iter();
        self.newline_count -= skipped.filter(|&&stop| bytes[stop as usize] == b'\n').count();
        self.regular_end = self.regular_end.max(self.stops.cursor);
    }

    /// Sees how many records are regular, from the first that has not been taken to the first quote.
    #[inline(never)]
    fn find_regular(&mut self, bytes: &[u8], field_count: usize) {
        let left = self.stops.left();
        let quote = self.quotes.left().first().map_or(bytes.len(), |&quote| quote as usize);
        let (mut row_count, mut has_returns) = (0, false);
        let mut first = 0;
        while let Some(&end) = left.get(first + field_count - 1) {
            let end = end as usize;
            let is_newline = |stop: &u32| bytes[*stop as usize] == b'\n';
            if end >= quote
                || bytes[end] != b'\n'
                || self.is_mixed && left[first..][..field_count - 1].iter().any(is_newline)
            {
                break;
            }
            has_returns |= has_return(bytes, end);
            row_count += 1;
            first += field_count;
        }
        if row_count < self.newline_count && !self.is_mixed {
            // There are others, maybe within these records: once more, with a look at every stop.
            self.is_mixed = true;
            return self.find_regular(bytes, field_count);
        }
        self.regular_end = self.stops.cursor + row_count * field_count;
        self.has_returns = has_returns;
    }

    /// Looks further, until a newline is known or the frame ends. No record is open but the next one.
    #[inline(always)]
    fn fill(&mut self, lanes: impl Lanes, bytes: &[u8]) {
        while self.newline_count == 0 && self.seen < bytes.len() {
            self.stops.make_room();
            self.quotes.make_room();
            self.regular_end = self.stops.cursor;
            self.is_mixed = false;
            let end = bytes.len().min(self.seen + AHEAD_BYTES);
            let (blocks, rest) = bytes[self.seen..end].as_chunks::<BLOCK_BYTES>();
            let mut is_ascii = match lanes.level() {
                #[cfg(target_arch = "x86_64")]
                // SAFETY: there is such a value only where the host was found to have all that it takes.
                Level::Avx2(lanes) => unsafe { self.note_avx2(lanes, blocks) },
                Level::Baseline => self.note(Baseline, blocks, u64::MAX),
            };
            if !rest.is_empty() {
                // What is behind the end is masked off, whatever it would be taken for.
                let mut padded = [0; BLOCK_BYTES];
                padded[..rest.len()].copy_from_slice(rest);
                is_ascii &= self.note(lanes, &[padded], (1 << rest.len()) - 1);
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
    fn note_avx2(&mut self, lanes: Avx2, blocks: &[[u8; BLOCK_BYTES]]) -> bool {
        self.note(lanes, blocks, u64::MAX)
    }

    /// Takes in blocks, where `valid` has bits. Whether they are all ASCII.
    #[inline(always)]
    fn note(&mut self, lanes: impl Lanes, blocks: &[[u8; BLOCK_BYTES]], valid: u64) -> bool {
        let (delimiter, quote) = (self.delimiter, self.quote);
        let found = &mut self.stops.list[self.stops.count..];
        let (mut stop_count, mut newline_count, mut is_ascii) = (0, 0, true);
        let mut base = narrow(self.seen);
        for block in blocks {
            let newlines = lanes.equal_to(block, b'\n') & valid;
            let stops = newlines | (lanes.equal_to(block, delimiter) & valid);
            let room = found[stop_count..].first_chunk_mut().expect(ROOM);
            stop_count += list(room, base, stops);
            newline_count += newlines.count_ones() as usize;
            if lanes.contains_or_beyond(block, quote) {
                is_ascii &= lanes.is_ascii(block);
                let quotes = lanes.equal_to(block, quote) & valid;
                if quotes != 0 {
                    self.quotes.append(base, quotes);
                }
            }
            base += narrow(BLOCK_BYTES);
        }
        self.stops.count += stop_count;
        self.newline_count += newline_count;
        self.seen += blocks.len() * BLOCK_BYTES;
        is_ascii
    }
}

const ROOM: &str = "made before every look ahead";

/// Lists `base` plus the place of each bit, and says how many there are.
///
/// What is written where there are fewer bits than [`LISTED_FIRST`] counts for nothing: a branch for every
/// bit would be one that cannot be foreseen.
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

/// Fills `room` with `base` plus the place of each bit, lowest first, and gives the bits that are left.
#[inline(always)]
fn write(room: &mut [u32], base: u32, bits: u64) -> u64 {
    let mut left = bits;
    for position in room {
        // SAFETY: a reference can be written to. Volatile, because the compiler would put eight into a
        // vector first, which takes longer than to store them.
        unsafe { (&raw mut *position).write_volatile(base + left.trailing_zeros()) };
        left &= left.wrapping_sub(1);
    }
    left
}

#[inline(always)]
fn has_return(bytes: &[u8], newline: usize) -> bool {
    bytes.get(newline.wrapping_sub(1)) == Some(&b'\r')
}

/// Whether a line begins with the mark of a comment, behind blanks or not.
fn begins_comment(line: &[u8], mark: &str) -> bool {
    let blank_count = line.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    line[blank_count..].starts_with(mark.as_bytes())
}

/// How many of the first rows there are before one of which `is_behind` holds, as it does of all behind it.
fn rows_until(row_count: usize, is_behind: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, row_count);
    while low < high {
        let middle = low.midpoint(high);
        if is_behind(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    low
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
            let run = structure
                .run(Baseline, text, (at, usize::MAX), FIELDS, rows_max, Stop::default())
                .ends;
            assert_eq!(run[0], narrow(at).wrapping_sub(1));
            let taken = run[1..].to_vec();
            if let Some(last) = taken.last() {
                at = *last as usize + 1;
                found.extend(taken);
            } else if let Some(next) = skip(at) {
                structure.skip_to(text, next);
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
        // Two short ones have as many stops as one that is regular.
        let lines = ["1,2", "a", "b", "3,4", "\"x\",5", "", "6,7", "8,9,0", "1,1"];
        let many = lines.iter().cycle().take(9 * 3000);
        let text: Vec<u8> = many.flat_map(|line| format!("{line}\n").into_bytes()).collect();
        let next = |at: usize| {
            let len = text[at..].iter().position(|byte| *byte == b'\n')?;
            Some(at + len + 1)
        };
        // Of nine records, four are regular, two stops each.
        assert_eq!(stops(&text, 256, next).len(), 8 * 3000);
    }

    #[test]
    fn records_before_a_carriage_return_or_behind_the_limit() {
        let text = b"1,2\n3,4\n5,6\r\n7,8\n9,0\n";
        let ends = |start: usize, limit: usize, at_return: bool| {
            let mut structure = Structure::new(b',', b'"');
            structure.begin(start);
            let range = (start, limit);
            structure
                .run(Baseline, text, range, FIELDS, 256, Stop { at_return, comments: None })
                .ends
                .to_vec()
        };
        let before = u32::MAX;
        assert_eq!(ends(0, usize::MAX, true), [before, 1, 3, 5, 7]);
        assert_eq!(ends(0, usize::MAX, false), [before, 1, 3, 5, 7, 9, 12, 14, 16, 18, 20]);
        assert_eq!(ends(8, usize::MAX, true), [7]);
        // Records that begin before the limit are taken whole.
        assert_eq!(ends(0, 1, false), [before, 1, 3]);
        assert_eq!(ends(0, 4, false), [before, 1, 3]);
        assert_eq!(ends(0, 5, false), [before, 1, 3, 5, 7]);
    }
}
