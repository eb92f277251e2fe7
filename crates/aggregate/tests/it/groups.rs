//! Groupings that speak once, at the end: keys of every type, every aggregate, cuts and merges.

use tidemill_aggregate::{AggTable, AggregateError, Cut, Piece, Scatter, Sealed};
use tidemill_plan::{
    AggregateCall, AggregateFunction as F, AggregateSpec, Emit, Scalar, SortKey, Span,
};
use tidemill_record::{Batch, DataType};

use crate::reference::{groups, is_close, row_of};
use crate::values::{Random, all_types, batch, joined, lines, random_cuts, random_value};

pub(crate) fn call(function: F, argument: Option<usize>, data_type: DataType) -> AggregateCall {
    let label = format!("{}(…)", function.name());
    let (arguments, order) = (argument.into_iter().collect(), Vec::new());
    let is_distinct = false;
    AggregateCall { function, is_distinct, arguments, order, filter: None, data_type, label }
}

pub(crate) fn distinct(call: AggregateCall) -> AggregateCall {
    AggregateCall { is_distinct: true, ..call }
}

/// A call that takes rows in the order of a column.
fn ordered(call: AggregateCall, key: SortKey) -> AggregateCall {
    AggregateCall { order: vec![key], ..call }
}

fn filtered(call: &AggregateCall, filter: usize) -> AggregateCall {
    AggregateCall { filter: Some(filter), ..call.clone() }
}

pub(crate) fn spec(
    input_types: Vec<DataType>,
    keys: Vec<usize>,
    calls: Vec<AggregateCall>,
) -> AggregateSpec {
    AggregateSpec {
        input_types,
        keys,
        window: None,
        calls,
        emit: Emit::Final,
        span: Span::default(),
    }
}

/// Every call that is defined for a type, plain and, where it makes a difference, DISTINCT.
pub(crate) fn calls_for(data_type: &DataType, argument: usize) -> Vec<AggregateCall> {
    let argument = Some(argument);
    let list = DataType::Array(Box::new(data_type.clone()));
    let mut calls = vec![
        call(F::Count, argument, DataType::BigInt),
        distinct(call(F::Count, argument, DataType::BigInt)),
        call(F::ApproxCountDistinct, argument, DataType::BigInt),
        call(F::Min, argument, data_type.clone()),
        call(F::Max, argument, data_type.clone()),
        call(F::FirstValue, argument, data_type.clone()),
        call(F::LastValue, argument, data_type.clone()),
        distinct(call(F::LastValue, argument, data_type.clone())),
        call(F::ArrayAgg, argument, list.clone()),
        distinct(call(F::ArrayAgg, argument, list)),
    ];
    let sum = match data_type {
        DataType::Decimal { scale, .. } => DataType::Decimal { precision: 38, scale: *scale },
        DataType::Real | DataType::Double => DataType::Double,
        _ => DataType::BigInt,
    };
    if data_type.is_numeric() {
        calls.push(call(F::Sum, argument, sum.clone()));
        calls.push(distinct(call(F::Sum, argument, sum)));
        calls.push(call(F::Avg, argument, DataType::Double));
        calls.push(distinct(call(F::Avg, argument, DataType::Double)));
    }
    if *data_type == DataType::Double {
        for function in [F::StddevPop, F::StddevSamp, F::VarPop, F::VarSamp] {
            calls.push(call(function, argument, DataType::Double));
        }
        for fraction in [0.0, 0.3, 0.5, 1.0] {
            calls.push(call(F::PercentileCont { fraction }, argument, DataType::Double));
        }
    }
    let is_ordered = *data_type != DataType::Interval;
    for fraction in [0.0, 0.3, 0.95, 1.0].into_iter().filter(|_| is_ordered) {
        let function = F::PercentileDisc { fraction, is_descending: fraction == 0.95 };
        calls.push(call(function, argument, data_type.clone()));
    }
    calls.push(call(F::Mode, argument, data_type.clone()));
    if matches!(data_type, DataType::TinyInt | DataType::BigInt) {
        for function in [F::BitAnd, F::BitOr, F::BitXor] {
            calls.push(call(function, argument, data_type.clone()));
        }
        calls.push(distinct(call(F::BitXor, argument, data_type.clone())));
    }
    if *data_type == DataType::Boolean {
        calls.push(call(F::BoolAnd, argument, DataType::Boolean));
        calls.push(call(F::BoolOr, argument, DataType::Boolean));
    }
    if *data_type == DataType::Varchar {
        let function = F::StringAgg { separator: ", ".to_owned() };
        calls.push(call(function.clone(), argument, DataType::Varchar));
        calls.push(distinct(call(function, argument, DataType::Varchar)));
    }
    calls
}

/// Random rows of these types.
pub(crate) fn random_rows(
    random: &mut Random,
    types: &[DataType],
    row_count: usize,
) -> Vec<Vec<Scalar>> {
    let row = |random: &mut Random| types.iter().map(|t| random_value(random, t)).collect();
    (0..row_count).map(|_| row(random)).collect()
}

pub(crate) fn final_rows(table: AggTable, batch_rows: usize) -> Option<Batch> {
    let batches: Vec<Batch> =
        table.into_batches(batch_rows).unwrap().collect::<Result<_, _>>().unwrap();
    assert!(batches.iter().all(|batch| (1..=batch_rows).contains(&batch.row_count())));
    joined(&batches)
}

/// Rows of tables that are merged in parts, the last part first.
pub(crate) fn rows_in_parts(
    tables: Vec<Sealed>,
    cut: Cut,
    batch_rows: usize,
) -> Result<Vec<Batch>, AggregateError> {
    let do_all = |pieces: Vec<Piece<'_>>| pieces.into_iter().rev().for_each(|piece| piece());
    let merged = Sealed::merge_in_parts(tables, cut, u64::MAX, batch_rows, &do_all)?;
    let batches: Vec<Batch> = merged.batches.collect::<Result<_, _>>()?;
    assert!(batches.iter().all(|batch| (1..=batch_rows).contains(&batch.row_count())));
    let row_count: usize = batches.iter().map(Batch::row_count).sum();
    assert_eq!(merged.group_count, row_count, "every group is a row");
    Ok(batches)
}

/// Holds every way to the same final rows against the model.
pub(crate) fn check(spec: &AggregateSpec, seed: u64, row_count: usize) {
    let mut random = Random(seed);
    let types = spec.output_types();
    let rows = random_rows(&mut random, &spec.input_types, row_count);
    let whole = batch(&spec.input_types, &rows, 0);
    let at = format!("seed {seed}, {} keys, types {:?}", spec.keys.len(), spec.input_types);

    let expected = groups(spec, &rows);
    let mut table = AggTable::new(spec.clone(), u64::MAX);
    table.update(&whole).unwrap();
    assert_eq!(table.group_count(), expected.len(), "{at}");
    let at_once = final_rows(table, 3);
    let last_offset = 10 * row_count.saturating_sub(1);
    let assert_model = |actual: &[String], expected: &[(Vec<Scalar>, Vec<&Vec<Scalar>>)]| {
        assert_eq!(actual.len(), expected.len(), "{at}");
        for (actual, (key, rows)) in actual.iter().zip(expected) {
            let (offset, actual) = actual.split_once(": ").unwrap();
            assert_eq!(offset, last_offset.to_string(), "{at}");
            let expected = row_of(spec, key, rows);
            let actual: Vec<&str> = actual.split(" | ").collect();
            assert_eq!(actual.len(), expected.len(), "{at}");
            for (column, (actual, expected)) in actual.iter().zip(&expected).enumerate() {
                let call = column.checked_sub(spec.keys.len()).map(|at| &spec.calls[at]);
                assert!(
                    is_close(call, actual, expected),
                    "{actual} for {expected}: {call:?}, {at}"
                );
            }
        }
    };
    let lines_of =
        |batch: &Option<Batch>| batch.as_ref().map_or(Vec::new(), |batch| lines(&types, batch));
    assert_model(&lines_of(&at_once), &expected);

    // However the rows are cut, every byte is the same.
    let mut table = AggTable::new(spec.clone(), u64::MAX);
    for batch in random_cuts(&mut random, &whole) {
        table.update(&batch).unwrap();
    }
    let cut = final_rows(table, 1000);
    assert_eq!(lines_of(&cut), lines_of(&at_once), "{at}");
    assert_eq!(cut.as_ref().map(Batch::columns), at_once.as_ref().map(Batch::columns), "{at}");

    // Partitions merged in order are one partition, with its groups in the same order.
    let batches = random_cuts(&mut random, &whole);
    let partitions = || {
        batches.iter().map(|batch| {
            let mut table = AggTable::new(spec.clone(), u64::MAX);
            table.update(batch).unwrap();
            table
        })
    };
    let mut merged = partitions().next().unwrap_or_else(|| AggTable::new(spec.clone(), u64::MAX));
    partitions().skip(1).for_each(|table| merged.merge(table).unwrap());
    assert_eq!(merged.group_count(), expected.len(), "{at}");
    let merged = final_rows(merged, 7);
    assert_model(&lines_of(&merged), &expected);

    // In however many parts.
    for part_groups in [1, 5, usize::MAX] {
        let cut = Cut { groups_min: 0, values_min: 0, part_groups };
        let tables: Vec<Sealed> = partitions().map(Sealed::Groups).collect();
        if Sealed::are_many(tables.iter(), cut, u64::MAX) {
            let in_parts = rows_in_parts(tables, cut, 1 + random.below(9)).unwrap();
            assert_eq!(lines_of(&joined(&in_parts)), lines_of(&merged), "{at}");
        }
    }

    // Whether rows have waited to be looked up, and for how long.
    for first_look in [1, 5, 20] {
        let run_rows = 1 + random.below(40);
        let waiting_max = if random.below(3) > 0 { usize::MAX } else { random.below(60) };
        let sampled_zeros = [0, 63][random.below(2)];
        let scatter = Scatter { first_look, run_rows, group_values: 0, sampled_zeros, waiting_max };
        let pairs: Vec<&[Batch]> = batches.chunks(1 + random.below(3)).collect();
        let tables = |scatter: Option<Scatter>| {
            let tables = pairs.iter().map(|batches| {
                let mut table = Sealed::Groups(AggTable::new(spec.clone(), u64::MAX));
                scatter.into_iter().for_each(|scatter| table.scatter(scatter));
                batches.iter().for_each(|batch| table.update(batch).unwrap());
                table
            });
            tables.collect::<Vec<_>>()
        };
        let as_whole = |tables: Vec<Sealed>| {
            let mut tables = tables.into_iter();
            let empty = || Sealed::Groups(AggTable::new(spec.clone(), u64::MAX));
            let mut merged = tables.next().unwrap_or_else(empty);
            tables.for_each(|table| merged.merge(table).unwrap());
            let rows: Result<Vec<Batch>, _> = merged.into_batches(7).unwrap().collect();
            lines_of(&joined(&rows.unwrap()))
        };
        let expected = as_whole(tables(None));
        let cut = Cut { groups_min: 0, values_min: 0, part_groups: 5 };
        let waiting = tables(Some(scatter));
        if Sealed::are_many(waiting.iter(), cut, u64::MAX) {
            let in_parts = rows_in_parts(waiting, cut, 1 + random.below(9)).unwrap();
            assert_eq!(lines_of(&joined(&in_parts)), expected, "{at}, {scatter:?}");
        }
        assert_eq!(as_whole(tables(Some(scatter))), expected, "{at}, {scatter:?}");
    }
}

#[test]
fn keys_of_every_type() {
    for (at, data_type) in all_types().into_iter().enumerate() {
        let types = vec![data_type, DataType::BigInt];
        let calls =
            vec![call(F::Count, None, DataType::BigInt), call(F::Sum, Some(1), DataType::BigInt)];
        for seed in 0..10 {
            check(&spec(types.clone(), vec![0], calls.clone()), 1000 * at as u64 + seed, 400);
        }
    }
}

#[test]
fn keys_of_several_columns() {
    for seed in 0..60 {
        let mut random = Random(seed);
        let all = all_types();
        let mut types: Vec<DataType> =
            (0..2 + random.below(3)).map(|_| all[random.below(all.len())].clone()).collect();
        let keys = (0..types.len()).rev().collect();
        types.push(DataType::Double);
        let argument = Some(types.len() - 1);
        let calls = vec![
            call(F::Max, argument, DataType::Double),
            call(F::Sum, argument, DataType::Double),
        ];
        check(&spec(types, keys, calls), seed, 300);
    }
}

#[test]
fn every_aggregate_of_every_type() {
    for (at, data_type) in all_types().into_iter().enumerate() {
        let mut calls = calls_for(&data_type, 1);
        calls.push(call(F::Count, None, DataType::BigInt));
        let with_filter: Vec<AggregateCall> = calls.iter().map(|call| filtered(call, 2)).collect();
        calls.extend(with_filter);
        let types = vec![DataType::TinyInt, data_type, DataType::Boolean];
        for seed in 0..6 {
            let seed = 1000 * at as u64 + seed;
            check(&spec(types.clone(), vec![0], calls.clone()), seed, 250);
            check(&spec(types.clone(), Vec::new(), calls.clone()), seed, 40);
        }
    }
}

/// `ARG_MIN` and its kin, and calls with an order of their own: the key is column 1, the value column 2.
#[test]
fn values_by_keys_of_every_type() {
    for (at, data_type) in all_types().into_iter().enumerate() {
        let types = vec![DataType::TinyInt, data_type, DataType::BigInt, DataType::Boolean];
        let list = DataType::Array(Box::new(DataType::BigInt));
        let mut calls = Vec::new();
        for (is_descending, is_nulls_first) in
            [(false, false), (false, true), (true, false), (true, true)]
        {
            let key = SortKey { column: 1, is_descending, is_nulls_first };
            let two_keys = |call: AggregateCall| {
                let second = SortKey { column: 2, is_descending: !is_descending, ..key };
                AggregateCall { order: vec![key, second], ..call }
            };
            for function in [F::FirstValue, F::LastValue] {
                let call = call(function, Some(2), DataType::BigInt);
                calls.push(ordered(call.clone(), key));
                calls.push(two_keys(call));
            }
            let all = call(F::ArrayAgg, Some(2), list.clone());
            calls.push(ordered(all.clone(), key));
            calls.push(two_keys(all.clone()));
            calls.push(distinct(ordered(all, SortKey { column: 2, ..key })));
        }
        if types[1] != DataType::Interval {
            for function in [F::ArgMin, F::ArgMax] {
                let call = call(function, Some(2), DataType::BigInt);
                calls.push(AggregateCall { arguments: vec![2, 1], ..call });
            }
        }
        let with_filter: Vec<AggregateCall> = calls.iter().map(|call| filtered(call, 3)).collect();
        calls.extend(with_filter);
        for seed in 0..4 {
            let seed = 1000 * at as u64 + seed;
            check(&spec(types.clone(), vec![0], calls.clone()), seed, 250);
            check(&spec(types.clone(), Vec::new(), calls.clone()), seed, 30);
        }
    }
}

#[test]
fn no_keys_are_one_group_even_of_no_rows() {
    for data_type in all_types() {
        let types = vec![DataType::TinyInt, data_type.clone()];
        let spec = spec(types.clone(), Vec::new(), calls_for(&data_type, 1));
        check(&spec, 0, 0);
        let table = AggTable::new(spec.clone(), u64::MAX);
        let rows = final_rows(table, 10).unwrap();
        for (column, call) in rows.columns().iter().zip(&spec.calls) {
            let is_count = matches!(call.function, F::Count | F::ApproxCountDistinct);
            assert_eq!(column.is_null(0), !is_count, "{call:?}");
        }
    }
}

#[test]
fn keys_without_rows_are_no_groups() {
    let spec = spec(vec![DataType::Varchar], vec![0], Vec::new());
    check(&spec, 0, 0);
    check(&spec, 1, 100);
}

#[test]
fn the_first_float_of_a_group_stays() {
    let types = vec![DataType::Double];
    let spec = spec(types.clone(), vec![0], vec![call(F::Count, None, DataType::BigInt)]);
    let negative_nan = f64::from_bits(f64::NAN.to_bits() | 1 << 63);
    let rows = [-0.0, 0.0, negative_nan, f64::NAN].map(|value| vec![Scalar::Double(value)]);
    let mut table = AggTable::new(spec, u64::MAX);
    table.update(&batch(&types, &rows, 0)).unwrap();
    let rows = final_rows(table, 10).unwrap();
    let types = [DataType::Double, DataType::BigInt];
    assert_eq!(lines(&types, &rows), ["30: -0.0 | 2", "30: NaN | 2"]);
}

#[test]
fn fingerprints_are_those_of_any_table_and_lead_back_to_the_key() {
    let types = vec![DataType::Varchar, DataType::BigInt, DataType::Double];
    let spec = spec(types.clone(), vec![0, 1, 2], Vec::new());
    let row = |text: &str, n: i64, x: f64| {
        vec![Scalar::Varchar(text.to_owned()), Scalar::BigInt(n), Scalar::Double(x)]
    };
    let mut left = AggTable::new(spec.clone(), u64::MAX);
    let rows = [row("ABC", 1, 0.0), row("ABC", 2, 0.0), row("a text over twelve bytes", 1, 0.5)];
    left.update(&batch(&types, &rows, 0)).unwrap();
    let mut right = AggTable::new(spec, u64::MAX);
    let rows = [row("a text over twelve bytes", 7, 1.0), row("ABC", 2, -0.0)];
    right.update(&batch(&types, &rows, 0)).unwrap();

    assert_eq!(left.seen_keys(&[0]).fingerprints.len(), 2, "one for each distinct value");
    assert_eq!(left.seen_keys(&[0]), right.seen_keys(&[0]));
    let (here, there) = (left.seen_keys(&[0, 1, 2]), right.seen_keys(&[0, 1, 2]));
    let is_shared = |hash: &&u64| there.fingerprints.contains(hash);
    let shared: Vec<&u64> = here.fingerprints.iter().filter(is_shared).collect();
    assert_eq!(shared.len(), 1);
    assert_eq!(here.named[shared[0]], "'ABC', 2, 0.0");
}
