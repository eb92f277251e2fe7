//! What an embedding program can put behind the names in its SQL.

use std::sync::{Arc, Mutex};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use tidemill_plan::{SourceConnector, SourceDef, Span};
use tidemill_record::{Batch, DataType, Field, Schema};
use tidemill_sink::{ColumnWriter, SinkError};

use crate::Error;

/// Arrow batches of one partition, in order. A message instead ends the job.
pub type BatchPartition = Box<dyn Iterator<Item = Result<RecordBatch, String>> + Send>;

/// A source of Arrow batches.
pub struct SourceRegistration {
    /// The columns every batch has, in this order. Types that SQL has no word for are refused.
    pub schema: SchemaRef,
    /// One iterator for each partition. Each is read once, by one core.
    pub partitions: Vec<BatchPartition>,
    /// Columns whose equal values never stand in two partitions; may be empty.
    pub partitioned_by: Vec<String>,
}

/// Receives a query's results as Arrow batches, on the core that made them.
///
/// A message instead of `Ok` ends the job. Batches of one partition arrive in order; partitions
/// arrive side by side, each with its own receiver.
pub type BatchSink = dyn Fn(u32) -> BatchReceiver + Send + Sync;

/// Receives the batches of one partition.
pub type BatchReceiver = Box<dyn FnMut(RecordBatch) -> Result<(), String> + Send>;

/// A registered source whose partitions have not been read yet.
pub(crate) struct RegisteredSource {
    pub(crate) def: SourceDef,
    pub(crate) schema: SchemaRef,
    /// Taken by the first job that reads the source.
    pub(crate) partitions: Mutex<Option<Vec<BatchPartition>>>,
    pub(crate) partition_count: u32,
}

impl RegisteredSource {
    pub(crate) fn new(name: &str, registration: SourceRegistration) -> Result<Self, Error> {
        let mut fields = Vec::new();
        for field in registration.schema.fields() {
            let data_type = DataType::from_arrow(field.data_type()).ok_or_else(|| {
                Error::Usage(format!(
                    "column {} of source {name} has the Arrow type {}, which SQL has no type for; \
                     cast it before it is registered",
                    field.name(),
                    field.data_type()
                ))
            })?;
            fields.push(Field {
                name: field.name().clone(),
                data_type,
                is_nullable: field.is_nullable(),
            });
        }
        let schema = Schema::new(fields);
        let partitioned_by = registration
            .partitioned_by
            .iter()
            .map(|column| {
                schema.index_of(column).ok_or_else(|| {
                    Error::Usage(format!(
                        "source {name} is registered as partitioned by {column}, which is not \
                         among its columns"
                    ))
                })
            })
            .collect::<Result<Vec<_>, _>>()?;
        let partition_count = u32::try_from(registration.partitions.len())
            .map_err(|_| Error::Usage(format!("source {name} has more than 2^32 partitions")))?;
        if partition_count == 0 {
            return Err(Error::Usage(format!("source {name} is registered without a partition")));
        }
        Ok(Self {
            def: SourceDef {
                name: name.to_owned(),
                schema,
                partitioned_by,
                watermark: None,
                connector: SourceConnector::Registered,
                bad_records: None,
                dead_letter_path: None,
                span: Span::default(),
            },
            schema: registration.schema,
            partitions: Mutex::new(Some(registration.partitions)),
            partition_count,
        })
    }
}

/// Hands result rows to a registered sink.
pub(crate) struct RegisteredWriter {
    name: String,
    schema: SchemaRef,
    receiver: BatchReceiver,
}

impl RegisteredWriter {
    pub(crate) fn new(name: &str, schema: &Schema, sink: &Arc<BatchSink>, partition: u32) -> Self {
        Self { name: name.to_owned(), schema: schema.arrow(), receiver: sink(partition) }
    }
}

impl ColumnWriter for RegisteredWriter {
    fn write(&mut self, batch: &Batch) -> Result<(), SinkError> {
        let columns = batch.columns().to_vec();
        let options =
            arrow_array::RecordBatchOptions::new().with_row_count(Some(batch.row_count()));
        let rows =
            RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)
                .expect("the plan's schema is that of its batches");
        (self.receiver)(rows)
            .map_err(|message| SinkError::Registered { sink: self.name.clone(), message })
    }

    fn finish(&mut self) -> Result<(), SinkError> {
        Ok(())
    }
}
