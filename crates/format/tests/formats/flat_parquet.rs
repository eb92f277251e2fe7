//! Columns of Parquet files as every kind of writer packs them, with a filter and without, against the values that
//! were written.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float32Array,
    Float64Array, Int32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
    TimestampMillisecondArray, TimestampNanosecondArray, UInt64Array,
};
use arrow_buffer::BooleanBuffer;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::properties::{WriterProperties, WriterVersion};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;
use tidemill_format::parquet::Footer;
use tidemill_format::{Decoder, DecoderSpec, Judgement, RowFilter};
use tidemill_plan::Format;
use tidemill_record::{
    BadRecord, Batch, DataType, Field, FrameBytes, Frames, Offset, PartitionId, Schema,
};

use crate::columnar::{decode_parquet, footer};
use crate::decoding::{Decoded, gathered};

/// Values of every type that is read, and what they are in SQL.
struct Written {
    rows: RecordBatch,
    schema: Schema,
    /// The columns as batches have them; what no TIMESTAMP holds is NULL.
    expected: Vec<ArrayRef>,
}

fn written(row_count: usize, nulls: f64, random: &mut Pcg64) -> Written {
    let mut columns: Vec<(&str, DataType, ArrayRef, ArrayRef)> = Vec::new();
    let mut add = |name, data_type, array: ArrayRef, expected: Option<ArrayRef>| {
        let expected = expected.unwrap_or_else(|| array.clone());
        columns.push((name, data_type, array, expected));
    };
    let some = |random: &mut Pcg64| -> Vec<bool> {
        (0..row_count).map(|_| !random.random_bool(nulls)).collect()
    };
    macro_rules! column {
        ($array:ty, $value:expr) => {{
            let valid = some(random);
            let value = $value;
            let values: Vec<_> = valid.iter().map(|valid| valid.then(|| value(random))).collect();
            Arc::new(<$array>::from(values)) as ArrayRef
        }};
    }
    // The filter reads the second and the last.
    add("yes", DataType::Boolean, column!(BooleanArray, |r: &mut Pcg64| r.random_bool(0.3)), None);
    add(
        "n",
        DataType::BigInt,
        column!(Int64Array, |r: &mut Pcg64| r.random_range(-500..500)),
        None,
    );
    add("i", DataType::Integer, column!(Int32Array, |r: &mut Pcg64| r.random_range(0..40)), None);
    add("wide", DataType::BigInt, column!(Int64Array, |r: &mut Pcg64| r.random::<i64>()), None);
    add("real", DataType::Real, column!(Float32Array, |r: &mut Pcg64| r.random::<f32>()), None);
    let few = |r: &mut Pcg64| f64::from(r.random_range(0..7_i32));
    add("double", DataType::Double, column!(Float64Array, few), None);
    let days = |r: &mut Pcg64| r.random_range(-9999..9999);
    add("day", DataType::Date, column!(Date32Array, days), None);
    let micros = |r: &mut Pcg64| r.random_range(-1 << 50..1_i64 << 50);
    add("micros", DataType::Timestamp, column!(TimestampMicrosecondArray, micros), None);
    // One of some hundred is beyond.
    let millis = column!(TimestampMillisecondArray, |r: &mut Pcg64| match r.random_range(0..400) {
        0 => i64::MAX - 5,
        1 => i64::MIN,
        _ => r.random_range(-1 << 40..1_i64 << 40),
    });
    let in_micros = millis.as_primitive::<arrow_array::types::TimestampMillisecondType>();
    let in_micros: TimestampMicrosecondArray =
        in_micros.iter().map(|time| time.and_then(|time| time.checked_mul(1000))).collect();
    add("millis", DataType::Timestamp, millis, Some(Arc::new(in_micros)));
    let nanos = column!(TimestampNanosecondArray, |r: &mut Pcg64| r.random::<i64>());
    let in_micros = nanos.as_primitive::<arrow_array::types::TimestampNanosecondType>();
    let in_micros: TimestampMicrosecondArray =
        in_micros.iter().map(|time| time.map(|time| time.div_euclid(1000))).collect();
    add("nanos", DataType::Timestamp, nanos, Some(Arc::new(in_micros)));
    for (name, precision) in [("small", 9_u8), ("middle", 18), ("large", 38)] {
        let limit = 10_i128.pow(precision.into());
        let digits = column!(Decimal128Array, |r: &mut Pcg64| r.random_range(1 - limit..limit));
        let digits = digits.as_primitive::<arrow_array::types::Decimal128Type>().clone();
        let digits = digits.with_precision_and_scale(precision, 2).unwrap();
        add(name, DataType::Decimal { precision, scale: 2 }, Arc::new(digits), None);
    }
    let bytes = column!(BinaryArray, |r: &mut Pcg64| {
        let length = r.random_range(0..20_u8);
        let bytes: &'static [u8] = (0..length).map(|_| r.random()).collect::<Vec<u8>>().leak();
        bytes
    });
    let expected = bytes.as_binary::<i32>().into();
    let expected: arrow_array::BinaryViewArray = expected;
    add("bytes", DataType::Varbinary, bytes, Some(Arc::new(expected)));
    let mut text = |most: usize, kinds: u32| {
        let valid = some(random);
        let texts = valid.iter().map(|valid| {
            let kind = random.random_range(0..kinds) as usize;
            valid.then(|| {
                "añejo 🦀 text ".chars().cycle().skip(kind % 14).take(kind % most).collect()
            })
        });
        let texts: Vec<Option<String>> = texts.collect();
        let views = arrow_array::StringViewArray::from_iter(&texts);
        (Arc::new(StringArray::from(texts)) as ArrayRef, Arc::new(views) as ArrayRef)
    };
    let (array, expected) = text(300, u32::MAX);
    add("long", DataType::Varchar, array, Some(expected));
    let (array, expected) = text(30, 50);
    add("few", DataType::Varchar, array, Some(expected));
    let fields = columns.iter().map(|(name, data_type, ..)| {
        // Some may not be NULL.
        let is_nullable = !["n", "double", "few"].contains(name);
        Field { name: (*name).to_owned(), data_type: data_type.clone(), is_nullable }
    });
    Written {
        schema: Schema::new(fields.collect()),
        expected: columns.iter().map(|(.., expected)| expected.clone()).collect(),
        rows: RecordBatch::try_from_iter_with_nullable(
            columns.into_iter().map(|(name, _, array, _)| (name, array, true)),
        )
        .unwrap(),
    }
}

fn file(rows: &RecordBatch, properties: WriterProperties) -> Vec<u8> {
    let mut writer = ArrowWriter::try_new(Vec::new(), rows.schema(), Some(properties)).unwrap();
    writer.write(rows).unwrap();
    writer.into_inner().unwrap()
}

/// Keeps some multiples; of multiples of 91 it cannot say.
struct Multiples(i64);

impl Multiples {
    fn is_in_doubt(number: i64) -> bool {
        number % 91 == 0
    }

    fn keeps(&self, number: Option<i64>, text: Option<&str>) -> bool {
        let is_kept =
            |number: i64| number % self.0 == 0 && text.is_some_and(|text| text.len() != 7);
        number.is_some_and(|number| Self::is_in_doubt(number) || is_kept(number))
    }
}

impl RowFilter for Multiples {
    fn judge(&mut self, columns: &[ArrayRef], row_count: usize) -> Judgement {
        let (numbers, texts) =
            (columns[0].as_primitive::<Int64Type>(), columns[1].as_string_view());
        assert_eq!((numbers.len(), texts.len()), (row_count, row_count));
        let kept = numbers.iter().zip(texts).map(|(number, text)| self.keeps(number, text));
        Judgement {
            kept: kept.collect::<BooleanBuffer>(),
            is_in_doubt: numbers.iter().flatten().any(Self::is_in_doubt),
        }
    }
}

/// What a filter leaves, and what it rejects.
fn decode_filtered(
    bytes: &[u8],
    footer: &Footer,
    schema: &Schema,
    modulus: i64,
    batch_rows: usize,
) -> (Decoded, BTreeSet<u64>) {
    let columns: Vec<usize> = (0..schema.fields.len()).collect();
    let spec = DecoderSpec {
        format: &Format::Parquet,
        schema,
        columns: &columns,
        batch_rows,
        csv_header: None,
        is_inferred: false,
        is_union: false,
    };
    let mut decoder = Decoder::for_parquet(&spec, Arc::new(footer.clone())).unwrap();
    let last = columns.len() - 1;
    decoder.filter_rows(&[1, last], Box::new(Multiples(modulus)));
    let selection = footer.selection(schema, &columns).unwrap();
    let (mut batches, mut bad): (Vec<Batch>, Vec<BadRecord>) = (Vec::new(), Vec::new());
    let mut rejected = BTreeSet::new();
    for group in footer.row_groups() {
        let ranges = footer.ranges(group.index, &selection).unwrap();
        let range =
            |r: &std::ops::Range<u64>| (r.start, bytes[r.start as usize..r.end as usize].into());
        let bytes = FrameBytes::RowGroup {
            index: group.index,
            start: Offset(group.start_row),
            ranges: ranges.iter().map(range).collect(),
        };
        decoder.begin(Frames { partition: PartitionId(0), bytes }).unwrap();
        loop {
            let batch = decoder.decode(&mut bad).unwrap();
            let filtered = decoder.take_filtered().unwrap();
            assert!(filtered.rejected.values().iter().all(|offset| rejected.insert(*offset)));
            let Some(batch) = batch else { break };
            assert!((1..=batch_rows).contains(&batch.row_count()));
            let mut numbers = batch.column(1).as_primitive::<Int64Type>().iter().flatten();
            assert!(filtered.is_in_doubt || !numbers.any(Multiples::is_in_doubt));
            batches.push(batch);
        }
    }
    assert!(bad.is_sorted_by_key(|bad| bad.offset), "in order");
    (gathered(schema, &batches, bad), rejected)
}

/// The first column of these at fault in a row.
fn fault(written: &Written, columns: impl Iterator<Item = usize>, row: usize) -> Option<String> {
    for column in columns {
        let field = &written.schema.fields[column];
        let is_null = written.expected[column].is_null(row);
        let was_null = written.rows.column(column).is_null(row);
        if is_null && (!was_null || !field.is_nullable) {
            return Some(field.name.clone());
        }
    }
    None
}

fn check(written: &Written, bytes: &[u8], batch_rows: usize, what: &str) {
    let footer = footer(bytes);
    let schema = &written.schema;
    let (row_count, last) = (written.rows.num_rows(), schema.fields.len() - 1);
    let rows_of = |is_kept: &dyn Fn(usize) -> bool| {
        let rows = (0..row_count).filter(|row| is_kept(*row)).map(|row| row as u64);
        UInt64Array::from_iter_values(rows)
    };
    let hold = |found: &Decoded, kept: &UInt64Array, bad: &dyn Fn(usize) -> Option<String>| {
        assert_eq!(found.offsets, kept.values().to_vec(), "{what}");
        for (column, expected) in found.columns.iter().zip(&written.expected) {
            let expected = arrow_select::take::take(expected, kept, None).unwrap();
            assert_eq!(column, &expected, "{what}");
        }
        let found = found.bad.iter().map(|bad| (bad.offset.0 as usize, bad.field.clone().unwrap()));
        let expected = (0..row_count).filter_map(|row| bad(row).map(|field| (row, field)));
        assert!(found.eq(expected), "{what}");
    };
    let found = decode_parquet(bytes, &footer, schema, batch_rows).unwrap();
    let bad = |row: usize| fault(written, 0..=last, row);
    hold(&found, &rows_of(&|row| bad(row).is_none()), &bad);

    for modulus in [1, 3, 400] {
        let filter = Multiples(modulus);
        let numbers = written.expected[1].as_primitive::<Int64Type>();
        let texts = written.expected[last].as_string_view();
        let is_wanted = |row: usize| {
            let number = numbers.is_valid(row).then(|| numbers.value(row));
            filter.keeps(number, texts.is_valid(row).then(|| texts.value(row)))
        };
        let first = |row: usize| fault(written, [1, last].into_iter(), row);
        let bad = |row: usize| {
            first(row).or_else(|| is_wanted(row).then(|| fault(written, 0..=last, row)).flatten())
        };
        let (found, rejected) = decode_filtered(bytes, &footer, schema, modulus, batch_rows);
        hold(&found, &rows_of(&|row| is_wanted(row) && bad(row).is_none()), &bad);
        let expected = rows_of(&|row| !is_wanted(row) && first(row).is_none());
        assert!(rejected.iter().eq(expected.values()), "{what}");
    }
}

#[test]
fn columns_are_what_was_written_however_they_are_packed() {
    let mut random = Pcg64::seed_from_u64(17);
    let zstd = Compression::ZSTD(ZstdLevel::default());
    for (row_count, nulls) in [(1, 0.0), (1, 1.0), (700, 0.0), (3000, 0.1), (900, 0.9)] {
        let written = written(row_count, nulls, &mut random);
        for (has_dictionary, version, compression) in [
            (true, WriterVersion::PARQUET_1_0, Compression::SNAPPY),
            (false, WriterVersion::PARQUET_1_0, Compression::UNCOMPRESSED),
            (true, WriterVersion::PARQUET_2_0, zstd),
        ] {
            for (page_rows, batch_rows) in [(20_000, 8192), (50, 64), (333, 7)] {
                let properties = WriterProperties::builder()
                    .set_dictionary_enabled(has_dictionary)
                    .set_dictionary_page_size_limit(2000)
                    .set_writer_version(version)
                    .set_compression(compression)
                    .set_write_batch_size(50)
                    .set_data_page_row_count_limit(page_rows)
                    .set_max_row_group_row_count(Some(1300));
                // Where there is no other, `parquet` reads some columns and this crate the others.
                let properties = match (has_dictionary, page_rows) {
                    (false, 333) => properties
                        .set_column_encoding("wide".into(), Encoding::DELTA_BINARY_PACKED)
                        .set_column_encoding("long".into(), Encoding::DELTA_BYTE_ARRAY),
                    _ => properties,
                };
                let bytes = file(&written.rows, properties.build());
                let what = format!("{row_count} {nulls} {has_dictionary} {version:?} {page_rows}");
                check(&written, &bytes, batch_rows, &what);
            }
        }
    }
}

#[test]
fn texts_that_are_no_utf8_are_refused_wherever_they_stand() {
    // A file of texts, one of which is then written over in the file.
    let damaged = |with: &[u8], has_dictionary: bool, length: usize| {
        let around = "x".repeat(length);
        let middle = "m".repeat(with.len());
        let values: Vec<&str> = vec![&around, &middle, &around, "end"];
        let rows =
            RecordBatch::try_from_iter([("text", Arc::new(StringArray::from(values)) as ArrayRef)]);
        let properties = WriterProperties::builder()
            .set_dictionary_enabled(has_dictionary)
            .set_compression(Compression::UNCOMPRESSED)
            .set_statistics_enabled(parquet::file::properties::EnabledStatistics::None);
        let mut file = file(&rows.unwrap(), properties.build());
        let place =
            file.windows(middle.len()).position(|bytes| bytes == middle.as_bytes()).unwrap();
        file[place..place + middle.len()].copy_from_slice(with);
        file
    };
    let schema = Schema::new(vec![Field::nullable("text", DataType::Varchar)]);
    for has_dictionary in [false, true] {
        for length in [3, 127, 128, 400] {
            for middle in [b"\xc3(aaaa".as_slice(), b"aaaa\xf0\x9f\xa6", b"\x80aaaaa", b"aaa\xff"] {
                let bytes = damaged(middle, has_dictionary, length);
                let refused = decode_parquet(&bytes, &footer(&bytes), &schema, 8192);
                assert!(refused.is_err(), "{length} {middle:?}");
            }
            let fine = "aé🦀".as_bytes();
            let bytes = damaged(fine, has_dictionary, length);
            let decoded = decode_parquet(&bytes, &footer(&bytes), &schema, 8192).unwrap();
            assert_eq!(decoded.texts(0)[1].as_deref(), Some("aé🦀"));
        }
    }
}
