//! The discard sink: the same rows give the same totals in any order, other rows give others.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Decimal128Array, Float64Array, Int64Array, StringViewArray, UInt64Array,
};
use tidemill_record::Batch;
use tidemill_sink::Discard;

fn batch(columns: Vec<ArrayRef>) -> Batch {
    let rows = columns[0].len() as u64;
    Batch::new(columns, UInt64Array::from_iter_values(0..rows))
}

fn checksum(batches: &[Batch]) -> u64 {
    let mut discard = Discard::new(true);
    batches.iter().for_each(|batch| discard.consume(batch));
    discard.checksum()
}

fn two(numbers: Vec<Option<i64>>, texts: Vec<Option<&str>>) -> Batch {
    let texts: StringViewArray = texts.into_iter().collect();
    batch(vec![Arc::new(Int64Array::from(numbers)), Arc::new(texts)])
}

#[test]
fn order_and_batches_do_not_matter() {
    let long = "a text that is longer than a view holds";
    let whole = two(vec![Some(1), None, Some(3)], vec![Some("a"), Some(long), None]);
    let turned = two(vec![Some(3), Some(1), None], vec![None, Some("a"), Some(long)]);
    assert_eq!(checksum(std::slice::from_ref(&whole)), checksum(&[turned]));
    assert_eq!(
        checksum(std::slice::from_ref(&whole)),
        checksum(&[whole.slice(2, 1), whole.slice(0, 2)])
    );
    let mut first = Discard::new(true);
    first.consume(&whole.slice(0, 1));
    let mut second = Discard::new(true);
    second.consume(&whole.slice(1, 2));
    assert_eq!(first.checksum().wrapping_add(second.checksum()), checksum(&[whole]));
}

#[test]
fn other_values_give_another_checksum() {
    let check = |a: Batch, b: Batch| assert_ne!(checksum(&[a]), checksum(&[b]));
    check(two(vec![Some(0)], vec![None]), two(vec![None], vec![None]));
    check(two(vec![Some(0)], vec![Some("")]), two(vec![Some(0)], vec![None]));
    check(two(vec![Some(1)], vec![Some("ab")]), two(vec![Some(1)], vec![Some("ab\0")]));
    // Values that change places between rows.
    check(
        two(vec![Some(1), Some(2)], vec![Some("a"), Some("b")]),
        two(vec![Some(1), Some(2)], vec![Some("b"), Some("a")]),
    );
    // A row twice is not the row once, nor is it none.
    let row = || two(vec![Some(1)], vec![Some("a")]);
    assert_ne!(checksum(&[row(), row()]), checksum(&[row()]));
    assert_ne!(checksum(&[row(), row()]), 0);
    let one = |column: ArrayRef| batch(vec![column]);
    let decimal = |value: i128| {
        one(Arc::new(Decimal128Array::from(vec![value]).with_precision_and_scale(38, 2).unwrap()))
    };
    check(decimal(1), decimal(1 + (1 << 64)));
    check(
        one(Arc::new(BooleanArray::from(vec![true]))),
        one(Arc::new(BooleanArray::from(vec![false]))),
    );
}

#[test]
fn equal_floats_count_alike() {
    let one = |value: f64| batch(vec![Arc::new(Float64Array::from(vec![value]))]);
    assert_eq!(checksum(&[one(0.0)]), checksum(&[one(-0.0)]));
    assert_eq!(checksum(&[one(f64::NAN)]), checksum(&[one(-f64::NAN)]));
    assert_ne!(checksum(&[one(1.0)]), checksum(&[one(1.0 + f64::EPSILON)]));
}
