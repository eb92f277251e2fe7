//! Batches of the embedding program: cut as asked for, held to the schema.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::error::Error;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Int32Array, Int64Array, RecordBatch};
use tidemill_plan::HostError;
use tidemill_record::{DataType, Field, PartitionId, Polled, Schema};
use tidemill_source::{ColumnReader, Iterated, RegisteredReader, RegisteredSpec};

fn reader(batches: Vec<Result<RecordBatch, HostError>>) -> RegisteredReader {
    let schema = Schema::new(vec![
        Field::required("a", DataType::BigInt),
        Field::nullable("b", DataType::BigInt),
    ]);
    let spec = RegisteredSpec {
        name: "prices".to_owned(),
        schema,
        columns: vec![1],
        make: Box::new(move || Box::new(Iterated(batches.into_iter()))),
    };
    RegisteredReader::new(spec, PartitionId(4), None)
}

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter(columns).unwrap()
}

fn numbers(values: Vec<Option<i64>>) -> ArrayRef {
    Arc::new(Int64Array::from(values))
}

#[test]
fn rows_keep_their_order_and_numbers() {
    let part = |from: i64, to: i64| {
        let values: Vec<_> = (from..to).map(Some).collect();
        Ok(batch(vec![("a", numbers(values.clone())), ("b", numbers(values))]))
    };
    let mut reader = reader(vec![part(0, 5), part(5, 5), part(5, 7)]);
    let mut sizes = Vec::new();
    let mut next = 0_i64;
    loop {
        let batch = match reader.next_batch(2).unwrap() {
            Polled::Ready(batch) => batch,
            // An empty one: others are to have their turn.
            Polled::NotReady => {
                assert!(reader.wake().is_due);
                sizes.push(0);
                continue;
            }
            Polled::Ended => break,
        };
        sizes.push(batch.row_count());
        assert_eq!(batch.columns().len(), 1);
        for (&value, &offset) in batch
            .column(0)
            .as_primitive::<Int64Type>()
            .values()
            .iter()
            .zip(batch.offsets().values())
        {
            assert_eq!((value, offset), (next, next.cast_unsigned()));
            next += 1;
        }
    }
    assert_eq!(sizes, [2, 2, 1, 0, 2]);
}

#[test]
fn what_does_not_fit_the_schema_is_named() {
    let check = |batch: Result<RecordBatch, HostError>, part: &str| {
        let error = reader(vec![batch]).next_batch(10).unwrap_err();
        let source = error.source().map(ToString::to_string).unwrap_or_default();
        let error = format!("{error}: {source}");
        assert!(error.starts_with("registered source prices, partition 4"), "{error}");
        assert!(error.contains(part), "{error}");
    };
    let one = || numbers(vec![Some(1)]);
    check(Ok(batch(vec![("a", one())])), "1 columns, and 2");
    check(Ok(batch(vec![("a", one()), ("b", Arc::new(Int32Array::from(vec![1])))])), "column b");
    check(Ok(batch(vec![("a", numbers(vec![None])), ("b", one())])), "NOT NULL");
    check(Err("the feed is down".into()), "partition 4: the feed is down");
}
