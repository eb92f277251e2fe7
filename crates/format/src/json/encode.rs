//! Columns to JSON lines.
//!
//! Keys in schema order, NULL as `null`. Dates, times, intervals and bytes are strings, as are the
//! floats that JSON has no number for: `"NaN"`, `"Infinity"`, `"-Infinity"`.

use tidemill_plan::{JsonOptions, TimeForm};
use tidemill_record::{Batch, Schema};

use crate::FormatError;
use crate::csv::header::refuse_duplicates;
use crate::text::block::{BLOCK_ROWS, Block, CELL_BYTES, Dialect, RowText};
use crate::text::cell::{Cells, write_json_string};
use crate::text::time_form::forms;

/// Encodes JSON lines.
pub(crate) struct JsonEncoder {
    // Fixed at construction.
    schema: Schema,
    /// In which each column's times are written, where that is not the usual one.
    forms: Vec<Option<TimeForm>>,
    /// For each column, `,"name":` (the first with `{` in place of the comma).
    keys: Vec<Key>,
    // Changes with every block of rows.
    blocks: Vec<Block>,
    text: Vec<u8>,
}

/// What stands before a value.
enum Key {
    /// As a cell, and its length.
    Short([u8; CELL_BYTES], usize),
    Long(Vec<u8>),
}

impl JsonEncoder {
    /// # Errors
    /// [`FormatError::DuplicateColumn`]: readers would see only the last of equal keys.
    pub(crate) fn new(options: &JsonOptions, schema: &Schema) -> Result<Self, FormatError> {
        let names: Vec<String> = schema.fields.iter().map(|field| field.name.clone()).collect();
        refuse_duplicates(&names)?;
        let key = |(index, name): (usize, &String)| {
            let mut key = vec![if index == 0 { b'{' } else { b',' }];
            write_json_string(name.as_bytes(), &mut key);
            key.push(b':');
            Key::new(key)
        };
        Ok(Self {
            schema: schema.clone(),
            forms: forms(&options.times, schema),
            keys: names.iter().enumerate().map(key).collect(),
            blocks: names.iter().map(|_| Block::new()).collect(),
            text: Vec::new(),
        })
    }

    pub(crate) fn encode(&mut self, batch: &Batch, out: &mut Vec<u8>) {
        let row_count = batch.row_count();
        for first in (0..row_count).step_by(BLOCK_ROWS) {
            self.encode_block(batch, (first, BLOCK_ROWS.min(row_count - first)), out);
        }
    }

    /// Encodes `row_count` rows from `first` on.
    fn encode_block(
        &mut self,
        batch: &Batch,
        (first, row_count): (usize, usize),
        out: &mut Vec<u8>,
    ) {
        let fields = &self.schema.fields;
        for (index, (column, field)) in batch.columns().iter().zip(fields).enumerate() {
            let block = &mut self.blocks[index];
            match self.forms[index] {
                Some(_) => block.leave(row_count),
                None => {
                    block.fill(column, &field.data_type, (first, row_count), Dialect::Json, None);
                }
            }
        }
        let end = *b"}\n##############################";
        let mut rows = RowText::new(&mut self.text, out, 2 * fields.len() + 1);
        for row in 0..row_count {
            if fields.is_empty() {
                rows.flush().push(b'{');
            }
            for (index, (block, key)) in self.blocks.iter().zip(&self.keys).enumerate() {
                match key {
                    Key::Short(cell, len) => rows.push(cell, *len),
                    Key::Long(text) => rows.flush().extend_from_slice(text),
                }
                match block.cell(row) {
                    Some((cell, len)) => rows.push(cell, len),
                    None => {
                        let cells = Cells::new(batch.column(index), &fields[index].data_type)
                            .in_form(self.forms[index].as_ref());
                        cells.write_json(first + row, rows.flush());
                    }
                }
            }
            rows.push(&end, 2);
            rows.end_row();
        }
        rows.flush();
    }
}

impl Key {
    fn new(text: Vec<u8>) -> Self {
        if text.len() > CELL_BYTES {
            return Self::Long(text);
        }
        let mut cell = [0; CELL_BYTES];
        cell[..text.len()].copy_from_slice(&text);
        Self::Short(cell, text.len())
    }
}
