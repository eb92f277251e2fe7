//! Receivers of results in the embedding program.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::SchemaRef;
use tidemill_plan::HostError;
use tidemill_record::{Batch, Schema};
use tidemill_sink::{ColumnWriter, SinkError};

/// Receives the results of one partition of a query as Arrow batches, on the core that makes them.
///
/// [`Self::open`] comes first, then batches in the order of the partition, then [`Self::finish`] or [`Self::abort`].
/// Partitions of one query go on side by side, each with a receiver of its own. What a method does is waited for, and it
/// may not block: a receiver that has no room says so in [`Self::poll_ready`]. An `Err` ends the job, and is the source of
/// its error; so does a panic.
///
/// A closure that takes a batch is one that is always ready.
pub trait BatchSink: Send + 'static {
    /// Says what comes: columns of every batch, and which partition of the results.
    ///
    /// # Errors
    /// What keeps it from receiving anything.
    fn open(&mut self, schema: &SchemaRef, partition: u32) -> Result<(), HostError> {
        let _ = (schema, partition);
        Ok(())
    }

    /// Whether it takes another batch. Until the waker is called, from any thread, its pipeline waits and reads no more.
    ///
    /// # Errors
    /// What keeps it from receiving more.
    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), HostError>> {
        let _ = context;
        Poll::Ready(Ok(()))
    }

    /// Takes a batch of at least one row; of at most `batch.rows`, unless a row has become several.
    ///
    /// # Errors
    /// What keeps it from receiving more.
    fn write(&mut self, batch: RecordBatch) -> Result<(), HostError>;

    /// Says that this partition has come to its end. The job may still fail in another: whether all results are there is
    /// what the job returns.
    ///
    /// # Errors
    /// What makes what it has received useless.
    fn finish(&mut self) -> Result<(), HostError> {
        Ok(())
    }

    /// Says that no more will come, though the end has not: the job has failed or was ended. Never after
    /// [`Self::finish`] has succeeded.
    fn abort(&mut self) {}
}

impl<F: FnMut(RecordBatch) -> Result<(), HostError> + Send + 'static> BatchSink for F {
    fn write(&mut self, batch: RecordBatch) -> Result<(), HostError> {
        self(batch)
    }
}

/// Makes a receiver for a partition.
pub(crate) type OpenSink = dyn Fn(u32) -> Box<dyn BatchSink> + Send + Sync;

/// Hands result rows to a registered sink.
pub(crate) struct RegisteredWriter {
    name: String,
    schema: SchemaRef,
    partition: u32,
    sink: Arc<OpenSink>,
    /// Made in the first turn, where a panic has an address.
    receiver: Option<Box<dyn BatchSink>>,
    has_finished: bool,
}

impl RegisteredWriter {
    pub(crate) fn new(name: &str, schema: &Schema, sink: Arc<OpenSink>, partition: u32) -> Self {
        let (name, schema) = (name.to_owned(), schema.arrow());
        Self { name, schema, partition, sink, receiver: None, has_finished: false }
    }

    fn opened(&mut self) -> Result<&mut dyn BatchSink, SinkError> {
        if self.receiver.is_none() {
            let mut receiver = (self.sink)(self.partition);
            receiver
                .open(&self.schema, self.partition)
                .map_err(|source| failure(&self.name, source))?;
            self.receiver = Some(receiver);
        }
        Ok(&mut **self.receiver.as_mut().expect("it has just been made"))
    }
}

fn failure(name: &str, source: HostError) -> SinkError {
    SinkError::Registered { sink: name.to_owned(), source }
}

impl ColumnWriter for RegisteredWriter {
    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), SinkError>> {
        let ready = ready!(self.opened()?.poll_ready(context));
        Poll::Ready(ready.map_err(|source| failure(&self.name, source)))
    }

    fn write(&mut self, batch: &Batch) -> Result<u64, SinkError> {
        let row_count = u64::try_from(batch.row_count()).expect("usize is at most 64 bits");
        if row_count == 0 {
            return Ok(0);
        }
        let columns = batch.columns().to_vec();
        let options = RecordBatchOptions::new().with_row_count(Some(batch.row_count()));
        let rows = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)
            .expect("the plan's schema is that of its batches");
        self.opened()?.write(rows).map_err(|source| failure(&self.name, source))?;
        Ok(row_count)
    }

    fn finish(&mut self) -> Result<(), SinkError> {
        self.opened()?.finish().map_err(|source| failure(&self.name, source))?;
        self.has_finished = true;
        Ok(())
    }

    fn checksum(&self) -> Option<u64> {
        None
    }
}

impl Drop for RegisteredWriter {
    fn drop(&mut self) {
        if let (Some(receiver), false) = (&mut self.receiver, self.has_finished) {
            // It may be dropped because it has panicked.
            let _ = catch_unwind(AssertUnwindSafe(|| receiver.abort()));
        }
    }
}

impl fmt::Debug for RegisteredWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegisteredWriter")
            .field("name", &self.name)
            .field("partition", &self.partition)
            .finish_non_exhaustive()
    }
}
