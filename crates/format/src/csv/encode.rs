//! Columns to CSV: LF after each record, a header at the head of each segment if the options have
//! one.
//!
//! NULL is an empty field, the empty string `""`. A field is quoted where it holds the delimiter, a
//! quote or a line break, or begins or ends with a space.

use std::ops::Range;

use arrow_array::cast::AsArray;
use tidemill_plan::{CsvOptions, TimeForm};
use tidemill_record::{Batch, Schema};

use super::check_options;
use crate::FormatError;
use crate::encode::block::{BLOCK_ROWS, Block, Cell, Dialect, Source};
use crate::encode::rows::Rows;
use crate::text::quoting::quote_field;
use crate::text::time_form::forms;

/// Encodes segments of CSV.
#[derive(Clone)]
pub(crate) struct CsvEncoder {
    // Fixed at construction.
    options: CsvOptions,
    schema: Schema,
    /// In which each column's times are written, where that is not the usual one.
    forms: Vec<Option<TimeForm>>,
    // Changes with every segment.
    is_header_due: bool,
    // Changes with every block of rows.
    columns: Vec<Column>,
}

/// One column of the batches.
#[derive(Clone)]
struct Column {
    block: Block,
    /// What stands behind each of its fields.
    end: u8,
}

impl CsvEncoder {
    pub(crate) fn new(options: &CsvOptions, schema: &Schema) -> Result<Self, FormatError> {
        check_options(options)?;
        let column = |field: usize| {
            let is_last = field + 1 == schema.fields.len();
            Column { block: Block::new(), end: if is_last { b'\n' } else { options.delimiter } }
        };
        let columns = (0..schema.fields.len()).map(column).collect();
        Ok(Self {
            forms: forms(&options.times, schema),
            options: options.clone(),
            schema: schema.clone(),
            is_header_due: options.has_header,
            columns,
        })
    }

    pub(crate) fn encode(&mut self, batch: &Batch, out: &mut Vec<u8>) {
        self.write_header(out);
        let row_count = batch.row_count();
        for first in (0..row_count).step_by(BLOCK_ROWS) {
            self.encode_block(batch, first..row_count.min(first + BLOCK_ROWS), out);
        }
    }

    fn encode_block(&mut self, batch: &Batch, rows: Range<usize>, out: &mut Vec<u8>) {
        let fields = &self.schema.fields;
        if fields.is_empty() {
            out.extend(rows.map(|_| b'\n'));
            return;
        }
        let mut bytes_max = 0;
        let columns = self.columns.iter_mut().zip(batch.columns()).enumerate();
        for (field, (Column { block, end }, array)) in columns {
            let source = Source {
                array,
                data_type: &fields[field].data_type,
                form: self.forms[field].as_ref(),
                dialect: Dialect::Csv(&self.options),
                end: Some(*end),
            };
            bytes_max += block.fill(source, rows.clone());
        }
        let columns = &self.columns;
        let quote = self.options.quote;
        Rows::append(out, bytes_max, |out| {
            for (place, row) in rows.enumerate() {
                for (Column { block, end }, array) in columns.iter().zip(batch.columns()) {
                    match block.cell(place) {
                        Cell::Short(cell, len) => out.push(cell, len),
                        Cell::Long(text) => out.push_text(text),
                        Cell::Copied => {
                            out.push_text(array.as_string_view().value(row).as_bytes());
                            out.push_byte(*end);
                        }
                        Cell::Quoted => {
                            out.push_quoted(array.as_string_view().value(row).as_bytes(), quote);
                            out.push_byte(*end);
                        }
                    }
                }
            }
        });
    }

    /// Ends a segment; one without rows still has its header.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) {
        self.write_header(out);
        self.is_header_due = self.options.has_header;
    }

    /// Whether the segment has its header, where there is to be one.
    pub(crate) fn has_begun(&self) -> bool {
        self.options.has_header && !self.is_header_due
    }

    /// Goes on in a segment that has its header.
    pub(crate) fn go_on(&mut self) {
        self.is_header_due = false;
    }

    fn write_header(&mut self, out: &mut Vec<u8>) {
        if !std::mem::take(&mut self.is_header_due) {
            return;
        }
        for (index, field) in self.schema.fields.iter().enumerate() {
            if index > 0 {
                out.push(self.options.delimiter);
            }
            let start = out.len();
            out.extend_from_slice(field.name.as_bytes());
            quote_field(&self.options, start, out);
        }
        out.push(b'\n');
    }
}
