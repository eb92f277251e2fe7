//! Columns to JSON lines.
//!
//! Keys in schema order, NULL as `null`. Dates, times, intervals and bytes are strings, as are the
//! floats that JSON has no number for: `"NaN"`, `"Infinity"`, `"-Infinity"`.

use std::ops::Range;

use arrow_array::cast::AsArray;
use tidemill_plan::{JsonOptions, TimeForm};
use tidemill_record::{Batch, Schema};

use crate::FormatError;
use crate::csv::header::refuse_duplicates;
use crate::encode::block::{BLOCK_ROWS, Block, CELL_BYTES, Cell, Dialect, Source};
use crate::encode::rows::Rows;
use crate::text::cell::write_json_string;
use crate::text::time_form::forms;

/// Encodes JSON lines.
#[derive(Clone)]
pub(crate) struct JsonEncoder {
    // Fixed at construction.
    schema: Schema,
    /// In which each column's times are written, where that is not the usual one.
    forms: Vec<Option<TimeForm>>,
    /// For each column, `,"name":` (the first with `{` in place of the comma).
    keys: Vec<Key>,
    // Changes with every block of rows.
    blocks: Vec<Block>,
}

/// What stands before a value.
#[derive(Clone)]
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
        })
    }

    pub(crate) fn encode(&mut self, batch: &Batch, out: &mut Vec<u8>) {
        let row_count = batch.row_count();
        for first in (0..row_count).step_by(BLOCK_ROWS) {
            self.encode_block(batch, first..row_count.min(first + BLOCK_ROWS), out);
        }
    }

    fn encode_block(&mut self, batch: &Batch, rows: Range<usize>, out: &mut Vec<u8>) {
        let fields = &self.schema.fields;
        if fields.is_empty() {
            rows.for_each(|_| out.extend_from_slice(b"{}\n"));
            return;
        }
        let mut bytes_max = rows.len() * END.len();
        for (index, (array, field)) in batch.columns().iter().zip(fields).enumerate() {
            let source = Source {
                array,
                data_type: &field.data_type,
                form: self.forms[index].as_ref(),
                dialect: Dialect::Json,
                end: None,
            };
            let values = self.blocks[index].fill(source, rows.clone());
            bytes_max += rows.len() * self.keys[index].len() + values;
        }
        let columns = || self.keys.iter().zip(&self.blocks).zip(batch.columns());
        Rows::append(out, bytes_max, |out| {
            for (place, row) in rows.enumerate() {
                for ((key, block), array) in columns() {
                    match key {
                        Key::Short(cell, len) => out.push(cell, *len),
                        Key::Long(text) => out.push_text(text),
                    }
                    match block.cell(place) {
                        Cell::Short(cell, len) => out.push(cell, len),
                        Cell::Long(text) => out.push_text(text),
                        Cell::Copied => {
                            out.push_byte(b'"');
                            out.push_text(array.as_string_view().value(row).as_bytes());
                            out.push_byte(b'"');
                        }
                        Cell::Quoted => {
                            out.push_escaped(array.as_string_view().value(row).as_bytes());
                        }
                    }
                }
                out.push_text(&END);
            }
        });
    }
}

/// Behind the last value of a record.
const END: [u8; 2] = *b"}\n";

impl Key {
    fn new(text: Vec<u8>) -> Self {
        if text.len() > CELL_BYTES {
            return Self::Long(text);
        }
        let mut cell = [0; CELL_BYTES];
        cell[..text.len()].copy_from_slice(&text);
        Self::Short(cell, text.len())
    }

    fn len(&self) -> usize {
        match self {
            Self::Short(_, len) => *len,
            Self::Long(text) => text.len(),
        }
    }
}
