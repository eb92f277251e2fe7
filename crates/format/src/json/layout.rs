//! Whole records of known lengths: where each value and all text around them stands.
//!
//! Records of one source are written the same way, and their values are of few lengths. A record is held
//! against layouts of records before, byte by byte within bounds: text around values is what it was, a
//! digit is a digit, text is neither a quote nor a backslash nor a control character. What fits is JSON,
//! and where its values stand is known without looking for them.

use crate::text::Slot;
use crate::text::lanes::Lanes;
use crate::text::slot::{Tag, narrow};

/// Bytes compared at a time.
const LANE_BYTES: usize = 32;
/// Longest record, newline and all, that is remembered.
const RECORD_BYTES_MAX: usize = 16 * LANE_BYTES;
/// Layouts of one length that are remembered; the last makes way for another.
const LAYOUTS_MAX: usize = 8;
/// Records are shorter than the shortest known one and so many bytes, or not looked at.
const LENGTHS_MAX: usize = 64;
/// Where records fit no layout again and again, so many go by without a try.
const PAUSE_RECORDS: u32 = 1000;
/// Misses, less a quarter of the hits, before that.
const PATIENCE: u32 = 64;

/// Layouts of earlier records.
pub(crate) struct Layouts {
    /// By length of the record; of one length those that fit more often first.
    by_len: Vec<Vec<Layout>>,
    /// Length of the shortest.
    len_min: usize,
    /// Four for each miss, less one for each hit.
    strain: u32,
    /// Records that go by without a try.
    pause: u32,
}

impl Default for Layouts {
    fn default() -> Self {
        let by_len = (0..=RECORD_BYTES_MAX).map(|_| Vec::new()).collect();
        Self { by_len, len_min: usize::MAX, strain: 0, pause: 0 }
    }
}

/// One way in which a record is laid out.
struct Layout {
    /// As many as it takes to cover the record.
    lanes: Vec<Lane>,
    /// The needed columns, and where they stand from the record's start on.
    values: Vec<(usize, Slot)>,
}

/// What each of 32 bytes may be.
#[derive(Clone)]
struct Lane {
    low: [u8; LANE_BYTES],
    high: [u8; LANE_BYTES],
    /// Ones where it may be neither a quote nor a backslash.
    text: [u8; LANE_BYTES],
}

impl Lane {
    /// Nothing is asked of any byte.
    const ANY: Self =
        Self { low: [0; LANE_BYTES], high: [u8::MAX; LANE_BYTES], text: [0; LANE_BYTES] };

    /// Notes in `wrong` which bytes are out of bounds.
    #[inline(always)]
    fn check(&self, bytes: &[u8; LANE_BYTES], wrong: &mut [u8; LANE_BYTES]) {
        for index in 0..LANE_BYTES {
            let byte = bytes[index];
            let is_special = if byte == b'"' || byte == b'\\' { u8::MAX } else { 0 };
            wrong[index] |= self.low[index].saturating_sub(byte)
                | byte.saturating_sub(self.high[index])
                | (is_special & self.text[index]);
        }
    }
}

impl Layout {
    /// Whether a record that is laid out so is at the front of `bytes`.
    #[inline(always)]
    fn fits(&self, bytes: &[u8]) -> bool {
        let Some(bytes) = bytes.get(..self.lanes.len() * LANE_BYTES) else { return false };
        let mut wrong = [0; LANE_BYTES];
        for (lane, bytes) in self.lanes.iter().zip(bytes.as_chunks::<LANE_BYTES>().0) {
            lane.check(bytes, &mut wrong);
        }
        wrong == [0; LANE_BYTES]
    }

    /// The layout of the JSON record at `[start, next)`, whose values stand at `values`; `None` where it
    /// is too long or has a value that is neither text without escapes nor a plain number.
    fn of(
        bytes: &[u8],
        (start, next): (usize, usize),
        values: &[(usize, usize, Option<usize>)],
    ) -> Option<Self> {
        let record = bytes.get(start..next).filter(|record| record.len() <= RECORD_BYTES_MAX)?;
        let mut lanes = vec![Lane::ANY; record.len().div_ceil(LANE_BYTES)];
        let mut set = |at: usize, low: u8, high: u8, text: u8| {
            let (lane, at) = (&mut lanes[at / LANE_BYTES], at % LANE_BYTES);
            (lane.low[at], lane.high[at], lane.text[at]) = (low, high, text);
        };
        for (at, &byte) in record.iter().enumerate() {
            set(at, byte, byte, 0);
        }
        let mut needed: Vec<(usize, Slot)> = Vec::new();
        for &(from, to, column) in values {
            let value = &bytes[from..to];
            let slot = if value[0] == b'"' {
                let (from, to) = (from + 1 - start, to - 1 - start);
                (from..to).for_each(|at| set(at, 0x20, u8::MAX, u8::MAX));
                if record[from..to].contains(&b'\\') {
                    return None;
                }
                Slot::new(Tag::Text, from, to)
            } else {
                let first = usize::from(value[0] == b'-');
                let whole_len =
                    value[first..].iter().take_while(|byte| byte.is_ascii_digit()).count();
                for (index, byte) in value.iter().enumerate().skip(first) {
                    match byte {
                        // A number of several digits does not begin with a zero.
                        b'0'..=b'9' if index == first && whole_len > 1 => {
                            set(from - start + index, b'1', b'9', 0);
                        }
                        b'0'..=b'9' => set(from - start + index, b'0', b'9', 0),
                        b'.' => {}
                        _ => return None,
                    }
                }
                Slot::new(Tag::Number, from - start, to - start)
            };
            if let Some(column) = column {
                // Of several equal keys the last one counts.
                needed.retain(|(earlier, _)| *earlier != column);
                needed.push((column, slot));
            }
        }
        Some(Self { lanes, values: needed })
    }
}

impl Layouts {
    /// Fills the slots from the record at `start` and gives the position behind its newline, if it has a
    /// known layout. If not, no slot has been filled.
    #[inline(always)]
    pub(crate) fn fit<L: Lanes>(
        &mut self,
        bytes: &[u8],
        start: usize,
        slots: &mut [Slot],
    ) -> Option<usize> {
        if self.pause > 0 {
            self.pause -= 1;
            return None;
        }
        // A newline before this one would be within a value, where it does not pass, or in the place of
        // other text.
        let last = start.checked_add(self.len_min)? - 1;
        let near: &[u8; LENGTHS_MAX] = bytes.get(last..)?.first_chunk()?;
        let newlines = L::equal_to(near, b'\n');
        let len = self.len_min + newlines.trailing_zeros() as usize;
        let rest = &bytes[start..];
        let layouts = self.by_len.get_mut(len).map_or(&mut [][..], Vec::as_mut_slice);
        let Some(found) = layouts.iter().position(|layout| layout.fits(rest)) else {
            self.note_miss();
            return None;
        };
        for &(column, slot) in &layouts[found].values {
            slots[column] = slot.moved(narrow(start));
        }
        if found > 0 {
            layouts.swap(found, found - 1);
        }
        self.strain = self.strain.saturating_sub(1);
        Some(start + len)
    }

    #[cold]
    fn note_miss(&mut self) {
        self.strain += 4;
        if self.strain > 4 * PATIENCE {
            (self.strain, self.pause) = (0, PAUSE_RECORDS);
        }
    }

    /// Learns how the record at `[start, next)` is laid out; it is JSON and ends with a newline. `values`
    /// are the places of its values and the needed column that each is.
    pub(crate) fn learn(
        &mut self,
        bytes: &[u8],
        (start, next): (usize, usize),
        values: &[(usize, usize, Option<usize>)],
    ) {
        if self.pause > 0 {
            return;
        }
        if let Some(layout) = Layout::of(bytes, (start, next), values) {
            let len = next - start;
            self.len_min = self.len_min.min(len);
            let layouts = &mut self.by_len[len];
            layouts.truncate(LAYOUTS_MAX - 1);
            layouts.push(layout);
        }
    }
}
