//! States of groups as columns of an image.
//!
//! A state becomes a column for each of its fields, one value a group; what a group has any number of becomes
//! how many ([`put_counts`]), and all of them one behind the other in order of the groups. What comes back is not
//! trusted: sums and counts that no input can have would overflow once more is added.

use arrow_buffer::IntervalMonthDayNano;
use tidemill_record::DataType;
use tidemill_record::image::{Flat, Image, ImageError, Texts};

/// A state that images hold.
pub(crate) trait AsColumns: Sized + Send + Sync + 'static {
    /// Puts states, in their order. O(states), and what they hold.
    fn put<'a>(states: impl ExactSizeIterator<Item = &'a Self> + Clone, image: &mut Image);

    /// Takes so many states that were put. `data_type` is that of the results.
    ///
    /// # Errors
    /// [`ImageError`] where there are more or fewer, or some that cannot be.
    fn take(image: &mut Image, count: usize, data_type: &DataType)
    -> Result<Vec<Self>, ImageError>;
}

/// Of states that are one value.
const VALUE: &str = "value";

/// Where a flag a state says whether there is a value.
const VALID: &str = "valid";

/// How many values each group has.
const COUNTS: &str = "counts";

/// A field of a state.
pub(crate) trait Field: Flat {
    /// Whether input can lead to it.
    fn is_possible(self) -> bool;
}

/// Rows that no input has: what is counted or summed up beyond is not taken back.
const ROWS_MAX: u64 = 1 << 56;

impl Field for u64 {
    fn is_possible(self) -> bool {
        self <= ROWS_MAX
    }
}

impl Field for i64 {
    fn is_possible(self) -> bool {
        self.unsigned_abs() <= ROWS_MAX
    }
}

impl Field for i128 {
    fn is_possible(self) -> bool {
        self.unsigned_abs() <= u128::from(ROWS_MAX) << 64
    }
}

impl Field for f64 {
    fn is_possible(self) -> bool {
        true
    }
}

/// Takes a field of so many states.
///
/// # Errors
/// [`ImageError`], also for what input cannot lead to.
pub(crate) fn take_field<T: Field>(
    image: &mut Image,
    name: &str,
    count: usize,
) -> Result<Vec<T>, ImageError> {
    let values: Vec<T> = image.take_exactly(name, count)?;
    match values.iter().all(|value| value.is_possible()) {
        true => Ok(values),
        false => Err(ImageError::new(name, "holds a value that no input leads to")),
    }
}

/// Keeps a state as a column for each of its fields.
macro_rules! columns_of_fields {
    ($state:ty { $($field:ident),+ }) => {
        impl $crate::state::AsColumns for $state {
            fn put<'a>(
                states: impl ExactSizeIterator<Item = &'a Self> + Clone,
                image: &mut tidemill_record::image::Image,
            ) {
                $(image.put(stringify!($field), states.clone().map(|state| state.$field));)+
            }

            fn take(
                image: &mut tidemill_record::image::Image,
                count: usize,
                _: &tidemill_record::DataType,
            ) -> Result<Vec<Self>, tidemill_record::image::ImageError> {
                $(let $field = $crate::state::take_field(image, stringify!($field), count)?;)+
                Ok((0..count).map(|at| Self { $($field: $field[at]),+ }).collect())
            }
        }
    };
}
pub(crate) use columns_of_fields;

/// Keeps a state that is a number.
macro_rules! column_of_numbers {
    ($($number:ty),*) => {$(
        impl AsColumns for $number {
            fn put<'a>(states: impl ExactSizeIterator<Item = &'a Self> + Clone, image: &mut Image) {
                image.put(VALUE, states.copied());
            }

            fn take(image: &mut Image, count: usize, _: &DataType) -> Result<Vec<Self>, ImageError> {
                image.take_exactly(VALUE, count)
            }
        }
    )*};
}

column_of_numbers!(i8, i16, i32, i64, f32, f64, IntervalMonthDayNano);

/// A sum of integers, or a decimal.
impl AsColumns for i128 {
    fn put<'a>(states: impl ExactSizeIterator<Item = &'a Self> + Clone, image: &mut Image) {
        image.put(VALUE, states.copied());
    }

    fn take(
        image: &mut Image,
        count: usize,
        data_type: &DataType,
    ) -> Result<Vec<Self>, ImageError> {
        let DataType::Decimal { precision, .. } = data_type else {
            return take_field(image, VALUE, count);
        };
        let values: Vec<Self> = image.take_exactly(VALUE, count)?;
        let end = 10_u128.checked_pow(u32::from(*precision)).unwrap_or(u128::MAX);
        match values.iter().all(|value| value.unsigned_abs() < end) {
            true => Ok(values),
            false => Err(ImageError::new(VALUE, format!("holds a value that is no {data_type}"))),
        }
    }
}

impl AsColumns for bool {
    fn put<'a>(states: impl ExactSizeIterator<Item = &'a Self> + Clone, image: &mut Image) {
        image.put_flags(VALUE, states.copied());
    }

    fn take(image: &mut Image, count: usize, _: &DataType) -> Result<Vec<Self>, ImageError> {
        image.take_flags(VALUE, count)
    }
}

/// Text or bytes.
impl AsColumns for Vec<u8> {
    fn put<'a>(states: impl ExactSizeIterator<Item = &'a Self> + Clone, image: &mut Image) {
        image.put_texts(VALUE, states.map(Vec::as_slice));
    }

    fn take(
        image: &mut Image,
        count: usize,
        data_type: &DataType,
    ) -> Result<Vec<Self>, ImageError> {
        let texts = take_texts(image, VALUE, count, data_type)?;
        Ok(texts.iter().map(<[u8]>::to_vec).collect())
    }
}

impl AsColumns for Box<[u8]> {
    fn put<'a>(states: impl ExactSizeIterator<Item = &'a Self> + Clone, image: &mut Image) {
        image.put_texts(VALUE, states.map(|state| &**state));
    }

    fn take(
        image: &mut Image,
        count: usize,
        data_type: &DataType,
    ) -> Result<Vec<Self>, ImageError> {
        let texts = take_texts(image, VALUE, count, data_type)?;
        Ok(texts.iter().map(Self::from).collect())
    }
}

/// Takes so many texts, which are UTF-8 where `data_type` is `VARCHAR`, and not longer than a value can be.
///
/// # Errors
/// [`ImageError`].
pub(crate) fn take_texts(
    image: &mut Image,
    name: &str,
    count: usize,
    data_type: &DataType,
) -> Result<Texts, ImageError> {
    let texts = image.take_texts(name)?;
    if texts.len() != count {
        let reason = format!("has {} values and not {count}", texts.len());
        return Err(ImageError::new(name, reason));
    }
    if texts.iter().any(|text| i32::try_from(text.len()).is_err()) {
        return Err(ImageError::new(name, "holds a value of 2 GiB or more"));
    }
    // Each by itself: what is UTF-8 together may be cut within a character.
    let is_text = *data_type == DataType::Varchar;
    if is_text
        && !texts.bytes().is_ascii()
        && texts.iter().any(|text| str::from_utf8(text).is_err())
    {
        return Err(ImageError::new(name, "is not UTF-8"));
    }
    Ok(texts)
}

impl<T: AsColumns + Default> AsColumns for Option<T> {
    fn put<'a>(states: impl ExactSizeIterator<Item = &'a Self> + Clone, image: &mut Image) {
        image.put_flags(VALID, states.clone().map(Option::is_some));
        let absent = T::default();
        T::put(states.map(|state| state.as_ref().unwrap_or(&absent)), image);
    }

    fn take(
        image: &mut Image,
        count: usize,
        data_type: &DataType,
    ) -> Result<Vec<Self>, ImageError> {
        let valid = image.take_flags(VALID, count)?;
        let values = T::take(image, count, data_type)?;
        Ok(values.into_iter().zip(valid).map(|(value, is_some)| is_some.then_some(value)).collect())
    }
}

/// Puts how many values each group has.
pub(crate) fn put_counts(image: &mut Image, counts: impl IntoIterator<Item = usize>) {
    image.put(COUNTS, counts.into_iter().map(|count| count as u64));
}

/// Takes how many values each of so many groups has, `value_count` together.
///
/// # Errors
/// [`ImageError`] where they do not come to that.
pub(crate) fn take_counts(
    image: &mut Image,
    group_count: usize,
) -> Result<(Vec<usize>, usize), ImageError> {
    let wrong = || ImageError::new(COUNTS, "comes to more values than there can be");
    let counts: Vec<u64> = image.take_exactly(COUNTS, group_count)?;
    let counts = counts.into_iter().map(usize::try_from).collect::<Result<Vec<usize>, _>>();
    let counts = counts.map_err(|_| wrong())?;
    let value_count = counts.iter().try_fold(0_usize, |sum, &count| sum.checked_add(count));
    let value_count = value_count.ok_or_else(wrong)?;
    Ok((counts, value_count))
}
