//! Text and bytes of many groups: views of sixteen bytes, as Arrow has them, and one arena for what is too long to stand in
//! its view.

use arrow_buffer::ToByteSlice;
use arrow_data::{ByteView, MAX_INLINE_VIEW_LEN};

/// Chunks stop growing here, unless one value is longer.
const CHUNK_BYTES: usize = 1 << 20;

/// Length of a view's value; its low 32 bits.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the length is the low 32 bits of a view")]
pub(crate) fn view_len(view: u128) -> u32 {
    view as u32
}

/// Length and first four bytes of a view's value; its low 64 bits.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "length and prefix are the low 64 bits")]
pub(crate) fn view_head(view: u128) -> u64 {
    view as u64
}

/// Whether a view holds its value itself.
#[inline]
pub(crate) fn is_inline(view: u128) -> bool {
    view_len(view) <= MAX_INLINE_VIEW_LEN
}

/// The bytes that a view which is not inline points to.
#[inline]
pub(crate) fn outside<B: AsRef<[u8]>>(view: u128, buffers: &[B]) -> &[u8] {
    let view = ByteView::from(view);
    let start = view.offset as usize;
    &buffers[view.buffer_index as usize].as_ref()[start..start + view.length as usize]
}

/// The value of a view that holds it itself.
#[inline]
pub(crate) fn inside(view: &u128) -> &[u8] {
    // The value stands in memory order behind the four bytes of its length.
    &view.to_byte_slice()[4..4 + view_len(*view) as usize]
}

/// Long values, one behind the other.
#[derive(Debug, Default)]
pub(crate) struct Arena {
    /// Only the last chunk grows.
    chunks: Vec<Vec<u8>>,
    chunk_bytes: usize,
}

impl Arena {
    pub(crate) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    pub(crate) fn chunks(&self) -> &[Vec<u8>] {
        &self.chunks
    }

    /// The bytes of a view that was made here, or that holds them itself.
    #[inline]
    pub(crate) fn bytes<'a>(&'a self, view: &'a u128) -> &'a [u8] {
        if is_inline(*view) { inside(view) } else { outside(*view, &self.chunks) }
    }

    /// Copies the bytes of a long view, whose length and first bytes are `head`, and gives the view that points to them.
    pub(crate) fn store(&mut self, head: u64, bytes: &[u8]) -> u128 {
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

    /// Writes over the value of a view that was made here, which is at least as long; gives the view of what is there
    /// now.
    pub(crate) fn overwrite(&mut self, view: u128, head: u64, bytes: &[u8]) -> u128 {
        let ByteView { buffer_index, offset, .. } = ByteView::from(view);
        let start = offset as usize;
        self.chunks[buffer_index as usize][start..start + bytes.len()].copy_from_slice(bytes);
        u128::from(head) | u128::from(buffer_index) << 64 | u128::from(offset) << 96
    }

    /// Forgets all values, and frees their memory.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Bytes held.
    #[inline]
    pub(crate) fn heap_bytes(&self) -> usize {
        self.chunks.capacity() * size_of::<Vec<u8>>() + self.chunk_bytes
    }
}
