//! Groups: every aggregate of every type, every type of key, and every way to speak.

use tidemill_aggregate::{AggTable, Cut, Sealed, SeenKeys};
use tidemill_plan::{
    AggregateCall, AggregateFunction as F, AggregateSpec, Emit, PairStatistic as P, Scalar, SortKey,
};
use tidemill_record::image::Image;
use tidemill_record::{Batch, DataType};

use super::damage::damaged;
use super::{cut_by, image_of, with_cuts};
use crate::groups::{call, calls_for, distinct, final_rows, random_rows, rows_in_parts, spec};
use crate::values::{Random, all_types, batch, joined, random_cuts};

/// Every call there is for a column of a type, column 1; columns 2 and 3 are `BOOLEAN` and `DOUBLE`.
pub(super) fn all_calls(data_type: &DataType) -> Vec<AggregateCall> {
    let mut calls = calls_for(data_type, 1);
    calls.push(call(F::Count, None, DataType::BigInt));
    let pair = |function: F, arguments: [usize; 2], data_type: &DataType| AggregateCall {
        arguments: arguments.to_vec(),
        ..call(function, None, data_type.clone())
    };
    calls.push(distinct(pair(F::Count, [1, 3], &DataType::BigInt)));
    if *data_type == DataType::Double {
        for function in [F::Product, F::Sem, F::Skewness, F::Kurtosis, F::KurtosisPop] {
            calls.push(call(function.clone(), Some(1), DataType::Double));
            calls.push(distinct(call(function, Some(1), DataType::Double)));
        }
        calls.push(call(F::ApproxQuantile { fraction: 0.3 }, Some(1), DataType::Double));
        let median = call(F::PercentileCont { fraction: 0.5 }, Some(1), DataType::Double);
        calls.push(distinct(median));
        for statistic in [P::Corr, P::CovarSamp, P::RegrSlope, P::RegrSxx, P::RegrSxy, P::RegrR2] {
            calls.push(pair(F::OfPairs(statistic), [1, 3], &DataType::Double));
        }
    }
    if *data_type == DataType::Interval {
        calls.push(call(F::Sum, Some(1), DataType::Interval));
        calls.push(call(F::Avg, Some(1), DataType::Interval));
    }
    for function in [F::ArgMin, F::ArgMax] {
        calls.push(pair(function.clone(), [1, 3], data_type));
        calls.push(pair(function, [3, 1], &DataType::Double));
    }
    let list = list_of(data_type);
    for is_descending in [false, true] {
        let key = SortKey { column: 3, is_descending, is_nulls_first: is_descending };
        let of_itself = SortKey { column: 1, ..key };
        for function in [F::FirstValue, F::LastValue, F::ArrayAgg] {
            let is_list = function == F::ArrayAgg;
            let result = if is_list { list.clone() } else { data_type.clone() };
            let call = call(function, Some(1), result);
            for order in [vec![key], vec![key, of_itself], vec![of_itself]] {
                calls.push(AggregateCall { order, ..call.clone() });
            }
        }
        let mode = call(F::Mode, Some(1), data_type.clone());
        calls.push(AggregateCall { order: vec![of_itself], ..mode });
        if *data_type == DataType::Varchar {
            let function = F::StringAgg { separator: "-".to_owned() };
            let call = call(function, Some(1), DataType::Varchar);
            calls.push(AggregateCall { order: vec![key], ..call });
        }
    }
    let filtered = calls.iter().step_by(3).cloned();
    let filtered: Vec<AggregateCall> =
        filtered.map(|call| AggregateCall { filter: Some(2), ..call }).collect();
    calls.extend(filtered);
    calls
}

fn list_of(data_type: &DataType) -> DataType {
    DataType::Array(Box::new(data_type.clone()))
}

/// A column of keys, one of a type with every call, and two that these look at.
pub(super) fn spec_of(key: DataType, data_type: &DataType) -> AggregateSpec {
    let types = vec![key, data_type.clone(), DataType::Boolean, DataType::Double];
    spec(types, vec![0], all_calls(data_type))
}

/// A table in place of another, made from its image.
fn again(table: &AggTable, spec: &AggregateSpec) -> AggTable {
    let mut fresh = AggTable::new(spec.clone(), u64::MAX);
    fresh.import(table.export()).unwrap();
    assert_eq!(fresh.group_count(), table.group_count());
    fresh
}

fn table_of(spec: &AggregateSpec, batches: &[Batch]) -> AggTable {
    let mut table = AggTable::new(spec.clone(), u64::MAX);
    batches.iter().for_each(|batch| table.update(batch).unwrap());
    table
}

/// What each partition gives to a gather.
fn sealed(spec: &AggregateSpec, partitions: &[Batch], is_again: bool) -> Vec<Sealed> {
    let tables = partitions.iter().map(|batch| {
        let table = table_of(spec, &cut_by(batch, 30));
        if is_again { again(&table, spec) } else { table }
    });
    tables.map(Sealed::Groups).collect()
}

/// All that a table says, and its image at the end.
struct Said {
    changes: Image,
    at_end: Image,
    rows: Image,
}

/// What a table says of some batches, cut at random or not at all.
fn said(spec: &AggregateSpec, batches: &[Batch], cuts: Option<&mut Random>) -> Said {
    let mut changes = Vec::new();
    let mut table = AggTable::new(spec.clone(), u64::MAX);
    let mut go_on = |table: &mut AggTable, batch: &Batch| {
        table.update_changes(batch, &mut changes).unwrap();
    };
    match cuts {
        None => batches.iter().for_each(|batch| go_on(&mut table, batch)),
        Some(random) => {
            let cut = |table| again(&table, spec);
            table = with_cuts(random, table, batches, go_on, cut);
        }
    }
    let at_end = table.export();
    table.flush_changes(&mut changes).unwrap();
    let types = spec.output_types();
    let rows = final_rows(table, 100);
    Said {
        changes: image_of(&types, joined(&changes).as_ref()),
        at_end,
        rows: image_of(&types, rows.as_ref()),
    }
}

/// Holds tables that are cut against one that is not, for every size of batches.
fn check(spec: &AggregateSpec, seed: u64, row_count: usize) {
    let mut random = Random(seed);
    let rows = random_rows(&mut random, &spec.input_types, row_count);
    let whole = batch(&spec.input_types, &rows, 0);
    let expected = said(spec, &cut_by(&whole, 1000), None);
    for batch_rows in [1, 7, 1000] {
        let at = format!("seed {seed}, {batch_rows} rows, {:?}, {:?}", spec.emit, spec.input_types);
        let batches = cut_by(&whole, batch_rows);
        for cuts in [None, Some(&mut random)] {
            let is_cut = cuts.is_some();
            let found = said(spec, &batches, cuts);
            assert_eq!(found.changes, expected.changes, "{is_cut}, {at}");
            assert_eq!(found.rows, expected.rows, "{is_cut}, {at}");
            for (call, (found, expected)) in states_of(found.at_end, expected.at_end.clone()) {
                let call = call.and_then(|call| spec.calls.get(call));
                assert_eq!(found, expected, "{call:?}, {is_cut}, {at}");
            }
        }
    }
}

/// The images of each call's states, beside each other, and those of all else.
fn states_of(one: Image, other: Image) -> Vec<(Option<usize>, (Image, Image))> {
    let split = |mut image: Image| (image.take_images("states").unwrap(), image);
    let ((states, rest), (other_states, other_rest)) = (split(one), split(other));
    let states = states.into_iter().zip(other_states).enumerate();
    let states = states.map(|(call, images)| (Some(call), images));
    states.chain([(None, (rest, other_rest))]).collect()
}

#[test]
fn every_aggregate_of_every_type_goes_on_where_it_was() {
    for (at, data_type) in (0..).zip(all_types()) {
        let spec = spec_of(DataType::SmallInt, &data_type);
        check(&spec, 10 * at, 300);
        check(&AggregateSpec { keys: Vec::new(), ..spec }, 10 * at + 1, 40);
    }
}

#[test]
fn and_says_the_same_changes() {
    for (at, data_type) in (0..).zip(all_types()) {
        for (seed, n) in (500..).zip([1, 3, 50]) {
            let emit = if n == 1 { Emit::Changes } else { Emit::ChangesEvery(n) };
            let spec = AggregateSpec { emit, ..spec_of(DataType::Varchar, &data_type) };
            check(&spec, 10 * at + seed, 60);
        }
    }
}

#[test]
fn keys_of_every_type_are_found_again() {
    let calls =
        vec![call(F::Count, None, DataType::BigInt), call(F::Sum, Some(1), DataType::BigInt)];
    for (at, key) in (0..).zip(all_types()) {
        let types = vec![key.clone(), DataType::BigInt, DataType::Varchar];
        for (seed, keys) in (0..).zip([vec![0], vec![0, 2], vec![2, 0, 1], vec![2]]) {
            check(&spec(types.clone(), keys, calls.clone()), 100 * at + seed, 400);
        }
    }
}

/// NULL takes part in all other tests.
#[test]
fn keys_without_null_are_found_again() {
    for (at, key) in (0..).zip(all_types()) {
        let types = vec![key.clone(), DataType::BigInt];
        let spec = spec(types, vec![0], vec![call(F::Count, None, DataType::BigInt)]);
        let mut random = Random(at);
        let mut rows = random_rows(&mut random, &spec.input_types, 300);
        rows.retain(|row| !row[0].is_null());
        let whole = batch(&spec.input_types, &rows, 0);
        let expected = said(&spec, &cut_by(&whole, 1000), None);
        let found = said(&spec, &random_cuts(&mut random, &whole), Some(&mut random));
        assert_eq!(found.rows, expected.rows, "{key}");
        assert_eq!(found.at_end, expected.at_end, "{key}");
    }
}

/// Many numbers and texts, near each other and far apart: more than one growth of the index, long texts in several chunks.
#[test]
fn many_keys_are_found_again() {
    let types = vec![DataType::BigInt, DataType::Varchar];
    let calls =
        vec![call(F::Count, None, DataType::BigInt), call(F::Max, Some(1), DataType::Varchar)];
    let row = |at: i64| {
        let far = at.wrapping_mul(0x9e37_79b9_7f4a_7c15_u64.cast_signed()) >> 8;
        let text = format!("{far:x} is a text that is long enough to stand elsewhere");
        vec![Scalar::BigInt(if at % 2 == 0 { at } else { far }), Scalar::Varchar(text)]
    };
    let rows: Vec<Vec<Scalar>> = (0..40_000).chain(0..5_000).map(row).collect();
    let whole = batch(&types, &rows, 0);
    for keys in [vec![0], vec![1], vec![0, 1]] {
        let spec = spec(types.clone(), keys, calls.clone());
        let batches = cut_by(&whole, 9_000);
        let (expected, mut random) = (said(&spec, &batches, None), Random(1));
        let found = said(&spec, &batches, Some(&mut random));
        assert_eq!(found.rows, expected.rows);
        assert_eq!(found.at_end, expected.at_end);
    }
}

/// What a pipeline leaves for a gather: merged as the first, between others, and in parts.
#[test]
fn a_gather_merges_tables_that_were_made_again_to_the_same_bytes() {
    for (at, data_type) in (0..).zip(all_types()) {
        let spec = spec_of(DataType::Integer, &data_type);
        let types = spec.output_types();
        let mut random = Random(at);
        let rows = random_rows(&mut random, &spec.input_types, 400);
        let partitions = cut_by(&batch(&spec.input_types, &rows, 0), 101);
        let merged = |is_again: bool| {
            let mut tables = sealed(&spec, &partitions, is_again).into_iter();
            let mut first = tables.next().unwrap();
            tables.for_each(|later| first.merge(later).unwrap());
            let batches: Vec<Batch> =
                first.into_batches(70).unwrap().collect::<Result<_, _>>().unwrap();
            image_of(&types, joined(&batches).as_ref())
        };
        assert_eq!(merged(true), merged(false), "{data_type}");
    }
}

#[test]
fn and_so_in_parts() {
    for (at, data_type) in (0..).zip(all_types()) {
        let count = call(F::Count, Some(1), DataType::BigInt);
        for call in [distinct(count.clone()), count] {
            let types = vec![DataType::Integer, data_type.clone()];
            let spec = spec(types, vec![0], vec![call]);
            let rows = random_rows(&mut Random(at), &spec.input_types, 400);
            let partitions = cut_by(&batch(&spec.input_types, &rows, 0), 101);
            let in_parts = |is_again: bool| {
                let cut = Cut { groups_min: 0, values_min: 0, part_groups: 4 };
                let tables = sealed(&spec, &partitions, is_again);
                let batches = rows_in_parts(tables, cut, 70).unwrap();
                image_of(&spec.output_types(), joined(&batches).as_ref())
            };
            assert_eq!(in_parts(true), in_parts(false), "{data_type}");
        }
    }
}

/// Sets and sketches beyond their first representation.
#[test]
fn large_states_go_on_where_they_were() {
    let types = vec![DataType::TinyInt, DataType::Double];
    let calls = vec![
        call(F::ApproxCountDistinct, Some(1), DataType::BigInt),
        call(F::ApproxQuantile { fraction: 0.9 }, Some(1), DataType::Double),
        call(F::PercentileCont { fraction: 0.25 }, Some(1), DataType::Double),
        distinct(call(F::Sum, Some(1), DataType::Double)),
        call(F::Mode, Some(1), DataType::Double),
    ];
    let spec = spec(types.clone(), vec![0], calls);
    let mut random = Random(3);
    let rows = (0..20_000).map(|_| {
        let value = (random.next() >> 40) as f64 / 1e6;
        let key = i8::try_from(random.below(3)).unwrap();
        vec![Scalar::TinyInt(key), Scalar::Double(value.exp() - 3.0)]
    });
    let rows: Vec<Vec<Scalar>> = rows.collect();
    let whole = batch(&types, &rows, 0);
    let expected = said(&spec, &cut_by(&whole, 8192), None);
    for batch_rows in [999, 8192] {
        let found = said(&spec, &cut_by(&whole, batch_rows), Some(&mut random));
        assert_eq!(found.rows, expected.rows);
        assert_eq!(found.at_end, expected.at_end);
    }
}

#[test]
fn seen_keys_come_back_and_damaged_ones_are_refused_or_are_some() {
    let types = vec![DataType::Varchar, DataType::Double];
    let spec = spec(types.clone(), vec![0, 1], Vec::new());
    let mut random = Random(2);
    let rows = random_rows(&mut random, &types, 200);
    let table = table_of(&spec, &[batch(&types, &rows, 0)]);
    assert_eq!(again(&table, &spec).seen_keys(&[1, 0]), table.seen_keys(&[1, 0]));
    let seen = table.seen_keys(&[0]);
    assert!(!seen.fingerprints.is_empty() && !seen.named.is_empty());
    assert_eq!(SeenKeys::import(seen.export()).as_ref(), Ok(&seen));
    let mut refused = 0;
    for _ in 0..500 {
        match SeenKeys::import(damaged(&mut random, seen.export())) {
            Ok(some) => assert!(some.fingerprints.is_sorted()),
            Err(_) => refused += 1,
        }
    }
    assert!((50..500).contains(&refused), "{refused}");
}
