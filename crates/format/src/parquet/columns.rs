//! The columns of a file's schema: their Arrow types, and which leaves they take.
//!
//! Bytes are found by *leaf*, a column of the file that holds values; a query speaks of the columns at
//! the top of the schema. A group without members has no leaf and is no column of anything.

use std::ops::Range;
use std::sync::Arc;

use ::parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use ::parquet::arrow::parquet_to_arrow_schema;
use ::parquet::basic::ConvertedType;
use ::parquet::basic::Type as PhysicalType;
use ::parquet::errors::ParquetError;
use ::parquet::file::metadata::ParquetMetaData;
use ::parquet::schema::types::{SchemaDescriptor, Type, TypePtr};
use arrow_schema::{DataType, FieldRef};

use crate::arrow::FoundColumn;

/// A column at the top of the schema that has leaves.
#[derive(Clone, Debug)]
pub(super) struct Column {
    /// Its type in the file.
    pub(super) parquet_type: TypePtr,
    /// Its leaves.
    pub(super) leaves: Range<usize>,
    /// What `parquet` makes of it, where it can.
    pub(super) field: Option<FieldRef>,
    pub(super) trait_: Trait,
}

/// What the Arrow type of a column does not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trait {
    Plain,
    /// Its values are `INT96`, whose range is wider than that of nanoseconds.
    Int96,
    /// Its values are `INTERVAL`, of which `parquet` gives parts only.
    Interval,
    /// Its values are decimals of any number of bytes.
    ByteDecimal,
}

/// The columns of a file, and the same as they are matched with a query's.
///
/// # Errors
/// No column has an Arrow type.
///
/// # Cost
/// O(leaves).
pub(super) fn columns(
    metadata: &Arc<ParquetMetaData>,
) -> Result<(Vec<Column>, Vec<FoundColumn>), ParquetError> {
    let descriptor = metadata.file_metadata().schema_descr();
    let mut columns: Vec<Column> = Vec::new();
    let mut leaf = 0;
    for parquet_type in descriptor.root_schema().get_fields() {
        let leaves = leaf..leaf + leaf_count(parquet_type);
        leaf = leaves.end;
        if !leaves.is_empty() {
            let trait_ = trait_of(descriptor, &leaves);
            let parquet_type = Arc::clone(parquet_type);
            columns.push(Column { parquet_type, leaves, field: None, trait_ });
        }
    }
    assert_eq!(
        leaf,
        descriptor.num_columns(),
        "the leaves below the columns are those of the file"
    );
    let fields = arrow_fields(metadata).filter(|fields| fields.len() == columns.len());
    let mut found = Vec::with_capacity(columns.len());
    for (at, column) in columns.iter_mut().enumerate() {
        let field = match &fields {
            Some(fields) => Ok(Arc::clone(&fields[at])),
            None => field_alone(&column.parquet_type),
        }
        .map(without_dictionary);
        found.push(match &field {
            Ok(field) => FoundColumn {
                name: field.name().clone(),
                data_type: Ok(field.data_type().clone()),
                is_nullable: field.is_nullable(),
            },
            Err(error) => FoundColumn {
                name: column.parquet_type.name().to_owned(),
                data_type: Err(error.to_string()),
                is_nullable: true,
            },
        });
        column.field = field.ok();
    }
    Ok((columns, found))
}

/// A writer may have had a dictionary; the file holds its values.
fn without_dictionary(field: FieldRef) -> FieldRef {
    match field.data_type() {
        DataType::Dictionary(_, value) => {
            Arc::new(field.as_ref().clone().with_data_type(value.as_ref().clone()))
        }
        _ => field,
    }
}

/// The types of all columns with leaves, also by the Arrow schema that a writer may have left; `None`
/// if some column has none.
fn arrow_fields(metadata: &Arc<ParquetMetaData>) -> Option<arrow_schema::Fields> {
    let with = |options| ArrowReaderMetadata::try_new(Arc::clone(metadata), options).ok();
    let read = with(ArrowReaderOptions::new())
        .or_else(|| with(ArrowReaderOptions::new().with_skip_arrow_metadata(true)))?;
    Some(read.schema().fields().clone())
}

/// The type of one column by itself.
fn field_alone(parquet_type: &TypePtr) -> Result<FieldRef, ParquetError> {
    let descriptor = schema_of(vec![Arc::clone(parquet_type)])?;
    let schema = parquet_to_arrow_schema(&descriptor, None)?;
    let field = schema.fields().first().cloned();
    field.ok_or_else(|| ParquetError::General("it holds no values".to_owned()))
}

/// A schema of these columns.
pub(super) fn schema_of(columns: Vec<TypePtr>) -> Result<SchemaDescriptor, ParquetError> {
    let root = Type::group_type_builder("schema").with_fields(columns).build()?;
    Ok(SchemaDescriptor::new(Arc::new(root)))
}

fn leaf_count(parquet_type: &TypePtr) -> usize {
    if parquet_type.is_primitive() {
        return 1;
    }
    parquet_type.get_fields().iter().map(leaf_count).sum()
}

/// Only columns of one leaf have a SQL type, so that the first one tells.
fn trait_of(descriptor: &SchemaDescriptor, leaves: &Range<usize>) -> Trait {
    let leaf = descriptor.column(leaves.start);
    match (leaf.physical_type(), leaf.converted_type()) {
        (PhysicalType::INT96, _) => Trait::Int96,
        (PhysicalType::FIXED_LEN_BYTE_ARRAY, ConvertedType::INTERVAL) => Trait::Interval,
        (PhysicalType::BYTE_ARRAY, ConvertedType::DECIMAL) => Trait::ByteDecimal,
        _ => Trait::Plain,
    }
}
