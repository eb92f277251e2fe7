//! Standard output and standard error that are closed, full, or whose reader has gone: a result that cannot
//! be printed is an error, a report that cannot be is none, and nothing panics.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::fs;
use std::process::{Command, Output, Stdio};

use support::Host;

/// Runs the command in a shell, with redirections behind it.
fn redirected(host: &Host, arguments: &[&str], redirections: &str) -> Output {
    let mut command = Command::new("sh");
    command.current_dir(host.path("."));
    command.args(["-c", &format!("\"$0\" \"$@\" {redirections}"), env!("CARGO_BIN_EXE_tidemill")]);
    command.args(arguments).stdin(Stdio::null()).output().unwrap()
}

/// Ways in which nothing that is said arrives.
const DEAF: [&str; 3] = ["2>/dev/full", "2>&-", "2>&1 >/dev/null | true"];

#[test]
fn nothing_depends_on_whether_reports_are_heard() {
    let host = Host::new();
    host.write("t.csv", "a,b\n1,x\n2,y\nz,z\n");
    host.write("keys/1.csv", "k\na\n");
    host.write("keys/2.csv", "k\na\n");
    host.write("job.sql", "SELECT a FROM 't.csv'");
    let sink = |path: &str| {
        format!(
            "CREATE SINK o WITH ('connector' = 'file', 'path' = '{path}', 'format' = 'csv', 'on.existing' = 'replace'); "
        )
    };
    let audits = |audit: &str| {
        format!(
            "CREATE SOURCE s (k VARCHAR) PARTITIONED BY (k) WITH ('connector' = 'file', 'path' = 'keys', \
             'format' = 'csv', 'partition.audit' = '{audit}'); "
        ) + &sink("warned")
            + "INSERT INTO o SELECT k, COUNT(*) AS n FROM s GROUP BY k"
    };
    let (warns, breaks) = (audits("warn"), audits("fail"));
    let bad =
        "CREATE SOURCE s (a BIGINT, b VARCHAR) WITH ('connector' = 'file', 'path' = 't.csv'); ";
    let writes = sink("out") + "INSERT INTO o SELECT b FROM 't.csv'";
    let fails = bad.to_owned() + &sink("never") + "INSERT INTO o SELECT a FROM s";
    for (code, arguments) in [
        (0, vec!["run", "-e", &writes]),
        (0, vec!["run", "--explain", "-e", &writes]),
        (0, vec!["run", "-q", "-e", &warns]),
        (0, vec!["check", "job.sql"]),
        (0, vec!["gen", "trades", "--rows", "10", "--out", "made"]),
        (1, vec!["run", "-e", &fails]),
        (1, vec!["run", "-q", "-e", &breaks]),
        (2, vec!["run", "-e", "SELECT wrong FROM 't.csv'"]),
        (2, vec!["check", "missing.sql"]),
        (2, vec!["run", "--no-such-option"]),
        (2, vec![]),
    ] {
        for deaf in DEAF {
            let _ = fs::remove_dir_all(host.path("made"));
            // Of a pipe, a shell says how its last command ended.
            let (deaf, pipe) =
                deaf.split_once(" |").map_or((deaf, ""), |(deaf, _)| (deaf, " | true"));
            let redirections = format!("{deaf}; echo $? >code");
            let output = if pipe.is_empty() {
                redirected(&host, &arguments, &redirections)
            } else {
                let mut command = Command::new("sh");
                command.current_dir(host.path("."));
                let script = format!("{{ sleep 0.1; \"$0\" \"$@\" {redirections}; }}{pipe}");
                command.args(["-c", &script, env!("CARGO_BIN_EXE_tidemill")]).args(&arguments);
                command.output().unwrap()
            };
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert!(!stderr.contains("panicked"), "{arguments:?} {deaf}: {stderr}");
            let ended = fs::read_to_string(host.path("code")).unwrap();
            assert_eq!(ended.trim(), code.to_string(), "{arguments:?} {deaf}");
        }
    }
    assert!(!host.path("never").read_dir().unwrap().any(|_| true));
}

#[test]
fn what_cannot_be_printed_is_an_error() {
    let host = Host::new();
    host.write("t.csv", "a\n1\n");
    for arguments in [
        vec!["run", "-e", "SELECT a FROM 't.csv'"],
        vec!["run", "-e", "EXPLAIN SELECT a FROM 't.csv'"],
        vec!["run", "--format", "table", "-e", "SELECT a FROM 't.csv'"],
        vec!["explain", "-e", "SELECT a FROM 't.csv'"],
        vec!["completions", "bash"],
        vec!["doctor"],
        vec!["--help"],
        vec!["run", "--help"],
        vec!["--version"],
    ] {
        for (redirection, said) in [(">/dev/full", "space"), (">&-", "closed before the command")] {
            let output = redirected(&host, &arguments, redirection);
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{arguments:?} {redirection}: {stderr}");
            assert!(stderr.contains(said), "{arguments:?} {redirection}: {stderr}");
            assert!(!stderr.contains("panicked"), "{stderr}");
            // With nobody to tell either.
            let output = redirected(&host, &arguments, &format!("{redirection} 2>&-"));
            assert_eq!(output.status.code(), Some(1), "{arguments:?} {redirection}");
        }
        // A reader that has seen enough is no failure.
        let unread = redirected(&host, &arguments, "| true");
        assert_eq!(
            String::from_utf8_lossy(&unread.stderr).matches("error").count(),
            0,
            "{arguments:?}"
        );
    }
}

#[test]
fn descriptors_that_were_closed_do_not_become_files() {
    let host = Host::new();
    host.write("t.csv", "a\n1\n2\n");
    let script = "CREATE SINK o WITH ('connector' = 'file', 'path' = 'out', 'format' = 'csv'); \
                  INSERT INTO o SELECT a FROM 't.csv'";
    // What is said would stand in the first file that is opened.
    let output = redirected(&host, &["run", "-e", script], "<&- >&- 2>&-");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(fs::read_to_string(host.path("out/part-00000-000000.csv")).unwrap(), "a\n1\n2\n");
    assert_eq!(fs::read_to_string(host.path("t.csv")).unwrap(), "a\n1\n2\n");
}
