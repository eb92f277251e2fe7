//! CSV: a reader that looks at one byte after the other, itself held against the `csv` crate.

use tidemill_plan::TimestampUnit;

use crate::case::Case;
use crate::dice::Dice;
use crate::drive::{self, Bad, Outcome};
use crate::regular;
use crate::value::{Kind, Value, value};

/// A field: its text, and whether it stood in quotes.
type Field = (Vec<u8>, bool);

/// A record of the text.
#[derive(Debug)]
struct Record {
    start: usize,
    /// Behind its last byte; a newline may follow.
    end: usize,
    fields: Vec<Field>,
    /// Whether a quote is never closed, or text stands behind a closing one.
    is_faulty: bool,
}

/// Holds the decoder against what is trusted, on a case and text that the bytes make.
pub fn check(data: &[u8]) {
    let mut dice = Dice::new(data);
    let is_regular = dice.byte() & 1 == 1;
    let case = Case::throw(&mut dice);
    let text = if is_regular { regular::csv(&case, dice) } else { dice.rest().to_vec() };
    check_text(&case, &text);
}

/// Holds the decoder against what is trusted, on this text.
pub fn check_text(case: &Case, text: &[u8]) {
    let records = records(text, case.delimiter, case.quote);
    compare_with_csv_crate(&records, case, text);
    let mut rest = records.as_slice();
    let header = match (case.has_header, &records[..]) {
        (true, [first, others @ ..]) => {
            rest = others;
            names(first).map(Some)
        }
        _ => Ok(None),
    };
    let trusted = header.clone().and_then(|header| outcome(case, text, rest, header.as_deref()));
    let header = header.ok().flatten();
    drive::check(case, &case.csv(), text, &trusted, header.as_deref());
}

fn records(text: &[u8], delimiter: u8, quote: u8) -> Vec<Record> {
    let mut at = if text.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
    let mut records = Vec::new();
    while at < text.len() {
        let mut record = Record { start: at, end: at, fields: Vec::new(), is_faulty: false };
        loop {
            let mut field = (Vec::new(), false);
            let mut behind = Vec::new();
            if text.get(at) == Some(&quote) {
                field.1 = true;
                at += 1;
                loop {
                    match (text.get(at), text.get(at + 1)) {
                        (Some(first), Some(second)) if *first == quote && *second == quote => {
                            field.0.push(quote);
                            at += 2;
                        }
                        (Some(byte), _) if *byte == quote => {
                            at += 1;
                            break;
                        }
                        (Some(byte), _) => {
                            field.0.push(*byte);
                            at += 1;
                        }
                        (None, _) => {
                            record.is_faulty = true;
                            break;
                        }
                    }
                }
            }
            while at < text.len() && text[at] != delimiter && text[at] != b'\n' {
                behind.push(text[at]);
                at += 1;
            }
            let is_last = text.get(at) != Some(&delimiter);
            record.end = at;
            if is_last && behind.last() == Some(&b'\r') {
                behind.pop();
                record.end -= 1;
            }
            record.is_faulty |= field.1 && !behind.is_empty();
            field.0.extend(behind);
            record.fields.push(field);
            at += 1;
            if is_last {
                break;
            }
        }
        records.push(record);
    }
    records
}

/// The names that a header spells.
fn names(header: &Record) -> Result<Vec<String>, String> {
    if header.is_faulty {
        return Err("a faulty header".to_owned());
    }
    let names: Vec<String> = header
        .fields
        .iter()
        .map(|(name, _)| String::from_utf8(name.clone()).map_err(|_| "no UTF-8".to_owned()))
        .collect::<Result<_, _>>()?;
    let is_repeated = (1..names.len()).any(|index| names[..index].contains(&names[index]));
    if is_repeated { Err("a repeated name".to_owned()) } else { Ok(names) }
}

/// What the records come to, those of the header left out.
fn outcome(
    case: &Case,
    text: &[u8],
    records: &[Record],
    header: Option<&[String]>,
) -> Result<Outcome, String> {
    let mut outcome = Outcome::default();
    if case.has_header && header.is_none() {
        return Ok(outcome);
    }
    let field_count = header.map_or(case.schema.fields.len(), <[String]>::len);
    let places: Vec<usize> = case
        .columns
        .iter()
        .map(|&column| match header {
            None => Ok(column),
            Some(header) => {
                let name = &case.schema.fields[column].name;
                let exact = header.iter().position(|found| found == name);
                let folded = || header.iter().position(|found| found.eq_ignore_ascii_case(name));
                exact.or_else(folded).ok_or_else(|| format!("no {name}"))
            }
        })
        .collect::<Result<_, _>>()?;
    for record in records {
        let raw = &text[record.start..record.end];
        if raw.is_empty() && field_count > 1 {
            continue;
        }
        let offset = record.start as u64;
        let is_whole = !record.is_faulty && record.fields.len() == field_count;
        let values = if is_whole && str::from_utf8(raw).is_ok() {
            values(case, record, &places)
        } else {
            Err(None)
        };
        match values {
            Ok(values) => outcome.rows.push((offset, values)),
            Err(field) => outcome.bad.push(Bad { offset, field, raw: raw.to_vec() }),
        }
    }
    Ok(outcome)
}

/// The needed values of a record of UTF-8, or the column that one does not fit.
fn values(case: &Case, record: &Record, places: &[usize]) -> Result<Vec<Value>, Option<String>> {
    let unit: TimestampUnit = case.unit;
    let of_column = |(column, &place): (&tidemill_record::Field, &usize)| {
        let (text, is_quoted) = &record.fields[place];
        let text = str::from_utf8(text).expect("part of a record of UTF-8");
        let read = match (text, is_quoted) {
            ("", false) => column.is_nullable.then_some(Value::Null),
            _ => value(Kind::Text, text, &column.data_type, unit),
        };
        read.ok_or_else(|| Some(column.name.clone()))
    };
    case.needed().zip(places).map(of_column).collect()
}

/// The `csv` crate ends a record at a lone CR too, skips blank lines, takes text behind a closing quote
/// and a quote without an end; what is left is the same.
fn compare_with_csv_crate(records: &[Record], case: &Case, text: &[u8]) {
    let is_marked = text.starts_with(b"\xef\xbb\xbf");
    if is_marked || text.contains(&b'\r') || records.iter().any(|record| record.is_faulty) {
        return;
    }
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(case.delimiter)
        .quote(case.quote)
        .terminator(csv::Terminator::Any(b'\n'))
        .from_reader(text);
    let theirs: Vec<Vec<Vec<u8>>> = reader
        .byte_records()
        .map(|record| record.expect("any text is CSV").iter().map(<[u8]>::to_vec).collect())
        .collect();
    let ours: Vec<Vec<Vec<u8>>> = records
        .iter()
        .filter(|record| record.end > record.start)
        .map(|record| record.fields.iter().map(|(text, _)| text.clone()).collect())
        .collect();
    assert_eq!(
        ours,
        theirs,
        "the slow reader and the csv crate; {:?}",
        String::from_utf8_lossy(text)
    );
}
