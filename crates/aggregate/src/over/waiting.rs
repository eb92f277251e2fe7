//! Rows that wait for the watermark, and leave in order of event time.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use tidemill_record::{Batch, DataType, EventTime, Image, ImageError, Places};

use crate::compact::{batch_bytes, copy_rows, join_copies, rows_in, woven};

/// Rows of one partition whose event time the watermark has not passed.
///
/// Invariant: no run is empty, and runs are in order of arrival.
pub(crate) struct Waiting {
    /// The column of event times.
    time: usize,
    runs: VecDeque<Run>,
    /// Of copies.
    state_bytes: u64,
    // Memory that is used again and again; empty in between.
    /// Rows that leave: event time, run and row.
    ready: Vec<(i64, u32, u32)>,
    /// The same while two runs of them are merged.
    merged: Vec<(i64, u32, u32)>,
    /// The same as batch and row.
    places: Vec<(usize, usize)>,
    batches: Vec<Batch>,
    /// Rows to be copied.
    rows: Vec<u32>,
    /// Those of runs that are gone.
    orders: Vec<Vec<(i64, u32)>>,
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

/// Rows that leave at a time, where many could.
const RELEASED_ROWS: usize = 1 << 16;

/// Orders that are kept for use again.
const ORDERS_MAX: usize = 4;

impl Waiting {
    pub(crate) fn new(time: usize) -> Self {
        Self {
            time,
            runs: VecDeque::new(),
            state_bytes: 0,
            ready: Vec::new(),
            merged: Vec::new(),
            places: Vec::new(),
            batches: Vec::new(),
            rows: Vec::new(),
            orders: Vec::new(),
        }
    }

    /// Adds rows, none of them late.
    pub(crate) fn push(&mut self, batch: Batch) {
        if batch.row_count() == 0 {
            return;
        }
        let times = batch.column(self.time).as_primitive::<TimestampMicrosecondType>();
        let mut order = self.orders.pop().unwrap_or_default();
        order.reserve(times.len());
        order.extend(times.values().iter().copied().zip(0..));
        if !order.is_sorted() {
            order.sort_unstable();
        }
        // They leave with another record, in places of their own.
        let batch = batch.with_watermarks(None).with_places(Places::None);
        self.runs.push_back(Run { batch, order, next: 0, state_bytes: 0 });
    }

    /// How far event time may pass at a time on its way to `watermark`, so that of all runs together about
    /// [`RELEASED_ROWS`] leave, and those of one time.
    ///
    /// # Cost
    /// O(runs).
    pub(crate) fn next_step(&self, watermark: EventTime) -> EventTime {
        if self.row_count() <= RELEASED_ROWS {
            return watermark;
        }
        // Rows are counted by strides, from the run whose next stride ends first.
        let stride = (RELEASED_ROWS / (4 * self.runs.len())).max(1);
        let end_of = |at: usize, place: usize| {
            let end = place + stride;
            self.runs[at].order.get(end).map(|&(time, _)| Reverse((time, at, end)))
        };
        let starts = self.runs.iter().enumerate();
        let mut ends: BinaryHeap<_> = starts.filter_map(|(at, run)| end_of(at, run.next)).collect();
        let mut row_count = 0;
        while let Some(Reverse((time, at, end))) = ends.pop() {
            row_count += stride;
            if row_count >= RELEASED_ROWS {
                // Rows of just this time leave once event time is beyond it.
                return watermark.min(EventTime(time.saturating_add(1)));
            }
            ends.extend(end_of(at, end));
        }
        watermark
    }

    /// Takes out the rows that the watermark has passed, in order, to `released`: batches of at least
    /// `batch_rows`, but for the last, that never part rows of one event time.
    ///
    /// # Cost
    /// O(rows that leave), and a copy of those that stay, once.
    pub(crate) fn release(
        &mut self,
        watermark: EventTime,
        batch_rows: usize,
        released: &mut Vec<Batch>,
    ) {
        let has_left = |time: i64| time < watermark.0 || watermark == EventTime::MAX;
        let mut ready = std::mem::take(&mut self.ready);
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
        match source_count {
            0 | 1 => {}
            2 => merge(&mut ready, &mut self.merged),
            // Ties stay in order of run, then of arrival.
            _ => ready.sort_unstable(),
        }
        self.gather(&ready, batch_rows, released);
        ready.clear();
        self.ready = ready;
        self.keep_the_rest();
        self.join_small_runs(batch_rows);
    }

    fn gather(&mut self, ready: &[(i64, u32, u32)], batch_rows: usize, released: &mut Vec<Batch>) {
        let mut start = 0;
        while start < ready.len() {
            let mut end = ready.len().min(start + batch_rows.max(1));
            while end < ready.len() && ready[end].0 == ready[end - 1].0 {
                end += 1;
            }
            released.push(self.gather_one(&ready[start..end]));
            start = end;
        }
    }

    fn gather_one(&mut self, ready: &[(i64, u32, u32)]) -> Batch {
        let (_, run, first) = ready[0];
        let follow = |(at, &(_, r, row)): (u32, &(i64, u32, u32))| r == run && row == first + at;
        if (0..).zip(ready).all(follow) {
            let first = first as usize;
            return rows_in(&self.runs[run as usize].batch, first..first + ready.len());
        }
        let runs = || ready.iter().map(|ready| ready.1 as usize);
        let (first_run, last_run) = (runs().min().unwrap_or(0), runs().max().unwrap_or(0));
        self.batches.extend(self.runs.range(first_run..=last_run).map(|run| run.batch.clone()));
        let place = |&(_, run, row): &(i64, u32, u32)| (run as usize - first_run, row as usize);
        self.places.extend(ready.iter().map(place));
        let woven = woven(&self.batches, &self.places);
        self.batches.clear();
        self.places.clear();
        woven
    }

    /// Drops runs without rows; what is left of one that has not been copied is, so that a few rows do
    /// not hold the buffers of all. Its order keeps its room, for the next run.
    fn keep_the_rest(&mut self) {
        let orders = &mut self.orders;
        self.runs.retain_mut(|run| {
            let has_rows = run.next < run.order.len();
            if !has_rows {
                give_back(std::mem::take(&mut run.order), orders);
            }
            has_rows
        });
        for run in &mut self.runs {
            let is_copy = run.state_bytes > 0;
            let left = run.order.len() - run.next;
            if !is_copy || left < run.batch.row_count() / 4 {
                run.order.drain(..run.next);
                self.rows.extend(run.order.iter().map(|&(_, row)| row));
                run.batch = copy_rows(&run.batch, &self.rows);
                self.rows.clear();
                (0..).zip(&mut run.order).for_each(|(row, place)| place.1 = row);
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
            let (of_before, of_last) =
                (&before.order[before.next..], last.order[last.next..].iter());
            let mut order = self.orders.pop().unwrap_or_default();
            order.reserve(of_before.len() + of_last.len());
            order.extend_from_slice(of_before);
            order.extend(of_last.map(|&(time, row)| (time, first_of_last + row)));
            // Ties stay in order of arrival, which is that of their rows.
            order.sort_unstable();
            let order_bytes = order.capacity() * size_of::<(i64, u32)>();
            self.state_bytes -= before.state_bytes + last.state_bytes;
            let batch = join_copies(&batches).expect("of two batches");
            let state_bytes = batch_bytes(&batch) + order_bytes as u64;
            self.state_bytes += state_bytes;
            for joined in [self.runs.pop_back(), self.runs.pop_back()].into_iter().flatten() {
                give_back(joined.order, &mut self.orders);
            }
            self.runs.push_back(Run { batch, order, next: 0, state_bytes });
        }
    }

    /// The rows that wait, in the order in which they will leave, to be made again by [`Self::import`]. `types` are
    /// those of all columns.
    ///
    /// # Cost
    /// A sort of the rows, and a copy.
    pub(crate) fn export(&self, types: &[DataType]) -> Image {
        let mut image = Image::new();
        let runs = (0_u32..).zip(&self.runs);
        let waiting = runs.flat_map(|(at, run)| {
            run.order[run.next..].iter().map(move |&(time, row)| (time, at, row))
        });
        let mut waiting: Vec<(i64, u32, u32)> = waiting.collect();
        waiting.sort_unstable();
        if waiting.is_empty() {
            return image;
        }
        let place = |&(_, run, row): &(i64, u32, u32)| (run as usize, row as usize);
        let places: Vec<(usize, usize)> = waiting.iter().map(place).collect();
        let batches: Vec<Batch> = self.runs.iter().map(|run| run.batch.clone()).collect();
        image.put_batch("rows", &woven(&batches, &places), types);
        image
    }

    /// Takes over what another has exported; only of one without rows.
    ///
    /// # Errors
    /// [`ImageError`], also where a row has no event time.
    pub(crate) fn import(
        &mut self,
        mut image: Image,
        types: &[DataType],
    ) -> Result<(), ImageError> {
        if image.has("rows") {
            let batch = image.take_batch("rows", types)?;
            if batch.column(self.time).null_count() > 0 {
                return Err(ImageError::new("rows", "has a row without event time"));
            }
            self.push(batch);
            // They are copies, and counted.
            for run in &mut self.runs {
                let order_bytes = run.order.capacity() * size_of::<(i64, u32)>();
                run.state_bytes = batch_bytes(&run.batch) + order_bytes as u64;
                self.state_bytes += run.state_bytes;
            }
        }
        image.end()
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

/// Keeps the memory of the order of a run that is gone.
fn give_back(mut order: Vec<(i64, u32)>, orders: &mut Vec<Vec<(i64, u32)>>) {
    if orders.len() < ORDERS_MAX {
        order.clear();
        orders.push(order);
    }
}

/// Puts rows of two runs, each in order, in order of event time, those of the first run before others of
/// the same time. `merged` is empty before and afterwards.
fn merge(ready: &mut Vec<(i64, u32, u32)>, merged: &mut Vec<(i64, u32, u32)>) {
    let split = ready.partition_point(|&(_, run, _)| run == ready[0].1);
    let (mut first, mut second) = ready.split_at(split);
    if first[first.len() - 1].0 <= second[0].0 {
        return;
    }
    merged.reserve(ready.len());
    while let (Some(left), Some(right)) = (first.first(), second.first()) {
        let is_first = left.0 <= right.0;
        merged.push(if is_first { *left } else { *right });
        first = &first[usize::from(is_first)..];
        second = &second[usize::from(!is_first)..];
    }
    merged.extend_from_slice(first);
    merged.extend_from_slice(second);
    std::mem::swap(ready, merged);
    merged.clear();
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
