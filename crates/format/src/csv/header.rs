//! The first record of a CSV file, and which of its fields are needed.

use std::collections::{HashMap, HashSet};

use memchr::memchr;
use tidemill_plan::CsvOptions;
use tidemill_record::Schema;

use super::check_options;
use super::record::{Ending, RawField, Style, split, unescape};
use crate::FormatError;

/// What some editors put before the first byte of a UTF-8 file.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// The column names that a header record spells.
///
/// # Errors
/// [`FormatError::Header`] where a name is not UTF-8 or the record's end is not LF or CRLF,
/// [`FormatError::DuplicateColumn`].
pub(crate) fn names(
    bytes: &[u8],
    fields: &[RawField],
    options: &CsvOptions,
) -> Result<Vec<String>, FormatError> {
    if has_bare_return(bytes, fields) {
        return Err(FormatError::Header { reason: BARE_RETURN.to_owned() });
    }
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

/// The column names in the first record of a file that begins with `head`; for partitions that
/// start inside the file, which take it as [`crate::DecoderSpec::csv_header`].
///
/// # Errors
/// [`FormatError::Options`]; [`FormatError::Header`] where `head` does not hold the whole record or
/// a name is not UTF-8; [`FormatError::DuplicateColumn`].
pub fn csv_header(options: &CsvOptions, head: &[u8]) -> Result<Vec<String>, FormatError> {
    check_options(options)?;
    let start = if head.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
    let mut fields = Vec::new();
    match split(head, start, false, options, &mut fields) {
        Ending::Whole { fault: None, .. } => names(head, &fields, options),
        Ending::Whole { fault: Some(fault), .. } => {
            Err(FormatError::Header { reason: fault.to_owned() })
        }
        Ending::Partial(_) => {
            let reason = format!("it does not end within {} bytes", head.len());
            Err(FormatError::Header { reason })
        }
    }
}

/// Whether a carriage return stands outside of quotes. In the first record of a file, or in a last one that
/// no line feed ends, it is likely that each line ends with one, so that many are taken for one record.
pub(super) fn has_bare_return(bytes: &[u8], fields: &[RawField]) -> bool {
    let mut bare = fields.iter().filter(|field| field.style == Style::Bare);
    bare.any(|field| memchr(b'\r', &bytes[field.start..field.end]).is_some())
}

/// Why a record with a carriage return outside of quotes may not be what was meant, and what to do.
pub(super) const BARE_RETURN: &str = "it holds a carriage return (CR) outside of quotes, and records end with LF or CRLF; if CR ends the \
     lines of the file, convert them: tr '\\r' '\\n' < old.csv > new.csv";

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

/// For each needed column of the schema, the field of the header that bears its name or, where there
/// is none, the first that differs from it in case only and is no other column's. Columns that are not needed
/// have a say, so that no value depends on which are.
///
/// # Errors
/// [`FormatError::MissingColumn`]
pub(crate) fn matched(
    header: &[String],
    schema: &Schema,
    columns: &[usize],
) -> Result<Vec<usize>, FormatError> {
    let mut exact: HashMap<&str, usize> = HashMap::with_capacity(header.len());
    let mut folded: HashMap<String, usize> = HashMap::with_capacity(header.len());
    let columns_named: HashSet<&str> =
        schema.fields.iter().map(|field| field.name.as_str()).collect();
    for (field, name) in header.iter().enumerate() {
        exact.entry(name).or_insert(field);
        if !columns_named.contains(name.as_str()) {
            folded.entry(name.to_ascii_lowercase()).or_insert(field);
        }
    }
    let field_of = |&column: &usize| {
        let name = &schema.fields[column].name;
        let field = exact.get(name.as_str()).or_else(|| folded.get(&name.to_ascii_lowercase()));
        field.copied().ok_or_else(|| FormatError::missing_column(name, header))
    };
    columns.iter().map(field_of).collect()
}
