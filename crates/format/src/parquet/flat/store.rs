//! What has been read of a column, by type.

use std::sync::Arc;

use ::parquet::errors::ParquetError;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int32Type, Int64Type,
    TimestampMicrosecondType,
};
use arrow_array::{ArrayRef, ArrowPrimitiveType};
use arrow_buffer::NullBuffer;
use arrow_schema::TimeUnit;
use bytes::Bytes;
use tidemill_record::DataType;
use tidemill_record::recycled::Room;

use super::fixed::{self, ByteDecimal, Decimal32, Decimal64, Double, Fixed, Float, Int32, Int64};
use super::pages::{NULL, Run, Values, broken};
use super::shape::Shape;
use super::texts::Texts;
use crate::arrow::decimals::beyond_precision;
use crate::arrow::values::Converted;

/// Values that have been read.
pub(super) enum Store {
    Boolean(Truths),
    Integer(Numbers<Int32>),
    Date(Numbers<Int32>),
    BigInt(Numbers<Int64>),
    Timestamp(Numbers<Int64>, TimeUnit),
    Real(Numbers<Float>),
    Double(Numbers<Double>),
    Decimal32(Numbers<Decimal32>, u8, u8),
    Decimal64(Numbers<Decimal64>, u8, u8),
    ByteDecimal(Numbers<ByteDecimal>, u8, u8),
    Texts(Texts),
}

impl Store {
    pub(super) fn new(shape: Shape) -> Self {
        match shape {
            Shape::Boolean => Self::Boolean(Truths::default()),
            Shape::Integer => Self::Integer(Numbers::new(Int32)),
            Shape::Date => Self::Date(Numbers::new(Int32)),
            Shape::BigInt => Self::BigInt(Numbers::new(Int64)),
            Shape::Timestamp(unit) => Self::Timestamp(Numbers::new(Int64), unit),
            Shape::Real => Self::Real(Numbers::new(Float)),
            Shape::Double => Self::Double(Numbers::new(Double)),
            Shape::Decimal32(precision, scale) => {
                Self::Decimal32(Numbers::new(Decimal32), precision, scale)
            }
            Shape::Decimal64(precision, scale) => {
                Self::Decimal64(Numbers::new(Decimal64), precision, scale)
            }
            Shape::ByteDecimal(precision, scale, byte_count) => {
                Self::ByteDecimal(Numbers::new(ByteDecimal(byte_count)), precision, scale)
            }
            Shape::Varchar => Self::Texts(Texts::new(true)),
            Shape::Varbinary => Self::Texts(Texts::new(false)),
        }
    }

    /// Takes in the dictionary of the values to come.
    ///
    /// # Errors
    /// It has fewer values, or values have none.
    pub(super) fn set_dictionary(
        &mut self,
        bytes: &Bytes,
        count: usize,
    ) -> Result<(), ParquetError> {
        match self {
            Self::Boolean(_) => Err(broken("truth values have no dictionary")),
            Self::Integer(numbers) | Self::Date(numbers) => numbers.set_dictionary(bytes, count),
            Self::BigInt(numbers) | Self::Timestamp(numbers, _) => {
                numbers.set_dictionary(bytes, count)
            }
            Self::Real(numbers) => numbers.set_dictionary(bytes, count),
            Self::Double(numbers) => numbers.set_dictionary(bytes, count),
            Self::Decimal32(numbers, ..) => numbers.set_dictionary(bytes, count),
            Self::Decimal64(numbers, ..) => numbers.set_dictionary(bytes, count),
            Self::ByteDecimal(numbers, ..) => numbers.set_dictionary(bytes, count),
            Self::Texts(texts) => texts.set_dictionary(bytes, count),
        }
    }

    /// Makes room for so many rows.
    pub(super) fn reserve(&mut self, row_count: usize) {
        match self {
            Self::Boolean(truths) => truths.words.reserve_exact(row_count.div_ceil(64)),
            Self::Integer(numbers) | Self::Date(numbers) => numbers.room.reserve_exact(row_count),
            Self::BigInt(numbers) | Self::Timestamp(numbers, _) => {
                numbers.room.reserve_exact(row_count);
            }
            Self::Real(numbers) => numbers.room.reserve_exact(row_count),
            Self::Double(numbers) => numbers.room.reserve_exact(row_count),
            Self::Decimal32(numbers, ..) => numbers.room.reserve_exact(row_count),
            Self::Decimal64(numbers, ..) => numbers.room.reserve_exact(row_count),
            Self::ByteDecimal(numbers, ..) => numbers.room.reserve_exact(row_count),
            Self::Texts(texts) => texts.reserve(row_count),
        }
    }

    /// Appends the values of a run. `codes` is reused.
    ///
    /// # Errors
    /// There are fewer, or they are no such values.
    pub(super) fn append(
        &mut self,
        run: Run<'_>,
        codes: &mut Vec<u32>,
    ) -> Result<(), ParquetError> {
        match self {
            Self::Boolean(truths) => truths.append(run, codes),
            Self::Integer(numbers) | Self::Date(numbers) => numbers.append(run, codes),
            Self::BigInt(numbers) | Self::Timestamp(numbers, _) => numbers.append(run, codes),
            Self::Real(numbers) => numbers.append(run, codes),
            Self::Double(numbers) => numbers.append(run, codes),
            Self::Decimal32(numbers, ..) => numbers.append(run, codes),
            Self::Decimal64(numbers, ..) => numbers.append(run, codes),
            Self::ByteDecimal(numbers, ..) => numbers.append(run, codes),
            Self::Texts(texts) => texts.append(run, codes),
        }
    }

    /// What has been read since this was called last.
    pub(super) fn finish(&mut self, nulls: Option<NullBuffer>) -> Converted {
        match self {
            Self::Boolean(truths) => Converted::whole(truths.finish(nulls)),
            Self::Integer(numbers) => numbers.finish::<Int32Type>(nulls),
            Self::Date(numbers) => numbers.finish::<Date32Type>(nulls),
            Self::BigInt(numbers) => numbers.finish::<Int64Type>(nulls),
            Self::Timestamp(numbers, unit) => {
                let (misfits, floored_count) = to_micros(&mut numbers.room, *unit);
                let mut found = numbers.finish::<TimestampMicrosecondType>(nulls);
                (found.misfits, found.floored_count) = (misfits, floored_count);
                found
            }
            Self::Real(numbers) => numbers.finish::<Float32Type>(nulls),
            Self::Double(numbers) => numbers.finish::<Float64Type>(nulls),
            Self::Decimal32(numbers, precision, scale) => {
                numbers.decimals(*precision, *scale, nulls)
            }
            Self::Decimal64(numbers, precision, scale) => {
                numbers.decimals(*precision, *scale, nulls)
            }
            Self::ByteDecimal(numbers, precision, scale) => {
                numbers.decimals(*precision, *scale, nulls)
            }
            Self::Texts(texts) => Converted::whole(texts.finish(nulls)),
        }
    }
}

/// Values of fixed size that have been read.
pub(super) struct Numbers<F: Fixed> {
    fixed: F,
    dictionary: Vec<F::Native>,
    room: Room<F::Native>,
    /// Some of the values to be finished did not come of the dictionary.
    has_plain: bool,
}

impl<F: Fixed> Numbers<F> {
    fn new(fixed: F) -> Self {
        Self { fixed, dictionary: Vec::new(), room: Room::default(), has_plain: false }
    }

    fn set_dictionary(&mut self, bytes: &Bytes, count: usize) -> Result<(), ParquetError> {
        self.dictionary = fixed::dictionary(self.fixed, bytes, count)?;
        Ok(())
    }

    fn append(&mut self, run: Run<'_>, codes: &mut Vec<u32>) -> Result<(), ParquetError> {
        self.has_plain |= matches!(run.values, Values::Plain(_));
        fixed::append(self.fixed, &self.dictionary, run, codes, &mut self.room)
    }

    fn finish<A: ArrowPrimitiveType<Native = F::Native>>(
        &mut self,
        nulls: Option<NullBuffer>,
    ) -> Converted {
        Converted::whole(self.room.finish::<A>(nulls))
    }
}

impl<F: Fixed<Native = i128>> Numbers<F> {
    fn decimals(&mut self, precision: u8, scale: u8, nulls: Option<NullBuffer>) -> Converted {
        let found = self.finish::<Decimal128Type>(nulls);
        let decimals = found.array.as_primitive::<Decimal128Type>().clone();
        let decimals = decimals.with_data_type(DataType::Decimal { precision, scale }.arrow());
        // A dictionary is mostly far shorter than what is made of it.
        let limit = 10_u128.pow(u32::from(precision));
        let is_in_doubt = std::mem::take(&mut self.has_plain)
            || self.dictionary.len() > decimals.len()
            || self.dictionary.iter().any(|value| value.unsigned_abs() >= limit);
        let misfits = match is_in_doubt {
            true => beyond_precision(&decimals, precision),
            false => Vec::new(),
        };
        Converted { array: Arc::new(decimals), misfits, floored_count: 0 }
    }
}

/// Makes microseconds of times in place, and says which of them no `TIMESTAMP` holds, and how many had digits
/// below. NULL is zero.
fn to_micros(times: &mut [i64], unit: TimeUnit) -> (Vec<usize>, usize) {
    match unit {
        TimeUnit::Second | TimeUnit::Millisecond => {
            let factor = if unit == TimeUnit::Second { 1_000_000 } else { 1000 };
            let limit = (i64::MAX / factor).unsigned_abs();
            let greatest = times.iter().fold(0, |most, time| time.unsigned_abs().max(most));
            let is_beyond = |time: i64| time.unsigned_abs() > limit;
            let misfits = match greatest > limit {
                true => (0..times.len()).filter(|row| is_beyond(times[*row])).collect(),
                false => Vec::new(),
            };
            times.iter_mut().for_each(|time| *time = time.wrapping_mul(factor));
            (misfits, 0)
        }
        TimeUnit::Microsecond => (Vec::new(), 0),
        TimeUnit::Nanosecond => {
            let floored_count = times.iter().filter(|time| **time % 1000 != 0).count();
            times.iter_mut().for_each(|time| *time = time.div_euclid(1000));
            (Vec::new(), floored_count)
        }
    }
}

/// Truth values that have been read.
#[derive(Default)]
pub(super) struct Truths {
    words: Room<u64>,
    len: usize,
}

impl Truths {
    fn append(&mut self, run: Run<'_>, codes: &mut Vec<u32>) -> Result<(), ParquetError> {
        let Run { values: Values::Codes(hybrid), value_count, places } = run else {
            return Err(broken("truth values are bits"));
        };
        fixed::read_codes(hybrid, value_count, 2, codes)?;
        match places {
            None => codes.iter().for_each(|code| self.push(*code == 1)),
            Some(places) => places.iter().for_each(|&place| {
                self.push(place != NULL && codes[place as usize] == 1);
            }),
        }
        Ok(())
    }

    fn push(&mut self, value: bool) {
        let bit = self.len % 64;
        if bit == 0 {
            self.words.push(0);
        }
        if let Some(word) = self.words.last_mut() {
            *word |= u64::from(value) << bit;
        }
        self.len += 1;
    }

    fn finish(&mut self, nulls: Option<NullBuffer>) -> ArrayRef {
        let len = std::mem::take(&mut self.len);
        self.words.finish_truths(len, nulls)
    }
}
