//! What the control plane and the cores tell each other between turns.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tidemill_rt::Latch;

/// Asks every pipeline to stop reading, or to end at once, and wakes cores that wait. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct StopFlag {
    stop: Latch,
    abort: Latch,
}

impl StopFlag {
    /// A flag that is not set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the flag; cannot be undone. Safe to call from a signal handler.
    pub fn stop(&self) {
        self.stop.set();
    }

    /// Asks for more: nothing is drained either. As [`Self::stop`].
    pub fn abort(&self) {
        self.abort.set();
        self.stop.set();
    }

    /// Whether the flag is set.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.stop.is_set()
    }

    /// Whether all is to end at once.
    #[must_use]
    pub fn is_abort(&self) -> bool {
        self.abort.is_set()
    }

    /// What cores wait with.
    pub(crate) fn latches(&self) -> [Latch; 2] {
        [self.stop.clone(), self.abort.clone()]
    }
}

/// How far one core has come. Written by that core alone, between turns; read by whoever draws
/// progress. Aligned so that no two cores write to the same pair of cache lines.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct CoreMeter {
    bytes_in: AtomicU64,
    records_in: AtomicU64,
    cpu_ns: AtomicU64,
}

impl CoreMeter {
    /// Bytes of input consumed.
    #[must_use]
    pub fn bytes_in(&self) -> u64 {
        self.bytes_in.load(Ordering::Relaxed)
    }

    /// Records read.
    #[must_use]
    pub fn records_in(&self) -> u64 {
        self.records_in.load(Ordering::Relaxed)
    }

    /// CPU time that the core's thread has taken in the waves that are over.
    #[must_use]
    pub fn cpu_time(&self) -> Duration {
        Duration::from_nanos(self.cpu_ns.load(Ordering::Relaxed))
    }

    /// Adds the CPU time of a wave.
    pub(crate) fn add_cpu_time(&self, time: Duration) {
        let all = self.cpu_time() + time;
        self.cpu_ns.store(u64::try_from(all.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    pub(crate) fn publish(&self, bytes_in: u64, records_in: u64) {
        self.bytes_in.store(bytes_in, Ordering::Relaxed);
        self.records_in.store(records_in, Ordering::Relaxed);
    }
}
