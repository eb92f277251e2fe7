//! Values that come with an Arrow type of their own, brought to the one of a SQL type.
//!
//! [`convert`] loses no value in silence: one that the SQL type does not hold is a misfit of its row,
//! and digits of a time below the microsecond, which are cut off, are counted. Time zones are dropped,
//! for the values are UTC already.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Date64Type, Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type,
    IntervalMonthDayNanoType, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType,
};
use arrow_array::{AnyDictionaryArray, Array, ArrayRef, ListArray, PrimitiveArray};
use arrow_buffer::{IntervalMonthDayNano, NullBuffer, OffsetBuffer, ScalarBuffer, i256};
use arrow_cast::{CastOptions, cast_with_options};
use arrow_schema::{ArrowError, DataType as ArrowType, Field as ArrowField, TimeUnit};
use arrow_select::take::take;
use tidemill_record::DataType;

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
    fn whole(array: ArrayRef) -> Self {
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
        return convert_dictionary(found.array, dictionary, to);
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
        (Encoding::Plain, _) => {
            let options = CastOptions { safe: true, ..CastOptions::default() };
            (cast_with_options(array, &to.arrow(), &options)?, 0)
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
    array: &ArrayRef,
    dictionary: &dyn AnyDictionaryArray,
    to: &DataType,
) -> Result<Converted, ArrowError> {
    let is_text = matches!(dictionary.values().data_type(), ArrowType::Utf8 | ArrowType::Binary);
    if is_text && matches!(to, DataType::Varchar | DataType::Varbinary) {
        // Views of the values, without a copy of them.
        return cast_with_options(array, &to.arrow(), &CastOptions::default())
            .map(Converted::whole);
    }
    let unpacked = take(dictionary.values(), dictionary.keys(), None)?;
    convert(Found::plain(&unpacked), to)
}

/// Rows whose value became NULL.
fn lost(input: &ArrayRef, output: &ArrayRef) -> Vec<usize> {
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

/// Decimals of any width. Their values are held to their own type before anything is made of them:
/// `arrow-cast` takes that on trust, and panics.
fn convert_decimals(array: &ArrayRef, to: &DataType) -> Result<Converted, ArrowError> {
    let (precision, scale, wide): (u8, i8, PrimitiveArray<Decimal128Type>) = match array.data_type()
    {
        ArrowType::Decimal32(p, s) => {
            (*p, *s, array.as_primitive::<Decimal32Type>().unary(i128::from))
        }
        ArrowType::Decimal64(p, s) => {
            (*p, *s, array.as_primitive::<Decimal64Type>().unary(i128::from))
        }
        ArrowType::Decimal256(p, s) => {
            (*p, *s, array.as_primitive::<Decimal256Type>().unary_opt(i256::to_i128))
        }
        other => {
            let ArrowType::Decimal128(p, s) = other else { unreachable!("the other decimal") };
            (*p, *s, array.as_primitive::<Decimal128Type>().clone())
        }
    };
    let beyond = beyond_precision(&wide, precision);
    let output: ArrayRef = if let DataType::Decimal { scale: to_scale, .. } = to {
        let steps = i16::from(to_scale.cast_signed()) - i16::from(scale);
        let factor = u32::try_from(steps).ok().and_then(|steps| 10_i128.checked_pow(steps));
        let scaled: PrimitiveArray<Decimal128Type> =
            wide.unary_opt(|value| value.checked_mul(factor?));
        Arc::new(scaled.with_data_type(to.arrow()))
    } else {
        let wide: ArrayRef = Arc::new(wide.with_data_type(ArrowType::Decimal128(38, scale)));
        cast_with_options(&wide, &to.arrow(), &CastOptions::default())?
    };
    let mut misfits = lost(array, &output);
    misfits.extend(beyond);
    if let DataType::Decimal { precision, .. } = to {
        misfits.extend(beyond_precision(output.as_primitive(), *precision));
    }
    misfits.sort_unstable();
    misfits.dedup();
    Ok(Converted { array: output, misfits, floored_count: 0 })
}

/// Rows whose decimal has more digits than the precision allows, which Arrow files may hold.
fn beyond_precision(array: &PrimitiveArray<Decimal128Type>, precision: u8) -> Vec<usize> {
    let limit = 10_u128.pow(u32::from(precision));
    let greatest = array.values().iter().fold(0, |most, value| value.unsigned_abs().max(most));
    if greatest < limit {
        return Vec::new();
    }
    let is_beyond = |row: &usize| array.is_valid(*row) && array.value(*row).unsigned_abs() >= limit;
    (0..array.len()).filter(is_beyond).collect()
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

fn convert_list(found: Found<'_>, item: &DataType) -> Result<Converted, ArrowError> {
    let target = Arc::new(ArrowField::new_list_field(item.arrow(), true));
    let is_plain = matches!(found.encoding, Encoding::Plain);
    if is_plain
        && *found.array.data_type() == ArrowType::List(Arc::clone(&target))
        && !holds_decimals(item)
    {
        return Ok(Converted::whole(Arc::clone(found.array)));
    }
    let list = as_list(found.array)?;
    let values = values_of(&list);
    let nanos = match found.encoding {
        Encoding::Int96 { nanos } => Some(values_of(&as_list(nanos)?)),
        Encoding::Plain | Encoding::ParquetInterval => None,
    };
    let encoding = match (found.encoding, &nanos) {
        (Encoding::Int96 { .. }, Some(nanos)) => Encoding::Int96 { nanos },
        (encoding, _) => encoding,
    };
    let items = convert(Found { array: &values, encoding }, item)?;
    let first = list.offsets()[0];
    let offsets: ScalarBuffer<i32> = list.offsets().iter().map(|offset| offset - first).collect();
    let mut misfits: Vec<usize> = items
        .misfits
        .iter()
        .map(|at| {
            offsets.partition_point(|start| usize::try_from(*start).is_ok_and(|s| s <= *at)) - 1
        })
        .filter(|row| list.is_valid(*row))
        .collect();
    misfits.dedup();
    let nulls = list.nulls().cloned();
    let array = ListArray::try_new(target, OffsetBuffer::new(offsets), items.array, nulls)?;
    Ok(Converted { array: Arc::new(array), misfits, floored_count: items.floored_count })
}

/// Any kind of list as one with offsets of 32 bits.
fn as_list(array: &ArrayRef) -> Result<ListArray, ArrowError> {
    Ok(match array.data_type() {
        ArrowType::LargeList(field)
        | ArrowType::ListView(field)
        | ArrowType::FixedSizeList(field, _) => {
            let target = ArrowType::List(Arc::clone(field));
            cast_with_options(array, &target, &CastOptions::default())?.as_list::<i32>().clone()
        }
        _ => array.as_list::<i32>().clone(),
    })
}

/// The values that the lists' offsets reach.
fn values_of(list: &ListArray) -> ArrayRef {
    let at = |offset: i32| usize::try_from(offset).expect("offsets of a list are not negative");
    let (first, last) = (at(list.offsets()[0]), at(list.offsets()[list.len()]));
    list.values().slice(first, last - first)
}

/// Whether every value has to be looked at, though the Arrow type is the one of the SQL type.
fn holds_decimals(data_type: &DataType) -> bool {
    match data_type {
        DataType::Decimal { .. } => true,
        DataType::Array(item) => holds_decimals(item),
        _ => false,
    }
}
