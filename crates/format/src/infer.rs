//! A schema from the head of an input that was not declared.

use tidemill_plan::{Format, Unsaid};
use tidemill_record::Schema;

use crate::arrow::messages::Messages;
use crate::json::infer::Member;
use crate::parquet::{Footer, ParsedFooter};
use crate::{FormatError, arrow, csv, json, lines};

/// Why the columns of text cannot be inferred of a head that ends within its first record.
pub(crate) const LONG_RECORD: &str = "the first record is longer than what is looked at; SET 'record.max_bytes' allows longer \
    ones, or CREATE SOURCE declares the columns";

/// What the head of an input says of its format where nobody else has.
#[derive(Clone, Debug, PartialEq)]
pub struct Recognized {
    /// The format with it.
    pub format: Format,
    /// What a person should know of that, as parts of sentences behind the name of the input.
    pub notices: Vec<String>,
}

impl Recognized {
    /// Looks at the head of an input. What nobody said and the head does not say either stays as it is.
    ///
    /// # Errors
    /// [`FormatError::Options`]
    ///
    /// # Cost
    /// O(bytes of the head).
    pub fn of(
        format: &Format,
        unsaid: Unsaid,
        head: &[u8],
        is_whole: bool,
    ) -> Result<Self, FormatError> {
        let Format::Csv(options) = format else {
            return Ok(Self { format: format.clone(), notices: Vec::new() });
        };
        csv::check_options(options)?;
        let (options, notices) = csv::sniff::sniff(options, unsaid, head, is_whole);
        Ok(Self { format: Format::Csv(options), notices })
    }
}

/// Infers the columns of an input from its head.
///
/// - CSV: names from the header, or `column0`, `column1`, …; for each column the first of BOOLEAN,
///   BIGINT, DOUBLE, DECIMAL(38,s), DATE, TIMESTAMP that holds every value in the sample
///   (see `text::kinds` for what may be rounded or cut), else VARCHAR. All allow NULL. A last record that is cut off is left out unless
///   `is_whole`.
/// - JSON lines: every key, in order of first appearance; BOOLEAN, numbers as in CSV, DATE and
///   TIMESTAMP (strings of that form) where all values agree, else VARCHAR, as are arrays, objects, and
///   what is always `null`. All allow NULL.
/// - Lines whose syntax names their fields: those. Of `key=value` every key, as of JSON lines.
/// - Arrow: from the schema message. Columns without a SQL type are left out.
/// - Parquet: `head` is the file's tail with the whole footer (see [`Footer::parse`]). Columns
///   without a SQL type are left out.
///
/// Records of text that do not parse are left out here; they are bad when they are decoded.
///
/// # Errors
/// [`FormatError::EmptySample`], [`FormatError::Sample`], and what a damaged header or footer gives.
///
/// # Cost
/// O(bytes of the head).
pub fn infer_schema(format: &Format, head: &[u8], is_whole: bool) -> Result<Schema, FormatError> {
    Ok(infer_columns(format, head, is_whole)?.0)
}

/// As [`infer_schema`]; and of JSON the members of columns that are objects, in order of first appearance.
///
/// # Errors
/// As [`infer_schema`].
pub fn infer_columns(
    format: &Format,
    head: &[u8],
    is_whole: bool,
) -> Result<(Schema, Vec<Member>), FormatError> {
    if let (Format::Json(options), false) = (format, head.is_empty()) {
        return json::infer::infer(options, head, is_whole);
    }
    Ok((schema_of(format, head, is_whole)?, Vec::new()))
}

fn schema_of(format: &Format, head: &[u8], is_whole: bool) -> Result<Schema, FormatError> {
    if head.is_empty() {
        return Err(FormatError::EmptySample);
    }
    match format {
        Format::Csv(options) => csv::infer::infer(options, head, is_whole),
        Format::Json(options) => Ok(json::infer::infer(options, head, is_whole)?.0),
        Format::Lines(options) => lines::infer::infer(options, head, is_whole),
        Format::Arrow(_) => arrow::sql_schema(&arrow_columns(head, is_whole)?),
        Format::Parquet => match Footer::parse(head, head.len() as u64)? {
            ParsedFooter::Whole(footer) => footer.schema(),
            ParsedFooter::NeedsTail { byte_count } => {
                let reason = format!("the last {byte_count} bytes of the file are needed");
                Err(FormatError::Sample { reason })
            }
        },
    }
}

/// Whether the head of a file that goes on has as much in it as [`infer_schema`] needs: the schema of Arrow, the first
/// record of text. Of Parquet, whose head says nothing, it has.
///
/// # Cost
/// O(bytes up to the end of the first record), or where there is none, O(bytes).
#[must_use]
pub fn holds_first_record(format: &Format, head: &[u8]) -> bool {
    match format {
        Format::Csv(options) => csv::infer::holds_first_record(options, head),
        Format::Json(options) => json::recognize::holds_json(options, head),
        Format::Lines(options) => lines::infer::holds_first_record(options, head),
        Format::Arrow(_) => !matches!(arrow_columns(head, false), Err(FormatError::Sample { .. })),
        Format::Parquet => true,
    }
}

/// The columns of an Arrow input without a value, which say no type, from its head; none of other formats.
///
/// # Errors
/// As [`infer_schema`].
pub fn infer_untyped(
    format: &Format,
    head: &[u8],
    is_whole: bool,
) -> Result<Vec<String>, FormatError> {
    match format {
        Format::Arrow(_) => Ok(arrow::untyped(&arrow_columns(head, is_whole)?)),
        _ => Ok(Vec::new()),
    }
}

/// What [`infer_schema`] leaves out of an input of Arrow or Parquet: the columns that no SQL type holds,
/// with their types and what helps, as half a sentence behind the name of the input. `None` where that
/// is none, and for text.
///
/// # Errors
/// As [`infer_schema`].
pub fn left_out(
    format: &Format,
    head: &[u8],
    is_whole: bool,
) -> Result<Option<String>, FormatError> {
    match format {
        Format::Arrow(_) => Ok(arrow::left_out(&arrow_columns(head, is_whole)?)),
        Format::Parquet => match Footer::parse(head, head.len() as u64)? {
            ParsedFooter::Whole(footer) => Ok(footer.left_out()),
            ParsedFooter::NeedsTail { .. } => Ok(None),
        },
        Format::Csv(_) | Format::Json(_) | Format::Lines(_) => Ok(None),
    }
}

fn arrow_columns(head: &[u8], is_whole: bool) -> Result<Vec<arrow::FoundColumn>, FormatError> {
    let mut messages = Messages::new(usize::MAX);
    messages.begin(head.into(), 0, is_whole);
    // Whatever is wrong behind the schema is found when it is decoded.
    let schema = messages.next_schema()?.ok_or_else(|| FormatError::Sample {
        reason: "the schema message is longer than the sample".to_owned(),
    })?;
    Ok(arrow::found_columns(&schema))
}
