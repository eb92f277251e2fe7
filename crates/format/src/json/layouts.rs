//! Whole records of known lengths: where each value and all text around them stands. Where records turn out to
//! differ too much, this ends for good, and they are walked over one by one.
//!
//! Records of one source are written the same way, and their values are of few lengths. A record is held
//! against layouts of records before, byte by byte within bounds: text around values is what it was, a
//! digit is a digit, text is neither a quote nor a backslash nor a control character. What fits is JSON,
//! and where its values stand is known without looking for them: its slots are its layout's.

use std::ops::Range;

use super::same_length::SameLength;
use super::template::Template;
#[cfg(target_arch = "x86_64")]
use crate::text::lanes::Avx2;
use crate::text::lanes::{Baseline, Lanes, Level};
use crate::text::rows::Fitted;
use crate::text::slot::{Row, SlotTable, narrow};

/// Longest record, newline and all, that is remembered.
pub(super) const RECORD_BYTES_MAX: usize = 512;
/// Records are shorter than the shortest known one and so many bytes, or not looked at.
const LENGTHS_MAX: usize = 64;
/// Bytes that a record and what is looked at behind it take at most. Records nearer to the end of their
/// frame are not looked at.
pub(super) const REACH: usize = RECORD_BYTES_MAX + LENGTHS_MAX;
/// After so many all are forgotten, for the sake of what they take.
const LEARNT_MAX: u32 = 1024;
/// What a miss adds to the strain, and how much of it is too much: records are too different then, for good.
const MISS_STRAIN: i64 = 32;
const STRAIN_MAX: i64 = 64 * MISS_STRAIN;
/// How far below nothing hits may take it: records that have been alike for long may all become others at once, as
/// those do whose number becomes a digit longer.
const STRAIN_MIN: i64 = -256 * MISS_STRAIN;
/// What a hit takes from it, while most layouts are still to be met, and later: a layout that is learnt then pays
/// only where it is for many.
const EARLY_RELIEF: i64 = 8;
const LATE_RELIEF: i64 = 1;
/// Records that have fitted for each layout that was learnt, where it goes on.
const RECORDS_A_LAYOUT: u32 = 64;
/// So many records after the start are early.
const EARLY_RECORDS: u32 = 4096;

/// Layouts of earlier records.
pub(crate) struct Layouts {
    /// Needed columns.
    column_count: usize,
    by_len: Vec<SameLength>,
    /// Length of the shortest.
    len_min: usize,
    /// How many there were since all were forgotten.
    learnt: u32,
    /// From [`STRAIN_MIN`] to [`STRAIN_MAX`].
    strain: i64,
    /// Records that fitted since then.
    hits: u32,
    state: State,
}

/// Whether records are held against layouts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    On,
    /// They are, but all layouts are to be forgotten before the next chunk, since records of this one may have
    /// their slots.
    Stale,
    /// No longer.
    Off,
}

impl Layouts {
    /// None yet, of records with so many needed columns.
    pub(crate) fn new(column_count: usize) -> Self {
        Self {
            column_count,
            by_len: Vec::new(),
            len_min: RECORD_BYTES_MAX,
            learnt: 0,
            strain: 0,
            hits: 0,
            state: State::On,
        }
    }

    /// Whether records are still held against layouts.
    #[inline(always)]
    pub(super) fn is_on(&self) -> bool {
        self.state != State::Off
    }

    /// Fills in the rows of records from `start` on that have a known layout, up to the first that has none
    /// or starts at `limit` or behind, and appends their places.
    #[inline(always)]
    pub(crate) fn fit<L: Lanes>(
        &mut self,
        lanes: L,
        bytes: &[u8],
        (start, limit): (usize, usize),
        rows: Range<usize>,
        slots: &mut SlotTable,
        places: &mut Vec<(u32, u32)>,
    ) -> Fitted {
        match self.state {
            State::On => {}
            State::Off => return Fitted::NONE,
            State::Stale if rows.start == 0 => self.forget(slots),
            State::Stale => {}
        }
        let rows = slots.rows_mut(rows);
        match lanes.level() {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: there is such a value only where the host was found to have all that it takes.
            Level::Avx2(lanes) => unsafe {
                self.fit_avx2(lanes, bytes, (start, limit), rows, places)
            },
            Level::Baseline => self.fit_rows(Baseline, bytes, (start, limit), rows, places),
        }
    }

    /// Apart from the rest of the decoder, which leaves the loop too few registers.
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt,popcnt")]
    #[inline(never)]
    fn fit_avx2(
        &mut self,
        lanes: Avx2,
        bytes: &[u8],
        (start, limit): (usize, usize),
        rows: &mut [Row],
        places: &mut Vec<(u32, u32)>,
    ) -> Fitted {
        self.fit_rows(lanes, bytes, (start, limit), rows, places)
    }

    #[inline(always)]
    fn fit_rows<L: Lanes>(
        &mut self,
        lanes: L,
        bytes: &[u8],
        (start, limit): (usize, usize),
        rows: &mut [Row],
        places: &mut Vec<(u32, u32)>,
    ) -> Fitted {
        let mut fitted = Fitted { row_count: 0, next: start, is_ascii: true };
        places.reserve(rows.len());
        let room = &mut places.spare_capacity_mut()[..rows.len()];
        let limit = limit.min((bytes.len() + 1).saturating_sub(REACH));
        let (len_min, by_len) = (self.len_min, self.by_len.as_mut_slice());
        let mut is_missed = false;
        for (row, place) in rows.iter_mut().zip(room) {
            let start = fitted.next;
            if start >= limit {
                break;
            }
            // SAFETY: so many bytes are left where a record starts before the limit.
            let near = unsafe { &*bytes.as_ptr().add(start).cast::<[u8; REACH]>() };
            let len = length(lanes, near, len_min);
            // No closure, which is not sure to be inlined into what is compiled for the lanes.
            let found = match by_len.get_mut(len) {
                Some(layouts) => layouts.find(lanes, near),
                None => None,
            };
            let Some(found) = found else {
                is_missed = true;
                break;
            };
            fitted.is_ascii &= found.is_ascii;
            fitted.next = start + len;
            fitted.row_count += 1;
            *row = Row { start: narrow(start), first: found.first };
            place.write((narrow(start), narrow(start + len - 1)));
        }
        // SAFETY: there was room for so many, and each has been written.
        unsafe { places.set_len(places.len() + fitted.row_count) };
        if is_missed {
            self.note_miss();
        }
        let hits = u32::try_from(fitted.row_count).unwrap_or(u32::MAX);
        let relief = if self.hits < EARLY_RECORDS { EARLY_RELIEF } else { LATE_RELIEF };
        self.strain = (self.strain - i64::from(hits) * relief).max(STRAIN_MIN);
        self.hits = self.hits.saturating_add(hits);
        fitted
    }

    #[cold]
    fn note_miss(&mut self) {
        self.strain += MISS_STRAIN;
        if self.strain > STRAIN_MAX {
            // Slots that records of this chunk may have stay where they are.
            self.by_len = Vec::new();
            self.state = State::Off;
        }
    }

    #[cold]
    fn forget(&mut self, slots: &mut SlotTable) {
        self.by_len.fill_with(SameLength::default);
        (self.len_min, self.learnt, self.hits, self.strain) = (RECORD_BYTES_MAX, 0, 0, 0);
        self.state = State::On;
        slots.forget_shared();
    }

    /// Learns how the record at `[start, next)` is laid out; it is JSON and ends with a newline. `values`
    /// are the places of its values and the needed column that each is.
    pub(crate) fn learn(
        &mut self,
        bytes: &[u8],
        (start, next): (usize, usize),
        values: &[(usize, usize, Option<usize>)],
        slots: &mut SlotTable,
    ) {
        // At the end of its frame one was not looked at, and may be known.
        let Some(record) = bytes[start..].first_chunk() else { return };
        if self.state != State::On {
            return;
        }
        if self.by_len.is_empty() {
            self.by_len.resize_with(RECORD_BYTES_MAX + 1, SameLength::default);
        }
        if let Some(template) = Template::of(bytes, (start, next), values, self.column_count) {
            let len = next - start;
            self.len_min = self.len_min.min(len);
            self.by_len[len].add(template, record, slots);
            self.learnt += 1;
            if self.learnt == LEARNT_MAX {
                let has_paid = self.hits > RECORDS_A_LAYOUT * LEARNT_MAX;
                self.state = if has_paid { State::Stale } else { State::Off };
            }
        }
    }
}

/// The length of the record in front of these bytes with its newline, if that is less than
/// [`LENGTHS_MAX`] more than the least; otherwise just so many.
#[inline(always)]
fn length(lanes: impl Lanes, bytes: &[u8; REACH], len_min: usize) -> usize {
    // A newline before this one would be within a value, where it does not pass, or in the place of other
    // text.
    let near: Option<&[u8; LENGTHS_MAX]> = bytes[len_min - 1..].first_chunk();
    let near = near.expect("the least is at most RECORD_BYTES_MAX");
    len_min + lanes.equal_to(near, b'\n').trailing_zeros() as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Slot;

    /// Layouts of records `{"k":"…","n":…}` with both columns needed.
    struct Known {
        layouts: Layouts,
        table: SlotTable,
    }

    impl Known {
        fn new() -> Self {
            Self { layouts: Layouts::new(2), table: SlotTable::new(2, 1) }
        }

        /// The slots of the record, counted from its start, if it has a known layout.
        fn fit(&mut self, record: &str) -> Option<[(usize, usize); 2]> {
            let bytes = [record.as_bytes(), &[b'\n'; REACH]].concat();
            let mut places = Vec::new();
            let (table, limit) = (&mut self.table, bytes.len());
            let fitted = self.layouts.fit(Baseline, &bytes, (0, limit), 0..1, table, &mut places);
            if fitted.row_count == 0 {
                return None;
            }
            assert_eq!(fitted.next, record.len() + 1);
            let first = self.table.rows(1)[0].first as usize;
            Some([0, 1].map(|column| {
                let slot: Slot = self.table.field(column)[first];
                (slot.start(), slot.end())
            }))
        }

        fn learn(&mut self, record: &str) {
            let bytes = [record.as_bytes(), &[b'\n'; REACH]].concat();
            let find = |text: &str| record.find(text).expect("it is there") + text.len();
            let (key, number) = (find(r#""k":"#), find(r#""n":"#));
            let values = [(key, find(r#"",""#) - 2, Some(0)), (number, record.len() - 1, Some(1))];
            self.layouts.learn(&bytes, (0, record.len() + 1), &values, &mut self.table);
        }
    }

    #[test]
    fn records_fit_what_was_learnt_and_nothing_else() {
        let mut known = Known::new();
        assert_eq!(known.fit(r#"{"k":"AB","n":12}"#), None);
        known.learn(r#"{"k":"AB","n":12}"#);
        assert_eq!(known.fit(r#"{"k":"Z#","n":90}"#), Some([(6, 8), (14, 16)]));
        for other in [
            r#"{"k":"ab","n":12}"#,
            r#"{"k":"A\"","n":12}"#,
            "{\"k\":\"A\u{1}\",\"n\":12}",
            "{\"k\":\"A\n\",\"n\":12}",
            "{\"k\":\"é\",\"n\":12}",
            r#"{"k":"AB","n":02}"#,
            r#"{"k":"AB","n":1.}"#,
            r#"{"k":"AB","n":-1}"#,
            r#"{"k":"AB","m":12}"#,
            r#"{"k":"AB","n":12 "#,
        ] {
            assert_eq!(known.fit(other), None, "{other}");
        }
    }

    #[test]
    fn text_of_other_bytes_makes_a_layout_wide() {
        let mut known = Known::new();
        known.learn(r#"{"k":"AB","n":12}"#);
        known.learn(r#"{"k":"a ","n":12}"#);
        for fitting in [r#"{"k":"AB","n":34}"#, r#"{"k":"~!","n":56}"#] {
            assert!(known.fit(fitting).is_some(), "{fitting}");
        }
        for other in [r#"{"k":"\"B","n":12}"#, r#"{"k":"A"","n":12}"#, "{\"k\":\"é\",\"n\":12}"] {
            assert_eq!(known.fit(other), None, "{other}");
        }
    }

    #[test]
    fn layouts_of_one_length_are_told_apart_however_many_there_are() {
        let mut known = Known::new();
        // Text and number share ten bytes, and a point stands at any place of the number.
        let record = |round: usize| {
            let text_len = round % 6;
            let mut digits = "1234567890"[text_len..].to_owned();
            let point = 1 + round / 6 % (digits.len() - 1);
            if point + 1 < digits.len() {
                digits.replace_range(point..=point, ".");
            }
            format!(r#"{{"k":"{}","n":{digits}}}"#, &"ABCDE"[..text_len])
        };
        let mut misses = 0;
        for round in 0..20_000 {
            let record = record(round * 7919 % 24);
            let Some([key, number]) = known.fit(&record) else {
                misses += 1;
                known.learn(&record);
                continue;
            };
            let end = record.find(r#"",""#).expect("behind the text");
            assert_eq!(key, (6, end));
            assert_eq!(number, (end + 6, record.len() - 1));
        }
        // Some are learnt twice, when probes part them or as rare ones.
        assert!(misses < 500, "{misses}");
    }
}
