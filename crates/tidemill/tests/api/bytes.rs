//! Text in memory as a source.

use std::fmt::Write;
use std::fs;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use tidemill::{
    BadRecords, ByteSource, CsvOptions, DataType, ErrorKind, Field, Format, HostError, JsonOptions,
    Schema, Session,
};

use crate::support::{session_of, source_of};

fn json() -> Format {
    Format::Json(JsonOptions::default())
}

fn csv() -> Format {
    Format::Csv(CsvOptions::default())
}

/// A text in chunks of so many bytes.
fn chunks(text: &[u8], size: usize) -> Vec<bytes::Bytes> {
    text.chunks(size).map(bytes::Bytes::copy_from_slice).collect()
}

fn session(source: ByteSource) -> Session {
    let mut session = Session::new();
    session.register_bytes("T", source).unwrap();
    session
}

/// Pairs of a text and a number.
fn pairs(batches: &[RecordBatch]) -> Vec<(String, i64)> {
    let of = |batch: &RecordBatch| {
        let texts = batch.column(0).as_string_view();
        let numbers = batch.column(1).as_primitive::<Int64Type>();
        let pair = |row: usize| (texts.value(row).to_owned(), numbers.value(row));
        (0..batch.num_rows()).map(pair).collect::<Vec<_>>()
    };
    batches.iter().flat_map(of).collect()
}

/// What is read of a text as chunks of every size, and of a file of it.
fn same_as_a_file(text: &str, format: &Format, ending: &str) -> Vec<(String, i64)> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(format!("t.{ending}"));
    fs::write(&path, text).unwrap();
    let from_file = Session::new().query(&format!("SELECT k, v FROM '{}'", path.display()));
    let expected = pairs(&from_file.unwrap().collect().unwrap());
    for size in [1, 2, 3, 7, 16, 61, 1000, text.len()] {
        let source = ByteSource::new(format.clone()).partition(chunks(text.as_bytes(), size));
        let rows = session(source).query("SELECT k, v FROM t").unwrap();
        assert_eq!(pairs(&rows.collect().unwrap()), expected, "in chunks of {size} bytes");
    }
    expected
}

#[test]
fn chunks_cut_anywhere_are_read_as_a_file_of_them() {
    let (mut lines, mut rows) = (String::new(), "k,v\n".to_owned());
    for number in 0..40 {
        let long = "ä".repeat(number * 3);
        writeln!(lines, r#"{{"v":{number},"k":"{long}\"x{number}"}}"#).unwrap();
        writeln!(rows, "\"{long}\n,\"\"{number}\",{number}").unwrap();
    }
    assert_eq!(same_as_a_file(&lines, &json(), "jsonl")[2], ("ääääää\"x2".to_owned(), 2));
    assert_eq!(same_as_a_file(&rows, &csv(), "csv")[1], ("äää\n,\"1".to_owned(), 1));
    // No line end at the end, and a byte order mark at the start.
    same_as_a_file("\u{feff}k,v\na,1\nb,2", &csv(), "csv");
}

#[test]
fn partitions_have_columns_that_are_declared_and_headers_of_their_own() {
    let columns =
        vec![Field::nullable("v", DataType::BigInt), Field::nullable("k", DataType::Varchar)];
    let source = ByteSource::new(csv())
        .columns(Schema::new(columns))
        .partitioned_by(["k"])
        .partition(chunks(b"k,v\na,1\na,2\n", 5))
        .partition(chunks(b"v,k\n3,b\n", 3))
        .partition([]);
    let rows = session(source).query("SELECT k, SUM(v) FROM t GROUP BY k ORDER BY k").unwrap();
    assert_eq!(*rows.output_schema().field(0).data_type(), DataType::Varchar.arrow());
    let expected = [("a".to_owned(), 3), ("b".to_owned(), 3)];
    assert_eq!(pairs(&rows.collect().unwrap()), expected);
}

#[test]
fn bad_records_have_offsets_in_their_partition() {
    let text = "{\"k\":\"a\",\"v\":1}\n{\"k\":\"b\",\"v\":true}\n{\"k\":\"c\",\"v\":3}\n";
    let columns =
        vec![Field::nullable("k", DataType::Varchar), Field::nullable("v", DataType::BigInt)];
    let source = || {
        ByteSource::new(json())
            .columns(Schema::new(columns.clone()))
            .partition([])
            .partition(chunks(text.as_bytes(), 10))
    };
    let error = session(source()).query("SELECT k, v FROM t").unwrap().collect().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BadRecord);
    // Behind the first line.
    assert_eq!((error.partition(), error.offset()), (Some(1), Some(16)));
    assert!(error.to_string().contains(r#"{"k":"b","v":true}"#), "{error}");
    let mut lenient = session(source());
    lenient.settings_mut().bad_records = BadRecords::Skip;
    let mut rows = lenient.query("SELECT k, v FROM t").unwrap();
    let batches: Vec<_> = rows.by_ref().map(Result::unwrap).collect();
    assert_eq!(pairs(&batches), [("a".to_owned(), 1), ("c".to_owned(), 3)]);
    assert_eq!(rows.summary().unwrap().statistics.bad_records, 1);
}

#[test]
fn what_keeps_bytes_from_being_read_is_named() {
    let first: Result<bytes::Bytes, HostError> = Ok("{\"k\":1}\n".into());
    let source = ByteSource::new(json()).fallible_partition([first, Err("reset by peer".into())]);
    let error = session(source).query("SELECT k FROM t").unwrap().collect().unwrap_err();
    assert_eq!((error.kind(), error.partition()), (ErrorKind::RegisteredSource, Some(0)));
    assert!(error.report().ends_with("reset by peer"), "{}", error.report());

    let long = format!("{{\"k\":\"{}\"}}\n", "x".repeat(5000));
    let mut narrow = session(ByteSource::new(json()).partition(chunks(long.as_bytes(), 100)));
    narrow.settings_mut().record_bytes_max = 1024;
    let error = narrow.query("SELECT k FROM t").unwrap().collect().unwrap_err();
    assert!(error.report().contains("longer than 1024 bytes"), "{}", error.report());

    let mut session = Session::new();
    let refused = |session: &mut Session, source: ByteSource, expected: &str| {
        let report = session.register_bytes("t", source).unwrap_err().report();
        assert!(report.contains(expected), "{report}");
    };
    refused(&mut session, ByteSource::new(json()), "without a partition");
    refused(&mut session, ByteSource::new(Format::Parquet).partition([]), "CSV or JSON lines");
    refused(&mut session, ByteSource::new(json()).partition([]), "source t");
}

#[test]
fn a_source_that_would_be_read_twice_is_refused_before_it_is_read() {
    let (mut session, _) = session_of(source_of(&[&[&[1]]]));
    let text = || ByteSource::new(json()).partition(chunks(b"{\"k\":1}\n", 100));
    session.register_bytes("b", text()).unwrap();
    for name in ["t", "b"] {
        let twice = [
            format!("INSERT INTO out SELECT 1 AS a FROM {name}; SELECT 1 AS a FROM {name}"),
            format!("SELECT 1 AS a FROM {name} UNION ALL SELECT 2 AS a FROM {name}"),
        ];
        for sql in twice {
            let error = session.query(&sql).unwrap_err();
            assert!(error.is_usage() && error.report().contains("read twice"), "{error}");
        }
        let rows = session.query(&format!("SELECT 1 AS a FROM {name}")).unwrap();
        assert_eq!(rows.collect().unwrap().len(), 1, "it is still there");
        let again = session.query(&format!("SELECT 1 AS a FROM {name}")).unwrap_err();
        assert!(again.report().contains(&format!("source {name} has been read already")));
        session.prepare(&format!("EXPLAIN SELECT 1 AS a FROM {name}")).unwrap();
    }
    assert!(session.deregister_source("B") && !session.deregister_source("b"));
    session.register_bytes("b", text()).unwrap();
    assert_eq!(session.query("SELECT k FROM b").unwrap().collect().unwrap().len(), 1);
    assert!(session.deregister_sink("OUT"));
    assert!(session.prepare("INSERT INTO out SELECT v FROM t").is_err());
}
