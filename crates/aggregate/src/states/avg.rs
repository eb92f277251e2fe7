//! `AVG`: always a `DOUBLE`; integers and decimals are summed exactly and divided once.

use std::marker::PhantomData;

use arrow_array::ArrayRef;
use arrow_array::types::{
    ArrowPrimitiveType, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type,
};
use tidemill_record::DataType;
use tidemill_record::image::{Image, ImageError};

use super::exact::ExactSum;
use super::sum::values;
use crate::state::{Accumulator, AsColumns, Build, Numbers, columns_of_fields, take_field};

/// The state for an argument type; `None` if it has no average.
pub(crate) fn state<B: Build>(
    build: &B,
    argument: &DataType,
    result: &DataType,
) -> Option<B::Built> {
    Some(match argument {
        DataType::TinyInt => build.build(AvgIntegers::<Int8Type>(PhantomData), result),
        DataType::SmallInt => build.build(AvgIntegers::<Int16Type>(PhantomData), result),
        DataType::Integer => build.build(AvgIntegers::<Int32Type>(PhantomData), result),
        DataType::BigInt => build.build(AvgIntegers::<Int64Type>(PhantomData), result),
        DataType::Real => build.build(AvgFloats::<Float32Type>(PhantomData), result),
        DataType::Double => build.build(AvgFloats::<Float64Type>(PhantomData), result),
        DataType::Decimal { scale, .. } => build.build(AvgDecimals { scale: *scale }, result),
        _ => return None,
    })
}

/// A sum of integers and how many there were; packed, because alignment to sixteen bytes would
/// cost eight bytes a group.
#[derive(Clone, Copy, Default)]
#[repr(C, packed(8))]
struct IntegerMean {
    sum: i128,
    count: u64,
}

columns_of_fields!(IntegerMean { sum, count });

struct AvgIntegers<T>(PhantomData<fn() -> T>);

impl<T: ArrowPrimitiveType> Accumulator for AvgIntegers<T>
where
    T::Native: Into<i64>,
{
    const IS_EXACT: bool = true;
    const TRACKS_SEEN: bool = false;
    type State = IntegerMean;
    type Column<'a> = &'a [T::Native];
    type Output = Numbers<Float64Type>;

    fn open<'a>(&self, arguments: &[&'a ArrayRef]) -> &'a [T::Native] {
        values::<T>(arguments)
    }

    #[inline]
    fn add(&self, state: &mut IntegerMean, _: bool, column: &&[T::Native], row: usize) -> usize {
        state.sum += i128::from(column[row].into());
        state.count += 1;
        0
    }

    fn merge(&self, state: &mut IntegerMean, _: bool, later: IntegerMean) -> usize {
        state.sum += later.sum;
        state.count += later.count;
        0
    }

    fn output(&self, row_count: usize, data_type: &DataType) -> Numbers<Float64Type> {
        Numbers::new(row_count, data_type)
    }

    #[inline(always)]
    #[expect(clippy::cast_precision_loss, reason = "a mean is a DOUBLE")]
    fn append(&self, output: &mut Numbers<Float64Type>, state: &IntegerMean, _: bool) -> bool {
        let IntegerMean { sum, count } = *state;
        output.append((count > 0).then(|| sum as f64 / count as f64));
        true
    }
}

/// A sum of floats in record order and how many there were.
#[derive(Clone, Copy, Default)]
struct FloatMean {
    sum: f64,
    count: u64,
}

columns_of_fields!(FloatMean { sum, count });

struct AvgFloats<T>(PhantomData<fn() -> T>);

impl<T: ArrowPrimitiveType> Accumulator for AvgFloats<T>
where
    T::Native: Into<f64>,
{
    const TRACKS_SEEN: bool = false;
    type State = FloatMean;
    type Column<'a> = &'a [T::Native];
    type Output = Numbers<Float64Type>;

    fn open<'a>(&self, arguments: &[&'a ArrayRef]) -> &'a [T::Native] {
        values::<T>(arguments)
    }

    #[inline]
    fn add(&self, state: &mut FloatMean, _: bool, column: &&[T::Native], row: usize) -> usize {
        state.sum += column[row].into();
        state.count += 1;
        0
    }

    fn merge(&self, state: &mut FloatMean, _: bool, later: FloatMean) -> usize {
        state.sum += later.sum;
        state.count += later.count;
        0
    }

    fn output(&self, row_count: usize, data_type: &DataType) -> Numbers<Float64Type> {
        Numbers::new(row_count, data_type)
    }

    #[inline(always)]
    #[expect(clippy::cast_precision_loss, reason = "a mean is a DOUBLE")]
    fn append(&self, output: &mut Numbers<Float64Type>, state: &FloatMean, _: bool) -> bool {
        output.append((state.count > 0).then(|| state.sum / state.count as f64));
        true
    }
}

/// Decimals of one scale.
struct AvgDecimals {
    scale: u8,
}

/// A sum of decimals and how many there were.
#[derive(Clone, Copy, Default)]
struct DecimalMean {
    sum: ExactSum,
    count: u64,
}

impl AsColumns for DecimalMean {
    fn put<'a>(states: impl ExactSizeIterator<Item = &'a Self> + Clone, image: &mut Image) {
        ExactSum::put(states.clone().map(|state| &state.sum), image);
        image.put("count", states.map(|state| state.count));
    }

    fn take(
        image: &mut Image,
        count: usize,
        data_type: &DataType,
    ) -> Result<Vec<Self>, ImageError> {
        let sums = ExactSum::take(image, count, data_type)?;
        let counts = take_field(image, "count", count)?;
        Ok(sums.into_iter().zip(counts).map(|(sum, count)| Self { sum, count }).collect())
    }
}

impl Accumulator for AvgDecimals {
    const IS_EXACT: bool = true;
    const TRACKS_SEEN: bool = false;
    type State = DecimalMean;
    type Column<'a> = &'a [i128];
    type Output = Numbers<Float64Type>;

    fn open<'a>(&self, arguments: &[&'a ArrayRef]) -> &'a [i128] {
        values::<Decimal128Type>(arguments)
    }

    #[inline]
    fn add(&self, state: &mut DecimalMean, _: bool, column: &&[i128], row: usize) -> usize {
        state.sum.add(column[row]);
        state.count += 1;
        0
    }

    fn merge(&self, state: &mut DecimalMean, _: bool, later: DecimalMean) -> usize {
        state.sum.add_sum(later.sum);
        state.count += later.count;
        0
    }

    fn output(&self, row_count: usize, data_type: &DataType) -> Numbers<Float64Type> {
        Numbers::new(row_count, data_type)
    }

    #[inline(always)]
    fn append(&self, output: &mut Numbers<Float64Type>, state: &DecimalMean, _: bool) -> bool {
        let DecimalMean { sum, count } = *state;
        output.append((count > 0).then(|| sum.mean(count, self.scale)));
        true
    }
}
