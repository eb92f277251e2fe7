//! Constants as they are written: numbers, hexadecimal bytes and intervals.

use tidemill_plan::{BinaryOp, Scalar};

/// An integer literal, of the narrowest of `INTEGER`, `BIGINT` and `DECIMAL` that holds it.
pub(crate) fn integer(digits: &str) -> Option<Scalar> {
    let value: i128 = digits.parse().ok()?;
    if let Ok(value) = i32::try_from(value) {
        return Some(Scalar::Integer(value));
    }
    if let Ok(value) = i64::try_from(value) {
        return Some(Scalar::BigInt(value));
    }
    decimal(digits)
}

/// A number as an exact decimal of as many digits as are written; `None` past 38 digits, and for
/// an exponent.
pub(crate) fn decimal(text: &str) -> Option<Scalar> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let whole = whole.trim_start_matches('0');
    let all = format!("{whole}{fraction}");
    if !all.bytes().all(|byte| byte.is_ascii_digit()) || all.len() > 38 {
        return None;
    }
    let value: i128 = if all.is_empty() { 0 } else { all.parse().ok()? };
    let scale = u8::try_from(fraction.len()).ok()?;
    let precision = u8::try_from(all.len()).ok()?.max(1);
    Some(Scalar::Decimal { value: sign * value, precision, scale })
}

/// The exact result of arithmetic on two decimals, if it has at most 38 digits.
pub(crate) fn exact_arithmetic(op: BinaryOp, left: &Scalar, right: &Scalar) -> Option<Scalar> {
    let (
        Scalar::Decimal { value: left, scale: left_scale, .. },
        Scalar::Decimal { value: right, scale: right_scale, .. },
    ) = (left, right)
    else {
        return None;
    };
    let scale = (*left_scale).max(*right_scale);
    let raised = |value: i128, from: u8, to: u8| {
        value.checked_mul(10_i128.checked_pow(u32::from(to.checked_sub(from)?))?)
    };
    let aligned = raised(*left, *left_scale, scale).zip(raised(*right, *right_scale, scale));
    let (value, scale) = match op {
        BinaryOp::Add => (aligned.and_then(|(l, r)| l.checked_add(r))?, scale),
        BinaryOp::Subtract => (aligned.and_then(|(l, r)| l.checked_sub(r))?, scale),
        BinaryOp::Modulo => (aligned.and_then(|(l, r)| l.checked_rem(r))?, scale),
        BinaryOp::Multiply => (left.checked_mul(*right)?, left_scale.checked_add(*right_scale)?),
        BinaryOp::Divide => {
            // Exact where some number of digits behind the point leaves no rest.
            let (left, right) = aligned?;
            (0..=38_u8).find_map(|digits| {
                let raised = raised(left, 0, digits)?;
                (raised.checked_rem(right)? == 0).then_some((raised / right, digits))
            })?
        }
        _ => return None,
    };
    let mut digits = value.unsigned_abs().to_string().len();
    digits = digits.max(usize::from(scale));
    let precision = u8::try_from(digits).ok().filter(|precision| *precision <= 38)?;
    Some(Scalar::Decimal { value, precision, scale })
}

/// `X'0AFF'`: two hexadecimal digits a byte.
pub(crate) fn hex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.is_ascii() {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}

/// A span of time: `5` with a unit beside it, or `1 day 02:30:00.5`, `90 minutes`.
pub(crate) fn interval(text: &str, unit: Option<&str>) -> Option<Scalar> {
    let mut total = Parts::default();
    if let Some(unit) = unit {
        total.add(text.trim(), unit)?;
        return total.finish();
    }
    let mut words = text.split_whitespace();
    let mut is_empty = true;
    while let Some(word) = words.next() {
        is_empty = false;
        if word.contains(':') {
            total.add_clock(word)?;
            continue;
        }
        let digits = word.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(word.len());
        let (amount, attached) = word.split_at(digits);
        let unit = if attached.is_empty() { words.next()? } else { attached };
        total.add(amount, unit)?;
    }
    if is_empty { None } else { total.finish() }
}

#[derive(Default)]
struct Parts {
    months: i64,
    days: i64,
    nanos: i128,
}

impl Parts {
    fn add(&mut self, amount: &str, unit: &str) -> Option<()> {
        let unit = unit.to_ascii_lowercase();
        let singular = unit.strip_suffix('s').filter(|rest| rest.len() > 1).unwrap_or(&unit);
        let nanos_each: i128 = match (unit.as_str(), singular) {
            ("ms", _) | (_, "millisecond") => 1_000_000,
            ("us", _) | (_, "microsecond") => 1_000,
            ("ns", _) | (_, "nanosecond") => 1,
            (_, "hour" | "hr" | "h") => 3_600_000_000_000,
            (_, "minute" | "min" | "m") => 60_000_000_000,
            (_, "second" | "sec" | "s") => 1_000_000_000,
            _ => 0,
        };
        if nanos_each > 0 {
            self.nanos = self.nanos.checked_add(scaled(amount, nanos_each)?)?;
            return Some(());
        }
        let whole: i64 = amount.parse().ok()?;
        let (months, days) = match singular {
            "year" | "y" => (whole.checked_mul(12)?, 0),
            "quarter" => (whole.checked_mul(3)?, 0),
            "month" | "mon" => (whole, 0),
            "week" | "w" => (0, whole.checked_mul(7)?),
            "day" | "d" => (0, whole),
            _ => return None,
        };
        self.months = self.months.checked_add(months)?;
        self.days = self.days.checked_add(days)?;
        Some(())
    }

    /// `hours:minutes[:seconds]`
    fn add_clock(&mut self, text: &str) -> Option<()> {
        let (is_negative, text) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let mut parts = text.split(':');
        let mut nanos = scaled(parts.next()?, 3_600_000_000_000)?;
        nanos += scaled(parts.next()?, 60_000_000_000)?;
        nanos += parts.next().map_or(Some(0), |seconds| scaled(seconds, 1_000_000_000))?;
        if parts.next().is_some() {
            return None;
        }
        self.nanos += if is_negative { -nanos } else { nanos };
        Some(())
    }

    fn finish(self) -> Option<Scalar> {
        Some(Scalar::Interval {
            months: i32::try_from(self.months).ok()?,
            days: i32::try_from(self.days).ok()?,
            nanos: i64::try_from(self.nanos).ok()?,
        })
    }
}

/// A decimal number times `unit`, if that is a whole number within range.
fn scaled(amount: &str, unit: i128) -> Option<i128> {
    let Scalar::Decimal { value, scale, .. } = decimal(amount.strip_prefix('+').unwrap_or(amount))?
    else {
        return None;
    };
    if amount.is_empty() || amount == "-" || amount == "." {
        return None;
    }
    let product = value.checked_mul(unit)?;
    Some(product / 10_i128.checked_pow(u32::from(scale))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, unit: Option<&str>, expected: Option<(i32, i32, i64)>) {
        let expected =
            expected.map(|(months, days, nanos)| Scalar::Interval { months, days, nanos });
        assert_eq!(interval(text, unit), expected, "{text:?} {unit:?}");
    }

    #[test]
    fn intervals() {
        check("5", Some("SECOND"), Some((0, 0, 5_000_000_000)));
        check("1.5", Some("second"), Some((0, 0, 1_500_000_000)));
        check("2", Some("weeks"), Some((0, 14, 0)));
        check("1 day 02:30:00.5", None, Some((0, 1, 9_000_500_000_000)));
        check("-3 months 10ms", None, Some((-3, 0, 10_000_000)));
        check("1.5", Some("month"), None);
        check("", None, None);
        check("5", None, None);
        check("five minutes", None, None);
        check("99999999999999999999999999999999999999 hours", None, None);
    }

    #[test]
    fn arithmetic_of_literals_is_exact() {
        let check = |left: &str, op, right: &str, expected: Option<&str>| {
            let (left, right) = (decimal(left).expect("digits"), decimal(right).expect("digits"));
            let found = exact_arithmetic(op, &left, &right).map(|exact| exact.to_string());
            assert_eq!(found.as_deref(), expected, "{left} {op:?} {right}");
        };
        check("0.06", BinaryOp::Subtract, "0.01", Some("0.05"));
        check("0.06", BinaryOp::Add, "1", Some("1.06"));
        check("-1.5", BinaryOp::Multiply, "0.05", Some("-0.075"));
        check("1", BinaryOp::Divide, "-8.0", Some("-0.125"));
        check("1", BinaryOp::Divide, "3.0", None);
        check("1", BinaryOp::Divide, "0.0", None);
        check("-5.5", BinaryOp::Modulo, "2", Some("-1.5"));
        check("99999999999999999999999999999999999999", BinaryOp::Multiply, "10.0", None);
    }

    #[test]
    fn numbers() {
        assert_eq!(integer("2147483648"), Some(Scalar::BigInt(2_147_483_648)));
        let expected =
            Scalar::Decimal { value: 9_223_372_036_854_775_808, precision: 19, scale: 0 };
        assert_eq!(integer("9223372036854775808"), Some(expected));
        let expected = Scalar::Decimal { value: -150, precision: 3, scale: 2 };
        assert_eq!(decimal("-1.50"), Some(expected));
        let expected = Scalar::Decimal { value: 5, precision: 2, scale: 2 };
        assert_eq!(decimal("0.05"), Some(expected));
        assert_eq!(decimal("1e5"), None);
        assert_eq!(hex("0aFF"), Some(vec![10, 255]));
        assert_eq!(hex("abc"), None);
    }
}
