//! Arrow IPC, the stream format and (its magic skipped, its footer ignored) the file format.
//!
//! [`framing`] follows the messages, [`decode`] makes batches of them, [`convert`] brings columns
//! that come with a type of their own to the declared one (Parquet's too), [`encode`] writes
//! streams.

pub(crate) mod convert;
pub(crate) mod decode;
pub(crate) mod encode;
pub(crate) mod framing;

use tidemill_record::{DataType, Field, Schema};

use crate::FormatError;

/// The SQL schema of Arrow fields; columns that no SQL type holds are left out, unless none is
/// left.
///
/// # Errors
/// [`FormatError::UnsupportedColumn`] names the first column if no column can be read.
pub(crate) fn sql_schema(schema: &arrow_schema::Schema) -> Result<Schema, FormatError> {
    let field = |field: &arrow_schema::FieldRef| {
        let data_type = DataType::from_arrow(field.data_type())?;
        Some(Field { name: field.name().clone(), data_type, is_nullable: field.is_nullable() })
    };
    let fields: Vec<Field> = schema.fields().iter().filter_map(field).collect();
    match schema.fields().first() {
        Some(first) if fields.is_empty() => Err(FormatError::UnsupportedColumn {
            column: first.name().clone(),
            reason: format!("no SQL type holds {}", first.data_type()),
        }),
        _ => Ok(Schema::new(fields)),
    }
}
