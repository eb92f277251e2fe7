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
//! Options say how a file departs from that: see [`tidemill_plan::CsvReading`].
//!
//! [`structure`] finds where fields end, [`stops`] lists that, [`record`] is the careful way through one record, [`lines`] are those that
//! are no records, [`nulls`] are fields without a value, [`header`] matches names, [`decode`] and [`encode`] put it
//! together, and [`infer`] makes columns of what nobody declared, by the delimiter that [`sniff`] finds.

pub(crate) mod cut;
pub(crate) mod decode;
pub(crate) mod encode;
pub(crate) mod header;
pub(crate) mod infer;
mod lines;
mod nulls;
pub(crate) mod record;
pub(crate) mod sniff;
mod stops;
pub(crate) mod structure;

use tidemill_plan::CsvOptions;

use crate::FormatError;

/// Holds the options to what the decoder and the encoder rely on.
///
/// # Errors
/// [`FormatError::Options`]
pub(crate) fn check_options(options: &CsvOptions) -> Result<(), FormatError> {
    let CsvOptions { delimiter, quote, reading, .. } = options;
    let fail = |reason: &str| Err(FormatError::Options { reason: reason.to_owned() });
    let is_usable = |byte: &u8| byte.is_ascii() && !matches!(byte, b'\n' | b'\r');
    if ![delimiter, quote].into_iter().chain(&reading.escape).all(is_usable) {
        return fail(
            "csv.delimiter, csv.quote and csv.escape are one ASCII character each, no line break",
        );
    }
    if delimiter == quote {
        return fail("csv.delimiter and csv.quote are the same character");
    }
    if reading.escape.is_some_and(|escape| [*delimiter, *quote].contains(&escape)) {
        return fail("csv.escape is neither csv.delimiter nor csv.quote");
    }
    let is_mark = |mark: &str| {
        !mark.is_empty() && !mark.starts_with([' ', '\t']) && !mark.contains(['\n', '\r'])
    };
    if !reading.comment.as_deref().is_none_or(is_mark) {
        return fail("csv.comment is a text that begins with no blank and has no line break");
    }
    Ok(())
}
