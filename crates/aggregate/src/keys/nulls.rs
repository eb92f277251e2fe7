//! Which of a column's values are NULL: nothing at all until the first one is.

use std::ops::Range;

use arrow_buffer::NullBuffer;

/// One bit per value, kept only from the first NULL on.
#[derive(Debug, Default)]
pub(crate) struct NullBits {
    /// Bit `i % 64` of word `i / 64` is set where value `i` is NULL; values past the end are not.
    words: Vec<u64>,
}

impl NullBits {
    /// Whether no value is NULL.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// Whether value `index` is NULL.
    #[inline]
    pub(crate) fn is_null(&self, index: usize) -> bool {
        self.words.get(index / 64).is_some_and(|word| word >> (index % 64) & 1 == 1)
    }

    /// Which of these values are valid; `None` where all are.
    pub(crate) fn as_buffer(&self, range: Range<usize>) -> Option<NullBuffer> {
        if self.words.is_empty() {
            return None;
        }
        let valid: NullBuffer = range.map(|index| !self.is_null(index)).collect();
        Some(valid).filter(|valid| valid.null_count() > 0)
    }

    /// Marks value `index` as NULL.
    pub(crate) fn set(&mut self, index: usize) {
        if self.words.len() <= index / 64 {
            self.words.resize(index / 64 + 1, 0);
        }
        self.words[index / 64] |= 1 << (index % 64);
    }

    /// Forgets all values.
    pub(crate) fn clear(&mut self) {
        self.words.clear();
    }

    /// Bytes held.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.words.capacity() * size_of::<u64>()
    }
}
