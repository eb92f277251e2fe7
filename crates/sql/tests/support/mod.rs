//! What every test of this crate starts from: a catalog, and a script's plan as text.
#![allow(dead_code, reason = "each test binary uses a part")]

use std::collections::{HashMap, HashSet};
use std::fmt::Write;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, types};
use arrow_cast::{CastOptions, cast_with_options};
use tidemill_plan::fragment::Partitioning;
use tidemill_plan::relation::Explain;
use tidemill_plan::{
    BinaryOp, Expr, ExprKind, Scalar, Script, Settings, SourceConnector, UserFunction, fragment,
};
use tidemill_record::{DataType, Field, Schema};
use tidemill_sql::{Catalog, SqlErrors, parse};

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
    parse(text)?.bind(&catalog())
}

/// A catalog with one inferred file, one registered source, sink and function.
pub(crate) fn catalog() -> Catalog {
    let columns = vec![
        Field::nullable("id", DataType::BigInt),
        Field::nullable("name", DataType::Varchar),
        Field::nullable("Mixed Case", DataType::Double),
    ];
    let schema = Schema::new(columns);
    let cases = ["userId", "id", "ID", "orderNo", "OrderNo"];
    let cases = cases.map(|name| Field::nullable(name, DataType::BigInt)).to_vec();
    let twice = UserFunction {
        name: "twice".to_owned(),
        argument_types: vec![DataType::Double],
        return_type: DataType::Double,
        body: Box::new(|_, _| Err("not called by the binder".to_owned())),
    };
    Catalog {
        settings: Settings::default(),
        formats: HashMap::new(),
        inferred: HashMap::from([
            ("in/*.jsonl".to_owned(), schema.clone()),
            ("in/*.tsv".to_owned(), schema),
            ("cases.jsonl".to_owned(), Schema::new(cases)),
        ]),
        registered_sources: HashMap::new(),
        registered_sinks: HashSet::from(["taps".to_owned()]),
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
            Partitioning { partition_count, is_split: false }
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
                let _ = writeln!(shown, "refused: {}", refusal.message);
            }
        }
    }
    shown
}

/// A small evaluator for constants: casts by `arrow-cast`, arithmetic and comparisons of numbers
/// by hand. What it does not know it leaves to the plan, as a folder may.
pub(crate) fn fold(expr: &Expr) -> Result<Scalar, String> {
    let literal = |expr: &Expr| match &expr.kind {
        ExprKind::Literal(value) => Some(value.clone()),
        _ => None,
    };
    // A value of another type means "not folded".
    let unknown = || Ok(Scalar::Null(DataType::Array(Box::new(DataType::Boolean))));
    match &expr.kind {
        ExprKind::Cast { operand, is_try } => {
            let Some(value) = literal(operand) else { return unknown() };
            if value.is_null() {
                return Ok(Scalar::Null(expr.data_type.clone()));
            }
            let Some(array) = to_array(&value) else { return unknown() };
            let options = CastOptions { safe: *is_try, ..CastOptions::default() };
            let cast = cast_with_options(&array, &expr.data_type.arrow(), &options)
                .map_err(|error| error.to_string())?;
            from_array(&cast, &expr.data_type).map_or_else(unknown, Ok)
        }
        ExprKind::Binary { op, left, right } => {
            let (Some(left), Some(right)) = (literal(left), literal(right)) else {
                return unknown();
            };
            if left.is_null() || right.is_null() {
                return Ok(Scalar::Null(expr.data_type.clone()));
            }
            match (left, right) {
                (Scalar::Integer(a), Scalar::Integer(b)) if !op.is_comparison() => {
                    let value = match op {
                        BinaryOp::Add => a.checked_add(b),
                        BinaryOp::Subtract => a.checked_sub(b),
                        BinaryOp::Multiply => a.checked_mul(b),
                        BinaryOp::Divide if b == 0 => return Err("division by zero".to_owned()),
                        BinaryOp::Divide => a.checked_div(b),
                        _ => a.checked_rem(b),
                    };
                    value.map(Scalar::Integer).ok_or_else(|| "overflow".to_owned())
                }
                (Scalar::Integer(a), Scalar::Integer(b)) => {
                    Ok(Scalar::Boolean(compared(*op, a.cmp(&b))))
                }
                (Scalar::Varchar(a), Scalar::Varchar(b)) if op.is_comparison() => {
                    Ok(Scalar::Boolean(compared(*op, a.cmp(&b))))
                }
                _ => unknown(),
            }
        }
        _ => unknown(),
    }
}

fn compared(op: BinaryOp, ordering: std::cmp::Ordering) -> bool {
    match op {
        BinaryOp::Equal | BinaryOp::IsNotDistinctFrom => ordering.is_eq(),
        BinaryOp::NotEqual | BinaryOp::IsDistinctFrom => ordering.is_ne(),
        BinaryOp::Less => ordering.is_lt(),
        BinaryOp::LessOrEqual => ordering.is_le(),
        BinaryOp::Greater => ordering.is_gt(),
        _ => ordering.is_ge(),
    }
}

fn to_array(value: &Scalar) -> Option<ArrayRef> {
    use arrow_array as a;
    Some(match value {
        Scalar::Integer(v) => Arc::new(a::Int32Array::from(vec![*v])),
        Scalar::BigInt(v) => Arc::new(a::Int64Array::from(vec![*v])),
        Scalar::Double(v) => Arc::new(a::Float64Array::from(vec![*v])),
        Scalar::Varchar(v) => Arc::new(a::StringViewArray::from(vec![v.as_str()])),
        Scalar::Decimal { value, precision, scale } => Arc::new(
            a::Decimal128Array::from(vec![*value])
                .with_precision_and_scale(*precision, scale.cast_signed())
                .ok()?,
        ),
        Scalar::Date(v) => Arc::new(a::Date32Array::from(vec![*v])),
        Scalar::Boolean(v) => Arc::new(a::BooleanArray::from(vec![*v])),
        _ => return None,
    })
}

fn from_array(array: &ArrayRef, data_type: &DataType) -> Option<Scalar> {
    if array.is_null(0) {
        return Some(Scalar::Null(data_type.clone()));
    }
    Some(match data_type {
        DataType::Boolean => Scalar::Boolean(array.as_boolean().value(0)),
        DataType::TinyInt => Scalar::TinyInt(array.as_primitive::<types::Int8Type>().value(0)),
        DataType::SmallInt => Scalar::SmallInt(array.as_primitive::<types::Int16Type>().value(0)),
        DataType::Integer => Scalar::Integer(array.as_primitive::<types::Int32Type>().value(0)),
        DataType::BigInt => Scalar::BigInt(array.as_primitive::<types::Int64Type>().value(0)),
        DataType::Real => Scalar::Real(array.as_primitive::<types::Float32Type>().value(0)),
        DataType::Double => Scalar::Double(array.as_primitive::<types::Float64Type>().value(0)),
        DataType::Decimal { precision, scale } => Scalar::Decimal {
            value: array.as_primitive::<types::Decimal128Type>().value(0),
            precision: *precision,
            scale: *scale,
        },
        DataType::Varchar => Scalar::Varchar(array.as_string_view().value(0).to_owned()),
        DataType::Date => Scalar::Date(array.as_primitive::<types::Date32Type>().value(0)),
        DataType::Timestamp => {
            Scalar::Timestamp(array.as_primitive::<types::TimestampMicrosecondType>().value(0))
        }
        _ => return None,
    })
}
