//! Rows that come in order, numbered so that those that are equal in all of its columns have one number.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type};
use arrow_array::{Array, ArrayRef, Float32Array, Float64Array, TimestampMicrosecondArray};
use arrow_ord::partition::partition;
use arrow_schema::{ArrowError, DataType};
use arrow_select::concat::concat;
use tidemill_record::{Batch, Columns, Image, ImageError};

/// No partition has more rows.
const NUMBER_MAX: i64 = i64::MAX / 2;

/// Counts groups of peers along rows that are sorted.
pub(crate) struct Peers {
    /// Columns of the order.
    keys: Vec<usize>,
    /// Of the last row that came.
    number: i64,
    /// The last row's values, one row each; empty before the first.
    last: Vec<ArrayRef>,
}

impl Peers {
    pub(crate) fn new(keys: Vec<usize>) -> Self {
        Self { keys, number: 0, last: Vec::new() }
    }

    /// The number of the last row that came; rows that have it may have more peers.
    pub(crate) fn number(&self) -> i64 {
        self.number
    }

    /// The rows with a column behind the others: their numbers, as timestamps, which is how rows wait.
    ///
    /// # Errors
    /// A column that cannot be compared with itself, which the binder does not let through.
    pub(crate) fn numbered(&mut self, batch: &Batch) -> Result<Batch, ArrowError> {
        let row_count = batch.row_count();
        assert!(row_count > 0, "a batch has a row");
        let values: Vec<ArrayRef> =
            self.keys.iter().map(|&key| without_signed_zero(batch.column(key))).collect();
        if !self.is_peer_of_last(&values)? {
            self.number += 1;
        }
        let mut numbers = Vec::with_capacity(row_count);
        for (at, rows) in partition(&values)?.ranges().into_iter().enumerate() {
            self.number += i64::from(at > 0);
            numbers.resize(rows.end, self.number);
        }
        self.last = values.iter().map(|values| values.slice(row_count - 1, 1)).collect();
        let numbers: ArrayRef = Arc::new(TimestampMicrosecondArray::from(numbers));
        let columns: Columns = batch.columns().iter().cloned().chain([numbers]).collect();
        Ok(Batch::new(columns, batch.offsets().clone()))
    }

    /// What is known of the last row, to be made again by [`Self::import`]. `input_types` are those of all columns.
    pub(crate) fn export(&self, input_types: &[tidemill_record::DataType]) -> Image {
        let mut image = Image::new();
        image.put_one("number", self.number);
        let mut values = Image::new();
        for (at, (value, &key)) in self.last.iter().zip(&self.keys).enumerate() {
            values.put_array(&format!("{at:010}"), value, &input_types[key]);
        }
        image.put_image("last", values);
        image
    }

    /// Takes over what another has exported.
    ///
    /// # Errors
    /// [`ImageError`], also where a column has not one value.
    pub(crate) fn import(
        &mut self,
        mut image: Image,
        input_types: &[tidemill_record::DataType],
    ) -> Result<(), ImageError> {
        self.number = image.take_one("number")?;
        if !(0..=NUMBER_MAX).contains(&self.number) {
            return Err(ImageError::new("number", "is no number of rows"));
        }
        let mut values = image.take_image("last")?;
        let of_column = |(at, &key): (usize, &usize)| {
            let name = format!("{at:010}");
            let value = values.take_array(&name, &input_types[key])?;
            match value.len() {
                1 => Ok(without_signed_zero(&value)),
                _ => Err(ImageError::new(name, "is not one value")),
            }
        };
        if self.number > 0 {
            let last: Result<_, _> = self.keys.iter().enumerate().map(of_column).collect();
            self.last = last.map_err(|error: ImageError| error.within("last"))?;
        }
        values.end().map_err(|error| error.within("last"))?;
        image.end()
    }

    fn is_peer_of_last(&self, values: &[ArrayRef]) -> Result<bool, ArrowError> {
        if self.last.is_empty() {
            return Ok(false);
        }
        let pairs: Result<Vec<ArrayRef>, _> = self
            .last
            .iter()
            .zip(values)
            .map(|(last, values)| concat(&[last.as_ref(), values.slice(0, 1).as_ref()]))
            .collect();
        Ok(partition(&pairs?)?.len() == 1)
    }
}

/// Floating-point zeros are equal whatever their sign.
fn without_signed_zero(values: &ArrayRef) -> ArrayRef {
    match values.data_type() {
        DataType::Float64 => {
            let positive: Float64Array =
                values.as_primitive::<Float64Type>().unary(|value| value + 0.0);
            Arc::new(positive)
        }
        DataType::Float32 => {
            let positive: Float32Array =
                values.as_primitive::<Float32Type>().unary(|value| value + 0.0);
            Arc::new(positive)
        }
        _ => Arc::clone(values),
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::{Int64Array, StringViewArray, UInt64Array};

    use super::*;

    #[test]
    fn rows_equal_in_all_columns_have_one_number_also_across_batches() {
        let mut peers = Peers::new(vec![1, 0]);
        let mut numbers = |texts: &[Option<&str>], floats: &[f64]| {
            let texts: ArrayRef = Arc::new(StringViewArray::from(texts.to_vec()));
            let floats: ArrayRef = Arc::new(Float64Array::from(floats.to_vec()));
            let other: ArrayRef = Arc::new(Int64Array::from_iter_values(0..floats.len() as i64));
            let offsets = UInt64Array::from_iter_values(0..floats.len() as u64);
            let batch = Batch::new(vec![texts, floats, other], offsets);
            let numbered = peers.numbered(&batch).expect("comparable");
            let numbers =
                numbered.column(3).as_primitive::<arrow_array::types::TimestampMicrosecondType>();
            numbers.values().to_vec()
        };
        assert_eq!(numbers(&[Some("a"), Some("a"), None], &[-0.0, 0.0, 0.0]), [1, 1, 2]);
        assert_eq!(numbers(&[None, Some("b")], &[-0.0, f64::NAN]), [2, 3]);
        assert_eq!(numbers(&[Some("b")], &[f64::NAN]), [3]);
    }
}
