//! Bad, late and failing rows: which is the first, what is set aside in which order, and what a limit
//! leaves alone. Every check is made at each size of batch.

use tidemill_plan::{BadRecords, LateRecords};

use crate::planned::Policy;
use crate::run::{Ran, check, check_with};

const SKIP: Policy =
    Policy { bad: BadRecords::Skip, late: LateRecords::Drop, budget_bytes: 1 << 30 };
const DEAD: Policy =
    Policy { bad: BadRecords::DeadLetter, late: LateRecords::DeadLetter, budget_bytes: 1 << 30 };
const MOST: &str = "9223372036854775807";

fn set_aside(query: &str, lines: &[&str], expected: &[&str]) -> Ran {
    check_with(query, DEAD, &[lines], expected)
}

#[test]
fn the_first_bad_record_stops_the_job_behind_the_rows_before_it() {
    let query = "SELECT 60 / v AS x FROM t WHERE 12 / (v - 1) >= 0";
    let lines = ["a,2,0", "a,3,0", "a,0,0", "a,1,0", "a,4,0"];
    // 12 / (0 - 1) is -12: the filter leaves record 20 out, so that record 30 is the first.
    let ran = check_first(query, &lines);
    assert_eq!(ran.rows, ["30", "20"]);
    assert!(ran.error.unwrap().contains("offset 30, field "));
    // Here the second step finds record 20, and the first one record 30.
    let query = "SELECT 60 / v AS x FROM t WHERE 12 / (v - 1) >= -12";
    let ran = check_first(query, &lines);
    assert_eq!(ran.rows, ["30", "20"]);
    assert!(ran.error.unwrap().contains("offset 20, field x: division by zero"));
}

/// The rows and the error, whatever they are.
fn check_first(query: &str, lines: &[&str]) -> Ran {
    let owned: Vec<String> = lines.iter().map(|&line| line.to_owned()).collect();
    crate::run::run_at_every_size(query, Policy::default(), &[owned])
}

#[test]
fn dead_letters_are_in_order_of_records_whichever_step_found_them() {
    let query = "SELECT 60 / v AS x FROM t WHERE 12 / (v - 1) >= -12";
    let lines = ["a,0,0", "a,1,0", "a,2,0", "a,0,0", "a,1,0", "a,3,0"];
    let dead = ["0", "10", "30", "40"].map(|offset| format!("dead 0 {offset} division by zero"));
    let expected: Vec<&str> = ["30", "20"].into_iter().chain(dead.iter().map(|s| &**s)).collect();
    let ran = set_aside(query, &lines, &expected);
    assert_eq!((ran.bad, ran.records_in), (4, 6));
}

#[test]
fn a_limit_leaves_alone_what_is_behind_the_row_that_fills_it() {
    let query = "SELECT 60 / v AS x FROM t LIMIT 2";
    check(query, &["a,1,0", "a,2,0", "a,0,0"], &["60", "30"]);
    let ran = check_first(query, &["a,1,0", "a,0,0", "a,2,0"]);
    assert_eq!(ran.rows, ["60"]);
    assert!(ran.error.unwrap().contains("offset 10"));
    let ran = check_with(query, SKIP, &[&["a,0,0", "a,1,0", "a,2,0", "a,0,0"]], &["60", "30"]);
    assert_eq!((ran.bad, ran.records_in), (1, 3));
    // The rows that are left out are counted by the limit, too.
    let query = "SELECT 60 / v AS x FROM t LIMIT 1 OFFSET 1";
    let ran = check_with(query, SKIP, &[&["a,1,0", "a,0,0", "a,2,0", "a,0,0"]], &["30"]);
    assert_eq!((ran.bad, ran.records_in), (1, 3));
}

#[test]
fn a_limit_within_ends_the_input_and_not_what_comes_of_it() {
    // v = 3 makes the grouping's HAVING fail: it is behind the limit, and caused by what is before.
    let query = "SELECT k, 6 / (SUM(v) - 3) AS x FROM (SELECT k, v FROM t LIMIT 2) AS f GROUP BY k";
    let ran = check_with(query, SKIP, &[&["a,3,0", "b,4,0", "c,9,0"]], &["b,6"]);
    assert_eq!((ran.bad, ran.records_in), (1, 2));
}

#[test]
fn a_limit_behind_a_table_ends_the_input() {
    let query = "SELECT k, 12 / SUM(v) AS x FROM t GROUP BY k EMIT CHANGES LIMIT 2";
    let lines = ["a,1,0", "a,-1,0", "a,3,0", "a,-3,0", "a,1,0"];
    let ran = check_with(query, SKIP, &[&lines], &["a,12", "a,4"]);
    assert_eq!((ran.bad, ran.records_in), (1, 3));
    // Of groups that leave at the end only those before the limit's end are looked at.
    let query = "SELECT k, 12 / SUM(v) AS x FROM t GROUP BY k LIMIT 1";
    let lines = ["a,3,0", "b,0,0"];
    let ran = check_with(query, SKIP, &[&lines], &["a,4"]);
    assert_eq!((ran.bad, ran.records_in), (0, 2));
    let ran = check_with(query, SKIP, &[&["b,0,0", "a,3,0"]], &["a,4"]);
    assert_eq!((ran.bad, ran.records_in), (1, 2));
    let query = "SELECT v, 12 / v AS x FROM (SELECT v FROM t ORDER BY v DESC) AS s LIMIT 2";
    check(query, &["a,0,0", "b,3,0", "c,4,0"], &["4,3", "3,4"]);
}

#[test]
fn a_failing_table_does_not_hide_an_earlier_bad_record_nor_a_later_one_the_table() {
    let query = "SELECT k, SUM(v) AS s FROM (SELECT k, v + 0 * (1 / (v - 7)) AS v FROM t) AS x \
                 GROUP BY k EMIT CHANGES";
    let most = format!("a,{MOST},0");
    let bad_first = ["a,1,0", "a,7,0", &most];
    let ran = check_first(query, &bad_first);
    assert_eq!(ran.rows, ["a,1"]);
    assert!(ran.error.unwrap().contains("offset 10"));
    let table_first = ["a,1,0", "b,2,0", &most, "a,7,0"];
    let ran = check_first(query, &table_first);
    assert_eq!(ran.rows, ["a,1", "b,2"]);
    assert!(ran.error.unwrap().contains("is out of range"));
    // A limit that is full before ends the input before it fails.
    let query = format!("{query} LIMIT 2");
    check(&query, &table_first, &["a,1", "b,2"]);
}

#[test]
fn coalesced_changes_are_known_with_the_last_record_of_their_block() {
    // HAVING fails for a sum of 0: a's, in the first block of two, which record 20 ends. That is behind the
    // bad record 10 and before the bad record 30.
    let query = "SELECT k, SUM(v) AS s FROM (SELECT k, v + 0 * (1 / (v - 7)) AS v FROM t) AS x \
                 GROUP BY k HAVING 1 / SUM(v) < 5 EMIT CHANGES EVERY 2 ROWS";
    let lines = ["a,0,0", "b,7,0", "b,5,0", "b,7,0", "c,0,0", "c,3,0"];
    let expected = [
        "b,5",
        "c,3",
        "dead 0 10 division by zero",
        "dead 0 20 division by zero",
        "dead 0 30 division by zero",
    ];
    set_aside(query, &lines, &expected);
}

#[test]
fn windows_that_close_are_known_with_the_record_that_closes_them() {
    // The window from 0 to 10 closes with the record at 12 seconds (offset 30), whose watermark is 10.
    let query =
        "SELECT k, 6 / SUM(v) AS x FROM w WHERE 1 / (v - 7) < 5 GROUP BY k WINDOW TUMBLING (10s)";
    let lines = ["a,0,1", "b,2,2", "b,7,3", "b,1,12", "b,7,13", "a,5,3", "b,7,14", "b,1,25"];
    // Records 20, 40 and 60 are bad; 50 is late. a's sum of 0 fails, known with record 30; the last
    // record of its window is 10.
    let expected = [
        "b,3",
        "b,6",
        "b,6",
        "dead 0 20 division by zero",
        "dead 0 10 division by zero",
        "dead 0 40 division by zero",
        "dead 0 50 late: the watermark had passed all that it belongs to",
        "dead 0 60 division by zero",
    ];
    let ran = set_aside(query, &lines, &expected);
    assert_eq!((ran.bad, ran.late, ran.records_in), (4, (1, 0), 8));
    // The first failure is record 20, then the row that record 30 made known.
    let ran = check_first(query, &lines);
    assert!(ran.error.unwrap().contains("offset 20"));
    let ran = check_first(query, &["a,0,1", "b,2,2", "b,1,3", "b,1,12", "b,7,13"]);
    // The last record of a's window, whose row is known before record 40.
    assert!(ran.error.unwrap().contains("offset 20"));
    // A limit that the window fills leaves the records behind it alone.
    let query = format!("{query} LIMIT 1");
    let ran = check_first(&query, &["a,1,1", "b,0,2", "b,0,3", "b,1,12", "b,7,13"]);
    assert_eq!((ran.rows, ran.error, ran.records_in), (vec!["a,6".to_owned()], None, 4));
}

#[test]
fn rows_that_waited_are_known_with_the_record_that_released_them() {
    // Each leaves once the watermark, two seconds behind, is beyond its time.
    let query = "SELECT 6 / v AS x, COUNT(*) OVER (ORDER BY t) AS n FROM w WHERE 1 / (v - 7) < 5";
    let lines = ["a,0,1", "a,7,2", "a,1,4", "a,2,3", "a,0,5", "a,7,6", "a,1,2", "a,3,9"];
    let expected = [
        "3,2",
        "6,3",
        "2,5",
        "dead 0 10 division by zero",
        // Its time is 1: record 20 takes the watermark to 2.
        "dead 0 0 division by zero",
        "dead 0 50 division by zero",
        "dead 0 60 late: the watermark had passed all that it belongs to",
        // Its time is 5: record 70 takes the watermark to 7.
        "dead 0 40 division by zero",
    ];
    let ran = set_aside(query, &lines, &expected);
    assert_eq!((ran.bad, ran.late), (4, (1, 0)));
    // Of rows that one record releases the order of leaving counts: the first fills the limit.
    let query = "SELECT 6 / v AS x, COUNT(*) OVER (ORDER BY t) AS n FROM w LIMIT 1";
    let lines = ["a,0,3", "a,1,1", "a,2,4", "a,7,9", "a,0,10"];
    let ran = check_first(query, &lines);
    assert_eq!((ran.rows, ran.error, ran.records_in), (vec!["6,1".to_owned()], None, 4));
}

#[test]
fn sessions_and_first_rows_of_windows_are_known_with_the_record_that_ends_them() {
    let query =
        "SELECT k, 6 / SUM(v) AS x FROM w WHERE 1 / (v - 7) < 5 GROUP BY k WINDOW SESSION (3s)";
    // a's session ends at 4, which record 20 reaches; b's at 5, which record 30 does.
    let lines = ["a,0,1", "b,0,2", "c,1,6", "c,2,7", "c,7,8", "c,1,20"];
    let expected = [
        "c,2",
        "c,6",
        "dead 0 0 division by zero",
        "dead 0 10 division by zero",
        "dead 0 40 division by zero",
    ];
    set_aside(query, &lines, &expected);
    let query = "SELECT k, 6 / n AS x FROM (SELECT k, n, ROW_NUMBER() OVER (PARTITION BY window_end ORDER BY n) AS r \
                 FROM (SELECT k, window_end, SUM(v) AS n FROM w GROUP BY k WINDOW TUMBLING (10s)) AS a) AS b \
                 WHERE r <= 1";
    let lines = ["a,0,1", "b,1,2", "c,1,12", "c,,13", "c,3,30"];
    set_aside(query, &lines, &["c,6", "c,2", "dead 0 10 division by zero"]);
}

#[test]
fn an_overflow_is_known_with_the_record_that_lets_it_leave() {
    let query =
        "SELECT k, SUM(v) AS s FROM w WHERE 1 / (v - 7) < 5 GROUP BY k WINDOW TUMBLING (10s)";
    let most = format!("b,{MOST},2");
    // b's sum does not fit: it would leave with record 30, behind a's row and before record 40.
    let lines = ["a,1,1", &most, "b,1,3", "c,1,12", "c,7,13"];
    let ran = check_first(query, &lines);
    assert_eq!(ran.rows, ["a,1"]);
    assert!(ran.error.unwrap().contains("out of range"));
    let lines = ["a,1,1", &most, "b,1,3", "c,7,11", "c,1,12"];
    let ran = check_first(query, &lines);
    assert!(ran.rows.is_empty());
    assert!(ran.error.unwrap().contains("offset 30"));
    // In OVER the running sum fails at its row, with those before it out.
    let query = "SELECT v, SUM(v) OVER (ORDER BY t) AS s FROM w";
    let most = format!("a,{MOST},2");
    let lines = ["a,1,1", &most, "a,5,3", "a,6,20"];
    let ran = check_first(query, &lines);
    assert_eq!(ran.rows, ["1,1"]);
    assert!(ran.error.unwrap().contains("out of range"));
    let query = format!("{query} LIMIT 1");
    assert_eq!(check_first(&query, &lines).error, None);
}

#[test]
fn rows_of_a_gather_fail_in_the_order_in_which_they_leave() {
    let partitions: [&[&str]; 2] = [&["a,3,0", "a,1,0"], &["b,2,0"]];
    let query = "SELECT v % 4 AS m, 6 / (SUM(v) - 2) AS x FROM t GROUP BY v % 4";
    let expected = ["3,6", "1,-6", "dead 0 10 division by zero"];
    let ran = check_with(query, DEAD, &partitions, &expected);
    assert_eq!(ran.bad, 1);
    let query = "SELECT v, 6 / (v - 2) AS x FROM (SELECT v FROM t ORDER BY v) AS s LIMIT 1";
    check_with(query, Policy::default(), &partitions, &["1,-6"]);
}

/// With more memory the limit would have ended the input before the bad record.
#[test]
fn where_memory_runs_out_no_other_row_of_the_batch_is_blamed() {
    let query = "SELECT k, SUM(x) AS s FROM (SELECT k, 12 / v AS x FROM t) AS f GROUP BY k EMIT CHANGES LIMIT 2";
    let planned = crate::planned::Planned::of(query, 1);
    let key = |at: usize| format!("a key that is longer than it has to be {at}");
    let lines: Vec<String> =
        (0..100).map(|at| format!("{},{},0", key(at), if at == 60 { 0 } else { 1 })).collect();
    let ran = |budget_bytes| {
        let policy = Policy { budget_bytes, ..Policy::default() };
        crate::run::run(&planned, std::slice::from_ref(&lines), 8192, policy, usize::MAX)
    };
    let whole = ran(1 << 20);
    assert_eq!((whole.rows.len(), whole.error), (2, None));
    let error = ran(100).error.unwrap();
    assert!(error.starts_with("error: cannot keep the groups: the state of "), "{error}");
}
