//! Which fields without quotes are NULL.

use tidemill_plan::CsvOptions;
use tidemill_record::{DataType, Schema};

/// The texts that stand for NULL, of each slot of a record.
pub(super) struct Nulls {
    /// `csv.null`; nothing where it was not given, which makes empty fields NULL.
    texts: Vec<Box<[u8]>>,
    /// Of each slot, whether an empty field that is not among the texts is NULL all the same, because its
    /// column holds no empty text.
    is_empty_null: Vec<bool>,
}

impl Nulls {
    /// For slots of these columns of the schema.
    pub(super) fn new(options: &CsvOptions, schema: &Schema, columns: &[usize]) -> Self {
        let texts: Vec<Box<[u8]>> =
            options.reading.nulls.iter().map(|text| text.as_bytes().into()).collect();
        let is_empty_null = |&column: &usize| {
            let holds_empty =
                matches!(schema.fields[column].data_type, DataType::Varchar | DataType::Varbinary);
            !holds_empty || texts.is_empty() || texts.iter().any(|text| text.is_empty())
        };
        Self { is_empty_null: columns.iter().map(is_empty_null).collect(), texts }
    }

    /// Whether a field of the slot is NULL.
    #[inline]
    pub(super) fn is_null(&self, slot: usize, text: &[u8]) -> bool {
        if text.is_empty() {
            return self.is_empty_null[slot];
        }
        self.texts.iter().any(|null| **null == *text)
    }
}

/// Whether a field without quotes says nothing of the type of its column.
pub(super) fn says_nothing(text: &[u8], options: &CsvOptions) -> bool {
    text.is_empty() || options.reading.nulls.iter().any(|null| null.as_bytes() == text)
}
