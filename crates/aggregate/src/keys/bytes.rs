//! Interned text and bytes: Arrow views of sixteen bytes, which hold up to twelve bytes
//! themselves and point into an arena of our own beyond.

use std::hash::BuildHasher;

use arrow_array::builder::BinaryViewBuilder;
use arrow_array::{ArrayRef, BinaryViewArray};
use arrow_buffer::{Buffer, NullBuffer, ToByteSlice};
use arrow_data::{ByteView, MAX_INLINE_VIEW_LEN};
use tidemill_record::DataType;
use tidemill_record::recycled::{Room, Sources};

use super::{KeyStore, NullBits, hash};
use crate::state::push_tight;

/// Arena chunks stop growing here, unless one value is longer.
const CHUNK_BYTES: usize = 1 << 20;

/// One batch's values: the views and buffers of a `Utf8View` or `BinaryView` array.
pub(crate) struct BytesInput<'a> {
    pub(crate) views: &'a [u128],
    pub(crate) buffers: &'a [Buffer],
    /// Absent where no row is NULL.
    pub(crate) nulls: Option<&'a NullBuffer>,
}

/// Length of a view's value; its low 32 bits.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the length is the low 32 bits of a view")]
fn view_len(view: u128) -> u32 {
    view as u32
}

/// Length and first four bytes of a view's value; its low 64 bits.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "length and prefix are the low 64 bits")]
fn view_head(view: u128) -> u64 {
    view as u64
}

#[inline]
fn is_inline(view: u128) -> bool {
    view_len(view) <= MAX_INLINE_VIEW_LEN
}

/// The bytes that a view which is not inline points to.
#[inline]
fn outside<B: AsRef<[u8]>>(view: u128, buffers: &[B]) -> &[u8] {
    let view = ByteView::from(view);
    let start = view.offset as usize;
    &buffers[view.buffer_index as usize].as_ref()[start..start + view.length as usize]
}

impl BytesInput<'_> {
    #[inline]
    fn is_null(&self, row: usize) -> bool {
        self.nulls.is_some_and(|nulls| nulls.is_null(row))
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
            hash::of_bytes(seed, outside(view, self.buffers))
        }
    }
}

/// Interned text or bytes.
#[derive(Debug, Default)]
pub(crate) struct BytesColumn {
    /// Zero where NULL.
    views: Vec<u128>,
    /// What the longer views point to; only the last chunk grows.
    chunks: Vec<Vec<u8>>,
    chunk_bytes: usize,
    pub(crate) nulls: NullBits,
}

impl BytesColumn {
    /// The value; empty where NULL.
    pub(crate) fn value(&self, index: usize) -> &[u8] {
        let view = &self.views[index];
        if is_inline(*view) {
            // The value stands in memory order behind the four bytes of its length.
            &view.to_byte_slice()[4..4 + view_len(*view) as usize]
        } else {
            outside(*view, &self.chunks)
        }
    }

    /// The same as an array whose memory comes back; `None` unless it is text, none of it NULL, and all of
    /// it in its views.
    pub(crate) fn gather_short(&self, groups: &[u32], data_type: &DataType) -> Option<ArrayRef> {
        if *data_type != DataType::Varchar || !self.nulls.is_empty() || !self.chunks.is_empty() {
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
        let mut builder = BinaryViewBuilder::with_capacity(groups.len());
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

    /// Forgets all values; memory of long ones goes.
    pub(crate) fn clear(&mut self) {
        self.views.clear();
        self.chunks.clear();
        self.chunk_bytes = 0;
        self.nulls.clear();
    }

    /// Bytes held.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.views.capacity() * size_of::<u128>()
            + self.chunks.capacity() * size_of::<Vec<u8>>()
            + self.chunk_bytes
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
                    && outside(left, &self.chunks) == outside(right, input.buffers)
            }
            (left, right) => left == right,
        }
    }

    /// Copies bytes into the arena and gives the view that points to them.
    fn store(&mut self, head: u64, bytes: &[u8]) -> u128 {
        let has_room = self
            .chunks
            .last()
            .is_some_and(|chunk| chunk.is_empty() || chunk.len() + bytes.len() <= CHUNK_BYTES);
        if !has_room {
            self.chunks.push(Vec::new());
        }
        let buffer_index = self.chunks.len() - 1;
        let chunk = &mut self.chunks[buffer_index];
        let offset = chunk.len();
        let capacity_before = chunk.capacity();
        chunk.extend_from_slice(bytes);
        self.chunk_bytes += chunk.capacity() - capacity_before;
        let at = |n: usize| u128::from(u32::try_from(n).expect("chunks and their count fit u32"));
        u128::from(head) | at(buffer_index) << 64 | at(offset) << 96
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
            self.store(view_head(view), outside(view, input.buffers))
        };
        push_tight(&mut self.views, stored);
    }

    #[inline]
    fn hash_group(&self, seed: &impl BuildHasher, group: usize) -> u64 {
        let view = self.views[group];
        if self.nulls.is_null(group) {
            hash::NULL
        } else if is_inline(view) {
            hash::of_u128(seed, view)
        } else {
            hash::of_bytes(seed, outside(view, &self.chunks))
        }
    }
}
