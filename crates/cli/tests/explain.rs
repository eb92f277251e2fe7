//! What `EXPLAIN` and `EXPLAIN ANALYZE` say, and where.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use support::Host;

/// The line of what a step did, which stands below the step that begins so.
#[track_caller]
fn note<'a>(plan: &'a str, step: &str) -> &'a str {
    let mut lines = plan.lines().map(str::trim);
    lines.find(|line| line.starts_with(step)).unwrap_or_else(|| panic!("no {step} in\n{plan}"));
    lines
        .next()
        .unwrap()
        .strip_prefix("-- ")
        .unwrap_or_else(|| panic!("nothing of {step}:\n{plan}"))
}

#[track_caller]
fn expect_note(plan: &str, step: &str, parts: &[&str]) {
    let note = note(plan, step);
    let mut rest = note;
    for part in parts {
        let Some((_, behind)) = rest.split_once(part) else {
            panic!("{part} is to stand in {note}")
        };
        rest = behind;
    }
}

#[test]
fn a_plan_leaves_results_on_standard_output_alone() {
    let host = Host::new();
    host.write("t.csv", "k,v\na,1\nb,2\na,3\n");
    let both = host.sql("EXPLAIN ANALYZE SELECT k FROM 't.csv'");
    assert_eq!(both.succeeds(), "k\na\nb\na\n");
    assert!(both.stderr().starts_with("locality: stateless\n"), "{}", both.stderr());
    let script = "EXPLAIN SELECT v FROM 't.csv'; SELECT k FROM 't.csv' LIMIT 1;";
    let mixed = host.sql(script);
    assert_eq!(mixed.succeeds(), "k\na\n");
    assert!(mixed.stderr().starts_with("locality: stateless\n"), "{}", mixed.stderr());
    assert!(host.sql("EXPLAIN SELECT v FROM 't.csv'").succeeds().starts_with("locality: "));
    let script = "CREATE SINK s WITH ('connector' = 'file', 'path' = 'o', 'format' = 'json'); \
                  EXPLAIN ANALYZE INSERT INTO s SELECT k FROM 't.csv'";
    let plan = host.sql(script).succeeds();
    expect_note(&plan, "sink s:", &["3 rows", "30 B in 1 file"]);
}

#[test]
fn each_step_says_what_it_took_in_and_gave() {
    let host = Host::new();
    host.write("a.csv", "k,v\na,1\nb,2\na,3\n");
    host.write("b.csv", "k,v\na,4\nc,x\n");
    let script = "CREATE SOURCE t (k VARCHAR, v BIGINT) WITH ('connector' = 'file', 'path' = '*.csv', \
                  'format' = 'csv', 'bad.records' = 'skip'); \
                  EXPLAIN ANALYZE SELECT k, SUM(v) AS s FROM t WHERE v > 1 GROUP BY k HAVING SUM(v) > 2 \
                  ORDER BY s DESC LIMIT 1;";
    let ran = host.sql(script);
    assert_eq!(ran.succeeds(), "k,s\na,7\n");
    let plan = ran.stderr();
    expect_note(
        &plan,
        "scan t:",
        &["2 files, 28 B, 5 records, 1 bad, 3 rows out", "read ", "where "],
    );
    // Small files that follow each other are read as one run, into one table.
    expect_note(&plan, "seal aggregate", &["3 rows in, at most 2 held in "]);
    expect_note(&plan, "gather groups", &["1 table, 2 groups and rows in, 2 rows out"]);
    expect_note(&plan, "filter", &["2 rows in, 1 row out"]);
    expect_note(&plan, "sort", &["1 row in, 1 row out, at most 1 held in "]);
    expect_note(&plan, "sink stdout:", &["1 row, 8 B"]);
    assert!(plan.contains(": 5 records in, 1 rows out\nCPU time: "), "{plan}");
}

#[test]
fn late_records_and_row_groups_are_counted() {
    let host = Host::new();
    host.write(
        "t.csv",
        "ts,v\n2024-05-01 10:00:00,1\n2024-05-01 10:10:00,2\n2024-05-01 10:00:01,3\n",
    );
    let script = "CREATE SOURCE t (ts TIMESTAMP, v BIGINT, WATERMARK FOR ts AS ts) WITH ('connector' = 'file', \
                  'path' = 't.csv', 'format' = 'csv', 'watermark.max_ahead' = 'off'); \
                  EXPLAIN ANALYZE SELECT window_end, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE t, \
                  DESCRIPTOR(ts), INTERVAL '1' MINUTE)) WHERE v > 0 GROUP BY window_start, window_end;";
    let ran = host.sql(script);
    ran.succeeds();
    let plan = ran.stderr();
    expect_note(&plan, "scan t:", &["1 file, 71 B, 3 records, 1 late, 3 rows out"]);
    expect_note(&plan, "event time ts", &["3 rows in, 3 rows out"]);
    expect_note(&plan, "aggregate", &["3 rows in, 2 rows out"]);
    let script = "CREATE SINK p WITH ('connector' = 'file', 'path' = 'p', 'format' = 'parquet'); \
                  INSERT INTO p SELECT v FROM 't.csv'; EXPLAIN ANALYZE SELECT v FROM p WHERE v > 9;";
    let ran = host.sql(script);
    ran.succeeds();
    expect_note(&ran.stderr(), "scan p:", &["1 file, 0 of 1 row groups, 0 records, 0 rows out"]);
}
