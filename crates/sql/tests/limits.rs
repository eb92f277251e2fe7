//! Text that is large, deep or random: planned or refused, never a panic, a hang or an overflow.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::time::{Duration, Instant};

use support::{PRELUDE, bind};

/// Far above what any of these takes; a quadratic step would pass it.
const TIME_MAX: Duration = Duration::from_secs(60);

/// Binds, shows, clones and drops; gives the first finding's message.
fn outcome(statement: &str) -> Result<usize, String> {
    let start = Instant::now();
    let result = match bind(&format!("{PRELUDE}{statement}")) {
        Ok(script) => Ok(format!("{:?}", script.clone()).len()),
        Err(errors) => {
            assert!(!errors.render(statement, "t.sql").is_empty());
            Err(errors.0[0].message.clone())
        }
    };
    assert!(start.elapsed() < TIME_MAX, "took {:?}", start.elapsed());
    result
}

#[track_caller]
fn refused(statement: &str, expected: &str) {
    let message = outcome(statement).unwrap_err();
    assert!(message.contains(expected), "{message}");
}

#[test]
fn deep_brackets_are_refused() {
    for count in [100, 10_000, 200_000] {
        let text = format!("SELECT {}1{} FROM trades", "(".repeat(count), ")".repeat(count));
        refused(&text, "nests deeper");
    }
    let open = format!("SELECT {}", "(".repeat(500_000));
    refused(&open, "nests deeper");
    let from = format!("SELECT * FROM {} trades", "(SELECT * FROM ".repeat(1000));
    refused(&from, "nests deeper");
    let cases = format!("SELECT {} 1 FROM trades", "CASE WHEN TRUE THEN ".repeat(1000));
    refused(&cases, "nests deeper");
}

#[test]
fn brackets_within_the_limit_are_planned() {
    let text = format!("SELECT {}price{} FROM trades", "(".repeat(60), ")".repeat(60));
    outcome(&text).unwrap();
    let text = format!("SELECT * FROM {}trades{}", "(SELECT * FROM ".repeat(60), ")".repeat(60));
    outcome(&text).unwrap();
    let text = format!("SELECT {}price{} FROM trades", "ABS(".repeat(60), ")".repeat(60));
    outcome(&text).unwrap();
}

#[test]
fn long_chains() {
    refused(&format!("SELECT 1{} FROM trades", "+1".repeat(100_000)), "in a row");
    refused(&format!("SELECT price{} FROM trades", "+1".repeat(4_000)), "nests deeper");
    outcome(&format!("SELECT price{} FROM trades", "+1".repeat(200))).unwrap();
    refused(&format!("SELECT {}b FROM kinds", "NOT ".repeat(5_000)), "in a row");
    refused(&format!("SELECT {}price FROM trades", "- ".repeat(5_000)), "in a row");
    refused(&format!("SELECT i8{} FROM kinds", "::INTEGER".repeat(4_000)), "nests deeper");
    refused(&format!("SELECT b{} FROM kinds", " IS NULL".repeat(3_000)), "nests deeper");
    for word in ["AND", "OR"] {
        let terms = format!(" {word} price > quantity").repeat(40_000);
        outcome(&format!("SELECT symbol FROM trades WHERE price > 1{terms}")).unwrap();
    }
    let text = " AND b".repeat(150_000);
    outcome(&format!("SELECT i8 FROM kinds WHERE b{text}")).unwrap();
}

#[test]
fn long_lists() {
    let items: Vec<String> = (0..100_000).map(|i| i.to_string()).collect();
    let list = items.join(",");
    outcome(&format!("SELECT symbol FROM trades WHERE quantity IN ({list})")).unwrap();
    let items: Vec<String> = (0..20_000).map(|i| format!("quantity+{i}")).collect();
    outcome(&format!("SELECT {} FROM trades", items.join(","))).unwrap();
    let unions = "SELECT symbol FROM trades UNION ALL ".repeat(2_000);
    outcome(&format!("{unions} SELECT symbol FROM trades")).unwrap();
    let branches = " WHEN quantity = 1 THEN 2".repeat(20_000);
    outcome(&format!("SELECT CASE{branches} END FROM trades")).unwrap();
    let concat = " || symbol".repeat(200);
    outcome(&format!("SELECT symbol{concat} FROM trades")).unwrap();
}

#[test]
fn computed_columns() {
    let source = |columns: &str| {
        format!(
            "CREATE SOURCE s (x BIGINT{columns}) WITH ('connector' = 'file', 'path' = 'x.csv'); \
             SELECT * FROM s WHERE c9 > 1"
        )
    };
    let chain = |count: usize| {
        let column = |i: usize| match i {
            0 => ", c0 AS x + 1".to_owned(),
            i => format!(", c{i} AS c{} + 1", i - 1),
        };
        (0..count).rev().map(column).collect::<String>()
    };
    for text in [chain(64), (0..20_000).map(|i| format!(", c{i} AS x + {i}")).collect()] {
        let start = Instant::now();
        let script = bind(&source(&text)).unwrap();
        let many = |_: &tidemill_plan::SourceDef| tidemill_plan::Partitioning::of(None);
        tidemill_plan::fragment(&script.queries[0], &many).unwrap();
        assert!(start.elapsed() < TIME_MAX);
    }
    refused(&source(&chain(65)), "more than 64 in a row");
    refused(&source(&chain(20_000)), "more than 64 in a row");
}

#[test]
fn sources_are_read_a_limited_number_of_times() {
    let doubled = |count: usize| {
        let step = |i: usize| {
            format!(", v{i} AS (SELECT symbol FROM v{0} UNION ALL SELECT symbol FROM v{0})", i - 1)
        };
        let steps: String = (1..count).map(step).collect();
        format!("WITH v0 AS (SELECT symbol FROM trades){steps} SELECT COUNT(*) FROM v{}", count - 1)
    };
    // 1 + 2 + 4 + … + 2,048 = 4,095 times for the names, and 2,048 for the query.
    outcome(&doubled(12)).unwrap();
    refused(&doubled(13), "reads its sources more than 10000 times");
    refused(&doubled(15), "reads its sources more than 10000 times");
    let views = "CREATE VIEW w AS SELECT symbol FROM trades UNION ALL SELECT symbol FROM trades; ".to_owned()
        + &(0..11)
            .map(|i| {
                let below = if i == 0 { "w".to_owned() } else { format!("w{}", i - 1) };
                format!("CREATE VIEW w{i} AS SELECT symbol FROM {below} UNION ALL SELECT symbol FROM {below}; ")
            })
            .collect::<String>();
    refused(
        &format!(
            "{views} SELECT COUNT(*) FROM (SELECT symbol FROM w10 UNION ALL SELECT symbol FROM w10 UNION ALL SELECT symbol FROM w10) AS q"
        ),
        "reads its sources more than 10000 times",
    );
}

#[test]
fn names_that_multiply_are_refused() {
    let mut text = "WITH a0 AS (SELECT symbol FROM trades)".to_owned();
    for i in 1..60 {
        let p = i - 1;
        text.push_str(&format!(
            ", a{i} AS (SELECT symbol FROM a{p} UNION ALL SELECT symbol FROM a{p})"
        ));
    }
    refused(&format!("{text} SELECT * FROM a59"), "reads its sources more than 10000 times");
    let list: Vec<String> = (0..1_000).map(|i| format!("quantity + {i}")).collect();
    let wide = format!("WITH a AS (SELECT quantity IN ({}) AS b FROM trades)", list.join(","));
    let uses = " UNION ALL SELECT b FROM a".repeat(2_000);
    refused(&format!("{wide} SELECT b FROM a{uses}"), "too large");
    let mut text = "WITH a0 AS (SELECT symbol FROM trades)".to_owned();
    for i in 1..5_000 {
        text.push_str(&format!(", a{i} AS (SELECT symbol || 'x' AS symbol FROM a{})", i - 1));
    }
    refused(&format!("{text} SELECT * FROM a4999"), "nest deeper");
    let mut text = "WITH a0 AS (SELECT quantity AS q FROM trades)".to_owned();
    for i in 1..90 {
        text.push_str(&format!(", a{i} AS (SELECT q + q AS q FROM a{})", i - 1));
    }
    outcome(&format!("{text} SELECT * FROM a89 WHERE q > 1")).unwrap();
}

#[test]
fn text_over_a_mebibyte_is_refused() {
    refused(&" ".repeat((1 << 20) + 1), "1 MiB");
}

#[test]
fn many_findings_stay_readable() {
    let names: Vec<String> = (0..50_000).map(|i| format!("nope{i}")).collect();
    let text = format!("{PRELUDE}SELECT {} FROM trades", names.join(","));
    let errors = bind(&text).unwrap_err();
    assert_eq!(errors.0.len(), 100);
}

/// A small deterministic generator: the seed of a failing round is in the message.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(bound).unwrap()).unwrap()
    }
}

const WORDS: &[&str] = &[
    "SELECT",
    "FROM",
    "WHERE",
    "GROUP",
    "BY",
    "HAVING",
    "ORDER",
    "LIMIT",
    "OFFSET",
    "trades",
    "kinds",
    "symbol",
    "price",
    "quantity",
    "i8",
    "dec",
    "ts",
    "day",
    "iv",
    "b",
    "txt",
    "*",
    "(",
    ")",
    ",",
    ".",
    ";",
    "+",
    "-",
    "/",
    "%",
    "=",
    "<",
    ">=",
    "<>",
    "||",
    "::",
    "1",
    "2.5",
    "1e400",
    "'x'",
    "'2024-01-01'",
    "NULL",
    "TRUE",
    "AND",
    "OR",
    "NOT",
    "IN",
    "BETWEEN",
    "LIKE",
    "IS",
    "CASE",
    "WHEN",
    "THEN",
    "ELSE",
    "END",
    "CAST",
    "AS",
    "INTEGER",
    "DECIMAL(5,2)",
    "TIMESTAMP",
    "COUNT",
    "SUM",
    "AVG",
    "DISTINCT",
    "FILTER",
    "UNION",
    "ALL",
    "WITH",
    "EMIT",
    "CHANGES",
    "FINAL",
    "EVERY",
    "ROWS",
    "WINDOW",
    "TUMBLING",
    "OVER",
    "INTERVAL",
    "SECOND",
    "DATE",
    "EXTRACT",
    "YEAR",
    "CREATE",
    "SOURCE",
    "SINK",
    "STREAM",
    "INSERT",
    "INTO",
    "SET",
    "EXPLAIN",
    "'connector'",
    "'file'",
    "'path'",
    "x",
    "\"Q\"",
    "X'0a'",
    "ROLLUP",
    "TABLE",
    "JOIN",
    "ON",
    "COALESCE",
    "UPPER",
    "ROUND",
    "ESCAPE",
    "SUBSTRING",
    "FOR",
    "TRIM",
    "DESC",
    "NULLS",
    "FIRST",
    "[",
    "]",
    "{",
    "}",
    "ö",
    "\n",
    "--",
    "/*",
    "$1",
    "?",
    "@",
    "~",
    "&",
    "|>",
    "LATERAL",
    "TOP",
];

#[test]
fn random_tokens_never_panic() {
    for seed in 1..=1500_u64 {
        let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        let mut text = String::new();
        if random.below(3) > 0 {
            text.push_str("SELECT ");
        }
        for _ in 0..random.below(40) {
            text.push_str(WORDS[random.below(WORDS.len())]);
            text.push(' ');
        }
        let text = format!("{PRELUDE}{text}");
        if let Err(errors) = bind(&text) {
            let message = &errors.0[0].message;
            assert!(!message.contains("defect"), "seed {seed}: {text}: {message}");
            assert!(!errors.render(&text, "t.sql").is_empty());
        }
    }
}

#[test]
fn mutated_queries_never_panic() {
    let base = "WITH a AS (SELECT symbol AS s, price * 2 AS p, ts FROM trades) SELECT s, COUNT(*) \
                FILTER (WHERE p > 1.5) AS n, CASE WHEN s LIKE 'a%' THEN 1 ELSE NULL END AS c FROM a \
                WHERE s IN ('x', 'y') GROUP BY s, c HAVING n BETWEEN 1 AND 5 ORDER BY n DESC LIMIT 5";
    let words: Vec<&str> = base.split(' ').collect();
    for seed in 1..=1500_u64 {
        let mut random = Random(seed.wrapping_mul(0x2545_F491_4F6C_DD1D) | 1);
        let mut mutated = words.clone();
        for _ in 0..=random.below(4) {
            let at = random.below(mutated.len());
            match random.below(4) {
                0 => drop(mutated.remove(at)),
                1 => mutated.insert(at, WORDS[random.below(WORDS.len())]),
                2 => mutated[at] = WORDS[random.below(WORDS.len())],
                _ => {
                    let other = random.below(mutated.len());
                    mutated.swap(at, other);
                }
            }
        }
        let text = format!("{PRELUDE}{}", mutated.join(" "));
        if let Err(errors) = bind(&text) {
            let message = &errors.0[0].message;
            assert!(!message.contains("defect"), "seed {seed}: {text}: {message}");
        }
    }
}
