//! What others named or wrote makes no line of its own in a message or a plan, and steers no terminal.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use support::Host;

#[test]
fn names_and_values_stay_on_their_line() {
    let host = Host::new();
    host.write("c.csv", "\"k\nerror: forged\u{1b}[2J\",b\n1,x\n");
    host.write("d/a\nerror: forged\u{1b}[31m.csv", "k,b\n1,x\n");
    host.write("j.jsonl", "{\"a\":\"x\\nerror: forged\"}\n");
    let declared = |path: &str| {
        format!(
            "CREATE SOURCE s (a BIGINT) WITH ('connector' = 'file', 'path' = '{path}'); SELECT a FROM s"
        )
    };
    for sql in [
        "SELECT zz FROM 'c.csv'".to_owned(),
        "EXPLAIN SELECT * FROM 'c.csv' WHERE \"k\nerror: forged\u{1b}[2J\" > 1".to_owned(),
        "SELECT CAST(a AS INT) FROM 'j.jsonl'".to_owned(),
        declared("c.csv"),
        declared("d/*.csv"),
    ] {
        let ran = host.sql(&sql);
        let said = ran.stderr() + &ran.stdout();
        assert!(said.contains("forged"), "{said}");
        assert!(!said.lines().any(|line| line.starts_with("error: forged")), "{said}");
        assert!(!said.contains('\u{1b}'), "{said}");
    }
}
