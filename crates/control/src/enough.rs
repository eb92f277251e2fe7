//! Which partitions a limit has no use for, because those before them have given all its rows.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// How far the blocks of one fragment have come that ends in a limit; shared by the cores that run them.
///
/// A gather takes the first rows in order of partitions. So what stands behind those that have given enough is
/// neither read nor missed, whatever it holds: also a failure there is none. Where the rows are complete follows
/// from what the blocks give and not from which core was faster; only how much is read in vain depends on that.
pub(crate) struct Enough {
    rows_wanted: u64,
    /// The place from which on nothing is wanted any more.
    end: AtomicUsize,
    blocks: Mutex<Blocks>,
}

#[derive(Default)]
struct Blocks {
    /// Those up to here have ended well, and gave so many rows.
    through: usize,
    rows: u64,
    /// Others that have ended well, by their first place: where they end, and what they gave.
    ahead: BTreeMap<usize, (usize, u64)>,
    /// The first that failed: where its block begins, and itself.
    failed: Option<(usize, usize)>,
}

impl Enough {
    pub(crate) fn new(rows_wanted: u64) -> Self {
        let (end, blocks) = (AtomicUsize::new(usize::MAX), Mutex::default());
        Self { rows_wanted, end, blocks }
    }

    /// Whether nothing is wanted of a place.
    pub(crate) fn is_behind(&self, place: usize) -> bool {
        place >= self.end.load(Ordering::Relaxed)
    }

    /// A block has ended well. The place of a failure, if it is known now that it counts.
    pub(crate) fn ended(&self, places: Range<usize>, rows: u64) -> Option<usize> {
        let mut blocks = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        if rows >= self.rows_wanted {
            self.end.fetch_min(places.end, Ordering::Relaxed);
        }
        blocks.ahead.insert(places.start, (places.end, rows));
        while let Some((end, rows)) = {
            let through = blocks.through;
            blocks.ahead.remove(&through)
        } {
            blocks.through = end;
            blocks.rows = blocks.rows.saturating_add(rows);
            if blocks.rows >= self.rows_wanted {
                self.end.fetch_min(end, Ordering::Relaxed);
                return None;
            }
        }
        blocks.cause()
    }

    /// A place of a block that begins at `first` has failed. Its place, if it is known already that it counts.
    pub(crate) fn failed(&self, first: usize, place: usize) -> Option<usize> {
        let mut blocks = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        self.end.fetch_min(place.saturating_add(1), Ordering::Relaxed);
        if blocks.failed.is_none_or(|failed| first < failed.0) {
            blocks.failed = Some((first, place));
        }
        if blocks.rows >= self.rows_wanted { None } else { blocks.cause() }
    }
}

impl Blocks {
    /// The failure, once all before it have ended and there are not rows enough.
    fn cause(&self) -> Option<usize> {
        self.failed.filter(|&(first, _)| first == self.through).map(|(_, place)| place)
    }
}

#[cfg(test)]
mod tests {
    use super::Enough;

    #[test]
    fn what_is_behind_enough_rows_is_not_wanted() {
        let enough = Enough::new(10);
        assert_eq!(enough.ended(2..4, 6), None);
        assert!(!enough.is_behind(99), "those before it are not known");
        assert_eq!(enough.ended(0..2, 3), None);
        assert!(!enough.is_behind(4), "nine rows");
        assert_eq!(enough.ended(4..5, 1), None);
        assert!(enough.is_behind(5) && !enough.is_behind(4));
        assert_eq!(enough.failed(7, 7), None, "nobody wanted it");
    }

    #[test]
    fn one_that_gives_all_needs_none_behind_it() {
        let enough = Enough::new(10);
        assert_eq!(enough.ended(6..8, 10), None);
        assert!(enough.is_behind(8) && !enough.is_behind(7));
        assert_eq!(enough.ended(0..6, 10), None);
        assert!(enough.is_behind(6));
    }

    #[test]
    fn a_failure_counts_where_rows_are_missing_before_it() {
        let enough = Enough::new(10);
        assert_eq!(enough.failed(4, 5), None, "not known yet");
        assert!(enough.is_behind(6) && !enough.is_behind(5));
        assert_eq!(enough.ended(0..4, 9), Some(5));
        let enough = Enough::new(10);
        assert_eq!(enough.failed(4, 5), None);
        assert_eq!(enough.ended(0..4, 10), None);
        let enough = Enough::new(10);
        assert_eq!(enough.failed(3, 3), None);
        assert_eq!(enough.failed(0, 1), Some(1));
    }
}
