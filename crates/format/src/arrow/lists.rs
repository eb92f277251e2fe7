//! Lists of any kind, brought to an array of a SQL type.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, Int32Array, LargeListArray, ListArray, ListViewArray};
use arrow_buffer::{OffsetBuffer, ScalarBuffer};
use arrow_schema::{ArrowError, DataType as ArrowType, Field as ArrowField, FieldRef};
use arrow_select::take::take;
use tidemill_record::DataType;

use super::values::{Converted, Encoding, Found, convert};

/// Lists of any kind as those of a SQL type of item. A row is a misfit if one of its items is.
///
/// # Errors
/// The items cannot be converted as a whole, or a batch holds more of them than offsets of 32 bits reach.
pub(super) fn convert_list(found: Found<'_>, item: &DataType) -> Result<Converted, ArrowError> {
    let target = Arc::new(ArrowField::new_list_field(item.arrow(), true));
    let is_plain = matches!(found.encoding, Encoding::Plain);
    if is_plain
        && *found.array.data_type() == ArrowType::List(Arc::clone(&target))
        && !holds_decimals(item)
    {
        return Ok(Converted::whole(Arc::clone(found.array)));
    }
    let list = as_list(found.array)?;
    let values = values_of(&list);
    let nanos = match found.encoding {
        Encoding::Int96 { nanos } => Some(values_of(&as_list(nanos)?)),
        Encoding::Plain | Encoding::ParquetInterval => None,
    };
    let encoding = match (found.encoding, &nanos) {
        (Encoding::Int96 { .. }, Some(nanos)) => Encoding::Int96 { nanos },
        (encoding, _) => encoding,
    };
    let items = convert(Found { array: &values, encoding }, item)?;
    let first = list.offsets()[0];
    let offsets: ScalarBuffer<i32> = list.offsets().iter().map(|offset| offset - first).collect();
    let mut misfits: Vec<usize> = items
        .misfits
        .iter()
        .map(|at| {
            offsets.partition_point(|start| usize::try_from(*start).is_ok_and(|s| s <= *at)) - 1
        })
        .filter(|row| list.is_valid(*row))
        .collect();
    misfits.dedup();
    let nulls = list.nulls().cloned();
    let array = ListArray::try_new(target, OffsetBuffer::new(offsets), items.array, nulls)?;
    Ok(Converted { array: Arc::new(array), misfits, floored_count: items.floored_count })
}

/// Any kind of list as one with offsets of 32 bits.
fn as_list(array: &ArrayRef) -> Result<ListArray, ArrowError> {
    match array.data_type() {
        ArrowType::LargeList(field) => of_large(array.as_list::<i64>(), field),
        ArrowType::ListView(field) => of_views(array.as_list_view::<i32>(), field),
        ArrowType::FixedSizeList(_, size) => {
            let count = usize::try_from(*size).ok().and_then(|size| size.checked_mul(array.len()));
            count.and_then(|count| i32::try_from(count).ok()).ok_or_else(too_many)?;
            Ok(ListArray::from(array.as_fixed_size_list().clone()))
        }
        ArrowType::List(_) => Ok(array.as_list::<i32>().clone()),
        other => Err(ArrowError::CastError(format!("Arrow's type {other} is no list"))),
    }
}

fn of_large(list: &LargeListArray, field: &FieldRef) -> Result<ListArray, ArrowError> {
    let at = |offset: i64| usize::try_from(offset).expect("offsets of a list are not negative");
    let (first, last) = (list.offsets()[0], list.offsets()[list.len()]);
    let offsets = list.offsets().iter().map(|offset| i32::try_from(offset - first).ok());
    let offsets: Vec<i32> = offsets.collect::<Option<_>>().ok_or_else(too_many)?;
    let values = list.values().slice(at(first), at(last) - at(first));
    let offsets = OffsetBuffer::new(offsets.into());
    ListArray::try_new(Arc::clone(field), offsets, values, list.nulls().cloned())
}

/// The items of the views in the order of rows, for those of two rows may overlap and lie anywhere.
fn of_views(list: &ListViewArray, field: &FieldRef) -> Result<ListArray, ArrowError> {
    let rows = || (0..list.len()).filter(|row| list.is_valid(*row));
    let mut lengths = vec![0; list.len()];
    for row in rows() {
        lengths[row] = list.value_size(row);
    }
    let mut end = 0_i32;
    let mut offsets = vec![end];
    for length in lengths {
        end = end.checked_add(length).ok_or_else(too_many)?;
        offsets.push(end);
    }
    let items = rows().flat_map(|row| {
        let start = list.value_offset(row);
        start..start + list.value_size(row)
    });
    let items: Vec<i32> = items.collect();
    let values = take(list.values(), &Int32Array::from(items), None)?;
    let offsets = OffsetBuffer::new(offsets.into());
    ListArray::try_new(Arc::clone(field), offsets, values, list.nulls().cloned())
}

fn too_many() -> ArrowError {
    ArrowError::ComputeError(format!("the lists of a batch hold more than {} items", i32::MAX))
}

/// The values that the lists' offsets reach.
fn values_of(list: &ListArray) -> ArrayRef {
    let at = |offset: i32| usize::try_from(offset).expect("offsets of a list are not negative");
    let (first, last) = (at(list.offsets()[0]), at(list.offsets()[list.len()]));
    list.values().slice(first, last - first)
}

/// Whether every value has to be looked at, though the Arrow type is the one of the SQL type.
fn holds_decimals(data_type: &DataType) -> bool {
    match data_type {
        DataType::Decimal { .. } => true,
        DataType::Array(item) => holds_decimals(item),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use arrow_array::types::{Int16Type, Int32Type};
    use arrow_array::{FixedSizeListArray, Int64Array, UInt8Array};
    use arrow_buffer::NullBuffer;

    use super::*;

    /// The lists `[1, 2], NULL, [], [255]`, of which the column below holds more on either side.
    #[track_caller]
    fn assert_lists(from: ArrayRef) {
        let found = convert(Found::plain(&from), &DataType::Array(Box::new(DataType::SmallInt)));
        let found = found.unwrap();
        assert!(found.misfits.is_empty());
        let items = |row: usize| {
            let list = found.array.as_list::<i32>();
            let items = list.value(row);
            list.is_valid(row).then(|| items.as_primitive::<Int16Type>().values().to_vec())
        };
        let lists: Vec<_> = (0..found.array.len()).map(items).collect();
        assert_eq!(lists, [Some(vec![1, 2]), None, Some(vec![]), Some(vec![255])]);
    }

    fn bytes() -> Arc<ArrowField> {
        Arc::new(ArrowField::new_list_field(ArrowType::UInt8, true))
    }

    fn valid(rows: &[bool]) -> Option<NullBuffer> {
        Some(rows.to_vec().into())
    }

    #[test]
    fn lists_of_every_kind_become_the_same() {
        let items: ArrayRef = Arc::new(UInt8Array::from(vec![9, 1, 2, 77, 255, 8]));
        let nulls = valid(&[true, true, false, true, true, true]);
        let offsets = vec![0, 1, 3, 4, 4, 5, 6];
        let small = OffsetBuffer::new(offsets.clone().into());
        let small = ListArray::new(bytes(), small, Arc::clone(&items), nulls.clone());
        assert_lists(Arc::new(small.slice(1, 4)));
        let large: Vec<i64> = offsets.iter().map(|offset| i64::from(*offset)).collect();
        let large = OffsetBuffer::new(large.into());
        let large = LargeListArray::new(bytes(), large, Arc::clone(&items), nulls.clone());
        assert_lists(Arc::new(large.slice(1, 4)));
        // Views lie in any order, and may overlap.
        let views = ListViewArray::new(
            bytes(),
            vec![0, 1, 0, 6, 4, 0].into(),
            vec![6, 2, 3, 0, 1, 1].into(),
            items,
            nulls,
        );
        assert_lists(Arc::new(views.slice(1, 4)));
    }

    #[test]
    fn lists_of_a_fixed_size_become_lists_and_their_misfits_are_misfits_of_rows() {
        let items: ArrayRef =
            Arc::new(Int64Array::from(vec![0, 0, 1, 128, 3, 400, 5, -129, -6, 6]));
        let field = Arc::new(ArrowField::new_list_field(ArrowType::Int64, true));
        let nulls = valid(&[true, true, false, true, true]);
        let fixed = FixedSizeListArray::new(Arc::clone(&field), 2, items, nulls);
        let fixed: ArrayRef = Arc::new(fixed.slice(1, 4));
        let to = DataType::Array(Box::new(DataType::TinyInt));
        let found = convert(Found::plain(&fixed), &to).unwrap();
        // The row that is NULL holds 400.
        assert_eq!(found.misfits, [0, 2]);
        assert!(found.array.is_null(1));
        let last = found.array.as_list::<i32>().value(3);
        assert_eq!(last.as_primitive::<arrow_array::types::Int8Type>().values()[..], [-6, 6]);

        let none: ArrayRef = Arc::new(Int64Array::from(Vec::<i64>::new()));
        let empty = FixedSizeListArray::try_new_with_length(field, 0, none, None, 3).unwrap();
        let found = convert(Found::plain(&(Arc::new(empty) as ArrayRef)), &to).unwrap();
        assert_eq!((found.array.len(), found.array.null_count()), (3, 0));
    }

    #[test]
    fn items_beyond_offsets_of_32_bits_are_refused() {
        // A million items, seen three thousand times.
        let items: ArrayRef = Arc::new(UInt8Array::from(vec![0; 1_000_000]));
        let views = ListViewArray::new(
            bytes(),
            vec![0; 3000].into(),
            vec![1_000_000; 3000].into(),
            items,
            None,
        );
        let refused = as_list(&(Arc::new(views) as ArrayRef)).unwrap_err().to_string();
        assert!(refused.contains("more than 2147483647 items"), "{refused}");
        let large = OffsetBuffer::new(vec![0_i64, 1 << 31].into());
        let nothing = arrow_array::NullArray::new(1 << 31);
        let field = Arc::new(ArrowField::new_list_field(ArrowType::Null, true));
        let large = LargeListArray::new(field, large, Arc::new(nothing), None);
        assert!(as_list(&(Arc::new(large) as ArrayRef)).is_err());
    }

    #[test]
    fn lists_of_lists_become_lists_of_lists() {
        let inner = ListArray::from_iter_primitive::<Int32Type, _, _>([
            Some(vec![Some(1), None]),
            None,
            Some(vec![Some(3)]),
        ]);
        let field = Arc::new(ArrowField::new_list_field(inner.data_type().clone(), true));
        let offsets = OffsetBuffer::new(vec![0_i64, 2, 3].into());
        let outer: ArrayRef =
            Arc::new(LargeListArray::new(field, offsets, Arc::new(inner.clone()), None));
        let to = DataType::Array(Box::new(DataType::Array(Box::new(DataType::Integer))));
        let found = convert(Found::plain(&outer), &to).unwrap();
        let lists = found.array.as_list::<i32>();
        assert_eq!(lists.value(0).as_list::<i32>(), &inner.slice(0, 2));
        assert_eq!(lists.value(1).as_list::<i32>(), &inner.slice(2, 1));
    }
}
