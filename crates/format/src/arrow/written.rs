//! Columns as files have them: text and bytes with offsets, which every reader takes, in place of the engine's
//! views, which many refuse to filter, to join or to print.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    BinaryType, BinaryViewType, ByteArrayType, ByteViewType, StringViewType, Utf8Type,
};
use arrow_array::{Array, ArrayRef, GenericByteArray, GenericByteViewArray, ListArray};
use arrow_buffer::{Buffer, NullBufferBuilder, OffsetBuffer, ScalarBuffer};
use arrow_schema::{ArrowError, DataType as ArrowType, Field as ArrowField, SchemaRef};
use arrow_select::concat::concat;
use tidemill_record::Schema;

/// The Arrow schema of files with these columns.
pub(crate) fn written_schema(schema: &Schema) -> SchemaRef {
    let engine = schema.arrow();
    let field =
        |field: &Arc<ArrowField>| field.as_ref().clone().with_data_type(written(field.data_type()));
    Arc::new(arrow_schema::Schema::new(engine.fields().iter().map(field).collect::<Vec<_>>()))
}

fn written(data_type: &ArrowType) -> ArrowType {
    match data_type {
        ArrowType::Utf8View => ArrowType::Utf8,
        ArrowType::BinaryView => ArrowType::Binary,
        ArrowType::List(item) => {
            let of_items = written(item.data_type());
            ArrowType::List(Arc::new(item.as_ref().clone().with_data_type(of_items)))
        }
        other => other.clone(),
    }
}

/// How far the offsets of a column reach, the farthest at any depth of lists; 0 where it has none.
///
/// # Cost
/// O(rows and items).
pub(crate) fn reach(array: &dyn Array) -> usize {
    match array.data_type() {
        ArrowType::Utf8View => view_bytes(array.as_string_view()),
        ArrowType::BinaryView => view_bytes(array.as_binary_view()),
        ArrowType::List(_) => {
            let items = items(array.as_list());
            reach(&*items).max(items.len())
        }
        _ => 0,
    }
}

/// The items that the rows of a list have, and no others.
fn items(list: &ListArray) -> ArrayRef {
    let offsets = list.value_offsets();
    let place = |offset: i32| usize::try_from(offset).expect("offsets are not negative");
    let (start, end) = (place(offsets[0]), place(offsets[list.len()]));
    list.values().slice(start, end - start)
}

fn view_bytes<V: ByteViewType>(views: &GenericByteViewArray<V>) -> usize {
    #[expect(clippy::cast_possible_truncation, reason = "the low 32 bits are the length")]
    let len = |view: &u128| *view as u32 as usize;
    match views.nulls() {
        None => views.views().iter().map(len).sum(),
        Some(nulls) => nulls.valid_indices().map(|row| len(&views.views()[row])).sum(),
    }
}

/// Joins pieces of a column to one array of its written type. Together they [`reach`] `i32::MAX` at most.
///
/// # Errors
/// What joining pieces says.
///
/// # Cost
/// Copies every value once, those of lists of text twice.
pub(crate) fn join(pieces: &[&dyn Array]) -> Result<ArrayRef, ArrowError> {
    match pieces[0].data_type() {
        ArrowType::Utf8View => {
            let views = pieces.iter().map(|piece| piece.as_string_view());
            Ok(Arc::new(with_offsets::<StringViewType, Utf8Type>(views)))
        }
        ArrowType::BinaryView => {
            let views = pieces.iter().map(|piece| piece.as_binary_view());
            Ok(Arc::new(with_offsets::<BinaryViewType, BinaryType>(views)))
        }
        ArrowType::List(item) if written(item.data_type()) != *item.data_type() => {
            let lists = concat(pieces)?;
            let list = lists.as_list::<i32>();
            let first = list.value_offsets()[0];
            let offsets = list.value_offsets().iter().map(|offset| offset - first).collect();
            let field = item.as_ref().clone().with_data_type(written(item.data_type()));
            let items = join(&[&*items(list)])?;
            let nulls = list.nulls().cloned();
            let list =
                ListArray::try_new(Arc::new(field), OffsetBuffer::new(offsets), items, nulls)?;
            Ok(Arc::new(list))
        }
        _ => concat(pieces),
    }
}

fn with_offsets<'a, V, T>(
    pieces: impl Iterator<Item = &'a GenericByteViewArray<V>> + Clone,
) -> GenericByteArray<T>
where
    V: ByteViewType,
    T: ByteArrayType<Offset = i32, Native = V::Native>,
{
    let row_count: usize = pieces.clone().map(Array::len).sum();
    let byte_count: usize = pieces.clone().map(view_bytes).sum();
    let mut offsets = Vec::with_capacity(row_count + 1);
    let mut values: Vec<u8> = Vec::with_capacity(byte_count);
    let mut nulls = NullBufferBuilder::new(row_count);
    offsets.push(0);
    for piece in pieces {
        match piece.nulls() {
            None => nulls.append_n_non_nulls(piece.len()),
            Some(of_piece) => nulls.append_buffer(of_piece),
        }
        for row in 0..piece.len() {
            // What a NULL's view leads to is anything.
            if piece.nulls().is_none_or(|nulls| nulls.is_valid(row)) {
                values.extend_from_slice(piece.value(row).as_ref());
            }
            offsets.push(
                i32::try_from(values.len()).expect("the caller has asked how far they reach"),
            );
        }
    }
    let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
    // SAFETY: the offsets ascend to the length of the values, and between two of them stands a value of a valid
    // array of views of the same kind.
    unsafe { GenericByteArray::new_unchecked(offsets, Buffer::from_vec(values), nulls.finish()) }
}
