//! Texts of one type: read as a whole column of them, and numbers and times written and read back.

use std::sync::Arc;

use arrow_array::types::{Float64Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{ArrayRef, PrimitiveArray, UInt64Array};
use tidemill_format::Encoder;
use tidemill_plan::{Format, TimestampUnit};
use tidemill_record::{Batch, DataType, Field, Schema};

use crate::case::Case;
use crate::dice::Dice;
use crate::value::{Kind, Value, decoded, value};
use crate::{csv, json};

/// What numbers are made of, so that chance writes many.
const OF_NUMBERS: &[u8] = b"0123456789012345678901234567890123456789....--+eE  \tinfINFnax,\"";
/// What times are made of.
const OF_TIMES: &[u8] = b"0123456789012345678901234567890123456789--::TtZz  ..++e/x";

/// Numbers: integers, decimals and floats.
pub fn numbers(data: &[u8]) {
    let mut dice = Dice::new(data);
    let types = [
        DataType::BigInt,
        DataType::Double,
        DataType::Integer,
        DataType::Real,
        DataType::Decimal { precision: 9, scale: 2 },
        DataType::Decimal { precision: 38, scale: 10 },
        DataType::TinyInt,
    ];
    let data_type = types[dice.below(types.len())].clone();
    match dice.below(4) {
        0 => check_column(&data_type, &lines(dice.clone().rest(), None), dice),
        1 | 2 => check_column(&data_type, &lines(dice.clone().rest(), Some(OF_NUMBERS)), dice),
        _ => {
            let words: Vec<u64> = words(dice.rest()).collect();
            let integers = words.iter().map(|word| word.cast_signed());
            check_round_trip(
                &DataType::BigInt,
                Arc::new(PrimitiveArray::<Int64Type>::from_iter_values(integers)),
            );
            // Many bits are zero or one throughout in numbers that people write.
            let doubles = words.iter().flat_map(|&word| {
                let whole = (word.cast_signed() >> (word & 63)) as f64;
                [f64::from_bits(word), whole, whole / 10.0, whole / 100.0, whole / 1000.0]
            });
            check_round_trip(
                &DataType::Double,
                Arc::new(PrimitiveArray::<Float64Type>::from_iter_values(doubles)),
            );
        }
    }
}

/// Dates and timestamps.
pub fn times(data: &[u8]) {
    let mut dice = Dice::new(data);
    let data_type = if dice.byte() & 3 == 0 { DataType::Date } else { DataType::Timestamp };
    match dice.below(4) {
        0 => check_column(&data_type, &lines(dice.clone().rest(), None), dice),
        1 => check_column(&data_type, &lines(dice.clone().rest(), Some(OF_TIMES)), dice),
        2 => check_column(&data_type, &neighbours(dice.clone()), dice),
        _ => {
            let micros = words(dice.rest()).flat_map(|word| {
                let value = word.cast_signed() >> (word & 31);
                // A century is about 2^52 microseconds.
                [value, value >> 11, (value >> 11) / 60_000_000 * 60_000_000 - 1]
            });
            check_round_trip(
                &DataType::Timestamp,
                Arc::new(PrimitiveArray::<TimestampMicrosecondType>::from_iter_values(micros)),
            );
        }
    }
}

/// Eight bytes each.
fn words(bytes: &[u8]) -> impl Iterator<Item = u64> {
    bytes.as_chunks::<8>().0.iter().map(|word| u64::from_le_bytes(*word))
}

/// Texts that follow each other in the bytes, each behind a byte that says how long it is; out of an
/// alphabet where there is one.
fn lines(mut bytes: &[u8], alphabet: Option<&[u8]>) -> Vec<Vec<u8>> {
    let mut lines = Vec::new();
    while let [len, rest @ ..] = bytes {
        let (line, rest) = rest.split_at(rest.len().min(usize::from(len % 40)));
        bytes = rest;
        lines.push(match alphabet {
            Some(alphabet) => {
                line.iter().map(|byte| alphabet[usize::from(*byte) % alphabet.len()]).collect()
            }
            None => line.to_vec(),
        });
    }
    lines
}

/// Timestamps that are each like the one before but for a few characters.
fn neighbours(mut dice: Dice<'_>) -> Vec<Vec<u8>> {
    let mut line = b"2024-02-29T12:34:56.789012Z".to_vec();
    let mut lines = Vec::new();
    while !dice.is_empty() && lines.len() < 200 {
        lines.push(line.clone());
        for _ in 0..=dice.below(3) {
            let at = dice.below(32).min(line.len());
            let byte = dice.one_of(OF_TIMES);
            match dice.below(6) {
                0 => line.insert(at, byte),
                1 if at < line.len() => drop(line.remove(at)),
                2 => line.truncate(at.max(16)),
                _ if at < line.len() => line[at] = byte,
                _ => line.push(byte),
            }
        }
        line.truncate(48);
        if dice.below(8) == 0 {
            line = b"2024-02-29 12:34:56.5".to_vec();
        }
    }
    lines
}

/// Decodes a column of texts, as CSV and as JSON: numbers where they are some, else strings.
fn check_column(data_type: &DataType, lines: &[Vec<u8>], mut dice: Dice<'_>) {
    let case = Case {
        schema: Schema::new(vec![Field::nullable("v", data_type.clone())]),
        columns: vec![0],
        has_header: false,
        delimiter: b',',
        quote: b'"',
        unit: dice.one_of(&[TimestampUnit::Milliseconds, TimestampUnit::Nanoseconds]),
        reading: tidemill_plan::CsvReading::default(),
        batch_rows: 7,
        cuts: vec![0x5555, 0xaaaa],
        split: 0,
        is_end_late: false,
    };
    csv::check_text(&case, &lines.join(&b'\n'));
    let mut text = Vec::new();
    for line in lines {
        let line = String::from_utf8_lossy(line);
        let is_number = serde_json::from_str::<serde_json::Number>(&line).is_ok();
        let value =
            if is_number { line.into_owned() } else { serde_json::Value::from(line).to_string() };
        text.extend_from_slice(format!("{{\"v\":{value}}}\n").as_bytes());
    }
    json::check_text(&case, &text);
}

/// What is written is read back as the same, by the decoder and by the standard library.
fn check_round_trip(data_type: &DataType, array: ArrayRef) {
    let schema = Schema::new(vec![Field::nullable("v", data_type.clone())]);
    let row_count = array.len() as u64;
    if row_count == 0 {
        return;
    }
    let values = decoded(&array, data_type);
    let batch = Batch::new(vec![array], UInt64Array::from_iter_values(0..row_count));
    let case = Case {
        schema: schema.clone(),
        columns: vec![0],
        has_header: true,
        delimiter: b',',
        quote: b'"',
        unit: TimestampUnit::Milliseconds,
        reading: tidemill_plan::CsvReading::default(),
        batch_rows: 100,
        cuts: Vec::new(),
        split: 0,
        is_end_late: false,
    };
    let encoded = |format: &Format| {
        let mut out = Vec::new();
        let mut encoder = Encoder::new(format, &schema).expect("a type that text has");
        encoder.encode(&batch, &mut out).expect("text is always written");
        encoder.finish(&mut out).expect("text is always written");
        out
    };
    let text = encoded(&case.csv());
    let written = String::from_utf8(text.clone()).expect("text is UTF-8");
    let fields: Vec<&str> = written.lines().skip(1).collect();
    assert_eq!(fields.len(), values.len(), "a line for each value");
    for (field, expected) in fields.iter().zip(&values) {
        let read = value(Kind::Text, field, data_type, case.unit);
        assert_eq!(read.as_ref(), Some(expected), "{field:?} was written");
        check_shortest(field, expected);
    }
    csv::check_text(&case, &text);
    json::check_text(&case, &encoded(&case.json()));
}

/// No text of a double has more digits than it needs.
fn check_shortest(field: &str, value: &Value) {
    let Value::Float(bits) = value else { return };
    let value = f64::from_bits(*bits);
    if value.is_finite() {
        let digits = |text: &str| {
            let mantissa = text.split(['e', 'E']).next().unwrap_or_default();
            let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
            digits.trim_matches('0').len()
        };
        assert_eq!(digits(field), digits(&format!("{value:e}")), "{field:?} for {value:e}");
    }
}
