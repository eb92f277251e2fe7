//! Text within a record to the type of its column, as a decoder reads a field: what a cast would round, cut or pass over
//! does not convert.

use arrow_array::types::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
};
use tidemill_record::DataType;

use super::number_text::{each, parse_decimal, parse_double, parse_integer, parse_real};
use super::{Conversion, conversion, explain, time_text};
use crate::node::Kernel;
use crate::value::Failure;

/// The kernel that reads text; `None` if the type is not read from text. With `is_inferred` nobody declared the type: an
/// integer then has no zero or plus in front, and a `DOUBLE` no more digits than it gives back.
pub(crate) fn kernel(to: &DataType, is_inferred: bool) -> Option<Kernel> {
    const REMEDY: &str = "; the type was inferred from the first records: declare the columns in CREATE SOURCE, this one \
                          by its PATH, as VARCHAR for any text";
    let Conversion { convert, is_partial } = reading(to, is_inferred)?;
    let to = to.clone();
    let kernel = Kernel::partial(move |values, _| {
        let array = values[0].array();
        convert(array).ok_or_else(|| match explain(array, &DataType::Varchar, &to) {
            Failure::Row(reason) if is_inferred => Failure::Row(reason + REMEDY),
            failure => failure,
        })
    });
    Some(kernel.with_fallible(is_partial))
}

fn reading(to: &DataType, is_inferred: bool) -> Option<Conversion> {
    Some(match to {
        DataType::TinyInt => each::<Int8Type>(to, false, |t| integer(t)?.try_into().ok()),
        DataType::SmallInt => each::<Int16Type>(to, false, |t| integer(t)?.try_into().ok()),
        DataType::Integer => each::<Int32Type>(to, false, |t| integer(t)?.try_into().ok()),
        DataType::BigInt if is_inferred => {
            each::<Int64Type>(to, false, |t| integer(t).filter(|_| !is_identifier(t)))
        }
        DataType::BigInt => each::<Int64Type>(to, false, integer),
        DataType::Real => each::<Float32Type>(to, false, |t| {
            parse_real(t).filter(|value| !value.is_infinite() || names_infinity(t))
        }),
        DataType::Double => each::<Float64Type>(to, false, move |t| {
            let value = parse_double(t)?;
            let is_in_range = !value.is_infinite() || names_infinity(t);
            (is_in_range && !(is_inferred && loses_digits(t, value))).then_some(value)
        }),
        DataType::Decimal { precision, scale } => {
            let (precision, scale) = (*precision, *scale);
            each::<Decimal128Type>(to, false, move |t| {
                parse_decimal(t, precision, scale).filter(|_| has_room(t.trim(), scale))
            })
        }
        DataType::Date => each::<Date32Type>(to, false, time_text::parse_date_alone),
        _ => return conversion(&DataType::Varchar, to, false),
    })
}

fn integer(text: &str) -> Option<i64> {
    // Most have digits alone.
    text.parse().ok().or_else(|| parse_integer(text).filter(|_| has_room(text.trim(), 0)))
}

/// Whether an integer begins with a plus, or with a zero before another digit.
fn is_identifier(text: &str) -> bool {
    let text = text.trim().as_bytes();
    matches!(text.strip_prefix(b"-").unwrap_or(text), [b'+', ..] | [b'0', b'0'..=b'9', ..])
}

fn names_infinity(text: &str) -> bool {
    text.contains(['i', 'I'])
}

/// Whether a number has no digit but zeros behind so many places; it is one that has been parsed.
fn has_room(text: &str, scale: u8) -> bool {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        None => (text, 0),
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().unwrap_or(i64::MIN)),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = || whole.bytes().chain(fraction.bytes()).rev();
    let zeros = digits().take_while(|byte| *byte == b'0').count();
    if !digits().any(|byte| matches!(byte, b'1'..=b'9')) {
        return true;
    }
    let length = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    let places = length(fraction.len()) - length(zeros);
    places.saturating_sub(exponent) <= i64::from(scale)
}

/// Whether a number without an exponent has digits that the double of its value does not give back: of more than 17 digits, or
/// a whole one beyond 2⁵³. (16 and 17 digits with a point are those of the nearest double.)
fn loses_digits(text: &str, value: f64) -> bool {
    const SHORT_LEN: usize = 16;
    const DIGITS_MAX: usize = 17;
    if text.len() < SHORT_LEN || text.contains(['e', 'E', 'n', 'N']) {
        return false;
    }
    let text = text.trim().trim_start_matches(['-', '+']).trim_start_matches('0');
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let fraction = fraction.trim_end_matches('0');
    if text.contains('.') && whole.len() + fraction.len() <= DIGITS_MAX {
        return false;
    }
    // With so many places, the number that the double is.
    let given = format!("{:.*}", fraction.len(), value.abs());
    let (given_whole, given_fraction) = given.split_once('.').unwrap_or((&given, ""));
    given_whole.trim_start_matches('0') != whole || given_fraction != fraction
}
