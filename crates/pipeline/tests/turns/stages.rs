//! Every kind of stage over one partition. Expected rows are worked out by hand.

use tidemill_plan::BadRecords;

use crate::planned::{Planned, Policy};
use crate::run::{BATCH_ROWS, check, check_with, run};

/// Keys a and b, one record out of order, one key missing.
const RECORDS: [&str; 6] = ["a,1,10", "b,2,11", "a,3,14", "b,4,13", ",5,20", "a,6,21"];

#[test]
fn filter_and_projection() {
    check("SELECT k, v * 10 AS x FROM t WHERE v % 2 = 1", &RECORDS, &["a,10", "a,30", ",50"]);
}

#[test]
fn groups_leave_in_order_of_first_appearance() {
    let expected = ["a,3,10", "b,2,6", ",1,5"];
    check("SELECT k, COUNT(*) AS n, SUM(v) AS s FROM t GROUP BY k", &RECORDS, &expected);
}

#[test]
fn having_is_a_filter_behind_a_table() {
    let query = "SELECT k, SUM(v) AS s FROM t GROUP BY k HAVING COUNT(*) > 1";
    check(query, &RECORDS, &["a,10", "b,6"]);
}

#[test]
fn changes_leave_with_every_record() {
    let query = "SELECT k, SUM(v) AS s FROM t GROUP BY k EMIT CHANGES";
    check(query, &RECORDS, &["a,1", "b,2", "a,4", "b,6", ",5", "a,10"]);
}

#[test]
fn coalesced_changes_leave_with_every_so_many_records_and_at_the_end() {
    let query = "SELECT k, SUM(v) AS s FROM t GROUP BY k EMIT CHANGES EVERY 4 ROWS";
    check(query, &RECORDS, &["a,4", "b,6", ",5", "a,10"]);
}

#[test]
fn windows_close_as_the_watermark_passes() {
    // Ten seconds each: 10 to 20, 20 to 30.
    let query = "SELECT k, window_start, COUNT(*) AS n FROM w GROUP BY k WINDOW TUMBLING (10s)";
    let expected = [
        "a,1970-01-01 00:00:10,2",
        "b,1970-01-01 00:00:10,2",
        ",1970-01-01 00:00:20,1",
        "a,1970-01-01 00:00:20,1",
    ];
    check(query, &RECORDS, &expected);
}

#[test]
fn sessions_end_with_a_gap() {
    let query = "SELECT k, window_end, COUNT(*) AS n FROM w GROUP BY k WINDOW SESSION (3s)";
    // a: 10, then 14, then 21. b: 11 and 13.
    let expected = [
        "a,1970-01-01 00:00:13,1",
        "b,1970-01-01 00:00:16,2",
        "a,1970-01-01 00:00:17,1",
        ",1970-01-01 00:00:23,1",
        "a,1970-01-01 00:00:24,1",
    ];
    check(query, &RECORDS, &expected);
}

#[test]
fn over_gives_rows_in_order_of_event_time() {
    let query = "SELECT k, v, SUM(v) OVER (PARTITION BY k ORDER BY t) AS s FROM w";
    check(query, &RECORDS, &["a,1,1", "b,2,2", "b,4,6", "a,3,4", ",5,5", "a,6,10"]);
}

#[test]
fn the_first_rows_of_each_partition() {
    let query = "SELECT k, v FROM (SELECT k, v, ROW_NUMBER() OVER (PARTITION BY k ORDER BY v DESC) AS r \
                 FROM t) AS x WHERE r <= 1";
    check(query, &RECORDS, &["a,6", "b,4", ",5"]);
}

#[test]
fn sorted_and_cut() {
    let query = "SELECT v FROM t ORDER BY v DESC LIMIT 2 OFFSET 1";
    check(query, &RECORDS, &["5", "4"]);
}

#[test]
fn a_limit_ends_the_input() {
    let ran = check("SELECT v FROM t LIMIT 2 OFFSET 1", &RECORDS, &["2", "3"]);
    assert_eq!(ran.error, None);
    check("SELECT v FROM t LIMIT 0", &RECORDS, &[]);
}

#[test]
fn without_a_record() {
    check("SELECT v FROM t", &[], &[]);
    check("SELECT COUNT(*) AS n, SUM(v) AS s FROM t", &[], &["0,"]);
    check("SELECT k, COUNT(*) AS n FROM w GROUP BY k WINDOW TUMBLING (10s)", &[], &[]);
}

#[test]
fn moments_without_input_change_nothing() {
    let pauses =
        ["-", "a,1,10", "-", "-", "b,2,11", "a,3,14", "-", "b,4,13", ",5,20", "a,6,21", "-"];
    let query = "SELECT k, SUM(v) AS s FROM t GROUP BY k EMIT CHANGES EVERY 4 ROWS";
    check(query, &pauses, &["a,4", "b,6", ",5", "a,10"]);
}

#[test]
fn what_was_read_before_a_stop_is_in_the_results() {
    let lines: Vec<String> = RECORDS.iter().map(|&line| line.to_owned()).collect();
    let planned = Planned::of("SELECT k, SUM(v) AS s FROM t GROUP BY k", 1);
    let ran = run(&planned, &[lines], 2, Policy::default(), 2);
    assert_eq!(ran.lines(), ["a,4", "b,6"]);
    assert_eq!(ran.records_in, 4);
}

#[test]
fn a_table_over_its_budget_says_so() {
    let lines: Vec<String> = (0..3000).map(|n| format!("key {n},{n},0")).collect();
    let planned = Planned::of("SELECT k, COUNT(*) AS n FROM t GROUP BY k", 1);
    for batch_rows in BATCH_ROWS {
        let policy = Policy { budget_bytes: 10_000, bad: BadRecords::Skip, ..Policy::default() };
        let ran = run(&planned, std::slice::from_ref(&lines), batch_rows, policy, usize::MAX);
        let error = ran.error.unwrap();
        assert!(error.contains("over its budget of 10000 bytes"), "{error}");
        assert!(ran.rows.is_empty());
    }
}

#[test]
fn partitions_without_a_gather_keep_their_order() {
    let partitions: [&[&str]; 2] = [&["a,1,0", "a,2,0"], &["b,3,0"]];
    let query = "SELECT k, SUM(v) AS s FROM t GROUP BY k";
    check_with(query, Policy::default(), &partitions, &["a,3", "b,3"]);
}
