//! The columns of a file's schema: their Arrow types, and which leaves they take.
//!
//! Bytes are found by *leaf*, a column of the file that holds values; a query speaks of the columns at
//! the top of the schema. A group without members has no leaf and is no column of anything.

use std::ops::Range;
use std::sync::Arc;

use ::parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use ::parquet::arrow::parquet_to_arrow_schema;
use ::parquet::basic::Type as PhysicalType;
use ::parquet::basic::{ConvertedType, Repetition};
use ::parquet::errors::ParquetError;
use ::parquet::file::metadata::ParquetMetaData;
use ::parquet::schema::types::{SchemaDescriptor, Type, TypePtr};
use arrow_schema::{DataType, FieldRef};

use crate::arrow::FoundColumn;
use crate::arrow::members::{is_any_read, member_name};

/// A column at the top of the schema that has leaves, or a member of a struct there.
#[derive(Clone, Debug)]
pub(super) struct Column {
    /// Its type in the file; of a member the structs around it, with no other member.
    pub(super) parquet_type: TypePtr,
    /// Its leaves.
    pub(super) leaves: Range<usize>,
    /// What `parquet` makes of it, where it can.
    pub(super) field: Option<FieldRef>,
    pub(super) trait_: Trait,
    /// How many structs are around it.
    pub(super) depth: usize,
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
            columns.push(Column { parquet_type, leaves, field: None, trait_, depth: 0 });
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
    Ok(with_members(descriptor, columns, found))
}

/// The same with the members of structs in the place of those of which some member can be read.
fn with_members(
    descriptor: &SchemaDescriptor,
    columns: Vec<Column>,
    found: Vec<FoundColumn>,
) -> (Vec<Column>, Vec<FoundColumn>) {
    if !columns.iter().any(|column| is_struct(&column.parquet_type)) {
        return (columns, found);
    }
    let mut all = (Vec::with_capacity(columns.len()), Vec::with_capacity(found.len()));
    for (column, found) in columns.into_iter().zip(found) {
        let mut members =
            Members { descriptor, around: Vec::new(), made: (Vec::new(), Vec::new()) };
        let leaf = column.leaves.start;
        if is_struct(&column.parquet_type)
            && members.add(&column.parquet_type, column.field.as_deref(), "", leaf)
            && is_any_read(&members.made.1)
        {
            all.0.append(&mut members.made.0);
            all.1.append(&mut members.made.1);
        } else {
            all.0.push(column);
            all.1.push(found);
        }
    }
    all
}

/// Whether it is a group of members that each value has once.
fn is_struct(parquet_type: &TypePtr) -> bool {
    let info = parquet_type.get_basic_info();
    parquet_type.is_group()
        && info.converted_type() == ConvertedType::NONE
        && info.logical_type_ref().is_none()
        && (!info.has_repetition() || info.repetition() != Repetition::REPEATED)
}

/// The members of a struct as columns.
struct Members<'a> {
    descriptor: &'a SchemaDescriptor,
    /// The structs around the next one, the outermost first.
    around: Vec<TypePtr>,
    made: (Vec<Column>, Vec<FoundColumn>),
}

impl Members<'_> {
    /// Adds what begins at this leaf; `field` is what `parquet` makes of it. `false` where a name is too long.
    fn add(
        &mut self,
        parquet_type: &TypePtr,
        field: Option<&arrow_schema::Field>,
        prefix: &str,
        leaf: usize,
    ) -> bool {
        let Some(name) = member_name(prefix, parquet_type.name()) else { return false };
        let count = leaf_count(parquet_type);
        if !is_struct(parquet_type) {
            self.make(parquet_type, field, name, leaf..leaf + count);
            return true;
        }
        let members = parquet_type.get_fields().iter().filter(|member| leaf_count(member) > 0);
        let fields = match field.map(arrow_schema::Field::data_type) {
            Some(DataType::Struct(fields)) if fields.len() == members.clone().count() => {
                Some(fields)
            }
            _ => None,
        };
        self.around.push(Arc::clone(parquet_type));
        let mut leaf = leaf;
        let are_added = members.enumerate().all(|(at, member)| {
            let field = fields.map(|fields| fields[at].as_ref());
            let is_added = self.add(member, field, &name, leaf);
            leaf += leaf_count(member);
            is_added
        });
        self.around.pop();
        are_added
    }

    fn make(
        &mut self,
        parquet_type: &TypePtr,
        field: Option<&arrow_schema::Field>,
        name: String,
        leaves: Range<usize>,
    ) {
        let field = match field {
            Some(field) => Ok(Arc::new(field.clone())),
            None => field_alone(parquet_type),
        }
        .map(without_dictionary);
        let mut is_nullable = field.as_ref().map_or(true, |field| field.is_nullable());
        let data_type = match &field {
            Ok(field) => Ok(field.data_type().clone()),
            Err(error) => Err(error.to_string()),
        };
        let (mut whole, mut whole_type) = (field.ok(), Ok(Arc::clone(parquet_type)));
        for around in self.around.iter().rev() {
            let info = around.get_basic_info();
            let may_be_null = !info.has_repetition() || info.repetition() != Repetition::REQUIRED;
            is_nullable |= may_be_null;
            whole = whole.map(|field| {
                let members = DataType::Struct(vec![field].into());
                Arc::new(arrow_schema::Field::new(around.name(), members, may_be_null))
            });
            whole_type = whole_type.and_then(|member: TypePtr| {
                let group = Type::group_type_builder(around.name()).with_fields(vec![member]);
                let group = match info.has_repetition() {
                    true => group.with_repetition(info.repetition()),
                    false => group,
                };
                group.build().map(Arc::new)
            });
        }
        let Ok(parquet_type) = whole_type else { return };
        let trait_ = trait_of(self.descriptor, &leaves);
        let depth = self.around.len();
        self.made.0.push(Column { parquet_type, leaves, field: whole, trait_, depth });
        self.made.1.push(FoundColumn { name, data_type, is_nullable });
    }
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
