//! Columns to CSV: LF after each record, a header at the head of each segment if the options have
//! one.
//!
//! NULL is an empty field, the empty string `""`. A field is quoted where it holds the delimiter, a
//! quote or a line break, or begins or ends with a space. Columns that come as text are written as they
//! are.

use std::ops::Range;

use arrow_array::StringViewArray;
use arrow_array::cast::AsArray;
use arrow_data::{ByteView, MAX_INLINE_VIEW_LEN};
use tidemill_plan::{CsvOptions, TimeForm};
use tidemill_record::{Batch, Schema};

use super::check_options;
use crate::FormatError;
use crate::encode::block::{BLOCK_ROWS, Block, Cell, Dialect, Source};
use crate::encode::rows::Rows;
use crate::text::quoting::quote_field;
use crate::text::time_form::forms;

/// Texts up to this length are copied as if they were so long.
const WHOLE_BYTES: usize = 64;

/// Encodes segments of CSV.
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
struct Column {
    content: Content,
    /// What stands behind each of its fields.
    end: u8,
}

enum Content {
    /// Values of this field of the schema.
    Values { field: usize, block: Block },
    /// The text of several fields, with what stands between them.
    Text,
}

impl CsvEncoder {
    /// `verbatim` as in [`crate::Encoder::with_verbatim`].
    pub(crate) fn new(
        options: &CsvOptions,
        schema: &Schema,
        verbatim: &[Range<usize>],
    ) -> Result<Self, FormatError> {
        check_options(options)?;
        let mut columns = Vec::new();
        let mut field = 0;
        while field < schema.fields.len() {
            let run = verbatim.iter().find(|run| run.start == field && !run.is_empty());
            let content = match run {
                Some(_) => Content::Text,
                None => Content::Values { field, block: Block::new() },
            };
            field = run.map_or(field + 1, |run| run.end);
            let is_last = field == schema.fields.len();
            columns.push(Column { content, end: if is_last { b'\n' } else { options.delimiter } });
        }
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
        if let [Column { content: Content::Text, end }] = self.columns.as_slice() {
            append_texts(batch.column(0).as_string_view(), *end, out);
            return;
        }
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
        for (column, array) in self.columns.iter_mut().zip(batch.columns()) {
            bytes_max += match &mut column.content {
                Content::Values { field, block } => {
                    let source = Source {
                        array,
                        data_type: &fields[*field].data_type,
                        form: self.forms[*field].as_ref(),
                        dialect: Dialect::Csv(&self.options),
                        end: Some(column.end),
                    };
                    block.fill(source, rows.clone())
                }
                Content::Text => {
                    let texts = array.as_string_view().lengths();
                    texts.skip(rows.start).take(rows.len()).map(|len| len as usize + 1).sum()
                }
            };
        }
        let columns = &self.columns;
        let quote = self.options.quote;
        Rows::append(out, bytes_max, |out| {
            for (place, row) in rows.enumerate() {
                for (Column { content, end }, array) in columns.iter().zip(batch.columns()) {
                    let cell = match content {
                        Content::Values { block, .. } => block.cell(place),
                        Content::Text => Cell::Copied,
                    };
                    match cell {
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

/// Appends rows that are text as a whole, each with `end` behind it.
fn append_texts(texts: &StringViewArray, end: u8, out: &mut Vec<u8>) {
    #[expect(clippy::cast_possible_truncation, reason = "the low 32 bits are the length")]
    let lens = texts.views().iter().map(|view| *view as u32 as usize + 1);
    let byte_count: usize = lens.sum();
    out.reserve(byte_count + WHOLE_BYTES);
    let room = out.spare_capacity_mut();
    let mut at = 0;
    for (row, view) in texts.views().iter().enumerate() {
        let view = ByteView::from(*view);
        let len = view.length as usize;
        let is_near = len > MAX_INLINE_VIEW_LEN as usize && len <= WHOLE_BYTES;
        let start = view.offset as usize;
        // What stands behind a short text is copied with it and written over by the next.
        if is_near
            && let buffer = &texts.data_buffers()[view.buffer_index as usize]
            && let Some(whole) = buffer.get(start..start + WHOLE_BYTES)
        {
            room[at..at + WHOLE_BYTES].write_copy_of_slice(whole);
        } else {
            room[at..at + len].write_copy_of_slice(texts.value(row).as_bytes());
        }
        room[at + len].write(end);
        at += len + 1;
    }
    // SAFETY: so many bytes have been written behind what was there.
    unsafe { out.set_len(out.len() + at) };
}
