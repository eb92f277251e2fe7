//! A job on its way, for whoever watches and stops it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

use tidemill_control::{CoreMeter, Notices, StopFlag};
use tidemill_pipeline::Seen;
use tidemill_record::EventTime;

use crate::{Error, Summary};

/// A job on its way.
pub struct RunningJob {
    pub(crate) stop: StopFlag,
    pub(crate) progress: Arc<Progress>,
    pub(crate) is_endless: bool,
    /// Closed by the job's thread as it ends.
    pub(crate) ended: Receiver<()>,
    pub(crate) thread: JoinHandle<Result<Summary, Error>>,
}

/// How far a job has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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

/// What a job says of itself while it runs.
#[derive(Default)]
pub(crate) struct Progress {
    pub(crate) input_total: AtomicU64,
    pub(crate) meters: OnceLock<Vec<Arc<CoreMeter>>>,
    pub(crate) notices: Notices,
    /// Empty of a job that begins.
    pub(crate) resumes_from: OnceLock<String>,
}

impl RunningJob {
    /// Asks the job to stop. Input without end, and what a registered source gives, ends there, and results are
    /// those of what was read; of other input that was not read to its end nothing becomes visible, and
    /// [`Summary::stopped`] says so.
    pub fn stop(&self) {
        self.stop.stop();
    }

    /// Ends the job as soon as each core has finished its turn: nothing more is read, merged or written, and it fails
    /// with an error that [says so](Error::is_aborted).
    pub fn abort(&self) {
        self.stop.abort();
    }

    /// The flag that [`Self::stop`] sets, for a signal handler.
    #[must_use]
    pub fn stop_flag(&self) -> StopFlag {
        self.stop.clone()
    }

    /// How far it has come.
    #[must_use]
    pub fn progress(&self) -> JobProgress {
        let meters = self.progress.meters.get().map_or(&[][..], Vec::as_slice);
        let seen = meters.iter().fold(Seen::default(), |sum, meter| sum + meter.seen());
        let watermark = meters.iter().filter_map(|meter| meter.watermark()).min();
        JobProgress {
            input_total: self.progress.input_total.load(Ordering::Relaxed),
            input_done: if seen.bytes_in > 0 { seen.bytes_in } else { seen.records_in },
            records_in: seen.records_in,
            rows_out: seen.rows_out,
            bad_records: seen.bad_records,
            late_records: seen.late_records,
            watermark,
            is_endless: self.is_endless,
        }
    }

    /// From where it goes on, once that is known, in words; `None` of a job that begins, or keeps no state.
    #[must_use]
    pub fn resumes_from(&self) -> Option<String> {
        self.progress.resumes_from.get().filter(|text| !text.is_empty()).cloned()
    }

    /// What a person should hear of while it runs, since this was last asked: sentences without a final
    /// stop. What is left of it when the job has ended is still there to be taken.
    #[must_use]
    pub fn take_notices(&self) -> Vec<String> {
        self.progress.notices.take()
    }

    /// Waits until it has ended or `time` has passed; whether it has ended.
    #[must_use]
    pub fn wait_at_most(&self, time: Duration) -> bool {
        matches!(self.ended.recv_timeout(time), Err(RecvTimeoutError::Disconnected))
    }

    /// Waits until it has ended.
    ///
    /// # Errors
    /// As [`crate::Job::run`].
    ///
    /// # Panics
    /// If the job's control plane panicked, which is a bug.
    pub fn wait(self) -> Result<Summary, Error> {
        match self.thread.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}
