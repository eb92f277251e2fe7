//! Functions on dates, timestamps and intervals.

use DataType::{BigInt, Timestamp, Varchar};
use Function::{DateFormat, DatePart, DateTrunc, Now, ToTimestamp};

use super::*;

#[test]
fn truncation() {
    check_call(
        DateTrunc,
        Timestamp,
        &[
            (&[s("week"), t("2024-01-03 01:02:03.456789")], "2024-01-01 00:00:00"),
            (&[s("quarter"), t("2024-05-03")], "2024-04-01 00:00:00"),
            (&[s("milliseconds"), t("2024-01-03 01:02:03.456789")], "2024-01-03 01:02:03.456000"),
            (&[s("second"), t("1969-12-31 23:59:59.5")], "1969-12-31 23:59:59"),
            (&[s("WEEK"), t("1969-12-31 23:59:59.5")], "1969-12-29 00:00:00"),
            (&[s("month"), t("2024-02-29 10:00:00")], "2024-02-01 00:00:00"),
            (&[s("century"), t("1969-12-31")], "1900-01-01 00:00:00"),
            (&[s("decade"), t("1969-12-31")], "1960-01-01 00:00:00"),
            (&[s("day"), Scalar::Timestamp(i64::MIN)], "bad: timestamp out of range"),
            (&[s("hour"), n(Timestamp)], "NULL"),
            (&[n(Varchar), t("2024-01-01")], "NULL"),
        ],
    );
    check_call(DateTrunc, Timestamp, &[(&[s("month"), date("2024-01-03")], "2024-01-01 00:00:00")]);
    check_call(DateTrunc, DataType::Date, &[(&[s("year"), date("2024-05-03")], "2024-01-01")]);
}

#[test]
fn parts() {
    let moment = || t("2024-01-01 05:06:59.9");
    check_call(
        DatePart,
        BigInt,
        &[
            (&[s("week"), t("2024-12-30")], "1"),
            (&[s("isoyear"), t("2024-12-30")], "2025"),
            (&[s("second"), moment()], "59"),
            (&[s("millisecond"), moment()], "59900"),
            (&[s("microseconds"), moment()], "59900000"),
            (&[s("hour"), moment()], "5"),
            (&[s("minute"), moment()], "6"),
            (&[s("MONTH"), moment()], "1"),
            (&[s("epoch"), t("2024-01-01 00:00:59.9")], "1704067259"),
            (&[s("century"), t("2000-01-01")], "20"),
            (&[s("decade"), t("1969-01-01")], "196"),
            (&[s("millennium"), t("2000-01-01")], "2"),
            (&[s("year"), n(Timestamp)], "NULL"),
        ],
    );
    check_call(
        DatePart,
        BigInt,
        &[
            (&[s("dow"), date("2024-01-07")], "0"),
            (&[s("isodow"), date("2024-01-07")], "7"),
            (&[s("doy"), date("2024-03-01")], "61"),
            (&[s("quarter"), date("2024-03-31")], "1"),
        ],
    );
    check_call(
        DatePart,
        BigInt,
        &[
            (&[s("month"), interval(14, 0, 0)], "2"),
            (&[s("year"), interval(14, 0, 0)], "1"),
            (&[s("epoch"), interval(1, 0, 0)], "2592000"),
            (&[s("hour"), interval(0, 0, 90_000_000_000)], "25"),
            (&[s("day"), interval(0, 3, 90_000_000_000)], "3"),
            (&[s("quarter"), interval(5, 0, 0)], "2"),
            (&[s("minute"), interval(0, 0, -61 * 60_000_000)], "-1"),
            (&[s("millisecond"), interval(0, 0, 61_500_000)], "1500"),
        ],
    );
}

#[test]
fn formats() {
    let morning = t("2024-01-02 03:04:05.678901");
    let formatted = [
        (
            "%Y %g %a %A %b %B %j %p %I %y %U %W %V %u %w %G",
            "2024 678 Tue Tuesday Jan January 002 AM 03 24 00 01 01 2 2 2024",
        ),
        ("%n %% %-d %-m", "678901000 % 2 1"),
        ("%c|%x|%X", "2024-01-02 03:04:05|2024-01-02|03:04:05"),
        ("%-H %-I %-M %-S %-j %-y", "3 3 4 5 2 24"),
        ("%Z|%z|", "|+00|"),
        ("%T %h é", "03:04:05 Jan é"),
        ("", ""),
    ];
    for (format, expected) in formatted {
        check_call(DateFormat, Varchar, &[(&[morning.clone(), s(format)], expected)]);
    }
    let last = t("2024-12-30 15:04:05.008901");
    check_call(
        DateFormat,
        Varchar,
        &[
            (
                &[last.clone(), s("%G %V %U %W %j %I %g %f %n")],
                "2025 01 52 53 365 03 008 008901 008901000",
            ),
            (&[t("0044-12-30"), s("%Y %y %G")], "0044 44 0044"),
            (&[n(Timestamp), s("%Y")], "NULL"),
            (&[last, n(Varchar)], "NULL"),
        ],
    );
    check_call(DateFormat, Varchar, &[(&[date("2024-01-02"), s("%d.%m.%Y %H")], "02.01.2024 00")]);
}

#[test]
fn constant_arguments_are_checked_when_compiled() {
    let compile = |function, arguments: Vec<Expr>, result| {
        crate::compile::compile(&call(function, arguments, result), &context())
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default()
    };
    let format = |text: &str| {
        compile(DateFormat, vec![column(0, Timestamp), Expr::literal(s(text))], Varchar)
    };
    assert_eq!(format("%q"), "unknown format directive %q in DATE_FORMAT(c0, '%q')");
    assert!(format("a%").starts_with("a format must not end within a directive"));
    assert!(format("%-a").starts_with("unknown format directive %-a"));
    let unit = |function, text: &str, data_type| {
        compile(function, vec![Expr::literal(s(text)), column(0, data_type)], BigInt)
    };
    assert!(unit(DatePart, "eon", Timestamp).starts_with("unknown unit of time 'eon'"));
    assert!(
        unit(DatePart, "week", DataType::Interval).starts_with("the unit 'week' does not apply")
    );
}

#[test]
fn to_timestamp() {
    check_call(
        ToTimestamp,
        Timestamp,
        &[
            (&[f(1.5)], "1970-01-01 00:00:01.500000"),
            (&[f(-0.5)], "1969-12-31 23:59:59.500000"),
            (&[f(f64::NAN)], "bad: timestamp out of range"),
            (&[f(1e300)], "bad: timestamp out of range"),
        ],
    );
    check_call(
        ToTimestamp,
        Timestamp,
        &[
            (&[i(1)], "1970-01-01 00:00:01"),
            (&[i(i64::MAX)], "bad: timestamp out of range"),
            (&[n(BigInt)], "NULL"),
        ],
    );
    check_call(ToTimestamp, Timestamp, &[(&[d("1.25")], "1970-01-01 00:00:01.250000")]);
    check_call(
        ToTimestamp,
        Timestamp,
        &[
            (&[s("2024-01-02T03:04:05Z")], "2024-01-02 03:04:05"),
            (&[s("soon")], "bad: 'soon' is not a timestamp"),
        ],
    );
}

#[test]
fn now_is_the_start_of_the_job() {
    let now = evaluate_constant(&call(Now, Vec::new(), Timestamp), &context()).unwrap();
    assert_eq!(now, Scalar::Timestamp(START));
    let rows = batch(vec![array(&BigInt, &[i(1), i(2)])]);
    assert_eq!(outcomes(&call(Now, Vec::new(), Timestamp), &rows), ["2024-01-02 03:04:05"; 2]);
}
