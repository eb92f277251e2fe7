//! How long a row takes to enter a table: the second scenario's aggregates over 200 text keys, in
//! batches that stay in cache. It isolates interning and states: nothing is decoded or encoded.
//!
//! `cargo run --release -p tidemill-aggregate --example update_rate [batches]`; on a busy machine
//! count instructions instead: `valgrind --tool=callgrind --toggle-collect='*nanos_per_row*'` with
//! few batches, over 3 times 7 times 6000 rows a batch.

#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "an example reports to a person")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use arrow_array::{ArrayRef, Float64Array, Int64Array, StringViewArray, UInt64Array};
use tidemill_aggregate::AggTable;
use tidemill_plan::{AggregateCall, AggregateFunction, AggregateSpec, Emit, Span};
use tidemill_record::{Batch, DataType};

const BATCH_ROWS: u64 = 6000;
const ROUNDS: usize = 7;

fn main() {
    let batches = std::env::args().nth(1).map_or(500, |count| count.parse().unwrap());
    let batch = batch();
    for emit in [Emit::Final, Emit::Changes, Emit::ChangesEvery(1000)] {
        let mut rates: Vec<f64> =
            (0..ROUNDS).map(|_| nanos_per_row(emit, &batch, batches)).collect();
        rates.sort_by(f64::total_cmp);
        let (least, median, most) = (rates[0], rates[ROUNDS / 2], rates[ROUNDS - 1]);
        println!("{emit}: {median:.2} ns a row (median of {ROUNDS}; {least:.2} to {most:.2})");
    }
}

#[inline(never)]
fn nanos_per_row(emit: Emit, batch: &Batch, batches: usize) -> f64 {
    let mut table = AggTable::new(spec(emit), u64::MAX);
    let mut changes = Vec::new();
    let start = Instant::now();
    for _ in 0..batches {
        if emit == Emit::Final {
            table.update(black_box(batch)).unwrap();
        } else {
            table.update_changes(black_box(batch), &mut changes).unwrap();
            black_box(&changes);
            changes.clear();
        }
    }
    start.elapsed().as_secs_f64() * 1e9 / (batches * batch.row_count()) as f64
}

fn spec(emit: Emit) -> AggregateSpec {
    use AggregateFunction as F;
    let call = |function: F, argument: Option<usize>, data_type| {
        let label = function.name().to_owned();
        let (arguments, order) = (argument.into_iter().collect(), Vec::new());
        let is_distinct = false;
        AggregateCall { function, is_distinct, arguments, order, filter: None, data_type, label }
    };
    AggregateSpec {
        input_types: vec![DataType::Varchar, DataType::Double, DataType::BigInt],
        keys: vec![0],
        window: None,
        calls: vec![
            call(F::Count, None, DataType::BigInt),
            call(F::Avg, Some(1), DataType::Double),
            call(F::Min, Some(1), DataType::Double),
            call(F::Max, Some(1), DataType::Double),
            call(F::Sum, Some(2), DataType::BigInt),
        ],
        emit,
        span: Span::default(),
    }
}

/// Keys in no order that a branch predictor could learn.
fn batch() -> Batch {
    let mut seed = 1_u64;
    let numbers: Vec<u64> = (0..BATCH_ROWS)
        .map(|_| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            seed >> 33
        })
        .collect();
    let symbols: StringViewArray =
        numbers.iter().map(|n| Some(format!("SYM{:03}", n % 200))).collect();
    let prices = Float64Array::from_iter_values(numbers.iter().map(|&n| (n % 10_000) as f64 / 7.0));
    let quantities = Int64Array::from_iter_values(numbers.iter().map(|n| (n % 1000).cast_signed()));
    let columns: Vec<ArrayRef> = vec![Arc::new(symbols), Arc::new(prices), Arc::new(quantities)];
    Batch::new(columns, UInt64Array::from_iter_values(0..BATCH_ROWS))
}
