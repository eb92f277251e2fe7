//! Rows that wait for the watermark, and leave in order of event time.

use std::collections::VecDeque;

use arrow_array::UInt32Array;
use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use tidemill_record::{Batch, EventTime};

use crate::compact::{batch_bytes, copy_rows, join_copies};
use crate::windows::woven;

/// Rows of one partition whose event time the watermark has not passed.
///
/// Invariant: no run is empty, and runs are in order of arrival.
pub(crate) struct Waiting {
    /// The column of event times.
    time: usize,
    runs: VecDeque<Run>,
    /// Of copies.
    state_bytes: u64,
}

/// Rows of one batch, in order of event time, ties in order of arrival.
struct Run {
    batch: Batch,
    /// Event time and row.
    order: Vec<(i64, u32)>,
    /// The first that has not left.
    next: usize,
    /// Bytes that are counted; the batch as it came is not.
    state_bytes: u64,
}

impl Waiting {
    pub(crate) fn new(time: usize) -> Self {
        Self { time, runs: VecDeque::new(), state_bytes: 0 }
    }

    /// Adds rows, none of them late.
    pub(crate) fn push(&mut self, batch: Batch) {
        if batch.row_count() == 0 {
            return;
        }
        let times = batch.column(self.time).as_primitive::<TimestampMicrosecondType>();
        let mut order: Vec<(i64, u32)> = times.values().iter().copied().zip(0..).collect();
        if !order.is_sorted() {
            order.sort_unstable();
        }
        let batch = batch.with_watermarks(None);
        self.runs.push_back(Run { batch, order, next: 0, state_bytes: 0 });
    }

    /// Takes out the rows that the watermark has passed, in order: batches of at least `batch_rows`, but
    /// for the last, that never part rows of one event time.
    ///
    /// # Cost
    /// O(rows that leave), and a copy of those that stay, once.
    pub(crate) fn release(&mut self, watermark: EventTime, batch_rows: usize) -> Vec<Batch> {
        let has_left = |time: i64| time < watermark.0 || watermark == EventTime::MAX;
        let mut ready: Vec<(i64, u32, u32)> = Vec::new();
        let mut source_count = 0;
        for (at, run) in (0..).zip(&mut self.runs) {
            let start = run.next;
            let count = run.order[start..].partition_point(|&(time, _)| has_left(time));
            if count > 0 {
                source_count += 1;
                ready
                    .extend(run.order[start..][..count].iter().map(|&(time, row)| (time, at, row)));
                run.next += count;
            }
        }
        if source_count > 1 {
            // Stable: ties stay in order of run, then of arrival.
            ready.sort_by_key(|&(time, _, _)| time);
        }
        let batches = self.gather(&ready, batch_rows);
        self.keep_the_rest();
        self.join_small_runs(batch_rows);
        batches
    }

    fn gather(&self, ready: &[(i64, u32, u32)], batch_rows: usize) -> Vec<Batch> {
        let mut batches = Vec::new();
        let mut start = 0;
        while start < ready.len() {
            let mut end = ready.len().min(start + batch_rows.max(1));
            while end < ready.len() && ready[end].0 == ready[end - 1].0 {
                end += 1;
            }
            batches.push(self.gather_one(&ready[start..end]));
            start = end;
        }
        batches
    }

    fn gather_one(&self, ready: &[(i64, u32, u32)]) -> Batch {
        let (_, run, first) = ready[0];
        let follow = |(at, &(_, r, row)): (u32, &(i64, u32, u32))| r == run && row == first + at;
        if (0..).zip(ready).all(follow) {
            return self.runs[run as usize].batch.slice(first as usize, ready.len());
        }
        let first_run = ready.iter().map(|ready| ready.1).min().unwrap_or(0) as usize;
        let batches: Vec<Batch> =
            self.runs.range(first_run..).map(|run| run.batch.clone()).collect();
        let place = |&(_, run, row): &(i64, u32, u32)| (run as usize - first_run, row as usize);
        let places: Vec<(usize, usize)> = ready.iter().map(place).collect();
        woven(&batches, &places)
    }

    /// Drops runs without rows; what is left of one that has not been copied is, so that a few rows do
    /// not hold the buffers of all.
    fn keep_the_rest(&mut self) {
        self.runs.retain(|run| run.next < run.order.len());
        for run in &mut self.runs {
            let is_copy = run.state_bytes > 0;
            let left = run.order.len() - run.next;
            if !is_copy || left < run.batch.row_count() / 4 {
                let rest: Vec<(i64, u32)> = run.order[run.next..].to_vec();
                let rows: UInt32Array = rest.iter().map(|&(_, row)| row).collect::<Vec<_>>().into();
                run.batch = copy_rows(&run.batch, &rows);
                run.order = rest.iter().map(|&(time, _)| time).zip(0..).collect();
                run.next = 0;
                let order_bytes = run.order.capacity() * size_of::<(i64, u32)>();
                run.state_bytes = batch_bytes(&run.batch) + order_bytes as u64;
            }
        }
        self.state_bytes = self.runs.iter().map(|run| run.state_bytes).sum();
    }

    /// Joins the newest runs while they are about as long as each other and fit one batch: input that
    /// comes a few rows at a time would leave as many runs, and all of them are looked at each time.
    ///
    /// # Cost
    /// A row is copied once for each doubling of the run it is in.
    fn join_small_runs(&mut self, batch_rows: usize) {
        while let [.., before, last] = self.runs.make_contiguous() {
            let (before_rows, last_rows) = (before.batch.row_count(), last.batch.row_count());
            if before_rows > 2 * last_rows || before_rows + last_rows > batch_rows {
                return;
            }
            let batches = [before.batch.clone(), last.batch.clone()];
            let first_of_last = u32::try_from(before_rows).expect("fewer rows than a batch has");
            let of_last = last.order[last.next..].iter();
            let mut order = before.order[before.next..].to_vec();
            order.extend(of_last.map(|&(time, row)| (time, first_of_last + row)));
            // Ties stay in order of arrival, which is that of their rows.
            order.sort_unstable();
            let order_bytes = order.capacity() * size_of::<(i64, u32)>();
            self.state_bytes -= before.state_bytes + last.state_bytes;
            let batch = join_copies(&batches).expect("of two batches");
            let state_bytes = batch_bytes(&batch) + order_bytes as u64;
            self.state_bytes += state_bytes;
            self.runs.pop_back();
            self.runs.pop_back();
            self.runs.push_back(Run { batch, order, next: 0, state_bytes });
        }
    }

    /// Rows that wait.
    pub(crate) fn row_count(&self) -> usize {
        self.runs.iter().map(|run| run.order.len() - run.next).sum()
    }

    /// Bytes held after the last [`Self::release`].
    pub(crate) fn state_bytes(&self) -> u64 {
        self.state_bytes
    }
}

/// The rows of a batch that came before the watermark had passed their event time, and the places of the
/// others.
pub(crate) fn without_late(batch: &Batch, time: usize) -> (Batch, Vec<usize>) {
    let times = batch.column(time).as_primitive::<TimestampMicrosecondType>().values();
    let is_late = |row: usize| times[row] < batch.watermark_before(row).0;
    let last = times.len() - 1;
    // Watermarks ascend: the last one says whether any row may be late.
    let least = times.iter().copied().min().unwrap_or(i64::MAX);
    if least >= batch.watermark_before(last).0 {
        return (batch.clone(), Vec::new());
    }
    let (late, kept): (Vec<usize>, Vec<usize>) = (0..=last).partition(|&row| is_late(row));
    let kept: Vec<(usize, usize)> = kept.into_iter().map(|row| (0, row)).collect();
    (woven(std::slice::from_ref(batch), &kept), late)
}
