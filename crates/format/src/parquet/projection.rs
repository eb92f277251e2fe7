//! Which leaves a query needs, and as what they are read.
//!
//! `parquet` is given a schema of its own making that has the needed columns only, as they are read
//! best: texts as views, an `INTERVAL` as its 12 bytes, and an `INT96` twice, as seconds and as
//! nanoseconds, for only both together have its range and its digits.

use std::sync::Arc;

use ::parquet::arrow::{FieldLevels, ProjectionMask, parquet_to_arrow_field_levels};
use ::parquet::basic::ConvertedType;
use ::parquet::errors::ParquetError;
use ::parquet::schema::types::{Type, TypePtr};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{ArrowError, DataType, FieldRef, Fields, TimeUnit};

use super::columns::{Column, Trait, schema_of};
use crate::arrow::members::member;
use crate::arrow::values::{Encoding, Found};

/// The needed columns of a file.
pub(super) struct Projection {
    /// As `parquet` knows them.
    pub(super) levels: FieldLevels,
    /// For each leaf of `levels`, the leaf of the file.
    pub(super) leaves: Vec<usize>,
    /// For each needed column what its type does not say, and where its second reading stands.
    readings: Vec<(Trait, usize)>,
    /// For each column that is read, how many structs are around it.
    depths: Vec<usize>,
}

impl Projection {
    /// # Errors
    /// What `parquet` says of a type.
    ///
    /// # Cost
    /// O(needed columns).
    pub(super) fn new(needed: &[&Column]) -> Result<Self, ParquetError> {
        let (mut types, mut hints, mut leaves) = (Vec::new(), Vec::<FieldRef>::new(), Vec::new());
        let mut depths = Vec::with_capacity(needed.len());
        let mut add = |column: &Column, unit: TimeUnit| -> Result<(), ParquetError> {
            let field = column.field.as_ref().ok_or_else(|| {
                ParquetError::General(format!("{} has no type", column.parquet_type.name()))
            })?;
            let data_type = hint(field.data_type(), column.trait_, unit, true);
            hints.push(Arc::new(field.as_ref().clone().with_data_type(data_type)));
            types.push(if column.trait_ == Trait::Interval {
                without_intervals(&column.parquet_type)?
            } else {
                Arc::clone(&column.parquet_type)
            });
            leaves.extend(column.leaves.clone());
            depths.push(column.depth);
            Ok(())
        };
        needed.iter().try_for_each(|column| add(column, TimeUnit::Second))?;
        let mut readings = Vec::with_capacity(needed.len());
        let mut place = needed.len();
        for column in needed {
            readings.push((column.trait_, place));
            if column.trait_ == Trait::Int96 {
                add(column, TimeUnit::Nanosecond)?;
                place += 1;
            }
        }
        let hints = Fields::from(hints);
        let levels =
            parquet_to_arrow_field_levels(&schema_of(types)?, ProjectionMask::all(), Some(&hints))?;
        Ok(Self { levels, leaves, readings, depths })
    }

    /// What was read, without the structs around members.
    ///
    /// # Errors
    /// It is not of the types that were asked for.
    pub(super) fn members(&self, rows: &RecordBatch) -> Result<Vec<ArrayRef>, ArrowError> {
        let within = |(array, depth): (&ArrayRef, &usize)| member(array, &vec![0; *depth]);
        rows.columns().iter().zip(&self.depths).map(within).collect()
    }

    /// The needed columns of what [`Self::members`] gave, in order.
    pub(super) fn found<'a>(&self, read: &'a [ArrayRef]) -> Vec<Found<'a>> {
        let of = |(array, (trait_, second)): (&'a ArrayRef, &(Trait, usize))| {
            let encoding = match trait_ {
                Trait::Plain | Trait::ByteDecimal => Encoding::Plain,
                Trait::Interval => Encoding::ParquetInterval,
                Trait::Int96 => Encoding::Int96 { nanos: &read[*second] },
            };
            Found { array, encoding }
        };
        read.iter().zip(&self.readings).map(of).collect()
    }
}

/// The Arrow type that a column is to be read as.
fn hint(data_type: &DataType, trait_: Trait, unit: TimeUnit, is_top: bool) -> DataType {
    let item = |field: &FieldRef| -> FieldRef {
        let data_type = hint(field.data_type(), trait_, unit, false);
        Arc::new(field.as_ref().clone().with_data_type(data_type))
    };
    match (data_type, trait_) {
        (DataType::Struct(fields), _) => {
            let within = |field: &FieldRef| -> FieldRef {
                let data_type = hint(field.data_type(), trait_, unit, is_top);
                Arc::new(field.as_ref().clone().with_data_type(data_type))
            };
            DataType::Struct(fields.iter().map(within).collect())
        }
        (DataType::List(field), _) => DataType::List(item(field)),
        (DataType::LargeList(field), _) => DataType::LargeList(item(field)),
        (DataType::FixedSizeList(field, length), _) => {
            DataType::FixedSizeList(item(field), *length)
        }
        (DataType::Utf8 | DataType::LargeUtf8, _) if is_top => DataType::Utf8View,
        (DataType::Binary | DataType::LargeBinary, _) if is_top => DataType::BinaryView,
        (DataType::Timestamp(_, _), Trait::Int96) => DataType::Timestamp(unit, None),
        (DataType::Interval(_), Trait::Interval) => DataType::FixedSizeBinary(12),
        // A value of more bytes than the precision needs is no reason to refuse the file.
        (DataType::Decimal128(precision, scale), Trait::ByteDecimal) => {
            DataType::Decimal256(*precision, *scale)
        }
        (other, _) => other.clone(),
    }
}

/// The type with plain bytes in place of an `INTERVAL`.
fn without_intervals(parquet_type: &TypePtr) -> Result<TypePtr, ParquetError> {
    let info = parquet_type.get_basic_info();
    let repetition = info.repetition();
    Ok(Arc::new(match parquet_type.as_ref() {
        Type::PrimitiveType { physical_type, type_length, .. } => {
            if info.converted_type() != ConvertedType::INTERVAL {
                return Ok(Arc::clone(parquet_type));
            }
            Type::primitive_type_builder(info.name(), *physical_type)
                .with_repetition(repetition)
                .with_length(*type_length)
                .build()?
        }
        Type::GroupType { fields, .. } => {
            let fields = fields.iter().map(without_intervals).collect::<Result<_, _>>()?;
            Type::group_type_builder(info.name())
                .with_repetition(repetition)
                .with_converted_type(info.converted_type())
                .with_logical_type(info.logical_type_ref().cloned())
                .with_fields(fields)
                .build()?
        }
    }))
}
