//! The first rows of each partition against a sort of all rows.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Int64Array, TimestampMicrosecondArray, UInt64Array};
use tidemill_aggregate::TopNTable;
use tidemill_plan::{SortKey, Span, TopNSpec};
use tidemill_record::{Batch, DataType, EventTime};

use crate::values::Random;

/// Window end, key, value.
type Record = (i64, i64, Option<i64>);

fn spec(keep: Option<u64>, partition_by: &[usize], is_descending: bool) -> TopNSpec {
    TopNSpec {
        input_types: vec![DataType::Timestamp, DataType::BigInt, DataType::BigInt],
        partition_by: partition_by.to_vec(),
        order: vec![SortKey { column: 2, is_descending, is_nulls_first: false }],
        keep,
        window_end: partition_by.iter().position(|&column| column == 0),
        span: Span::default(),
    }
}

fn batch(records: &[Record], first: usize) -> Batch {
    let ends = TimestampMicrosecondArray::from_iter_values(records.iter().map(|r| r.0));
    let keys = Int64Array::from_iter_values(records.iter().map(|r| r.1));
    let values: Int64Array = records.iter().map(|r| r.2).collect();
    let offsets = UInt64Array::from_iter_values((first..first + records.len()).map(|o| o as u64));
    let columns: Vec<ArrayRef> = vec![Arc::new(ends), Arc::new(keys), Arc::new(values)];
    Batch::new(columns, offsets)
}

/// Offset of each row, and its number.
fn rows(batches: impl IntoIterator<Item = Batch>) -> Vec<(u64, i64)> {
    let mut rows = Vec::new();
    for batch in batches {
        let numbers = batch.column(3).as_primitive::<Int64Type>();
        rows.extend((0..batch.row_count()).map(|r| (batch.offsets().value(r), numbers.value(r))));
    }
    rows
}

/// All rows in order, NULL last, ties as they came, cut to the first of each partition; partitions by
/// the end of their window, then as they appeared.
fn model(records: &[Record], spec: &TopNSpec) -> Vec<(u64, i64)> {
    let key =
        |r: &Record| (spec.window_end.map(|_| r.0), spec.partition_by.contains(&1).then_some(r.1));
    let mut partitions: Vec<(Option<i64>, Option<i64>)> = Vec::new();
    for record in records {
        if !partitions.contains(&key(record)) {
            partitions.push(key(record));
        }
    }
    partitions.sort_by_key(|partition| partition.0);
    let mut rows = Vec::new();
    for partition in partitions {
        let mut of: Vec<(usize, Option<i64>)> = (0..)
            .zip(records)
            .filter(|(_, r)| key(r) == partition)
            .map(|(at, r)| (at, r.2))
            .collect();
        of.sort_by_key(|(_, value)| {
            let value = value.map(|v| if spec.order[0].is_descending { -v } else { v });
            (value.is_none(), value)
        });
        let keep = spec.keep.map_or(of.len(), |keep| usize::try_from(keep).unwrap());
        rows.extend((1..).zip(of).take(keep).map(|(number, (at, _))| (at as u64, number)));
    }
    rows
}

fn made(random: &mut Random, count: usize, keys: usize, values: usize) -> Vec<Record> {
    let mut whole = |below: usize| i64::try_from(random.below(below)).unwrap();
    (0..count)
        .map(|at| {
            let end = i64::try_from(at).unwrap() * 4 / i64::try_from(count).unwrap() * 10 + 10;
            let value = whole(values);
            (end, whole(keys), (value != 0).then_some(value))
        })
        .collect()
}

#[test]
fn the_first_rows_are_those_of_a_sort() {
    // More than are held before those not needed are dropped.
    for (seed, count) in [(1, 200_000), (2, 140_000), (3, 500), (4, 1)] {
        let mut random = Random(seed);
        for keep in [None, Some(0), Some(1), Some(3)] {
            let records = made(&mut random, count, 20, 5000);
            let by = [&[1_usize][..], &[], &[0, 1]][random.below(3)];
            let spec = spec(keep, by, random.below(2) == 0);
            let mut table = TopNTable::new(spec.clone(), u64::MAX);
            let mut first = 0;
            while first < records.len() {
                let end = records.len().min(first + 1 + random.below(9000));
                table.update(&batch(&records[first..end], first)).unwrap();
                first = end;
            }
            if keep.is_some() {
                assert!(table.row_count() < 1 << 17, "{}", table.row_count());
            }
            let batches = table.into_batches(1000).unwrap().map(Result::unwrap);
            assert_eq!(rows(batches), model(&records, &spec), "seed {seed}, {spec:?}");
        }
    }
}

#[test]
fn partitions_leave_with_their_window() {
    for seed in 0..50 {
        let mut random = Random(seed);
        let records = made(&mut random, 400, 5, 30);
        let spec = spec(Some(2), &[1, 0], true);
        let mut table = TopNTable::new(spec.clone(), u64::MAX);
        let mut results = Vec::new();
        for (first, records) in (0..).step_by(50).zip(records.chunks(50)) {
            table.update(&batch(records, first)).unwrap();
            // The window of the records before has closed.
            let closed = EventTime(records[0].0 - 10);
            table.advance(closed, &mut results).unwrap();
        }
        assert_eq!(table.row_count(), 100, "the last window is open");
        table.advance(EventTime(40), &mut results).unwrap();
        assert_eq!((table.row_count(), table.state_bytes() < 1000), (0, true));
        assert_eq!(rows(results), model(&records, &spec), "seed {seed}");
    }
}

#[test]
fn later_partitions_of_the_input_follow() {
    let mut random = Random(9);
    let records = made(&mut random, 1000, 5, 12);
    let spec = spec(Some(4), &[1], false);
    let tables = [0..300, 300..301, 301..1000].map(|range| {
        let mut table = TopNTable::new(spec.clone(), u64::MAX);
        table.update(&batch(&records[range.clone()], range.start)).unwrap();
        table
    });
    let [mut merged, second, third] = tables;
    merged.merge(second).unwrap();
    merged.merge(third).unwrap();
    let batches = merged.into_batches(3).unwrap().map(Result::unwrap);
    assert_eq!(rows(batches), model(&records, &spec));
}

#[test]
fn what_stays_is_not_copied_as_each_window_leaves() {
    let copied = |windows: usize| {
        let spec = spec(Some(3), &[0], false);
        let mut table = TopNTable::new(spec, u64::MAX);
        // All windows are open before the first of them leaves, in no order.
        let mut random = Random(5);
        let mut ends: Vec<i64> = (1..).take(windows).map(|at| at * 10).collect();
        (1..windows).for_each(|at| ends.swap(at, random.below(at + 1)));
        let records: Vec<Record> =
            ends.into_iter().flat_map(|end| [(end, 1, Some(end)), (end, 2, Some(-end))]).collect();
        for (at, some) in records.chunks(1000).enumerate() {
            table.update(&batch(some, at * 1000)).unwrap();
        }
        for end in (1..).take(windows).map(|at| at * 10) {
            let mut left = Vec::new();
            table.advance(EventTime(end - 1), &mut left).unwrap();
            assert!(left.is_empty(), "it ends at {end}");
            table.advance(EventTime(end), &mut left).unwrap();
            let of_window = rows(left.iter().cloned());
            let numbers: Vec<i64> = of_window.iter().map(|row| row.1).collect();
            assert_eq!(numbers, [1, 2]);
            let values = left[0].column(2).as_primitive::<Int64Type>();
            assert_eq!(values.values(), &[-end, end]);
        }
        assert_eq!((table.row_count(), table.has_until(EventTime::MAX)), (0, false));
        table.copied_count()
    };
    for windows in [2000, 20_000] {
        let copied = copied(windows);
        assert!(copied > 0 && copied <= 2 * 2 * windows as u64, "{copied} of {windows} windows");
    }
}
