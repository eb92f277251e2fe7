//! What an embedding program can put behind the names in its SQL.

use std::sync::{Arc, Mutex, PoisonError};

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::{Schema as ArrowSchema, SchemaRef};
use tidemill_format::to_sql_type;
use tidemill_pipeline::InputSpec;
use tidemill_plan::{HostError, SourceConnector, SourceDef, Span};
use tidemill_record::{DataType, Field, PartitionId, Schema};
use tidemill_source::RegisteredReader;

use crate::bytes::{RegisteredText, Settled};
use crate::{ByteSource, Error};

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

/// A registered source.
pub(crate) struct RegisteredSource {
    pub(crate) def: SourceDef,
    given: Given,
    pub(crate) partition_count: usize,
}

/// What partitions give, each to the first pipeline that reads it.
enum Given {
    /// Batches of these columns.
    Batches {
        schema: SchemaRef,
        partitions: Mutex<Vec<Option<BatchPartition>>>,
    },
    Text(Box<RegisteredText>),
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
        let SourceRegistration { schema: given, partitions, partitioned_by } = registration;
        let def = definition(name, Schema::new(fields), &partitioned_by, partitions.len())?;
        let partition_count = partitions.len();
        let partitions = Mutex::new(partitions.into_iter().map(Some).collect());
        let given = Given::Batches { schema: given, partitions };
        Ok(Self { def, given, partition_count })
    }

    /// A source of text.
    pub(crate) fn of_bytes(name: &str, source: ByteSource) -> Result<Self, Error> {
        let Settled { text, schema, partitioned_by } = source.settled(name)?;
        let partition_count = text.partition_count;
        let def = definition(name, schema, &partitioned_by, partition_count)?;
        Ok(Self { def, given: Given::Text(Box::new(text)), partition_count })
    }

    /// Whether some of it has been read, so that it cannot be read again.
    pub(crate) fn is_taken(&self) -> bool {
        match &self.given {
            Given::Batches { partitions, .. } => {
                let partitions = partitions.lock().unwrap_or_else(PoisonError::into_inner);
                partitions.iter().any(Option::is_none)
            }
            Given::Text(text) => text.is_taken(),
        }
    }

    /// What reads a partition: the columns of these numbers.
    ///
    /// # Errors
    /// A partition can be read once; a second query (or a second mention in one query) is refused.
    pub(crate) fn input(
        &self,
        id: PartitionId,
        columns: Vec<usize>,
        record_bytes_max: usize,
    ) -> Result<InputSpec, Error> {
        let (name, schema) = (&self.def.name, &self.def.schema);
        match &self.given {
            Given::Batches { schema: given, partitions } => {
                let batches = self.take(given, partitions, id)?;
                let (name, schema) = (name.clone(), schema.clone());
                let reader = RegisteredReader::new(name, id, schema, columns, batches);
                Ok(InputSpec::Columns(Box::new(reader)))
            }
            Given::Text(text) => {
                let input = text.take(name, schema, columns, id, record_bytes_max);
                input.map(InputSpec::Memory).ok_or_else(|| read_already(name))
            }
        }
    }

    /// Takes a partition's batches, with every column cast to the type that SQL knows it by.
    fn take(
        &self,
        given: &SchemaRef,
        partitions: &Mutex<Vec<Option<BatchPartition>>>,
        id: PartitionId,
    ) -> Result<BatchPartition, Error> {
        let index = usize::try_from(id.0).expect("a vector of this length exists");
        let mut partitions = partitions.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = partitions.get_mut(index).and_then(Option::take);
        let batches = taken.ok_or_else(|| read_already(&self.def.name))?;
        let (given, wanted) = (Arc::clone(given), self.def.schema.clone());
        Ok(Box::new(
            batches.map(move |batch| batch.and_then(|batch| Ok(cast(&batch, &given, &wanted)?))),
        ))
    }
}

/// That a source has been read.
pub(crate) fn read_already(name: &str) -> Error {
    Error::usage(format!(
        "source {name} has been read already: what it gives can be read once; register it again, or replace it"
    ))
}

/// A source of some partitions as scripts know it.
fn definition(
    name: &str,
    schema: Schema,
    partitioned_by: &[String],
    partition_count: usize,
) -> Result<SourceDef, Error> {
    let partitioned_by = partitioned_by.iter().map(|column| {
        schema.index_of(column).ok_or_else(|| {
            Error::usage(format!(
                "source {name} is registered as partitioned by {column}, which is not among its columns"
            ))
        })
    });
    let partitioned_by = partitioned_by.collect::<Result<Vec<_>, _>>()?;
    if u32::try_from(partition_count).is_err() {
        return Err(Error::usage(format!("source {name} has more than 2^32 partitions")));
    }
    if partition_count == 0 {
        return Err(Error::usage(format!("source {name} is registered without a partition")));
    }
    let connector = SourceConnector::Registered;
    let def = SourceDef::new(name.to_owned(), schema, connector, Span::default());
    Ok(SourceDef { partitioned_by, ..def })
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
