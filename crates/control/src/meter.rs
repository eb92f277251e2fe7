//! What the control plane and the cores tell each other between turns.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tidemill_pipeline::{Pipeline, Seen};
use tidemill_record::{EventTime, PartitionId};
use tidemill_rt::{Bell, Latch};

use crate::wave::Planned;

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
    state_bytes: AtomicU64,
}

/// How far one pipeline has come that takes turns with others. Written by its core alone.
#[derive(Debug)]
pub struct PartitionMeter {
    /// The name of the query's sink.
    pub query: String,
    /// The name of the source; empty for a gather.
    pub source: String,
    /// Which of the source's.
    pub partition: PartitionId,
    /// What it has counted, on cache lines of its own.
    pub numbers: CoreMeter,
    has_ended: AtomicBool,
}

impl PartitionMeter {
    /// Whether it reads no more.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.has_ended.load(Ordering::Relaxed)
    }
}

/// Those of a job, each from when its pipeline was opened. Cheap to clone; all clones are one. Takes a lock, as one is
/// added and for who asks for them; never between.
#[derive(Clone, Debug, Default)]
pub struct PartitionMeters(Arc<Mutex<Vec<Arc<PartitionMeter>>>>);

impl PartitionMeters {
    /// All there are, in the order in which they were opened.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<PartitionMeter>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn add(&self, planned: &Planned, partition: PartitionId) -> RunningMeter {
        let meter = Arc::new(PartitionMeter {
            query: planned.query.clone(),
            source: planned.source.clone(),
            partition,
            numbers: CoreMeter::default(),
            has_ended: AtomicBool::new(false),
        });
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&meter));
        RunningMeter(meter, self.clone())
    }
}

/// A pipeline's hold of its meter.
#[derive(Debug)]
pub(crate) struct RunningMeter(Arc<PartitionMeter>, PartitionMeters);

impl RunningMeter {
    /// After a turn.
    pub(crate) fn publish(&self, pipeline: &Pipeline) {
        let watermark = pipeline.watermark();
        let is_known = watermark > EventTime::MIN && watermark < EventTime::MAX;
        let watermark = is_known.then_some(watermark);
        self.0.numbers.publish(pipeline.seen(), watermark, pipeline.held_bytes());
    }
}

impl RunningMeter {
    /// Of a pipeline that is over for good: nobody is shown it any more.
    pub(crate) fn forget(self) {
        let mut all = self.1.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|meter| !Arc::ptr_eq(meter, &self.0));
    }
}

impl Drop for RunningMeter {
    fn drop(&mut self) {
        self.0.has_ended.store(true, Ordering::Relaxed);
        self.0.numbers.state_bytes.store(0, Ordering::Relaxed);
    }
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

    /// Bytes that its pipelines hold between turns.
    #[must_use]
    pub fn state_bytes(&self) -> u64 {
        self.state_bytes.load(Ordering::Relaxed)
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

    pub(crate) fn publish(&self, seen: Seen, watermark: Option<EventTime>, state_bytes: u64) {
        self.state_bytes.store(state_bytes, Ordering::Relaxed);
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
