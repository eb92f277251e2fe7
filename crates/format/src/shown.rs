//! Values of a batch as people read them, one by one. Absent on purpose: how they are laid out.

use tidemill_record::{Batch, Schema, harmless};

use crate::text::cell::Cells;

/// The values of a batch, in text that steers no terminal.
pub struct ShownValues<'a> {
    columns: Vec<Cells<'a>>,
    text: Vec<u8>,
}

impl<'a> ShownValues<'a> {
    /// Looks at a batch of the schema.
    #[must_use]
    pub fn new(batch: &'a Batch, schema: &Schema) -> Self {
        let columns = batch.columns().iter().zip(&schema.fields);
        let columns = columns.map(|(column, field)| Cells::new(column, &field.data_type));
        Self { columns: columns.collect(), text: Vec::new() }
    }

    /// A value of at most about `bytes_max` bytes, `…` behind what is longer; `None` for NULL.
    ///
    /// # Panics
    /// If there is no such row or column.
    pub fn value(&mut self, row: usize, column: usize, bytes_max: usize) -> Option<Box<str>> {
        let cells = &self.columns[column];
        if cells.is_null(row) {
            return None;
        }
        self.text.clear();
        cells.write(row, &mut self.text);
        if self.text.len() <= bytes_max {
            return Some(harmless(&String::from_utf8_lossy(&self.text), &[]).into());
        }
        let is_inside = |byte: u8| byte & 0xc0 == 0x80;
        let end = (0..=bytes_max).rev().find(|&end| !is_inside(self.text[end])).unwrap_or(0);
        let shown = String::from_utf8_lossy(&self.text[..end]);
        // What was long may have made this buffer so.
        let shown = format!("{}…", harmless(&shown, &[])).into();
        self.text = Vec::new();
        Some(shown)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, StringViewArray, UInt64Array};
    use tidemill_record::{DataType, Field};

    use super::*;

    #[test]
    fn values_are_cut_between_characters_and_steer_nothing() {
        let texts = [Some("日本語"), None, Some(""), Some("\u{1b}[31m")];
        let column: ArrayRef = Arc::new(StringViewArray::from(texts.to_vec()));
        let batch = Batch::new(vec![column], UInt64Array::from_iter_values(0..4));
        let schema = Schema::new(vec![Field::nullable("t", DataType::Varchar)]);
        let mut values = ShownValues::new(&batch, &schema);
        for (bytes_max, expected) in
            [(9, "日本語"), (8, "日本…"), (6, "日本…"), (5, "日…"), (0, "…")]
        {
            assert_eq!(values.value(0, 0, bytes_max).as_deref(), Some(expected), "{bytes_max}");
        }
        assert_eq!(values.value(1, 0, 9), None);
        assert_eq!(values.value(2, 0, 9).as_deref(), Some(""));
        assert_eq!(values.value(3, 0, 9).as_deref(), Some("\\u{1b}[31m"));
    }
}
