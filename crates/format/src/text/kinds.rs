//! Which types hold every one of some texts without a change.
//!
//! A number is of a type here if its text can be told from its value: `007` and `+5` are text, since
//! what is written so is an identifier more often than a count; a number that a double does not give
//! back in as many digits is no double, since two of them would become one. One with an exponent is a float
//! by its notation, which rounds. A timestamp is one also where its digits below the microsecond will be cut:
//! those are counted where they are.

use tidemill_plan::{TimeForm, Times};
use tidemill_record::DataType;

use super::{literal, number, time};

/// Digits that a decimal has room for.
const DECIMAL_DIGITS_MAX: i64 = 38;

/// Digits that doubles are written with, and no more. Whether so many are those of a double is another question.
pub(super) const DOUBLE_DIGITS_MAX: usize = 17;

/// Any number of so many digits is told by a double from all others (IEEE 754, 5.12.2), up to some 300 digits from the
/// point.
const DIGITS_KEPT: usize = 15;

/// The types that all texts seen so far can be read as.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TextKinds<'a> {
    /// The forms that times are said to have.
    times: &'a Times,
    is_boolean: bool,
    /// `None` once one was no number.
    numbers: Option<NumberKinds>,
    is_date: bool,
    is_timestamp: bool,
    is_any: bool,
}

impl<'a> TextKinds<'a> {
    /// Before any value, where times have these forms.
    pub(crate) const fn none_seen(times: &'a Times) -> Self {
        Self {
            times,
            is_boolean: true,
            numbers: Some(NumberKinds::NONE_SEEN),
            is_date: true,
            is_timestamp: true,
            is_any: false,
        }
    }

    /// Takes a value that is not NULL into account.
    pub(crate) fn see(&mut self, text: &[u8]) {
        self.is_boolean = self.is_boolean && text.len() > 3 && literal::truth(text).is_ok();
        self.numbers = self.numbers.and_then(|numbers| numbers.with(text));
        self.see_time(text);
    }

    /// As [`Self::see`], of a text that is not to be read as a number or truth value.
    pub(crate) fn see_time(&mut self, text: &[u8]) {
        self.is_any = true;
        self.is_date =
            self.is_date && fits(&self.times.date, text, |text| time::date(text).is_ok());
        self.is_timestamp =
            self.is_timestamp && fits(&self.times.timestamp, text, time::is_timestamp);
    }

    /// The narrowest type; VARCHAR if nothing was seen. Who says how times are written means those that are
    /// written so, numbers or not.
    pub(crate) fn data_type(self) -> DataType {
        match self {
            Self { is_any: false, .. } => DataType::Varchar,
            Self { is_date: true, times: Times { date: Some(_), .. }, .. } => DataType::Date,
            Self {
                is_timestamp: true,
                times: Times { timestamp: Some(TimeForm::Format(_)), .. },
                ..
            } => DataType::Timestamp,
            Self { is_boolean: true, .. } => DataType::Boolean,
            Self { numbers: Some(numbers), .. } => numbers.data_type(),
            _ => self.time_type(),
        }
    }

    /// DATE, TIMESTAMP or VARCHAR, of texts taken in with [`Self::see_time`].
    pub(crate) fn time_type(self) -> DataType {
        match self {
            Self { is_any: true, is_date: true, .. } => DataType::Date,
            Self { is_any: true, is_timestamp: true, .. } => DataType::Timestamp,
            _ => DataType::Varchar,
        }
    }
}

/// Whether a text is a time of the form that is given, else one by `usual`. Nothing is inferred to be a count.
fn fits(form: &Option<TimeForm>, text: &[u8], usual: impl Fn(&[u8]) -> bool) -> bool {
    match form {
        Some(TimeForm::Format(format)) => !format.is_count() && format.read(text).is_ok(),
        Some(TimeForm::Count(_) | TimeForm::Iso { .. }) | None => usual(text),
    }
}

/// Whether a double that was inferred takes a number of the grammar; for every value, so that only what can
/// have more digits than a double is looked at.
#[inline]
pub(crate) fn may_be_double(text: &[u8]) -> bool {
    /// A shorter text has so few digits that a double holds it.
    const SHORT_LEN: usize = 16;
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let fraction = digits.strip_prefix(b"0.");
    let digit_count =
        fraction.map_or(digits.len() - usize::from(digits.contains(&b'.')), <[u8]>::len);
    text.len() < SHORT_LEN
        || digit_count <= DOUBLE_DIGITS_MAX && digit_count < digits.len()
        || is_double_apart(number::trimmed(text))
}

#[cold]
fn is_double_apart(text: &[u8]) -> bool {
    Digits::of(text).is_none_or(|number| number.is_kept_by_double(text))
}

/// The types of numbers that hold all of those seen so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NumberKinds {
    is_bigint: bool,
    is_double: bool,
    /// Most digits before the point.
    whole: i64,
    /// Most digits behind it.
    scale: i64,
}

impl NumberKinds {
    /// Before any number.
    pub(crate) const NONE_SEEN: Self =
        Self { is_bigint: true, is_double: true, whole: 0, scale: 0 };

    /// One more taken into account; `None` if it is no number.
    pub(crate) fn with(self, text: &[u8]) -> Option<Self> {
        let number = Digits::of(number::trimmed(text)).filter(|number| !number.is_identifier())?;
        let (whole, scale) = number.extent();
        let is_short = number.is_short();
        Some(Self {
            is_bigint: self.is_bigint
                && number.is_plain
                && (is_short || number::integer(text).is_ok()),
            is_double: self.is_double
                && (is_short || number.is_kept_by_double(number::trimmed(text))),
            whole: self.whole.max(whole),
            scale: self.scale.max(scale),
        })
    }

    /// BIGINT, else DOUBLE, else a DECIMAL of as many digits as there can be, else VARCHAR.
    pub(crate) fn data_type(self) -> DataType {
        if self.is_bigint {
            DataType::BigInt
        } else if self.is_double {
            DataType::Double
        } else {
            let scale = u8::try_from(self.scale).ok();
            match scale.filter(|_| self.whole.saturating_add(self.scale) <= DECIMAL_DIGITS_MAX) {
                Some(scale) => DataType::Decimal { precision: 38, scale },
                None => DataType::Varchar,
            }
        }
    }
}

/// A number's digits as they are written, its sign left out.
struct Digits<'a> {
    whole: &'a [u8],
    fraction: &'a [u8],
    /// Clamped far beyond what any type can use.
    exponent: i64,
    has_plus: bool,
    has_exponent: bool,
    /// Neither point nor exponent.
    is_plain: bool,
}

impl<'a> Digits<'a> {
    /// `[±]digits[.digits][e[±]digits]`, at least one of them before the exponent, and no zero in front of
    /// another digit of the whole part.
    fn of(text: &'a [u8]) -> Option<Self> {
        let has_plus = text.starts_with(b"+");
        let text = text.strip_prefix(b"-").or(text.strip_prefix(b"+")).unwrap_or(text);
        let (whole, rest) = leading_digits(text);
        let (fraction, rest) = match rest {
            [b'.', rest @ ..] => leading_digits(rest),
            _ => (&[][..], rest),
        };
        let has_exponent = !rest.is_empty();
        let exponent = match rest {
            [] => 0,
            [b'e' | b'E', rest @ ..] => number::exponent(rest).ok()?,
            _ => return None,
        };
        let is_padded = whole.len() > 1 && whole[0] == b'0';
        let is_plain = whole.len() == text.len();
        let is_number = !whole.is_empty() || !fraction.is_empty();
        let digits = Self { whole, fraction, exponent, has_plus, has_exponent, is_plain };
        (is_number && !is_padded).then_some(digits)
    }

    /// Whether it is more likely to be one, as of a telephone, than a count: digits alone behind a plus.
    fn is_identifier(&self) -> bool {
        self.has_plus && self.is_plain
    }

    /// Whether it has so few digits, and no exponent, that a BIGINT holds its whole part, and a double the number.
    fn is_short(&self) -> bool {
        !self.has_exponent && self.whole.len() + self.fraction.len() <= DIGITS_KEPT
    }

    /// Digits before and behind the point, once the exponent has moved it.
    fn extent(&self) -> (i64, i64) {
        if self.exponent == 0 {
            let whole = if self.whole == b"0" { 0 } else { length(self.whole) };
            return (whole, length(self.fraction));
        }
        let (digits, point) = self.significant();
        if digits.is_empty() {
            return (0, 0);
        }
        (point.max(0), length(&digits).saturating_sub(point).max(0))
    }

    /// The digits from the first to the last that is not zero, and how many of them stand before the point:
    /// less than none where zeros stand between.
    fn significant(&self) -> (Vec<u8>, i64) {
        let mut digits = [self.whole, self.fraction].concat();
        let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
        digits.drain(..zeros);
        digits.truncate(digits.iter().rposition(|digit| *digit != b'0').map_or(0, |last| last + 1));
        let before = length(self.whole).saturating_sub(i64::try_from(zeros).unwrap_or(i64::MAX));
        (digits, before.saturating_add(self.exponent))
    }

    /// Whether the nearest double, in as many digits as are here, is the number again. Integers count one by
    /// one, so that a double has to hold their neighbours, too. With an exponent, any that is finite.
    fn is_kept_by_double(&self, text: &[u8]) -> bool {
        /// All integers up to here are doubles.
        const COUNTED_MAX: u64 = 1 << 53;
        const DIGITS_MAX: usize = 17;
        if self.is_plain {
            return number::integer(text).is_ok_and(|value| value.unsigned_abs() <= COUNTED_MAX);
        }
        if self.has_exponent {
            return number::float::<f64>(text).is_ok();
        }
        let (digits, point) = self.significant();
        let Some(behind) = digits.len().checked_sub(1) else { return true };
        if digits.len() <= DIGITS_KEPT && (-300..=300).contains(&point) {
            return true;
        }
        if digits.len() > DIGITS_MAX {
            return false;
        }
        let Ok(value) = number::float::<f64>(text) else { return false };
        let written = format!("{:.behind$e}", value.abs());
        let Some((mantissa, exponent)) = written.split_once('e') else { return false };
        let is_same = mantissa.bytes().filter(|byte| *byte != b'.').eq(digits.iter().copied());
        is_same && exponent.parse() == Ok(point - 1)
    }
}

fn leading_digits(text: &[u8]) -> (&[u8], &[u8]) {
    let len = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    text.split_at(len)
}

fn length(digits: &[u8]) -> i64 {
    i64::try_from(digits.len()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn type_of(texts: &[&str]) -> String {
        let usual = Times::default();
        let mut kinds = TextKinds::none_seen(&usual);
        texts.iter().for_each(|text| kinds.see(text.as_bytes()));
        kinds.data_type().to_string()
    }

    #[test]
    fn numbers_are_of_a_type_that_keeps_each() {
        for (texts, expected) in [
            (&["1", "-2", " 3 ", "0"][..], "BIGINT"),
            (&["9223372036854775807", "-9223372036854775808"], "BIGINT"),
            (&["9223372036854775808", "1"], "DECIMAL(38,0)"),
            (&["18446744073709551613", "18446744073709551614"], "DECIMAL(38,0)"),
            (&["-170141183460469231731687303715884105728"], "VARCHAR"),
            (&["1.5", "3", ".5", "5.", "1e3", "1E-7"], "DOUBLE"),
            (&["0.1", "0.30000000000000004", "5e-324", "1.7976931348623157e308"], "DOUBLE"),
            // C's "%.17g" of 0.1 is told from all other doubles.
            (&["0.10000000000000001"], "DOUBLE"),
            (&["0.12345678901234567891"], "DECIMAL(38,20)"),
            (&["0.12345678901234567891", "1e3", "-12.5"], "DECIMAL(38,20)"),
            // 2^53 + 1 lies between two doubles; of each pair, one is not kept.
            (&["0.5", "9007199254740992"], "DOUBLE"),
            (&["0.5", "9007199254740993"], "DECIMAL(38,1)"),
            (&["0.5", "9007199254740993.25"], "DECIMAL(38,2)"),
            // What has an exponent is a float, whatever its digits; numpy writes "%.18e".
            (&["1.2345678901234567890e2"], "DOUBLE"),
            (&["1.000000000000000056e-01", "-3.141592653589793116E+00", "7"], "DOUBLE"),
            (&["4.940656458412465442e-324", "1e-400"], "DOUBLE"),
            (&["123456789012345678901e0"], "DOUBLE"),
            (&["1.000000000000000056e-01", "9007199254740993"], "DECIMAL(38,19)"),
            (&["1e400"], "VARCHAR"),
            (&["-1.797693134862315708e+308", "1.8e308"], "VARCHAR"),
            (&["123456789012345678901", "1e-30"], "VARCHAR"),
            // A plus before a point or an exponent is a sign.
            (&["+9.5", "-3", "12"], "DOUBLE"),
            (&[" +0.5 ", "+.5", "+5.", "+1e3", "+1E+3"], "DOUBLE"),
            (&["+0.12345678901234567891", "-1.5"], "DECIMAL(38,20)"),
            (&["1.00000000000000000000", "0.000", "0e999999999999999999999"], "DOUBLE"),
            (&["100000000000000000000", "1.5"], "DECIMAL(38,1)"),
            (&["1e20", "1.5"], "DOUBLE"),
            (&["0.12345678901234567890123456789012345678"], "DECIMAL(38,38)"),
            (&["-0", "-0.0"], "DOUBLE"),
        ] {
            assert_eq!(type_of(texts), expected, "{texts:?}");
        }
    }

    #[test]
    fn a_double_takes_what_it_gives_back_and_nothing_longer() {
        for text in [
            "1.5",
            "-0.30000000000000004",
            "9007199254740992",
            "1.7976931348623157e308",
            "nan",
            "123456789.12345678",
            "0.000000000000000000000000012",
            "1.50000000000000000000000000",
            "1.234567890123456789e5",
            "+0.30000000000000004",
        ] {
            assert!(may_be_double(text.as_bytes()), "{text}");
        }
        for text in [
            "9007199254740993",
            "-18446744073709551615",
            "0.12345678901234567891",
            "123456789.1234567891",
            "+9007199254740993",
            "9007199254740993.125",
        ] {
            assert!(!may_be_double(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn identifiers_and_other_notations_are_text() {
        for texts in [
            &["007"][..],
            &["1", "2", "02134"],
            &["-007"],
            &["00"],
            &["00.5"],
            &["+5"],
            &["+9.5", "+5"],
            &["+5", "-3", "1.5"],
            &["+00.5"],
            &["+-5.5"],
            &["+."],
            &["+4930123456", "4930123457"],
            &["1_000"],
            &["1,000"],
            &["0x1f"],
            &["1e"],
            &["."],
            &["-"],
            &["1 2"],
            &["NaN"],
            &["1", "inf"],
            &["t", "f"],
            &["yes"],
            &["true", "1"],
            &["2024-02-30"],
            &["2024-01-01 10:00:60"],
        ] {
            assert_eq!(type_of(texts), "VARCHAR", "{texts:?}");
        }
        assert_eq!(type_of(&["TRUE", "false"]), "BOOLEAN");
        assert_eq!(type_of(&["2024-01-01 00:00:00.123456000", "2024-01-01"]), "TIMESTAMP");
        // Digits that are cut do not make it text.
        assert_eq!(type_of(&["2024-01-01 00:00:00.1234567"]), "TIMESTAMP");
        assert_eq!(
            type_of(&["2024-01-01T00:00:00.123456789Z", "2024-01-02 03:04:05"]),
            "TIMESTAMP"
        );
        assert_eq!(type_of(&["2024-01-01T00:00:00.123456789Z", "x"]), "VARCHAR");
        assert_eq!(type_of(&["+12345-01-01 00:00:00", "-0043-03-15 10:00:00"]), "TIMESTAMP");
    }
}
