//! Interned values of fixed width: up to eight bytes as `u64`, decimals and intervals as `i128`.

use std::borrow::Cow;
use std::hash::BuildHasher;
use std::ops::Range;

use arrow_buffer::NullBuffer;

use super::{KeyStore, NullBits, hash};
use crate::state::push_tight;

/// The bits a value is stored as.
pub(crate) trait Word: Copy + Eq + Default + 'static {
    /// Hash of one value.
    fn hash(self, seed: &impl BuildHasher) -> u64;
}

impl Word for u64 {
    #[inline]
    fn hash(self, seed: &impl BuildHasher) -> u64 {
        hash::of_u64(seed, self)
    }
}

impl Word for i128 {
    #[inline]
    fn hash(self, seed: &impl BuildHasher) -> u64 {
        hash::of_u128(seed, self.cast_unsigned())
    }
}

/// One batch's values of a fixed-width column.
pub(crate) struct FixedInput<'a, W: Word> {
    /// One a row, equal exactly where the SQL values are; unspecified where NULL.
    pub(crate) canonical: Cow<'a, [W]>,
    /// The bits as they came, of floats (-0.0 and the payloads of NaN) and of intervals (their parts).
    pub(crate) original: Option<Cow<'a, [W]>>,
    /// Absent where no row is NULL.
    pub(crate) nulls: Option<NullBuffer>,
}

impl<W: Word> FixedInput<'_, W> {
    #[inline]
    fn is_null(&self, row: usize) -> bool {
        self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row))
    }

    /// Hash of the row's value.
    #[inline]
    pub(crate) fn hash(&self, seed: &impl BuildHasher, row: usize) -> u64 {
        if self.is_null(row) { hash::NULL } else { self.canonical[row].hash(seed) }
    }
}

/// Interned values of a fixed-width column.
#[derive(Debug, Default)]
pub(crate) struct FixedColumn<W: Word> {
    canonical: Vec<W>,
    /// Values whose bits are not the canonical ones, by index, ascending: an interned float
    /// or interval stays what it was when it first appeared.
    original: Vec<(usize, W)>,
    pub(crate) nulls: NullBits,
}

impl<W: Word> FixedColumn<W> {
    /// The value's canonical bits; unspecified where NULL.
    #[inline]
    pub(crate) fn canonical(&self, index: usize) -> W {
        self.canonical[index]
    }

    /// The value's bits as it first came.
    #[inline]
    pub(crate) fn original(&self, index: usize) -> W {
        if self.original.is_empty() {
            return self.canonical[index];
        }
        match self.original.binary_search_by_key(&index, |(at, _)| *at) {
            Ok(at) => self.original[at].1,
            Err(_) => self.canonical[index],
        }
    }

    /// Hash of the value.
    #[inline]
    pub(crate) fn hash(&self, seed: &impl BuildHasher, index: usize) -> u64 {
        if self.nulls.is_null(index) { hash::NULL } else { self.canonical[index].hash(seed) }
    }

    /// These values, as a batch's.
    pub(crate) fn own_input(&self, range: Range<usize>) -> FixedInput<'_, W> {
        let first = self.original.partition_point(|(at, _)| *at < range.start);
        let differing = self.original[first..].iter().take_while(|(at, _)| *at < range.end);
        let mut original = Cow::Borrowed(&self.canonical[range.clone()]);
        for (at, value) in differing {
            original.to_mut()[at - range.start] = *value;
        }
        let nulls = self.nulls.as_buffer(range.clone());
        let canonical = Cow::Borrowed(&self.canonical[range]);
        FixedInput { canonical, original: Some(original), nulls }
    }

    /// Forgets all values.
    pub(crate) fn clear(&mut self) {
        self.canonical.clear();
        self.original.clear();
        self.nulls.clear();
    }

    /// Bytes held.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.canonical.capacity() * size_of::<W>()
            + self.original.capacity() * size_of::<(usize, W)>()
            + self.nulls.heap_bytes()
    }
}

/// One value a row.
impl<W: Word> From<FixedInput<'_, W>> for FixedColumn<W> {
    fn from(input: FixedInput<'_, W>) -> Self {
        let FixedInput { canonical, original, nulls: input_nulls } = input;
        let (mut canonical, mut nulls) = (canonical.into_owned(), NullBits::default());
        let mut differing = Vec::new();
        if let Some(values) = &original {
            let rows = values.iter().zip(&canonical).enumerate();
            differing
                .extend(rows.filter(|(_, (a, b))| a != b).map(|(row, (value, _))| (row, *value)));
        }
        if let Some(input_nulls) = &input_nulls {
            for row in (0..canonical.len()).filter(|&row| input_nulls.is_null(row)) {
                canonical[row] = W::default();
                nulls.set(row);
            }
            differing.retain(|(row, _)| input_nulls.is_valid(*row));
        }
        Self { canonical, original: differing, nulls }
    }
}

impl<W: Word> KeyStore for FixedColumn<W> {
    type Input<'a> = FixedInput<'a, W>;

    #[inline(always)]
    fn equals(&self, group: usize, input: &FixedInput<'_, W>, row: usize) -> bool {
        match (self.nulls.is_null(group), input.is_null(row)) {
            (false, false) => self.canonical[group] == input.canonical[row],
            (left, right) => left == right,
        }
    }

    fn push(&mut self, input: &FixedInput<'_, W>, row: usize) {
        let index = self.canonical.len();
        if input.is_null(row) {
            push_tight(&mut self.canonical, W::default());
            self.nulls.set(index);
            return;
        }
        let canonical = input.canonical[row];
        push_tight(&mut self.canonical, canonical);
        if let Some(original) = &input.original
            && original[row] != canonical
        {
            self.original.push((index, original[row]));
        }
    }

    fn compare_rows(
        &self,
        groups: &[u32],
        input: &FixedInput<'_, W>,
        first: usize,
        are_equal: &mut [bool],
    ) {
        let rows = are_equal.iter_mut().zip(groups);
        if self.nulls.is_empty() && input.nulls.is_none() {
            for ((is_equal, &group), value) in rows.zip(&input.canonical[first..]) {
                *is_equal &= self.canonical[group as usize] == *value;
            }
        } else {
            for ((is_equal, &group), row) in rows.zip(first..) {
                *is_equal = *is_equal && self.equals(group as usize, input, row);
            }
        }
    }
}
