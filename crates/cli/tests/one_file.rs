//! `'path' = 'o.csv'`: one file with the rows of all partitions, in their order, whole or not there.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::fs;

use support::Host;

/// Every format's ending.
const ENDINGS: [&str; 7] = ["csv", "tsv", "json", "ndjson", "arrow", "arrows", "parquet"];

fn sink(path: &str, more: &str) -> String {
    format!("CREATE STREAM o WITH ('connector' = 'file', 'path' = '{path}'{more}) AS ")
}

/// A host with three files that hold rows, none, and rows.
fn host() -> Host {
    let host = Host::new();
    let rows = |range: std::ops::Range<u32>| -> String {
        range.map(|id| format!("{id},name {id},{}.5\n", id % 7)).collect()
    };
    for (name, range) in [("a", 0..20_000), ("b", 0..0), ("c", 20_000..20_050)] {
        host.write(&format!("in/{name}.csv"), format!("id,name,value\n{}", rows(range)));
    }
    host
}

/// What stands beside each other in the host's directory.
fn names(host: &Host, folder: &str) -> Vec<String> {
    let entries = fs::read_dir(host.path(folder)).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort_unstable();
    names
}

#[test]
fn the_rows_of_all_partitions_stand_in_their_order() {
    let host = host();
    let expected = host.sql("SELECT id, name, value FROM 'in/*.csv'").stdout();
    assert_eq!(expected.lines().count(), 20_051);
    for ending in ENDINGS {
        let path = format!("out/{ending}/o.{ending}");
        let query = "SELECT id, name, value FROM 'in/*.csv'";
        let ran = host.sql(&format!("{}{query}; SELECT * FROM o", sink(&path, "")));
        assert_eq!(ran.stderr(), "");
        assert!(ran.stdout() == expected, "{ending}, read by the name of the sink");
        let read = host.sql(&format!("SELECT * FROM '{path}'"));
        assert!(read.stdout() == expected, "{ending}");
        assert_eq!(names(&host, &format!("out/{ending}")), [format!("o.{ending}")]);
    }
    assert_eq!(fs::read_to_string(host.path("out/csv/o.csv")).unwrap(), expected);
}

#[test]
fn splits_of_one_input_are_put_together_again() {
    let host = host();
    let source = |splits: u32| {
        format!(
            "CREATE SOURCE i WITH ('connector' = 'file', 'path' = 'in/a.csv', 'splits' = '{splits}'); "
        )
    };
    for ending in ENDINGS {
        for splits in [1, 4] {
            let into = sink(&format!("{splits}.{ending}"), "");
            host.sql(&format!("{}{into}SELECT name, id FROM i WHERE id % 3 = 0", source(splits)));
        }
        let [one, four] =
            [1, 4].map(|splits| host.sql(&format!("SELECT * FROM '{splits}.{ending}'")).stdout());
        assert!(one == four && one.lines().count() == 6_668, "{ending}");
    }
    let [one, four] = ["1.csv", "4.csv"].map(|name| fs::read(host.path(name)).unwrap());
    assert!(one == four);
}

#[test]
fn a_job_that_fails_leaves_what_was_there() {
    let host = host();
    host.write("o.csv", "old\n");
    let replace = ", 'on.existing' = 'replace'";
    for query in [
        "SELECT 1 / (id - 20049) AS x FROM 'in/*.csv'",
        "SELECT id, CAST(name AS BIGINT) AS n FROM 'in/*.csv'",
    ] {
        let ran = host.sql(&format!("{}{query}", sink("o.csv", replace)));
        assert!(!ran.output.status.success());
        assert_eq!(names(&host, "."), ["in", "o.csv"]);
        assert_eq!(fs::read_to_string(host.path("o.csv")).unwrap(), "old\n");
    }
    let refused = host.sql(&format!("{}SELECT id FROM 'in/*.csv'", sink("o.csv", "")));
    assert!(refused.stderr().contains("already holds results (o.csv)"), "{}", refused.stderr());
    let ran = host.sql(&format!("{}SELECT id FROM 'in/b.csv'", sink("o.csv", replace)));
    assert!(ran.output.status.success());
    assert_eq!(fs::read_to_string(host.path("o.csv")).unwrap(), "id\n");
    assert_eq!(names(&host, "."), ["in", "o.csv"]);
}

#[test]
fn a_file_may_be_written_from_itself() {
    let host = host();
    let into = sink("in/c.csv", ", 'on.existing' = 'replace'");
    host.sql(&format!("{into}SELECT * FROM 'in/c.csv' WHERE id >= 20048"));
    let text = fs::read_to_string(host.path("in/c.csv")).unwrap();
    assert_eq!(text, "id,name,value\n20048,name 20048,0.5\n20049,name 20049,1.5\n");
}

#[test]
fn several_files_and_a_directory_become_visible_together() {
    let host = host();
    let each = |name: &str, path: &str, more: &str| {
        format!(
            "CREATE STREAM {name} WITH ('connector' = 'file', 'path' = '{path}'{more}) AS \
             SELECT id, value FROM 'in/*.csv'; "
        )
    };
    let fails = "CREATE STREAM f WITH ('connector' = 'file', 'path' = 'f.csv') AS \
                 SELECT 1 / (id - 7) AS x FROM 'in/a.csv'";
    let all = [
        each("a", "out/a.csv", ""),
        each("b", "out/b.parquet", ""),
        each("c", "out", ", 'format' = 'json'"),
    ]
    .concat();
    assert!(!host.sql(&format!("{all}{fails}")).output.status.success());
    assert_eq!(names(&host, "out"), [""; 0]);
    assert_eq!(host.sql(&all).stderr(), "");
    let parts = ["part-00000-000000.jsonl", "part-00001-000000.jsonl", "part-00002-000000.jsonl"];
    assert_eq!(names(&host, "out"), [["a.csv", "b.parquet"].as_slice(), &parts].concat());
}

#[test]
fn a_directory_of_that_name_stays_one() {
    let host = host();
    let query = "SELECT id FROM 'in/c.csv'; SELECT COUNT(*) AS n FROM o";
    // A slash says so, and then one that is there does.
    for (path, more) in [("o.csv/", ", 'format' = 'csv'"), ("o.csv", ", 'on.existing' = 'replace'")]
    {
        let ran = host.sql(&format!("{}{query}", sink(path, more)));
        assert_eq!((ran.stdout(), ran.stderr()), ("n\n50\n".to_owned(), String::new()));
    }
    assert_eq!(names(&host, "o.csv"), ["part-00000-000001.csv"]);
}
