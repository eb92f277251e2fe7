//! What a type's name says beyond its type: `TIMESTAMP(p)` rounds in a cast, and a declared column of
//! `VARCHAR(n)` or `TIMESTAMP(p)` takes no value past it.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, BooleanArray, TimestampMicrosecondArray};
use arrow_buffer::BooleanBuffer;
use tidemill_plan::{Expr, ExprKind};
use tidemill_record::DataType;

use super::{Compiled, Problem};
use crate::decimal::divide_rounded;
use crate::node::{Kernel, Node};
use crate::value::Failure;

/// Digits behind the point of a second that a `TIMESTAMP` has.
const TIME_DIGITS: i64 = 6;

/// Rounds times to so many digits behind the point of a second, half away from the epoch.
pub(super) fn round_time(arguments: &[Node]) -> Compiled {
    let [time, digits] = arguments else { return Err(Problem::Types) };
    if *time.data_type() != DataType::Timestamp {
        return Err(Problem::Types);
    }
    let unit = i128::from(unit_of(limit_of(digits)?)?);
    let kernel = Kernel::partial(move |values, _| {
        let times = values[0].array().as_primitive::<TimestampMicrosecondType>();
        let round = |micros: i64| {
            let rounded = divide_rounded(micros.into(), unit) * unit;
            i64::try_from(rounded).map_err(|_| Failure::row("timestamp out of range"))
        };
        let rounded: TimestampMicrosecondArray = times.try_unary(round)?;
        Ok(Arc::new(rounded))
    });
    Ok((kernel, DataType::Timestamp))
}

/// The starts of the tumbling windows that times lie in: aligned to the epoch, before it too.
pub(super) fn window_start(arguments: &[Node]) -> Compiled {
    let [time, size] = arguments else { return Err(Problem::Types) };
    if *time.data_type() != DataType::Timestamp {
        return Err(Problem::Types);
    }
    let size_us = limit_of(size)?;
    if size_us < 1 {
        return Err(Problem::Types);
    }
    let kernel = Kernel::partial(move |values, _| {
        let times = values[0].array().as_primitive::<TimestampMicrosecondType>();
        let start = |micros: i64| {
            let start = micros.checked_sub(micros.rem_euclid(size_us));
            start.ok_or_else(|| Failure::row("timestamp out of range"))
        };
        let starts: TimestampMicrosecondArray = times.try_unary(start)?;
        Ok(Arc::new(starts))
    });
    Ok((kernel, DataType::Timestamp))
}

/// TRUE for NULL and for each value that a column of this limit takes; others make the record bad.
pub(super) fn fits(expr: &Expr, arguments: &[Node]) -> Compiled {
    let [value, limit] = arguments else { return Err(Problem::Types) };
    let limit = limit_of(limit)?;
    let column = match &expr.kind {
        ExprKind::Call { arguments, .. } => arguments[0].to_string(),
        _ => return Err(Problem::Types),
    };
    let kernel = match value.data_type() {
        DataType::Varchar => {
            let most = usize::try_from(limit).map_err(|_| Problem::Types)?;
            Kernel::partial(move |values, rows| {
                let texts = values[0].array().as_string_view();
                // No text has more characters than bytes.
                let is_long = |text: &str| text.len() > most && text.chars().count() > most;
                match texts.iter().flatten().find(|text| is_long(text)) {
                    None => Ok(all_true(rows)),
                    Some(text) => {
                        let count = text.chars().count();
                        Err(Failure::row(format!(
                            "{count} characters in column {column}, which is VARCHAR({most})"
                        )))
                    }
                }
            })
        }
        DataType::Timestamp => {
            let unit = unit_of(limit)?;
            Kernel::partial(move |values, rows| {
                let times = values[0].array().as_primitive::<TimestampMicrosecondType>();
                match times.iter().flatten().all(|micros| micros % unit == 0) {
                    true => Ok(all_true(rows)),
                    false => Err(Failure::row(format!(
                        "more digits of a second than column {column} has, which is \
                         TIMESTAMP({limit})"
                    ))),
                }
            })
        }
        _ => return Err(Problem::Types),
    };
    Ok((kernel, DataType::Boolean))
}

fn all_true(rows: usize) -> ArrayRef {
    Arc::new(BooleanArray::new(BooleanBuffer::new_set(rows), None))
}

/// The limit, which the binder gives as a constant.
fn limit_of(node: &Node) -> Result<i64, Problem> {
    let array = node.as_constant().filter(|array| array.is_valid(0));
    let array = array.filter(|_| *node.data_type() == DataType::BigInt).ok_or(Problem::Types)?;
    Ok(array.as_primitive::<Int64Type>().value(0))
}

/// Microseconds of the last of so many digits.
fn unit_of(digits: i64) -> Result<i64, Problem> {
    let dropped = u32::try_from(TIME_DIGITS - digits).ok().filter(|dropped| *dropped <= 6);
    Ok(10_i64.pow(dropped.ok_or(Problem::Types)?))
}
