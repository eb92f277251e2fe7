//! Functions of the embedding program.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow_array::Int64Array;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use tidemill_plan::{CallFault, Called, UserFunction, UserSignature, Volatility};

use DataType::BigInt;

use crate::Filter;

use super::*;

type Given = Result<Called, CallFault>;

fn function(body: impl Fn(&[ArrayRef], usize) -> Given + Send + Sync + 'static) -> UserFunction {
    UserFunction {
        name: "twice".to_owned(),
        signatures: vec![UserSignature { argument_types: vec![BigInt], return_type: BigInt }],
        volatility: Volatility::Immutable,
        is_null_strict: false,
        body: Box::new(move |_, arguments, rows| body(arguments, rows)),
    }
}

fn called(function: UserFunction, argument: Expr) -> Expr {
    let function = Arc::new(function);
    expr(ExprKind::CallUser { function, signature: 0, arguments: vec![argument] }, BigInt)
}

fn user(body: impl Fn(&[ArrayRef], usize) -> Given + Send + Sync + 'static) -> Expr {
    called(function(body), column(0, BigInt))
}

fn rows() -> Batch {
    batch(vec![array(&BigInt, &[i(1), i(2), n(BigInt), i(4)])])
}

fn values(array: impl Array + 'static) -> Given {
    Ok(Called { values: arc(array), failed: Vec::new() })
}

/// Why the job ends.
fn fault(expr: &Expr) -> String {
    let columns = [NamedExpr { name: "out".to_owned(), expr: expr.clone() }];
    let mut bad = Vec::new();
    let mut project = Project::new(&columns, &context()).unwrap();
    let error = project.apply(rows(), &mut bad).unwrap_err();
    assert!(bad.is_empty(), "no record is at fault");
    let source = std::error::Error::source(&*error).map(|source| format!(": {source}"));
    format!("{error}{}", source.unwrap_or_default())
}

#[test]
fn a_good_function() {
    let twice = user(|arrays, _| {
        values(arrays[0].as_primitive::<Int64Type>().unary::<_, Int64Type>(|x| x * 2))
    });
    assert_eq!(outcomes(&twice, &rows()), ["2", "4", "NULL", "8"]);
}

/// A function that has no value for 2 and 4, and counts the rows that it is given.
fn picky(row_count: &Arc<AtomicUsize>) -> UserFunction {
    let row_count = Arc::clone(row_count);
    function(move |arrays, rows| {
        row_count.fetch_add(rows, Ordering::Relaxed);
        let array = arrays[0].as_primitive::<Int64Type>();
        let unwanted = |value: &Option<i64>| matches!(value, Some(2 | 4));
        let failed = array.iter().enumerate().filter(|(_, value)| unwanted(value));
        let failed = failed.map(|(row, value)| (row, format!("{} is not welcome", value.unwrap())));
        Ok(Called { values: arrays[0].clone(), failed: failed.collect() })
    })
}

#[test]
fn rows_that_a_function_names_are_bad_and_the_others_are_computed_once_more() {
    let row_count = Arc::new(AtomicUsize::new(0));
    let direct = called(picky(&row_count), column(0, BigInt));
    let expected = ["1", "bad: 2 is not welcome", "NULL", "bad: 4 is not welcome"];
    assert_eq!(outcomes(&direct, &rows()), expected);
    assert_eq!(row_count.swap(0, Ordering::Relaxed), 4 + 2, "no row by halving");
    // Where only some rows are evaluated, the same ones are found.
    let operands = vec![called(picky(&row_count), column(0, BigInt)), Expr::literal(i(9))];
    let arguments =
        vec![expr(ExprKind::Call { function: Function::Coalesce, arguments: operands }, BigInt)];
    let within = called(picky(&Arc::default()), arguments.into_iter().next().unwrap());
    let expected = ["1", "bad: 2 is not welcome", "9", "bad: 4 is not welcome"];
    assert_eq!(outcomes(&within, &rows()), expected);
    // A constant that has no value has none for any row.
    let constant = called(picky(&Arc::default()), Expr::literal(i(2)));
    assert_eq!(outcomes(&constant, &rows()), ["bad: 2 is not welcome"; 4]);
}

#[test]
fn a_function_that_is_null_strict_is_given_no_null() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&seen);
    let mut strict = function(move |arrays, rows| {
        let array = arrays[0].as_primitive::<Int64Type>();
        assert!(array.null_count() == 0 && array.len() == rows);
        noted.lock().unwrap().push(array.values().to_vec());
        let failed = array.values().iter().position(|value| *value == 4);
        let failed = failed.map(|row| (row, "four".to_owned())).into_iter().collect();
        Ok(Called { values: arrays[0].clone(), failed })
    });
    strict.is_null_strict = true;
    let strict = called(strict, column(0, BigInt));
    assert_eq!(outcomes(&strict, &rows()), ["1", "2", "NULL", "bad: four"]);
    assert_eq!(*seen.lock().unwrap(), [vec![1, 2, 4], vec![1, 2]]);
    let nulls = batch(vec![array(&BigInt, &[n(BigInt), n(BigInt)])]);
    assert_eq!(outcomes(&strict, &nulls), ["NULL", "NULL"]);
    assert_eq!(seen.lock().unwrap().len(), 2, "it is not called for nothing");
}

#[test]
fn a_volatile_function_is_asked_for_each_row_of_a_constant() {
    let counts = |volatility| {
        let next = AtomicUsize::new(0);
        let mut function = function(move |_, rows| {
            let next = || i64::try_from(next.fetch_add(1, Ordering::Relaxed)).unwrap();
            values((0..rows).map(|_| next()).collect::<Int64Array>())
        });
        function.volatility = volatility;
        outcomes(&called(function, Expr::literal(i(5))), &rows())
    };
    assert_eq!(counts(Volatility::Volatile), ["0", "1", "2", "3"]);
    assert_eq!(counts(Volatility::Immutable), ["0"; 4]);
}

#[test]
fn a_function_that_is_wrong_ends_the_job_and_is_called_once() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&calls);
    let short = user(move |_, _| {
        counter.fetch_add(1, Ordering::Relaxed);
        values(Int64Array::from(vec![1]))
    });
    assert_eq!(fault(&short), "function twice gave 1 values for 4 rows");
    assert_eq!(calls.load(Ordering::Relaxed), 1);
    let wrong = user(|_, rows| values(arrow_array::Int32Array::from_value(1, rows)));
    assert_eq!(fault(&wrong), "function twice gave Int32 values for rows of Int64");
    let panics = user(|_, rows| panic!("{rows} rows are too many"));
    assert_eq!(fault(&panics), "function twice panicked: 4 rows are too many");
    let fails = user(|_, _| Err(CallFault::Failed("the model is not loaded".into())));
    assert_eq!(fault(&fails), "function twice failed: the model is not loaded");
    // Where a decoder asks which rows are wanted, all are in doubt, so that the filter's turn comes.
    let condition = expr(
        ExprKind::Binary {
            op: BinaryOp::Greater,
            left: Box::new(short),
            right: Box::new(Expr::literal(i(0))),
        },
        DataType::Boolean,
    );
    let filter = Filter::new(&condition, &context()).unwrap();
    let judged = filter.judge(rows().columns(), 4);
    assert_eq!(judged.failed.unwrap().count_set_bits(), 4);
}
