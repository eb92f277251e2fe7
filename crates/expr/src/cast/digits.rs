//! Digits of numbers and times, written from the last to the first into memory of their own.

use tidemill_record::civil::{MICROS_PER_SECOND, civil_of, split_micros};
use tidemill_record::recycled::Line;

/// A text of ASCII of at most `N` bytes that is written from its end.
pub(super) struct Digits<const N: usize> {
    bytes: [u8; N],
    start: usize,
}

impl<const N: usize> Digits<N> {
    pub(super) fn new() -> Self {
        Self { bytes: [b'0'; N], start: N }
    }

    /// Puts a character of ASCII in front.
    pub(super) fn push(&mut self, byte: u8) {
        debug_assert!(byte.is_ascii());
        self.start -= 1;
        self.bytes[self.start] = byte;
    }

    /// Puts so many digits of a number in front, with zeros where it has fewer; those above go.
    pub(super) fn push_fixed(&mut self, mut number: u64, count: usize) {
        for _ in 0..count {
            self.push(last_digit(number));
            number /= 10;
        }
    }

    /// Puts all digits of a number in front, one at least.
    pub(super) fn push_number(&mut self, mut number: u64) {
        loop {
            self.push(last_digit(number));
            number /= 10;
            if number == 0 {
                return;
            }
        }
    }

    pub(super) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[self.start..]).expect("it is of ASCII")
    }
}

fn last_digit(number: u64) -> u8 {
    b'0' + u8::try_from(number % 10).expect("a digit")
}

/// Two digits of a number below 100.
fn two(number: i64) -> [u8; 2] {
    let number = u8::try_from(number).expect("two digits");
    [b'0' + number / 10, b'0' + number % 10]
}

fn push_ascii(bytes: &[u8], out: &mut Line) {
    out.push_str(std::str::from_utf8(bytes).expect("it is of ASCII"));
}

/// Appends `YYYY-MM-DD`, with ` (BC)` before the year 1.
pub(crate) fn write_date(out: &mut Line, days: i64) {
    let date = civil_of(days);
    let ([m, n], [d, e]) = (two(date.month), two(date.day));
    if let 1..=9999 = date.year {
        let ([y, z], [a, b]) = (two(date.year / 100), two(date.year % 100));
        return push_ascii(&[y, z, a, b, b'-', m, n, b'-', d, e], out);
    }
    let is_before_christ = date.year < 1;
    let year = if is_before_christ { 1 - date.year } else { date.year };
    let mut digits = Digits::<32>::new();
    let year = year.unsigned_abs();
    if year < 10_000 {
        digits.push_fixed(year, 4)
    } else {
        digits.push_number(year)
    }
    out.push_str(digits.as_str());
    push_ascii(&[b'-', m, n, b'-', d, e], out);
    if is_before_christ {
        out.push_str(" (BC)");
    }
}

/// Appends `YYYY-MM-DD HH:MM:SS[.ffffff]`, the fraction without trailing zeros.
pub(crate) fn write_timestamp(out: &mut Line, micros: i64) {
    let (days, of_day) = split_micros(micros);
    write_date(out, days);
    out.push(' ');
    write_time_of_day(out, of_day);
}

/// Appends `HH:MM:SS[.ffffff]`; hours may pass 24.
pub(super) fn write_time_of_day(out: &mut Line, micros: i64) {
    let (seconds, fraction) = (micros / MICROS_PER_SECOND, micros % MICROS_PER_SECOND);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let ([m, n], [s, t]) = (two(minute), two(second));
    if let 0..100 = hour {
        let [h, i] = two(hour);
        push_ascii(&[h, i, b':', m, n, b':', s, t], out);
    } else {
        let mut digits = Digits::<32>::new();
        digits.push_number(hour.unsigned_abs());
        out.push_str(digits.as_str());
        push_ascii(&[b':', m, n, b':', s, t], out);
    }
    if fraction != 0 {
        let mut digits = Digits::<6>::new();
        digits.push_fixed(fraction.unsigned_abs(), 6);
        out.push('.');
        out.push_str(digits.as_str().trim_end_matches('0'));
    }
}

/// Appends a decimal: `12.50` for 1250 at scale 2.
pub(crate) fn write_decimal(out: &mut Line, value: i128, scale: u8) {
    const NINETEEN: u128 = 10_u128.pow(19);
    let places = usize::from(scale);
    let magnitude = value.unsigned_abs();
    // Sign, point, and a zero before it, beside the 39 digits that there may be.
    let mut digits = Digits::<48>::new();
    if let (Ok(magnitude), 0..=18) = (u64::try_from(magnitude), scale) {
        let unit = 10_u64.pow(scale.into());
        if scale > 0 {
            digits.push_fixed(magnitude % unit, places);
            digits.push(b'.');
        }
        digits.push_number(magnitude / unit);
    } else {
        // Nineteen digits at a time, the last ones first.
        let part = |by: u32| {
            let part = magnitude / NINETEEN.pow(by) % NINETEEN;
            u64::try_from(part).expect("nineteen digits")
        };
        let mut all = Digits::<57>::new();
        (0..2).for_each(|by| all.push_fixed(part(by), 19));
        all.push_number(u64::try_from(magnitude / NINETEEN.pow(2)).expect("two digits"));
        let shown = all.as_str().trim_start_matches('0').len().max(places + 1);
        let shown = &all.as_str()[all.as_str().len() - shown..];
        let (whole, fraction) = shown.split_at(shown.len() - places);
        if value < 0 {
            out.push('-');
        }
        out.push_str(whole);
        if scale > 0 {
            out.push('.');
            out.push_str(fraction);
        }
        return;
    }
    if value < 0 {
        digits.push(b'-');
    }
    out.push_str(digits.as_str());
}

/// Appends the shortest text that reads back as the same float: `0.1`, `1.0`, `1e+16`, `1e-05`.
///
/// `shortest` has the shortest digits, nearest to the value where several are as short, in any
/// layout. Past `1e16` and below `1e-4` there is an exponent.
pub(super) fn write_float(out: &mut Line, value: f64, shortest: &str) {
    const ZEROS: &str = "0000000000000000";
    if !value.is_finite() {
        out.push_str(match value {
            _ if value.is_nan() => "nan",
            _ if value > 0.0 => "inf",
            _ => "-inf",
        });
        return;
    }
    if value.is_sign_negative() {
        out.push('-');
    }
    let mut room = [0; 32];
    let (digits, exponent) = significant(shortest, &mut room);
    if !(-4..16).contains(&exponent) {
        let (first, rest) = digits.split_at(1);
        out.push_str(first);
        if !rest.is_empty() {
            out.push('.');
            out.push_str(rest);
        }
        out.push_str(if exponent < 0 { "e-" } else { "e+" });
        let size = exponent.unsigned_abs().into();
        let mut digits = Digits::<8>::new();
        if size < 100 {
            digits.push_fixed(size, 2)
        } else {
            digits.push_number(size)
        }
        out.push_str(digits.as_str());
        return;
    }
    match usize::try_from(exponent) {
        Err(_) => {
            let zeros = exponent.unsigned_abs() as usize - 1;
            out.push_str("0.");
            out.push_str(&ZEROS[..zeros]);
            out.push_str(digits);
        }
        Ok(exponent) if exponent + 1 >= digits.len() => {
            out.push_str(digits);
            out.push_str(&ZEROS[..exponent + 1 - digits.len()]);
            out.push_str(".0");
        }
        Ok(exponent) => {
            out.push_str(&digits[..=exponent]);
            out.push('.');
            out.push_str(&digits[exponent + 1..]);
        }
    }
}

/// The digits of a decimal number without zeros at either end, at least one, and the power of ten of
/// the first: `-0.0120` and `-1.2e-2` are both `("12", -2)`.
fn significant<'a>(text: &str, room: &'a mut [u8; 32]) -> (&'a str, i32) {
    let text = text.trim_start_matches('-');
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let mut exponent: i32 = exponent.parse().expect("a float's exponent is a small integer");
    let whole = mantissa.find('.').unwrap_or(mantissa.len());
    let places = |count: usize| i32::try_from(count).expect("a float has few digits");
    let (mut len, mut zeros) = (0, 0);
    for digit in mantissa.bytes().filter(|byte| *byte != b'.') {
        if len == 0 && digit == b'0' {
            zeros += 1;
            continue;
        }
        room[len] = digit;
        len += 1;
    }
    exponent += places(whole) - 1 - places(zeros);
    while len > 0 && room[len - 1] == b'0' {
        len -= 1;
    }
    if len == 0 {
        return ("0", 0);
    }
    (std::str::from_utf8(&room[..len]).expect("digits"), exponent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_written_as_plain_arithmetic_would() {
        let mut values = vec![0, 7, 10, i128::from(u64::MAX), i128::from(u64::MAX) + 1];
        values.extend((0..39).map(|n| 10_i128.pow(n.min(37)) * 3 + i128::from(n)));
        values.extend([10_i128.pow(38) - 1, 10_i128.pow(19), 10_i128.pow(37) + 5]);
        for value in values.iter().flat_map(|&value| [value, -value]) {
            for scale in [0_u8, 1, 2, 6, 17, 18, 19, 20, 37, 38] {
                let unit = 10_u128.pow(scale.into());
                let (whole, fraction) = (value.unsigned_abs() / unit, value.unsigned_abs() % unit);
                let sign = if value < 0 { "-" } else { "" };
                let expected = match scale {
                    0 => format!("{sign}{whole}"),
                    _ => format!("{sign}{whole}.{fraction:0width$}", width = scale.into()),
                };
                let mut out = Line::default();
                write_decimal(&mut out, value, scale);
                assert_eq!(out.as_str(), expected);
            }
        }
    }

    #[test]
    fn times_are_written_as_plain_arithmetic_would() {
        let days = (-1_000_000..5_000_000).step_by(7919).chain([0, -719_528, -719_529, 2_932_896]);
        for days in days.chain([2_932_897, 100_000_000, -100_000_000]) {
            let date = civil_of(days);
            let (year, era) =
                if date.year < 1 { (1 - date.year, " (BC)") } else { (date.year, "") };
            let expected = format!("{year:04}-{:02}-{:02}{era}", date.month, date.day);
            let mut out = Line::default();
            write_date(&mut out, days);
            assert_eq!(out.as_str(), expected);
        }
        let micros = [0, 1, 10, 999_999, 1_000_000, 86_399_999_999, 100 * 3_600_000_000 + 120_000];
        for micros in micros {
            let (seconds, fraction) = (micros / 1_000_000, micros % 1_000_000);
            let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
            let shown = format!("{hour:02}:{minute:02}:{second:02}.{fraction:06}");
            let mut out = Line::default();
            write_time_of_day(&mut out, micros);
            assert_eq!(out.as_str(), shown.trim_end_matches('0').trim_end_matches('.'));
        }
    }
}
