//! Values of aggregates, as literals from DuckDB 2.0 (`duckdb.sql(…).fetchall()`) unless a
//! comment says otherwise.

use tidemill_aggregate::{AggTable, AggregateError};
use tidemill_plan::{AggregateFunction as F, Scalar};
use tidemill_record::DataType;

use crate::groups::{call, final_rows, spec};
use crate::values::{batch, lines};

/// Results of calls over one column, without keys.
pub(crate) fn results(
    data_type: DataType,
    functions: &[(F, DataType)],
    values: &[Scalar],
) -> String {
    let calls = functions.iter().map(|(f, t)| call(f.clone(), Some(0), t.clone())).collect();
    let spec = spec(vec![data_type.clone()], Vec::new(), calls);
    let types = spec.output_types();
    let rows: Vec<Vec<Scalar>> = values.iter().map(|value| vec![value.clone()]).collect();
    let mut table = AggTable::new(spec, u64::MAX);
    table.update(&batch(&[data_type], &rows, 0)).unwrap();
    let line = lines(&types, &final_rows(table, 1).unwrap()).remove(0);
    line.split_once(": ").unwrap().1.to_owned()
}

fn of_doubles(functions: &[F], values: &[f64]) -> String {
    let functions: Vec<(F, DataType)> =
        functions.iter().map(|f| (f.clone(), DataType::Double)).collect();
    let values: Vec<Scalar> = values.iter().map(|value| Scalar::Double(*value)).collect();
    results(DataType::Double, &functions, &values)
}

fn of_bigints(functions: &[F], result: DataType, values: &[i64]) -> String {
    let functions: Vec<(F, DataType)> =
        functions.iter().map(|f| (f.clone(), result.clone())).collect();
    let values: Vec<Scalar> = values.iter().map(|value| Scalar::BigInt(*value)).collect();
    results(DataType::BigInt, &functions, &values)
}

const SPREAD: [F; 4] = [F::StddevSamp, F::StddevPop, F::VarSamp, F::VarPop];

#[test]
fn spread() {
    assert_eq!(
        of_doubles(&SPREAD, &[1.5, 2.25, 1e3, -7.125, 0.1]),
        "447.59522534316653 | 400.3413401086628 | 200341.48575000002 | 160273.18860000002"
    );
    assert_eq!(of_doubles(&SPREAD, &[1.5]), "NULL | 0.0 | NULL | 0.0");
    assert_eq!(of_doubles(&SPREAD, &[]), "NULL | NULL | NULL | NULL");
}

#[test]
fn averages() {
    let big = [i64::MAX, i64::MAX - 1, 5];
    assert_eq!(of_bigints(&[F::Avg], DataType::Double, &big), "6.148914691236517e18");
    assert_eq!(of_doubles(&[F::Avg], &[1.0, 2.0, 4.5, 1e16, -1e16]), "1.6");
    let decimal = DataType::Decimal { precision: 10, scale: 2 };
    let values: Vec<Scalar> =
        [110, 225, 333].map(|value| Scalar::Decimal { value, precision: 10, scale: 2 }).to_vec();
    let sum = DataType::Decimal { precision: 38, scale: 2 };
    let functions = [(F::Avg, DataType::Double), (F::Sum, sum)];
    assert_eq!(results(decimal, &functions, &values), "2.2266666666666666 | 6.68");
}

#[test]
fn percentiles() {
    let at = |fraction| F::PercentileCont { fraction };
    assert_eq!(
        of_doubles(&[at(0.5), at(0.1), at(0.333)], &[0.1, 0.7, 1e17, 3.3, 2.7]),
        "2.7 | 0.33999999999999997 | 1.3640000000000003"
    );
    assert_eq!(of_doubles(&[at(0.3)], &[0.1, 0.7, 0.9]), "0.45999999999999996");
    assert_eq!(of_doubles(&[at(0.5), at(0.25)], &[f64::NAN, 1.0, 2.0, 3.0]), "2.5 | 1.75");
    assert_eq!(of_doubles(&[at(0.5)], &[-1e308, 1e308, 1.7e308, -1.5e308]), "0.0");
}

#[test]
fn floats() {
    assert_eq!(of_doubles(&[F::Min, F::Max], &[f64::NAN, 1.0, 0.0]), "0.0 | NaN");
    assert_eq!(of_doubles(&[F::Sum], &[f64::INFINITY, f64::NEG_INFINITY]), "NaN");
    let reals = [Scalar::Real(0.1), Scalar::Real(0.2)];
    let functions = [(F::Sum, DataType::Double)];
    assert_eq!(results(DataType::Real, &functions, &reals), "0.30000000447034836");
}

#[test]
fn text() {
    let empty = [Scalar::Varchar(String::new()), Scalar::Varchar(String::new())];
    let functions = [(F::StringAgg { separator: String::new() }, DataType::Varchar)];
    assert_eq!(results(DataType::Varchar, &functions, &empty), "''");
}

#[test]
fn truths() {
    let values = [Scalar::Boolean(true), Scalar::Null(DataType::Boolean), Scalar::Boolean(false)];
    let functions = [(F::BoolAnd, DataType::Boolean), (F::BoolOr, DataType::Boolean)];
    assert_eq!(results(DataType::Boolean, &functions, &values), "FALSE | TRUE");
}

/// SQL.md, "Types": a `SUM(BIGINT)` that overflows is an error, and only the total counts.
#[test]
fn a_sum_overflows_only_if_the_total_does() {
    let types = vec![DataType::Varchar, DataType::BigInt];
    let mut sum = call(F::Sum, Some(1), DataType::BigInt);
    sum.label = "sum(quantity)".to_owned();
    let spec = spec(types.clone(), vec![0], vec![sum]);
    let row = |n: i64| vec![Scalar::Varchar("A'B".to_owned()), Scalar::BigInt(n)];
    let mut table = AggTable::new(spec.clone(), u64::MAX);
    let rows = [row(i64::MAX), row(i64::MAX), row(-i64::MAX)];
    table.update(&batch(&types, &rows, 0)).unwrap();
    let rows = final_rows(table, 1).unwrap();
    assert_eq!(lines(&spec.output_types(), &rows), ["20: 'A''B' | 9223372036854775807"]);

    let mut table = AggTable::new(spec, u64::MAX);
    table.update(&batch(&types, &[row(i64::MAX), row(1)], 0)).unwrap();
    let error = table.into_batches(1).unwrap().next().unwrap().unwrap_err();
    let group_key = "'A''B'".to_owned();
    let label = "sum(quantity)".to_owned();
    let data_type = DataType::BigInt;
    assert_eq!(error, AggregateError::SumOverflow { label, data_type, group_key, moment: None });
    assert_eq!(error.to_string(), "sum(quantity) is out of range for BIGINT in group ('A''B')");
}

#[test]
fn an_unsupported_type_is_refused_by_name() {
    let list = DataType::Array(Box::new(DataType::BigInt));
    let mut table = AggTable::new(spec(vec![list.clone()], vec![0], Vec::new()), u64::MAX);
    let rows = arrow_array::new_empty_array(&list.arrow());
    let empty = tidemill_record::Batch::new(vec![rows], Vec::<u64>::new().into());
    let error = table.update(&empty).unwrap_err();
    assert_eq!(error.to_string(), "GROUP BY is not supported for type BIGINT[]");
    let sum = call(F::Sum, Some(0), DataType::BigInt);
    let table = AggTable::new(spec(vec![DataType::Varchar], Vec::new(), vec![sum]), u64::MAX);
    let error = table.into_batches(1).err().unwrap();
    assert_eq!(error.to_string(), "SUM(…) is not supported for type VARCHAR");
}
