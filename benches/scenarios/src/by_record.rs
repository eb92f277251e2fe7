//! A record at a time, from a reader through one queue to one coordinator, and through another to a writer.
//!
//! Three threads, not pinned: the crate that pins does so only for its own executors. Reading and decoding
//! are by the batch and nothing sleeps but on an empty or a full queue, so that the shape is measured and
//! not its carelessness. The records of a batch share its buffers; handing one over copies no text.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;

use tidemill_record::Batch;

use crate::input::{Files, Next};
use crate::operators::{BATCH_ROWS, Operators, Watermarks};
use crate::output::Output;
use crate::query::Query;
use crate::queue::Queue;

/// Records that may wait in each queue.
pub(crate) const QUEUE_RECORDS: usize = 1024;

/// Runs a query over files, into a directory that is empty.
pub(crate) fn run(query: &Query, files: &[PathBuf], directory: &Path) {
    let (records, results) = (Queue::new(QUEUE_RECORDS), Queue::new(QUEUE_RECORDS));
    let (records, results) = (&records, &results);
    thread::scope(|scope| {
        scope.spawn(move || {
            for next in Files::open(files, query) {
                match next {
                    Next::Batch(file, batch) => {
                        for row in 0..batch.row_count() {
                            records.push(Next::Batch(file, batch.slice(row, 1)));
                        }
                    }
                    Next::Ended(file) => records.push(Next::Ended(file)),
                }
            }
            records.close();
        });
        scope.spawn(move || {
            coordinate(query, files.len(), records, results);
            results.close();
        });
        let mut output = Output::create(directory, query);
        while let Some(row) = results.pop() {
            output.write(&row);
        }
        output.finish();
    });
}

/// Applies the operators to one record after another, each under the lock that guards them.
fn coordinate(query: &Query, file_count: usize, records: &Queue<Next>, results: &Queue<Batch>) {
    let state = Mutex::new(Coordinator::new(query, file_count));
    while let Some(next) = records.pop() {
        let mut state = state.lock().unwrap();
        match next {
            Next::Batch(file, record) => {
                let changes = state.apply(file, record);
                drop(state);
                give(&changes, results);
            }
            Next::Ended(file) => state.end(file),
        }
    }
    give(&state.into_inner().unwrap().drain(), results);
}

/// What stands behind the lock.
pub(crate) struct Coordinator {
    operators: Operators,
    watermarks: Watermarks,
    record_count: usize,
}

impl Coordinator {
    /// Nothing seen.
    pub(crate) fn new(query: &Query, file_count: usize) -> Self {
        Self {
            operators: Operators::new(&query.stages),
            watermarks: Watermarks::new(query.event_time.as_ref(), file_count),
            record_count: 0,
        }
    }

    /// Applies all stages to one record.
    ///
    /// What waits for event time is let go as often as in the other shapes, once for so many records as a
    /// batch may hold: the table of `OVER` walks all that waits each time, a hundred thousand runs of one
    /// row here, and would take hours with every record.
    pub(crate) fn apply(&mut self, file: usize, record: Batch) -> Vec<Batch> {
        let record = self.watermarks.note(file, record);
        self.record_count += 1;
        let is_due = self.record_count.is_multiple_of(BATCH_ROWS);
        self.operators.apply(record, is_due.then(|| self.watermarks.least()))
    }

    /// A file holds nothing more.
    fn end(&mut self, file: usize) {
        self.watermarks.end(file);
    }

    /// After the last record: what the tables still hold.
    pub(crate) fn drain(self) -> Vec<Batch> {
        self.operators.drain()
    }
}

/// Hands rows over, one at a time.
fn give(batches: &[Batch], results: &Queue<Batch>) {
    for batch in batches {
        for row in 0..batch.row_count() {
            results.push(batch.slice(row, 1));
        }
    }
}
