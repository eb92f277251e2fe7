//! `'partition.by'` of a file sink: rows go to folders by the values of some columns.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use support::Host;

/// Every file below a folder, with its bytes.
fn tree(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut waiting = vec![root.to_owned()];
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
            } else {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                files.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    files
}

fn names(root: &Path) -> Vec<String> {
    tree(root).into_keys().collect()
}

/// A host with two files of orders.
fn host() -> Host {
    let host = Host::new();
    let file = |first: u32| -> String {
        let row =
            |id: u32| format!("{id},{},2024-05-{:02},c{}\n", id % 3 + 2022, id % 28 + 1, id % 151);
        format!("id,year,day,customer\n{}", (first..first + 5_000).map(row).collect::<String>())
    };
    host.write("in/a.csv", file(0));
    host.write("in/b.csv", file(5_000));
    host
}

fn stream(path: &str, by: &str, more: &str) -> String {
    format!(
        "CREATE STREAM o WITH ('connector' = 'file', 'path' = '{path}', 'partition.by' = '{by}', 'durable' = 'false'{more}) AS \
         SELECT id, year, day, customer FROM 'in/*.csv'; "
    )
}

#[test]
fn rows_go_to_folders_by_value_and_come_back() {
    let host = host();
    let all = "SELECT id, year, day, customer FROM 'in/*.csv' ORDER BY id";
    let expected = host.sql(all).stdout();
    for (format, ending) in
        [("csv", "csv"), ("json", "jsonl"), ("arrow", "arrow"), ("parquet", "parquet")]
    {
        let made = stream(format, "year, day", &format!(", 'format' = '{format}'"));
        let back = host.sql(&(made + "SELECT id, year, day, customer FROM o ORDER BY id"));
        assert_eq!((back.stderr(), back.stdout() == expected), (String::new(), true), "{format}");
        // By the path, with what is inferred of the folders.
        let found = format!(
            "SELECT id, year, day, customer FROM '{format}/**/part-*.{ending}' ORDER BY id"
        );
        assert!(host.sql(&found).stdout() == expected, "{format}");
        let names = names(&host.path(format));
        assert_eq!(names.len(), 3 * 28 * 2);
        assert!(
            names[0].starts_with("year=2022/day=2024-05-01/part-00000-000000."),
            "{}",
            names[0]
        );
    }
    let one = fs::read_to_string(host.path("csv/year=2022/day=2024-05-01/part-00000-000000.csv"));
    assert_eq!(one.unwrap().lines().take(3).collect::<Vec<_>>(), ["id,customer", "0,c0", "84,c84"]);
}

#[test]
fn values_are_escaped_and_null_has_a_folder() {
    let host = Host::new();
    let values =
        ["a b/c", "x=y", "100%", "é", ".", "..", "", "__HIVE_DEFAULT_PARTITION__", "a'b:c", "null"];
    let lines: String =
        values.iter().map(|value| format!("{{\"k\":\"{value}\",\"n\":1}}\n")).collect();
    host.write("in.json", lines + "{\"k\":null,\"n\":2}\n");
    let select = "SELECT k, n FROM 'in.json'";
    let made = format!(
        "CREATE STREAM o WITH ('connector' = 'file', 'path' = 'o', 'format' = 'csv', 'partition.by' = 'K') AS {select}; "
    );
    let ordered =
        |from: &str| format!("SELECT k, n, k IS NULL AS nothing FROM {from} ORDER BY k, n");
    let back = host.sql(&(made + &ordered("o")));
    assert_eq!(back.stderr(), "");
    assert_eq!(back.stdout(), host.sql(&ordered("'in.json'")).stdout());
    let folders: Vec<String> = names(&host.path("o"))
        .iter()
        .map(|name| name.split_once('/').unwrap().0.to_owned())
        .collect();
    // As Python's urllib.parse.quote(value, safe='') writes them, and Hive's mark for NULL.
    let expected = [
        "k=%5F_HIVE_DEFAULT_PARTITION__",
        "k=%C3%A9",
        "k=..",
        "k=.",
        "k=",
        "k=100%25",
        "k=__HIVE_DEFAULT_PARTITION__",
        "k=a%20b%2Fc",
        "k=a%27b%3Ac",
        "k=null",
        "k=x%3Dy",
    ];
    assert_eq!(folders, expected);
}

#[test]
fn files_do_not_depend_on_batches_or_cores() {
    let host = host();
    // More folders than files that are encoded at once, some of which come again: 1,204 of them.
    let rows =
        (0..1_300).map(|id| format!("{id},{},1,{}\n", id, if id % 13 == 0 { id / 26 } else { id }));
    host.write("wide/a.csv", format!("id,year,day,customer\n{}", rows.collect::<String>()));
    for (by, from, file_count, more) in [
        ("year", "in", 12, ", 'format' = 'csv', 'rolling' = '16KB'"),
        ("customer", "in", 302, ", 'format' = 'csv', 'compression' = 'gzip'"),
        ("year", "in", 12, ", 'format' = 'json', 'compression' = 'zstd', 'rolling' = '1KB'"),
        ("year", "in", 6, ", 'format' = 'parquet', 'rolling' = '10KB'"),
        ("customer", "wide", 1_205, ", 'format' = 'arrow'"),
    ] {
        let mut trees = Vec::new();
        for (batch_rows, cores) in [(7, 1), (8192, 2)] {
            let path = format!("o-{batch_rows}");
            let _ = fs::remove_dir_all(host.path(&path));
            let settings = format!("SET 'batch.rows' = '{batch_rows}'; SET 'cores' = '{cores}'; ");
            let made = stream(&path, by, more).replace("'in/", &format!("'{from}/"));
            let ran = host.sql(&(settings + &made));
            assert_eq!(ran.stderr(), "", "{more}");
            trees.push(tree(&host.path(&path)));
        }
        assert!(trees[0] == trees[1], "{more}");
        assert!(trees[0].len() >= file_count, "{more}: {}", trees[0].len());
    }
}

#[test]
fn what_is_there_is_the_whole_tree() {
    let host = host();
    let csv = |more: &str| stream("o", "year", &format!(", 'format' = 'csv'{more}"));
    assert_eq!(host.sql(&csv("")).stderr(), "");
    let first = names(&host.path("o"));
    assert_eq!(first.len(), 6);
    host.write("o/year=2022/notes.txt", "of somebody else");
    let refused = host.sql(&csv("")).fails(1);
    assert!(
        refused.contains("already holds results (o/year=2022/part-00000-000000.csv)"),
        "{refused}"
    );
    assert_eq!(host.sql(&csv(", 'on.existing' = 'append'")).stderr(), "");
    assert_eq!(names(&host.path("o")).len(), 13);
    // Folders of which nothing is left go, and what others put there stays.
    let by_day = stream("o", "day", ", 'format' = 'csv', 'on.existing' = 'replace'");
    assert_eq!(host.sql(&by_day).stderr(), "");
    let names = names(&host.path("o"));
    assert_eq!(names.iter().filter(|name| name.starts_with("day=")).count(), 56);
    assert_eq!(names.iter().filter(|name| name.starts_with("year=")).count(), 1);
    assert!(host.path("o/year=2022/notes.txt").is_file() && !host.path("o/year=2023").exists());
    // Without folders they are results, too.
    let plain = "CREATE STREAM p WITH ('connector' = 'file', 'path' = 'o', 'format' = 'csv', 'on.existing' = 'replace') \
                 AS SELECT 1 AS one FROM 'in/a.csv' LIMIT 1";
    assert_eq!(host.sql(plain).stderr(), "");
    assert!(!host.path("o/day=2024-05-01").exists());
}

#[test]
fn a_job_that_fails_leaves_no_folder() {
    let host = host();
    let fails = "CREATE STREAM o WITH ('connector' = 'file', 'path' = 'o', 'format' = 'parquet', 'partition.by' = 'year') AS \
                 SELECT year, 1 / (id - 9000) AS x FROM 'in/*.csv'";
    let said = host.sql(fails).fails(1);
    assert!(said.contains("division by zero"), "{said}");
    assert_eq!(fs::read_dir(host.path("o")).unwrap().count(), 0);
}

#[test]
fn a_table_of_flink_is_partitioned_so() {
    let host = host();
    let table = "CREATE TABLE o (id BIGINT, customer STRING, year INT, day DATE) PARTITIONED BY (year, day) \
                 WITH ('connector' = 'filesystem', 'path' = 'o', 'format' = 'parquet'); ";
    let written = table.replace("'parquet'", "'parquet', 'durable' = 'false'");
    let insert = "INSERT INTO o SELECT id, customer, CAST(year AS INT), day FROM 'in/*.csv'; ";
    assert_eq!(host.sql(&format!("{written}{insert}")).stderr(), "");
    assert!(host.path("o/year=2023/day=2024-05-02/part-00000-000000.parquet").is_file());
    let read =
        host.sql(&format!("{table}SELECT COUNT(*) AS n, SUM(year) AS y, MAX(day) AS d FROM o"));
    // 10,000 rows of 2022, 2023 and 2024 in turn.
    assert_eq!(read.stdout(), "n,y,d\n10000,20229999,2024-05-28\n");
}
