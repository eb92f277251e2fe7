//! Arrow files that only their footer makes readable: dictionaries behind the record batches that use them, and a
//! schema that is no message, both as polars writes them.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::types::Int32Type;
use arrow_array::{ArrayRef, DictionaryArray, Int64Array, RecordBatch};
use arrow_buffer::Buffer;
use arrow_ipc::writer::FileWriter;
use tidemill_format::{ArrowFooter, Decoder, DecoderSpec, FormatError, ParsedArrowFooter};
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

fn footer(bytes: &[u8]) -> Result<ArrowFooter, FormatError> {
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
    let (schema, footer) = (schema(), footer(bytes)?);
    let spec = DecoderSpec {
        format: &ARROW,
        schema: &schema,
        columns: &[0, 1],
        batch_rows: 2,
        csv_header: None,
        is_inferred: false,
        is_union: false,
    };
    let mut decoder = Decoder::for_arrow_file(&spec, Arc::new(footer.clone()), 0);
    let (mut batches, mut bad) = (Vec::new(), Vec::new());
    for (index, place) in footer.messages().enumerate() {
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
        for range in part.ranges {
            let of_body = (range.start - part.start) as usize..(range.end - part.start) as usize;
            body[of_body].copy_from_slice(&bytes[range.start as usize..range.end as usize]);
        }
        decoder.begin(frames(part.start, Buffer::from_vec(body)))?;
        while let Some(batch) = decoder.decode(&mut bad)? {
            batches.push(batch);
        }
    }
    Ok(gathered(&schema, &batches, bad))
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
