//! What the control plane and the cores tell each other between turns.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use tidemill_pipeline::Seen;
use tidemill_record::EventTime;
use tidemill_rt::{Bell, Latch};

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

    /// Says which cores wait while it may be set; only the first call does.
    pub(crate) fn wakes(&self, bells: &Arc<[Bell]>) {
        // Whoever aborts sets the other one behind it.
        self.stop.wakes(bells);
    }
}

/// How far one core has come. Written by that core alone, between turns; read by whoever draws
/// progress. Aligned so that no two cores write to the same pair of cache lines.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct CoreMeter {
    bytes_in: AtomicU64,
    records_in: AtomicU64,
    rows_out: AtomicU64,
    bad_records: AtomicU64,
    late_records: AtomicU64,
    /// The watermark with its sign turned, so that the 0 of a new meter is none, [`EventTime::MIN`].
    above_min: AtomicI64,
    cpu_ns: AtomicU64,
}

impl CoreMeter {
    /// What its pipelines have seen, those that are done included.
    #[must_use]
    pub fn seen(&self) -> Seen {
        Seen {
            bytes_in: self.bytes_in.load(Ordering::Relaxed),
            records_in: self.records_in.load(Ordering::Relaxed),
            rows_out: self.rows_out.load(Ordering::Relaxed),
            bad_records: self.bad_records.load(Ordering::Relaxed),
            late_records: self.late_records.load(Ordering::Relaxed),
        }
    }

    /// The least watermark of its pipelines that have one and read on; `None` where none does.
    #[must_use]
    pub fn watermark(&self) -> Option<EventTime> {
        let watermark = EventTime(self.above_min.load(Ordering::Relaxed) ^ EventTime::MIN.0);
        (watermark != EventTime::MIN).then_some(watermark)
    }

    /// CPU time that it has taken of its core, in what is over.
    #[must_use]
    pub fn cpu_time(&self) -> Duration {
        Duration::from_nanos(self.cpu_ns.load(Ordering::Relaxed))
    }

    /// Adds CPU time.
    pub(crate) fn add_cpu_time(&self, time: Duration) {
        let all = self.cpu_time() + time;
        self.cpu_ns.store(u64::try_from(all.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    pub(crate) fn publish(&self, seen: Seen, watermark: Option<EventTime>) {
        let Seen { bytes_in, records_in, rows_out, bad_records, late_records } = seen;
        self.bytes_in.store(bytes_in, Ordering::Relaxed);
        self.records_in.store(records_in, Ordering::Relaxed);
        self.rows_out.store(rows_out, Ordering::Relaxed);
        self.bad_records.store(bad_records, Ordering::Relaxed);
        self.late_records.store(late_records, Ordering::Relaxed);
        let watermark = watermark.unwrap_or(EventTime::MIN).0;
        self.above_min.store(watermark ^ EventTime::MIN.0, Ordering::Relaxed);
    }
}
