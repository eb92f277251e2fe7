//! Which pipelines are not worth finishing, because an earlier one has failed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Shared by the cores of a job: the first of the ranks that are abandoned. A pipeline's rank is its place
/// in the order of nodes, then partitions.
///
/// Where input ends, a failure abandons the pipelines behind it alone. Those before it run on, to
/// their end or to a failure of their own, so that the failure that is reported is the first in that order,
/// whichever core was faster. Where input has no end, a failure abandons all: a job that has failed must
/// not go on for ever to find out whether an earlier partition fails some day, too.
#[derive(Clone, Debug)]
pub(crate) struct Abandon(Arc<AtomicUsize>);

impl Abandon {
    /// Nothing is abandoned.
    pub(crate) fn new() -> Self {
        Self(Arc::new(AtomicUsize::new(usize::MAX)))
    }

    /// A pipeline has failed: those of higher ranks are abandoned.
    pub(crate) fn behind(&self, rank: usize) {
        self.0.fetch_min(rank.saturating_add(1), Ordering::Relaxed);
    }

    /// All are abandoned.
    pub(crate) fn all(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    /// Whether a pipeline is among those that are abandoned.
    pub(crate) fn concerns(&self, rank: usize) -> bool {
        rank >= self.0.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::Abandon;

    #[test]
    fn a_failure_concerns_those_behind_it() {
        let abandon = Abandon::new();
        assert!(!abandon.concerns(0) && !abandon.concerns(9));
        abandon.behind(5);
        assert!(!abandon.concerns(5) && abandon.concerns(6));
        abandon.behind(7);
        assert!(!abandon.concerns(5) && abandon.concerns(6), "a later one changes nothing");
        abandon.behind(2);
        assert!(!abandon.concerns(2) && abandon.concerns(3));
        abandon.all();
        assert!(abandon.concerns(0));
        abandon.behind(1);
        assert!(abandon.concerns(0), "there is no way back");
    }
}
