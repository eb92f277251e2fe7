//! One job over a followed file, and the receiver of its results that looks at the clock.

use std::fs::{File, OpenOptions};
use std::path::Path;
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use hdrhistogram::Histogram;
use tidemill::{CoreSet, Query, RuntimeChoice, Session};

use crate::schedule::Schedule;
use crate::sender::{Layout, Records, begin, send};
use crate::{histogram, pin};

/// What is asked, and of what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setup<'a> {
    pub(crate) name: &'a str,
    /// Its result's first column is the number of the record that a row is about.
    pub(crate) query: &'a str,
    pub(crate) layout: Layout,
    pub(crate) runtime: RuntimeChoice,
    /// Where the job runs.
    pub(crate) job_cpu: usize,
    /// Where the sender runs.
    pub(crate) sender_cpu: usize,
}

/// What a run saw.
pub(crate) struct Outcome {
    /// From each record's due time to its result's arrival in the sink, in nanoseconds.
    pub(crate) latencies: Histogram<u64>,
    /// The latest that a write ended after the due time of its first record, in nanoseconds.
    pub(crate) sender_late_ns_max: u64,
    /// Batches that the sink was given.
    pub(crate) batch_count: u64,
}

/// Gathered by the receiver, on the job's core.
struct Receiver {
    schedule: Schedule,
    latencies: Histogram<u64>,
    batch_count: u64,
    ended: Sender<Outcome>,
}

impl Receiver {
    /// Records a batch of results. Once the last record is among them all is handed over.
    fn take(&mut self, batch: &RecordBatch) {
        let elapsed = self.schedule.elapsed_ns();
        self.batch_count += 1;
        let records = batch.column(0).as_primitive::<Int64Type>().values();
        for record in records {
            let due = self.schedule.due_ns(record.cast_unsigned());
            self.latencies.saturating_record(elapsed.saturating_sub(due));
        }
        let last = records.last().map(|last| last.cast_unsigned());
        if last == Some(self.schedule.record_count - 1) {
            let latencies = std::mem::replace(&mut self.latencies, histogram());
            let batch_count = self.batch_count;
            // Whoever waits for it may have given up.
            let _ = self.ended.send(Outcome { latencies, sender_late_ns_max: 0, batch_count });
        }
    }
}

/// Time from the start of the job to the first record's due time: planning and the start of threads are not
/// to be measured.
const LEAD: Duration = Duration::from_millis(300);

/// Sends a schedule's records to a running job. The file is made anew.
pub(crate) fn open_loop(setup: &Setup<'_>, path: &Path, rate: u64, time: Duration) -> Outcome {
    let record_count = u64::try_from(time.as_nanos() * u128::from(rate) / 1_000_000_000).unwrap();
    let mut file = create(path);
    begin(setup.layout, &mut file).unwrap();
    let schedule = Schedule { start: Instant::now() + LEAD, rate, record_count };
    let (job, outcome) = start(setup, path, schedule);
    let (sender_cpu, layout) = (setup.sender_cpu, setup.layout);
    let sender = std::thread::spawn(move || {
        pin(sender_cpu);
        send(&schedule, &mut Records::new(layout), &mut file).unwrap()
    });
    let mut outcome = outcome.recv().expect("the job sees the last record");
    outcome.sender_late_ns_max = sender.join().unwrap();
    end(job);
    outcome
}

/// Records a second of a job whose followed file holds them all from the start.
pub(crate) fn maximum(setup: &Setup<'_>, path: &Path, record_count: u64) -> u64 {
    let mut file = create(path);
    begin(setup.layout, &mut file).unwrap();
    let mut records = Records::new(setup.layout);
    for start in (0..record_count).step_by(16_384) {
        records.append(&mut file, start, (start + 16_384).min(record_count)).unwrap();
    }
    let schedule = Schedule { start: Instant::now(), rate: u64::MAX, record_count };
    let (job, outcome) = start(setup, path, schedule);
    outcome.recv().expect("the job sees the last record");
    let elapsed = schedule.start.elapsed();
    end(job);
    u64::try_from(u128::from(record_count) * 1_000_000_000 / elapsed.as_nanos()).unwrap()
}

fn start(
    setup: &Setup<'_>,
    path: &Path,
    schedule: Schedule,
) -> (Query, std::sync::mpsc::Receiver<Outcome>) {
    let (ended, outcome) = channel();
    let mut session = Session::new();
    session.settings_mut().cores = CoreSet::List(vec![setup.job_cpu]);
    session.settings_mut().runtime = setup.runtime;
    session
        .register_sink("results", move |_partition| {
            let latencies = histogram();
            let mut receiver =
                Receiver { schedule, latencies, batch_count: 0, ended: ended.clone() };
            Box::new(move |batch| {
                receiver.take(&batch);
                Ok(())
            })
        })
        .unwrap();
    let format = match setup.layout {
        Layout::Csv => "csv",
        Layout::Json => "json",
    };
    let script = format!(
        "CREATE SOURCE trades (trade_id BIGINT NOT NULL, trade_time TIMESTAMP, trader_id VARCHAR, \
         symbol VARCHAR, price DOUBLE, quantity BIGINT) WITH ('connector' = 'file', \
         'path' = '{}', 'format' = '{format}', 'follow' = 'true'); INSERT INTO results {}",
        path.display(),
        setup.query,
    );
    (session.prepare(&script).unwrap().start(), outcome)
}

fn create(path: &Path) -> File {
    OpenOptions::new().create(true).write(true).truncate(true).open(path).unwrap()
}

fn end(job: Query) {
    job.stop();
    job.join().unwrap();
}
