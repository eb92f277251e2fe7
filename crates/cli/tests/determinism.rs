//! The same input gives the same bytes, whatever the batch size, the cores and the backend.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::collections::BTreeMap;
use std::fs;

use support::Host;

/// Stateless, local, gathered, emitting changes, ordered: one query for each way through.
const QUERIES: [(&str, &str); 26] = [
    (
        "'format' = 'csv'",
        "SELECT symbol, price * quantity AS value, UPPER(trader_id) AS trader FROM t WHERE quantity % 3 = 0",
    ),
    (
        "'format' = 'csv'",
        "SELECT symbol, COUNT(*) AS n, AVG(price) AS a, STDDEV(price) AS s, SUM(price * quantity) AS v FROM t GROUP BY symbol",
    ),
    (
        "'format' = 'csv'",
        "SELECT trader_id, COUNT(*) AS n, SUM(price) AS p, FIRST_VALUE(symbol) AS f, STRING_AGG(symbol, '') AS all_symbols FROM t GROUP BY trader_id",
    ),
    (
        "'format' = 'csv'",
        "SELECT symbol, COUNT(*) AS n, MAX(price) AS m FROM t GROUP BY symbol EMIT CHANGES",
    ),
    (
        "'format' = 'csv'",
        "SELECT symbol, COUNT(*) AS n, SUM(price) AS p FROM t GROUP BY symbol EMIT CHANGES EVERY 97 ROWS",
    ),
    ("'format' = 'csv'", "SELECT trade_id, price FROM t ORDER BY price DESC, trade_id LIMIT 500"),
    (
        "'format' = 'json', 'rolling' = '64KiB'",
        "SELECT symbol, trader_id, price FROM t WHERE quantity > 500",
    ),
    (
        "'format' = 'arrow'",
        "SELECT symbol || ' and more than twelve bytes' AS s, price FROM t WHERE quantity > 500",
    ),
    // Windows, with late records: the watermark waits less than the disorder.
    (
        "'format' = 'csv'",
        "SELECT symbol, window_end, COUNT(*) AS n, SUM(price) AS p FROM t GROUP BY symbol WINDOW TUMBLING (trade_time, 50ms)",
    ),
    (
        "'format' = 'csv'",
        "SELECT symbol, window_end, COUNT(*) AS n, AVG(price) AS p FROM t WHERE quantity % 3 = 0 GROUP BY symbol WINDOW HOPPING (100ms, 30ms)",
    ),
    (
        "'format' = 'csv'",
        "SELECT trader_id, window_end, COUNT(*) AS n, SUM(price) AS p FROM t GROUP BY trader_id WINDOW HOPPING (100ms, 50ms)",
    ),
    (
        "'format' = 'csv'",
        "SELECT symbol, window_end, COUNT(*) AS n, SUM(price) AS p FROM t GROUP BY symbol WINDOW CUMULATE (100ms, 50ms) EMIT CHANGES",
    ),
    (
        "'format' = 'csv'",
        "SELECT symbol, window_end, COUNT(*) AS n FROM t GROUP BY symbol WINDOW HOPPING (60ms, 20ms) EMIT CHANGES EVERY 97 ROWS",
    ),
    (
        "'format' = 'csv'",
        "SELECT symbol, window_end, COUNT(*) AS n, SUM(price) AS p FROM u GROUP BY symbol WINDOW TUMBLING (20ms)",
    ),
    // Long texts, and changes of many windows, which are made some at a time.
    (
        "'format' = 'csv'",
        "SELECT symbol, window_end, SUM(l) AS n FROM (SELECT symbol, trade_time, \
         OCTET_LENGTH(REPEAT(symbol || ',', 10000)) AS l FROM t WHERE quantity % 20 = 0) AS x \
         GROUP BY symbol WINDOW HOPPING (trade_time, 200ms, 1ms) EMIT CHANGES",
    ),
    (
        "'format' = 'csv'",
        "SELECT symbol, window_end, FIRST_VALUE(trade_id) AS f, LAST_VALUE(trade_id) AS l FROM u GROUP BY symbol WINDOW HOPPING (60ms, 20ms)",
    ),
    // Analytic functions: rows wait, some are late.
    (
        "'format' = 'csv'",
        "SELECT trade_id, AVG(price) OVER (ROWS WINDOW BUFFER 7 ROWS PARTITION BY symbol ORDER BY trade_time) AS m, \
         SUM(quantity) OVER (PARTITION BY symbol ORDER BY trade_time RANGE BETWEEN INTERVAL '0.03' SECOND PRECEDING AND CURRENT ROW) AS q, \
         LAG(trader_id, 2, 'none') OVER (PARTITION BY symbol ORDER BY trade_time) AS l, \
         COUNT(*) OVER (PARTITION BY symbol ROWS UNBOUNDED PRECEDING) AS n FROM t",
    ),
    (
        "'format' = 'csv'",
        "SELECT trade_id, DENSE_RANK() OVER (PARTITION BY symbol, trader_id ORDER BY trade_time) AS r, \
         MAX(trader_id) OVER (PARTITION BY symbol ORDER BY trade_time ROWS 3 PRECEDING) AS m FROM u WHERE quantity % 3 > 0",
    ),
    (
        "'format' = 'csv'",
        "SELECT symbol, window_end, COUNT(*) AS n, MAX(r) AS r FROM (SELECT symbol, trade_time, ROW_NUMBER() OVER \
         (PARTITION BY symbol ORDER BY trade_time) AS r FROM t) AS x GROUP BY symbol WINDOW TUMBLING (trade_time, 50ms)",
    ),
    // Sessions: of a declared key, gathered, with changes, corrected.
    (
        "'format' = 'csv'",
        "SELECT symbol, window_start, window_end, COUNT(*) AS n, SUM(price) AS p, LAST_VALUE(trade_id) AS l FROM t GROUP BY symbol WINDOW SESSION (trade_time, 20ms)",
    ),
    (
        "'format' = 'csv'",
        "SELECT trader_id, window_start, window_end, COUNT(*) AS n, SUM(price) AS p, COUNT(DISTINCT symbol) AS d FROM t GROUP BY trader_id WINDOW SESSION (trade_time, 10ms)",
    ),
    (
        "'format' = 'csv'",
        "SELECT symbol, window_start, window_end, COUNT(*) AS n FROM t GROUP BY symbol WINDOW SESSION (20ms) EMIT CHANGES",
    ),
    (
        "'format' = 'csv'",
        "SELECT symbol, trader_id, window_end, COUNT(*) AS n, STRING_AGG(trader_id, '') AS s FROM u GROUP BY symbol, trader_id WINDOW SESSION (60ms)",
    ),
    // The first rows of each: local, gathered, of windows.
    (
        "'format' = 'csv'",
        "SELECT * FROM (SELECT symbol, trade_id, price, ROW_NUMBER() OVER (PARTITION BY symbol ORDER BY price DESC) AS r FROM t) AS x WHERE r <= 3",
    ),
    (
        "'format' = 'csv'",
        "SELECT * FROM (SELECT trader_id, trade_id, ROW_NUMBER() OVER (PARTITION BY trader_id ORDER BY quantity, symbol) AS r FROM t) AS x WHERE r < 3",
    ),
    (
        "'format' = 'csv'",
        "SELECT * FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY window_end ORDER BY n DESC, symbol) AS r FROM \
         (SELECT symbol, window_end, COUNT(*) AS n FROM t GROUP BY symbol WINDOW TUMBLING (50ms)) AS w) AS x WHERE r <= 2",
    ),
];

/// What a run left in its sinks: file name to bytes.
type Results = BTreeMap<String, Vec<u8>>;

fn run(host: &Host, label: &str, flags: &[&str]) -> Results {
    let mut script = String::new();
    for (name, lateness) in [("t", "0s"), ("u", "10ms")] {
        script.push_str(&format!(
            "CREATE SOURCE {name} (trade_id BIGINT, trade_time TIMESTAMP NOT NULL, trader_id VARCHAR, \
             symbol VARCHAR NOT NULL, price DOUBLE, quantity BIGINT, \
             WATERMARK FOR trade_time AS trade_time - INTERVAL '0.02' SECOND) \
             PARTITIONED BY (symbol) WITH ('connector' = 'file', 'path' = 'data', 'format' = 'csv', \
             'bad.records' = 'skip', 'allowed.lateness' = '{lateness}');\n"
        ));
    }
    for (i, (format, query)) in QUERIES.iter().enumerate() {
        script.push_str(&format!(
            "CREATE SINK s{i} WITH ('connector' = 'file', 'path' = '{label}/s{i}', {format});\n\
             INSERT INTO s{i} {query};\n"
        ));
    }
    let mut arguments = vec!["run", "--quiet", "-e", &script];
    arguments.extend(flags);
    host.tidemill(&arguments).succeeds();
    let mut results = Results::new();
    for i in 0..QUERIES.len() {
        for entry in fs::read_dir(host.path(&format!("{label}/s{i}"))).unwrap() {
            let path = entry.unwrap().path();
            let name = format!("s{i}/{}", path.file_name().unwrap().to_string_lossy());
            results.insert(name, fs::read(path).unwrap());
        }
    }
    results
}

#[test]
fn batch_size_cores_and_backend_leave_the_bytes_alone() {
    let host = Host::new();
    host.tidemill(&[
        "gen",
        "trades",
        "--rows",
        "20000",
        "--partitions",
        "4",
        "--format",
        "csv",
        "--out",
        "data",
        "--disorder",
        "50",
        "--bad",
        "0.01",
    ])
    .succeeds();
    let expected = run(&host, "expected", &["--cores", "1"]);
    let segments = |sink: &str| expected.keys().filter(|name| name.starts_with(sink)).count();
    assert_eq!(
        ["s0/", "s1/", "s2/", "s3/", "s5/", "s7/", "s8/", "s10/"].map(segments),
        [4, 4, 1, 4, 1, 4, 4, 1]
    );
    assert!(segments("s6/") > 8, "segments roll");
    assert!(expected.values().all(|bytes| bytes.len() > 100), "no file is empty");
    let variants: [(&str, &[&str]); 7] = [
        ("rows1", &["--batch-rows", "1"]),
        ("rows7", &["--batch-rows", "7"]),
        ("rows1000", &["--batch-rows", "1000"]),
        ("rows8192", &["--batch-rows", "8192", "--runtime", "std"]),
        ("std", &["--runtime", "std"]),
        ("glommio", &["--runtime", "glommio"]),
        ("std7", &["--runtime", "std", "--batch-rows", "7", "--cores", "1"]),
    ];
    for (label, flags) in variants {
        let found = run(&host, label, flags);
        assert_eq!(
            found.keys().collect::<Vec<_>>(),
            expected.keys().collect::<Vec<_>>(),
            "{label}"
        );
        for (name, bytes) in &found {
            assert!(*bytes == expected[name], "{label}: {name} differs");
        }
    }
}

#[test]
fn splits_of_one_file_agree_with_the_whole() {
    let host = Host::new();
    host.tidemill(&["gen", "trades", "--rows", "30000", "--format", "json", "--out", "data"])
        .succeeds();
    let count = |splits: &str| {
        let script = format!(
            "CREATE SOURCE t (symbol VARCHAR, price DOUBLE, quantity BIGINT) WITH \
             ('connector' = 'file', 'path' = 'data', 'format' = 'json', 'splits' = '{splits}'); \
             SELECT symbol, COUNT(*) AS n, SUM(quantity) AS q, MIN(price) AS low, MAX(price) AS high, \
             COUNT(DISTINCT price) AS prices FROM t GROUP BY symbol ORDER BY symbol"
        );
        host.tidemill(&["run", "--quiet", "-e", &script]).succeeds()
    };
    let whole = count("1");
    assert_eq!(whole.lines().count(), 201);
    for splits in ["2", "4", "7"] {
        assert_eq!(count(splits), whole, "{splits} splits");
    }
}

#[test]
fn records_in_quotes_across_a_split_make_it_read_as_one() {
    let host = Host::new();
    // Cut in half, the file is cut inside the long quoted field, whose lines look like records.
    let field = "x,1\n".repeat(2000);
    host.write("t.csv", format!("name,n\na,1\n\"{field}\",2\nb,3\n"));
    let script = |splits: &str| {
        format!(
            "CREATE SOURCE t (name VARCHAR, n BIGINT) WITH ('connector' = 'file', 'path' = 't.csv', \
             'format' = 'csv', 'splits' = '{splits}', 'bad.records' = 'skip'); \
             SELECT COUNT(*) AS n FROM t"
        )
    };
    for splits in ["1", "2", "5"] {
        assert_eq!(host.tidemill(&["run", "--quiet", "-e", &script(splits)]).succeeds(), "n\n3\n");
    }
    // To files as well, none of which is left of the first attempt.
    let to_file = "CREATE SOURCE t (name VARCHAR, n BIGINT) WITH ('connector' = 'file', 'path' = 't.csv', \
         'format' = 'csv', 'splits' = '2', 'bad.records' = 'skip'); \
         COPY (SELECT n FROM t WHERE n < 3) TO 'out' (FORMAT csv)";
    host.tidemill(&["run", "--quiet", "-e", to_file]).succeeds();
    let parts: Vec<_> =
        fs::read_dir(host.path("out")).unwrap().map(|part| part.unwrap().path()).collect();
    let visible: Vec<_> = parts
        .iter()
        .filter(|path| !path.file_name().unwrap().to_str().unwrap().starts_with('.'))
        .collect();
    assert_eq!(visible.len(), 1, "{parts:?}");
    let rows = fs::read_to_string(visible[0]).unwrap();
    assert!(rows.ends_with("1\n2\n"), "{rows}");
}

#[test]
fn line_ends_in_quotes_do_not_keep_files_from_being_split() {
    let host = Host::new();
    let record = |n: usize| {
        let text = ["one, line", "two\nlines", "a \"\"word\"\"\n1,2,3\n\nend", ""][n % 4];
        format!("{n},\"{text}\",{}\n", n % 7)
    };
    let file = |from: usize, until: usize| -> String {
        ["n,text,k\n".to_owned()].into_iter().chain((from..until).map(record)).collect()
    };
    host.write("notes/a.csv", file(0, 3_000));
    host.write("notes/b.csv", file(3_000, 3_010));
    host.write("notes/c.csv", file(3_010, 5_000));
    let count = |splits: &str| {
        let script = format!(
            "CREATE SOURCE t WITH ('connector' = 'file', 'path' = 'notes/*.csv', 'format' = 'csv', \
             'splits' = '{splits}'); SELECT k, COUNT(*) AS c, SUM(n) AS s, SUM(LENGTH(text)) AS l \
             FROM t GROUP BY k ORDER BY k"
        );
        host.tidemill(&["run", "--quiet", "-e", &script]).succeeds()
    };
    let whole = count("1");
    let ids: u64 =
        whole.lines().skip(1).map(|line| line.split(',').nth(2)).fold(0, |sum, part| {
            sum + part.and_then(|part| part.parse::<u64>().ok()).expect("a sum")
        });
    assert_eq!(ids, 4_999 * 5_000 / 2);
    for splits in ["2", "3", "7", "40"] {
        assert_eq!(count(splits), whole, "{splits} splits");
    }
}

/// Files in order, out of it, with records that are late wherever the file is cut, with clocks that jump: read as
/// splits they give what they give as one.
#[test]
fn windows_over_splits_are_those_over_the_whole() {
    let host = Host::new();
    let mut state = 7_u64;
    let mut random = |below: u64| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    // Seconds of disorder, one in how many is late by an hour, one in how many is a day ahead.
    let kinds =
        [(0, 0, 0), (4, 0, 0), (4, 50, 0), (30, 0, 0), (4, 0, 90), (4, 70, 90), (0, 900, 0)];
    for (number, (disorder, late_in, ahead_in)) in kinds.into_iter().enumerate() {
        let mut file = "at,k,n\n".to_owned();
        for row in 0..4_000_u64 {
            let mut at = 100_000 + row * 2 + random(disorder + 1);
            if late_in > 0 && random(late_in) == 0 {
                at -= 3_600;
            }
            if ahead_in > 0 && random(ahead_in) == 0 {
                at += 86_400;
            }
            let (k, n) = (random(3), random(100));
            file.push_str(&format!("{at},{k},{n}\n"));
        }
        let path = format!("{number}.csv");
        host.write(&path, file);
        let windows = |splits: &str, window: &str| {
            let script = format!(
                "CREATE SOURCE t (at TIMESTAMP, k BIGINT, n BIGINT, WATERMARK FOR at AS at - INTERVAL '5' \
                 SECOND) WITH ('connector' = 'file', 'path' = '{path}', 'format' = 'csv', 'splits' = \
                 '{splits}', 'watermark.max_ahead' = '1h', 'timestamp.unit' = 's'); \
                 SELECT window_start, window_end, k, COUNT(*) AS c, SUM(n) AS s FROM t GROUP BY k {window}"
            );
            let ran = host.tidemill(&["run", "--format", "csv", "-e", &script]);
            let mut rows: Vec<String> = ran.succeeds().lines().map(str::to_owned).collect();
            rows.sort_unstable();
            let late =
                ran.stderr().lines().find(|line| line.contains(" late records")).map(str::to_owned);
            (rows, late)
        };
        let all =
            ["WINDOW TUMBLING (60s)", "WINDOW HOPPING (60s, 20s)", "WINDOW CUMULATE (120s, 40s)"];
        for window in all {
            let whole = windows("1", window);
            assert!(whole.0.len() > 100, "{whole:?}");
            if ahead_in == 0 {
                assert_eq!(whole.1.is_some(), late_in > 0 || disorder > 5, "{path} {:?}", whole.1);
            }
            for splits in ["2", "5"] {
                assert_eq!(
                    windows(splits, window),
                    whole,
                    "file {number}, {splits} splits, {window}"
                );
            }
        }
    }
}

#[test]
fn a_limit_over_splits_takes_the_first_rows_and_leaves_the_audit_whole() {
    let host = Host::new();
    let records: String = (0..60_000).map(|n| format!("x,{n}\n")).collect();
    host.write("plain.csv", format!("name,n\n{records}"));
    let field = "y,-1\n".repeat(2000);
    host.write("quoted.csv", format!("name,n\na,1\n\"{field}\",2\nb,3\n"));
    let query = |path: &str, splits: &str, keep: &str| {
        let script = format!(
            "CREATE SOURCE t (name VARCHAR, n BIGINT) WITH ('connector' = 'file', 'path' = '{path}', \
             'format' = 'csv', 'splits' = '{splits}', 'bad.records' = 'skip'); \
             SELECT COUNT(*) AS n, MIN(n) AS low, MAX(n) AS high FROM (SELECT n FROM t LIMIT {keep})"
        );
        host.tidemill(&["run", "--quiet", "-e", &script])
    };
    for splits in ["1", "2", "3"] {
        assert_eq!(query("plain.csv", splits, "3").succeeds(), "n,low,high\n3,0,2\n");
        let most = query("plain.csv", splits, "45000").succeeds();
        assert_eq!(most, "n,low,high\n45000,0,44999\n");
    }
    // The first split has two records, so the limit looks at the second, which begins in quotes and
    // is full before its end.
    assert_eq!(query("quoted.csv", "2", "900").succeeds(), "n,low,high\n3,1,3\n");
}

#[test]
fn what_is_gathered_does_not_depend_on_the_number_of_partitions() {
    let host = Host::new();
    let rows = ["gen", "trades", "--rows", "30000", "--format", "csv", "--disorder", "40"];
    host.tidemill(&[&rows[..], &["--out", "one"]].concat()).succeeds();
    let file = fs::read_dir(host.path("one")).unwrap().next().unwrap().unwrap().path();
    let text = fs::read_to_string(file).unwrap();
    let (header, records) = text.split_once('\n').unwrap();
    let run = |count: usize, query: &str, flags: &[&str]| {
        let directory = format!("of{count}");
        for part in 0..count {
            let of_part = records.lines().skip(part).step_by(count);
            let body: String = of_part.map(|line| format!("{line}\n")).collect();
            host.write(&format!("{directory}/{part}.csv"), format!("{header}\n{body}"));
        }
        let script = format!(
            "CREATE SOURCE t (trade_id BIGINT, trade_time TIMESTAMP NOT NULL, trader_id VARCHAR, \
             symbol VARCHAR NOT NULL, price DOUBLE, quantity BIGINT, \
             WATERMARK FOR trade_time AS trade_time - INTERVAL '0.05' SECOND) \
             WITH ('connector' = 'file', 'path' = '{directory}', 'format' = 'csv'); {query}"
        );
        let arguments = ["run", "--quiet", "--format", "csv", "-e", &script];
        host.tidemill(&[&arguments[..], flags].concat()).succeeds()
    };
    for query in [
        "SELECT symbol, window_end, COUNT(*) AS n, SUM(quantity) AS q, MIN(trade_id) AS f FROM t GROUP BY symbol WINDOW TUMBLING (100ms)",
        "SELECT trader_id, window_end, COUNT(DISTINCT symbol) AS n, MAX(price) AS m FROM t GROUP BY trader_id WINDOW HOPPING (300ms, 70ms)",
        "SELECT window_start, window_end, COUNT(*) AS n FROM t WHERE quantity < 30 WINDOW CUMULATE (200ms, 50ms)",
        "SELECT symbol, window_start, window_end, COUNT(*) AS n, SUM(quantity) AS q FROM t GROUP BY symbol WINDOW SESSION (15ms)",
        "SELECT symbol, trade_id, r FROM (SELECT symbol, trade_id, ROW_NUMBER() OVER (PARTITION BY symbol ORDER BY price DESC, trade_id) AS r FROM t) AS x WHERE r <= 4",
        "SELECT trader_id, COUNT(*) AS n, SUM(quantity) AS q, MAX(price) AS m FROM t GROUP BY trader_id ORDER BY trader_id",
    ] {
        // Groups leave in order of their first records by partition, so with other partitions in another order.
        let sorted = |text: &str| {
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            lines.sort_unstable();
            lines
        };
        let two = run(2, query, &[]);
        assert!(two.lines().count() > 30, "{query}");
        assert_eq!(sorted(&run(1, query, &[])), sorted(&two), "{query}");
        let four = run(4, query, &[]);
        assert_eq!(sorted(&four), sorted(&two), "{query}");
        for flags in [["--runtime", "std"], ["--batch-rows", "7"], ["--cores", "1"]] {
            assert_eq!(run(4, query, &flags), four, "{query} {flags:?}");
        }
    }
}

/// Runs of small files are read by one pipeline each: every file keeps its own header, offsets and place in messages,
/// and values leave in the order of files.
#[test]
fn small_files_that_follow_each_other_are_read_as_files_of_their_own() {
    const FILES: usize = 300;
    let host = Host::new();
    let mut expected: BTreeMap<String, (u64, u64, String)> = BTreeMap::new();
    for file in 0..FILES {
        // Every third file has its columns the other way around, and two have a record that is none.
        let is_turned = file % 3 == 0;
        let mut text = if is_turned { "n,k\n".to_owned() } else { "k,n\n".to_owned() };
        for row in 0..5 {
            let (key, n) = (format!("k{}", (file + row) % 7), file * 10 + row);
            let record = if is_turned { format!("{n},{key}\n") } else { format!("{key},{n}\n") };
            text.push_str(&record);
            // The first value of a key is that of the first file.
            let known = expected.entry(key).or_insert((0, 0, n.to_string()));
            (known.0, known.1) = (known.0 + 1, known.1 + n as u64);
        }
        if file == 17 || file == 290 {
            text.push_str(if is_turned { "x,k1\n" } else { "k1,x\n" });
        }
        host.write(&format!("data/{file:03}.csv"), text);
    }
    let expected: String = std::iter::once("k,c,s,f\n".to_owned())
        .chain(
            expected
                .iter()
                .map(|(key, (count, sum, first))| format!("{key},{count},{sum},{first}\n")),
        )
        .collect();
    let declared = |policy: &str| {
        format!(
            "CREATE SOURCE t (k VARCHAR, n BIGINT) WITH ('connector' = 'file', 'path' = 'data', \
             'format' = 'csv', 'bad.records' = '{policy}');"
        )
    };
    let query =
        "SELECT k, COUNT(*) AS c, SUM(n) AS s, FIRST_VALUE(n) AS f FROM t GROUP BY k ORDER BY k;";
    let floats =
        "SELECT k, SUM(n / 7.0) AS s, STRING_AGG(CAST(n AS VARCHAR), ' ') AS a FROM t GROUP BY k;";
    let run = |script: &str, flags: &[&str]| {
        let arguments = ["run", "--quiet", "--format", "csv", "-e", script];
        host.tidemill(&[&arguments[..], flags].concat())
    };
    let script = format!("{} {query} {floats}", declared("skip"));
    let all = run(&script, &["--cores", "1"]).succeeds();
    assert!(all.starts_with(&expected), "{all}");
    for flags in [
        &["--cores", "2"][..],
        &["--batch-rows", "1"],
        &["--batch-rows", "7", "--runtime", "std"],
        &["--runtime", "glommio"],
    ] {
        assert_eq!(run(&script, flags).succeeds(), all, "{flags:?}");
    }
    // The first bad record by file, with its place in that file: behind five records of 6 bytes and more, and a header.
    let refused = run(&format!("{} {query}", declared("fail")), &[]).fails(1);
    assert!(refused.contains("partition 17"), "{refused}");
    let dead = format!("SET 'dead.letter.path' = 'dead'; {} {query}", declared("dead_letter"));
    run(&dead, &[]).succeeds();
    let files = fs::read_dir(host.path("dead")).unwrap();
    let letters: String =
        files.map(|file| fs::read_to_string(file.unwrap().path()).unwrap_or_default()).collect();
    let of = |partition: &str| letters.matches(partition).count();
    assert_eq!(
        (letters.lines().count(), of("\"partition\":17,"), of("\"partition\":290,")),
        (2, 1, 1),
        "{letters}"
    );
}

/// Rows of many small files share the files that are written, and stand there in the order of their files.
#[test]
fn what_small_files_have_is_written_together() {
    const FILES: usize = 600;
    let host = Host::new();
    let lines = |file: usize| format!("{file},first\n{file},second\n");
    for file in 0..FILES {
        host.write(&format!("data/{file:03}.csv"), format!("n,t\n{}", lines(file)));
    }
    let write = |to: &str, flags: &[&str]| {
        let script =
            format!("COPY (SELECT n, t FROM 'data/*.csv' WHERE n <> 5) TO '{to}' (FORMAT csv);");
        let arguments = ["run", "--quiet", "-e", script.as_str()];
        host.tidemill(&[&arguments[..], flags].concat()).succeeds();
    };
    let expected: String = (0..FILES).filter(|&file| file != 5).map(lines).collect();
    for (to, flags) in [
        ("one", &["--cores", "1"][..]),
        ("two", &["--cores", "2", "--batch-rows", "1"]),
        ("std", &["--runtime", "std", "--batch-rows", "7"]),
    ] {
        write(&format!("{to}/"), flags);
        let mut files: Vec<_> =
            fs::read_dir(host.path(to)).unwrap().map(|file| file.unwrap().path()).collect();
        files.sort();
        assert!(files.len() < 10, "{files:?}");
        let written: String = files
            .iter()
            .map(|file| fs::read_to_string(file).unwrap())
            .map(|text| text.strip_prefix("n,t\n").unwrap().to_owned())
            .collect();
        assert_eq!(written, expected, "{to}");
        write(&format!("{to}.csv"), flags);
        let one = fs::read_to_string(host.path(&format!("{to}.csv"))).unwrap();
        assert_eq!(one, format!("n,t\n{expected}"), "{to}");
    }
}
