//! Batches of the embedding program, which come when it has some.

use std::fmt;
use std::task::{Context, Poll, Waker};

use arrow_array::{RecordBatch, UInt64Array};
use tidemill_plan::HostError;
use tidemill_record::{Batch, Columns, Image, PartitionId, Polled, Schema};
use tidemill_rt::{Bell, Call, Wake};

use crate::column_reader::not_resumable;
use crate::{ColumnReader, SourceError};

/// Reads one partition of a source of the embedding program, on the core that was given the partition. It need not be
/// `Send`, and is dropped there.
pub trait BatchReader {
    /// The next batch, of the columns that the source was registered with; `None` at the end, after which this is not
    /// called again. An `Err` ends the job, and is the source of its error. An empty batch says that there is none for
    /// now: it is asked again when others of the core have had their turn.
    ///
    /// Whoever has none says [`Poll::Pending`] and has the waker called, from any thread, once there may be one. So long its
    /// partition costs nothing, and whatever else is on the core goes on; a thread that blocks in here is the core's.
    ///
    /// A stop of the job is not told to the reader: it is dropped.
    fn poll_next(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<RecordBatch, HostError>>>;
}

/// Makes a reader on the core that runs it.
pub type MakeBatchReader = Box<dyn FnOnce() -> Box<dyn BatchReader> + Send>;

/// An iterator, which always has a batch until it ends.
#[derive(Debug)]
pub struct Iterated<I>(pub I);

impl<I: Iterator<Item = Result<RecordBatch, HostError>>> BatchReader for Iterated<I> {
    fn poll_next(&mut self, _: &mut Context<'_>) -> Poll<Option<Result<RecordBatch, HostError>>> {
        Poll::Ready(self.0.next())
    }
}

/// What a [`RegisteredReader`] is made of.
pub struct RegisteredSpec {
    /// The source's name.
    pub name: String,
    /// Columns of every batch.
    pub schema: Schema,
    /// Which of them to give, ascending.
    pub columns: Vec<usize>,
    /// Makes what it reads.
    pub make: MakeBatchReader,
}

/// Reads what the embedding program registered.
pub struct RegisteredReader {
    // Fixed at construction.
    name: String,
    partition: PartitionId,
    schema: Schema,
    columns: Vec<usize>,
    /// By which the reader makes its core ask again; `None` where that asks again and again.
    call: Option<Call>,
    waker: Waker,
    // Changes with every batch.
    batches: Box<dyn BatchReader>,
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
    /// Makes a reader of a partition, on the core with this bell.
    #[must_use]
    pub fn new(spec: RegisteredSpec, partition: PartitionId, bell: Option<&Bell>) -> Self {
        let RegisteredSpec { name, schema, columns, make } = spec;
        let call = bell.map(Call::new);
        let waker = call.as_ref().map_or_else(|| Waker::noop().clone(), Call::waker);
        let (batches, rest, position) = (make(), None, 0);
        Self { name, partition, schema, columns, call, waker, batches, rest, position }
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
            None => {
                // What calls from now on calls for the next time.
                self.call.as_ref().map(Call::answer);
                match self.batches.poll_next(&mut Context::from_waker(&self.waker)) {
                    Poll::Pending => return Ok(Polled::NotReady),
                    Poll::Ready(None) => return Ok(Polled::Ended),
                    Poll::Ready(Some(Err(source))) => {
                        let (name, partition) = (self.name.clone(), self.partition.0);
                        return Err(SourceError::Host { name, partition, source });
                    }
                    Poll::Ready(Some(Ok(batch))) => {
                        self.check(&batch)?;
                        if batch.num_rows() == 0 {
                            self.waker.wake_by_ref();
                            return Ok(Polled::NotReady);
                        }
                        batch
                    }
                }
            }
        };
        let row_count = batch.num_rows().min(rows_max.max(1));
        let rest_count = batch.num_rows() - row_count;
        let given = if rest_count == 0 {
            batch
        } else {
            self.rest = Some(batch.slice(row_count, rest_count));
            batch.slice(0, row_count)
        };
        let start = self.position;
        self.position += u64::try_from(row_count).expect("a usize fits u64");
        let columns: Columns =
            self.columns.iter().map(|&column| given.column(column).clone()).collect();
        let offsets = UInt64Array::from_iter_values(start..self.position);
        Ok(Polled::Ready(Batch::new(columns, offsets)))
    }

    fn wake(&self) -> Wake<'static> {
        let is_due = self.rest.is_some() || self.call.as_ref().is_none_or(Call::is_made);
        Wake { is_due, ..Wake::default() }
    }
}
