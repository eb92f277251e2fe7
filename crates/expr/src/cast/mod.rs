//! `CAST` and `TRY_CAST` between all types that convert.
//!
//! Arrow's cast kernels are not used: they truncate where SQL rounds, take text that SQL refuses,
//! and mean something else by a failing value. Start with [`kernel`]; the files beside it are by
//! what they convert to.

mod binary;
mod digits;
pub(crate) mod field;
mod number;
mod number_text;
mod span_text;
pub(crate) mod text;
pub(crate) mod time_text;

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type, TimestampMicrosecondType,
};
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, PrimitiveArray};
use tidemill_record::DataType;

use crate::node::Kernel;
use crate::value::Failure;
use number::Number;
use tidemill_record::civil::MICROS_PER_DAY;

/// A conversion of a whole array; `None` in place of an array if a value does not convert.
type Convert = Box<dyn Fn(&ArrayRef) -> Option<ArrayRef> + Send + Sync>;

/// How one type converts to another.
struct Conversion {
    convert: Convert,
    /// Whether some values do not convert.
    is_partial: bool,
}

impl Conversion {
    fn total(convert: impl Fn(&ArrayRef) -> ArrayRef + Send + Sync + 'static) -> Self {
        Self { convert: Box::new(move |array| Some(convert(array))), is_partial: false }
    }

    fn partial(convert: impl Fn(&ArrayRef) -> Option<ArrayRef> + Send + Sync + 'static) -> Self {
        Self { convert: Box::new(convert), is_partial: true }
    }

    /// Value by value; what `f` gives no value for becomes NULL under `TRY_CAST`.
    fn each<I: ArrowPrimitiveType, O: ArrowPrimitiveType>(
        to: &DataType,
        is_try: bool,
        f: impl Fn(I::Native) -> Option<O::Native> + Send + Sync + 'static,
    ) -> Self {
        let to = to.arrow();
        Self::partial(move |array| {
            let array: &PrimitiveArray<I> = array.as_primitive();
            let converted: PrimitiveArray<O> = if is_try {
                array.unary_opt(&f)
            } else {
                array.try_unary(|value| f(value).ok_or(())).ok()?
            };
            Some(Arc::new(converted.with_data_type(to.clone())))
        })
    }
}

/// The kernel of a cast; `None` if the types do not convert.
pub(crate) fn kernel(from: &DataType, to: &DataType, is_try: bool) -> Option<Kernel> {
    let conversion = conversion(from, to, is_try)?;
    let (is_partial, convert) = (conversion.is_partial && !is_try, conversion.convert);
    let (from, to) = (from.clone(), to.clone());
    let kernel = Kernel::partial(move |values, _| {
        let array = values[0].array();
        convert(array).ok_or_else(|| explain(array, &from, &to))
    });
    Some(kernel.with_fallible(is_partial))
}

/// Says what does not convert. A failing row is evaluated alone in the end, so the message that is
/// kept is that of one value.
fn explain(array: &ArrayRef, from: &DataType, to: &DataType) -> Failure {
    const SHOWN_CHARS_MAX: usize = 60;
    let value = (array.len() == 1).then(|| text::to_text(array, from)).flatten();
    let Some(value) = value.filter(|value| value.is_valid(0)) else {
        return Failure::row(format!("cannot cast {from} to {to}"));
    };
    let whole = value.as_string_view().value(0);
    let mut shown: String = whole.chars().take(SHOWN_CHARS_MAX).collect();
    if shown.len() < whole.len() {
        shown.push('…');
    }
    let quote = if *from == DataType::Varchar { "'" } else { "" };
    Failure::row(format!("cannot cast {quote}{shown}{quote} to {to}"))
}

fn conversion(from: &DataType, to: &DataType, is_try: bool) -> Option<Conversion> {
    if from == to {
        return Some(Conversion::total(Clone::clone));
    }
    match (from, to) {
        (_, DataType::Varchar) => {
            let from = from.clone();
            text::is_supported(&from)
                .then(|| Conversion::partial(move |array| text::to_text(array, &from)))
                .map(|conversion| Conversion { is_partial: false, ..conversion })
        }
        (DataType::Boolean, _) => number::from_boolean(to, is_try),
        (DataType::TinyInt, _) => {
            number::from_number::<Int8Type>(to, is_try, |v| Number::Integer(v.into()))
        }
        (DataType::SmallInt, _) => {
            number::from_number::<Int16Type>(to, is_try, |v| Number::Integer(v.into()))
        }
        (DataType::Integer, _) => {
            number::from_number::<Int32Type>(to, is_try, |v| Number::Integer(v.into()))
        }
        (DataType::BigInt, _) => number::from_number::<Int64Type>(to, is_try, Number::Integer),
        (DataType::Real, _) => {
            number::from_number::<Float32Type>(to, is_try, |v| Number::Float(v.into()))
        }
        (DataType::Double, _) => number::from_number::<Float64Type>(to, is_try, Number::Float),
        (DataType::Decimal { scale, .. }, _) => {
            let scale = *scale;
            let number = move |value| Number::Decimal { value, scale };
            number::from_number::<Decimal128Type>(to, is_try, number)
        }
        (DataType::Varchar, DataType::Varbinary) => Some(binary::from_text(is_try)),
        (DataType::Varchar, DataType::Date | DataType::Timestamp) => {
            Some(time_text::from_text(to, is_try))
        }
        (DataType::Varchar, DataType::Interval) => Some(span_text::from_text(is_try)),
        (DataType::Varchar, _) => number_text::from_text(to, is_try),
        (DataType::Date, DataType::Timestamp) => {
            let f = |days| i64::from(days).checked_mul(MICROS_PER_DAY);
            Some(Conversion::each::<Date32Type, TimestampMicrosecondType>(to, is_try, f))
        }
        (DataType::Timestamp, DataType::Date) => {
            // A timestamp spans ±107 million days, so this never fails.
            let f = |micros: i64| i32::try_from(micros.div_euclid(MICROS_PER_DAY)).ok();
            let each = Conversion::each::<TimestampMicrosecondType, Date32Type>(to, is_try, f);
            Some(Conversion { is_partial: false, ..each })
        }
        _ => None,
    }
}
