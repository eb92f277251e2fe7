//! Values of a column to be.

use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ops::{Deref, DerefMut};

use arrow_buffer::{ArrowNativeType, Buffer, ScalarBuffer};

use super::lent::{give_back, memory_of};

/// Values that are being written, one after the other, into memory that an earlier column of this core
/// may have had. Behaves as a `Vec`; [`Self::finish`] and its kin make arrays of it and leave it empty.
/// Its own memory is kept for others when it is dropped.
pub struct Room<T> {
    /// As long as there is room. Nobody else holds it.
    pub(super) memory: Buffer,
    pub(super) len: usize,
    values: PhantomData<T>,
}

impl<T> std::fmt::Debug for Room<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Room").field("len", &self.len).finish_non_exhaustive()
    }
}

impl<T: ArrowNativeType> Default for Room<T> {
    fn default() -> Self {
        Self { memory: super::no_bytes(), len: 0, values: PhantomData }
    }
}

impl<T> Drop for Room<T> {
    fn drop(&mut self) {
        // The room's own hold on it goes with the room.
        give_back(self.memory.clone());
    }
}

impl<T: ArrowNativeType> Room<T> {
    /// Values for which there is room in all.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.memory.len() / size_of::<T>()
    }

    /// Makes room for so many more, and for some to spare if it has to grow.
    ///
    /// # Cost
    /// O(1) where there is room; what has been written is copied if not.
    #[inline(always)]
    pub fn reserve(&mut self, count: usize) {
        if count > self.capacity() - self.len {
            self.grow(count);
        }
    }

    /// Makes room for so many more and, if it has to grow, for no others: for what is kept for long.
    pub fn reserve_exact(&mut self, count: usize) {
        if count > self.capacity() - self.len {
            self.grow_to(self.len + count);
        }
    }

    #[cold]
    fn grow(&mut self, count: usize) {
        let needed = self.len + count;
        self.grow_to((needed + needed / 8).max(self.len * 3 / 2));
    }

    fn grow_to(&mut self, capacity: usize) {
        let mut longer = Self {
            memory: memory_of(capacity * size_of::<T>()),
            len: self.len,
            values: PhantomData,
        };
        longer.copy_from_slice(self);
        std::mem::swap(self, &mut longer);
    }

    /// The memory, and how many values are there. The room is empty afterwards.
    pub(super) fn take_memory(&mut self) -> (Buffer, usize) {
        (std::mem::replace(&mut self.memory, super::no_bytes()), std::mem::take(&mut self.len))
    }

    fn start(&self) -> *mut T {
        self.memory.data_ptr().as_ptr().cast()
    }

    /// What is to be written next, up to the capacity.
    #[inline(always)]
    pub fn spare(&mut self) -> &mut [MaybeUninit<T>] {
        let count = self.capacity() - self.len;
        // SAFETY: there is room for so many behind the values, which nobody else holds; Arrow aligns
        // memory for any native type.
        unsafe { std::slice::from_raw_parts_mut(self.start().add(self.len).cast(), count) }
    }

    /// Takes in what was written to [`Self::spare`].
    ///
    /// # Safety
    /// There is room for `len` values in all, and they have been written.
    #[inline(always)]
    pub unsafe fn set_len(&mut self, len: usize) {
        debug_assert!(len <= self.capacity());
        self.len = len;
    }

    /// Appends a value.
    #[inline(always)]
    pub fn push(&mut self, value: T) {
        self.reserve(1);
        self.spare()[0].write(value);
        self.len += 1;
    }

    /// Appends values.
    #[inline]
    pub fn extend(&mut self, values: impl ExactSizeIterator<Item = T>) {
        self.reserve(values.len());
        let mut count = 0;
        // As many as it says there are, and no more than come.
        let spare = &mut self.spare()[..values.len()];
        spare.iter_mut().zip(values).for_each(|(room, value)| {
            room.write(value);
            count += 1;
        });
        self.len += count;
    }

    /// Forgets all values; their memory stays.
    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// Makes it as long as this. What it gains has any value: that of earlier use, or zero.
    pub fn resize(&mut self, len: usize) {
        if len > self.capacity() {
            self.grow_to(len);
        }
        // All memory was written, with zeros if nothing else.
        self.len = len;
    }

    /// The values, whose memory does not come back.
    pub fn take(&mut self) -> ScalarBuffer<T> {
        let (memory, len) = self.take_memory();
        ScalarBuffer::new(memory, 0, len)
    }
}

impl<T: ArrowNativeType> Deref for Room<T> {
    type Target = [T];

    #[inline(always)]
    fn deref(&self) -> &[T] {
        // SAFETY: so many have been written; aligned as above.
        unsafe { std::slice::from_raw_parts(self.start(), self.len) }
    }
}

impl<T: ArrowNativeType> DerefMut for Room<T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: so many have been written, and nobody else holds them; aligned as above.
        unsafe { std::slice::from_raw_parts_mut(self.start(), self.len) }
    }
}

/// Bytes that were handed out to be read, such as a frame.
#[derive(Debug)]
pub struct LentBytes {
    memory: Buffer,
    len: usize,
}

impl Room<u8> {
    /// Hands out the bytes.
    #[must_use]
    pub fn lend(mut self) -> (Buffer, LentBytes) {
        let (memory, len) = self.take_memory();
        (memory.slice_with_length(0, len), LentBytes { memory, len })
    }
}

impl LentBytes {
    /// The bytes, to be written again, if nobody else holds them.
    ///
    /// # Errors
    /// What is still held.
    pub fn take_back(mut self) -> Result<Room<u8>, Self> {
        if self.memory.strong_count() > 1 {
            return Err(self);
        }
        all_is_read();
        let memory = std::mem::replace(&mut self.memory, super::no_bytes());
        Ok(Room { memory, len: self.len, values: PhantomData })
    }
}

/// Of many small files each is read into the memory of the one before. Freed memory would not do: glibc before 2.38
/// does not find it again for blocks that are aligned, and takes 256 KiB more for every file.
impl Drop for LentBytes {
    fn drop(&mut self) {
        if self.memory.strong_count() == 1 {
            all_is_read();
            give_back(self.memory.clone());
        }
    }
}

impl Deref for LentBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.memory[..self.len]
    }
}

/// What another thread has read of memory that it was the last one else to hold, it has read before this.
pub(super) fn all_is_read() {
    std::sync::atomic::fence(std::sync::atomic::Ordering::Acquire);
}
