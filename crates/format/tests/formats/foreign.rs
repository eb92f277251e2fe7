//! Values that come with a type of their own: each is what its type says, or its record is bad.

use std::sync::Arc;

use arrow_array::builder::ListBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Decimal128Type, Float16Type, IntervalMonthDayNanoType, TimestampMicrosecondType,
};
use arrow_array::{
    Array, ArrayRef, ArrowPrimitiveType, Date64Array, Decimal128Array, Decimal256Array,
    DictionaryArray, Float16Array, Int8Array, Int32Array, Int64Array, ListArray, RecordBatch,
    StringArray, TimestampMillisecondArray, TimestampNanosecondArray, UInt64Array,
};
use arrow_buffer::{IntervalMonthDayNano, i256};
use arrow_ipc::writer::StreamWriter;
use parquet::basic::Repetition;
use parquet::data_type::{
    ByteArray, ByteArrayType, DataType as ParquetType, FixedLenByteArray, FixedLenByteArrayType,
    Int32Type, Int64Type, Int96, Int96Type,
};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::Type;
use tidemill_format::parquet::Footer;
use tidemill_format::{Decoder, DecoderSpec, infer_schema};
use tidemill_plan::{BinaryOp, Expr, ExprKind, Scalar, Span};
use tidemill_record::{DataType, Field, FrameBytes, Frames, Offset, PartitionId, Schema};

use crate::columnar::{decode_parquet, footer};
use crate::decoding::{ARROW, Decoded, decode, texts_schema};

fn stream(columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

/// All columns that have a SQL type, of a stream with one column `c`.
fn of_arrow(column: ArrayRef) -> (DataType, Decoded) {
    let bytes = stream(vec![("c", column)]);
    let schema = infer_schema(&ARROW, &bytes, true).unwrap();
    let decoded = decode(&ARROW, &schema, &bytes).unwrap();
    (schema.fields[0].data_type.clone(), decoded)
}

/// A Parquet file of one row group; a column is written by its closure.
type Write<'a> = &'a dyn Fn(&mut parquet::file::writer::SerializedColumnWriter<'_>);

fn parquet(root: Type, columns: &[Write<'_>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = SerializedFileWriter::new(&mut bytes, Arc::new(root), Arc::default()).unwrap();
    let mut group = writer.next_row_group().unwrap();
    for write in columns {
        let mut column = group.next_column().unwrap().unwrap();
        write(&mut column);
        column.close().unwrap();
    }
    group.close().unwrap();
    writer.close().unwrap();
    bytes
}

fn required<T: ParquetType>(
    values: &[T::T],
) -> impl Fn(&mut parquet::file::writer::SerializedColumnWriter<'_>) + use<'_, T> {
    move |column| {
        column.typed::<T>().write_batch(values, None, None).unwrap();
    }
}

fn message(text: &str) -> Type {
    parse_message_type(&format!("message m {{ {text} }}")).unwrap()
}

fn of_parquet(root: Type, columns: &[Write<'_>]) -> (Schema, Decoded) {
    let bytes = parquet(root, columns);
    let footer = footer(&bytes);
    let schema = footer.schema().unwrap();
    let decoded = decode_parquet(&bytes, &footer, &schema, 1000).unwrap();
    (schema, decoded)
}

fn out_of_range(decoded: &Decoded) -> Vec<u64> {
    assert!(decoded.reasons().iter().all(|reason| reason.contains("out of range")));
    decoded.bad.iter().map(|bad| bad.offset.0).collect()
}

#[test]
fn arrow_decimals_are_held_to_their_precision() {
    let values = vec![Some(99_999), Some(100_000), None, Some(-99_999), Some(-100_000)];
    let column = Decimal128Array::from(values).with_precision_and_scale(5, 2).unwrap();
    let (data_type, decoded) = of_arrow(Arc::new(column));
    assert_eq!(data_type, DataType::Decimal { precision: 5, scale: 2 });
    assert_eq!(out_of_range(&decoded), [1, 4]);
    assert_eq!(decoded.offsets, [0, 2, 3]);
    // The same where the declared type is a wider one, of any kind.
    let bytes = stream(vec![("c", {
        let column = Decimal128Array::from(vec![99_900, 10_i128.pow(20), 100]);
        Arc::new(column.with_precision_and_scale(5, 2).unwrap())
    })]);
    for data_type in [DataType::Decimal { precision: 38, scale: 4 }, DataType::Double] {
        let schema = Schema::new(vec![Field::nullable("c", data_type)]);
        assert_eq!(out_of_range(&decode(&ARROW, &schema, &bytes).unwrap()), [1]);
    }
    // Of 256 bits, of which more are held than 128 have.
    let huge = i256::from_i128(i128::MAX).wrapping_mul(i256::from_i128(4));
    let values = vec![Some(i256::from_i128(7)), Some(huge)];
    let column = Decimal256Array::from(values).with_precision_and_scale(38, 0).unwrap();
    let (data_type, decoded) = of_arrow(Arc::new(column));
    assert_eq!(data_type, DataType::Decimal { precision: 38, scale: 0 });
    assert_eq!(out_of_range(&decoded), [1]);
    assert_eq!(decoded.columns[0].as_primitive::<Decimal128Type>().value(0), 7);
}

#[test]
fn a_value_in_a_list_that_does_not_fit_makes_its_row_bad() {
    let values =
        Decimal128Array::from(vec![1, 2, 1000, 3, 1000, 4]).with_precision_and_scale(3, 0).unwrap();
    let offsets = arrow_buffer::OffsetBuffer::new(vec![0, 2, 3, 3, 4, 5, 6].into());
    let field = Arc::new(arrow_schema::Field::new("item", values.data_type().clone(), true));
    // The fifth row is NULL, whatever its list holds.
    let nulls = vec![true, true, true, true, false, true].into();
    let list = ListArray::new(field, offsets, Arc::new(values), Some(nulls));
    let (_, decoded) = of_arrow(Arc::new(list));
    assert_eq!(out_of_range(&decoded), [1]);
    assert_eq!(decoded.offsets, [0, 2, 3, 4, 5]);
    let mut times = ListBuilder::new(arrow_array::builder::TimestampMillisecondBuilder::new());
    times.append_value([Some(1), None]);
    times.append_value([Some(2), Some(i64::MAX)]);
    let (data_type, decoded) = of_arrow(Arc::new(times.finish()));
    assert_eq!(data_type, DataType::Array(Box::new(DataType::Timestamp)));
    assert_eq!(out_of_range(&decoded), [1]);
    let first = decoded.columns[0].as_list::<i32>().value(0);
    assert_eq!(first.as_primitive::<TimestampMicrosecondType>().value(0), 1000);
    assert!(first.is_null(1));
}

#[test]
fn other_types_keep_their_values() {
    let unsigned: ArrayRef = Arc::new(UInt64Array::from(vec![u64::MAX]));
    let (_, decoded) = of_arrow(unsigned);
    let max = decoded.columns[0].as_primitive::<Decimal128Type>().value(0);
    assert_eq!(max, 18_446_744_073_709_551_615);
    type Half = <Float16Type as ArrowPrimitiveType>::Native;
    let half: ArrayRef = Arc::new(Float16Array::from(vec![Half::from_f32(0.1)]));
    let (data_type, decoded) = of_arrow(half);
    assert_eq!(data_type, DataType::Real);
    // The half float next to 0.1 is 0x2e66: (1 + 614/1024) / 16.
    let value = decoded.columns[0].as_primitive::<arrow_array::types::Float32Type>().value(0);
    assert_eq!(value, 0.099_975_586);
    // Indices of 8 bits, and NULL among the values as well as among the indices.
    let values = StringArray::from(vec![Some("x"), None, Some("a text beyond twelve")]);
    let keys = Int8Array::from(vec![Some(2), Some(1), None, Some(0)]);
    let (_, decoded) = of_arrow(Arc::new(DictionaryArray::new(keys, Arc::new(values))));
    let texts: Vec<_> = decoded.texts(0);
    assert_eq!(texts, [Some("a text beyond twelve".to_owned()), None, None, Some("x".to_owned())]);
    // A dictionary of lists.
    let mut lists = ListBuilder::new(arrow_array::builder::Int64Builder::new());
    lists.append_value([Some(1), None]);
    lists.append_value([Some(2)]);
    let keys = Int8Array::from(vec![Some(1), None, Some(0)]);
    let column = DictionaryArray::new(keys, Arc::new(lists.finish()));
    let (data_type, decoded) = of_arrow(Arc::new(column));
    assert_eq!(data_type, DataType::Array(Box::new(DataType::BigInt)));
    let lists = decoded.columns[0].as_list::<i32>();
    assert_eq!(lists.value(0).as_ref(), &Int64Array::from(vec![2]) as &dyn Array);
    assert!(lists.is_null(1));
    assert_eq!(lists.value(2).as_ref(), &Int64Array::from(vec![Some(1), None]) as &dyn Array);
    // A date is whole days.
    let day = 86_400_000;
    let dates = Date64Array::from(vec![Some(day), Some(day + 1), None, Some(-day), Some(i64::MAX)]);
    let (data_type, decoded) = of_arrow(Arc::new(dates));
    assert_eq!(data_type, DataType::Date);
    assert_eq!(out_of_range(&decoded), [1, 4]);
}

#[test]
fn digits_below_the_microsecond_are_counted() {
    let nanos = TimestampNanosecondArray::from(vec![Some(1500), Some(-1), None, Some(2000)]);
    let bytes =
        stream(vec![("at", Arc::new(nanos)), ("n", Arc::new(Int64Array::from(vec![0; 4])))]);
    let schema = infer_schema(&ARROW, &bytes, true).unwrap();
    let format = ARROW;
    let spec = DecoderSpec {
        format: &format,
        schema: &schema,
        columns: &[0, 1],
        batch_rows: 1,
        csv_header: None,
        is_inferred: false,
        is_union: false,
    };
    let mut decoder = Decoder::new(&spec).unwrap();
    let frame = FrameBytes::Sequential {
        bytes: bytes.as_slice().into(),
        start: Offset(0),
        end: Offset(u64::MAX),
        is_last: true,
    };
    decoder.begin(Frames { partition: PartitionId(0), bytes: frame }).unwrap();
    let mut bad = Vec::new();
    while decoder.decode(&mut bad).unwrap().is_some() {}
    assert!(bad.is_empty());
    let [notice] = &decoder.notices()[..] else { panic!("{:?}", decoder.notices()) };
    assert!(notice.starts_with("column at: 2 times have digits below the microsecond"), "{notice}");
    let millis = TimestampMillisecondArray::from(vec![i64::MAX / 1000, i64::MAX / 1000 + 1]);
    assert_eq!(out_of_range(&of_arrow(Arc::new(millis)).1), [1]);
}

#[test]
fn a_group_without_members_takes_no_column() {
    let group = |name, fields| {
        let group = Type::group_type_builder(name).with_repetition(Repetition::OPTIONAL);
        group.with_fields(fields).build().unwrap()
    };
    let nested = group("nested", vec![Arc::new(group("inner", Vec::new()))]);
    let leaves =
        message("required int64 id; required group s { required int32 x; required int32 y; }");
    let leaves = leaves.get_fields();
    let last = message("required int64 b; required binary c (UTF8);");
    let last = last.get_fields();
    let root = Type::group_type_builder("m")
        .with_fields(vec![
            Arc::new(group("first", Vec::new())),
            leaves[0].clone(),
            Arc::new(nested),
            leaves[1].clone(),
            last[0].clone(),
            last[1].clone(),
        ])
        .build()
        .unwrap();
    let texts = [ByteArray::from("seven"), ByteArray::from("eight")];
    let (schema, decoded) = of_parquet(
        root,
        &[
            &required::<Int64Type>(&[1, 2]),
            &required::<Int32Type>(&[-1, -2]),
            &required::<Int32Type>(&[-3, -4]),
            &required::<Int64Type>(&[100, 200]),
            &required::<ByteArrayType>(&texts),
        ],
    );
    let names: Vec<_> = schema.fields.iter().map(|field| field.name.as_str()).collect();
    assert_eq!(names, ["id", "s.x", "s.y", "b", "c"]);
    let integers = |values: [i32; 2]| Int32Array::from(values.to_vec());
    assert_eq!(decoded.columns[0].as_ref(), &Int64Array::from(vec![1, 2]) as &dyn Array);
    assert_eq!(decoded.columns[1].as_ref(), &integers([-1, -2]) as &dyn Array);
    assert_eq!(decoded.columns[2].as_ref(), &integers([-3, -4]) as &dyn Array);
    assert_eq!(decoded.columns[3].as_ref(), &Int64Array::from(vec![100, 200]) as &dyn Array);
    assert_eq!(decoded.texts(4), [Some("seven".to_owned()), Some("eight".to_owned())]);
}

#[test]
fn what_no_sql_type_holds_is_named() {
    let root = message(
        "required int64 id; required group s { required int32 x (TIME_MILLIS); } required int32 t (TIME_MILLIS);",
    );
    let bytes = parquet(
        root,
        &[&required::<Int64Type>(&[1]), &required::<Int32Type>(&[2]), &required::<Int32Type>(&[3])],
    );
    let footer = footer(&bytes);
    assert_eq!(footer.schema().unwrap().fields.len(), 1);
    let said = footer.left_out().unwrap();
    assert_eq!(
        said,
        "2 columns that no SQL type holds, left out: s (a struct: write its members as columns of \
         their own), t (Time32(ms): write it as a TIMESTAMP or as text)"
    );
    let error = decode_parquet(&bytes, &footer, &texts_schema(&["s"]), 1000).unwrap_err();
    assert!(error.to_string().contains("column s: no SQL type holds a struct"), "{error}");
}

#[test]
fn parquet_intervals_keep_their_months() {
    let bytes_of = |months: u32, days: u32, millis: u32| {
        let parts = [months, days, millis].map(u32::to_le_bytes).concat();
        FixedLenByteArray::from(parts)
    };
    let values = [
        bytes_of(14, 3, 4005),
        bytes_of(0, 0, u32::MAX),
        bytes_of(1 << 31, 0, 0),
        bytes_of(0, u32::MAX, 0),
    ];
    let (schema, decoded) = of_parquet(
        message("required fixed_len_byte_array(12) i (INTERVAL); required int64 n;"),
        &[&required::<FixedLenByteArrayType>(&values), &required::<Int64Type>(&[0, 1, 2, 3])],
    );
    assert_eq!(schema.fields[0].data_type, DataType::Interval);
    assert_eq!(out_of_range(&decoded), [2, 3]);
    let intervals = decoded.columns[0].as_primitive::<IntervalMonthDayNanoType>();
    assert_eq!(intervals.value(0), IntervalMonthDayNano::new(14, 3, 4_005_000_000));
    assert_eq!(intervals.value(1), IntervalMonthDayNano::new(0, 0, 4_294_967_295_000_000));
    assert_eq!(decoded.columns[1].len(), 2);
}

#[test]
fn int96_holds_every_year_that_a_timestamp_does() {
    // The day of the epoch is number 2440588 of Julius Scaliger's.
    let time = |days: i64, nanos: u64| {
        let day = u32::try_from(2_440_588 + days).unwrap();
        let mut value = Int96::new();
        value.set_data(nanos as u32, (nanos >> 32) as u32, day);
        value
    };
    // 1 January of the years 1, 1970, 2300 and 9999, and the last days of a TIMESTAMP and behind.
    let last = i64::MAX / 86_400_000_000;
    let values = [
        time(-719_162, 1_500),
        time(0, 0),
        time(120_529, 1_000),
        time(2_932_532, 86_399_999_999_999),
        time(last, 0),
        time(last + 1, 0),
    ];
    let (schema, decoded) =
        of_parquet(message("required int96 t;"), &[&required::<Int96Type>(&values)]);
    assert_eq!(schema.fields[0].data_type, DataType::Timestamp);
    assert_eq!(out_of_range(&decoded), [5]);
    let day = 86_400_000_000;
    let times = decoded.columns[0].as_primitive::<TimestampMicrosecondType>().values();
    assert_eq!(
        times[..],
        [-719_162 * day + 1, 0, 120_529 * day + 1, 2_932_532 * day + day - 1, last * day]
    );
}

#[test]
fn parquet_decimals_of_every_encoding_are_held_to_their_precision() {
    let wide = |value: i128, length: usize| {
        let mut bytes = vec![if value < 0 { 0xff } else { 0 }; length.saturating_sub(16)];
        bytes.extend(&value.to_be_bytes()[16_usize.saturating_sub(length)..]);
        bytes
    };
    let texts = [1234, 99_999, 100_000, -100_000].map(|value| ByteArray::from(wide(value, 20)));
    let fixed = [1234, 99_999, 100_000, -100_000].map(|v| FixedLenByteArray::from(wide(v, 7)));
    let long = [1234, 99_999, 100_000, -100_000].map(|v| FixedLenByteArray::from(wide(v, 20)));
    let cases: [(&str, Write<'_>); 5] = [
        ("int32 d (DECIMAL(5, 2))", &required::<Int32Type>(&[1234, 99_999, 100_000, -100_000])),
        ("int64 d (DECIMAL(5, 2))", &required::<Int64Type>(&[1234, 99_999, 100_000, -100_000])),
        ("binary d (DECIMAL(5, 2))", &required::<ByteArrayType>(&texts)),
        ("fixed_len_byte_array(7) d (DECIMAL(5, 2))", &required::<FixedLenByteArrayType>(&fixed)),
        ("fixed_len_byte_array(20) d (DECIMAL(5, 2))", &required::<FixedLenByteArrayType>(&long)),
    ];
    for (column, write) in cases {
        let (schema, decoded) = of_parquet(message(&format!("required {column};")), &[write]);
        let expected = DataType::Decimal { precision: 5, scale: 2 };
        assert_eq!(schema.fields[0].data_type, expected, "{column}");
        assert_eq!(out_of_range(&decoded), [2, 3], "{column}");
        let values = decoded.columns[0].as_primitive::<Decimal128Type>().values();
        assert_eq!(values[..], [1234, 99_999], "{column}");
    }
}

#[test]
fn row_groups_with_a_value_out_of_range_are_not_skipped() {
    let never = Expr {
        kind: ExprKind::Binary {
            op: BinaryOp::Equal,
            left: Box::new(Expr::column(0, "n", DataType::BigInt)),
            right: Box::new(Expr::literal(Scalar::BigInt(9))),
        },
        data_type: DataType::Boolean,
        span: Span::default(),
    };
    let is_read = |column: &str, write: Write<'_>| {
        let root = message(&format!("required int64 n; required {column};"));
        let bytes = parquet(root, &[&required::<Int64Type>(&[1, 2]), write]);
        let footer = footer(&bytes);
        let selection = footer.selection(&footer.schema().unwrap(), &[0, 1]).unwrap();
        footer.may_match(0, &never, &selection)
    };
    let decimal = "int32 d (DECIMAL(5, 2))";
    assert!(!is_read(decimal, &required::<Int32Type>(&[-99_999, 99_999])));
    assert!(is_read(decimal, &required::<Int32Type>(&[1, 100_000])));
    let millis = "int64 t (TIMESTAMP_MILLIS)";
    assert!(!is_read(millis, &required::<Int64Type>(&[i64::MIN / 1000, i64::MAX / 1000])));
    assert!(is_read(millis, &required::<Int64Type>(&[1, i64::MAX / 1000 + 1])));
    assert!(is_read("int96 t", &required::<Int96Type>(&[Int96::new(), Int96::new()])));
}

#[test]
fn a_file_cut_short_or_with_bytes_behind_its_end_is_refused() {
    let bytes = parquet(message("required int64 n;"), &[&required::<Int64Type>(&[1, 2, 3])]);
    let footer = footer(&bytes);
    assert_eq!(footer.row_count(), 3);
    let schema = Schema::new(vec![Field::nullable("n", DataType::BigInt)]);
    assert_eq!(decode_parquet(&bytes, &footer, &schema, 2).unwrap().offsets, [0, 1, 2]);
    let longer = [&bytes[..], b"more"].concat();
    for other in [&longer[..], &bytes[..bytes.len() - 1]] {
        let refused = Footer::parse(other, other.len() as u64).unwrap_err().to_string();
        assert!(refused.contains("cut short, or bytes were put behind its end"), "{refused}");
    }
}
