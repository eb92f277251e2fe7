//! With bad, late and failing rows mixed, results, dead letters, counts and errors are the same whatever the
//! batch size and the cores.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::thread::available_parallelism;

use support::Host;

/// Ways through the stages in which a row can fail, come too late, or lie behind a limit.
const QUERIES: [&str; 17] = [
    "SELECT k, 60 / v AS x FROM t WHERE 40 / (v - 3) <> 7",
    "SELECT k, 60 / v AS x FROM t WHERE 40 / (v - 3) <> 7 LIMIT 25",
    "SELECT k, 60 / v AS x FROM t LIMIT 40 OFFSET 35",
    "SELECT k, 60 / v AS x FROM t ORDER BY x, k LIMIT 25",
    "SELECT k, 600 / (SUM(v) % 20) AS x FROM t GROUP BY k",
    "SELECT k, 600 / (SUM(v) % 20) AS x FROM t GROUP BY k EMIT CHANGES",
    "SELECT k, 600 / (SUM(v) % 20) AS x FROM t GROUP BY k EMIT CHANGES LIMIT 30",
    "SELECT k, SUM(v) AS s FROM t GROUP BY k HAVING 600 / (SUM(v) % 20) > 0 EMIT CHANGES EVERY 9 ROWS",
    "SELECT v % 5 AS m, 600 / (SUM(v) % 3) AS x FROM t GROUP BY v % 5",
    "SELECT k, window_end, 600 / (SUM(v) % 4) AS x FROM t GROUP BY k WINDOW TUMBLING (at, 20s)",
    "SELECT k, window_end, 600 / (SUM(v) % 4) AS x FROM t WHERE 40 / (v - 3) <> 7 GROUP BY k WINDOW HOPPING (at, 30s, 10s) LIMIT 20",
    "SELECT k, window_end, 600 / (SUM(v) % 4) AS x FROM t GROUP BY k WINDOW TUMBLING (at, 20s) EMIT CHANGES EVERY 7 ROWS",
    "SELECT k, window_end, 600 / (SUM(v) % 4) AS x FROM t GROUP BY k WINDOW SESSION (at, 3s)",
    "SELECT v % 3 AS m, window_end, 600 / (SUM(v) % 4) AS x FROM t WHERE 40 / (v - 3) <> 7 GROUP BY v % 3 WINDOW TUMBLING (at, 20s)",
    "SELECT k, 60 / v AS x, SUM(v) OVER (PARTITION BY k ORDER BY at) AS s FROM t",
    "SELECT k, 60 / v AS x, SUM(v) OVER (PARTITION BY k ORDER BY at) AS s FROM t WHERE 40 / (v - 3) <> 7 LIMIT 33",
    "SELECT k, SUM(big) AS s FROM t GROUP BY k EMIT CHANGES",
];

/// Three files of records, some of each with a value that is no number, without a time, late, or one on which
/// expressions fail; sums of `big` go out of range now and then.
fn write_input(host: &Host, seed: u64) {
    let mut state = seed;
    let mut random = |below: u64| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    for file in 0..3 {
        let mut text = String::from("k,v,at,big\n");
        let mut second = 1_000;
        for _ in 0..400 {
            second += random(2);
            let late = if random(8) == 0 { random(40) } else { random(3) };
            let v = match random(30) {
                0 => "none".to_owned(),
                1 | 2 => "0".to_owned(),
                3 => "3".to_owned(),
                _ => (4 + random(50)).to_string(),
            };
            let at = match random(60) {
                0 => String::new(),
                _ => {
                    format!("1970-01-01 00:{:02}:{:02}", (second - late) / 60, (second - late) % 60)
                }
            };
            let big = if random(300) == 0 { i64::MAX } else { 1 };
            writeln!(text, "{file}{},{v},{at},{big}", random(6)).unwrap();
        }
        host.write(&format!("in/{file}.csv"), text);
    }
}

fn source(bad: &str, late: &str, dead: &str) -> String {
    format!(
        "CREATE SOURCE t (k VARCHAR, v BIGINT, at TIMESTAMP, big BIGINT, \
         WATERMARK FOR at AS at - INTERVAL '5' SECOND) PARTITIONED BY (k) WITH ('connector' = 'file', \
         'path' = 'in', 'format' = 'csv', 'bad.records' = '{bad}', 'late.records' = '{late}', \
         'dead.letter.path' = '{dead}');\n"
    )
}

/// Sizes of batch and numbers of cores, as far as there are so many.
fn variants() -> Vec<[String; 4]> {
    let cores = available_parallelism().unwrap().get();
    let all = [(1, 2), (7, 1), (7, 4), (1000, 2), (8192, 1), (8192, 2)];
    let flags = |(rows, count): (usize, usize)| {
        ["--batch-rows".into(), rows.to_string(), "--cores".into(), count.min(cores).to_string()]
    };
    all.map(flags).to_vec()
}

fn run(host: &Host, script: &str, flags: &[String; 4]) -> support::Ran {
    let mut arguments = vec!["run", "--format", "csv", "-e", script];
    arguments.extend(flags.iter().map(String::as_str));
    host.tidemill(&arguments)
}

/// Every file below a directory, by name.
fn files(host: &Host, directory: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let below = host.path(directory);
    let mut directories = vec![below.clone()];
    while let Some(directory) = directories.pop() {
        let Ok(entries) = fs::read_dir(&directory) else { continue };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
                continue;
            }
            let name = path.strip_prefix(&below).unwrap().to_string_lossy().into_owned();
            found.insert(name, fs::read_to_string(&path).unwrap());
        }
    }
    found
}

/// What of a summary does not depend on time: numbers of records, rows, bad and late ones.
fn counts(summary: &str) -> Vec<String> {
    let is_count = |line: &&str| {
        let is_of_core = line.starts_with("core ");
        !is_of_core && ["rows out", "bad records", "late records"].iter().any(|w| line.contains(w))
    };
    let records = summary.lines().find(|line| line.contains(" records ("));
    let records = records.map(|line| line.split(" (").next().unwrap_or_default().to_owned());
    records.into_iter().chain(summary.lines().filter(is_count).map(str::to_owned)).collect()
}

#[test]
fn what_is_set_aside_and_what_is_left_are_the_same() {
    for (seed, bad, late) in [(11, "skip", "dead_letter"), (12, "dead_letter", "dead_letter")] {
        let host = Host::new();
        write_input(&host, seed);
        let mut expected = None;
        for (variant, flags) in variants().into_iter().enumerate() {
            let mut found = Vec::new();
            // The last query fails, and sums out of range are no bad records.
            for (number, query) in QUERIES[..16].iter().enumerate() {
                let (out, dead) =
                    (format!("{variant}/out/{number}"), format!("{variant}/dead/{number}"));
                let script = format!(
                    "{}CREATE SINK s WITH ('connector' = 'file', 'path' = '{out}', 'format' = 'csv');\n\
                     INSERT INTO s {query};",
                    source(bad, late, &dead)
                );
                let ran = run(&host, &script, &flags);
                ran.succeeds();
                found.push((files(&host, &out), files(&host, &dead), counts(&ran.stderr())));
            }
            let expected = expected.get_or_insert_with(|| found.clone());
            for ((number, found), expected) in found.iter().enumerate().zip(expected) {
                let query = QUERIES[number];
                assert_eq!(found.1, expected.1, "dead letters, seed {seed}, {flags:?}, {query}");
                assert_eq!(found.2, expected.2, "counts, seed {seed}, {flags:?}, {query}");
                assert!(found.0 == expected.0, "results, seed {seed}, {flags:?}, {query}");
            }
        }
        let expected = expected.unwrap();
        if bad == "dead_letter" {
            assert!(expected[..10].iter().all(|(_, dead, _)| !dead.is_empty()), "seed {seed}");
        }
        let is_late = |counts: &[String]| counts.iter().any(|line| line.contains("late records"));
        assert!(expected.iter().filter(|(.., counts)| is_late(counts)).count() > 4, "seed {seed}");
    }
}

#[test]
fn the_error_and_what_is_printed_before_it_are_the_same() {
    let seed = 21;
    let host = Host::new();
    write_input(&host, seed);
    for query in QUERIES {
        let script = format!("{}{query};", source("fail", "drop", "dead"));
        let mut expected = None;
        for flags in variants() {
            let ran = run(&host, &script, &flags);
            let error: Vec<String> = ran
                .stderr()
                .lines()
                .filter(|l| l.contains("error") || l.starts_with("  at"))
                .map(str::to_owned)
                .collect();
            let found = (ran.output.status.code(), ran.stdout(), error);
            let expected = expected.get_or_insert_with(|| found.clone());
            assert_eq!(found, *expected, "seed {seed}, {flags:?}, {query}");
        }
    }
}

#[test]
fn of_two_inserts_the_first_that_fails_is_reported() {
    let seed = 31;
    let host = Host::new();
    write_input(&host, seed);
    // The second fails at its first record; the first one somewhere in its last partition.
    host.write(
        "late.csv",
        std::iter::once("n\n".to_owned())
            .chain((0..5000).map(|n| format!("{n}\n")))
            .collect::<String>()
            + "x\n",
    );
    let first = "CREATE SOURCE l (n BIGINT) WITH ('connector' = 'file', 'path' = 'late.csv', \
                 'format' = 'csv'); CREATE SINK a WITH ('connector' = 'file', \
                 'path' = 'a', 'format' = 'csv'); INSERT INTO a SELECT n FROM l;";
    let second = "CREATE SINK b WITH ('connector' = 'file', 'path' = 'b', 'format' = 'csv'); \
                  INSERT INTO b SELECT 1 / (v - v) AS x FROM t WHERE v > 0;";
    for flags in variants() {
        let script = format!("{first}{}{second}", source("fail", "drop", "dead"));
        let error = run(&host, &script, &flags).fails(1);
        assert!(
            error.contains("query a failed")
                && error.contains("late.csv") | error.contains("in l,"),
            "{flags:?}: {error}"
        );
        let script = format!("{}{second}{first}", source("fail", "drop", "dead"));
        let error = run(&host, &script, &flags).fails(1);
        assert!(
            error.contains("query b failed: bad record in t, partition 0"),
            "{flags:?}: {error}"
        );
    }
}
