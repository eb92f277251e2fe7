//! Members of structs as columns of their own: `a.b` is the member `b` of each value of `a`, and NULL where that is.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray};
use arrow_schema::{ArrowError, DataType, FieldRef};
use arrow_select::nullif::nullif;

use super::FoundColumn;

/// Bytes of the longest name that a member may have as a column. Each has those of the structs around it, so that a
/// schema of long names would be many times as large as it is in the file; such a struct is not taken apart.
const NAME_BYTES_MAX: usize = 1024;

/// The columns of an Arrow schema, and the way to each: its column at the top, then the place of a member in each
/// struct. A struct of which no member can be read is a column by itself, for it has to be named.
///
/// # Cost
/// O(fields), and their names times how deep they stand.
pub(crate) fn flattened(schema: &arrow_schema::Schema) -> (Vec<FoundColumn>, Vec<Vec<usize>>) {
    let (mut columns, mut ways) = (Vec::new(), Vec::new());
    for (at, field) in schema.fields().iter().enumerate() {
        let start = columns.len();
        let are_added = add_members(field, "", false, &mut vec![at], &mut columns, &mut ways);
        if is_struct(field.data_type()) && (!are_added || !is_any_read(&columns[start..])) {
            columns.truncate(start);
            ways.truncate(start);
            columns.push(found(field, field.name().clone(), false));
            ways.push(vec![at]);
        }
    }
    (columns, ways)
}

/// Adds a column, or the members of a struct; `false` where a name is too long.
fn add_members(
    field: &FieldRef,
    prefix: &str,
    may_be_null: bool,
    way: &mut Vec<usize>,
    columns: &mut Vec<FoundColumn>,
    ways: &mut Vec<Vec<usize>>,
) -> bool {
    let Some(name) = member_name(prefix, field.name()) else { return false };
    let DataType::Struct(members) = field.data_type() else {
        columns.push(found(field, name, may_be_null));
        ways.push(way.clone());
        return true;
    };
    members.iter().enumerate().all(|(at, member)| {
        way.push(at);
        let may_be_null = may_be_null || field.is_nullable();
        let are_added = add_members(member, &name, may_be_null, way, columns, ways);
        way.pop();
        are_added
    })
}

fn found(field: &FieldRef, name: String, may_be_null: bool) -> FoundColumn {
    FoundColumn {
        name,
        data_type: Ok(field.data_type().clone()),
        is_nullable: may_be_null || field.is_nullable(),
    }
}

/// What a member of a struct is called as a column; the prefix is empty at the top. `None` where that is too long.
pub(crate) fn member_name(prefix: &str, name: &str) -> Option<String> {
    if prefix.is_empty() {
        return Some(name.to_owned());
    }
    (prefix.len() + name.len() < NAME_BYTES_MAX).then(|| format!("{prefix}.{name}"))
}

/// Whether some of these columns have a SQL type.
pub(crate) fn is_any_read(columns: &[FoundColumn]) -> bool {
    columns.iter().any(|column| column.sql_type().is_ok())
}

pub(crate) fn is_struct(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Struct(_))
}

/// Goes from a column the way to a member.
///
/// # Errors
/// There is no such member.
///
/// # Cost
/// O(rows) where a struct on the way is NULL in some of them, else O(1).
pub(crate) fn member(column: &ArrayRef, way: &[usize]) -> Result<ArrayRef, ArrowError> {
    let mut array = Arc::clone(column);
    for &at in way {
        let parent = array.as_struct_opt().filter(|parent| at < parent.num_columns());
        let parent =
            parent.ok_or_else(|| ArrowError::SchemaError("a struct was expected".to_owned()))?;
        let child = Arc::clone(parent.column(at));
        array = match parent.nulls().filter(|nulls| nulls.null_count() > 0) {
            Some(nulls) => nullif(&child, &BooleanArray::new(!nulls.inner(), None))?,
            None => child,
        };
    }
    Ok(array)
}
