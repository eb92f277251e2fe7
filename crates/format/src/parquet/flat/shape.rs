//! Which columns are read here, and as what.

use ::parquet::basic::{
    ConvertedType, Encoding, LogicalType, TimeUnit as StoredUnit, Type as PhysicalType,
};
use ::parquet::file::metadata::ColumnChunkMetaData;
use ::parquet::schema::types::ColumnDescriptor;
use arrow_schema::{DataType as ArrowType, TimeUnit};
use tidemill_record::DataType;

use crate::parquet::columns::{Column, Trait};
use crate::unpack::Packing;

/// How a column is read here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Boolean,
    Integer,
    BigInt,
    Date,
    Timestamp(TimeUnit),
    Real,
    Double,
    /// Of 32 bits, of 64, or of so many bytes.
    Decimal32(u8, u8),
    Decimal64(u8, u8),
    ByteDecimal(u8, u8, usize),
    Varchar,
    Varbinary,
}

impl Shape {
    /// How a column becomes this type; `None` where that is `parquet`'s to read.
    pub(crate) fn of(column: &Column, leaf: &ColumnDescriptor, to: &DataType) -> Option<Self> {
        let is_flat = column.leaves.len() == 1
            && column.depth == 0
            && leaf.max_rep_level() == 0
            && leaf.max_def_level() <= 1;
        if !is_flat || column.trait_ != Trait::Plain {
            return None;
        }
        let found = column.field.as_ref()?.data_type();
        let stored = leaf.physical_type();
        Some(match (stored, found, to) {
            (PhysicalType::BOOLEAN, ArrowType::Boolean, DataType::Boolean) => Self::Boolean,
            (PhysicalType::INT32, ArrowType::Int32, DataType::Integer) => Self::Integer,
            (PhysicalType::INT32, ArrowType::Date32, DataType::Date) => Self::Date,
            (PhysicalType::INT64, ArrowType::Int64, DataType::BigInt) => Self::BigInt,
            (PhysicalType::INT64, ArrowType::Timestamp(unit, _), DataType::Timestamp)
                if stored_unit(leaf) == Some(*unit) =>
            {
                Self::Timestamp(*unit)
            }
            (PhysicalType::FLOAT, ArrowType::Float32, DataType::Real) => Self::Real,
            (PhysicalType::DOUBLE, ArrowType::Float64, DataType::Double) => Self::Double,
            (_, ArrowType::Decimal128(..), DataType::Decimal { precision, scale })
                if *found == to.arrow()
                    && leaf.type_precision() == i32::from(*precision)
                    && leaf.type_scale() == i32::from(*scale) =>
            {
                let (precision, scale) = (*precision, *scale);
                match stored {
                    PhysicalType::INT32 => Self::Decimal32(precision, scale),
                    PhysicalType::INT64 => Self::Decimal64(precision, scale),
                    PhysicalType::FIXED_LEN_BYTE_ARRAY => {
                        let byte_count = usize::try_from(leaf.type_length()).ok();
                        let byte_count = byte_count.filter(|count| (1..=16).contains(count))?;
                        Self::ByteDecimal(precision, scale, byte_count)
                    }
                    _ => return None,
                }
            }
            (
                PhysicalType::BYTE_ARRAY,
                ArrowType::Utf8 | ArrowType::LargeUtf8 | ArrowType::Utf8View,
                DataType::Varchar,
            ) => Self::Varchar,
            (
                PhysicalType::BYTE_ARRAY,
                ArrowType::Binary | ArrowType::LargeBinary | ArrowType::BinaryView,
                DataType::Varbinary,
            ) => Self::Varbinary,
            _ => return None,
        })
    }

    /// How the pages of a column are packed, where all are in ways that are read here, as the footer says.
    #[expect(deprecated, reason = "old files have definition levels so")]
    pub(crate) fn packing(self, chunk: &ColumnChunkMetaData) -> Option<Packing> {
        let are_known = chunk.encodings().all(|encoding| {
            matches!(
                encoding,
                Encoding::PLAIN
                    | Encoding::RLE
                    | Encoding::BIT_PACKED
                    | Encoding::RLE_DICTIONARY
                    | Encoding::PLAIN_DICTIONARY
            )
        });
        Packing::of(chunk.compression()).filter(|_| are_known)
    }
}

/// The unit in which the times of a column stand in the file.
fn stored_unit(leaf: &ColumnDescriptor) -> Option<TimeUnit> {
    match (leaf.logical_type_ref(), leaf.converted_type()) {
        (Some(LogicalType::Timestamp(time)), _) => Some(match time.unit {
            StoredUnit::MILLIS => TimeUnit::Millisecond,
            StoredUnit::MICROS => TimeUnit::Microsecond,
            StoredUnit::NANOS => TimeUnit::Nanosecond,
        }),
        (None, ConvertedType::TIMESTAMP_MILLIS) => Some(TimeUnit::Millisecond),
        (None, ConvertedType::TIMESTAMP_MICROS) => Some(TimeUnit::Microsecond),
        _ => None,
    }
}
