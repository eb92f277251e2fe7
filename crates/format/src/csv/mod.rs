//! CSV, as RFC 4180 has it, with these choices where it leaves room.
//!
//! - Records end with LF or CRLF; a lone CR is text, but not in a header or a last record that no newline ends:
//!   there it is likely to be meant as the end of a line. The last record needs no newline.
//! - A quote is special only at the very start of a field; elsewhere it is text. Text after a
//!   closing quote makes the record bad.
//! - An empty unquoted field is NULL, `""` is the empty string.
//! - Blank lines are skipped, except where there is one column: there each is a NULL (as DuckDB).
//! - A record is UTF-8 as a whole or it is bad.
//!
//! [`structure`] finds where fields end, [`record`] is the careful way through one record, [`header`] matches
//! names, [`decode`] and [`encode`] put it together.

pub(crate) mod decode;
pub(crate) mod encode;
pub(crate) mod header;
pub(crate) mod infer;
pub(crate) mod record;
pub(crate) mod structure;

use tidemill_plan::CsvOptions;

use crate::FormatError;

/// Holds the options to what the decoder and the encoder rely on.
///
/// # Errors
/// [`FormatError::Options`]
pub(crate) fn check_options(options: &CsvOptions) -> Result<(), FormatError> {
    let is_usable = |byte: u8| byte.is_ascii() && !matches!(byte, b'\n' | b'\r');
    if !is_usable(options.delimiter) || !is_usable(options.quote) {
        let reason = "csv.delimiter and csv.quote are one ASCII character each, no line break";
        return Err(FormatError::Options { reason: reason.to_owned() });
    }
    if options.delimiter == options.quote {
        let reason = "csv.delimiter and csv.quote are the same character";
        return Err(FormatError::Options { reason: reason.to_owned() });
    }
    Ok(())
}
