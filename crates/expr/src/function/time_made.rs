//! Times made of numbers, and numbers made of times.

use std::sync::Arc;

use arrow_array::TimestampMicrosecondArray;
use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use tidemill_plan::Function;
use tidemill_record::DataType;
use tidemill_record::civil::{
    MICROS_PER_DAY, MICROS_PER_SECOND, civil_of, days_of, month_length, split_micros,
};

use super::lift::{Day, Days, Integer, Micros, Time, value1, value2, value3};
use super::{Compiled, Problem};
use crate::node::{Kernel, Node};
use crate::value::{Failure, Lane, integer_lane};

/// Compiles a function of this file.
pub(super) fn kernel(function: Function, arguments: &[Node]) -> Compiled {
    let is_number = *arguments[0].data_type() == DataType::BigInt;
    let (kernel, data_type) = match (function, arguments.len()) {
        (Function::MakeDate, 3) => (value3::<Integer, Integer, Integer, _>(date), DataType::Date),
        (Function::MakeDate, _) => (value1::<Integer, _>(day), DataType::Date),
        (Function::MakeTimestamp, 6) => (timestamp(), DataType::Timestamp),
        (Function::MakeTimestamp, _) => (value1::<Integer, _>(Micros), DataType::Timestamp),
        (Function::EpochMs, _) if is_number => {
            let micros =
                |millis: i64| millis.checked_mul(1000).map(Micros).ok_or_else(out_of_range);
            (value1::<Integer, _>(micros), DataType::Timestamp)
        }
        (Function::EpochMs, _) => {
            (value1::<Time, _>(|micros| micros.div_euclid(1000)), DataType::BigInt)
        }
        (Function::EpochUs, _) => (value1::<Time, _>(|micros| micros), DataType::BigInt),
        (Function::EpochNs, _) => (value1::<Time, _>(nanos), DataType::BigInt),
        (Function::Epoch, _) => (value1::<Time, _>(seconds), DataType::Double),
        (Function::LastDay, _) => (value1::<Time, _>(last_day), DataType::Date),
        (Function::AddDays, _) => (value2::<Day, Integer, _>(add_days), DataType::Date),
        (Function::SubtractDays, _) => {
            let subtract = |days: i32, count: i64| match count.checked_neg() {
                Some(count) => add_days(days, count),
                None => Err(Failure::row("date out of range")),
            };
            (value2::<Day, Integer, _>(subtract), DataType::Date)
        }
        (Function::DaysBetween, _) => {
            (value2::<Day, Day, _>(|to, from| i64::from(to) - i64::from(from)), DataType::BigInt)
        }
        _ => return Err(Problem::Types),
    };
    Ok((kernel, data_type))
}

fn out_of_range() -> Failure {
    Failure::row("timestamp out of range")
}

fn nanos(micros: i64) -> Result<i64, Failure> {
    micros.checked_mul(1000).ok_or_else(|| Failure::row("nanoseconds past the range of BIGINT"))
}

/// With their fraction.
#[expect(clippy::cast_precision_loss, reason = "a DOUBLE is what is asked for")]
fn seconds(micros: i64) -> f64 {
    micros as f64 / 1e6
}

/// The days since the epoch of a date that exists.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    /// A little more than the years of a `DATE`, and few enough that nothing overflows.
    const YEAR_MAX: i64 = 6_000_000;
    let is_date = (1..=12).contains(&month)
        && (-YEAR_MAX..=YEAR_MAX).contains(&year)
        && (1..=month_length(year, month)).contains(&day);
    is_date.then(|| days_of(year, month, day))
}

fn no_such_day(year: i64, month: i64, day: i64) -> Failure {
    Failure::row(format!("there is no day {year}-{month}-{day}"))
}

fn date(year: i64, month: i64, day: i64) -> Result<Days, Failure> {
    let days = days(year, month, day).and_then(|days| i32::try_from(days).ok());
    days.map(Days).ok_or_else(|| no_such_day(year, month, day))
}

fn day(days: i64) -> Result<Days, Failure> {
    i32::try_from(days).map(Days).map_err(|_| Failure::row("date out of range"))
}

fn add_days(days: i32, count: i64) -> Result<Days, Failure> {
    let sum = i64::from(days).checked_add(count);
    sum.ok_or_else(|| Failure::row("date out of range")).and_then(day)
}

fn last_day(micros: i64) -> Result<Days, Failure> {
    let (days, _) = split_micros(micros);
    let date = civil_of(days);
    day(days - date.day + month_length(date.year, date.month))
}

/// Of year, month, day, hour, minute, and seconds with their fraction.
fn timestamp() -> Kernel {
    Kernel::partial(|v, rows| {
        let parts: Vec<_> = v[..5].iter().map(integer_lane).collect();
        let seconds = Lane::new(&v[5], v[5].array().as_primitive::<Float64Type>());
        let micros = (0..rows).map(|row| {
            let mut whole = [0; 5];
            for (place, part) in whole.iter_mut().zip(&parts) {
                let Some(value) = part.get(row) else { return Ok(None) };
                *place = value;
            }
            seconds.get(row).map(|seconds| timestamp_of(whole, seconds)).transpose()
        });
        Ok(Arc::new(micros.collect::<Result<TimestampMicrosecondArray, Failure>>()?))
    })
}

/// 24:00:00 is the end of the day, and a minute may have a second 60, which is one of the next.
#[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
fn timestamp_of(whole: [i64; 5], seconds: f64) -> Result<i64, Failure> {
    let [year, month, day, hour, minute] = whole;
    let days = days(year, month, day).ok_or_else(|| no_such_day(year, month, day))?;
    let no_such_time = || Failure::row(format!("there is no time {hour}:{minute}:{seconds}"));
    let is_end = hour == 24 && minute == 0 && seconds == 0.0;
    let is_time = (0..=23).contains(&hour) && (0..=59).contains(&minute) || is_end;
    if !is_time || !(0.0..61.0).contains(&seconds) {
        return Err(no_such_time());
    }
    let micros = (seconds * 1e6).round() as i64;
    let of_day = (hour * 60 + minute) * 60 * MICROS_PER_SECOND + micros;
    if of_day > MICROS_PER_DAY {
        return Err(no_such_time());
    }
    let total = i128::from(days) * i128::from(MICROS_PER_DAY) + i128::from(of_day);
    i64::try_from(total).map_err(|_| out_of_range())
}
