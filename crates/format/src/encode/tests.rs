//! Encoders beside a slow one, which writes value by value and looks at one byte after the other.

#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, reason = "tests")]

use std::sync::Arc;

use arrow_array::types::IntervalMonthDayNano;
use arrow_array::{
    ArrayRef, BinaryViewArray, BooleanArray, Date32Array, Decimal128Array, Float32Array,
    Float64Array, Int8Array, Int16Array, Int32Array, Int64Array, IntervalMonthDayNanoArray,
    StringViewArray, TimestampMicrosecondArray, UInt64Array,
};
use rand::{Rng, RngExt, SeedableRng};
use rand_pcg::Pcg64;
use tidemill_plan::{CsvOptions, Format, JsonOptions, TimeForm, Times, TimestampUnit};
use tidemill_record::{Batch, DataType, Field, Schema, TimeFormat};

use crate::Encoder;
use crate::text::cell::Cells;

/// A number of any size, and of the sizes at which something changes.
fn integer(random: &mut impl Rng) -> i64 {
    match random.random_range(0..6) {
        0 => *[0, -1, i64::MIN, i64::MAX, i64::MIN + 1].get(random.random_range(0..5)).unwrap(),
        1 => 10_i64.pow(random.random_range(0..19)) - i64::from(random.random_bool(0.5)),
        2 => -(10_i64.pow(random.random_range(0..19))),
        _ => random.random::<i64>() >> random.random_range(0..63),
    }
}

/// A number of a column of such numbers: any, or none of more than eight digits, as are written four at a time.
fn integer_like(random: &mut impl Rng, unit: i32) -> i64 {
    let number = integer(random);
    if unit == 1 { number % 100_000_000 } else { number }
}

/// The same: any, hundredths, or of so many places.
fn double_like(random: &mut impl Rng, unit: i32) -> f64 {
    match unit {
        1 => f64::from(random.random_range(-99_999_999..=99_999_999)) / 100.0,
        2 => f64::from(random.random::<i32>()) / 10_f64.powi(random.random_range(0..10)),
        _ => double(random),
    }
}

fn double(random: &mut impl Rng) -> f64 {
    match random.random_range(0..5) {
        0 => f64::from_bits(random.random()),
        1 => [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, f64::MIN_POSITIVE]
            [random.random_range(0..5)],
        2 => f64::from(random.random::<i32>()) / 100.0,
        3 => f64::from(random.random::<i32>()) / 1e7,
        _ => integer(random) as f64,
    }
}

/// Texts of all lengths around those at which the way of copying changes, with what is special anywhere.
fn text(random: &mut impl Rng) -> String {
    const SPECIAL: [&str; 14] =
        ["\"", "\\", ",", "\n", "\r", "\t", "\u{1}", " ", ";", "'", "-", "é", "日", "T"];
    let len =
        [0, 1, 3, 11, 12, 13, 16, 31, 32, 33, 63, 64, 65, 100, 300][random.random_range(0..15)];
    let special_share = [0.0, 0.02, 0.5][random.random_range(0..3)];
    let mut text = String::new();
    while text.len() < len {
        if random.random_bool(special_share) {
            text.push_str(SPECIAL[random.random_range(0..SPECIAL.len())]);
        } else {
            text.push(char::from(random.random_range(b'a'..=b'z')));
        }
    }
    if random.random_bool(0.05) {
        text.insert(0, ' ');
    }
    if random.random_bool(0.05) {
        text.push(' ');
    }
    text
}

fn column(random: &mut Pcg64, rows: usize, data_type: &DataType) -> ArrayRef {
    let null_share = [0.0, 0.0, 0.3][random.random_range(0..3)];
    macro_rules! of {
        ($array:ty, $value:expr) => {
            Arc::new(
                (0..rows)
                    .map(|_| (!random.random_bool(null_share)).then(|| $value(&mut *random)))
                    .collect::<$array>(),
            )
        };
    }
    let unit = random.random_range(0..5);
    match data_type {
        DataType::Boolean => of!(BooleanArray, |random: &mut _| integer(random) & 1 == 1),
        DataType::TinyInt => of!(Int8Array, |random: &mut _| integer_like(random, unit) as i8),
        DataType::SmallInt => of!(Int16Array, |random: &mut _| integer_like(random, unit) as i16),
        DataType::Integer => of!(Int32Array, |random: &mut _| integer_like(random, unit) as i32),
        DataType::BigInt => of!(Int64Array, |random: &mut _| integer_like(random, unit)),
        DataType::Real => of!(Float32Array, |random: &mut _| double(random) as f32),
        DataType::Double => of!(Float64Array, |random: &mut _| double_like(random, unit)),
        DataType::Decimal { precision, scale } => {
            let max = 10_i128.pow(u32::from(*precision));
            let value = |random: &mut _| {
                let value = i128::from(integer(random));
                (if integer(random) & 3 == 0 { value * value / 7 } else { value }) % max
            };
            let rows = (0..rows).map(|_| (!random.random_bool(null_share)).then(|| value(random)));
            let array = rows.collect::<Decimal128Array>();
            Arc::new(array.with_precision_and_scale(*precision, (*scale).cast_signed()).unwrap())
        }
        DataType::Varchar => of!(StringViewArray, |random: &mut _| text(random)),
        DataType::Varbinary => of!(BinaryViewArray, |random: &mut _| text(random).into_bytes()),
        DataType::Date => of!(Date32Array, |random: &mut _| {
            let day = integer(random) as i32;
            if unit == 0 { day } else { day % 40_000 }
        }),
        DataType::Timestamp => of!(TimestampMicrosecondArray, |random: &mut Pcg64| {
            let base = 1_704_067_200_000_000;
            match unit {
                0 => integer(random),
                1 => base + integer(random) % 86_400_000_000,
                2 => base + integer(random) % 100_000 * 1000,
                3 => base + random.random_range(0..86_400_000_000),
                _ => base + integer(random) % 60 * 1_000_000,
            }
        }),
        _ => of!(IntervalMonthDayNanoArray, |random: &mut _| {
            IntervalMonthDayNano::new(
                integer(random) as i32 * (unit & 1),
                integer(random) as i32 * (unit & 1),
                integer(random),
            )
        }),
    }
}

fn schema(random: &mut impl Rng) -> Schema {
    let scale = random.random_range(0..=38);
    let decimal = DataType::Decimal { precision: random.random_range(scale.max(1)..=38), scale };
    let types = [
        DataType::Boolean,
        DataType::TinyInt,
        DataType::SmallInt,
        DataType::Integer,
        DataType::BigInt,
        DataType::Real,
        DataType::Double,
        decimal,
        DataType::Varchar,
        DataType::Varbinary,
        DataType::Date,
        DataType::Timestamp,
        DataType::Interval,
    ];
    let count = random.random_range(1..6);
    let name = |index: usize| {
        format!(
            "{index}{}",
            if index % 3 == 2 { "a name that no cell of 32 bytes holds" } else { "\"" }
        )
    };
    let field = |index: usize| {
        Field::nullable(name(index), types[random.random_range(0..types.len())].clone())
    };
    Schema::new((0..count).map(field).collect())
}

fn times(random: &mut impl Rng) -> Times {
    let form = match random.random_range(0..8) {
        0 => TimeForm::Iso { has_zone: true },
        1 => TimeForm::Iso { has_zone: false },
        2 => TimeForm::Count(TimestampUnit::Seconds),
        3 => TimeForm::Count(TimestampUnit::Milliseconds),
        4 => TimeForm::Count(TimestampUnit::Nanoseconds),
        5 => TimeForm::Format(TimeFormat::to_write("%d \"%b\", %Y\t%H").unwrap()),
        _ => return Times::default(),
    };
    Times { timestamp: Some(form.clone()), date: Some(form), columns: Vec::new() }
}

/// One value after the other.
fn slow(format: &Format, schema: &Schema, batch: &Batch) -> Vec<u8> {
    let mut out = Vec::new();
    for row in 0..batch.row_count() {
        for (index, field) in schema.fields.iter().enumerate() {
            let times = match format {
                Format::Csv(options) => &options.times,
                Format::Json(options) => &options.times,
                _ => unreachable!("a format of text"),
            };
            let cells = Cells::new(batch.column(index), &field.data_type).in_form(times.of(field));
            match format {
                Format::Csv(options) => {
                    if index > 0 {
                        out.push(options.delimiter);
                    }
                    let mut text = Vec::new();
                    if !cells.is_null(row) {
                        cells.write(row, &mut text);
                        text = quoted(options, text);
                    }
                    out.extend(text);
                }
                _ => {
                    out.push(if index == 0 { b'{' } else { b',' });
                    let key = serde_json::to_vec(&field.name).unwrap();
                    out.extend(key);
                    out.push(b':');
                    cells.write_json(row, &mut out);
                }
            }
        }
        out.extend_from_slice(if matches!(format, Format::Json(_)) { b"}\n" } else { b"\n" });
    }
    out
}

fn quoted(options: &CsvOptions, text: Vec<u8>) -> Vec<u8> {
    let CsvOptions { delimiter, quote, .. } = *options;
    let is_special = |byte: &u8| [b'\n', b'\r', delimiter, quote].contains(byte);
    let is_bare = !text.is_empty()
        && !text.iter().any(is_special)
        && !text.starts_with(b" ")
        && !text.ends_with(b" ");
    if is_bare {
        return text;
    }
    let inner = text.into_iter().flat_map(|byte| {
        let count = if byte == quote { 2 } else { 1 };
        std::iter::repeat_n(byte, count)
    });
    [quote].into_iter().chain(inner).chain([quote]).collect()
}

#[test]
fn blocks_are_written_as_value_after_value() {
    for seed in 0..400 {
        let random = &mut Pcg64::seed_from_u64(seed);
        let schema = schema(random);
        let rows = [1, 7, 128, 129, 300][random.random_range(0..5)];
        let skip = random.random_range(0..3);
        let columns = schema.fields.iter().map(|field| {
            let array = column(random, rows + skip, &field.data_type);
            array.slice(skip, rows)
        });
        let columns: Vec<ArrayRef> = columns.collect();
        let batch = Batch::new(columns, UInt64Array::from_iter_values(0..rows as u64));
        let times = times(random);
        let format = if random.random_bool(0.5) {
            Format::Json(JsonOptions { times, ..JsonOptions::default() })
        } else {
            let delimiter = b",;|\t- T1e:."[random.random_range(0..11)];
            let quote = b"\"\"'5-"[random.random_range(0..5)];
            if delimiter == quote {
                continue;
            }
            Format::Csv(CsvOptions {
                delimiter,
                quote,
                has_header: false,
                times,
                ..CsvOptions::default()
            })
        };
        let mut encoder = Encoder::new(&format, &schema).unwrap();
        let mut out = b"before".to_vec();
        encoder.encode(&batch, &mut out).unwrap();
        encoder.finish(&mut out).unwrap();
        let expected = [b"before".as_slice(), &slow(&format, &schema, &batch)].concat();
        if out != expected {
            let at = out.iter().zip(&expected).take_while(|(a, b)| a == b).count();
            let near = |bytes: &[u8]| {
                let range = at.saturating_sub(60)..bytes.len().min(at + 60);
                String::from_utf8_lossy(&bytes[range]).into_owned()
            };
            panic!("seed {seed} {format:?}\n{}\n{}", near(&out), near(&expected));
        }
    }
}
