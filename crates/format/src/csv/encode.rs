//! Columns to CSV: LF after each record, a header at the head of each segment if the options have
//! one.
//!
//! NULL is an empty field, the empty string `""`. A field is quoted where it holds the delimiter, a
//! quote or a line break, or begins or ends with a space.

use tidemill_plan::CsvOptions;
use tidemill_record::{Batch, Schema};

use super::check_options;
use crate::FormatError;
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
        })
    }

    pub(crate) fn encode(&mut self, batch: &Batch, out: &mut Vec<u8>) {
        self.write_header(out);
        let columns: Vec<Cells<'_>> = batch
            .columns()
            .iter()
            .zip(&self.schema.fields)
            .map(|(column, field)| Cells::new(column, &field.data_type))
            .collect();
        for row in 0..batch.row_count() {
            for (index, cells) in columns.iter().enumerate() {
                if index > 0 {
                    out.push(self.options.delimiter);
                }
                if cells.is_null(row) {
                    continue;
                }
                let start = out.len();
                cells.write(row, out);
                let is_textual = matches!(cells, Cells::Varchar(_) | Cells::Array(..));
                if is_textual || !self.is_delimiter_textual || out.len() == start {
                    self.quote(start, out);
                }
            }
            out.push(b'\n');
        }
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
            self.quote(start, out);
        }
        out.push(b'\n');
    }

    /// Quotes the field that begins at `start` and ends the output, if it has to be.
    fn quote(&self, start: usize, out: &mut Vec<u8>) {
        let CsvOptions { delimiter, quote, .. } = self.options;
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
}
