//! `OVER` against a model that keeps every row and looks at all of them, for each row.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{
    Array, ArrayRef, Float64Array, Int64Array, TimestampMicrosecondArray, UInt64Array,
};
use tidemill_aggregate::{EventTimes, Late, OverTable};
use tidemill_plan::{
    AggregateFunction, EventTimeSpec, Frame, OverCall, OverFunction, OverOrder, OverSpec, Span,
    Stage,
};
use tidemill_record::{Batch, DataType, EventTime};

use crate::memory::assert_predicted;
use crate::values::Random;

const MINUTE_US: i64 = 60_000_000;

#[derive(Clone, Copy, Debug, PartialEq)]
struct Record {
    time: i64,
    key: i64,
    value: Option<i64>,
}

fn batch(records: &[Record], first: usize) -> Batch {
    let times = TimestampMicrosecondArray::from_iter_values(records.iter().map(|r| r.time));
    let keys = Int64Array::from_iter_values(records.iter().map(|r| r.key));
    let values: Int64Array = records.iter().map(|r| r.value).collect();
    let offsets = UInt64Array::from_iter_values((first..first + records.len()).map(|o| o as u64));
    let columns: Vec<ArrayRef> = vec![Arc::new(times), Arc::new(keys), Arc::new(values)];
    Batch::new(columns, offsets)
}

fn call(function: OverFunction, frame: Frame) -> OverCall {
    let argument = match function {
        OverFunction::RowNumber | OverFunction::Rank | OverFunction::DenseRank => None,
        _ => Some(2),
    };
    OverCall {
        function,
        arguments: argument.into_iter().collect(),
        ignores_nulls: false,
        frame,
        data_type: DataType::BigInt,
        label: String::new(),
    }
}

fn spec(order: OverOrder, calls: Vec<OverCall>, idle_key_ttl_us: Option<i64>) -> OverSpec {
    OverSpec {
        sorted_by: Vec::new(),
        input_types: vec![DataType::Timestamp, DataType::BigInt, DataType::BigInt],
        partition_by: vec![1],
        order,
        calls,
        idle_key_ttl_us,
        span: Span::default(),
    }
}

/// Offset and values of each row that leaves, in order; offsets of the late ones.
type Answer = (Vec<(u64, Vec<Option<i64>>)>, Vec<u64>);

fn run(spec: &OverSpec, records: &[Record], delay_us: i64, cuts: &[usize]) -> Answer {
    let mut times = EventTimes::new(EventTimeSpec {
        column: 0,
        name: "t".to_owned(),
        delay_us: Some(delay_us),
        max_ahead_us: None,
    });
    // Results leave a few rows at a time, but never part rows of one time.
    let mut table = OverTable::new(spec.clone(), &[], u64::MAX, 3);
    let (mut late, mut results): (Vec<Late>, Vec<Batch>) = (Vec::new(), Vec::new());
    let mut start = 0;
    for &end in cuts.iter().chain([&records.len()]) {
        let noted = times.apply(batch(&records[start..end], start), &mut Vec::new());
        table.update(&noted, &mut late, &mut results).unwrap();
        table.advance(times.watermark(), &mut results).unwrap();
        start = end;
    }
    table.advance(EventTime::MAX, &mut results).unwrap();
    let mut rows = Vec::new();
    for batch in results {
        let columns: Vec<Int64Array> =
            (3..batch.columns().len()).map(|at| integers(batch.column(at))).collect();
        for row in 0..batch.row_count() {
            let values =
                columns.iter().map(|column| column.is_valid(row).then(|| column.value(row)));
            rows.push((batch.offsets().value(row), values.collect()));
        }
    }
    (rows, late.into_iter().map(|late| late.offset.0).collect())
}

fn integers(column: &ArrayRef) -> Int64Array {
    column.as_primitive::<Int64Type>().clone()
}

/// The rules of `docs/SQL.md`, for one row after another.
fn model(spec: &OverSpec, records: &[Record], delay_us: i64) -> Answer {
    let is_by_time = spec.order != OverOrder::Arrival;
    let (mut kept, mut late) = (Vec::new(), Vec::new());
    let mut watermark = i64::MIN;
    for (offset, &record) in (0_u64..).zip(records) {
        if is_by_time && record.time < watermark {
            late.push(offset);
        } else {
            kept.push((offset, record));
        }
        watermark = watermark.max(record.time - delay_us);
    }
    if is_by_time {
        kept.sort_by_key(|(offset, record)| (record.time, *offset));
    }
    let mut rows = Vec::new();
    for (place, &(offset, record)) in kept.iter().enumerate() {
        // Rows of the key up to the last peer, from the last silence on.
        let mut own: Vec<(usize, Record)> = Vec::new();
        for (at, &(_, other)) in kept.iter().enumerate() {
            let is_peer = is_by_time && other.time == record.time;
            if other.key == record.key && (at <= place || is_peer) {
                let silence = own.last().map_or(0, |(_, last)| other.time - last.time);
                if spec.idle_key_ttl_us.is_some_and(|ttl_us| silence > ttl_us) {
                    own.clear();
                }
                own.push((at, other));
            }
        }
        let current = own.iter().position(|(at, _)| *at == place).unwrap();
        let values = spec.calls.iter().map(|call| value(call, &own, current, is_by_time));
        rows.push((offset, values.collect()));
    }
    (rows, late)
}

fn value(
    call: &OverCall,
    own: &[(usize, Record)],
    current: usize,
    is_by_time: bool,
) -> Option<i64> {
    let now = own[current].1.time;
    let frame: Vec<Option<i64>> = match call.frame {
        Frame::Rows(before) => {
            let start = before.map_or(0, |before| current.saturating_sub(index(before)));
            own[start..=current].iter().map(|(_, r)| r.value).collect()
        }
        Frame::Range(reach) => {
            let is_near = |r: &Record| reach.is_none_or(|reach| r.time >= now - reach);
            own.iter().filter(|(_, r)| is_near(r)).map(|(_, r)| r.value).collect()
        }
    };
    let counted = || frame.iter().copied().flatten();
    if call.ignores_nulls {
        let values: Vec<i64> = counted().collect();
        match &call.function {
            OverFunction::LastValue => return values.last().copied(),
            OverFunction::NthValue { n } => return values.get(index(*n) - 1).copied(),
            OverFunction::Lag { rows } if *rows > 0 => {
                let mut earlier = own[..current].iter().rev().filter_map(|(_, r)| r.value);
                return earlier.nth(index(*rows) - 1);
            }
            _ => {}
        }
    }
    let before: Vec<i64> = own[..current].iter().map(|(_, r)| r.time).collect();
    match &call.function {
        OverFunction::Aggregate(AggregateFunction::Count) => Some(number(counted().count())),
        OverFunction::Aggregate(AggregateFunction::Sum) => counted().reduce(|a, b| a + b),
        OverFunction::Aggregate(AggregateFunction::Min) => counted().min(),
        OverFunction::Aggregate(AggregateFunction::Max) => counted().max(),
        OverFunction::LastValue => *frame.last().unwrap(),
        OverFunction::NthValue { n } => frame.get(index(*n) - 1).copied().flatten(),
        OverFunction::Lag { rows } => {
            current.checked_sub(index(*rows)).and_then(|at| own[at].1.value)
        }
        OverFunction::RowNumber => Some(number(current) + 1),
        OverFunction::Rank if !is_by_time => Some(1),
        OverFunction::Rank => Some(number(before.iter().filter(|&&t| t < now).count()) + 1),
        OverFunction::DenseRank if !is_by_time => Some(1),
        OverFunction::DenseRank => {
            let mut times: Vec<i64> = before.into_iter().filter(|&t| t < now).collect();
            times.dedup();
            Some(number(times.len()) + 1)
        }
        OverFunction::Aggregate(other) => panic!("the model does not know {other:?}"),
    }
}

fn index(value: u64) -> usize {
    usize::try_from(value).unwrap()
}

fn number(value: usize) -> i64 {
    i64::try_from(value).unwrap()
}

fn random_calls(random: &mut Random, is_by_time: bool) -> Vec<OverCall> {
    use OverFunction as F;
    let count = 1 + random.below(5);
    let calls = (0..count).map(|_| {
        let frame = match random.below(if is_by_time { 4 } else { 2 }) {
            0 => Frame::Rows(None),
            1 => Frame::Rows(Some(random.below(6) as u64)),
            2 => Frame::Range(None),
            _ => Frame::Range(Some(number(random.below(30)))),
        };
        let function = match random.below(10) {
            0 => F::Aggregate(AggregateFunction::Count),
            1 | 2 => F::Aggregate(AggregateFunction::Sum),
            3 => F::Aggregate(AggregateFunction::Min),
            4 => F::Aggregate(AggregateFunction::Max),
            5 => F::LastValue,
            6 => F::NthValue { n: 1 + random.below(3) as u64 },
            7 => F::Lag { rows: random.below(4) as u64 },
            8 => F::RowNumber,
            _ if random.below(2) == 0 => F::Rank,
            _ => F::DenseRank,
        };
        let takes_nulls = matches!(function, F::LastValue | F::NthValue { .. } | F::Lag { .. });
        let ignores_nulls = takes_nulls && random.below(2) == 0;
        OverCall { ignores_nulls, ..call(function, frame) }
    });
    calls.collect()
}

#[test]
fn frames_agree_with_a_model_that_looks_at_every_row() {
    for seed in 0..400 {
        let mut random = Random(seed);
        let is_by_time = random.below(4) > 0;
        let order =
            if is_by_time { OverOrder::EventTime { column: 0 } } else { OverOrder::Arrival };
        let ttl_us = (is_by_time && random.below(3) == 0).then(|| 5 + number(random.below(40)));
        let spec = spec(order, random_calls(&mut random, is_by_time), ttl_us);
        let delay_us = number(random.below(30));
        let mut clock = -40_i64;
        let records: Vec<Record> = (0..random.below(120))
            .map(|_| {
                clock += number(random.below(5));
                Record {
                    time: clock - number(random.below(25)),
                    key: number(random.below(4)),
                    value: (random.below(5) > 0).then(|| number(random.below(100)) - 50),
                }
            })
            .collect();
        let expected = model(&spec, &records, delay_us);
        for every in [1, 7, 1000] {
            let cuts: Vec<usize> = (1..records.len()).filter(|at| at % every == 0).collect();
            let found = run(&spec, &records, delay_us, &cuts);
            assert_eq!(found, expected, "seed {seed}, {every} rows a batch, {spec:?}");
        }
    }
}

#[test]
fn a_key_holds_no_more_than_two_kib_for_a_frame_of_a_hundred_rows() {
    let average = OverCall {
        function: OverFunction::Aggregate(AggregateFunction::Avg),
        arguments: vec![2],
        ignores_nulls: false,
        frame: Frame::Rows(Some(99)),
        data_type: DataType::Double,
        label: String::new(),
    };
    let types = vec![DataType::Timestamp, DataType::BigInt, DataType::Double];
    let order = OverOrder::EventTime { column: 0 };
    let spec = OverSpec { input_types: types, ..spec(order, vec![average], None) };
    let stage = Stage::Over { spec: spec.clone(), audited_keys: Vec::new() };
    let mut table = OverTable::new(spec, &[], u64::MAX, 8192);
    let key_count = 1000;
    let mut results = Vec::new();
    for round in 0..250_i64 {
        let rows = usize::try_from(key_count).unwrap();
        let columns: Vec<ArrayRef> = vec![
            Arc::new(TimestampMicrosecondArray::from_value(round * MINUTE_US, rows)),
            Arc::new(Int64Array::from_iter_values(0..key_count)),
            Arc::new(Float64Array::from_value(f64::from(u8::try_from(round % 7).unwrap()), rows)),
        ];
        let offsets = UInt64Array::from_iter_values((0..).take(rows));
        table.update(&Batch::new(columns, offsets), &mut Vec::new(), &mut results).unwrap();
        table.advance(EventTime((round + 1) * MINUTE_US), &mut results).unwrap();
    }
    // The last hundred of 0, 1, …, 6, 0, … from row 150 on: 14 whole rounds of seven, and 5 and 6 once more.
    let last = results.last().unwrap().column(3).as_primitive::<Float64Type>().value(0);
    let expected: f64 = (150..250_u8).map(|round| f64::from(round % 7)).sum::<f64>() / 100.0;
    assert!((last - expected).abs() < 1e-12, "{last} instead of {expected}");
    let bytes = table.state_bytes() / key_count.cast_unsigned();
    assert!((1600..=2048).contains(&bytes), "{bytes} bytes a key");
    assert_predicted(&stage, bytes as f64);
}

#[test]
fn silent_keys_are_let_go() {
    let calls = vec![call(OverFunction::Aggregate(AggregateFunction::Sum), Frame::Rows(Some(9)))];
    let order = OverOrder::EventTime { column: 0 };
    let mut table = OverTable::new(spec(order, calls, Some(MINUTE_US)), &[], u64::MAX, 8192);
    let mut most = 0;
    // Every minute a thousand keys that never come again.
    for minute in 0..100_i64 {
        let keys = minute * 1000..minute * 1000 + 1000;
        let records: Vec<Record> =
            keys.map(|key| Record { time: minute * MINUTE_US, key, value: Some(1) }).collect();
        let (mut late, mut results) = (Vec::new(), Vec::new());
        table.update(&batch(&records, 0), &mut late, &mut results).unwrap();
        table.advance(EventTime(minute * MINUTE_US + 1), &mut results).unwrap();
        assert_eq!(results[0].row_count(), 1000);
        most = most.max(table.key_count());
    }
    assert!(most <= 4000, "{most} keys held at once");
}

#[test]
fn rows_that_wait_leave_in_pieces_of_about_one_size_however_they_came() {
    let spec = spec(
        OverOrder::EventTime { column: 0 },
        vec![call(OverFunction::RowNumber, Frame::Rows(None))],
        None,
    );
    let count = 300_000;
    for order in 0..3 {
        let mut times: Vec<i64> = (0..count).collect();
        match order {
            0 => {}
            1 => times.reverse(),
            _ => {
                let mut random = Random(3);
                (1..times.len()).for_each(|at| times.swap(at, random.below(at + 1)));
            }
        }
        let records: Vec<Record> =
            times.iter().map(|&time| Record { time, key: time % 3, value: None }).collect();
        let mut table = OverTable::new(spec.clone(), &[], u64::MAX, 200);
        for (at, some) in records.chunks(200).enumerate() {
            let rows = batch(some, at * 200);
            table.update(&rows, &mut Vec::new(), &mut Vec::new()).unwrap();
            table.advance(EventTime::MIN, &mut Vec::new()).unwrap();
        }
        let (mut steps, mut left) = (0, 0);
        loop {
            let step = table.next_step(EventTime::MAX);
            let mut results = Vec::new();
            table.advance(step, &mut results).unwrap();
            let rows: usize = results.iter().map(Batch::row_count).sum();
            assert!(rows <= 100_000, "order {order}: {rows} at once");
            (steps, left) = (steps + 1, left + rows);
            if step == EventTime::MAX {
                break;
            }
        }
        assert_eq!(left, records.len());
        assert!(steps <= 6, "order {order}: {steps} steps");
    }
}
