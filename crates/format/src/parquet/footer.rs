//! The footer: schema, row groups, and where their columns' bytes are.
//!
//! [`super::columns`] has what the schema says of columns, [`super::selection`] which of them a query
//! needs.

use std::ops::Range;
use std::sync::Arc;

use ::parquet::errors::ParquetError;
use ::parquet::file::metadata::{
    FooterTail, ParquetMetaData, ParquetMetaDataOptions, ParquetMetaDataReader,
    ParquetStatisticsPolicy, RowGroupMetaData,
};
use tidemill_plan::Expr;
use tidemill_record::Schema;

use super::columns::{Column, columns};
use super::flat::Shape;
use super::group::Needed;
use super::projection::Projection;
use super::{Selection, guard, prune};
use crate::FormatError;
use crate::arrow::convert::Conversion;
use crate::arrow::{FoundColumn, left_out, sql_schema, untyped};
use crate::caught::caught;
use crate::near_ranges::joined;

/// How many bytes at the end of a file say how long its footer is.
pub const FOOTER_TAIL_BYTES: u64 = 8;

/// What ends a file, and what ends one whose footer is encrypted.
const MAGIC: &[u8] = b"PAR1";
const ENCRYPTED_MAGIC: &[u8] = b"PARE";

/// Ranges closer together than this are read as one: seeking past fewer bytes gains nothing.
const GAP_BYTES_MAX: u64 = 64 << 10;

/// What the last bytes of a file gave.
#[derive(Clone, Debug)]
pub enum ParsedFooter {
    /// The footer.
    Whole(Box<Footer>),
    /// So many bytes from the end of the file are needed.
    NeedsTail {
        /// At least [`FOOTER_TAIL_BYTES`], at most the length of the file.
        byte_count: u64,
    },
}

/// One row group of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowGroup {
    /// Its place in the file, from zero.
    pub index: usize,
    /// Row number of its first row within the file.
    pub start_row: u64,
    /// Its rows.
    pub row_count: u64,
}

/// What a Parquet file says about itself. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Footer {
    metadata: Arc<ParquetMetaData>,
    columns: Arc<[Column]>,
    /// The same columns, as they are matched with a query's.
    found: Arc<[FoundColumn]>,
    row_groups: Vec<RowGroup>,
    file_bytes: u64,
}

impl Footer {
    /// Reads the footer from the last bytes of a file of `file_bytes` bytes.
    ///
    /// Ask first with [`FOOTER_TAIL_BYTES`] or any guess, such as 64 KiB.
    ///
    /// # Errors
    /// [`FormatError::Corrupt`], [`FormatError::Parquet`] with what is wrong.
    pub fn parse(tail: &[u8], file_bytes: u64) -> Result<ParsedFooter, FormatError> {
        let corrupt = |reason: &str| FormatError::Corrupt {
            what: "Parquet footer".to_owned(),
            position: file_bytes.saturating_sub(FOOTER_TAIL_BYTES),
            reason: reason.to_owned(),
        };
        if file_bytes < FOOTER_TAIL_BYTES {
            return Err(corrupt("the file is shorter than a footer"));
        }
        let Some((front, end)) = tail.split_last_chunk::<8>() else {
            return Ok(ParsedFooter::NeedsTail { byte_count: FOOTER_TAIL_BYTES });
        };
        if ![MAGIC, ENCRYPTED_MAGIC].iter().any(|magic| end.ends_with(magic)) {
            return Err(corrupt(
                "it does not end as Parquet does: it was cut short, or bytes were put behind its end; \
                 write it again",
            ));
        }
        let end = FooterTail::try_new(end).map_err(|source| refused(source, file_bytes))?;
        if end.is_encrypted_footer() {
            return Err(corrupt("the footer is encrypted, which is not supported"));
        }
        let length = end.metadata_length() as u64;
        let needed = length.saturating_add(FOOTER_TAIL_BYTES);
        if needed > file_bytes {
            return Err(corrupt("the footer is said to be longer than the file"));
        }
        if needed > tail.len() as u64 {
            return Ok(ParsedFooter::NeedsTail { byte_count: needed });
        }
        let metadata = &front[front.len() - end.metadata_length()..];
        guard::check(metadata).map_err(|reason| corrupt(&reason))?;
        let footer = caught(|| Self::from_metadata(metadata, file_bytes))
            .ok_or_else(|| corrupt("it contradicts itself"))?;
        Ok(ParsedFooter::Whole(Box::new(footer?)))
    }

    fn from_metadata(bytes: &[u8], file_bytes: u64) -> Result<Self, FormatError> {
        let refused = |source| refused(source, file_bytes);
        // What is not asked for is not decoded, nor refused where a writer has it wrong.
        let options = ParquetMetaDataOptions::new()
            .with_encoding_stats_policy(ParquetStatisticsPolicy::SkipAll)
            .with_size_stats_policy(ParquetStatisticsPolicy::SkipAll);
        let metadata = ParquetMetaDataReader::decode_metadata_with_options(bytes, Some(&options));
        let metadata = Arc::new(metadata.map_err(refused)?);
        let (columns, found) = columns(&metadata).map_err(refused)?;
        let mut row_groups = Vec::new();
        let mut start_row = 0_u64;
        for (index, group) in metadata.row_groups().iter().enumerate() {
            let row_count = row_count(group).map_err(|reason| FormatError::Corrupt {
                what: "Parquet footer".to_owned(),
                position: file_bytes,
                reason: format!("row group {index} {reason}"),
            })?;
            row_groups.push(RowGroup { index, start_row, row_count });
            start_row = start_row.saturating_add(row_count);
        }
        let (columns, found) = (columns.into(), found.into());
        Ok(Self { metadata, columns, found, row_groups, file_bytes })
    }

    /// The columns that have a SQL type, in order; others are left out (see [`Self::left_out`]).
    ///
    /// # Errors
    /// [`FormatError::UnsupportedColumn`] if no column has one.
    pub fn schema(&self) -> Result<Schema, FormatError> {
        sql_schema(&self.found)
    }

    /// The columns without a value, which say no type; see [`Self::schema`] for what they are taken for.
    #[must_use]
    pub fn untyped(&self) -> Vec<String> {
        untyped(&self.found)
    }

    /// The columns without a SQL type, with their types and what helps; see [`crate::left_out`].
    #[must_use]
    pub fn left_out(&self) -> Option<String> {
        left_out(&self.found)
    }

    /// The columns of the file, with and without a SQL type.
    pub(crate) fn found(&self) -> &[FoundColumn] {
        &self.found
    }

    /// Finds the needed columns, once for all row groups.
    ///
    /// # Errors
    /// [`FormatError::MissingColumn`], [`FormatError::DuplicateColumn`],
    /// [`FormatError::UnsupportedColumn`], [`FormatError::TypeMismatch`].
    ///
    /// # Cost
    /// O(columns of the file).
    pub fn selection(&self, schema: &Schema, columns: &[usize]) -> Result<Selection, FormatError> {
        let conversion = Conversion::new(&self.found, schema, columns, false)?;
        Ok(Selection::new(conversion, &self.columns, self.metadata.file_metadata().schema_descr()))
    }

    /// The same where a column that the file has not is NULL.
    ///
    /// # Errors
    /// As [`Self::selection`], but for a column that is missing.
    pub fn selection_of_union(
        &self,
        schema: &Schema,
        columns: &[usize],
    ) -> Result<Selection, FormatError> {
        let conversion = Conversion::new(&self.found, schema, columns, true)?;
        Ok(Selection::new(conversion, &self.columns, self.metadata.file_metadata().schema_descr()))
    }

    /// The row groups, in order.
    #[must_use]
    pub fn row_groups(&self) -> &[RowGroup] {
        &self.row_groups
    }

    /// Rows of the whole file.
    #[must_use]
    pub fn row_count(&self) -> u64 {
        self.row_groups.iter().map(|group| group.row_count).fold(0, u64::saturating_add)
    }

    /// Byte ranges of the file that hold the needed columns of a row group: ascending, disjoint,
    /// and none where no column is needed.
    ///
    /// # Errors
    /// [`FormatError::Corrupt`] for a range outside the file.
    ///
    /// # Panics
    /// If there is no such row group, or the selection is another file's.
    ///
    /// # Cost
    /// O(needed columns).
    pub fn ranges(
        &self,
        row_group: usize,
        selection: &Selection,
    ) -> Result<Vec<Range<u64>>, FormatError> {
        let group = self.metadata.row_group(row_group);
        let corrupt = || FormatError::Corrupt {
            what: format!("Parquet row group {row_group}"),
            position: self.row_groups[row_group].start_row,
            reason: "a column is said to lie outside the file".to_owned(),
        };
        let mut ranges = Vec::new();
        for leaf in selection.positions().flat_map(|at| self.columns[at].leaves.clone()) {
            let chunk = group.columns().get(leaf).ok_or_else(corrupt)?;
            // `byte_range` panics on negative numbers.
            let first = chunk.dictionary_page_offset().filter(|offset| *offset > 0);
            let start = first.unwrap_or(chunk.data_page_offset());
            let start = u64::try_from(start).map_err(|_| corrupt())?;
            let length = u64::try_from(chunk.compressed_size()).map_err(|_| corrupt())?;
            let end = start.checked_add(length).filter(|end| *end <= self.file_bytes);
            ranges.push(start..end.ok_or_else(corrupt)?);
        }
        Ok(joined(ranges, GAP_BYTES_MAX))
    }

    /// What the columns of these names weigh in each row group: their bytes without compression, or 8 a value if that is
    /// more, since codes of few bits are unpacked as numbers are.
    #[must_use]
    pub fn weights(&self, names: &[&str]) -> Vec<u64> {
        const VALUE_BYTES_MIN: u64 = 8;
        let is_needed = |(at, _): &(usize, &Column)| names.contains(&self.found[*at].name.as_str());
        let needed: Vec<&Column> =
            self.columns.iter().enumerate().filter(is_needed).map(|(_, column)| column).collect();
        let of_group = |group: &RowGroup| {
            let chunks = self.metadata.row_group(group.index).columns();
            let of_column = |column: &&Column| {
                let chunks = chunks.get(column.leaves.clone()).unwrap_or(&[]);
                let bytes = chunks.iter().map(|chunk| chunk.uncompressed_size());
                let bytes = bytes.map(|bytes| u64::try_from(bytes).unwrap_or(0));
                let bytes = bytes.fold(0, u64::saturating_add);
                bytes.max(group.row_count.saturating_mul(VALUE_BYTES_MIN))
            };
            needed.iter().map(of_column).fold(0, u64::saturating_add)
        };
        self.row_groups.iter().map(of_group).collect()
    }

    /// Whether a row group may hold a row for which `filter` is TRUE, or a bad record.
    ///
    /// `false` is a proof, from the statistics of the columns that `filter` compares with
    /// constants; `filter` is over the needed columns by their place in the selection.
    ///
    /// # Panics
    /// If there is no such row group.
    #[must_use]
    pub fn may_match(&self, row_group: usize, filter: &Expr, selection: &Selection) -> bool {
        prune::may_match(&self.metadata, row_group, filter, selection)
    }

    pub(super) fn metadata(&self) -> &ParquetMetaData {
        &self.metadata
    }

    /// How the needed columns are read.
    ///
    /// # Errors
    /// What `parquet` says of those that it is to read.
    pub(super) fn needed(&self, selection: &Selection) -> Result<Needed, FormatError> {
        let descriptor = self.metadata.file_metadata().schema_descr();
        let mut rest: Vec<&Column> = Vec::new();
        let columns = selection.needed().map(|(at, field)| {
            let column = &self.columns[at?];
            let shape =
                Shape::of(column, &descriptor.column(column.leaves.start), &field.data_type);
            if shape.is_none() {
                rest.push(column);
            }
            shape
        });
        let shapes: Vec<Option<Shape>> = columns.collect();
        // Types that `parquet` does not read are refused before anything is.
        Projection::new(&rest).map_err(|source| refused(source, self.file_bytes))?;
        let columns = selection.needed().map(|(at, _)| at).zip(shapes).collect();
        Ok(Needed { columns })
    }

    /// The columns of the file that have leaves.
    pub(super) fn columns(&self) -> &[Column] {
        &self.columns
    }

    pub(super) fn file_bytes(&self) -> u64 {
        self.file_bytes
    }
}

/// The rows of a row group.
///
/// # Errors
/// What is wrong with their number: a column that does not repeat has a value, or NULL, for each.
fn row_count(group: &RowGroupMetaData) -> Result<u64, String> {
    let row_count =
        u64::try_from(group.num_rows()).map_err(|_| "has a negative number of rows".to_owned())?;
    let flat = group.columns().iter().filter(|chunk| chunk.column_descr().max_rep_level() == 0);
    for chunk in flat {
        if chunk.num_values() != group.num_rows() {
            return Err(format!(
                "has {row_count} rows, and {} values in column {}",
                chunk.num_values(),
                chunk.column_path()
            ));
        }
    }
    Ok(row_count)
}

fn refused(source: ParquetError, file_bytes: u64) -> FormatError {
    FormatError::Parquet {
        what: "reading the Parquet footer".to_owned(),
        position: file_bytes,
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_ranges_become_one() {
        let near = joined(vec![100..200, 0..10, 150..160], GAP_BYTES_MAX);
        assert_eq!((near.len(), near.first()), (1, Some(&(0..200))));
        let far = 200 + GAP_BYTES_MAX + 1;
        assert_eq!(joined(vec![far..far + 1, 0..200], GAP_BYTES_MAX), [0..200, far..far + 1]);
        assert_eq!(joined(Vec::new(), GAP_BYTES_MAX), []);
    }
}
