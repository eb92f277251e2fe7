//! `SUM`: integers exactly, floats in record order, decimals exactly.

use std::marker::PhantomData;

use arrow_array::ArrayRef;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type,
    Int64Type,
};
use tidemill_record::DataType;

use super::exact::ExactSum;
use crate::state::{Accumulator, Build, Numbers};

/// The state for an argument type; `None` if it has no sum.
pub(crate) fn state<B: Build>(
    build: &B,
    argument: &DataType,
    result: &DataType,
) -> Option<B::Built> {
    Some(match argument {
        DataType::TinyInt => build.build(SumIntegers::<Int8Type>(PhantomData), result),
        DataType::SmallInt => build.build(SumIntegers::<Int16Type>(PhantomData), result),
        DataType::Integer => build.build(SumIntegers::<Int32Type>(PhantomData), result),
        DataType::BigInt => build.build(SumIntegers::<Int64Type>(PhantomData), result),
        DataType::Real => build.build(SumFloats::<Float32Type>(PhantomData), result),
        DataType::Double => build.build(SumFloats::<Float64Type>(PhantomData), result),
        DataType::Decimal { .. } => build.build(SumDecimals, result),
        _ => return None,
    })
}

/// The argument column that the accumulator was made for.
///
/// # Panics
/// If there is none: the plan gives every function but `COUNT` an argument.
pub(crate) fn values<'a, T: ArrowPrimitiveType>(arguments: &[&'a ArrayRef]) -> &'a [T::Native] {
    arguments[0].as_primitive::<T>().values()
}

/// Integers, in 128 bits: 2^64 values cannot overflow it. Whether the total is a `BIGINT` is
/// asked when it leaves.
struct SumIntegers<T>(PhantomData<fn() -> T>);

impl<T: ArrowPrimitiveType> Accumulator for SumIntegers<T>
where
    T::Native: Into<i64>,
{
    const IS_EXACT: bool = true;
    type State = i128;
    type Column<'a> = &'a [T::Native];
    type Output = Numbers<Int64Type>;

    fn open<'a>(&self, arguments: &[&'a ArrayRef]) -> &'a [T::Native] {
        values::<T>(arguments)
    }

    #[inline]
    fn add(&self, state: &mut i128, _: bool, column: &&[T::Native], row: usize) -> usize {
        *state += i128::from(column[row].into());
        0
    }

    fn merge(&self, state: &mut i128, _: bool, later: i128) -> usize {
        *state += later;
        0
    }

    fn output(&self, row_count: usize, data_type: &DataType) -> Numbers<Int64Type> {
        Numbers::new(row_count, data_type)
    }

    #[inline(always)]
    fn append(&self, output: &mut Numbers<Int64Type>, state: &i128, is_seen: bool) -> bool {
        let total = i64::try_from(*state);
        output.append(total.ok().filter(|_| is_seen));
        total.is_ok()
    }
}

/// Floats, in `DOUBLE`, in record order.
struct SumFloats<T>(PhantomData<fn() -> T>);

impl<T: ArrowPrimitiveType> Accumulator for SumFloats<T>
where
    T::Native: Into<f64>,
{
    type State = f64;
    type Column<'a> = &'a [T::Native];
    type Output = Numbers<Float64Type>;

    fn open<'a>(&self, arguments: &[&'a ArrayRef]) -> &'a [T::Native] {
        values::<T>(arguments)
    }

    #[inline]
    fn add(&self, state: &mut f64, _: bool, column: &&[T::Native], row: usize) -> usize {
        *state += column[row].into();
        0
    }

    fn merge(&self, state: &mut f64, _: bool, later: f64) -> usize {
        *state += later;
        0
    }

    fn output(&self, row_count: usize, data_type: &DataType) -> Numbers<Float64Type> {
        Numbers::new(row_count, data_type)
    }

    #[inline(always)]
    fn append(&self, output: &mut Numbers<Float64Type>, state: &f64, is_seen: bool) -> bool {
        output.append(is_seen.then_some(*state));
        true
    }
}

/// Decimals of one scale, exactly. Whether the total has 38 digits is asked when it leaves.
struct SumDecimals;

impl Accumulator for SumDecimals {
    const IS_EXACT: bool = true;
    type State = ExactSum;
    type Column<'a> = &'a [i128];
    type Output = Numbers<Decimal128Type>;

    fn open<'a>(&self, arguments: &[&'a ArrayRef]) -> &'a [i128] {
        values::<Decimal128Type>(arguments)
    }

    #[inline]
    fn add(&self, state: &mut ExactSum, _: bool, column: &&[i128], row: usize) -> usize {
        state.add(column[row]);
        0
    }

    fn merge(&self, state: &mut ExactSum, _: bool, later: ExactSum) -> usize {
        state.add_sum(later);
        0
    }

    fn output(&self, row_count: usize, data_type: &DataType) -> Numbers<Decimal128Type> {
        Numbers::new(row_count, data_type)
    }

    #[inline(always)]
    fn append(
        &self,
        output: &mut Numbers<Decimal128Type>,
        state: &ExactSum,
        is_seen: bool,
    ) -> bool {
        let total = state.total();
        output.append(total.filter(|_| is_seen));
        total.is_some()
    }
}
