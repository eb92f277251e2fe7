//! Text and bytes of every layout as views of them.
//!
//! Nothing is copied but values of a fixed size: the views share the buffer that came.

use std::sync::Arc;

use arrow_array::builder::GenericByteViewBuilder;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    BinaryType, BinaryViewType, ByteArrayType, ByteViewType, StringViewType, Utf8Type,
};
use arrow_array::{
    AnyDictionaryArray, Array, ArrayRef, BinaryViewArray, GenericByteArray, GenericStringArray,
    OffsetSizeTrait, StringViewArray,
};
use arrow_schema::{ArrowError, DataType as ArrowType};
use arrow_select::take::take;
use tidemill_record::DataType;
use tidemill_record::recycled::{Room, Sources, no_bytes};

use crate::text::view::{INLINE_BYTES_MAX, view_of};

/// Text as `VARCHAR`, bytes as `VARBINARY`; `None` for anything else. Bytes do not become text, nor text
/// bytes: which of them a column holds is said by its type.
pub(super) fn as_views(array: &ArrayRef, to: &DataType) -> Option<ArrayRef> {
    Some(match (array.data_type(), to) {
        (ArrowType::Utf8View, DataType::Varchar) | (ArrowType::BinaryView, DataType::Varbinary) => {
            Arc::clone(array)
        }
        (ArrowType::Utf8, DataType::Varchar) => {
            let texts = array.as_string::<i32>();
            text_views(texts).unwrap_or_else(|| Arc::new(StringViewArray::from(texts)))
        }
        (ArrowType::LargeUtf8, DataType::Varchar) => {
            let texts = array.as_string::<i64>();
            text_views(texts).unwrap_or_else(|| Arc::new(StringViewArray::from(texts)))
        }
        (ArrowType::Binary, DataType::Varbinary) => {
            Arc::new(BinaryViewArray::from(array.as_binary::<i32>()))
        }
        (ArrowType::LargeBinary, DataType::Varbinary) => {
            Arc::new(BinaryViewArray::from(array.as_binary::<i64>()))
        }
        (ArrowType::FixedSizeBinary(_), DataType::Varbinary) => {
            Arc::new(array.as_fixed_size_binary().iter().collect::<BinaryViewArray>())
        }
        _ => return None,
    })
}

/// Views of texts; `None` where they take more than 4 GiB.
fn text_views<O: OffsetSizeTrait>(texts: &GenericStringArray<O>) -> Option<ArrayRef> {
    let bytes = texts.values();
    u32::try_from(bytes.len()).ok()?;
    let mut views: Room<u128> = Room::default();
    let mut is_inline = true;
    let ends = texts.value_offsets().array_windows();
    views.extend(ends.map(|[start, end]| {
        let (start, length) = (start.as_usize(), (*end - *start).as_usize());
        is_inline &= length <= INLINE_BYTES_MAX;
        view_of(bytes, start, length, 0)
    }));
    // Short texts stand in their views, and whoever sees no memory beside those may rely on it.
    let sources = match is_inline {
        true => Sources::Inline,
        false => Sources::Two(bytes.clone(), no_bytes()),
    };
    // SAFETY: each view is of a text of the array, whose bytes are buffer 0, or holds it.
    Some(unsafe { views.finish_texts(sources, texts.nulls().cloned()) })
}

/// A dictionary of text or bytes as views of its values; `None` for another one.
pub(super) fn dictionary_views(
    dictionary: &dyn AnyDictionaryArray,
    to: &DataType,
) -> Result<Option<ArrayRef>, ArrowError> {
    let values = dictionary.values();
    // A view of every value, most of which no row needs, would cost more than the rows do.
    let is_sparse = dictionary.keys().len() < values.len() / 2;
    match (values.data_type(), to) {
        (ArrowType::Utf8, DataType::Varchar) if is_sparse => {
            views_of_rows::<Utf8Type, StringViewType>(dictionary, values.as_string()).map(Some)
        }
        (ArrowType::Binary, DataType::Varbinary) if is_sparse => {
            views_of_rows::<BinaryType, BinaryViewType>(dictionary, values.as_binary()).map(Some)
        }
        (ArrowType::Utf8, DataType::Varchar) | (ArrowType::Binary, DataType::Varbinary) => {
            let views = as_views(values, to).expect("text or bytes");
            take(&views, dictionary.keys(), None).map(Some)
        }
        _ => Ok(None),
    }
}

/// A view for each row, and none of values that no row needs.
fn views_of_rows<V, T>(
    dictionary: &dyn AnyDictionaryArray,
    values: &GenericByteArray<V>,
) -> Result<ArrayRef, ArrowError>
where
    V: ByteArrayType<Offset = i32>,
    T: ByteViewType<Native = V::Native>,
{
    let keys = dictionary.keys();
    let mut views = GenericByteViewBuilder::<T>::with_capacity(keys.len());
    let block = views.append_block(values.values().clone());
    for (row, key) in dictionary.normalized_keys().into_iter().enumerate() {
        if keys.is_null(row) || values.is_null(key) {
            views.append_null();
            continue;
        }
        let (start, end) = (values.value_offsets()[key], values.value_offsets()[key + 1]);
        views.try_append_view(block, start.cast_unsigned(), (end - start).cast_unsigned())?;
    }
    Ok(Arc::new(views.finish()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use arrow_array::types::{Int8Type, UInt16Type};
    use arrow_array::{
        BinaryArray, DictionaryArray, FixedSizeBinaryArray, LargeBinaryArray, LargeStringArray,
        StringArray,
    };
    use arrow_array::{Int8Array, UInt16Array};

    use super::*;
    use crate::arrow::values::{Found, convert};

    const LONG: &str = "longer than the twelve bytes of a view";

    #[track_caller]
    fn texts(from: impl Array + 'static) -> (StringViewArray, ArrayRef) {
        let from: ArrayRef = Arc::new(from);
        let found = convert(Found::plain(&from), &DataType::Varchar).unwrap();
        assert!(found.misfits.is_empty());
        (found.array.as_string_view().clone(), from)
    }

    #[test]
    fn text_of_every_layout_is_seen_without_a_copy() {
        let values = vec![Some("first"), None, Some(""), Some(LONG), Some("ünï")];
        let expected = StringViewArray::from(values[1..].to_vec());
        let small = StringArray::from(values.clone());
        let (views, _) = texts(small.slice(1, 4));
        assert_eq!(views, expected);
        assert_eq!(views.data_buffers()[0].as_ptr(), small.values().as_ptr());
        let large = LargeStringArray::from(values.clone());
        let (views, _) = texts(large.slice(1, 4));
        assert_eq!(views, expected);
        assert_eq!(views.data_buffers()[0].as_ptr(), large.values().as_ptr());
        assert_eq!(texts(StringViewArray::from(values).slice(1, 4)).0, expected);
        assert!(texts(StringArray::from(Vec::<&str>::new())).0.is_empty());
    }

    #[test]
    fn bytes_of_every_layout_stay_bytes() {
        let values: Vec<Option<&[u8]>> = vec![None, Some(b"\xff\x00"), Some(LONG.as_bytes())];
        let expected = BinaryViewArray::from(values.clone());
        let bytes = |from: ArrayRef| {
            let found = convert(Found::plain(&from), &DataType::Varbinary).unwrap();
            found.array.as_binary_view().clone()
        };
        assert_eq!(bytes(Arc::new(BinaryArray::from(values.clone()))), expected);
        assert_eq!(bytes(Arc::new(LargeBinaryArray::from(values.clone()))), expected);
        assert_eq!(bytes(Arc::new(expected.clone())), expected);
        let fixed = [Some(b"abc".as_slice()), None, Some(b"\xc3(\x00".as_slice())];
        let fixed_size =
            FixedSizeBinaryArray::try_from_sparse_iter_with_size(fixed.into_iter(), 3).unwrap();
        let expected = BinaryViewArray::from(fixed[1..].to_vec());
        assert_eq!(bytes(Arc::new(fixed_size.slice(1, 2))), expected);
    }

    #[test]
    fn bytes_do_not_become_text_nor_text_bytes() {
        let refused = |from: ArrayRef, to: &DataType| {
            convert(Found::plain(&from), to).err().unwrap().to_string()
        };
        let bytes: ArrayRef = Arc::new(BinaryArray::from(vec![b"\xff".as_slice()]));
        let message = refused(bytes, &DataType::Varchar);
        assert!(message.contains("Binary cannot be read as VARCHAR"), "{message}");
        let text: ArrayRef = Arc::new(StringArray::from(vec!["a"]));
        let message = refused(text, &DataType::Varbinary);
        assert!(message.contains("Utf8 cannot be read as VARBINARY"), "{message}");
    }

    #[test]
    fn a_dictionary_is_seen_through_its_keys_whether_dense_or_sparse() {
        let values = StringArray::from(vec![Some("a"), Some(LONG), None, Some(""), Some("z")]);
        let dense = Int8Array::from(vec![Some(1), None, Some(2), Some(0), Some(3), Some(1)]);
        let dense = DictionaryArray::<Int8Type>::new(dense, Arc::new(values.clone()));
        let rows = [Some(LONG), None, None, Some("a"), Some(""), Some(LONG)];
        let (views, _) = texts(dense.slice(1, 5));
        assert_eq!(views, StringViewArray::from(rows[1..].to_vec()));
        assert_eq!(views.data_buffers()[0].as_ptr(), values.values().as_ptr());

        let is_sparse = |keys: Vec<Option<u16>>, expected: Vec<Option<&str>>| {
            let keys = UInt16Array::from(keys);
            let sparse = DictionaryArray::<UInt16Type>::new(keys, Arc::new(values.clone()));
            let (views, _) = texts(sparse);
            assert_eq!(views, StringViewArray::from(expected));
            assert_eq!(views.data_buffers()[0].as_ptr(), values.values().as_ptr());
        };
        is_sparse(vec![Some(1)], vec![Some(LONG)]);
        is_sparse(vec![Some(2)], vec![None]);
        is_sparse(vec![None], vec![None]);
        is_sparse(vec![], vec![]);

        let bytes: Vec<&[u8]> = vec![b"\xff", b"b", b"c", b"d"];
        let keys = Int8Array::from(vec![0]);
        let sparse = DictionaryArray::<Int8Type>::new(keys, Arc::new(BinaryArray::from(bytes)));
        let sparse: ArrayRef = Arc::new(sparse);
        let found = convert(Found::plain(&sparse), &DataType::Varbinary).unwrap();
        assert_eq!(found.array.as_binary_view().value(0), b"\xff");
    }

    #[test]
    fn a_dictionary_of_another_layout_becomes_its_values() {
        let keys = Int8Array::from(vec![Some(1), None, Some(0)]);
        let values = LargeStringArray::from(vec!["low", LONG]);
        let (views, _) = texts(DictionaryArray::<Int8Type>::new(keys.clone(), Arc::new(values)));
        assert_eq!(views, StringViewArray::from(vec![Some(LONG), None, Some("low")]));
        // Numbers too: 300 is a misfit of its row, and not of the dictionary.
        let values = arrow_array::Int32Array::from(vec![300, 7]);
        let numbers: ArrayRef = Arc::new(DictionaryArray::<Int8Type>::new(keys, Arc::new(values)));
        let found = convert(Found::plain(&numbers), &DataType::TinyInt).unwrap();
        assert_eq!(found.misfits, [2]);
        assert_eq!(found.array.as_primitive::<Int8Type>().value(0), 7);
    }
}
