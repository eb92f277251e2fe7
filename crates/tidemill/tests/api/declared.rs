//! Registered sources that scripts declare, that several queries read, and values that are bound.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMicrosecondType};
use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use tidemill::{ByteSource, EventTime, Format, JsonOptions, Session, Source, Value};

use crate::support::{session_of, source_of};

/// Seconds of event time, a name, and a number.
fn timed(rows: &[(i64, &str, Option<i64>)]) -> RecordBatch {
    let at = rows.iter().map(|row| row.0 * 1_000_000);
    let at: ArrayRef = Arc::new(TimestampMicrosecondArray::from_iter_values(at));
    let name: ArrayRef = Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.1)));
    let value: ArrayRef = Arc::new(rows.iter().map(|row| row.2).collect::<Int64Array>());
    RecordBatch::try_from_iter_with_nullable([
        ("at", at, false),
        ("name", name, false),
        ("v", value, true),
    ])
    .unwrap()
}

const ROWS: &[(i64, &str, Option<i64>)] =
    &[(0, "a", Some(1)), (5, "b", Some(2)), (1, "a", Some(4)), (12, "a", None)];

fn repeatable(batch: RecordBatch) -> Source {
    Source::bounded(batch.schema()).repeatable_iterator(move || [Ok(batch.clone())])
}

fn session(source: Source) -> Session {
    let mut session = Session::new();
    session.register_source("Feed", source).unwrap();
    session
}

fn integers(session: &Session, sql: &str) -> Vec<Option<i64>> {
    integers_in(session.query(sql).unwrap().collect().unwrap())
}

fn integers_in(batches: Vec<RecordBatch>) -> Vec<Option<i64>> {
    let column = |batch: &RecordBatch| batch.column(0).as_primitive::<Int64Type>().clone();
    batches.iter().flat_map(|batch| column(batch).iter().collect::<Vec<_>>()).collect()
}

fn refused(session: &Session, sql: &str) -> String {
    session.prepare(sql).unwrap_err().report()
}

#[test]
fn a_declaration_has_all_clauses_over_what_is_registered() {
    let session = session(repeatable(timed(ROWS)));
    let declared = |clauses: &str, options: &str| {
        format!(
            "CREATE SOURCE clicks {clauses} WITH ('connector' = 'registered', 'source' = 'feed'{options});"
        )
    };
    let whole = declared("(twice AS v * 2)", "");
    let all = integers(&session, &format!("{whole} SELECT twice FROM clicks"));
    assert_eq!(all, [Some(2), Some(4), Some(8), None]);

    // The record of second 1 comes behind the watermark of second 5, and its window has closed by then.
    let windowed = declared("(WATERMARK FOR at AS at)", ", 'watermark.max_ahead' = 'off'");
    let count =
        "SELECT COUNT(*) AS n FROM TUMBLE(clicks, at, INTERVAL '2' SECOND) GROUP BY window_start";
    let mut rows = session.query(&format!("{windowed} {count}")).unwrap();
    let counts = integers_in(rows.by_ref().map(Result::unwrap).collect());
    assert_eq!(counts, [Some(1), Some(1), Some(1)]);
    assert_eq!(rows.summary().unwrap().statistics.late_count(), 1);
    let patient = declared("(WATERMARK FOR at AS at - INTERVAL '4' SECOND)", "");
    assert_eq!(integers(&session, &format!("{patient} {count}")), [Some(2), Some(1), Some(1)]);

    // Some of the columns, in another order; NOT NULL is held.
    let some = declared("(v BIGINT, name VARCHAR NOT NULL)", "");
    let rows = session.query(&format!("{some} SELECT * FROM clicks")).unwrap();
    let names: Vec<_> = rows.output_schema().fields().iter().map(|f| f.name().clone()).collect();
    assert_eq!(names, ["v", "name"]);
    let strict = declared("(v BIGINT NOT NULL)", "");
    let error = session.query(&format!("{strict} SELECT v FROM clicks")).unwrap().collect();
    let report = error.unwrap_err().report();
    assert!(
        report.contains("clicks") && report.contains("v is NOT NULL and has NULLs"),
        "{report}"
    );
    // A bad record is what the declaration says.
    let skips = declared("(inverse AS 4 % (v - 2))", ", 'bad.records' = 'skip'");
    let mut rows = session.query(&format!("{skips} SELECT inverse FROM clicks")).unwrap();
    let rest = integers_in(rows.by_ref().map(Result::unwrap).collect());
    assert_eq!(
        (rest, rows.summary().unwrap().statistics.bad_records),
        (vec![Some(0), Some(0), None], 1)
    );
}

#[test]
fn a_declaration_that_does_not_fit_what_is_registered_is_refused_where_it_stands() {
    let session = session(repeatable(timed(ROWS)));
    let refused = |declaration: &str, expected: &[&str]| {
        let report = refused(&session, &format!("{declaration}; SELECT * FROM feed"));
        expected.iter().for_each(|part| assert!(report.contains(part), "{report}"));
    };
    let with = "WITH ('connector' = 'registered', 'source' = 'feed')";
    refused(
        "CREATE SOURCE c WITH ('connector' = 'registered', 'source' = 'fed')",
        &["sql:1:62", "no source named \"fed\" is registered", "feed"],
    );
    refused("CREATE SOURCE c WITH ('connector' = 'registered')", &["sql:1:15", "\"c\""]);
    refused(
        &format!("CREATE SOURCE c (w BIGINT) {with}"),
        &["sql:1:18", "no column \"w\"", "at, name, v"],
    );
    refused(
        &format!("CREATE SOURCE c (v INTEGER) {with}"),
        &["sql:1:18", "BIGINT, and not INTEGER"],
    );
    refused(
        "CREATE SOURCE c WITH ('connector' = 'registered', 'source' = 'feed', 'idle.timeout' = '1s')",
        &["needs a WATERMARK clause"],
    );
}

#[test]
fn what_is_registered_of_event_time_and_keys_holds_unless_it_is_declared_anew() {
    let delay = Duration::from_secs(4);
    let source =
        repeatable(timed(ROWS)).watermark("at", delay).max_ahead(None).partitioned_by(["name"]);
    let session = session(source);
    let counted = |clauses: &str, options: &str| {
        let declared = format!(
            "CREATE SOURCE c {clauses} WITH ('connector' = 'registered', 'source' = 'feed'{options});
             SELECT COUNT(*) AS n FROM TUMBLE(c, at, INTERVAL '2' SECOND) GROUP BY name, window_start"
        );
        integers(&session, &declared).into_iter().flatten().sum::<i64>()
    };
    assert_eq!(counted("", ""), 4);
    assert_eq!(counted("", ", 'allowed.lateness' = '1s'"), 4);
    // With no delay the record of second 1 is late.
    assert_eq!(counted("(WATERMARK FOR at AS at)", ", 'watermark.max_ahead' = 'off'"), 3);
    let text = session.query("SELECT name, COUNT(*) AS n FROM feed GROUP BY name").unwrap();
    assert!(text.explain().unwrap().unwrap().contains("local"), "its key is declared");
}

#[test]
fn text_in_memory_is_declared_as_files_are() {
    let mut session = Session::new();
    let text = "{\"k\":\"x\",\"n\":1}\n{\"k\":null,\"n\":2}\n";
    let source = ByteSource::new(Format::Json(JsonOptions::default()))
        .repeatable_partition(move || [Ok(text.into())]);
    session.register_bytes("lines", source).unwrap();
    let declared = "CREATE SOURCE l (k VARCHAR NOT NULL, n BIGINT, next AS n + 1)
                    WITH ('connector' = 'registered', 'source' = 'lines', 'bad.records' = 'skip');";
    assert_eq!(integers(&session, &format!("{declared} SELECT next, k FROM l")), [Some(2)]);
    assert_eq!(
        integers(&session, "SELECT n FROM lines UNION ALL SELECT n + 5 FROM lines").len(),
        4
    );
}

#[test]
fn each_who_reads_a_repeatable_source_has_readers_of_its_own() {
    let made = Arc::<AtomicUsize>::default();
    let counted = Arc::clone(&made);
    let batch = timed(ROWS);
    let source = Source::bounded(batch.schema()).repeatable_iterator(move || {
        counted.fetch_add(1, Ordering::SeqCst);
        [Ok(batch.clone())]
    });
    let session = session(source);
    let twice = "SELECT v FROM feed UNION ALL SELECT -v FROM feed";
    let mut values = integers(&session, twice);
    values.sort_unstable();
    let expected = [None, None, Some(-4), Some(-2), Some(-1), Some(1), Some(2), Some(4)];
    assert_eq!(values, expected);
    assert_eq!(made.load(Ordering::SeqCst), 2);
    assert_eq!(integers(&session, "SELECT SUM(v) AS v FROM feed"), [Some(7)]);
    assert_eq!(made.load(Ordering::SeqCst), 3, "not before somebody reads");
}

#[test]
fn one_partition_that_is_there_once_makes_a_source_be_read_once() {
    let batch = timed(ROWS);
    let once = batch.clone();
    let source = repeatable(batch).iterator([Ok(once)]);
    let session = session(source);
    let twice = "SELECT v FROM feed UNION ALL SELECT v FROM feed";
    assert!(session.query(twice).unwrap_err().report().contains("repeatable_partition"));
    assert_eq!(integers(&session, "SELECT v FROM feed").len(), 8, "it was not read before");
    assert!(session.query("SELECT v FROM feed").is_err());
}

#[test]
fn a_job_that_finds_its_source_read_takes_nothing_of_others() {
    let (mut session, _) = session_of(source_of(&[&[&[1]]]));
    session.register_source("u", source_of(&[&[&[2]]])).unwrap();
    let both = session.query("SELECT v FROM u UNION ALL SELECT v FROM t").unwrap();
    assert_eq!(integers(&session, "SELECT v FROM t"), [Some(1)]);
    assert!(both.collect().unwrap_err().report().contains("source t has been read already"));
    assert_eq!(integers(&session, "SELECT v FROM u"), [Some(2)], "u is still there");
}

#[test]
fn a_source_that_is_replaced_is_another_for_later_jobs_alone() {
    let mut session = session(repeatable(timed(&ROWS[..1])));
    let before = session.query("SELECT v FROM feed").unwrap();
    assert!(session.replace_source("FEED", repeatable(timed(ROWS))).unwrap());
    assert_eq!(integers(&session, "SELECT v FROM feed").len(), 4);
    assert_eq!(integers_in(before.collect().unwrap()), [Some(1)]);
    let bad = Source::bounded(timed(ROWS).schema());
    assert!(session.replace_source("feed", bad).is_err());
    assert_eq!(integers(&session, "SELECT v FROM feed").len(), 4, "the one before stays");
}

fn bound(sql: &str, values: impl IntoIterator<Item = Value>) -> Vec<Option<i64>> {
    let session = session(repeatable(timed(ROWS)));
    integers_in(session.bind(values).query(sql).unwrap().collect().unwrap())
}

#[test]
fn bound_values_mean_what_literals_would() {
    assert_eq!(
        bound("SELECT v FROM feed WHERE v > ? AND name = ?", [1.into(), "a".into()]),
        [Some(4)]
    );
    assert_eq!(bound("SELECT v FROM feed WHERE name = $1 OR name = $1", ["b".into()]), [Some(2)]);
    assert_eq!(
        bound("SELECT v + $1 AS w FROM feed LIMIT $2", [10_i64.into(), 1.into()]),
        [Some(11)]
    );
    // A text is read as what it is compared with, as a literal is; and never as SQL.
    assert_eq!(
        bound("SELECT v FROM feed WHERE at = $1", ["1970-01-01 00:00:05".into()]),
        [Some(2)]
    );
    assert_eq!(bound("SELECT v FROM feed WHERE name = ?", ["' OR '' = '".into()]), []);
    assert_eq!(bound("SELECT v FROM feed WHERE at = $1", [EventTime(5_000_000).into()]), [Some(2)]);
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(5);
    assert_eq!(bound("SELECT v FROM feed WHERE at = ?", [at.into()]), [Some(2)]);
    let before = Duration::from_secs(1);
    assert_eq!(
        bound("SELECT v FROM feed WHERE at - ? = TIMESTAMP '1970-01-01'", [before.into()]),
        [Some(4)]
    );
    assert_eq!(
        bound("SELECT COALESCE(v, ?) AS v FROM feed WHERE v IS NULL", [None::<i64>.into()]),
        [None]
    );
    assert_eq!(
        bound("SELECT v FROM feed WHERE v = ?", [Value::decimal(20, 1).unwrap()]),
        [Some(2)]
    );
    // A place within a text or a comment is none.
    assert_eq!(bound("SELECT v FROM feed WHERE name <> '?' AND v = ? -- ?", [2.into()]), [Some(2)]);
    let session = Session::new();
    let rows =
        session.bind([EventTime(7).into()]).query("SELECT ? AS t").unwrap().collect().unwrap();
    assert_eq!(rows[0].column(0).as_primitive::<TimestampMicrosecondType>().value(0), 7);
}

#[test]
fn a_wrong_number_of_values_is_refused_where_it_stands() {
    let session = session(repeatable(timed(ROWS)));
    let refused = |sql: &str, values: Vec<Value>, expected: &[&str]| {
        let report = session.bind(values).query(sql).unwrap_err().report();
        expected.iter().for_each(|part| assert!(report.contains(part), "{report}"));
    };
    let two = "SELECT v FROM feed WHERE v > ? AND v < ?";
    refused(
        two,
        vec![1.into()],
        &["sql:1:40", "nothing is bound to parameter 2: 1 value is bound"],
    );
    refused(two, vec![], &["sql:1:30", "sql:1:40", "0 values are bound"]);
    refused(
        two,
        vec![1.into(); 3],
        &["sql:1:40", "value 3 is bound, and the script has no place for it"],
    );
    refused("SELECT v FROM feed WHERE v = $2", vec![1.into(); 2], &["value 1 is bound"]);
    refused("SELECT v FROM feed WHERE v = $0", vec![], &["numbered from $1"]);
    refused("SELECT $1 + ? AS n", vec![1.into(); 2], &["sql:1:13", "? and $1 in one script"]);
    refused("SELECT v FROM feed", vec![1.into()], &["value 1 is bound"]);
    refused("SELECT v FROM feed WHERE v = ?", vec![true.into()], &["sql:1:26"]);
    let without = session.query("SELECT ? AS n").unwrap_err().report();
    assert!(without.contains("not supported: parameters (?)"), "{without}");
    assert!(Value::decimal(1, 39).is_err());
}
