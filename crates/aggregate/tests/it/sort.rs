//! `ORDER BY` against a stable sort of the rows themselves.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, StringViewArray, UInt64Array};
use tidemill_aggregate::{AggregateError, SortTable};
use tidemill_plan::{LimitSpec, Scalar, SortKey, SortSpec};
use tidemill_record::{Batch, DataType};

use crate::groups::random_rows;
use crate::values::{Random, all_types, batch, compare, joined, lines, random_cuts};

fn order(keys: &[SortKey], left: &[Scalar], right: &[Scalar]) -> Ordering {
    let by_key = |key: &SortKey| {
        let (left, right) = (&left[key.column], &right[key.column]);
        match (left.is_null(), right.is_null()) {
            (false, false) if key.is_descending => compare(right, left),
            (false, false) => compare(left, right),
            (left, right) if key.is_nulls_first => right.cmp(&left),
            (left, right) => left.cmp(&right),
        }
    };
    keys.iter().map(by_key).find(|o| o.is_ne()).unwrap_or(Ordering::Equal)
}

fn sorted(table: SortTable, batch_rows: usize) -> Option<Batch> {
    let batches: Vec<Batch> = table.into_batches(batch_rows).unwrap().collect();
    assert!(batches.iter().all(|batch| (1..=batch_rows).contains(&batch.row_count())));
    joined(&batches)
}

fn same(rows: &[String], expected: &[String], at: &str) {
    let place = rows.iter().zip(expected).position(|(row, wanted)| row != wanted);
    let differing = place.map(|place| (place, &rows[place], &expected[place]));
    assert_eq!(differing, None, "{at}");
    assert_eq!(rows.len(), expected.len(), "{at}");
}

fn check(spec: &SortSpec, seed: u64, row_count: usize) {
    let mut random = Random(seed);
    let rows = random_rows(&mut random, &spec.input_types, row_count);
    check_rows(spec, seed, &mut random, &rows);
}

fn check_rows(spec: &SortSpec, seed: u64, random: &mut Random, rows: &[Vec<Scalar>]) {
    let whole = batch(&spec.input_types, rows, 0);
    let mut numbered: Vec<(usize, &Vec<Scalar>)> = rows.iter().enumerate().collect();
    numbered.sort_by(|(_, left), (_, right)| order(&spec.keys, left, right));
    let skip = usize::try_from(spec.limit.skip).unwrap();
    let keep = spec.limit.keep.map_or(usize::MAX, |keep| usize::try_from(keep).unwrap());
    let expected: Vec<String> = numbered
        .iter()
        .skip(skip)
        .take(keep)
        .map(|(row, values)| {
            let values: Vec<String> = values.iter().map(Scalar::to_string).collect();
            format!("{}: {}", 10 * row, values.join(" | "))
        })
        .collect();
    let at = format!("seed {seed}, {spec:?}");
    let lines_of =
        |batch: Option<Batch>| batch.map_or(Vec::new(), |batch| lines(&spec.input_types, &batch));

    let mut table = SortTable::new(spec.clone(), u64::MAX);
    for batch in random_cuts(random, &whole) {
        table.update(&batch).unwrap();
    }
    same(&lines_of(sorted(table, 7)), &expected, &at);

    let mut merged = SortTable::new(spec.clone(), u64::MAX);
    for batch in random_cuts(random, &whole) {
        let mut partition = SortTable::new(spec.clone(), u64::MAX);
        partition.update(&batch).unwrap();
        merged.merge(partition).unwrap();
    }
    same(&lines_of(sorted(merged, 1000)), &expected, &format!("merged, {at}"));
}

fn random_key(random: &mut Random, column: usize) -> SortKey {
    let (is_descending, is_nulls_first) = (random.below(2) == 0, random.below(2) == 0);
    SortKey { column, is_descending, is_nulls_first }
}

fn random_limit(random: &mut Random) -> LimitSpec {
    match random.below(4) {
        0 => LimitSpec { skip: random.below(50) as u64, keep: None },
        1 => LimitSpec { skip: random.below(50) as u64, keep: Some(random.below(50) as u64) },
        2 => LimitSpec { skip: 0, keep: Some(random.below(400) as u64) },
        _ => LimitSpec::default(),
    }
}

#[test]
fn one_key_of_every_type_in_every_direction() {
    for data_type in all_types() {
        for seed in 0..8 {
            let mut random = Random(seed);
            let key =
                SortKey { column: 0, is_descending: seed & 1 == 1, is_nulls_first: seed & 2 == 2 };
            let limit = random_limit(&mut random);
            let input_types = vec![data_type.clone(), DataType::Varchar];
            check(&SortSpec { input_types, keys: vec![key], limit }, seed, 300);
        }
    }
}

#[test]
fn several_keys() {
    for seed in 0..60 {
        let mut random = Random(seed);
        let all = all_types();
        let input_types: Vec<DataType> =
            (0..4).map(|_| all[random.below(all.len())].clone()).collect();
        let keys = (0..1 + random.below(3)).map(|at| random_key(&mut random, 3 - at)).collect();
        let limit = random_limit(&mut random);
        check(&SortSpec { input_types, keys, limit }, seed, 300);
    }
}

/// Rows that are alike in their first bytes, a few or many of them, and differ far behind, also by what their
/// texts end with.
#[test]
fn long_keys_that_begin_alike() {
    let input_types = vec![DataType::Varchar, DataType::Varbinary, DataType::Interval];
    for seed in 0..24 {
        let mut random = Random(seed);
        let ends = ["", "\0", "a", "\u{10ffff}", "ä", "aa", "a\0"];
        let bytes = [0, 1, 0xfd, 0xfe, 0xff];
        let text = |random: &mut Random| {
            let repeats = [0, 1, 11, 12, 13, 24, 40][random.below(7)];
            let end = (0..random.below(3)).map(|_| ends[random.below(ends.len())]);
            "https://".repeat(repeats) + &end.collect::<String>()
        };
        let rows: Vec<Vec<Scalar>> = (0..1500)
            .map(|_| {
                let mut long = vec![0xff; [0, 5, 6, 30][random.below(4)]];
                long.extend((0..random.below(3)).map(|_| bytes[random.below(bytes.len())]));
                let null = |value: Scalar, random: &mut Random| match random.below(20) {
                    0 => Scalar::Null(value.data_type()),
                    _ => value,
                };
                let months = i32::try_from(random.below(2)).unwrap();
                let interval = Scalar::Interval { months, days: 30 - 30 * months, nanos: 0 };
                vec![
                    null(Scalar::Varchar(text(&mut random)), &mut random),
                    null(Scalar::Varbinary(long), &mut random),
                    null(interval, &mut random),
                ]
            })
            .collect();
        let mut columns = vec![0, 1, 2];
        (0..3).for_each(|at| columns.swap(at, random.below(3)));
        let keys = columns.into_iter().map(|column| random_key(&mut random, column)).collect();
        let limit = random_limit(&mut random);
        let spec = SortSpec { input_types: input_types.clone(), keys, limit };
        check_rows(&spec, seed, &mut random, &rows);
    }
}

/// Enough rows that small batches are joined and a limited table is cut back several times.
#[test]
fn many_rows_under_a_limit() {
    for (keep, is_descending) in [(Some(10), false), (Some(40_000), true), (None, false)] {
        let key = SortKey { column: 1, is_descending, is_nulls_first: false };
        let spec = SortSpec {
            input_types: vec![DataType::Varchar, DataType::BigInt],
            keys: vec![key],
            limit: LimitSpec { skip: 5, keep },
        };
        check(&spec, 1, 140_000);
    }
}

fn one_text_row(text: &str, buffer_bytes: usize) -> Batch {
    let other = "x".repeat(buffer_bytes);
    let column: ArrayRef = Arc::new(StringViewArray::from_iter_values([text, &other]));
    Batch::new(vec![column], UInt64Array::from(vec![0, 1])).slice(0, 1)
}

fn by_text(keep: Option<u64>) -> SortSpec {
    SortSpec {
        input_types: vec![DataType::Varchar],
        keys: vec![SortKey { column: 0, is_descending: false, is_nulls_first: false }],
        limit: LimitSpec { skip: 0, keep },
    }
}

#[test]
fn kept_rows_do_not_hold_input_buffers() {
    let mut table = SortTable::new(by_text(None), u64::MAX);
    let input = one_text_row("a text over twelve bytes", 1_000_000);
    table.update(&input).unwrap();
    assert!(table.state_bytes() < 1000, "{}", table.state_bytes());
    let kept = sorted(table, 10).unwrap();
    let bytes: usize =
        kept.column(0).as_string_view().data_buffers().iter().map(|buffer| buffer.len()).sum();
    assert_eq!(bytes, "a text over twelve bytes".len());
}

#[test]
fn a_limit_bounds_what_is_held_and_a_budget_ends_the_rest() {
    let rows: Vec<Vec<Scalar>> =
        (0..50_000).map(|n| vec![Scalar::Varchar(format!("{:08}", n * 7919 % 50_000))]).collect();
    let whole = batch(&[DataType::Varchar], &rows, 0);
    let mut limited = SortTable::new(by_text(Some(10)), 8_000_000);
    for _ in 0..40 {
        limited.update(&whole).unwrap();
    }
    assert!(limited.row_count() < 150_000, "{}", limited.row_count());
    let first = sorted(limited, 10).unwrap();
    assert_eq!(lines(&[DataType::Varchar], &first)[9], "0: '00000000'");

    let mut unlimited = SortTable::new(by_text(None), 8_000_000);
    let error = (0..40).find_map(|_| unlimited.update(&whole).err()).unwrap();
    assert!(matches!(error, AggregateError::RowBudgetExceeded { .. }), "{error}");
}
