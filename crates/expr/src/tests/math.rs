//! Math functions.

use DataType::{BigInt, Double, Integer, Real, TinyInt};
use Function::*;

use super::*;

#[test]
fn signs() {
    let tiny = Scalar::TinyInt;
    check_call(
        Abs,
        BigInt,
        &[(&[i(-5)], "5"), (&[i(i64::MIN)], "bad: overflow in ABS"), (&[n(BigInt)], "NULL")],
    );
    check_call(Abs, TinyInt, &[(&[tiny(-128)], "bad: overflow in ABS"), (&[tiny(-127)], "127")]);
    check_call(Abs, Double, &[(&[f(-1.5)], "1.5")]);
    check_call(Abs, decimal(18, 1), &[(&[d("-1.5")], "1.5")]);
    check_call(Sign, BigInt, &[(&[d("-2.5")], "-1"), (&[d("0.0")], "0")]);
    check_call(Sign, TinyInt, &[(&[f(f64::NAN)], "0"), (&[f(-0.0)], "0"), (&[f(1.5)], "1")]);
    check_call(Sign, Integer, &[(&[tiny(-3)], "-1"), (&[n(TinyInt)], "NULL")]);
}

#[test]
fn doubles() {
    check_call(
        Power,
        Double,
        &[
            (&[f(2.0), f(10.0)], "1024.0"),
            (&[f(0.0), f(0.0)], "1.0"),
            (&[f(0.0), f(-1.0)], "inf"),
            (&[f(-8.0), f(1.0 / 3.0)], "NaN"),
            (&[n(Double), f(1.0)], "NULL"),
        ],
    );
    check_call(Sqrt, Double, &[(&[f(2.0)], "1.4142135623730951"), (&[f(-1.0)], "NaN")]);
    check_call(Ln, Double, &[(&[f(0.0)], "-inf"), (&[f(-1.0)], "NaN"), (&[f(1.0)], "0.0")]);
    check_call(Log10, Double, &[(&[f(1000.0)], "3.0"), (&[f(0.0)], "-inf")]);
    check_call(Exp, Double, &[(&[f(1000.0)], "inf"), (&[f(0.0)], "1.0")]);
    check_call(Mod, BigInt, &[(&[i(-5), i(3)], "-2"), (&[i(1), i(0)], "bad: division by zero")]);
}

#[test]
fn rounding() {
    check_call(
        Round,
        Double,
        &[
            (&[f(2.5)], "3.0"),
            (&[f(-2.5)], "-3.0"),
            (&[f(f64::INFINITY)], "inf"),
            (&[f(-0.4)], "-0.0"),
        ],
    );
    check_call(
        Round,
        Double,
        &[
            (&[f(1234.565), i(2)], "1234.57"),
            (&[f(1.005), i(2)], "1.0"),
            (&[f(1234.567), i(-2)], "1200.0"),
            (&[f(1.5), i(400)], "1.5"),
            (&[f(1.5), i(-400)], "0.0"),
            (&[f(1e308), i(2)], "1e308"),
            (&[f(f64::NAN), i(2)], "NaN"),
            (&[f(1.5), i(i64::MIN)], "0.0"),
            (&[n(Double), i(1)], "NULL"),
            (&[f(1.0), n(BigInt)], "NULL"),
        ],
    );
    let single = Scalar::Real;
    check_call(
        Round,
        Real,
        &[(&[single(12345.678), i(1)], "12345.7"), (&[single(2.675), i(2)], "2.67")],
    );
    let tiny = Scalar::TinyInt;
    check_call(
        Round,
        TinyInt,
        &[
            (&[tiny(5), i(-1)], "10"),
            (&[tiny(99), i(2)], "99"),
            (&[tiny(50), i(-2)], "100"),
            (&[tiny(127), i(-1)], "bad: overflow in rounding"),
            (&[tiny(5), i(-400)], "0"),
        ],
    );
    check_call(Round, TinyInt, &[(&[tiny(5), tiny(-1)], "10")]);
    check_call(Sqrt, Double, &[(&[tiny(4)], "2.0")]);
    check_call(Power, Double, &[(&[d("1.5"), i(2)], "2.25")]);
    check_call(
        Round,
        BigInt,
        &[(&[i(i64::MAX), i(-1)], "bad: overflow in rounding"), (&[i(-15), i(-1)], "-20")],
    );
    check_call(
        Round,
        decimal(5, 2),
        &[(&[d("1.255"), i(2)], "1.26"), (&[d("-1.255"), i(2)], "-1.26")],
    );
    check_call(
        Round,
        decimal(4, 0),
        &[(&[d("999.5")], "1000"), (&[d("9999.5")], "bad: overflow in rounding")],
    );
}

#[test]
fn floors_and_ceilings() {
    check_call(Floor, Double, &[(&[f(-0.5)], "-1.0"), (&[f(1.5)], "1.0")]);
    check_call(Ceil, Double, &[(&[f(-0.5)], "-0.0")]);
    check_call(
        Floor,
        decimal(18, 0),
        &[(&[d("1.5")], "1"), (&[d("-1.5")], "-2"), (&[d("2.0")], "2")],
    );
    check_call(
        Ceil,
        decimal(18, 0),
        &[(&[d("1.5")], "2"), (&[d("-1.5")], "-1"), (&[d("2.0")], "2")],
    );
    check_call(Floor, BigInt, &[(&[i(3)], "3")]);
}

#[test]
fn extremes() {
    check_call(
        Greatest,
        BigInt,
        &[
            (&[i(1), n(BigInt), i(3)], "3"),
            (&[n(BigInt), n(BigInt), n(BigInt)], "NULL"),
            (&[i(3), i(2), i(1)], "3"),
        ],
    );
    check_call(Greatest, Double, &[(&[f(1.0), f(f64::NAN)], "NaN"), (&[f(-0.0), f(0.0)], "-0.0")]);
    check_call(Least, Double, &[(&[f(f64::NAN), f(1.0)], "1.0")]);
    check_call(Least, DataType::Varchar, &[(&[s("a"), s("B"), n(DataType::Varchar)], "B")]);
    check_call(
        NullIf,
        BigInt,
        &[
            (&[i(1), i(1)], "NULL"),
            (&[i(1), n(BigInt)], "1"),
            (&[n(BigInt), i(1)], "NULL"),
            (&[i(1), i(2)], "1"),
        ],
    );
    check_call(NullIf, Double, &[(&[f(f64::NAN), f(f64::NAN)], "NULL")]);
    check_call(NullIf, DataType::Varchar, &[(&[s("a"), s("a")], "NULL"), (&[s("a"), s("b")], "a")]);
}
