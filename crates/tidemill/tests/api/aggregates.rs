//! Aggregate functions of the program.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{ArrayRef, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray};
use tidemill::{
    AggregateFunction, DataType, Error, ErrorKind, GroupRows, HostError, Session, Signature,
};

use crate::support::{source_of, wait_until};

/// How a function goes wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    Update,
    PanicInUpdate,
    Merge,
    Length,
    Type,
    PanicInFinish,
}

/// The values of a group in order of arrival, as one number in base 10: what no other order gives.
struct Digits(Fault);

impl AggregateFunction for Digits {
    type State = Vec<i64>;

    fn signatures(&self) -> Vec<Signature> {
        vec![Signature::new([DataType::BigInt], DataType::BigInt)]
    }

    fn update(&self, rows: &mut GroupRows<'_, Self>) -> Result<(), HostError> {
        let values = rows.argument(0).as_primitive::<Int64Type>().clone();
        rows.try_for_each(|state, row| match self.0 {
            Fault::Update => Err("no digit today".into()),
            Fault::PanicInUpdate => panic!("a digit fell off"),
            _ => {
                state.push(values.value(row));
                Ok(())
            }
        })
    }

    fn merge(&self, state: &mut Vec<i64>, later: &Vec<i64>) -> Result<(), HostError> {
        if self.0 == Fault::Merge {
            return Err("they do not mix".into());
        }
        state.extend(later);
        Ok(())
    }

    fn finish(&self, states: &[&Vec<i64>], _: &Signature) -> ArrayRef {
        let number = |state: &&Vec<i64>| {
            (!state.is_empty()).then(|| state.iter().fold(0, |number, digit| 10 * number + digit))
        };
        let numbers: Int64Array = states.iter().map(number).collect();
        match self.0 {
            Fault::Length => Arc::new(Int64Array::from(vec![1; states.len() + 1])),
            Fault::Type => Arc::new(StringArray::from(vec!["x"; states.len()])),
            Fault::PanicInFinish => panic!("out of ink"),
            // Of a type that BIGINT holds whole.
            _ if numbers.iter().flatten().all(|number| i32::try_from(number).is_ok()) => {
                let narrow = numbers.iter().map(|n| n.map(|n| i32::try_from(n).unwrap()));
                Arc::new(narrow.collect::<Int32Array>())
            }
            _ => Arc::new(numbers),
        }
    }

    fn heap_bytes(&self, state: &Vec<i64>) -> usize {
        state.capacity() * 8
    }

    fn version(&self) -> Option<u32> {
        (self.0 == Fault::None).then_some(1)
    }

    fn export(&self, state: &Vec<i64>) -> Vec<u8> {
        state.iter().flat_map(|digit| digit.to_le_bytes()).collect()
    }

    fn import(&self, exported: &[u8]) -> Result<Vec<i64>, HostError> {
        let (digits, []) = exported.as_chunks::<8>() else { return Err("cut off".into()) };
        Ok(digits.iter().map(|digit| i64::from_le_bytes(*digit)).collect())
    }
}

fn session(fault: Fault) -> Session {
    let mut session = Session::new();
    session.register_aggregate("Digits", Digits(fault)).unwrap();
    session
}

/// Rows of the query, all columns `BIGINT`.
fn rows(session: &Session, sql: &str) -> Vec<Vec<Option<i64>>> {
    let batches = session.query(sql).unwrap().collect().unwrap();
    let row = |batch: &RecordBatch, row: usize| {
        let value = |column: &ArrayRef| column.as_primitive::<Int64Type>().iter().nth(row).unwrap();
        batch.columns().iter().map(value).collect()
    };
    batches
        .iter()
        .flat_map(|batch| (0..batch.num_rows()).map(|at| row(batch, at)).collect::<Vec<_>>())
        .collect()
}

const VALUES: &str = "(VALUES (1, 5), (2, 7), (1, 6), (1, NULL), (2, 7), (3, NULL)) AS t (k, v)";

#[test]
fn groups_filters_and_distinct_values_are_those_of_sql() {
    let session = session(Fault::None);
    let check = |select: &str, expected: &[&[Option<i64>]]| {
        for batch_rows in [1, 4, 8192] {
            let sql = format!("SET 'batch.rows' = '{batch_rows}'; {select}");
            assert_eq!(rows(&session, &sql), expected, "{sql}");
        }
    };
    let by_key = format!("SELECT CAST(k AS BIGINT) AS k, DIGITS(v) AS d FROM {VALUES} GROUP BY k");
    check(&by_key, &[&[Some(1), Some(56)], &[Some(2), Some(77)], &[Some(3), None]]);
    check(&format!("SELECT digits(v) AS d FROM {VALUES}"), &[&[Some(5767)]]);
    check(&format!("SELECT digits(DISTINCT v) AS d FROM {VALUES}"), &[&[Some(576)]]);
    let filtered = format!(
        "SELECT digits(v) FILTER (WHERE k = 1) AS d, digits(k) AS e, COUNT(*) AS n FROM {VALUES}"
    );
    check(&filtered, &[&[Some(56), Some(121_123), Some(6)]]);
    check(&format!("SELECT digits(v) AS d FROM {VALUES} WHERE k > 5"), &[&[None]]);
    check(
        &format!("SELECT digits(v) + 1 AS d FROM {VALUES} GROUP BY k HAVING digits(v) > 60"),
        &[&[Some(78)]],
    );
    let running =
        format!("SELECT digits(v) AS d FROM {VALUES} WHERE k < 3 GROUP BY k EMIT CHANGES");
    check(&running, &[&[Some(5)], &[Some(7)], &[Some(56)], &[Some(56)], &[Some(77)]]);
}

#[test]
fn partitions_are_merged_in_their_order_and_windows_of_panes_too() {
    let mut all = session(Fault::None);
    all.register_source("t", source_of(&[&[&[1, 2]], &[&[3], &[4]], &[], &[&[5]]])).unwrap();
    assert_eq!(rows(&all, "SELECT digits(v) AS d FROM t"), [[Some(12_345)]]);
    let hopping = "CREATE SOURCE s (at AS TO_TIMESTAMP(v), WATERMARK FOR at AS at)
                   WITH ('connector' = 'registered', 'source' = 'u', 'watermark.max_ahead' = 'off');
                   SELECT digits(v) AS d FROM HOP(s, at, INTERVAL '2' SECOND, INTERVAL '4' SECOND)
                   GROUP BY window_start";
    all.register_source("u", source_of(&[&[&[0, 1, 2, 3, 5, 8]]])).unwrap();
    // By hand: windows of four seconds that end at 2, 4, 6, 8, 10 and 12.
    let expected = [1, 123, 235, 5, 8, 8].map(|number| [Some(number)]);
    assert_eq!(rows(&all, hopping), expected);
    all.register_source("w", source_of(&[&[&[0, 4, 2, 9]]])).unwrap();
    let sessions =
        "CREATE SOURCE s (at AS TO_TIMESTAMP(v), WATERMARK FOR at AS at - INTERVAL '9' SECOND)
                    WITH ('connector' = 'registered', 'source' = 'w');
                    SELECT digits(v) AS d FROM s GROUP BY SESSION(at, INTERVAL '3' SECOND)";
    // 0 and 4 are apart until 2 comes; sessions join in order of time.
    assert_eq!(rows(&all, sessions).len(), 2);
}

#[test]
fn a_wrong_function_ends_the_job_and_is_named() {
    let failed = |fault: Fault| -> Error {
        let mut session = session(fault);
        session.register_source("t", source_of(&[&[&[1, 2]], &[&[3]]])).unwrap();
        session.settings_mut().bad_records = tidemill::BadRecords::Skip;
        session.query("SELECT digits(v) AS d FROM t").unwrap().collect().unwrap_err()
    };
    let check = |fault, kind, texts: &[&str]| {
        let error = failed(fault);
        assert_eq!(error.kind(), kind, "{}", error.report());
        let report = error.report();
        texts.iter().chain(&["digits"]).for_each(|text| assert!(report.contains(text), "{report}"));
    };
    check(Fault::Update, ErrorKind::Function, &["no digit today"]);
    check(Fault::Merge, ErrorKind::Function, &["they do not mix"]);
    check(Fault::PanicInUpdate, ErrorKind::Function, &["panicked", "a digit fell off"]);
    check(Fault::Length, ErrorKind::Panicked, &["2 values for 1 groups"]);
    check(Fault::Type, ErrorKind::Panicked, &["Utf8 values for BIGINT"]);
    check(Fault::PanicInFinish, ErrorKind::Panicked, &["out of ink"]);
}

#[test]
fn what_a_state_holds_counts_for_the_budget() {
    let mut session = session(Fault::None);
    let batch: Vec<i64> = vec![0; 100_000];
    session.register_source("t", source_of(&[&[&batch, &batch, &batch]])).unwrap();
    session.settings_mut().memory_budget_bytes = Some(1 << 20);
    let error = session.query("SELECT digits(v) AS d FROM t").unwrap().collect().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Memory, "{error}");
}

/// A weighted mean, and a plain one.
struct Mean {
    calls: Arc<AtomicU64>,
}

impl AggregateFunction for Mean {
    type State = (f64, f64);

    fn signatures(&self) -> Vec<Signature> {
        let double = DataType::Double;
        vec![
            Signature::new([double.clone(), double.clone()], double.clone()),
            Signature::new([double.clone()], double),
        ]
    }

    fn is_null_strict(&self) -> bool {
        false
    }

    fn update(&self, rows: &mut GroupRows<'_, Self>) -> Result<(), HostError> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let values = rows.argument(0).as_primitive::<Float64Type>().clone();
        let is_weighted = rows.signature().argument_types().len() == 2;
        let weights = is_weighted.then(|| rows.argument(1).as_primitive::<Float64Type>().clone());
        rows.for_each(|(sum, weight), row| {
            let of_row = weights.as_ref().map_or(1.0, |weights| weights.value(row));
            // NULL counts as nothing, with its weight.
            *sum += of_row * values.iter().nth(row).flatten().unwrap_or(0.0);
            *weight += of_row;
        });
        Ok(())
    }

    fn merge(&self, state: &mut (f64, f64), later: &(f64, f64)) -> Result<(), HostError> {
        *state = (state.0 + later.0, state.1 + later.1);
        Ok(())
    }

    fn finish(&self, states: &[&(f64, f64)], _: &Signature) -> ArrayRef {
        Arc::new(Float64Array::from_iter_values(states.iter().map(|(sum, weight)| sum / weight)))
    }
}

#[test]
fn a_call_means_the_signature_that_fits_and_null_is_given_where_it_is_asked_for() {
    let mut session = Session::new();
    session.register_aggregate("weighted", Mean { calls: Arc::default() }).unwrap();
    let value = |select: &str| {
        let batches = session.query(select).unwrap().collect().unwrap();
        batches[0].column(0).as_primitive::<Float64Type>().value(0)
    };
    assert_eq!(value("SELECT WEIGHTED(v) AS m FROM (VALUES (1), (NULL), (5)) AS t (v)"), 2.0);
    assert_eq!(value("SELECT WEIGHTED(v, w) AS m FROM (VALUES (1, 3), (5, 1)) AS t (v, w)"), 2.0);
    let refused = |sql: &str, expected: &str| {
        let report = session.query(sql).unwrap_err().report();
        assert!(report.contains(expected), "{report}");
    };
    let from = "FROM (VALUES (1, 2)) AS t (v, w)";
    refused(&format!("SELECT weighted() AS m {from}"), "WEIGHTED takes 1 or 2 arguments, not 0");
    refused(&format!("SELECT weighted(v, w, v) AS m {from}"), "not 3");
    refused(&format!("SELECT weighted(v) OVER () AS m {from}"), "OVER");
    refused(&format!("SELECT weighted(v ORDER BY w) AS m {from}"), "ORDER BY in WEIGHTED");
    refused(&format!("SELECT weighted(v) IGNORE NULLS AS m {from}"), "IGNORE NULLS of WEIGHTED");
    refused(
        &format!("SELECT v {from} WHERE weighted(v) > 1"),
        "no aggregate may stand in WHERE: WEIGHTED",
    );
    refused(&format!("SELECT weighted(SUM(v)) AS m {from}"), "no aggregate may stand in");
    refused(&format!("SELECT weighted('x') AS m {from}"), "cannot cast 'x' to DOUBLE");
}

#[test]
fn names_of_functions_are_one_space() {
    let mut session = session(Fault::None);
    let refused = |error: Error| assert!(error.is_usage(), "{error}");
    refused(session.register_aggregate("DIGITS", Digits(Fault::None)).unwrap_err());
    refused(session.register_aggregate("sum", Digits(Fault::None)).unwrap_err());
    assert!(session.deregister_function("digits") && !session.deregister_function("digits"));
    assert!(session.query("SELECT digits(v) AS d FROM (VALUES (1)) AS t (v)").is_err());
}

/// A job over generated rows that keeps its state there, and sums digits modulo ten by key.
fn kept(session: &Session, dir: &Path, rows: &str) -> Result<tidemill::Job, Error> {
    let (state, out) = (dir.join("state"), dir.join("out"));
    session.prepare(&format!(
        "SET 'state.dir' = '{}'; SET 'checkpoint.interval' = '10ms';
         CREATE SOURCE trades WITH ('connector' = 'generator', 'schema' = 'trades', 'rows' = '{rows}', 'rate' = '20000');
         CREATE SINK files WITH ('connector' = 'file', 'path' = '{}', 'format' = 'csv');
         INSERT INTO files SELECT symbol, KEPT(quantity) AS k, SUM(quantity) AS s FROM trades GROUP BY symbol;",
        state.display(),
        out.display()
    ))
}

/// A sum that is kept over restarts.
struct Kept(Option<u32>);

impl AggregateFunction for Kept {
    type State = i64;

    fn signatures(&self) -> Vec<Signature> {
        vec![Signature::new([DataType::BigInt], DataType::BigInt)]
    }

    fn update(&self, rows: &mut GroupRows<'_, Self>) -> Result<(), HostError> {
        let values = rows.argument(0).as_primitive::<Int64Type>().clone();
        rows.for_each(|state, row| *state += values.value(row));
        Ok(())
    }

    fn merge(&self, state: &mut i64, later: &i64) -> Result<(), HostError> {
        *state += later;
        Ok(())
    }

    fn finish(&self, states: &[&i64], _: &Signature) -> ArrayRef {
        Arc::new(Int64Array::from_iter_values(states.iter().map(|state| **state)))
    }

    fn version(&self) -> Option<u32> {
        self.0
    }

    fn export(&self, state: &i64) -> Vec<u8> {
        state.to_le_bytes().to_vec()
    }

    fn import(&self, exported: &[u8]) -> Result<i64, HostError> {
        Ok(i64::from_le_bytes(exported.try_into()?))
    }
}

fn keeping(version: Option<u32>) -> Session {
    let mut session = Session::new();
    session.register_aggregate("kept", Kept(version)).unwrap();
    session
}

#[test]
fn states_go_on_from_a_checkpoint_of_the_same_version() {
    let dir = tempfile::tempdir().unwrap();
    let elsewhere = dir.path().join("unversioned");
    std::fs::create_dir(&elsewhere).unwrap();
    let unversioned = kept(&keeping(None), &elsewhere, "30000").unwrap().run().unwrap_err();
    let unversioned = unversioned.report();
    assert!(unversioned.contains("kept does not say how its states are kept"), "{unversioned}");
    let query = kept(&keeping(Some(1)), dir.path(), "30000").unwrap().start();
    wait_until("something is read", || query.progress().records_in > 1000);
    query.stop();
    assert!(query.join().unwrap().kept.is_some(), "it is to go on");
    let other = kept(&keeping(Some(2)), dir.path(), "30000").unwrap().run().unwrap_err();
    assert!(other.report().contains("is not the one that it began with"), "{}", other.report());
    let resumed = kept(&keeping(Some(1)), dir.path(), "30000").unwrap().run().unwrap();
    assert!(resumed.counts_earlier_runs);
    let files = std::fs::read_dir(dir.path().join("out")).unwrap().map(|file| file.unwrap().path());
    let published = files.filter(|path| path.extension().is_some_and(|ending| ending == "csv"));
    let text: String = published.map(|path| std::fs::read_to_string(path).unwrap()).collect();
    let lines: Vec<Vec<&str>> =
        text.lines().skip(1).map(|line| line.split(',').collect()).collect();
    assert_eq!(lines.len(), 200);
    // Held to the engine's own sum.
    assert!(lines.iter().all(|line| line[1] == line[2]), "{text}");
}
