//! `HASH`, and the hasher behind it.
//!
//! `HASH(a, …)` is FNV-1a (64 bits, <http://www.isthe.com/chongo/tech/comp/fnv/>) over a canonical
//! encoding of its arguments, then the finalizer of `MurmurHash3`. Each argument is one byte, 0
//! for NULL and else 1, followed by: integers, dates and timestamps as 8 bytes; truth values as 1
//! byte; floats as the 8 bytes of the `DOUBLE`, with one NaN and one zero; decimals as 16 bytes of
//! digits and 1 of scale; intervals as 4 bytes of months, 4 of days, 8 of nanoseconds; text and
//! bytes as 8 bytes of length and themselves. All little-endian. So equal integers of different
//! width hash alike, `1` and `1.0` do not.

use std::hash::Hasher;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, IntervalMonthDayNanoType, TimestampMicrosecondType,
};
use arrow_array::{ArrowPrimitiveType, Int64Array};
use tidemill_record::DataType;

use crate::node::{Kernel, Node};
use crate::value::{Lane, Value};

/// FNV-1a with a finalizer. The same on every machine and run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StableHasher(u64);

impl Default for StableHasher {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for StableHasher {
    fn finish(&self) -> u64 {
        let mut hash = self.0;
        hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        hash ^ (hash >> 33)
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    // A whole word at a time: sets of constants are probed once a row.
    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0 ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    }

    fn write_i64(&mut self, word: i64) {
        self.write_u64(word.cast_unsigned());
    }
}

/// The bits of a float, with one NaN and one zero.
pub(crate) fn normal_bits(value: f64) -> u64 {
    if value.is_nan() {
        f64::NAN.to_bits()
    } else if value == 0.0 {
        0
    } else {
        value.to_bits()
    }
}

/// `HASH` of arguments of any type but arrays.
pub(crate) fn hash(arguments: &[Node]) -> Kernel {
    let types: Vec<DataType> = arguments.iter().map(|node| node.data_type().clone()).collect();
    Kernel::total(move |values, rows| {
        let mut states = vec![StableHasher::default(); rows];
        for (value, data_type) in values.iter().zip(&types) {
            absorb(&mut states, value, data_type);
        }
        let hashes = states.iter().map(|state| state.finish().cast_signed());
        Ok(Arc::new(Int64Array::from_iter_values(hashes)))
    })
}

fn absorb(states: &mut [StableHasher], value: &Value, data_type: &DataType) {
    match data_type {
        DataType::Boolean => {
            let lane = Lane::new(value, value.array().as_boolean());
            absorb_each(states, |row| lane.get(row), |s, v| s.write(&[u8::from(v)]));
        }
        DataType::TinyInt => integers::<Int8Type>(states, value),
        DataType::SmallInt => integers::<Int16Type>(states, value),
        DataType::Integer => integers::<Int32Type>(states, value),
        DataType::BigInt => integers::<Int64Type>(states, value),
        DataType::Date => integers::<Date32Type>(states, value),
        DataType::Timestamp => integers::<TimestampMicrosecondType>(states, value),
        DataType::Real => floats::<Float32Type>(states, value),
        DataType::Double => floats::<Float64Type>(states, value),
        DataType::Decimal { scale, .. } => {
            let lane = Lane::new(value, value.array().as_primitive::<Decimal128Type>());
            absorb_each(
                states,
                |row| lane.get(row),
                |state, value| {
                    state.write(&value.to_le_bytes());
                    state.write(&[*scale]);
                },
            );
        }
        DataType::Interval => {
            let lane = Lane::new(value, value.array().as_primitive::<IntervalMonthDayNanoType>());
            absorb_each(
                states,
                |row| lane.get(row),
                |state, value| {
                    state.write(&value.months.to_le_bytes());
                    state.write(&value.days.to_le_bytes());
                    state.write(&value.nanoseconds.to_le_bytes());
                },
            );
        }
        DataType::Varchar => {
            let lane = Lane::new(value, value.array().as_string_view());
            absorb_each(states, |row| lane.get(row), |s, text| sized(s, text.as_bytes()));
        }
        DataType::Varbinary => {
            let lane = Lane::new(value, value.array().as_binary_view());
            absorb_each(states, |row| lane.get(row), sized);
        }
        DataType::Array(_) => unreachable!("arrays are refused when the call is compiled"),
    }
}

fn absorb_each<V>(
    states: &mut [StableHasher],
    get: impl Fn(usize) -> Option<V>,
    write: impl Fn(&mut StableHasher, V),
) {
    for (row, state) in states.iter_mut().enumerate() {
        match get(row) {
            None => state.write(&[0]),
            Some(value) => {
                state.write(&[1]);
                write(state, value);
            }
        }
    }
}

fn sized(state: &mut StableHasher, bytes: &[u8]) {
    // Lengths fit 64 bits on every target.
    state.write(&u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_le_bytes());
    state.write(bytes);
}

fn integers<T: ArrowPrimitiveType<Native: Into<i64>>>(states: &mut [StableHasher], value: &Value) {
    let lane = Lane::new(value, value.array().as_primitive::<T>());
    absorb_each(
        states,
        |row| lane.get(row),
        |state, value| {
            let wide: i64 = value.into();
            state.write(&wide.to_le_bytes());
        },
    );
}

fn floats<T: ArrowPrimitiveType<Native: Into<f64>>>(states: &mut [StableHasher], value: &Value) {
    let lane = Lane::new(value, value.array().as_primitive::<T>());
    absorb_each(
        states,
        |row| lane.get(row),
        |state, value| {
            state.write(&normal_bits(value.into()).to_le_bytes());
        },
    );
}
