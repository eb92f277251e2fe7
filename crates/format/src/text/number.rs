//! Numbers as text: exact integers and decimals, correctly rounded floats.
//!
//! A value that the type cannot hold exactly is a fault, except that floats round: `1.0` and `1e3`
//! are integers, `1.5` is none, and `1.005` is no `DECIMAL(9,2)`. (DuckDB rounds the last two.)
//! Spaces and tabs around a number are allowed.

use tidemill_record::TimeMisfit;

/// Why text is not a value of a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is not written as one.
    Syntax,
    /// It is beyond the type's range.
    Range,
    /// It has digits after the point that the type would lose.
    Fraction,
    /// It has more digits than a double gives back, and nobody asked for one.
    Digits,
    /// It begins with a zero or plus that an integer would lose, and nobody asked for one.
    Identifier,
    /// It is a JSON value of another kind.
    Kind,
    /// It is no time of the format that was asked for.
    Format(TimeMisfit),
}

/// A 64-bit integer.
#[inline]
pub(crate) fn integer(text: &[u8]) -> Result<i64, Fault> {
    /// Any so many digits fit.
    const DIGITS_FIT: usize = 18;
    let (is_negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    if digits.is_empty() || digits.len() > DIGITS_FIT {
        return integer_slow(text);
    }
    let mut value: i64 = 0;
    let mut is_clean = true;
    for &byte in digits {
        let digit = byte.wrapping_sub(b'0');
        is_clean &= digit <= 9;
        value = value * 10 + i64::from(digit & 15);
    }
    if !is_clean {
        return integer_slow(text);
    }
    Ok(if is_negative { -value } else { value })
}

/// Long integers, signs, spaces, and decimal notation with an integral value.
#[cold]
fn integer_slow(text: &[u8]) -> Result<i64, Fault> {
    i64::try_from(scaled(text, 0)?).map_err(|_| Fault::Range)
}

/// A number times `10^scale`, exactly: digits, optionally with sign, point and exponent.
pub(crate) fn scaled(text: &[u8], scale: u8) -> Result<i128, Fault> {
    let text = trimmed(text);
    let (is_negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let mantissa_len = digits.iter().take_while(|b| b.is_ascii_digit() || **b == b'.').count();
    let (mantissa, exponent_text) = digits.split_at(mantissa_len);
    let exponent = match exponent_text {
        [] => 0,
        [b'e' | b'E', rest @ ..] => exponent(rest)?,
        _ => return Err(Fault::Syntax),
    };
    let point = mantissa.iter().position(|b| *b == b'.');
    let (whole, fraction) = match point {
        Some(point) => (&mantissa[..point], &mantissa[point + 1..]),
        None => (mantissa, &[][..]),
    };
    if whole.len() + fraction.len() == 0 || fraction.contains(&b'.') {
        return Err(Fault::Syntax);
    }
    let magnitude = shifted(whole, fraction, exponent, scale)?;
    Ok(if is_negative { -magnitude } else { magnitude })
}

/// `whole.fraction × 10^(exponent + scale)`, below `10^38`.
fn shifted(whole: &[u8], fraction: &[u8], exponent: i64, scale: u8) -> Result<i128, Fault> {
    const DIGITS_MAX: i64 = 38;
    let digits = || whole.iter().chain(fraction).copied();
    let trailing_zeros = digits().rev().take_while(|b| *b == b'0').count();
    let total = whole.len() + fraction.len();
    if trailing_zeros == total {
        return Ok(0);
    }
    let leading_zeros = digits().take_while(|b| *b == b'0').count();
    let significant = total - trailing_zeros - leading_zeros;
    let length = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    let shift = exponent
        .saturating_add(i64::from(scale))
        .saturating_sub(length(fraction.len()))
        .saturating_add(length(trailing_zeros));
    if length(significant).saturating_add(shift) > DIGITS_MAX {
        return Err(Fault::Range);
    }
    let Ok(shift) = u32::try_from(shift) else { return Err(Fault::Fraction) };
    let value = digits()
        .skip(leading_zeros)
        .take(significant)
        .fold(0_i128, |value, byte| value * 10 + i128::from(byte - b'0'));
    Ok(value * 10_i128.pow(shift))
}

/// The digits after `e`, clamped far beyond what any type can use.
pub(crate) fn exponent(text: &[u8]) -> Result<i64, Fault> {
    let (is_negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Fault::Syntax);
    }
    let value = digits
        .iter()
        .fold(0_i64, |value, byte| value.saturating_mul(10).saturating_add(i64::from(byte - b'0')));
    Ok(if is_negative { -value } else { value })
}

/// A decimal of a precision and scale, as its digits.
#[inline]
pub(crate) fn decimal(text: &[u8], precision: u8, scale: u8) -> Result<i128, Fault> {
    let value = scaled(text, scale)?;
    if value.unsigned_abs() >= 10_u128.pow(u32::from(precision)) {
        return Err(Fault::Range);
    }
    Ok(value)
}

/// A float, rounded to nearest, ties to even. `NaN`, `inf` and `infinity` are read in any case; a
/// finite number too large for the type is out of range (DuckDB reads infinity).
#[inline]
pub(crate) fn float<T: Float>(text: &[u8]) -> Result<T, Fault> {
    match fast_float2::parse::<T, _>(text) {
        Ok(value) if value.is_infinite() && !names_infinity(text) => Err(Fault::Range),
        Ok(value) => Ok(value),
        Err(_) => {
            let trimmed = trimmed(text);
            if trimmed.len() == text.len() { Err(Fault::Syntax) } else { float(trimmed) }
        }
    }
}

fn names_infinity(text: &[u8]) -> bool {
    text.iter().any(|byte| byte.eq_ignore_ascii_case(&b'i'))
}

/// The two float types.
pub(crate) trait Float: fast_float2::FastFloat {
    /// Whether this is either infinity.
    fn is_infinite(self) -> bool;
}

impl Float for f32 {
    fn is_infinite(self) -> bool {
        self.is_infinite()
    }
}

impl Float for f64 {
    fn is_infinite(self) -> bool {
        self.is_infinite()
    }
}

/// Without the spaces and tabs around.
pub(crate) fn trimmed(text: &[u8]) -> &[u8] {
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = text.iter().position(|b| !is_blank(b)).unwrap_or(text.len());
    let end = text.iter().rposition(|b| !is_blank(b)).map_or(start, |last| last + 1);
    &text[start..end]
}

/// Appends a decimal with all digits of its scale.
pub(crate) fn write_decimal(value: i128, scale: u8, out: &mut Vec<u8>) {
    let mut buffer = itoa::Buffer::new();
    if value < 0 {
        out.push(b'-');
    }
    let digits = buffer.format(value.unsigned_abs()).as_bytes();
    let scale = usize::from(scale);
    if scale == 0 {
        out.extend_from_slice(digits);
        return;
    }
    if digits.len() <= scale {
        out.extend_from_slice(b"0.");
        out.resize(out.len() + scale - digits.len(), b'0');
        out.extend_from_slice(digits);
    } else {
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        out.extend_from_slice(whole);
        out.push(b'.');
        out.extend_from_slice(fraction);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_exact() {
        let cases: [(&str, Result<i64, Fault>); 18] = [
            ("0", Ok(0)),
            ("-17", Ok(-17)),
            ("9223372036854775807", Ok(i64::MAX)),
            ("-9223372036854775808", Ok(i64::MIN)),
            ("9223372036854775808", Err(Fault::Range)),
            ("99999999999999999999999999999999999999999", Err(Fault::Range)),
            ("00000000000000000000000000000000000000000012", Ok(12)),
            ("1.0", Ok(1)),
            ("1e3", Ok(1000)),
            ("1.5e1", Ok(15)),
            ("1200e-2", Ok(12)),
            ("1.5", Err(Fault::Fraction)),
            ("1e-999999999999999999999", Err(Fault::Fraction)),
            ("+5", Ok(5)),
            (" 5\t", Ok(5)),
            ("", Err(Fault::Syntax)),
            ("-", Err(Fault::Syntax)),
            ("1.2.3", Err(Fault::Syntax)),
        ];
        for (text, expected) in cases {
            assert_eq!(integer(text.as_bytes()), expected, "{text}");
        }
        for text in ["5 5", "x", "1e", "e1", ".", "1_0", "--1", "0x10", "1e5.0", "+-1"] {
            assert_eq!(integer(text.as_bytes()), Err(Fault::Syntax), "{text}");
        }
    }

    #[test]
    fn decimals_keep_every_digit() {
        assert_eq!(decimal(b"123.45", 5, 2), Ok(12_345));
        assert_eq!(decimal(b"-0.05", 5, 2), Ok(-5));
        assert_eq!(decimal(b"1.500", 5, 2), Ok(150));
        assert_eq!(decimal(b"1.505", 5, 2), Err(Fault::Fraction));
        assert_eq!(decimal(b"1000", 5, 2), Err(Fault::Range));
        assert_eq!(decimal(b"999.99", 5, 2), Ok(99_999));
        let most = "9".repeat(38);
        assert_eq!(decimal(most.as_bytes(), 38, 0), Ok(10_i128.pow(38) - 1));
        assert_eq!(decimal(b"1e38", 38, 0), Err(Fault::Range));
    }

    #[test]
    fn floats_name_infinity_or_stay_finite() {
        assert_eq!(float::<f64>(b"0.1"), Ok(0.1));
        assert_eq!(float::<f64>(b" 1e3 "), Ok(1000.0));
        assert_eq!(float::<f64>(b"-Infinity"), Ok(f64::NEG_INFINITY));
        assert_eq!(float::<f64>(b"1e400"), Err(Fault::Range));
        assert_eq!(float::<f32>(b"1e39"), Err(Fault::Range));
        assert!(float::<f64>(b"nan").is_ok_and(f64::is_nan));
        assert_eq!(float::<f64>(b"1x"), Err(Fault::Syntax));
        assert_eq!(float::<f64>(b""), Err(Fault::Syntax));
    }

    #[test]
    fn decimals_are_written_with_their_scale() {
        let written = |value, scale| {
            let mut out = Vec::new();
            write_decimal(value, scale, &mut out);
            String::from_utf8_lossy(&out).into_owned()
        };
        assert_eq!(written(12_345, 2), "123.45");
        assert_eq!(written(-5, 2), "-0.05");
        assert_eq!(written(-5, 0), "-5");
        assert_eq!(written(0, 3), "0.000");
        assert_eq!(written(i128::MIN, 38), "-1.70141183460469231731687303715884105728");
    }
}
