//! Columns to CSV: LF after each record, a header at the head of each segment if the options have
//! one.
//!
//! NULL is an empty field, the empty string `""`. A field is quoted where it holds the delimiter, a
//! quote or a line break, or begins or ends with a space.

use tidemill_plan::CsvOptions;
use tidemill_record::{Batch, Schema};

use super::check_options;
use crate::FormatError;
use crate::text::block::{BLOCK_ROWS, Block, Dialect, RowText};
use crate::text::cell::Cells;

/// Encodes segments of CSV.
pub(crate) struct CsvEncoder {
    // Fixed at construction.
    options: CsvOptions,
    schema: Schema,
    /// Whether only text can hold the delimiter or the quote.
    is_delimiter_textual: bool,
    // Changes with every segment.
    is_header_due: bool,
    // Changes with every block of rows.
    blocks: Vec<Block>,
    text: Vec<u8>,
}

impl CsvEncoder {
    pub(crate) fn new(options: &CsvOptions, schema: &Schema) -> Result<Self, FormatError> {
        check_options(options)?;
        let is_in_values = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.: ".contains(&byte);
        Ok(Self {
            is_delimiter_textual: !is_in_values(options.delimiter) && !is_in_values(options.quote),
            options: options.clone(),
            schema: schema.clone(),
            is_header_due: options.has_header,
            blocks: schema.fields.iter().map(|_| Block::new()).collect(),
            text: Vec::new(),
        })
    }

    pub(crate) fn encode(&mut self, batch: &Batch, out: &mut Vec<u8>) {
        self.write_header(out);
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
        let CsvOptions { delimiter, quote, .. } = self.options;
        let fields = &self.schema.fields;
        for (index, (column, field)) in batch.columns().iter().zip(fields).enumerate() {
            let end = if index + 1 == fields.len() { b'\n' } else { delimiter };
            let dialect = Dialect::Csv { delimiter, quote };
            self.blocks[index].fill(
                column,
                &field.data_type,
                (first, row_count),
                dialect,
                Some(end),
            );
        }
        let mut rows = RowText::new(&mut self.text, out);
        for row in 0..row_count {
            for (index, block) in self.blocks.iter().enumerate() {
                match block.cell(row).filter(|_| self.is_delimiter_textual) {
                    Some((cell, len)) => rows.push(cell, len),
                    None => {
                        let end = if index + 1 == fields.len() { b'\n' } else { delimiter };
                        let cells = Cells::new(batch.column(index), &fields[index].data_type);
                        let out = rows.flush();
                        write_cell(&cells, first + row, &self.options, out);
                        out.push(end);
                    }
                }
            }
            if fields.is_empty() {
                rows.flush().push(b'\n');
            }
        }
        rows.flush();
    }

    /// Ends a segment; one without rows still has its header.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) {
        self.write_header(out);
        self.is_header_due = self.options.has_header;
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

/// Appends a cell of whatever type, in quotes if it has to be.
fn write_cell(cells: &Cells<'_>, row: usize, options: &CsvOptions, out: &mut Vec<u8>) {
    if !cells.is_null(row) {
        let start = out.len();
        cells.write(row, out);
        quote_field(options, start, out);
    }
}

/// Quotes the field that begins at `start` and ends the output, if it has to be.
fn quote_field(options: &CsvOptions, start: usize, out: &mut Vec<u8>) {
    let CsvOptions { delimiter, quote, .. } = *options;
    let field = &out[start..];
    let is_special =
        |byte: &u8| matches!(*byte, b'\n' | b'\r') || *byte == delimiter || *byte == quote;
    let has_space_around = field.first() == Some(&b' ') || field.last() == Some(&b' ');
    if !field.is_empty() && !has_space_around && !field.iter().any(is_special) {
        return;
    }
    let quotes = memchr::memchr_iter(quote, field).count();
    let mut from = out.len();
    out.resize(from + quotes + 2, quote);
    // Moves the field up by one and by one more for each quote within, back to front.
    let mut to = out.len() - 1;
    while from > start {
        from -= 1;
        to -= 1;
        out[to] = out[from];
        if out[from] == quote {
            to -= 1;
            out[to] = quote;
        }
    }
    out[start] = quote;
}
