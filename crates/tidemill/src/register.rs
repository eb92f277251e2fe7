//! What an embedding program can put behind the names in its SQL.

use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::{Schema as ArrowSchema, SchemaRef};
use tidemill_format::to_sql_type;
use tidemill_plan::{HostError, SourceConnector, SourceDef, Span};
use tidemill_record::{DataType, Field, Schema};

use crate::Error;

/// Arrow batches of one partition, in order. An `Err` ends the job, and is the source of its error.
pub type BatchPartition = Box<dyn Iterator<Item = Result<RecordBatch, HostError>> + Send>;

/// A source of Arrow batches.
pub struct SourceRegistration {
    /// The columns every batch has, in this order. Types that SQL has no word for are refused.
    /// A value that its SQL type does not hold whole ends the job: nanoseconds, say, or decimals beyond
    /// their precision.
    pub schema: SchemaRef,
    /// One iterator for each partition. Each is read once, by one core.
    pub partitions: Vec<BatchPartition>,
    /// Columns whose equal values never stand in two partitions; may be empty.
    pub partitioned_by: Vec<String>,
}

/// A registered source whose partitions have not been read yet.
pub(crate) struct RegisteredSource {
    pub(crate) def: SourceDef,
    schema: SchemaRef,
    /// Each taken by the first pipeline that reads it.
    partitions: Mutex<Vec<Option<BatchPartition>>>,
    pub(crate) partition_count: u32,
}

impl RegisteredSource {
    pub(crate) fn new(name: &str, registration: SourceRegistration) -> Result<Self, Error> {
        let mut fields = Vec::new();
        for field in registration.schema.fields() {
            let data_type = DataType::from_arrow(field.data_type()).ok_or_else(|| {
                Error::usage(format!(
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
                    Error::usage(format!(
                        "source {name} is registered as partitioned by {column}, which is not \
                         among its columns"
                    ))
                })
            })
            .collect::<Result<Vec<_>, _>>()?;
        let partition_count = u32::try_from(registration.partitions.len())
            .map_err(|_| Error::usage(format!("source {name} has more than 2^32 partitions")))?;
        if partition_count == 0 {
            return Err(Error::usage(format!("source {name} is registered without a partition")));
        }
        let connector = SourceConnector::Registered;
        let def = SourceDef::new(name.to_owned(), schema, connector, Span::default());
        Ok(Self {
            def: SourceDef { partitioned_by, ..def },
            schema: registration.schema,
            partitions: Mutex::new(registration.partitions.into_iter().map(Some).collect()),
            partition_count,
        })
    }

    /// Takes a partition's batches, with every column cast to the type that SQL knows it by.
    ///
    /// # Errors
    /// A partition can be read once; a second query (or a second mention in one query) is refused.
    pub(crate) fn take(&self, index: usize) -> Result<BatchPartition, Error> {
        let mut partitions = self.partitions.lock().unwrap_or_else(PoisonError::into_inner);
        let batches = partitions.get_mut(index).and_then(Option::take).ok_or_else(|| {
            Error::usage(format!(
                "source {} has been read already: its batches can be read once; register them \
                 again under another name",
                self.def.name
            ))
        })?;
        let (given, wanted) = (Arc::clone(&self.schema), self.def.schema.clone());
        Ok(Box::new(
            batches.map(move |batch| batch.and_then(|batch| Ok(cast(&batch, &given, &wanted)?))),
        ))
    }
}

/// Casts a batch of the registered schema to the types of batches inside the engine.
fn cast(batch: &RecordBatch, given: &SchemaRef, wanted: &Schema) -> Result<RecordBatch, String> {
    if batch.num_columns() != given.fields().len() {
        let (found, declared) = (batch.num_columns(), given.fields().len());
        return Err(format!("a batch has {found} columns, and {declared} are registered"));
    }
    let mut columns = Vec::with_capacity(batch.num_columns());
    for (place, column) in batch.columns().iter().enumerate() {
        let (registered, sql) = (given.field(place), &wanted.fields[place]);
        if column.data_type() != registered.data_type() {
            let (found, name) = (column.data_type(), registered.name());
            let declared = registered.data_type();
            return Err(format!("column {name} is {found}, and {declared} is registered"));
        }
        let cast = to_sql_type(column, &sql.data_type);
        columns.push(cast.map_err(|error| format!("column {}: {error}", sql.name))?);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    // NOT NULL is held by the reader, which names the column; here every column may hold NULL.
    let lenient: Vec<_> = wanted
        .arrow()
        .fields()
        .iter()
        .map(|field| field.as_ref().clone().with_nullable(true))
        .collect();
    RecordBatch::try_new_with_options(Arc::new(ArrowSchema::new(lenient)), columns, &options)
        .map_err(|error| error.to_string())
}
