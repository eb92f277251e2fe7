//! `MIN` and `MAX` of every ordered type; `BOOL_AND` and `BOOL_OR` are those of `BOOLEAN`.
//!
//! Of values that compare equal but differ in bits (-0.0 and 0.0) the first one stays.

use std::marker::PhantomData;

use arrow_array::builder::BooleanBuilder;
use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, ArrowPrimitiveType, BinaryViewArray, BooleanArray};
use tidemill_record::DataType;

use super::for_primitive;
use super::rank::Ranked;
use super::sum::values;
use crate::state::{Accumulator, Build, BytesOutput, Numbers, allocated};

/// The state for an argument type; `None` if it has no order.
pub(crate) fn state<const IS_MAX: bool, B: Build>(
    build: &B,
    argument: &DataType,
    result: &DataType,
) -> Option<B::Built> {
    Some(match argument {
        DataType::Boolean => build.build(ExtremeBoolean::<IS_MAX>, result),
        DataType::Varchar | DataType::Varbinary => build.build(ExtremeBytes::<IS_MAX>, result),
        _ => for_primitive!(
            argument,
            T => build.build(Extreme::<T, IS_MAX>(PhantomData), result),
            _ => return None
        ),
    })
}

/// Whether `next` takes the place of `kept`.
#[inline]
fn replaces<T: Ranked, const IS_MAX: bool>(next: T, kept: T) -> bool {
    if IS_MAX { kept.precedes(next) } else { next.precedes(kept) }
}

struct Extreme<T, const IS_MAX: bool>(PhantomData<fn() -> T>);

impl<T: ArrowPrimitiveType, const IS_MAX: bool> Accumulator for Extreme<T, IS_MAX>
where
    T::Native: Ranked,
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
        if is_first || replaces::<_, IS_MAX>(later, *state) {
            *state = later;
        }
        0
    }

    fn output(&self, row_count: usize, data_type: &DataType) -> Numbers<T> {
        Numbers::new(row_count, data_type)
    }

    #[inline(always)]
    fn append(&self, output: &mut Numbers<T>, state: &T::Native, is_seen: bool) -> bool {
        output.append(is_seen.then_some(*state));
        true
    }
}

struct ExtremeBoolean<const IS_MAX: bool>;

impl<const IS_MAX: bool> Accumulator for ExtremeBoolean<IS_MAX> {
    const IS_EXACT: bool = true;
    type State = bool;
    type Column<'a> = &'a BooleanArray;
    type Output = BooleanBuilder;

    fn open<'a>(&self, arguments: &[&'a ArrayRef]) -> &'a BooleanArray {
        arguments[0].as_boolean()
    }

    #[inline]
    fn add(&self, state: &mut bool, is_first: bool, column: &&BooleanArray, row: usize) -> usize {
        self.merge(state, is_first, column.value(row))
    }

    #[inline]
    fn merge(&self, state: &mut bool, is_first: bool, later: bool) -> usize {
        if is_first || replaces::<_, IS_MAX>(later, *state) {
            *state = later;
        }
        0
    }

    fn output(&self, row_count: usize, _: &DataType) -> BooleanBuilder {
        BooleanBuilder::with_capacity(row_count)
    }

    #[inline(always)]
    fn append(&self, output: &mut BooleanBuilder, state: &bool, is_seen: bool) -> bool {
        output.append_option(is_seen.then_some(*state));
        true
    }
}

/// The argument as bytes, whether it is text or not.
///
/// # Panics
/// If it is neither, or there is none.
pub(crate) fn bytes_of(arguments: &[&ArrayRef]) -> BinaryViewArray {
    let argument = arguments[0];
    match argument.as_string_view_opt() {
        Some(text) => text.clone().to_binary_view(),
        None => argument.as_binary_view().clone(),
    }
}

/// Replaces a buffer's contents, keeping its memory; gives the bytes it gained.
pub(crate) fn overwrite(buffer: &mut Vec<u8>, bytes: &[u8]) -> usize {
    let capacity_before = buffer.capacity();
    buffer.clear();
    buffer.reserve_exact(bytes.len());
    buffer.extend_from_slice(bytes);
    allocated(buffer.capacity()) - allocated(capacity_before)
}

struct ExtremeBytes<const IS_MAX: bool>;

impl<const IS_MAX: bool> ExtremeBytes<IS_MAX> {
    fn take(state: &mut Vec<u8>, is_first: bool, bytes: &[u8]) -> usize {
        let replaces = if IS_MAX { &state[..] < bytes } else { bytes < &state[..] };
        if is_first || replaces { overwrite(state, bytes) } else { 0 }
    }
}

impl<const IS_MAX: bool> Accumulator for ExtremeBytes<IS_MAX> {
    const IS_EXACT: bool = true;
    type State = Vec<u8>;
    type Column<'a> = BinaryViewArray;
    type Output = BytesOutput;

    fn open(&self, arguments: &[&ArrayRef]) -> BinaryViewArray {
        bytes_of(arguments)
    }

    #[inline]
    fn add(
        &self,
        state: &mut Vec<u8>,
        is_first: bool,
        column: &BinaryViewArray,
        row: usize,
    ) -> usize {
        Self::take(state, is_first, column.value(row))
    }

    fn merge(&self, state: &mut Vec<u8>, is_first: bool, later: Vec<u8>) -> usize {
        Self::take(state, is_first, &later)
    }

    fn output(&self, row_count: usize, data_type: &DataType) -> BytesOutput {
        BytesOutput::new(row_count, data_type)
    }

    #[inline(always)]
    fn append(&self, output: &mut BytesOutput, state: &Vec<u8>, is_seen: bool) -> bool {
        output.builder.append_option(is_seen.then_some(state));
        true
    }

    fn outside_bytes(state: &Vec<u8>) -> usize {
        allocated(state.capacity())
    }
}
