//! Arrow files that only their footer makes readable: dictionaries behind the record batches that use them, and a
//! schema that is no message, both as polars writes them.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::types::{Int32Type, Int64Type};
use arrow_array::{
    ArrayRef, BooleanArray, Decimal128Array, DictionaryArray, Int64Array, LargeStringArray,
    ListArray, NullArray, RecordBatch, StringArray, StringViewArray, StructArray,
};
use arrow_buffer::Buffer;
use arrow_ipc::CompressionType;
use arrow_ipc::writer::{FileWriter, IpcWriteOptions};
use tidemill_format::{
    ArrowFooter, Decoder, DecoderSpec, FormatError, MessagePlace, ParsedArrowFooter,
};
use tidemill_record::{DataType, Field, FrameBytes, Frames, Offset, PartitionId, Schema};

use crate::decoding::{ARROW, Decoded, decode, gathered};

/// A file of two record batches that share a dictionary.
fn forwards() -> Vec<u8> {
    let batch = |texts: [&str; 3]| {
        let texts: DictionaryArray<Int32Type> = texts.into_iter().collect();
        let columns: [(&str, ArrayRef); 2] =
            [("n", Arc::new(Int64Array::from(vec![1, 2, 3]))), ("t", Arc::new(texts))];
        RecordBatch::try_from_iter(columns).unwrap()
    };
    let mut writer = FileWriter::try_new(Vec::new(), &batch(["a"; 3]).schema()).unwrap();
    writer.write(&batch(["a", "b", "a"])).unwrap();
    writer.write(&batch(["a", "b", "b"])).unwrap();
    writer.into_inner().unwrap()
}

/// The same file with its dictionary behind its record batches.
fn backwards() -> Vec<u8> {
    let mut bytes = forwards();
    let [dictionary, first, second] = &places(&bytes)[..] else { panic!("three messages") };
    let [start, end] = [dictionary.start, second.end];
    bytes[start..end].rotate_left(dictionary.len());
    let moved = [first.len() + second.len(), 0, first.len()];
    // A block of the footer begins with where its message stands.
    let blocks = [dictionary, first, second].map(|place| {
        let place = (place.start as u64).to_le_bytes();
        (end..bytes.len() - 8).find(|&at| bytes[at..at + 8] == place).unwrap()
    });
    for (block, moved) in blocks.into_iter().zip(moved) {
        bytes[block..block + 8].copy_from_slice(&((start + moved) as u64).to_le_bytes());
    }
    bytes
}

pub(crate) fn footer(bytes: &[u8]) -> Result<ArrowFooter, FormatError> {
    match ArrowFooter::parse(bytes, bytes.len() as u64)? {
        ParsedArrowFooter::Whole(footer) => Ok(footer),
        ParsedArrowFooter::NeedsTail { .. } => panic!("the whole file is its tail"),
    }
}

fn places(bytes: &[u8]) -> Vec<Range<usize>> {
    let messages = footer(bytes).unwrap().messages().collect::<Vec<_>>();
    messages.into_iter().map(|place| place.start as usize..place.end as usize).collect()
}

fn schema() -> Schema {
    let fields = [("n", DataType::BigInt), ("t", DataType::Varchar)];
    Schema::new(fields.map(|(name, data_type)| Field::nullable(name, data_type)).to_vec())
}

/// What a file decodes to, message by message.
fn by_footer(bytes: &[u8]) -> Result<Decoded, FormatError> {
    columns_by_footer(bytes, &schema(), &[0, 1], 2)
}

/// What these columns decode to, where of each message only what they take is there.
fn columns_by_footer(
    bytes: &[u8],
    schema: &Schema,
    columns: &[usize],
    batch_rows: usize,
) -> Result<Decoded, FormatError> {
    let footer = footer(bytes)?;
    let spec = DecoderSpec {
        format: &ARROW,
        schema,
        columns,
        batch_rows,
        csv_header: None,
        is_inferred: false,
        is_union: false,
    };
    let mut decoder = Decoder::for_arrow_file(&spec, Arc::new(footer.clone()), 0);
    let (mut batches, mut bad) = (Vec::new(), Vec::new());
    for (index, place) in footer.messages().enumerate() {
        lend_message(&mut decoder, bytes, index, place)?;
        while let Some(batch) = decoder.decode(&mut bad)? {
            batches.push(batch);
        }
    }
    let fields = columns.iter().map(|&column| schema.fields[column].clone());
    Ok(gathered(&Schema::new(fields.collect()), &batches, bad))
}

/// Lends a message's head and what the decoder wants of its body.
pub(crate) fn lend_message(
    decoder: &mut Decoder,
    bytes: &[u8],
    index: usize,
    place: MessagePlace,
) -> Result<(), FormatError> {
    let frames = |start: u64, bytes: Buffer| {
        let ranges = vec![(start, bytes)];
        let bytes = FrameBytes::RowGroup { index, start: Offset(0), ranges };
        Frames { partition: PartitionId(0), bytes }
    };
    let head = &bytes[place.start as usize..place.head_end as usize];
    decoder.begin(frames(place.start, Buffer::from(head)))?;
    let part = decoder.wanted().expect("a message has a body");
    // Nothing else is there.
    let mut body = vec![0xa5; part.byte_count];
    for (range, at) in part.ranges {
        let range = range.start as usize..range.end as usize;
        body[at..at + range.len()].copy_from_slice(&bytes[range]);
    }
    decoder.begin(frames(0, Buffer::from_vec(body)))
}

/// A column of every layout, some with NULLs.
pub(crate) fn every_layout(row_count: usize) -> RecordBatch {
    let long = |row: usize| format!("a text of more than twelve bytes, number {row}");
    let texts = || (0..row_count).map(|row| (row % 5 != 3).then(|| long(row)));
    let numbers = || (0..row_count as i64).map(|row| (row % 7 != 2).then_some(row * 1000));
    let lists = (0..row_count).map(|row| (row % 4 > 0).then(|| vec![Some(row as i64); row % 3]));
    let members: Vec<(arrow_schema::FieldRef, ArrayRef)> = vec![
        (
            Arc::new(arrow_schema::Field::new("x", arrow_schema::DataType::Int64, true)),
            Arc::new(numbers().collect::<Int64Array>()),
        ),
        (
            Arc::new(arrow_schema::Field::new("y", arrow_schema::DataType::Utf8View, true)),
            Arc::new(texts().collect::<StringViewArray>()),
        ),
    ];
    let keys = (0..row_count as i32).map(|row| Some(row % 4).filter(|key| *key < 3));
    let values = StringArray::from(vec!["one", "two", "three of the three"]);
    let dictionary = DictionaryArray::<Int32Type>::new(keys.collect(), Arc::new(values));
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("text", Arc::new(texts().collect::<StringArray>())),
        ("number", Arc::new(numbers().collect::<Int64Array>())),
        ("view", Arc::new(texts().collect::<StringViewArray>())),
        ("nothing", Arc::new(NullArray::new(row_count))),
        ("code", Arc::new(dictionary)),
        ("list", Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>(lists))),
        ("truth", Arc::new((0..row_count).map(|row| Some(row % 3 == 0)).collect::<BooleanArray>())),
        ("nested", Arc::new(StructArray::from(members))),
        ("large", Arc::new(texts().collect::<LargeStringArray>())),
        ("view.too", Arc::new(texts().rev().collect::<StringViewArray>())),
        ("price", Arc::new(numbers().map(|n| n.map(i128::from)).collect::<Decimal128Array>())),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, of)| (name, of, true)))
        .unwrap()
}

#[test]
fn of_a_message_only_what_the_columns_take_is_needed() {
    for compression in [None, Some(CompressionType::LZ4_FRAME), Some(CompressionType::ZSTD)] {
        let options = IpcWriteOptions::default().try_with_compression(compression).unwrap();
        let arrow_schema = every_layout(1).schema();
        let mut writer =
            FileWriter::try_new_with_options(Vec::new(), &arrow_schema, options).unwrap();
        for row_count in [3, 0, 1, 700] {
            writer.write(&every_layout(row_count)).unwrap();
        }
        let bytes = writer.into_inner().unwrap();
        let schema = footer(&bytes).unwrap().schema().unwrap();
        let whole = decode(&ARROW, &schema, &bytes).unwrap();
        assert_eq!(whole.offsets.len(), 704);
        let count = schema.fields.len();
        let singles = (0..count).map(|column| vec![column]);
        let pairs = (0..count - 2).map(|column| vec![column, column + 2]);
        for columns in singles.chain(pairs).chain([(0..count).collect()]) {
            for batch_rows in [1, 7, 8192] {
                let decoded = columns_by_footer(&bytes, &schema, &columns, batch_rows).unwrap();
                let wanted: Vec<ArrayRef> =
                    columns.iter().map(|&column| Arc::clone(&whole.columns[column])).collect();
                assert_eq!(decoded.columns, wanted, "{columns:?} {compression:?}");
                assert_eq!(decoded.offsets, whole.offsets);
            }
        }
    }
}

#[test]
fn a_dictionary_that_a_file_replaces_is_no_wrong_text() {
    let batch = |texts: [&str; 2]| {
        let texts: DictionaryArray<Int32Type> = texts.into_iter().collect();
        let columns: [(&str, ArrayRef); 2] =
            [("n", Arc::new(Int64Array::from(vec![1, 2]))), ("t", Arc::new(texts))];
        RecordBatch::try_from_iter(columns).unwrap()
    };
    // What no writer of files does: the same dictionary of two files in one, the second in another place.
    let file = |texts: [&str; 2]| {
        let mut writer = FileWriter::try_new(Vec::new(), &batch(texts).schema()).unwrap();
        writer.write(&batch(texts)).unwrap();
        writer.into_inner().unwrap()
    };
    let (first, second) = (file(["a", "b"]), file(["c", "d"]));
    let [dictionary, _] = &places(&first)[..] else { panic!("two messages") };
    let decode_with = |other: &[u8]| {
        let footer = footer(&first).unwrap();
        let schema = schema();
        let spec = DecoderSpec {
            format: &ARROW,
            schema: &schema,
            columns: &[1],
            batch_rows: 2,
            csv_header: None,
            is_inferred: false,
            is_union: false,
        };
        let mut decoder = Decoder::for_arrow_file(&spec, Arc::new(footer.clone()), 0);
        let place = footer.messages().next().unwrap();
        for bytes in [&first[..], other] {
            lend_message(&mut decoder, bytes, 0, place)?;
            assert!(decoder.decode(&mut Vec::new())?.is_none(), "no rows");
        }
        Ok::<_, FormatError>(())
    };
    assert!(dictionary.end < second.len());
    decode_with(&first).expect("the same once more");
    let refused = decode_with(&second).unwrap_err().to_string();
    assert!(refused.contains("a dictionary is replaced"), "{refused}");
}

#[test]
fn a_dictionary_may_stand_behind_the_rows_that_use_it() {
    let (forwards, backwards) = (forwards(), backwards());
    assert!(footer(&forwards).unwrap().is_a_stream(&forwards));
    assert!(!footer(&backwards).unwrap().is_a_stream(&backwards));
    let expected = decode(&ARROW, &schema(), &forwards).unwrap();
    assert_eq!(expected.texts(1).into_iter().flatten().collect::<String>(), "abaabb");
    assert_eq!(by_footer(&forwards).unwrap(), expected);
    assert_eq!(by_footer(&backwards).unwrap(), expected);
    assert!(decode(&ARROW, &schema(), &backwards).is_err(), "from front to back");
}

#[test]
fn the_schema_may_be_no_message() {
    let expected = decode(&ARROW, &schema(), &forwards()).unwrap();
    let mut bytes = forwards();
    let start = (8..bytes.len()).find(|&at| bytes[at..].starts_with(&[0xff; 4])).unwrap();
    bytes[start..start + 8].copy_from_slice(&[4, 0, 0, 0, 0xf2, 0xff, 0xff, 0xff]);
    let footer = footer(&bytes).unwrap();
    assert!(!footer.is_a_stream(&bytes));
    let names =
        |schema: &Schema| schema.fields.iter().map(|field| field.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&footer.schema().unwrap()), ["n", "t"]);
    assert_eq!(by_footer(&bytes).unwrap(), expected);
    let refused = decode(&ARROW, &schema(), &bytes).unwrap_err().to_string();
    assert!(refused.contains("does not begin with its schema"), "{refused}");
}

#[test]
fn a_damaged_footer_gives_an_error_or_the_rows() {
    let bytes = backwards();
    let expected = by_footer(&bytes).unwrap();
    let end = places(&bytes).iter().map(|place| place.end).max().unwrap();
    for at in end..bytes.len() {
        for bit in 0..8 {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << bit;
            if let Ok(decoded) = by_footer(&damaged) {
                let is_part = decoded.offsets.len() <= expected.offsets.len();
                assert!(is_part, "byte {at}, bit {bit}: {decoded:?}");
            }
        }
    }
    for end in 0..bytes.len() {
        assert!(ArrowFooter::parse(&bytes[..end], end as u64).is_err(), "cut at {end}");
    }
}

#[test]
fn the_tail_that_is_needed_is_asked_for() {
    let bytes = backwards();
    let file_bytes = bytes.len() as u64;
    let ParsedArrowFooter::NeedsTail { byte_count } =
        ArrowFooter::parse(&bytes[bytes.len() - 12..], file_bytes).unwrap()
    else {
        panic!("no footer has two bytes")
    };
    let tail = &bytes[bytes.len() - byte_count as usize..];
    let parsed = ArrowFooter::parse(tail, file_bytes).unwrap();
    assert!(matches!(parsed, ParsedArrowFooter::Whole(_)));
}
