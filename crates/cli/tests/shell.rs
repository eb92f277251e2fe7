//! The shell, at a pseudo-terminal, and the command without one.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::fs;
use std::io::Write;
use std::process::Stdio;

use support::Host;
use support::terminal::Terminal;

const TRADES: &str = "symbol,trader,price\nACME,ann,10.5\nBOLT,,20\nACME,cid,11.5\n";

fn shell(host: &Host, size: (u16, u16)) -> Terminal {
    let shell = Terminal::start(host, size, &[], &[]);
    shell.expect("tidemill>");
    shell
}

#[test]
fn statements_of_several_lines_run_and_what_they_declare_and_set_stays() {
    let host = Host::new();
    host.write("trades.csv", TRADES);
    let mut shell = shell(&host, (50, 100));
    shell.line(
        "SELECT symbol, COUNT(*) AS n\rFROM 'trades.csv' -- of all;\rGROUP BY symbol ORDER BY n;",
    );
    let screen = shell.expect("(2 rows, ");
    assert!(screen.contains("      -> FROM 'trades.csv'"), "{screen}");
    assert!(
        screen.contains("│ symbol │ n │\n├────────┼───┤\n│ BOLT   │ 1 │\n│ ACME   │ 2 │"),
        "{screen}"
    );
    shell.line(
        "CREATE SOURCE t WITH ('connector' = 'file', 'path' = 'trades.csv'); SET batch.rows = 7;",
    );
    shell.line("SELECT trader FROM t WHERE trader IS NULL;");
    shell.expect("│ NULL   │");
    shell.line("SELECT pric FROM t;");
    let screen = shell.expect("did you mean");
    assert!(
        screen.contains("error: sql:1:8: unknown column \"pric\"\n  |\n1 | SELECT pric FROM t;"),
        "{screen}"
    );
    shell.line(".settings");
    shell.expect("batch.rows        7");
    shell.line(".tables");
    shell.expect("\nt  source\n");
    // Also what this statement does not name.
    shell.line("SHOW TABLES LIKE 't';");
    shell.expect("│ t    │ source │");
    shell.line(".schema t");
    shell.expect("price   DOUBLE\n");
    shell.line(".quit");
    assert_eq!(shell.end(), Some(0));
    let history = fs::read_to_string(host.path("state/tidemill/history")).unwrap();
    assert!(history.contains("SELECT trader FROM t"), "{history}");
}

#[test]
fn what_one_statement_writes_another_one_reads() {
    let host = Host::new();
    host.write("trades.csv", TRADES);
    host.write(
        "job.sql",
        "INSERT INTO out SELECT symbol, price FROM 'trades.csv' WHERE price > 11;\n",
    );
    let mut shell = shell(&host, (40, 100));
    shell.line("CREATE SINK out WITH ('connector' = 'file', 'path' = 'o', 'format' = 'json', 'on.existing' = 'replace');");
    shell.line("SELECT * FROM out;");
    shell.expect("is not written by an earlier statement");
    // Twice: a sink may be written again by a later statement.
    shell.line(".read job.sql");
    shell.expect("2 rows out");
    shell.line(".read job.sql");
    shell.line("SELECT symbol FROM out ORDER BY symbol;");
    shell.expect("│ ACME   │\n│ BOLT   │\n");
    shell.line("CREATE STREAM dear WITH ('connector' = 'file', 'path' = 'd', 'format' = 'csv') AS SELECT * FROM out \
                WHERE price > 12;");
    shell.line("SELECT COUNT(*) AS dear_ones FROM dear;");
    shell.expect("│ dear_ones │\n├───────────┤\n│         1 │");
    shell.type_in("\x04");
    assert_eq!(shell.end(), Some(0));
}

#[test]
fn ctrl_c_ends_the_query_and_not_the_shell() {
    let host = Host::new();
    let mut shell = shell(&host, (20, 100));
    shell.line("CREATE SOURCE g WITH ('connector' = 'generator', 'schema' = 'trades', 'rows' = 'unlimited', \
                'rate' = '1000', 'keys' = '3', 'partitions' = '2');");
    shell.line("SELECT symbol, COUNT(*) AS n FROM g GROUP BY symbol EMIT CHANGES;");
    // One row for each of the three groups, drawn again as it changes.
    let count = |screen: &str| {
        let rows: Vec<_> = screen.lines().filter(|line| line.starts_with("│ AAA")).collect();
        let numbers =
            rows.iter().filter_map(|row| row.split('│').nth(2)?.trim().parse::<u64>().ok());
        (rows.len(), numbers.sum::<u64>())
    };
    let first = shell.wait_for(|screen| count(screen).0 == 3);
    shell.wait_for(|screen| count(screen).0 == 3 && count(screen).1 > count(&first).1 + 100);
    shell.type_in("\x03");
    shell.line("CREATE SOURCE b WITH ('connector' = 'generator', 'schema' = 'trades', 'rows' = '1000000000000');");
    shell.line("SELECT COUNT(*) AS n FROM b;");
    shell.wait_for(|screen| screen.contains(" records") && screen.contains('%'));
    shell.type_in("\x03");
    shell.expect("\nstopped before the end of the input\n");
    // On an empty line it does nothing, and on another it leaves that.
    shell.type_in("SELECT nonsense");
    shell.expect("SELECT nonsense");
    shell.type_in("\x03");
    shell.line(".maxrows");
    shell.expect("\n100\n");
    shell.type_in("\x04");
    assert_eq!(shell.end(), Some(0));
}

#[test]
fn rows_without_an_order_of_their_own_scroll_within_the_screen() {
    let host = Host::new();
    let mut shell = shell(&host, (12, 60));
    shell.line("CREATE SOURCE g WITH ('connector' = 'generator', 'schema' = 'trades', 'rows' = 'unlimited', \
                'rate' = '500');");
    shell.line("SELECT trade_id, 'x' AS x FROM g;");
    let ids = |screen: &str| -> Vec<u64> {
        let rows = screen.lines().filter(|line| line.contains("│ x │"));
        rows.filter_map(|row| row.split('│').nth(1)?.trim().parse().ok()).collect()
    };
    let first = shell.wait_for(|screen| ids(screen).last().is_some_and(|&id| id > 20));
    let (count, last) = (ids(&first).len(), ids(&first)[ids(&first).len() - 1]);
    assert_eq!(count, 6, "{first}");
    shell.wait_for(|screen| {
        let ids = ids(screen);
        ids.len() == 6 && ids[5] > last + 100 && ids.windows(2).all(|pair| pair[0] + 1 == pair[1])
    });
    shell.type_in("\x03");
    shell.line(".quit");
    assert_eq!(shell.end(), Some(0));
}

#[test]
fn results_look_as_asked_for_and_fit_the_terminal() {
    let host = Host::new();
    host.write("trades.csv", TRADES);
    let long = "0123456789".repeat(20);
    host.write("long.csv", format!("k,text\n1,{long}\n2,\n"));
    let mut shell = shell(&host, (60, 60));
    shell.line("SELECT * FROM 'long.csv';");
    let screen = shell.expect("(2 rows, ");
    assert!(screen.contains("│ 1 │ 0123456789") && screen.contains("…"), "{screen}");
    shell.line("SELECT text AS a, text AS b, text AS c, text AS d FROM 'long.csv' LIMIT 1;");
    let screen = shell.expect("(1 row, ");
    assert!(screen.contains("─[ 1 ]──") && screen.contains("\nd │ 0123456789"), "{screen}");
    shell.line(".mode vertical");
    shell.line("SELECT symbol, trader FROM 'trades.csv' WHERE trader IS NULL;");
    shell.expect("symbol │ BOLT\ntrader │ NULL\n");
    shell.line(".mode json");
    shell.line("SELECT symbol, trader FROM 'trades.csv' WHERE trader IS NULL;");
    shell.expect("{\"symbol\":\"BOLT\",\"trader\":null}\n");
    shell.line(".mode csv");
    shell.line("SELECT symbol, price FROM 'trades.csv' LIMIT 1;");
    shell.expect("symbol,price\nACME,10.5\n");
    shell.line(".mode table");
    shell.line(".timing off");
    shell.line(".maxrows 2");
    shell.line("SELECT price FROM 'trades.csv';");
    shell.expect("(2 rows)\nonly the first 2 rows are shown; there are more\n");
    shell.line(".explain SELECT price FROM 'trades.csv'");
    shell.expect("locality: stateless\n");
    shell.line(".mode box");
    shell.expect("error: .mode takes table, vertical, csv or json, not box");
    shell.line(".quit");
    assert_eq!(shell.end(), Some(0));
}

#[test]
fn tab_completes_columns_and_paths() {
    let host = Host::new();
    host.write("data/trades.csv", TRADES);
    let mut shell = shell(&host, (30, 100));
    shell.line("CREATE SOURCE t WITH ('connector' = 'file', 'path' = 'data/trades.csv');");
    shell.type_in("SELECT COUNT(*) AS n, MAX(pri\t");
    shell.expect("MAX(price");
    shell.type_in(") AS m FROM 'da\t");
    shell.expect("FROM 'data/");
    shell.type_in("tr\t");
    shell.expect("FROM 'data/trades.csv");
    shell.type_in("';\r");
    shell.expect("│ 3 │ 20.0 │");
    shell.line(".quit");
    assert_eq!(shell.end(), Some(0));
}

#[test]
fn nothing_that_data_holds_steers_the_terminal() {
    let host = Host::new();
    let evil = "\u{1b}]0;owned\u{7}\u{1b}[31m";
    host.write(&format!("{evil}.csv"), format!("a{evil},b\n1,{evil}\nx,\u{202e}\n"));
    host.write("job.sql", format!("SELECT * FROM '*.csv'; SELECT {evil} FROM 'nowhere.csv';"));
    let arguments: [&[&str]; 6] = [
        &["run", "-e", "SELECT * FROM '*.csv'"],
        &["run", "--format", "csv", "-e", "SELECT * FROM '*.csv'"],
        &["run", "--format", "vertical", "-e", "SELECT * FROM '*.csv'"],
        &["explain", "-e", "SELECT * FROM '*.csv'"],
        &["check", "job.sql"],
        &[
            "run",
            "-e",
            "CREATE SOURCE s (b BIGINT) WITH ('connector' = 'file', 'path' = '*.csv'); SELECT b FROM s",
        ],
    ];
    for arguments in arguments {
        let terminal = Terminal::start(&host, (40, 100), arguments, &[("NO_COLOR", "1")]);
        terminal.wait_for(|screen| {
            screen.contains("\\u{1b}]0;owned\\u{7}") || screen.contains("<U+001B>")
        });
        let raw = terminal.raw();
        assert!(
            !raw.contains("\u{1b}]0;owned") && !raw.contains('\u{7}'),
            "{arguments:?}: {raw:?}"
        );
        assert!(!raw.contains("\u{1b}[31m") && !raw.contains('\u{202e}'), "{arguments:?}: {raw:?}");
        terminal.end();
    }
}

#[test]
fn without_colours_nothing_is_coloured() {
    let host = Host::new();
    host.write("t.csv", "a\n1\n\n");
    let query = ["run", "-q", "-e", "SELECT a, NULL AS b FROM 't.csv'"];
    for (environment, is_coloured) in [(&[][..], true), (&[("NO_COLOR", "1")][..], false)] {
        let terminal = Terminal::start(&host, (20, 80), &query, environment);
        terminal.expect(" s)");
        assert_eq!(terminal.raw().contains("\u{1b}[2mNULL\u{1b}[0m"), is_coloured);
        assert_eq!(terminal.end(), Some(0));
    }
}

#[test]
fn without_a_terminal_a_script_runs() {
    let host = Host::new();
    host.write("trades.csv", TRADES);
    let run = |script: &str| {
        let mut command = host.command(&["-q"]);
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = child.spawn().unwrap();
        child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    };
    let output =
        run("SELECT symbol FROM 'trades.csv' LIMIT 1; SELECT price FROM 'trades.csv' LIMIT 1");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "symbol\nACME\nprice\n10.5\n");
    assert_eq!(output.status.code(), Some(0));
    let output = run("SELECT nothing FROM 'trades.csv'");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("-:1:8: unknown column"));
    let output = run(" \n");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("Usage: tidemill"));
    let sql = "SELECT COUNT(*) AS n FROM 'trades.csv'";
    assert_eq!(host.tidemill(&["-e", sql]).succeeds(), "n\n3\n");
    assert_eq!(host.tidemill(&["--format", "json", "-q", "-e", sql]).succeeds(), "{\"n\":3}\n");
    host.tidemill(&["-e", sql, "run", "-e", sql]).fails(2);
}
