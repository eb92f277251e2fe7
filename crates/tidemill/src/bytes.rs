//! Text in memory as a source: chunks of JSON lines or CSV by partition.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tidemill_format::infer_schema;
use tidemill_pipeline::MemoryInput;
use tidemill_plan::{Format, HostError};
use tidemill_record::{PartitionId, Schema};
use tidemill_source::MemoryReader;

use crate::Error;
use crate::discovery::HEAD_BYTES_MAX;

/// Chunks of the text of one partition, in order, cut anywhere. An `Err` ends the job, and is the source of its error.
pub type BytePartition = Box<dyn Iterator<Item = Result<Bytes, HostError>> + Send>;

/// Text that is in memory: JSON lines or CSV, as UTF-8 and not compressed, decoded as files of it are.
///
/// Chunks are not copied, but for records that lie across two of them; texts of results may point into them, which keeps
/// them in memory. Each partition of CSV begins with a header of its own where the format has one. Offsets of records are
/// bytes of their partition.
///
/// ```
/// use tidemill::{ByteSource, Format, JsonOptions, Session};
///
/// let text = "{\"city\":\"Oslo\",\"degrees\":-3}\n{\"city\":\"Lima\",\"degrees\":19}\n";
/// let mut session = Session::new();
/// let json = Format::Json(JsonOptions::default());
/// session.register_bytes("readings", ByteSource::new(json).partition([text.into()]))?;
/// let rows = session.query("SELECT city FROM readings WHERE degrees > 0")?.collect()?;
/// assert_eq!(rows.iter().map(|batch| batch.num_rows()).sum::<usize>(), 1);
/// # Ok::<(), tidemill::Error>(())
/// ```
#[must_use]
pub struct ByteSource {
    format: Format,
    columns: Option<Schema>,
    partitions: Vec<Chunks>,
    partitioned_by: Vec<String>,
}

/// The chunks of a partition.
enum Chunks {
    /// For the first who reads it.
    Once(BytePartition),
    /// For each anew.
    Each(Arc<dyn Fn() -> BytePartition + Send + Sync>),
}

impl ByteSource {
    /// Text of this format, which is [`Format::Json`] or [`Format::Csv`] with their options; as yet without a partition.
    pub fn new(format: Format) -> Self {
        Self { format, columns: None, partitions: Vec::new(), partitioned_by: Vec::new() }
    }

    /// The same with one more partition, of these chunks. It is read by one core.
    pub fn partition<I>(self, chunks: I) -> Self
    where
        I: IntoIterator<Item = Bytes>,
        I::IntoIter: Send + 'static,
    {
        self.fallible_partition(chunks.into_iter().map(Ok))
    }

    /// The same with one more partition, of chunks that may fail to come.
    pub fn fallible_partition<I>(mut self, chunks: I) -> Self
    where
        I: IntoIterator<Item = Result<Bytes, HostError>>,
        I::IntoIter: Send + 'static,
    {
        self.partitions.push(Chunks::Once(Box::new(chunks.into_iter())));
        self
    }

    /// The same with one more partition that any number of queries may read, and a query more than once: `make` begins anew for
    /// each. A source all of whose partitions are such can be named as often as one likes.
    ///
    /// ```
    /// use tidemill::{ByteSource, Format, JsonOptions, Session};
    ///
    /// let text = "{\"degrees\":-3}\n{\"degrees\":19}\n";
    /// let source = ByteSource::new(Format::Json(JsonOptions::default()));
    /// let mut session = Session::new();
    /// session.register_bytes("readings", source.repeatable_partition(move || [Ok(text.into())]))?;
    /// for _ in 0..2 {
    ///     let rows = session.query("SELECT degrees FROM readings WHERE degrees > 0")?.collect()?;
    ///     assert_eq!(rows[0].num_rows(), 1);
    /// }
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn repeatable_partition<I>(mut self, make: impl Fn() -> I + Send + Sync + 'static) -> Self
    where
        I: IntoIterator<Item = Result<Bytes, HostError>>,
        I::IntoIter: Send + 'static,
    {
        self.partitions.push(Chunks::Each(Arc::new(move || Box::new(make().into_iter()))));
        self
    }

    /// The same with columns that are declared, by name in JSON and in CSV with a header. Without this they are inferred
    /// from the first chunks of the first partition, which are taken as it is registered.
    pub fn columns(mut self, columns: Schema) -> Self {
        self.columns = Some(columns);
        self
    }

    /// The same, where equal values of these columns never stand in two partitions.
    pub fn partitioned_by<S: Into<String>>(mut self, columns: impl IntoIterator<Item = S>) -> Self {
        self.partitioned_by = columns.into_iter().map(Into::into).collect();
        self
    }

    /// What it says of itself, with its columns.
    pub(crate) fn settled(mut self, name: &str) -> Result<Settled, Error> {
        if !matches!(self.format, Format::Json(_) | Format::Csv(_)) {
            let message = format!(
                "source {name} is bytes of CSV or JSON lines; read other formats from files"
            );
            return Err(Error::usage(message));
        }
        let is_inferred = self.columns.is_none();
        let schema = match self.columns.take() {
            Some(schema) => schema,
            None => self.inferred(name)?,
        };
        let Self { format, partitions, partitioned_by, .. } = self;
        Ok(Settled {
            text: RegisteredText::new(format, is_inferred, partitions),
            schema,
            partitioned_by,
        })
    }

    /// The columns, by the head of the first partition, whose chunks come again.
    fn inferred(&mut self, name: &str) -> Result<Schema, Error> {
        let Some(first) = self.partitions.first_mut() else {
            return Err(Error::usage(format!("source {name} is registered without a partition")));
        };
        let mut chunks = match first {
            Chunks::Once(chunks) => std::mem::replace(chunks, Box::new(std::iter::empty())),
            Chunks::Each(make) => make(),
        };
        let (mut taken, mut head) = (Vec::new(), Vec::new());
        let mut is_whole = false;
        while head.len() < HEAD_BYTES {
            let Some(chunk) = chunks.next() else {
                is_whole = true;
                break;
            };
            if let Ok(bytes) = &chunk {
                head.extend_from_slice(&bytes[..bytes.len().min(HEAD_BYTES_MAX - head.len())]);
            }
            let has_failed = chunk.is_err();
            taken.push(chunk);
            if has_failed {
                break;
            }
        }
        if let Chunks::Once(first) = first {
            *first = Box::new(taken.into_iter().chain(chunks));
        }
        let schema = infer_schema(&self.format, &head, is_whole);
        schema.map_err(|error| Error::format(format!("source {name}").into(), error))
    }
}

/// Bytes by which columns are inferred: chunks are taken until there are so many.
const HEAD_BYTES: usize = 64 << 10;

/// A source of text as it is registered.
pub(crate) struct Settled {
    pub(crate) text: RegisteredText,
    pub(crate) schema: Schema,
    pub(crate) partitioned_by: Vec<String>,
}

/// The text of a registered source.
pub(crate) struct RegisteredText {
    format: Format,
    is_inferred: bool,
    /// What is there once is taken by the first pipeline that reads it.
    partitions: Mutex<Vec<Option<Chunks>>>,
    pub(crate) partition_count: usize,
}

impl RegisteredText {
    fn new(format: Format, is_inferred: bool, partitions: Vec<Chunks>) -> Self {
        let partition_count = partitions.len();
        let partitions = Mutex::new(partitions.into_iter().map(Some).collect());
        Self { format, is_inferred, partitions, partition_count }
    }

    /// Whether some of it has been read.
    pub(crate) fn is_taken(&self) -> bool {
        let partitions = self.partitions.lock().unwrap_or_else(PoisonError::into_inner);
        partitions.iter().any(Option::is_none)
    }

    /// Whether each who reads it has chunks of its own.
    pub(crate) fn is_repeatable(&self) -> bool {
        let partitions = self.partitions.lock().unwrap_or_else(PoisonError::into_inner);
        partitions.iter().all(|chunks| matches!(chunks, Some(Chunks::Each(_))))
    }

    /// What reads a partition; `None` where somebody has.
    pub(crate) fn take(
        &self,
        name: &str,
        schema: &Schema,
        columns: Vec<usize>,
        id: PartitionId,
        record_bytes_max: usize,
    ) -> Option<MemoryInput> {
        let mut partitions = self.partitions.lock().unwrap_or_else(PoisonError::into_inner);
        let index = usize::try_from(id.0).expect("partitions are few");
        let chunks = match partitions.get_mut(index)? {
            Some(Chunks::Each(make)) => make(),
            taken => match taken.take()? {
                Chunks::Once(chunks) => chunks,
                Chunks::Each(make) => make(),
            },
        };
        Some(MemoryInput {
            reader: MemoryReader::new(name.to_owned(), id, record_bytes_max, chunks),
            format: self.format.clone(),
            schema: schema.clone(),
            is_inferred: self.is_inferred,
            columns,
        })
    }
}

impl fmt::Debug for ByteSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByteSource")
            .field("format", &self.format)
            .field("columns", &self.columns)
            .field("partitions", &self.partitions.len())
            .finish_non_exhaustive()
    }
}
