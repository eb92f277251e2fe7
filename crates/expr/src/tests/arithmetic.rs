//! Arithmetic on integers, floats, decimals, timestamps and intervals.

use BinaryOp::*;
use DataType::{BigInt, Double, Interval, TinyInt};

use super::*;

fn check_op(op: BinaryOp, result: DataType, table: &[(&[Scalar], &str)]) {
    check(
        |mut operands| {
            let right = operands.remove(1);
            binary(op, operands.remove(0), right, result.clone())
        },
        table,
    );
}

#[test]
fn integers_are_checked() {
    check_op(
        Add,
        BigInt,
        &[
            (&[i(1), i(2)], "3"),
            (&[i(i64::MAX), i(1)], "bad: overflow in addition"),
            (&[n(BigInt), i(1)], "NULL"),
        ],
    );
    check_op(
        Subtract,
        BigInt,
        &[(&[i(1), i(2)], "-1"), (&[i(i64::MIN), i(1)], "bad: overflow in subtraction")],
    );
    check_op(
        Multiply,
        BigInt,
        &[(&[i(3), i(-2)], "-6"), (&[i(i64::MIN), i(-1)], "bad: overflow in multiplication")],
    );
    // Division truncates and by zero is bad, unlike DuckDB's: the dialect says so.
    check_op(
        Divide,
        BigInt,
        &[
            (&[i(-5), i(3)], "-1"),
            (&[i(5), i(0)], "bad: division by zero"),
            (&[n(BigInt), i(0)], "NULL"),
            (&[i(i64::MIN), i(-1)], "bad: overflow in division"),
            (&[i(7), n(BigInt)], "NULL"),
        ],
    );
    check_op(
        Modulo,
        BigInt,
        &[
            (&[i(-5), i(3)], "-2"),
            (&[i(5), i(-3)], "2"),
            (&[i(5), i(0)], "bad: division by zero"),
            (&[i(i64::MIN), i(-1)], "0"),
            (&[n(BigInt), i(0)], "NULL"),
        ],
    );
    let tiny = Scalar::TinyInt;
    check_op(
        Add,
        TinyInt,
        &[(&[tiny(1), tiny(127)], "bad: overflow in addition"), (&[tiny(-1), tiny(-127)], "-128")],
    );
}

#[test]
fn floats_follow_ieee() {
    check_op(
        Divide,
        Double,
        &[
            (&[f(5.0), f(0.0)], "inf"),
            (&[f(-5.0), f(0.0)], "-inf"),
            (&[f(0.0), f(0.0)], "NaN"),
            (&[f(1.0), f(4.0)], "0.25"),
        ],
    );
    check_op(Modulo, Double, &[(&[f(-5.5), f(2.0)], "-1.5"), (&[f(5.0), f(0.0)], "NaN")]);
    check_op(Add, Double, &[(&[f(f64::MAX), f(f64::MAX)], "inf")]);
}

#[test]
fn negation() {
    let negate = |mut operands: Vec<Expr>| {
        let operand = operands.remove(0);
        let data_type = operand.data_type.clone();
        unary(UnaryOp::Negate, operand, data_type)
    };
    check(
        negate,
        &[(&[i(5)], "-5"), (&[i(i64::MIN)], "bad: overflow in negation"), (&[n(BigInt)], "NULL")],
    );
    check(negate, &[(&[f(0.0)], "-0.0"), (&[f(f64::INFINITY)], "-inf")]);
    check(negate, &[(&[d("1.50")], "-1.50")]);
    check(
        negate,
        &[
            (&[interval(1, 1, 5)], "-1m -1d -5us"),
            (
                &[Scalar::Interval { months: i32::MIN, days: 0, nanos: 0 }],
                "bad: overflow in interval",
            ),
        ],
    );
}

#[test]
fn decimals_keep_their_scales() {
    let ninety = |scale| Scalar::Decimal { value: 9 * 10_i128.pow(37), precision: 38, scale };
    check_op(Add, decimal(19, 2), &[(&[d("1.5"), d("2.25")], "3.75")]);
    check_op(Subtract, decimal(19, 2), &[(&[d("1.5"), d("2.25")], "-0.75")]);
    check_op(Multiply, decimal(36, 3), &[(&[d("1.5"), d("-2.25")], "-3.375")]);
    check_op(Add, decimal(38, 0), &[(&[ninety(0), ninety(0)], "bad: overflow")]);
    check_op(Multiply, decimal(38, 0), &[(&[ninety(0), ninety(0)], "bad: overflow")]);
    // 0.333…: rounded half away from zero at the result's scale, by hand.
    check_op(
        Divide,
        decimal(38, 6),
        &[
            (&[d("2.0"), d("3.0")], "0.666667"),
            (&[d("-2.0"), d("3.0")], "-0.666667"),
            (&[d("1.0"), d("0.0")], "bad: division by zero"),
            (&[d("1.0"), d("3.0")], "0.333333"),
            (&[n(decimal(18, 1)), d("0.0")], "NULL"),
        ],
    );
    check_op(
        Divide,
        decimal(38, 0),
        &[(&[d("1.0"), d("2.0")], "1"), (&[d("-1.0"), d("2.0")], "-1")],
    );
    check_op(
        Modulo,
        decimal(18, 2),
        &[(&[d("-5.5"), d("2.00")], "-1.50"), (&[d("5.5"), d("0.00")], "bad: division by zero")],
    );
}

#[test]
fn timestamps_and_intervals() {
    let ts = DataType::Timestamp;
    check_op(
        Add,
        ts.clone(),
        &[
            (&[t("2024-01-31"), interval(1, 0, 0)], "2024-02-29 00:00:00"),
            (&[t("2024-02-29"), interval(12, 0, 0)], "2025-02-28 00:00:00"),
            (&[t("2024-01-31 05:00:00"), interval(1, 1, 90_000_000_000)], "2024-03-02 06:00:00"),
            (&[t("2024-01-01"), interval(0, 0, 1_500_000)], "2024-01-01 00:00:01.500000"),
            (&[Scalar::Timestamp(i64::MAX), interval(0, 1, 0)], "bad: timestamp out of range"),
            (
                &[Scalar::Timestamp(i64::MAX), interval(i32::MAX, i32::MAX, 1)],
                "bad: timestamp out of range",
            ),
            (&[Scalar::Timestamp(i64::MAX), interval(0, 0, 1)], "bad: timestamp out of range"),
            (&[n(DataType::Timestamp), interval(1, 0, 0)], "NULL"),
        ],
    );
    check_op(
        Subtract,
        ts.clone(),
        &[
            (&[t("2024-03-31"), interval(1, 0, 0)], "2024-02-29 00:00:00"),
            (&[t("2024-03-01"), n(Interval)], "NULL"),
        ],
    );
    check_op(Add, ts, &[(&[interval(0, 1, 0), t("2024-03-31")], "2024-04-01 00:00:00")]);
    // 29.5 days; the difference of timestamps is in nanoseconds alone.
    check_op(
        Subtract,
        Interval,
        &[
            (&[t("2024-03-01"), t("2024-01-31 12:00:00")], "0m 0d 2548800000000us"),
            (
                &[Scalar::Timestamp(i64::MAX), Scalar::Timestamp(0)],
                "bad: overflow in the difference of two timestamps",
            ),
        ],
    );
    check_op(Add, Interval, &[(&[interval(1, 2, 3), interval(1, 1, 1)], "2m 3d 4us")]);
    check_op(Subtract, Interval, &[(&[interval(1, 0, 0), interval(0, 1, 0)], "1m -1d 0us")]);
}
