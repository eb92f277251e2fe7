//! What a grouping must give, computed the slow way: all rows of each group are kept, and every
//! result is computed from them afresh.

use std::cmp::Ordering;

use tidemill_plan::{AggregateCall, AggregateFunction as F, AggregateSpec, Scalar, SortKey};
use tidemill_record::DataType;

use crate::values::compare;

/// Groups in order of first appearance, each with its rows.
pub(crate) fn groups<'a>(
    spec: &AggregateSpec,
    rows: &'a [Vec<Scalar>],
) -> Vec<(Vec<Scalar>, Vec<&'a Vec<Scalar>>)> {
    let mut groups: Vec<(Vec<Scalar>, Vec<&Vec<Scalar>>)> = Vec::new();
    if spec.keys.is_empty() {
        return vec![(Vec::new(), rows.iter().collect())];
    }
    for row in rows {
        let key: Vec<Scalar> = spec.keys.iter().map(|&key| row[key].clone()).collect();
        let is_same = |other: &[Scalar]| {
            other.iter().zip(&key).all(|(a, b)| compare(a, b) == Ordering::Equal)
        };
        match groups.iter_mut().find(|(other, _)| is_same(other)) {
            Some((_, rows)) => rows.push(row),
            None => groups.push((key, vec![row])),
        }
    }
    groups
}

/// Key and results of one group, as text.
pub(crate) fn row_of(spec: &AggregateSpec, key: &[Scalar], rows: &[&Vec<Scalar>]) -> Vec<String> {
    let results = spec.calls.iter().map(|call| {
        let argument = call.arguments.first().map(|&at| spec.input_types[at].clone());
        result(call, argument.as_ref(), rows)
    });
    key.iter().map(Scalar::to_string).chain(results).collect()
}

fn result(call: &AggregateCall, argument: Option<&DataType>, rows: &[&Vec<Scalar>]) -> String {
    let is_chosen =
        |row: &&Vec<Scalar>| call.filter.is_none_or(|filter| row[filter] == Scalar::Boolean(true));
    let mut rows: Vec<&Vec<Scalar>> = rows.iter().copied().filter(is_chosen).collect();
    let (Some(&at), Some(argument)) = (call.arguments.first(), argument) else {
        return rows.len().to_string();
    };
    if let ([_, by], F::ArgMin | F::ArgMax) = (call.arguments.as_slice(), &call.function) {
        rows.retain(|row| !row[at].is_null() && !row[*by].is_null());
        let is_better = |a: &Vec<Scalar>, b: &Vec<Scalar>| match call.function {
            F::ArgMin => compare(&b[*by], &a[*by]).is_lt(),
            _ => compare(&b[*by], &a[*by]).is_gt(),
        };
        // The first of equals stays.
        let best = rows.into_iter().reduce(|a, b| if is_better(a, b) { b } else { a });
        return best.map_or("NULL".to_owned(), |row| row[at].to_string());
    }
    // Stable, as the order of a call is.
    rows.sort_by(|a, b| {
        let keys = call.order.iter().map(|key| key_order(key, a, b));
        keys.into_iter().find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
    });
    let mut all: Vec<Scalar> = rows.iter().map(|row| row[at].clone()).collect();
    if call.is_distinct {
        let mut once: Vec<Scalar> = Vec::new();
        for value in all {
            if once.iter().all(|other| compare(other, &value).is_ne()) {
                once.push(value);
            }
        }
        all = once;
    }
    let some: Vec<Scalar> = all.iter().filter(|value| !value.is_null()).cloned().collect();
    let edge = |value: Option<&Scalar>| value.map_or("NULL".to_owned(), Scalar::to_string);
    match &call.function {
        F::Count => some.len().to_string(),
        F::ApproxCountDistinct => {
            let mut sorted = some;
            sorted.sort_by(compare);
            sorted.dedup_by(|a, b| compare(a, b).is_eq());
            sorted.len().to_string()
        }
        F::FirstValue => edge(all.first()),
        F::LastValue => edge(all.last()),
        F::ArrayAgg if all.is_empty() => "NULL".to_owned(),
        F::ArrayAgg => {
            let items: Vec<String> = all.iter().map(Scalar::to_string).collect();
            format!("[{}]", items.join(", "))
        }
        _ if some.is_empty() => "NULL".to_owned(),
        F::StringAgg { separator } => {
            let texts = some.iter().map(|value| match value {
                Scalar::Varchar(text) => text.as_str(),
                other => panic!("{other} is not text"),
            });
            let text = texts.collect::<Vec<_>>().join(separator);
            Scalar::Varchar(text).to_string()
        }
        F::Min | F::BoolAnd => {
            // `reduce` keeps the first of equals, which `Iterator::max_by` does not.
            let least = some.into_iter().reduce(|a, b| if compare(&b, &a).is_lt() { b } else { a });
            least.unwrap().to_string()
        }
        F::Max | F::BoolOr => {
            let most = some.into_iter().reduce(|a, b| if compare(&b, &a).is_gt() { b } else { a });
            most.unwrap().to_string()
        }
        F::Sum => sum(argument, &some),
        F::Avg => {
            Scalar::Double(doubles(&some).iter().sum::<f64>() / some.len() as f64).to_string()
        }
        F::Mode => {
            let count = |value: &Scalar| some.iter().filter(|v| compare(v, value).is_eq()).count();
            let most = some.iter().reduce(|a, b| if count(b) > count(a) { b } else { a }).unwrap();
            // Equal values may differ in bits; the first is it.
            let first = some.iter().find(|value| compare(value, most).is_eq());
            first.unwrap().to_string()
        }
        F::PercentileDisc { fraction, is_descending } => {
            let mut sorted = some;
            sorted.sort_by(compare);
            // Fractions of hundredths, so that counts are exact.
            let hundredths: usize = format!("{:.0}", fraction * 100.0).parse().unwrap();
            let place = (sorted.len() * hundredths).div_ceil(100).max(1);
            let place = if *is_descending { sorted.len() - place } else { place - 1 };
            sorted[place].to_string()
        }
        F::BitAnd | F::BitOr | F::BitXor => {
            let join = |a: i64, b: i64| match call.function {
                F::BitAnd => a & b,
                F::BitOr => a | b,
                _ => a ^ b,
            };
            some.iter().map(whole).reduce(join).unwrap().to_string()
        }
        function => moments(function, &doubles(&some)),
    }
}

/// NULLs where the key puts them, whichever its direction.
fn key_order(key: &SortKey, a: &[Scalar], b: &[Scalar]) -> Ordering {
    let (a, b) = (&a[key.column], &b[key.column]);
    match (a.is_null(), b.is_null()) {
        (false, false) if key.is_descending => compare(b, a),
        (false, false) => compare(a, b),
        (a, b) if key.is_nulls_first => b.cmp(&a),
        (a, b) => a.cmp(&b),
    }
}

fn whole(value: &Scalar) -> i64 {
    match value {
        Scalar::TinyInt(value) => i64::from(*value),
        Scalar::SmallInt(value) => i64::from(*value),
        Scalar::Integer(value) => i64::from(*value),
        Scalar::BigInt(value) => *value,
        other => panic!("{other} is not an integer"),
    }
}

fn sum(argument: &DataType, values: &[Scalar]) -> String {
    match argument {
        DataType::Decimal { scale, .. } => {
            let digits = values.iter().map(|value| match value {
                Scalar::Decimal { value, .. } => *value,
                other => panic!("{other} is not a decimal"),
            });
            Scalar::Decimal { value: digits.sum(), precision: 38, scale: *scale }.to_string()
        }
        DataType::Real | DataType::Double => {
            // Addition starts from 0.0, as DuckDB's does; `f64::sum` starts from -0.0.
            Scalar::Double(doubles(values).iter().fold(0.0, |a, b| a + b)).to_string()
        }
        _ => values.iter().map(whole).sum::<i64>().to_string(),
    }
}

fn doubles(values: &[Scalar]) -> Vec<f64> {
    let double = |value: &Scalar| match value {
        Scalar::TinyInt(value) => f64::from(*value),
        Scalar::SmallInt(value) => f64::from(*value),
        Scalar::Integer(value) => f64::from(*value),
        Scalar::BigInt(value) => *value as f64,
        Scalar::Real(value) => f64::from(*value),
        Scalar::Double(value) => *value,
        Scalar::Decimal { value, scale, .. } => *value as f64 / 10_f64.powi(i32::from(*scale)),
        other => panic!("{other} is not a number"),
    };
    values.iter().map(double).collect()
}

/// Two passes: the mean, then the squares. The results of one pass may differ in the last digits.
fn moments(function: &F, values: &[f64]) -> String {
    let count = values.len() as f64;
    if let F::PercentileCont { fraction } = function {
        let mut sorted = values.to_vec();
        sorted.sort_by(|a, b| compare(&Scalar::Double(*a), &Scalar::Double(*b)));
        let place = (count - 1.0) * fraction;
        // The value at a place is the first with as many values before it.
        let at = |place: f64| sorted[(0..sorted.len()).find(|&n| n as f64 == place).unwrap()];
        let (low, high) = (at(place.floor()), at(place.ceil()));
        let weight = place - place.floor();
        let between = if weight == 0.0 { low } else { low * (1.0 - weight) + high * weight };
        return Scalar::Double(between).to_string();
    }
    let is_sample = matches!(function, F::StddevSamp | F::VarSamp);
    if is_sample && values.len() < 2 {
        return "NULL".to_owned();
    }
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let variance = match (is_sample, values.len()) {
        (true, _) => squares / (count - 1.0),
        (false, 1) => 0.0,
        (false, _) => squares / count,
    };
    let is_root = matches!(function, F::StddevPop | F::StddevSamp);
    Scalar::Double(if is_root { variance.sqrt() } else { variance }).to_string()
}

/// Whether two results of a call (or two keys) are the same: exactly; floats to a rounding; an
/// approximate count of a few values to one, which two values in one of 4096 registers cost.
pub(crate) fn is_close(call: Option<&AggregateCall>, left: &str, right: &str) -> bool {
    if left == right {
        return true;
    }
    let is_count = call.is_some_and(|call| call.function == F::ApproxCountDistinct);
    match (left.parse::<f64>(), right.parse::<f64>()) {
        (Ok(left), Ok(right)) if is_count => (left - right).abs() <= 1.0,
        (Ok(left), Ok(right)) => (left - right).abs() <= 1e-9 * left.abs().max(1.0),
        _ => false,
    }
}
