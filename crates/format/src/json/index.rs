//! Where the tokens of JSON lines begin, found 64 bytes at a time.
//!
//! A token is a bracket, a colon or a comma, a string, or a *word*: a run of any other bytes, such as `12.5`,
//! `true` or `x`. Strings are told from what is between them here, so that whoever walks over the tokens of a
//! record looks at nothing else. What is wrong whatever the grammar says is found here too: a control
//! character that is no white space, or that is in a string, and a backslash that is in none.
//!
//! As in Langdale and Lemire, "Parsing Gigabytes of JSON per Second" (2019), with newlines as ends of records.

use std::ops::Range;

use memchr::{memchr, memrchr};

#[cfg(target_arch = "x86_64")]
use crate::text::lanes::Avx2;
use crate::text::lanes::{Baseline, JsonBytes, Lanes, Level};
use crate::text::slot::narrow;

/// Bytes that are looked at before the records among them are walked over, so that both are in cache.
const STRETCH_BYTES: usize = 8 << 10;
/// The same where a single record is wanted.
const SHORT_STRETCH_BYTES: usize = 512;
/// Tokens of 64 bytes.
const BLOCK_TOKENS: usize = 64;
/// What records with many tokens have made the index grow by is given back beyond so many.
const TOKENS_KEPT: usize = 1 << 18;

/// The tokens of the records of a frame, a stretch at a time.
pub(super) struct Index {
    /// Places within the frame.
    tokens: Vec<u32>,
    /// So many of them count.
    token_count: usize,
    /// Which token is behind the last one of each record: a newline is there, or the end.
    ends: Vec<u32>,
    /// The next of these, and the first token of its record.
    end: usize,
    token: usize,
    /// Where the next record begins.
    start: usize,
    /// Bytes up to here have been looked at.
    seen: usize,
    /// No record ends behind this byte.
    limit: usize,
    blocks: Blocks,
    /// A byte that makes its record bad; nothing from there on has been looked at.
    fault: Option<usize>,
    /// Whether what is indexed has no byte beyond ASCII, and no backslash.
    is_ascii: bool,
    is_unescaped: bool,
    level: Level,
}

/// What is known from one block for the next.
#[derive(Clone, Copy, Default)]
struct Blocks {
    /// All ones within a string.
    in_string: u64,
    /// Whether the next byte is escaped.
    is_escaped: u64,
    /// Whether the byte before is part of a word.
    is_word: u64,
}

/// What 64 bytes have.
struct Found {
    tokens: u64,
    newlines: u64,
    faults: u64,
}

/// A record that has no values, between these bytes, without its newline.
pub(super) enum Next {
    /// It is white space.
    Blank(Range<usize>),
    /// It is no object.
    Bad(Range<usize>),
    /// The frame ends before the record does.
    Partial,
}

impl Default for Index {
    fn default() -> Self {
        Self {
            tokens: Vec::new(),
            token_count: 0,
            ends: Vec::new(),
            end: 0,
            token: 0,
            start: usize::MAX,
            seen: 0,
            limit: 0,
            blocks: Blocks::default(),
            fault: None,
            is_ascii: true,
            is_unescaped: true,
            level: Level::detect(),
        }
    }
}

impl Index {
    /// Begins with the bytes of a frame at its next record. `is_last` says that the last record needs no newline.
    pub(super) fn begin(&mut self, bytes: &[u8], start: usize, is_last: bool) {
        self.limit = match is_last {
            true => bytes.len(),
            false => memrchr(b'\n', bytes).map_or(0, |last| last + 1),
        };
        self.restart(start);
    }

    /// Forgets all that was indexed, and goes on at the start of a record.
    pub(super) fn restart(&mut self, start: usize) {
        if self.tokens.len() > TOKENS_KEPT {
            self.tokens = Vec::new();
        }
        (self.token_count, self.token, self.end) = (0, 0, 0);
        self.ends.clear();
        (self.start, self.seen) = (start, start);
        (self.blocks, self.fault) = (Blocks::default(), None);
        (self.is_ascii, self.is_unescaped) = (true, true);
    }

    /// Where the next record begins.
    pub(super) fn start(&self) -> usize {
        self.start
    }

    /// Places of tokens within the frame.
    #[inline(always)]
    pub(super) fn tokens(&self, range: Range<usize>) -> &[u32] {
        &self.tokens[range]
    }

    /// Whether the records that are indexed have no byte beyond ASCII.
    pub(super) fn is_ascii(&self) -> bool {
        self.is_ascii
    }

    /// Whether the records that are indexed have no backslash.
    pub(super) fn is_unescaped(&self) -> bool {
        self.is_unescaped
    }

    /// Goes on at the record that begins at this position, wherever it was before.
    #[inline(always)]
    pub(super) fn seek(&mut self, position: usize) {
        if self.start != position {
            self.seek_apart(position);
        }
    }

    #[inline(never)]
    fn seek_apart(&mut self, position: usize) {
        let ends = &self.ends[self.end..];
        let passed = ends.partition_point(|&end| (self.tokens[end as usize] as usize) < position);
        if position > self.start && passed > 0 && self.begin_of(passed).0 == position {
            self.advance(passed);
        } else {
            self.restart(position);
        }
    }

    /// Whether the next record is indexed, after what it took to have it so; `is_alone` says that those behind it
    /// are hardly going to be asked for.
    pub(super) fn prepare(&mut self, bytes: &[u8], is_alone: bool) -> bool {
        let stretch = if is_alone { SHORT_STRETCH_BYTES } else { STRETCH_BYTES };
        while self.end == self.ends.len() && self.fault.is_none() && self.start < self.limit {
            self.index_more(bytes, stretch);
        }
        self.end < self.ends.len()
    }

    /// The record that comes so many behind the next one, if it is indexed: its bytes without the newline, and
    /// its tokens, for [`Self::tokens`]; none where it is blank.
    #[inline(always)]
    pub(super) fn record(&self, ahead: usize) -> Option<(Range<usize>, Range<usize>)> {
        let behind = *self.ends.get(self.end + ahead)? as usize;
        let (start, token) = self.begin_of(ahead);
        Some((start..self.tokens[behind] as usize, token..behind))
    }

    /// Where the record that comes so many behind the next one begins, and its first token.
    #[inline(always)]
    fn begin_of(&self, ahead: usize) -> (usize, usize) {
        match ahead {
            0 => (self.start, self.token),
            _ => {
                let newline = self.ends[self.end + ahead - 1] as usize;
                (self.tokens[newline] as usize + 1, newline + 1)
            }
        }
    }

    /// Steps over so many records that are indexed.
    pub(super) fn advance(&mut self, records: usize) {
        (self.start, self.token) = self.begin_of(records);
        self.end += records;
    }

    /// The next record as a whole, which is not indexed or no object; steps over it.
    pub(super) fn next(&mut self, bytes: &[u8]) -> Next {
        if self.prepare(bytes, true) {
            let (record, tokens) = self.record(0).expect("it is indexed");
            self.advance(1);
            return if tokens.is_empty() { Next::Blank(record) } else { Next::Bad(record) };
        }
        let Some(fault) = self.fault else { return Next::Partial };
        let end = memchr(b'\n', &bytes[fault..]).map_or(bytes.len(), |len| fault + len);
        let record = self.start..end;
        self.restart(end + 1);
        Next::Bad(record)
    }

    /// Indexes another stretch; what was is dropped up to the next record.
    fn index_more(&mut self, bytes: &[u8], stretch: usize) {
        debug_assert!(self.seen <= self.limit);
        self.tokens.copy_within(self.token..self.token_count, 0);
        self.token_count -= self.token;
        (self.token, self.end) = (0, 0);
        self.ends.clear();
        if self.token_count == 0 {
            (self.is_ascii, self.is_unescaped) = (true, true);
        }
        match self.level {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: there is such a value only where the host was found to have all that it takes.
            Level::Avx2(lanes) => unsafe { self.index_avx2(lanes, bytes, stretch) },
            Level::Baseline => self.index_with(Baseline, bytes, stretch),
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
    fn index_avx2(&mut self, lanes: Avx2, bytes: &[u8], stretch: usize) {
        self.index_with(lanes, bytes, stretch);
    }

    #[inline(always)]
    fn index_with<L: Lanes>(&mut self, lanes: L, bytes: &[u8], stretch: usize) {
        let stretch = &bytes[self.seen..self.limit.min(self.seen + stretch)];
        self.tokens.resize(self.token_count + stretch.len() + 2 * BLOCK_TOKENS, 0);
        let (blocks, rest) = stretch.as_chunks::<64>();
        for block in blocks {
            if !self.index_block(lanes.json_bytes(block)) {
                return;
            }
        }
        if rest.is_empty() && self.seen < self.limit {
            return;
        }
        let is_end = self.seen + rest.len() == self.limit;
        let mut block = [b' '; 64];
        block[..rest.len()].copy_from_slice(rest);
        // Where the last record has no newline, the end is one.
        if is_end && bytes[..self.limit].last() != Some(&b'\n') {
            block[rest.len()] = b'\n';
        }
        self.index_block(lanes.json_bytes(&block));
        self.seen = self.limit.min(self.seen);
    }

    /// Takes in the next 64 bytes; `false` where nothing behind them is to be looked at.
    #[inline(always)]
    fn index_block(&mut self, bytes: JsonBytes) -> bool {
        let found = self.blocks.step(bytes);
        self.is_ascii &= bytes.beyond == 0;
        self.is_unescaped &= bytes.backslashes == 0;
        if found.faults != 0 {
            self.stop_at(found);
            return false;
        }
        self.push(found.tokens, found.newlines);
        self.seen += 64;
        true
    }

    /// Takes in what is before the first fault of a block.
    #[cold]
    fn stop_at(&mut self, found: Found) {
        let place = found.faults.trailing_zeros();
        let before = (1 << place) - 1;
        self.push(found.tokens & before, found.newlines & before);
        self.seen += place as usize;
        self.fault = Some(self.seen);
    }

    /// Appends the tokens of a block that begins at [`Self::seen`].
    #[inline(always)]
    fn push(&mut self, mut tokens: u64, mut newlines: u64) {
        /// Tokens that are written without asking how many there are.
        const AT_ONCE: usize = 8;
        let first = self.token_count;
        while newlines != 0 {
            let before = newlines & newlines.wrapping_neg();
            let token = first + (tokens & (before - 1)).count_ones() as usize;
            self.ends.push(narrow_count(token));
            newlines &= newlines - 1;
        }
        let count = tokens.count_ones() as usize;
        let seen = narrow(self.seen);
        let room = &mut self.tokens[first..first + BLOCK_TOKENS];
        for room in room.as_chunks_mut::<AT_ONCE>().0 {
            for token in room {
                // Of no more tokens, this is 64, which does not count.
                *token = seen + tokens.trailing_zeros();
                tokens &= tokens.wrapping_sub(1);
            }
            if tokens == 0 {
                break;
            }
        }
        self.token_count = first + count;
    }
}

/// The number of a token as 32 bits.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "no more than bytes of a frame")]
fn narrow_count(token: usize) -> u32 {
    token as u32
}

impl Blocks {
    #[inline(always)]
    fn step(&mut self, bytes: JsonBytes) -> Found {
        let quotes = bytes.quotes & !self.escaped(bytes.backslashes);
        // From each opening quote up to the closing one, which is not in it.
        let in_string = prefix_xor(quotes) ^ self.in_string;
        self.in_string = (in_string.cast_signed() >> 63).cast_unsigned();
        let marks = bytes.marks & !in_string;
        let words = !(bytes.marks | bytes.blanks | quotes | in_string);
        let starts = words & !((words << 1) | self.is_word);
        self.is_word = words >> 63;
        let newlines = bytes.newlines & !in_string;
        Found {
            tokens: marks | starts | (quotes & in_string) | newlines,
            newlines,
            faults: (bytes.controls & (in_string | !bytes.blanks))
                | (bytes.backslashes & !in_string),
        }
    }

    /// Bytes with an odd number of backslashes in front of them.
    #[inline(always)]
    fn escaped(&mut self, backslashes: u64) -> u64 {
        const ODD: u64 = 0xaaaa_aaaa_aaaa_aaaa;
        if backslashes == 0 {
            return std::mem::take(&mut self.is_escaped);
        }
        // Of a run of backslashes those at places of the same parity as its first escape the byte behind.
        let escapes = backslashes & !self.is_escaped;
        let behind = ((escapes << 1) | ODD).wrapping_sub(escapes);
        let codes = behind ^ ODD;
        let escaped = codes ^ (backslashes | self.is_escaped);
        self.is_escaped = (codes & backslashes) >> 63;
        escaped
    }
}

/// Of each bit, whether an odd number of those up to it are set.
#[inline(always)]
fn prefix_xor(mut bits: u64) -> u64 {
    for shift in [1, 2, 4, 8, 16, 32] {
        bits ^= bits << shift;
    }
    bits
}
