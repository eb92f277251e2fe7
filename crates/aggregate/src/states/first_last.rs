//! `FIRST_VALUE` and `LAST_VALUE`: of the group's first or last record, NULL included.

use std::marker::PhantomData;

use arrow_array::builder::BooleanBuilder;
use arrow_array::cast::AsArray;
use arrow_array::{
    Array, ArrayRef, ArrowPrimitiveType, BinaryViewArray, BooleanArray, PrimitiveArray,
};
use tidemill_record::DataType;
use tidemill_record::image::{Image, ImageError};

use super::for_primitive;
use super::min_max::{bytes_of, overwrite};
use super::rank::Ranked;
use crate::state::{Accumulator, AsColumns, Build, BytesOutput, Numbers, allocated};

/// The state for an argument type; `None` for `ARRAY`.
pub(crate) fn state<const IS_LAST: bool, B: Build>(
    build: &B,
    argument: &DataType,
    result: &DataType,
) -> Option<B::Built> {
    Some(match argument {
        DataType::Boolean => build.build(EdgeBoolean::<IS_LAST>, result),
        DataType::Varchar | DataType::Varbinary => build.build(EdgeBytes::<IS_LAST>, result),
        _ => for_primitive!(
            argument,
            T => build.build(Edge::<T, IS_LAST>(PhantomData), result),
            _ => return None
        ),
    })
}

struct Edge<T, const IS_LAST: bool>(PhantomData<fn() -> T>);

impl<T: ArrowPrimitiveType, const IS_LAST: bool> Accumulator for Edge<T, IS_LAST>
where
    T::Native: Ranked,
{
    const SKIPS_NULLS: bool = false;
    type State = Option<T::Native>;
    type Column<'a> = &'a PrimitiveArray<T>;
    type Output = Numbers<T>;

    fn open<'a>(&self, arguments: &[&'a ArrayRef]) -> &'a PrimitiveArray<T> {
        arguments[0].as_primitive()
    }

    #[inline]
    fn add(
        &self,
        state: &mut Option<T::Native>,
        is_first: bool,
        column: &&PrimitiveArray<T>,
        row: usize,
    ) -> usize {
        self.merge(state, is_first, column.is_valid(row).then(|| column.value(row)))
    }

    #[inline]
    fn merge(
        &self,
        state: &mut Option<T::Native>,
        is_first: bool,
        later: Option<T::Native>,
    ) -> usize {
        if is_first || IS_LAST {
            *state = later;
        }
        0
    }

    fn output(&self, row_count: usize, data_type: &DataType) -> Numbers<T> {
        Numbers::new(row_count, data_type)
    }

    #[inline]
    fn append(&self, output: &mut Numbers<T>, state: &Option<T::Native>, _: bool) -> bool {
        output.append(*state);
        true
    }
}

struct EdgeBoolean<const IS_LAST: bool>;

impl<const IS_LAST: bool> Accumulator for EdgeBoolean<IS_LAST> {
    const SKIPS_NULLS: bool = false;
    type State = Option<bool>;
    type Column<'a> = &'a BooleanArray;
    type Output = BooleanBuilder;

    fn open<'a>(&self, arguments: &[&'a ArrayRef]) -> &'a BooleanArray {
        arguments[0].as_boolean()
    }

    #[inline]
    fn add(
        &self,
        state: &mut Option<bool>,
        is_first: bool,
        column: &&BooleanArray,
        row: usize,
    ) -> usize {
        self.merge(state, is_first, column.is_valid(row).then(|| column.value(row)))
    }

    #[inline]
    fn merge(&self, state: &mut Option<bool>, is_first: bool, later: Option<bool>) -> usize {
        if is_first || IS_LAST {
            *state = later;
        }
        0
    }

    fn output(&self, row_count: usize, _: &DataType) -> BooleanBuilder {
        BooleanBuilder::with_capacity(row_count)
    }

    #[inline]
    fn append(&self, output: &mut BooleanBuilder, state: &Option<bool>, _: bool) -> bool {
        output.append_option(*state);
        true
    }
}

struct EdgeBytes<const IS_LAST: bool>;

impl<const IS_LAST: bool> EdgeBytes<IS_LAST> {
    fn take(state: &mut BytesEdge, is_first: bool, value: Option<&[u8]>) -> usize {
        if !is_first && !IS_LAST {
            return 0;
        }
        state.is_null = value.is_none();
        value.map_or(0, |bytes| overwrite(&mut state.bytes, bytes))
    }
}

/// A value whose buffer is kept when NULL takes its place.
#[derive(Clone, Default)]
struct BytesEdge {
    bytes: Vec<u8>,
    is_null: bool,
}

impl AsColumns for BytesEdge {
    fn put<'a>(states: impl ExactSizeIterator<Item = &'a Self> + Clone, image: &mut Image) {
        image.put_flags("null", states.clone().map(|state| state.is_null));
        // What a NULL has taken the place of is no part of it.
        image.put_texts("value", states.map(|state| state.value().unwrap_or_default()));
    }

    fn take(
        image: &mut Image,
        count: usize,
        data_type: &DataType,
    ) -> Result<Vec<Self>, ImageError> {
        let nulls = image.take_flags("null", count)?;
        let values = Vec::<u8>::take(image, count, data_type)?;
        Ok(values.into_iter().zip(nulls).map(|(bytes, is_null)| Self { bytes, is_null }).collect())
    }
}

impl BytesEdge {
    fn value(&self) -> Option<&[u8]> {
        (!self.is_null).then_some(&self.bytes[..])
    }
}

impl<const IS_LAST: bool> Accumulator for EdgeBytes<IS_LAST> {
    const SKIPS_NULLS: bool = false;
    type State = BytesEdge;
    type Column<'a> = BinaryViewArray;
    type Output = BytesOutput;

    fn open(&self, arguments: &[&ArrayRef]) -> BinaryViewArray {
        bytes_of(arguments)
    }

    #[inline]
    fn add(
        &self,
        state: &mut BytesEdge,
        is_first: bool,
        column: &BinaryViewArray,
        row: usize,
    ) -> usize {
        Self::take(state, is_first, column.is_valid(row).then(|| column.value(row)))
    }

    fn merge(&self, state: &mut BytesEdge, is_first: bool, later: BytesEdge) -> usize {
        Self::take(state, is_first, later.value())
    }

    fn output(&self, row_count: usize, data_type: &DataType) -> BytesOutput {
        BytesOutput::new(row_count, data_type)
    }

    fn append(&self, output: &mut BytesOutput, state: &BytesEdge, is_seen: bool) -> bool {
        output.builder.append_option(state.value().filter(|_| is_seen));
        true
    }

    fn outside_bytes(state: &BytesEdge) -> usize {
        allocated(state.bytes.capacity())
    }
}
