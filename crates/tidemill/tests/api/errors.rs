//! What an error says, and what a program can ask of it.

use std::error::Error as _;
use std::fs;
use std::io;
use std::path::Path;

use tidemill::{Error, ErrorKind, Session};

use crate::support::{session_of, source_of};

fn run(sql: &str) -> Error {
    Session::new().prepare(sql).and_then(|job| job.run()).unwrap_err()
}

fn of_file(path: &Path, options: &str) -> String {
    format!(
        "CREATE SOURCE t (k VARCHAR, v BIGINT) WITH ('connector' = 'file', 'path' = '{}', 'format' = 'csv' {options});
         CREATE SINK nowhere WITH ('connector' = 'discard');",
        path.display()
    )
}

#[test]
fn an_error_is_small_and_goes_anywhere() {
    fn goes_anywhere<T: Send + Sync + 'static>() {}
    goes_anywhere::<Error>();
    assert_eq!(size_of::<Result<(), Error>>(), size_of::<usize>());
}

#[test]
fn a_missing_file_is_named_by_what_is_printed_and_asked() {
    let error = run("SELECT * FROM 'orders.csv'");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(error.path(), Some(Path::new("orders.csv")));
    let text = error.to_string();
    assert!(text.contains("orders.csv does not exist") && text.contains("sql:1:15"), "{text}");
    assert_eq!((error.query(), error.partition(), error.line()), (None, None, None));
}

#[test]
fn a_bad_record_has_an_address() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("t.csv");
    fs::write(&path, "k,v\na,1\nb,x\n").unwrap();
    let error = run(&format!("{} INSERT INTO nowhere SELECT v FROM t;", of_file(&path, "")));
    assert_eq!(error.kind(), ErrorKind::BadRecord);
    assert_eq!((error.query(), error.partition()), (Some("nowhere"), Some(0)));
    // Behind "k,v\na,1\n", on the third line.
    assert_eq!((error.offset(), error.line()), (Some(8), Some(3)));
    assert_eq!(error.path(), Some(&*path));
    let text = error.to_string();
    assert!(
        text.contains("query nowhere failed: bad record in t, partition 0, offset 8"),
        "{text}"
    );
    assert!(text.contains(&format!("{}, line 3", path.display())), "{text}");
    assert!(!text.contains('\n'), "{text}");
}

#[test]
fn what_the_system_said_is_the_source() {
    let directory = tempfile::tempdir().unwrap();
    let (input, file) = (directory.path().join("t.csv"), directory.path().join("file"));
    fs::write(&input, "k,v\na,1\n").unwrap();
    fs::write(&file, "").unwrap();
    let error = run(&format!(
        "{} CREATE SINK s WITH ('connector' = 'file', 'path' = '{}/out', 'format' = 'csv');
         INSERT INTO s SELECT v FROM t;",
        of_file(&input, ""),
        file.display()
    ));
    assert_eq!(error.kind(), ErrorKind::Output);
    assert!(error.path().is_some_and(|path| path.starts_with(&file)), "{error:?}");
    let source = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    assert!(source.is_none_or(|source| source.raw_os_error().is_some()), "{error:?}");
}

#[derive(Debug, PartialEq)]
struct Down(u16);

impl std::fmt::Display for Down {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "port {} is closed", self.0)
    }
}

impl std::error::Error for Down {}

#[test]
fn the_hosts_own_error_is_the_source() {
    let mut source = source_of(&[&[&[1]], &[&[2]]]);
    source.partitions[1] = Box::new(std::iter::once(Err(Down(9).into())));
    let (session, _) = session_of(source);
    let error = session.prepare("INSERT INTO out SELECT v FROM t").unwrap().run().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RegisteredSource);
    assert_eq!((error.query(), error.partition()), (Some("out"), Some(1)));
    assert_eq!(error.source().unwrap().downcast_ref(), Some(&Down(9)));
    assert!(!error.to_string().contains("port 9"), "it is said once: {error}");
    assert!(error.report().ends_with("registered source t, partition 1: port 9 is closed"));

    let (mut session, _) = session_of(source_of(&[&[&[1]]]));
    session.register_sink("full", |_| Box::new(|_| Err(Down(7).into()))).unwrap();
    let error = session.prepare("INSERT INTO full SELECT v FROM t").unwrap().run().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::RegisteredSink);
    assert_eq!(error.source().unwrap().downcast_ref(), Some(&Down(7)));
    assert!(error.to_string().contains("the registered sink full failed"), "{error}");
}

#[test]
fn findings_of_a_script_have_their_places() {
    let sql = "SELECT nothing FROM (SELECT 1 AS a) AS t";
    let error = Session::new().prepare(sql).unwrap_err();
    assert!(error.kind() == ErrorKind::Sql && error.is_usage());
    let [finding] = error.findings() else { panic!("{error}") };
    assert_eq!(&sql[finding.span.start..finding.span.end], "nothing");
    assert!(error.to_string().starts_with("sql:1:8: "), "{error}");
}

#[test]
fn memory_that_ran_out_is_told_from_other_failures() {
    let values: Vec<i64> = (0..100_000).collect();
    let (mut session, _) = session_of(source_of(&[&[&values]]));
    session.settings_mut().memory_budget_bytes = Some(1 << 20);
    let job = session.prepare("INSERT INTO out SELECT v, COUNT(*) FROM t GROUP BY v").unwrap();
    let error = job.run().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Memory);
    assert_eq!((error.query(), error.partition()), (Some("out"), Some(0)));
}
