//! Jobs with a `state.dir` that are run again. Kills at any moment are tried by `scripts/check/recovery`.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::fs;
use std::time::Duration;

use support::Host;

const SOURCE: &str = "CREATE SOURCE t (k VARCHAR, v BIGINT) WITH ('connector' = 'file', 'path' = 'in/*.csv', 'format' = 'csv');\n";
const SINK: &str = "CREATE SINK o WITH ('connector' = 'file', 'path' = 'out', 'format' = 'csv');\n";
const STATE: &str = "SET 'state.dir' = 'state'; SET 'checkpoint.interval' = '1ms';\n";

/// What the files of a folder hold, by name.
fn contents(host: &Host, folder: &str) -> Vec<(String, String)> {
    let entries = fs::read_dir(host.path(folder)).unwrap().map(Result::unwrap);
    let of = |entry: &fs::DirEntry| entry.file_name().into_string().unwrap();
    let entries = entries.filter(|entry| !of(entry).starts_with('.'));
    let mut all: Vec<_> =
        entries.map(|entry| (of(&entry), fs::read_to_string(entry.path()).unwrap())).collect();
    all.sort_unstable();
    all
}

/// Several small files that follow each other write one series of files, which bears the number of the first of them. A
/// job that goes on within the series goes on with its last file.
#[test]
fn a_series_of_small_files_goes_on_within_itself() {
    let host = Host::new();
    for file in 0..600 {
        let rows: String = (0..200).map(|row| format!("k{},{row}\n", row % 7)).collect();
        host.write(&format!("in/{file:03}.csv"), format!("k,v\n{rows}"));
    }
    let job = format!("{SOURCE}{SINK}INSERT INTO o SELECT k, v FROM t WHERE v > 20");
    host.sql(&job).succeeds();
    let expected = contents(&host, "out");
    fs::remove_dir_all(host.path("out")).unwrap();
    // Near the end of the last series.
    let path = host.path("in/590.csv");
    let whole = fs::read_to_string(&path).unwrap();
    fs::write(&path, whole.replace("k3,199", "k3,1x9").replace("k3,10\n", "k3,1x\n")).unwrap();
    let kept = format!("{STATE}{job}");
    assert!(host.sql(&kept).fails(1).contains("bad record in t, partition 590"));
    fs::write(&path, whole).unwrap();
    let ran = host.tidemill(&["run", "-e", &kept]);
    ran.succeeds();
    let said = ran.stderr();
    assert!(said.contains("going on from the checkpoints in state"), "{said}");
    assert_eq!(contents(&host, "out"), expected);
}

/// What begins in the place of a job may fail before it has opened that one's output, and is begun again.
#[test]
fn a_job_that_was_given_up_is_known_until_its_output_is_written_to() {
    let host = Host::new();
    host.write("in/a.csv", "k,v\na,1\nb,x\n");
    let kept = format!("{STATE}{SOURCE}{SINK}INSERT INTO o SELECT k, v FROM t");
    let run = |more: &[&str]| host.tidemill(&[&["run", "-e", &kept], more].concat());
    assert!(run(&[]).fails(1).contains("bad record"));
    assert!(contents(&host, "out")[0].0.ends_with(".open"));
    fs::rename(host.path("in/a.csv"), host.path("a.csv")).unwrap();
    for _ in 0..2 {
        assert!(run(&["--fresh"]).fails(1).contains("no file matches"));
    }
    host.write("in/a.csv", "k,v\na,1\nb,2\n");
    // What says whose the output is may be damaged, too; the record before is not.
    let mut records = names_of_records(&host);
    fs::write(host.path(&format!("state/{}", records.pop().unwrap())), "torn").unwrap();
    assert!(run(&[]).fails(1).contains("is damaged"));
    run(&["--fresh"]).succeeds();
    let [(_, rows)] = &contents(&host, "out")[..] else { panic!("one file is there") };
    assert_eq!(rows, "k,v\na,1\nb,2\n");
    let ran = run(&[]);
    ran.succeeds();
    assert!(ran.stderr().contains("has come to its end before"));
}

/// A script that is mended after it has failed at once is no other job that would have to be given up.
#[test]
fn a_job_that_has_kept_nothing_gives_way_to_another() {
    let host = Host::new();
    host.write("in/a.csv", "k,v\na,1\nb,x\n");
    let state = "SET 'state.dir' = 'state';\n";
    let job = |query: &str| format!("{state}{SOURCE}{SINK}INSERT INTO o {query}");
    let run = |query: &str| host.tidemill(&["run", "-e", &job(query)]);
    assert!(run("SELECT k, v FROM t").fails(1).contains("bad record"));
    let second = run("SELECT v, k FROM t");
    assert!(second.fails(1).contains("had kept nothing: this one begins in its place"));
    host.write("in/a.csv", "k,v\na,1\nb,2\n");
    run("SELECT k FROM t").succeeds();
    let [(_, rows)] = &contents(&host, "out")[..] else { panic!("one file is there") };
    assert_eq!(rows, "k\na\nb\n");
    // What has kept something is another job.
    assert!(run("SELECT v FROM t").fails(2).contains("start over with --fresh"));
}

/// A stop closes the file that is open, so that a later run does not read its rows again.
#[test]
fn a_stop_of_a_live_job_into_parquet_is_a_checkpoint() {
    let host = Host::new();
    let rows: String = (0..500).map(|row| format!("k,{row}\n")).collect();
    host.write("in/a.csv", format!("k,v\n{rows}"));
    let job = format!(
        "SET 'state.dir' = 'state';\n{}{}INSERT INTO o SELECT k, v FROM t WHERE v < 400",
        SOURCE.replace("'csv')", "'csv', 'follow' = 'true')"),
        SINK.replace("csv", "parquet")
    );
    let has_read_all = || {
        let looked = host.tidemill(&["inspect", "state", "--json"]);
        looked.stdout().contains("\"records_in\":500")
    };
    let stopped = (0..20).any(|_| {
        let mut child = host.command(&["run", "-e", &job]).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(300));
        let pid = libc::pid_t::try_from(child.id()).unwrap();
        // SAFETY: the process is ours, and nobody has waited for it.
        assert_eq!(unsafe { libc::kill(pid, libc::SIGTERM) }, 0);
        child.wait().unwrap();
        host.path("state").exists() && has_read_all()
    });
    assert!(stopped, "what was read until a stop is kept");
    let count = "SELECT COUNT(*), SUM(v), MAX(v) FROM 'out/*.parquet'";
    let counted = || host.sql(count).succeeds().lines().nth(1).unwrap().to_owned();
    assert_eq!(counted(), "400,79800,399", "and what was written is published");
    host.tidemill(&["run", "--drain", "-e", &job]).succeeds();
    assert_eq!(counted(), "400,79800,399");
}

/// A job that has failed near its end, and what it writes once its input is right.
fn failed_job() -> (Host, String, Vec<(String, String)>) {
    let host = Host::new();
    let rows: String = (0..60_000).map(|row| format!("k{},{row}\n", row % 7)).collect();
    let right = format!("k,v\n{rows}");
    let job = format!("{SOURCE}{SINK}INSERT INTO o SELECT k, v FROM t WHERE v % 3 = 0");
    host.write("in/a.csv", &right);
    host.sql(&job).succeeds();
    let expected = contents(&host, "out");
    fs::remove_dir_all(host.path("out")).unwrap();
    host.write("in/a.csv", right.replace(",59990\n", ",5999x\n"));
    let kept = format!("SET 'batch.rows' = '500'; {STATE}{job}");
    assert!(host.sql(&kept).fails(1).contains("bad record"));
    host.write("in/a.csv", right);
    (host, kept, expected)
}

/// Files of a resident in the state directory, the oldest first.
fn checkpoints(host: &Host, resident: &str) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(host.path("state")).unwrap().map(|entry| entry.unwrap().path());
    let is_of = |path: &std::path::PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap();
        name.starts_with(&format!("{resident}.")) && name.ends_with(".ck")
    };
    let mut all: Vec<_> = entries.filter(is_of).collect();
    all.sort();
    all
}

#[test]
fn a_damaged_checkpoint_is_done_without_only_where_that_was_said() {
    let (host, kept, expected) = failed_job();
    let of_scan = checkpoints(&host, "w0-q0-f0-0");
    assert_eq!(of_scan.len(), 2, "the last two are kept");
    let mut bytes = fs::read(&of_scan[1]).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&of_scan[1], bytes).unwrap();
    let said = host.sql(&kept).fails(1);
    assert!(said.contains("is damaged") && said.contains("--allow-fallback"), "{said}");
    let ran = host.tidemill(&["run", "--allow-fallback", "-e", &kept]);
    ran.succeeds();
    let said = ran.stderr();
    assert!(said.contains("w0-q0-f0-0 goes on from checkpoint"), "{said}");
    assert_eq!(contents(&host, "out"), expected);
}

#[test]
fn a_copy_of_a_checkpoint_is_gone_on_with_elsewhere() {
    let (host, kept, expected) = failed_job();
    let said = host.tidemill(&["checkpoint", "state", "--to", "copy"]).succeeds();
    assert!(said.contains("checkpoints of state are in copy"), "{said}");
    host.tidemill(&["checkpoint", "state", "--to", "copy"]).fails(1);
    host.tidemill(&["checkpoint", "out", "--to", "other"]).fails(1);
    let elsewhere = Host::new();
    for (from, to) in [("in", "in"), ("out", "out"), ("copy", "state")] {
        fs::create_dir(elsewhere.path(to)).unwrap();
        for entry in fs::read_dir(host.path(from)).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            fs::copy(entry.path(), elsewhere.path(&format!("{to}/{name}"))).unwrap();
        }
    }
    let ran = elsewhere.tidemill(&["run", "-e", &kept]);
    ran.succeeds();
    assert!(ran.stderr().contains("going on from the checkpoints"), "{}", ran.stderr());
    assert_eq!(contents(&elsewhere, "out"), expected);
}

/// The names of the job's records, the newest last.
fn names_of_records(host: &Host) -> Vec<String> {
    let entries = fs::read_dir(host.path("state")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter(|name| name.starts_with("job.")).collect();
    names.sort_unstable();
    names
}
