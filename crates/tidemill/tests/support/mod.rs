//! A session with one source of integers, and one sink that remembers its rows.

#![allow(dead_code, reason = "some of its users need a part of it")]

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Int64Array, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use tidemill::{BatchPartition, Query, Session, SourceRegistration};

/// Rows of `BIGINT` columns, in order of arrival.
pub(crate) type Rows = Arc<Mutex<Vec<Vec<i64>>>>;

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("v", DataType::Int64, true)]))
}

fn batch(values: &[i64]) -> RecordBatch {
    let column: ArrayRef = Arc::new(Int64Array::from(values.to_vec()));
    RecordBatch::try_new(schema(), vec![column]).unwrap()
}

/// For each partition, batches of column `v`.
pub(crate) fn source_of(partitions: &[&[&[i64]]]) -> SourceRegistration {
    let partition = |batches: &&[&[i64]]| -> BatchPartition {
        let batches: Vec<_> = batches.iter().map(|values| Ok(batch(values))).collect();
        Box::new(batches.into_iter())
    };
    SourceRegistration {
        schema: schema(),
        partitions: partitions.iter().map(partition).collect(),
        partitioned_by: Vec::new(),
    }
}

/// Partitions that give the value 1 until the job is stopped.
pub(crate) fn endless(partition_count: usize) -> SourceRegistration {
    let partition =
        || -> BatchPartition { Box::new(std::iter::repeat_with(|| Ok(batch(&[1; 100])))) };
    SourceRegistration {
        schema: schema(),
        partitions: (0..partition_count).map(|_| partition()).collect(),
        partitioned_by: Vec::new(),
    }
}

/// A session with the source `t` and the sink `out`, and the rows that `out` receives.
pub(crate) fn session_of(source: SourceRegistration) -> (Session, Rows) {
    let rows = Rows::default();
    let mut session = Session::new();
    session.register_source("t", source).unwrap();
    let collected = Arc::clone(&rows);
    session
        .register_sink("out", move |_| {
            let rows = Arc::clone(&collected);
            Box::new(move |batch: RecordBatch| {
                let columns = batch.columns().iter().map(|c| c.as_primitive::<Int64Type>());
                let columns: Vec<_> = columns.collect();
                for row in 0..batch.num_rows() {
                    rows.lock().unwrap().push(columns.iter().map(|c| c.value(row)).collect());
                }
                Ok(())
            })
        })
        .unwrap();
    (session, rows)
}

pub(crate) fn rows_of(rows: &Rows) -> Vec<Vec<i64>> {
    rows.lock().unwrap().clone()
}

/// Waits until something holds.
pub(crate) fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < Duration::from_secs(60), "never: {what}");
        std::thread::yield_now();
    }
}

/// Waits until a running job has read something.
pub(crate) fn wait_for_records(running: &Query) {
    let started = Instant::now();
    while running.progress().records_in == 0 {
        assert!(started.elapsed() < Duration::from_secs(60), "the job reads nothing");
        std::thread::yield_now();
    }
}
