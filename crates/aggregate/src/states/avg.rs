//! `AVG`: always a `DOUBLE`; integers and decimals are summed exactly and divided once.

use std::marker::PhantomData;

use arrow_array::ArrayRef;
use arrow_array::types::{
    ArrowPrimitiveType, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type,
};
use tidemill_record::DataType;

use super::exact::ExactSum;
use super::sum::values;
use crate::state::{Accumulator, Build, Numbers};

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

struct AvgIntegers<T>(PhantomData<fn() -> T>);

impl<T: ArrowPrimitiveType> Accumulator for AvgIntegers<T>
where
    T::Native: Into<i64>,
{
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

impl Accumulator for AvgDecimals {
    const TRACKS_SEEN: bool = false;
    type State = (ExactSum, u64);
    type Column<'a> = &'a [i128];
    type Output = Numbers<Float64Type>;

    fn open<'a>(&self, arguments: &[&'a ArrayRef]) -> &'a [i128] {
        values::<Decimal128Type>(arguments)
    }

    #[inline]
    fn add(
        &self,
        (sum, count): &mut (ExactSum, u64),
        _: bool,
        column: &&[i128],
        row: usize,
    ) -> usize {
        sum.add(column[row]);
        *count += 1;
        0
    }

    fn merge(&self, (sum, count): &mut (ExactSum, u64), _: bool, later: (ExactSum, u64)) -> usize {
        sum.add_sum(later.0);
        *count += later.1;
        0
    }

    fn output(&self, row_count: usize, data_type: &DataType) -> Numbers<Float64Type> {
        Numbers::new(row_count, data_type)
    }

    #[inline(always)]
    fn append(
        &self,
        output: &mut Numbers<Float64Type>,
        (sum, count): &(ExactSum, u64),
        _: bool,
    ) -> bool {
        output.append((*count > 0).then(|| sum.mean(*count, self.scale)));
        true
    }
}
