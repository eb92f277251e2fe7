//! Readers that make columns themselves, so that there is nothing to decode.

use std::fmt;

use arrow_array::{RecordBatch, UInt64Array};
use tidemill_plan::HostError;
use tidemill_record::{Batch, Columns, Image, ImageError, PartitionId, Polled, Schema};
use tidemill_rt::Wake;

use crate::SourceError;

/// A reader of columns: the generator, numbers, and batches of the embedding program.
pub trait ColumnReader {
    /// Gives the next rows, at most `rows_max` (at least 1) and never none.
    ///
    /// # Errors
    /// Every error ends this reader.
    ///
    /// # Cost
    /// O(rows). Does not await.
    fn next_batch(&mut self, rows_max: usize) -> Result<Polled<Batch>, SourceError>;

    /// Where reading goes on, for [`Self::import`] of a reader that is made in the same way. `None` while it cannot say; it is asked again
    /// after the next batch.
    ///
    /// # Errors
    /// [`SourceError::NotResumable`] by name, unless the reader says otherwise.
    fn export(&self) -> Result<Option<Image>, SourceError> {
        Err(not_resumable("a source of the embedding program"))
    }

    /// Goes on where another one was as it exported this; only before the first batch.
    ///
    /// # Errors
    /// As [`Self::export`]; [`SourceError::Image`].
    fn import(&mut self, _: Image) -> Result<(), SourceError> {
        Err(not_resumable("a source of the embedding program"))
    }

    /// What makes it worth to ask again after `NotReady`.
    fn wake(&self) -> Wake<'static> {
        Wake::NOW
    }
}

pub(crate) fn not_resumable(what: &str) -> SourceError {
    SourceError::NotResumable {
        what: what.to_owned(),
        reason: "it does not say where it is; write what it gives to files, and read those"
            .to_owned(),
    }
}

/// The position of a reader that needs to know no more of itself.
pub(crate) fn export_position(position: u64) -> Image {
    let mut image = Image::new();
    image.put_one("position", position);
    image
}

/// Takes one of at most `row_count` from an image, of which nothing else is left.
pub(crate) fn import_position(
    mut image: Image,
    row_count: u64,
    what: &str,
) -> Result<u64, SourceError> {
    let position = image.take_one("position").and_then(|position| {
        image.end()?;
        match position > row_count {
            true => Err(ImageError::new("position", "is behind the last row")),
            false => Ok(position),
        }
    });
    position.map_err(|source| SourceError::Image { what: what.to_owned(), source })
}

/// Batches of one partition, as the embedding program hands them over. An `Err` ends the job, and is
/// the source of its error.
pub type BatchIterator = Box<dyn Iterator<Item = Result<RecordBatch, HostError>> + Send>;

/// Reads what the embedding program registered.
pub struct RegisteredReader {
    // Fixed at construction.
    name: String,
    partition: PartitionId,
    schema: Schema,
    /// Which columns of the schema to give, ascending.
    columns: Vec<usize>,
    // Changes with every batch.
    batches: BatchIterator,
    /// What is left of the last batch.
    rest: Option<RecordBatch>,
    /// Row number of the next row.
    position: u64,
}

impl fmt::Debug for RegisteredReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegisteredReader")
            .field("name", &self.name)
            .field("partition", &self.partition)
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}

impl RegisteredReader {
    /// Makes a reader that gives `columns` (indices into `schema`) of every batch.
    #[must_use]
    pub fn new(
        name: String,
        partition: PartitionId,
        schema: Schema,
        columns: Vec<usize>,
        batches: BatchIterator,
    ) -> Self {
        Self { name, partition, schema, columns, batches, rest: None, position: 0 }
    }

    fn failure(&self, reason: String) -> SourceError {
        SourceError::Registered { name: self.name.clone(), partition: self.partition.0, reason }
    }

    /// Holds a batch to the declared schema: number and types of columns, and no NULL where none is
    /// allowed.
    fn check(&self, batch: &RecordBatch) -> Result<(), SourceError> {
        let fields = &self.schema.fields;
        if batch.num_columns() != fields.len() {
            let (found, wanted) = (batch.num_columns(), fields.len());
            return Err(
                self.failure(format!("a batch has {found} columns, and {wanted} are declared"))
            );
        }
        for (column, field) in batch.columns().iter().zip(fields) {
            let (found, wanted) = (column.data_type(), field.data_type.arrow());
            let name = &field.name;
            if *found != wanted {
                return Err(self.failure(format!(
                    "column {name} is {found}, and {wanted} is declared; cast it first"
                )));
            }
            if !field.is_nullable && column.null_count() > 0 {
                return Err(self.failure(format!("column {name} is NOT NULL and has NULLs")));
            }
        }
        Ok(())
    }
}

impl ColumnReader for RegisteredReader {
    fn export(&self) -> Result<Option<Image>, SourceError> {
        Err(not_resumable(&format!("source {}", self.name)))
    }

    fn import(&mut self, _: Image) -> Result<(), SourceError> {
        Err(not_resumable(&format!("source {}", self.name)))
    }

    fn next_batch(&mut self, rows_max: usize) -> Result<Polled<Batch>, SourceError> {
        let batch = match self.rest.take() {
            Some(rest) => rest,
            None => loop {
                match self.batches.next() {
                    None => return Ok(Polled::Ended),
                    Some(Err(source)) => {
                        let (name, partition) = (self.name.clone(), self.partition.0);
                        return Err(SourceError::Host { name, partition, source });
                    }
                    Some(Ok(batch)) if batch.num_rows() == 0 => {}
                    Some(Ok(batch)) => {
                        self.check(&batch)?;
                        break batch;
                    }
                }
            },
        };
        let row_count = batch.num_rows().min(rows_max.max(1));
        let given = batch.slice(0, row_count);
        if row_count < batch.num_rows() {
            self.rest = Some(batch.slice(row_count, batch.num_rows() - row_count));
        }
        let start = self.position;
        self.position += u64::try_from(row_count).expect("a usize fits u64");
        let columns: Columns =
            self.columns.iter().map(|&column| given.column(column).clone()).collect();
        let offsets = UInt64Array::from_iter_values(start..self.position);
        Ok(Polled::Ready(Batch::new(columns, offsets)))
    }
}
