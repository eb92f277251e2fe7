//! The cells of some rows of one column as text.
//!
//! A cell has a place of fixed size, which is copied whole wherever its text ends: that costs less
//! than copying as much as there is.

use std::ops::Range;

use arrow_array::cast::AsArray;
use arrow_array::types::{Decimal128Type, Float32Type, Int8Type, Int16Type, Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef};
use arrow_buffer::NullBuffer;
use tidemill_plan::{CsvOptions, TimeForm};
use tidemill_record::DataType;

use super::rows::copy_short;
use crate::text::cell::{Cells, not_finite};
use crate::text::lanes::Level;
use crate::text::quoting::{is_quoted, quote_field};
use crate::text::time_text::WrittenDay;
use crate::text::{digits, literal};

/// Rows put into text at a time, so that their cells stay in cache.
pub(crate) const BLOCK_ROWS: usize = 128;
/// Room for the text of a cell and the byte behind it.
pub(crate) const CELL_BYTES: usize = 32;
/// Longest text that is sure to fit a cell in quotes and with a byte behind it.
const TEXT_BYTES_MAX: usize = CELL_BYTES - 3;

/// In place of the length of a cell: its text is among those of any length.
const LONG: u8 = u8::MAX;
/// In place of the length: the text is copied from the column, in JSON into quotes.
pub(super) const COPIED: u8 = LONG - 1;
/// In place of the length: the same with what quotes or escapes it.
pub(super) const QUOTED: u8 = LONG - 2;

/// How a format writes what is not a number.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Dialect<'a> {
    /// NULL is nothing.
    Csv(&'a CsvOptions),
    /// NULL is `null`; text and times stand in quotes.
    Json,
}

impl Dialect<'_> {
    pub(super) fn is_json(self) -> bool {
        matches!(self, Self::Json)
    }
}

/// One column of a batch.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a> {
    pub(crate) array: &'a ArrayRef,
    pub(crate) data_type: &'a DataType,
    /// In which times are written, where that is not the usual one.
    pub(crate) form: Option<&'a TimeForm>,
    pub(crate) dialect: Dialect<'a>,
    /// What stands behind each cell, if it is the same for all.
    pub(crate) end: Option<u8>,
}

/// Where the text of a cell is.
pub(crate) enum Cell<'a> {
    /// The first so many bytes.
    Short(&'a [u8; CELL_BYTES], usize),
    /// All of it.
    Long(&'a [u8]),
    /// In the column, as it is but for the quotes around it that JSON has; without what stands behind.
    Copied,
    /// In the column, and it is to be quoted, in JSON with escapes.
    Quoted,
}

/// Cells of one column.
#[derive(Clone)]
pub(crate) struct Block {
    pub(super) cells: Box<[[u8; CELL_BYTES]; BLOCK_ROWS]>,
    /// Bytes of each cell, or one of the constants above.
    pub(super) lens: Box<[u8; BLOCK_ROWS]>,
    /// Texts of any length, one behind the other.
    long: Vec<u8>,
    /// Of the timestamp before.
    pub(super) day: WrittenDay,
    level: Level,
}

impl Block {
    pub(crate) fn new() -> Self {
        Self {
            cells: Box::new([[0; CELL_BYTES]; BLOCK_ROWS]),
            lens: Box::new([0; BLOCK_ROWS]),
            long: Vec::new(),
            day: WrittenDay::default(),
            level: Level::detect(),
        }
    }

    /// The cell of a row of the block.
    #[inline(always)]
    pub(crate) fn cell(&self, row: usize) -> Cell<'_> {
        let len = usize::from(self.lens[row]);
        if len <= CELL_BYTES { Cell::Short(&self.cells[row], len) } else { self.rarer(row) }
    }

    #[inline(never)]
    fn rarer(&self, row: usize) -> Cell<'_> {
        match self.lens[row] {
            LONG => Cell::Long(&self.long[self.long_range(row)]),
            COPIED => Cell::Copied,
            _ => Cell::Quoted,
        }
    }

    /// Where the text of a [`LONG`] cell stands, which is what the cell says.
    fn long_range(&self, row: usize) -> Range<usize> {
        let (start, end) = self.cells[row].split_at(CELL_BYTES / 2);
        let place = |half: &[u8]| usize::from_le_bytes(*half.first_chunk().expect("it is longer"));
        place(start)..place(end)
    }

    /// Appends a text of any length for a row.
    pub(super) fn push_long(&mut self, row: usize, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.long.len();
        write(&mut self.long);
        let (first, last) = self.cells[row].split_at_mut(CELL_BYTES / 2);
        first[..size_of::<usize>()].copy_from_slice(&start.to_le_bytes());
        last[..size_of::<usize>()].copy_from_slice(&self.long.len().to_le_bytes());
        self.lens[row] = LONG;
    }

    /// Writes the cells of some rows, at most [`BLOCK_ROWS`]: how many bytes they take at most.
    pub(crate) fn fill(&mut self, source: Source<'_>, rows: Range<usize>) -> usize {
        let row_count = rows.len();
        self.long.clear();
        let mut fill = Fill { block: self, source, rows };
        if *source.data_type == DataType::Varchar {
            return row_count * CELL_BYTES + fill.texts();
        }
        fill.values();
        if let Dialect::Csv(options) = source.dialect
            && !options.is_foreign_to_values()
        {
            self.quote(options, source.end, row_count);
        }
        row_count * CELL_BYTES + self.long.len()
    }

    /// Quotes short cells that hold what is special in this dialect.
    #[cold]
    fn quote(&mut self, options: &CsvOptions, end: Option<u8>, row_count: usize) {
        for row in 0..row_count {
            let len = usize::from(self.lens[row]);
            let cell = self.cells[row];
            let Some(text) = cell.get(..len.saturating_sub(usize::from(end.is_some()))) else {
                continue;
            };
            // An empty one is NULL.
            if !text.is_empty() && is_quoted(options, text) {
                self.push_long(row, |out| {
                    let start = out.len();
                    out.extend_from_slice(text);
                    quote_field(options, start, out);
                    out.extend(end);
                });
            }
        }
    }
}

/// One call of [`Block::fill`].
pub(super) struct Fill<'a> {
    pub(super) block: &'a mut Block,
    pub(super) source: Source<'a>,
    pub(super) rows: Range<usize>,
}

impl<'a> Fill<'a> {
    pub(super) fn level(&self) -> Level {
        self.block.level
    }

    fn values(&mut self) {
        let array = self.source.array;
        match self.source.data_type {
            DataType::Boolean => {
                let values = array.as_boolean().values();
                self.each(|cell, row| {
                    let word = if values.value(row) { b"true\0\0\0\0" } else { b"false\0\0\0" };
                    cell[..8].copy_from_slice(word);
                    Some(5 - usize::from(values.value(row)))
                });
            }
            DataType::TinyInt => self.integers::<Int8Type>(),
            DataType::SmallInt => self.integers::<Int16Type>(),
            DataType::Integer => self.integers::<Int32Type>(),
            DataType::BigInt => self.integers::<Int64Type>(),
            DataType::Real => {
                let values = array.as_primitive::<Float32Type>().values();
                let is_json = self.source.dialect.is_json();
                self.each(|cell, row| match values[row] {
                    value if value.is_finite() => {
                        let mut buffer = zmij::Buffer::new();
                        let text = buffer.format_finite(value).as_bytes();
                        copy_short(text, cell);
                        Some(text.len())
                    }
                    value => Some(write_word(not_finite(f64::from(value)), is_json, cell)),
                });
            }
            DataType::Double => self.doubles(),
            DataType::Decimal { scale, .. } => {
                let values = array.as_primitive::<Decimal128Type>().values();
                self.each(|cell, row| digits::write_decimal(values[row], *scale, cell));
            }
            DataType::Varbinary => self.bytes(),
            DataType::Date => self.dates(),
            DataType::Timestamp => self.timestamps(),
            DataType::Varchar | DataType::Interval | DataType::Array(_) => self.each(|_, _| None),
        }
    }

    /// Writes each cell that is not NULL by `write`, which gives its length, at most [`TEXT_BYTES_MAX`], or
    /// `None` for what no cell holds, and NULLs as the dialect has them.
    #[inline(always)]
    pub(super) fn each(
        &mut self,
        mut write: impl FnMut(&mut [u8; CELL_BYTES], usize) -> Option<usize>,
    ) {
        let nulls = self.nulls();
        for (index, row) in self.rows.clone().enumerate() {
            self.one(index, row, nulls, &mut write);
        }
    }

    /// Where the values are NULL, if any is.
    fn nulls(&self) -> Option<&'a NullBuffer> {
        self.source.array.nulls().filter(|nulls| nulls.null_count() > 0)
    }

    /// As [`Self::each`], by `four` where that writes the cells of four rows in a row, none of them NULL, and gives
    /// their lengths.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    pub(super) fn each_four(
        &mut self,
        mut four: impl FnMut(&mut [[u8; CELL_BYTES]; 4], usize) -> Option<[usize; 4]>,
        mut write: impl FnMut(&mut [u8; CELL_BYTES], usize) -> Option<usize>,
    ) {
        let nulls = self.nulls();
        let (first, row_count) = (self.rows.start, self.rows.len());
        for start in (0..row_count).step_by(4) {
            let rows = start..row_count.min(start + 4);
            if let Some(cells) = self.block.cells[rows.clone()].first_chunk_mut()
                && nulls.is_none_or(|nulls| rows.clone().all(|row| nulls.is_valid(first + row)))
                && let Some(lens) = four(cells, first + start)
            {
                for (index, len) in rows.zip(lens) {
                    self.end(index, len);
                }
                continue;
            }
            for index in rows {
                self.one(index, first + index, nulls, &mut write);
            }
        }
    }

    /// Writes one cell.
    #[inline(always)]
    fn one(
        &mut self,
        index: usize,
        row: usize,
        nulls: Option<&NullBuffer>,
        write: &mut impl FnMut(&mut [u8; CELL_BYTES], usize) -> Option<usize>,
    ) {
        let cell = &mut self.block.cells[index];
        let written = if nulls.is_some_and(|nulls| nulls.is_null(row)) {
            let (null, len) =
                if self.source.dialect.is_json() { (*b"null", 4) } else { ([0; 4], 0) };
            cell[..4].copy_from_slice(&null);
            Some(len)
        } else {
            write(cell, row)
        };
        match written {
            Some(len) => self.end(index, len),
            None => self.write_long(index, row),
        }
    }

    /// Ends a cell whose text has so many bytes.
    #[inline(always)]
    fn end(&mut self, index: usize, text_len: usize) {
        debug_assert!(text_len < CELL_BYTES);
        let (end, end_len) = self.source.end.map_or((0, 0), |end| (end, 1));
        // Every cell has room for what stands behind it.
        self.block.cells[index][text_len % CELL_BYTES] = end;
        #[expect(clippy::cast_possible_truncation, reason = "at most CELL_BYTES")]
        let len = text_len as u8 + end_len;
        self.block.lens[index] = len;
    }

    /// Writes a cell of whatever length.
    #[cold]
    fn write_long(&mut self, index: usize, row: usize) {
        let Source { array, data_type, form, dialect, end } = self.source;
        let cells = Cells::new(array, data_type).in_form(form);
        self.block.push_long(index, |out| {
            match dialect {
                Dialect::Csv(options) => {
                    let start = out.len();
                    cells.write(row, out);
                    quote_field(options, start, out);
                }
                Dialect::Json => cells.write_json(row, out),
            }
            out.extend(end);
        });
    }

    fn bytes(&mut self) {
        let array = self.source.array.as_binary_view();
        let quotes = usize::from(self.source.dialect.is_json());
        self.each(|cell, row| {
            let bytes = array.value(row);
            let len = 2 * bytes.len();
            if len > TEXT_BYTES_MAX || len == 0 {
                return None;
            }
            literal::write_hex_into(bytes, &mut cell[quotes..quotes + len]);
            Some(in_quotes(len, quotes, cell))
        });
    }
}

/// Puts quotes around the text of a cell that begins at 1, if there are any: the length with them.
#[inline(always)]
pub(super) fn in_quotes(len: usize, quotes: usize, cell: &mut [u8; CELL_BYTES]) -> usize {
    if quotes > 0 {
        cell[0] = b'"';
        cell[(len + 1) % CELL_BYTES] = b'"';
    }
    len + 2 * quotes
}

/// Writes a short word, in JSON in quotes.
#[cold]
pub(super) fn write_word(word: &[u8], is_json: bool, cell: &mut [u8; CELL_BYTES]) -> usize {
    let quotes = usize::from(is_json);
    cell[quotes..quotes + word.len()].copy_from_slice(word);
    in_quotes(word.len(), quotes, cell)
}
