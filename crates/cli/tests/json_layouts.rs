//! JSON that is no lines, through the command: arrays, and values over several lines.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::io::Write;
use std::process::{Command, Stdio};

use support::Host;

const ARRAY: &str =
    "[{\"id\": 1, \"tags\": [\"a\", \"b\"]}, {\"id\": 2}, {\"id\": 3, \"tags\": null}]";
const PRETTY: &str = "[\n  {\n    \"id\": 1,\n    \"tags\": [\"a\", \"b\"]\n  },\n  {\n    \"id\": 2\n  },\n  {\"id\": 3}\n]\n";
const VALUES: &str = "{\n  \"id\": 1,\n  \"tags\": [\"a\", \"b\"]\n}\n{\n  \"id\": 2\n}\n{\"id\": 3, \"tags\": null}";
const LINES: &str = "{\"id\": 1, \"tags\": [\"a\", \"b\"]}\n{\"id\": 2}\n{\"id\": 3}\n";
const ROWS: &str = "id,tags\n1,\"[\"\"a\"\", \"\"b\"\"]\"\n2,\n3,\n";

#[test]
fn a_text_in_any_layout_is_the_same_table() {
    let host = Host::new();
    for (name, text) in [("array", ARRAY), ("pretty", PRETTY), ("values", VALUES), ("lines", LINES)]
    {
        let path = format!("{name}.json");
        host.write(&path, text);
        let query = format!("SELECT * FROM '{path}'");
        assert_eq!(host.sql(&query).succeeds(), ROWS, "{name}");
        for options in ["", ", 'splits' = '4'", ", 'bad.records' = 'skip'"] {
            let sql = format!(
                "CREATE SOURCE s (id BIGINT NOT NULL, tags VARCHAR) WITH ('connector' = 'file', \
                 'path' = '{path}'{options}); SELECT SUM(id) AS n, COUNT(tags) AS t FROM s"
            );
            assert_eq!(host.sql(&sql).succeeds(), "n,t\n6,1\n", "{name} {options}");
        }
        let read = format!("SELECT COUNT(*) AS n FROM read_json('{path}')");
        assert_eq!(host.sql(&read).succeeds(), "n\n3\n", "{name}");
        let packed = format!("{name}.json.gz");
        let gzip = Command::new("gzip").arg("-c").arg(host.path(&path)).output().unwrap();
        host.write(&packed, gzip.stdout);
        assert_eq!(host.sql(&format!("SELECT * FROM '{packed}'")).succeeds(), ROWS, "{packed}");
    }
    // Each file of a glob has its own.
    let all = host.sql("SELECT COUNT(*) AS n, SUM(id) AS s FROM '*.json'").succeeds();
    assert_eq!(all, "n,s\n12,24\n");
}

/// Columns are inferred of a first record however long it is, as long as records may be.
#[test]
fn a_long_first_record_says_the_columns() {
    let host = Host::new();
    let long = "x".repeat(700_000);
    let first = format!("{{\"id\": 1, \"text\": \"{long}\", \"more\": 2}}");
    let second = "{\"id\": 2, \"text\": \"y\", \"more\": 3}";
    let pretty = first.replace(", ", ",\n  ");
    let query = |path: &str| format!("SELECT id, length(text) AS n, more FROM '{path}'");
    let rows = "id,n,more\n1,700000,2\n2,1,3\n";
    for (name, text) in [
        ("lines.json", format!("{first}\n{second}\n")),
        ("array.json", format!("[{pretty},\n{second}]")),
        ("values.json", format!("{pretty}{second}")),
        ("touching.json", format!("{first}{second}")),
        ("a.csv", format!("id,text,more\n1,{long},2\n2,y,3\n")),
    ] {
        host.write(name, &text);
        assert_eq!(host.sql(&query(name)).succeeds(), rows, "{name}");
        let gzip = Command::new("gzip").arg("-c").arg(host.path(name)).output().unwrap();
        let packed = format!("{name}.gz");
        host.write(&packed, gzip.stdout);
        assert_eq!(host.sql(&query(&packed)).succeeds(), rows, "{packed}");
    }
    let limited = |limit: &str| {
        host.sql(&format!("SET 'record.max_bytes' = '{limit}'; {}", query("lines.json")))
    };
    assert_eq!(limited("1MiB").succeeds(), rows);
    let said = limited("300KiB").fails(1);
    assert!(
        said.contains("the first record is longer than what is looked at; SET 'record.max_bytes'"),
        "{said}"
    );
}

#[test]
fn duckdbs_names_of_layouts_are_taken() {
    let host = Host::new();
    host.write("a.json", ARRAY);
    host.write("v.json", "{\"id\":1}{\"id\":2}");
    let count = |file: &str, format: &str| {
        host.sql(&format!("SELECT COUNT(*) AS n FROM read_json('{file}', format = '{format}')"))
    };
    assert_eq!(count("a.json", "array").succeeds(), "n\n3\n");
    assert_eq!(count("v.json", "unstructured").succeeds(), "n\n2\n");
    assert_eq!(count("a.json", "auto").succeeds(), "n\n3\n");
    let wrong = count("a.json", "newline_delimited").fails(1);
    assert!(wrong.contains("'json.layout' = 'array'"), "{wrong}");
}

#[test]
fn what_is_wrong_names_file_and_line() {
    let host = Host::new();
    let declared = "CREATE SOURCE s (id BIGINT) WITH ('connector' = 'file', 'path' = 'a.json'";
    host.write(
        "a.json",
        "[\n  {\"id\": 1},\n  {\"id\": \"x\"},\n  {\"id\": 2}\n  {\"id\": 3}\n]\ntail\n",
    );
    let failed = host.sql(&format!("{declared}); SELECT id FROM s")).fails(1);
    assert!(failed.contains("a.json, line 3") && failed.contains("'x'"), "{failed}");
    let skipped = host.sql(&format!("{declared}, 'bad.records' = 'skip'); SELECT id FROM s"));
    assert_eq!(skipped.succeeds(), "id\n1\n2\n");
    // One is no number, one has no comma before it, and something stands behind the array.
    assert!(skipped.stderr().contains("3 bad records"), "{}", skipped.stderr());
    host.write("a.json", "[\n  {\"id\": 1},\n  {\"id\": 2}\n");
    let failed = host.sql("SELECT id FROM 'a.json'").fails(1);
    assert!(
        failed.contains("the array has no end") && failed.contains("a.json, line 4"),
        "{failed}"
    );
}

#[test]
fn an_array_in_one_line_comes_through_a_pipe() {
    let host = Host::new();
    // Longer than a record may be, and than what is read at once.
    let records: Vec<String> =
        (0..60_000).map(|id| format!("{{\"id\":{id},\"x\":\"{id:030}\"}}")).collect();
    let text = format!("[{}]", records.join(","));
    let sql =
        "SET 'record.max_bytes' = '64KiB'; SELECT COUNT(*) AS n, SUM(id) AS s FROM '/dev/stdin'";
    let mut command = host.command(&["run", "--quiet", "--format", "csv", "-e", sql]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(text.as_bytes()).unwrap();
    drop(input);
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "n,s\n60000,1799970000\n");
}

#[test]
fn what_is_followed_is_lines() {
    let host = Host::new();
    host.write("a.json", ARRAY);
    let sql = "CREATE SOURCE s (id BIGINT) WITH ('connector' = 'file', 'path' = 'a.json', 'follow' = 'true', \
               'json.layout' = 'array'); SELECT id FROM s";
    let refused = host.sql(sql).fails(2);
    assert!(refused.contains("JSON that is followed is lines"), "{refused}");
}
