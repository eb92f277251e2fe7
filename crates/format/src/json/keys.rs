//! The keys of JSON objects: which column each one is.
//!
//! The key at each place is first compared with the one that stood there in the record before; only another
//! one is looked up by name.

use std::collections::HashMap;

use tidemill_record::{Offset, Schema};

use super::scan::{Fault, Scanner};
use super::shape::Draft;
use crate::lost::{LeftOut, UnknownKeys};
use crate::text::Slot;
use crate::text::slot::{RowSlots, Tag};

/// Which needed column a key is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Target {
    /// None.
    Passed,
    /// The one of this name.
    Exact(usize),
    /// The one whose name differs from it in case only. A key of the exact name in the same record is
    /// worth more, wherever it stands.
    Loose(usize),
}

impl Target {
    pub(super) fn column(self) -> Option<usize> {
        match self {
            Self::Passed => None,
            Self::Exact(column) | Self::Loose(column) => Some(column),
        }
    }
}

/// The keys of the columns, and those of the record before, in order.
pub(super) struct Keys {
    // Fixed at construction.
    /// The column of each name.
    exact: HashMap<Box<[u8]>, usize>,
    /// The first column of each name in ASCII lower case.
    folded: HashMap<Box<[u8]>, usize>,
    /// Of each column, which of the needed ones it is.
    needed: Vec<Option<usize>>,
    /// Whether keys that are no column are counted: nobody declared the columns.
    is_inferred: bool,
    // Changes with every record.
    /// What stood at each place of the record before.
    expected: Vec<Expected>,
    /// Values of the record at hand under keys that differ from their column's name in case.
    loose: Vec<Loose>,
    unknown: UnknownKeys,
    lower_case: Vec<u8>,
    /// Needed columns that a record has under their own name; empty between records.
    is_exact: Vec<bool>,
}

/// A value whose key differs from the column's name in case.
struct Loose {
    /// Place among the keys of the record.
    place: usize,
    column: usize,
    value: Slot,
}

/// A short key that was seen, with the quote and, where they were together, the colon behind it, as 16
/// bytes.
#[derive(Clone, Copy)]
struct Expected {
    /// The key, its closing quote and the colon, little-endian, zero behind.
    bytes: u128,
    /// Ones where `bytes` counts.
    mask: u128,
    /// Bytes that count, in `1..=16`.
    len: usize,
    target: Target,
}

impl Keys {
    /// Places behind this many are looked up by name each time.
    const PLACES_MAX: usize = 256;

    pub(super) fn new(schema: &Schema, columns: &[usize], is_inferred: bool) -> Self {
        let mut needed = vec![None; schema.fields.len()];
        for (place, &column) in columns.iter().enumerate() {
            needed[column] = Some(place);
        }
        let (mut exact, mut folded) = (HashMap::new(), HashMap::new());
        for (column, field) in schema.fields.iter().enumerate() {
            let name = field.name.as_bytes();
            exact.entry(Box::from(name)).or_insert(column);
            folded.entry(Box::from(name.to_ascii_lowercase())).or_insert(column);
        }
        Self {
            exact,
            folded,
            needed,
            is_inferred,
            expected: Vec::new(),
            loose: Vec::new(),
            unknown: UnknownKeys::default(),
            lower_case: Vec::new(),
            is_exact: Vec::new(),
        }
    }

    /// The needed column of the key whose opening quote is behind, and the position behind its colon.
    #[inline]
    pub(super) fn find(
        &mut self,
        scanner: Scanner<'_>,
        at: usize,
        place: usize,
        side: &mut Vec<u8>,
    ) -> Result<(Target, usize), Fault> {
        if let Some(expected) = self.expected.get(place)
            && let Some(loaded) = scanner.bytes.get(at..at + 16)
        {
            let loaded = u128::from_le_bytes(loaded.try_into().expect("sixteen bytes"));
            // A newline cannot be part of a seen key, so a match lies within the record.
            if loaded & expected.mask == expected.bytes {
                return Ok((expected.target, at + expected.len));
            }
        }
        self.look_up(scanner, at, place, side)
    }

    #[cold]
    fn look_up(
        &mut self,
        scanner: Scanner<'_>,
        at: usize,
        place: usize,
        side: &mut Vec<u8>,
    ) -> Result<(Target, usize), Fault> {
        let side_len = side.len();
        let (slot, next) = scanner.string(at, side)?;
        let is_plain = slot.tag() == Tag::Text;
        let key = if is_plain { &scanner.bytes[at..next - 1] } else { &side[side_len..] };
        let is_colon_next = scanner.bytes.get(next) == Some(&b':');
        let behind = scanner.expect(scanner.skip_blank(next), b':', "':' was expected");
        let known = self.target_of(key);
        if known.is_none() && self.is_inferred {
            self.unknown.note(key);
        }
        side.truncate(side_len);
        let len = next + 1 - at;
        let is_short = is_plain && is_colon_next && len <= 16;
        // An unknown key is looked up each time, so that every record that has it is counted.
        let is_expected = known.is_some() || !self.is_inferred;
        let target = known.unwrap_or(Target::Passed);
        if is_short && is_expected && place < Self::PLACES_MAX {
            let mut bytes = [0; 16];
            bytes[..len].copy_from_slice(&scanner.bytes[at..=next]);
            let mask = u128::MAX >> (8 * (16 - len));
            let expected = Expected { bytes: u128::from_le_bytes(bytes), mask, len, target };
            self.expect_at(place, expected);
        } else if place == self.expected.len() && place < Self::PLACES_MAX {
            // Another key keeps its place, so that those behind it stay predictable: an empty mask
            // with bytes that are not zero matches nothing.
            let nothing = Expected { bytes: 1, mask: 0, len: 1, target: Target::Passed };
            self.expected.push(nothing);
        }
        Ok((target, behind?))
    }

    /// The needed column of this name or, where no column has it, of one that differs in case only: names
    /// without quotes are folded to lower case in SQL, and a key spelled otherwise must not turn
    /// into NULL unseen. Columns that are not needed have a say, so that no value depends on which are.
    /// `None` of a key that is no column's.
    fn target_of(&mut self, key: &[u8]) -> Option<Target> {
        if let Some(&column) = self.exact.get(key) {
            return Some(self.needed[column].map_or(Target::Passed, Target::Exact));
        }
        self.lower_case.clear();
        self.lower_case.extend(key.iter().map(u8::to_ascii_lowercase));
        let column = *self.folded.get(self.lower_case.as_slice())?;
        Some(self.needed[column].map_or(Target::Passed, Target::Loose))
    }

    fn expect_at(&mut self, place: usize, expected: Expected) {
        if place < self.expected.len() {
            self.expected[place] = expected;
        } else if place == self.expected.len() {
            self.expected.push(expected);
        }
    }

    /// Sets a value aside until it is known whether the record has its column under the exact name.
    #[cold]
    pub(super) fn set_aside(&mut self, place: usize, column: usize, value: Slot) {
        self.loose.push(Loose { place, column, value });
    }

    /// Whether [`Self::settle`] has something to do for the record that has been read.
    #[inline]
    pub(super) fn is_unsettled(&self) -> bool {
        !self.loose.is_empty() || self.unknown.is_any_pending()
    }

    /// After a record that is JSON: gives their columns the values set aside, and counts its unknown keys.
    #[cold]
    pub(super) fn settle(
        &mut self,
        draft: &mut Draft<'_>,
        slots: &mut RowSlots<'_>,
        offset: Offset,
    ) {
        if self.unknown.is_any_pending() {
            self.unknown.count(offset);
            draft.refuse();
        }
        if self.loose.is_empty() {
            return;
        }
        self.is_exact.resize(self.needed.len(), false);
        let mut loose = self.loose.iter().map(|value| value.place).peekable();
        for (place, column) in draft.columns().iter().enumerate() {
            let is_loose = loose.next_if_eq(&place).is_some();
            if let Some(column) = column.filter(|_| !is_loose) {
                self.is_exact[column] = true;
            }
        }
        for Loose { place, column, value } in self.loose.drain(..) {
            if self.is_exact[column] {
                draft.pass_over(place);
            } else {
                slots.set(column, value);
            }
        }
        self.is_exact.clear();
    }

    /// After a record that is bad.
    #[cold]
    pub(super) fn drop_unsettled(&mut self) {
        self.loose.clear();
        self.unknown.drop_pending();
    }

    /// Keys that were left out.
    pub(super) fn left_out(&self) -> impl Iterator<Item = LeftOut> {
        self.unknown.left_out()
    }
}
