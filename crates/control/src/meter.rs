//! What the control plane and the cores tell each other between turns.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

/// Asks every pipeline to stop reading, drain and close its outputs, or to end at once. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct StopFlag(Arc<AtomicU8>);

const STOP: u8 = 1;
const ABORT: u8 = 2;

impl StopFlag {
    /// A flag that is not set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the flag; cannot be undone. Safe to call from a signal handler.
    pub fn stop(&self) {
        self.0.fetch_max(STOP, Ordering::Relaxed);
    }

    /// Asks for more: nothing is drained either. As [`Self::stop`].
    pub fn abort(&self) {
        self.0.fetch_max(ABORT, Ordering::Relaxed);
    }

    /// Whether the flag is set.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed) >= STOP
    }

    /// Whether all is to end at once.
    #[must_use]
    pub fn is_abort(&self) -> bool {
        self.0.load(Ordering::Relaxed) >= ABORT
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
