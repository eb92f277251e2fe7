//! How the process's allocator treats memory that is freed.

/// Blocks of less than this come from the heap, and are used again: more than any buffer of a batch.
#[cfg(target_env = "gnu")]
const MAPPED_BYTES_MIN: libc::c_int = 4 << 20;

/// Free memory at the end of a thread's heap that is kept.
#[cfg(target_env = "gnu")]
const KEPT_BYTES_MAX: libc::c_int = 64 << 20;

/// Lets freed memory serve the next batch instead of going back to the system. For the whole process: for
/// programs whose main work this is, at their start.
///
/// Buffers of a batch have 100 to 300 KiB. glibc maps blocks of that size from the system and unmaps them
/// as they are freed, until it has seen enough to stop; some runs never get there, and pay for every batch
/// with page faults. Of twelve runs of s2 over ten million JSON records two took 1.6 and 2.0 s, with 27,000
/// and 310,000 faults, the others 0.9 to 1.3 s with 1,100; with this, none of twelve had more than 2,000.
/// Does nothing where the C library is not glibc.
pub fn keep_freed_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: mallopt takes two integers and touches the allocator's own settings, under its lock. A
    // refusal leaves them as they were.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, MAPPED_BYTES_MIN);
        libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT_BYTES_MAX);
    }
}

/// Gives freed memory back to the system, all that is whole pages. After what took much and comes never again: the heap of
/// a thread serves only that thread, and keeps what it has.
///
/// # Cost
/// O(pages of all heaps); those that are used again are made again. Does nothing where the C library is not glibc.
pub fn give_back_freed_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim takes the allocator's own locks and touches only what is free.
    unsafe {
        libc::malloc_trim(0);
    }
}
