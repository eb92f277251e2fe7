//! Batches, cut by the hash of the group key to partitions that each stand behind a lock.
//!
//! One reader decodes and cuts. Inline, it also applies each partition's operators, under a write lock
//! that it takes once for each part of a batch; on threads, each partition has a thread of its own with a
//! bounded queue of parts before it. Either way one writer encodes, on a thread of its own behind a queue
//! of batches. Nothing is pinned.

use std::path::{Path, PathBuf};
use std::sync::RwLock;
use std::thread;

use tidemill_record::{Batch, EventTime};

use crate::input::{Files, Next};
use crate::operators::{Operators, Watermarks};
use crate::output::Output;
use crate::query::Query;
use crate::queue::Queue;
use crate::routing::Router;

/// Batches that may wait in each queue.
const QUEUE_BATCHES: usize = 16;

/// A part of a batch, and how far event time has come behind it.
struct Part {
    rows: Batch,
    watermark: EventTime,
}

/// Runs a query over files, every partition's operators on the reader's thread.
pub(crate) fn run_inline(query: &Query, files: &[PathBuf], directory: &Path, partitions: usize) {
    let results = Queue::new(QUEUE_BATCHES);
    let tables = (0..partitions).map(|_| RwLock::new(Operators::new(&query.stages)));
    let tables: Vec<_> = tables.collect();
    thread::scope(|scope| {
        scope.spawn(|| write(query, directory, &results));
        route(query, files, partitions, |partition, part| {
            let changes = tables[partition].write().unwrap().apply(part.rows, Some(part.watermark));
            changes.into_iter().for_each(|batch| results.push(batch));
        });
        for table in tables {
            let rest = table.into_inner().unwrap().drain();
            rest.into_iter().for_each(|batch| results.push(batch));
        }
        results.close();
    });
}

/// Runs a query over files, every partition's operators on a thread of its own.
pub(crate) fn run_threads(query: &Query, files: &[PathBuf], directory: &Path, partitions: usize) {
    let results = Queue::new(QUEUE_BATCHES);
    let queues: Vec<Queue<Part>> = (0..partitions).map(|_| Queue::new(QUEUE_BATCHES)).collect();
    let own = |queue: &Queue<Part>| {
        let mut operators = Operators::new(&query.stages);
        while let Some(part) = queue.pop() {
            let changes = operators.apply(part.rows, Some(part.watermark));
            changes.into_iter().for_each(|batch| results.push(batch));
        }
        operators.drain().into_iter().for_each(|batch| results.push(batch));
    };
    let own = &own;
    thread::scope(|scope| {
        scope.spawn(|| write(query, directory, &results));
        let threads: Vec<_> = queues.iter().map(|queue| scope.spawn(move || own(queue))).collect();
        route(query, files, partitions, |partition, part| queues[partition].push(part));
        queues.iter().for_each(Queue::close);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        results.close();
    });
}

fn write(query: &Query, directory: &Path, results: &Queue<Batch>) {
    let mut output = Output::create(directory, query);
    while let Some(batch) = results.pop() {
        output.write(&batch);
    }
    output.finish();
}

/// Reads, decodes, notes time and cuts; `take` is given every part that has rows.
fn route(query: &Query, files: &[PathBuf], partitions: usize, mut take: impl FnMut(usize, Part)) {
    let mut watermarks = Watermarks::new(query.event_time.as_ref(), files.len());
    let mut router = Router::new(&query.keys, partitions);
    for next in Files::open(files, query) {
        match next {
            Next::Batch(file, batch) => {
                let batch = watermarks.note(file, batch);
                let watermark = watermarks.least();
                for (partition, rows) in router.cut(batch) {
                    take(partition, Part { rows, watermark });
                }
            }
            Next::Ended(file) => watermarks.end(file),
        }
    }
}
