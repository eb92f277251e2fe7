//! What stands around the messages of Arrow: a file's footer, a stream's end, and sizes that are not true.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow_ipc::CompressionType;
use arrow_ipc::writer::{FileWriter, IpcWriteOptions, StreamWriter};
use tidemill_format::{Decoder, DecoderSpec, FormatError, infer_schema};
use tidemill_record::{DataType, Field, FrameBytes, Frames, Offset, PartitionId, Schema};

use crate::decoding::{ARROW, decode};

fn batch(start: i64) -> RecordBatch {
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(start..start + 3));
    let texts: ArrayRef = Arc::new(StringArray::from(vec!["a", "b", "a text beyond twelve"]));
    RecordBatch::try_from_iter([("n", numbers), ("t", texts)]).unwrap()
}

fn file() -> Vec<u8> {
    let mut writer = FileWriter::try_new(Vec::new(), &batch(0).schema()).unwrap();
    for start in [0, 3, 6] {
        writer.write(&batch(start)).unwrap();
    }
    writer.into_inner().unwrap()
}

fn stream() -> Vec<u8> {
    let mut writer = StreamWriter::try_new(Vec::new(), &batch(0).schema()).unwrap();
    writer.write(&batch(0)).unwrap();
    writer.into_inner().unwrap()
}

fn numbers() -> Schema {
    Schema::new(vec![Field::nullable("n", DataType::BigInt)])
}

fn refusal(bytes: &[u8]) -> String {
    match decode(&ARROW, &numbers(), bytes) {
        Ok(decoded) => format!("{} rows were read", decoded.offsets.len()),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    let bytes = file();
    assert_eq!(decode(&ARROW, &numbers(), &bytes).unwrap().offsets.len(), 9);
    for end in 0..bytes.len() {
        let refused = decode(&ARROW, &numbers(), &bytes[..end]);
        assert!(refused.is_err(), "cut at {end} of {}", bytes.len());
    }
    // Right behind a batch, where a stream may end.
    let end = (0..bytes.len()).rev().find(|at| bytes[*at..].starts_with(&[0xff; 4])).unwrap();
    assert!(
        refusal(&bytes[..end]).contains("ends without its footer"),
        "{}",
        refusal(&bytes[..end])
    );
}

#[test]
fn a_stream_may_end_between_messages_and_nothing_may_follow_its_end() {
    let bytes = stream();
    let whole = bytes.len();
    assert!(refusal(&bytes).starts_with('3'));
    assert!(refusal(&bytes[..whole - 8]).starts_with('3'));
    for cut in [1, 3, 7, 9, 40] {
        assert!(refusal(&bytes[..whole - cut]).contains("ends inside a message"), "{cut}");
    }
    let twice = [bytes.clone(), bytes].concat();
    assert!(refusal(&twice).contains("bytes follow the end of the stream"), "{}", refusal(&twice));
}

#[test]
fn messages_that_the_footer_does_not_list_are_not_passed_over() {
    let bytes = file();
    let other = {
        let mut writer = FileWriter::try_new(Vec::new(), &batch(0).schema()).unwrap();
        writer.write(&batch(0)).unwrap();
        writer.write(&batch(3)).unwrap();
        writer.into_inner().unwrap()
    };
    let tail = |bytes: &[u8]| {
        let length =
            u32::from_le_bytes(bytes[bytes.len() - 10..bytes.len() - 6].try_into().unwrap());
        bytes.len() - 10 - length as usize
    };
    // Three batches under the footer of two.
    let mixed = [&bytes[..tail(&bytes)], &other[tail(&other)..]].concat();
    let refused = refusal(&mixed);
    assert!(refused.contains("lists 2 record batches, and 3 stand in it"), "{refused}");
    // Two batches under the footer of three.
    let mixed = [&other[..tail(&other)], &bytes[tail(&bytes)..]].concat();
    let refused = refusal(&mixed);
    assert!(refused.contains("lists 3 record batches, and 2 stand in it"), "{refused}");
    // Bytes behind the stream that nothing lists.
    let mixed = [&bytes[..tail(&bytes)], b"something", &bytes[tail(&bytes)..]].concat();
    assert!(refusal(&mixed).contains("does not list"), "{}", refusal(&mixed));
}

#[test]
fn feather_of_version_1_is_refused_by_name() {
    assert!(refusal(b"FEA1 and what follows").contains("version 1"));
    assert!(infer_schema(&ARROW, b"FEA1....", true).is_err());
}

#[test]
fn sizes_that_are_not_true_reserve_nothing() {
    // 16 MiB of zeros, compressed.
    let zeros: ArrayRef = Arc::new(Int64Array::from(vec![0; 2 << 20]));
    let zeros = RecordBatch::try_from_iter([("n", zeros)]).unwrap();
    let options = IpcWriteOptions::default().try_with_compression(Some(CompressionType::ZSTD));
    let mut writer =
        StreamWriter::try_new_with_options(Vec::new(), &zeros.schema(), options.unwrap()).unwrap();
    writer.write(&zeros).unwrap();
    let bytes = writer.into_inner().unwrap();
    assert!(bytes.len() < 1 << 20);
    let schema = numbers();
    let format = ARROW;
    let spec = DecoderSpec {
        format: &format,
        schema: &schema,
        columns: &[0],
        batch_rows: 1000,
        csv_header: None,
        is_inferred: false,
        is_union: false,
    };
    let read = |bytes_max: usize| {
        let mut decoder = Decoder::new(&spec).unwrap();
        decoder.limit_parts(bytes_max);
        let frame = FrameBytes::Sequential {
            bytes: bytes.as_slice().into(),
            start: Offset(0),
            end: Offset(u64::MAX),
            is_last: true,
        };
        decoder.begin(Frames { partition: PartitionId(0), bytes: frame }).unwrap();
        let (mut rows, mut bad, mut held) = (0, Vec::new(), 0);
        while let Some(batch) = decoder.decode(&mut bad)? {
            rows += batch.row_count();
            held = held.max(decoder.held_bytes());
        }
        Ok::<_, FormatError>((rows, held))
    };
    assert_eq!(read(16 << 20).unwrap(), (2 << 20, 16 << 20));
    let refused = read((16 << 20) - 1).unwrap_err();
    assert!(matches!(refused, FormatError::TooLarge { byte_count: 16_777_216, .. }), "{refused}");
}
