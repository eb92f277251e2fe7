//! Tables of many groups, merged in parts: the rows, and their order, of a merge as a whole.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::thread;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Int32Array, Int64Array, StringViewArray, UInt64Array};
use tidemill_aggregate::{AggTable, AggregateError, Cut, Piece, Scatter, Sealed};
use tidemill_plan::{AggregateFunction as F, AggregateSpec};
use tidemill_record::{Batch, DataType};

use crate::groups::{call, check, distinct, rows_in_parts, spec};
use crate::values::{Random, all_types};

/// Few parts of tables that are small for them.
const CUT: Cut = Cut { groups_min: 0, values_min: 0, part_groups: 1 << 9 };

fn counts_and_sums(key: DataType) -> AggregateSpec {
    let calls =
        vec![call(F::Count, None, DataType::BigInt), call(F::Sum, Some(1), DataType::BigInt)];
    spec(vec![key, DataType::BigInt], vec![0], calls)
}

fn table_of(spec: &AggregateSpec, batches: &[Batch]) -> AggTable {
    let mut table = AggTable::new(spec.clone(), u64::MAX);
    batches.iter().for_each(|batch| table.update(batch).unwrap());
    table
}

/// The same, whose rows wait in parts behind the first thousand or so.
fn scattering(spec: &AggregateSpec, batches: &[Batch]) -> Sealed {
    let mut table = Sealed::Groups(AggTable::new(spec.clone(), u64::MAX));
    table.scatter(Scatter {
        first_look: 1000,
        run_rows: 3000,
        group_values: 100,
        ..Scatter::default()
    });
    batches.iter().for_each(|batch| table.update(batch).unwrap());
    table
}

/// Rows of three partitions, whose keys are `text` of a number.
fn partitions(text: Option<fn(u64) -> String>, batch_rows: usize) -> Vec<Vec<Batch>> {
    let mut random = Random(7);
    let mut rows: Vec<Vec<u64>> = vec![Vec::new(); 3];
    for row in 0..30_000 {
        rows[row / 10_000].push(random.next() % 8000);
    }
    let batch = |(at, rows): (usize, &[u64])| {
        let keys: ArrayRef = match text {
            Some(text) => {
                Arc::new(StringViewArray::from_iter_values(rows.iter().map(|&key| text(key))))
            }
            None => Arc::new(Int64Array::from_iter_values(rows.iter().map(|&key| signed(key)))),
        };
        let values = rows.iter().enumerate().map(|(row, &key)| signed(key) + row as i64);
        let values: ArrayRef = Arc::new(Int64Array::from_iter_values(values));
        let offsets = (at as u64..).take(rows.len());
        Batch::new(vec![keys, values], UInt64Array::from_iter_values(offsets))
    };
    rows.iter().map(|rows| rows.chunks(batch_rows).enumerate().map(batch).collect()).collect()
}

/// Far apart, so that they are hashed.
fn signed(key: u64) -> i64 {
    key.wrapping_mul(0x9e37_79b9_7f4a_7c15).cast_signed() >> 8
}

#[test]
fn rows_are_those_of_a_map_in_order_of_first_appearance() {
    type AsText = fn(u64) -> String;
    let texts: [Option<AsText>; 3] = [
        None,
        Some(|key| format!("k{key}")),
        Some(|key| format!("{key:08x}-ceb2-4bd6-a78f-1572ff256abf")),
    ];
    for text in texts {
        for batch_rows in [7, 8192] {
            let partitions = partitions(text, batch_rows);
            let key_type = if text.is_some() { DataType::Varchar } else { DataType::BigInt };
            let spec = counts_and_sums(key_type);
            let (mut places, mut expected) = (HashMap::new(), Vec::new());
            for batch in partitions.iter().flatten() {
                let values = batch.column(1).as_primitive::<Int64Type>().values();
                for (key, value) in keys_of(batch).into_iter().zip(values) {
                    let place = *places.entry(key.clone()).or_insert(expected.len());
                    if place == expected.len() {
                        expected.push((key, 0, 0));
                    }
                    expected[place].1 += 1;
                    expected[place].2 += value;
                }
            }
            for has_scattered in [false, true] {
                let tables = partitions.iter().map(|rows| match has_scattered {
                    false => Sealed::Groups(table_of(&spec, rows)),
                    true => scattering(&spec, rows),
                });
                let tables: Vec<Sealed> = tables.collect();
                // By default, tables of so few groups are not, but rows that wait are.
                assert_eq!(
                    Sealed::are_many(tables.iter(), Cut::default(), u64::MAX),
                    has_scattered
                );
                assert!(Sealed::are_many(tables.iter(), CUT, u64::MAX));
                let mut actual = Vec::new();
                for batch in rows_in_parts(tables, CUT, 1000).unwrap() {
                    let number =
                        |at: usize| batch.column(at).as_primitive::<Int64Type>().values().to_vec();
                    let rows = keys_of(&batch).into_iter().zip(number(1)).zip(number(2));
                    actual.extend(rows.map(|((key, count), sum)| (key, count, sum)));
                }
                assert_eq!(actual, expected);
            }
        }
    }
}

fn keys_of(batch: &Batch) -> Vec<String> {
    match batch.column(0).as_string_view_opt() {
        Some(texts) => texts.iter().map(|text| text.unwrap().to_owned()).collect(),
        None => {
            let keys = batch.column(0).as_primitive::<Int64Type>().values();
            keys.iter().map(ToString::to_string).collect()
        }
    }
}

#[test]
fn threads_make_the_same_rows() {
    let spec = counts_and_sums(DataType::BigInt);
    let partitions = partitions(None, 8192);
    let tables = || partitions.iter().map(|rows| Sealed::Groups(table_of(&spec, rows))).collect();
    let beside = |pieces: Vec<Piece<'_>>| {
        thread::scope(|scope| {
            for piece in pieces {
                scope.spawn(piece);
            }
        });
    };
    let merged = Sealed::merge_in_parts(tables(), CUT, u64::MAX, 100, &beside).unwrap();
    let merged: Vec<Batch> = merged.batches.collect::<Result<_, _>>().unwrap();
    let expected = rows_in_parts(tables(), CUT, 100).unwrap();
    let columns =
        |batches: &[Batch]| batches.iter().map(|b| b.columns().to_vec()).collect::<Vec<_>>();
    assert_eq!(columns(&merged), columns(&expected));
}

#[test]
fn a_sum_that_does_not_fit_fails_behind_the_rows_before_it() {
    let spec = counts_and_sums(DataType::BigInt);
    let of = |keys: std::ops::Range<i64>, value: i64| {
        let count = usize::try_from(keys.end - keys.start).unwrap();
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from_iter_values(keys.map(|key| key << 40))),
            Arc::new(Int64Array::from(vec![value; count])),
        ];
        Batch::new(columns, UInt64Array::from_iter_values((0..).take(count)))
    };
    let first = table_of(&spec, &[of(0..500, 1), of(300..302, i64::MAX)]);
    let second = table_of(&spec, &[of(200..900, 1)]);
    let tables = vec![Sealed::Groups(first), Sealed::Groups(second)];
    let do_all = |pieces: Vec<Piece<'_>>| pieces.into_iter().for_each(|piece| piece());
    let cut = Cut { part_groups: 10, ..CUT };
    let merged = Sealed::merge_in_parts(tables, cut, u64::MAX, 64, &do_all).unwrap();
    let mut rows = 0;
    let mut failure = None;
    for batch in merged.batches {
        assert!(failure.is_none(), "nothing comes behind it");
        match batch {
            Ok(batch) => rows += batch.row_count(),
            Err(error) => failure = Some(error),
        }
    }
    assert_eq!(rows, 300);
    let key = (300_i64 << 40).to_string();
    assert!(
        matches!(&failure, Some(AggregateError::SumOverflow { group_key, .. }) if *group_key == key),
        "{failure:?}"
    );
}

#[test]
fn what_has_no_room_is_not_merged_in_parts_and_too_much_is_an_error() {
    let spec = counts_and_sums(DataType::BigInt);
    let partitions = partitions(None, 8192);
    let tables: Vec<Sealed> =
        partitions.iter().map(|rows| Sealed::Groups(table_of(&spec, rows))).collect();
    let bytes: u64 = tables.iter().map(Sealed::state_bytes).sum();
    assert!(Sealed::are_many(tables.iter(), CUT, 2 * bytes));
    assert!(!Sealed::are_many(tables.iter(), CUT, 2 * bytes - 1));
    assert!(!Sealed::are_many(tables[..1].iter(), CUT, u64::MAX), "one has nothing to merge");
    assert!(!Sealed::are_many(tables.iter(), Cut::default(), u64::MAX), "few groups");
    let do_all = |pieces: Vec<Piece<'_>>| pieces.into_iter().for_each(|piece| piece());
    let refused = Sealed::merge_in_parts(tables, CUT, 100_000, 64, &do_all);
    assert!(matches!(refused, Err(AggregateError::BudgetExceeded { .. })));
}

#[test]
fn values_that_are_only_counted_are_united_in_parts() {
    for (at, data_type) in all_types().into_iter().enumerate() {
        let types = vec![DataType::TinyInt, data_type, DataType::BigInt];
        let calls = vec![
            distinct(call(F::Count, Some(1), DataType::BigInt)),
            call(F::Sum, Some(2), DataType::BigInt),
            distinct(call(F::Count, Some(2), DataType::BigInt)),
        ];
        for keys in [vec![], vec![0]] {
            let spec = spec(types.clone(), keys, calls.clone());
            for seed in 0..5 {
                check(&spec, 1000 * at as u64 + seed, 300);
            }
        }
    }
}

#[test]
fn distinct_values_of_partitions_are_counted_once() {
    let partitions = partitions(None, 8192);
    let keys: HashSet<String> = partitions.iter().flatten().flat_map(keys_of).collect();
    let mut spec = counts_and_sums(DataType::BigInt);
    spec.keys.clear();
    spec.calls = vec![distinct(call(F::Count, Some(0), DataType::BigInt))];
    for has_scattered in [false, true] {
        let tables = partitions.iter().map(|rows| match has_scattered {
            false => Sealed::Groups(table_of(&spec, rows)),
            true => scattering(&spec, rows),
        });
        let tables: Vec<Sealed> = tables.collect();
        // By default, so few values are not united in parts, but rows that wait are.
        assert_eq!(Sealed::are_many(tables.iter(), Cut::default(), u64::MAX), has_scattered);
        assert!(Sealed::are_many(tables.iter(), CUT, u64::MAX));
        let rows = rows_in_parts(tables, CUT, 1).unwrap();
        let count = rows[0].column(0).as_primitive::<Int64Type>().value(0);
        assert_eq!(usize::try_from(count).unwrap(), keys.len());
    }
}

/// Without the sums.
fn only_counts(spec: &AggregateSpec) -> AggregateSpec {
    let calls = spec.calls.iter().filter(|call| call.function == F::Count).cloned().collect();
    AggregateSpec { calls, ..spec.clone() }
}

/// Numbers that lie close together, and then elsewhere; and texts of many rows, of which two thousand differ.
#[test]
fn values_that_come_again_and_again_count_once() {
    const ROWS: usize = 8192;
    let mut random = Random(11);
    let calls = vec![
        distinct(call(F::Count, Some(1), DataType::BigInt)),
        distinct(call(F::Sum, Some(1), DataType::BigInt)),
        distinct(call(F::Count, Some(0), DataType::BigInt)),
    ];
    for keys in [vec![], vec![2], vec![0]] {
        let types = vec![DataType::Varchar, DataType::BigInt, DataType::Integer];
        let spec = spec(types, keys.clone(), calls.clone());
        // Of each key its numbers and texts.
        let mut expected: HashMap<String, (HashSet<i64>, HashSet<String>)> = HashMap::new();
        let mut order: Vec<String> = Vec::new();
        let mut partitions: Vec<Vec<Batch>> = vec![Vec::new(); 2];
        for at in 0..24 {
            let shift = [0, 0, 5_000, 1 << 40][at / 6];
            let rows: Vec<(String, Option<i64>, i32)> = (0..ROWS)
                .map(|_| {
                    let text =
                        format!("{}{}", ["s", "a text that is long "][at % 2], random.below(1000));
                    let number = shift + random.below(900) as i64 - 300;
                    let number = (random.below(9) > 0).then_some(number);
                    (text, number, i32::try_from(random.below(7 + at)).unwrap())
                })
                .collect();
            for (text, number, group) in &rows {
                let key = match keys.first() {
                    None => String::new(),
                    Some(0) => text.clone(),
                    Some(_) => group.to_string(),
                };
                let (numbers, texts) = expected.entry(key.clone()).or_insert_with(|| {
                    order.push(key);
                    Default::default()
                });
                numbers.extend(number);
                texts.insert(text.clone());
            }
            let columns: Vec<ArrayRef> = vec![
                Arc::new(StringViewArray::from_iter_values(rows.iter().map(|row| &row.0))),
                Arc::new(rows.iter().map(|row| row.1).collect::<Int64Array>()),
                Arc::new(rows.iter().map(|row| row.2).collect::<Int32Array>()),
            ];
            let offsets = (at as u64 * ROWS as u64..).take(ROWS);
            let batch = Batch::new(columns, UInt64Array::from_iter_values(offsets));
            partitions[at / 12].push(batch);
        }
        let model: Vec<Vec<i64>> = order
            .iter()
            .map(|key| {
                let (numbers, texts) = &expected[key];
                vec![numbers.len() as i64, numbers.iter().sum(), texts.len() as i64]
            })
            .collect();
        let rows_of = |batches: &[Batch]| -> Vec<Vec<i64>> {
            let rows = |batch: &Batch| {
                let values = |row| {
                    let columns = batch.columns()[keys.len()..].iter();
                    columns.map(|c| c.as_primitive::<Int64Type>().value(row)).collect()
                };
                (0..batch.row_count()).map(values).collect::<Vec<Vec<i64>>>()
            };
            batches.iter().flat_map(rows).collect()
        };
        let final_rows = |table: AggTable| -> Vec<Vec<i64>> {
            let batches = table.into_batches(1000).unwrap();
            rows_of(&batches.collect::<Result<Vec<_>, _>>().unwrap())
        };
        assert_eq!(final_rows(table_of(&spec, &partitions.concat())), model);
        let mut merged = table_of(&spec, &partitions[0]);
        merged.merge(table_of(&spec, &partitions[1])).unwrap();
        assert_eq!(final_rows(merged), model);
        let tables = partitions.iter().map(|rows| Sealed::Groups(table_of(&spec, rows)));
        let tables: Vec<Sealed> = tables.collect();
        // A sum looks at the values, and is not united in parts.
        assert!(!Sealed::are_many(tables.iter(), CUT, u64::MAX));
        let (spec, counted) = (only_counts(&spec), |rows: &[i64]| vec![rows[0], rows[2]]);
        let tables = partitions.iter().map(|rows| Sealed::Groups(table_of(&spec, rows)));
        let rows = rows_in_parts(tables.collect(), CUT, 64).unwrap();
        let model: Vec<Vec<i64>> = model.iter().map(|rows| counted(rows)).collect();
        assert_eq!(rows_of(&rows), model);
    }
}

#[test]
fn values_that_are_looked_at_are_merged_as_a_whole() {
    let partitions = partitions(None, 8192);
    for last in [
        distinct(call(F::Sum, Some(1), DataType::BigInt)),
        call(F::Mode, Some(1), DataType::BigInt),
    ] {
        let mut spec = counts_and_sums(DataType::BigInt);
        spec.calls.push(last);
        let tables: Vec<Sealed> =
            partitions.iter().map(|rows| Sealed::Groups(table_of(&spec, rows))).collect();
        assert!(!Sealed::are_many(tables.iter(), CUT, u64::MAX));
    }
}
