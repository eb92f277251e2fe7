//! `PERCENTILE_CONT`, `PERCENTILE_DISC` and their kin: every value of a group is kept.

use std::cmp::Ordering;
use std::marker::PhantomData;

use arrow_array::builder::BooleanBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{ArrayRef, ArrowPrimitiveType, BinaryViewArray, BooleanArray};
use tidemill_record::DataType;
use tidemill_record::image::{Image, ImageError};

use super::for_primitive;
use super::kept::{Kept, Place, Value};
use super::min_max::bytes_of;
use super::rank::Ranked;
use super::sum::values;
use crate::argument::Column;
use crate::state::{Accumulator, AsColumns, BytesOutput, Cells, Numbers, Output, State, allocated};

/// The state of `PERCENTILE_CONT` for a fraction in `0.0..=1.0`; `None` unless the argument is `DOUBLE`.
pub(crate) fn between(
    fraction: f64,
    argument: &DataType,
    result: &DataType,
) -> Option<Box<dyn State>> {
    (*argument == DataType::Double).then(|| Cells::boxed(Percentile { fraction }, result))
}

/// The state of `PERCENTILE_DISC`; `None` if the argument has no order.
pub(crate) fn one_of(
    fraction: f64,
    is_descending: bool,
    argument: &DataType,
    result: &DataType,
) -> Option<Box<dyn State>> {
    let place = OneOf { fraction: Fraction::of(fraction), is_descending };
    Some(match argument {
        DataType::Boolean => Cells::boxed(Quantile::<Truth>(place, PhantomData), result),
        DataType::Varchar | DataType::Varbinary => {
            Cells::boxed(Quantile::<Bytes>(place, PhantomData), result)
        }
        _ => for_primitive!(
            argument,
            T => Cells::boxed(Quantile::<Fixed<T>>(place, PhantomData), result),
            _ => return None
        ),
    })
}

/// A value in the order of SQL, and of equal ones in that of their bits, so that no two differ in nothing.
#[derive(Clone, Copy)]
struct InOrder<T>(T);

impl<T: Ranked> Ord for InOrder<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        #[cfg(test)]
        tests::COMPARED.with(|count| count.set(count.get() + 1));
        self.0.rank(&other.0).then_with(|| self.0.bits_rank(&other.0))
    }
}

impl<T: Ranked> PartialOrd for InOrder<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T: Ranked> PartialEq for InOrder<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<T: Ranked> Eq for InOrder<T> {}

impl<T: Ranked> Value for InOrder<T> {}

impl<T: Ranked> AsColumns for InOrder<T> {
    fn put<'a>(states: impl ExactSizeIterator<Item = &'a Self> + Clone, image: &mut Image) {
        T::put(states.map(|state| &state.0), image);
    }

    fn take(
        image: &mut Image,
        count: usize,
        data_type: &DataType,
    ) -> Result<Vec<Self>, ImageError> {
        Ok(T::take(image, count, data_type)?.into_iter().map(Self).collect())
    }
}

impl Value for Box<[u8]> {
    fn outside_bytes(&self) -> usize {
        allocated(self.len())
    }
}

struct Percentile {
    fraction: f64,
}

impl Percentile {
    /// How far from the first to the last of so many values (at least one) the place is, as the value
    /// below it and the distance from that to the next.
    #[expect(clippy::cast_precision_loss, reason = "counts beyond 2^53 cannot be reached")]
    #[expect(clippy::cast_possible_truncation, reason = "floor of a value in 0.0..count")]
    #[expect(clippy::cast_sign_loss, reason = "the fraction is not negative")]
    fn place(&self, count: usize) -> (usize, f64) {
        let last = count - 1;
        let place = last as f64 * self.fraction;
        ((place.floor() as usize).min(last), place - place.floor())
    }

    /// The value at the fraction of the way from the least to the greatest, between the two
    /// nearest ones by their distance.
    fn of(&self, kept: &Kept<InOrder<f64>>) -> Option<f64> {
        let (low, high) = kept.at(self)?;
        let (_, weight) = self.place(kept.len());
        let Some(high) = high.filter(|_| weight != 0.0) else { return Some(low.0) };
        // This form cannot overflow between two finite values. It is rounded once, as DuckDB's is.
        Some(low.0.mul_add(1.0 - weight, high.0 * weight))
    }
}

impl Place for Percentile {
    fn low_count(&self, count: usize) -> usize {
        if count == 0 { 0 } else { self.place(count).0 + 1 }
    }
}

impl Accumulator for Percentile {
    const TRACKS_SEEN: bool = false;
    const PREPARES_RUNNING: bool = true;
    type State = Kept<InOrder<f64>>;
    type Column<'a> = &'a [f64];
    type Output = Numbers<Float64Type>;

    fn open<'a>(&self, arguments: &[&'a ArrayRef]) -> &'a [f64] {
        values::<Float64Type>(arguments)
    }

    #[inline]
    fn add(&self, state: &mut Self::State, _: bool, column: &&[f64], row: usize) -> usize {
        state.push(self, InOrder(column[row]))
    }

    fn merge(&self, state: &mut Self::State, _: bool, later: Self::State) -> usize {
        state.append(self, later)
    }

    fn prepare_running(&self, state: &mut Self::State) {
        state.prepare_running(self);
    }

    fn output(&self, row_count: usize, data_type: &DataType) -> Numbers<Float64Type> {
        Numbers::new(row_count, data_type)
    }

    fn append(&self, output: &mut Numbers<Float64Type>, state: &Self::State, _: bool) -> bool {
        output.append(self.of(state));
        true
    }

    fn outside_bytes(state: &Self::State) -> usize {
        state.outside_bytes()
    }
}

/// A number from 0 to 1 as the decimal that it was written as: `0.95` of 20 values are 19, which binary
/// fractions miss.
#[derive(Clone, Copy)]
struct Fraction {
    numerator: u128,
    denominator: u128,
}

impl Fraction {
    fn of(value: f64) -> Self {
        // Counts have at most 64 bits, and products must fit.
        const DIGITS_MAX: usize = 18;
        let text = value.to_string();
        let (whole, digits) = text.split_once('.').unwrap_or((&text, ""));
        let digits = &digits[..digits.len().min(DIGITS_MAX)];
        let numerator = format!("{whole}{digits}").parse();
        let digit_count = u32::try_from(digits.len()).expect("at most 18");
        Self {
            numerator: numerator.expect("a fraction from 0 to 1 is made of digits"),
            denominator: 10_u128.pow(digit_count),
        }
    }

    /// So much of a number, rounded up.
    fn of_count(self, count: usize) -> usize {
        let part = (count as u128 * self.numerator).div_ceil(self.denominator);
        usize::try_from(part).expect("part of a count")
    }
}

/// The place of a value that is there.
#[derive(Clone, Copy)]
struct OneOf {
    fraction: Fraction,
    /// Counted from the greatest.
    is_descending: bool,
}

impl Place for OneOf {
    fn low_count(&self, count: usize) -> usize {
        if count == 0 {
            return 0;
        }
        let from_start = self.fraction.of_count(count).max(1);
        if self.is_descending { count - from_start + 1 } else { from_start }
    }
}

/// A type of values.
trait Type: 'static {
    type Value: Value;
    type Column<'a>: Column;
    type Output: Output;

    fn open<'a>(arguments: &[&'a ArrayRef]) -> Self::Column<'a>;

    fn get(column: &Self::Column<'_>, row: usize) -> Self::Value;

    fn output(row_count: usize, data_type: &DataType) -> Self::Output;

    fn append(output: &mut Self::Output, value: Option<&Self::Value>);
}

struct Fixed<T>(PhantomData<fn() -> T>);

impl<T: ArrowPrimitiveType> Type for Fixed<T>
where
    T::Native: Ranked,
{
    type Value = InOrder<T::Native>;
    type Column<'a> = &'a [T::Native];
    type Output = Numbers<T>;

    fn open<'a>(arguments: &[&'a ArrayRef]) -> &'a [T::Native] {
        values::<T>(arguments)
    }

    #[inline]
    fn get(column: &&[T::Native], row: usize) -> InOrder<T::Native> {
        InOrder(column[row])
    }

    fn output(row_count: usize, data_type: &DataType) -> Numbers<T> {
        Numbers::new(row_count, data_type)
    }

    fn append(output: &mut Numbers<T>, value: Option<&InOrder<T::Native>>) {
        output.append(value.map(|value| value.0));
    }
}

struct Truth;

impl Type for Truth {
    type Value = InOrder<bool>;
    type Column<'a> = &'a BooleanArray;
    type Output = BooleanBuilder;

    fn open<'a>(arguments: &[&'a ArrayRef]) -> &'a BooleanArray {
        arguments[0].as_boolean()
    }

    fn get(column: &&BooleanArray, row: usize) -> InOrder<bool> {
        InOrder(column.value(row))
    }

    fn output(row_count: usize, _: &DataType) -> BooleanBuilder {
        BooleanBuilder::with_capacity(row_count)
    }

    fn append(output: &mut BooleanBuilder, value: Option<&InOrder<bool>>) {
        output.append_option(value.map(|value| value.0));
    }
}

struct Bytes;

impl Type for Bytes {
    type Value = Box<[u8]>;
    type Column<'a> = BinaryViewArray;
    type Output = BytesOutput;

    fn open(arguments: &[&ArrayRef]) -> BinaryViewArray {
        bytes_of(arguments)
    }

    fn get(column: &BinaryViewArray, row: usize) -> Box<[u8]> {
        column.value(row).into()
    }

    fn output(row_count: usize, data_type: &DataType) -> BytesOutput {
        BytesOutput::new(row_count, data_type)
    }

    fn append(output: &mut BytesOutput, value: Option<&Box<[u8]>>) {
        output.builder.append_option(value);
    }
}

/// One of the values of a type.
struct Quantile<T>(OneOf, PhantomData<fn() -> T>);

impl<T: Type> Accumulator for Quantile<T> {
    const TRACKS_SEEN: bool = false;
    const PREPARES_RUNNING: bool = true;
    type State = Kept<T::Value>;
    type Column<'a> = T::Column<'a>;
    type Output = T::Output;

    fn open<'a>(&self, arguments: &[&'a ArrayRef]) -> T::Column<'a> {
        T::open(arguments)
    }

    #[inline]
    fn add(&self, state: &mut Self::State, _: bool, column: &T::Column<'_>, row: usize) -> usize {
        state.push(&self.0, T::get(column, row))
    }

    fn merge(&self, state: &mut Self::State, _: bool, later: Self::State) -> usize {
        state.append(&self.0, later)
    }

    fn prepare_running(&self, state: &mut Self::State) {
        state.prepare_running(&self.0);
    }

    fn output(&self, row_count: usize, data_type: &DataType) -> T::Output {
        T::output(row_count, data_type)
    }

    fn append(&self, output: &mut T::Output, state: &Self::State, _: bool) -> bool {
        T::append(output, state.at(&self.0).map(|(value, _)| value).as_ref());
        true
    }

    fn outside_bytes(state: &Self::State) -> usize {
        state.outside_bytes()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    thread_local! {
        /// Comparisons on this thread.
        pub(super) static COMPARED: Cell<u64> = const { Cell::new(0) };
    }

    /// The values that a group is given, in no order.
    fn given(count: u64) -> Vec<f64> {
        let mixed = |at: u64| at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 44;
        (0..count).map(|at| mixed(at) as f64 / 8.0 - 60_000.0).collect()
    }

    /// All values in order, and between the two nearest.
    #[expect(clippy::cast_possible_truncation, reason = "a place among a few values")]
    fn model(values: &[f64], fraction: f64) -> f64 {
        let mut values = values.to_vec();
        values.sort_by(f64::total_cmp);
        let place = (values.len() - 1) as f64 * fraction;
        let (low, high) = (values[place.floor() as usize], values[place.ceil() as usize]);
        low.mul_add(1.0 - place.fract(), high * place.fract())
    }

    #[test]
    fn asked_after_every_value_it_is_what_all_in_order_say() {
        for fraction in [0.0, 0.1, 0.5, 0.9, 1.0] {
            let percentile = Percentile { fraction };
            let values = given(300);
            let mut kept = Kept::default();
            for count in 1..=values.len() {
                percentile.add(&mut kept, false, &&values[..], count - 1);
                // The first are in order of arrival, and asked all the same.
                if count > 20 {
                    percentile.prepare_running(&mut kept);
                }
                let expected = Some(model(&values[..count], fraction));
                assert_eq!(percentile.of(&kept), expected, "{fraction} of {count}");
            }
            let mut other = Kept::default();
            (0..80).for_each(|row| _ = percentile.add(&mut other, false, &&values[..], row));
            let all = [&values[..], &values[..80]].concat();
            percentile.merge(&mut other, false, kept);
            assert_eq!(percentile.of(&other), Some(model(&all, fraction)), "{fraction}, merged");
        }
    }

    #[test]
    fn values_that_are_equal_and_not_numbers_have_an_order() {
        let percentile = Percentile { fraction: 0.5 };
        for values in [[0.0, -0.0, 0.0], [f64::NAN, 1.0, -f64::NAN], [-0.0, -0.0, 0.0]] {
            let mut kept = Kept::default();
            (0..3).for_each(|row| _ = percentile.add(&mut kept, false, &&values[..], row));
            let mut halves = kept.clone();
            percentile.prepare_running(&mut halves);
            let bits = |kept: &_| percentile.of(kept).map(f64::to_bits);
            assert_eq!(bits(&kept), bits(&halves), "{values:?}");
        }
    }

    #[test]
    fn a_value_costs_its_way_through_a_heap() {
        let compared = |count: u64| {
            let (percentile, values) = (Percentile { fraction: 0.5 }, given(count));
            let mut kept = Kept::default();
            percentile.prepare_running(&mut kept);
            let before = COMPARED.get();
            for row in 0..values.len() {
                percentile.add(&mut kept, false, &&values[..], row);
                percentile.of(&kept);
            }
            COMPARED.get() - before
        };
        let (few, many) = (compared(10_000), compared(100_000));
        assert!(few > 10_000 && many <= 14 * few, "{few}, then {many}: n log n, and not n n");
    }

    /// The expected ones are DuckDB's `quantile_disc` of the values 1 to 20 and 1 to 7.
    #[test]
    fn a_value_that_is_there_is_that_of_the_fraction_as_it_is_written() {
        for (fraction, of_20, of_7) in
            [(0.0, 1, 1), (0.95, 19, 7), (0.35, 7, 3), (0.3, 6, 3), (1.0, 20, 7)]
        {
            let place = OneOf { fraction: Fraction::of(fraction), is_descending: false };
            assert_eq!((place.low_count(20), place.low_count(7)), (of_20, of_7), "{fraction}");
            let place = OneOf { is_descending: true, ..place };
            assert_eq!((place.low_count(20), place.low_count(7)), (21 - of_20, 8 - of_7));
        }
    }
}
