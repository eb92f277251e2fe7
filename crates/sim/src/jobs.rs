//! Small jobs: what they read, and what they do with it.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::dice::Dice;

/// A kind of job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// Its name on the command line.
    pub name: &'static str,
    query: &'static str,
    /// How many files it reads.
    files: usize,
    source: &'static str,
    sink: &'static str,
    /// What stands behind the query: a second wave.
    then: &'static str,
    pub(crate) format: &'static str,
    /// Some records are bad, and go to a file of their own.
    has_dead_letters: bool,
    /// Its files are written while it runs, and have no end.
    pub(crate) is_live: bool,
    /// Windows depend on when partitions fall silent: that each record is in one, late or bad, does not.
    pub(crate) is_idle: bool,
}

const PLAIN: Kind = Kind {
    name: "filter",
    query: "SELECT trade_id, symbol, price, quantity FROM t WHERE quantity > 20",
    files: 1,
    source: "",
    sink: "",
    then: "",
    format: "csv",
    has_dead_letters: false,
    is_live: false,
    is_idle: false,
};

const LIVE: Kind =
    Kind { name: "live-filter", is_live: true, sink: ", 'rolling' = '1KiB'", ..PLAIN };

const WINDOWS: &str = "SELECT window_end, symbol, COUNT(*) AS n, SUM(quantity) AS q FROM TUMBLE(TABLE t, DESCRIPTOR(trade_time), INTERVAL '1' SECOND) GROUP BY window_start, window_end, symbol";

/// All of them.
const JOBS: [Kind; 24] = [
    PLAIN,
    Kind { name: "filter-files", files: 3, ..PLAIN },
    Kind { name: "filter-json", format: "json", files: 2, ..PLAIN },
    Kind { name: "filter-gzip", sink: ", 'compression' = 'gzip'", ..PLAIN },
    Kind { name: "one-file", files: 2, ..PLAIN },
    Kind { name: "folders", sink: ", 'partition.by' = 'symbol'", ..PLAIN },
    Kind { name: "dead-letters", has_dead_letters: true, files: 2, ..PLAIN },
    Kind {
        name: "groups",
        query: "SELECT symbol, COUNT(*) AS n, SUM(price) AS s, AVG(quantity) AS a, COUNT(DISTINCT quantity) AS d FROM t GROUP BY symbol",
        ..PLAIN
    },
    Kind {
        name: "groups-gathered",
        query: "SELECT symbol, COUNT(*) AS n, SUM(price * 1.1e0) AS s FROM t GROUP BY symbol",
        files: 3,
        ..PLAIN
    },
    Kind { name: "windows", query: WINDOWS, ..PLAIN },
    Kind { name: "windows-gathered", query: WINDOWS, files: 3, ..PLAIN },
    Kind {
        name: "sessions",
        query: "SELECT window_start, window_end, symbol, COUNT(*) AS n FROM SESSION(TABLE t PARTITION BY symbol, DESCRIPTOR(trade_time), INTERVAL '0.3' SECOND) GROUP BY window_start, window_end, symbol",
        ..PLAIN
    },
    Kind {
        name: "over",
        query: "SELECT trade_id, symbol, SUM(quantity) OVER (PARTITION BY symbol ORDER BY trade_time ROWS BETWEEN 5 PRECEDING AND CURRENT ROW) AS s FROM t",
        ..PLAIN
    },
    Kind {
        name: "top",
        query: "SELECT trade_id, symbol, price FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY price DESC, trade_id) AS r FROM TUMBLE(TABLE t, DESCRIPTOR(trade_time), INTERVAL '1' SECOND)) WHERE r <= 2",
        ..PLAIN
    },
    Kind {
        name: "changes",
        query: "SELECT symbol, COUNT(*) AS n, SUM(quantity) AS q FROM t GROUP BY symbol EMIT CHANGES",
        ..PLAIN
    },
    Kind {
        name: "union",
        query: "SELECT trade_id, symbol FROM t WHERE quantity < 30 UNION ALL SELECT trade_id, symbol FROM t WHERE quantity > 70",
        ..PLAIN
    },
    Kind {
        name: "order",
        query: "SELECT trade_id, price FROM t ORDER BY price DESC, trade_id LIMIT 20",
        files: 2,
        ..PLAIN
    },
    Kind {
        name: "two-waves",
        then: "CREATE SINK p WITH ('connector' = 'file', 'path' = '/second/', 'format' = 'csv');\nINSERT INTO p SELECT symbol, COUNT(*) AS n FROM o GROUP BY symbol;\n",
        ..PLAIN
    },
    LIVE,
    Kind { name: "live-clock", sink: ", 'rolling.interval' = '40ms'", files: 2, ..LIVE },
    Kind {
        name: "live-gzip",
        sink: ", 'compression' = 'gzip', 'rolling.interval' = '70ms'",
        ..LIVE
    },
    Kind {
        name: "live-gathered",
        query: WINDOWS,
        files: 3,
        sink: ", 'rolling.interval' = '60ms'",
        ..LIVE
    },
    Kind {
        name: "live-letters",
        has_dead_letters: true,
        files: 2,
        sink: ", 'rolling.interval' = '50ms'",
        ..LIVE
    },
    Kind {
        name: "live-idle",
        query: WINDOWS,
        files: 3,
        source: ", 'idle.timeout' = '80ms'",
        sink: ", 'rolling.interval' = '60ms'",
        is_idle: true,
        ..LIVE
    },
];

impl FromStr for Kind {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = JOBS.iter().find(|kind| kind.name == name);
        found.copied().ok_or_else(|| {
            let known: Vec<&str> = JOBS.iter().map(|kind| kind.name).collect();
            format!("there is no job {name}; give one of {}", known.join(", "))
        })
    }
}

/// A file of a job's input.
pub(crate) struct Input {
    pub(crate) path: PathBuf,
    /// What it begins with.
    pub(crate) head: String,
    /// What follows.
    pub(crate) lines: Vec<String>,
}

impl Kind {
    /// All of them.
    #[must_use]
    pub fn all() -> &'static [Self] {
        &JOBS
    }

    /// Whether its input has no end.
    #[must_use]
    pub fn is_endless(&self) -> bool {
        self.is_live
    }

    /// What it reads.
    pub(crate) fn inputs(&self, dice: &mut Dice) -> Vec<Input> {
        let ending = if self.format == "json" { "jsonl" } else { "csv" };
        let mut inputs = Vec::new();
        let mut id = 0;
        for number in 0..self.files {
            let head = match self.format {
                "csv" => "trade_id,trade_time,symbol,price,quantity\n".to_owned(),
                _ => String::new(),
            };
            let mut lines = Vec::new();
            let mut time_ms = dice.below(500);
            for _ in 0..20 + dice.below(60) {
                id += 1;
                time_ms += dice.below(120);
                // Within the watermark's delay, but for some that come late.
                let back = if dice.once_in(30) { 4000 } else { dice.below(300) };
                let at = 10_000 + time_ms.saturating_sub(back);
                let stamp = format!(
                    "2024-05-01 00:{:02}:{:02}.{:03}",
                    at / 60_000,
                    at / 1000 % 60,
                    at % 1000
                );
                let (symbol, price) = (dice.one_of(&["A", "B", "C", "D"]), dice.below(10_000));
                let (price, quantity) =
                    (format!("{}.{:02}", price / 100, price % 100), dice.below(100));
                let is_bad = self.has_dead_letters && dice.once_in(12);
                let quantity = if is_bad { "many".to_owned() } else { quantity.to_string() };
                lines.push(match self.format {
                    "csv" => format!("{id},{stamp},{symbol},{price},{quantity}\n"),
                    _ => format!(
                        "{{\"trade_id\":{id},\"trade_time\":\"{stamp}\",\"symbol\":\"{symbol}\",\"price\":{price},\"quantity\":{quantity}}}\n"
                    ),
                });
            }
            inputs.push(Input { path: format!("/in/t-{number}.{ending}").into(), head, lines });
        }
        inputs
    }

    /// The script; where and how it runs is the dice's to say, and no part of what it does.
    pub(crate) fn script(&self, dice: &mut Dice, interval: Duration) -> String {
        let mut text = String::new();
        let batch_rows = dice.one_of(&[1, 3, 7, 50]);
        let _ = write!(
            text,
            "SET 'state.dir' = '/state';\nSET 'memory.budget' = '64MiB';\nSET 'batch.rows' = '{batch_rows}';\n\
             SET 'checkpoint.interval' = '{}ms';\n",
            interval.as_millis()
        );
        let mut source = self.source.to_owned();
        if self.has_dead_letters {
            text.push_str("SET 'dead.letter.path' = '/dead';\n");
            source.push_str(", 'bad.records' = 'dead_letter'");
        }
        if self.is_live {
            source.push_str(", 'follow' = 'true'");
        }
        let ending = if self.format == "json" { "jsonl" } else { "csv" };
        let path = if self.files == 1 { "t-0" } else { "*" };
        let file = if self.name == "one-file" { "o.csv" } else { "" };
        let Self { format, sink, query, then, .. } = self;
        let _ = write!(
            text,
            "CREATE SOURCE t (trade_id BIGINT, trade_time TIMESTAMP, symbol VARCHAR, price DOUBLE, quantity BIGINT, WATERMARK FOR trade_time AS \
             trade_time - INTERVAL '1' SECOND) WITH ('connector' = 'file', 'path' = '/in/{path}.{ending}', 'format' = '{format}', 'late.records' = 'drop'{source});\n\
             CREATE SINK o WITH ('connector' = 'file', 'path' = '/out/{file}', 'format' = '{format}'{sink});\nINSERT INTO o {query};\n{then}"
        );
        text
    }
}
