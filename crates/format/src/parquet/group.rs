//! The row group at hand: the next rows of its columns.

use std::ops::Range;
use std::sync::Arc;

use ::parquet::arrow::arrow_reader::{ParquetRecordBatchReader, RowSelection, RowSelector};
use ::parquet::errors::ParquetError;
use arrow_array::{ArrayRef, BooleanArray};
use arrow_schema::ArrowError;
use arrow_select::filter::filter;

use super::chunks::{LentGroup, without_false_dictionary};
use super::columns::Column;
use super::flat::{FlatColumn, Kept, Shape};
use super::projection::Projection;
use super::stored::StoredPages;
use crate::FormatError;
use crate::arrow::convert::Conversion;
use crate::arrow::values::Converted;
use crate::caught::caught;
use crate::unpack::Unpacker;

/// How the needed columns of a file are read.
pub(super) struct Needed {
    /// Of each its place among the columns of the file and how it is read; no place where the file has it not.
    pub(super) columns: Vec<(Option<usize>, Option<Shape>)>,
}

/// What is read of a row group.
pub(super) struct Group {
    pub(super) index: usize,
    /// Row number of the next row within the file.
    pub(super) row: u64,
    /// Row number behind the last one that is read.
    pub(super) end_row: u64,
    /// More rows follow, which are not read.
    is_part: bool,
    /// Bytes lent of it.
    pub(super) lent_bytes: usize,
    /// For each needed column how it is read.
    columns: Vec<Source>,
    rest: Option<Rest>,
    unpacker: Unpacker,
}

/// What a row group leaves to the next one.
#[derive(Default)]
pub(super) struct GroupKept {
    unpacker: Unpacker,
    /// Of each needed column.
    columns: Vec<Kept>,
}

/// Where the values of a needed column come from.
enum Source {
    /// The file has none.
    Null,
    Flat(Box<FlatColumn>),
    /// The column of this number among those that `parquet` reads.
    Rest(usize),
}

/// The columns that `parquet` reads.
struct Rest {
    projection: Projection,
    reader: ParquetRecordBatchReader,
    /// What has been read of the rows at hand.
    read: Vec<ArrayRef>,
}

/// The rows at hand of which something is wanted.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    pub(super) count: usize,
    /// Those that are kept, ascending, and the same one bit a row; absent where all are.
    pub(super) kept: Option<(&'a [u32], &'a BooleanArray)>,
}

impl Group {
    /// Of the rows of a group, by their numbers in the file, some are read.
    ///
    /// # Errors
    /// What `parquet` says of the columns.
    pub(super) fn new(
        lent: &LentGroup<'_>,
        of_group: Range<u64>,
        rows: Range<u64>,
        needed: &Needed,
        file_columns: &[Column],
        batch_rows: usize,
        kept: GroupKept,
    ) -> Result<Self, FormatError> {
        let index = lent.index;
        let refused = |source| refused(source, index, of_group.start);
        let count = |rows: u64| usize::try_from(rows).unwrap_or(usize::MAX);
        let skipped = count(rows.start - of_group.start);
        let is_part = rows.end < of_group.end;
        let descriptor = lent.metadata.file_metadata().schema_descr();
        let mut rest: Vec<&Column> = Vec::new();
        let mut columns = Vec::with_capacity(needed.columns.len());
        let mut of_columns = kept.columns.into_iter();
        for &(at, shape) in &needed.columns {
            let kept = of_columns.next().unwrap_or_default();
            let Some(column) = at.map(|at| &file_columns[at]) else {
                columns.push(Source::Null);
                continue;
            };
            let leaf = column.leaves.start;
            let chunk = lent.group.columns().get(leaf);
            let shape = shape.zip(chunk);
            let flat = shape.and_then(|(shape, chunk)| Some((shape, chunk, shape.packing(chunk)?)));
            columns.push(if let Some((shape, chunk, packing)) = flat {
                let chunk = without_false_dictionary(chunk).map_err(refused)?;
                let pages = StoredPages::new(Arc::clone(&lent.chunks), &chunk, packing);
                let mut column = FlatColumn::new(shape, pages, &descriptor.column(leaf), kept);
                column.skip(skipped);
                Source::Flat(Box::new(column))
            } else {
                rest.push(column);
                Source::Rest(rest.len() - 1)
            });
        }
        let rest = match rest.is_empty() {
            true => None,
            false => {
                let is_some = skipped > 0 || is_part;
                let picked =
                    [RowSelector::skip(skipped), RowSelector::select(count(rows.end - rows.start))];
                let picked = is_some.then(|| RowSelection::from(picked.to_vec()));
                Some(Rest::new(lent, &rest, batch_rows, picked).map_err(refused)?)
            }
        };
        let Range { start: row, end: end_row } = rows;
        Ok(Self {
            index,
            row,
            end_row,
            is_part,
            lent_bytes: 0,
            columns,
            rest,
            unpacker: kept.unpacker,
        })
    }

    /// Bytes held: those that were lent, and pages of them that are unpacked.
    pub(super) fn held_bytes(&self) -> usize {
        let unpacked = self.columns.iter().map(|column| match column {
            Source::Flat(column) => column.held_bytes(),
            Source::Null | Source::Rest(_) => 0,
        });
        self.lent_bytes + unpacked.sum::<usize>()
    }

    /// What the next row group can use.
    pub(super) fn into_kept(self) -> GroupKept {
        let of = |column| match column {
            Source::Flat(column) => FlatColumn::into_kept(*column),
            Source::Null | Source::Rest(_) => Kept::default(),
        };
        let columns = self.columns.into_iter().map(of).collect();
        GroupKept { unpacker: self.unpacker, columns }
    }

    /// Whether as many rows have to be read at a time as a batch may have.
    pub(super) fn is_whole_batches(&self) -> bool {
        self.rest.is_some()
    }

    /// Moves on to the next rows, of which there are so many.
    ///
    /// # Errors
    /// They cannot be read, or there are fewer.
    pub(super) fn advance(&mut self, row_count: usize) -> Result<(), FormatError> {
        let (index, row) = (self.index, self.row);
        let Some(rest) = &mut self.rest else { return Ok(()) };
        let failed = |source| FormatError::Arrow { what: what(index), position: row, source };
        // The reader is not used again after a panic, for the error ends this partition.
        let rows = match caught(|| rest.reader.next()) {
            Some(None) => return Err(other_count(index, row)),
            Some(Some(rows)) => rows.map_err(failed)?,
            None => return Err(contradicts(index, row)),
        };
        if rows.num_rows() != row_count {
            return Err(other_count(index, row));
        }
        rest.read = rest.projection.members(&rows).map_err(failed)?;
        Ok(())
    }

    /// What a needed column has in the rows at hand.
    ///
    /// # Errors
    /// The pages cannot be read; the values cannot be converted as a whole.
    pub(super) fn column(
        &mut self,
        place: usize,
        rows: Rows<'_>,
        conversion: &Conversion,
    ) -> Result<Converted, FormatError> {
        let row_count = rows.kept.map_or(rows.count, |(kept, _)| kept.len());
        match &mut self.columns[place] {
            Source::Null => conversion.convert(place, None, row_count, self.row),
            Source::Flat(column) => {
                let kept = rows.kept.map(|(kept, _)| kept);
                match caught(|| column.read(rows.count, kept, &mut self.unpacker)) {
                    Some(read) => read.map_err(|source| refused(source, self.index, self.row)),
                    None => Err(contradicts(self.index, self.row)),
                }
            }
            Source::Rest(number) => {
                let rest = self.rest.as_ref().expect("it is read where a column comes of it");
                let failed = |source: ArrowError| FormatError::Arrow {
                    what: what(self.index),
                    position: self.row,
                    source,
                };
                let kept: Vec<ArrayRef>;
                let read = match rows.kept {
                    None => &rest.read,
                    Some((_, bits)) => {
                        let of_kept = rest.read.iter().map(|array| filter(array, bits));
                        kept = of_kept.collect::<Result<_, _>>().map_err(failed)?;
                        &kept
                    }
                };
                let found = rest.projection.found(read)[*number];
                conversion.convert(place, Some(found), row_count, self.row)
            }
        }
    }

    /// Leaves out the rows at hand of a needed column.
    pub(super) fn skip(&mut self, place: usize, row_count: usize) {
        if let Source::Flat(column) = &mut self.columns[place] {
            column.skip(row_count);
        }
    }

    /// Sees that there is nothing behind the last row.
    ///
    /// # Errors
    /// There is.
    pub(super) fn end(&mut self) -> Result<(), FormatError> {
        if self.is_part {
            return Ok(());
        }
        let mut is_at_end = true;
        for column in &mut self.columns {
            if let Source::Flat(column) = column {
                is_at_end &= match caught(|| column.is_at_end()) {
                    Some(is_at_end) => {
                        is_at_end.map_err(|source| refused(source, self.index, self.row))?
                    }
                    None => return Err(contradicts(self.index, self.row)),
                };
            }
        }
        if let Some(rest) = &mut self.rest {
            is_at_end &= matches!(caught(|| rest.reader.next()), Some(None));
        }
        if is_at_end { Ok(()) } else { Err(other_count(self.index, self.row)) }
    }
}

impl Rest {
    fn new(
        lent: &LentGroup<'_>,
        columns: &[&Column],
        batch_rows: usize,
        picked: Option<RowSelection>,
    ) -> Result<Self, ParquetError> {
        let projection = Projection::new(columns)?;
        let lent = LentGroup {
            metadata: lent.metadata,
            group: lent.group,
            index: lent.index,
            chunks: Arc::clone(&lent.chunks),
            leaves: &projection.leaves,
        };
        let levels = &projection.levels;
        let reader =
            ParquetRecordBatchReader::try_new_with_row_groups(levels, &lent, batch_rows, picked)?;
        Ok(Self { projection, reader, read: Vec::new() })
    }
}

fn what(index: usize) -> String {
    format!("Parquet row group {index}")
}

pub(super) fn refused(source: ParquetError, index: usize, row: u64) -> FormatError {
    FormatError::Parquet { what: what(index), position: row, source }
}

pub(super) fn contradicts(index: usize, row: u64) -> FormatError {
    let reason = "a page contradicts itself".to_owned();
    FormatError::Corrupt { what: what(index), position: row, reason }
}

fn other_count(index: usize, row: u64) -> FormatError {
    let reason = "it holds another number of rows than the footer says".to_owned();
    FormatError::Corrupt { what: what(index), position: row, reason }
}
