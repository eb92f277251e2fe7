//! Files that come to a followed directory or pattern while the job runs: each is a partition of its own, in every run.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use support::Host;
use support::live::Live;

const STATE: &str = "SET 'state.dir' = 'state'; SET 'checkpoint.interval' = '5ms'; ";
const SINK: &str = "CREATE SINK o WITH ('connector' = 'file', 'path' = 'out', 'format' = 'csv', 'rolling.interval' = '20ms'); ";

fn source(path: &str, options: &str) -> String {
    format!(
        "CREATE SOURCE s (k VARCHAR, t TIMESTAMP NOT NULL, WATERMARK FOR t AS t) WITH \
         ('connector' = 'file', 'path' = '{path}', 'format' = 'csv', 'timestamp.unit' = 's', \
         'follow' = 'true'{options}); "
    )
}

fn append(host: &Host, name: &str, text: &str) {
    fs::create_dir_all(host.path(name).parent().unwrap()).unwrap();
    let opened = fs::OpenOptions::new().append(true).create(true).open(host.path(name));
    opened.unwrap().write_all(text.as_bytes()).unwrap();
}

/// Rows of each partition, its segments one behind the other.
fn parts(host: &Host, folder: &str) -> BTreeMap<String, Vec<String>> {
    let mut parts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let Ok(entries) = fs::read_dir(host.path(folder)) else { return parts };
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if name.starts_with('.') || name.ends_with(".open") {
            continue;
        }
        let rows = fs::read_to_string(&path).unwrap();
        let rows = rows.lines().skip(1).map(str::to_owned);
        parts.entry(name[..10].to_owned()).or_default().extend(rows);
    }
    parts
}

/// Waits for a condition; what it saw last where that does not come true.
fn wait_for<T: std::fmt::Debug>(look: impl Fn() -> T, is_so: impl Fn(&T) -> bool) -> T {
    let began = Instant::now();
    loop {
        let seen = look();
        if is_so(&seen) {
            return seen;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "it is still {seen:?}");
        sleep(Duration::from_millis(5));
    }
}

fn start(host: &Host, sql: &str) -> Child {
    let mut command = host.command(&["run", "-e", sql]);
    let said = fs::OpenOptions::new().append(true).create(true).open(host.path("said")).unwrap();
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(said).spawn().unwrap()
}

fn kill(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_file_that_comes_is_read_and_a_rotation_is_no_new_file() {
    let host = Host::new();
    host.write("in/b.log", "k,t\na,1\n");
    let live = Live::start(&host, &(source("in/*.log*", "") + "SELECT k FROM s"));
    live.expect_lines(&["k", "a"]);
    // It sorts before the first.
    append(&host, "in/a.log", "k,t\nb,2\n");
    live.expect_lines(&["b"]);
    append(&host, "in/b.log", "c,3\n");
    append(&host, "in/a.log", "d,4\n");
    let mut lines = [live.line(), live.line()];
    lines.sort();
    assert_eq!(lines, ["c", "d"]);
    // The pattern means both names of the rotated log: what was read does not come again.
    fs::rename(host.path("in/b.log"), host.path("in/b.log.1")).unwrap();
    append(&host, "in/b.log", "k,t\ne,5\n");
    live.expect_lines(&["e"]);
    append(&host, "in/c.log.gz", "not looked into");
    live.expect_said("in/c.log.gz has come and is left out: it is compressed");
    let (rest, said) = live.stop();
    assert_eq!(rest, [""; 0], "{said}");
    assert!(said.contains("s: in/a.log has come"), "{said}");
    assert!(!said.contains("in/b.log.1"), "{said}");
}

/// Without a `PARTITIONED BY` groups of several files cannot be told apart, and there may be several at any time.
#[test]
fn what_holds_of_one_file_is_not_taken_to_hold_of_those_that_come() {
    let host = Host::new();
    host.write("in/a.log", "k,t\na,1\n");
    let query = "SELECT k, COUNT(*) AS n FROM s GROUP BY k EMIT CHANGES";
    let plan = host.sql(&(source("in", "") + "EXPLAIN " + query)).succeeds();
    assert!(plan.contains("input s: 1 partition(s)\n"), "it stays with this one: {plan}");
    let plan = format!("EXPLAIN {}", "SELECT k FROM s");
    let plan = host.sql(&(source("in", "") + &plan)).succeeds();
    assert!(plan.contains("input s: 1 partition(s), and each file that comes"), "{plan}");
    let plan = host.sql(&(source("in/a.log", "") + "EXPLAIN " + query)).succeeds();
    assert!(plan.contains("input s: 1 partition(s)\n"), "a name means one file: {plan}");
}

/// A partition that comes joins where the gather is: what its records say of before is late, and until it has one it holds
/// nobody up.
#[test]
fn a_file_that_comes_joins_a_gather() {
    let host = Host::new();
    host.write("in/a.log", "k,t\n");
    let query = "SELECT k, window_end, COUNT(*) AS n FROM s GROUP BY k WINDOW TUMBLING (t, 10s)";
    let live = Live::start(&host, &(source("in", "") + query));
    append(&host, "in/a.log", "a,1\na,12\na,13\n");
    append(&host, "in/a.log", "a,14\n");
    live.expect_lines(&["k,window_end,n", "a,1970-01-01 00:00:10,1"]);
    append(&host, "in/b.log", "k,t\n");
    live.expect_said("in/b.log has come");
    append(&host, "in/a.log", "a,24\na,25\n");
    live.expect_lines(&["a,1970-01-01 00:00:20,3"]);
    // The first is late, and the others hold the gather up from now on.
    append(&host, "in/b.log", "b,5\nb,26\nb,27\n");
    append(&host, "in/a.log", "a,41\na,42\n");
    append(&host, "in/b.log", "b,43\nb,44\n");
    live.expect_lines(&["a,1970-01-01 00:00:30,2", "b,1970-01-01 00:00:30,2"]);
    let (rest, said) = live.stop();
    assert_eq!(rest, ["a,1970-01-01 00:00:50,2", "b,1970-01-01 00:00:50,2"]);
    assert!(said.contains("1 late records (s, TUMBLING)"), "{said}");
}

/// Kills at any moment lose nothing, read nothing twice, and leave each file the number that it was given first.
#[test]
fn files_that_came_keep_their_partitions_over_kills() {
    let host = Host::new();
    host.write("in/m.log", "k,t\n");
    let query = "INSERT INTO o SELECT k, t FROM s";
    let sql = format!("{STATE}{}{SINK}{query}", source("in", ""));
    let names = ["m", "c", "x", "a", "n"];
    let mut wanted: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut count = 0;
    for round in 0..names.len() {
        let child = start(&host, &sql);
        for name in &names[..=round] {
            if name == &names[round] && round > 0 {
                append(&host, &format!("in/{name}.log"), "k,t\n");
            }
            for _ in 0..50 {
                count += 1;
                append(&host, &format!("in/{name}.log"), &format!("{name}{count},{count}\n"));
                let row =
                    format!("{name}{count},1970-01-01 00:{:02}:{:02}", count / 60, count % 60);
                wanted.entry((*name).to_owned()).or_default().push(row);
            }
        }
        // In every second round it is killed at once, so that the next one finds what came.
        let newest = names[round];
        if round % 2 == 0 {
            let is_read = |parts: &BTreeMap<String, Vec<String>>| {
                parts.values().flatten().any(|row| row.starts_with(newest))
            };
            wait_for(|| parts(&host, "out"), is_read);
        }
        kill(child);
    }
    let child = start(&host, &sql);
    let total: usize = wanted.values().map(Vec::len).sum();
    let got = wait_for(
        || parts(&host, "out"),
        |parts| parts.values().map(Vec::len).sum::<usize>() >= total,
    );
    kill(child);
    let by_name: BTreeMap<String, Vec<String>> =
        got.values().map(|rows| (rows[0][..1].to_owned(), rows.clone())).collect();
    assert_eq!(by_name, wanted, "each file is one partition, in its own order");
    let first = got.iter().find(|(_, rows)| rows[0].starts_with('m')).unwrap().0;
    assert_eq!(first, "part-00000", "what came later shifts nothing");
    host.tidemill(&["run", "--drain", "-e", &sql]).succeeds();
    assert_eq!(parts(&host, "out"), got);
}

/// Results, and what was late, are all that was written, whenever the job was killed.
#[test]
fn a_gather_counts_each_record_of_files_that_came_once_over_kills() {
    let host = Host::new();
    host.write("in/0.log", "k,t\n");
    let query = "INSERT INTO o SELECT window_end, COUNT(*) AS n FROM s WINDOW TUMBLING (t, 5s)";
    let sql = format!("{STATE}{}{SINK}{query}", source("in", ", 'idle.timeout' = '50ms'"));
    let mut written = 0;
    for round in 0..6_u64 {
        let child = start(&host, &sql);
        for step in 0..40_u64 {
            let at = round * 40 + step;
            for file in 0..=round {
                let name = format!("in/{file}.log");
                if file == round && step == 0 && round > 0 {
                    append(&host, &name, "k,t\n");
                }
                append(&host, &name, &format!("a,{at}\n"));
                written += 1;
            }
            sleep(Duration::from_millis(5 + 11 * (step % 3)));
        }
        kill(child);
    }
    // All of it is read, and kept, before it is ended there.
    let child = start(&host, &sql);
    wait_for(|| records_kept(&host), |&kept| kept >= written);
    let pid = libc::pid_t::try_from(child.id()).unwrap();
    // SAFETY: the child has not been waited for, so that the number is still its own.
    unsafe { libc::kill(pid, libc::SIGTERM) };
    assert!(child.wait_with_output().unwrap().status.success());
    let ran = host.tidemill(&["run", "-e", &sql, "--drain"]);
    ran.succeeds();
    let said = ran.stderr();
    let rows = parts(&host, "out").into_values().flatten();
    let counted: u64 =
        rows.map(|row| row.rsplit_once(',').unwrap().1.parse::<u64>().unwrap()).sum();
    let late = said
        .lines()
        .find_map(|line| line.split_once(" late records"))
        .map(|(count, _)| count.trim().replace(',', "").parse::<u64>().unwrap());
    let read = said.lines().find_map(|line| line.split_once(" records (")).unwrap().0;
    let read: u64 = read.trim().replace(',', "").parse().unwrap();
    assert_eq!((counted + late.unwrap_or(0), read), (written, written), "{said}");
}

/// Records that the partitions have read by their last checkpoints.
fn records_kept(host: &Host) -> u64 {
    let said = host.tidemill(&["inspect", "state", "--json"]).stdout();
    let of = |line: &str| {
        let (_, rest) = line.split_once("\"records_in\":")?;
        rest.split(',').next()?.parse::<u64>().ok()
    };
    said.lines().filter_map(of).sum()
}

/// What needs all rows of a key in one partition has them as long as there is one file, and says that it stays with it.
#[test]
fn a_query_that_needs_one_partition_stays_with_the_one_file_that_there_is() {
    let host = Host::new();
    host.write("in/a.csv", "k,t\na,1\nb,2\n");
    let query = "SELECT k, COUNT(*) AS n FROM s GROUP BY k EMIT CHANGES";
    let live = Live::start(&host, &(source("in/*.csv", "") + query));
    live.expect_lines(&["k,n", "a,1", "b,1"]);
    live.expect_said("in/a.csv is read alone, and no file that comes later is taken in");
    append(&host, "in/b.csv", "k,t\na,3\n");
    assert_eq!(live.line_within(Duration::from_millis(1200)), None);
    append(&host, "in/a.csv", "a,4\n");
    live.expect_lines(&["a,2"]);
    live.stop();
    let refused = host.sql(&(source("in/*.csv", "") + "EXPLAIN " + query)).fails(2);
    assert!(refused.contains("declares no PARTITIONED BY"), "{refused}");
}

/// Files of which a run has some number open.
fn open_files(child: &Child) -> usize {
    fs::read_dir(format!("/proc/{}/fd", child.id())).unwrap().count()
}

/// The end of what runs have said.
fn said(host: &Host) -> String {
    let said = fs::read_to_string(host.path("said")).unwrap();
    let skipped = said.chars().count().saturating_sub(1_000);
    said.chars().skip(skipped).collect()
}

/// Bytes of the newest record of the job.
fn record_bytes(host: &Host) -> u64 {
    let records = fs::read_dir(host.path("state")).unwrap().map(|entry| entry.unwrap());
    let is_record = |name: &str| name.starts_with("job.") && name.ends_with(".ck");
    let mut records: Vec<_> =
        records.filter(|it| is_record(it.file_name().to_str().unwrap())).collect();
    records.sort_by_key(fs::DirEntry::file_name);
    records.last().map_or(0, |newest| newest.metadata().unwrap().len())
}

/// Names of checkpoints of partitions.
fn kept_partitions(host: &Host) -> usize {
    let names = fs::read_dir(host.path("state")).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with('w')).count()
}

/// Writes a file of some rows; what they become.
fn come(host: &Host, name: &str, first: u64, count: u64) -> Vec<String> {
    let mut text = "k,t\n".to_owned();
    let mut rows = Vec::new();
    for at in first..first + count {
        text += &format!("r{at},{at}\n");
        rows.push(format!("r{at},1970-01-01 {:02}:{:02}:{:02}", at / 3600, at / 60 % 60, at % 60));
    }
    append(host, name, &text);
    rows
}

/// Each scan of a source goes on in its own texts of a file that came: one that was rotated meanwhile is lost to none.
#[test]
fn a_file_that_came_and_was_rotated_goes_on_in_every_scan_of_its_source() {
    let host = Host::new();
    host.write("in/a.log", "k,t\n");
    let query =
        "INSERT INTO o SELECT k, t FROM s WHERE k = 'a' UNION ALL SELECT k, t FROM s WHERE k = 'b'";
    let sql = format!("{STATE}{}{SINK}{query}", source("in/*.log", ""));
    let rows = || {
        let mut rows: Vec<String> = parts(&host, "out").into_values().flatten().collect();
        rows.sort();
        rows
    };
    let child = start(&host, &sql);
    wait_for(|| fs::exists(host.path("state")).unwrap(), |&is_there| is_there);
    append(&host, "in/b.log", "k,t\na,1\nb,1\n");
    wait_for(rows, |rows| rows.len() == 2);
    kill(child);
    fs::rename(host.path("in/b.log"), host.path("in/b.log.1")).unwrap();
    append(&host, "in/b.log", "k,t\na,2\nb,2\n");
    let child = start(&host, &sql);
    wait_for(rows, |rows| rows.len() == 4);
    append(&host, "in/b.log", "a,3\nb,3\n");
    wait_for(rows, |rows| rows.len() >= 6);
    kill(child);
    host.tidemill(&["run", "--drain", "-e", &sql]).succeeds();
    let of =
        |key: &str| (1..=3).map(|second| format!("{key},1970-01-01 00:00:0{second}")).collect();
    let (a, b): (Vec<String>, Vec<String>) = (of("a"), of("b"));
    assert_eq!(rows(), [a, b].concat());
}

/// A path that does not say what a column takes from it is named and left out, and the job goes on: in this run, and in those
/// that go on from it.
#[test]
fn a_file_that_comes_without_what_its_path_is_to_say_is_left_out() {
    for state in ["", STATE] {
        let host = Host::new();
        host.write("in/d=1/x.csv", "k\na\n");
        let sql = format!(
            "{state}CREATE SOURCE s (k VARCHAR, d BIGINT METADATA FROM 'd') WITH ('connector' = 'file', \
             'path' = 'in/*/*.csv', 'format' = 'csv', 'follow' = 'true'); {SINK}INSERT INTO o SELECT k, d FROM s"
        );
        let rows = || {
            let mut rows: Vec<String> = parts(&host, "out").into_values().flatten().collect();
            rows.sort();
            rows
        };
        let live = Live::start(&host, &sql);
        wait_for(rows, |rows| rows == &["a,1"]);
        host.write("in/z/y.csv", "k\nb\n");
        live.expect_said(
            "in/z/y.csv has come and is left out: in/z/y.csv: no directory is named d=",
        );
        host.write("in/d=x/y.csv", "k\nb\n");
        live.expect_said(
            "in/d=x/y.csv has come and is left out: in/d=x/y.csv: d=x is no value of the column d",
        );
        host.write("in/d=2/y.csv", "k\nc\n");
        wait_for(rows, |rows| rows == &["a,1", "c,2"]);
        live.stop();
        if !state.is_empty() {
            let live = Live::start(&host, &sql);
            live.expect_said("in/z/y.csv has come and is left out");
            append(&host, "in/d=2/y.csv", "d\n");
            wait_for(rows, |rows| rows == &["a,1", "c,2", "d,2"]);
            live.stop();
        }
    }
}

/// All rows of an output, sorted.
fn sorted(host: &Host) -> Vec<String> {
    let mut rows: Vec<String> = parts(host, "out").into_values().flatten().collect();
    rows.sort();
    rows
}

/// A source of one column, which begins where it is told to.
fn plain(path: &str, options: &str) -> String {
    format!(
        "CREATE SOURCE s (k VARCHAR) WITH ('connector' = 'file', 'path' = '{path}', 'format' = 'csv', \
         'follow' = 'true'{options}); {SINK}INSERT INTO o SELECT k FROM s"
    )
}

/// What goes on stays with its file, whatever has come meanwhile.
#[test]
fn what_reads_one_file_alone_goes_on_when_others_are_there() {
    let host = Host::new();
    host.write("in/a.csv", "k,t\na,1\n");
    let query = "INSERT INTO o SELECT k, COUNT(*) AS n FROM s GROUP BY k EMIT CHANGES";
    let sql = format!("{STATE}{}{SINK}{query}", source("in", ""));
    let child = start(&host, &sql);
    wait_for(|| sorted(&host), |rows| rows == &["a,1"]);
    kill(child);
    host.write("in/b.csv", "k,t\nb,1\n");
    append(&host, "in/a.csv", "a,2\n");
    let live = Live::start(&host, &sql);
    live.expect_said("in/a.csv is read alone");
    wait_for(|| sorted(&host), |rows| rows == &["a,1", "a,2"]);
    live.stop();
    host.tidemill(&["run", "--drain", "-e", &sql]).succeeds();
    assert_eq!(sorted(&host), ["a,1", "a,2"]);
}

/// A log that was renamed, and whose name nothing has taken yet, is gone on with beside its name.
#[test]
fn a_log_whose_name_is_free_is_gone_on_with_and_ended() {
    for path in ["in/a.csv", "in/*.csv", "in"] {
        let host = Host::new();
        host.write("in/a.csv", "k\na\n");
        let sql = format!("{STATE}{}", plain(path, ""));
        let child = start(&host, &sql);
        wait_for(|| sorted(&host), |rows| rows == &["a"]);
        kill(child);
        append(&host, "in/a.csv", "b\n");
        fs::rename(host.path("in/a.csv"), host.path("in/a.csv.1")).unwrap();
        let child = start(&host, &sql);
        wait_for(|| sorted(&host), |rows| rows == &["a", "b"]);
        append(&host, "in/a.csv", "k\nc\n");
        wait_for(|| sorted(&host), |rows| rows == &["a", "b", "c"]);
        append(&host, "in/a.csv", "d\n");
        kill(child);
        fs::rename(host.path("in/a.csv"), host.path("in/a.csv.2")).unwrap();
        let child = start(&host, &sql);
        wait_for(|| sorted(&host), |rows| rows == &["a", "b", "c", "d"]);
        kill(child);
        host.tidemill(&["run", "--drain", "-e", &sql]).succeeds();
        assert_eq!(sorted(&host), ["a", "b", "c", "d"], "{path}");
    }
}

/// Where it begins is decided once: when the job begins.
#[test]
fn what_begins_behind_the_latest_record_goes_on_from_there() {
    for (path, interval) in [("in/a.csv", "5ms"), ("in", "5ms"), ("in/a.csv", "1h"), ("in", "1h")] {
        let host = Host::new();
        host.write("in/a.csv", "j,k\n1,a\n2,b\n");
        let state =
            format!("SET 'state.dir' = 'state'; SET 'checkpoint.interval' = '{interval}'; ");
        let job = plain(path, ", 'scan.startup.mode' = 'latest-offset'");
        let child = start(&host, &(state + &job));
        let sql = STATE.to_owned() + &job;
        wait_for(|| host.path("out").exists(), |&begun| begun);
        append(&host, "in/a.csv", "3,c\n");
        if interval == "5ms" {
            wait_for(|| sorted(&host), |rows| rows == &["c"]);
        }
        kill(child);
        append(&host, "in/a.csv", "4,d\n");
        let child = start(&host, &sql);
        append(&host, "in/a.csv", "5,e\n");
        wait_for(|| sorted(&host), |rows| rows == &["c", "d", "e"]);
        kill(child);
        host.tidemill(&["run", "--drain", "-e", &sql]).succeeds();
        assert_eq!(sorted(&host), ["c", "d", "e"], "{path} {interval}");
    }
}

/// Which text a partition begins in is known before its first checkpoint: one that was rotated before that is not lost.
#[test]
fn what_was_rotated_before_the_first_checkpoint_is_read_or_missed_by_name() {
    for (path, options) in
        [("in/a.csv", ""), ("in", ""), ("in/a.csv", ", 'scan.startup.mode' = 'latest-offset'")]
    {
        let host = Host::new();
        host.write("in/a.csv", "k\na\n");
        let state = "SET 'state.dir' = 'state'; SET 'checkpoint.interval' = '1h'; ";
        let child = start(&host, &format!("{state}{}", plain(path, options)));
        let sql = format!("{STATE}{}", plain(path, options));
        wait_for(|| host.path("out").exists(), |&begun| begun);
        append(&host, "in/a.csv", "b\n");
        if path == "in" {
            append(&host, "in/b.csv", "k\nx\n");
            let names =
                || fs::read_dir(host.path("out")).unwrap().map(|it| it.unwrap().file_name());
            let is_second =
                |name: &std::ffi::OsString| name.to_str().unwrap().contains("part-00001");
            wait_for(|| names().any(|name| is_second(&name)), |&is_there| is_there);
        }
        kill(child);
        let rotate = |name: &str, row: &str| {
            fs::rename(host.path(name), host.path(&format!("{name}.1"))).unwrap();
            append(&host, name, &format!("k\n{row}\n"));
        };
        rotate("in/a.csv", "c");
        let mut wanted = vec!["b", "c"];
        if path == "in" {
            rotate("in/b.csv", "y");
            wanted.extend(["x", "y"]);
        }
        if options.is_empty() {
            wanted.insert(0, "a");
        }
        // Gone, it is named; put back, it is read.
        fs::rename(host.path("in/a.csv.1"), host.path("away")).unwrap();
        let refused = host.tidemill(&["run", "--drain", "-e", &sql]).fails(1);
        assert!(refused.contains("in/a.csv up to byte"), "{refused}");
        fs::rename(host.path("away"), host.path("in/a.csv.1")).unwrap();
        let child = start(&host, &sql);
        wait_for(|| sorted(&host), |rows| rows == &wanted);
        kill(child);
    }
}

/// What a script writes where it follows files would go round for ever.
#[test]
fn a_sink_among_the_files_that_are_followed_is_refused() {
    let host = Host::new();
    host.write("in/a.csv", "k,t\n");
    host.write("other/a.csv", "k,t\n");
    let job = |path: &str, sink: &str, options: &str| {
        format!(
            "{}CREATE SINK o WITH ('connector' = 'file', 'path' = '{sink}', 'format' = 'csv'{options}); \
             INSERT INTO o SELECT k, t FROM s",
            source(path, "")
        )
    };
    let folders = ", 'partition.by' = 'k'";
    let absolute = host.path("in").display().to_string();
    for (path, sink, options) in [
        ("in", "in", ""),
        ("in", "other/../in/", ""),
        (&*absolute, "in", ""),
        ("in/*.csv", "in", ""),
        ("**/*.csv", "in/deep/er", ""),
        ("in/*/*.csv", "in", folders),
        ("in", "in/b.csv", ""),
        ("in/a.csv", "in/a.csv", ""),
    ] {
        let sql = job(path, sink, options);
        let said = host.tidemill(&["run", "-e", &sql]).fails(2);
        assert!(said.contains("would be read again, for ever, by s, which follows"), "{said}");
    }
    host.write("job.sql", job("in", "in", ""));
    let said = host.tidemill(&["check", "job.sql"]).fails(2);
    assert!(said.contains("would be read again, for ever"), "{said}");
    for (path, sink, options) in
        [("in", "out", ""), ("in", "in/below", ""), ("in/*.log", "in", ""), ("in", "in", folders)]
    {
        host.write("job.sql", job(path, sink, options));
        let checked = host.tidemill(&["check", "job.sql"]).stderr();
        assert!(!checked.contains("for ever"), "{path} {sink}: {checked}");
    }
}

fn stop(child: Child) {
    let pid = libc::pid_t::try_from(child.id()).unwrap();
    // SAFETY: the child has not been waited for, so that the number is still its own.
    unsafe { libc::kill(pid, libc::SIGTERM) };
    assert!(child.wait_with_output().unwrap().status.success());
}

/// What is kept, open and looked at is of the files that are there, however many there have been.
#[test]
fn files_that_are_gone_leave_nothing_but_their_rows() {
    let host = Host::new();
    let mut wanted = come(&host, "in/first.log", 0, 3);
    let query = "INSERT INTO o SELECT k, t FROM s";
    let sql = format!("{STATE}{}{SINK}{query}", source("in", ""));
    let child = start(&host, &sql);
    wait_for(|| sorted(&host).len(), |&count| count == 3);
    let before = open_files(&child);
    let at_start = wait_for(|| record_bytes(&host), |&bytes| bytes > 0);
    fs::remove_file(host.path("in/first.log")).unwrap();
    // The last line of each third one is never ended.
    for round in 0..4_u64 {
        let names: Vec<String> = (0..40).map(|file| format!("in/{file}.log")).collect();
        for (file, name) in (0_u64..).zip(&names) {
            wanted.extend(come(&host, name, 10 + round * 400 + file * 10, 3 + file % 3));
            if file % 3 == 0 {
                append(&host, name, &format!("unended{round}-{file},0"));
                wanted.push(format!("unended{round}-{file},1970-01-01 00:00:00"));
            }
        }
        let at_least = wanted.len() - if round % 2 == 0 { 14 } else { 0 };
        if round % 2 == 0 {
            wait_for(|| sorted(&host).len(), |&count| count >= at_least);
        } else {
            wait_for(|| kept_partitions(&host), |&count| count >= 40);
        }
        names.iter().for_each(|name| fs::remove_file(host.path(name)).unwrap());
        // Names come again, and then are other files.
        wait_for(|| kept_partitions(&host), |&count| count == 0);
    }
    wanted.sort();
    assert_eq!(wait_for(|| sorted(&host), |rows| rows.len() >= wanted.len()), wanted);
    let after = wait_for(|| open_files(&child), |&count| count <= before);
    assert!(after <= before, "{after} files are open, and {before} were with one");
    let record = record_bytes(&host);
    assert!(record < at_start + 2_048, "the record had {at_start} bytes, and has {record}");
    wanted.extend(come(&host, "in/last.log", 9_000, 2));
    wait_for(|| sorted(&host).len(), |&count| count == wanted.len());
    wanted.sort();
    let left = fs::read_to_string(host.path("out/.tidemill-job")).unwrap();
    assert!(left.lines().count() < 12, "the output's file forgets who wrote: {left}");
    stop(child);
    let said = host.tidemill(&["run", "-e", &sql, "--drain"]);
    said.succeeds();
    assert_eq!(sorted(&host), wanted);
    let count = wanted.len();
    assert!(said.stderr().contains(&format!("{count} records (")), "{}", said.stderr());
}

/// Kills meanwhile change nothing: a name that comes again is another file, which is neither lost nor read twice.
#[test]
fn files_come_and_go_over_kills() {
    let host = Host::new();
    let mut wanted = come(&host, "in/first.log", 0, 3);
    let query = "INSERT INTO o SELECT k, t FROM s";
    let sql = format!("{STATE}{}{SINK}{query}", source("in", ", 'missing' = 'continue'"));
    for round in 0..10_u64 {
        let child = start(&host, &sql);
        let names: Vec<String> = (0..20).map(|file| format!("in/{file}.log")).collect();
        for (file, name) in (0_u64..).zip(&names) {
            wanted.extend(come(&host, name, 10 + round * 200 + file * 10, 1 + file % 5));
        }
        let look = || (sorted(&host).len(), said(&host));
        wait_for(look, |(count, _)| *count == wanted.len());
        names.iter().for_each(|name| fs::remove_file(host.path(name)).unwrap());
        // Before, while and after they are taken to be gone.
        sleep(Duration::from_millis(300 * round));
        kill(child);
        if round == 4 {
            fs::remove_file(host.path("in/first.log")).unwrap();
        }
    }
    let child = start(&host, &sql);
    let look = || (kept_partitions(&host), said(&host));
    wait_for(look, |&(count, _)| count == 0);
    wanted.extend(come(&host, "in/first.log", 9_000, 2));
    wait_for(|| sorted(&host).len(), |&count| count == wanted.len());
    stop(child);
    host.tidemill(&["run", "-e", &sql, "--drain"]).succeeds();
    wanted.sort();
    assert_eq!(sorted(&host), wanted);
}

/// Windows of files that are gone leave as if the files were silent, and then the files hold nobody up.
#[test]
fn files_that_are_gone_leave_a_gather() {
    let host = Host::new();
    host.write("in/steady.log", "k,t\n");
    let query = "INSERT INTO o SELECT window_end, COUNT(*) AS n FROM s WINDOW TUMBLING (t, 10s)";
    let sql = format!(
        "{STATE}{}{SINK}{query}",
        source("in", ", 'idle.timeout' = '50ms', 'missing' = 'continue'")
    );
    let mut written = 0;
    for round in 0..3_u32 {
        let child = start(&host, &sql);
        for step in 0..10_u32 {
            let at = (round * 10 + step) * 10;
            append(&host, "in/steady.log", &format!("a,{at}\n"));
            for file in 0..5 {
                append(&host, &format!("in/{round}-{step}-{file}.log"), &format!("k,t\nb,{at}\n"));
            }
            written += 6_u64;
            if step > 0 {
                let gone = |file| host.path(&format!("in/{round}-{}-{file}.log", step - 1));
                let look = || (records_kept(&host), said(&host));
                wait_for(look, |(kept, _)| *kept >= written);
                (0..5).for_each(|file| fs::remove_file(gone(file)).unwrap());
            }
        }
        if round == 1 {
            kill(child);
            continue;
        }
        append(&host, "in/steady.log", &format!("a,{}\n", (round * 10 + 10) * 10 - 1));
        written += 1;
        // The last ones are there still.
        wait_for(
            || kept_partitions(&host),
            |&count| count <= 2 * (2 + 5 * (usize::try_from(round).unwrap() + 1)),
        );
        stop(child);
    }
    let ran = host.tidemill(&["run", "-e", &sql, "--drain"]);
    ran.succeeds();
    let counted: u64 = sorted(&host)
        .iter()
        .map(|row| row.rsplit_once(',').unwrap().1.parse::<u64>().unwrap())
        .sum();
    let said = ran.stderr();
    let late = said.lines().find_map(|line| line.split_once(" late records"));
    let late = late.map_or(0, |(count, _)| count.trim().replace(',', "").parse::<u64>().unwrap());
    assert_eq!(counted + late, written, "{said}");
}
