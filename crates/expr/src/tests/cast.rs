//! Casts between every pair of types that convert.

use DataType::*;

use super::*;

fn to(result: &DataType, is_try: bool) -> impl Fn(Vec<Expr>) -> Expr + '_ {
    move |mut operands| {
        let operand = Box::new(operands.remove(0));
        expr(ExprKind::Cast { operand, is_try }, result.clone())
    }
}

/// Operand and result; a result that starts with `!` is what cannot be cast, and `TRY_CAST` then
/// yields NULL.
fn check_cast(result: DataType, table: &[(Scalar, &str)]) {
    let expected: Vec<String> = table
        .iter()
        .map(|(_, text)| match text.strip_prefix('!') {
            None => (*text).to_owned(),
            Some(value) => format!("bad: cannot cast {value} to {result}"),
        })
        .collect();
    let operands: Vec<[Scalar; 1]> = table.iter().map(|(operand, _)| [operand.clone()]).collect();
    let strict: Vec<(&[Scalar], &str)> =
        operands.iter().zip(&expected).map(|(o, e)| (o.as_slice(), e.as_str())).collect();
    check(to(&result, false), &strict);
    let lenient: Vec<(&[Scalar], &str)> =
        strict.iter().map(|(o, e)| (*o, if e.starts_with("bad") { "NULL" } else { e })).collect();
    check(to(&result, true), &lenient);
}

#[test]
fn floats_to_integers_round_half_to_even() {
    check_cast(
        Integer,
        &[
            (f(2.5), "2"),
            (f(3.5), "4"),
            (f(-2.5), "-2"),
            (f(0.5), "0"),
            (f(f64::NAN), "!nan"),
            (f(f64::INFINITY), "!inf"),
            (f(3e9), "!3000000000.0"),
            (n(Double), "NULL"),
        ],
    );
    check_cast(TinyInt, &[(f(127.5), "!127.5"), (f(126.5), "126"), (f(-128.5), "-128")]);
    check_cast(
        BigInt,
        &[
            (f(9_223_372_036_854_775_807.0), "!9.223372036854776e+18"),
            (f(-9_223_372_036_854_775_808.0), "-9223372036854775808"),
        ],
    );
    check_cast(BigInt, &[(Scalar::Real(2.5), "2"), (Scalar::Real(f32::NAN), "!nan")]);
}

#[test]
fn decimals_round_half_away_from_zero() {
    check_cast(Integer, &[(d("2.5"), "3"), (d("-2.5"), "-3"), (d("2.4"), "2")]);
    check_cast(
        decimal(5, 1),
        &[(d("2.45"), "2.5"), (d("-2.45"), "-2.5"), (d("99999.99"), "!99999.99")],
    );
    check_cast(
        decimal(3, 0),
        &[
            (f(2.5), "3"),
            (f(3.5), "4"),
            (f(-2.5), "-3"),
            (f(f64::NAN), "!nan"),
            (f(1e300), "!1e+300"),
        ],
    );
    check_cast(decimal(5, 2), &[(f(0.125), "0.13")]);
    check_cast(
        decimal(3, 1),
        &[(i(12), "12.0"), (i(123), "!123"), (i(i64::MIN), "!-9223372036854775808")],
    );
    check_cast(decimal(3, 1), &[(b(true), "1.0")]);
    check_cast(Double, &[(d("123.45"), "123.45")]);
    let long =
        Scalar::Decimal { value: 123_456_789_012_345_678_901_234_567_890, precision: 38, scale: 0 };
    check_cast(Double, &[(long, "1.2345678901234568e29")]);
}

#[test]
fn between_other_numbers() {
    check_cast(
        TinyInt,
        &[(i(127), "127"), (i(128), "!128"), (i(-128), "-128"), (n(BigInt), "NULL")],
    );
    check_cast(BigInt, &[(Scalar::TinyInt(-1), "-1")]);
    check_cast(Double, &[(i(9_007_199_254_740_993), "9007199254740992.0")]);
    check_cast(Real, &[(Scalar::Integer(16_777_217), "16777216.0")]);
    check_cast(Real, &[(f(1e40), "!1e+40"), (f(f64::INFINITY), "inf"), (f(0.1), "0.1")]);
    check_cast(Integer, &[(b(true), "1"), (b(false), "0"), (n(Boolean), "NULL")]);
    check_cast(Boolean, &[(i(2), "true"), (i(0), "false")]);
    check_cast(Boolean, &[(f(1.5), "true"), (f(f64::NAN), "true"), (f(-0.0), "false")]);
    check_cast(Boolean, &[(d("0.5"), "true"), (d("0.0"), "false")]);
}

#[test]
fn text_to_numbers() {
    check_cast(
        Integer,
        &[
            (s(" 12 "), "12"),
            (s("12.5"), "13"),
            (s("12.4"), "12"),
            (s("1e3"), "1000"),
            (s("+5"), "5"),
            (s("1."), "1"),
            (s(".5"), "1"),
            (s("-0.5"), "-1"),
            (s("1e-1"), "0"),
            (s("5e-1"), "1"),
            (s("1e999999999999"), "!'1e999999999999'"),
            // DuckDB refuses exponents this small; the number rounds to 0 all the same.
            (s("1e-2000000000"), "0"),
            (s(""), "!''"),
            (s("."), "!'.'"),
            (s("-"), "!'-'"),
            (s("abc"), "!'abc'"),
            (s("1 2"), "!'1 2'"),
            (s("2147483648"), "!'2147483648'"),
            (n(Varchar), "NULL"),
        ],
    );
    check_cast(
        BigInt,
        &[
            (s("9223372036854775807"), "9223372036854775807"),
            (s("9223372036854775808"), "!'9223372036854775808'"),
            (s("-9223372036854775808"), "-9223372036854775808"),
        ],
    );
    check_cast(
        Double,
        &[
            (s("1."), "1.0"),
            (s(".5"), "0.5"),
            (s("-.5"), "-0.5"),
            (s("Infinity"), "inf"),
            (s("nan"), "NaN"),
            (s("1e400"), "inf"),
            (s("  5  "), "5.0"),
            (s("."), "!'.'"),
            (s("1x"), "!'1x'"),
        ],
    );
    check_cast(
        decimal(5, 2),
        &[
            (s("1.255"), "1.26"),
            (s("-1.255"), "-1.26"),
            (s("1e2"), "100.00"),
            (s("1000"), "!'1000'"),
            (s("abc"), "!'abc'"),
            (s("0.00000000000000000000000000000000000000000000000001"), "0.00"),
            (s("00000000000000000000000000000000000000000000000001"), "1.00"),
        ],
    );
    check_cast(
        Boolean,
        &[
            (s("yes"), "true"),
            (s("t"), "true"),
            (s("1"), "true"),
            (s("TRUE"), "true"),
            (s("n"), "false"),
            (s("No"), "false"),
            (s("on"), "!'on'"),
            (s("2"), "!'2'"),
        ],
    );
}

#[test]
fn numbers_to_text() {
    check_cast(
        Varchar,
        &[
            (f(1e20), "1e+20"),
            (f(0.1), "0.1"),
            (f(1.0), "1.0"),
            (f(1e15), "1000000000000000.0"),
            (f(1e16), "1e+16"),
            (f(1e-5), "1e-05"),
            (f(1e-4), "0.0001"),
            (f(123_456_789.125), "123456789.125"),
            (f(f64::INFINITY), "inf"),
            (f(f64::NEG_INFINITY), "-inf"),
            (f(f64::NAN), "nan"),
            (f(-0.0), "-0.0"),
            (f(1.5e300), "1.5e+300"),
            (f(-12.75), "-12.75"),
        ],
    );
    let single = Scalar::Real;
    check_cast(
        Varchar,
        &[
            (single(0.1), "0.1"),
            (single(1e20), "1e+20"),
            (single(16_777_216.0), "16777216.0"),
            (single(1e10), "10000000000.0"),
            (single(1e-7), "1e-07"),
        ],
    );
    check_cast(Varchar, &[(b(true), "true"), (b(false), "false"), (n(Boolean), "NULL")]);
    check_cast(Varchar, &[(d("1.50"), "1.50"), (d("-0.05"), "-0.05")]);
    check_cast(Varchar, &[(i(i64::MIN), "-9223372036854775808"), (n(BigInt), "NULL")]);
}

#[test]
fn times_to_text() {
    check_cast(
        Varchar,
        &[
            (t("2024-01-02 03:04:05"), "2024-01-02 03:04:05"),
            (t("2024-01-02 03:04:05.120"), "2024-01-02 03:04:05.12"),
            (t("2024-01-02"), "2024-01-02 00:00:00"),
            (t("1969-12-31 23:59:59.5"), "1969-12-31 23:59:59.5"),
        ],
    );
    check_cast(
        Varchar,
        &[
            (date("2024-01-02"), "2024-01-02"),
            (date("12024-01-02"), "12024-01-02"),
            (date("-0044-01-02"), "0045-01-02 (BC)"),
            (date("0044-01-02 (BC)"), "0044-01-02 (BC)"),
        ],
    );
    let hour = 3_600_000_000;
    check_cast(
        Varchar,
        &[
            (
                interval(14, 3, 4 * hour + 5 * 60_000_000 + 6_700_000),
                "1 year 2 months 3 days 04:05:06.7",
            ),
            (interval(0, 0, 25 * hour), "25:00:00"),
            (interval(0, 0, -hour), "-01:00:00"),
            (interval(-14, 0, 0), "-1 year -2 months"),
            (interval(0, 0, 0), "00:00:00"),
            (interval(0, -3, 0), "-3 days"),
            (interval(1, 0, 0), "1 month"),
        ],
    );
}

#[test]
fn text_to_times() {
    // An offset is applied, which DuckDB leaves out for a TIMESTAMP: ours are UTC.
    check_cast(
        Timestamp,
        &[
            (s("2024-01-02T03:04:05Z"), "2024-01-02 03:04:05"),
            (s("2024-01-02T03:04:05+02:00"), "2024-01-02 01:04:05"),
            (s("2024-01-02 03:04:05 +02"), "2024-01-02 01:04:05"),
            (s("2024-01-02 03:04:05.5-05:30"), "2024-01-02 08:34:05.500000"),
            (s("2024-01-02 03:04:05 UTC"), "2024-01-02 03:04:05"),
            (s("2024-01-02 03:04"), "2024-01-02 03:04:00"),
            (s("2024-01-02 03"), "!'2024-01-02 03'"),
            (s("2024-01-02"), "2024-01-02 00:00:00"),
            (s("2024-01-02 24:00:00"), "2024-01-03 00:00:00"),
            (s("2024-01-02 25:00:00"), "!'2024-01-02 25:00:00'"),
            (s("2024-01-02 03:04:60"), "!'2024-01-02 03:04:60'"),
            (s("2024-01-02 03:04:05.123456789"), "2024-01-02 03:04:05.123456"),
            (s("2024-01-02 3:4:5"), "2024-01-02 03:04:05"),
            (s("2024-01-02x"), "!'2024-01-02x'"),
            (s("9999999-01-01"), "!'9999999-01-01'"),
            (s(""), "!''"),
        ],
    );
    check_cast(
        Date,
        &[
            (s(" 2024-01-02 "), "2024-01-02"),
            (s("2024-1-2"), "2024-01-02"),
            (s("2024/1/2"), "2024-01-02"),
            (s("2024-01-02 03:04:05"), "2024-01-02"),
            (s("2024-02-30"), "!'2024-02-30'"),
            (s("20240102"), "!'20240102'"),
            (s("é"), "!'é'"),
        ],
    );
    check_cast(
        Timestamp,
        &[(date("2024-01-02"), "2024-01-02 00:00:00"), (Scalar::Date(i32::MAX), "!5881580-07-11")],
    );
    check_cast(Date, &[(t("1969-12-31 23:00:00"), "1969-12-31")]);
    check_cast(
        Interval,
        &[
            (s("1 day"), "0m 1d 0us"),
            (s("1 year 2 months 3 days 04:05:06.7"), "14m 3d 14706700000us"),
            (s("-01:00:00"), "0m 0d -3600000000us"),
            (s("x"), "!'x'"),
            // DuckDB takes seconds here; a number without a unit is more likely a mistake.
            (s("1"), "!'1'"),
            (s("1 parsec"), "!'1 parsec'"),
            (s("4294967295:00:00"), "!'4294967295:00:00'"),
            (s("99999999999999 hours"), "!'99999999999999 hours'"),
        ],
    );
}

#[test]
fn bytes() {
    check_cast(
        Varchar,
        &[
            (Scalar::Varbinary(vec![0xAA]), r"\xAA"),
            (Scalar::Varbinary(b"abc".to_vec()), "abc"),
            (Scalar::Varbinary(vec![0, b'a']), r"\x00a"),
        ],
    );
    check_cast(
        Varbinary,
        &[(s(r"\xAAb"), "X'AA62'"), (s("é"), "!'é'"), (s(r"\x"), r"!'\x'"), (s(""), "X''")],
    );
}

#[test]
fn lists_have_a_text() {
    let mut builder =
        arrow_array::builder::ListBuilder::new(arrow_array::builder::Int64Builder::new());
    builder.append_value([Some(1), Some(2), None]);
    builder.append_null();
    builder.append_value([]);
    let items = Array(Box::new(BigInt));
    let lists = batch(vec![arc(builder.finish())]);
    let cast = to(&Varchar, false)(vec![column(0, items.clone())]);
    assert_eq!(outcomes(&cast, &lists), ["[1, 2, NULL]", "NULL", "[]"]);
    assert!(
        crate::compile::compile(&to(&BigInt, false)(vec![column(0, items)]), &context()).is_err()
    );
}

/// Text, and what comes of it as a field: declared, and inferred. `!` is a bad record.
fn check_read(result: &DataType, table: &[(&str, &str, &str)]) {
    for is_inferred in [false, true] {
        let rows: Vec<([Scalar; 1], String)> = table
            .iter()
            .map(|&(text, declared, inferred)| {
                let expected = match if is_inferred { inferred } else { declared } {
                    "!" if is_inferred => format!(
                        "bad: cannot cast '{text}' to {result}; the type was inferred from the first records: declare \
                         the columns in CREATE SOURCE, this one by its PATH, as VARCHAR for any text"
                    ),
                    "!" => format!("bad: cannot cast '{text}' to {result}"),
                    value => value.to_owned(),
                };
                ([s(text)], expected)
            })
            .collect();
        let rows: Vec<(&[Scalar], &str)> =
            rows.iter().map(|(text, expected)| (text.as_slice(), expected.as_str())).collect();
        check(
            |mut operands: Vec<Expr>| {
                let operand = Box::new(operands.remove(0));
                expr(ExprKind::Read { operand, is_inferred }, result.clone())
            },
            &rows,
        );
    }
}

#[test]
fn a_field_is_read_without_loss() {
    check_read(
        &BigInt,
        &[
            ("12", "12", "12"),
            (" 7 ", "7", "7"),
            ("-0", "0", "0"),
            ("1.0", "1", "1"),
            ("1e3", "1000", "1000"),
            ("12.50e1", "125", "125"),
            ("1.5", "!", "!"),
            ("15e-1", "!", "!"),
            ("007", "7", "!"),
            ("-07", "-7", "!"),
            ("+7", "7", "!"),
            ("9223372036854775808", "!", "!"),
            ("true", "!", "!"),
            ("{\"z\":1}", "!", "!"),
        ],
    );
    check_read(&TinyInt, &[("127", "127", "127"), ("128", "!", "!"), ("0.5", "!", "!")]);
    check_read(
        &Double,
        &[
            ("0.1", "0.1", "0.1"),
            ("007.5", "7.5", "7.5"),
            ("0.12345678901234567891", "0.12345678901234568", "!"),
            ("9007199254740993", "9007199254740992.0", "!"),
            ("9007199254740992", "9007199254740992.0", "9007199254740992.0"),
            ("18014398509481984", "1.8014398509481984e16", "1.8014398509481984e16"),
            ("0.10000000000000000000", "0.1", "0.1"),
            ("0.12345678901234567891e0", "0.12345678901234568", "0.12345678901234568"),
            ("1e999", "!", "!"),
            ("inf", "inf", "inf"),
        ],
    );
    check_read(
        &Decimal { precision: 9, scale: 2 },
        &[
            ("1.5", "1.50", "1.50"),
            ("1.500", "1.50", "1.50"),
            ("1.005", "!", "!"),
            ("1e-3", "!", "!"),
        ],
    );
    check_read(
        &Date,
        &[("2024-01-01", "2024-01-01", "2024-01-01"), ("2024-01-01T13:00:00", "!", "!")],
    );
    check_read(&Boolean, &[("yes", "true", "true"), ("2", "!", "!")]);
}
