//! Whether text is what its value would be written as, so that it need not become a value to be
//! written again.
//!
//! Each function answers for sure or not at all: where it says no, the text may still be right, and
//! is read and written the long way.

/// Digits of a double that no other text of as many names.
const DOUBLE_DIGITS_MAX: usize = 15;

/// A `BIGINT`: digits without leading zeros, at most 18.
#[inline]
pub(crate) fn is_integer(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let is_shortest = digits.first().is_some_and(|&first| first != b'0') || text == b"0";
    is_shortest && digits.len() <= 18 && digits.iter().all(u8::is_ascii_digit)
}

/// A finite `DOUBLE` with a point and no digit too many.
///
/// It has at most [`DOUBLE_DIGITS_MAX`] digits, and so many are read back as written: no shorter
/// text names the same double. Values below a thousandth are left to the long way, since small ones
/// are written with an exponent.
#[inline]
pub(crate) fn is_double(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let Some(point) = digits.iter().take(DOUBLE_DIGITS_MAX).position(|&byte| byte == b'.') else {
        return false;
    };
    let (whole, fraction) = (&digits[..point], &digits[point + 1..]);
    let is_whole_shortest = match whole {
        [] => false,
        b"0" => fraction == b"0" || !fraction.starts_with(b"000"),
        [first, ..] => *first != b'0',
    };
    let is_fraction_shortest = match fraction {
        [] => false,
        [_] => true,
        [.., last] => *last != b'0',
    };
    is_whole_shortest
        && is_fraction_shortest
        && whole.len() + fraction.len() <= DOUBLE_DIGITS_MAX
        && whole.iter().chain(fraction).all(u8::is_ascii_digit)
}

/// Whether a valid timestamp is written as `YYYY-MM-DD HH:MM:SS`, with a fraction of three or six
/// digits that is not zero and not longer than it has to be.
#[inline]
pub(crate) fn is_form_of_timestamp(text: &[u8]) -> bool {
    // Midnight at the end of a day is written as that of the next. With both colons there are seconds, and
    // digits alone behind them leave no room for a zone.
    let stands = |at: usize, byte: u8| text.get(at) == Some(&byte);
    let is_end_of_day = text.get(11..13) == Some(b"24");
    let has_form = stands(4, b'-') && stands(10, b' ') && stands(13, b':') && stands(16, b':');
    let fraction = match text.len() {
        19 => return has_form && !is_end_of_day,
        23 | 26 => &text[20..],
        _ => return false,
    };
    let is_shortest = fraction.iter().all(u8::is_ascii_digit) && !fraction.ends_with(b"000");
    has_form && !is_end_of_day && stands(19, b'.') && is_shortest
}

/// Text that CSV holds without quotes.
#[inline]
pub(crate) fn is_bare(text: &[u8], delimiter: u8, quote: u8) -> bool {
    let (Some(first), Some(last)) = (text.first(), text.last()) else { return false };
    let is_special =
        |&byte: &u8| (byte == b'\n') | (byte == b'\r') | (byte == delimiter) | (byte == quote);
    *first != b' ' && *last != b' ' && !text.iter().fold(false, |any, byte| any | is_special(byte))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    /// Texts that look like numbers, of 1 to 18 characters, most of few.
    fn texts(alphabet: &'static [u8]) -> impl Iterator<Item = String> {
        let mut state = 17_u64;
        let mut random = move |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            usize::try_from((state >> 33) % below).unwrap()
        };
        (0..400_000).map(move |round| {
            let len = 1 + random(if round % 4 == 0 { 18 } else { 7 });
            (0..len).map(|_| char::from(alphabet[random(alphabet.len() as u64)])).collect()
        })
    }

    #[test]
    fn canonical_integers_are_written_as_they_stand() {
        let mut count = 0;
        for text in texts(b"0123456789012345678901234567890123456789-") {
            let is_written_so = text.parse::<i64>().is_ok_and(|value| value.to_string() == text);
            if is_integer(text.as_bytes()) {
                assert!(is_written_so, "{text}");
                count += 1;
            } else if text.len() <= 18 {
                assert!(!is_written_so, "{text}");
            }
        }
        assert!(count > 100_000, "{count}");
        assert!(!is_integer(b"-0") && !is_integer(b"") && !is_integer(b"+1") && is_integer(b"0"));
    }

    #[test]
    fn canonical_doubles_are_written_as_they_stand() {
        let mut count = 0;
        for text in texts(b"0012345678901234567890123456789.....-") {
            if is_double(text.as_bytes()) {
                let value: f64 = text.parse().unwrap();
                assert_eq!(zmij::Buffer::new().format_finite(value), text);
                count += 1;
            }
        }
        assert!(count > 40_000, "{count}");
        for text in ["0.0", "-0.5", "0.01", "0.001", "724.63", "99999999999999.9", "-1.0"] {
            assert!(is_double(text.as_bytes()), "{text}");
        }
        for text in
            ["", ".", "1", "1.", ".5", "00.5", "1.50", "0.0001", "0.00", "1e5", "NaN", "--1.0"]
        {
            assert!(!is_double(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn canonical_timestamps_have_no_digit_too_many() {
        for text in ["2024-01-01 00:00:00", "2024-01-01 00:00:00.120", "2024-01-01 00:00:00.000001"]
        {
            assert!(is_form_of_timestamp(text.as_bytes()), "{text}");
        }
        for text in [
            "2024-01-01T00:00:00",
            "2024-01-01 24:00:00",
            "2024-01-01 00:00+01",
            "2024-01-01 00:00Z  ",
            "2024-01-01         ",
            "2024-01-01 00:00:00.5+0200",
            "2024-01-01 00:00:00.+02",
            "100e-2     :  :    ",
            "2024-01-01 00:00:00.000",
            "2024-01-01 00:00:00.120000",
            "2024-01-01 00:00:00.1",
            "2024-01-01 00:00Z",
            "2024-01-01",
            "12024-01-01 00:00:0",
            "1704067200000000000",
        ] {
            assert!(!is_form_of_timestamp(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn bare_text_needs_no_quotes() {
        for text in ["a", "a b", "é", "-"] {
            assert!(is_bare(text.as_bytes(), b',', b'"'), "{text}");
        }
        for text in ["", " a", "a ", "a,b", "a\"b", "a\nb", "a\rb"] {
            assert!(!is_bare(text.as_bytes(), b',', b'"'), "{text:?}");
        }
    }
}
