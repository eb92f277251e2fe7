//! CSV: against the `csv` crate, and the choices it leaves.

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;
use tidemill_format::{Decoder, DecoderSpec, FormatError};
use tidemill_plan::{CsvOptions, Format, JsonOptions};
use tidemill_record::{DataType, Field, FrameBytes, Frames, Offset, PartitionId, Schema};

use crate::decoding::{check_every_cut, decode, texts_schema};

fn csv(has_header: bool) -> Format {
    Format::Csv(CsvOptions { has_header, ..CsvOptions::default() })
}

fn some(texts: &[&str]) -> Vec<Option<String>> {
    texts.iter().map(|text| Some((*text).to_owned())).collect()
}

#[test]
fn records_are_those_of_the_csv_crate() {
    const PIECES: [&[u8]; 12] = [
        b"a",
        b"bc",
        b",",
        b",",
        b"\n",
        b"\r\n",
        b"\"",
        b"\"\"",
        b" ",
        "é".as_bytes(),
        b"\xff",
        b"\n",
    ];
    let mut random = Pcg64::seed_from_u64(1);
    let mut compared = 0;
    for round in 0..6000 {
        let column_count = 2 + round % 3;
        let mut input = Vec::new();
        for _ in 0..random.random_range(0..40) {
            // Well-formed quoted fields would be rare by chance alone.
            if random.random_range(0..4) == 0 && input.last().is_none_or(|b| b",\n".contains(b)) {
                input.extend_from_slice(b"\"x,\n\"\"y\",");
            } else {
                input.extend_from_slice(PIECES[random.random_range(0..PIECES.len())]);
            }
        }
        let names = ["c0", "c1", "c2", "c3"];
        let schema = texts_schema(&names[..column_count]);
        let ours = decode(&csv(false), &schema, &input).unwrap();
        if ours.reasons().iter().any(|reason| reason.contains("quote")) {
            continue; // The csv crate accepts these.
        }
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .from_reader(input.as_slice());
        let mut expected: Vec<Vec<String>> = Vec::new();
        let mut bad_count = 0;
        for record in reader.byte_records() {
            let record = record.unwrap();
            let fields: Option<Vec<String>> =
                record.iter().map(|field| String::from_utf8(field.to_vec()).ok()).collect();
            match fields {
                Some(fields) if fields.len() == column_count => expected.push(fields),
                _ => bad_count += 1,
            }
        }
        let shown = String::from_utf8_lossy(&input);
        let columns: Vec<_> = (0..column_count).map(|column| ours.texts(column)).collect();
        let found: Vec<Vec<String>> = (0..ours.offsets.len())
            .map(|row| columns.iter().map(|c| c[row].clone().unwrap_or_default()).collect())
            .collect();
        assert_eq!(found, expected, "{shown:?}");
        assert_eq!(ours.bad.len(), bad_count, "{shown:?}");
        compared += 1;
    }
    assert!(compared > 1500, "{compared}");
}

#[test]
fn every_cut_gives_the_same() {
    let input = "\u{feff}a,b,c\r\n1,x,2024-01-01\n\n2,\"y,\n\"\"long enough for a view\"\"\",\r\n\
                 bad,z,\n3,too,many,fields\n4,\"\",2024-02-30\n5,\"q\"x,\n,é over twelve bytes,\n6,last,2024-12-31";
    let schema = Schema::new(vec![
        Field::required("a", DataType::BigInt),
        Field::nullable("b", DataType::Varchar),
        Field::nullable("c", DataType::Date),
    ]);
    let decoded = check_every_cut(&csv(true), &schema, input.as_bytes());
    let texts = decoded.texts(1);
    assert_eq!(texts, some(&["x", "y,\n\"long enough for a view\"", "last"]));
    assert_eq!(decoded.offsets[0], 3 + 7);
    assert_eq!(
        decoded.reasons(),
        [
            "'bad' is not a value of BIGINT",
            "4 fields where the header has 3",
            "'2024-02-30' is not a value of DATE",
            "text after a closing quote",
            "NULL in column a, which is NOT NULL",
        ]
    );
    assert_eq!(decoded.bad[0].raw.as_deref(), Some(&b"bad,z,"[..]));
    assert_eq!(decoded.bad[0].field.as_deref(), Some("a"));
}

#[test]
fn null_is_not_the_empty_string() {
    let decoded = decode(&csv(true), &texts_schema(&["a", "b"]), b"a,b\n,\"\"\n").unwrap();
    assert_eq!((decoded.texts(0), decoded.texts(1)), (vec![None], some(&[""])));
}

#[test]
fn blank_lines_count_only_in_a_single_column() {
    // As DuckDB: read_csv gives (1), (NULL), (2) and (1,2), (3,4).
    let one = decode(&csv(true), &texts_schema(&["a"]), b"a\n1\n\r\n2\n").unwrap();
    assert_eq!(one.texts(0), [Some("1".to_owned()), None, Some("2".to_owned())]);
    let two = decode(&csv(true), &texts_schema(&["a", "b"]), b"a,b\n1,2\n\r\n3,4\n\n").unwrap();
    assert_eq!(two.texts(0), some(&["1", "3"]));
    assert_eq!(two.bad, []);
}

#[test]
fn a_header_has_to_name_every_needed_column_once() {
    let error = decode(&csv(true), &texts_schema(&["price"]), b"prize,b\n").unwrap_err();
    let text = "column price is not in the input, which has prize, b; did you mean \"prize\"?";
    assert_eq!(error.to_string(), text);
    let error = decode(&csv(true), &texts_schema(&["a"]), b"a,a\n").unwrap_err();
    assert!(matches!(error, FormatError::DuplicateColumn { .. }));
    // Extra columns and another order are fine.
    let decoded = decode(&csv(true), &texts_schema(&["b", "a"]), b"a,x,b\n1,2,3\n").unwrap();
    assert_eq!((decoded.texts(0), decoded.texts(1)), (some(&["3"]), some(&["1"])));
}

#[test]
fn a_carriage_return_that_may_end_lines_is_no_text() {
    let schema = texts_schema(&["a"]);
    let error = decode(&csv(true), &schema, b"a,b\r1,2\r").unwrap_err().to_string();
    assert!(error.contains("carriage return (CR)"), "{error}");
    // A last record that no line feed ends, and one of another count of fields.
    for input in ["a\r\n1\r2\r3\r", "a\n1\r2\r3", "a,b\n1,2\r3,4\r5,6\n"] {
        let decoded = decode(&csv(true), &schema, input.as_bytes()).unwrap();
        let [reason] = decoded.reasons()[..] else { panic!("{decoded:?}") };
        assert!(reason.contains("carriage return (CR)"), "{reason}");
    }
    let decoded = decode(&csv(false), &schema, b"1\r2\r").unwrap();
    assert_eq!((decoded.bad.len(), decoded.offsets.len()), (1, 0));
    // Where a line feed follows it is text, and in quotes.
    let decoded = decode(&csv(true), &schema, b"a\n1\r2\n\"3\r4\"").unwrap();
    assert_eq!(decoded.texts(0), some(&["1\r2", "3\r4"]));
}

#[test]
fn a_split_stops_at_its_end_and_takes_the_header_it_is_given() {
    let format = csv(true);
    let schema = texts_schema(&["a", "b"]);
    let input = b"1,2\n3,4\n5,6\n";
    let header = ["b".to_owned(), "a".to_owned()];
    let spec = DecoderSpec {
        format: &format,
        schema: &schema,
        columns: &[0],
        batch_rows: 10,
        csv_header: Some(&header),
        is_inferred: false,
        is_union: false,
    };
    let frames = Frames {
        partition: PartitionId(1),
        bytes: FrameBytes::Sequential {
            bytes: input.as_slice().into(),
            start: Offset(100),
            end: Offset(105),
            is_last: true,
        },
    };
    let mut decoder = Decoder::new(&spec).unwrap();
    decoder.begin(frames.clone()).unwrap();
    let batch = decoder.decode(&mut Vec::new()).unwrap().unwrap();
    assert_eq!(batch.offsets().values(), &[100, 104]);
    assert!(decoder.decode(&mut Vec::new()).unwrap().is_none());
    assert_eq!(decoder.consumed(), 8);
    assert_eq!(decoder.raw_record(Offset(104)), Some(&b"3,4"[..]));
    assert_eq!(decoder.raw_record(Offset(99)), None);
    let mut headless = Decoder::new(&DecoderSpec { csv_header: None, ..spec }).unwrap();
    assert!(matches!(headless.begin(frames), Err(FormatError::HeaderUnknown)));
}

#[test]
fn no_columns_still_count_rows() {
    let schema = texts_schema(&["a"]);
    // Regular records, and such as are looked at one by one.
    let texts: [(Format, &[u8]); 2] = [
        (csv(true), b"a\n1\n\"2\"\n\"3\"\n4\r\n5\r\n\xff\n"),
        (Format::Json(JsonOptions::default()), b"{}\n{\"a\":1}\n{\"a\":2}\n{\"a\":3}\n{}\n\xff\n"),
    ];
    for (format, bytes) in texts {
        let spec = DecoderSpec {
            format: &format,
            schema: &schema,
            columns: &[],
            batch_rows: 10,
            csv_header: None,
            is_inferred: false,
            is_union: false,
        };
        let mut decoder = Decoder::new(&spec).unwrap();
        let (start, end) = (Offset(0), Offset(u64::MAX));
        let bytes = FrameBytes::Sequential { bytes: bytes.into(), start, end, is_last: true };
        decoder.begin(Frames { partition: PartitionId(0), bytes }).unwrap();
        let mut bad = Vec::new();
        assert_eq!(decoder.decode(&mut bad).unwrap().unwrap().row_count(), 5);
        assert_eq!(bad.len(), 1, "{bad:?}");
    }
}
