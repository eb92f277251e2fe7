//! The keys of JSON objects: which column each one is.
//!
//! Names are found by a hash that takes no notice of case, since a key that differs from a column's name in case
//! only may be that column's too. So a key that hashes to nothing is no column's, and most keys that nobody
//! asks for cost no comparison.

use tidemill_record::{Offset, Schema};

use super::scan::Scanner;
use crate::lost::{LeftOut, UnknownKeys};
use crate::text::slot::{Slot, Tag};

/// Bytes of a key that are compared at once.
const WORD_BYTES: usize = 16;

/// The names of the columns.
pub(super) struct Keys {
    // Fixed at construction.
    names: Vec<Name>,
    /// For each hash, one more than the first name that has it; 0 for none.
    heads: Box<[u32]>,
    /// Bits of a hash that do not count.
    shift: u32,
    /// Needed columns.
    needed_count: usize,
    /// Whether keys that are no column are counted: nobody declared the columns.
    is_inferred: bool,
    // Changes with every record.
    /// Values of the record at hand under keys that differ from their column's name in case, and the column.
    loose: Vec<(usize, Slot)>,
    unknown: UnknownKeys,
}

/// The name of a column.
struct Name {
    /// Its first bytes, zeros behind.
    word: u128,
    name: Box<[u8]>,
    /// Which of the needed columns it is; as many as there are for one that is not needed.
    place: usize,
    /// As [`Keys::heads`], of the next name with the same hash.
    next: u32,
}

/// Which of the needed columns a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// The one at this place, or none if there are no more than so many.
    Exact(usize),
    /// The one whose name differs from it in case only. A key of the exact name in the same record is
    /// worth more, wherever it stands.
    Loose(usize),
}

impl Keys {
    pub(super) fn new(schema: &Schema, columns: &[usize], is_inferred: bool) -> Self {
        let mut places = vec![columns.len(); schema.fields.len()];
        for (place, &column) in columns.iter().enumerate() {
            places[column] = place;
        }
        let bits = (16 * schema.fields.len()).next_power_of_two().trailing_zeros().max(8);
        let mut keys = Self {
            names: Vec::with_capacity(schema.fields.len()),
            heads: vec![0; 1 << bits].into(),
            shift: 64 - bits,
            needed_count: columns.len(),
            is_inferred,
            loose: Vec::new(),
            unknown: UnknownKeys::default(),
        };
        // The last first, so that of names with the same hash the first is met first.
        for (field, place) in schema.fields.iter().zip(places).rev() {
            let name: Box<[u8]> = field.name.as_bytes().into();
            let word = word_of(&name);
            let hash = keys.hash(word, name.len());
            keys.names.push(Name { word, name, place, next: keys.heads[hash] });
            keys.heads[hash] = u32::try_from(keys.names.len()).expect("columns are fewer");
        }
        keys
    }

    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "both halves are wanted")]
    fn hash(&self, word: u128, len: usize) -> usize {
        /// Odd numbers without a pattern.
        const FACTORS: [u64; 2] = [0x9e37_79b9_7f4a_7c15, 0xd6e8_feb8_6659_fd93];
        // The bit in which letters of both cases differ. Bytes behind the key have it too.
        let folded = word | (u128::MAX / 0xff * 0x20);
        let (low, high) = (folded as u64, (folded >> 64) as u64);
        let mixed = (low ^ len as u64).wrapping_mul(FACTORS[0]) ^ high.wrapping_mul(FACTORS[1]);
        (mixed.wrapping_mul(FACTORS[0]) >> self.shift) as usize
    }

    /// Whether a needed column is at this place.
    pub(super) fn is_needed(&self, place: usize) -> bool {
        place < self.needed_count
    }

    /// Which column the key at `[start, end)` is, which has no escapes.
    #[inline(always)]
    pub(super) fn find(&mut self, bytes: &[u8], start: usize, end: usize) -> Target {
        let len = end - start;
        let word = match bytes[start..].first_chunk() {
            Some(loaded) => u128::from_le_bytes(*loaded) & MASKS[len.min(WORD_BYTES)],
            None => word_of(&bytes[start..end]),
        };
        let head = self.heads[self.hash(word, len)];
        if head == 0 && !self.is_inferred {
            return Target::Exact(self.needed_count);
        }
        if let Some(name) = self.names.get((head as usize).wrapping_sub(1))
            && name.word == word
            && name.name.len() == len
            && len <= WORD_BYTES
        {
            return Target::Exact(name.place);
        }
        self.find_apart(&bytes[start..end])
    }

    /// As [`Self::find`], of any key. Columns that are not needed have a say, so that no value depends on which are.
    #[inline(never)]
    pub(super) fn find_apart(&mut self, key: &[u8]) -> Target {
        let mut head = self.heads[self.hash(word_of(key), key.len())];
        let (mut exact, mut loose) = (None, None);
        while let Some(name) = self.names.get((head as usize).wrapping_sub(1)) {
            if *name.name == *key {
                exact.get_or_insert(name.place);
            } else if name.name.eq_ignore_ascii_case(key) {
                loose.get_or_insert(name.place);
            }
            head = name.next;
        }
        match (exact, loose) {
            (Some(place), _) => Target::Exact(place),
            (None, Some(place)) if place < self.needed_count => Target::Loose(place),
            (None, found) => {
                if found.is_none() && self.is_inferred {
                    self.unknown.note(key);
                }
                Target::Exact(self.needed_count)
            }
        }
    }

    /// The same of the key whose opening quote is before `start`, which may have escapes; `None` where those are
    /// none.
    #[cold]
    pub(super) fn find_escaped(
        &mut self,
        scanner: Scanner<'_>,
        start: usize,
        side: &mut Vec<u8>,
    ) -> Option<Target> {
        let side_len = side.len();
        let (slot, _) = scanner.string(start, side).ok()?;
        let bytes = if slot.tag() == Tag::Unescaped { side.as_slice() } else { scanner.bytes };
        let target = self.find_apart(&bytes[slot.start()..slot.end()]);
        side.truncate(side_len);
        Some(target)
    }

    /// Sets a value aside until it is known whether the record has its column under the exact name.
    #[cold]
    pub(super) fn set_aside(&mut self, place: usize, value: Slot) {
        self.loose.push((place, value));
    }

    /// After a record: gives the values set aside to the columns that have none. Of several the last counts.
    #[inline(always)]
    pub(super) fn settle(&mut self, slots: &mut [Slot]) {
        if !self.loose.is_empty() {
            self.settle_loose(slots);
        }
    }

    #[cold]
    fn settle_loose(&mut self, slots: &mut [Slot]) {
        for (place, value) in self.loose.drain(..).rev() {
            if slots[place].is_null() {
                slots[place] = value;
            }
        }
    }

    /// Whether the record at hand has keys that are to be counted.
    #[inline(always)]
    pub(super) fn is_any_unknown(&self) -> bool {
        self.is_inferred && self.unknown.is_any_pending()
    }

    /// Counts the unknown keys of the record at hand, which is at `offset`, or forgets them where it is bad.
    #[cold]
    pub(super) fn count_unknown(&mut self, offset: Option<Offset>) {
        match offset {
            Some(offset) => self.unknown.count(offset),
            None => self.unknown.drop_pending(),
        }
    }

    /// Forgets the record at hand, which is bad.
    #[cold]
    pub(super) fn drop_record(&mut self) {
        self.loose.clear();
        self.unknown.drop_pending();
    }

    /// What is counted of keys that are no column.
    pub(super) fn unknown(&self) -> &UnknownKeys {
        &self.unknown
    }

    pub(super) fn unknown_mut(&mut self) -> &mut UnknownKeys {
        &mut self.unknown
    }

    /// Keys that were left out.
    pub(super) fn left_out(&self) -> impl Iterator<Item = LeftOut> {
        self.unknown.left_out()
    }
}

/// Whether a key has a backslash.
#[inline(always)]
pub(super) fn is_escaped(bytes: &[u8], start: usize, end: usize) -> bool {
    const ONES: u128 = u128::MAX / 0xff;
    let len = end - start;
    match bytes[start..].first_chunk() {
        Some(loaded) if len <= WORD_BYTES => {
            let unlike = u128::from_le_bytes(*loaded) ^ (ONES * u128::from(b'\\'));
            unlike.wrapping_sub(ONES) & !unlike & (ONES << 7) & MASKS[len] != 0
        }
        _ => bytes[start..end].contains(&b'\\'),
    }
}

/// The first bytes of a key, zeros behind.
fn word_of(key: &[u8]) -> u128 {
    let mut word = [0; WORD_BYTES];
    let len = key.len().min(WORD_BYTES);
    word[..len].copy_from_slice(&key[..len]);
    u128::from_le_bytes(word)
}

/// For each length, ones where a word has so many bytes.
static MASKS: [u128; WORD_BYTES + 1] = {
    let mut masks = [u128::MAX; WORD_BYTES + 1];
    let mut len = 0;
    while len < WORD_BYTES {
        masks[len] = (1 << (8 * len)) - 1;
        len += 1;
    }
    masks
};
