//! What the head of a CSV file says of its delimiter and its header, where nobody else has.
//!
//! Another delimiter counts only where by it nine of ten records have as many fields as the first one, at
//! least two, and more than by the one that is assumed. A first line is a record, and not names, if its fields
//! are of the types of those below wherever these are not text, unless they are years in a row above numbers that are
//! none. Both are DuckDB's rules in small, but for the years.

use tidemill_plan::{CsvOptions, Unsaid};
use tidemill_record::DataType;

use super::infer::{BYTE_ORDER_MARK, for_each_record, see};
use super::lines::Preamble;
use super::nulls::says_nothing;
use super::record::{self, Ending, RawField, Style};
use crate::text::kinds::TextKinds;
use crate::text::number;

/// Delimiters that are looked for.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];
/// Records that are looked at, at most.
const RECORDS_MAX: usize = 1000;

/// The options with what the head says, and what a person should know of it: parts of sentences behind the
/// name of the input.
pub(crate) fn sniff(
    options: &CsvOptions,
    unsaid: Unsaid,
    head: &[u8],
    is_whole: bool,
) -> (CsvOptions, Vec<String>) {
    let bytes = head.strip_prefix(BYTE_ORDER_MARK).unwrap_or(head);
    let (mut options, mut notices) = (options.clone(), Vec::new());
    if unsaid.delimiter {
        let (delimiter, notice) = delimiter(&options, bytes, is_whole);
        options.delimiter = delimiter;
        notices.extend(notice);
    }
    if unsaid.header && options.has_header && is_first_a_record(&options, bytes, is_whole) {
        options.has_header = false;
        notices.push(format!(
            "has no header, as its first line looks: {}; it is read as a record, and the columns are \
             column0, column1, …; a CREATE SOURCE with 'csv.header' = 'true' or 'false' says which it is",
            first_line(&options, bytes)
        ));
    }
    (options, notices)
}

/// How records are cut by one delimiter.
struct Cut {
    delimiter: u8,
    /// Fields of the first record.
    field_count: usize,
    /// Whether nearly all others have as many.
    is_even: bool,
}

fn delimiter(options: &CsvOptions, bytes: &[u8], is_whole: bool) -> (u8, Option<String>) {
    let assumed_count = cut(options, options.delimiter, bytes, is_whole, 1).field_count;
    let others = DELIMITERS.into_iter().filter(|&other| {
        let reading = &options.reading;
        let is_mark = reading.comment.as_ref().is_some_and(|mark| mark.as_bytes()[0] == other);
        other != options.delimiter
            && other != options.quote
            && reading.escape != Some(other)
            && !is_mark
    });
    // Most often the first record has told.
    let others =
        others.filter(|&other| cut(options, other, bytes, is_whole, 1).field_count > assumed_count);
    let found: Vec<Cut> =
        others.map(|other| cut(options, other, bytes, is_whole, RECORDS_MAX)).collect();
    if found.is_empty() {
        return (options.delimiter, None);
    }
    let assumed = cut(options, options.delimiter, bytes, is_whole, RECORDS_MAX);
    let best = found.iter().filter(|cut| cut.is_even).max_by_key(|cut| cut.field_count);
    let (used, other) = match (best, found.first()) {
        (Some(best), _) if !assumed.is_even => return (best.delimiter, None),
        (Some(best), _) => (best, &assumed),
        // Nobody cuts a line of text at tabulators.
        (None, Some(other)) if assumed.field_count == 1 && other.field_count > 2 => {
            (&assumed, other)
        }
        (None, _) => return (assumed.delimiter, None),
    };
    let notice = format!(
        "is read with {} between fields, of which its first line has {}; with {} it has {}: a CREATE SOURCE \
         with 'csv.delimiter' says which is meant",
        shown(used.delimiter),
        used.field_count,
        shown(other.delimiter),
        other.field_count,
    );
    (used.delimiter, Some(notice))
}

/// By the first so many records.
fn cut(
    options: &CsvOptions,
    delimiter: u8,
    bytes: &[u8],
    is_whole: bool,
    records_max: usize,
) -> Cut {
    let options = CsvOptions { delimiter, ..options.clone() };
    let mut counts = Vec::new();
    let start = first_record(&options, bytes, is_whole);
    for_each_record(&options, bytes, start, is_whole, |fields| {
        if !is_empty(fields) {
            counts.push(fields.len());
        }
        counts.len() < records_max
    });
    let field_count = counts.first().copied().unwrap_or(0);
    let alike = counts.iter().filter(|&&count| count == field_count).count();
    Cut { delimiter, field_count, is_even: field_count > 1 && alike * 10 >= counts.len() * 9 }
}

fn is_empty(fields: &[RawField]) -> bool {
    matches!(fields, [only] if only.style == Style::Bare && only.start == only.end)
}

/// Where the first record begins, a header counted as one.
fn first_record(options: &CsvOptions, bytes: &[u8], is_whole: bool) -> usize {
    let mut start = 0;
    Preamble::of(options).pass(bytes, &mut start, is_whole, options);
    start
}

fn is_first_a_record(options: &CsvOptions, bytes: &[u8], is_whole: bool) -> bool {
    let start = first_record(options, bytes, is_whole);
    let mut first = Vec::new();
    let ending = record::split(bytes, start, is_whole, options, &mut first);
    let Ending::Whole { next, fault: None, .. } = ending else { return false };
    let mut types = vec![TextKinds::none_seen(&options.times); first.len()];
    let may_be_typed = first.iter().any(|field| {
        let mut alone = TextKinds::none_seen(&options.times);
        see(&mut alone, bytes, *field, options);
        alone.data_type() != DataType::Varchar
    });
    if !may_be_typed {
        // Names, whatever follows: what is text alone is text beside others.
        return false;
    }
    let (mut record_count, mut has_years) = (0, is_years(bytes, &first));
    for_each_record(options, bytes, next, is_whole, |fields| {
        if fields.len() == types.len() && !is_empty(fields) {
            record_count += 1;
            has_years = has_years && !is_years(bytes, fields);
            types
                .iter_mut()
                .zip(fields)
                .for_each(|(types, field)| see(types, bytes, *field, options));
        }
        record_count < RECORDS_MAX
    });
    let mut is_any_typed = false;
    for (types, field) in types.iter().zip(&first) {
        let is_typed = types.data_type() != DataType::Varchar;
        let is_name = !says_nothing(&bytes[field.start..field.end], options);
        if !is_name || !is_typed && record_count > 0 {
            continue;
        }
        let mut with_first = *types;
        see(&mut with_first, bytes, *field, options);
        if with_first.data_type() != DataType::Varchar {
            is_any_typed = true;
        } else if is_typed {
            return false;
        }
    }
    is_any_typed && !has_years
}

/// Whether numbers of a record are years in a row, as they stand above the columns of many tables: `country,2022,2023`.
fn is_years(bytes: &[u8], fields: &[RawField]) -> bool {
    let texts = fields.iter().map(|field| &bytes[field.start..field.end]);
    let numbers: Vec<i64> = texts.filter_map(|text| number::integer(text).ok()).collect();
    let is_year = |number: &i64| (1800..2200).contains(number);
    let is_row = numbers.is_sorted_by(|before, after| before + 1 == *after)
        || numbers.is_sorted_by(|before, after| before - 1 == *after);
    numbers.len() > 1 && is_row && numbers.iter().all(is_year)
}

/// The first line that is none to be passed over, clipped.
fn first_line(options: &CsvOptions, bytes: &[u8]) -> String {
    const CHARS_MAX: usize = 60;
    let rest = &bytes[first_record(options, bytes, true)..];
    let line = rest.split(|&byte| byte == b'\n').find(|line| !line.trim_ascii().is_empty());
    let line = String::from_utf8_lossy(line.unwrap_or_default().trim_ascii()).into_owned();
    match line.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// A delimiter as an option has it.
pub(crate) fn shown(delimiter: u8) -> String {
    if delimiter == b'\t' { "'\\t'".to_owned() } else { format!("'{}'", char::from(delimiter)) }
}

/// The delimiter by which a record has the most fields, and how many; `None` where it has one by each.
pub(super) fn best_delimiter(record: &[u8], options: &CsvOptions) -> Option<(u8, usize)> {
    let mut fields = Vec::new();
    let mut count = |delimiter: u8| {
        let options = CsvOptions { delimiter, ..options.clone() };
        record::split(record, 0, true, &options, &mut fields);
        fields.len()
    };
    let others = DELIMITERS.into_iter().filter(|&other| other != options.quote);
    let counted = others.map(|delimiter| (delimiter, count(delimiter)));
    counted.max_by_key(|(_, count)| *count).filter(|(_, count)| *count > 1)
}
