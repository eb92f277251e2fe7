//! Interned text and bytes: Arrow views of sixteen bytes, which hold up to twelve bytes
//! themselves and point into an arena of our own beyond.

use std::hash::BuildHasher;
use std::ops::Range;

use arrow_array::{ArrayRef, BinaryViewArray};
use arrow_buffer::{Buffer, NullBuffer};
use tidemill_record::DataType;
use tidemill_record::recycled::{Room, Sources};

use super::{KeyStore, NullBits, hash};
use crate::arena::{Arena, is_inline, outside, view_head};
use crate::compact::room_for_texts;
use crate::state::push_tight;

/// One batch's values, which cost little to copy: the views and buffers of a `Utf8View` or `BinaryView` array.
#[derive(Clone)]
pub(crate) struct BytesInput<'a> {
    pub(crate) views: &'a [u128],
    pub(crate) long: LongBytes<'a>,
    /// Absent where no row is NULL.
    pub(crate) nulls: Option<NullBuffer>,
}

/// What views point into that are too long to hold their value themselves.
#[derive(Clone, Copy)]
pub(crate) enum LongBytes<'a> {
    /// Of an array.
    Array(&'a [Buffer]),
    /// Of interned values.
    Interned(&'a [Vec<u8>]),
}

impl LongBytes<'_> {
    #[inline]
    fn at(&self, view: u128) -> &[u8] {
        match self {
            Self::Array(buffers) => outside(view, buffers),
            Self::Interned(chunks) => outside(view, chunks),
        }
    }
}

impl BytesInput<'_> {
    /// Whether there is memory that views point into.
    pub(crate) fn may_be_long(&self) -> bool {
        match self.long {
            LongBytes::Array(buffers) => !buffers.is_empty(),
            LongBytes::Interned(chunks) => !chunks.is_empty(),
        }
    }

    /// The bytes of a view that does not hold them itself.
    pub(crate) fn long_bytes(&self, view: u128) -> &[u8] {
        self.long.at(view)
    }

    #[inline]
    fn is_null(&self, row: usize) -> bool {
        self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row))
    }

    /// Hash of the row's value.
    #[inline]
    pub(crate) fn hash(&self, seed: &impl BuildHasher, row: usize) -> u64 {
        let view = self.views[row];
        if self.is_null(row) {
            hash::NULL
        } else if is_inline(view) {
            hash::of_u128(seed, view)
        } else {
            hash::of_bytes(seed, self.long.at(view))
        }
    }
}

/// Interned text or bytes.
#[derive(Debug, Default)]
pub(crate) struct BytesColumn {
    /// Zero where NULL.
    views: Vec<u128>,
    /// What the longer views point to.
    arena: Arena,
    pub(crate) nulls: NullBits,
}

impl BytesColumn {
    /// How many values there are.
    pub(crate) fn len(&self) -> usize {
        self.views.len()
    }

    /// The value; empty where NULL.
    pub(crate) fn value(&self, index: usize) -> &[u8] {
        self.arena.bytes(&self.views[index])
    }

    /// The same as an array whose memory comes back; `None` unless it is text, none of it NULL, and all of
    /// it in its views.
    pub(crate) fn gather_short(&self, groups: &[u32], data_type: &DataType) -> Option<ArrayRef> {
        if *data_type != DataType::Varchar || !self.nulls.is_empty() || !self.arena.is_empty() {
            return None;
        }
        let mut views = Room::default();
        views.reserve_exact(groups.len());
        views.extend(groups.iter().map(|&group| self.views[group as usize]));
        // SAFETY: they are views of text that hold it themselves, since no other text is kept.
        Some(unsafe { views.finish_texts(Sources::Inline, None) })
    }

    /// The values of these groups, in this order.
    pub(crate) fn gather(&self, groups: &[u32]) -> BinaryViewArray {
        let mut builder = room_for_texts(groups.len());
        for &group in groups {
            let index = group as usize;
            if self.nulls.is_null(index) {
                builder.append_null();
            } else {
                builder.append_value(self.value(index));
            }
        }
        builder.finish()
    }

    /// Hash of the value.
    #[inline]
    pub(crate) fn hash(&self, seed: &impl BuildHasher, index: usize) -> u64 {
        let view = self.views[index];
        if self.nulls.is_null(index) {
            hash::NULL
        } else if is_inline(view) {
            hash::of_u128(seed, view)
        } else {
            hash::of_bytes(seed, outside(view, self.arena.chunks()))
        }
    }

    /// These values, as a batch's.
    pub(crate) fn own_input(&self, range: Range<usize>) -> BytesInput<'_> {
        let nulls = self.nulls.as_buffer(range.clone());
        BytesInput {
            views: &self.views[range],
            long: LongBytes::Interned(self.arena.chunks()),
            nulls,
        }
    }

    /// The views of these values, in this order.
    pub(crate) fn pick(&self, groups: &[u32]) -> Vec<u128> {
        groups.iter().map(|&group| self.views[group as usize]).collect()
    }

    /// Some of its views, as a batch's.
    pub(crate) fn picked_input<'a>(
        &'a self,
        views: &'a [u128],
        nulls: Option<NullBuffer>,
    ) -> BytesInput<'a> {
        BytesInput { views, long: LongBytes::Interned(self.arena.chunks()), nulls }
    }

    /// Forgets all values; memory of long ones goes.
    pub(crate) fn clear(&mut self) {
        self.views.clear();
        self.arena.clear();
        self.nulls.clear();
    }

    /// Bytes held.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.views.capacity() * size_of::<u128>()
            + self.arena.heap_bytes()
            + self.nulls.heap_bytes()
    }

    /// Whether the group's value is the row's, where a NULL or a long value may be involved.
    #[inline(never)]
    fn equals_at_length(&self, group: usize, input: &BytesInput<'_>, row: usize) -> bool {
        let (left, right) = (self.views[group], input.views[row]);
        match (self.nulls.is_null(group), input.is_null(row)) {
            (false, false) if is_inline(right) => left == right,
            (false, false) => {
                view_head(left) == view_head(right)
                    && outside(left, self.arena.chunks()) == input.long.at(right)
            }
            (left, right) => left == right,
        }
    }
}

/// One value a row.
impl From<BytesInput<'_>> for BytesColumn {
    fn from(input: BytesInput<'_>) -> Self {
        let mut column = Self { views: Vec::with_capacity(input.views.len()), ..Self::default() };
        (0..input.views.len()).for_each(|row| column.push(&input, row));
        column
    }
}

impl KeyStore for BytesColumn {
    type Input<'a> = BytesInput<'a>;

    #[inline(always)]
    fn equals(&self, group: usize, input: &BytesInput<'_>, row: usize) -> bool {
        let (left, right) = (self.views[group], input.views[row]);
        if self.nulls.is_empty() && input.nulls.is_none() && is_inline(right) {
            return left == right;
        }
        self.equals_at_length(group, input, row)
    }

    fn push(&mut self, input: &BytesInput<'_>, row: usize) {
        if input.is_null(row) {
            self.nulls.set(self.views.len());
            push_tight(&mut self.views, 0);
            return;
        }
        let view = input.views[row];
        let stored = if is_inline(view) {
            view
        } else {
            self.arena.store(view_head(view), input.long.at(view))
        };
        push_tight(&mut self.views, stored);
    }

    fn compare_rows(
        &self,
        groups: &[u32],
        input: &BytesInput<'_>,
        first: usize,
        are_equal: &mut [bool],
    ) {
        if !self.nulls.is_empty() || input.nulls.is_some() {
            for ((is_equal, &group), row) in are_equal.iter_mut().zip(groups).zip(first..) {
                *is_equal = *is_equal && self.equals(group as usize, input, row);
            }
            return;
        }
        let views = &input.views[first..][..groups.len()];
        // Values of up to twelve bytes are their views; of longer ones, length and first bytes are looked at first.
        for ((is_equal, &group), &right) in are_equal.iter_mut().zip(groups).zip(views) {
            let left = self.views[group as usize];
            *is_equal &=
                (left == right) | (!is_inline(right) & (view_head(left) == view_head(right)));
        }
        if self.arena.is_empty() {
            return;
        }
        for ((is_equal, &group), &right) in are_equal.iter_mut().zip(groups).zip(views) {
            if *is_equal && !is_inline(right) {
                let left = self.views[group as usize];
                *is_equal = outside(left, self.arena.chunks()) == input.long.at(right);
            }
        }
    }
}
