//! Rows that a query does not want: decoders leave them out before the rest of their columns is decoded, and what is
//! left is what two decoders without a filter say, one of the filter's columns and one of all.

use std::collections::{BTreeMap, BTreeSet};

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef};
use arrow_buffer::{BooleanBuffer, Buffer};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;
use tidemill_format::{Decoder, DecoderSpec, Judgement, RowFilter};
use tidemill_plan::{CsvOptions, Format, JsonOptions};
use tidemill_record::{
    BadRecord, Batch, DataType, Field, FrameBytes, Frames, Offset, PartitionId, Schema,
};

/// Keeps what is neither NULL nor a multiple of three, with a text that is not `no`; of numbers that end in nine it
/// cannot say.
struct Third;

impl Third {
    fn is_in_doubt(number: Option<i64>) -> bool {
        number.is_some_and(|number| number.rem_euclid(10) == 9)
    }

    fn keeps(number: Option<i64>, text: Option<&str>) -> bool {
        Self::is_in_doubt(number)
            || (number.is_some_and(|number| number % 3 != 0) && text != Some("no"))
    }
}

impl RowFilter for Third {
    fn judge(&mut self, columns: &[ArrayRef], row_count: usize) -> Judgement {
        let (numbers, texts) =
            (columns[0].as_primitive::<Int64Type>(), columns[1].as_string_view());
        assert_eq!((numbers.len(), texts.len()), (row_count, row_count));
        let number = |row: usize| numbers.is_valid(row).then(|| numbers.value(row));
        let text = |row: usize| texts.is_valid(row).then(|| texts.value(row));
        let kept = (0..row_count).map(|row| Self::keeps(number(row), text(row)));
        Judgement {
            kept: kept.collect::<BooleanBuffer>(),
            is_in_doubt: (0..row_count).any(|row| Self::is_in_doubt(number(row))),
        }
    }
}

fn schema() -> Schema {
    Schema::new(vec![
        Field::nullable("a", DataType::Double),
        Field::nullable("n", DataType::BigInt),
        Field::required("b", DataType::Varchar),
        Field::nullable("t", DataType::Varchar),
        Field::nullable("c", DataType::Timestamp),
        Field::nullable("d", DataType::Boolean),
        Field::nullable("e", DataType::Varbinary),
    ])
}

/// Places of `n` and `t`.
const READ: [usize; 2] = [1, 3];

/// What became of each record: its values, or the column at fault and why.
type Records = BTreeMap<u64, Result<String, (Option<String>, String)>>;

struct Decoded {
    records: Records,
    rejected: BTreeSet<u64>,
}

/// Decodes the text in frames of `frame_bytes` at most, and longer where a record is.
fn decode(
    format: &Format,
    text: &[u8],
    columns: &[usize],
    (frame_bytes, batch_rows): (usize, usize),
    is_filtered: bool,
) -> Decoded {
    let schema = schema();
    let spec = DecoderSpec {
        format,
        schema: &schema,
        columns,
        batch_rows,
        csv_header: None,
        is_inferred: false,
        is_union: false,
    };
    let mut decoder = Decoder::new(&spec).unwrap();
    if is_filtered {
        decoder.filter_rows(&READ, Box::new(Third));
    }
    let mut decoded = Decoded { records: Records::new(), rejected: BTreeSet::new() };
    let (mut start, mut len) = (0, frame_bytes);
    let mut bad: Vec<BadRecord> = Vec::new();
    loop {
        let end = text.len().min(start + len);
        let bytes = FrameBytes::Sequential {
            bytes: Buffer::from(&text[start..end]),
            start: Offset(start as u64),
            end: Offset(u64::MAX),
            is_last: end == text.len(),
        };
        decoder.begin(Frames { partition: PartitionId(0), bytes }).unwrap();
        loop {
            let batch = decoder.decode(&mut bad).unwrap();
            let filtered = decoder.take_filtered();
            assert_eq!(filtered.is_some(), is_filtered);
            let rejected = filtered.iter().flat_map(|filtered| filtered.rejected.values());
            for offset in rejected {
                assert!(decoded.rejected.insert(*offset), "once");
            }
            let Some(batch) = batch else { break };
            assert!((1..=batch_rows).contains(&batch.row_count()));
            if let Some(filtered) = filtered {
                let numbers = batch.column(1).as_primitive::<Int64Type>();
                let is_any = numbers.iter().any(Third::is_in_doubt);
                assert!(filtered.is_in_doubt || !is_any, "a doubt is told");
            }
            for row in 0..batch.row_count() {
                let offset = batch.offsets().value(row);
                let before = decoded.records.insert(offset, Ok(shown(&batch, row)));
                assert!(before.is_none(), "once");
            }
        }
        let consumed = usize::try_from(decoder.consumed()).unwrap();
        start += consumed;
        len = if consumed == 0 { len * 2 } else { frame_bytes };
        if end == text.len() {
            break;
        }
    }
    assert!(bad.is_sorted_by_key(|bad| bad.offset), "in order");
    for BadRecord { offset, field, reason, raw, .. } in bad {
        let at = usize::try_from(offset.0).unwrap();
        assert!(text[at..].starts_with(&raw.unwrap()));
        let before = decoded.records.insert(offset.0, Err((field, reason)));
        assert!(before.is_none(), "once");
    }
    decoded
}

fn shown(batch: &Batch, row: usize) -> String {
    let values = batch.columns().iter().map(|column| format!("{:?}", column.slice(row, 1)));
    values.collect::<Vec<_>>().join(" ")
}

/// What two decoders without a filter say.
fn expected(format: &Format, text: &[u8]) -> Decoded {
    let read = decode(format, text, &READ, (text.len().max(1), 8192), false).records;
    let all = decode(format, text, &[0, 1, 2, 3, 4, 5, 6], (text.len().max(1), 8192), false);
    let mut expected = Decoded { records: Records::new(), rejected: BTreeSet::new() };
    let mut numbers = BTreeMap::new();
    note_values(format, text, &mut numbers);
    for (offset, outcome) in read {
        match outcome {
            Err(error) => {
                expected.records.insert(offset, Err(error));
            }
            Ok(_) if numbers[&offset] => {
                expected.records.insert(offset, all.records[&offset].clone());
            }
            Ok(_) => {
                expected.rejected.insert(offset);
            }
        }
    }
    expected
}

/// Whether each good record is kept.
fn note_values(format: &Format, text: &[u8], kept: &mut BTreeMap<u64, bool>) {
    let schema = schema();
    let spec = DecoderSpec {
        format,
        schema: &schema,
        columns: &READ,
        batch_rows: 8192,
        csv_header: None,
        is_inferred: false,
        is_union: false,
    };
    let mut decoder = Decoder::new(&spec).unwrap();
    let bytes = FrameBytes::Sequential {
        bytes: Buffer::from(text),
        start: Offset(0),
        end: Offset(u64::MAX),
        is_last: true,
    };
    decoder.begin(Frames { partition: PartitionId(0), bytes }).unwrap();
    while let Some(batch) = decoder.decode(&mut Vec::new()).unwrap() {
        let numbers = batch.column(0).as_primitive::<Int64Type>();
        let texts = batch.column(1).as_string_view();
        for row in 0..batch.row_count() {
            let number = numbers.is_valid(row).then(|| numbers.value(row));
            let text = texts.is_valid(row).then(|| texts.value(row));
            kept.insert(batch.offsets().value(row), Third::keeps(number, text));
        }
    }
}

/// A value of each column in writing, good or bad, as CSV fields and JSON values.
fn value(column: usize, random: &mut Pcg64, bad_one_in: u32) -> (String, String) {
    let is_bad = bad_one_in > 0 && random.random_range(0..bad_one_in) == 0;
    let is_null = random.random_range(0..9) == 0;
    let number = random.random_range(-1000..1000_i64);
    let long = "a text that no view holds";
    let texts =
        ["no", "yes", "of, three", "said \"so\"", "of\\two\u{1}", "é over twelve bytes", long];
    let text = texts[random.random_range(0..texts.len())];
    let quoted = |text: &str| {
        let csv = match text.contains([',', '"']) {
            true => format!("\"{}\"", text.replace('"', "\"\"")),
            false => text.to_owned(),
        };
        (csv, serde_json::to_string(text).unwrap())
    };
    match column {
        _ if is_null => (String::new(), "null".to_owned()),
        0 | 1 | 5 if is_bad => quoted("x"),
        4 | 6 if is_bad => quoted("2024-02-30"),
        0 => (format!("{number}.25"), format!("{number}.25")),
        1 => (number.to_string(), number.to_string()),
        4 => quoted(&format!("2024-01-01T00:{:02}:00Z", number.unsigned_abs() % 60)),
        5 => ((number > 0).to_string(), (number > 0).to_string()),
        6 => quoted(["00ff", "00112233445566778899aabbccddeeff"][random.random_range(0..2)]),
        _ => quoted(text),
    }
}

fn records(seed: u64, row_count: usize, bad_one_in: u32) -> (Vec<u8>, Vec<u8>) {
    let mut random = Pcg64::seed_from_u64(seed);
    let names = ["a", "n", "b", "t", "c", "d", "e"];
    let (mut csv, mut json) = (names.join(",").into_bytes(), Vec::new());
    csv.push(b'\n');
    for _ in 0..row_count {
        let values: Vec<_> = (0..7).map(|column| value(column, &mut random, bad_one_in)).collect();
        let fields: Vec<&str> = values.iter().map(|value| value.0.as_str()).collect();
        csv.extend_from_slice(fields.join(",").as_bytes());
        let members =
            names.iter().zip(&values).map(|(name, value)| format!("\"{name}\":{}", value.1));
        json.extend_from_slice(format!("{{{}}}", members.collect::<Vec<_>>().join(",")).as_bytes());
        if bad_one_in > 0 && random.random_range(0..4 * bad_one_in) == 0 {
            csv.extend_from_slice([&b",more"[..], b"\xff", b"\"x"][random.random_range(0..3)]);
            json.extend_from_slice([&b"}"[..], b"\xff"][random.random_range(0..2)]);
        }
        csv.extend_from_slice(if seed.is_multiple_of(3) { b"\r\n" } else { b"\n" });
        json.push(b'\n');
    }
    (csv, json)
}

#[test]
fn what_is_left_is_what_decoders_without_a_filter_say() {
    let formats = [Format::Csv(CsvOptions::default()), Format::Json(JsonOptions::default())];
    let (mut kept, mut rejected, mut bad) = (0, 0, 0);
    for (seed, (row_count, bad_one_in)) in
        [(0, 0), (1, 0), (40, 0), (700, 0), (300, 60), (700, 12), (90, 3)].into_iter().enumerate()
    {
        let (csv, json) = records(seed as u64, row_count, bad_one_in);
        for (format, text) in formats.iter().zip([csv, json]) {
            let expected = expected(format, &text);
            kept += expected.records.values().filter(|record| record.is_ok()).count();
            bad += expected.records.values().filter(|record| record.is_err()).count();
            rejected += expected.rejected.len();
            for size in
                [(1 << 20, 8192), (1 << 20, 1), (1 << 20, 7), (1000, 1000), (150, 8192), (4096, 64)]
            {
                let all = [0, 1, 2, 3, 4, 5, 6];
                let found = decode(format, &text, &all, size, true);
                assert_eq!(found.records, expected.records, "{format:?}, {size:?}, seed {seed}");
                assert_eq!(found.rejected, expected.rejected, "{format:?}, {size:?}, seed {seed}");
            }
        }
    }
    assert!(kept > 1000 && rejected > 1000 && bad > 300, "{kept} {rejected} {bad}");
}
