//! Columns of SQL values in images.

use std::sync::Arc;

use arrow_array::builder::{BinaryViewBuilder, BooleanBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type,
    Int32Type, Int64Type, IntervalMonthDayNanoType, TimestampMicrosecondType,
};
use arrow_array::{Array, ArrayRef, ListArray, PrimitiveArray, UInt64Array};
use arrow_buffer::{IntervalMonthDayNano, NullBuffer, OffsetBuffer, ScalarBuffer};

use arrow_select::take::take;

use super::{Flat, Image, ImageError};
use crate::{Batch, Columns, DataType};

impl Flat for IntervalMonthDayNano {
    const WIDTH: usize = 16;

    fn put(self, bytes: &mut Vec<u8>) {
        self.months.put(bytes);
        self.days.put(bytes);
        self.nanoseconds.put(bytes);
    }

    fn take(bytes: &[u8]) -> Self {
        Self::new(i32::take(&bytes[..4]), i32::take(&bytes[4..8]), i64::take(&bytes[8..]))
    }
}

/// The name of what is put of a row count, beside columns that may be none.
const ROWS: &str = "rows";

impl Image {
    /// Puts a column of this type, as [`DataType::arrow`] has it. What is not part of its values (buffers shared
    /// with other columns, what stands under a NULL) does not show.
    ///
    /// # Panics
    /// If it is of another type.
    pub fn put_array(&mut self, name: &str, array: &dyn Array, data_type: &DataType) {
        self.put_image(name, image_of(array, data_type));
    }

    /// Takes a column that was put as [`Self::put_array`] does.
    ///
    /// # Errors
    /// [`ImageError`] where it is missing, of another type, or damaged.
    pub fn take_array(&mut self, name: &str, data_type: &DataType) -> Result<ArrayRef, ImageError> {
        let image = self.take_image(name)?;
        array_of(image, data_type).map_err(|error| error.within(name))
    }

    /// Puts rows of these types with their offsets; not the watermarks, places and causes beside them, which are put by
    /// whoever keeps rows with them.
    ///
    /// # Panics
    /// If there is not one type for each column.
    pub fn put_batch(&mut self, name: &str, batch: &Batch, types: &[DataType]) {
        assert_eq!(batch.columns().len(), types.len(), "every column has a type");
        let mut image = Self::new();
        let columns = batch
            .columns()
            .iter()
            .zip(types)
            .map(|(column, data_type)| image_of(column, data_type));
        image.put_images("columns", columns);
        image.put(ROWS, batch.offsets().values().iter().copied());
        self.put_image(name, image);
    }

    /// Takes rows that were put as [`Self::put_batch`] does.
    ///
    /// # Errors
    /// As [`Self::take_array`], and where columns are of different lengths.
    pub fn take_batch(&mut self, name: &str, types: &[DataType]) -> Result<Batch, ImageError> {
        let image = self.take_image(name)?;
        batch_of(image, types).map_err(|error| error.within(name))
    }
}

fn batch_of(mut image: Image, types: &[DataType]) -> Result<Batch, ImageError> {
    let offsets: Vec<u64> = image.take(ROWS)?;
    let images = image.take_images("columns")?;
    image.end()?;
    if images.len() != types.len() {
        let reason = format!("has {} columns and not {}", images.len(), types.len());
        return Err(ImageError::new("columns", reason));
    }
    let mut columns = Columns::new();
    for (image, data_type) in images.into_iter().zip(types) {
        let column = array_of(image, data_type).map_err(|error| error.within("columns"))?;
        if column.len() != offsets.len() {
            let reason = format!("has {} rows beside {} offsets", column.len(), offsets.len());
            return Err(ImageError::new("columns", reason));
        }
        columns.push(column);
    }
    Ok(Batch::new(columns, UInt64Array::from(offsets)))
}

fn image_of(array: &dyn Array, data_type: &DataType) -> Image {
    assert_eq!(*array.data_type(), data_type.arrow(), "a column is of its type");
    let mut image = Image::new();
    if let Some(nulls) = array.nulls().filter(|nulls| nulls.null_count() > 0) {
        image.put_flags("valid", nulls.iter());
    }
    match data_type {
        DataType::Boolean => {
            let array = array.as_boolean();
            let value = |row: usize| array.is_valid(row) && array.value(row);
            image.put_flags("values", (0..array.len()).map(value));
        }
        DataType::TinyInt => put_numbers::<Int8Type>(&mut image, array),
        DataType::SmallInt => put_numbers::<Int16Type>(&mut image, array),
        DataType::Integer => put_numbers::<Int32Type>(&mut image, array),
        DataType::BigInt => put_numbers::<Int64Type>(&mut image, array),
        DataType::Real => put_numbers::<Float32Type>(&mut image, array),
        DataType::Double => put_numbers::<Float64Type>(&mut image, array),
        DataType::Decimal { .. } => put_numbers::<Decimal128Type>(&mut image, array),
        DataType::Date => put_numbers::<Date32Type>(&mut image, array),
        DataType::Timestamp => put_numbers::<TimestampMicrosecondType>(&mut image, array),
        DataType::Interval => put_numbers::<IntervalMonthDayNanoType>(&mut image, array),
        DataType::Varchar => {
            let texts = array.as_string_view().iter();
            image.put_texts("values", texts.map(|text| text.unwrap_or_default().as_bytes()));
        }
        DataType::Varbinary => {
            let values = array.as_binary_view().iter();
            image.put_texts("values", values.map(Option::unwrap_or_default));
        }
        DataType::Array(item) => {
            let lists = array.as_list::<i32>();
            // Of a NULL, whatever stands there is left out.
            let mut ends = Vec::with_capacity(lists.len());
            let mut end = 0_u64;
            let mut kept: Vec<u64> = Vec::new();
            for row in 0..lists.len() {
                if lists.is_valid(row) {
                    let range = lists.value_offsets()[row]..lists.value_offsets()[row + 1];
                    end += u64::from((range.end - range.start).unsigned_abs());
                    kept.extend(range.map(|at| u64::from(at.unsigned_abs())));
                }
                ends.push(end);
            }
            let picked = take(lists.values(), &UInt64Array::from(kept), None);
            let picked = picked.expect("places are those of items");
            image.put("ends", ends);
            image.put_image("items", image_of(&picked, item));
        }
    }
    image
}

fn put_numbers<T>(image: &mut Image, array: &dyn Array)
where
    T: ArrowPrimitiveType,
    T::Native: Flat,
{
    let array = array.as_primitive::<T>();
    match array.nulls().filter(|nulls| nulls.null_count() > 0) {
        None => image.put("values", array.values().iter().copied()),
        Some(_) => image.put("values", array.iter().map(Option::unwrap_or_default)),
    }
}

fn array_of(mut image: Image, data_type: &DataType) -> Result<ArrayRef, ImageError> {
    let valid: Option<Vec<u8>> = image.has("valid").then(|| image.take("valid")).transpose()?;
    let is_valid = |row: usize| valid.as_ref().is_none_or(|valid| valid.get(row) == Some(&1));
    let array: ArrayRef = match data_type {
        DataType::Boolean => {
            let values: Vec<u8> = image.take("values")?;
            let mut builder = BooleanBuilder::with_capacity(values.len());
            for (row, &value) in values.iter().enumerate() {
                builder.append_option(is_valid(row).then_some(value == 1));
            }
            Arc::new(builder.finish())
        }
        DataType::TinyInt => take_numbers::<Int8Type>(&mut image, valid.as_deref(), data_type)?,
        DataType::SmallInt => take_numbers::<Int16Type>(&mut image, valid.as_deref(), data_type)?,
        DataType::Integer => take_numbers::<Int32Type>(&mut image, valid.as_deref(), data_type)?,
        DataType::BigInt => take_numbers::<Int64Type>(&mut image, valid.as_deref(), data_type)?,
        DataType::Real => take_numbers::<Float32Type>(&mut image, valid.as_deref(), data_type)?,
        DataType::Double => take_numbers::<Float64Type>(&mut image, valid.as_deref(), data_type)?,
        DataType::Decimal { precision, .. } => {
            let array = take_numbers::<Decimal128Type>(&mut image, valid.as_deref(), data_type)?;
            let end = 10_u128.pow(u32::from(*precision));
            // Of a NULL 0 stands there.
            let values = array.as_primitive::<Decimal128Type>().values();
            if values.iter().any(|value| value.unsigned_abs() >= end) {
                return Err(ImageError::new("values", format!("holds one that is no {data_type}")));
            }
            array
        }
        DataType::Date => take_numbers::<Date32Type>(&mut image, valid.as_deref(), data_type)?,
        DataType::Timestamp => {
            take_numbers::<TimestampMicrosecondType>(&mut image, valid.as_deref(), data_type)?
        }
        DataType::Interval => {
            take_numbers::<IntervalMonthDayNanoType>(&mut image, valid.as_deref(), data_type)?
        }
        DataType::Varchar | DataType::Varbinary => {
            let texts = image.take_texts("values")?;
            let mut builder = BinaryViewBuilder::with_capacity(texts.len());
            for (row, text) in texts.iter().enumerate() {
                builder.append_option(is_valid(row).then_some(text));
            }
            let array = builder.finish();
            match data_type {
                DataType::Varchar => {
                    let array = array.to_string_view();
                    Arc::new(array.map_err(|_| ImageError::new("values", "is not UTF-8"))?)
                }
                _ => Arc::new(array),
            }
        }
        DataType::Array(item) => {
            let ends: Vec<u64> = image.take("ends")?;
            let items = image.take_image("items")?;
            let items = array_of(items, item).map_err(|error| error.within("items"))?;
            let are_right = ends.is_sorted()
                && ends.last().copied().unwrap_or(0)
                    == u64::try_from(items.len()).unwrap_or(u64::MAX)
                && i32::try_from(items.len()).is_ok();
            if !are_right {
                return Err(ImageError::new("ends", "does not end where the items do"));
            }
            let place = |end: u64| i32::try_from(end).expect("at most as many as there are items");
            let offsets: ScalarBuffer<i32> =
                std::iter::once(0).chain(ends.iter().copied().map(place)).collect();
            let nulls = nulls_of(valid.as_deref(), ends.len())?;
            let field = match data_type.arrow() {
                arrow_schema::DataType::List(field) => field,
                _ => unreachable!("an array is a list"),
            };
            Arc::new(ListArray::new(field, OffsetBuffer::new(offsets), items, nulls))
        }
    };
    if valid.is_some_and(|valid| valid.len() != array.len() || valid.iter().any(|&flag| flag > 1)) {
        return Err(ImageError::new("valid", "is not one flag a value"));
    }
    image.end()?;
    Ok(array)
}

fn nulls_of(valid: Option<&[u8]>, count: usize) -> Result<Option<NullBuffer>, ImageError> {
    let Some(valid) = valid else { return Ok(None) };
    if valid.len() != count {
        return Err(ImageError::new("valid", "is not one flag a value"));
    }
    Ok(Some(valid.iter().map(|&flag| flag == 1).collect()))
}

fn take_numbers<T>(
    image: &mut Image,
    valid: Option<&[u8]>,
    data_type: &DataType,
) -> Result<ArrayRef, ImageError>
where
    T: ArrowPrimitiveType,
    T::Native: Flat,
{
    let values: Vec<T::Native> = image.take("values")?;
    let nulls = nulls_of(valid, values.len())?;
    let array = PrimitiveArray::<T>::new(values.into(), nulls);
    Ok(Arc::new(array.with_data_type(data_type.arrow())))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::sync::Arc;

    use arrow_array::builder::{Int64Builder, ListBuilder};
    use arrow_array::{
        Array, ArrayRef, BinaryViewArray, BooleanArray, Decimal128Array, Float64Array,
        IntervalMonthDayNanoArray, StringViewArray, UInt64Array,
    };
    use arrow_buffer::IntervalMonthDayNano;

    use crate::image::Image;
    use crate::{Batch, DataType};

    fn arrays() -> Vec<(ArrayRef, DataType)> {
        let decimals = Decimal128Array::from(vec![Some(1), None, Some(-7)]);
        let decimals = decimals.with_precision_and_scale(20, 3).unwrap();
        let long = "a text of more than twelve bytes";
        let mut lists = ListBuilder::new(Int64Builder::new());
        lists.append_value([Some(1), None, Some(3)]);
        lists.append(false);
        lists.append_value([Some(4)]);
        let span = IntervalMonthDayNano::new(1, -2, 3);
        vec![
            (Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)])), DataType::Boolean),
            (Arc::new(decimals), DataType::Decimal { precision: 20, scale: 3 }),
            (Arc::new(Float64Array::from(vec![f64::NEG_INFINITY, -0.0, 1e-300])), DataType::Double),
            (
                Arc::new(IntervalMonthDayNanoArray::from(vec![Some(span), None, None])),
                DataType::Interval,
            ),
            (Arc::new(StringViewArray::from(vec![Some(long), None, Some("")])), DataType::Varchar),
            (
                Arc::new(BinaryViewArray::from(vec![Some(&b"\xff"[..]), None, Some(b"")])),
                DataType::Varbinary,
            ),
            (Arc::new(lists.finish()), DataType::Array(Box::new(DataType::BigInt))),
        ]
    }

    #[test]
    fn columns_of_every_kind_come_back() {
        for (array, data_type) in arrays() {
            for slice in [array.slice(0, 3), array.slice(1, 2), array.slice(3, 0)] {
                let mut image = Image::new();
                image.put_array("column", &slice, &data_type);
                let back = image.take_array("column", &data_type).unwrap();
                assert_eq!(&back, &slice, "{data_type}");
                image.end().unwrap();
            }
        }
    }

    #[test]
    fn a_decimal_of_too_many_digits_is_refused() {
        let decimals = Decimal128Array::from(vec![999, -1000]);
        let decimals = decimals.with_precision_and_scale(4, 1).unwrap();
        let mut image = Image::new();
        image.put_array("sums", &decimals, &DataType::Decimal { precision: 4, scale: 1 });
        let narrow = DataType::Decimal { precision: 3, scale: 1 };
        let error = image.take_array("sums", &narrow).unwrap_err();
        assert_eq!(error.to_string(), "sums/values: holds one that is no DECIMAL(3,1)");
    }

    #[test]
    fn rows_come_back_with_their_offsets() {
        let (columns, types): (Vec<_>, Vec<_>) = arrays().into_iter().unzip();
        let batch = Batch::new(columns, UInt64Array::from(vec![3, 5, 9]));
        let mut image = Image::new();
        image.put_batch("rows", &batch, &types);
        let back = image.clone().take_batch("rows", &types).unwrap();
        assert_eq!(back.columns(), batch.columns());
        assert_eq!(back.offsets(), batch.offsets());
        let error = image.take_batch("rows", &types[1..]).unwrap_err();
        assert_eq!(error.to_string(), "rows/columns: has 7 columns and not 6");
    }

    #[test]
    fn what_stands_under_a_null_does_not_show() {
        let nulls = vec![true, false].into();
        let one = Float64Array::new(vec![1.0, 2.0].into(), Some(nulls));
        let other = Float64Array::from(vec![Some(1.0), None]);
        let image = |array: &Float64Array| {
            let mut image = Image::new();
            image.put_array("column", array, &DataType::Double);
            image
        };
        assert_eq!(image(&one), image(&other));
    }

    #[test]
    fn damage_is_named() {
        let damaged = |fix: fn(&mut Image), data_type: &DataType| {
            let mut inner = Image::new();
            fix(&mut inner);
            let mut image = Image::new();
            image.put_image("column", inner);
            image.take_array("column", data_type).unwrap_err().to_string()
        };
        let said = damaged(|image| image.put("values", [1_i32]), &DataType::BigInt);
        assert_eq!(said, "column/values: is no column of 8-byte numbers");
        let said = damaged(|image| image.put_texts("values", [&b"\xff"[..]]), &DataType::Varchar);
        assert_eq!(said, "column/values: is not UTF-8");
        let list = DataType::Array(Box::new(DataType::BigInt));
        let said = damaged(
            |image| {
                image.put("ends", [2_u64]);
                let mut items = Image::new();
                items.put("values", [1_i64]);
                image.put_image("items", items);
            },
            &list,
        );
        assert_eq!(said, "column/ends: does not end where the items do");
        let said = damaged(
            |image| {
                image.put("values", [1_i64, 2]);
                image.put_flags("valid", [true]);
            },
            &DataType::BigInt,
        );
        assert_eq!(said, "column/valid: is not one flag a value");
    }
}
