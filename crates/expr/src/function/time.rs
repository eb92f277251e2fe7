//! `DATE_TRUNC`, `DATE_PART` and `TO_TIMESTAMP`.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Decimal128Type, Float64Type, Int64Type, IntervalMonthDayNanoType, TimestampMicrosecondType,
};
use arrow_array::{Array, ArrayRef, TimestampMicrosecondArray};
use arrow_buffer::IntervalMonthDayNano;
use tidemill_plan::Function;
use tidemill_record::DataType;

use super::lift::numbers;
use super::time_unit::TimeUnit;
use super::{Compiled, Problem, time_text};
use crate::cast::time_text::parse_timestamp;
use crate::decimal::rescale;
use crate::node::{Kernel, Node};
use crate::value::{Failure, Lane, Value, text_lane};
use tidemill_record::civil::{
    Civil, MICROS_PER_DAY, MICROS_PER_SECOND, civil_of, day_of_year, days_of, iso_week,
    split_micros, start_of_iso_year, weekday,
};

/// Compiles a function of time.
pub(super) fn kernel(function: Function, arguments: &[Node]) -> Compiled {
    match function {
        Function::DateTrunc => date_trunc(arguments),
        Function::DatePart => date_part(arguments),
        Function::ToTimestamp if arguments.len() == 2 => time_text::strptime(arguments, false),
        Function::ToTimestamp => to_timestamp(arguments),
        Function::Strptime => time_text::strptime(arguments, false),
        Function::TryStrptime => time_text::strptime(arguments, true),
        Function::DateFormat => time_text::date_format(arguments),
        _ => Err(Problem::Types),
    }
}

/// The unit argument: constant, or read from each row.
enum Unit {
    Fixed(TimeUnit),
    Varying,
}

impl Unit {
    fn new(node: &Node, is_fit: impl Fn(TimeUnit) -> bool) -> Result<Self, Problem> {
        let Some(array) = node.as_constant().filter(|array| array.is_valid(0)) else {
            return Ok(Self::Varying);
        };
        let name = array.as_string_view().value(0);
        let unit = TimeUnit::parse(name)?;
        if is_fit(unit) { Ok(Self::Fixed(unit)) } else { Err(unfit(name).into()) }
    }

    /// The unit of a row; `None` for NULL.
    fn of(
        &self,
        value: &Value,
        row: usize,
        is_fit: impl Fn(TimeUnit) -> bool,
    ) -> Result<Option<TimeUnit>, Failure> {
        if let Self::Fixed(unit) = self {
            return Ok(Some(*unit));
        }
        let lane = text_lane(value);
        let Some(name) = lane.get(row) else { return Ok(None) };
        let unit = TimeUnit::parse(name).map_err(Failure::row)?;
        if is_fit(unit) { Ok(Some(unit)) } else { Err(Failure::row(unfit(name))) }
    }

    fn is_fixed(&self) -> bool {
        matches!(self, Self::Fixed(_))
    }
}

fn unfit(name: &str) -> String {
    format!("the unit '{name}' does not apply")
}

fn times(value: &Value) -> Lane<&TimestampMicrosecondArray> {
    Lane::new(value, value.array().as_primitive())
}

/// `DATE_TRUNC(unit, time)`: the start of the unit that holds the time. Weeks start on Monday.
fn date_trunc(arguments: &[Node]) -> Compiled {
    let [unit, _] = arguments else { return Err(Problem::Types) };
    let unit = Unit::new(unit, TimeUnit::is_truncatable)?;
    let kernel = Kernel::partial(move |v, rows| {
        let lane = times(&v[1]);
        numbers::<TimestampMicrosecondType>(rows, |row| {
            let unit = unit.of(&v[0], row, TimeUnit::is_truncatable)?;
            let (Some(unit), Some(micros)) = (unit, lane.get(row)) else { return Ok(None) };
            truncate(unit, micros).map(Some).ok_or_else(|| Failure::row("timestamp out of range"))
        })
    });
    Ok((kernel, DataType::Timestamp))
}

/// `None` if the start is before the first timestamp.
fn truncate(unit: TimeUnit, micros: i64) -> Option<i64> {
    let within_day = |step: i64| micros.checked_sub(micros.rem_euclid(step));
    let (days, _) = split_micros(micros);
    let date = || civil_of(days);
    let year_start = |step: i64| days_of(date().year.div_euclid(step) * step, 1, 1);
    let day = match unit {
        TimeUnit::Microsecond => return Some(micros),
        TimeUnit::Millisecond => return within_day(1000),
        TimeUnit::Second => return within_day(MICROS_PER_SECOND),
        TimeUnit::Minute => return within_day(60 * MICROS_PER_SECOND),
        TimeUnit::Hour => return within_day(3600 * MICROS_PER_SECOND),
        TimeUnit::Week => days - weekday(days),
        TimeUnit::Month => days - date().day + 1,
        TimeUnit::Quarter => {
            let Civil { year, month, .. } = date();
            days_of(year, (month - 1) / 3 * 3 + 1, 1)
        }
        TimeUnit::Year => year_start(1),
        TimeUnit::Decade => year_start(10),
        TimeUnit::Century => year_start(100),
        TimeUnit::Millennium => year_start(1000),
        TimeUnit::IsoYear => start_of_iso_year(iso_week(days).0),
        TimeUnit::Day
        | TimeUnit::DayOfWeek
        | TimeUnit::IsoDayOfWeek
        | TimeUnit::DayOfYear
        | TimeUnit::Epoch => days,
    };
    day.checked_mul(MICROS_PER_DAY)
}

/// `DATE_PART(unit, time)`. Milliseconds and microseconds count the seconds in; the epoch is cut
/// down to whole seconds.
fn date_part(arguments: &[Node]) -> Compiled {
    let [unit, time] = arguments else { return Err(Problem::Types) };
    let kernel = match time.data_type() {
        DataType::Interval => {
            let unit = Unit::new(unit, TimeUnit::is_in_interval)?;
            let is_fallible = !unit.is_fixed();
            let kernel = Kernel::partial(move |v, rows| {
                let array = v[1].array().as_primitive::<IntervalMonthDayNanoType>();
                let lane = Lane::new(&v[1], array);
                numbers::<Int64Type>(rows, |row| {
                    let unit = unit.of(&v[0], row, TimeUnit::is_in_interval)?;
                    Ok(unit.and_then(|unit| Some(interval_part(unit, lane.get(row)?))))
                })
            });
            kernel.with_fallible(is_fallible)
        }
        DataType::Timestamp => {
            let unit = Unit::new(unit, |_| true)?;
            let is_fallible = !unit.is_fixed();
            let kernel = Kernel::partial(move |v, rows| {
                let lane = times(&v[1]);
                numbers::<Int64Type>(rows, |row| {
                    let unit = unit.of(&v[0], row, |_| true)?;
                    Ok(unit.and_then(|unit| Some(timestamp_part(unit, lane.get(row)?))))
                })
            });
            kernel.with_fallible(is_fallible)
        }
        _ => return Err(Problem::Types),
    };
    Ok((kernel, DataType::BigInt))
}

fn timestamp_part(unit: TimeUnit, micros: i64) -> i64 {
    let (days, of_day) = split_micros(micros);
    let date = || civil_of(days);
    // There is no year 0 among centuries and millennia: they count from 1, and from -1 down.
    let age = |length: i64| {
        let year = date().year;
        if year > 0 { (year - 1) / length + 1 } else { year / length - 1 }
    };
    match unit {
        TimeUnit::Microsecond => of_day % (60 * MICROS_PER_SECOND),
        TimeUnit::Millisecond => of_day % (60 * MICROS_PER_SECOND) / 1000,
        TimeUnit::Second => of_day / MICROS_PER_SECOND % 60,
        TimeUnit::Minute => of_day / (60 * MICROS_PER_SECOND) % 60,
        TimeUnit::Hour => of_day / (3600 * MICROS_PER_SECOND),
        TimeUnit::Day => date().day,
        TimeUnit::Week => iso_week(days).1,
        TimeUnit::Month => date().month,
        TimeUnit::Quarter => (date().month - 1) / 3 + 1,
        TimeUnit::Year => date().year,
        TimeUnit::Decade => date().year / 10,
        TimeUnit::Century => age(100),
        TimeUnit::Millennium => age(1000),
        TimeUnit::DayOfWeek => (weekday(days) + 1) % 7,
        TimeUnit::IsoDayOfWeek => weekday(days) + 1,
        TimeUnit::DayOfYear => day_of_year(days),
        TimeUnit::IsoYear => iso_week(days).0,
        TimeUnit::Epoch => micros.div_euclid(MICROS_PER_SECOND),
    }
}

fn interval_part(unit: TimeUnit, interval: IntervalMonthDayNano) -> i64 {
    let micros = interval.nanoseconds / 1000;
    let (years, months) = (i64::from(interval.months / 12), i64::from(interval.months % 12));
    match unit {
        TimeUnit::Microsecond => micros % (60 * MICROS_PER_SECOND),
        TimeUnit::Millisecond => micros % (60 * MICROS_PER_SECOND) / 1000,
        TimeUnit::Second => micros / MICROS_PER_SECOND % 60,
        TimeUnit::Minute => micros / (60 * MICROS_PER_SECOND) % 60,
        TimeUnit::Hour => micros / (3600 * MICROS_PER_SECOND),
        TimeUnit::Day => interval.days.into(),
        TimeUnit::Month => months,
        TimeUnit::Quarter => months / 3 + 1,
        TimeUnit::Year => years,
        TimeUnit::Decade => years / 10,
        TimeUnit::Century => years / 100,
        TimeUnit::Millennium => years / 1000,
        // A year is 365.25 days here, and a month that has no whole year to be in 30.
        TimeUnit::Epoch => {
            let days = months * 30 + i64::from(interval.days);
            years * 31_557_600 + days * 86_400 + micros.div_euclid(MICROS_PER_SECOND)
        }
        TimeUnit::Week
        | TimeUnit::DayOfWeek
        | TimeUnit::IsoDayOfWeek
        | TimeUnit::DayOfYear
        | TimeUnit::IsoYear => 0,
    }
}

/// `TO_TIMESTAMP(x)`: epoch seconds as a number, or ISO-8601 text.
fn to_timestamp(arguments: &[Node]) -> Compiled {
    let [argument] = arguments else { return Err(Problem::Types) };
    let out_of_range = || Failure::row("timestamp out of range");
    let kernel = match argument.data_type() {
        DataType::BigInt => Kernel::partial(move |v, _| {
            let seconds = v[0].array().as_primitive::<Int64Type>();
            let micros = seconds.try_unary::<_, TimestampMicrosecondType, Failure>(|seconds| {
                seconds.checked_mul(MICROS_PER_SECOND).ok_or_else(out_of_range)
            });
            Ok(Arc::new(micros?))
        }),
        DataType::Real | DataType::Double => {
            return to_timestamp_of_float(argument.data_type());
        }
        DataType::Decimal { scale, .. } => {
            let scale = *scale;
            Kernel::partial(move |v, _| {
                let seconds = v[0].array().as_primitive::<Decimal128Type>();
                let micros = seconds.try_unary::<_, TimestampMicrosecondType, Failure>(|value| {
                    let micros = rescale(value, scale, 6).and_then(|v| i64::try_from(v).ok());
                    micros.ok_or_else(out_of_range)
                });
                Ok(Arc::new(micros?))
            })
        }
        DataType::Varchar => Kernel::partial(|v, rows| {
            let texts = text_lane(&v[0]);
            let parsed = (0..rows).map(|row| match texts.get(row) {
                None => Ok(None),
                Some(text) => match parse_timestamp(text) {
                    None => Err(Failure::row(format!("'{text}' is not a timestamp"))),
                    micros => Ok(micros),
                },
            });
            let array = parsed.collect::<Result<TimestampMicrosecondArray, Failure>>()?;
            let array: ArrayRef = Arc::new(array);
            Ok(array)
        }),
        _ => return Err(Problem::Types),
    };
    Ok((kernel, DataType::Timestamp))
}

fn to_timestamp_of_float(data_type: &DataType) -> Compiled {
    let is_single = *data_type == DataType::Real;
    let kernel = Kernel::partial(move |v, _| {
        let array = v[0].array();
        let seconds = if is_single {
            array
                .as_primitive::<arrow_array::types::Float32Type>()
                .unary::<_, Float64Type>(f64::from)
        } else {
            array.as_primitive::<Float64Type>().clone()
        };
        let micros = seconds.try_unary::<_, TimestampMicrosecondType, Failure>(|seconds| {
            micros_of(seconds).ok_or_else(|| Failure::row("timestamp out of range"))
        });
        Ok(Arc::new(micros?))
    });
    Ok((kernel, DataType::Timestamp))
}

#[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
fn micros_of(seconds: f64) -> Option<i64> {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    let micros = (seconds * 1e6).round_ties_even();
    (-LIMIT..LIMIT).contains(&micros).then_some(micros as i64)
}
