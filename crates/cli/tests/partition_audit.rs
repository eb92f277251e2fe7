//! `PARTITIONED BY` that the input breaks: the job fails and says where, or goes on and says so.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::fs;
use std::process::Stdio;

use support::Host;
use support::live::Live;

const SINK: &str = "CREATE SINK o WITH ('connector' = 'file', 'path' = 'out', 'format' = 'csv'); ";

fn source(options: &str) -> String {
    format!(
        "CREATE SOURCE s (k VARCHAR, b BIGINT, t TIMESTAMP NOT NULL, WATERMARK FOR t AS t) PARTITIONED BY (k) \
         WITH ('connector' = 'file', 'path' = 'in/*.csv', 'format' = 'csv', 'timestamp.unit' = 's'{options}); "
    )
}

/// Key `b` stands in both files.
fn host() -> Host {
    let host = Host::new();
    host.write("in/1.csv", "k,b,t\na,1,1\nb,2,2\nb,3,30\n");
    host.write("in/2.csv", "k,b,t\nc,1,1\nb,2,2\n");
    host
}

/// What rests on the declaration.
const QUERIES: [&str; 5] = [
    "SELECT k, COUNT(*) AS n FROM s GROUP BY k",
    "SELECT k, COUNT(*) AS n FROM s GROUP BY k EMIT CHANGES",
    "SELECT k, window_end, COUNT(*) AS n FROM s GROUP BY k WINDOW TUMBLING (10s)",
    "SELECT k, window_end, COUNT(*) AS n FROM s GROUP BY k WINDOW SESSION (5s)",
    "SELECT k, SUM(b) OVER (PARTITION BY k ORDER BY t) AS n FROM s",
];

#[test]
fn a_breach_fails_the_job_and_names_source_partitions_and_key() {
    for query in QUERIES {
        let host = host();
        let ran = host.sql(&(source("") + SINK + "INSERT INTO o " + query));
        let stderr = ran.fails(1);
        assert!(
            stderr.contains("s is declared PARTITIONED BY (k), but 1 value of k, 'b', stands in partition 0 and in \
                             partition 1, so that groups of query o are not whole"),
            "{query}: {stderr}"
        );
        assert!(stderr.contains("'partition.audit' = 'warn'"), "{stderr}");
        assert!(stderr.contains("at in/1.csv and in/2.csv"), "{stderr}");
        assert_eq!(fs::read_dir(host.path("out")).unwrap().count(), 0, "nothing is published");

        let ran = host.sql(&(source("") + query));
        let stderr = ran.fails(1);
        assert!(stderr.contains("warning: what was printed is not right"), "{query}: {stderr}");
    }
}

#[test]
fn a_breach_that_is_to_be_warned_of_is_said_quiet_or_not() {
    for query in QUERIES {
        let host = host();
        let ran =
            host.sql(&(source(", 'partition.audit' = 'warn'") + SINK + "INSERT INTO o " + query));
        ran.succeeds();
        let stderr = ran.stderr();
        assert!(
            stderr.contains(
                "warning: s is declared PARTITIONED BY (k), but 1 value of k, 'b', stands in \
                             partition 0 and in partition 1"
            ),
            "{query}: {stderr}"
        );
        assert_eq!(fs::read_dir(host.path("out")).unwrap().count(), 2);
    }
}

#[test]
fn of_many_keys_the_breach_is_counted_and_one_is_named() {
    let host = Host::new();
    let keys = |of: std::ops::Range<u32>| -> String {
        std::iter::once("k,b,t\n".to_owned()).chain(of.map(|n| format!("key {n},1,1\n"))).collect()
    };
    host.write("in/1.csv", keys(0..20_000));
    host.write("in/2.csv", keys(10_000..30_000));
    host.write("in/3.csv", keys(29_999..30_001));
    let query = "SELECT k, COUNT(*) AS n FROM s GROUP BY k";
    let stderr = host.sql(&(source("") + SINK + "INSERT INTO o " + query)).fails(1);
    assert!(stderr.contains("but 10000 values of k, such as 'key 1"), "{stderr}");
    assert!(stderr.contains("1 more pair(s) of partitions share some"), "{stderr}");
}

#[test]
fn a_query_that_rests_on_no_declaration_does_not_care() {
    let host = host();
    let ran = host.sql(&(source("") + "SELECT b, COUNT(*) AS n FROM s GROUP BY b"));
    assert_eq!(ran.succeeds(), "b,n\n1,2\n2,2\n3,1\n");
}

#[test]
fn a_value_of_several_lines_makes_no_line_of_its_own() {
    let host = Host::new();
    host.write("in/1.csv", "k,b,t\n\"a\n\u{1b}[31mb\",1,1\n");
    host.write("in/2.csv", "k,b,t\n\"a\n\u{1b}[31mb\",1,1\n");
    let sql = source(", 'partition.audit' = 'warn'") + "SELECT k, COUNT(*) AS n FROM s GROUP BY k";
    let stderr = host.sql(&sql).stderr();
    assert!(stderr.contains("'a\\n\\u{1b}[31mb'") && stderr.lines().count() == 1, "{stderr}");
}

#[test]
fn a_live_job_fails_as_it_is_stopped() {
    let host = host();
    let query = "SELECT k, COUNT(*) AS n FROM s GROUP BY k EMIT CHANGES";
    let live = Live::start(&host, &(source(", 'follow' = 'true'") + query));
    let mut lines: Vec<String> = (0..6).map(|_| live.line()).collect();
    lines.sort();
    assert_eq!(lines, ["a,1", "b,1", "b,1", "b,2", "c,1", "k,n"]);
    let (code, stderr) = live.stop_with_code();
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains("1 value of k, 'b', stands in partition 0"), "{stderr}");
}

#[test]
fn what_was_skipped_is_counted_also_where_the_run_is_quiet() {
    let host = Host::new();
    host.write("in/1.csv", "k,b,t\na,1,20\nb,x,21\nc,3,22\nd,4,1\n");
    let query = "SELECT window_end, COUNT(*) AS n, SUM(b) AS b FROM s WINDOW TUMBLING (10s)";
    let script = source(", 'bad.records' = 'skip', 'watermark.max_ahead' = 'off'") + query;
    let ran = host.sql(&script);
    assert_eq!(ran.succeeds(), "window_end,n,b\n1970-01-01 00:00:30,2,4\n");
    assert_eq!(ran.stderr(), "1 bad records\n1 late records (s, TUMBLING)\n");
    let output = host.command(&["run", "-e", &script]).stdout(Stdio::null()).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("1 bad records\n1 late records (s, TUMBLING)\n"), "{stderr}");
    assert!(stderr.contains("4 records ("), "{stderr}");
}
