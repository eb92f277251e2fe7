//! CSV against [`crate::slow_csv`], which is itself held against the `csv` crate where both read the same.

use tidemill_plan::{CsvFields, CsvReading, Format, TimestampUnit};
use tidemill_record::DataType;

use crate::case::Case;
use crate::dice::Dice;
use crate::drive::{self, Bad, Outcome};
use crate::regular;
use crate::slow_csv::{Field, Record, records};
use crate::value::{Kind, Value, value};

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
    let Format::Csv(options) = case.csv() else { unreachable!("it is CSV") };
    let records = records(text, &options);
    compare_with_csv_crate(&records, case, text);
    let mut rest = records.as_slice();
    let header = match (case.has_header, &records[..]) {
        (true, [first, others @ ..]) => {
            rest = others;
            names(first, case.reading.escape).map(Some)
        }
        _ => Ok(None),
    };
    let trusted = header.clone().and_then(|header| outcome(case, text, rest, header.as_deref()));
    let header = header.ok().flatten();
    drive::check(case, &case.csv(), text, &trusted, header.as_deref());
    let read = Case { columns: case.filtered_by(), ..case.clone() };
    if let (Ok(trusted), Ok(read)) = (trusted, outcome(&read, text, rest, header.as_deref())) {
        let trusted = drive::wanted(trusted, read);
        drive::check_filtered(case, &case.csv(), text, &trusted, header.as_deref());
    }
}

/// The names that a header spells.
fn names(header: &Record, escape: Option<u8>) -> Result<Vec<String>, String> {
    if header.is_faulty || has_bare_return(header, escape) {
        return Err("a faulty header".to_owned());
    }
    let names: Vec<String> = header
        .fields
        .iter()
        .enumerate()
        .map(|(place, field)| match &field.text[..] {
            b"" => Ok(format!("column{place}")),
            name => String::from_utf8(name.to_vec()).map_err(|_| "no UTF-8".to_owned()),
        })
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
                // What is the name of another column in its own right is that.
                let is_free = |found: &String| {
                    found.eq_ignore_ascii_case(name)
                        && !case.schema.fields.iter().any(|field| field.name == *found)
                };
                let folded = || header.iter().position(is_free);
                exact.or_else(folded).ok_or_else(|| format!("no {name}"))
            }
        })
        .collect::<Result<_, _>>()?;
    for record in records {
        let raw = &text[record.start..record.end];
        let is_empty = matches!(&record.fields[..], [Field { bare: Some(bare), .. }] if bare.is_empty());
        if is_empty && field_count > 1 {
            continue;
        }
        let offset = record.start as u64;
        let count = record.fields.len();
        // At the end of a text that no newline ends, a carriage return is likely to be meant as one.
        let is_cut = !text[record.end..].contains(&b'\n') && has_bare_return(record, case.reading.escape);
        let is_whole = !record.is_faulty
            && !is_cut
            && match case.reading.fields {
                CsvFields::Strict => count == field_count,
                CsvFields::Pad => count <= field_count,
                CsvFields::Any => true,
            };
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
        let field = record.fields.get(place);
        let read = match field.filter(|field| !is_null(field, &column.data_type, &case.reading)) {
            None => column.is_nullable.then_some(Value::Null),
            Some(field) => {
                let text = str::from_utf8(&field.text).expect("part of a record of UTF-8");
                value(Kind::Text, text, &column.data_type, unit)
            }
        };
        read.ok_or_else(|| Some(column.name.clone()))
    };
    case.needed().zip(places).map(of_column).collect()
}

/// Whether a carriage return stands outside of quotes, in a field without an escape.
fn has_bare_return(record: &Record, escape: Option<u8>) -> bool {
    let mut bare = record.fields.iter().filter_map(|field| field.bare.as_ref());
    bare.any(|bare| {
        bare.contains(&b'\r') && !escape.is_some_and(|escape| bare.contains(&escape))
    })
}

fn is_null(field: &Field, data_type: &DataType, reading: &CsvReading) -> bool {
    let Some(bare) = &field.bare else { return false };
    let is_named = reading.nulls.iter().any(|null| null.as_bytes() == bare);
    let holds_empty = matches!(data_type, DataType::Varchar | DataType::Varbinary);
    is_named || (bare.is_empty() && (reading.nulls.is_empty() || !holds_empty))
}

/// The `csv` crate ends a record at a lone CR too, skips blank lines, takes text behind a closing quote
/// and a quote without an end; what is left is the same.
fn compare_with_csv_crate(records: &[Record], case: &Case, text: &[u8]) {
    let is_marked = text.starts_with(b"\xef\xbb\xbf");
    let is_plain = case.reading == CsvReading::default();
    if !is_plain || is_marked || text.contains(&b'\r') || records.iter().any(|record| record.is_faulty) {
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
        .map(|record| record.fields.iter().map(|field| field.text.clone()).collect())
        .collect();
    assert_eq!(
        ours,
        theirs,
        "the slow reader and the csv crate; {:?}",
        String::from_utf8_lossy(text)
    );
}
