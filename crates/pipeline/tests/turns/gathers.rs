//! Sealed tables and what is made of them: at the end, and while partitions go on.

use crate::planned::{Planned, Policy};
use crate::run::{BATCH_ROWS, check_with, run_at_every_size, run_live};

const PARTITIONS: [&[&str]; 3] =
    [&["a,1,10", "b,2,12", "c,9,25"], &["b,4,11", "a,3,19", "b,7,31"], &["c,5,13"]];

fn check(query: &str, expected: &[&str]) {
    check_with(query, Policy::default(), &PARTITIONS, expected);
}

#[test]
fn groups_leave_in_order_of_their_first_record() {
    check("SELECT v % 2 AS odd, SUM(v) AS s FROM t GROUP BY v % 2", &["1,25", "0,6"]);
}

#[test]
fn rows_are_ordered_across_partitions() {
    check("SELECT k, v FROM t ORDER BY v DESC LIMIT 3", &["c,9", "b,7", "c,5"]);
    check("SELECT v FROM t LIMIT 4 OFFSET 1", &["2", "9", "4", "3"]);
}

#[test]
fn the_first_of_each_partition_of_an_order() {
    let query = "SELECT odd, v FROM (SELECT v % 2 AS odd, v, ROW_NUMBER() OVER \
                 (PARTITION BY v % 2 ORDER BY v) AS r FROM t) AS x WHERE r <= 2";
    check(query, &["1,1", "1,3", "0,2", "0,4"]);
}

#[test]
fn windows_are_merged() {
    let query = "SELECT v % 2 AS odd, window_start, SUM(v) AS s FROM w GROUP BY v % 2 WINDOW TUMBLING (10s)";
    check(
        query,
        &[
            "1,1970-01-01 00:00:10,9",
            "0,1970-01-01 00:00:10,6",
            "1,1970-01-01 00:00:20,9",
            "1,1970-01-01 00:00:30,7",
        ],
    );
    let query = "SELECT window_start, window_end, SUM(v) AS s FROM w WINDOW SESSION (4s)";
    check(
        query,
        &[
            "1970-01-01 00:00:10,1970-01-01 00:00:17,12",
            "1970-01-01 00:00:19,1970-01-01 00:00:23,3",
            "1970-01-01 00:00:25,1970-01-01 00:00:29,9",
            "1970-01-01 00:00:31,1970-01-01 00:00:35,7",
        ],
    );
}

#[test]
fn gathered_as_windows_close_is_the_same() {
    for query in [
        "SELECT v % 2 AS odd, window_start, SUM(v) AS s FROM w GROUP BY v % 2 WINDOW TUMBLING (10s)",
        "SELECT window_start, window_end, SUM(v) AS s FROM w WINDOW SESSION (4s)",
        "SELECT SUM(v) AS s FROM t",
    ] {
        let owned = |lines: &&[&str]| lines.iter().map(|&line| line.to_owned()).collect();
        let partitions: Vec<Vec<String>> = PARTITIONS.iter().map(owned).collect();
        let expected = run_at_every_size(query, Policy::default(), &partitions).rows;
        let planned = Planned::of(query, PARTITIONS.len());
        for batch_rows in BATCH_ROWS {
            assert_eq!(run_live(&planned, &partitions, batch_rows).rows, expected, "{query}");
        }
    }
}
