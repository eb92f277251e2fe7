//! Records that come after their windows have closed: counted, and set aside where that is asked for.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::fs;

use support::Host;

/// Seconds 1, 12, 3, 50, 9 with a watermark of five seconds less: at second 3 it is 7, at second 9 it is
/// 45, or still 7 where second 50 is too far ahead.
const CLICKS: &str = "\
at,n
1970-01-01T00:00:01Z,1
1970-01-01T00:00:12Z,2
1970-01-01T00:00:03Z,3
1970-01-01T00:00:50Z,4
1970-01-01T00:00:09Z,5
";

fn run(options: &str, query: &str) -> (Host, String, String) {
    let host = Host::new();
    host.write("clicks.csv", CLICKS);
    let ran = host.tidemill(&[
        "run",
        "--format",
        "csv",
        "-e",
        &format!(
            "CREATE SOURCE clicks (at TIMESTAMP NOT NULL, n BIGINT, \
             WATERMARK FOR at AS at - INTERVAL '5' SECOND) WITH ('connector' = 'file', \
             'path' = 'clicks.csv', 'format' = 'csv' {options}); \
             SELECT window_end, SUM(n) AS n FROM clicks {query}"
        ),
    ]);
    let rows = ran.succeeds();
    let summary = ran.stderr();
    (host, rows, summary)
}

#[test]
fn a_late_record_is_counted_and_set_aside_with_its_text() {
    let options = ", 'late.records' = 'dead_letter', 'dead.letter.path' = 'late'";
    let (host, rows, summary) = run(options, "WINDOW TUMBLING (10s)");
    assert_eq!(rows.lines().nth(1).unwrap(), "1970-01-01 00:00:10,4");
    assert!(summary.contains("1 late records (clicks, TUMBLING)\n"), "{summary}");
    let letter = fs::read_to_string(host.path("late/dead-00000-000000.jsonl")).unwrap();
    assert_eq!(letter.lines().count(), 1, "{letter}");
    assert!(letter.contains("late: ") && letter.contains("1970-01-01T00:00:09Z,5"), "{letter}");
}

#[test]
fn a_dropped_record_leaves_no_file() {
    let (host, _, summary) = run("", "WINDOW TUMBLING (10s)");
    assert!(summary.contains("1 late records (clicks, TUMBLING)\n"), "{summary}");
    assert!(!host.path("late").exists());
}

#[test]
fn a_record_that_some_windows_take_is_counted_apart() {
    // Second 3 came at watermark 7: late for the window that ends at 5, in time for the one at 10.
    let (_, rows, summary) = run(", 'watermark.max_ahead' = 'off'", "WINDOW HOPPING (10s, 5s)");
    assert_eq!(rows.lines().nth(2).unwrap(), "1970-01-01 00:00:10,4");
    let counted = "1 late records (clicks, HOPPING), 1 late for some windows only\n";
    assert!(summary.contains(counted), "{summary}");
}

#[test]
fn a_record_too_far_ahead_is_named() {
    let (_, rows, summary) = run(", 'watermark.max_ahead' = '20s'", "WINDOW TUMBLING (10s)");
    assert_eq!(rows.lines().nth(1).unwrap(), "1970-01-01 00:00:10,9");
    assert!(!summary.contains("late records"), "{summary}");
    assert!(summary.contains("1 records more than 'watermark.max_ahead' beyond"), "{summary}");
    assert!(summary.contains("the first in partition 0, offset 74"), "{summary}");
}
