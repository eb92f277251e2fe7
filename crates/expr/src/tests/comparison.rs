//! Comparisons, NULL tests, membership and the order of odd values.

use BinaryOp::*;
use DataType::{BigInt, Boolean, Double, Varchar};

use super::*;

fn check_op(op: BinaryOp, table: &[(&[Scalar], &str)]) {
    check(
        |mut operands| {
            let right = operands.remove(1);
            binary(op, operands.remove(0), right, Boolean)
        },
        table,
    );
}

#[test]
fn ordinary_values() {
    check_op(
        Less,
        &[(&[i(1), i(2)], "true"), (&[i(2), i(2)], "false"), (&[n(BigInt), i(2)], "NULL")],
    );
    check_op(GreaterOrEqual, &[(&[s("é"), s("z")], "true"), (&[s("a"), s("B")], "true")]);
    check_op(Equal, &[(&[b(true), b(true)], "true"), (&[b(true), n(Boolean)], "NULL")]);
    check_op(NotEqual, &[(&[d("1.5"), d("1.6")], "true"), (&[d("1.5"), d("1.5")], "false")]);
    check_op(Less, &[(&[date("2024-01-01"), date("2024-01-02")], "true")]);
    check_op(LessOrEqual, &[(&[t("2024-01-01"), t("2024-01-01")], "true")]);
    check_op(Greater, &[(&[Scalar::Varbinary(vec![255]), Scalar::Varbinary(vec![1, 2])], "true")]);
}

#[test]
fn floats_have_one_nan_and_one_zero() {
    let nan = f64::NAN;
    check_op(
        Equal,
        &[
            (&[f(nan), f(-nan)], "true"),
            (&[f(0.0), f(-0.0)], "true"),
            (&[f(nan), f(1.0)], "false"),
            (&[f(nan), n(Double)], "NULL"),
        ],
    );
    check_op(
        Less,
        &[
            (&[f(f64::INFINITY), f(-nan)], "true"),
            (&[f(nan), f(f64::INFINITY)], "false"),
            (&[f(-0.0), f(0.0)], "false"),
            (&[f(1.0), f(2.0)], "true"),
        ],
    );
    check_op(GreaterOrEqual, &[(&[f(nan), f(nan)], "true"), (&[f(1.0), f(nan)], "false")]);
    let single = Scalar::Real;
    check_op(
        LessOrEqual,
        &[(&[single(-0.0), single(0.0)], "true"), (&[single(0.0), single(-0.0)], "true")],
    );
}

#[test]
fn intervals_compare_by_length() {
    let day = 86_400_000_000;
    check_op(
        Equal,
        &[
            (&[interval(1, 0, 0), interval(0, 30, 0)], "true"),
            (&[interval(0, 0, day), interval(0, 1, 0)], "true"),
        ],
    );
    check_op(Less, &[(&[interval(1, 0, 0), interval(0, 31, 0)], "true")]);
}

#[test]
fn distinctness_knows_null() {
    check_op(
        IsDistinctFrom,
        &[
            (&[f(1.0), n(Double)], "true"),
            (&[n(Double), n(Double)], "false"),
            (&[f(f64::NAN), f(f64::NAN)], "false"),
            (&[f(1.0), f(2.0)], "true"),
        ],
    );
    check_op(
        IsNotDistinctFrom,
        &[
            (&[f(1.0), n(Double)], "false"),
            (&[n(Double), n(Double)], "true"),
            (&[f(0.0), f(-0.0)], "true"),
        ],
    );
    check_op(
        IsNotDistinctFrom,
        &[
            (&[s("a"), n(Varchar)], "false"),
            (&[n(Varchar), n(Varchar)], "true"),
            (&[s("a"), s("a")], "true"),
        ],
    );
    check_op(IsDistinctFrom, &[(&[i(1), n(BigInt)], "true"), (&[n(BigInt), n(BigInt)], "false")]);
}

#[test]
fn truth_tests() {
    let cases = [
        (UnaryOp::Not, ["false", "true", "NULL"]),
        (UnaryOp::IsNull, ["false", "false", "true"]),
        (UnaryOp::IsNotNull, ["true", "true", "false"]),
        (UnaryOp::IsTrue, ["true", "false", "false"]),
        (UnaryOp::IsNotTrue, ["false", "true", "true"]),
        (UnaryOp::IsFalse, ["false", "true", "false"]),
        (UnaryOp::IsNotFalse, ["true", "false", "true"]),
    ];
    for (op, [of_true, of_false, of_null]) in cases {
        check(
            |mut operands| unary(op, operands.remove(0), Boolean),
            &[(&[b(true)], of_true), (&[b(false)], of_false), (&[n(Boolean)], of_null)],
        );
    }
}

fn check_in(list: Vec<Scalar>, is_negated: bool, table: &[(&[Scalar], &str)]) {
    check(
        |mut operands| {
            let operand = Box::new(operands.remove(0));
            expr(ExprKind::InList { operand, list: list.clone(), is_negated }, Boolean)
        },
        table,
    );
}

#[test]
fn membership() {
    check_in(
        vec![i(1), n(BigInt)],
        false,
        &[(&[i(1)], "true"), (&[i(2)], "NULL"), (&[n(BigInt)], "NULL")],
    );
    check_in(vec![i(1), n(BigInt)], true, &[(&[i(1)], "false"), (&[i(2)], "NULL")]);
    check_in(vec![i(1)], true, &[(&[i(2)], "true"), (&[n(BigInt)], "NULL")]);
    check_in(
        vec![f(f64::NAN), f(0.0)],
        false,
        &[(&[f(-f64::NAN)], "true"), (&[f(-0.0)], "true"), (&[f(1.0)], "false")],
    );
    check_in(
        vec![s("a"), s("a string that is longer than a view holds")],
        false,
        &[
            (&[s("a")], "true"),
            (&[s("a string that is longer than a view holds")], "true"),
            (&[s("A")], "false"),
            (&[n(Varchar)], "NULL"),
        ],
    );
    check_in(vec![b(true)], false, &[(&[b(true)], "true"), (&[b(false)], "false")]);
    check_in(vec![d("1.5")], false, &[(&[d("1.5")], "true"), (&[d("1.6")], "false")]);
    check_in(vec![t("2024-01-01")], false, &[(&[t("2024-01-01")], "true")]);
    check_in(vec![interval(0, 30, 0)], false, &[(&[interval(1, 0, 0)], "true")]);
    check_in(vec![Scalar::Varbinary(vec![0])], false, &[(&[Scalar::Varbinary(vec![0])], "true")]);
}

#[test]
fn a_long_list_is_a_set() {
    let list: Vec<Scalar> = (0..100_000).map(|value| i(value * 2)).collect();
    check_in(list, false, &[(&[i(77_778)], "true"), (&[i(77_777)], "false")]);
}
