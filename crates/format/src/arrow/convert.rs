//! Columns that come with an Arrow type of their own, brought to the declared SQL type.
//!
//! Allowed is what loses nothing or can be checked value by value: a value that does not fit makes
//! its record bad. Nanoseconds are cut off to microseconds, rounding down; time zones are dropped,
//! for the values are UTC already.

use std::sync::Arc;

use arrow_array::BooleanArray;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Date64Type, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType,
};
use arrow_array::{Array, ArrayRef, PrimitiveArray, RecordBatch, UInt64Array};
use arrow_buffer::NullBuffer;
use arrow_cast::{CastOptions, can_cast_types, cast_with_options};
use arrow_schema::{DataType as ArrowType, TimeUnit};
use arrow_select::filter::filter;
use tidemill_record::{BadRecord, Batch, DataType, Field, Offset, Schema};

use crate::FormatError;

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// Where the needed columns stand in the input, and what they are to become.
pub(crate) struct Conversion {
    columns: Vec<(usize, Field)>,
}

impl Conversion {
    /// Matches the needed columns with the input's by name.
    ///
    /// # Errors
    /// [`FormatError::MissingColumn`], [`FormatError::DuplicateColumn`],
    /// [`FormatError::UnsupportedColumn`], [`FormatError::TypeMismatch`]
    pub(crate) fn new(
        input: &arrow_schema::Schema,
        schema: &Schema,
        columns: &[usize],
    ) -> Result<Self, FormatError> {
        let find = |&column: &usize| {
            let field = &schema.fields[column];
            let is_meant = |found: &arrow_schema::FieldRef| *found.name() == field.name;
            if input.fields().iter().filter(|found| is_meant(found)).count() > 1 {
                return Err(FormatError::DuplicateColumn { column: field.name.clone() });
            }
            let at = input.fields().iter().position(is_meant);
            let at = at.ok_or_else(|| {
                let names: Vec<String> =
                    input.fields().iter().map(|found| found.name().clone()).collect();
                FormatError::missing_column(&field.name, &names)
            })?;
            check_type(input.field(at).data_type(), field)?;
            Ok((at, field.clone()))
        };
        Ok(Self { columns: columns.iter().map(find).collect::<Result<_, _>>()? })
    }

    /// Positions of the needed columns in the input.
    pub(crate) fn positions(&self) -> impl Iterator<Item = usize> {
        self.columns.iter().map(|(at, _)| *at)
    }

    /// Makes a batch of the rows, which are numbered from `start`; `position` gives the place of
    /// an input column in the record batch. Rows that do not fit are pushed to `bad`.
    ///
    /// # Errors
    /// [`FormatError::Arrow`] where a column cannot be cast as a whole.
    pub(crate) fn apply(
        &self,
        rows: &RecordBatch,
        position: impl Fn(usize) -> usize,
        start: u64,
        bad: &mut Vec<BadRecord>,
    ) -> Result<Batch, FormatError> {
        let row_count = rows.num_rows();
        let mut faults: Vec<(usize, &Field, String)> = Vec::new();
        let mut columns = Vec::with_capacity(self.columns.len());
        for (at, field) in &self.columns {
            let array = rows.column(position(*at));
            let column = cast(array, &field.data_type).map_err(|source| FormatError::Arrow {
                what: format!("converting column {} to {}", field.name, field.data_type),
                position: start,
                source,
            })?;
            note_faults(array, &column, field, &mut faults);
            columns.push(column);
        }
        let mut offsets = UInt64Array::from_iter_values((start..).take(row_count));
        if !faults.is_empty() {
            faults.sort_by_key(|(row, ..)| *row);
            faults.dedup_by_key(|(row, ..)| *row);
            let mut keep = vec![true; row_count];
            for (row, field, reason) in faults {
                keep[row] = false;
                bad.push(BadRecord {
                    offset: Offset(start + row as u64),
                    field: Some(field.name.clone()),
                    reason,
                    raw: None,
                });
            }
            let keep = BooleanArray::from(keep);
            for column in &mut columns {
                *column = filter(column, &keep).expect("as many rows as the filter");
            }
            let kept = filter(&offsets, &keep).expect("as many rows as the filter");
            offsets = kept.as_primitive().clone();
        }
        Ok(Batch::new(columns, offsets))
    }
}

/// Notes each row whose value became NULL, or is NULL where that is not allowed.
fn note_faults<'a>(
    input: &ArrayRef,
    output: &ArrayRef,
    field: &'a Field,
    faults: &mut Vec<(usize, &'a Field, String)>,
) {
    let Some(nulls) = output.nulls().filter(|nulls| nulls.null_count() > 0) else { return };
    let input_nulls = input.logical_nulls();
    let input_null_count = input_nulls.as_ref().map_or(0, NullBuffer::null_count);
    if field.is_nullable && input_null_count == nulls.null_count() {
        return;
    }
    for row in (0..nulls.len()).filter(|row| nulls.is_null(*row)) {
        if !input_nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
            faults.push((row, field, format!("a value is out of range for {}", field.data_type)));
        } else if !field.is_nullable {
            let reason = format!("NULL in column {}, which is NOT NULL", field.name);
            faults.push((row, field, reason));
        }
    }
}

/// # Errors
/// [`FormatError::UnsupportedColumn`], [`FormatError::TypeMismatch`]
fn check_type(input: &ArrowType, field: &Field) -> Result<(), FormatError> {
    let declared = &field.data_type;
    let Some(natural) = DataType::from_arrow(input) else {
        return Err(FormatError::UnsupportedColumn {
            column: field.name.clone(),
            reason: format!("no SQL type holds {input}"),
        });
    };
    let is_allowed = natural == *declared
        || match (&natural, declared) {
            (from, to) if from.is_integer() && to.is_numeric() => true,
            (DataType::Real, DataType::Double) | (DataType::Date, DataType::Timestamp) => true,
            (DataType::Decimal { scale, .. }, DataType::Decimal { scale: to, .. }) => scale <= to,
            (DataType::Decimal { scale: 0, .. }, to) if to.is_integer() => true,
            (DataType::Decimal { .. }, DataType::Double) => true,
            _ => false,
        };
    if is_allowed && (is_converted_here(input) || can_cast_types(input, &declared.arrow())) {
        return Ok(());
    }
    Err(FormatError::TypeMismatch {
        column: field.name.clone(),
        declared: declared.to_string(),
        found: natural.to_string(),
    })
}

/// Whether no value of the type can fail to convert to the SQL type.
pub(crate) fn is_infallible(input: &ArrowType, to: &DataType) -> bool {
    let may_overflow = matches!(
        input,
        ArrowType::Timestamp(TimeUnit::Second | TimeUnit::Millisecond, _) | ArrowType::Date64
    );
    DataType::from_arrow(input).as_ref() == Some(to) && !may_overflow
}

fn is_converted_here(input: &ArrowType) -> bool {
    matches!(input, ArrowType::Timestamp(_, _) | ArrowType::Date32 | ArrowType::Date64)
}

/// The array as the type, with NULL where a value does not fit.
pub(crate) fn cast(array: &ArrayRef, to: &DataType) -> Result<ArrayRef, arrow_schema::ArrowError> {
    let target = to.arrow();
    if *array.data_type() == target {
        return Ok(Arc::clone(array));
    }
    Ok(match array.data_type() {
        ArrowType::Timestamp(unit, _) => Arc::new(micros(array, *unit)),
        ArrowType::Date32 | ArrowType::Date64 => {
            let days = days(array);
            if *to == DataType::Timestamp {
                let micros = |days| i64::from(days).checked_mul(MICROS_PER_DAY);
                Arc::new(days.unary_opt::<_, TimestampMicrosecondType>(micros))
            } else {
                Arc::new(days)
            }
        }
        // Dictionaries are unpacked first, so that the values take the ways above.
        ArrowType::Dictionary(_, value) if is_converted_here(value) => {
            let unpacked = cast_with_options(array, value, &CastOptions::default())?;
            cast(&unpacked, to)?
        }
        _ => cast_with_options(array, &target, &CastOptions { safe: true, ..Default::default() })?,
    })
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

fn days(array: &ArrayRef) -> PrimitiveArray<Date32Type> {
    match array.as_primitive_opt::<Date32Type>() {
        Some(days) => days.clone(),
        None => array
            .as_primitive::<Date64Type>()
            .unary_opt(|millis| i32::try_from(millis.div_euclid(86_400_000)).ok()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn two_columns_of_one_name_are_not_taken_for_one() {
        let field = |name: &str| arrow_schema::Field::new(name, ArrowType::Int64, true);
        let input = arrow_schema::Schema::new(vec![field("a"), field("a"), field("b")]);
        let schema = crate::arrow::sql_schema(&input).unwrap();
        let needs = |columns: &[usize]| Conversion::new(&input, &schema, columns);
        assert_eq!(needs(&[2]).unwrap().positions().collect::<Vec<_>>(), [2]);
        for column in [0, 1] {
            let refused = needs(&[column, 2]).err();
            assert!(
                matches!(&refused, Some(FormatError::DuplicateColumn { column }) if column == "a"),
                "{refused:?}"
            );
        }
    }
}
