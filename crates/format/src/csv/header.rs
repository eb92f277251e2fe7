//! The first record of a CSV file, and which of its fields are needed.

use tidemill_plan::CsvOptions;
use tidemill_record::Schema;

use super::record::{RawField, Style, unescape};
use crate::FormatError;

/// The column names that a header record spells.
///
/// # Errors
/// [`FormatError::Header`] where a name is not UTF-8, [`FormatError::DuplicateColumn`].
pub(crate) fn names(
    bytes: &[u8],
    fields: &[RawField],
    options: &CsvOptions,
) -> Result<Vec<String>, FormatError> {
    let mut names = Vec::with_capacity(fields.len());
    for field in fields {
        let raw = &bytes[field.start..field.end];
        let mut name = Vec::with_capacity(raw.len());
        match field.style {
            Style::Escaped => unescape(raw, options.quote, &mut name),
            Style::Bare | Style::Quoted => name.extend_from_slice(raw),
        }
        let name = String::from_utf8(name)
            .map_err(|_| FormatError::Header { reason: "a name is not UTF-8".to_owned() })?;
        names.push(name);
    }
    refuse_duplicates(&names)?;
    Ok(names)
}

/// # Errors
/// [`FormatError::DuplicateColumn`]
pub(crate) fn refuse_duplicates(names: &[String]) -> Result<(), FormatError> {
    let mut sorted: Vec<&String> = names.iter().collect();
    sorted.sort_unstable();
    match sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(FormatError::DuplicateColumn { column: pair[0].clone() }),
        None => Ok(()),
    }
}

/// For each needed column of the schema, the field of the header that bears exactly its name.
///
/// # Errors
/// [`FormatError::MissingColumn`]
pub(crate) fn matched(
    header: &[String],
    schema: &Schema,
    columns: &[usize],
) -> Result<Vec<usize>, FormatError> {
    columns
        .iter()
        .map(|&column| {
            let name = &schema.fields[column].name;
            let field = header.iter().position(|found| found == name);
            field.ok_or_else(|| FormatError::missing_column(name, header))
        })
        .collect()
}
