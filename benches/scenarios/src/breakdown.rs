//! Where the time of v1 and v2 goes: each piece of them by itself, on one thread.
//!
//! The pieces of one thread add up to that thread's work; threads run beside each other, so that a shape
//! takes about as long as its slowest thread where cores suffice, and the sum of all where there is one.

use std::hint::black_box;
use std::sync::{Mutex, RwLock};
use std::thread;
use std::time::Instant;

use tidemill_record::{Batch, EventTime};

use crate::by_record::{Coordinator, QUEUE_RECORDS};
use crate::input::{Files, Next};
use crate::operators::{Operators, Watermarks};
use crate::output::{self, Output};
use crate::query::{Query, Scenario, Text};
use crate::queue::Queue;
use crate::routing::Router;
use crate::shape::{Shape, Task};
use crate::table::{Cell, median};

/// The pieces of one shape.
pub(crate) struct Breakdown {
    pub(crate) scenario: Scenario,
    pub(crate) text: Text,
    pub(crate) shape: Shape,
    /// Records of the input.
    pub(crate) rows: u64,
    /// The whole shape, nanoseconds a record of input; `None` where it was not among those measured.
    pub(crate) measured_ns: Option<f64>,
    pub(crate) pieces: Vec<Piece>,
}

/// One piece.
pub(crate) struct Piece {
    /// What is done.
    pub(crate) name: &'static str,
    /// Which thread of the shape does it.
    pub(crate) thread: &'static str,
    /// Nanoseconds a record of input.
    pub(crate) record_ns: f64,
}

/// Measures the pieces of v1 and v2 (inline), each as the median of so many runs.
pub(crate) fn measure(task: &Task, runs: usize, cells: &[Cell]) -> Vec<Breakdown> {
    let query = &task.query;
    let input = decoded(task);
    let results = results_of(query, task.files.len(), &input);
    let piece = |thread, name, run: &mut dyn FnMut()| {
        let seconds: Vec<_> = (0..runs)
            .map(|_| {
                let started = Instant::now();
                run();
                started.elapsed().as_secs_f64()
            })
            .collect();
        Piece { name, thread, record_ns: median(&seconds) * 1e9 / task.rows as f64 }
    };
    let directory = task.directory(Shape::V1);
    output::clear(&directory);
    let decode = || piece("reader", "read and decode", &mut || decode(task));
    let (row_count, result_count) = (rows_of(input.iter().map(batch_of)), rows_of(results.iter()));
    let v1 = vec![
        decode(),
        piece("reader", "slice batches to records", &mut || slice(input.iter().map(batch_of))),
        piece("both", "queue of records, nothing in them", &mut || queue(row_count)),
        piece("coordinator", "mutex, once a record", &mut || lock(row_count)),
        piece("coordinator", "operators, one record at a time (with its slice)", &mut || {
            apply_records(query, task.files.len(), &input);
        }),
        piece("both", "queue of results, nothing in them", &mut || queue(result_count)),
        piece("writer", "encode and write, one row at a time (with its slice)", &mut || {
            let mut output = Output::create(&directory, query);
            each_row(results.iter(), |row| output.write(&row));
            output.finish();
        }),
    ];
    let parts = parts_of(query, task, &input);
    let v2 = vec![
        decode(),
        piece("reader", "hash and cut to partitions", &mut || {
            black_box(parts_of(query, task, &input));
        }),
        piece("reader", "write lock, once a part", &mut || lock_parts(task.cores, &parts)),
        piece("reader", "operators on parts", &mut || apply_parts(query, task.cores, &parts)),
        piece("(not v2)", "operators on whole batches, for comparison", &mut || {
            black_box(results_of(query, task.files.len(), &input));
        }),
        piece("writer", "encode and write batches", &mut || {
            let mut output = Output::create(&directory, query);
            results.iter().for_each(|batch| output.write(batch));
            output.finish();
        }),
    ];
    let whole = |shape, pieces| {
        let is_it = |cell: &&Cell| {
            (cell.scenario, cell.text, cell.shape) == (task.scenario, task.text, shape)
        };
        let measured_ns = cells.iter().find(is_it).map(Cell::record_ns);
        let (scenario, text, rows) = (task.scenario, task.text, task.rows);
        Breakdown { scenario, text, shape, rows, measured_ns, pieces }
    };
    vec![whole(Shape::V1, v1), whole(Shape::V2, v2)]
}

/// A batch and the place of its file.
type Decoded = (usize, Batch);

fn batch_of((_, batch): &Decoded) -> &Batch {
    batch
}

fn decoded(task: &Task) -> Vec<Decoded> {
    let batches = Files::open(&task.files, &task.query).filter_map(|next| match next {
        Next::Batch(file, batch) => Some((file, batch)),
        Next::Ended(_) => None,
    });
    batches.collect()
}

fn decode(task: &Task) {
    let mut row_count = 0;
    for next in Files::open(&task.files, &task.query) {
        if let Next::Batch(_, batch) = next {
            row_count += batch.row_count() as u64;
        }
    }
    assert_eq!(row_count, task.rows);
}

fn rows_of<'a>(batches: impl Iterator<Item = &'a Batch>) -> usize {
    batches.map(Batch::row_count).sum()
}

fn each_row<'a>(batches: impl Iterator<Item = &'a Batch>, mut each: impl FnMut(Batch)) {
    for batch in batches {
        (0..batch.row_count()).for_each(|row| each(batch.slice(row, 1)));
    }
}

fn slice<'a>(batches: impl Iterator<Item = &'a Batch>) {
    each_row(batches, |row| {
        black_box(row);
    });
}

/// The operators over whole batches, and what leaves them.
fn results_of(query: &Query, file_count: usize, input: &[Decoded]) -> Vec<Batch> {
    let mut watermarks = Watermarks::new(query.event_time.as_ref(), file_count);
    let mut operators = Operators::new(&query.stages);
    let mut results = Vec::new();
    for (file, batch) in input {
        let batch = watermarks.note(*file, batch.clone());
        results.extend(operators.apply(batch, Some(watermarks.least())));
    }
    results.extend(operators.drain());
    results
}

fn apply_records(query: &Query, file_count: usize, input: &[Decoded]) {
    let mut coordinator = Coordinator::new(query, file_count);
    for (file, batch) in input {
        for row in 0..batch.row_count() {
            black_box(coordinator.apply(*file, batch.slice(row, 1)));
        }
    }
    black_box(coordinator.drain());
}

/// What v2's reader cuts: partition, rows, and how far time has come.
fn parts_of(query: &Query, task: &Task, input: &[Decoded]) -> Vec<(usize, Batch, EventTime)> {
    let mut watermarks = Watermarks::new(query.event_time.as_ref(), task.files.len());
    let mut router = Router::new(&query.keys, task.cores);
    let mut parts = Vec::new();
    for (file, batch) in input {
        let batch = watermarks.note(*file, batch.clone());
        let watermark = watermarks.least();
        let cut = router.cut(batch).into_iter();
        parts.extend(cut.map(|(partition, rows)| (partition, rows, watermark)));
    }
    parts
}

fn apply_parts(query: &Query, partitions: usize, parts: &[(usize, Batch, EventTime)]) {
    let mut tables: Vec<_> = (0..partitions).map(|_| Operators::new(&query.stages)).collect();
    for (partition, rows, watermark) in parts {
        black_box(tables[*partition].apply(rows.clone(), Some(*watermark)));
    }
    tables.into_iter().for_each(|table| drop(black_box(table.drain())));
}

/// As many items through the queue as records pass it.
fn queue(count: usize) {
    let queue = Queue::new(QUEUE_RECORDS);
    thread::scope(|scope| {
        scope.spawn(|| {
            (0..count).for_each(|item| queue.push(item));
            queue.close();
        });
        let mut taken = 0;
        while let Some(item) = queue.pop() {
            taken += black_box(item).min(1);
        }
        assert_eq!(taken, count.saturating_sub(1));
    });
}

fn lock(count: usize) {
    let state = Mutex::new(0_usize);
    for item in 0..count {
        *black_box(&state).lock().unwrap() += black_box(item);
    }
}

fn lock_parts(partitions: usize, parts: &[(usize, Batch, EventTime)]) {
    let tables: Vec<_> = (0..partitions).map(|_| RwLock::new(0_usize)).collect();
    for (partition, _, _) in parts {
        *black_box(&tables[*partition]).write().unwrap() += 1;
    }
}
