//! Values that do not fit their column.

use tidemill_plan::Encoding;
use tidemill_record::{DataType, Field};

use super::number::Fault;

/// A value that did not fit.
pub(crate) struct Misfit {
    /// Row within the chunk.
    pub(crate) row: usize,
    /// Why, as for [`tidemill_record::BadRecord`].
    pub(crate) reason: String,
}

#[cold]
pub(super) fn null(field: &Field, misfits: &mut Vec<Misfit>, row: usize) {
    if !field.is_nullable {
        let reason = format!("NULL in column {}, which is NOT NULL", field.name);
        misfits.push(Misfit { row, reason });
    }
}

#[cold]
pub(super) fn misfit(
    field: &Field,
    misfits: &mut Vec<Misfit>,
    row: usize,
    text: &[u8],
    fault: Fault,
) {
    let reason = reason(text, fault, &field.data_type, "");
    misfits.push(Misfit { row, reason });
}

/// As [`misfit`], of a text that was to be of a format.
#[cold]
pub(super) fn misfit_of_format(
    field: &Field,
    format: &str,
    misfits: &mut Vec<Misfit>,
    row: usize,
    (text, fault): (&[u8], Fault),
) {
    let reason = reason(text, fault, &field.data_type, format);
    misfits.push(Misfit { row, reason });
}

/// The fault as a sentence, with the text clipped to 60 characters.
fn reason(text: &[u8], fault: Fault, data_type: &DataType, format: &str) -> String {
    const SHOWN_CHARS_MAX: usize = 60;
    let text = String::from_utf8_lossy(text);
    let mut shown: String = text.chars().take(SHOWN_CHARS_MAX).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    match fault {
        Fault::Syntax => format!("'{shown}' is not a value of {data_type}"),
        Fault::Kind => format!("{shown} is not a value of {data_type}"),
        Fault::Range => format!("'{shown}' is out of range for {data_type}"),
        Fault::Identifier => {
            format!("'{shown}' begins with a zero or plus that {data_type} would lose")
        }
        Fault::Digits => format!("'{shown}' has more digits than {data_type} holds"),
        Fault::Format(misfit) => format!("'{shown}' is not of the format '{format}': {misfit}"),
        Fault::Fraction => format!("'{shown}' has more digits after the point than {data_type}"),
    }
}

/// What to declare a column as that was inferred and does not hold its values.
pub(super) const ANY_TEXT: &str = "as VARCHAR for any text";

/// As [`ANY_TEXT`], by the type that was inferred.
pub(super) fn remedy(data_type: &DataType) -> &'static str {
    match data_type {
        DataType::Decimal { .. } => "as DOUBLE to round or VARCHAR to keep the text",
        _ => ANY_TEXT,
    }
}

/// Why a value does not fit, and what to do where its type was inferred.
pub(super) fn explained(reason: String, is_inferred: bool, remedy: &str) -> String {
    if is_inferred {
        reason
            + "; the type was inferred from the first records: declare the column in CREATE SOURCE, "
            + remedy
    } else {
        reason
    }
}

/// Why bytes of a record are no text, from this one on, and what to do.
#[cold]
pub(crate) fn not_text(record: &[u8], at: usize) -> String {
    match record[at] {
        Encoding::NOT_LATIN1 => format!(
            "a control character of latin-1 at byte {at} of the record, where windows-1252 has one that is \
             printed: set 'encoding' = 'windows-1252'"
        ),
        Encoding::MALFORMED => format!(
            "no text of the encoding at byte {at} of the record; 'encoding' says which one it is"
        ),
        _ => format!(
            "invalid UTF-8 at byte {at} of the record; if the source is in another encoding, say which: \
             'encoding' = 'latin-1', 'windows-1252', …"
        ),
    }
}
