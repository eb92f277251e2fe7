//! Embedding through the public API: registered sources, sinks and functions, jobs side by side,
//! stopping, numbers, and what a failure leaves behind.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::fs;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, Int32Array, Int64Array, RecordBatch};
use arrow_schema::{DataType as ArrowType, Field, Schema};
use support::{endless, rows_of, session_of, source_of, wait_for_records};
use tidemill::Session;

#[test]
fn partitions_are_gathered_in_their_order() {
    let (mut session, rows) = session_of(source_of(&[&[&[3, 1], &[2]], &[&[5]], &[&[4, 0]]]));
    session.settings_mut().batch_rows = 1;
    let summary = session.prepare("INSERT INTO out SELECT v FROM t LIMIT 5").unwrap().run();
    assert_eq!(rows_of(&rows), [[3], [1], [2], [5], [4]]);
    assert_eq!(summary.unwrap().statistics.rows_out, 5);
}

#[test]
fn each_partition_of_a_stateless_query_has_a_receiver_of_its_own() {
    let (mut session, _) = session_of(source_of(&[&[&[1, 2]], &[&[3]]]));
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let collected = Arc::clone(&seen);
    session
        .register_sink("by_partition", move |partition| {
            let seen = Arc::clone(&collected);
            Box::new(move |batch: RecordBatch| {
                let values = batch.column(0).as_primitive::<Int64Type>();
                seen.lock().unwrap().extend(values.values().iter().map(|&v| (partition, v)));
                Ok(())
            })
        })
        .unwrap();
    session.prepare("INSERT INTO by_partition SELECT v * 10 FROM t").unwrap().run().unwrap();
    let mut seen = seen.lock().unwrap().clone();
    seen.sort_unstable();
    assert_eq!(seen, [(0, 10), (0, 20), (1, 30)]);
}

#[test]
fn arrow_types_become_those_of_sql() {
    let schema = Arc::new(Schema::new(vec![
        Field::new("small", ArrowType::UInt16, false),
        Field::new("name", ArrowType::LargeUtf8, true),
        Field::new("at", ArrowType::Timestamp(arrow_schema::TimeUnit::Second, None), true),
    ]));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(arrow_array::UInt16Array::from(vec![65_535, 1])),
        Arc::new(arrow_array::LargeStringArray::from(vec![Some("x"), None])),
        Arc::new(arrow_array::TimestampSecondArray::from(vec![Some(1), None])),
    ];
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns).unwrap();
    let source = tidemill::SourceRegistration {
        schema,
        partitions: vec![Box::new(std::iter::once(Ok(batch)))],
        partitioned_by: Vec::new(),
    };
    let (session, rows) = session_of(source);
    let sql = "INSERT INTO out SELECT CAST(small + 1 AS BIGINT) AS a,
                   CAST(EXTRACT(EPOCH FROM at) AS BIGINT) AS b, CAST(LENGTH(name) AS BIGINT) AS c
               FROM t WHERE small > 1";
    session.prepare(sql).unwrap().run().unwrap();
    assert_eq!(rows_of(&rows), [[65_536, 1, 1]]);
}

#[test]
fn a_batch_that_breaks_its_registration_ends_the_job_and_names_the_column() {
    let check = |is_nullable: bool, column: ArrayRef, expected: &str| {
        let schema = Arc::new(Schema::new(vec![Field::new("v", ArrowType::Int64, is_nullable)]));
        let loose = Arc::new(Schema::new(vec![Field::new("v", column.data_type().clone(), true)]));
        let batch = RecordBatch::try_new(loose, vec![column]).unwrap();
        let (session, rows) = session_of(tidemill::SourceRegistration {
            schema,
            partitions: vec![Box::new(std::iter::once(Ok(batch)))],
            partitioned_by: Vec::new(),
        });
        let error = session.prepare("INSERT INTO out SELECT v FROM t").unwrap().run().unwrap_err();
        let report = error.report();
        assert!(report.contains(expected) && report.contains("partition 0"), "{report}");
        assert!(!error.is_usage());
        assert!(rows_of(&rows).is_empty());
    };
    check(false, Arc::new(Int64Array::from(vec![Some(1), None])), "v is NOT NULL");
    check(true, Arc::new(Int32Array::from(vec![1])), "column v is Int32, and Int64 is registered");
}

#[test]
fn an_err_of_an_iterator_or_a_receiver_ends_the_job_and_leaves_no_file() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("out");
    let into_file = format!(
        "CREATE SINK f WITH ('connector' = 'file', 'path' = '{}', 'format' = 'csv');
         INSERT INTO f SELECT v FROM t;",
        out.display()
    );
    let mut source = source_of(&[&[&[1]], &[&[2]]]);
    source.partitions[1] = Box::new(std::iter::once(Err("the feed is gone".into())));
    let (session, _) = session_of(source);
    let report = session.prepare(&into_file).unwrap().run().unwrap_err().report();
    assert!(report.contains("the feed is gone") && report.contains("partition 1"), "{report}");
    assert_eq!(fs::read_dir(&out).unwrap().count(), 0, "no file is left");

    let (mut session, _) = session_of(source_of(&[&[&[1]], &[&[2]]]));
    session.register_sink("full", |_| Box::new(|_| Err("no room".into()))).unwrap();
    let both = format!("{into_file} INSERT INTO full SELECT v FROM g;");
    let both = format!(
        "CREATE SOURCE g WITH ('connector' = 'generator', 'schema' = 'trades', 'rows' = '10');
         {}",
        both.replace("SELECT v FROM g", "SELECT quantity FROM g")
    );
    let report = session.prepare(&both).unwrap().run().unwrap_err().report();
    assert!(report.contains("sink full failed: no room"), "{report}");
    assert_eq!(fs::read_dir(&out).unwrap().count(), 0, "the other query left nothing either");
}

#[test]
fn a_panic_outside_of_a_record_is_an_error_with_an_address() {
    let mut source = source_of(&[&[&[1]], &[&[2]]]);
    source.partitions[1] = Box::new(std::iter::from_fn(|| panic!("the feed panicked")));
    let (session, _) = session_of(source);
    let error = session.prepare("INSERT INTO out SELECT v FROM t").unwrap().run().unwrap_err();
    let report = error.report();
    assert!(report.contains("the feed panicked") && report.contains("partition 1"), "{report}");
}

#[test]
fn a_source_is_read_once() {
    let (session, rows) = session_of(source_of(&[&[&[1]]]));
    let insert = "INSERT INTO out SELECT v FROM t";
    session.prepare("EXPLAIN SELECT v FROM t").unwrap().run().unwrap();
    let (first, second) = (session.prepare(insert).unwrap(), session.prepare(insert).unwrap());
    first.run().unwrap();
    // It was there as the second was prepared.
    let error = second.run().unwrap_err();
    assert!(error.is_usage() && error.report().contains("t has been read already"));
    assert!(session.prepare(insert).unwrap_err().report().contains("t has been read already"));
    assert_eq!(rows_of(&rows), [[1]]);
}

#[test]
fn names_and_registrations_are_checked() {
    let mut session = Session::new();
    session.register_source("t", source_of(&[&[&[1]]])).unwrap();
    let taken = session.register_source("t", source_of(&[&[&[1]]])).unwrap_err();
    assert!(taken.report().contains("a source named t is already registered"));
    assert!(session.register_source("none", source_of(&[])).unwrap_err().is_usage());
    let mut keyed = source_of(&[&[&[1]]]);
    keyed.partitioned_by = vec!["w".to_owned()];
    let error = session.register_source("keyed", keyed).unwrap_err();
    assert!(error.report().contains("partitioned by w, which is not among its columns"));
    // A sink that no query writes to is never asked for a receiver.
    let idle = |_| -> fn(RecordBatch) -> _ { unreachable!("nobody writes to it") };
    session.register_sink("idle", idle).unwrap();
    session.prepare("EXPLAIN SELECT v FROM t").unwrap().run().unwrap();
}

#[test]
fn explain_shows_the_partitions_and_reads_nothing() {
    let (session, rows) = session_of(source_of(&[&[&[1]], &[&[2]]]));
    let job = session.prepare("INSERT INTO out SELECT COUNT(*) FROM t").unwrap();
    let plan = job.explain().unwrap();
    assert!(plan.contains("gather") && plan.contains("input t: 2 partition(s)"), "{plan}");
    job.check().unwrap();
    assert!(rows_of(&rows).is_empty());
    job.run().unwrap();
    assert_eq!(rows_of(&rows), [[2]]);
}

#[test]
fn a_stopped_job_keeps_what_it_gathered() {
    let (session, rows) = session_of(endless(2));
    let running = session.prepare("INSERT INTO out SELECT COUNT(*) FROM t").unwrap().start();
    wait_for_records(&running);
    running.stop();
    let summary = running.join().unwrap();
    assert!(summary.stopped.is_none() && summary.statistics.records_in > 0);
    let counted = i64::try_from(summary.statistics.records_in).unwrap();
    assert_eq!(rows_of(&rows), [[counted]]);
}

#[test]
fn two_jobs_run_side_by_side() {
    let (first, first_rows) = session_of(endless(2));
    let (second, second_rows) = session_of(source_of(&[&[&[1, 2]], &[&[3]]]));
    let first = first.prepare("INSERT INTO out SELECT SUM(v) FROM t").unwrap().start();
    wait_for_records(&first);
    // The first is still going while the second begins and ends.
    let summary = second.prepare("INSERT INTO out SELECT SUM(v) FROM t").unwrap().run().unwrap();
    assert_eq!((summary.statistics.records_in, rows_of(&second_rows)), (3, vec![vec![6]]));
    first.stop();
    let records = first.join().unwrap().statistics.records_in;
    // Every value of the endless source is 1.
    assert_eq!(rows_of(&first_rows), [[i64::try_from(records).unwrap()]]);
}

#[test]
fn the_summary_counts_each_record_once() {
    let directory = tempfile::tempdir().unwrap();
    let input = directory.path().join("t.csv");
    fs::write(&input, "k,v\na,1\nb,x\na,2\n").unwrap();
    let sql = format!(
        "CREATE SOURCE t (k VARCHAR, v BIGINT) WITH ('connector' = 'file', 'path' = '{}',
             'format' = 'csv', 'bad.records' = 'skip');
         CREATE SINK s WITH ('connector' = 'file', 'path' = '{}', 'format' = 'csv');
         INSERT INTO s SELECT k, SUM(v) AS total FROM t GROUP BY k;",
        input.display(),
        directory.path().join("out").display()
    );
    let summary = Session::new().prepare(&sql).unwrap().run().unwrap();
    let all = &summary.statistics;
    assert_eq!((all.records_in, all.bad_records, all.rows_out, all.group_count), (3, 1, 1, 1));
    // "a,1\nb,x\na,2\n" after a header of 4 bytes; "k,total\na,3\n".
    assert_eq!((all.bytes_in, all.bytes_out), (16, 12));
    let per_core: u64 = summary.cores.iter().map(|core| core.statistics.records_in).sum();
    assert_eq!(per_core, 3);
    assert!(summary.stopped.is_none() && summary.warnings.is_empty());
}

#[test]
fn keys_that_break_a_declaration_are_named() {
    let mut source = source_of(&[&[&[1, 2]], &[&[2]]]);
    source.partitioned_by = vec!["v".to_owned()];
    let (session, _) = session_of(source);
    let sql = "INSERT INTO out SELECT v, COUNT(*) FROM t GROUP BY v";
    let error = session.prepare(sql).unwrap().run().unwrap_err().report();
    assert!(
        error.contains(
            "t is declared PARTITIONED BY (v), but 1 value of v, 2, stands in partition 0 and in partition 1"
        ),
        "{error}"
    );
}

#[test]
fn a_gather_has_the_budget_of_the_whole_query() {
    // 10,000 groups a partition, none in two of them.
    let keys = |partition: i64| -> Vec<i64> { (0..10_000).map(|i| i * 4 + partition).collect() };
    let run = |partition_count: i64, budget_bytes: Option<u64>| {
        let keys: Vec<Vec<i64>> = (0..partition_count).map(keys).collect();
        let batches: Vec<[&[i64]; 1]> = keys.iter().map(|keys| [keys.as_slice()]).collect();
        let partitions: Vec<&[&[i64]]> = batches.iter().map(|batches| &batches[..]).collect();
        let (mut session, _) = session_of(source_of(&partitions));
        session.settings_mut().memory_budget_bytes = budget_bytes;
        session.settings_mut().cores = tidemill::CoreSet::Count(1);
        let sql = "INSERT INTO out SELECT v, COUNT(*) FROM t GROUP BY v";
        session.prepare(sql).unwrap().run().map(|summary| summary.statistics)
    };
    let of_one = run(1, None).unwrap().state_bytes;
    // Each of four partitions may hold a fourth of this, and their merged table more than that.
    let all = run(4, Some(of_one * 6)).unwrap();
    assert_eq!(all.group_count, 40_000);
    assert!(all.state_bytes > of_one * 6 / 4 && all.state_bytes <= of_one * 6);
    assert!(run(4, Some(of_one)).unwrap_err().report().contains("budget"));
}

#[test]
fn a_union_of_not_null_and_null_allows_null() {
    let (mut session, rows) = session_of(source_of(&[&[&[1]]]));
    let schema = Arc::new(Schema::new(vec![Field::new("v", ArrowType::Int64, false)]));
    let column: ArrayRef = Arc::new(Int64Array::from(vec![2]));
    let batch = RecordBatch::try_new(Arc::clone(&schema), vec![column]).unwrap();
    let strict = tidemill::SourceRegistration {
        schema,
        partitions: vec![Box::new(std::iter::once(Ok(batch)))],
        partitioned_by: Vec::new(),
    };
    session.register_source("strict", strict).unwrap();
    let nulls = Arc::new(Schema::new(vec![Field::new("v", ArrowType::Int64, true)]));
    let column: ArrayRef = Arc::new(Int64Array::from(vec![None, Some(3)]));
    let batch = RecordBatch::try_new(Arc::clone(&nulls), vec![column]).unwrap();
    let loose = tidemill::SourceRegistration {
        schema: nulls,
        partitions: vec![Box::new(std::iter::once(Ok(batch)))],
        partitioned_by: Vec::new(),
    };
    session.register_source("loose", loose).unwrap();
    let null_count = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = Arc::clone(&null_count);
    session
        .register_sink("nulls", move |_| {
            let counted = Arc::clone(&counted);
            Box::new(move |batch: RecordBatch| {
                let nulls = batch.column(0).null_count();
                counted.fetch_add(nulls, std::sync::atomic::Ordering::Relaxed);
                Ok(())
            })
        })
        .unwrap();
    let sql = "INSERT INTO nulls SELECT v FROM strict UNION ALL SELECT v FROM loose";
    assert_eq!(session.prepare(sql).unwrap().run().unwrap().statistics.rows_out, 3);
    assert_eq!(null_count.load(std::sync::atomic::Ordering::Relaxed), 1);
    assert!(rows_of(&rows).is_empty());
}

#[test]
fn explain_analyze_counts_its_own_query_and_progress_all_waves() {
    let directory = tempfile::tempdir().unwrap();
    let sink = |name: &str| {
        let path = directory.path().join(name);
        let path = path.display();
        format!(
            "CREATE SINK {name} WITH ('connector' = 'file', 'path' = '{path}', 'format' = 'json');"
        )
    };
    let sql = format!(
        "CREATE SOURCE g WITH ('connector' = 'generator', 'schema' = 'trades', 'rows' = '1000');
         {} {} {}
         EXPLAIN ANALYZE INSERT INTO a SELECT quantity FROM g LIMIT 7;
         EXPLAIN ANALYZE INSERT INTO b SELECT symbol FROM g;
         INSERT INTO c SELECT COUNT(*) AS n FROM a;",
        sink("a"),
        sink("b"),
        sink("c")
    );
    let running = Session::new().prepare(&sql).unwrap().start();
    while !running.wait_at_most(std::time::Duration::from_millis(5)) {}
    let progress = running.progress();
    let summary = running.join().unwrap();
    let shown = &summary.explanations;
    assert!(shown[0].contains(" 7 rows out"), "{}", shown[0]);
    assert!(shown[1].contains("1000 records in, 1000 rows out"), "{}", shown[1]);
    assert_eq!(progress.records_in, summary.statistics.records_in, "no wave is forgotten");
}
