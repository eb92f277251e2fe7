//! `BIT_AND`, `BIT_OR` and `BIT_XOR` of integers, as wide as these are.

use std::marker::PhantomData;
use std::ops::{BitAnd, BitOr, BitXor};

use arrow_array::ArrayRef;
use arrow_array::types::{ArrowPrimitiveType, Int8Type, Int16Type, Int32Type, Int64Type};
use tidemill_plan::AggregateFunction;
use tidemill_record::DataType;

use super::sum::values;
use crate::state::{Accumulator, AsColumns, Build, Numbers};

/// The state for one of the three functions; `None` unless the argument is of integers.
pub(crate) fn state<B: Build>(
    build: &B,
    function: &AggregateFunction,
    argument: &DataType,
    result: &DataType,
) -> Option<B::Built> {
    let join = match function {
        AggregateFunction::BitAnd => Join::And,
        AggregateFunction::BitOr => Join::Or,
        _ => Join::Xor,
    };
    Some(match argument {
        DataType::TinyInt => build.build(Bits::<Int8Type>(join, PhantomData), result),
        DataType::SmallInt => build.build(Bits::<Int16Type>(join, PhantomData), result),
        DataType::Integer => build.build(Bits::<Int32Type>(join, PhantomData), result),
        DataType::BigInt => build.build(Bits::<Int64Type>(join, PhantomData), result),
        _ => return None,
    })
}

#[derive(Clone, Copy)]
enum Join {
    And,
    Or,
    Xor,
}

struct Bits<T>(Join, PhantomData<fn() -> T>);

impl<T: ArrowPrimitiveType> Accumulator for Bits<T>
where
    T::Native: AsColumns
        + BitAnd<Output = T::Native>
        + BitOr<Output = T::Native>
        + BitXor<Output = T::Native>,
{
    const IS_EXACT: bool = true;
    type State = T::Native;
    type Column<'a> = &'a [T::Native];
    type Output = Numbers<T>;

    fn open<'a>(&self, arguments: &[&'a ArrayRef]) -> &'a [T::Native] {
        values::<T>(arguments)
    }

    #[inline]
    fn add(
        &self,
        state: &mut T::Native,
        is_first: bool,
        column: &&[T::Native],
        row: usize,
    ) -> usize {
        self.merge(state, is_first, column[row])
    }

    #[inline]
    fn merge(&self, state: &mut T::Native, is_first: bool, later: T::Native) -> usize {
        *state = match self.0 {
            _ if is_first => later,
            Join::And => *state & later,
            Join::Or => *state | later,
            Join::Xor => *state ^ later,
        };
        0
    }

    fn output(&self, row_count: usize, data_type: &DataType) -> Numbers<T> {
        Numbers::new(row_count, data_type)
    }

    #[inline]
    fn append(&self, output: &mut Numbers<T>, state: &T::Native, is_seen: bool) -> bool {
        output.append(is_seen.then_some(*state));
        true
    }
}
