//! A job on its way, for whoever watches, stops and awaits it.

use std::any::Any;
use std::fmt;
use std::future::{Future, IntoFuture};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use tidemill_control::{ControlError, CoreMeter, Notices, PartitionMeters, StopFlag};
use tidemill_pipeline::Seen;
use tidemill_record::EventTime;
use tidemill_rt::RtError;

use crate::{Error, Job, Runtime, Summary};

/// A job on its way. Cheap to clone; all clones are one, and any thread may use them.
///
/// As the last clone is dropped the job is [stopped](Self::stop), unless it was [detached](Self::detach).
#[derive(Clone)]
pub struct Query(Arc<Handle>);

struct Handle {
    shared: Arc<Shared>,
    is_detached: AtomicBool,
}

/// What the handles of a job and its thread know of each other.
struct Shared {
    stop: StopFlag,
    progress: Progress,
    is_endless: bool,
    ending: Mutex<Ending>,
    ended: Condvar,
}

#[derive(Default)]
struct Ending {
    has_ended: bool,
    result: Option<Result<Summary, Error>>,
    wakers: Vec<Waker>,
}

/// How a job came to its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum End {
    /// All of its input was read, or all that it wants of it.
    #[default]
    Input,
    /// It was [stopped](Query::stop) before.
    Stopped,
    /// It was [cancelled](Query::cancel): nothing was published but what had been before.
    Cancelled,
}

/// How far a job has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct JobProgress {
    /// Bytes (or generated rows) to read; 0 until the input has been looked at.
    pub input_total: u64,
    /// Bytes (or generated rows) read so far.
    pub input_done: u64,
    /// Records read so far, bad ones included.
    pub records_in: u64,
    /// Rows written so far.
    pub rows_out: u64,
    /// Records, or result rows, that were bad so far.
    pub bad_records: u64,
    /// Records that came too late so far, for some or all of their windows.
    pub late_records: u64,
    /// The least watermark of the partitions that are read and have one.
    pub watermark: Option<EventTime>,
    /// The input has no end.
    pub is_endless: bool,
}

/// What something has counted so far, and what it holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Records read, bad ones included.
    pub records_in: u64,
    /// Bytes read.
    pub bytes_in: u64,
    /// Rows written.
    pub rows_out: u64,
    /// Records, or result rows, that were bad.
    pub bad_records: u64,
    /// Records that came too late, for some or all of their windows.
    pub late_records: u64,
    /// How far event time has come: of several partitions, the least of those that are read and have one.
    pub watermark: Option<EventTime>,
    /// Bytes of tables, and whatever else the memory budget counts, between turns.
    pub state_bytes: u64,
}

impl Counts {
    fn new(seen: Seen, watermark: Option<EventTime>, state_bytes: u64) -> Self {
        let Seen { bytes_in, records_in, rows_out, bad_records, late_records } = seen;
        Self { records_in, bytes_in, rows_out, bad_records, late_records, watermark, state_bytes }
    }
}

/// What a job has counted so far, and what it holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueryMetrics {
    /// Of all of it.
    pub counts: Counts,
    /// The same of each partition, and of gathers, where input has no end; of jobs that end none.
    pub partitions: Vec<PartitionMetrics>,
}

/// What a partition has counted so far, and what it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PartitionMetrics {
    /// The name of the query's sink.
    pub query: String,
    /// The name of the source; empty of a gather.
    pub source: String,
    /// Its number among those of the source.
    pub partition: u32,
    /// Of this partition.
    pub counts: Counts,
    /// It has come to its end, or failed.
    pub has_ended: bool,
}

/// What a job says of itself while it runs.
#[derive(Default)]
pub(crate) struct Progress {
    pub(crate) input_total: AtomicU64,
    pub(crate) meters: OnceLock<Vec<Arc<CoreMeter>>>,
    pub(crate) partitions: PartitionMeters,
    pub(crate) notices: Notices,
    /// Empty of a job that begins.
    pub(crate) resumes_from: OnceLock<String>,
    /// What is asked for is no failure.
    pub(crate) is_cancelled: AtomicBool,
}

impl Progress {
    /// What the cores have seen so far.
    pub(crate) fn seen(&self) -> Seen {
        self.cores().iter().fold(Seen::default(), |sum, meter| sum + meter.seen())
    }

    fn cores(&self) -> &[Arc<CoreMeter>] {
        self.meters.get().map_or(&[], Vec::as_slice)
    }

    fn watermark(&self) -> Option<EventTime> {
        self.cores().iter().filter_map(|meter| meter.watermark()).min()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Ending> {
        // Whole between any two statements that could panic.
        self.ending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cancel(&self) {
        self.progress.is_cancelled.store(true, Ordering::Relaxed);
        self.stop.abort();
    }

    fn end(&self, result: Result<Summary, Error>) {
        let mut ending = self.lock();
        (ending.has_ended, ending.result) = (true, Some(result));
        let wakers = std::mem::take(&mut ending.wakers);
        drop(ending);
        self.ended.notify_all();
        wakers.into_iter().for_each(Waker::wake);
    }
}

impl Ending {
    /// A summary for each who asks; an error for the first.
    fn take(&mut self) -> Result<Summary, Error> {
        match self.result.take() {
            Some(Ok(summary)) => {
                self.result = Some(Ok(summary.clone()));
                Ok(summary)
            }
            Some(Err(error)) => {
                let text = format!(
                    "the query has failed, as it was said where it was joined first: {error}"
                );
                self.result = Some(Err(Error::usage(text)));
                Err(error)
            }
            None => unreachable!("a query that has ended has a result"),
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if !self.is_detached.load(Ordering::Relaxed) {
            self.shared.stop.stop();
        }
    }
}

impl Query {
    pub(crate) fn start(job: Job, runtime: Option<Runtime>) -> Self {
        let shared = Arc::new(Shared {
            stop: StopFlag::new(),
            progress: Progress::default(),
            is_endless: job.is_endless_somewhere(),
            ending: Mutex::default(),
            ended: Condvar::new(),
        });
        let of_thread = Arc::clone(&shared);
        let run = move || {
            let Shared { stop, progress, .. } = &*of_thread;
            // Whatever it had of the runtime is given back by then.
            let ran = catch_unwind(AssertUnwindSafe(|| job.run_on(runtime, stop, progress)));
            of_thread.end(ran.unwrap_or_else(|panic| Err(panicked(&*panic))));
        };
        let thread = std::thread::Builder::new().name("tidemill-job".to_owned());
        thread.spawn(run).expect("the host can start a thread");
        Self(Arc::new(Handle { shared, is_detached: AtomicBool::new(false) }))
    }

    /// Asks the job to stop. Input without end, and what a registered source gives, ends there, and results are
    /// those of what was read; of other input that was not read to its end nothing becomes visible, and
    /// [`Summary::stopped`] says so.
    pub fn stop(&self) {
        self.0.shared.stop.stop();
    }

    /// Ends the job as soon as each core has finished its turn: nothing more is read, merged, written or published. Of input
    /// without end what was published before stays. [`Self::join`] then says [`End::Cancelled`].
    pub fn cancel(&self) {
        self.0.shared.cancel();
    }

    /// Lets the job go on when the last clone is dropped.
    pub fn detach(&self) {
        self.0.is_detached.store(true, Ordering::Relaxed);
    }

    /// The flag that [`Self::stop`] sets, for a signal handler.
    #[must_use]
    pub fn stop_flag(&self) -> StopFlag {
        self.0.shared.stop.clone()
    }

    /// Whether it has ended, so that [`Self::join`] does not wait.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.0.shared.lock().has_ended
    }

    /// How far it has come.
    ///
    /// # Cost
    /// O(cores); takes nothing from them.
    #[must_use]
    pub fn progress(&self) -> JobProgress {
        let progress = &self.0.shared.progress;
        let seen = progress.seen();
        JobProgress {
            input_total: progress.input_total.load(Ordering::Relaxed),
            input_done: if seen.bytes_in > 0 { seen.bytes_in } else { seen.records_in },
            records_in: seen.records_in,
            rows_out: seen.rows_out,
            bad_records: seen.bad_records,
            late_records: seen.late_records,
            watermark: progress.watermark(),
            is_endless: self.0.shared.is_endless,
        }
    }

    /// What it has counted so far, and what it holds. Figures of one moment are not of the same turn.
    ///
    /// # Cost
    /// O(cores and partitions); takes nothing from the cores.
    #[must_use]
    pub fn metrics(&self) -> QueryMetrics {
        let progress = &self.0.shared.progress;
        let partitions = progress.partitions.all().into_iter().map(|meter| {
            let numbers = &meter.numbers;
            PartitionMetrics {
                query: meter.query.clone(),
                source: meter.source.clone(),
                partition: meter.partition.0,
                counts: Counts::new(numbers.seen(), numbers.watermark(), numbers.state_bytes()),
                has_ended: meter.has_ended(),
            }
        });
        let state_bytes = progress.cores().iter().map(|meter| meter.state_bytes()).sum();
        QueryMetrics {
            counts: Counts::new(progress.seen(), progress.watermark(), state_bytes),
            partitions: partitions.collect(),
        }
    }

    /// From where it goes on, once that is known, in words; `None` of a job that begins, or keeps no state.
    #[must_use]
    pub fn resumes_from(&self) -> Option<String> {
        self.0.shared.progress.resumes_from.get().filter(|text| !text.is_empty()).cloned()
    }

    /// What a person should hear of while it runs, since this was last asked: sentences without a final
    /// stop. What is left of it when the job has ended is still there to be taken.
    #[must_use]
    pub fn take_notices(&self) -> Vec<String> {
        self.0.shared.progress.notices.take()
    }

    /// Waits until it has ended or `time` has passed; whether it has ended.
    #[must_use]
    pub fn wait_at_most(&self, time: Duration) -> bool {
        let until = Instant::now().checked_add(time);
        let mut ending = self.0.shared.lock();
        while !ending.has_ended {
            let left = until.map_or(time, |at| at.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return false;
            }
            let waited = self.0.shared.ended.wait_timeout(ending, left);
            ending = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// Blocks until it has ended. Any number of threads may; not one that the job itself calls back on.
    ///
    /// # Errors
    /// As [`crate::Job::run`]; also that a part of the job panicked. Whoever is first has the error as it is, others its text.
    pub fn join(&self) -> Result<Summary, Error> {
        let mut ending = self.0.shared.lock();
        while !ending.has_ended {
            let woken = self.0.shared.ended.wait(ending);
            ending = woken.unwrap_or_else(PoisonError::into_inner);
        }
        ending.take()
    }

    /// The same for async code, in whatever runtime. **Dropping the future before it is ready cancels the job**, as
    /// [`Self::cancel`] does, whoever else has a clone: so `tokio::time::timeout(limit, query.wait())` leaves nothing running. Await
    /// `&mut` of it where it is to be asked more than once.
    #[must_use]
    pub fn wait(&self) -> Wait {
        Wait { query: self.clone(), is_ready: false }
    }
}

/// The end of a job, to be awaited; see [`Query::wait`].
#[derive(Debug)]
pub struct Wait {
    query: Query,
    is_ready: bool,
}

impl Future for Wait {
    type Output = Result<Summary, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let query = self.query.clone();
        let mut ending = query.0.shared.lock();
        if ending.has_ended {
            self.is_ready = true;
            return Poll::Ready(ending.take());
        }
        let waker = context.waker();
        if !ending.wakers.iter().any(|known| known.will_wake(waker)) {
            ending.wakers.push(waker.clone());
        }
        Poll::Pending
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        if !self.is_ready {
            self.query.cancel();
        }
    }
}

impl IntoFuture for Query {
    type Output = Result<Summary, Error>;
    type IntoFuture = Wait;

    fn into_future(self) -> Wait {
        Wait { query: self, is_ready: false }
    }
}

impl fmt::Debug for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Query");
        shown.field("has_ended", &self.has_ended()).field("progress", &self.progress()).finish()
    }
}

/// A panic of the thread that plans and publishes.
fn panicked(panic: &(dyn Any + Send)) -> Error {
    let message = match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => (*text).to_owned(),
        (_, Some(text)) => text.clone(),
        _ => "no message".to_owned(),
    };
    let error = RtError::Panicked { name: "tidemill-job".to_owned(), message };
    Error::run(ControlError::Core(error), None)
}
