//! The first record of a CSV file, and which of its fields are needed.

use std::collections::{HashMap, HashSet};

use memchr::memchr;
use tidemill_plan::CsvOptions;
use tidemill_record::{DataType, Schema};

use super::lines::Preamble;
use super::record::{Ending, RawField, Style, split, unescape};
use super::{check_options, sniff};
use crate::FormatError;
use crate::text::kinds::TextKinds;

/// What some editors put before the first byte of a UTF-8 file.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// The column names that a header record spells. One that is empty is called by its place: `column0`.
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
    for (place, field) in fields.iter().enumerate() {
        let raw = &bytes[field.start..field.end];
        let mut name = Vec::with_capacity(raw.len());
        match field.style {
            Style::Escaped | Style::BareEscaped => unescape(raw, field.style, options, &mut name),
            Style::Bare | Style::Quoted => name.extend_from_slice(raw),
        }
        let name = String::from_utf8(name)
            .map_err(|_| FormatError::Header { reason: NO_UTF8.to_owned() })?;
        names.push(if name.is_empty() { numbered(place) } else { name });
    }
    refuse_duplicates(&names)?;
    Ok(names)
}

/// Why a name cannot be read, and what to do.
const NO_UTF8: &str = "a name is not UTF-8; if the file is in another encoding, say which: \
     'encoding' = 'latin-1', 'windows-1252', … of CREATE SOURCE, or read_csv('path', encoding = 'latin-1')";

/// What a column is called that has no name.
pub(super) fn numbered(place: usize) -> String {
    format!("column{place}")
}

/// What stands before the records of a CSV file that partitions start inside of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CsvHead {
    /// The column names, where there is a header: [`crate::DecoderSpec::csv_header`] of those partitions.
    pub names: Option<Vec<String>>,
    /// The byte where the first record may begin.
    pub end: usize,
}

impl CsvHead {
    /// Of a file that begins with these bytes.
    ///
    /// # Errors
    /// [`FormatError::Options`]; [`FormatError::Header`] where the bytes do not hold the whole of it or a
    /// name is not UTF-8; [`FormatError::DuplicateColumn`].
    pub fn of(options: &CsvOptions, bytes: &[u8]) -> Result<Self, FormatError> {
        check_options(options)?;
        let mut start = if bytes.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
        let is_passed = Preamble::of(options).pass(bytes, &mut start, false, options);
        if is_passed && !options.has_header {
            return Ok(Self { names: None, end: start });
        }
        let mut fields = Vec::new();
        match split(bytes, start, false, options, &mut fields) {
            Ending::Whole { fault: None, next, .. } if is_passed => {
                Ok(Self { names: Some(names(bytes, &fields, options)?), end: next })
            }
            Ending::Whole { fault: Some(fault), .. } if is_passed => {
                Err(FormatError::Header { reason: fault.to_owned() })
            }
            _ => {
                let reason = format!("it does not end within {} bytes", bytes.len());
                Err(FormatError::Header { reason })
            }
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

/// In place of the field of a column that the header has not.
pub(crate) const MISSING: usize = usize::MAX;

/// For each needed column of the schema, the field of the header that bears its name or, where there
/// is none, the first that differs from it in case only and is no other column's. Columns that are not needed
/// have a say, so that no value depends on which are.
///
/// # Errors
/// [`FormatError::MissingColumn`], but for `is_union`, where such a column has the field [`MISSING`].
pub(crate) fn matched(
    header: &[String],
    schema: &Schema,
    columns: &[usize],
    options: &CsvOptions,
    is_union: bool,
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
        if is_union && field.is_none() {
            return Ok(MISSING);
        }
        field.copied().ok_or_else(|| match FormatError::missing_column(name, header) {
            FormatError::MissingColumn { column, found, nearest: None, .. } => {
                let hint = other_header(header, options);
                FormatError::MissingColumn { column, found, nearest: None, hint }
            }
            error => error,
        })
    };
    columns.iter().map(field_of).collect()
}

/// What may be wrong about a header in which nothing is like a column.
fn other_header(header: &[String], options: &CsvOptions) -> Option<String> {
    if let [only] = header
        && let Some((delimiter, count)) = sniff::best_delimiter(only.as_bytes(), options)
    {
        let shown = sniff::shown(delimiter);
        return Some(format!(
            "with {shown} between fields it has {count}: set 'csv.delimiter' = {shown}"
        ));
    }
    let is_value = |name: &String| {
        let mut kinds = TextKinds::none_seen(&options.times);
        kinds.see(name.as_bytes());
        kinds.data_type() != DataType::Varchar
    };
    let hint = "if that is a record and no header, set 'csv.header' = 'false'";
    header.iter().any(is_value).then(|| hint.to_owned())
}
