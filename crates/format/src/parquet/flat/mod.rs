//! Columns without members, read from their pages straight into the types of SQL.
//!
//! [`shape`] says which. A file's pages are unpacked by `parquet`; what they hold is looked at here: definition levels and codes
//! ([`hybrid`]), numbers ([`fixed`]) and texts ([`texts`]). Of rows that a filter has left out nothing is
//! made, and pages without another row are not even unpacked ([`pages`]). What has members, repeats or is
//! packed otherwise is left to `parquet`'s own reader.

mod fixed;
mod hybrid;
mod pages;
mod shape;
mod texts;

pub(super) use self::shape::Shape;

use std::sync::Arc;

use ::parquet::errors::ParquetError;
use ::parquet::file::serialized_reader::SerializedPageReader;
use ::parquet::schema::types::ColumnDescriptor;
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
use tidemill_record::recycled::{Room, Validity};

use self::fixed::{ByteDecimal, Decimal32, Decimal64, Double, Fixed, Float, Int32, Int64};
use self::pages::{NULL, Next, Pages, Run, Values, broken};
use self::texts::Texts;
use super::chunks::Chunks;
use crate::arrow::decimals::beyond_precision;
use crate::arrow::values::Converted;

/// One column of the row group at hand.
pub(super) struct FlatColumn {
    pages: Pages,
    values: Store,
    /// Codes of the rows that are read; reused.
    codes: Vec<u32>,
}

/// What has been read, by type.
enum Store {
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

impl FlatColumn {
    pub(super) fn new(
        shape: Shape,
        pages: SerializedPageReader<Chunks>,
        leaf: &ColumnDescriptor,
    ) -> Self {
        let values = match shape {
            Shape::Boolean => Store::Boolean(Truths::default()),
            Shape::Integer => Store::Integer(Numbers::new(Int32)),
            Shape::Date => Store::Date(Numbers::new(Int32)),
            Shape::BigInt => Store::BigInt(Numbers::new(Int64)),
            Shape::Timestamp(unit) => Store::Timestamp(Numbers::new(Int64), unit),
            Shape::Real => Store::Real(Numbers::new(Float)),
            Shape::Double => Store::Double(Numbers::new(Double)),
            Shape::Decimal32(precision, scale) => {
                Store::Decimal32(Numbers::new(Decimal32), precision, scale)
            }
            Shape::Decimal64(precision, scale) => {
                Store::Decimal64(Numbers::new(Decimal64), precision, scale)
            }
            Shape::ByteDecimal(precision, scale, byte_count) => {
                Store::ByteDecimal(Numbers::new(ByteDecimal(byte_count)), precision, scale)
            }
            Shape::Varchar => Store::Texts(Texts::new(true)),
            Shape::Varbinary => Store::Texts(Texts::new(false)),
        };
        Self { pages: Pages::new(pages, leaf), values, codes: Vec::new() }
    }

    /// Reads of the next `row_count` rows those that are `kept`, ascending; or all.
    ///
    /// # Errors
    /// The pages contradict themselves, or end before. The column is of no use afterwards.
    ///
    /// # Cost
    /// O(rows), and for texts of plain pages, O(rows before the last one that is kept).
    pub(super) fn read(
        &mut self,
        row_count: usize,
        kept: Option<&[u32]>,
    ) -> Result<Converted, ParquetError> {
        let mut validity = Validity::new(kept.map_or(row_count, <[u32]>::len));
        // Rows that are behind, and how many of them were kept.
        let (mut first, mut kept_before) = (0, 0);
        while first < row_count {
            let left = row_count - first;
            if kept.is_some_and(|kept| kept_before == kept.len()) {
                self.pages.skip(left);
                break;
            }
            let count = match self.pages.next()? {
                Next::Rows(count) => count.min(left),
                Next::Dictionary(bytes, count) => {
                    self.values.set_dictionary(&bytes, count)?;
                    continue;
                }
            };
            let end = first + count;
            let of_run = kept.map(|kept| {
                let rest = &kept[kept_before..];
                &rest[..rest.partition_point(|row| (*row as usize) < end)]
            });
            let run_rows = of_run.map_or(count, <[u32]>::len);
            if run_rows == 0 {
                self.pages.skip(count);
            } else {
                let run = self.pages.run(count, of_run, first)?;
                if let Some(places) = run.places
                    && places.contains(&NULL)
                {
                    let nulls =
                        places.iter().zip(kept_before..).filter(|(place, _)| **place == NULL);
                    nulls.for_each(|(_, row)| validity.set_null(row));
                }
                self.values.append(run, &mut self.codes)?;
            }
            first = end;
            kept_before += run_rows;
        }
        Ok(self.values.finish(validity.finish()))
    }

    /// Leaves out rows.
    pub(super) fn skip(&mut self, row_count: usize) {
        self.pages.skip(row_count);
    }

    /// Bytes of the pages at hand, as they were unpacked.
    pub(super) fn held_bytes(&self) -> usize {
        self.pages.held_bytes()
    }

    /// Whether all rows are behind.
    ///
    /// # Errors
    /// A page cannot be read.
    pub(super) fn is_at_end(&mut self) -> Result<bool, ParquetError> {
        self.pages.is_at_end()
    }
}

impl Store {
    fn set_dictionary(&mut self, bytes: &Bytes, count: usize) -> Result<(), ParquetError> {
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

    fn append(&mut self, run: Run<'_>, codes: &mut Vec<u32>) -> Result<(), ParquetError> {
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
    fn finish(&mut self, nulls: Option<NullBuffer>) -> Converted {
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
struct Numbers<F: Fixed> {
    fixed: F,
    dictionary: Vec<F::Native>,
    room: Room<F::Native>,
}

impl<F: Fixed> Numbers<F> {
    fn new(fixed: F) -> Self {
        Self { fixed, dictionary: Vec::new(), room: Room::default() }
    }

    fn set_dictionary(&mut self, bytes: &Bytes, count: usize) -> Result<(), ParquetError> {
        self.dictionary = fixed::dictionary(self.fixed, bytes, count)?;
        Ok(())
    }

    fn append(&mut self, run: Run<'_>, codes: &mut Vec<u32>) -> Result<(), ParquetError> {
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
        let misfits = beyond_precision(&decimals, precision);
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
struct Truths {
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
