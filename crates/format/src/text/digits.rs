//! Digits eight at a time, within a register and without a branch a digit.
//!
//! A word holds text as it stands in memory, its first character lowest (little-endian), as
//! [`Near`](super::cells::Near) loads it; what stands behind the text is masked off.

use super::nearest;

/// Powers of ten that a double holds exactly and that a short text can need.
const POWERS: [f64; 17] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16];
/// Integers up to here are doubles.
const EXACT_MAX: u64 = 1 << 53;
const ZEROS: u64 = 0x3030_3030_3030_3030;

/// The number that eight bytes of digit values (0 to 9, first one lowest) stand for.
#[inline(always)]
fn eight(digits: u64) -> u64 {
    const HUNDREDS: u64 = 0x0000_00ff_0000_00ff;
    let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8);
    let high = (pairs & HUNDREDS).wrapping_mul(0x000f_4240_0000_0064);
    let low = ((pairs >> 16) & HUNDREDS).wrapping_mul(0x0000_2710_0000_0001);
    high.wrapping_add(low) >> 32
}

/// Zero if every byte is at most 9.
#[inline(always)]
fn beyond_nine(digits: u64) -> u64 {
    (digits.wrapping_add(0x7676_7676_7676_7676) | digits) & 0x8080_8080_8080_8080
}

/// The first `count` (1 to 8) characters as a number; `None` unless all are digits.
#[inline(always)]
fn up_to_eight(word: u64, count: usize) -> Option<u64> {
    let unused = 64 - 8 * count;
    let digits = (word << unused) ^ (ZEROS << unused);
    (beyond_nine(digits) == 0).then(|| eight(digits))
}

/// The first `count` (9 to 16) characters as a number; `None` unless all are digits.
#[inline(always)]
fn up_to_sixteen(word: u128, count: usize) -> Option<u64> {
    let unused = 128 - 8 * count;
    let zeros = (u128::from(ZEROS) << 64) | u128::from(ZEROS);
    let digits = (word << unused) ^ (zeros << unused);
    let (first, last) = halves(digits);
    let is_digits = beyond_nine(first) | beyond_nine(last) == 0;
    is_digits.then(|| eight(first) * 100_000_000 + eight(last))
}

#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "the halves are wanted")]
fn halves(word: u128) -> (u64, u64) {
    (word as u64, (word >> 64) as u64)
}

/// Takes a minus off: whether there was one, and the rest.
#[inline(always)]
fn signed(word: u128, len: usize) -> (bool, u128, usize) {
    let is_negative = halves(word).0 & 0xff == u64::from(b'-');
    (is_negative, word >> (8 * u32::from(is_negative)), len - usize::from(is_negative))
}

/// An integer of at most 16 digits, with or without a minus; `None` for any other text.
///
/// `len` is at least 1; of a longer text than 16 only `len` is looked at.
#[inline(always)]
pub(crate) fn integer(word: u128, len: usize) -> Option<i64> {
    let (is_negative, word, count) = signed(word, len);
    let magnitude = match count {
        1..=8 => up_to_eight(halves(word).0, count)?,
        9..=16 if len <= 16 => up_to_sixteen(word, count)?,
        _ => return None,
    };
    let value = magnitude.cast_signed();
    Some(if is_negative { -value } else { value })
}

/// A number of digits with at most one point among them: its sign, all its digits as one number, and how many
/// of them stand behind the point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mantissa {
    is_negative: bool,
    digits: u64,
    /// At most [`nearest::PLACES_MAX`].
    places: usize,
}

/// Powers of ten that a signed integer of 128 bits holds.
const TENS: [i128; 39] = {
    let mut tens = [1; 39];
    let mut at = 1;
    while at < tens.len() {
        tens[at] = tens[at - 1] * 10;
        at += 1;
    }
    tens
};

impl Mantissa {
    /// In at most 16 characters, with or without a minus; `None` for any other text.
    #[inline(always)]
    pub(crate) fn short(word: u128, len: usize) -> Option<Self> {
        let (is_negative, word, count) = signed(word, len);
        let (digits, places) = match count {
            1..=8 => short_mantissa(halves(word).0, count)?,
            9..=16 if len <= 16 => long_mantissa(word, count)?,
            _ => return None,
        };
        Some(Self { is_negative, digits, places })
    }

    /// The same in 17 to 22 characters with a point within the first sixteen, and at most 19 digits or a zero and 19
    /// more; these bytes begin with them.
    #[inline(always)]
    pub(crate) fn long(bytes: &[u8; 32], len: usize) -> Option<Self> {
        let is_negative = bytes[0] == b'-';
        let text: &[u8; 24] = bytes[usize::from(is_negative)..].first_chunk()?;
        let (head, tail) = text.split_first_chunk::<16>()?;
        let head = u128::from_le_bytes(*head);
        let tail = u64::from_le_bytes(*tail.first_chunk()?);
        let point = point_of(head);
        // Digits of the number, one less than characters without the minus.
        let count = len - usize::from(is_negative) - 1;
        let is_long = count == 20 && text[0] == b'0';
        if point >= 16 || count > 19 + usize::from(is_long) {
            return None;
        }
        let joined = without_byte(head, point, tail);
        let places = count - point;
        // Of seventeen characters one may be a minus.
        let Some(rest) = count.checked_sub(16) else {
            return Some(Self { is_negative, digits: up_to_sixteen(joined, count)?, places });
        };
        let first = up_to_sixteen(joined, 16)?;
        // What is behind them is shifted out; of none a zero is left.
        let last = ((tail >> 8) ^ ZEROS) << (56 - 8 * rest) << 8;
        if beyond_nine(last) != 0 {
            return None;
        }
        let digits = first * power_of_ten(rest) + eight(last);
        Some(Self { is_negative, digits, places })
    }

    /// The number divided by a power of ten, where it has no more places than there may be.
    #[inline(always)]
    pub(crate) fn over_ten_to(self, power: usize) -> Option<Self> {
        let places = self.places + power;
        (places <= nearest::PLACES_MAX).then_some(Self { places, ..self })
    }

    /// How many of its digits stand behind the point.
    #[inline(always)]
    pub(crate) fn places(self) -> usize {
        self.places
    }

    /// The double nearest to it.
    ///
    /// Where the digits are an integer that a double holds, as the power of ten is, it is the quotient of the two
    /// (Clinger, "How to read floating point numbers accurately", 1990).
    #[inline(always)]
    pub(crate) fn double(self) -> f64 {
        let Self { is_negative, digits, places } = self;
        #[expect(clippy::cast_precision_loss, reason = "at most 2^53")]
        let magnitude = match digits <= EXACT_MAX && places < POWERS.len() {
            true => digits as f64 / POWERS[places],
            false => nearest::quotient(digits, places),
        };
        if is_negative { -magnitude } else { magnitude }
    }

    /// The float nearest to it, where that is a quotient of two that are exact.
    #[inline(always)]
    pub(crate) fn float(self) -> Option<f32> {
        const POWERS: [f32; 11] = [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10];
        const EXACT_MAX: u64 = 1 << 24;
        let power = POWERS.get(self.places).filter(|_| self.digits <= EXACT_MAX)?;
        #[expect(clippy::cast_precision_loss, reason = "at most 2^24")]
        let magnitude = self.digits as f32 / power;
        Some(if self.is_negative { -magnitude } else { magnitude })
    }

    /// The decimal that it is, as its digits, where no digit is lost.
    #[inline(always)]
    pub(crate) fn decimal(self, precision: u8, scale: u8) -> Option<i128> {
        let zeros = usize::from(scale).checked_sub(self.places)?;
        let magnitude = i128::from(self.digits).checked_mul(TENS[zeros])?;
        let value = (magnitude < TENS[usize::from(precision)]).then_some(magnitude)?;
        Some(if self.is_negative { -value } else { value })
    }
}

/// `10^power` of at most 18.
#[inline(always)]
fn power_of_ten(power: usize) -> u64 {
    const POWERS: [u64; 19] = {
        let mut powers = [1; 19];
        let mut at = 1;
        while at < powers.len() {
            powers[at] = powers[at - 1] * 10;
            at += 1;
        }
        powers
    };
    POWERS[power]
}

/// An integer of 17 to 19 characters, with or without a minus; these bytes begin with them.
#[inline(always)]
pub(crate) fn long_integer(bytes: &[u8; 32], len: usize) -> Option<i64> {
    let is_negative = bytes[0] == b'-';
    let text = &bytes[usize::from(is_negative)..];
    let count = len - usize::from(is_negative);
    if !((17..=18).contains(&count) || count == 19 && text[0] < b'9') {
        return None;
    }
    let first = up_to_sixteen(u128::from_le_bytes(*text.first_chunk()?), 16)?;
    let rest = count - 16;
    let last = up_to_eight(u64::from_le_bytes(*text[16..].first_chunk()?), rest)?;
    let value = (first * power_of_ten(rest) + last).cast_signed();
    Some(if is_negative { -value } else { value })
}

/// All digits of up to eight characters as one number, and how many stand behind the point.
#[inline(always)]
fn short_mantissa(word: u64, count: usize) -> Option<(u64, usize)> {
    const POINTS: u64 = 0x2e2e_2e2e_2e2e_2e2e;
    let unlike = word ^ POINTS;
    let found = unlike.wrapping_sub(0x0101_0101_0101_0101) & !unlike & 0x8080_8080_8080_8080;
    let point = found.trailing_zeros() as usize / 8;
    if point >= count {
        return Some((up_to_eight(word, count)?, 0));
    }
    if count == 1 {
        return None;
    }
    let before = (1_u64 << (8 * point)) - 1;
    let joined = (word & before) | ((word >> 8) & !before);
    Some((up_to_eight(joined, count - 1)?, count - 1 - point))
}

/// Where the first point of sixteen characters is; 16 where there is none.
#[inline(always)]
fn point_of(word: u128) -> usize {
    const POINTS: u128 = 0x2e2e_2e2e_2e2e_2e2e_2e2e_2e2e_2e2e_2e2e;
    const ONES: u128 = 0x0101_0101_0101_0101_0101_0101_0101_0101;
    let unlike = word ^ POINTS;
    let found = unlike.wrapping_sub(ONES) & !unlike & (ONES << 7);
    found.trailing_zeros() as usize / 8
}

/// Sixteen characters without the one at `at`, the first of `behind` as the last.
#[inline(always)]
fn without_byte(word: u128, at: usize, behind: u64) -> u128 {
    let before = (1_u128 << (8 * at)) - 1;
    (word & before) | (((word >> 8) | (u128::from(behind) << 120)) & !before)
}

/// As [`short_mantissa`], of nine to sixteen characters.
#[inline(always)]
fn long_mantissa(word: u128, count: usize) -> Option<(u64, usize)> {
    let point = point_of(word);
    if point >= count {
        return Some((up_to_sixteen(word, count)?, 0));
    }
    let joined = without_byte(word, point, 0);
    let digits = match count - 1 {
        8 => up_to_eight(halves(joined).0, 8)?,
        more => up_to_sixteen(joined, more)?,
    };
    Some((digits, count - 1 - point))
}

/// Millionths from the `count` (0 to 6) digits that `word` begins with; `None` unless they are
/// digits.
#[inline(always)]
pub(crate) fn millionths(word: u64, count: usize) -> Option<u64> {
    let digits = (word ^ ZEROS) & ((1 << (8 * count)) - 1);
    (beyond_nine(digits) == 0).then(|| eight(digits) / 100)
}

/// Eight digits of a number below 10^8 as digit values, first one lowest.
#[inline(always)]
fn eight_digits(value: u64) -> u64 {
    // Two numbers of four digits, then four of two, then eight of one; each quotient by a product.
    let fours = (value / 10_000) | ((value % 10_000) << 32);
    let upper = ((fours * 10_486) >> 20) & 0x0000_007f_0000_007f;
    let twos = ((fours - 100 * upper) << 16) + upper;
    let tens = ((twos * 103) >> 10) & 0x000f_000f_000f_000f;
    tens + ((twos - 10 * tens) << 8)
}

/// A number below 10^8 as eight digits.
#[inline(always)]
pub(crate) fn eight_text(value: u64) -> [u8; 8] {
    (eight_digits(value) | ZEROS).to_le_bytes()
}

/// Writes a number below 10^16 from `at` on, without leading zeros: the position behind it. The
/// eight bytes behind that may be overwritten too.
#[inline(always)]
fn write_up_to_sixteen(value: u64, cell: &mut [u8; 32], at: usize) -> usize {
    const EIGHT: u64 = 100_000_000;
    let (first, last) =
        if value < EIGHT { (value, None) } else { (value / EIGHT, Some(value % EIGHT)) };
    let digits = eight_digits(first);
    // The last digit stays, even if it is zero.
    let zeros = (digits | (1 << 56)).trailing_zeros() / 8;
    let text = (digits | ZEROS) >> (8 * zeros);
    cell[at..at + 8].copy_from_slice(&text.to_le_bytes());
    let behind = at + 8 - zeros as usize;
    let Some(last) = last else { return behind };
    cell[behind..behind + 8].copy_from_slice(&(eight_digits(last) | ZEROS).to_le_bytes());
    behind + 8
}

/// Writes an integer at the start of a cell: its length, at most 20.
#[inline(always)]
pub(crate) fn write_integer(value: i64, cell: &mut [u8; 32]) -> usize {
    const SIXTEEN: u64 = 10_000_000_000_000_000;
    let magnitude = value.unsigned_abs();
    if magnitude >= SIXTEEN {
        let mut buffer = itoa::Buffer::new();
        let text = buffer.format(value).as_bytes();
        cell[..text.len()].copy_from_slice(text);
        return text.len();
    }
    cell[0] = b'-';
    write_up_to_sixteen(magnitude, cell, usize::from(value < 0))
}

/// Writes a decimal of at most 15 digits with all digits of its scale at the start of a cell: its length;
/// `None` for more.
#[inline(always)]
pub(crate) fn write_decimal(value: i128, scale: u8, cell: &mut [u8; 32]) -> Option<usize> {
    /// Digits that are made of a number.
    const DIGITS: usize = 16;
    const MAX: u64 = 1_000_000_000_000_000;
    let scale = usize::from(scale);
    let magnitude = u64::try_from(value.unsigned_abs()).ok().filter(|&number| number < MAX)?;
    if scale > DIGITS - 2 {
        return None;
    }
    let first = u128::from(eight_digits(magnitude / 100_000_000));
    let digits = first | (u128::from(eight_digits(magnitude % 100_000_000)) << 64);
    // One digit before the point stays, even if it is zero.
    let zeros = (digits | (1 << (8 * (DIGITS - 1 - scale)))).trailing_zeros() / 8;
    let text =
        ((digits | (u128::from(ZEROS) << 64) | u128::from(ZEROS)) >> (8 * zeros)).to_le_bytes();
    let len = DIGITS - zeros as usize;
    cell[0] = b'-';
    let minus = usize::from(value < 0);
    cell[minus..minus + DIGITS].copy_from_slice(&text);
    if scale == 0 {
        return Some(minus + len);
    }
    let whole = len - scale;
    let fraction = (u128::from_le_bytes(text) >> (8 * whole)).to_le_bytes();
    let point = minus + whole;
    // At most 14 digits before the point, so that there is room for sixteen bytes behind it.
    cell[point] = b'.';
    cell[point + 1..point + 1 + DIGITS].copy_from_slice(&fraction);
    Some(minus + len + 1)
}

/// Writes a double that is a whole number of hundredths, such as most prices, at the start of a
/// cell: its length; `None` for any other.
///
/// It has at most 15 digits, and so many name a double that no other such text names: no shorter
/// text is read back as the same.
#[inline(always)]
pub(crate) fn write_cents(value: f64, cell: &mut [u8; 32]) -> Option<usize> {
    const MAX: f64 = 1e13;
    let magnitude = value.abs();
    if magnitude.is_nan() || magnitude >= MAX {
        return None;
    }
    let hundredfold = magnitude * 100.0;
    // A conversion to i64 is one instruction, and one to u64 a dozen.
    // SAFETY: from 0 to 1e15.
    let cents: i64 = unsafe { (hundredfold + 0.5).to_int_unchecked() };
    #[expect(clippy::cast_precision_loss, reason = "at most 1e15")]
    let rounded = cents as f64;
    // Of less than 1e9 a product is off by less than a ten-thousandth. No division for nothing.
    if (hundredfold - rounded).abs() > 1e-4 && magnitude < 1e9 {
        return None;
    }
    let read_back = rounded / 100.0;
    #[expect(clippy::float_cmp, reason = "the very same double is wanted")]
    let is_whole = read_back == magnitude;
    if !is_whole {
        return None;
    }
    let cents = cents.cast_unsigned();
    cell[0] = b'-';
    let minus = usize::from(value.is_sign_negative());
    if cents < 100_000_000 {
        return Some(minus + write_few_cents(cents, cell, minus));
    }
    let at = write_up_to_sixteen(cents / 100, cell, minus);
    let fraction = eight_digits(cents % 100) | ZEROS;
    let [.., tens, ones] = fraction.to_le_bytes();
    cell[at..at + 3].copy_from_slice(&[b'.', tens, ones]);
    Some(at + 2 + usize::from(ones != b'0'))
}

/// Writes less than 10^8 hundredths from `at` on, without zeros that say nothing: how many bytes.
#[inline(always)]
fn write_few_cents(cents: u64, cell: &mut [u8; 32], at: usize) -> usize {
    let digits = eight_digits(cents);
    // One digit before the point stays, even if it is zero.
    let zeros = (digits | (1 << 40)).trailing_zeros() / 8;
    let text = (digits | ZEROS) >> (8 * zeros);
    let whole = 6 - zeros;
    let before = (1_u64 << (8 * whole)) - 1;
    let point = u128::from(b'.') << (8 * whole);
    let joined = u128::from(text & before) | point | (u128::from(text & !before) << 8);
    cell[at..at + 16].copy_from_slice(&joined.to_le_bytes());
    whole as usize + 2 + usize::from(!cents.is_multiple_of(10))
}

/// Writes a double that is a whole number of hundred-millionths, as one with up to eight digits behind the point, at
/// the start of a cell: its length; `None` for any other, and for those below a thousandth, of which some are written with
/// an exponent.
///
/// It has at most 15 digits, as in [`write_cents`].
#[inline(always)]
pub(crate) fn write_fraction(value: f64, cell: &mut [u8; 32]) -> Option<usize> {
    const ONE: f64 = 1e8;
    const EIGHT: u64 = 100_000_000;
    let magnitude = value.abs();
    if !(1e-3..1e7).contains(&magnitude) {
        return None;
    }
    let multiple = magnitude * ONE;
    // SAFETY: from 0 to 1e15.
    let parts: i64 = unsafe { (multiple + 0.5).to_int_unchecked() };
    #[expect(clippy::cast_precision_loss, reason = "at most 1e15")]
    let rounded = parts as f64;
    // Of a quotient, a product is off by less than a fifth. No division for nothing.
    if (multiple - rounded).abs() > 0.2 {
        return None;
    }
    #[expect(clippy::float_cmp, reason = "the very same double is wanted")]
    let is_whole = rounded / ONE == magnitude;
    if !is_whole {
        return None;
    }
    let parts = parts.cast_unsigned();
    cell[0] = b'-';
    let minus = usize::from(value.is_sign_negative());
    let point = write_up_to_sixteen(parts / EIGHT, cell, minus);
    cell[point] = b'.';
    let fraction = eight_digits(parts % EIGHT);
    cell[point + 1..point + 9].copy_from_slice(&(fraction | ZEROS).to_le_bytes());
    // One digit behind the point stays, even if it is zero.
    let zeros = ((fraction | 1).leading_zeros() / 8) as usize;
    Some(point + 9 - zeros)
}

#[cfg(test)]
mod tests {
    use super::super::number;
    use super::*;

    fn word(text: &str) -> u128 {
        let mut bytes = [b'7'; 16];
        let len = text.len().min(16);
        bytes[..len].copy_from_slice(&text.as_bytes()[..len]);
        u128::from_le_bytes(bytes)
    }

    fn bytes(text: &str) -> [u8; 32] {
        let mut bytes = [b'7'; 32];
        bytes[..text.len()].copy_from_slice(text.as_bytes());
        bytes
    }

    fn mantissa(text: &str) -> Option<Mantissa> {
        match text.len() {
            ..=16 => Mantissa::short(word(text), text.len()),
            _ => Mantissa::long(&bytes(text), text.len()),
        }
    }

    fn double_of(text: &str) -> Option<f64> {
        mantissa(text).map(Mantissa::double)
    }

    /// Texts that begin like numbers, of every length, with one wrong character now and then.
    fn texts() -> impl Iterator<Item = String> {
        let mut state = 3_u64;
        let mut random = move |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) % below
        };
        (0..60_000).map(move |_| {
            let mut text = String::from(if random(3) == 0 { "-" } else { "" });
            for _ in 0..random(22) {
                text.push(char::from(b'0' + u8::try_from(random(10)).expect("a digit")));
            }
            if random(3) > 0 && !text.is_empty() {
                let at = usize::try_from(random(text.len() as u64 + 1)).expect("short");
                text.insert(at, '.');
            }
            if random(8) == 0 && !text.is_empty() {
                let at = usize::try_from(random(text.len() as u64)).expect("short");
                text.insert(
                    at,
                    char::from(b"/:.-+e \x01\x7f"[usize::try_from(random(9)).expect("short")]),
                );
            }
            text
        })
    }

    #[test]
    fn what_is_read_is_what_the_standard_library_reads() {
        let (mut integers, mut doubles, mut decimals) = (0, 0, 0);
        for text in texts().filter(|text| !text.is_empty()) {
            let whole = match text.len() {
                ..=16 => integer(word(&text), text.len()),
                17..=20 => long_integer(&bytes(&text), text.len()),
                _ => None,
            };
            if let Some(value) = whole {
                assert_eq!(text.parse(), Ok(value), "{text}");
                integers += 1;
            }
            if let Some(value) = mantissa(&text).and_then(Mantissa::float) {
                let expected: f32 = text.parse().expect("a number to both");
                assert_eq!(value.to_bits(), expected.to_bits(), "{text}");
            }
            if let Some(value) = mantissa(&text).and_then(|number| number.decimal(25, 9)) {
                assert_eq!(number::decimal(text.as_bytes(), 25, 9), Ok(value), "{text}");
                decimals += 1;
            }
            if let Some(value) = double_of(&text) {
                let expected: f64 = text.parse().expect("a number to both");
                assert_eq!(value.to_bits(), expected.to_bits(), "{text}");
                doubles += 1;
            }
        }
        // Most are short enough, and many are integers.
        assert!(
            integers > 10_000 && doubles > 30_000 && decimals > 20_000,
            "{integers} {doubles} {decimals}"
        );
    }

    #[test]
    fn short_numbers_are_read() {
        for (text, expected) in [
            ("0", 0.0),
            ("-0", -0.0),
            ("724.63", 724.63),
            ("1.", 1.0),
            (".5", 0.5),
            ("-12345678.9", -12_345_678.9),
        ] {
            let read = double_of(text);
            assert_eq!(read.map(f64::to_bits), Some(f64::to_bits(expected)), "{text}");
        }
        for text in [".", "-", "-.", "1.2.3", "1e5", "+1", "12345678901234567"] {
            assert_eq!(double_of(text), None, "{text}");
            assert_eq!(integer(word(text), text.len()), None, "{text}");
        }
        assert_eq!(double_of("9999999999999999"), Some(1e16), "beyond 2^53");
        assert_eq!(integer(word("-123456789012345"), 16), Some(-123_456_789_012_345));
    }

    #[test]
    fn fractions_are_millionths() {
        for (text, expected) in [("", 0), ("5", 500_000), ("123", 123_000), ("000001", 1)] {
            let read = u64::from_le_bytes(word(text).to_le_bytes()[..8].try_into().expect("eight"));
            assert_eq!(millionths(read, text.len()), Some(expected), "{text}");
        }
        assert_eq!(millionths(u64::from_le_bytes(*b"12x45678"), 3), None);
    }

    fn written(write: impl FnOnce(&mut [u8; 32]) -> Option<usize>) -> Option<String> {
        let mut cell = [b'#'; 32];
        write(&mut cell).map(|len| String::from_utf8_lossy(&cell[..len]).into_owned())
    }

    #[test]
    fn integers_are_written_as_the_standard_library_writes_them() {
        let mut state = 5_u64;
        for round in 0..200_000_u32 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let value = state.cast_signed() >> (round % 64);
            let text = written(|cell| Some(write_integer(value, cell)));
            assert_eq!(text, Some(value.to_string()));
        }
        for power in 0..19 {
            for near in [-1, 0, 1] {
                let value = 10_i64.pow(power) + near;
                assert_eq!(
                    written(|cell| Some(write_integer(value, cell))),
                    Some(value.to_string())
                );
            }
        }
    }

    #[test]
    fn short_doubles_are_written_as_the_shortest_text() {
        let mut state = 9_u64;
        let (mut whole, mut fractions) = (0, 0);
        for round in 0..400_000_u32 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            #[expect(clippy::cast_precision_loss, reason = "any double will do")]
            let cents = (state >> (round % 64)) as f64;
            let exact = [cents / 100.0, cents / 1000.0, -cents / 100.0, f64::from_bits(state)];
            for value in exact {
                if let Some(text) = written(|cell| write_cents(value, cell)) {
                    assert_eq!(text, zmij::Buffer::new().format_finite(value), "{value:?}");
                    whole += 1;
                }
            }
            for places in 0..9 {
                let value = cents / 10_f64.powi(places);
                if let Some(text) = written(|cell| write_fraction(value, cell)) {
                    assert_eq!(text, zmij::Buffer::new().format_finite(value), "{value:?}");
                    fractions += 1;
                }
            }
        }
        assert!(whole > 300_000 && fractions > 600_000, "{whole} {fractions}");
        for value in [0.0, -0.0, 0.01, -0.01, 0.1, 99.99, 1e13, 1e13 - 0.01, 0.005, 1e-9] {
            if let Some(text) = written(|cell| write_cents(value, cell)) {
                assert_eq!(text, zmij::Buffer::new().format_finite(value), "{value:?}");
            }
            if let Some(text) = written(|cell| write_fraction(value, cell)) {
                assert_eq!(text, zmij::Buffer::new().format_finite(value), "{value:?}");
            }
        }
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(written(|cell| write_cents(value, cell)), None);
            assert_eq!(written(|cell| write_fraction(value, cell)), None);
        }
    }
}
