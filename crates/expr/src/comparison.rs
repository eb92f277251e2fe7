//! `=`, `<`, `IS DISTINCT FROM` and the like on two operands of one type.
//!
//! Arrow's kernels compare everything but floats and intervals. Floats have an order of their own
//! here: NaN equals itself and is greater than everything, -0.0 equals 0.0. An interval counts a
//! month as 30 days and a day as 24 hours when it is compared.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, IntervalMonthDayNanoType};
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, BooleanArray, PrimitiveArray};
use arrow_buffer::{BooleanBuffer, IntervalMonthDayNano, NullBuffer};
use arrow_ord::cmp;
use tidemill_plan::BinaryOp;
use tidemill_record::recycled::Room;
use tidemill_record::{DataType, span_nanos};

use crate::node::Kernel;
use crate::value::{Failure, Value};

/// The kernel of a comparison of two operands of `data_type`; `None` for types without order and
/// operators that do not compare.
pub(crate) fn comparison(op: BinaryOp, data_type: &DataType) -> Option<Kernel> {
    if !op.is_comparison() {
        return None;
    }
    Some(match data_type {
        DataType::Array(_) => return None,
        DataType::Real => {
            Kernel::total(move |v, rows| Ok(compare::<Float32Type, Single>(op, &v[0], &v[1], rows)))
        }
        DataType::Double => {
            Kernel::total(move |v, rows| Ok(compare::<Float64Type, Double>(op, &v[0], &v[1], rows)))
        }
        DataType::Interval => Kernel::total(move |v, rows| {
            Ok(compare::<IntervalMonthDayNanoType, Span>(op, &v[0], &v[1], rows))
        }),
        _ => Kernel::total(move |v, _| Ok(Arc::new(by_arrow(op, &v[0], &v[1])?))),
    })
}

fn by_arrow(op: BinaryOp, left: &Value, right: &Value) -> Result<BooleanArray, Failure> {
    Ok(match op {
        BinaryOp::Equal => cmp::eq(left, right),
        BinaryOp::NotEqual => cmp::neq(left, right),
        BinaryOp::Less => cmp::lt(left, right),
        BinaryOp::LessOrEqual => cmp::lt_eq(left, right),
        BinaryOp::Greater => cmp::gt(left, right),
        BinaryOp::GreaterOrEqual => cmp::gt_eq(left, right),
        BinaryOp::IsDistinctFrom => cmp::distinct(left, right),
        BinaryOp::IsNotDistinctFrom => cmp::not_distinct(left, right),
        _ => unreachable!("only comparisons are compiled to this kernel"),
    }?)
}

/// A total order on the values of an Arrow type.
pub(crate) trait Order<T> {
    /// Whether the values are equal.
    fn equal(left: T, right: T) -> bool;
    /// Whether `left` comes before `right`.
    fn less(left: T, right: T) -> bool;
}

/// The order of `REAL`.
pub(crate) struct Single;
/// The order of `DOUBLE`.
pub(crate) struct Double;
/// The order of `INTERVAL`.
pub(crate) struct Span;

macro_rules! float_order {
    ($name:ty, $native:ty) => {
        impl Order<$native> for $name {
            #[inline(always)]
            fn equal(left: $native, right: $native) -> bool {
                (left == right) | (left.is_nan() & right.is_nan())
            }
            #[inline(always)]
            fn less(left: $native, right: $native) -> bool {
                let is_at_or_after = left >= right;
                !is_at_or_after & !left.is_nan()
            }
        }
    };
}
float_order!(Single, f32);
float_order!(Double, f64);

impl Order<IntervalMonthDayNano> for Span {
    fn equal(left: IntervalMonthDayNano, right: IntervalMonthDayNano) -> bool {
        span_nanos(left) == span_nanos(right)
    }
    fn less(left: IntervalMonthDayNano, right: IntervalMonthDayNano) -> bool {
        span_nanos(left) < span_nanos(right)
    }
}

fn compare<T: ArrowPrimitiveType, O: Order<T::Native>>(
    op: BinaryOp,
    left: &Value,
    right: &Value,
    rows: usize,
) -> ArrayRef {
    let mut holds = match op {
        BinaryOp::Equal | BinaryOp::IsNotDistinctFrom => test::<T>(left, right, rows, O::equal),
        BinaryOp::NotEqual | BinaryOp::IsDistinctFrom => {
            test::<T>(left, right, rows, |l, r| !O::equal(l, r))
        }
        BinaryOp::Less => test::<T>(left, right, rows, O::less),
        BinaryOp::GreaterOrEqual => test::<T>(left, right, rows, |l, r| !O::less(l, r)),
        BinaryOp::Greater => test::<T>(left, right, rows, |l, r| O::less(r, l)),
        BinaryOp::LessOrEqual => test::<T>(left, right, rows, |l, r| !O::less(r, l)),
        _ => unreachable!("only comparisons are compiled to this kernel"),
    };
    let (left_nulls, right_nulls) = (validity(left, rows), validity(right, rows));
    if left_nulls.is_none() && right_nulls.is_none() {
        return holds.finish_truths(rows, None);
    }
    let holds = BooleanBuffer::new(holds.take().into_inner(), 0, rows);
    Arc::new(match op {
        BinaryOp::IsNotDistinctFrom => {
            not_distinct(&holds, left_nulls.as_ref(), right_nulls.as_ref(), rows)
        }
        BinaryOp::IsDistinctFrom => {
            let same = not_distinct(&!&holds, left_nulls.as_ref(), right_nulls.as_ref(), rows);
            BooleanArray::new(!same.values(), None)
        }
        _ => BooleanArray::new(holds, NullBuffer::union(left_nulls.as_ref(), right_nulls.as_ref())),
    })
}

/// Both NULL, or both not and equal.
fn not_distinct(
    equal: &BooleanBuffer,
    left: Option<&NullBuffer>,
    right: Option<&NullBuffer>,
    rows: usize,
) -> BooleanArray {
    let all = BooleanBuffer::new_set(rows);
    let left = left.map_or(&all, NullBuffer::inner);
    let right = right.map_or(&all, NullBuffer::inner);
    let both = left & right;
    let neither = !&(left | right);
    BooleanArray::new(&(&both & equal) | &neither, None)
}

/// Which rows of a value are not NULL; `None` if all.
pub(crate) fn validity(value: &Value, rows: usize) -> Option<NullBuffer> {
    let array = value.array();
    if !value.is_scalar() {
        return array.nulls().filter(|nulls| nulls.null_count() > 0).cloned();
    }
    array.is_null(0).then(|| NullBuffer::new_null(rows))
}

/// Tests every row, NULL or not: a bit for each.
fn test<T: ArrowPrimitiveType>(
    left: &Value,
    right: &Value,
    rows: usize,
    holds: impl Fn(T::Native, T::Native) -> bool,
) -> Room<u64> {
    let (l, r): (&PrimitiveArray<T>, &PrimitiveArray<T>) =
        (left.array().as_primitive(), right.array().as_primitive());
    let (l, r) = (l.values().as_ref(), r.values().as_ref());
    match (left.is_scalar(), right.is_scalar()) {
        (false, false) => {
            let pairs = l.chunks(WORD_ROWS).zip(r.chunks(WORD_ROWS));
            words(rows, pairs, |(left, right), truths| {
                for ((truth, &left), &right) in truths.iter_mut().zip(left).zip(right) {
                    *truth = holds(left, right);
                }
            })
        }
        (false, true) => {
            let constant = r[0];
            words(rows, l.chunks(WORD_ROWS), |left, truths| {
                for (truth, &left) in truths.iter_mut().zip(left) {
                    *truth = holds(left, constant);
                }
            })
        }
        (true, false) => {
            let constant = l[0];
            words(rows, r.chunks(WORD_ROWS), |right, truths| {
                for (truth, &right) in truths.iter_mut().zip(right) {
                    *truth = holds(constant, right);
                }
            })
        }
        (true, true) => {
            let word = if holds(l[0], r[0]) { u64::MAX } else { 0 };
            let mut words = Room::default();
            words.extend(std::iter::repeat_n(word, rows.div_ceil(WORD_ROWS)));
            words
        }
    }
}

/// Rows tested at a time: their truths are the bits of a word.
const WORD_ROWS: usize = 64;

/// One bit a row of what `test` makes of one chunk of rows after the other. Truths are bytes first, which
/// a compiler can compute several at a time.
fn words<C>(
    rows: usize,
    chunks: impl Iterator<Item = C>,
    test: impl Fn(C, &mut [bool; WORD_ROWS]),
) -> Room<u64> {
    /// Takes the lowest bit of each of eight bytes to the uppermost byte.
    const GATHER: u64 = 0x0102_0408_1020_4080;
    let mut packed = Room::default();
    packed.reserve(rows.div_ceil(WORD_ROWS));
    for chunk in chunks {
        let mut truths = [false; WORD_ROWS];
        test(chunk, &mut truths);
        let eights = truths.as_chunks::<8>().0.iter().enumerate();
        packed.push(eights.fold(0_u64, |word, (index, eight)| {
            let bytes = u64::from_le_bytes(eight.map(u8::from));
            word | ((bytes.wrapping_mul(GATHER) >> 56) << (8 * index))
        }));
    }
    packed
}
