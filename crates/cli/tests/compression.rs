//! `'compression'` of what file sinks write, said or by the end of a file's name.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::fs;
use std::process::Command;

use support::Host;

/// A host with three files that hold rows, none, and rows, and what they hold.
fn host() -> (Host, String) {
    let host = Host::new();
    let rows = |range: std::ops::Range<u32>| -> String {
        range.map(|id| format!("{id},name {},{}.5\n", id % 97, id % 7)).collect()
    };
    for (name, range) in [("a", 0..30_000), ("b", 0..0), ("c", 30_000..30_050)] {
        host.write(&format!("in/{name}.csv"), format!("id,name,value\n{}", rows(range)));
    }
    (host, format!("id,name,value\n{}", rows(0..30_050)))
}

fn stream(options: &str) -> String {
    format!(
        "CREATE STREAM o WITH ('connector' = 'file', {options}) AS SELECT id, name, value FROM 'in/*.csv'; "
    )
}

/// What a program of the host makes of a file.
fn unpacked(host: &Host, program: &str, path: &str) -> String {
    let output = Command::new(program).arg("-dc").arg(host.path(path)).output().unwrap();
    assert!(output.status.success(), "{program} {path}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn one_file_of_several_partitions_is_a_member_of_each() {
    let (host, expected) = host();
    for (ending, program) in [("csv.gz", "gzip"), ("csv.zst", "zstd"), ("CSV.GZ", "gzip")] {
        let path = format!("o.{ending}");
        let ran = host.sql(&(stream(&format!("'path' = '{path}'")) + "SELECT * FROM o"));
        assert_eq!((ran.stderr(), ran.stdout() == expected), (String::new(), true), "{ending}");
        let byte_count = fs::metadata(host.path(&path)).unwrap().len();
        assert!(byte_count * 3 < expected.len() as u64, "{byte_count}");
        // Not every host has a zstd.
        if program == "gzip" {
            assert!(unpacked(&host, program, &path) == expected);
        }
    }
}

#[test]
fn files_of_a_directory_bear_the_ending_and_are_read_back() {
    let (host, expected) = host();
    for (format, codec, ending) in [
        ("csv", "gzip", "csv.gz"),
        ("csv", "zstd", "csv.zst"),
        ("json", "gzip", "jsonl.gz"),
        ("json", "zstd", "jsonl.zst"),
        ("parquet", "snappy", "parquet"),
        ("parquet", "lz4", "parquet"),
        ("parquet", "gzip", "parquet"),
        ("parquet", "none", "parquet"),
        ("arrow", "lz4", "arrow"),
        ("arrows", "zstd", "arrows"),
    ] {
        let path = format!("{format}-{codec}");
        let options =
            format!("'path' = '{path}', 'format' = '{format}', 'compression' = '{codec}'");
        let ran = host.sql(&(stream(&options) + "SELECT * FROM o"));
        assert_eq!((ran.stderr(), ran.stdout() == expected), (String::new(), true), "{path}");
        for partition in 0..3 {
            let name = format!("{path}/part-0000{partition}-000000.{ending}");
            assert!(host.path(&name).is_file(), "{name}");
        }
        let again = stream(&format!("{options}, 'on.existing' = 'append'"));
        assert_eq!(host.sql(&again).stderr(), "");
        assert!(host.path(&format!("{path}/part-00002-000001.{ending}")).is_file());
        let refused = host.sql(&stream(&options)).fails(1);
        assert!(refused.contains("already holds results"), "{refused}");
    }
}

#[test]
fn levels_are_heeded() {
    let (host, _) = host();
    for (ending, more, low, high) in [
        ("csv.gz", "", 1, 9),
        ("csv.zst", "", 1, 19),
        ("parquet", ", 'compression' = 'gzip'", 1, 9),
        ("parquet", ", 'compression' = 'zstd'", 1, 19),
        ("arrow", ", 'compression' = 'zstd'", 1, 19),
    ] {
        let byte_count = |level: u32| {
            let path = format!("{level}/o.{ending}");
            let options = format!(
                "'path' = '{path}'{more}, 'compression.level' = '{level}', 'on.existing' = 'replace'"
            );
            assert_eq!(host.sql(&stream(&options)).stderr(), "");
            fs::metadata(host.path(&path)).unwrap().len()
        };
        // Zstandard's highest is not the smallest for lines that are this regular.
        assert_ne!(byte_count(low), byte_count(high), "{ending}{more}");
    }
}

#[test]
fn rolling_counts_what_is_written_and_ends_at_the_same_row_however_rows_come() {
    let (host, _) = host();
    let mut listings = Vec::new();
    for batch_rows in [7, 8192] {
        let options = format!(
            "'path' = 'o{batch_rows}', 'format' = 'csv', 'compression' = 'gzip', 'rolling' = '32KiB'"
        );
        host.sql(&format!("SET 'batch.rows' = '{batch_rows}'; {}", stream(&options)));
        let mut files: Vec<_> = fs::read_dir(host.path(&format!("o{batch_rows}")))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .map(|path| (path.file_name().unwrap().to_owned(), fs::read(path).unwrap()))
            .collect();
        files.sort_unstable();
        listings.push(files);
    }
    assert!(listings[0] == listings[1]);
    // Of each partition all but the last; one has many rows.
    let first = |partition: &str| {
        listings[0]
            .iter()
            .filter(|(name, _)| name.to_str().unwrap().starts_with(partition))
            .collect()
    };
    let of_partition: [Vec<_>; 3] = ["part-00000-", "part-00001-", "part-00002-"].map(first);
    assert!(of_partition[0].len() >= 2 && of_partition.iter().all(|files| !files.is_empty()));
    for files in &of_partition {
        let before_last = &files[..files.len() - 1];
        assert!(before_last.iter().all(|(_, bytes)| bytes.len() > 32 << 10));
    }
    let longest = listings[0].iter().map(|(_, bytes)| bytes.len()).max().unwrap();
    assert!(longest < 80 << 10, "{longest}");
}
