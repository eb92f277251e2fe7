//! Encode, decode: the same values, for every type and format.

use std::sync::Arc;

use arrow_array::types::IntervalMonthDayNano;
use arrow_array::{
    ArrayRef, BinaryViewArray, BooleanArray, Date32Array, Decimal128Array, Float32Array,
    Float64Array, Int8Array, Int16Array, Int32Array, Int64Array, IntervalMonthDayNanoArray,
    StringViewArray, TimestampMicrosecondArray, UInt64Array,
};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;
use tidemill_format::Encoder;
use tidemill_plan::{ArrowForm, ArrowOptions, CsvOptions, Format, JsonOptions, TimestampUnit};
use tidemill_record::{Batch, DataType, Field, Schema};

use crate::decoding::{decode, decode_in_frames};

pub(crate) fn all_types() -> Schema {
    let types = [
        DataType::Boolean,
        DataType::TinyInt,
        DataType::SmallInt,
        DataType::Integer,
        DataType::BigInt,
        DataType::Real,
        DataType::Double,
        DataType::Decimal { precision: 38, scale: 7 },
        DataType::Varchar,
        DataType::Varbinary,
        DataType::Date,
        DataType::Timestamp,
        DataType::Interval,
    ];
    let field = |(index, t): (usize, DataType)| Field::nullable(format!("c {index}"), t);
    Schema::new(types.into_iter().enumerate().map(field).collect())
}

/// Extreme and random values of every type, with NULLs.
pub(crate) fn all_values(row_count: usize, seed: u64) -> Batch {
    let mut random = Pcg64::seed_from_u64(seed);
    let mut bits = |row: usize| -> Option<i64> {
        let value: i64 = random.random();
        match row % 9 {
            0 => None,
            1 => Some(i64::MIN),
            2 => Some(i64::MAX),
            3 => Some(0),
            shift => Some(value >> ((shift - 4) * 12)),
        }
    };
    let mut column = || -> Vec<Option<i64>> { (0..row_count).map(&mut bits).collect() };
    let text = |value: i64| {
        const TEXTS: [&str; 12] = [
            "",
            " ",
            "a",
            "NULL",
            "twelve bytes",
            "é\"quoted\", and more",
            "line\nbreak\r\n",
            "\u{0}\u{1b}\\\t",
            "日本語 and a longer tail 😀",
            ",",
            "\"",
            " leading and trailing ",
        ];
        TEXTS[value.unsigned_abs() as usize % TEXTS.len()]
    };
    let (texts, blobs) = (column(), column());
    let blobs: Vec<Option<Vec<u8>>> = blobs
        .into_iter()
        .map(|v| v.map(|v| v.to_le_bytes().repeat(v.unsigned_abs() as usize % 4)))
        .collect();
    let decimal = |v: i64| i128::from(v) * i128::from(v >> 3) % 10_i128.pow(38);
    let interval = |v: i64| IntervalMonthDayNano::new(v as i32, (v >> 20) as i32, v);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(column().into_iter().map(|v| v.map(|v| v & 1 == 1)).collect::<BooleanArray>()),
        Arc::new(column().into_iter().map(|v| v.map(|v| v as i8)).collect::<Int8Array>()),
        Arc::new(column().into_iter().map(|v| v.map(|v| v as i16)).collect::<Int16Array>()),
        Arc::new(column().into_iter().map(|v| v.map(|v| v as i32)).collect::<Int32Array>()),
        Arc::new(column().into_iter().collect::<Int64Array>()),
        Arc::new(column().into_iter().map(|v| v.map(real)).collect::<Float32Array>()),
        Arc::new(column().into_iter().map(|v| v.map(double)).collect::<Float64Array>()),
        Arc::new(
            column()
                .into_iter()
                .map(|v| v.map(decimal))
                .collect::<Decimal128Array>()
                .with_precision_and_scale(38, 7)
                .unwrap(),
        ),
        Arc::new(texts.into_iter().map(|v| v.map(text)).collect::<StringViewArray>()),
        Arc::new(blobs.iter().map(|v| v.as_deref()).collect::<BinaryViewArray>()),
        Arc::new(column().into_iter().map(|v| v.map(|v| v as i32)).collect::<Date32Array>()),
        Arc::new(column().into_iter().collect::<TimestampMicrosecondArray>()),
        Arc::new(
            column().into_iter().map(|v| v.map(interval)).collect::<IntervalMonthDayNanoArray>(),
        ),
    ];
    Batch::new(columns, UInt64Array::from_iter_values(0..row_count as u64))
}

/// Any float, with one NaN for all.
fn double(bits: i64) -> f64 {
    let value = f64::from_bits(bits.cast_unsigned());
    if value.is_nan() { f64::NAN } else { value }
}

fn real(bits: i64) -> f32 {
    let value = f32::from_bits(bits as u32);
    if value.is_nan() { f32::NAN } else { value }
}

pub(crate) fn encoded(format: &Format, schema: &Schema, batches: &[Batch]) -> Vec<u8> {
    let mut encoder = Encoder::new(format, schema).unwrap();
    let mut out = Vec::new();
    for batch in batches {
        encoder.encode(batch, &mut out).unwrap();
    }
    encoder.finish(&mut out).unwrap();
    // A second segment stands on its own.
    let mut again = Vec::new();
    for batch in batches {
        encoder.encode(batch, &mut again).unwrap();
    }
    encoder.finish(&mut again).unwrap();
    assert_eq!(again, out);
    out
}

fn check(format: &Format) {
    let schema = all_types();
    let batches = [all_values(50, 1), all_values(1, 2), all_values(1000, 3)];
    let bytes = encoded(format, &schema, &batches);
    let decoded = decode(format, &schema, &bytes).unwrap();
    assert_eq!(decoded.bad, []);
    let expected = crate::decoding::gathered(&schema, &batches, Vec::new());
    for (column, (found, expected)) in decoded.columns.iter().zip(&expected.columns).enumerate() {
        assert_eq!(found, expected, "column {column}");
    }
    for (size, batch_rows) in [(1000, 7), (4096, 1000), (333, 1)] {
        let cut = decode_in_frames(format, &schema, &bytes, size, size, batch_rows).unwrap();
        assert_eq!(cut, decoded);
    }
}

#[test]
fn csv_of_any_delimiter() {
    for (delimiter, quote) in
        [(b',', b'"'), (b'\t', b'\''), (b'-', b'"'), (b'1', b'e'), (b' ', b'|')]
    {
        let timestamp_unit = TimestampUnit::Milliseconds;
        for has_header in [true, false] {
            let options = CsvOptions {
                has_header,
                delimiter,
                quote,
                timestamp_unit,
                ..CsvOptions::default()
            };
            check(&Format::Csv(options));
        }
    }
}

#[test]
fn json() {
    check(&Format::Json(JsonOptions::default()));
}

#[test]
fn arrow() {
    for form in [ArrowForm::File, ArrowForm::Stream] {
        check(&Format::Arrow(ArrowOptions { form }));
    }
}

#[test]
fn text_is_written_as_documented() {
    let schema = Schema::new(vec![
        Field::nullable("x", DataType::Double),
        Field::nullable("s", DataType::Varchar),
    ]);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Float64Array::from(vec![Some(1.0), None, Some(f64::NAN), Some(0.1 + 0.2)])),
        Arc::new(StringViewArray::from(vec![Some("a"), Some(""), None, Some("say \"hi\"\u{1}")])),
    ];
    let batch = [Batch::new(columns, UInt64Array::from(vec![0, 1, 2, 3]))];
    let csv = encoded(&Format::Csv(CsvOptions::default()), &schema, &batch);
    let expected = "x,s\n1.0,a\n,\"\"\nNaN,\n0.30000000000000004,\"say \"\"hi\"\"\u{1}\"\n";
    assert_eq!(String::from_utf8(csv).unwrap(), expected);
    let json = encoded(&Format::Json(JsonOptions::default()), &schema, &batch);
    let expected = "{\"x\":1.0,\"s\":\"a\"}\n{\"x\":null,\"s\":\"\"}\n{\"x\":\"NaN\",\"s\":null}\n\
                    {\"x\":0.30000000000000004,\"s\":\"say \\\"hi\\\"\\u0001\"}\n";
    assert_eq!(String::from_utf8(json).unwrap(), expected);
}
