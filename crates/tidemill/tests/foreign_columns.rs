//! Columns that come with Arrow types of their own: what is left out, cut or damaged is said.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{
    ArrayRef, Decimal128Array, Int64Array, RecordBatch, StructArray, Time64MicrosecondArray,
    TimestampNanosecondArray,
};
use arrow_ipc::writer::{FileWriter, StreamWriter};
use support::session_of;
use tidemill::Session;

fn batch() -> RecordBatch {
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
    let clocks: ArrayRef = Arc::new(Time64MicrosecondArray::from(vec![1, 2]));
    let field = |name: &str, array: &ArrayRef| {
        Arc::new(arrow_schema::Field::new(name, array.data_type().clone(), true))
    };
    let nested = StructArray::from(vec![(field("at", &clocks), clocks)]);
    let nested: ArrayRef = Arc::new(nested);
    let times: ArrayRef = Arc::new(TimestampNanosecondArray::from(vec![1000, 1001]));
    RecordBatch::try_from_iter([("n", numbers), ("nested", nested), ("at", times)]).unwrap()
}

fn sql(select: &str, directory: &Path) -> String {
    let directory = directory.display();
    format!(
        "CREATE STREAM o WITH ('connector' = 'file', 'path' = '{directory}/out', 'format' = 'csv',
         'on.existing' = 'replace') AS SELECT {select} FROM '{directory}/t.arrow'"
    )
}

#[test]
fn what_is_left_out_or_cut_is_in_the_warnings() {
    let directory = tempfile::tempdir().unwrap();
    let mut writer = StreamWriter::try_new(Vec::new(), &batch().schema()).unwrap();
    writer.write(&batch()).unwrap();
    fs::write(directory.path().join("t.arrow"), writer.into_inner().unwrap()).unwrap();
    let session = Session::new();
    let job = session.prepare(&sql("*", directory.path())).unwrap();
    let warnings = job.run().unwrap().warnings.join("\n");
    for said in [
        "the column \"nested\" was left out",
        "no SQL type holds a struct; write its members as columns of their own",
        "t.arrow: column at: 1 times have digits below the microsecond",
    ] {
        assert!(warnings.contains(said), "{said:?} is not in {warnings}");
    }
    let written = fs::read_to_string(directory.path().join("out/part-00000-000000.csv")).unwrap();
    assert_eq!(written, "n,at\n1,1970-01-01 00:00:00.000001\n2,1970-01-01 00:00:00.000001\n");
    let refused = session.prepare(&sql("nested", directory.path())).err().unwrap().report();
    assert!(refused.contains("note: ") && refused.contains("nested (a struct"), "{refused}");
}

#[test]
fn an_arrow_file_whose_writer_died_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let mut writer = FileWriter::try_new(Vec::new(), &batch().schema()).unwrap();
    writer.write(&batch()).unwrap();
    writer.flush().unwrap();
    // What stands there before the footer is written.
    fs::write(directory.path().join("t.arrow"), writer.get_ref()).unwrap();
    let job = Session::new().prepare(&sql("COUNT(*) AS n", directory.path())).unwrap();
    let report = job.run().unwrap_err().report();
    assert!(report.contains("ends without its footer"), "{report}");
    assert!(!directory.path().join("out/part-00000-000000.csv").exists());
}

#[test]
fn a_schema_may_be_longer_than_the_first_piece_of_its_file() {
    let directory = tempfile::tempdir().unwrap();
    let column: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
    let columns = (0..5000).map(|number| (format!("column {number}"), Arc::clone(&column)));
    let wide = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer = FileWriter::try_new(Vec::new(), &wide.schema()).unwrap();
    writer.write(&wide).unwrap();
    let bytes = writer.into_inner().unwrap();
    assert!(bytes.len() > 512 << 10);
    fs::write(directory.path().join("t.arrow"), bytes).unwrap();
    let select = "SUM(\"column 4999\") AS n";
    Session::new().prepare(&sql(select, directory.path())).unwrap().run().unwrap();
    let written = fs::read_to_string(directory.path().join("out/part-00000-000000.csv")).unwrap();
    assert_eq!(written, "n\n3\n");
}

#[test]
fn registered_values_that_do_not_fit_end_the_job() {
    let decimals = Decimal128Array::from(vec![1, 1000]).with_precision_and_scale(3, 0).unwrap();
    let times = TimestampNanosecondArray::from(vec![1000, -1]);
    let cases: [(ArrayRef, &str); 2] = [
        (Arc::new(decimals), "column v: row 1 of a batch holds a value that is out of range"),
        (Arc::new(times), "column v: 1 times of a batch have digits below the microsecond"),
    ];
    for (column, expected) in cases {
        let batch = RecordBatch::try_from_iter([("v", column)]).unwrap();
        let (session, _) = session_of(tidemill::SourceRegistration {
            schema: batch.schema(),
            partitions: vec![Box::new(std::iter::once(Ok(batch)))],
            partitioned_by: Vec::new(),
        });
        let job =
            session.prepare("INSERT INTO out SELECT CAST(v IS NULL AS BIGINT) FROM t").unwrap();
        let report = job.run().unwrap_err().report();
        assert!(report.contains(expected), "{report}");
    }
}
