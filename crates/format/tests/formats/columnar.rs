//! Arrow IPC and Parquet: conversions, damage, pruning.

use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, DictionaryArray, Float64Array, Int64Array, RecordBatch, StringArray,
    TimestampMicrosecondArray, TimestampNanosecondArray, TimestampSecondArray, UInt64Array,
    types::Int32Type,
};
use arrow_ipc::writer::{FileWriter, StreamWriter};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;
use tidemill_format::parquet::{FOOTER_TAIL_BYTES, Footer, ParsedFooter};
use tidemill_format::{Decoder, DecoderSpec, FormatError, infer_schema};
use tidemill_plan::{BinaryOp, Expr, ExprKind, Format, Scalar, Span};
use tidemill_record::{
    BadRecord, Batch, DataType, Field, FrameBytes, Frames, Offset, PartitionId, Schema,
};

use crate::decoding::{ARROW, Decoded, check_every_cut, decode, gathered, texts_schema};
use crate::round_trip::{all_types, all_values, encoded};

fn foreign() -> RecordBatch {
    let dictionary: DictionaryArray<Int32Type> =
        vec![Some("a"), None, Some("a text beyond twelve"), Some("a")].into_iter().collect();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("u", Arc::new(UInt64Array::from(vec![Some(1), Some(u64::MAX), None, Some(2)]))),
        ("d", Arc::new(dictionary)),
        (
            "s",
            Arc::new(TimestampSecondArray::from(vec![1, i64::MAX, 3, -4]).with_timezone("+02:00")),
        ),
        ("n", Arc::new(TimestampNanosecondArray::from(vec![1500, -1, 0, 1]))),
        ("t", Arc::new(StringArray::from(vec!["x", "y", "z", "a text beyond twelve"]))),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

fn stream(batch: &RecordBatch) -> Vec<u8> {
    let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
    writer.write(batch).unwrap();
    writer.write(batch).unwrap();
    writer.into_inner().unwrap()
}

#[test]
fn foreign_types_become_ours_or_bad_records() {
    let bytes = stream(&foreign());
    let schema = infer_schema(&ARROW, &bytes, true).unwrap();
    let types: Vec<String> = schema.fields.iter().map(|f| f.data_type.to_string()).collect();
    assert_eq!(types, ["DECIMAL(20,0)", "VARCHAR", "TIMESTAMP", "TIMESTAMP", "VARCHAR"]);
    let mut schema = schema;
    schema.fields[0].data_type = DataType::BigInt;
    let decoded = check_every_cut(&ARROW, &schema, &bytes);
    assert_eq!(decoded.offsets, [0, 2, 3, 4, 6, 7]);
    assert_eq!(decoded.reasons(), ["a value is out of range for BIGINT"; 2]);
    let u = Int64Array::from(vec![Some(1), None, Some(2), Some(1), None, Some(2)]);
    assert_eq!(decoded.columns[0].as_ref(), &u as &dyn Array);
    let n = TimestampMicrosecondArray::from(vec![1, 0, 0, 1, 0, 0]);
    assert_eq!(decoded.columns[3].as_ref(), &n as &dyn Array);
    let s = TimestampMicrosecondArray::from(vec![
        1_000_000, 3_000_000, -4_000_000, 1_000_000, 3_000_000, -4_000_000,
    ]);
    assert_eq!(decoded.columns[2].as_ref(), &s as &dyn Array);
}

#[test]
fn a_file_reads_as_the_stream_inside_it() {
    let batch = foreign();
    let mut writer = FileWriter::try_new(Vec::new(), &batch.schema()).unwrap();
    writer.write(&batch).unwrap();
    let bytes = writer.into_inner().unwrap();
    let decoded = check_every_cut(&ARROW, &texts_schema(&["t", "d"]), &bytes);
    assert_eq!(decoded.texts(0).len(), 4);
    assert_eq!(decoded.texts(1)[2].as_deref(), Some("a text beyond twelve"));
}

#[test]
fn arrow_columns_are_matched_by_name_and_type() {
    let bytes = stream(&foreign());
    let error = decode(&ARROW, &texts_schema(&["nope"]), &bytes).unwrap_err();
    assert!(matches!(error, FormatError::MissingColumn { .. }));
    let error = decode(&ARROW, &texts_schema(&["u"]), &bytes).unwrap_err();
    assert_eq!(error.to_string(), "column u is declared VARCHAR but the input holds DECIMAL(20,0)");
    let schema = Schema::new(vec![Field::required("d", DataType::Varchar)]);
    let decoded = decode(&ARROW, &schema, &bytes).unwrap();
    assert_eq!(decoded.reasons(), ["NULL in column d, which is NOT NULL"; 2]);
}

#[test]
fn damaged_arrow_is_an_error_and_never_a_panic() {
    let bytes = stream(&foreign());
    let schema = texts_schema(&["t"]);
    for end in 0..bytes.len() - 8 {
        if let Ok(decoded) = decode(&ARROW, &schema, &bytes[..end]) {
            // Between two messages a stream may end without saying so.
            assert!(decoded.offsets.len().is_multiple_of(4), "cut at {end}");
        }
    }
    let mut random = Pcg64::seed_from_u64(3);
    for _ in 0..3000 {
        let mut damaged = bytes.clone();
        for _ in 0..random.random_range(1..4) {
            let at = random.random_range(0..damaged.len());
            damaged[at] = random.random();
        }
        // Either an error or valid columns (`gathered` validates them).
        let _ = decode(&ARROW, &schema, &damaged);
    }
}

pub(crate) fn footer(bytes: &[u8]) -> Footer {
    let size = bytes.len() as u64;
    let tail = &bytes[bytes.len() - FOOTER_TAIL_BYTES as usize..];
    let ParsedFooter::NeedsTail { byte_count } = Footer::parse(tail, size).unwrap() else {
        panic!("eight bytes are no footer");
    };
    let tail = &bytes[bytes.len() - byte_count as usize..];
    let ParsedFooter::Whole(footer) = Footer::parse(tail, size).unwrap() else {
        panic!("that many bytes are enough");
    };
    *footer
}

pub(crate) fn decode_parquet(
    bytes: &[u8],
    footer: &Footer,
    schema: &Schema,
    batch_rows: usize,
) -> Result<Decoded, FormatError> {
    let columns: Vec<usize> = (0..schema.fields.len()).collect();
    let format = Format::Parquet;
    let spec = DecoderSpec {
        format: &format,
        schema,
        columns: &columns,
        batch_rows,
        csv_header: None,
        is_inferred: false,
        is_union: false,
    };
    let mut decoder = Decoder::for_parquet(&spec, Arc::new(footer.clone()))?;
    let (mut batches, mut bad): (Vec<Batch>, Vec<BadRecord>) = (Vec::new(), Vec::new());
    let selection = footer.selection(schema, &columns)?;
    for group in footer.row_groups() {
        let ranges = footer.ranges(group.index, &selection)?;
        let range =
            |r: &std::ops::Range<u64>| (r.start, bytes[r.start as usize..r.end as usize].into());
        decoder.begin(Frames {
            partition: PartitionId(0),
            bytes: FrameBytes::RowGroup {
                index: group.index,
                start: Offset(group.start_row),
                ranges: ranges.iter().map(range).collect(),
            },
        })?;
        while let Some(batch) = decoder.decode(&mut bad)? {
            batches.push(batch);
        }
    }
    Ok(gathered(schema, &batches, bad))
}

/// Every type but INTERVAL, which Parquet does not take.
fn parquet_values(row_count: usize) -> (Schema, Batch) {
    let mut schema = all_types();
    schema.fields.pop();
    let (mut columns, offsets) = all_values(row_count, 4).into_parts();
    columns.pop();
    (schema, Batch::new(columns, offsets))
}

#[test]
fn parquet_there_and_back() {
    let (schema, batch) = parquet_values(3000);
    let bytes = encoded(&Format::Parquet, &schema, std::slice::from_ref(&batch));
    let footer = footer(&bytes);
    assert_eq!(footer.row_count(), 3000);
    assert_eq!(footer.schema().unwrap(), schema);
    assert_eq!(infer_schema(&Format::Parquet, &bytes, true).unwrap(), schema);
    let expected = gathered(&schema, &[batch], Vec::new());
    for batch_rows in [1000, 8192] {
        assert_eq!(decode_parquet(&bytes, &footer, &schema, batch_rows).unwrap(), expected);
    }
    // Fewer columns, in another order, take fewer bytes.
    let two = Schema::new(vec![schema.fields[8].clone(), schema.fields[4].clone()]);
    let decoded = decode_parquet(&bytes, &footer, &two, 8192).unwrap();
    assert_eq!(decoded.columns, [expected.columns[8].clone(), expected.columns[4].clone()]);
    let interval = Schema::new(vec![Field::nullable("i", DataType::Interval)]);
    let refused = tidemill_format::Encoder::new(&Format::Parquet, &interval);
    assert!(matches!(refused, Err(FormatError::UnsupportedColumn { .. })));
}

#[test]
fn damaged_parquet_is_an_error_and_never_a_panic() {
    let (schema, batch) = parquet_values(200);
    let bytes = encoded(&Format::Parquet, &schema, &[batch]);
    let mut random = Pcg64::seed_from_u64(5);
    for round in 0..600 {
        let mut damaged = bytes.clone();
        let from = if round % 2 == 0 { 0 } else { bytes.len() * 3 / 4 };
        let at = random.random_range(from..damaged.len());
        damaged[at] = random.random();
        let size = damaged.len() as u64;
        if let Ok(ParsedFooter::Whole(footer)) = Footer::parse(&damaged, size) {
            let _ = decode_parquet(&damaged, &footer, &schema, 64);
        }
    }
    for end in 0..bytes.len() {
        let parsed = Footer::parse(&bytes[..end], end as u64);
        assert!(!matches!(parsed, Ok(ParsedFooter::Whole(_))), "cut at {end}");
    }
}

#[test]
fn statistics_exclude_row_groups_and_only_safely() {
    let schema = Schema::new(vec![
        Field::nullable("i", DataType::BigInt),
        Field::nullable("x", DataType::Double),
        Field::nullable("s", DataType::Varchar),
    ]);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int64Array::from(vec![Some(10), Some(20), None])),
        Arc::new(Float64Array::from(vec![1.0, 2.0, f64::NAN])),
        Arc::new(arrow_array::StringViewArray::from(vec!["b", "d", "c"])),
    ];
    let batch = Batch::new(columns, UInt64Array::from(vec![0, 1, 2]));
    let bytes = encoded(&Format::Parquet, &schema, &[batch]);
    let footer = footer(&bytes);
    let column = |index: usize| {
        let field = &schema.fields[index];
        Expr::column(index, field.name.clone(), field.data_type.clone())
    };
    let compare = |index: usize, op: BinaryOp, value: Scalar| Expr {
        kind: ExprKind::Binary {
            op,
            left: Box::new(column(index)),
            right: Box::new(Expr::literal(value)),
        },
        data_type: DataType::Boolean,
        span: Span::default(),
    };
    let selection = footer.selection(&schema, &[0, 1, 2]).unwrap();
    let keeps = |filter: &Expr| footer.may_match(0, filter, &selection);
    let cases = [
        (0, BinaryOp::Equal, Scalar::BigInt(9), false),
        (0, BinaryOp::Equal, Scalar::BigInt(15), true),
        (0, BinaryOp::Greater, Scalar::BigInt(20), false),
        (0, BinaryOp::GreaterOrEqual, Scalar::BigInt(20), true),
        (0, BinaryOp::Less, Scalar::BigInt(10), false),
        (0, BinaryOp::LessOrEqual, Scalar::BigInt(10), true),
        (0, BinaryOp::NotEqual, Scalar::BigInt(10), true),
        (0, BinaryOp::Greater, Scalar::Null(DataType::BigInt), false),
        // NaN is greater than everything and stands in no statistics.
        (1, BinaryOp::Greater, Scalar::Double(100.0), true),
        (1, BinaryOp::Equal, Scalar::Double(100.0), false),
        (1, BinaryOp::Less, Scalar::Double(1.0), false),
        (1, BinaryOp::Equal, Scalar::Double(f64::NAN), true),
        (2, BinaryOp::Greater, Scalar::Varchar("dd".to_owned()), false),
        (2, BinaryOp::GreaterOrEqual, Scalar::Varchar("d".to_owned()), true),
    ];
    for (index, op, value, expected) in cases {
        let filter = compare(index, op, value);
        assert_eq!(keeps(&filter), expected, "{filter}");
    }
    let and = |terms: Vec<Expr>| Expr {
        kind: ExprKind::And(terms),
        data_type: DataType::Boolean,
        span: Span::default(),
    };
    let never = compare(0, BinaryOp::Equal, Scalar::BigInt(9));
    let maybe = compare(0, BinaryOp::Equal, Scalar::BigInt(15));
    assert!(!keeps(&and(vec![maybe.clone(), never.clone()])));
    // A term that may make a record bad comes first: its records have to be seen.
    let opaque = Expr::column(0, "flag", DataType::Boolean);
    assert!(keeps(&and(vec![opaque.clone(), never.clone()])));
    assert!(!keeps(&and(vec![never, opaque])));
    // NULL in a NOT NULL column makes a record bad, which must not be skipped.
    let mut strict = schema.clone();
    strict.fields[1].is_nullable = false;
    let filter = compare(0, BinaryOp::Equal, Scalar::BigInt(9));
    let strict = footer.selection(&strict, &[0, 1, 2]).unwrap();
    assert!(footer.may_match(0, &filter, &strict));
}
