//! Arithmetic on timestamps and intervals.
//!
//! Months are added first and clamp to the end of a shorter month, then days, then nanoseconds.

use std::sync::Arc;

use arrow_arith::arity::try_binary;
use arrow_array::ArrayRef;
use arrow_array::cast::AsArray;
use arrow_array::types::{IntervalMonthDayNanoType, TimestampMicrosecondType};
use arrow_array::{IntervalMonthDayNanoArray, TimestampMicrosecondArray};
use arrow_buffer::IntervalMonthDayNano;
use arrow_schema::ArrowError;
use tidemill_plan::BinaryOp;
use tidemill_record::DataType;

use crate::node::Kernel;
use crate::value::{Failure, Value};
use tidemill_record::civil::{MICROS_PER_DAY, add_months, split_micros};

const OUT_OF_RANGE: &str = "timestamp out of range";

/// The kernel of temporal arithmetic; `None` for types it does not take.
pub(crate) fn arithmetic(op: BinaryOp, left: &DataType, right: &DataType) -> Option<Kernel> {
    use DataType::{Interval, Timestamp};
    Some(match (left, op, right) {
        (Timestamp, BinaryOp::Add, Interval) => shift(0, 1, false),
        (Interval, BinaryOp::Add, Timestamp) => shift(1, 0, false),
        (Timestamp, BinaryOp::Subtract, Interval) => shift(0, 1, true),
        (Timestamp, BinaryOp::Subtract, Timestamp) => Kernel::partial(|v, rows| {
            let (l, r) = (micros(&v[0], rows)?, micros(&v[1], rows)?);
            let between = |l: i64, r: i64| {
                let nanos = l.checked_sub(r).and_then(|micros| micros.checked_mul(1000));
                nanos.map(|nanos| IntervalMonthDayNano::new(0, 0, nanos)).ok_or_else(overflow)
            };
            let array: IntervalMonthDayNanoArray = try_binary(&l, &r, between)
                .map_err(|_| Failure::row("overflow in the difference of two timestamps"))?;
            Ok(Arc::new(array))
        }),
        (Interval, BinaryOp::Add, Interval) => combine(false),
        (Interval, BinaryOp::Subtract, Interval) => combine(true),
        _ => return None,
    })
}

/// `-x` of an interval.
pub(crate) fn negation() -> Kernel {
    Kernel::partial(|v, rows| {
        let array = intervals(&v[0], rows)?;
        let negated = array.try_unary(|x| negate(x).ok_or_else(overflow));
        let negated: IntervalMonthDayNanoArray =
            negated.map_err(|_: ArrowError| Failure::row("overflow in interval"))?;
        Ok(Arc::new(negated))
    })
}

fn overflow() -> ArrowError {
    ArrowError::ArithmeticOverflow(String::new())
}

fn micros(value: &Value, rows: usize) -> Result<TimestampMicrosecondArray, Failure> {
    let array = value.clone().into_array(rows)?;
    Ok(array.as_primitive::<TimestampMicrosecondType>().clone())
}

fn intervals(value: &Value, rows: usize) -> Result<IntervalMonthDayNanoArray, Failure> {
    let array = value.clone().into_array(rows)?;
    Ok(array.as_primitive::<IntervalMonthDayNanoType>().clone())
}

/// Timestamp (argument `at`) plus or minus interval (argument `by`).
fn shift(at: usize, by: usize, is_subtraction: bool) -> Kernel {
    Kernel::partial(move |v, rows| {
        let (times, spans) = (micros(&v[at], rows)?, intervals(&v[by], rows)?);
        let moved = |time: i64, span: IntervalMonthDayNano| {
            add_to_timestamp(time, span, is_subtraction).ok_or_else(overflow)
        };
        let array: TimestampMicrosecondArray =
            try_binary(&times, &spans, moved).map_err(|_| Failure::row(OUT_OF_RANGE))?;
        let array: ArrayRef = Arc::new(array);
        Ok(array)
    })
}

/// A timestamp moved by an interval; `None` out of range.
pub(crate) fn add_to_timestamp(
    time: i64,
    span: IntervalMonthDayNano,
    is_subtraction: bool,
) -> Option<i64> {
    let sign = if is_subtraction { -1 } else { 1 };
    // Sub-microsecond parts are cut off towards zero: a timestamp cannot hold them.
    let micros = sign * (span.nanoseconds / 1000);
    if span.months == 0 && span.days == 0 {
        return time.checked_add(micros);
    }
    let (days, of_day) = split_micros(time);
    let days = add_months(days, sign * i64::from(span.months)) + sign * i64::from(span.days);
    let total =
        i128::from(days) * i128::from(MICROS_PER_DAY) + i128::from(of_day) + i128::from(micros);
    i64::try_from(total).ok()
}

fn combine(is_subtraction: bool) -> Kernel {
    Kernel::partial(move |v, rows| {
        let (l, r) = (intervals(&v[0], rows)?, intervals(&v[1], rows)?);
        let sum = |l: IntervalMonthDayNano, r: IntervalMonthDayNano| {
            let sum = if is_subtraction { subtract(l, r) } else { add(l, r) };
            sum.ok_or_else(overflow)
        };
        let array: IntervalMonthDayNanoArray =
            try_binary(&l, &r, sum).map_err(|_| Failure::row("overflow in interval"))?;
        let array: ArrayRef = Arc::new(array);
        Ok(array)
    })
}

fn add(l: IntervalMonthDayNano, r: IntervalMonthDayNano) -> Option<IntervalMonthDayNano> {
    Some(IntervalMonthDayNano::new(
        l.months.checked_add(r.months)?,
        l.days.checked_add(r.days)?,
        l.nanoseconds.checked_add(r.nanoseconds)?,
    ))
}

fn subtract(l: IntervalMonthDayNano, r: IntervalMonthDayNano) -> Option<IntervalMonthDayNano> {
    Some(IntervalMonthDayNano::new(
        l.months.checked_sub(r.months)?,
        l.days.checked_sub(r.days)?,
        l.nanoseconds.checked_sub(r.nanoseconds)?,
    ))
}

fn negate(x: IntervalMonthDayNano) -> Option<IntervalMonthDayNano> {
    subtract(IntervalMonthDayNano::new(0, 0, 0), x)
}
