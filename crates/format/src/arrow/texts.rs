//! Columns of text, which are read as bytes and looked through at once.
//!
//! `arrow-ipc` would look at each text by itself. Bytes of ASCII are text however they are cut; others are text if all of them together
//! are, and none is cut within a character.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{
    Array, ArrayRef, BinaryViewArray, GenericBinaryArray, GenericStringArray, OffsetSizeTrait,
    RecordBatch, RecordBatchOptions, StringViewArray,
};
use arrow_buffer::ArrowNativeType;
use arrow_data::MAX_INLINE_VIEW_LEN;
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};

/// The schema by which texts are read as bytes. Those of lists, structs and dictionaries stay texts.
pub(super) fn as_bytes(schema: &Schema) -> SchemaRef {
    let field = |field: &Arc<Field>| {
        let bytes = match field.data_type() {
            DataType::Utf8 => DataType::Binary,
            DataType::LargeUtf8 => DataType::LargeBinary,
            DataType::Utf8View => DataType::BinaryView,
            _ => return Arc::clone(field),
        };
        Arc::new(field.as_ref().clone().with_data_type(bytes))
    };
    let fields: Vec<Arc<Field>> = schema.fields().iter().map(field).collect();
    Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
}

/// The same rows with the texts of a schema as what they are.
///
/// # Errors
/// One is not UTF-8.
///
/// # Cost
/// O(bytes), and nothing is copied.
pub(super) fn with_texts(rows: RecordBatch, schema: SchemaRef) -> Result<RecordBatch, ArrowError> {
    let row_count = Some(rows.num_rows());
    let (_, columns, _) = rows.into_parts();
    let column = |(column, field): (ArrayRef, &Arc<Field>)| {
        let text: ArrayRef = match (column.data_type(), field.data_type()) {
            (DataType::Binary, DataType::Utf8) => Arc::new(text(column.as_binary::<i32>())?),
            (DataType::LargeBinary, DataType::LargeUtf8) => {
                Arc::new(text(column.as_binary::<i64>())?)
            }
            (DataType::BinaryView, DataType::Utf8View) => {
                Arc::new(text_views(column.as_binary_view())?)
            }
            _ => column,
        };
        Ok(text)
    };
    let columns = columns.into_iter().zip(schema.fields()).map(column);
    let columns = columns.collect::<Result<Vec<_>, ArrowError>>()?;
    let options = RecordBatchOptions::new().with_row_count(row_count);
    RecordBatch::try_new_with_options(schema, columns, &options)
}

fn text<O: OffsetSizeTrait>(
    bytes: &GenericBinaryArray<O>,
) -> Result<GenericStringArray<O>, ArrowError> {
    let (offsets, values, nulls) = bytes.clone().into_parts();
    let (start, end) = (offsets[0].as_usize(), offsets[offsets.len() - 1].as_usize());
    let all = &values[start..end];
    if !all.is_ascii() {
        check(all)?;
        let inner = offsets.iter().filter(|offset| offset.as_usize() < end);
        if inner.fold(false, |any, offset| any | is_within(values[offset.as_usize()])) {
            return Err(not_utf8());
        }
    }
    // SAFETY: the offsets ascend within the values, as those of an array of bytes, and what is between any two of them is UTF-8.
    Ok(unsafe { GenericStringArray::new_unchecked(offsets, values, nulls) })
}

fn text_views(bytes: &BinaryViewArray) -> Result<StringViewArray, ArrowError> {
    /// The highest bits of the bytes of a text that its view holds.
    const HIGH: u128 = 0x8080_8080_8080_8080_8080_8080_u128 << 32;
    let buffers = bytes.data_buffers();
    // Of each buffer whether all of it is ASCII, or text.
    let kinds: Vec<(bool, bool)> = buffers
        .iter()
        .map(|buffer| match buffer.is_ascii() {
            true => (true, true),
            false => (false, check(buffer).is_ok()),
        })
        .collect();
    let are_ascii = kinds.iter().all(|(is_ascii, _)| *is_ascii);
    for (row, view) in bytes.views().iter().enumerate() {
        let length = *view & u128::from(u32::MAX);
        if length <= u128::from(MAX_INLINE_VIEW_LEN) {
            if view & HIGH != 0 {
                // SAFETY: the row is one of the array's.
                check(unsafe { bytes.value_unchecked(row) })?;
            }
            continue;
        }
        if are_ascii {
            continue;
        }
        let view = arrow_data::ByteView::from(*view);
        let buffer = view.buffer_index.as_usize();
        let (start, length) = (view.offset.as_usize(), view.length.as_usize());
        let text = &buffers[buffer][start..start + length];
        if kinds[buffer].1 {
            let behind = buffers[buffer].get(start + length);
            if is_within(text[0]) || behind.is_some_and(|byte| is_within(*byte)) {
                return Err(not_utf8());
            }
        } else {
            check(text)?;
        }
    }
    // SAFETY: every view has been found to be of UTF-8 just now.
    Ok(unsafe { bytes.clone().to_string_view_unchecked() })
}

/// Whether a byte goes on with a character that a byte before it began.
fn is_within(byte: u8) -> bool {
    byte & 0xc0 == 0x80
}

fn check(bytes: &[u8]) -> Result<(), ArrowError> {
    simdutf8::basic::from_utf8(bytes).map(|_| ()).map_err(|_| not_utf8())
}

fn not_utf8() -> ArrowError {
    ArrowError::InvalidArgumentError("a text is not UTF-8".to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use arrow_array::{BinaryArray, LargeBinaryArray};

    use super::*;

    /// Whether a column of these bytes is text, in each layout.
    fn check_all(values: &[Option<&[u8]>]) {
        let layouts: [(ArrayRef, DataType); 3] = [
            (Arc::new(values.iter().collect::<BinaryArray>()), DataType::Utf8),
            (Arc::new(values.iter().collect::<LargeBinaryArray>()), DataType::LargeUtf8),
            (Arc::new(values.iter().collect::<BinaryViewArray>()), DataType::Utf8View),
        ];
        for (bytes, to) in layouts {
            for start in 0..values.len() {
                let rows = bytes.slice(start, values.len() - start);
                let schema = |data_type: &DataType| {
                    Arc::new(Schema::new(vec![Field::new("a", data_type.clone(), true)]))
                };
                assert_eq!(*as_bytes(&schema(&to)), *schema(bytes.data_type()));
                let rows = RecordBatch::try_new(schema(bytes.data_type()), vec![rows]).unwrap();
                let is_text = values[start..].iter().flatten();
                let is_text = is_text.clone().all(|bytes| std::str::from_utf8(bytes).is_ok());
                match with_texts(rows, schema(&to)) {
                    Ok(texts) => {
                        assert!(is_text, "{to} {values:?}");
                        let texts = arrow_select::concat::concat(&[texts.column(0)]).unwrap();
                        texts.to_data().validate_full().unwrap();
                        assert_eq!(texts.data_type(), &to);
                    }
                    Err(_) => assert!(!is_text, "{to} {values:?}"),
                }
            }
        }
    }

    #[test]
    fn text_is_what_is_utf8_text_by_text() {
        let pieces: [Option<&[u8]>; 12] = [
            Some(b"plain"),
            None,
            Some(b""),
            Some("é".as_bytes()),
            Some("twelve bytes".as_bytes()),
            Some("a text that is longer than its view, with ünïcödé".as_bytes()),
            Some(b"a text that is longer than its view, in ascii"),
            // Halves of a character, each of which is none.
            Some(b"ends within a character \xc3"),
            Some(b"\xa9 begins within a character"),
            Some(b"\xc3"),
            Some(b"\xa9"),
            Some("日本語の長いテキスト".as_bytes()),
        ];
        let mut state = 5_u64;
        let mut random = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            usize::try_from(state >> 33).unwrap() % below
        };
        for _ in 0..3000 {
            // Mostly such as are text.
            let below = if random(2) == 0 { 7 } else { pieces.len() };
            let values: Vec<_> = (0..1 + random(6)).map(|_| pieces[random(below)]).collect();
            check_all(&values);
        }
    }

    #[test]
    fn bytes_between_views_need_not_be_text() {
        let buffer = b"a text of ascii that is long\xff\xffanother text t\xc3\xa9xt of some length"
            .as_slice();
        let view = |start: usize, length: usize| {
            arrow_array::builder::make_view(
                &buffer[start..start + length],
                0,
                u32::try_from(start).unwrap(),
            )
        };
        let views =
            |of: Vec<u128>| BinaryViewArray::try_new(of.into(), vec![buffer.into()], None).unwrap();
        let texts = text_views(&views(vec![view(0, 28), view(30, buffer.len() - 30)])).unwrap();
        assert_eq!(texts.value(1), "another text téxt of some length");
        assert!(text_views(&views(vec![view(0, 29)])).is_err());
        assert!(text_views(&views(vec![view(30, 15)])).is_err());
    }
}
