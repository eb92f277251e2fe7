//! The global allocator, with a count of what each thread asks of it.
//!
//! A thread takes a slot with its first call and is the only one to write it, so that counting costs two
//! plain additions and shares no cache line. The slots outlive their threads: what a job's cores did can
//! be read after they have ended.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// More threads than any measurement starts; those beyond share the last slot, and may lose counts.
const SLOT_COUNT: usize = 256;

/// Distinct sizes that one thread is expected to ask for. A power of two.
const SIZE_COUNT: usize = 1 << 12;

/// What one thread asked for, from the start of the process.
#[repr(align(128))]
struct Slot {
    allocations: AtomicU64,
    deallocations: AtomicU64,
    bytes: AtomicU64,
    /// An open hash table from a size in bytes to how often it was asked for; 0 marks a free place.
    sizes: [(AtomicUsize, AtomicU64); SIZE_COUNT],
}

static SLOTS: [Slot; SLOT_COUNT] = [const {
    Slot {
        allocations: AtomicU64::new(0),
        deallocations: AtomicU64::new(0),
        bytes: AtomicU64::new(0),
        sizes: [const { (AtomicUsize::new(0), AtomicU64::new(0)) }; SIZE_COUNT],
    }
}; SLOT_COUNT];
static SLOTS_TAKEN: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static SLOT: Cell<Option<&'static Slot>> = const { Cell::new(None) };
}

/// The system's allocator, counted. A block that grows or shrinks counts as a new one and a freed one,
/// even where it stays in its place.
pub(crate) struct Counting;

// SAFETY: every call goes to the system's allocator with the arguments it came with; counting touches
// statics and a thread-local without a destructor only, and so allocates nothing itself.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count_allocation(layout.size());
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count_allocation(layout.size());
        // SAFETY: the caller's promise.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        add(&slot().deallocations, 1);
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        add(&slot().deallocations, 1);
        count_allocation(size);
        // SAFETY: the caller's promise.
        unsafe { System.realloc(block, layout, size) }
    }
}

/// What was asked for, by all threads together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) allocations: u64,
    pub(crate) deallocations: u64,
    /// Bytes asked for, whether or not they were given back.
    pub(crate) bytes: u64,
    /// Allocations by their size in bytes. A thread that asks for more sizes than it has places leaves
    /// the rest out.
    pub(crate) by_size: BTreeMap<usize, u64>,
}

impl Counts {
    /// Everything since the start of the process.
    pub(crate) fn now() -> Self {
        let mut sums = Self::default();
        let taken = SLOTS_TAKEN.load(Ordering::Relaxed).min(SLOT_COUNT);
        for slot in &SLOTS[..taken] {
            sums.allocations += slot.allocations.load(Ordering::Relaxed);
            sums.deallocations += slot.deallocations.load(Ordering::Relaxed);
            sums.bytes += slot.bytes.load(Ordering::Relaxed);
            for (size, count) in &slot.sizes {
                let count = count.load(Ordering::Relaxed);
                if count > 0 {
                    *sums.by_size.entry(size.load(Ordering::Relaxed)).or_default() += count;
                }
            }
        }
        sums
    }

    /// What was asked for since an earlier count.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        let by_size = self
            .by_size
            .iter()
            .map(|(size, count)| (*size, count - earlier.by_size.get(size).copied().unwrap_or(0)));
        Self {
            allocations: self.allocations - earlier.allocations,
            deallocations: self.deallocations - earlier.deallocations,
            bytes: self.bytes - earlier.bytes,
            by_size: by_size.collect(),
        }
    }
}

fn slot() -> &'static Slot {
    SLOT.get().unwrap_or_else(|| {
        let index = SLOTS_TAKEN.fetch_add(1, Ordering::Relaxed).min(SLOT_COUNT - 1);
        SLOT.set(Some(&SLOTS[index]));
        &SLOTS[index]
    })
}

fn count_allocation(size: usize) {
    let slot = slot();
    add(&slot.allocations, 1);
    add(&slot.bytes, size as u64);
    // Multiplication spreads the sizes, which are often multiples of a power of two.
    let start = size.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (usize::BITS - SIZE_COUNT.ilog2());
    for step in 0..SIZE_COUNT {
        let (place, count) = &slot.sizes[(start + step) % SIZE_COUNT];
        let found = place.load(Ordering::Relaxed);
        if found == 0 {
            place.store(size, Ordering::Relaxed);
        }
        if found == 0 || found == size {
            return add(count, 1);
        }
    }
}

/// Not a locked addition: the slot's thread is the only one that writes.
fn add(count: &AtomicU64, by: u64) {
    count.store(count.load(Ordering::Relaxed) + by, Ordering::Relaxed);
}
