//! Which pipelines are not worth finishing, because an earlier one has failed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tidemill_rt::Bell;

/// Shared by the cores of a job: the first of the ranks that are abandoned. A pipeline's rank is its place
/// in the order of nodes, then partitions.
///
/// Where input ends, a failure abandons the pipelines behind it alone. Those before it run on, to
/// their end or to a failure of their own, so that the failure that is reported is the first in that order,
/// whichever core was faster. Where input has no end, a failure abandons all: a job that has failed must
/// not go on for ever to find out whether an earlier partition fails some day, too.
#[derive(Clone, Debug)]
pub(crate) struct Abandon {
    first: Arc<AtomicUsize>,
    /// Of each core, which may be waiting for something else.
    bells: Arc<[Bell]>,
}

impl Abandon {
    /// Nothing is abandoned by the cores with these bells.
    pub(crate) fn new(bells: &[Bell]) -> Self {
        Self { first: Arc::new(AtomicUsize::new(usize::MAX)), bells: bells.into() }
    }

    /// A pipeline has failed: those of higher ranks are abandoned.
    pub(crate) fn behind(&self, rank: usize) {
        self.first.fetch_min(rank.saturating_add(1), Ordering::Relaxed);
        self.bells.iter().for_each(Bell::ring);
    }

    /// All are abandoned.
    pub(crate) fn all(&self) {
        self.first.store(0, Ordering::Relaxed);
        self.bells.iter().for_each(Bell::ring);
    }

    /// Whether a pipeline is among those that are abandoned.
    pub(crate) fn concerns(&self, rank: usize) -> bool {
        rank >= self.first.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::Abandon;

    #[test]
    fn a_failure_concerns_those_behind_it() {
        let abandon = Abandon::new(&[]);
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
