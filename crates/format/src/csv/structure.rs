//! Where the characters stand that CSV's structure is made of: delimiters, newlines and quotes.
//!
//! Text is looked through some thousand bytes ahead of the records, 64 bytes at a time, by the [`Lanes`]
//! that the caller is compiled for. Delimiters and newlines outside of quotes are stops: the list of them is
//! where fields end. Whether a byte is within quotes follows from how many quotes stand before it, an odd number or
//! an even one, as long as each opens a field, closes one, or is one of two that stand for a quote. In `a,"b,""c""",d` they do.
//! In `5" pipe,x` the quote is text, and in `"a"b` text stands behind a closing one: there the look ahead ends, that
//! record goes the careful way, and what follows it is looked at anew.
//!
//! Where all records have n fields, every n-th stop is a newline and no other is: newlines are
//! counted, so that this takes a look at one byte a record. Where some have not, it takes one at each stop.

#[cfg(target_arch = "x86_64")]
use crate::text::lanes::Avx2;
use crate::text::lanes::{Baseline, Lanes, Level};
use crate::text::slot::narrow;

use super::stops::{BLOCK_BYTES, FieldEnd, HAS_DOUBLED, Positions, list};

/// How far is looked ahead at a time, if the list of stops does not come to its end before: records are converted
/// so many at a time that what is done once for them all does not count.
const AHEAD_BYTES: usize = 32 << 10;
/// The structure of a frame, as far as it has been looked through.
pub(crate) struct Structure {
    // Fixed at construction.
    delimiter: u8,
    quote: u8,
    /// Every record with a quote goes the careful way.
    are_quotes_unsure: bool,
    // Changes with every look ahead.
    stops: Positions,
    /// Bytes of the frame that have been looked through.
    seen: usize,
    /// What is before tells how it goes on; `None` where a quote ended the look ahead.
    before: Option<Before>,
    /// Which of the stops will end a field within which quotes stand twice: places in their list, those that
    /// are not there yet.
    doubled: Vec<usize>,
    /// No byte at or behind this one is anything but ASCII, as far as has been looked.
    ascii_from: usize,
    /// Whether there were quotes, or it ended within some or behind one, in this look ahead and the one before.
    has_quotes: [bool; 2],
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

/// What the bytes before a block mean for it.
#[derive(Clone, Copy)]
struct Before {
    /// All ones within quotes, else zero.
    inside: u64,
    /// 1 if a field begins with the block, else 0.
    begins: u64,
    /// 1 if the byte before the block is a closing quote, or the first of two, else 0.
    closes: u64,
}

impl Before {
    /// Before a record.
    const RECORD: Self = Self { inside: 0, begins: 1, closes: 0 };
}

/// Records that are regular: of as many fields as they should have, with quotes only where they mean something.
pub(crate) struct Run<'a> {
    /// The byte before the first record, then the ends of the fields of each, as [`FieldEnd`] has them; where the
    /// records are plain, these are positions.
    pub(crate) ends: &'a [u32],
    /// Whether they are known to be ASCII.
    pub(crate) is_ascii: bool,
}

impl Structure {
    /// With `are_quotes_unsure` no record with a quote is regular: where options give other characters a
    /// meaning, too.
    pub(crate) fn new(delimiter: u8, quote: u8, are_quotes_unsure: bool) -> Self {
        Self {
            delimiter,
            quote,
            are_quotes_unsure,
            stops: Positions::new(),
            seen: 0,
            before: Some(Before::RECORD),
            doubled: Vec::new(),
            ascii_from: 0,
            has_quotes: [false; 2],
            newline_count: 0,
            is_mixed: false,
            regular_end: 1,
            has_returns: false,
        }
    }

    /// Starts over at `position` of a new frame, where a record begins.
    pub(crate) fn begin(&mut self, position: usize) {
        self.stops.clear();
        self.doubled.clear();
        self.seen = position;
        self.before = Some(Before::RECORD);
        self.ascii_from = position;
        self.has_quotes = [false; 2];
        self.newline_count = 0;
        self.is_mixed = false;
        self.regular_end = self.stops.cursor;
    }

    /// Looks ahead if nothing is left of what has been seen. Whether the next regular records are plain: without
    /// quotes, and without carriage returns at their ends.
    #[inline(always)]
    pub(crate) fn look(&mut self, lanes: impl Lanes, bytes: &[u8], field_count: usize) -> bool {
        if self.newline_count == 0 {
            self.fill(lanes, bytes);
        }
        if self.regular_end == self.stops.cursor {
            self.find_regular(bytes, field_count);
        }
        !self.has_returns && self.has_quotes == [false; 2]
    }

    /// Takes the records from `start` on, at most `rows_max`, that start before `limit` and have
    /// `field_count` fields; those before a line that begins with `comment`, behind blanks or not. Fewer than there
    /// are where the look ahead ends.
    #[inline(always)]
    pub(crate) fn run(
        &mut self,
        lanes: impl Lanes,
        bytes: &[u8],
        (start, limit): (usize, usize),
        field_count: usize,
        rows_max: usize,
        comment: Option<&str>,
    ) -> Run<'_> {
        self.look(lanes, bytes, field_count);
        let before = self.stops.cursor - 1;
        self.stops.list[before] = narrow(start).wrapping_sub(1);
        let ends = &self.stops.list[before..self.regular_end];
        let end_of = |row: usize| FieldEnd::new(ends[(row + 1) * field_count]).position() as usize;
        let mut row_count = rows_max.min((ends.len() - 1) / field_count);
        if row_count > 0 && end_of(row_count - 1) >= limit {
            row_count = 1 + rows_until(row_count - 1, |row| end_of(row) + 1 >= limit);
        }
        if let Some(mark) = comment {
            let start_of = |row: usize| FieldEnd::new(ends[row * field_count]).next();
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
        let is_newline = |stop: &&u32| bytes[FieldEnd::new(**stop).position() as usize] == b'\n';
        self.newline_count -= skipped.filter(is_newline).count();
        self.regular_end = self.regular_end.max(self.stops.cursor);
    }

    /// Sees how many records are regular, from the first that has not been taken.
    #[inline(never)]
    fn find_regular(&mut self, bytes: &[u8], field_count: usize) {
        let left = self.stops.left();
        let is_newline = |stop: &u32| bytes[FieldEnd::new(*stop).position() as usize] == b'\n';
        let (mut row_count, mut has_returns) = (0, false);
        let mut first = 0;
        while let Some(&end) = left.get(first + field_count - 1) {
            if !is_newline(&end)
                || self.is_mixed && left[first..][..field_count - 1].iter().any(is_newline)
            {
                break;
            }
            has_returns |= has_return(bytes, FieldEnd::new(end).position() as usize);
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

    /// Looks further, until a newline is known, the frame ends, or a quote stands where it cannot be told what it
    /// means. No record is open but the next one.
    #[inline(always)]
    fn fill(&mut self, lanes: impl Lanes, bytes: &[u8]) {
        while self.newline_count == 0 && self.seen < bytes.len() && self.before.is_some() {
            let taken = self.stops.make_room();
            self.doubled.iter_mut().for_each(|place| *place -= taken);
            self.regular_end = self.stops.cursor;
            self.is_mixed = false;
            self.has_quotes = [false, self.has_quotes[0]];
            let end = bytes.len().min(self.seen + AHEAD_BYTES);
            let (blocks, rest) = bytes[self.seen..end].as_chunks::<BLOCK_BYTES>();
            let blocks_end = self.seen + blocks.len() * BLOCK_BYTES;
            let mut is_ascii = match lanes.level() {
                #[cfg(target_arch = "x86_64")]
                // SAFETY: there is such a value only where the host was found to have all that it takes.
                Level::Avx2(lanes) => unsafe { self.note_avx2(lanes, bytes, blocks) },
                Level::Baseline => self.note(Baseline, bytes, blocks, u64::MAX),
            };
            if !rest.is_empty() && self.seen == blocks_end && self.before.is_some() {
                // What is behind the end is masked off, whatever it would be taken for.
                let mut padded = [0; BLOCK_BYTES];
                padded[..rest.len()].copy_from_slice(rest);
                is_ascii &= self.note(lanes, bytes, &[padded], (1 << rest.len()) - 1);
                self.seen = self.seen.min(end);
            }
            if !is_ascii {
                self.ascii_from = self.seen;
            }
            self.mark_doubled();
        }
    }

    /// Marks the stops of fields within which quotes stand twice.
    fn mark_doubled(&mut self) {
        let Positions { list, count, .. } = &mut self.stops;
        self.doubled.retain(|&place| {
            if place < *count {
                list[place] |= HAS_DOUBLED;
            }
            place >= *count
        });
    }

    /// Apart from the rest of the decoder, which leaves the loop too few registers.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt,pclmulqdq")]
    #[inline(never)]
    fn note_avx2(&mut self, lanes: Avx2, bytes: &[u8], blocks: &[[u8; BLOCK_BYTES]]) -> bool {
        self.note(lanes, bytes, blocks, u64::MAX)
    }

    /// Takes in blocks, where `valid` has bits. Whether they are all ASCII.
    #[inline(always)]
    fn note(
        &mut self,
        lanes: impl Lanes,
        bytes: &[u8],
        blocks: &[[u8; BLOCK_BYTES]],
        valid: u64,
    ) -> bool {
        if self.has_quotes != [false; 2] {
            return self.note_quoted(lanes, bytes, blocks, valid);
        }
        let (plain_count, is_ascii) = self.note_plain(lanes, blocks, valid);
        if !self.has_quotes[0] {
            return is_ascii;
        }
        self.note_quoted(lanes, bytes, &blocks[plain_count..], valid) && is_ascii
    }

    /// Takes in blocks up to one with a quote, of which it takes note, or as long as there is room; how many that are,
    /// and whether they are all ASCII.
    #[inline(always)]
    fn note_plain(
        &mut self,
        lanes: impl Lanes,
        blocks: &[[u8; BLOCK_BYTES]],
        valid: u64,
    ) -> (usize, bool) {
        let (delimiter, quote) = (self.delimiter, self.quote);
        let found = &mut self.stops.list[self.stops.count..];
        let (mut stop_count, mut newline_count, mut is_ascii) = (0, 0, true);
        let (mut block_count, mut last) = (0, 0);
        let mut base = narrow(self.seen);
        for block in blocks {
            if lanes.contains_or_beyond(block, quote) {
                if lanes.equal_to(block, quote) & valid != 0 {
                    self.has_quotes[0] = true;
                    break;
                }
                is_ascii &= lanes.is_ascii(block);
            }
            let Some(room) = found[stop_count..].first_chunk_mut() else { break };
            let newlines = lanes.equal_to(block, b'\n') & valid;
            let stops = newlines | (lanes.equal_to(block, delimiter) & valid);
            stop_count += list(room, base, stops);
            newline_count += newlines.count_ones() as usize;
            base += narrow(BLOCK_BYTES);
            block_count += 1;
            last = stops;
        }
        if block_count > 0 {
            self.before = Some(Before { inside: 0, begins: last >> 63, closes: 0 });
        }
        self.stops.count += stop_count;
        self.newline_count += newline_count;
        self.seen += block_count * BLOCK_BYTES;
        (block_count, is_ascii)
    }

    /// Takes in blocks, up to a quote that ends the look ahead or as long as there is room. Whether they are all ASCII.
    #[inline(always)]
    fn note_quoted(
        &mut self,
        lanes: impl Lanes,
        bytes: &[u8],
        blocks: &[[u8; BLOCK_BYTES]],
        valid: u64,
    ) -> bool {
        let Some(Before { mut inside, mut begins, mut closes }) = self.before else { return true };
        let (delimiter, quote) = (self.delimiter, self.quote);
        let found = &mut self.stops.list[self.stops.count..];
        let (mut stop_count, mut newline_count, mut is_ascii) = (0, 0, true);
        let mut base = narrow(self.seen);
        let (mut is_unsure, mut all_quotes) = (false, 0);
        for block in blocks {
            let Some(room) = found[stop_count..].first_chunk_mut() else { break };
            is_ascii &= lanes.is_ascii(block);
            let quotes = lanes.equal_to(block, quote) & valid;
            all_quotes |= quotes;
            let newlines = lanes.equal_to(block, b'\n') & valid;
            let delimiters = lanes.equal_to(block, delimiter) & valid;
            let within = lanes.parities(quotes) ^ inside;
            let mut stops = (newlines | delimiters) & !within;
            let (opening, closing) = (quotes & within, quotes & !within);
            let behind_closing = closing << 1 | closes;
            let doubled = opening & behind_closing;
            // Of two quotes the second opens what the first has closed.
            let text = opening & !(stops << 1 | begins | behind_closing);
            let behind = behind_closing & !(stops | quotes) & valid;
            let mut unsure = text;
            if behind != 0 {
                unsure |= behind & !line_ends(bytes, base, behind);
            }
            if self.are_quotes_unsure {
                unsure |= quotes;
            }
            if unsure != 0 {
                is_unsure = true;
                // From there on nothing is known.
                let known = unsure.trailing_zeros();
                stops &= (1 << known) - 1;
                base += known;
                let at = base - known;
                let before = stop_count;
                stop_count += list(room, at, stops);
                newline_count += (newlines & stops).count_ones() as usize;
                note_doubled(doubled, stops, self.stops.count + before, &mut self.doubled);
                break;
            }
            if doubled != 0 {
                note_doubled(doubled, stops, self.stops.count + stop_count, &mut self.doubled);
            }
            stop_count += list(room, base, stops);
            newline_count += (newlines & stops).count_ones() as usize;
            base += narrow(BLOCK_BYTES);
            inside = (within.cast_signed() >> 63).cast_unsigned();
            (begins, closes) = (stops >> 63, closing >> 63);
        }
        self.has_quotes[0] |= all_quotes | inside | closes != 0;
        self.before = (!is_unsure).then_some(Before { inside, begins, closes });
        self.stops.count += stop_count;
        self.newline_count += newline_count;
        self.seen = base as usize;
        is_ascii
    }
}

/// Which of these bytes are carriage returns with a newline behind them.
#[cold]
fn line_ends(bytes: &[u8], base: u32, mut these: u64) -> u64 {
    let mut found = 0;
    while these != 0 {
        let bit = these & these.wrapping_neg();
        let at = base as usize + these.trailing_zeros() as usize;
        if bytes[at..].starts_with(b"\r\n") {
            found |= bit;
        }
        these ^= bit;
    }
    found
}

/// Notes which stops end the fields of quotes that stand twice; of those in this block, the first has the
/// number `first`.
#[cold]
fn note_doubled(mut these: u64, stops: u64, first: usize, places: &mut Vec<usize>) {
    while these != 0 {
        let bit = these & these.wrapping_neg();
        let place = first + (stops & (bit - 1)).count_ones() as usize;
        if places.last() != Some(&place) {
            places.push(place);
        }
        these ^= bit;
    }
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
    use tidemill_plan::CsvOptions;

    use super::super::record::{self, Ending, Style};
    use super::*;

    const FIELDS: usize = 2;

    /// Takes as many records as a run has, again and again; where it has none, what `skip` says.
    fn stops(text: &[u8], rows_max: usize, skip: impl Fn(usize) -> Option<usize>) -> Vec<u32> {
        let mut structure = Structure::new(b',', b'"', false);
        let (mut at, mut found) = (0, Vec::new());
        loop {
            let range = (at, usize::MAX);
            let run = structure.run(Baseline, text, range, FIELDS, rows_max, None).ends;
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
        // Of nine records, five are regular, two stops each.
        assert_eq!(stops(&text, 256, next).len(), 10 * 3000);
    }

    #[test]
    fn records_that_begin_before_the_limit_are_taken_whole() {
        let text = b"1,2\n3,4\n5,6\r\n7,8\n9,0\n";
        let ends = |start: usize, limit: usize| {
            let mut structure = Structure::new(b',', b'"', false);
            structure.begin(start);
            structure.run(Baseline, text, (start, limit), FIELDS, 256, None).ends.to_vec()
        };
        let before = u32::MAX;
        assert_eq!(ends(0, usize::MAX), [before, 1, 3, 5, 7, 9, 12, 14, 16, 18, 20]);
        assert_eq!(ends(0, 1), [before, 1, 3]);
        assert_eq!(ends(0, 4), [before, 1, 3]);
        assert_eq!(ends(0, 5), [before, 1, 3, 5, 7]);
    }

    /// Records of a run are what the careful way makes of them, and none of those has a fault.
    fn check_quotes(lanes: impl Lanes, text: &[u8], are_quotes_unsure: bool) -> (usize, usize) {
        let options = CsvOptions::default();
        let mut structure = Structure::new(b',', b'"', are_quotes_unsure);
        let (mut at, mut fields, mut counts) = (0, Vec::new(), (0, 0));
        while at < text.len() {
            let run = structure.run(lanes, text, (at, usize::MAX), FIELDS, 7, None);
            let ends: Vec<FieldEnd> = run.ends.iter().map(|&end| FieldEnd::new(end)).collect();
            let is_ascii = run.is_ascii;
            for record in ends[..].windows(FIELDS + 1).step_by(FIELDS) {
                let start = record[0].next();
                assert_eq!(start, at, "records follow each other");
                let ending = record::split(text, start, true, &options, &mut fields);
                let Ending::Whole { end, next, fault: None } = ending else {
                    panic!("{ending:?} at {start} of {:?}", String::from_utf8_lossy(text));
                };
                assert_eq!(fields.len(), FIELDS);
                assert!(!is_ascii || text[start..end].is_ascii());
                for (field, [before, behind]) in fields.iter().zip(record.array_windows()) {
                    let is_quoted = text[before.next()] == b'"';
                    assert_eq!(is_quoted, matches!(field.style, Style::Quoted | Style::Escaped));
                    assert_eq!(behind.has_doubled(), field.style == Style::Escaped);
                    assert!(!is_quoted || !are_quotes_unsure);
                    let quotes = usize::from(is_quoted);
                    let to = (behind.position() as usize).min(end) - quotes;
                    assert_eq!((field.start, field.end), (before.next() + quotes, to));
                }
                at = next;
                counts.0 += 1;
            }
            if ends.len() > 1 {
                continue;
            }
            let ending = record::split(text, at, true, &options, &mut fields);
            let Ending::Whole { next, .. } = ending else { unreachable!("nothing follows") };
            structure.skip_to(text, next);
            at = next;
            counts.1 += 1;
        }
        counts
    }

    #[test]
    fn records_with_quotes_are_those_of_the_careful_way() {
        const PIECES: [&str; 14] = [
            "a",
            "\"b,\n\"",
            ",",
            ",",
            "\n",
            "\n",
            "\"\"",
            "\"",
            "\"c\"",
            "\"x\"\"y\"",
            "\r\n",
            "é",
            "a text of more than a block, which is sixty-four bytes long, and some",
            "\"one\"\"of\"\"those\n\nand longer than a block,,,,,,,,,,,,,,,,,,,,,,,,,,,\"",
        ];
        let mut random = Random(17);
        let (mut regular, mut careful) = (0, 0);
        for round in 0..800 {
            let mut text = String::new();
            // Mostly records of two fields, each of some kind, and now and then anything.
            for _ in 0..random.below(200) {
                match random.below(if round % 2 == 0 { 400 } else { 12 }) {
                    0 => text.push_str(PIECES[random.below(PIECES.len())]),
                    _ => {
                        let fields = [
                            "a",
                            "",
                            "\"\"",
                            "\"b,\n\"",
                            "\"x\"\"y\"",
                            "\"\"\"\"",
                            PIECES[13],
                            PIECES[12],
                        ];
                        text.push_str(fields[random.below(7)]);
                        text.push(',');
                        text.push_str(fields[random.below(7)]);
                        text.push_str(["\n", "\r\n"][random.below(8) / 7]);
                    }
                }
            }
            for are_unsure in [false, true] {
                let counts = check_quotes(Baseline, text.as_bytes(), are_unsure);
                #[cfg(target_arch = "x86_64")]
                if let Some(lanes) = Avx2::detect() {
                    assert_eq!(check_quotes(lanes, text.as_bytes(), are_unsure), counts);
                }
                regular += if are_unsure { 0 } else { counts.0 };
                careful += counts.1;
            }
        }
        assert!(regular > 40_000 && careful > 10_000, "{regular} {careful}");
    }

    struct Random(u64);

    impl Random {
        fn below(&mut self, end: usize) -> usize {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            usize::try_from(self.0 >> 33).expect("32 bits") % end
        }
    }
}
