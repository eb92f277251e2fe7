//! Columns to JSON lines.
//!
//! Keys in schema order, NULL as `null`. Dates, times, intervals and bytes are strings, as are the
//! floats that JSON has no number for: `"NaN"`, `"Infinity"`, `"-Infinity"`.

use tidemill_record::{Batch, Schema};

use crate::FormatError;
use crate::csv::header::refuse_duplicates;
use crate::text::cell::{Cells, write_json_string};

/// Encodes JSON lines.
pub(crate) struct JsonEncoder {
    schema: Schema,
    /// For each column, `,"name":` (the first with `{` in place of the comma).
    keys: Vec<Vec<u8>>,
}

impl JsonEncoder {
    /// # Errors
    /// [`FormatError::DuplicateColumn`]: readers would see only the last of equal keys.
    pub(crate) fn new(schema: &Schema) -> Result<Self, FormatError> {
        let names: Vec<String> = schema.fields.iter().map(|field| field.name.clone()).collect();
        refuse_duplicates(&names)?;
        let key = |(index, name): (usize, &String)| {
            let mut key = vec![if index == 0 { b'{' } else { b',' }];
            write_json_string(name.as_bytes(), &mut key);
            key.push(b':');
            key
        };
        Ok(Self { schema: schema.clone(), keys: names.iter().enumerate().map(key).collect() })
    }

    pub(crate) fn encode(&mut self, batch: &Batch, out: &mut Vec<u8>) {
        let columns: Vec<Cells<'_>> = batch
            .columns()
            .iter()
            .zip(&self.schema.fields)
            .map(|(column, field)| Cells::new(column, &field.data_type))
            .collect();
        for row in 0..batch.row_count() {
            if columns.is_empty() {
                out.push(b'{');
            }
            for (cells, key) in columns.iter().zip(&self.keys) {
                out.extend_from_slice(key);
                cells.write_json(row, out);
            }
            out.extend_from_slice(b"}\n");
        }
    }
}
