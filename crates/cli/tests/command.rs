//! The command itself: exit codes, where output goes, help, signals.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::fs;
use std::io::Write;
use std::process::Stdio;
use std::time::{Duration, Instant};

use support::Host;

#[test]
fn results_go_to_standard_output_and_the_summary_to_standard_error() {
    let host = Host::new();
    host.write("t.csv", "k,v\na,1\nb,2\na,3\n");
    let ran = host.tidemill(&["run", "-e", "SELECT k, SUM(v) AS s FROM 't.csv' GROUP BY k"]);
    assert_eq!(ran.succeeds(), "k,s\na,4\nb,2\n");
    assert!(ran.stderr().contains("3 records"), "{}", ran.stderr());
    let table = host
        .tidemill(&["run", "-q", "--format", "table", "-e", "SELECT k FROM 't.csv' ORDER BY v"])
        .succeeds();
    assert!(table.contains('│') || table.contains('|'), "{table}");
    let json = host
        .tidemill(&["run", "-q", "--format", "json", "-e", "SELECT v FROM 't.csv' LIMIT 1"])
        .succeeds();
    assert_eq!(json, "{\"v\":1}\n");
}

#[test]
fn wrong_sql_and_wrong_usage_end_with_2() {
    let host = Host::new();
    host.write("t.csv", "k,v\na,1\n");
    let wrong = host.sql("SELECT kk FROM 't.csv'").fails(2);
    assert!(wrong.contains("sql:1:8") && wrong.contains('^') && wrong.contains('k'), "{wrong}");
    host.tidemill(&["run"]).fails(2);
    host.tidemill(&["run", "nowhere.sql"]).fails(2);
    host.tidemill(&["run", "--cores", "x", "-e", "SELECT 1"]).fails(2);
    host.tidemill(&["frobnicate"]).fails(2);
}

#[test]
fn a_script_comes_from_a_file_or_standard_input() {
    let host = Host::new();
    host.write("t.csv", "k\na\n");
    host.write("job.sql", "SELECT k\nFROM 't.csv';\n");
    assert_eq!(host.tidemill(&["run", "-q", "job.sql"]).succeeds(), "k\na\n");
    let mut child = host
        .command(&["run", "-q", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"SELECT k FROM 't.csv'").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "k\na\n");
}

#[test]
fn check_and_explain_write_nothing() {
    let host = Host::new();
    host.write("t.csv", "k\na\n");
    let script = "CREATE SINK s WITH ('connector' = 'file', 'path' = 'out', 'format' = 'csv'); \
                  INSERT INTO s SELECT k, COUNT(*) AS n FROM 't.csv' GROUP BY k";
    let checked = host.tidemill(&["check", "-e", script]);
    checked.succeeds();
    assert!(checked.stderr().contains("no errors"));
    let plan = host.tidemill(&["explain", "-e", script]).succeeds();
    assert!(plan.contains("locality: local") && plan.contains("COUNT(*)"), "{plan}");
    let also = host.tidemill(&["run", "-e", &format!("EXPLAIN {}", "SELECT k FROM 't.csv'")]);
    assert!(also.succeeds().contains("locality: stateless"), "{}", also.stdout());
    assert!(!host.path("out").exists());
}

#[test]
fn help_teaches_by_example_and_completions_are_printed() {
    let host = Host::new();
    assert!(host.tidemill(&["--help"]).succeeds().contains("tidemill run -e"));
    assert!(host.tidemill(&["run", "--help"]).succeeds().contains("Examples"));
    for shell in ["bash", "zsh", "fish"] {
        assert!(host.tidemill(&["completions", shell]).succeeds().contains("tidemill"));
    }
}

#[test]
fn doctor_gives_every_finding_a_verdict() {
    let host = Host::new();
    let text = host.tidemill(&["doctor"]).stdout();
    for subject in
        ["kernel", "io_uring", "memlock", "cpus", "smt", "governor", "huge pages", "file system"]
    {
        assert!(text.contains(subject), "{subject} is not in:\n{text}");
    }
}

#[test]
fn a_reader_that_leaves_is_no_failure() {
    let host = Host::new();
    let script = "CREATE SOURCE g WITH ('connector' = 'generator', 'schema' = 'orders', 'rows' = '2000000'); SELECT * FROM g";
    let mut child = host
        .command(&["run", "-q", "-e", script])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut head = [0; 100];
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut head).unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert!(output.status.success());
}

/// Runs a bounded script that writes to `out`, sends a signal once two files are there, and gives standard
/// error.
fn interrupted(host: &Host, script: &str, signal: i32, code: i32) -> String {
    let mut command = host.command(&["run", "-q", "-e", script]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let started = Instant::now();
    // The sink's first segment is made when the pipelines are open, so a signal now finds them busy.
    while fs::read_dir(host.path("out")).map_or(0, Iterator::count) < 2 {
        if started.elapsed() > Duration::from_secs(60) {
            child.kill().unwrap();
            panic!("the job never opened its sink");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    // SAFETY: the child is ours and has not been waited for, so its number is still its own.
    let sent = unsafe { libc::kill(i32::try_from(child.id()).unwrap(), signal) };
    assert_eq!(sent, 0);
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    stderr
}

#[test]
fn a_bounded_job_that_is_stopped_publishes_nothing_and_exits_by_the_signal() {
    let script = "CREATE SOURCE g WITH ('connector' = 'generator', 'schema' = 'trades', 'rows' = '100000000000', \
                  'partitions' = '2'); \
                  CREATE SINK s WITH ('connector' = 'file', 'path' = 'out', 'format' = 'csv'); \
                  INSERT INTO s SELECT symbol, COUNT(*) AS n FROM g GROUP BY symbol; \
                  CREATE SINK t WITH ('connector' = 'file', 'path' = 'out_t', 'format' = 'csv'); \
                  INSERT INTO t SELECT price FROM g";
    for (signal, code) in [(libc::SIGINT, 130), (libc::SIGTERM, 143), (libc::SIGHUP, 143)] {
        let host = Host::new();
        let stderr = interrupted(&host, script, signal, code);
        let said = "stopped before the end of the input; nothing is published of s, t\n";
        assert!(stderr.ends_with(said), "{stderr}");
        for directory in ["out", "out_t"] {
            assert_eq!(fs::read_dir(host.path(directory)).unwrap().count(), 0, "{directory}");
        }
    }
}

#[test]
fn a_stop_does_not_replace_earlier_results_and_later_queries_do_not_begin() {
    let host = Host::new();
    let script = |rows: &str| {
        format!(
            "CREATE SOURCE g WITH ('connector' = 'generator', 'schema' = 'trades', 'rows' = '{rows}'); \
             CREATE SINK s WITH ('connector' = 'file', 'path' = 'out', 'format' = 'csv', \
             'on.existing' = 'replace'); \
             INSERT INTO s SELECT symbol, COUNT(*) AS n FROM g GROUP BY symbol; \
             CREATE SINK later WITH ('connector' = 'file', 'path' = 'later', 'format' = 'csv', \
             'on.existing' = 'replace'); \
             INSERT INTO later SELECT symbol FROM s"
        )
    };
    host.sql(&script("1000")).succeeds();
    let earlier = |directory: &str| fs::read(host.path(directory).join("part-00000-000000.csv"));
    let before = (earlier("out").unwrap(), earlier("later").unwrap());
    let stderr = interrupted(&host, &script("100000000000"), libc::SIGTERM, 143);
    assert!(stderr.contains("nothing is published of s, later\n"), "{stderr}");
    assert_eq!((earlier("out").unwrap(), earlier("later").unwrap()), before);
    assert_eq!(fs::read_dir(host.path("out")).unwrap().count(), 1);
}

#[test]
fn a_later_statement_reads_what_an_earlier_one_wrote() {
    let host = Host::new();
    host.write("t.csv", "k,v\na,1\nb,2\na,3\n");
    let script = "CREATE STREAM sums WITH ('connector' = 'file', 'path' = 'sums', 'format' = 'json') \
                  AS SELECT k, SUM(v) AS total FROM 't.csv' GROUP BY k; \
                  SELECT k FROM sums WHERE total > 3;";
    assert_eq!(host.sql(script).succeeds(), "k\na\n");
}

#[test]
fn a_later_statement_reads_nothing_but_what_an_earlier_one_wrote() {
    let host = Host::new();
    host.write("t.csv", "k\na\nb\n");
    host.write("out [1]/earlier.jsonl", "{\"k\":\"z\"}\n");
    let script = "CREATE STREAM kept WITH ('connector' = 'file', 'path' = 'out [1]', 'format' = 'json') \
                  AS SELECT k FROM 't.csv'; SELECT k FROM kept;";
    assert_eq!(host.sql(script).succeeds(), "k\na\nb\n");
}

#[test]
fn data_that_a_killed_run_left_stays_and_is_named() {
    let host = Host::new();
    host.write("made/trades-00000-000000.csv.open", "left");
    let arguments = ["gen", "trades", "--rows", "5", "--format", "csv", "--out", "made"];
    let ran = host.tidemill(&arguments);
    ran.succeeds();
    assert!(
        ran.stderr().contains("has left made/trades-00000-000000.csv.open"),
        "{}",
        ran.stderr()
    );
    assert_eq!(fs::read(host.path("made/trades-00000-000000.csv.open")).unwrap(), b"left");
    let made = fs::read_to_string(host.path("made/trades-00000-000001.csv")).unwrap();
    assert_eq!(made.lines().count(), 6);
}

#[test]
fn the_same_seed_makes_the_same_data() {
    let host = Host::new();
    for (out, seed) in [("a", "7"), ("b", "7"), ("c", "8")] {
        host.tidemill(&[
            "gen",
            "measurements",
            "--rows",
            "5000",
            "--partitions",
            "3",
            "--format",
            "csv",
            "--seed",
            seed,
            "--skew",
            "1.1",
            "--out",
            out,
        ])
        .succeeds();
    }
    let read = |directory: &str| {
        (0..3)
            .map(|i| {
                fs::read(host.path(&format!("{directory}/measurements-0000{i}-000000.csv")))
                    .unwrap()
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(read("a"), read("b"));
    assert_ne!(read("a"), read("c"));
    assert_eq!(read("a").concat().iter().filter(|&&byte| byte == b'\n').count(), 5000);
}

#[test]
fn a_gather_that_prints_first_does_not_hold_up_the_scan_behind_it() {
    let host = Host::new();
    // 8000 rows of 10,000 characters: more than standard output keeps for those who wait.
    let script = "CREATE SOURCE g WITH ('connector' = 'generator', 'schema' = 'trades', \
                                        'rows' = '8000', 'partitions' = '2'); \
                  SELECT CAST(COUNT(*) AS VARCHAR) AS text FROM g \
                  UNION ALL SELECT LPAD(symbol, 10000, '.') FROM g;";
    let mut child =
        host.command(&["run", "-q", "-e", script]).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let reader = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut stdout, &mut bytes).unwrap();
        bytes
    });
    let started = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if started.elapsed() > Duration::from_secs(60) {
            child.kill().unwrap();
            panic!("the job hangs");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let printed = reader.join().unwrap();
    assert!(printed.starts_with(b"text\n8000\n."), "the gather's row comes first");
    assert_eq!(printed.iter().filter(|&&byte| byte == b'\n').count(), 8002);
}

#[test]
fn a_table_says_when_rows_were_left_out() {
    let host = Host::new();
    host.write("t.csv", "n\n1\n2\n3\n");
    let table = |rows: &str| {
        let query = "SELECT n FROM 't.csv'";
        let arguments = ["run", "-q", "--format", "table", "--max-rows", rows, "-e", query];
        host.tidemill(&arguments).succeeds()
    };
    assert!(table("2").ends_with("(2 rows)\nonly the first 2 rows are shown; there are more\n"));
    assert!(table("3").ends_with("(3 rows)\n"));
}

#[test]
fn a_closed_pipe_is_a_failure_where_files_were_to_be_written() {
    let host = Host::new();
    let script = "CREATE SOURCE g WITH ('connector' = 'generator', 'schema' = 'orders', 'rows' = '2000000'); \
                  CREATE SINK s WITH ('connector' = 'file', 'path' = 'out', 'format' = 'csv'); \
                  SELECT * FROM g; INSERT INTO s SELECT COUNT(*) AS n FROM g;";
    let mut child = host
        .command(&["run", "-q", "-e", script])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("standard output was closed"), "{stderr}");
    assert_eq!(fs::read_dir(host.path("out")).unwrap().count(), 0, "no file is left");
}
