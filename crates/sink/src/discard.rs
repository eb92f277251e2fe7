//! Results that go nowhere, counted and summed so that a benchmark can hold engines to one answer.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type,
    Int32Type, Int64Type, IntervalMonthDayNanoType, TimestampMicrosecondType,
};
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, IntervalUnit, TimeUnit};
use tidemill_record::{Batch, ImageError};

/// Hashes rows and forgets them; the pipeline counts them.
#[derive(Debug)]
pub struct Discard {
    /// Whether rows are hashed at all.
    pub(crate) has_checksum: bool,
    /// Sum, modulo 2^64, of a hash of each row; it does not depend on the order of rows.
    checksum: u64,
    /// Hash of each row of the batch at hand.
    hashes: Vec<u64>,
}

impl Discard {
    /// Makes one that has seen nothing, and that does or does not look at rows.
    #[must_use]
    pub fn new(has_checksum: bool) -> Self {
        Self { has_checksum, checksum: 0, hashes: Vec::new() }
    }

    /// Adds the hashes of a batch's rows.
    ///
    /// NULL, `FALSE`, zero and the empty text hash apart; `-0.0` hashes as `0.0`, and all NaN alike.
    /// Lists count by their lengths only.
    ///
    /// # Cost
    /// O(values); no allocation once the largest batch has been seen.
    pub fn consume(&mut self, batch: &Batch) {
        if !self.has_checksum {
            return;
        }
        self.hashes.clear();
        self.hashes.resize(batch.row_count(), SEED);
        for column in batch.columns() {
            add_column(column, &mut self.hashes);
        }
        for &hash in &self.hashes {
            self.checksum = self.checksum.wrapping_add(mix(hash));
        }
    }

    /// Takes over the checksum of rows before.
    pub(crate) fn go_on_from(&mut self, checksum: Option<u64>) -> Result<(), ImageError> {
        if checksum.is_some() != self.has_checksum {
            return Err(ImageError::new(
                "checksum",
                "is there, or not, against what the sink says",
            ));
        }
        self.checksum = checksum.unwrap_or(0);
        Ok(())
    }

    /// The checksum of all rows so far, 0 where none is kept; those of several pipelines add up, modulo 2^64.
    #[must_use]
    pub fn checksum(&self) -> u64 {
        self.checksum
    }
}

const SEED: u64 = 0x243f_6a88_85a3_08d3;
const NULL: u64 = 0x1319_8a2e_0370_7344;

/// SplitMix64's finalizer.
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Takes a value into a row's hash; the order of columns matters.
#[inline]
fn add(hash: &mut u64, value: u64) {
    *hash = mix(hash.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ value);
}

fn add_column(column: &ArrayRef, hashes: &mut [u64]) {
    match column.data_type() {
        DataType::Boolean => {
            let values = column.as_boolean();
            add_values(column, hashes, |row| u64::from(values.value(row)) + 1);
        }
        DataType::Int8 => add_primitive::<Int8Type>(column, hashes, |v| widen(v.into())),
        DataType::Int16 => add_primitive::<Int16Type>(column, hashes, |v| widen(v.into())),
        DataType::Int32 => add_primitive::<Int32Type>(column, hashes, |v| widen(v.into())),
        DataType::Int64 => add_primitive::<Int64Type>(column, hashes, widen),
        DataType::Float32 => add_primitive::<Float32Type>(column, hashes, |v| float(v.into())),
        DataType::Float64 => add_primitive::<Float64Type>(column, hashes, float),
        DataType::Decimal128(_, _) => add_primitive::<Decimal128Type>(column, hashes, wide),
        DataType::Date32 => add_primitive::<Date32Type>(column, hashes, |v| widen(v.into())),
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            add_primitive::<TimestampMicrosecondType>(column, hashes, widen);
        }
        DataType::Interval(IntervalUnit::MonthDayNano) => {
            add_primitive::<IntervalMonthDayNanoType>(column, hashes, |v| {
                let days = mix(widen(v.days.into()) ^ SEED);
                widen(v.months.into()) ^ days ^ mix(widen(v.nanoseconds))
            });
        }
        DataType::Utf8View => {
            let values = column.as_string_view();
            add_values(column, hashes, |row| bytes(values.value(row).as_bytes()));
        }
        DataType::BinaryView => {
            let values = column.as_binary_view();
            add_values(column, hashes, |row| bytes(values.value(row)));
        }
        DataType::List(_) => {
            let values = column.as_list::<i32>();
            add_values(column, hashes, |row| widen(values.value_length(row).into()));
        }
        other => unreachable!("batches hold the types that DataType::arrow gives, not {other}"),
    }
}

fn add_primitive<T: ArrowPrimitiveType>(
    column: &ArrayRef,
    hashes: &mut [u64],
    bits: impl Fn(T::Native) -> u64,
) {
    let values = column.as_primitive::<T>().values();
    add_values(column, hashes, |row| bits(values[row]));
}

fn add_values(column: &ArrayRef, hashes: &mut [u64], value: impl Fn(usize) -> u64) {
    let nulls = column.nulls().filter(|nulls| nulls.null_count() > 0);
    for (row, hash) in hashes.iter_mut().enumerate() {
        let is_null = nulls.is_some_and(|nulls| nulls.is_null(row));
        add(hash, if is_null { NULL } else { value(row) });
    }
}

fn widen(value: i64) -> u64 {
    value.cast_unsigned()
}

fn float(value: f64) -> u64 {
    if value == 0.0 {
        0
    } else if value.is_nan() {
        f64::NAN.to_bits()
    } else {
        value.to_bits()
    }
}

#[expect(clippy::cast_possible_truncation, reason = "both halves are taken")]
fn wide(value: i128) -> u64 {
    let bits = value.cast_unsigned();
    bits as u64 ^ mix((bits >> 64) as u64 ^ SEED)
}

fn bytes(text: &[u8]) -> u64 {
    let mut hash = SEED ^ u64::try_from(text.len()).expect("a usize fits u64");
    for part in text.chunks(8) {
        let mut word = [0; 8];
        word[..part.len()].copy_from_slice(part);
        add(&mut hash, u64::from_le_bytes(word));
    }
    hash
}
