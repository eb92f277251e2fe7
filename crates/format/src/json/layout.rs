//! Whole records of known lengths: where each value and all text around them stands.
//!
//! Records of one source are written the same way, and their values are of few lengths. A record is held
//! against layouts of records before, byte by byte within bounds: text around values is what it was, a
//! digit is a digit, text is neither a quote nor a backslash nor a control character. What fits is JSON,
//! and where its values stand is known without looking for them.

use std::ops::Range;

use crate::text::Slot;
#[cfg(target_arch = "x86_64")]
use crate::text::lanes::Avx2;
use crate::text::lanes::{Baseline, Bounds, Lanes, Level};
use crate::text::rows::Fitted;
use crate::text::slot::{SlotTable, Tag, narrow};

/// Bytes compared at a time.
const LANE_BYTES: usize = 32;
/// Longest record, newline and all, that is remembered.
const RECORD_BYTES_MAX: usize = 16 * LANE_BYTES;
/// Layouts of one length and one side that are remembered; the last makes way for another. A new probe
/// may leave some more to a side, up to the next that is learnt.
const LAYOUTS_MAX: usize = 8;
/// Bytes of a record that say which layouts of its length it is held against.
const PROBES: usize = 2;
/// Of so many hits behind the first layout, one moves its layout to the front by one.
const OVERTAKE_HITS: u32 = 8;
/// Records are shorter than the shortest known one and so many bytes, or not looked at.
const LENGTHS_MAX: usize = 64;
/// Where records fit no layout again and again, so many go by without a try.
const PAUSE_RECORDS: u32 = 1000;
/// Misses, less a quarter of the hits, before that.
const PATIENCE: u32 = 64;

/// Layouts of earlier records.
pub(crate) struct Layouts {
    /// Needed columns.
    column_count: usize,
    by_len: Vec<Alike>,
    /// Length of the shortest.
    len_min: usize,
    /// Hits behind the first layout of a side.
    later_hits: u32,
    /// Four for each miss, less one for each hit.
    strain: u32,
    /// Records that go by without a try.
    pause: u32,
}

/// Layouts of one length.
#[derive(Default)]
struct Alike {
    /// Where some of them differ, and what a part of them has there.
    probes: [Probe; PROBES],
    /// How many probes have been chosen.
    probe_count: usize,
    /// Layouts by which of the probes they have, a bit each. A record is held against one side only.
    sides: [Vec<Layout>; 1 << PROBES],
}

/// A byte at some place of a record.
#[derive(Clone, Copy, Default)]
struct Probe {
    at: usize,
    byte: u8,
}

/// One way in which a record is laid out.
#[derive(PartialEq)]
struct Layout {
    /// As many as it takes to cover the record.
    bounds: Vec<Bounds>,
    /// The needed columns, and where they stand from the record's start on.
    values: Vec<(usize, Slot)>,
    /// Whether nothing but ASCII fits.
    is_ascii: bool,
}

impl Layout {
    /// The least and the most that a byte may be.
    fn range(&self, at: usize) -> (u8, u8) {
        let Bounds { low, high, .. } = &self.bounds[at / LANE_BYTES];
        (low[at % LANE_BYTES], high[at % LANE_BYTES])
    }

    /// The layout of the JSON record at `[start, next)`, whose values stand at `values`; `None` where it
    /// is too long or has a value that is neither text without escapes nor a plain number.
    fn of(
        bytes: &[u8],
        (start, next): (usize, usize),
        values: &[(usize, usize, Option<usize>)],
    ) -> Option<Self> {
        let record = bytes.get(start..next).filter(|record| record.len() <= RECORD_BYTES_MAX)?;
        let mut bounds = vec![Bounds::ANY; record.len().div_ceil(LANE_BYTES)];
        let mut set = |at: usize, low: u8, high: u8| {
            let (lane, at) = (&mut bounds[at / LANE_BYTES], at % LANE_BYTES);
            (lane.low[at], lane.high[at]) = (low, high);
        };
        for (at, &byte) in record.iter().enumerate() {
            set(at, byte, byte);
        }
        let mut needed: Vec<(usize, Slot)> = Vec::new();
        for &(from, to, column) in values {
            let value = &bytes[from..to];
            let slot = if value[0] == b'"' {
                let (from, to) = (from + 1 - start, to - 1 - start);
                let text = &record[from..to];
                // Where there was only ASCII, there will be.
                let most = if text.is_ascii() { 0x7f } else { u8::MAX };
                (from..to).for_each(|at| set(at, b' ', most));
                if text.contains(&b'\\') {
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
                            set(from - start + index, b'1', b'9');
                        }
                        b'0'..=b'9' => set(from - start + index, b'0', b'9'),
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
        Some(Self { bounds, values: needed, is_ascii: record.is_ascii() })
    }
}

impl Alike {
    /// Where a record's layout is, if it has one.
    #[inline(always)]
    fn side_of(&self, record: &[u8]) -> usize {
        let probes = self.probes.iter().enumerate();
        probes.fold(0, |side, (index, probe)| {
            side | (usize::from(record.get(probe.at) == Some(&probe.byte)) << index)
        })
    }

    /// Adds a layout, that of `record`.
    fn add(&mut self, layout: Layout, record: &[u8]) {
        let rival = self.sides[self.side_of(record)].first();
        let probe = rival.and_then(|rival| Probe::between(rival, &layout, record.len()));
        if let Some(probe) = probe.filter(|_| self.probe_count < PROBES) {
            self.probes[self.probe_count] = probe;
            self.probe_count += 1;
            // One that leaves open which byte it has there is learnt again by the next record that has
            // this one.
            for earlier in std::mem::take(&mut self.sides).into_iter().flatten() {
                let has = |probe: &Probe| earlier.range(probe.at) == (probe.byte, probe.byte);
                let probes = self.probes[..self.probe_count].iter().enumerate();
                let side = probes
                    .fold(0, |side, (index, probe)| side | (usize::from(has(probe)) << index));
                self.sides[side].push(earlier);
            }
        }
        let side = &mut self.sides[self.side_of(record)];
        // A record at the very end of a frame fits none, though its layout is known.
        if !side.contains(&layout) {
            side.truncate(LAYOUTS_MAX - 1);
            side.push(layout);
        }
    }
}

impl Probe {
    /// A byte that one of two layouts of `len` bytes asks for and the other refuses.
    fn between(left: &Layout, right: &Layout, len: usize) -> Option<Self> {
        let refuses = |(low, high): (u8, u8), byte: u8| byte < low || byte > high;
        (0..len).find_map(|at| {
            let (left, right) = (left.range(at), right.range(at));
            let of_left = left.0 == left.1 && refuses(right, left.0);
            let of_right = right.0 == right.1 && refuses(left, right.0);
            let byte = if of_left { left.0 } else { right.0 };
            (of_left || of_right).then_some(Self { at, byte })
        })
    }
}

impl Layouts {
    /// None yet, of records with so many needed columns.
    pub(crate) fn new(column_count: usize) -> Self {
        let by_len = (0..=RECORD_BYTES_MAX).map(|_| Alike::default()).collect();
        Self { column_count, by_len, len_min: usize::MAX, later_hits: 0, strain: 0, pause: 0 }
    }

    /// Sets the slots of the records from `start` on that have a known layout, up to the first that has
    /// none, and of no more than there are `rows`; none that starts at `limit` or behind.
    #[inline(always)]
    pub(crate) fn fit<L: Lanes>(
        &mut self,
        bytes: &[u8],
        (start, limit): (usize, usize),
        rows: Range<usize>,
        slots: &mut SlotTable,
        places: &mut Vec<(u32, u32)>,
    ) -> Fitted {
        match L::LEVEL {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the caller is compiled for this level.
            Level::Avx2 => unsafe { self.fit_avx2(bytes, (start, limit), rows, slots, places) },
            Level::Baseline => {
                self.fit_rows::<Baseline>(bytes, (start, limit), rows, slots, places)
            }
        }
    }

    /// Apart from the rest of the decoder, which leaves the loop too few registers.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
    #[inline(never)]
    fn fit_avx2(
        &mut self,
        bytes: &[u8],
        (start, limit): (usize, usize),
        rows: Range<usize>,
        slots: &mut SlotTable,
        places: &mut Vec<(u32, u32)>,
    ) -> Fitted {
        self.fit_rows::<Avx2>(bytes, (start, limit), rows, slots, places)
    }

    #[inline(always)]
    fn fit_rows<L: Lanes>(
        &mut self,
        bytes: &[u8],
        (start, limit): (usize, usize),
        rows: Range<usize>,
        slots: &mut SlotTable,
        places: &mut Vec<(u32, u32)>,
    ) -> Fitted {
        let mut fitted = Fitted { row_count: 0, next: start, is_ascii: true };
        if self.pause > 0 {
            self.pause -= 1;
            return fitted;
        }
        let column_count = self.column_count;
        for row in rows {
            let start = fitted.next;
            if start >= limit {
                return fitted;
            }
            let Some((layout, len)) = self.find::<L>(bytes, start) else {
                self.note_miss();
                break;
            };
            let mut slots = slots.row(row);
            if layout.values.len() < column_count {
                slots.clear();
            }
            for &(column, slot) in &layout.values {
                slots.set(column, slot.moved(narrow(start)));
            }
            fitted.is_ascii &= layout.is_ascii;
            fitted.next = start + len;
            fitted.row_count += 1;
            places.push((narrow(start), narrow(fitted.next - 1)));
        }
        let hits = u32::try_from(fitted.row_count).unwrap_or(u32::MAX);
        self.strain = self.strain.saturating_sub(hits);
        fitted
    }

    /// The layout of the record at `start`, and its length with its newline.
    #[inline(always)]
    fn find<L: Lanes>(&mut self, bytes: &[u8], start: usize) -> Option<(&Layout, usize)> {
        // A newline before this one would be within a value, where it does not pass, or in the place of
        // other text.
        let last = start.checked_add(self.len_min)? - 1;
        let near: &[u8; LENGTHS_MAX] = bytes.get(last..)?.first_chunk()?;
        let len = self.len_min + L::equal_to(near, b'\n').trailing_zeros() as usize;
        let rest = &bytes[start..];
        let alike = self.by_len.get_mut(len)?;
        let side = alike.side_of(rest);
        let layouts = alike.sides[side].as_mut_slice();
        for found in 0..layouts.len() {
            if !L::keeps_to(rest, &layouts[found].bounds) {
                continue;
            }
            if found == 0 {
                return Some((&layouts[0], len));
            }
            self.later_hits = self.later_hits.wrapping_add(1);
            if self.later_hits.is_multiple_of(OVERTAKE_HITS) {
                layouts.swap(found, found - 1);
                return Some((&layouts[found - 1], len));
            }
            return Some((&layouts[found], len));
        }
        None
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
            self.by_len[len].add(layout, &bytes[start..next]);
        }
    }
}
