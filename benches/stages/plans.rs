//! SQL text to the stages that a pipeline would run.

use std::collections::{HashMap, HashSet};

use tidemill_expr::{Context, evaluate_constant};
use tidemill_plan::fragment::FragmentInput;
use tidemill_plan::{CsvOptions, Format, JsonOptions, Partitioning, Settings, Stage, fragment};
use tidemill_record::{Batch, EventTime};
use tidemill_sql::Catalog;

use crate::input;

pub(crate) fn csv() -> Format {
    Format::Csv(CsvOptions::default())
}

pub(crate) fn json() -> Format {
    Format::Json(JsonOptions::default())
}

/// The stages of a query over trades, its scan's filter the first of them, and the columns it scans.
pub(crate) fn stages_of(sql: &str, keys: u64) -> (Vec<Batch>, Vec<Stage>) {
    let script = format!(
        "CREATE SOURCE trades (trade_id BIGINT, trade_time TIMESTAMP NOT NULL, trader_id VARCHAR, \
         symbol VARCHAR NOT NULL, price DOUBLE, quantity BIGINT, \
         WATERMARK FOR trade_time AS trade_time - INTERVAL '2' SECOND) \
         WITH ('connector' = 'generator', 'schema' = 'trades'); {sql}"
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
    let script = tidemill_sql::parse(&script).unwrap().bind(&catalog).unwrap();
    let one = |_: &_| Partitioning::of(Some(1));
    let physical = fragment(&script.queries[0], &one).unwrap();
    let [fragment] = physical.fragments.as_slice() else { panic!("one fragment") };
    let FragmentInput::Scan(scan) = &fragment.input else { panic!("a scan") };
    let filter = scan.filter.clone().map(Stage::Filter);
    let stages = filter.into_iter().chain(fragment.stages.iter().cloned()).collect();
    (input::batches(keys, &scan.columns), stages)
}
