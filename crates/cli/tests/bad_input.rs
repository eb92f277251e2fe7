//! Broken, missing and forbidden input, under each `bad.records` policy: a clear error or a count,
//! never a panic, and nothing half-published.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;

use support::{Host, Ran};

/// Reads `n BIGINT, name VARCHAR` from `path` under a policy, into the sink `out`.
fn read(host: &Host, format: &str, path: &str, policy: &str) -> Ran {
    host.tidemill(&[
        "run",
        "-e",
        &format!(
            "CREATE SOURCE t (n BIGINT, name VARCHAR) WITH ('connector' = 'file', \
             'path' = '{path}', 'format' = '{format}', 'bad.records' = '{policy}', \
             'dead.letter.path' = 'dead'); \
             CREATE SINK out WITH ('connector' = 'file', 'path' = 'out', 'format' = 'csv'); \
             INSERT INTO out SELECT n, name FROM t;"
        ),
    ])
}

fn published(host: &Host) -> Option<String> {
    fs::read_to_string(host.path("out/part-00000-000000.csv")).ok()
}

/// One bad record among three: what each policy makes of it.
#[track_caller]
fn check_policies(format: &str, file: &str, content: &str, line: u64, reason: &str, bad: &str) {
    let host = Host::new();
    host.write(file, content);
    let failed = read(&host, format, file, "fail").fails(1);
    for part in [reason, &format!("{file}, line {line}"), "bad.records"] {
        assert!(failed.contains(part), "{part:?} is not in:\n{failed}");
    }
    assert_eq!(published(&host), None, "a failed job shows nothing");

    let skipped = read(&host, format, file, "skip");
    skipped.succeeds();
    assert!(skipped.stderr().contains("1 bad records"), "{}", skipped.stderr());
    assert_eq!(published(&host).unwrap(), "n,name\n1,one\n3,three\n");
    assert!(!host.path("dead").exists());

    fs::remove_dir_all(host.path("out")).unwrap();
    read(&host, format, file, "dead_letter").succeeds();
    assert_eq!(published(&host).unwrap(), "n,name\n1,one\n3,three\n");
    let letters = fs::read_to_string(host.path("dead/dead-00000-000000.jsonl")).unwrap();
    assert_eq!(letters.lines().count(), 1, "{letters}");
    assert!(letters.contains(bad), "{letters}");
}

#[test]
fn csv_field_of_the_wrong_type() {
    check_policies("csv", "t.csv", "n,name\n1,one\nx,two\n3,three\n", 3, "field n", "x,two");
}

#[test]
fn csv_record_with_too_few_fields() {
    check_policies("csv", "t.csv", "n,name\n1,one\n2\n3,three\n", 3, "field", "\"record\":\"2\"");
}

#[test]
fn csv_quote_that_closes_too_early() {
    check_policies("csv", "t.csv", "n,name\n1,one\n2,\"t\"wo\n3,three\n", 3, "quote", "wo");
}

#[test]
fn json_that_is_cut_off() {
    let content = "{\"n\":1,\"name\":\"one\"}\n{\"n\":2,\"na\n{\"n\":3,\"name\":\"three\"}\n";
    check_policies("json", "t.jsonl", content, 2, "t.jsonl", "{\\\"n\\\":2,\\\"na");
}

#[test]
fn json_number_out_of_range() {
    let content = "{\"n\":1,\"name\":\"one\"}\n{\"n\":9223372036854775808,\"name\":\"two\"}\n{\"n\":3,\"name\":\"three\"}\n";
    check_policies("json", "t.jsonl", content, 2, "field n", "9223372036854775808");
}

#[test]
fn invalid_utf8_in_a_needed_field() {
    let host = Host::new();
    host.write("t.csv", b"n,name\n1,one\n2,\xff\xfe\n3,three\n");
    read(&host, "csv", "t.csv", "fail").fails(1);
    read(&host, "csv", "t.csv", "dead_letter").succeeds();
    assert_eq!(published(&host).unwrap(), "n,name\n1,one\n3,three\n");
    let letters = fs::read_to_string(host.path("dead/dead-00000-000000.jsonl")).unwrap();
    assert!(letters.contains("record_base64"), "{letters}");
}

#[test]
fn an_expression_that_fails_names_its_record() {
    let host = Host::new();
    host.write("t.csv", "a,b\n6,3\n1,0\n8,2\n");
    let source = |policy: &str| {
        format!(
            "CREATE SOURCE t (a BIGINT, b BIGINT) WITH ('connector' = 'file', 'path' = 't.csv', \
             'format' = 'csv', 'bad.records' = '{policy}'); SELECT a / b AS q FROM t"
        )
    };
    let failed = host.sql(&source("fail")).fails(1);
    assert!(failed.contains("t.csv, line 3") && failed.contains("1,0"), "{failed}");
    assert_eq!(host.sql(&source("skip")).succeeds(), "q\n2\n4\n");
}

#[test]
fn damaged_arrow_and_parquet_files_are_errors_that_name_the_file() {
    for format in ["arrow", "parquet"] {
        let host = Host::new();
        host.tidemill(&["gen", "trades", "--rows", "3000", "--format", format, "--out", "data"])
            .succeeds();
        let name = format!("data/trades-00000-000000.{format}");
        let whole = fs::read(host.path(&name)).unwrap();
        let query =
            format!("SELECT COUNT(*) AS n, MAX(price) AS p, MIN(symbol) AS s FROM '{name}'");
        assert!(host.sql(&query).succeeds().contains("3000"));
        let mut damaged = vec![Vec::new(), whole[..whole.len() / 2].to_vec(), whole[1..].to_vec()];
        for place in [10, 100, whole.len() / 3, whole.len() - 20] {
            let mut flipped = whole.clone();
            for byte in &mut flipped[place..place + 8] {
                *byte = !*byte;
            }
            damaged.push(flipped);
        }
        for (index, bytes) in damaged.iter().enumerate() {
            fs::write(host.path(&name), bytes).unwrap();
            let ran = host.sql(&query);
            // Flipped bits inside values may go unnoticed; a panic or a hang may not.
            let code = ran.output.status.code();
            assert!(matches!(code, Some(0 | 1)), "{format} {index}: {code:?}\n{}", ran.stderr());
            assert!(!ran.stderr().contains("panicked"), "{format} {index}: {}", ran.stderr());
            if index < 2 {
                assert!(ran.fails(1).contains(&name), "{format} {index}: {}", ran.stderr());
            }
        }
    }
}

#[test]
fn missing_files_and_empty_directories() {
    let host = Host::new();
    host.write("data/trades.csv", "n\n1\n");
    let missing = host.sql("SELECT * FROM 'data/trade.csv'").fails(1);
    assert!(missing.contains("data/trade.csv") && missing.contains("trades.csv"), "{missing}");
    let unmatched = host.sql("SELECT * FROM 'data/*.jsonl'").fails(1);
    assert!(unmatched.contains("data/*.jsonl"), "{unmatched}");
    fs::create_dir(host.path("empty")).unwrap();
    let empty = read(&host, "csv", "empty", "fail").fails(1);
    assert!(empty.contains("empty"), "{empty}");
}

#[test]
fn no_permission_to_read_or_write() {
    const NOBODY: u32 = 65_534;
    let host = Host::new();
    host.write("t.csv", "n,name\n1,one\n");
    fs::set_permissions(host.path("t.csv"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::set_permissions(host.path("."), fs::Permissions::from_mode(0o755)).unwrap();
    // Root may read anything, so the command runs as somebody who may not. An ordinary user cannot
    // become another: there the files themselves are closed. The build may lie where nobody else
    // can reach it, so a copy of the command is run.
    let program = host.path("tidemill");
    fs::copy(env!("CARGO_BIN_EXE_tidemill"), &program).unwrap();
    let as_other = |sql: &str| {
        let mut command = std::process::Command::new(&program);
        command.current_dir(host.path(".")).args(["run", "--quiet", "-e", sql]);
        // SAFETY: geteuid takes nothing and cannot fail.
        if unsafe { libc::geteuid() } == 0 {
            command.uid(NOBODY).gid(NOBODY);
        } else {
            fs::set_permissions(host.path("t.csv"), fs::Permissions::from_mode(0o0)).unwrap();
            fs::set_permissions(host.path("."), fs::Permissions::from_mode(0o555)).unwrap();
        }
        let output = command.output();
        fs::set_permissions(host.path("."), fs::Permissions::from_mode(0o755)).unwrap();
        String::from_utf8_lossy(&output.unwrap().stderr).into_owned()
    };
    let unreadable = as_other("SELECT * FROM 't.csv'");
    assert!(unreadable.contains("t.csv") && unreadable.contains("ermission"), "{unreadable}");
    let unwritable = as_other(
        "CREATE SOURCE g WITH ('connector' = 'generator', 'schema' = 'orders', 'rows' = '10'); \
         CREATE SINK s WITH ('connector' = 'file', 'path' = 'out', 'format' = 'csv'); \
         INSERT INTO s SELECT * FROM g",
    );
    assert!(unwritable.contains("out") && unwritable.contains("ermission"), "{unwritable}");
    assert!(!host.path("out").exists());
}

#[test]
fn an_unknown_option_is_refused_with_the_nearest_name() {
    let host = Host::new();
    let script = "CREATE SOURCE t (n BIGINT) WITH ('connector' = 'file', 'pth' = 't.csv', 'format' = 'csv'); SELECT n FROM t";
    let refused = host.sql(script).fails(2);
    assert!(refused.contains("pth") && refused.contains("path"), "{refused}");
}

#[test]
fn results_that_are_there_are_not_overwritten_unless_asked() {
    let host = Host::new();
    host.write("t.csv", "n,name\n1,one\n");
    read(&host, "csv", "t.csv", "fail").succeeds();
    host.write("t.csv", "n,name\n2,two\n");
    let refused = read(&host, "csv", "t.csv", "fail").fails(1);
    assert!(refused.contains("on.existing"), "{refused}");
    assert_eq!(published(&host).unwrap(), "n,name\n1,one\n");
    host.sql(
        "CREATE SINK out WITH ('connector' = 'file', 'path' = 'out', 'format' = 'csv', \
         'on.existing' = 'replace'); INSERT INTO out SELECT * FROM 't.csv'",
    )
    .succeeds();
    // No name is used twice, so that at every instant the old or the new is whole.
    assert_eq!(published(&host), None);
    let new = fs::read_to_string(host.path("out/part-00000-000001.csv")).unwrap();
    assert_eq!(new, "n,name\n2,two\n");
}

#[test]
fn a_table_past_its_budget_stops_the_job_with_the_numbers() {
    let host = Host::new();
    let script = "CREATE SOURCE g WITH ('connector' = 'generator', 'schema' = 'trades', 'rows' = '200000'); \
         SELECT trade_id, COUNT(*) AS n FROM g GROUP BY trade_id";
    let ran = host.tidemill(&["run", "--memory", "1MiB", "--format", "csv", "-e", script]);
    let refused = ran.fails(1);
    for part in ["query stdout", "budget", "groups", "partition 0"] {
        assert!(refused.contains(part), "{part:?} is not in:\n{refused}");
    }
}

#[test]
fn a_gather_has_the_budget_of_the_query_and_not_that_of_one_partition() {
    let host = Host::new();
    for file in 0..20 {
        let keys: String = (0..2000).map(|key| format!("{}\n", file * 2000 + key)).collect();
        host.write(&format!("in/{file}.csv"), format!("k\n{keys}"));
    }
    let run = |query: &str| {
        let script = format!(
            "CREATE SOURCE t (k BIGINT) WITH ('connector' = 'file', 'path' = 'in', 'format' = 'csv'); {query}"
        );
        host.tidemill(&["run", "-q", "--memory", "4MiB", "-e", &script]).succeeds()
    };
    let groups = "SELECT COUNT(*) AS n FROM (SELECT k, COUNT(*) AS c FROM t GROUP BY k)";
    assert_eq!(run(groups), "n\n40000\n");
    assert_eq!(run("SELECT k FROM t ORDER BY k").lines().last(), Some("39999"));
    assert_eq!(run("SELECT k FROM t LIMIT 40000").lines().count(), 40_001);
}

#[test]
fn a_full_disk_stops_the_job_and_publishes_nothing() {
    let host = Host::new();
    let mount = host.path("small");
    fs::create_dir(&mount).unwrap();
    let mounted = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"])
        .arg(&mount)
        .status();
    if !mounted.is_ok_and(|status| status.success()) {
        // Without the right to mount there is no small disk; the sink's own tests write to
        // /dev/full, which everybody can.
        return;
    }
    let ran = host.sql(
        "CREATE SOURCE g WITH ('connector' = 'generator', 'schema' = 'trades', 'rows' = '200000'); \
         CREATE SINK s WITH ('connector' = 'file', 'path' = 'small/out', 'format' = 'csv'); \
         INSERT INTO s SELECT * FROM g",
    );
    let left: Vec<_> = fs::read_dir(mount.join("out")).unwrap().collect();
    let unmounted = std::process::Command::new("umount").arg(&mount).status();
    assert!(unmounted.unwrap().success());
    let failed = ran.fails(1);
    assert!(failed.contains("no space") && failed.contains("small/out"), "{failed}");
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn dead_letters_stand_in_order_of_offset_whatever_the_batch_size() {
    let host = Host::new();
    // Line 2 fails in its expression, line 3 does not decode.
    host.write("t.csv", "a,b\n6,3\n1,0\nx,2\n8,2\n5,0\n");
    for (rows, out) in [("1", "one"), ("8192", "many")] {
        let script = format!(
            "CREATE SOURCE t (a BIGINT, b BIGINT) WITH ('connector' = 'file', 'path' = 't.csv', \
             'format' = 'csv', 'bad.records' = 'dead_letter', 'dead.letter.path' = '{out}'); \
             SELECT a / b AS q FROM t"
        );
        let ran = host.tidemill(&["run", "-q", "--batch-rows", rows, "-e", &script]);
        assert_eq!(ran.succeeds(), "q\n2\n4\n");
    }
    let read = |out: &str| {
        fs::read_to_string(host.path(&format!("{out}/dead-00000-000000.jsonl"))).unwrap()
    };
    assert_eq!(read("one"), read("many"));
    let offsets: Vec<bool> =
        [8, 12, 20].iter().map(|at| read("one").contains(&format!("\"offset\":{at},"))).collect();
    assert_eq!(offsets, [true; 3], "{}", read("one"));
}

#[test]
fn two_writers_of_one_directory_are_refused() {
    let host = Host::new();
    host.write("t.csv", "n\n1\n");
    let script = "CREATE SINK a WITH ('connector' = 'file', 'path' = 'out', 'format' = 'csv'); \
                  CREATE SINK b WITH ('connector' = 'file', 'path' = './out/', 'format' = 'csv'); \
                  INSERT INTO a SELECT n FROM 't.csv'; INSERT INTO b SELECT n FROM 't.csv'";
    let refused = host.sql(script).fails(2);
    assert!(refused.contains("sink a") && refused.contains("sink b"), "{refused}");
}

#[test]
fn a_bad_record_is_reported_and_not_the_partitions_it_stopped() {
    let host = Host::new();
    // The first partition is still printing when the second fails.
    host.write("t/a.csv", format!("n\n{}", "1\n".repeat(500_000)));
    host.write("t/b.csv", "n\n1\nx\n");
    let script = "CREATE SOURCE t (n BIGINT) WITH ('connector' = 'file', 'path' = 't/*.csv', \
                  'format' = 'csv'); SELECT n FROM t;";
    let failed = host.sql(script).fails(1);
    assert!(failed.contains("b.csv, line 3"), "{failed}");
}

#[test]
fn a_bad_result_row_is_treated_alike_whether_it_was_gathered_or_not() {
    let host = Host::new();
    host.write("one/a.csv", "k,s\na,1\nb,x\n");
    host.write("two/a.csv", "k,s\na,1\n");
    host.write("two/b.csv", "k,s\nb,x\n");
    let query = |input: &str, policy: &str| {
        host.sql(&format!(
            "CREATE SOURCE t (k VARCHAR, s VARCHAR) WITH ('connector' = 'file', \
             'path' = '{input}/*.csv', 'format' = 'csv', 'bad.records' = '{policy}', \
             'dead.letter.path' = 'dead-{input}'); \
             SELECT k, CAST(MAX(s) AS BIGINT) AS n FROM t GROUP BY k;"
        ))
    };
    for input in ["one", "two"] {
        assert_eq!(query(input, "skip").succeeds(), "k,n\na,1\n");
        assert_eq!(query(input, "dead_letter").succeeds(), "k,n\na,1\n");
        query(input, "fail").fails(1);
        let letters: String = fs::read_dir(host.path(&format!("dead-{input}")))
            .unwrap()
            .map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap())
            .collect();
        assert_eq!(letters.lines().count(), 1, "{letters}");
        // The row has no record of its own: none is shown in its place.
        assert!(letters.contains("\"record\":null"), "{letters}");
    }
    assert!(query("two", "fail").fails(1).contains("a result row of the gather is bad"));
}

#[test]
fn dead_letters_of_every_statement_are_kept() {
    let host = Host::new();
    host.write("a.csv", "n\n1\nx\n");
    host.write("b.csv", "n\n2\ny\n");
    host.write("dead/dead-00005-000000.jsonl", "from an earlier run\n");
    let source = |name: &str| {
        format!(
            "CREATE SOURCE {name} (n BIGINT) WITH ('connector' = 'file', 'path' = '{name}.csv', \
             'format' = 'csv', 'bad.records' = 'dead_letter', 'dead.letter.path' = 'dead');"
        )
    };
    let (a, b) = (source("a"), source("b"));
    let printed =
        host.sql(&format!("{a} {b} SELECT n FROM a; SELECT n FROM b; SELECT 1 AS one FROM a"));
    assert_eq!(printed.succeeds(), "n\n1\nn\n2\none\n1\n1\n");
    let letters = dead_letters(&host, "dead");
    assert_eq!(letters.iter().filter(|line| line.contains("\"record\":\"x\"")).count(), 1);
    assert_eq!(letters.iter().filter(|line| line.contains("\"record\":\"y\"")).count(), 1);
    assert!(!letters.iter().any(|line| line.contains("earlier")), "{letters:?}");
}

#[test]
fn results_and_dead_letters_do_not_share_a_directory() {
    let host = Host::new();
    host.write("a.csv", "n\n1\nx\n");
    let script = "CREATE SOURCE a (n BIGINT) WITH ('connector' = 'file', 'path' = 'a.csv', \
         'format' = 'csv', 'bad.records' = 'dead_letter', 'dead.letter.path' = 'out'); \
         CREATE SINK s WITH ('connector' = 'file', 'path' = 'out', 'format' = 'csv'); \
         INSERT INTO s SELECT n FROM a";
    let refused = host.sql(script).fails(2);
    assert!(refused.contains("dead letters") && refused.contains("sink s"), "{refused}");
}

/// Lines of the dead letter files of a directory.
fn dead_letters(host: &Host, directory: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for entry in fs::read_dir(host.path(directory)).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_string_lossy().starts_with("dead-") {
            lines.extend(fs::read_to_string(path).unwrap().lines().map(str::to_owned));
        }
    }
    lines
}

/// Members and elements of inferred JSON lines are as columns are: what does not fit beyond the first records is bad.
#[test]
fn members_beyond_the_sample_are_bad_and_not_rounded() {
    let host = Host::new();
    for (first, last, shown) in [
        ("1", "1.5", "'1.5' to BIGINT"),
        ("1", "\"007\"", "'007' to BIGINT"),
        ("1.5", "0.12345678901234567891", "'0.12345678901234567891' to DOUBLE"),
        ("\"2024-01-01\"", "\"2024-01-01T13:00:00\"", "'2024-01-01T13:00:00' to DATE"),
    ] {
        let line = |value: &str| {
            format!("{{\"p\":\"{:x<99}\",\"a\":{{\"v\":{value}}},\"l\":[{value}]}}\n", "")
        };
        host.write("beyond.jsonl", line(first).repeat(3000) + &line(last));
        for select in ["a.v", "l[1]"] {
            let stderr =
                host.sql(&format!("SELECT MAX({select}) AS m FROM 'beyond.jsonl'")).fails(1);
            assert!(stderr.contains(shown), "{select} of {last}: {stderr}");
            assert!(stderr.contains("the type was inferred"), "{select} of {last}: {stderr}");
            assert!(stderr.contains("line 3001"), "{select} of {last}: {stderr}");
        }
    }
}
