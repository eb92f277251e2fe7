//! What an embedding program can put behind the names in its SQL.

use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::{Schema as ArrowSchema, SchemaRef};
use tidemill_format::to_sql_type;
use tidemill_pipeline::InputSpec;
use tidemill_plan::{HostError, LateRecords, SourceConnector, SourceDef, Span, WatermarkRule};
use tidemill_record::{DataType, Field, PartitionId, Schema};
use tidemill_source::{BatchReader, MakeBatchReader, RegisteredSpec};

use crate::bytes::{RegisteredText, Settled};
use crate::{ByteSource, Error, Source};

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
        partitions: Mutex<Vec<Option<BatchReaders>>>,
    },
    Text(Box<RegisteredText>),
}

impl RegisteredSource {
    pub(crate) fn new(name: &str, source: Source) -> Result<Self, Error> {
        let mut fields = Vec::new();
        for field in source.schema.fields() {
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
        let partition_count = source.partitions.len();
        let connector = registered_as(name, source.is_bounded);
        let schema = Schema::new(fields);
        let mut def = definition(name, schema, connector, &source.partitioned_by, partition_count)?;
        def.watermark = watermark(name, &def, &source)?;
        def.dead_letter_path = source.dead_letter_path;
        let partitions = Mutex::new(source.partitions.into_iter().map(Some).collect());
        let given = Given::Batches { schema: source.schema, partitions };
        Ok(Self { def, given, partition_count })
    }

    /// A source of text.
    pub(crate) fn of_bytes(name: &str, source: ByteSource) -> Result<Self, Error> {
        let Settled { text, schema, partitioned_by } = source.settled(name)?;
        let partition_count = text.partition_count;
        let connector = registered_as(name, true);
        let def = definition(name, schema, connector, &partitioned_by, partition_count)?;
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

    /// Whether each who reads it has readers of its own.
    pub(crate) fn is_repeatable(&self) -> bool {
        match &self.given {
            Given::Batches { partitions, .. } => {
                let partitions = partitions.lock().unwrap_or_else(PoisonError::into_inner);
                partitions.iter().all(|readers| matches!(readers, Some(BatchReaders::Each(_))))
            }
            Given::Text(text) => text.is_repeatable(),
        }
    }

    /// What reads a partition: the columns of these numbers, of a source that is declared with these.
    ///
    /// # Errors
    /// What can be read once is refused to a second query (or a second mention in one query).
    pub(crate) fn input(
        &self,
        declared: &SourceDef,
        id: PartitionId,
        columns: Vec<usize>,
        record_bytes_max: usize,
    ) -> Result<InputSpec, Error> {
        let (name, schema) = (&declared.name, &declared.schema);
        match &self.given {
            Given::Batches { schema: given, partitions } => {
                let make = self.take(given, partitions, id)?;
                let (name, schema) = (name.clone(), schema.clone());
                Ok(InputSpec::Registered(RegisteredSpec { name, schema, columns, make }))
            }
            Given::Text(text) => {
                let input = text.take(name, schema, columns, id, record_bytes_max);
                input.map(InputSpec::Memory).ok_or_else(|| read_already(&self.def.name))
            }
        }
    }

    /// Takes what reads a partition, with every column cast to the type that SQL knows it by.
    fn take(
        &self,
        given: &SchemaRef,
        partitions: &Mutex<Vec<Option<BatchReaders>>>,
        id: PartitionId,
    ) -> Result<MakeBatchReader, Error> {
        let index = usize::try_from(id.0).expect("a vector of this length exists");
        let mut partitions = partitions.lock().unwrap_or_else(PoisonError::into_inner);
        let make: Option<MakeBatchReader> = match partitions.get_mut(index) {
            Some(Some(BatchReaders::Each(make))) => {
                let make = Arc::clone(make);
                Some(Box::new(move || make()))
            }
            Some(taken) => match taken.take() {
                Some(BatchReaders::Once(make)) => Some(make),
                _ => None,
            },
            None => None,
        };
        let make = make.ok_or_else(|| read_already(&self.def.name))?;
        let (given, wanted) = (Arc::clone(given), self.def.schema.clone());
        Ok(Box::new(move || Box::new(Casting { batches: make(), cast: Cast::new(given, wanted) })))
    }
}

/// What makes the readers of a partition.
pub(crate) enum BatchReaders {
    /// One, for the first who reads it.
    Once(MakeBatchReader),
    /// One for each.
    Each(Arc<dyn Fn() -> Box<dyn BatchReader> + Send + Sync>),
}

fn registered_as(name: &str, is_bounded: bool) -> SourceConnector {
    SourceConnector::Registered { name: name.to_owned(), is_bounded }
}

/// Batches of the registered types as those that SQL knows.
struct Casting {
    batches: Box<dyn BatchReader>,
    cast: Cast,
}

/// From the types that are registered to those of batches inside the engine.
struct Cast {
    given: SchemaRef,
    wanted: Schema,
    /// The wanted columns. NOT NULL is held by the reader, which names the column; here every column may hold NULL.
    lenient: SchemaRef,
    /// Batches are of the wanted types already, whose values all fit.
    is_idle: bool,
}

impl BatchReader for Casting {
    fn poll_next(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<RecordBatch, HostError>>> {
        let batch = ready!(self.batches.poll_next(context));
        let cast = |batch: RecordBatch| Ok(self.cast.of(batch)?);
        Poll::Ready(batch.map(|batch| batch.and_then(cast)))
    }
}

/// What a source says of its event time.
fn watermark(name: &str, def: &SourceDef, source: &Source) -> Result<Option<WatermarkRule>, Error> {
    let Some((column, delay)) = &source.event_time else {
        let is_refined = source.idle_timeout.is_some()
            || !source.allowed_lateness.is_zero()
            || source.late_records != LateRecords::Drop;
        return match is_refined {
            true => Err(Error::usage(format!(
                "source {name} says what becomes of late records or silent partitions and has no event time: \
                 call watermark, too"
            ))),
            false => Ok(None),
        };
    };
    let at = def.schema.index_of(column).ok_or_else(|| {
        Error::usage(format!(
            "the event time of source {name} is {column}, which is not among its columns"
        ))
    })?;
    let found = &def.schema.fields[at].data_type;
    if *found != DataType::Timestamp {
        return Err(Error::usage(format!(
            "the event time of source {name} is {column}, which is {found}: give a timestamp"
        )));
    }
    let micros = |time: Duration| i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
    if source.late_records == LateRecords::DeadLetter && source.dead_letter_path.is_none() {
        return Err(Error::usage(format!(
            "late records of source {name} are to be written, and not where: name a directory"
        )));
    }
    Ok(Some(WatermarkRule {
        max_ahead_us: source.max_ahead.map(micros),
        allowed_lateness_us: micros(source.allowed_lateness),
        late_records: source.late_records,
        idle_timeout: source.idle_timeout,
        ..WatermarkRule::new(at, micros(*delay))
    }))
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
    connector: SourceConnector,
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
    let def = SourceDef::new(name.to_owned(), schema, connector, Span::default());
    Ok(SourceDef { partitioned_by, ..def })
}

impl Cast {
    fn new(given: SchemaRef, wanted: Schema) -> Self {
        let types = wanted.arrow();
        let lenient = types.fields().iter().map(|field| field.as_ref().clone().with_nullable(true));
        let lenient = Arc::new(ArrowSchema::new(lenient.collect::<Vec<_>>()));
        let mut pairs = given.fields().iter().zip(types.fields());
        // Of these, Arrow's types hold values that SQL's do not: they are looked at.
        let may_hold_more = |wanted: &DataType| {
            matches!(wanted, DataType::Decimal { .. } | DataType::Date | DataType::Array(_))
        };
        let is_same = pairs.all(|(given, wanted)| given.data_type() == wanted.data_type());
        let is_idle = is_same && !wanted.fields.iter().any(|field| may_hold_more(&field.data_type));
        Self { given, wanted, lenient, is_idle }
    }

    fn of(&self, batch: RecordBatch) -> Result<RecordBatch, String> {
        let given = &self.given;
        if batch.num_columns() != given.fields().len() {
            let (found, declared) = (batch.num_columns(), given.fields().len());
            return Err(format!("a batch has {found} columns, and {declared} are registered"));
        }
        for (column, registered) in batch.columns().iter().zip(given.fields()) {
            if column.data_type() != registered.data_type() {
                let (found, name) = (column.data_type(), registered.name());
                let declared = registered.data_type();
                return Err(format!("column {name} is {found}, and {declared} is registered"));
            }
        }
        if self.is_idle {
            return Ok(batch);
        }
        let columns = batch.columns().iter().zip(&self.wanted.fields).map(|(column, sql)| {
            let cast = to_sql_type(column, &sql.data_type);
            cast.map_err(|error| format!("column {}: {error}", sql.name))
        });
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(Arc::clone(&self.lenient), columns, &options)
            .map_err(|error| error.to_string())
    }
}
