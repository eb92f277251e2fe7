//! Columns that are only handed on: the same bytes and the same bad records as if each field had
//! become a value and been written again.

use std::ops::Range;

use arrow_buffer::Buffer;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;
use tidemill_format::{Decoder, DecoderSpec, Encoder, FormatError};
use tidemill_plan::{CsvOptions, Format, JsonOptions};
use tidemill_record::{
    BadRecord, Batch, Columns, DataType, Field, FrameBytes, Frames, Offset, PartitionId, Schema,
};

const NUMBERS: [&str; 30] = [
    "0",
    "1",
    "-1",
    "42",
    "007",
    "-0",
    "+5",
    "",
    "12345678",
    "123456789",
    "-999999999999999999",
    "9223372036854775807",
    "9223372036854775808",
    " 7",
    "7 ",
    "1.0",
    "0.5",
    "490.45",
    "490.40",
    "66.00",
    "0.001",
    "0.0001",
    "0.00",
    "-0.0",
    "1e3",
    "123456789012345.6",
    "12345678901234.5",
    "NaN",
    "abc",
    "0x1",
];
const TIMES: [&str; 20] = [
    "2024-01-01 00:00+01",
    "2024-01-01 00:00Z  ",
    "2024-01-01         ",
    "2024-01-01 00:00:00.5+0200",
    "2024-01-01 00:00:00.+02",
    "2024-01-01 00:00:59.500",
    "2024-01-01 00:00:00",
    "2024-01-01 00:00:59",
    "2024-01-01T00:00:00",
    "2024-01-01 00:00:00Z",
    "2024-01-01 00:00:00.120",
    "2024-01-01 00:00:00.1",
    "2024-01-01 00:00:00.120000",
    "2024-01-01 00:00:00.000001",
    "2024-02-30 00:00:00",
    "2024-01-01 24:00:00",
    "0000-01-01 00:00:00",
    "1704067200000",
    "2024-01-01",
    "",
];
const TEXTS: [&str; 16] = [
    "a",
    "some text",
    " a",
    "a ",
    "\"\"",
    "\"q,q\"",
    "\"a\"\"b\"",
    "\"plain\"",
    "a\"b",
    "",
    "é",
    "\"\n\"",
    "a\rb",
    "exactly12byt",
    "thirteen byte",
    "\"12\"",
];

/// A record field of the type; most are of the regular sort.
fn field(data_type: &DataType, row: usize, random: &mut Pcg64) -> String {
    let is_regular = random.random_range(0..12) > 0;
    match data_type {
        DataType::BigInt if is_regular => (1000 + row).to_string(),
        DataType::Double if is_regular => format!("{}.{}", 10 + row % 90, 1 + row % 9),
        DataType::BigInt | DataType::Double => NUMBERS[random.random_range(0..30)].to_owned(),
        DataType::Timestamp if is_regular => format!("2024-01-01 00:00:{:02}", row % 60),
        DataType::Timestamp => TIMES[random.random_range(0..20)].to_owned(),
        _ if is_regular => format!("name{}", row % 10),
        _ => TEXTS[random.random_range(0..16)].to_owned(),
    }
}

/// Decodes with `decoder`, in frames of `frame_bytes` that grow where no record fits, and gives each
/// batch to `take`; the bad records.
fn each_batch(
    mut decoder: Decoder,
    input: &[u8],
    frame_bytes: usize,
    mut take: impl FnMut(Batch),
) -> Vec<BadRecord> {
    let mut bad = Vec::new();
    let (mut start, mut length) = (0, frame_bytes);
    loop {
        let end = input.len().min(start + length);
        let is_last = end == input.len();
        let bytes = FrameBytes::Sequential {
            bytes: Buffer::from(&input[start..end]),
            start: Offset(start as u64),
            end: Offset(u64::MAX),
            is_last,
        };
        decoder.begin(Frames { partition: PartitionId(0), bytes }).unwrap();
        while let Some(batch) = decoder.decode(&mut bad).unwrap() {
            take(batch);
        }
        let consumed = decoder.consumed() as usize;
        if is_last {
            return bad;
        }
        start += consumed;
        length = if consumed == 0 { 2 * length } else { frame_bytes };
    }
}

/// The columns of a result in order: each a column of the source, in runs or by itself.
struct Results {
    columns: Vec<usize>,
    runs: Vec<Range<usize>>,
}

fn results(column_count: usize, random: &mut Pcg64) -> Results {
    let mut columns: Vec<usize> = (0..column_count).collect();
    if random.random_range(0..3) == 0 {
        columns.shuffle(random);
    }
    let mut runs = Vec::new();
    let mut at = 0;
    while at < column_count {
        let len = random.random_range(1..=column_count - at);
        if random.random_range(0..4) > 0 {
            runs.push(at..at + len);
        }
        at += len;
    }
    Results { columns, runs }
}

fn compare(format: &Format, schema: &Schema, results: &Results, input: &[u8], frame_bytes: usize) {
    let all: Vec<usize> = (0..schema.fields.len()).collect();
    let spec = DecoderSpec {
        format,
        schema,
        columns: &all,
        batch_rows: 1000,
        csv_header: None,
        is_inferred: false,
        is_union: false,
    };
    let of_results = results.columns.iter().map(|&column| schema.fields[column].clone());
    let of_results = Schema::new(of_results.collect());
    let (mut expected, mut encoded) = (Vec::new(), Vec::new());
    let mut encoder = Encoder::new(format, &of_results).unwrap();
    let expected_bad = each_batch(Decoder::new(&spec).unwrap(), input, input.len(), |batch| {
        let columns: Columns =
            results.columns.iter().map(|&column| batch.column(column).clone()).collect();
        encoder.encode(&Batch::new(columns, batch.offsets().clone()), &mut expected).unwrap();
    });
    let is_in_run = |place: &usize| results.runs.iter().any(|run| run.contains(place));
    let mut values: Vec<usize> =
        (0..all.len()).filter(|place| !is_in_run(place)).map(|p| results.columns[p]).collect();
    values.sort_unstable();
    let texts: Vec<Vec<usize>> =
        results.runs.iter().map(|run| results.columns[run.clone()].to_vec()).collect();
    let decoder =
        Decoder::with_verbatim(&DecoderSpec { columns: &values, ..spec }, &texts).unwrap();
    let mut encoder = Encoder::with_verbatim(format, &of_results, &results.runs).unwrap();
    let bad = each_batch(decoder, input, frame_bytes, |batch| {
        let mut columns = Vec::new();
        let mut place = 0;
        while place < all.len() {
            let run = results.runs.iter().position(|run| run.start == place);
            let column = match run {
                Some(run) => values.len() + run,
                None => values.binary_search(&results.columns[place]).unwrap(),
            };
            columns.push(batch.column(column).clone());
            place = run.map_or(place + 1, |run| results.runs[run].end);
        }
        columns.iter().for_each(|column| column.to_data().validate_full().unwrap());
        encoder.encode(&Batch::new(columns, batch.offsets().clone()), &mut encoded).unwrap();
    });
    let lines = |bytes: &[u8]| {
        String::from_utf8_lossy(bytes).split('\n').map(str::to_owned).collect::<Vec<_>>()
    };
    for (line, expected) in lines(&encoded).iter().zip(&lines(&expected)) {
        assert_eq!(line, expected, "{:?} {:?} {:?}", schema, results.columns, results.runs);
    }
    assert_eq!(encoded.len(), expected.len());
    assert_eq!(bad, expected_bad);
}

#[test]
fn text_that_is_handed_on_is_as_if_it_were_read_and_written() {
    let types = [DataType::BigInt, DataType::Double, DataType::Timestamp, DataType::Varchar];
    let mut random = Pcg64::seed_from_u64(7);
    let mut row_count = 0;
    for round in 0..3000 {
        let has_header = round % 3 == 0;
        let delimiter = *b",;|\t".get(round % 4).unwrap();
        let quote = if round % 7 == 0 { b'\'' } else { b'"' };
        let options = CsvOptions { has_header, delimiter, quote, ..CsvOptions::default() };
        let column_count = 1 + round % 5;
        let fields = (0..column_count).map(|index| {
            let data_type = types[random.random_range(0..4)].clone();
            let field = Field::nullable(format!("c{index}"), data_type);
            Field { is_nullable: random.random_range(0..5) > 0, ..field }
        });
        let schema = Schema::new(fields.collect());
        let mut of_file: Vec<usize> = (0..column_count).collect();
        let mut input = String::new();
        if has_header {
            if random.random_range(0..3) == 0 {
                of_file.shuffle(&mut random);
            }
            let names = of_file.iter().map(|&column| schema.fields[column].name.as_str());
            input = names.collect::<Vec<_>>().join(",") + "\n";
        }
        let rows = random.random_range(0..400);
        row_count += rows;
        for row in 0..rows {
            let texts = of_file
                .iter()
                .map(|&column| field(&schema.fields[column].data_type, row, &mut random));
            input += &texts.collect::<Vec<_>>().join(",");
            input += if random.random_range(0..50) == 0 { "\r\n" } else { "\n" };
        }
        let mut input = input.into_bytes();
        for byte in &mut input {
            // The texts above are written for the usual two characters.
            *byte = match *byte {
                b',' => delimiter,
                b'"' => quote,
                other => other,
            };
        }
        if random.random_range(0..4) == 0 && input.len() > 20 {
            // No longer UTF-8, behind the header at least.
            let at = random.random_range(17..input.len());
            input[at] = 0xff;
        }
        let results = results(column_count, &mut random);
        let frame_bytes = [usize::MAX / 2, 100, 3000][round % 3];
        compare(&Format::Csv(options), &schema, &results, &input, frame_bytes);
    }
    assert!(row_count > 400_000, "{row_count}");
}

#[test]
fn only_csv_is_handed_on_as_text() {
    let format = Format::Json(JsonOptions::default());
    let schema = Schema::new(vec![Field::nullable("a", DataType::BigInt)]);
    let spec = DecoderSpec {
        format: &format,
        schema: &schema,
        columns: &[],
        batch_rows: 1,
        csv_header: None,
        is_inferred: false,
        is_union: false,
    };
    let refused = Decoder::with_verbatim(&spec, &[vec![0]]).err();
    assert!(matches!(refused, Some(FormatError::Options { .. })), "{refused:?}");
    let run = std::iter::once(0..1).collect::<Vec<_>>();
    let refused = Encoder::with_verbatim(&format, &schema, &run).err();
    assert!(matches!(refused, Some(FormatError::Options { .. })), "{refused:?}");
}
