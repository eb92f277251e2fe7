//! Cells of some rows as text, a column at a time: what the encoders put together row by row.
//!
//! A cell has a place of fixed size, which is copied whole wherever its text ends: that costs less
//! than copying as much as there is. What does not fit, or needs quotes or escapes, is left to the
//! careful way.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    TimestampMicrosecondType,
};
use arrow_array::{Array, ArrayRef, PrimitiveArray, StringViewArray};
use arrow_data::MAX_INLINE_VIEW_LEN;
use tidemill_record::DataType;

use super::{digits, time_text};

/// Rows put into text at a time, so that their cells stay in L1.
pub(crate) const BLOCK_ROWS: usize = 128;
/// Longest text that [`copy_short`] copies.
const SHORT_BYTES: usize = 64;
/// Room for the text of a cell and the byte behind it.
pub(crate) const CELL_BYTES: usize = 32;

/// How a format writes what is not a number.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Dialect {
    /// NULL is nothing.
    Csv {
        /// Behind each cell; also what text must not hold bare.
        delimiter: u8,
        /// What text must not hold bare either.
        quote: u8,
    },
    /// NULL is `null`; text and times stand in quotes.
    Json,
}

/// Cells of one column.
pub(crate) struct Block {
    cells: Box<[[u8; CELL_BYTES]; BLOCK_ROWS]>,
    lens: Box<[u8; BLOCK_ROWS]>,
    /// Of the timestamp before.
    minute: time_text::WrittenMinute,
}

/// In place of the length of a cell that is to be written the careful way.
const CAREFUL: u8 = u8::MAX;

impl Block {
    pub(crate) fn new() -> Self {
        Self {
            cells: Box::new([[0; CELL_BYTES]; BLOCK_ROWS]),
            lens: Box::new([CAREFUL; BLOCK_ROWS]),
            minute: time_text::WrittenMinute::default(),
        }
    }

    /// The cell of a row of the block, and how many of its bytes count; `None` for the careful way.
    #[inline(always)]
    pub(crate) fn cell(&self, row: usize) -> Option<(&[u8; CELL_BYTES], usize)> {
        let len = self.lens[row];
        (len != CAREFUL).then(|| (&self.cells[row], usize::from(len)))
    }

    /// Leaves the cells of so many rows to the careful way.
    pub(crate) fn leave(&mut self, row_count: usize) {
        self.lens[..row_count].fill(CAREFUL);
    }

    /// Writes the cells of `row_count` (at most [`BLOCK_ROWS`]) rows from `first` on, each followed
    /// by `end` if there is one.
    pub(crate) fn fill(
        &mut self,
        column: &ArrayRef,
        data_type: &DataType,
        (first, row_count): (usize, usize),
        dialect: Dialect,
        end: Option<u8>,
    ) {
        let mut fill = Fill { block: self, column, first, row_count, dialect, end };
        match data_type {
            DataType::TinyInt => fill.integers::<Int8Type>(),
            DataType::SmallInt => fill.integers::<Int16Type>(),
            DataType::Integer => fill.integers::<Int32Type>(),
            DataType::BigInt => fill.integers::<Int64Type>(),
            DataType::Double => fill.doubles(),
            DataType::Timestamp => fill.timestamps(),
            DataType::Varchar => fill.texts(),
            _ => fill.block.leave(row_count),
        }
    }
}

/// Rows on their way into the output: whole cells are put one behind the other, each over the unused
/// bytes of the one before.
pub(crate) struct RowText<'a> {
    text: &'a mut Vec<u8>,
    /// How many bytes of `text` count.
    len: usize,
    out: &'a mut Vec<u8>,
}

impl<'a> RowText<'a> {
    /// Gathered at a time, so that it stays in L1.
    const BYTES: usize = 8 << 10;

    /// For rows of at most so many cells and texts. `text` is room that is kept between calls.
    pub(crate) fn new(text: &'a mut Vec<u8>, out: &'a mut Vec<u8>, pieces_max: usize) -> Self {
        // What the last piece leaves unused stands behind it.
        let room = Self::BYTES + (pieces_max + 1) * (SHORT_BYTES + 1);
        if text.len() < room {
            text.resize(room, 0);
        }
        Self { text, len: 0, out }
    }

    /// Appends the first `len` bytes of a cell.
    #[inline(always)]
    pub(crate) fn push(&mut self, cell: &[u8; CELL_BYTES], len: usize) {
        self.text[self.len..self.len + CELL_BYTES].copy_from_slice(cell);
        self.len += len;
    }

    /// Appends text of whatever length, and `end` behind it.
    #[inline(always)]
    pub(crate) fn push_text(&mut self, text: &[u8], end: u8) {
        if text.len() > SHORT_BYTES {
            let out = self.flush();
            out.extend_from_slice(text);
            out.push(end);
            return;
        }
        let room = &mut self.text[self.len..=self.len + SHORT_BYTES];
        copy_short(text, room);
        room[text.len()] = end;
        self.len += text.len() + 1;
    }

    /// Says that a row is complete.
    #[inline(always)]
    pub(crate) fn end_row(&mut self) {
        if self.len > Self::BYTES {
            self.flush();
        }
    }

    /// The output with all that was gathered.
    pub(crate) fn flush(&mut self) -> &mut Vec<u8> {
        self.out.extend_from_slice(&self.text[..self.len]);
        self.len = 0;
        self.out
    }
}

/// Copies at most [`SHORT_BYTES`] in a few pieces that overlap, which takes less than a call of `memcpy`.
#[inline(always)]
fn copy_short(text: &[u8], room: &mut [u8]) {
    let len = text.len();
    macro_rules! ends {
        ($bytes:literal) => {
            if let (Some(first), Some(last)) =
                (text.first_chunk::<$bytes>(), text.last_chunk::<$bytes>())
            {
                room[..$bytes].copy_from_slice(first);
                room[len - $bytes..len].copy_from_slice(last);
                return;
            }
        };
    }
    ends!(32);
    ends!(16);
    ends!(8);
    ends!(4);
    for (to, from) in room.iter_mut().zip(text) {
        *to = *from;
    }
}

/// One call of [`Block::fill`].
struct Fill<'a> {
    block: &'a mut Block,
    column: &'a ArrayRef,
    first: usize,
    row_count: usize,
    dialect: Dialect,
    end: Option<u8>,
}

impl Fill<'_> {
    /// Writes each cell that is not NULL by `write`, which gives the length or `None`, and NULLs as
    /// the dialect has them.
    #[inline(always)]
    fn each(&mut self, mut write: impl FnMut(&mut [u8; CELL_BYTES], usize) -> Option<usize>) {
        const NULL: &[u8] = b"null";
        let nulls = self.column.nulls().filter(|nulls| nulls.null_count() > 0);
        let (end, end_len) = self.end.map_or((0, 0), |end| (end, 1));
        let cells = self.block.cells[..self.row_count].iter_mut();
        let lens = self.block.lens[..self.row_count].iter_mut();
        for ((cell, len), row) in cells.zip(lens).zip(self.first..) {
            let written = if nulls.is_some_and(|nulls| nulls.is_null(row)) {
                match self.dialect {
                    Dialect::Csv { .. } => Some(0),
                    Dialect::Json => {
                        cell[..NULL.len()].copy_from_slice(NULL);
                        Some(NULL.len())
                    }
                }
            } else {
                write(cell, row)
            };
            *len = match written {
                Some(written) => {
                    // Every cell has room for what stands behind it.
                    cell[written % CELL_BYTES] = end;
                    #[expect(clippy::cast_possible_truncation, reason = "at most CELL_BYTES")]
                    let len = written as u8 + end_len;
                    len
                }
                None => CAREFUL,
            };
        }
    }

    fn integers<T: ArrowPrimitiveType<Native: Into<i64>>>(&mut self) {
        let array: &PrimitiveArray<T> = self.column.as_primitive();
        let values = array.values();
        self.each(|cell, row| Some(digits::write_integer(values[row].into(), cell)));
    }

    fn doubles(&mut self) {
        let values = self.column.as_primitive::<Float64Type>().values();
        self.each(|cell, row| {
            let value = values[row];
            if let Some(len) = digits::write_cents(value, cell) {
                return Some(len);
            }
            if !value.is_finite() {
                return None;
            }
            let mut buffer = zmij::Buffer::new();
            let text = buffer.format_finite(value).as_bytes();
            copy_short(text, cell);
            Some(text.len())
        });
    }

    fn timestamps(&mut self) {
        let values = self.column.as_primitive::<TimestampMicrosecondType>().values();
        let mut minute = self.block.minute;
        let quotes = usize::from(matches!(self.dialect, Dialect::Json));
        self.each(|cell, row| {
            let len = minute.write(values[row], &mut cell[quotes..])?;
            if quotes > 0 {
                cell[0] = b'"';
                cell[len + 1] = b'"';
            }
            Some(len + 2 * quotes)
        });
        self.block.minute = minute;
    }

    fn texts(&mut self) {
        let array: &StringViewArray = self.column.as_string_view();
        let views = array.views();
        match self.dialect {
            Dialect::Csv { delimiter, quote } => {
                // Above the line breaks, the space and both others every byte is bare.
                let floor = delimiter.max(quote).max(b' ') + 1;
                self.each(|cell, row| {
                    let (text, len) = short_text(views[row])?;
                    cell[..16].copy_from_slice(&text.to_le_bytes());
                    let is_bare = len > 0
                        && (!holds_below(text, len, floor)
                            || (!holds_any(text, [b'\n', b'\r', delimiter, quote])
                                && byte_of(text, 0) != b' '
                                && byte_of(text, len - 1) != b' '));
                    is_bare.then_some(len)
                });
            }
            Dialect::Json => self.each(|cell, row| {
                let (text, len) = short_text(views[row])?;
                let is_bare = !holds_any(text, [b'"', b'\\']) && !holds_below(text, len, b' ');
                cell[0] = b'"';
                cell[1..17].copy_from_slice(&text.to_le_bytes());
                cell[len + 1] = b'"';
                is_bare.then_some(len + 2)
            }),
        }
    }
}

/// The text of a view that holds it, its first byte lowest, zeros behind; and its length.
#[inline(always)]
fn short_text(view: u128) -> Option<(u128, usize)> {
    #[expect(clippy::cast_possible_truncation, reason = "the low 32 bits are the length")]
    let len = view as u32;
    (len <= MAX_INLINE_VIEW_LEN).then_some((view >> 32, len as usize))
}

#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "one byte is wanted")]
fn byte_of(text: u128, index: usize) -> u8 {
    (text >> (8 * index)) as u8
}

const ONES: u128 = 0x0101_0101_0101_0101_0101_0101_0101_0101;

/// Whether a byte is one of these. Zeros behind the text count as text.
#[inline(always)]
fn holds_any<const N: usize>(text: u128, bytes: [u8; N]) -> bool {
    let found = bytes.iter().fold(0, |found, &byte| {
        let unlike = text ^ (ONES * u128::from(byte));
        found | (unlike.wrapping_sub(ONES) & !unlike)
    });
    found & (ONES << 7) != 0
}

/// Whether one of the first `len` (at most 12) bytes is below `floor`, which is at most 128.
#[inline(always)]
fn holds_below(text: u128, len: usize, floor: u8) -> bool {
    let padded = text | (u128::MAX << (8 * len));
    padded.wrapping_sub(ONES * u128::from(floor)) & !padded & (ONES << 7) != 0
}
