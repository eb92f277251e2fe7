//! When sessions are to be looked at.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// An event time, and the number of a session.
type Entry = (i64, u32);

/// Entries that leave the heap one by one before it is asked whether most are due.
const FEW: usize = 64;

/// Where this part of the heap has left it one by one, all that is due is sorted at once.
const SHARE: usize = 32;

/// Event times at which sessions are to be looked at, the earliest first; of one time the lowest number.
///
/// Usually few are due at a time, and a heap gives them. Where many are due, as at the end of the input,
/// one sort of them costs less than that many searches of a heap.
#[derive(Default)]
pub(super) struct Due {
    heap: BinaryHeap<Reverse<Entry>>,
    /// Entries that are out of the heap and not taken yet, the latest first.
    sorted: Vec<Entry>,
    /// Entries that left the heap one by one since nothing was due.
    taken_count: usize,
    /// The same of those that [`Self::nth_until`] has sorted.
    sorted_count: usize,
    /// All that ever left the heap one by one.
    one_by_one: u64,
}

impl Due {
    /// Adds an entry.
    #[inline]
    pub(super) fn push(&mut self, time: i64, number: u32) {
        self.heap.push(Reverse((time, number)));
    }

    /// Takes the first entry, if its time is not after the time given.
    ///
    /// # Cost
    /// O(log entries), amortized.
    pub(super) fn pop_until(&mut self, time: i64) -> Option<Entry> {
        let popped = self.pop(time, self.taken_count);
        if popped.is_none() {
            self.taken_count = 0;
        }
        popped.map(|(entry, from_heap)| {
            self.taken_count += usize::from(from_heap);
            entry
        })
    }

    /// Takes the entries up to a time, or the first `count` of them and those of the same time as the last; up to which
    /// time they are all there are.
    ///
    /// # Cost
    /// O(log entries) for each, amortized.
    pub(super) fn take_until(&mut self, count: usize, time: i64) -> (Vec<Entry>, i64) {
        if time == i64::MAX {
            self.sort_until(time);
        }
        let mut taken: Vec<Entry> = Vec::new();
        let mut until = time;
        while let Some(entry) = self.pop_until(until) {
            taken.push(entry);
            if taken.len() == count {
                until = entry.0;
            }
        }
        (taken, until)
    }

    /// The time of the entry at place `count`, from 1 on, if it is not after the time given. Nothing leaves.
    ///
    /// # Cost
    /// O(entries passed), and once O(log entries) for each.
    pub(super) fn nth_until(&mut self, count: usize, time: i64) -> Option<i64> {
        let mut first = Vec::with_capacity(count);
        while first.len() < count
            && let Some((entry, from_heap)) = self.pop(time, self.sorted_count)
        {
            first.push(entry);
            self.sorted_count += usize::from(from_heap);
        }
        let nth = first.last().filter(|_| first.len() == count).map(|entry| entry.0);
        if nth.is_none() {
            self.sorted_count = 0;
        }
        self.sorted.extend(first.into_iter().rev());
        nth
    }

    /// Takes the first entry, and whether the heap gave it. `taken_count` have left that before.
    fn pop(&mut self, time: i64, taken_count: usize) -> Option<(Entry, bool)> {
        let is_due = |entry: &Entry| entry.0 <= time;
        let sorted = self.sorted.last().copied().filter(is_due);
        let queued = self.heap.peek().map(|entry| entry.0).filter(is_due);
        let is_sorted = match (sorted, queued) {
            (None, None) => return None,
            (Some(sorted), Some(queued)) => sorted < queued,
            (sorted, _) => sorted.is_some(),
        };
        if !is_sorted && (taken_count < FEW || taken_count < self.heap.len() / SHARE) {
            self.one_by_one += 1;
            return self.heap.pop().map(|entry| (entry.0, true));
        }
        if !is_sorted {
            self.sort_until(time);
        }
        let entry = self.sorted.pop()?;
        if self.sorted.is_empty() {
            self.sorted = Vec::new();
        }
        Some((entry, false))
    }

    /// Takes all that is due out of the heap, and gives back the memory it had there.
    fn sort_until(&mut self, time: i64) {
        let Self { heap, sorted, .. } = self;
        if heap.peek().is_none_or(|first| first.0.0 > time) {
            return;
        }
        sorted.reserve_exact(heap.iter().filter(|entry| entry.0.0 <= time).count());
        heap.retain(|&Reverse(entry)| {
            let is_due = entry.0 <= time;
            if is_due {
                sorted.push(entry);
            }
            !is_due
        });
        heap.shrink_to(2 * heap.len());
        sorted.sort_unstable_by_key(|&entry| Reverse(entry));
        (self.taken_count, self.sorted_count) = (0, 0);
    }

    /// Number of entries.
    pub(super) fn len(&self) -> usize {
        self.heap.len() + self.sorted.len()
    }

    /// Entries that ever left the heap one by one.
    pub(super) fn one_by_one(&self) -> u64 {
        self.one_by_one
    }

    /// Begins anew with these entries.
    pub(super) fn refill(&mut self, entries: impl Iterator<Item = Entry>) {
        let heap = entries.map(Reverse).collect();
        *self = Self { heap, one_by_one: self.one_by_one, ..Self::default() };
    }

    /// Bytes held.
    pub(super) fn heap_bytes(&self) -> usize {
        (self.heap.capacity() + self.sorted.capacity()) * size_of::<Entry>()
    }
}
