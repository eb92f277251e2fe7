//! Values that come with an Arrow type of their own, brought to the one of a SQL type.
//!
//! [`convert`] loses no value in silence: one that the SQL type does not hold is a misfit of its row,
//! and digits of a time below the microsecond, which are cut off, are counted. Time zones are dropped,
//! for the values are UTC already.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Date64Type, IntervalDayTimeType, IntervalMonthDayNanoType, IntervalYearMonthType,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType,
};
use arrow_array::{AnyDictionaryArray, Array, ArrayRef, PrimitiveArray, new_null_array};
use arrow_buffer::{IntervalDayTime, IntervalMonthDayNano, NullBuffer};
use arrow_schema::{ArrowError, DataType as ArrowType, IntervalUnit, TimeUnit};
use arrow_select::take::take;
use tidemill_record::DataType;

use super::decimals::{beyond_precision, convert_decimals};
use super::lists::convert_list;
use super::numbers::convert_number;
use super::views::{as_views, dictionary_views};

const MICROS_PER_DAY: i64 = 86_400_000_000;
const MILLIS_PER_DAY: i64 = 86_400_000;

/// A column as it comes.
#[derive(Clone, Copy)]
pub(crate) struct Found<'a> {
    pub(crate) array: &'a ArrayRef,
    pub(crate) encoding: Encoding<'a>,
}

/// What a column's Arrow type does not say.
#[derive(Clone, Copy)]
pub(crate) enum Encoding<'a> {
    /// Nothing: the type says it all.
    Plain,
    /// Parquet's `INTERVAL`, as 12 bytes: months, days and milliseconds, each an unsigned integer of
    /// 32 bits, little end first.
    ParquetInterval,
    /// Parquet's `INT96` as seconds; beside it the same times as nanoseconds of 64 bits, which wrap
    /// around outside of the years 1677 to 2262.
    Int96 { nanos: &'a ArrayRef },
}

impl<'a> Found<'a> {
    pub(crate) fn plain(array: &'a ArrayRef) -> Self {
        Self { array, encoding: Encoding::Plain }
    }
}

/// A column of a SQL type.
pub(crate) struct Converted {
    /// As many rows as came. What stands in the rows of misfits is of no use.
    pub(crate) array: ArrayRef,
    /// Rows that hold a value which the SQL type does not hold, ascending.
    pub(crate) misfits: Vec<usize>,
    /// Times whose digits below the microsecond were not all zero.
    pub(crate) floored_count: usize,
}

impl Converted {
    pub(crate) fn whole(array: ArrayRef) -> Self {
        Self { array, misfits: Vec::new(), floored_count: 0 }
    }
}

/// Brings a column to a SQL type that `super::convert` allows for it.
///
/// # Errors
/// The column cannot be converted as a whole.
pub(crate) fn convert(found: Found<'_>, to: &DataType) -> Result<Converted, ArrowError> {
    if let (Encoding::Plain, Some(dictionary)) =
        (found.encoding, found.array.as_any_dictionary_opt())
    {
        return convert_dictionary(dictionary, to);
    }
    if found.array.data_type() == &ArrowType::Null {
        return Ok(Converted::whole(new_null_array(&to.arrow(), found.array.len())));
    }
    if let DataType::Array(item) = to {
        return convert_list(found, item);
    }
    let Found { array, encoding } = found;
    let (output, floored_count): (ArrayRef, usize) = match (encoding, array.data_type()) {
        (Encoding::Int96 { nanos }, _) => {
            let (micros, floored_count) = int96(array, nanos);
            (Arc::new(micros), floored_count)
        }
        (Encoding::ParquetInterval, _) => (Arc::new(parquet_intervals(array)), 0),
        (Encoding::Plain, ArrowType::Timestamp(unit, _)) => {
            (Arc::new(micros(array, *unit)), floored_count(array))
        }
        (Encoding::Plain, ArrowType::Date32 | ArrowType::Date64) => (days(array, to), 0),
        (Encoding::Plain, data_type) if *data_type == to.arrow() => (Arc::clone(array), 0),
        (Encoding::Plain, data_type) if data_type.is_decimal() => {
            return convert_decimals(array, to);
        }
        (Encoding::Plain, ArrowType::Interval(unit)) => (intervals(array, *unit), 0),
        (Encoding::Plain, data_type) => {
            let output = convert_number(array, to).or_else(|| as_views(array, to));
            (output.ok_or_else(|| no_conversion(data_type, to))?, 0)
        }
    };
    assert_eq!(output.len(), array.len(), "a conversion keeps rows");
    let mut misfits = lost(array, &output);
    if let DataType::Decimal { precision, .. } = to {
        let beyond = beyond_precision(output.as_primitive(), *precision);
        if !beyond.is_empty() {
            misfits.extend(beyond);
            misfits.sort_unstable();
            misfits.dedup();
        }
    }
    Ok(Converted { array: output, misfits, floored_count })
}

/// A dictionary as its values.
fn convert_dictionary(
    dictionary: &dyn AnyDictionaryArray,
    to: &DataType,
) -> Result<Converted, ArrowError> {
    if let Some(views) = dictionary_views(dictionary, to)? {
        return Ok(Converted::whole(views));
    }
    let unpacked = take(dictionary.values(), dictionary.keys(), None)?;
    convert(Found::plain(&unpacked), to)
}

/// Why a column cannot be converted that `super::convert` allows for no column of its type.
pub(super) fn no_conversion(from: &ArrowType, to: &DataType) -> ArrowError {
    ArrowError::CastError(format!("values of Arrow's type {from} cannot be read as {to}"))
}

/// Rows whose value became NULL.
pub(super) fn lost(input: &ArrayRef, output: &ArrayRef) -> Vec<usize> {
    let Some(nulls) = output.nulls().filter(|nulls| nulls.null_count() > 0) else {
        return Vec::new();
    };
    let before = input.logical_nulls();
    if before.as_ref().map_or(0, NullBuffer::null_count) == nulls.null_count() {
        return Vec::new();
    }
    let was_null = |row: usize| before.as_ref().is_some_and(|nulls| nulls.is_null(row));
    (0..nulls.len()).filter(|row| nulls.is_null(*row) && !was_null(*row)).collect()
}

fn micros(array: &ArrayRef, unit: TimeUnit) -> PrimitiveArray<TimestampMicrosecondType> {
    match unit {
        TimeUnit::Second => array
            .as_primitive::<TimestampSecondType>()
            .unary_opt(|seconds| seconds.checked_mul(1_000_000)),
        TimeUnit::Millisecond => array
            .as_primitive::<TimestampMillisecondType>()
            .unary_opt(|millis| millis.checked_mul(1000)),
        TimeUnit::Microsecond => {
            array.as_primitive::<TimestampMicrosecondType>().clone().with_timezone_opt(None::<&str>)
        }
        TimeUnit::Nanosecond => {
            array.as_primitive::<TimestampNanosecondType>().unary(|nanos| nanos.div_euclid(1000))
        }
    }
}

/// Times in nanoseconds that are no whole microseconds.
fn floored_count(array: &ArrayRef) -> usize {
    let Some(times) = array.as_primitive_opt::<TimestampNanosecondType>() else { return 0 };
    let is_cut = |nanos: i64| nanos % 1000 != 0;
    if !times.values().iter().fold(false, |any, nanos| any | is_cut(*nanos)) {
        return 0;
    }
    times.iter().flatten().filter(|nanos| is_cut(*nanos)).count()
}

/// Parquet's `INT96`, whose range is wider than that of nanoseconds; also how many were cut.
fn int96(
    seconds: &ArrayRef,
    nanos: &ArrayRef,
) -> (PrimitiveArray<TimestampMicrosecondType>, usize) {
    let seconds = seconds.as_primitive::<TimestampSecondType>();
    let nanos = nanos.as_primitive::<TimestampNanosecondType>();
    assert_eq!(seconds.len(), nanos.len(), "one column read twice");
    let mut floored_count = 0;
    let micros = seconds.iter().zip(nanos.values()).map(|(second, nanos)| {
        let second = second?;
        // What the nanoseconds count beyond the second is the same whether they wrapped or not.
        let beyond = nanos.wrapping_sub(second.wrapping_mul(1_000_000_000));
        let micros = second.checked_mul(1_000_000)?.checked_add(beyond.div_euclid(1000))?;
        floored_count += usize::from(beyond % 1000 != 0);
        Some(micros)
    });
    (micros.collect(), floored_count)
}

/// Whole days, as a `DATE` or as the `TIMESTAMP` at which they begin; NULL where the type does not
/// hold them.
fn days(array: &ArrayRef, to: &DataType) -> ArrayRef {
    let days = match array.as_primitive_opt::<Date32Type>() {
        Some(days) => days.clone(),
        // A Date64 has to be whole days; one with a time of day is no date.
        None => array.as_primitive::<Date64Type>().unary_opt(|millis| {
            let is_whole = millis % MILLIS_PER_DAY == 0;
            i32::try_from(millis / MILLIS_PER_DAY).ok().filter(|_| is_whole)
        }),
    };
    if *to == DataType::Timestamp {
        let micros = |days| i64::from(days).checked_mul(MICROS_PER_DAY);
        Arc::new(days.unary_opt::<_, TimestampMicrosecondType>(micros))
    } else {
        Arc::new(days)
    }
}

/// Arrow's intervals of months, or of days and milliseconds, whose every value has its place.
fn intervals(array: &ArrayRef, unit: IntervalUnit) -> ArrayRef {
    match unit {
        IntervalUnit::YearMonth => {
            let of_months = |months| IntervalMonthDayNano { months, days: 0, nanoseconds: 0 };
            let months = array.as_primitive::<IntervalYearMonthType>();
            Arc::new(months.unary::<_, IntervalMonthDayNanoType>(of_months))
        }
        IntervalUnit::DayTime => {
            let of_days = |interval: IntervalDayTime| IntervalMonthDayNano {
                months: 0,
                days: interval.days,
                nanoseconds: i64::from(interval.milliseconds) * 1_000_000,
            };
            let days = array.as_primitive::<IntervalDayTimeType>();
            Arc::new(days.unary::<_, IntervalMonthDayNanoType>(of_days))
        }
        IntervalUnit::MonthDayNano => Arc::clone(array),
    }
}

/// Parquet's `INTERVAL`; NULL where months or days are beyond 31 bits.
fn parquet_intervals(array: &ArrayRef) -> PrimitiveArray<IntervalMonthDayNanoType> {
    let intervals = array.as_fixed_size_binary().iter().map(|bytes| {
        let (parts, _) = bytes?.as_chunks::<4>();
        let [months, days, millis] = parts else { return None };
        Some(IntervalMonthDayNano {
            months: i32::try_from(u32::from_le_bytes(*months)).ok()?,
            days: i32::try_from(u32::from_le_bytes(*days)).ok()?,
            nanoseconds: i64::from(u32::from_le_bytes(*millis)) * 1_000_000,
        })
    });
    intervals.collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use arrow_array::{
        IntervalDayTimeArray, IntervalMonthDayNanoArray, IntervalYearMonthArray, NullArray,
    };

    use super::*;

    #[test]
    fn intervals_of_every_kind_keep_months_days_and_time_apart() {
        let intervals = |from: ArrayRef| {
            let found = convert(Found::plain(&from), &DataType::Interval).unwrap();
            assert!(found.misfits.is_empty());
            found.array.as_primitive::<IntervalMonthDayNanoType>().clone()
        };
        let of =
            |months, days, nanoseconds| Some(IntervalMonthDayNano { months, days, nanoseconds });
        let months = IntervalYearMonthArray::from(vec![Some(7), Some(i32::MIN), None, Some(14)]);
        let expected = vec![of(i32::MIN, 0, 0), None, of(14, 0, 0)];
        let expected = IntervalMonthDayNanoArray::from(expected);
        assert_eq!(intervals(Arc::new(months.slice(1, 3))), expected);
        assert_eq!(intervals(Arc::new(expected.clone())), expected);
        let days = IntervalDayTimeArray::from(vec![
            Some(IntervalDayTime::new(-3, 1500)),
            None,
            Some(IntervalDayTime::new(i32::MAX, i32::MIN)),
        ]);
        // -2^31 milliseconds, in nanoseconds.
        let least = -2_147_483_648_000_000;
        let expected = vec![of(0, -3, 1_500_000_000), None, of(0, i32::MAX, least)];
        let expected = IntervalMonthDayNanoArray::from(expected);
        assert_eq!(intervals(Arc::new(days)), expected);
    }

    #[test]
    fn a_column_without_a_type_is_null_of_every_type() {
        let nothing: ArrayRef = Arc::new(NullArray::new(2));
        for to in [DataType::Boolean, DataType::Varchar, DataType::Array(Box::new(DataType::Date))]
        {
            let Converted { array, misfits, .. } = convert(Found::plain(&nothing), &to).unwrap();
            assert_eq!((array.null_count(), array.data_type()), (2, &to.arrow()));
            assert!(misfits.is_empty());
        }
    }
}
