//! How far apart two times are, times moved by so many units, and the buckets that times lie in.

use arrow_buffer::IntervalMonthDayNano;
use tidemill_plan::Function;
use tidemill_record::DataType;
use tidemill_record::civil::{
    MICROS_PER_DAY, MICROS_PER_SECOND, add_months, civil_of, days_of, month_length, split_micros,
};

use super::lift::{Day, Days, Integer, Micros, Span, Text, Time, value2, value3};
use super::time_unit::TimeUnit;
use super::{Compiled, Problem};
use crate::interval::add_to_timestamp;
use crate::node::{Kernel, Node};
use crate::value::Failure;

/// Compiles a function of this file.
pub(super) fn kernel(function: Function, arguments: &[Node]) -> Compiled {
    let kernel = match function {
        Function::DateDiff => counted(arguments, boundaries)?,
        Function::TimestampDiff | Function::DateSub => counted(arguments, whole_units)?,
        Function::DateAdd => {
            let unit = constant_unit(&arguments[0])?;
            let kernel = value3::<Text, Integer, Time, _>(move |_, count, time| {
                let span = span_of(unit, count).ok_or_else(out_of_range)?;
                add_to_timestamp(time, span, false).map(Micros).ok_or_else(out_of_range)
            });
            return Ok((kernel, DataType::Timestamp));
        }
        Function::Age => return Ok((value2::<Time, Time, _>(age), DataType::Interval)),
        Function::SpanTimes => return Ok((value2::<Span, Integer, _>(times), DataType::Interval)),
        Function::TimeBucket => return bucket_kernel(arguments),
        _ => return Err(Problem::Types),
    };
    Ok((kernel, DataType::BigInt))
}

fn out_of_range() -> Failure {
    Failure::row("timestamp out of range")
}

/// The unit, which the binder gives as a constant.
fn constant_unit(node: &Node) -> Result<TimeUnit, Problem> {
    use arrow_array::Array;
    use arrow_array::cast::AsArray;
    let array = node.as_constant().filter(|array| array.is_valid(0)).ok_or(Problem::Types)?;
    Ok(TimeUnit::parse(array.as_string_view().value(0))?)
}

/// A kernel of units from the second argument to the third.
fn counted(
    arguments: &[Node],
    count: fn(TimeUnit, i64, i64) -> Option<i64>,
) -> Result<Kernel, Problem> {
    let unit = constant_unit(&arguments[0])?;
    Ok(value3::<Text, Time, Time, _>(move |_, from, to| {
        count(unit, from, to).ok_or_else(|| Failure::row("times too far apart"))
    }))
}

/// Microseconds of a unit that always has as many.
fn micros_of(unit: TimeUnit) -> Option<i64> {
    Some(match unit {
        TimeUnit::Microsecond => 1,
        TimeUnit::Millisecond => 1000,
        TimeUnit::Second => MICROS_PER_SECOND,
        TimeUnit::Minute => 60 * MICROS_PER_SECOND,
        TimeUnit::Hour => 3600 * MICROS_PER_SECOND,
        TimeUnit::Day => MICROS_PER_DAY,
        TimeUnit::Week => 7 * MICROS_PER_DAY,
        _ => return None,
    })
}

/// Months of a unit that always has as many.
fn months_of(unit: TimeUnit) -> Option<i64> {
    Some(match unit {
        TimeUnit::Month => 1,
        TimeUnit::Quarter => 3,
        TimeUnit::Year => 12,
        TimeUnit::Decade => 120,
        TimeUnit::Century => 1200,
        TimeUnit::Millennium => 12_000,
        _ => return None,
    })
}

fn month_index(micros: i64) -> i64 {
    let date = civil_of(split_micros(micros).0);
    date.year * 12 + date.month - 1
}

/// How many beginnings of a unit lie behind `from`, up to `to`; weeks begin on Monday.
fn boundaries(unit: TimeUnit, from: i64, to: i64) -> Option<i64> {
    if let Some(months) = months_of(unit) {
        return Some(month_index(to).div_euclid(months) - month_index(from).div_euclid(months));
    }
    let micros = micros_of(unit)?;
    if unit == TimeUnit::Week {
        // Day 0 is a Thursday.
        let week = |time: i64| (split_micros(time).0 + 3).div_euclid(7);
        return Some(week(to) - week(from));
    }
    to.div_euclid(micros).checked_sub(from.div_euclid(micros))
}

/// How many whole units pass from `from` to `to`, negative if `to` is before. A month is over on the same
/// day of the next one, or on its last where it is shorter.
fn whole_units(unit: TimeUnit, from: i64, to: i64) -> Option<i64> {
    if let Some(months) = months_of(unit) {
        let (earlier, later) = (from.min(to), from.max(to));
        let count = whole_months(earlier, later) / months;
        return Some(if from <= to { count } else { -count });
    }
    Some(to.checked_sub(from)? / micros_of(unit)?)
}

fn whole_months(earlier: i64, later: i64) -> i64 {
    let count = month_index(later) - month_index(earlier);
    let ((days, of_day), end) = (split_micros(earlier), split_micros(later));
    if (add_months(days, count), of_day) > end { count - 1 } else { count }
}

fn span_of(unit: TimeUnit, count: i64) -> Option<IntervalMonthDayNano> {
    if let Some(months) = months_of(unit) {
        let months = i32::try_from(count.checked_mul(months)?).ok()?;
        return Some(IntervalMonthDayNano::new(months, 0, 0));
    }
    if let TimeUnit::Day | TimeUnit::Week = unit {
        let days = count.checked_mul(if unit == TimeUnit::Week { 7 } else { 1 })?;
        return Some(IntervalMonthDayNano::new(0, i32::try_from(days).ok()?, 0));
    }
    let nanos = count.checked_mul(micros_of(unit)?)?.checked_mul(1000)?;
    Some(IntervalMonthDayNano::new(0, 0, nanos))
}

fn times(span: IntervalMonthDayNano, count: i64) -> Result<IntervalMonthDayNano, Failure> {
    let part = |value: i32| {
        let product = i64::from(value).checked_mul(count)?;
        i32::try_from(product).ok()
    };
    let product = || {
        let nanos = span.nanoseconds.checked_mul(count)?;
        Some(IntervalMonthDayNano::new(part(span.months)?, part(span.days)?, nanos))
    };
    product().ok_or_else(|| Failure::row("overflow in interval"))
}

/// Years and months, days and time from the second to the first, as PostgreSQL counts them: what is missing of
/// a day is borrowed from the month of the earlier time.
fn age(to: i64, from: i64) -> IntervalMonthDayNano {
    let (earlier, later) = (from.min(to), from.max(to));
    let ((start, start_time), (end, end_time)) = (split_micros(earlier), split_micros(later));
    let (start, end) = (civil_of(start), civil_of(end));
    let mut months = (end.year - start.year) * 12 + end.month - start.month;
    let mut days = end.day - start.day;
    let mut micros = end_time - start_time;
    if micros < 0 {
        micros += MICROS_PER_DAY;
        days -= 1;
    }
    if days < 0 {
        days += month_length(start.year, start.month);
        months -= 1;
    }
    let sign = if from <= to { 1 } else { -1 };
    let part = |value: i64| i32::try_from(sign * value).expect("years of a TIMESTAMP in months");
    IntervalMonthDayNano::new(part(months), part(days), sign * micros * 1000)
}

/// The width of a bucket.
#[derive(Clone, Copy)]
enum Width {
    Months(i64),
    Micros(i64),
}

impl Width {
    fn new(span: IntervalMonthDayNano) -> Result<Self, String> {
        let micros = i64::from(span.days) * MICROS_PER_DAY + span.nanoseconds / 1000;
        match (i64::from(span.months), micros) {
            (months @ 1.., 0) => Ok(Self::Months(months)),
            (0, micros @ 1..) => Ok(Self::Micros(micros)),
            (0, _) | (_, 0) => Err("a bucket must be wider than nothing".to_owned()),
            _ => Err("a bucket of months has no days or time beside".to_owned()),
        }
    }

    /// Where buckets are counted from by default: a month's first day, and a Monday.
    fn origin(self) -> i64 {
        MICROS_PER_DAY
            * match self {
                Self::Months(_) => days_of(2000, 1, 1),
                Self::Micros(_) => days_of(2000, 1, 3),
            }
    }

    /// The beginning of the bucket that a time lies in; of an origin in months its month counts.
    fn bucket(self, time: i64, origin: i64) -> Option<i64> {
        match self {
            Self::Months(width) => {
                let origin = month_index(origin);
                let month = (month_index(time) - origin).div_euclid(width) * width + origin;
                let day = days_of(month.div_euclid(12), month.rem_euclid(12) + 1, 1);
                day.checked_mul(MICROS_PER_DAY)
            }
            Self::Micros(width) => {
                let since = i128::from(time) - i128::from(origin);
                let width = i128::from(width);
                i64::try_from(since.div_euclid(width) * width + i128::from(origin)).ok()
            }
        }
    }
}

/// `TIME_BUCKET(width, time [, origin | offset])`
fn bucket_kernel(arguments: &[Node]) -> Compiled {
    use arrow_array::Array;
    use arrow_array::cast::AsArray;
    use arrow_array::types::IntervalMonthDayNanoType;
    if let Some(array) = arguments[0].as_constant().filter(|array| array.is_valid(0)) {
        Width::new(array.as_primitive::<IntervalMonthDayNanoType>().value(0))?;
    }
    let in_bucket = |width: IntervalMonthDayNano, time: i64, origin: Option<i64>| {
        let width = Width::new(width).map_err(Failure::row)?;
        let start = width.bucket(time, origin.unwrap_or_else(|| width.origin()));
        start.ok_or_else(out_of_range)
    };
    let is_day = *arguments[1].data_type() == DataType::Date;
    let kernel = match arguments.get(2).map(Node::data_type) {
        None if is_day => {
            let kernel = value2::<Span, Day, _>(move |width, day| {
                let start = in_bucket(width, i64::from(day) * MICROS_PER_DAY, None)?;
                let day = i32::try_from(split_micros(start).0);
                day.map(Days).map_err(|_| Failure::row("date out of range"))
            });
            return Ok((kernel, DataType::Date));
        }
        None => {
            value2::<Span, Time, _>(move |width, time| in_bucket(width, time, None).map(Micros))
        }
        Some(DataType::Timestamp) => value3::<Span, Time, Time, _>(move |width, time, origin| {
            in_bucket(width, time, Some(origin)).map(Micros)
        }),
        Some(_) => value3::<Span, Time, Span, _>(move |width, time, offset| {
            let moved = add_to_timestamp(time, offset, true).ok_or_else(out_of_range)?;
            let start = in_bucket(width, moved, None)?;
            add_to_timestamp(start, offset, false).map(Micros).ok_or_else(out_of_range)
        }),
    };
    Ok((kernel, DataType::Timestamp))
}
