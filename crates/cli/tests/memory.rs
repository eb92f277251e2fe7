//! What a job holds in memory, by what the host says of the real command.

#![allow(clippy::unwrap_used, clippy::cast_precision_loss, reason = "tests")]

mod support;

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::process::Stdio;

use support::Host;

const MIB: u64 = 1 << 20;
const BUDGET: u64 = 16 * MIB;

/// How a run ended, and the most memory that it had.
struct Measured {
    code: i32,
    resident_bytes: u64,
    stderr: String,
}

#[expect(clippy::zombie_processes, reason = "wait4 waits, and says what memory there was")]
fn measure(host: &Host, budget: u64, sql: &str) -> Measured {
    let budget = format!("{budget}B");
    let arguments = ["run", "-q", "--cores", "2", "--memory", &budget, "-e", sql];
    let mut command = host.command(&arguments);
    command.stdout(Stdio::null()).stderr(File::create(host.path("stderr")).unwrap());
    let child = command.spawn().unwrap();
    let mut status = 0;
    // SAFETY: zeroes are a value of this plain struct.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    let pid = libc::pid_t::try_from(child.id()).unwrap();
    // SAFETY: both places outlive the call, and the child is waited for nowhere else.
    let waited = unsafe { libc::wait4(pid, &raw mut status, 0, &raw mut usage) };
    assert_eq!(waited, pid);
    assert!(libc::WIFEXITED(status), "{sql}: killed by signal {}", libc::WTERMSIG(status));
    Measured {
        code: libc::WEXITSTATUS(status),
        // Linux counts in KiB.
        resident_bytes: u64::try_from(usage.ru_maxrss).unwrap() * 1024,
        stderr: std::fs::read_to_string(host.path("stderr")).unwrap(),
    }
}

/// Rows of 8 files, in order of time in each, and the same in one file; every key `s` is there once. Written
/// as they are made: what this process holds counts for those that it starts.
fn write_input(host: &Host, row_count: usize) {
    std::fs::create_dir(host.path("in")).unwrap();
    let create = |name: &str| {
        let mut file = BufWriter::new(File::create(host.path(name)).unwrap());
        file.write_all(b"id,k,at,v,s\n").unwrap();
        file
    };
    let mut files: Vec<_> = (0..8).map(|file| create(&format!("in/{file}.csv"))).collect();
    let mut one = create("one.csv");
    let mut line = String::new();
    for row in 0..row_count {
        let second = row / 50;
        let (hour, minute) = (second / 3600 % 24, second / 60 % 60);
        line.clear();
        writeln!(
            line,
            "{row},{},2024-01-01T{hour:02}:{minute:02}:{:02}Z,{}.25,a text that stands for what a person \
             writes and of about a hundred bytes so that keys are long {row}",
            row % 500,
            second % 60,
            row * 7919 % 100_003,
        )
        .unwrap();
        files[row % 8].write_all(line.as_bytes()).unwrap();
        one.write_all(line.as_bytes()).unwrap();
    }
    files.into_iter().chain([one]).for_each(|mut file| file.flush().unwrap());
}

/// `PARTITIONED BY` or nothing, and the name.
fn source(name: &str, path: &str, partitioned: &str) -> String {
    format!(
        "CREATE SOURCE {name} (id BIGINT NOT NULL, k BIGINT, at TIMESTAMP, v DOUBLE, s VARCHAR, \
         WATERMARK FOR at AS at - INTERVAL '5' SECOND) {partitioned} WITH ('connector' = 'file', \
         'path' = '{path}', 'format' = 'csv', 'splits' = '1');"
    )
}

/// Rows that leave a gather wait to be encoded by several cores; what waits is bounded by its bytes, also where one long text
/// is that of every row.
#[test]
fn long_texts_behind_a_gather_wait_in_lots_of_a_few_bytes() {
    let host = Host::new();
    for file in 0..2 {
        let rows: String = (0..1000)
            .fold("k,t\n".to_owned(), |rows, row| rows + &format!("{file}{row:04},{:x<20}\n", ""));
        host.write(&format!("p{file}.csv"), &rows);
    }
    let run = |select: &str| {
        let sql = format!("INSERT INTO 'out.csv' SELECT k, {select} GROUP BY k");
        let measured = measure(&host, 64 * MIB, &sql);
        assert_eq!(measured.code, 0, "{sql}: {}", measured.stderr);
        let length = std::fs::metadata(host.path("out.csv")).unwrap().len();
        std::fs::remove_file(host.path("out.csv")).unwrap();
        (measured.resident_bytes, length)
    };
    let (base, _) = run("MIN(t) AS t FROM 'p*.csv'");
    // 200 MB of text each.
    for text in ["REPEAT(MIN(t), 5000)", "REPEAT('x', 100000)"] {
        let (resident, length) = run(&format!("{text} AS t FROM 'p*.csv'"));
        assert_eq!(length, 4 + 2000 * 100_007, "{text}");
        let mib = (resident.saturating_sub(base)) / MIB;
        assert!(mib <= 64, "{text}: {mib} MiB more than without");
    }
}

/// Ten times the budget, and a resident set within a tenth of the budget and of what the command takes with little
/// in its tables: for every step that holds something, local and gathered.
#[test]
fn a_job_at_ten_times_its_budget_stops_within_it_and_says_why() {
    let host = Host::new();
    write_input(&host, 1_000_000);
    let declared = source("many", "in", "") + &source("one", "one.csv", "");
    let run = |budget, query: &str| {
        measure(
            &host,
            budget,
            &format!(
                "{declared} CREATE SINK d WITH ('connector' = 'discard'); INSERT INTO d {query}"
            ),
        )
    };
    let base = run(BUDGET, "SELECT k, COUNT(*) AS n, MAX(s) AS s FROM many GROUP BY k");
    assert_eq!(base.code, 0, "{}", base.stderr);
    let day = "INTERVAL '1' DAY";
    let windowed = |call: String, from: &str, what: &str| {
        format!(
            "SELECT window_end, s, {what} FROM TABLE({call}) GROUP BY window_start, window_end, s"
        )
        .replace("FROM_SOURCE", from)
    };
    let table = "TABLE FROM_SOURCE, DESCRIPTOR(at)";
    let windows = [
        format!("TUMBLE({table}, {day})"),
        format!("HOP({table}, INTERVAL '1' HOUR, {day})"),
        format!("CUMULATE({table}, INTERVAL '1' HOUR, {day})"),
        format!("SESSION({table}, {day})"),
    ];
    let mut queries: Vec<String> = [
        "SELECT s, COUNT(*) AS n FROM one GROUP BY s",
        "SELECT s, COUNT(*) AS n FROM many GROUP BY s",
        "SELECT s, COUNT(*) AS n FROM one GROUP BY s EMIT CHANGES",
        "SELECT s, COUNT(*) AS n FROM one GROUP BY s EMIT CHANGES EVERY 1000000 ROWS",
        "SELECT STRING_AGG(s, ',') AS x FROM one EMIT CHANGES",
        "SELECT k % 2 AS p, ARRAY_AGG(s) AS x FROM one GROUP BY k % 2 EMIT CHANGES EVERY 2 ROWS",
        "SELECT * FROM one ORDER BY s",
        "SELECT * FROM many ORDER BY v",
        "SELECT * FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY s ORDER BY v) AS r FROM one) WHERE r <= 3",
        "SELECT * FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY s ORDER BY v) AS r FROM many) WHERE r <= 3",
        "SELECT id, SUM(v) OVER (PARTITION BY s ORDER BY at) AS r FROM one",
        "SELECT id, MAX(s) OVER (PARTITION BY k ORDER BY at RANGE BETWEEN INTERVAL '9' HOUR PRECEDING AND CURRENT ROW) AS r FROM one",
        "SELECT k, COUNT(DISTINCT s) AS r FROM one GROUP BY k",
        "SELECT k, COUNT(DISTINCT s) AS r FROM many GROUP BY k",
        "SELECT k, STRING_AGG(s, ',') AS r FROM one GROUP BY k",
        "SELECT STRING_AGG(s, ',') AS r FROM many",
        "SELECT k, ARRAY_AGG(s) AS r FROM many GROUP BY k",
        "SELECT k, MEDIAN(v) AS a, MEDIAN(v + 1) AS b, MEDIAN(v + 2) AS c FROM one GROUP BY k",
        "SELECT * FROM many LIMIT 900000",
    ]
    .map(str::to_owned)
    .to_vec();
    for call in windows {
        queries.push(windowed(call.clone(), "one", "COUNT(*) AS n"));
        queries.push(windowed(call, "many", "COUNT(*) AS n"));
    }
    // Many open windows of one group each.
    for (call, emit) in [
        ("MAX(s), MIN(s), FIRST_VALUE(s), COUNT(DISTINCT s)", "EMIT CHANGES"),
        ("STRING_AGG(s, ',')", ""),
    ] {
        for from in ["one", "many"].iter().filter(|from| emit.is_empty() || **from == "one") {
            queries.push(format!(
                "SELECT window_end, {call} FROM {from} \
                 GROUP BY HOP(at, INTERVAL '1' SECOND, INTERVAL '2' HOUR) {emit}"
            ));
        }
    }
    let mut findings = Vec::new();
    for query in &queries {
        let Measured { code, resident_bytes, stderr } = run(BUDGET, query);
        let is_typed = code == 1
            && stderr.contains("memory budget")
            && stderr.contains("query d")
            && stderr.contains(&BUDGET.to_string())
            && stderr.contains("memory.budget")
            && number_behind(&stderr, "it needs ") + number_behind(&stderr, " beside ") > BUDGET;
        let allowed = (base.resident_bytes + BUDGET) / 10 * 11;
        if !is_typed || resident_bytes > allowed {
            let mib = |bytes: u64| bytes as f64 / MIB as f64;
            findings.push(format!(
                "{query}\n  code {code}, {:.1} MiB of at most {:.1}: {stderr}",
                mib(resident_bytes),
                mib(allowed),
            ));
        }
    }
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}

/// The number behind some words of a message, if they are there.
fn number_behind(message: &str, words: &str) -> u64 {
    let behind = message.split_once(words).map_or("", |(_, behind)| behind);
    behind.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// The budget is one for all files: whichever of them the groups are in.
#[test]
fn many_small_files_and_a_large_one_share_one_budget() {
    let host = Host::new();
    for file in 0..3000 {
        host.write(&format!("in/{file:04}.csv"), format!("k,v\n{},{file}\n", file % 7));
    }
    let large: String = (0..60_000).map(|at| format!("{},{at}\n", 1000 + at)).collect();
    host.write("in/z.csv", format!("k,v\n{large}"));
    let sql = "SELECT COUNT(*) AS n FROM (SELECT k, SUM(v) AS s FROM 'in/*.csv' GROUP BY k) AS q";
    let ran = host.tidemill(&["run", "-q", "--memory", "16MiB", "-e", sql]);
    assert_eq!(ran.succeeds(), "n\n60007\n");
    let measured = measure(&host, 16 * MIB, sql);
    assert_eq!(measured.code, 0, "{}", measured.stderr);
    assert!(measured.resident_bytes < 96 * MIB, "{} bytes", measured.resident_bytes);
}

/// A file takes next to nothing until its turn comes, and nothing when that is over.
#[test]
fn twenty_thousand_tiny_files_take_a_kibibyte_each_at_most() {
    const FILES: u64 = 20_000;
    let host = Host::new();
    host.write("one/0.csv", "k,v\n0,0\n");
    std::fs::create_dir(host.path("in")).unwrap();
    for file in 0..FILES {
        std::fs::write(
            host.path(&format!("in/{file:05}.csv")),
            format!("k,v\n{},{file}\n", file % 7),
        )
        .unwrap();
    }
    let query = "SELECT COUNT(*) AS n, SUM(v) AS s FROM 'FILES/*.csv' GROUP BY k % 1";
    let base = measure(&host, 16 * MIB, &query.replace("FILES", "one"));
    let measured = measure(&host, 16 * MIB, &query.replace("FILES", "in"));
    assert_eq!((base.code, measured.code), (0, 0), "{}", measured.stderr);
    let more = measured.resident_bytes.saturating_sub(base.resident_bytes);
    // Both cores have their buffers now.
    assert!(more < FILES * 1024 + 8 * MIB, "{more} bytes");
    let few = query.replace("FILES/*", "in/00[0-4]*");
    let ran = host.tidemill(&["run", "-q", "--memory", "16MiB", "-e", &few]);
    // 0 + 1 + … + 499: as many blocks as files.
    assert_eq!(ran.succeeds(), "n,s\n500,124750\n");
    let many = query.replace("FILES/*", "in/0[0-1]*");
    let ran = host.tidemill(&["run", "-q", "--memory", "16MiB", "-e", &many]);
    // 0 + 1 + … + 1,999: blocks of many.
    assert_eq!(ran.succeeds(), "n,s\n2000,1999000\n");
}

/// 120 records in one batch, two hours apart: 360 hopping windows for each, and by the next one all have closed.
fn write_hours(host: &Host) {
    let rows: String = (0..120)
        .map(|row| {
            format!(
                "2024-{:02}-{:02}T{:02}:00:00Z,1\n",
                1 + row / 336,
                1 + row / 12 % 28,
                row % 12 * 2
            )
        })
        .collect();
    host.write("hours.csv", format!("at,v\n{rows}"));
}

/// Rows of one turn that close many windows leave as they are made, and not all at the end of the turn; and windows
/// that have closed are gone before the next record opens others, whichever way they are kept.
#[test]
fn windows_that_close_at_once_leave_piece_by_piece() {
    let host = Host::new();
    write_hours(&host);
    let cases = [
        ("SUM(v)", ""),
        ("SUM(v)", "EMIT CHANGES"),
        ("SUM(v)", "EMIT CHANGES EVERY 2 ROWS"),
        ("STRING_AGG(CAST(v AS VARCHAR), ',')", ""),
    ];
    for (at, (call, emit)) in cases.into_iter().enumerate() {
        let folder = format!("out{at}");
        let sql = format!(
            "CREATE SOURCE h (at TIMESTAMP, v BIGINT, WATERMARK FOR at AS at) WITH ('connector' = 'file', \
             'path' = 'hours.csv', 'format' = 'csv', 'watermark.max_ahead' = 'off'); \
             CREATE SINK d WITH ('connector' = 'file', 'path' = '{folder}', 'format' = 'csv'); \
             INSERT INTO d SELECT window_end, {call} AS s FROM h \
             GROUP BY HOP(at, INTERVAL '10' SECOND, INTERVAL '1' HOUR) {emit}"
        );
        let measured = measure(&host, 8 * MIB, &sql);
        assert_eq!(measured.code, 0, "{call} {emit}: {}", measured.stderr);
        let part = host.path(&format!("{folder}/part-00000-000000.csv"));
        let written = BufReader::new(File::open(part).unwrap());
        assert_eq!(written.lines().count(), 1 + 120 * 360, "{call} {emit}");
        let resident_bytes = measured.resident_bytes;
        assert!(resident_bytes < 96 * MIB, "{call} {emit}: {resident_bytes} bytes");
    }
}

/// A record that lies in many windows changes each, and the changes of a whole batch are not there at once: 720,000
/// here, of some 50 bytes each.
#[test]
fn changes_of_many_windows_leave_piece_by_piece() {
    const ROWS: usize = 2000;
    let host = Host::new();
    let rows: String =
        (0..ROWS).map(|row| format!("2024-01-01T00:{:02}:00Z,{row}\n", row % 60)).collect();
    host.write("hours.csv", format!("at,v\n{rows}"));
    let sql = |limit: &str, sink: &str| {
        format!(
            "CREATE SOURCE h (at TIMESTAMP, v BIGINT, WATERMARK FOR at AS at - INTERVAL '1' HOUR) WITH ('connector' = \
             'file', 'path' = 'hours.csv', 'format' = 'csv', 'watermark.max_ahead' = 'off'); {sink} \
             SELECT window_end, SUM(v) AS s FROM h GROUP BY HOP(at, INTERVAL '10' SECOND, INTERVAL '1' HOUR) \
             EMIT CHANGES {limit}"
        )
    };
    let discard = "CREATE SINK d WITH ('connector' = 'discard'); INSERT INTO d";
    let measured = measure(&host, 8 * MIB, &sql("", discard));
    assert_eq!(measured.code, 0, "{}", measured.stderr);
    assert!(measured.resident_bytes < 64 * MIB, "{} bytes", measured.resident_bytes);
    let counted = host.tidemill(&["run", "--memory", "8MiB", "-e", &sql("", discard)]);
    // 360 windows have each record in them.
    counted.succeeds();
    assert!(counted.stderr().contains("720,000 rows out"), "{}", counted.stderr());
    // The first record changes each of its windows, in order of their ends; the next ones the same.
    let ran = host.tidemill(&["run", "-q", "--format", "csv", "-e", &sql("", "")]);
    let printed = ran.succeeds();
    let lines: Vec<&str> = printed.lines().collect();
    assert_eq!((lines[1], lines[360]), ("2024-01-01 00:00:10,0", "2024-01-01 01:00:00,0"));
    assert_eq!((lines[361], lines.len()), ("2024-01-01 00:01:10,1", 1 + ROWS * 360));
}

/// A batch of computed text is cut by its bytes: two hundred rows here would make 750 MB.
#[test]
fn texts_that_are_made_of_a_batch_are_not_there_at_once() {
    let host = Host::new();
    let rows: String = (0..200).map(|row| format!("{row},{row:0900}\n")).collect();
    host.write("rows.csv", format!("n,t\n{rows}"));
    let source = "CREATE SOURCE r (n BIGINT, t VARCHAR) WITH ('connector' = 'file', 'path' = 'rows.csv', 'format' = 'csv');";
    let long = "REPEAT(t, 4096 + n)";
    // The sum of (4,096 + n) * 900, n < 200, by hand: 900 * (819,200 + 19,900).
    let of_all = "n,s\n200,755190000\n";
    for (query, expected) in [
        (
            format!(
                "SELECT COUNT(*) AS n, SUM(OCTET_LENGTH(x)) AS s FROM (SELECT n, {long} AS x FROM r) AS q"
            ),
            of_all,
        ),
        (
            format!(
                "SELECT COUNT(*) AS n, SUM(OCTET_LENGTH({long})) AS s FROM r WHERE UPPER({long}) IS NOT NULL"
            ),
            of_all,
        ),
        (
            format!(
                "SELECT COUNT(*) AS n, SUM(OCTET_LENGTH(x)) AS s FROM (SELECT {long} AS x FROM (SELECT n, MAX(t) AS t \
                 FROM r GROUP BY n) AS q) AS p"
            ),
            of_all,
        ),
        (format!("SELECT n, OCTET_LENGTH({long}) AS s FROM r WHERE n > 198"), "n,s\n199,3865500\n"),
        // The sum of 100,001 + n: as many texts, and one behind the last comma.
        (
            "SELECT COUNT(*) AS n, SUM(LENGTH(x)) AS s FROM (SELECT STRING_SPLIT(REPEAT('ab,', 100000 + n), ',') AS x \
             FROM r) AS q"
                .to_owned(),
            "n,s\n200,20020100\n",
        ),
    ] {
        let sql = format!("{source} {query}");
        let measured = measure(&host, 16 * MIB, &sql);
        assert_eq!(measured.code, 0, "{}", measured.stderr);
        assert!(measured.resident_bytes < 176 * MIB, "{query}: {} bytes", measured.resident_bytes);
        let ran = host.tidemill(&["run", "-q", "--cores", "2", "--memory", "16MiB", "-e", &sql]);
        assert_eq!(ran.succeeds(), expected, "{query}");
    }
}
