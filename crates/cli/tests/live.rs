//! Input without end: what is appended is read, windows close meanwhile, and a stop drains what was read.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;
use std::time::Duration;

use support::Host;
use support::live::Live;

fn append(host: &Host, name: &str, text: &str) {
    let mut file = fs::OpenOptions::new().append(true).open(host.path(name)).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

fn clicks(path: &str, options: &str) -> String {
    format!(
        "CREATE SOURCE clicks (k VARCHAR, t TIMESTAMP NOT NULL, WATERMARK FOR t AS t) WITH \
         ('connector' = 'file', 'path' = '{path}', 'format' = 'csv', 'timestamp.unit' = 's', \
         'follow' = 'true'{options}); "
    )
}

#[test]
fn windows_close_while_a_file_grows() {
    let host = Host::new();
    host.write("clicks.csv", "k,t\na,1\n");
    let query =
        "SELECT k, window_end, COUNT(*) AS n FROM clicks GROUP BY k WINDOW TUMBLING (t, 10s)";
    let live = Live::start(&host, &(clicks("clicks.csv", "") + query));
    assert_eq!(live.line(), "k,window_end,n");
    live.expect_silence();
    append(&host, "clicks.csv", "b,2\na,3\na,10\nb,1");
    live.expect_lines(&["a,1970-01-01 00:00:10,2", "b,1970-01-01 00:00:10,1"]);
    // The record that was not whole goes on: it is of second 15.
    append(&host, "clicks.csv", "5\nc,2\n");
    append(&host, "clicks.csv", "c,20\nd,2");
    live.expect_lines(&["a,1970-01-01 00:00:20,1", "b,1970-01-01 00:00:20,1"]);
    let (rest, stderr) = live.stop();
    assert_eq!(rest, ["c,1970-01-01 00:00:30,1"], "the stop closes what was read");
    assert!(stderr.contains("1 late records (clicks, TUMBLING)"), "{stderr}");
    assert!(stderr.contains("7 records"), "what was not whole is no record: {stderr}");
}

/// Each line says whose it is, and without that the lines of each are those that it prints alone.
#[test]
fn queries_that_print_together_name_their_sinks() {
    let host = Host::new();
    host.write("clicks.csv", "k,t\na,1\nb,2\n\"x\ny\",3\na,12\n");
    let source = clicks("clicks.csv", "");
    let sink = "CREATE SINK counts WITH ('connector' = 'stdout', 'format' = 'json'); ";
    let rows = "SELECT k, t FROM clicks";
    let counts = "SELECT k, COUNT(*) AS n FROM clicks GROUP BY k EMIT CHANGES";
    let windows = "SELECT window_end, COUNT(*) AS n FROM clicks WINDOW TUMBLING (t, 10s)";
    let sql = format!("{source}{sink}{rows}; INSERT INTO counts {counts}; {windows};");
    let live = Live::start(&host, &sql);
    let mut lines: Vec<String> = (0..12).map(|_| live.line()).collect();
    append(&host, "clicks.csv", "c,31\n");
    lines.extend((0..3).map(|_| live.line()));
    lines.extend(live.stop().0);
    let of = |head: &str| -> Vec<String> {
        lines.iter().filter_map(|line| line.strip_prefix(head)).map(str::to_owned).collect()
    };
    let at = "1970-01-01 00:00:";
    let rows = ["k,t".into(), format!("a,{at}01"), format!("b,{at}02"), "\"x".into()];
    let rows: Vec<String> = rows
        .into_iter()
        .chain([format!("y\",{at}03"), format!("a,{at}12"), format!("c,{at}31")])
        .collect();
    assert_eq!(of("query 1 | "), rows, "{lines:#?}");
    let counts = ["a\",\"n\":1", "b\",\"n\":1", "x\\ny\",\"n\":1", "a\",\"n\":2", "c\",\"n\":1"];
    let counts = counts.map(|change| format!("\"k\":\"{change}}}"));
    assert_eq!(of("{\"_sink\":\"counts\","), counts, "{lines:#?}");
    let windows =
        ["window_end,n".into(), format!("{at}10,3"), format!("{at}20,1"), format!("{at}40,1")];
    assert_eq!(of("query 3 | "), windows, "{lines:#?}");
    assert_eq!(lines.len(), 7 + 5 + 4, "{lines:#?}");
}

#[test]
fn what_is_no_line_does_not_print_beside_others() {
    let host = Host::new();
    host.write("clicks.csv", "k,t\na,1\n");
    let sql = "CREATE SINK s WITH ('connector' = 'stdout', 'format' = 'arrows'); \
               INSERT INTO s SELECT k FROM clicks; SELECT t FROM clicks";
    let said = host.sql(&(clicks("clicks.csv", "") + sql)).fails(2);
    assert!(
        said.contains("several queries print at the same time, and one of them no lines"),
        "{said}"
    );
}

/// What stands there as the job begins is passed over, but for a record that is not whole, and the header counts.
#[test]
fn a_file_is_followed_from_its_latest_record_on() {
    let host = Host::new();
    host.write("clicks.csv", "k,t\na,1\nb,2\nc,");
    let query = "SELECT k, t FROM clicks";
    let live = Live::start(
        &host,
        &(clicks("clicks.csv", ", 'scan.startup.mode' = 'latest-offset'") + query),
    );
    live.expect_lines(&["k,t"]);
    append(&host, "clicks.csv", "3\nd,4\n");
    live.expect_lines(&["c,1970-01-01 00:00:03", "d,1970-01-01 00:00:04"]);
    // A file that takes its place is read from its start.
    fs::rename(host.path("clicks.csv"), host.path("clicks.1")).unwrap();
    host.write("clicks.csv", "t,k\n5,e\n");
    live.expect_lines(&["e,1970-01-01 00:00:05"]);
    assert_eq!(live.stop().0, [""; 0]);
    // A file without a record, and one that is to be read whole.
    host.write("clicks.csv", "");
    for mode in ["latest-offset", "earliest-offset"] {
        let options = format!(", 'scan.startup.mode' = '{mode}'");
        let live = Live::start(&host, &(clicks("clicks.csv", &options) + query));
        if mode == "latest-offset" {
            live.expect_lines(&["k,t"]);
            append(&host, "clicks.csv", "k,t\na,1\n");
            live.expect_lines(&["a,1970-01-01 00:00:01"]);
        } else {
            live.expect_lines(&["k,t", "a,1970-01-01 00:00:01"]);
        }
        live.stop();
    }
}

#[test]
fn windows_close_over_a_log_of_nginx_that_grows() {
    let host = Host::new();
    let line = |time: &str, status: &str| {
        format!(
            "1.1.1.1 - - [01/May/2024:{time} +0000] \"GET / HTTP/1.1\" {status} 5 \"-\" \"x\"\n"
        )
    };
    // Times of today are far ahead of none: three records have to agree on them.
    host.write("access.log", line("10:00:01", "200").repeat(3));
    let sql = "CREATE SOURCE access (WATERMARK FOR time_local AS time_local) WITH ('connector' = 'file', \
               'path' = 'access.log', 'format' = 'nginx', 'follow' = 'true'); \
               SELECT window_end, COUNT(*) AS n, COUNT(*) FILTER (WHERE status >= 500) AS failed FROM access \
               WINDOW TUMBLING (1m)";
    let live = Live::start(&host, sql);
    assert_eq!(live.line(), "window_end,n,failed");
    let (cut, rest) = (line("10:00:59", "502"), line("10:01:00", "200"));
    append(&host, "access.log", &cut[..30]);
    live.expect_silence();
    append(&host, "access.log", &(cut[30..].to_owned() + &rest));
    live.expect_lines(&["2024-05-01 10:01:00,4,1"]);
    assert_eq!(live.stop().0, ["2024-05-01 10:02:00,1,0"]);
}

#[test]
fn a_file_that_is_rotated_is_read_to_its_end_and_then_the_next() {
    let host = Host::new();
    host.write("log.csv", "k,t\na,1\n");
    let live = Live::start(&host, &(clicks("log.csv", "") + "SELECT k, t FROM clicks"));
    live.expect_lines(&["k,t", "a,1970-01-01 00:00:01"]);
    fs::rename(host.path("log.csv"), host.path("log.1")).unwrap();
    append(&host, "log.1", "b,2\n");
    live.expect_lines(&["b,1970-01-01 00:00:02"]);
    // The next one has its columns in another order.
    host.write("log.csv", "t,k\n3,c\n");
    live.expect_lines(&["c,1970-01-01 00:00:03"]);
    append(&host, "log.csv", "4,d\n");
    live.expect_lines(&["d,1970-01-01 00:00:04"]);
    assert!(live.stop().0.is_empty());
}

#[test]
fn a_chain_of_rotated_files_under_a_glob_is_read_once_whatever_comes_late() {
    let host = Host::new();
    host.write("log.csv", "k,t\nb,2\n");
    host.write("log.csv.1", "t,k\n1,a\n");
    let live = Live::start(&host, &(clicks("log.csv*", "") + "SELECT k, t FROM clicks"));
    let mut lines = vec![live.line(), live.line(), live.line()];
    lines.sort();
    assert_eq!(lines, ["a,1970-01-01 00:00:01", "b,1970-01-01 00:00:02", "k,t"]);
    for (from, to) in [("log.csv.1", "log.csv.2"), ("log.csv", "log.csv.1")] {
        fs::rename(host.path(from), host.path(to)).unwrap();
    }
    host.write("log.csv", "t,k\n3,c\n");
    live.expect_lines(&["c,1970-01-01 00:00:03"]);
    // Each by the header of its own file.
    append(&host, "log.csv.1", "d,4\n");
    live.expect_lines(&["d,1970-01-01 00:00:04"]);
    append(&host, "log.csv", "5,e\n");
    live.expect_lines(&["e,1970-01-01 00:00:05"]);
    append(&host, "log.csv.2", "6,f\n");
    live.expect_lines(&["f,1970-01-01 00:00:06"]);
    live.expect_silence();
    assert!(live.stop().0.is_empty());
}

#[test]
fn two_scans_of_one_log_follow_it_each() {
    let host = Host::new();
    host.write("log.csv", "k,t\na,1\n");
    let query = "SELECT k FROM clicks UNION ALL SELECT k FROM clicks";
    let live = Live::start(&host, &(clicks("log.csv", "") + query));
    live.expect_lines(&["k", "a", "a"]);
    fs::rename(host.path("log.csv"), host.path("log.csv.1")).unwrap();
    host.write("log.csv", "k,t\nb,2\n");
    live.expect_lines(&["b", "b"]);
    live.expect_silence();
    assert!(live.stop().0.is_empty());
}

#[test]
fn a_file_that_is_cut_is_read_again_and_said_so() {
    let host = Host::new();
    host.write("log.csv", "k,t\na,1\nb,2\n");
    let live = Live::start(&host, &(clicks("log.csv", "") + "SELECT k, t FROM clicks"));
    live.expect_lines(&["k,t", "a,1970-01-01 00:00:01", "b,1970-01-01 00:00:02"]);
    host.write("log.csv", "k,t\nc,3\n");
    live.expect_lines(&["c,1970-01-01 00:00:03"]);
    let (_, stderr) = live.stop();
    assert!(stderr.contains("log.csv was cut once while it was followed"), "{stderr}");
}

#[test]
fn what_lies_beside_a_followed_file_is_not_read_when_it_is_rotated() {
    let host = Host::new();
    host.write("log.csv", "k,t\na,1\n");
    let live = Live::start(&host, &(clicks("log.csv", "") + "SELECT k, t FROM clicks"));
    live.expect_lines(&["k,t", "a,1970-01-01 00:00:01"]);
    // A snapshot and another program's file.
    fs::copy(host.path("log.csv"), host.path("log-20240501.csv")).unwrap();
    host.write("log-2.csv", "k,t\nno,9\n");
    live.expect_silence();
    fs::rename(host.path("log.csv"), host.path("log.csv.old")).unwrap();
    host.write("log.csv", "k,t\nb,2\n");
    live.expect_lines(&["b,1970-01-01 00:00:02"]);
    live.expect_silence();
    assert!(live.stop().0.is_empty());
}

#[test]
fn a_writer_that_does_not_append_goes_on_behind_a_cut() {
    let host = Host::new();
    let mut writer = fs::File::create(host.path("log.csv")).unwrap();
    writer.write_all(b"k,t\na,1\n").unwrap();
    let live = Live::start(&host, &(clicks("log.csv", "") + "SELECT k, t FROM clicks"));
    live.expect_lines(&["k,t", "a,1970-01-01 00:00:01"]);
    fs::OpenOptions::new().write(true).truncate(true).open(host.path("log.csv")).unwrap();
    writer.write_all(b"t,k\n2,b\n").unwrap();
    live.expect_lines(&["b,1970-01-01 00:00:02"]);
    let (_, stderr) = live.stop();
    assert!(stderr.contains("8 NUL bytes"), "{stderr}");
}

#[test]
fn a_silent_partition_holds_the_others_up_until_it_is_idle_and_is_late_when_it_speaks_again() {
    let host = Host::new();
    let query = "SELECT k, window_end, COUNT(*) AS n FROM clicks GROUP BY k WINDOW TUMBLING (10s)";
    host.write("waits/1.csv", "k,t\na,1\n");
    host.write("waits/2.csv", "k,t\na,2\n");
    let off = ", 'watermark.max_ahead' = 'off'";
    let live = Live::start(&host, &(clicks("waits", off) + query));
    assert_eq!(live.line(), "k,window_end,n");
    append(&host, "waits/1.csv", "a,30\n");
    live.expect_silence();
    append(&host, "waits/2.csv", "b,10\n");
    live.expect_lines(&["a,1970-01-01 00:00:10,2"]);
    assert_eq!(live.stop().0, ["b,1970-01-01 00:00:20,1", "a,1970-01-01 00:00:40,1"]);

    host.write("goes/1.csv", "k,t\na,1\n");
    host.write("goes/2.csv", "k,t\na,2\nb,3\n");
    let live =
        Live::start(&host, &(clicks("goes", &format!("{off}, 'idle.timeout' = '500ms'")) + query));
    assert_eq!(live.line(), "k,window_end,n");
    // Until the second is idle; and the first must not be, or nobody says how far time has come.
    let mut second = 30;
    let first = loop {
        append(&host, "goes/1.csv", &format!("a,{second}\n"));
        second += 1;
        match live.line_within(Duration::from_millis(100)) {
            Some(line) => break line,
            None => assert!(second < 600, "the silent one still holds it up"),
        }
    };
    // What the silent one had read is in it.
    assert_eq!(first, "a,1970-01-01 00:00:10,2");
    live.expect_lines(&["b,1970-01-01 00:00:10,1"]);
    append(&host, "goes/2.csv", "b,4\nb,1000\n");
    append(&host, "goes/1.csv", "a,1000\n");
    assert_eq!(live.line().split(',').next(), Some("a"));
    // Nothing that is written says that the second has been read; a stop before that would leave it out.
    std::thread::sleep(Duration::from_millis(500));
    let (rest, stderr) = live.stop();
    assert_eq!(rest.last().unwrap(), "b,1970-01-01 00:16:50,1");
    assert!(stderr.contains("1 late records (clicks, TUMBLING)"), "{stderr}");
}

#[test]
fn a_gap_is_said_while_the_job_runs_and_windows_go_on_leaving_behind_it() {
    let host = Host::new();
    host.write("clicks.csv", "k,t\na,1\na,2\na,3\n");
    let query =
        "SELECT k, window_end, COUNT(*) AS n FROM clicks GROUP BY k WINDOW TUMBLING (t, 10s)";
    let live = Live::start(&host, &(clicks("clicks.csv", "") + query));
    assert_eq!(live.line(), "k,window_end,n");
    // The watermark is at second 1, and second 7200 moves it to 2.
    append(&host, "clicks.csv", "b,7200\n");
    live.expect_said(
        "warning: clicks, partition 0, offset 16: the event time 1970-01-01 02:00:00 is more than \
         'watermark.max_ahead' beyond the watermark, 1970-01-01 00:00:02",
    );
    append(&host, "clicks.csv", "b,7201\nb,7202\n");
    live.expect_lines(&["a,1970-01-01 00:00:10,3"]);
    append(&host, "clicks.csv", "b,7210\n");
    live.expect_lines(&["b,1970-01-01 02:00:10,3"]);
    let (rest, stderr) = live.stop();
    assert_eq!(rest, ["b,1970-01-01 02:00:20,1"]);
    assert_eq!(stderr.matches("warning: ").count(), 1, "an episode is said once: {stderr}");
    assert!(stderr.contains("3 records more than 'watermark.max_ahead' beyond"), "{stderr}");
}

#[test]
fn when_all_partitions_are_silent_windows_close_up_to_the_greatest_watermark() {
    let host = Host::new();
    let query = "SELECT k, window_end, COUNT(*) AS n FROM clicks GROUP BY k WINDOW TUMBLING (10s)";
    host.write("clicks/1.csv", "k,t\na,1\na,2\na,41\n");
    host.write("clicks/2.csv", "k,t\nb,5\nb,3\nb,12\nb,20\n");
    host.write("clicks/3.csv", "k,t\na,7\n");
    let options = ", 'idle.timeout' = '300ms', 'watermark.max_ahead' = '100s'";
    let live = Live::start(&host, &(clicks("clicks", options) + query));
    // Watermarks: 1 of the first, by three records; 20 of the second; none of the third.
    live.expect_lines(&[
        "k,window_end,n",
        "a,1970-01-01 00:00:10,3",
        "b,1970-01-01 00:00:10,2",
        "b,1970-01-01 00:00:20,1",
    ]);
    live.expect_said("clicks: no partition has had a record for 'idle.timeout'");
    live.expect_said("1970-01-01 00:00:20");
    let (rest, _) = live.stop();
    assert_eq!(rest, ["b,1970-01-01 00:00:30,1", "a,1970-01-01 00:00:50,1"]);
}

/// Where the last records of each file stand, a minute behind all others.
const LAST_MINUTE: &str = "2024-01-01 00:01:";

/// Whatever the files hold and however far each has been read as windows leave, the whole is what the
/// same files give when they end.
#[test]
fn what_leaves_live_is_what_leaves_in_the_end() {
    let host = Host::new();
    let gen_arguments =
        ["gen", "trades", "--rows", "60000", "--partitions", "3", "--format", "csv"];
    host.tidemill(
        &[&gen_arguments[..], &["--out", "data", "--disorder", "40", "--late", "0.01"]].concat(),
    )
    .succeeds();
    let names = ["trades-00000.csv", "trades-00001.csv", "trades-00002.csv"];
    let found: Vec<_> = fs::read_dir(host.path("data")).unwrap().collect();
    assert_eq!(found.len(), names.len());
    let mut texts: Vec<String> =
        found.into_iter().map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap()).collect();
    texts.sort();
    // The last record of each says that all before it has been read.
    for (at, (name, text)) in names.iter().zip(&mut texts).enumerate() {
        text.push_str(&format!("9{at},{LAST_MINUTE}00,T00{at},Z{at},1,1\n"));
        host.write(&format!("whole/{name}"), &*text);
    }
    let source = |path: &str, follow: bool| {
        format!(
            "CREATE SOURCE t (trade_id BIGINT, trade_time TIMESTAMP NOT NULL, trader_id VARCHAR, \
             symbol VARCHAR NOT NULL, price DOUBLE, quantity BIGINT, \
             WATERMARK FOR trade_time AS trade_time - INTERVAL '0.05' SECOND) PARTITIONED BY (symbol) \
             WITH ('connector' = 'file', 'path' = '{path}', 'format' = 'csv', 'follow' = '{follow}'); "
        )
    };
    for (at, query) in [
        "SELECT trader_id, window_end, COUNT(*) AS n, SUM(price) AS p, FIRST_VALUE(trade_id) AS f FROM t GROUP BY trader_id WINDOW TUMBLING (100ms)",
        "SELECT trader_id, window_end, COUNT(DISTINCT symbol) AS n, AVG(price) AS p FROM t WHERE quantity % 3 = 0 GROUP BY trader_id WINDOW HOPPING (200ms, 50ms)",
        "SELECT trader_id, window_start, window_end, COUNT(*) AS n, SUM(price) AS p, LAST_VALUE(trade_id) AS l FROM t WHERE quantity < 100 GROUP BY trader_id WINDOW SESSION (15ms)",
        "SELECT window_end, symbol, n, r FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY window_end ORDER BY n DESC, symbol) AS r FROM (SELECT symbol, window_end, COUNT(*) AS n FROM t GROUP BY symbol WINDOW TUMBLING (100ms)) AS w) AS x WHERE r <= 3",
        "SELECT window_end, trader_id, n, r FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY window_end ORDER BY n DESC) AS r FROM (SELECT trader_id, window_end, COUNT(*) AS n FROM t GROUP BY trader_id WINDOW TUMBLING (100ms)) AS w) AS x WHERE r <= 3",
    ]
    .into_iter()
    .enumerate()
    {
        let expected = host.sql(&(source("whole", false) + query)).succeeds();
        assert!(expected.lines().count() > 60, "{query}");
        let directory = format!("grows{at}");
        for (name, text) in names.iter().zip(&texts) {
            host.write(&format!("{directory}/{name}"), text.split_inclusive('\n').next().unwrap());
        }
        let live = Live::start(&host, &(source(&directory, true) + query));
        let mut lines = vec![live.line()];
        // One file is far ahead of the others, then another is.
        let halves: Vec<(usize, &str, &str)> = texts
            .iter()
            .enumerate()
            .map(|(file, text)| {
                let body = &text[text.find('\n').unwrap() + 1..];
                let cut = body[..body.len() * (file + 1) / 4].rfind('\n').unwrap() + 1;
                (file, &body[..cut], &body[cut..])
            })
            .collect();
        for &(file, half, _) in &halves {
            append(&host, &format!("{directory}/{}", names[file]), half);
        }
        lines.push(live.line());
        for &(file, _, rest) in halves.iter().rev() {
            append(&host, &format!("{directory}/{}", names[file]), rest);
        }
        // Only the windows of the last records are open until the stop.
        let known = expected.lines().filter(|line| !line.contains(LAST_MINUTE)).count();
        while lines.len() < known {
            lines.push(live.line());
        }
        lines.extend(live.stop().0);
        assert_eq!(lines.join("\n") + "\n", expected, "{query}");
    }
}

#[test]
fn a_field_of_many_lines_that_grows_is_one_record_at_last() {
    let host = Host::new();
    host.write("log.csv", "k,t\n");
    let query = "SELECT CHAR_LENGTH(k) AS n, t FROM clicks";
    let live = Live::start(&host, &(clicks("log.csv", "") + query));
    assert_eq!(live.line(), "n,t");
    append(&host, "log.csv", "\"");
    for _ in 0..300 {
        append(&host, "log.csv", "a line,\"\"q\"\"\n");
        std::thread::sleep(Duration::from_millis(1));
    }
    append(&host, "log.csv", "\",7\nx,8\n");
    // Eleven characters a line: two quotes stand for one.
    live.expect_lines(&["3300,1970-01-01 00:00:07", "1,1970-01-01 00:00:08"]);
    assert!(live.stop().0.is_empty());
}

#[test]
fn thousands_of_files_are_followed_within_the_limit_or_refused_before_anything_starts() {
    let host = Host::new();
    for file in 0..1200 {
        host.write(&format!("d/{file}.csv"), "k,t\na,1\n");
    }
    let query = "SELECT COUNT(*) AS n FROM clicks GROUP BY k WINDOW TUMBLING (t, 10s)";
    let sql = clicks("d", "") + query;
    let limited = |limits: &str| {
        let mut command = std::process::Command::new("sh");
        let run = "exec \"$0\" run --quiet --format csv -e \"$1\"";
        command.current_dir(host.path("")).arg("-c").arg(format!("{limits}; {run}"));
        command.arg(env!("CARGO_BIN_EXE_tidemill")).arg(&sql);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    };
    let refused = limited("ulimit -n 256").wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && stderr.contains("ulimit -Hn"), "{stderr}");
    // The soft limit is raised.
    let child = limited("ulimit -Sn 256");
    std::thread::sleep(Duration::from_secs(3));
    // SAFETY: the child has not been waited for, so that the number is still its own.
    unsafe { libc::kill(libc::pid_t::try_from(child.id()).unwrap(), libc::SIGINT) };
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
}

#[test]
fn what_cannot_be_followed_is_refused() {
    let host = Host::new();
    host.write("a.csv.gz", b"");
    host.write("d/a.csv", "k,t\n");
    host.write("d/b.csv.gz", b"");
    let named = host.sql(&(clicks("a.csv.gz", "") + "SELECT k FROM clicks")).fails(2);
    assert!(named.contains("'follow' reads what is appended to uncompressed"), "{named}");
    let found = host.sql(&(clicks("d", "") + "SELECT k FROM clicks")).fails(2);
    assert!(found.contains("b.csv.gz cannot be followed"), "{found}");
    host.write("e.csv", "k,t\n");
    let two = "CREATE STREAM o WITH ('connector' = 'file', 'path' = 'o', 'format' = 'csv') AS SELECT k FROM clicks; \
               SELECT COUNT(*) AS n FROM o";
    let behind = host.sql(&(clicks("e.csv", "") + two)).fails(2);
    assert!(behind.contains("queries behind it would never begin"), "{behind}");
    let never = "CREATE SOURCE e (k VARCHAR, t TIMESTAMP) WITH ('connector' = 'file', \
                 'path' = 'd/a.csv', 'format' = 'csv', 'follow' = 'true'); ";
    let query = "SELECT COUNT(*) AS n FROM e GROUP BY k, TUMBLE(t, INTERVAL '1' SECOND)";
    let refused = host.sql(&format!("{never}{query}")).fails(2);
    assert!(refused.contains("declare WATERMARK FOR the event time"), "{refused}");
    let query = "SELECT COUNT(*) OVER (ORDER BY t) AS n FROM e";
    let refused = host.sql(&format!("{never}{query}")).fails(2);
    assert!(refused.contains("declare WATERMARK FOR the event time"), "{refused}");
}

#[test]
fn a_gathered_limit_that_is_full_ends_the_job_however_much_is_given_behind_it() {
    let host = Host::new();
    let records: String = (0..3000).map(|second| format!("a,{second}\n")).collect();
    for name in ["clicks0.csv", "clicks1.csv"] {
        host.write(name, format!("k,t\n{records}"));
    }
    // Small batches, so that each partition gives many parts.
    let settings = "SET batch.rows = 10; ";
    let query = "SELECT window_end, COUNT(*) AS n FROM clicks WINDOW TUMBLING (t, 10s) LIMIT 2";
    let live = Live::start(&host, &(settings.to_owned() + &clicks("clicks*.csv", "") + query));
    live.expect_lines(&["window_end,n", "1970-01-01 00:00:10,20", "1970-01-01 00:00:20,20"]);
    assert!(live.end().0.is_empty());
}

/// `… | head -1` ends as the reader goes, and not with the next row, which may never come.
#[test]
fn a_job_ends_when_nobody_reads_its_rows_any_more() {
    let host = Host::new();
    host.write("log.csv", "k,t\na,1\n");
    let sql = clicks("log.csv", "") + "SELECT k FROM clicks";
    let mut command = host.command(&["run", "--quiet", "--format", "csv", "-e", &sql]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut rows = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    for expected in ["k\n", "a\n"] {
        line.clear();
        rows.read_line(&mut line).unwrap();
        assert_eq!(line, expected);
    }
    drop(rows);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}
