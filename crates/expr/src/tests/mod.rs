//! Tests of the crate through its public interface, by subject.
//!
//! A table of rows (operands and the expected result) goes through [`check`], which evaluates it
//! as constants, as one batch, as slices of that batch, and with constants beside columns.
//!
//! Expected values are DuckDB 2.0's answers to the same question, except: messages, and which rows
//! are bad, are the dialect's; truth tables, decimal quotients and values at the ends of a range
//! are worked out by hand; and where a comment says that we differ.

#![allow(clippy::unwrap_used, reason = "tests")]

mod arithmetic;
mod batch;
mod cast;
mod comparison;
mod hash;
mod json;
mod laziness;
mod like;
mod math;
mod random;
mod regexp;
mod string;
mod table;
mod time;
mod user;

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, UInt64Array};
use arrow_select::concat::concat;
use tidemill_plan::{BinaryOp, Expr, ExprKind, Function, NamedExpr, Scalar, Span, UnaryOp};
use tidemill_record::{BadRecord, Batch, DataType, EventTime};

use crate::constant::{array_of, scalar_of};
use crate::{Context, Project, evaluate_constant};

/// 2024-01-02 03:04:05 UTC.
const START: i64 = 1_704_164_645_000_000;

fn context() -> Context {
    Context { job_start: EventTime(START) }
}

fn expr(kind: ExprKind, data_type: DataType) -> Expr {
    Expr { kind, data_type, span: Span::default() }
}

fn column(index: usize, data_type: DataType) -> Expr {
    Expr::column(index, format!("c{index}"), data_type)
}

fn binary(op: BinaryOp, left: Expr, right: Expr, data_type: DataType) -> Expr {
    expr(ExprKind::Binary { op, left: Box::new(left), right: Box::new(right) }, data_type)
}

fn unary(op: UnaryOp, operand: Expr, data_type: DataType) -> Expr {
    expr(ExprKind::Unary { op, operand: Box::new(operand) }, data_type)
}

fn call(function: Function, arguments: Vec<Expr>, data_type: DataType) -> Expr {
    expr(ExprKind::Call { function, arguments }, data_type)
}

fn s(text: &str) -> Scalar {
    Scalar::Varchar(text.to_owned())
}

fn i(value: i64) -> Scalar {
    Scalar::BigInt(value)
}

fn f(value: f64) -> Scalar {
    Scalar::Double(value)
}

fn b(value: bool) -> Scalar {
    Scalar::Boolean(value)
}

/// NULL of a type.
fn n(data_type: DataType) -> Scalar {
    Scalar::Null(data_type)
}

/// A decimal as text, of 18 digits.
fn d(text: &str) -> Scalar {
    let scale = text.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    let value = text.replace('.', "").parse().unwrap();
    Scalar::Decimal { value, precision: 18, scale: u8::try_from(scale).unwrap() }
}

fn decimal(precision: u8, scale: u8) -> DataType {
    DataType::Decimal { precision, scale }
}

/// A timestamp by its text.
fn t(text: &str) -> Scalar {
    Scalar::Timestamp(crate::cast::time_text::parse_timestamp(text).unwrap())
}

fn date(text: &str) -> Scalar {
    let Scalar::Timestamp(micros) = t(text) else { unreachable!() };
    Scalar::Date(i32::try_from(micros.div_euclid(86_400_000_000)).unwrap())
}

fn interval(months: i32, days: i32, micros: i64) -> Scalar {
    Scalar::Interval { months, days, nanos: micros * 1000 }
}

/// A result as tables write it.
fn show(value: &Scalar) -> String {
    match value {
        Scalar::Varchar(text) => text.clone(),
        Scalar::Boolean(value) => value.to_string(),
        Scalar::Double(value) if value.is_nan() => "NaN".to_owned(),
        Scalar::Timestamp(_) => {
            value.to_string().trim_start_matches("TIMESTAMP '").trim_end_matches('\'').to_owned()
        }
        Scalar::Date(_) => {
            value.to_string().trim_start_matches("DATE '").trim_end_matches('\'').to_owned()
        }
        Scalar::Interval { months, days, nanos } => format!("{months}m {days}d {}us", nanos / 1000),
        _ => value.to_string(),
    }
}

fn array(data_type: &DataType, values: &[Scalar]) -> ArrayRef {
    let parts: Vec<ArrayRef> = values.iter().map(|value| array_of(value).unwrap()).collect();
    let parts: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
    if parts.is_empty() {
        return arrow_array::new_empty_array(&data_type.arrow());
    }
    concat(&parts).unwrap()
}

fn batch(columns: Vec<ArrayRef>) -> Batch {
    let row_count = columns.first().map_or(0, |column| column.len());
    let offsets = UInt64Array::from_iter_values(0..row_count as u64);
    Batch::new(columns, offsets)
}

fn project(expr: &Expr, batch: &Batch) -> (Batch, Vec<BadRecord>) {
    let columns = [NamedExpr { name: "out".to_owned(), expr: expr.clone() }];
    let mut project = Project::new(&columns, &context()).unwrap();
    let mut bad = Vec::new();
    let out = project.apply(batch.clone(), &mut bad).unwrap();
    (out, bad)
}

/// One text a row of the batch: the result, or `bad: ` and the reason.
fn outcomes(expr: &Expr, batch: &Batch) -> Vec<String> {
    let (out, bad) = project(expr, batch);
    let first = batch.offsets().values().first().copied().unwrap_or(0);
    let mut texts = vec![String::new(); batch.row_count()];
    for record in &bad {
        let row = usize::try_from(record.offset.0 - first).unwrap();
        assert_eq!(record.field.as_deref(), Some("out"));
        assert!(texts[row].is_empty(), "row {row} is reported once");
        texts[row] = format!("bad: {}", record.reason);
    }
    assert_eq!(*out.column(0).data_type(), expr.data_type.arrow(), "{expr}");
    for row in 0..out.row_count() {
        let at = usize::try_from(out.offsets().value(row) - first).unwrap();
        assert!(texts[at].is_empty(), "row {at} is either a result or bad");
        texts[at] = show(&scalar_of(&out.column(0).slice(row, 1), &expr.data_type).unwrap());
    }
    texts
}

/// Checks rows of operands and results. `make` builds the expression over one operand expression
/// each. `NULL` is a NULL result, `bad: …` a bad record.
fn check(make: impl Fn(Vec<Expr>) -> Expr, table: &[(&[Scalar], &str)]) {
    for (operands, expected) in table {
        let constants = operands.iter().cloned().map(Expr::literal).collect();
        let shown = match evaluate_constant(&make(constants), &context()) {
            Ok(value) => show(&value),
            Err(reason) => format!("bad: {reason}"),
        };
        assert_eq!(shown, *expected, "constants {operands:?}");
    }
    let width = table[0].0.len();
    let types: Vec<DataType> = table[0].0.iter().map(Scalar::data_type).collect();
    let columns: Vec<ArrayRef> = (0..width)
        .map(|at| {
            let values: Vec<Scalar> =
                table.iter().map(|(operands, _)| operands[at].clone()).collect();
            array(&types[at], &values)
        })
        .collect();
    let whole = batch(columns);
    let over_columns =
        make(types.iter().enumerate().map(|(at, t)| column(at, t.clone())).collect());
    let expected: Vec<&str> = table.iter().map(|(_, expected)| *expected).collect();
    assert_eq!(outcomes(&over_columns, &whole), expected, "{over_columns}");
    for size in [1, 2, 3] {
        let mut sliced = Vec::new();
        for start in (0..table.len()).step_by(size) {
            let rows = size.min(table.len() - start);
            sliced.extend(outcomes(&over_columns, &whole.slice(start, rows)));
        }
        assert_eq!(sliced, expected, "{over_columns} in slices of {size}");
    }
    // Constants beside a column: every operand but the first is fixed, row by row.
    for (row, (operands, expected)) in table.iter().enumerate().filter(|_| width > 1) {
        let mixed = operands.iter().enumerate().map(|(at, value)| {
            if at == 0 { column(0, types[0].clone()) } else { Expr::literal(value.clone()) }
        });
        let shown = outcomes_or_error(&make(mixed.collect()), &whole.slice(row, 1));
        assert_eq!(shown, *expected, "column and constants {operands:?}");
        let mixed = operands.iter().enumerate().map(|(at, value)| {
            if at == 0 { Expr::literal(value.clone()) } else { column(at, types[at].clone()) }
        });
        let shown = outcomes_or_error(&make(mixed.collect()), &whole.slice(row, 1));
        assert_eq!(shown, *expected, "constant and columns {operands:?}");
    }
}

/// The outcome of a batch of one row; what does not compile is bad for it.
fn outcomes_or_error(expr: &Expr, one: &Batch) -> String {
    let columns = [NamedExpr { name: "out".to_owned(), expr: expr.clone() }];
    match Project::new(&columns, &context()) {
        Ok(_) => outcomes(expr, one).remove(0),
        Err(error) => format!("bad: {error}"),
    }
}

/// [`check`] of a function.
fn check_call(function: Function, result: DataType, table: &[(&[Scalar], &str)]) {
    check(|arguments| call(function, arguments, result.clone()), table);
}

fn arc(array: impl Array + 'static) -> ArrayRef {
    Arc::new(array)
}
