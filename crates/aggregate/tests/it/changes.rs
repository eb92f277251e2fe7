//! Groupings that speak as records come in.

use tidemill_aggregate::{AggTable, AggregateError};
use tidemill_plan::{AggregateFunction as F, AggregateSpec, Emit, Scalar};
use tidemill_record::{Batch, DataType, Moment, Offset};

use crate::groups::{call, calls_for, random_rows, spec};
use crate::reference::{groups, is_close, row_of};
use crate::values::{Random, all_types, batch, compare, joined, lines, random_cuts};

fn changelog(spec: &AggregateSpec, batches: &[Batch]) -> Option<Batch> {
    let mut table = AggTable::new(spec.clone(), u64::MAX);
    let mut changes = Vec::new();
    for batch in batches {
        table.update_changes(batch, &mut changes).unwrap();
    }
    table.flush_changes(&mut changes).unwrap();
    let row_count = changes.len();
    table.flush_changes(&mut changes).unwrap();
    assert_eq!(changes.len(), row_count, "nothing is emitted twice");
    joined(&changes)
}

/// What `EMIT CHANGES EVERY n ROWS` must give: after each block of `n` rows, its groups in order
/// of first change, with their results over all rows so far.
fn expected(spec: &AggregateSpec, rows: &[Vec<Scalar>], n: usize) -> Vec<(usize, Vec<String>)> {
    let mut changes = Vec::new();
    let mut start = 0;
    while start < rows.len() {
        let end = rows.len().min(start + n);
        let so_far = groups(spec, &rows[..end]);
        for (key, _) in groups(spec, &rows[start..end]) {
            let is_same =
                |other: &[Scalar]| other.iter().zip(&key).all(|(a, b)| compare(a, b).is_eq());
            let (key, rows) = so_far.iter().find(|(other, _)| is_same(other)).unwrap();
            changes.push((10 * (end - 1), row_of(spec, key, rows)));
        }
        start = end;
    }
    changes
}

fn check(spec: &AggregateSpec, seed: u64, row_count: usize) {
    let mut random = Random(seed);
    let types = spec.output_types();
    let rows = random_rows(&mut random, &spec.input_types, row_count);
    let whole = batch(&spec.input_types, &rows, 0);
    for n in [1, 2, 3, 7, 1000] {
        let at = format!("seed {seed}, n {n}, types {:?}", spec.input_types);
        let spec = AggregateSpec { emit: Emit::ChangesEvery(n), ..spec.clone() };
        let at_once = changelog(&spec, std::slice::from_ref(&whole)).unwrap();
        let expected = expected(&spec, &rows, usize::try_from(n).unwrap());
        let actual = lines(&types, &at_once);
        assert_eq!(actual.len(), expected.len(), "{at}");
        for (actual, (offset, expected)) in actual.iter().zip(&expected) {
            let (actual_offset, actual) = actual.split_once(": ").unwrap();
            assert_eq!(actual_offset, offset.to_string(), "{at}");
            for (column, (actual, expected)) in actual.split(" | ").zip(expected).enumerate() {
                let call = column.checked_sub(spec.keys.len()).map(|at| &spec.calls[at]);
                assert!(
                    is_close(call, actual, expected),
                    "{actual} for {expected}: {call:?}, {at}"
                );
            }
        }
        for _ in 0..3 {
            let cut = changelog(&spec, &random_cuts(&mut random, &whole)).unwrap();
            assert_eq!(lines(&types, &cut), actual, "{at}");
            assert_eq!(cut.columns(), at_once.columns(), "{at}");
        }
        if n == 1 {
            let spec = AggregateSpec { emit: Emit::Changes, ..spec.clone() };
            let every_row = changelog(&spec, &random_cuts(&mut random, &whole)).unwrap();
            assert_eq!(lines(&types, &every_row), actual, "{at}");
        }
    }
}

#[test]
fn changes_of_every_aggregate() {
    for (at, data_type) in all_types().into_iter().enumerate() {
        let mut calls = calls_for(&data_type, 1);
        let mut with_filter = calls.clone();
        with_filter.iter_mut().for_each(|call| call.filter = Some(2));
        calls.extend(with_filter);
        calls.push(call(F::Count, None, DataType::BigInt));
        let types = vec![DataType::TinyInt, data_type, DataType::Boolean];
        check(&spec(types.clone(), vec![0], calls.clone()), at as u64, 60);
        check(&spec(types, Vec::new(), calls), at as u64, 30);
    }
}

#[test]
fn changes_of_keys_of_every_type() {
    for (at, data_type) in all_types().into_iter().enumerate() {
        let calls =
            vec![call(F::Sum, Some(1), DataType::BigInt), call(F::Count, None, DataType::BigInt)];
        let types = vec![data_type, DataType::Integer];
        check(&spec(types.clone(), vec![0], calls.clone()), at as u64, 120);
        check(&spec(types, vec![1, 0], calls), at as u64, 120);
    }
}

/// What leaves before a sum that does not fit, and when it would have left.
fn before_overflow(emit: Emit, cuts: &[usize]) -> (Vec<String>, Option<Moment>) {
    let types = vec![DataType::Varchar, DataType::BigInt];
    let sum = call(F::Sum, Some(1), DataType::BigInt);
    let spec = AggregateSpec { emit, ..spec(types.clone(), vec![0], vec![sum]) };
    let row = |key: &str, n: i64| vec![Scalar::Varchar(key.to_owned()), Scalar::BigInt(n)];
    let most = i64::MAX;
    let rows = [row("a", 1), row("b", most), row("a", 2), row("b", 1), row("a", 3), row("b", -1)];
    let mut table = AggTable::new(spec.clone(), u64::MAX);
    let (mut changes, mut start) = (Vec::new(), 0);
    for &end in cuts {
        let rows = batch(&types, &rows[start..end], start);
        if let Err(error) = table.update_changes(&rows, &mut changes) {
            let AggregateError::SumOverflow { moment, .. } = error else { panic!("{error}") };
            let changes = joined(&changes);
            return (
                changes.map_or(Vec::new(), |all| lines(&spec.output_types(), &all)),
                moment.map(|m| *m),
            );
        }
        start = end;
    }
    panic!("a sum does not fit")
}

#[test]
fn what_leaves_before_an_overflow_does_not_depend_on_the_batch() {
    let row = |offset| Some(Moment::Row { offset: Offset(offset), place: None });
    for cuts in [&[1, 2, 3, 4, 5, 6][..], &[2, 4, 6], &[3, 6], &[4, 6], &[6]] {
        // The fourth record takes b out of range.
        let (changes, moment) = before_overflow(Emit::Changes, cuts);
        let expected = ["0: 'a' | 1", "10: 'b' | 9223372036854775807", "20: 'a' | 3"];
        assert_eq!(changes, expected, "{cuts:?}");
        assert_eq!(moment, row(30), "{cuts:?}");
        // The second block ends with it: a leaves, b does not.
        let (changes, moment) = before_overflow(Emit::ChangesEvery(2), cuts);
        let expected = ["10: 'a' | 1", "10: 'b' | 9223372036854775807", "30: 'a' | 3"];
        assert_eq!(changes, expected, "{cuts:?}");
        assert_eq!(moment, row(30), "{cuts:?}");
    }
}
