//! The pages of one column of a row group, and the place in them.

use ::parquet::basic::{Encoding, Type as PhysicalType};
use ::parquet::errors::ParquetError;
use ::parquet::schema::types::ColumnDescriptor;
use bytes::Bytes;

use super::Kept;
use super::hybrid::{Hybrid, WIDTH_MAX};
use crate::parquet::page_head::{PageHead, PageKind};
use crate::parquet::stored::StoredPages;
use crate::unpack::{Packing, Unpacker};

/// Bytes before definition levels or truth values that say how many bytes those take.
const LENGTH_BYTES: usize = 4;

/// The pages of a column without members, of which each row has one value at most.
pub(super) struct Pages {
    stored: StoredPages,
    physical_type: PhysicalType,
    /// Bytes of a plain value; 0 of texts, whose length stands before each.
    value_bytes: usize,
    /// Values may be NULL.
    is_nullable: bool,
    /// The page at hand.
    page: DataPage,
    /// Bytes of that page as it was unpacked, and of the dictionary.
    page_bytes: usize,
    dictionary_bytes: usize,
    /// Rows to leave out before the next that is read.
    skipped: usize,
}

/// What is found out of rows that are read; reused.
#[derive(Default)]
pub(super) struct OfRows {
    /// Their definition levels.
    levels: Vec<u32>,
    /// For each that is wanted the place of its value.
    places: Vec<u32>,
}

/// What is left of a page.
#[derive(Default)]
struct DataPage {
    row_count: usize,
    levels: Option<Hybrid>,
    values: Values,
}

/// Values that follow one another.
pub(super) enum Values {
    /// As they are in memory, behind each other.
    Plain(Bytes),
    /// Places in the dictionary, or truth values.
    Codes(Hybrid),
}

impl Default for Values {
    fn default() -> Self {
        Self::Plain(Bytes::new())
    }
}

/// In place of a value's place: the row is NULL.
pub(super) const NULL: u32 = u32::MAX;

/// Rows of a page that are to be read.
pub(super) struct Run<'a> {
    /// What the page holds from the first of them on; whoever reads it moves it on by `value_count` values.
    pub(super) values: &'a mut Values,
    /// Values of all rows, also of those that are left out among them.
    pub(super) value_count: usize,
    /// For each row that is read, the place of its value or [`NULL`]; `None` where all values are read, and
    /// no row is NULL.
    pub(super) places: Option<&'a [u32]>,
}

/// What comes next of a column.
pub(super) enum Next {
    /// A dictionary page: its bytes, and how many values it is said to have.
    Dictionary(Bytes, usize),
    /// Rows of the page at hand: as many as there are.
    Rows(usize),
}

impl Pages {
    pub(super) fn new(stored: StoredPages, leaf: &ColumnDescriptor) -> Self {
        let physical_type = leaf.physical_type();
        let value_bytes = match physical_type {
            PhysicalType::INT32 | PhysicalType::FLOAT => 4,
            PhysicalType::INT64 | PhysicalType::DOUBLE => 8,
            PhysicalType::INT96 => 12,
            PhysicalType::FIXED_LEN_BYTE_ARRAY => usize::try_from(leaf.type_length()).unwrap_or(0),
            PhysicalType::BOOLEAN | PhysicalType::BYTE_ARRAY => 0,
        };
        let is_nullable = leaf.max_def_level() > 0;
        Self {
            stored,
            physical_type,
            value_bytes,
            is_nullable,
            page: DataPage::default(),
            page_bytes: 0,
            dictionary_bytes: 0,
            skipped: 0,
        }
    }

    /// Leaves out rows. Pages of which no row is read are not unpacked.
    pub(super) fn skip(&mut self, row_count: usize) {
        self.skipped += row_count;
    }

    /// What comes next, behind what was left out.
    ///
    /// # Errors
    /// A page cannot be read, or there is none.
    pub(super) fn next(
        &mut self,
        unpacker: &mut Unpacker,
        kept: &mut Kept,
    ) -> Result<Next, ParquetError> {
        loop {
            if self.skipped > 0 && self.page.row_count > 0 {
                let count = self.skipped.min(self.page.row_count);
                self.skip_in_page(count, kept)?;
                self.skipped -= count;
            }
            if self.page.row_count > 0 {
                return Ok(Next::Rows(self.page.row_count));
            }
            if self.skipped > 0 && self.skip_page()? {
                continue;
            }
            let (head, packed) =
                self.stored.take()?.ok_or_else(|| broken("it ends before its rows do"))?;
            let bytes = unpacked(&head, packed, self.stored.packing(), unpacker, kept)?;
            if let PageKind::Dictionary { value_count } = head.kind {
                self.dictionary_bytes = bytes.len();
                return Ok(Next::Dictionary(bytes, value_count));
            }
            self.page_bytes = bytes.len();
            self.page = self.opened(&head.kind, bytes)?;
        }
    }

    /// Bytes of the pages at hand, as they were unpacked.
    pub(super) fn held_bytes(&self) -> usize {
        self.page_bytes + self.dictionary_bytes
    }

    /// Whether the next page has none but rows that are left out, and has been left out with them.
    fn skip_page(&mut self) -> Result<bool, ParquetError> {
        let row_count = self.stored.peek()?.and_then(PageHead::row_count);
        let Some(row_count) = row_count.filter(|count| *count <= self.skipped) else {
            return Ok(false);
        };
        self.stored.skip();
        self.skipped -= row_count;
        Ok(true)
    }

    /// Whether all rows of all pages are behind.
    ///
    /// # Errors
    /// A page cannot be read.
    pub(super) fn is_at_end(&mut self) -> Result<bool, ParquetError> {
        loop {
            let count = self.skipped.min(self.page.row_count);
            self.page.row_count -= count;
            self.skipped -= count;
            if self.page.row_count > 0 {
                return Ok(false);
            }
            let Some(next) = self.stored.peek()? else { return Ok(self.skipped == 0) };
            // Of pages that are left out, and of those without a row, nothing is looked at.
            let row_count = next.row_count().unwrap_or(0);
            if row_count > self.skipped {
                return Ok(false);
            }
            self.stored.skip();
            self.skipped -= row_count;
        }
    }

    /// Reads of the next `row_count` rows of the page those that are `kept`, as places among the rows counted
    /// from `first`; or all.
    ///
    /// # Errors
    /// The page has fewer definition levels.
    ///
    /// # Panics
    /// If the page has fewer rows.
    pub(super) fn run<'a>(
        &'a mut self,
        row_count: usize,
        kept: Option<&[u32]>,
        first: usize,
        of_rows: &'a mut OfRows,
    ) -> Result<Run<'a>, ParquetError> {
        assert!(row_count <= self.page.row_count, "rows of the page at hand");
        self.page.row_count -= row_count;
        let page = &mut self.page;
        let OfRows { levels: numbers, places } = of_rows;
        places.clear();
        let in_run = |row: &u32| row_number(*row) - first;
        if let Some(levels) = &mut page.levels
            && !levels.is_run_of(1, row_count).ok_or_else(cut)?
        {
            numbers.resize(row_count, 0);
            levels.fill(numbers).ok_or_else(cut)?;
            // The place of each row's value.
            let mut value_count = 0;
            for level in numbers.iter_mut() {
                let is_value = *level == 1;
                *level = if is_value { value_count } else { NULL };
                value_count += u32::from(is_value);
            }
            let value_count = row_number(value_count);
            let places: &[u32] = match kept {
                Some(kept) => {
                    places.extend(kept.iter().map(|row| numbers[in_run(row)]));
                    places
                }
                None => numbers,
            };
            return Ok(Run { values: &mut page.values, value_count, places: Some(places) });
        }
        if let Some(levels) = &mut page.levels {
            levels.skip(row_count).ok_or_else(cut)?;
        }
        let places = match kept {
            Some(kept) => {
                let first = u32::try_from(first).map_err(|_| cut())?;
                places.extend(kept.iter().map(|row| row - first));
                Some(places.as_slice())
            }
            None => None,
        };
        Ok(Run { values: &mut page.values, value_count: row_count, places })
    }

    /// Leaves out rows of the page at hand.
    fn skip_in_page(&mut self, row_count: usize, kept: &mut Kept) -> Result<(), ParquetError> {
        let value_bytes = self.value_bytes;
        if row_count == self.page.row_count {
            self.page = DataPage::default();
            return Ok(());
        }
        let run = self.run(row_count, Some(&[]), 0, &mut kept.of_rows)?;
        run.values.skip(run.value_count, value_bytes)
    }

    fn opened(&self, kind: &PageKind, buf: Bytes) -> Result<DataPage, ParquetError> {
        let physical_type = self.physical_type;
        match *kind {
            PageKind::Rows { row_count, encoding, levels: level_encoding } => {
                let (levels, values) = if self.is_nullable {
                    let (levels, values) = match level_encoding {
                        Encoding::RLE => {
                            let (levels, values) = counted(&buf)?;
                            (Hybrid::new(levels, 1), values)
                        }
                        // As the first files had them: a bit a row, the highest first, without a length.
                        _ => {
                            let end = Some(row_count.div_ceil(8)).filter(|end| *end <= buf.len());
                            let end = end.ok_or_else(cut)?;
                            let levels = buf[..end].iter().map(|byte| byte.reverse_bits());
                            (Hybrid::of_bits(levels.collect()), buf.slice(end..))
                        }
                    };
                    (Some(levels), values)
                } else {
                    (None, buf)
                };
                Ok(DataPage {
                    row_count,
                    levels,
                    values: Values::of(values, encoding, physical_type)?,
                })
            }
            PageKind::RowsBehindLevels {
                row_count,
                encoding,
                repetition_bytes: start,
                definition_bytes,
                ..
            } => {
                let values = Some(start + definition_bytes).filter(|at| *at <= buf.len());
                let values = values.ok_or_else(cut)?;
                let levels = self.is_nullable.then(|| Hybrid::new(buf.slice(start..values), 1));
                let values = Values::of(buf.slice(values..), encoding, physical_type)?;
                Ok(DataPage { row_count, levels, values })
            }
            PageKind::Dictionary { .. } | PageKind::Index => {
                Err(broken("a dictionary is where values should be"))
            }
        }
    }
}

/// The bytes of a page as they were before they were packed.
///
/// # Errors
/// As [`Unpacker::unpack`]; levels take more than there is.
fn unpacked(
    head: &PageHead,
    bytes: Bytes,
    packing: Packing,
    unpacker: &mut Unpacker,
    kept: &mut Kept,
) -> Result<Bytes, ParquetError> {
    let (level_bytes, is_packed) = match head.kind {
        PageKind::RowsBehindLevels { repetition_bytes, definition_bytes, is_packed, .. } => {
            (repetition_bytes + definition_bytes, is_packed)
        }
        _ => (0, true),
    };
    if packing == Packing::None || !is_packed {
        return Ok(bytes);
    }
    let (levels, packed) = bytes.split_at_checked(level_bytes).ok_or_else(cut)?;
    let byte_count = head.unpacked_bytes.checked_sub(level_bytes).ok_or_else(cut)?;
    let room = unpacker.unpack(packing, levels, packed, byte_count, &mut kept.memory)?;
    Ok(Bytes::from_owner(kept.memory.lend(room)))
}

impl Values {
    fn of(
        bytes: Bytes,
        encoding: Encoding,
        physical_type: PhysicalType,
    ) -> Result<Self, ParquetError> {
        Ok(match encoding {
            Encoding::PLAIN if physical_type == PhysicalType::BOOLEAN => {
                Self::Codes(Hybrid::of_bits(bytes))
            }
            Encoding::PLAIN => Self::Plain(bytes),
            Encoding::RLE if physical_type == PhysicalType::BOOLEAN => {
                Self::Codes(Hybrid::new(counted(&bytes)?.0, 1))
            }
            Encoding::RLE_DICTIONARY | Encoding::PLAIN_DICTIONARY => match bytes.first() {
                // A page of NULLs alone.
                None => Self::Codes(Hybrid::default()),
                Some(width) if *width <= WIDTH_MAX => {
                    Self::Codes(Hybrid::new(bytes.slice(1..), *width))
                }
                Some(width) => return Err(broken(&format!("codes are said to take {width} bits"))),
            },
            other => {
                return Err(broken(&format!(
                    "values are packed as {other}, which its head does not say"
                )));
            }
        })
    }

    /// Leaves out values of so many bytes each; 0 where a length stands before each.
    pub(super) fn skip(&mut self, count: usize, value_bytes: usize) -> Result<(), ParquetError> {
        match self {
            Self::Codes(codes) => codes.skip(count).ok_or_else(cut),
            Self::Plain(bytes) if value_bytes == 0 => {
                let mut at = 0;
                for _ in 0..count {
                    at = text_at(bytes, at).ok_or_else(cut)?.end;
                }
                *bytes = bytes.slice(at..);
                Ok(())
            }
            Self::Plain(bytes) => {
                let end = count.checked_mul(value_bytes).filter(|end| *end <= bytes.len());
                *bytes = bytes.slice(end.ok_or_else(cut)?..);
                Ok(())
            }
        }
    }
}

/// Where the text stands whose length is at this place.
#[inline]
pub(super) fn text_at(bytes: &[u8], at: usize) -> Option<std::ops::Range<usize>> {
    let (length, _) = bytes.get(at..)?.split_first_chunk()?;
    let start = at + LENGTH_BYTES;
    let end = start.checked_add(usize::try_from(u32::from_le_bytes(*length)).ok()?)?;
    (end <= bytes.len()).then_some(start..end)
}

/// Bytes behind a length, and what stands behind them.
fn counted(bytes: &Bytes) -> Result<(Bytes, Bytes), ParquetError> {
    let counted = text_at(bytes, 0).ok_or_else(cut)?;
    Ok((bytes.slice(counted.clone()), bytes.slice(counted.end..)))
}

/// The place of a row in a batch.
fn row_number(row: u32) -> usize {
    usize::try_from(row).expect("on 64 bits")
}

pub(super) fn broken(reason: &str) -> ParquetError {
    ParquetError::General(reason.to_owned())
}

/// A page has fewer bytes than its values take.
pub(super) fn cut() -> ParquetError {
    broken("a page ends before its values do")
}
