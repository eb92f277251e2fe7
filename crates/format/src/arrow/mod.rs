//! Arrow IPC, the stream format and the file format, which is a stream between a magic and a footer.
//!
//! [`framing`] follows the messages, [`messages`] makes record batches of them and [`trailer`] holds a
//! file's footer against them, [`footer`] reads files by it, and [`needed`] says which bytes of a message that takes; [`decode`] makes batches, [`filtered`] of the rows that stay, [`convert`] and [`values`] bring columns that
//! come with a type of their own to the declared one (Parquet's too), [`encode`] writes streams. What
//! becomes of values is said by kind: [`numbers`], [`decimals`], [`views`] of text and bytes, [`lists`];
//! [`members`] of structs are columns of their own.

pub(crate) mod convert;
pub(crate) mod decimals;
pub(crate) mod decode;
pub(crate) mod encode;
mod filtered;
pub(crate) mod footer;
pub(crate) mod framing;
mod lists;
pub(crate) mod members;
pub(crate) mod messages;
mod needed;
mod numbers;
pub(crate) mod part;
mod texts;
mod trailer;
mod unpacked;
pub(crate) mod values;
mod views;
pub(crate) mod written;

use arrow_array::ArrayRef;
use tidemill_record::{DataType, Field, Schema};

use crate::FormatError;

/// A column of an input that has Arrow types of its own.
#[derive(Clone, Debug)]
pub(crate) struct FoundColumn {
    pub(crate) name: String,
    /// Its type, or why it has none.
    pub(crate) data_type: Result<arrow_schema::DataType, String>,
    pub(crate) is_nullable: bool,
}

impl FoundColumn {
    /// The SQL type that holds its values, or why none does and what helps.
    pub(crate) fn sql_type(&self) -> Result<DataType, String> {
        let data_type = self.data_type.as_ref().map_err(String::clone)?;
        DataType::from_arrow(data_type)
            .ok_or_else(|| format!("no SQL type holds {}; {}", plain(data_type), remedy(data_type)))
    }
}

/// The columns of an Arrow schema, members of structs among them.
pub(crate) fn found_columns(schema: &arrow_schema::Schema) -> Vec<FoundColumn> {
    members::flattened(schema).0
}

/// The SQL schema of an input's columns; those that no SQL type holds are left out (see
/// [`left_out`]), unless none is left.
///
/// # Errors
/// [`FormatError::UnsupportedColumn`] names the first column if no column can be read.
pub(crate) fn sql_schema(columns: &[FoundColumn]) -> Result<Schema, FormatError> {
    let field = |column: &FoundColumn| {
        let data_type = column.sql_type().ok()?;
        Some(Field { name: column.name.clone(), data_type, is_nullable: column.is_nullable })
    };
    let fields: Vec<Field> = columns.iter().filter_map(field).collect();
    match columns.first() {
        Some(first) if fields.is_empty() => Err(FormatError::UnsupportedColumn {
            column: first.name.clone(),
            reason: first.sql_type().err().unwrap_or_default(),
        }),
        _ => Ok(Schema::new(fields)),
    }
}

/// The columns whose type is that of no value.
pub(crate) fn untyped(columns: &[FoundColumn]) -> Vec<String> {
    let is_untyped =
        |column: &&FoundColumn| matches!(column.data_type, Ok(arrow_schema::DataType::Null));
    columns.iter().filter(is_untyped).map(|column| column.name.clone()).collect()
}

/// The columns that no SQL type holds, with their types and what helps: half a sentence behind the name of
/// the file; `None` where there are none.
pub(crate) fn left_out(columns: &[FoundColumn]) -> Option<String> {
    const SHOWN: usize = 200;
    let without = |column: &FoundColumn| {
        let reason = match &column.data_type {
            Ok(data_type) if DataType::from_arrow(data_type).is_some() => return None,
            Ok(data_type) => format!("{}: {}", plain(data_type), remedy(data_type)),
            Err(reason) => reason.clone(),
        };
        Some(format!("{} ({reason})", column.name))
    };
    let mut named: Vec<String> = columns.iter().filter_map(without).collect();
    let count = named.len();
    named.truncate(SHOWN);
    let more = if count > SHOWN { format!(", and {} more", count - SHOWN) } else { String::new() };
    let columns = if count == 1 { "column that" } else { "columns that" };
    let named = named.join(", ");
    (count > 0).then(|| format!("{count} {columns} no SQL type holds, left out: {named}{more}"))
}

/// Brings a column of an embedding program to the SQL type that [`DataType::from_arrow`] gives for it.
///
/// # Errors
/// Why a value, or the column as a whole, cannot be brought there without loss.
pub fn to_sql_type(array: &ArrayRef, to: &DataType) -> Result<ArrayRef, String> {
    let converted = values::convert(values::Found::plain(array), to);
    let converted = converted.map_err(|error| error.to_string())?;
    if let Some(row) = converted.misfits.first() {
        return Err(format!("row {row} of a batch holds a value that is out of range for {to}"));
    }
    if converted.floored_count > 0 {
        return Err(format!(
            "{} times of a batch have digits below the microsecond, which {to} does not hold; cast \
             them to microseconds before",
            converted.floored_count
        ));
    }
    Ok(converted.array)
}

/// The type in a line: of nested types the outermost, whose members may be many.
fn plain(data_type: &arrow_schema::DataType) -> String {
    use arrow_schema::DataType as Arrow;
    match data_type {
        Arrow::Struct(_) => "a struct".to_owned(),
        Arrow::Map(_, _) => "a map".to_owned(),
        Arrow::Union(_, _) => "a union".to_owned(),
        Arrow::RunEndEncoded(_, values) => format!("runs of {}", plain(values.data_type())),
        Arrow::Dictionary(_, value) => plain(value),
        Arrow::List(item)
        | Arrow::LargeList(item)
        | Arrow::ListView(item)
        | Arrow::LargeListView(item)
        | Arrow::FixedSizeList(item, _) => format!("a list of {}", plain(item.data_type())),
        other => other.to_string(),
    }
}

/// What the writer of the file can do about it.
fn remedy(data_type: &arrow_schema::DataType) -> &'static str {
    use arrow_schema::DataType as Arrow;
    match data_type {
        Arrow::Struct(_) => "write its members as columns of their own",
        Arrow::Time32(_) | Arrow::Time64(_) => "write it as a TIMESTAMP or as text",
        Arrow::Duration(_) => "write it as a BIGINT or as an INTERVAL",
        Arrow::Decimal32(_, _)
        | Arrow::Decimal64(_, _)
        | Arrow::Decimal128(_, _)
        | Arrow::Decimal256(_, _) => "write it with 38 digits at most and a scale from 0",
        Arrow::RunEndEncoded(_, _) => "write it without runs",
        Arrow::Dictionary(_, value) => remedy(value),
        Arrow::List(item) | Arrow::LargeList(item) | Arrow::FixedSizeList(item, _) => {
            remedy(item.data_type())
        }
        _ => "write it as text, or leave it out of the query",
    }
}
