//! The order of rows by several keys: a 64-bit prefix of the first key decides most
//! comparisons, Arrow's comparators the rest.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, IntervalMonthDayNanoType, TimestampMicrosecondType,
};
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType};
use arrow_ord::ord::{DynComparator, make_comparator};
use arrow_schema::SortOptions;
use tidemill_plan::SortKey;
use tidemill_record::{DataType, span_nanos};

use crate::keys::column::canonical_f64;

/// Gives every row of a key column a number such that, in the key's direction, a row with a
/// smaller number comes before, and rows with equal numbers may come either way.
pub(crate) fn prefixes(column: &ArrayRef, data_type: &DataType, key: SortKey) -> Vec<u64> {
    let mut prefixes = ascending_prefixes(column, data_type);
    if key.is_descending {
        prefixes.iter_mut().for_each(|prefix| *prefix = !*prefix);
    }
    if let Some(nulls) = column.logical_nulls() {
        let of_null = if key.is_nulls_first { 0 } else { u64::MAX };
        for (prefix, is_valid) in prefixes.iter_mut().zip(nulls.iter()) {
            if !is_valid {
                *prefix = of_null;
            }
        }
    }
    prefixes
}

fn ascending_prefixes(column: &ArrayRef, data_type: &DataType) -> Vec<u64> {
    match data_type {
        DataType::Boolean => column.as_boolean().values().iter().map(u64::from).collect(),
        DataType::TinyInt => integers::<Int8Type>(column),
        DataType::SmallInt => integers::<Int16Type>(column),
        DataType::Integer => integers::<Int32Type>(column),
        DataType::BigInt => integers::<Int64Type>(column),
        DataType::Date => integers::<Date32Type>(column),
        DataType::Timestamp => integers::<TimestampMicrosecondType>(column),
        DataType::Real => {
            let values = column.as_primitive::<Float32Type>().values().iter();
            values.map(|&value| float(f64::from(value))).collect()
        }
        DataType::Double => {
            let values = column.as_primitive::<Float64Type>().values().iter();
            values.map(|&value| float(value)).collect()
        }
        DataType::Varchar => (0..column.len()).map(|row| bytes(value_bytes(column, row))).collect(),
        DataType::Varbinary => {
            (0..column.len()).map(|row| bytes(column.as_binary_view().value(row))).collect()
        }
        DataType::Decimal { .. } | DataType::Interval | DataType::Array(_) => {
            vec![0; column.len()]
        }
    }
}

fn value_bytes(column: &ArrayRef, row: usize) -> &[u8] {
    column.as_string_view().value(row).as_bytes()
}

fn integers<T: ArrowPrimitiveType>(column: &ArrayRef) -> Vec<u64>
where
    T::Native: Into<i64>,
{
    let values = column.as_primitive::<T>().values().iter();
    values.map(|&value| value.into().cast_unsigned() ^ 1 << 63).collect()
}

fn float(value: f64) -> u64 {
    let bits = canonical_f64(value).to_bits();
    if bits >> 63 == 1 { !bits } else { bits ^ 1 << 63 }
}

fn bytes(value: &[u8]) -> u64 {
    let mut first = [0; 8];
    let len = value.len().min(8);
    first[..len].copy_from_slice(&value[..len]);
    u64::from_be_bytes(first)
}

/// Compares rows by all keys, in their directions.
pub(crate) struct RowComparator {
    comparators: Vec<DynComparator>,
}

impl RowComparator {
    /// For the key columns, in order; `Err` gives the key whose type has no order.
    pub(crate) fn new(columns: &[ArrayRef], keys: &[SortKey]) -> Result<Self, usize> {
        let comparators = columns.iter().zip(keys).enumerate().map(|(at, (column, key))| {
            let column = canonical(column);
            let options =
                SortOptions { descending: key.is_descending, nulls_first: key.is_nulls_first };
            make_comparator(&column, &column, options).map_err(|_| at)
        });
        Ok(Self { comparators: comparators.collect::<Result<_, _>>()? })
    }

    /// Compares two rows.
    pub(crate) fn compare(&self, left: u32, right: u32) -> Ordering {
        let (left, right) = (left as usize, right as usize);
        let orderings = self.comparators.iter().map(|compare| compare(left, right));
        orderings.into_iter().find(|ordering| ordering.is_ne()).unwrap_or(Ordering::Equal)
    }
}

/// Floats with one zero and one NaN, the greatest of all in Arrow's total order; intervals as the
/// numbers that they compare by.
fn canonical(column: &ArrayRef) -> ArrayRef {
    if let Some(values) = column.as_primitive_opt::<Float64Type>() {
        return Arc::new(values.unary::<_, Float64Type>(canonical_f64));
    }
    if let Some(values) = column.as_primitive_opt::<Float32Type>() {
        let canonical = |value: f32| if value.is_nan() { f32::NAN } else { value + 0.0 };
        return Arc::new(values.unary::<_, Float32Type>(canonical));
    }
    if let Some(values) = column.as_primitive_opt::<IntervalMonthDayNanoType>() {
        return Arc::new(values.unary::<_, Decimal128Type>(span_nanos));
    }
    Arc::clone(column)
}
