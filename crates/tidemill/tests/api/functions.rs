//! Functions of the embedding program: what is a bad record, and what ends the job.

use std::error::Error as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{
    Array, ArrayRef, DictionaryArray, Int32Array, Int64Array, StringArray, UInt64Array,
};
use tidemill::{
    BadRecords, Call, DataType, Error, Function, HostError, ScalarFunction, Session, Signature,
    Summary, Volatility,
};

use crate::support::{rows_of, session_of, source_of};

fn array(array: impl Array + 'static) -> Result<ArrayRef, HostError> {
    Ok(Arc::new(array))
}

fn integers(call: &Call<'_>) -> Int64Array {
    call.argument(0).as_primitive::<Int64Type>().clone()
}

type Outcome = Result<(Summary, Vec<Vec<i64>>), Error>;

/// What comes of a query over `t` with 1, 7, 3, where bad records are left out.
fn run(name: &str, function: impl ScalarFunction, select: &str) -> Outcome {
    let (mut session, rows) = session_of(source_of(&[&[&[1, 7, 3]]]));
    session.settings_mut().bad_records = BadRecords::Skip;
    session.register_function(name, function)?;
    let summary = session.prepare(&format!("INSERT INTO out {select}"))?.run()?;
    Ok((summary, rows_of(&rows)))
}

fn of_integer(
    body: impl Fn(&mut Call<'_>) -> Result<ArrayRef, HostError> + Send + Sync + 'static,
) -> impl ScalarFunction {
    Function::new([DataType::BigInt], DataType::BigInt, body)
}

#[test]
fn rows_that_fail_are_bad_records_and_the_others_stay() {
    let but_seven = of_integer(|call| {
        let values = integers(call);
        for row in 0..call.row_count() {
            if values.value(row) == 7 {
                call.fail_row(row, "seven");
            }
        }
        array(values)
    });
    let (summary, rows) = run("But_Seven", but_seven, "SELECT but_seven(v) FROM t").unwrap();
    assert_eq!(rows, [[1], [3]]);
    assert_eq!(summary.statistics.bad_records, 1);
}

#[test]
fn a_bad_record_has_the_reason_and_the_offset() {
    let (mut session, _) = session_of(source_of(&[&[&[1, 7, 3]]]));
    let refusing = of_integer(|call| {
        let values = integers(call);
        if let Some(row) = values.iter().position(|value| value == Some(7)) {
            call.fail_row(row, format!("no {}", call.return_type()));
        }
        array(values)
    });
    session.register_function("refusing", refusing).unwrap();
    let job = session.prepare("INSERT INTO out SELECT refusing(v) FROM t").unwrap();
    let report = job.run().unwrap_err().report();
    assert!(report.contains("offset 1") && report.contains("no BIGINT"), "{report}");
}

/// Runs a wrong function where bad records are left out; how often it was called, and the error.
fn fault(
    return_type: DataType,
    body: impl Fn(&mut Call<'_>) -> Result<ArrayRef, HostError> + Send + Sync + 'static,
) -> (usize, Error) {
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&calls);
    let function = Function::new([DataType::BigInt], return_type, move |call| {
        counter.fetch_add(1, Ordering::Relaxed);
        body(call)
    });
    let error = run("wrong", function, "SELECT v FROM t WHERE wrong(v) IS NOT NULL").unwrap_err();
    (calls.load(Ordering::Relaxed), error)
}

#[test]
fn a_wrong_function_ends_the_job_and_is_called_once() {
    let check = |(calls, error): (usize, Error), expected: &str| {
        let report = error.report();
        assert!(report.contains(expected) && report.contains("partition 0"), "{report}");
        assert!(!report.contains("bad record") && !error.is_usage(), "{report}");
        assert_eq!(calls, 1);
    };
    let length = fault(DataType::BigInt, |call| array(integers(call).slice(0, 2)));
    check(length, "function wrong gave 2 values for 3 rows");
    let panics = fault(DataType::BigInt, |_| panic!("the table of {} is gone", "rates"));
    check(panics, "function wrong panicked: the table of rates is gone");
    let of_type =
        fault(DataType::Timestamp, |_| array(StringArray::from(vec!["2024", "2025", "x"])));
    check(of_type, "function wrong gave Utf8 values for TIMESTAMP");
    let too_large = fault(DataType::BigInt, |_| array(UInt64Array::from(vec![1, 2, u64::MAX])));
    check(too_large, "function wrong gave UInt64 values for BIGINT");
    let row = fault(DataType::BigInt, |call| {
        call.fail_row(3, "there are three");
        array(integers(call))
    });
    check(row, "function wrong panicked: row 3 has failed, and there are 3");
}

#[derive(Debug)]
struct NotLoaded(u32);

impl std::fmt::Display for NotLoaded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "model {} is not loaded", self.0)
    }
}

impl std::error::Error for NotLoaded {}

#[test]
fn an_error_of_the_function_is_a_source_of_the_jobs() {
    let (calls, error) = fault(DataType::BigInt, |_| Err(NotLoaded(4).into()));
    assert_eq!(calls, 1);
    let mut cause = error.source();
    while let Some(found) = cause {
        if let Some(own) = found.downcast_ref::<NotLoaded>() {
            assert_eq!(own.0, 4);
            return;
        }
        cause = found.source();
    }
    panic!("it is not among the causes of {error}");
}

#[test]
fn results_of_other_arrow_types_are_cast() {
    let texts = Function::new([DataType::BigInt], DataType::Varchar, |call| {
        let values = integers(call);
        array(values.iter().map(|value| value.map(|v| v.to_string())).collect::<StringArray>())
    });
    let (_, rows) = run("texts", texts, "SELECT CAST(texts(v) || '0' AS BIGINT) FROM t").unwrap();
    assert_eq!(rows, [[10], [70], [30]]);
    let dictionary = Function::new([DataType::BigInt], DataType::Varchar, |call| {
        let keys = Int32Array::from_value(0, call.row_count());
        array(DictionaryArray::new(keys, Arc::new(StringArray::from(vec!["12345678901234"]))))
    });
    let select = "SELECT CAST(codes(v) AS BIGINT) FROM t LIMIT 1";
    assert_eq!(run("codes", dictionary, select).unwrap().1, [[12_345_678_901_234]]);
    let small = of_integer(|call| array(Int32Array::from_value(5, call.row_count())));
    assert_eq!(run("small", small, "SELECT small(v) + v FROM t LIMIT 1").unwrap().1, [[6]]);
}

/// The length of a text, or a number and one.
struct Measure;

impl ScalarFunction for Measure {
    fn signatures(&self) -> Vec<Signature> {
        vec![
            Signature::new([DataType::Varchar], DataType::BigInt),
            Signature::new([DataType::BigInt], DataType::BigInt),
            Signature::new([DataType::BigInt, DataType::BigInt], DataType::BigInt),
        ]
    }

    fn is_null_strict(&self) -> bool {
        true
    }

    fn call(&self, call: &mut Call<'_>) -> Result<ArrayRef, HostError> {
        assert!(call.arguments().iter().all(|argument| argument.null_count() == 0));
        match call.argument_types() {
            [DataType::Varchar] => {
                let lengths = call.argument(0).as_string_view().iter();
                array(
                    lengths.map(|text| text.map(|text| text.len() as i64)).collect::<Int64Array>(),
                )
            }
            [DataType::BigInt] => array(integers(call).unary::<_, Int64Type>(|value| value + 1)),
            types => Err(format!("{} types", types.len()).into()),
        }
    }
}

#[test]
fn a_call_means_the_signature_that_fits() {
    let select = |what: &str| run("measure", Measure, &format!("SELECT {what} FROM t LIMIT 1"));
    assert_eq!(select("measure('four')").unwrap().1, [[4]]);
    assert_eq!(select("measure(v)").unwrap().1, [[2]]);
    assert_eq!(select("measure(CAST(v AS INTEGER))").unwrap().1, [[2]], "it is cast");
    assert_eq!(select("COALESCE(measure(NULLIF(v, 1)), -1)").unwrap().1, [[-1]]);
    let two = select("measure(v, v)").unwrap_err().report();
    assert!(two.contains("function measure failed: 2 types"), "{two}");
    let refused = |what: &str, expected: &str| {
        let error = select(what).unwrap_err();
        assert!(error.is_usage() && error.report().contains(expected), "{}", error.report());
    };
    refused("measure(v, v, v)", "MEASURE takes 1 or 2 arguments, not 3");
    refused("measure(v > 1)", "MEASURE takes (VARCHAR) or (BIGINT), not (BOOLEAN)");
}

#[test]
fn what_is_no_function_is_refused() {
    struct Nothing(usize);
    impl ScalarFunction for Nothing {
        fn signatures(&self) -> Vec<Signature> {
            vec![Signature::new([DataType::Date], DataType::Date); self.0]
        }
        fn call(&self, _: &mut Call<'_>) -> Result<ArrayRef, HostError> {
            unreachable!("it is not registered")
        }
    }
    let mut session = Session::new();
    let none = session.register_function("f", Nothing(0)).unwrap_err();
    assert!(none.is_usage() && none.report().contains("function f has no signature"));
    let twice = session.register_function("f", Nothing(2)).unwrap_err();
    assert!(twice.report().contains("two signatures of the same arguments"));
    session.register_function("F", Nothing(1)).unwrap();
    let taken = session.register_function("f", Nothing(1)).unwrap_err();
    assert!(taken.report().contains("a function named f is already registered"));
}

#[test]
fn a_volatile_function_is_computed_once_a_row() {
    let next = AtomicI64::new(0);
    let count = Function::new([], DataType::BigInt, move |call| {
        let next = || next.fetch_add(1, Ordering::Relaxed);
        array((0..call.row_count()).map(|_| next()).collect::<Int64Array>())
    });
    let select = "SELECT n, n FROM (SELECT count_up() AS n FROM t) AS s WHERE n > 0 AND n < 9";
    let (_, rows) = run("count_up", count.volatility(Volatility::Volatile), select).unwrap();
    assert_eq!(rows, [[1, 1], [2, 2]]);
}
