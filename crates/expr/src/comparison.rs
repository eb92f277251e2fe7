//! `=`, `<`, `IS DISTINCT FROM` and the like on two operands of one type.
//!
//! Arrow's kernels compare everything but floats and intervals. Floats have an order of their own
//! here: NaN equals itself and is greater than everything, -0.0 equals 0.0. An interval counts a
//! month as 30 days and a day as 24 hours when it is compared.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, IntervalMonthDayNanoType};
use arrow_array::{Array, ArrowPrimitiveType, BooleanArray, PrimitiveArray};
use arrow_buffer::{BooleanBuffer, IntervalMonthDayNano, NullBuffer};
use arrow_ord::cmp;
use tidemill_plan::BinaryOp;
use tidemill_record::DataType;

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
        DataType::Real => Kernel::total(move |v, rows| {
            Ok(Arc::new(compare::<Float32Type, Single>(op, &v[0], &v[1], rows)))
        }),
        DataType::Double => Kernel::total(move |v, rows| {
            Ok(Arc::new(compare::<Float64Type, Double>(op, &v[0], &v[1], rows)))
        }),
        DataType::Interval => Kernel::total(move |v, rows| {
            Ok(Arc::new(compare::<IntervalMonthDayNanoType, Span>(op, &v[0], &v[1], rows)))
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
            fn equal(left: $native, right: $native) -> bool {
                left == right || (left.is_nan() && right.is_nan())
            }
            fn less(left: $native, right: $native) -> bool {
                left < right || (!left.is_nan() && right.is_nan())
            }
        }
    };
}
float_order!(Single, f32);
float_order!(Double, f64);

/// An interval as one number of nanoseconds, for comparing.
pub(crate) fn span_nanos(interval: IntervalMonthDayNano) -> i128 {
    const NANOS_PER_DAY: i128 = 86_400_000_000_000;
    let days = i128::from(interval.months) * 30 + i128::from(interval.days);
    days * NANOS_PER_DAY + i128::from(interval.nanoseconds)
}

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
) -> BooleanArray {
    let holds = match op {
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
    match op {
        BinaryOp::IsNotDistinctFrom => {
            not_distinct(&holds, left_nulls.as_ref(), right_nulls.as_ref(), rows)
        }
        BinaryOp::IsDistinctFrom => {
            let same = not_distinct(&!&holds, left_nulls.as_ref(), right_nulls.as_ref(), rows);
            BooleanArray::new(!same.values(), None)
        }
        _ => BooleanArray::new(holds, NullBuffer::union(left_nulls.as_ref(), right_nulls.as_ref())),
    }
}

/// Both NULL, or both not and equal.
fn not_distinct(
    equal: &BooleanBuffer,
    left: Option<&NullBuffer>,
    right: Option<&NullBuffer>,
    rows: usize,
) -> BooleanArray {
    if left.is_none() && right.is_none() {
        return BooleanArray::new(equal.clone(), None);
    }
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

/// Tests every row, NULL or not.
fn test<T: ArrowPrimitiveType>(
    left: &Value,
    right: &Value,
    rows: usize,
    holds: impl Fn(T::Native, T::Native) -> bool,
) -> BooleanBuffer {
    let (l, r): (&PrimitiveArray<T>, &PrimitiveArray<T>) =
        (left.array().as_primitive(), right.array().as_primitive());
    let (l, r) = (l.values(), r.values());
    match (left.is_scalar(), right.is_scalar()) {
        (false, false) => BooleanBuffer::collect_bool(rows, |row| holds(l[row], r[row])),
        (false, true) => {
            let constant = r[0];
            BooleanBuffer::collect_bool(rows, |row| holds(l[row], constant))
        }
        (true, false) => {
            let constant = l[0];
            BooleanBuffer::collect_bool(rows, |row| holds(constant, r[row]))
        }
        (true, true) => BooleanBuffer::collect_bool(rows, |_| holds(l[0], r[0])),
    }
}
