//! What every test of this crate starts from: a catalog, and a script's plan as text.
#![allow(dead_code, reason = "each test binary uses a part")]

use std::collections::{HashMap, HashSet};
use std::fmt::Write;
use std::sync::Arc;

use tidemill_expr::{Context, evaluate_constant};
use tidemill_plan::fragment::Partitioning;
use tidemill_plan::relation::Explain;
use tidemill_plan::{
    Expr, Scalar, Script, Settings, SourceConnector, UserFunction, UserSignature, Volatility,
    fragment,
};
use tidemill_record::{DataType, EventTime, Field, Schema};
use tidemill_sql::{Catalog, FilePath, InferredFiles, JsonMember, SqlErrors, parse};

/// Sources that every script can read.
pub(crate) const PRELUDE: &str = "\
CREATE SOURCE trades (trade_id BIGINT, trade_time TIMESTAMP NOT NULL, trader_id VARCHAR, \
symbol VARCHAR NOT NULL, price DOUBLE, quantity BIGINT) PARTITIONED BY (symbol) \
WITH ('connector' = 'file', 'path' = 'trades-*.csv', 'format' = 'csv');
CREATE SOURCE orders WITH ('connector' = 'generator', 'schema' = 'orders', 'partitions' = '4');
CREATE SOURCE kinds (b BOOLEAN, i8 TINYINT, i16 SMALLINT, i32 INTEGER, i64 BIGINT, f32 REAL, \
f64 DOUBLE, dec DECIMAL(10,2), txt VARCHAR, bin VARBINARY, day DATE, ts TIMESTAMP, iv INTERVAL) \
WITH ('connector' = 'file', 'path' = 'kinds.parquet');
";

/// Binds a script against the test catalog.
pub(crate) fn bind(text: &str) -> Result<Script, SqlErrors> {
    let parsed = parse(text)?;
    parsed.bind(&catalog(parsed.file_paths()))
}

/// A catalog with some inferred files, of those that are asked for, one registered source, sink and function.
fn catalog(asked: Vec<FilePath>) -> Catalog {
    let columns = vec![
        Field::nullable("id", DataType::BigInt),
        Field::nullable("name", DataType::Varchar),
        Field::nullable("Mixed Case", DataType::Double),
    ];
    let schema = Schema::new(columns);
    let timed =
        vec![Field::nullable("at", DataType::Timestamp), Field::nullable("v", DataType::Double)];
    let cases = ["userId", "id", "ID", "orderNo", "OrderNo"];
    let cases = cases.map(|name| Field::nullable(name, DataType::BigInt)).to_vec();
    let nested =
        [("id", DataType::BigInt), ("http", DataType::Varchar), ("tags", DataType::Varchar)];
    let nested = nested.map(|(name, data_type)| Field::nullable(name, data_type)).to_vec();
    let twice = UserFunction {
        name: "twice".to_owned(),
        signatures: vec![UserSignature {
            argument_types: vec![DataType::Double],
            return_type: DataType::Double,
        }],
        volatility: Volatility::Immutable,
        is_null_strict: false,
        body: Box::new(|_, _, _| unreachable!("not called by the binder")),
    };
    let schemas = HashMap::from([
        ("in/*.jsonl", schema.clone()),
        ("in/*.tsv", schema.clone()),
        ("in/*/*.jsonl", schema),
        ("in/timed.jsonl", Schema::new(timed)),
        ("cases.jsonl", Schema::new(cases)),
        ("nested.jsonl", Schema::new(nested)),
    ]);
    let inferred = |asked: FilePath| {
        let (format, schema) = (asked.format.clone()?, schemas.get(asked.path.as_str())?.clone());
        let path_columns = match asked.path.as_str() {
            "in/*/*.jsonl" => vec![
                Field::nullable("day", DataType::Date),
                Field::nullable("NAME", DataType::BigInt),
            ],
            _ => Vec::new(),
        };
        let members = match asked.path.as_str() {
            "nested.jsonl" => nested_members(),
            _ => Vec::new(),
        };
        Some(InferredFiles { asked, format, schema, path_columns, members, notices: Vec::new() })
    };
    Catalog {
        settings: Settings::default(),
        inferred: asked.into_iter().filter_map(inferred).collect(),
        registered_sources: HashMap::new(),
        registered_sinks: HashSet::from(["taps".to_owned()]),
        written: HashMap::new(),
        declared: Vec::new(),
        parameters: None,
        aggregates: HashMap::new(),
        functions: HashMap::from([("twice".to_owned(), Arc::new(twice))]),
        fold,
        prepare: |_| Ok(()),
    }
}

/// What `EXPLAIN` shows of a script (after the prelude, unless the script says `-- alone`), or
/// its findings.
pub(crate) fn plan_text(script: &str) -> String {
    let is_alone = script.contains("-- alone");
    let text = if is_alone { script.to_owned() } else { format!("{PRELUDE}{script}") };
    let bound = match bind(&text) {
        Ok(bound) => bound,
        // Lines are those of the script, not of the prelude.
        Err(errors) => {
            let mut errors = errors;
            let offset = if is_alone { 0 } else { PRELUDE.len() };
            for error in &mut errors.0 {
                assert!(error.span.start >= offset, "{error:?} lies in the prelude");
                error.span.start -= offset;
                error.span.end = error.span.end.saturating_sub(offset);
            }
            return errors.render(script, "test.sql");
        }
    };
    let mut shown = String::new();
    if bound.settings != Settings::default() {
        let _ = writeln!(shown, "{:?}", bound.settings);
    }
    for query in &bound.queries {
        if query.explain != Explain::No {
            let _ = writeln!(shown, "explain: {:?}", query.explain);
        }
        if !query.runs_after.is_empty() {
            let _ = writeln!(shown, "runs after {:?}", query.runs_after);
        }
        let partitions = |source: &tidemill_plan::SourceDef| {
            let partition_count = match &source.connector {
                SourceConnector::Generator(generator) => Some(generator.partitions),
                _ => None,
            };
            Partitioning::of(partition_count)
        };
        match fragment(query, &partitions) {
            Ok(physical) => {
                let fields = &physical.schema.fields;
                let columns: Vec<String> =
                    fields.iter().map(|f| format!("{} {}", f.name, f.data_type)).collect();
                let _ = writeln!(shown, "result: {}", columns.join(", "));
                let _ = write!(shown, "{physical}");
            }
            Err(refusal) => {
                let _ = writeln!(shown, "refused: {}\n = {}", refusal.message, refusal.hint);
            }
        }
    }
    shown
}

/// Evaluates a constant as a session does.
pub(crate) fn fold(expr: &Expr) -> Result<Scalar, String> {
    evaluate_constant(expr, &Context { job_start: EventTime(0) })
}

/// What stands in the objects of `nested.jsonl`.
fn nested_members() -> Vec<JsonMember> {
    let member = |path: &str, data_type| {
        let path = path.split('.').map(str::to_owned).collect();
        JsonMember { path, data_type, element: None }
    };
    let array = |path: &str, element| JsonMember {
        element: Some(element),
        ..member(path, DataType::Varchar)
    };
    vec![
        array("tags", DataType::Varchar),
        array("http.ms", DataType::Double),
        member("http.status", DataType::BigInt),
        member("http.route", DataType::Varchar),
        member("http.request", DataType::Varchar),
        member("http.request.at", DataType::Timestamp),
    ]
}
