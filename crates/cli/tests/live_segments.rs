//! Segments of input without end: visible as they roll, and nobody's name is taken or removed afterwards.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use support::Host;

/// What is in the files of the sink, by name.
type Files = BTreeMap<String, String>;

fn live(format: &str, on_existing: &str) -> String {
    format!(
        "CREATE SOURCE g WITH ('connector' = 'generator', 'schema' = 'trades', 'rows' = 'unlimited', \
         'rate' = '100000', 'partitions' = '2'); \
         CREATE SINK o WITH ('connector' = 'file', 'path' = 'out', 'format' = '{format}', \
         'rolling' = '256KiB', 'on.existing' = '{on_existing}'); \
         INSERT INTO o SELECT * FROM g"
    )
}

fn start(command: &mut Command) -> Child {
    command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

fn send(child: &Child, signal: libc::c_int) {
    // SAFETY: the child has not been waited for, so that the number is still its own.
    unsafe { libc::kill(libc::pid_t::try_from(child.id()).unwrap(), signal) };
}

fn names(host: &Host) -> Vec<String> {
    let Ok(entries) = fs::read_dir(host.path("out")) else { return Vec::new() };
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| !name.starts_with('.'));
    names.sort_unstable();
    names
}

fn is_visible(name: &str) -> bool {
    !name.ends_with(".open")
}

fn files(host: &Host) -> Files {
    let read = |name: String| {
        let text = fs::read_to_string(host.path("out").join(&name)).unwrap();
        (name, text)
    };
    names(host).into_iter().map(read).collect()
}

#[track_caller]
fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < Duration::from_secs(60), "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn wait_for_visible(host: &Host, count: usize) {
    wait_until("so many segments are visible", || {
        names(host).iter().filter(|name| is_visible(name)).count() >= count
    });
}

/// Holds the files of each partition, in order, to what the generator makes: trades in rising numbers. How many.
#[track_caller]
fn check_rows<'a>(files: impl Iterator<Item = (&'a String, &'a String)>) -> usize {
    let mut last: BTreeMap<String, i64> = BTreeMap::new();
    let mut count = 0;
    for (name, text) in files {
        assert!(text.ends_with('\n'), "{name} ends within a row");
        let mut lines = text.lines();
        assert!(lines.next().unwrap().starts_with("trade_id,"), "{name} has a header");
        let partition = name.split('-').nth(1).unwrap().to_owned();
        for line in lines {
            let id: i64 = line.split(',').next().unwrap().parse().unwrap();
            let before = last.insert(partition.clone(), id).unwrap_or(-1);
            assert!(id > before, "{name}: {id} behind {before}");
            count += 1;
        }
    }
    count
}

#[test]
fn segments_are_visible_while_the_job_runs_and_all_rows_after_it() {
    let host = Host::new();
    let child = start(&mut host.command(&["run", "-e", &live("csv", "fail")]));
    wait_for_visible(&host, 4);
    let seen: Files = files(&host).into_iter().filter(|(name, _)| is_visible(name)).collect();
    assert!(check_rows(seen.iter()) > 0);
    send(&child, libc::SIGTERM);
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    let all = files(&host);
    assert!(all.keys().all(|name| is_visible(name)), "{:?}", all.keys());
    assert!(seen.iter().all(|(name, text)| all[name] == *text), "what is visible does not change");
    let counted =
        stderr.lines().find_map(|line| Some(line.split_once(" rows out")?.0.replace(',', "")));
    assert_eq!(check_rows(all.iter()).to_string(), counted.unwrap());
}

/// A Parquet encoder holds a row group back, which counts for the length of the segment.
#[test]
fn columnar_segments_roll_by_what_they_are_going_to_hold() {
    for format in ["parquet", "arrow"] {
        let host = Host::new();
        let child = start(&mut host.command(&["run", "-e", &live(format, "fail")]));
        wait_for_visible(&host, 3);
        send(&child, libc::SIGTERM);
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{stderr}");
        let counted =
            stderr.lines().find_map(|line| Some(line.split_once(" rows out")?.0.replace(',', "")));
        let all = host.sql(&format!(
            "SELECT COUNT(*) AS n, COUNT(DISTINCT trade_id) AS ids FROM 'out/*.{format}'"
        ));
        let count = counted.unwrap();
        assert_eq!(all.succeeds(), format!("n,ids\n{count},{count}\n"));
        for entry in fs::read_dir(host.path("out")).unwrap() {
            let byte_count = entry.unwrap().metadata().unwrap().len();
            assert!(byte_count < 2 << 20, "about 256 KiB: {byte_count}");
        }
    }
}

#[test]
fn what_a_killed_job_leaves_is_nobody_elses() {
    let host = Host::new();
    let mut kept = Files::new();
    for delay_ms in [0, 3, 17, 40, 90] {
        let mut child = start(&mut host.command(&["run", "-q", "-e", &live("csv", "fail")]));
        wait_for_visible(&host, kept.len() + 1);
        std::thread::sleep(Duration::from_millis(delay_ms));
        child.kill().unwrap();
        child.wait().unwrap();
        let left = files(&host);
        assert!(kept.iter().all(|(name, text)| left.get(name) == Some(text)), "{delay_ms}");
        check_rows(left.iter().filter(|(name, _)| is_visible(name)));

        // The next one is refused, and says what is there; nothing changes.
        let named = host.sql(&live("csv", "fail")).fails(1);
        assert!(named.contains("already holds results"), "{named}");
        assert_eq!(files(&host), left);
        // Whom the segments were for takes them; what was open stays, and numbers go on behind it.
        let highest =
            left.keys().map(|name| name.split(['-', '.']).nth(2).unwrap().to_owned()).max();
        for name in left.keys().filter(|name| is_visible(name)) {
            fs::remove_file(host.path("out").join(name)).unwrap();
        }
        kept = left.into_iter().filter(|(name, _)| !is_visible(name)).collect();
        assert!(!kept.is_empty());
        let next = "CREATE SINK o WITH ('connector' = 'file', 'path' = 'out', 'format' = 'csv'); \
                    INSERT INTO o SELECT 1 AS one FROM 't.csv'";
        host.write("t.csv", "a\n1\n");
        let ran = host.sql(next);
        ran.succeeds();
        assert!(
            ran.stderr().contains("did not end in good order has left out/part-"),
            "{}",
            ran.stderr()
        );
        let now = files(&host);
        assert!(kept.iter().all(|(name, text)| now.get(name) == Some(text)));
        let new = now.keys().find(|name| is_visible(name)).unwrap();
        assert!(new.split(['-', '.']).nth(2).unwrap() > highest.unwrap().as_str(), "{new}");
        fs::remove_file(host.path("out").join(new)).unwrap();
    }
}

#[test]
fn replacing_begins_with_the_first_segment_and_leaves_open_files() {
    let host = Host::new();
    let mut child = start(&mut host.command(&["run", "-q", "-e", &live("csv", "fail")]));
    wait_for_visible(&host, 3);
    child.kill().unwrap();
    child.wait().unwrap();
    let left = files(&host);
    let child = start(&mut host.command(&["run", "-q", "-e", &live("csv", "replace")]));
    let is_new = |name: &String| is_visible(name) && !left.contains_key(name);
    wait_until("new segments are visible", || {
        names(&host).iter().filter(|name| is_new(name)).count() > 2
    });
    send(&child, libc::SIGINT);
    assert!(child.wait_with_output().unwrap().status.success());
    let now = files(&host);
    for (name, text) in &left {
        assert_eq!(now.get(name), (!is_visible(name)).then_some(text), "{name}");
    }
    check_rows(now.iter().filter(|(name, _)| is_visible(name)));
}

#[test]
fn what_was_published_stays_when_the_job_fails_and_the_rest_is_left_open() {
    let host = Host::new();
    let rows = |first: u32, count: u32| -> String {
        (first..first + count).map(|n| format!("{n},{}\n", "x".repeat(90))).collect()
    };
    host.write("log.csv", format!("n,text\n{}", rows(0, 8_000)));
    let script = "CREATE SOURCE log (n BIGINT, text VARCHAR) WITH ('connector' = 'file', 'path' = 'log.csv', \
                  'follow' = 'true'); \
                  CREATE SINK o WITH ('connector' = 'file', 'path' = 'out', 'format' = 'csv', 'rolling' = '256KiB'); \
                  INSERT INTO o SELECT n, text FROM log";
    let child = start(&mut host.command(&["run", "-q", "-e", script]));
    wait_for_visible(&host, 2);
    let mut log = fs::OpenOptions::new().append(true).open(host.path("log.csv")).unwrap();
    log.write_all(b"not a number,y\n").unwrap();
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("bad record"), "{stderr}");
    let found = files(&host);
    let (open, visible): (Files, Files) =
        found.into_iter().partition(|(name, _)| !is_visible(name));
    assert_eq!((open.len(), visible.len()), (1, 2), "{:?}", visible.keys());
    let (name, rest) = open.first_key_value().unwrap();
    assert!(stderr.contains(&format!("left in out/{name}")), "{stderr}");
    // Together they have every row before the bad one.
    let rows_of = |text: &String| text.lines().skip(1).map(str::to_owned).collect::<Vec<_>>();
    let all: Vec<String> = visible.values().chain([rest]).flat_map(rows_of).collect();
    assert_eq!(all.join("\n") + "\n", rows(0, 8_000));
}

/// Follows `log.csv` into `out`, or what does not fit into `dead`.
fn follow(options: &str) -> String {
    format!(
        "CREATE SOURCE log (n BIGINT) WITH ('connector' = 'file', 'path' = 'log.csv', 'follow' = 'true', \
         'bad.records' = 'dead_letter', 'dead.letter.path' = 'dead'); \
         CREATE SINK o WITH ('connector' = 'file', 'path' = 'out'{options}); \
         INSERT INTO o SELECT n FROM log"
    )
}

fn append(host: &Host, text: &str) {
    let mut log = fs::OpenOptions::new().append(true).open(host.path("log.csv")).unwrap();
    log.write_all(text.as_bytes()).unwrap();
}

#[test]
fn rows_are_visible_after_the_interval_and_segments_without_rows_are_not() {
    let host = Host::new();
    host.write("log.csv", "n\n1\n2\n");
    let script = follow(", 'format' = 'csv', 'rolling.interval' = '200ms'");
    let child = start(&mut host.command(&["run", "-e", &script]));
    wait_for_visible(&host, 1);
    append(&host, "3\n");
    wait_for_visible(&host, 2);
    append(&host, "4\nfour\n");
    wait_for_visible(&host, 3);
    let letters = host.path("dead/dead-00000-000000.jsonl");
    wait_until("the dead letter is visible", || letters.exists());
    append(&host, "five\n");
    let letters = host.path("dead/dead-00000-000001.jsonl");
    wait_until("the next one is visible", || letters.exists());
    send(&child, libc::SIGTERM);
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    // By then intervals without a row have passed, and at the stop there was nothing more.
    let texts: Vec<String> = files(&host).into_values().collect();
    assert_eq!(texts, ["n\n1\n2\n", "n\n3\n", "n\n4\n"]);
    assert!(fs::read_to_string(letters).unwrap().contains("\"record\":\"five\""));
    assert_eq!(fs::read_dir(host.path("dead")).unwrap().count(), 2);
}

#[test]
fn the_interval_cuts_every_format_into_whole_files_and_off_into_none() {
    for (format, extension) in [("json", "jsonl"), ("parquet", "parquet"), ("arrow", "arrow")] {
        let host = Host::new();
        host.write("log.csv", "n\n1\n");
        let script = follow(&format!(", 'format' = '{format}', 'rolling.interval' = '50ms'"));
        let child = start(&mut host.command(&["run", "-q", "-e", &script]));
        wait_for_visible(&host, 1);
        append(&host, "2\n");
        wait_for_visible(&host, 2);
        let read = format!("SELECT COUNT(*) AS n, SUM(n) AS s FROM 'out/*.{extension}'");
        assert_eq!(host.sql(&read).succeeds(), "n,s\n2,3\n", "{format}, while the job runs");
        send(&child, libc::SIGTERM);
        assert!(child.wait_with_output().unwrap().status.success());
        assert_eq!(names(&host).len(), 2);
    }
    let host = Host::new();
    host.write("log.csv", "n\n1\n");
    let off = follow(", 'format' = 'csv', 'rolling.interval' = 'off', 'rolling' = '256KiB'");
    let child = start(&mut host.command(&["run", "-q", "-e", &off]));
    wait_until("the sink is open", || names(&host).len() == 1);
    append(&host, "2\n");
    send(&child, libc::SIGTERM);
    assert!(child.wait_with_output().unwrap().status.success());
    assert_eq!(names(&host), ["part-00000-000000.csv"]);
}

#[test]
fn appended_results_stand_behind_the_earlier_ones_which_stay() {
    let host = Host::new();
    host.write("a.csv", "n\n1\n");
    host.write("b.csv", "n\n2\nx\n");
    let script = |path: &str| {
        format!(
            "CREATE SOURCE s (n BIGINT) WITH ('connector' = 'file', 'path' = '{path}'); \
             CREATE SINK o WITH ('connector' = 'file', 'path' = 'out', 'format' = 'csv', 'on.existing' = 'append'); \
             INSERT INTO o SELECT n FROM s"
        )
    };
    host.sql(&script("a.csv")).succeeds();
    host.sql(&script("a.csv")).succeeds();
    let before = files(&host);
    assert_eq!(
        before.keys().collect::<Vec<_>>(),
        ["part-00000-000000.csv", "part-00000-000001.csv"]
    );
    // One that fails leaves all as it was.
    host.sql(&script("b.csv")).fails(1);
    assert_eq!(files(&host), before);
    // A live one that is started again goes on.
    host.write("log.csv", "n\n3\n");
    let live = follow(", 'format' = 'csv', 'on.existing' = 'append', 'rolling.interval' = '50ms'");
    for count in [3, 4] {
        let child = start(&mut host.command(&["run", "-q", "-e", &live]));
        wait_for_visible(&host, count);
        send(&child, libc::SIGTERM);
        assert!(child.wait_with_output().unwrap().status.success());
    }
    let texts: Vec<String> = files(&host).into_values().collect();
    assert_eq!(texts, ["n\n1\n", "n\n1\n", "n\n3\n", "n\n3\n"]);
}

#[test]
fn a_live_job_that_fails_before_its_first_row_leaves_nothing() {
    let host = Host::new();
    host.write("log.csv", "n\nx\n");
    let script = "CREATE SOURCE log (n BIGINT) WITH ('connector' = 'file', 'path' = 'log.csv', 'follow' = 'true'); \
                  CREATE SINK o WITH ('connector' = 'file', 'path' = 'out', 'format' = 'csv'); \
                  INSERT INTO o SELECT n FROM log";
    host.sql(script).fails(1);
    assert!(names(&host).is_empty());
}
