//! The scenarios as SQL text, and the stages that a job would run for it.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use clap::ValueEnum;
use tidemill_expr::{Context, evaluate_constant};
use tidemill_plan::fragment::FragmentInput;
use tidemill_plan::{
    CsvOptions, EventTimeSpec, Format, GeneratorModel, JsonOptions, Partitioning, Settings, Stage,
    fragment,
};
use tidemill_record::{EventTime, Schema};
use tidemill_sql::Catalog;

/// Files of each input, and so partitions.
pub(crate) const FILE_COUNT: u32 = 2;

/// What is asked of the records; the texts are those of `examples/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scenario {
    /// A filter of orders.
    S0,
    /// The average of each symbol's last hundred trades.
    S1,
    /// Trades by symbol.
    S2,
    /// Trades by trader and symbol in each minute.
    S3a,
    /// The same with a row for every trade.
    S3b,
}

/// The input's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Text {
    /// Comma-separated values with a header.
    Csv,
    /// JSON lines.
    Json,
}

/// One scenario over one directory of files.
pub(crate) struct Query {
    /// The whole script, for the product.
    pub(crate) script: String,
    /// What the input is in.
    pub(crate) format: Format,
    /// All columns of the input.
    pub(crate) source: Schema,
    /// Which of them are decoded, ascending.
    pub(crate) columns: Vec<usize>,
    /// Where time comes from; `None` where no stage asks for it.
    pub(crate) event_time: Option<EventTimeSpec>,
    /// The stages behind it.
    pub(crate) stages: Vec<Stage>,
    /// Places of the group key among `columns`; empty where no state is kept.
    pub(crate) keys: Vec<usize>,
    /// Names and types of the results, which are written as CSV.
    pub(crate) results: Schema,
}

impl Scenario {
    /// As it is called on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::S0 => "s0",
            Self::S1 => "s1",
            Self::S2 => "s2",
            Self::S3a => "s3a",
            Self::S3b => "s3b",
        }
    }

    /// What the generator makes for it.
    pub(crate) fn model(self) -> GeneratorModel {
        match self {
            Self::S0 => GeneratorModel::Orders,
            Self::S1 | Self::S2 | Self::S3a | Self::S3b => GeneratorModel::Trades,
        }
    }

    fn source(self) -> &'static str {
        match self {
            Self::S0 => {
                "order_id BIGINT NOT NULL, customer_id BIGINT, order_date TIMESTAMP, total_amount DOUBLE, \
                 status VARCHAR) WITH ("
            }
            Self::S1 | Self::S2 | Self::S3a | Self::S3b => {
                "trade_id BIGINT NOT NULL, trade_time TIMESTAMP NOT NULL, trader_id VARCHAR, \
                 symbol VARCHAR NOT NULL, price DOUBLE, quantity BIGINT, \
                 WATERMARK FOR trade_time AS trade_time - INTERVAL '5' SECOND) \
                 PARTITIONED BY (symbol) WITH ("
            }
        }
    }

    fn select(self, amount_over: u32) -> String {
        const BY_MINUTE: &str = "SELECT trader_id, symbol, COUNT(*) AS trade_count, AVG(price) AS avg_price, \
             SUM(quantity) AS total_quantity, SUM(price * quantity) AS total_value FROM records \
             GROUP BY trader_id, symbol WINDOW TUMBLING (trade_time, INTERVAL '1' MINUTE)";
        match self {
            Self::S0 => format!(
                "SELECT order_id, customer_id, order_date, total_amount FROM records \
                 WHERE total_amount > {amount_over}"
            ),
            Self::S1 => "SELECT symbol, price, AVG(price) OVER (ROWS WINDOW BUFFER 100 ROWS \
                         PARTITION BY symbol ORDER BY trade_time) AS moving_avg FROM records"
                .to_owned(),
            Self::S2 => "SELECT symbol, COUNT(*) AS trade_count, AVG(price) AS avg_price, \
                         MIN(price) AS min_price, MAX(price) AS max_price, \
                         SUM(quantity) AS total_quantity FROM records GROUP BY symbol"
                .to_owned(),
            Self::S3a => BY_MINUTE.to_owned(),
            Self::S3b => format!("{BY_MINUTE} EMIT CHANGES"),
        }
    }

    fn key_names(self) -> &'static [&'static str] {
        match self {
            Self::S0 => &[],
            Self::S1 | Self::S2 => &["symbol"],
            Self::S3a | Self::S3b => &["trader_id", "symbol"],
        }
    }
}

impl Text {
    /// As it is called on the command line and in SQL.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Json => "json",
        }
    }

    /// With the options that the generator writes by.
    pub(crate) fn format(self) -> Format {
        match self {
            Self::Csv => Format::Csv(CsvOptions::default()),
            Self::Json => Format::Json(JsonOptions::default()),
        }
    }
}

impl Query {
    /// Binds a scenario over the files of `input`; only the product's results go to `output`.
    /// `amount_over` is what orders of s0 are kept above.
    pub(crate) fn new(
        scenario: Scenario,
        text: Text,
        amount_over: u32,
        input: &Path,
        output: &Path,
    ) -> Self {
        let script = format!(
            "CREATE SOURCE records ({}'connector' = 'file', 'path' = '{}/*.{}', 'format' = '{}'); \
             CREATE SINK results WITH ('connector' = 'file', 'path' = '{}', 'format' = 'csv', \
             'on.existing' = 'replace', 'durable' = 'false'); INSERT INTO results {};",
            scenario.source(),
            input.display(),
            text.format().extension(),
            text.name(),
            output.display(),
            scenario.select(amount_over),
        );
        let catalog = Catalog {
            settings: Settings::default(),
            inferred: Vec::new(),
            registered_sources: HashMap::new(),
            registered_sinks: HashSet::new(),
            written: HashMap::new(),
            declared: Vec::new(),
            functions: HashMap::new(),
            aggregates: HashMap::new(),
            parameters: None,
            fold: |expr| evaluate_constant(expr, &Context { job_start: EventTime(0) }),
            prepare: |_| Ok(()),
        };
        let bound = tidemill_sql::parse(&script).unwrap().bind(&catalog).unwrap();
        let files = |_: &_| Partitioning::of(Some(FILE_COUNT));
        let physical = fragment(&bound.queries[0], &files).unwrap();
        let [fragment] = physical.fragments.as_slice() else { panic!("one fragment") };
        let FragmentInput::Scan(scan) = &fragment.input else { panic!("a scan, not a gather") };
        let mut event_time = None;
        let mut stages: Vec<_> = scan.filter.clone().map(Stage::Filter).into_iter().collect();
        for stage in &fragment.stages {
            match stage {
                Stage::EventTime(spec) => event_time = Some(spec.clone()),
                stage => stages.push(stage.clone()),
            }
        }
        let source = scan.source.schema.clone();
        let place = |name: &&str| {
            let column = source.index_of(name).unwrap();
            scan.columns.iter().position(|&scanned| scanned == column).unwrap()
        };
        let keys = scenario.key_names().iter().map(place).collect();
        Self {
            format: text.format(),
            columns: scan.columns.clone(),
            results: physical.schema.clone(),
            script,
            source,
            event_time,
            stages,
            keys,
        }
    }
}
