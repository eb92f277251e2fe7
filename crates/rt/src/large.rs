//! Memory of many megabytes in pages of two.

use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr;

/// Bytes of a large page.
const PAGE_BYTES: usize = 2 << 20;

/// Shorter blocks are the system's, which keeps them for the next batch (see [`super::keep_freed_memory`]).
const BLOCK_BYTES_MIN: usize = 4 << 20;

/// Bytes of a small page, at most.
const SMALL_PAGE_BYTES: usize = 64 << 10;

/// An allocator for programs whose main work this is: as the system's, but blocks of 4 MiB and more come from the kernel in large
/// pages, where it has some.
///
/// What the kernel gives page by page costs, small page by small page, as much as writing it does: a column chunk, a table or rows to be
/// sorted are thousands. `MADV_HUGEPAGE` is what asks for large ones, which most hosts (`madvise` in
/// `/sys/kernel/mm/transparent_hugepage/enabled`) give to none but those who ask. Zeros come with the pages, so that nobody writes them twice. A
/// block grows where it is, or by moving its pages.
///
/// ```
/// #[global_allocator]
/// static ALLOCATOR: tidemill_rt::LargePages = tidemill_rt::LargePages;
///
/// let mut numbers = vec![0_u64; 1 << 20];
/// numbers.resize(1 << 21, 1);
/// assert_eq!((numbers[0], numbers[(1 << 21) - 1]), (0, 1));
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct LargePages;

/// Whether a block comes from the kernel.
fn is_large(size: usize, align: usize) -> bool {
    size >= BLOCK_BYTES_MIN && align <= PAGE_BYTES
}

/// Bytes of small pages that hold so many.
fn in_pages(size: usize) -> usize {
    size.next_multiple_of(SMALL_PAGE_BYTES)
}

/// So many zeros, from the start of a large page on; null where there is no room.
fn map(size: usize) -> *mut u8 {
    let Some(all) = in_pages(size).checked_add(PAGE_BYTES) else { return ptr::null_mut() };
    let access = libc::PROT_READ | libc::PROT_WRITE;
    let kind = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: the kernel chooses a place where nothing is.
    let start = unsafe { libc::mmap(ptr::null_mut(), all, access, kind, -1, 0) };
    if start == libc::MAP_FAILED {
        return ptr::null_mut();
    }
    let start: *mut u8 = start.cast();
    let before = start.align_offset(PAGE_BYTES);
    // SAFETY: a page begins within the first `PAGE_BYTES`, of which there are so many beyond the block.
    let block = unsafe { start.add(before) };
    let behind = PAGE_BYTES - before;
    // SAFETY: what lies before and behind the block was mapped above, and nobody knows of it. That the kernel has no large pages
    // changes nothing.
    unsafe {
        unmap(start, before);
        unmap(block.add(in_pages(size)), behind);
        libc::madvise(block.cast(), in_pages(size), libc::MADV_HUGEPAGE);
    }
    block
}

/// Gives pages back.
///
/// # Safety
/// They were mapped here, and nobody uses them any more.
unsafe fn unmap(start: *mut u8, size: usize) {
    if size > 0 {
        // SAFETY: as the caller says. It fails only where a mapping would be cut and there are too many already: then it stays.
        unsafe { libc::munmap(start.cast(), size) };
    }
}

/// A block of another size with the same bytes, as far as they go; null where there is no room, and the block is as before.
///
/// # Safety
/// The block was mapped here, and is of `size` bytes.
unsafe fn remap(block: *mut u8, size: usize, new_size: usize) -> *mut u8 {
    let (size, new_size) = (in_pages(size), in_pages(new_size));
    if new_size <= size {
        // SAFETY: the end of the block is nobody's any more.
        unsafe { unmap(block.add(new_size), size - new_size) };
        return block;
    }
    // SAFETY: the block grows where it is, or not at all.
    let grown = unsafe { libc::mremap(block.cast(), size, new_size, 0) };
    if grown != libc::MAP_FAILED {
        return block;
    }
    // Large pages stay large only where they begin at a large page again.
    let to = map(new_size);
    if to.is_null() {
        return to;
    }
    let how = libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED;
    // SAFETY: it takes the place of what was mapped for it, which nobody knows of.
    let moved = unsafe { libc::mremap(block.cast(), size, new_size, how, to) };
    if moved == libc::MAP_FAILED {
        // SAFETY: as above.
        unsafe { unmap(to, new_size) };
        return ptr::null_mut();
    }
    moved.cast()
}

// SAFETY: blocks of less than a large page are the system's. The others are mappings of their own, at least as long and as aligned as
// asked; which of the two a block is follows from its layout, which is the same whenever it is named.
unsafe impl GlobalAlloc for LargePages {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match is_large(layout.size(), layout.align()) {
            true => map(layout.size()),
            // SAFETY: as the caller says.
            false => unsafe { System.alloc(layout) },
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        match is_large(layout.size(), layout.align()) {
            true => map(layout.size()),
            // SAFETY: as the caller says.
            false => unsafe { System.alloc_zeroed(layout) },
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        match is_large(layout.size(), layout.align()) {
            // SAFETY: it was mapped here, since its layout is the same.
            true => unsafe { unmap(block, in_pages(layout.size())) },
            // SAFETY: as the caller says.
            false => unsafe { System.dealloc(block, layout) },
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        match (is_large(layout.size(), layout.align()), is_large(new_size, layout.align())) {
            // SAFETY: as the caller says.
            (false, false) => unsafe { System.realloc(block, layout, new_size) },
            // SAFETY: it was mapped here.
            (true, true) => unsafe { remap(block, layout.size(), new_size) },
            // SAFETY: both blocks have the bytes that are copied, and are two.
            _ => unsafe {
                let moved = self.alloc(Layout::from_size_align_unchecked(new_size, layout.align()));
                if !moved.is_null() {
                    ptr::copy_nonoverlapping(block, moved, layout.size().min(new_size));
                    self.dealloc(block, layout);
                }
                moved
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A block whose every byte says where it is.
    fn check(block: *mut u8, size: usize) {
        assert!(!block.is_null());
        // SAFETY: the tests ask for so many bytes, which are zero or were written below.
        let bytes = unsafe { std::slice::from_raw_parts(block, size) };
        assert!(bytes.iter().enumerate().all(|(at, byte)| *byte == byte_at(at)));
    }

    /// What the byte at this place is made.
    fn byte_at(at: usize) -> u8 {
        u8::try_from(at % 251).expect("less than a byte's values")
    }

    fn write(block: *mut u8, range: std::ops::Range<usize>) {
        for at in range {
            // SAFETY: as above.
            unsafe { block.add(at).write(byte_at(at)) };
        }
    }

    #[test]
    fn blocks_keep_their_bytes_as_they_grow_and_shrink() {
        let sizes = [
            100,
            BLOCK_BYTES_MIN - 1,
            BLOCK_BYTES_MIN,
            5 * PAGE_BYTES + 77,
            5 * PAGE_BYTES + 78,
            3 * PAGE_BYTES,
            4097,
            9 * PAGE_BYTES,
        ];
        let layout = |size| Layout::from_size_align(size, 64).expect("a size");
        let mut size = 10;
        // SAFETY: every block is named by the layout that it has.
        unsafe {
            let mut block = LargePages.alloc(layout(size));
            write(block, 0..size);
            for next in sizes {
                block = LargePages.realloc(block, layout(size), next);
                assert!(block.cast::<u64>().is_aligned());
                check(block, size.min(next));
                write(block, 0..next);
                size = next;
            }
            LargePages.dealloc(block, layout(size));
        }
    }

    #[test]
    fn zeros_are_zero_and_begin_at_a_large_page() {
        for size in [BLOCK_BYTES_MIN, 3 * PAGE_BYTES + 5] {
            let layout = Layout::from_size_align(size, 128).expect("a size");
            for _ in 0..3 {
                // SAFETY: it is named by its layout, and of that size.
                unsafe {
                    let block = LargePages.alloc_zeroed(layout);
                    assert_eq!(block.align_offset(PAGE_BYTES), 0);
                    let bytes = std::slice::from_raw_parts_mut(block, size);
                    assert!(bytes.iter().all(|byte| *byte == 0));
                    bytes.fill(7);
                    LargePages.dealloc(block, layout);
                }
            }
        }
    }

    #[test]
    fn what_is_too_long_is_refused() {
        let layout = Layout::from_size_align(1 << 60, 8).expect("a size");
        // SAFETY: it is asked for, and not there.
        assert!(unsafe { LargePages.alloc(layout) }.is_null());
    }
}
