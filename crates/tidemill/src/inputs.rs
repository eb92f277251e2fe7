//! What each partition of a scan reads.

use std::ops::Range;

use tidemill_format::parquet::Footer;
use tidemill_pipeline::{
    AddedColumn, FileInput, InputSpec, MessageInput, RowGroupInput, TextInput,
};
use tidemill_plan::{FileSource, Scan, SourceConnector};
use tidemill_record::PartitionId;
use tidemill_source::{
    InputFile, Iterated, MakeBatchReader, RegisteredSpec, RowGroupPlan, SequenceReader,
};

use crate::Error;
use crate::discovery::{Partition, TextRange};
use crate::file_columns::{FileTerms, value_in};

/// The inputs of a scan's partitions.
pub(crate) struct ScanInputs<'a> {
    pub(crate) scan: &'a Scan,
    /// Its conditions that are the same for all records of a file.
    pub(crate) terms: FileTerms<'a>,
    /// Row groups that the scan's conditions exclude need not be read.
    pub(crate) may_skip: bool,
    pub(crate) record_bytes_max: usize,
}

impl ScanInputs<'_> {
    /// The input of a partition, and what it weighs.
    ///
    /// # Errors
    /// A path that does not say what a column takes from it, a file that lacks a column, batches that have
    /// been read before.
    pub(crate) fn of(
        &self,
        id: PartitionId,
        partition: &Partition,
    ) -> Result<(InputSpec, u64), Error> {
        let (recorded, _) = self.scan.recorded_and_metadata();
        let columns = recorded.to_vec();
        if partition.file().is_some_and(|file| self.terms.exclude(&file.path)) {
            return Ok((self.nothing(), 0));
        }
        Ok(match partition {
            Partition::Nothing => (self.nothing(), 0),
            Partition::Text(file) => {
                (InputSpec::Text(self.text_input(file, None)?), partition.weight())
            }
            Partition::TextRange(part) => {
                let input = self.text_input(&part.file, Some(part))?;
                (InputSpec::Text(input), partition.weight())
            }
            Partition::RowGroups(part) => {
                let footer = part.footer()?;
                let row_groups = self.row_groups(&part.file, &footer, part.groups.clone())?;
                let ranges = row_groups.iter().flat_map(|group| &group.ranges);
                let weight = ranges.map(|range| range.end - range.start).sum();
                let file = self.file_input(&part.file)?;
                let rows = part.rows.clone();
                (InputSpec::RowGroups(RowGroupInput { file, row_groups, rows, footer }), weight)
            }
            Partition::Messages(part) => {
                let (file, footer) = (self.file_input(&part.file)?, part.footer()?);
                let (batches, start_row) = match &part.batches {
                    Some((batches, start_row)) => (batches.clone(), *start_row),
                    None => (0..footer.batch_count(), 0),
                };
                let input = MessageInput { file, footer, batches, start_row };
                (InputSpec::Messages(input), partition.weight())
            }
            Partition::Generator(options) => {
                let options = (**options).clone();
                (InputSpec::Generator { source: options, columns }, partition.weight())
            }
            Partition::Sequence(sequence) => {
                let reader = SequenceReader::new(*sequence, columns.len());
                (InputSpec::Columns(Box::new(reader)), partition.weight())
            }
            Partition::Registered(registered) => {
                let input = registered.input(&self.scan.source, id, columns, self.record_bytes_max);
                (input?, partition.weight())
            }
        })
    }

    /// Of which the query keeps no record.
    fn nothing(&self) -> InputSpec {
        let columns = (0..self.scan.columns.len()).collect();
        let (name, schema) = (self.scan.source.name.clone(), self.scan.schema());
        let make: MakeBatchReader = Box::new(|| Box::new(Iterated(std::iter::empty())));
        InputSpec::Registered(RegisteredSpec { name, schema, columns, make })
    }

    fn text_input(&self, file: &InputFile, part: Option<&TextRange>) -> Result<TextInput, Error> {
        Ok(TextInput {
            file: self.file_input(file)?,
            range: part.map(|part| part.range.clone()),
            csv_header: part.and_then(|part| part.csv_header.clone()),
            record_bytes_max: self.record_bytes_max,
            follow: None,
        })
    }

    fn file_input(&self, file: &InputFile) -> Result<FileInput, Error> {
        let source = &self.scan.source;
        let SourceConnector::File(options) = &source.connector else {
            unreachable!("only a file source has files");
        };
        let (recorded, metadata) = self.scan.recorded_and_metadata();
        let added = metadata.iter().map(|&column| {
            let value = value_in(source, column, &file.path)?;
            Ok(value.map_or(AddedColumn::Row, AddedColumn::Value))
        });
        Ok(FileInput {
            file: file.clone(),
            format: options.format.clone(),
            schema: source.schema.clone(),
            is_inferred: source.is_inferred,
            is_union: options.union_by_name,
            columns: recorded.to_vec(),
            added: added.collect::<Result<_, Error>>()?,
        })
    }

    /// The row groups that can hold rows the query wants, and which of their bytes it needs.
    fn row_groups(
        &self,
        file: &InputFile,
        footer: &Footer,
        groups: Range<usize>,
    ) -> Result<Vec<RowGroupPlan>, Error> {
        let at = |error| Error::format(file.path.to_path_buf(), error);
        let (columns, _) = self.scan.recorded_and_metadata();
        let schema = &self.scan.source.schema;
        let is_union = matches!(
            &self.scan.source.connector,
            SourceConnector::File(FileSource { union_by_name: true, .. })
        );
        let selection = match is_union {
            true => footer.selection_of_union(schema, columns),
            false => footer.selection(schema, columns),
        };
        let selection = selection.map_err(at)?;
        let filter = if self.may_skip { self.terms.record_terms(&file.path) } else { None };
        let mut plans = Vec::new();
        for group in &footer.row_groups()[groups] {
            let index = group.index;
            let is_wanted = |filter| footer.may_match(index, filter, &selection);
            if filter.as_ref().is_none_or(is_wanted) {
                let ranges = footer.ranges(index, &selection).map_err(at)?;
                plans.push(RowGroupPlan { index, start_row: group.start_row, ranges });
            }
        }
        Ok(plans)
    }
}
