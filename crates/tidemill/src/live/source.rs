//! What an embedding program says of its batches, and how they are made.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use futures_core::Stream;
use tidemill_plan::{HostError, LateRecords, WatermarkRule};
use tidemill_source::{BatchReader, Iterated};

use super::channel::{self, BatchSender};
use crate::SourceRegistration;
use crate::register::BatchReaders;

/// A source of Arrow batches, and what is said of it: whether it ends, and what its event time is.
///
/// Each partition has a reader of its own, which is made, asked and dropped on the core that was given the partition: a
/// [`BatchReader`], an iterator, a `Stream`, or the end of a channel whose other end is a [`BatchSender`].
///
/// ```
/// use std::sync::Arc;
/// use tidemill::arrow_array::{Int64Array, RecordBatch};
/// use tidemill::{Session, Source};
///
/// let batch = |n: i64| RecordBatch::try_from_iter([("n", Arc::new(Int64Array::from(vec![n])) as _)]);
/// let (source, sender) = Source::unbounded(batch(0)?.schema()).channel(4);
/// let mut session = Session::new();
/// session.register_source("numbers", source)?;
/// let mut rows = session.query("SELECT n * 2 AS twice FROM numbers")?;
/// let feed = std::thread::spawn(move || {
///     (0..10).try_for_each(|n| sender.send(batch(n).expect("one column")))
/// });
/// let count = rows.try_fold(0, |count, rows| Ok::<_, tidemill::Error>(count + rows?.num_rows()))?;
/// assert_eq!(count, 10);
/// feed.join().expect("it does not panic").expect("the query reads to the end");
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
#[must_use]
pub struct Source {
    pub(crate) schema: SchemaRef,
    pub(crate) is_bounded: bool,
    pub(crate) partitions: Vec<BatchReaders>,
    pub(crate) partitioned_by: Vec<String>,
    pub(crate) event_time: Option<(String, Duration)>,
    pub(crate) max_ahead: Option<Duration>,
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) allowed_lateness: Duration,
    pub(crate) late_records: LateRecords,
    pub(crate) dead_letter_path: Option<String>,
}

impl Source {
    /// One whose partitions all end by themselves; as yet without any. Results over all of it come then. Its types are those
    /// of [`SourceRegistration::schema`].
    pub fn bounded(schema: SchemaRef) -> Self {
        Self {
            schema,
            is_bounded: true,
            partitions: Vec::new(),
            partitioned_by: Vec::new(),
            event_time: None,
            max_ahead: Some(Duration::from_micros(WatermarkRule::MAX_AHEAD_US.unsigned_abs())),
            idle_timeout: None,
            allowed_lateness: Duration::ZERO,
            late_records: LateRecords::Drop,
            dead_letter_path: None,
        }
    }

    /// One that may go on for ever; as yet without a partition. Its partitions run beside each other, rows leave as they come,
    /// windows as they close, and what SQL can only say at the end of all input is refused. A partition may end all the same.
    pub fn unbounded(schema: SchemaRef) -> Self {
        Self { is_bounded: false, ..Self::bounded(schema) }
    }

    /// The same with one more partition, whose reader `make` makes on the core that reads it.
    pub fn partition<R: BatchReader + 'static>(
        mut self,
        make: impl FnOnce() -> R + Send + 'static,
    ) -> Self {
        self.partitions.push(BatchReaders::Once(Box::new(move || Box::new(make()))));
        self
    }

    /// The same with one more partition that any number of queries may read, and a query more than once: `make` makes a reader
    /// for each, on the core that reads it. A source all of whose partitions are such can be named as often as one likes.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use tidemill::arrow_array::{Int64Array, RecordBatch};
    /// use tidemill::{Session, Source};
    ///
    /// let batch = RecordBatch::try_from_iter([("n", Arc::new(Int64Array::from(vec![1, 2])) as _)])?;
    /// let source = Source::bounded(batch.schema()).repeatable_iterator(move || [Ok(batch.clone())]);
    /// let mut session = Session::new();
    /// session.register_source("numbers", source)?;
    /// let rows = session.query("SELECT n FROM numbers UNION ALL SELECT -n FROM numbers")?.collect()?;
    /// assert_eq!(rows.iter().map(RecordBatch::num_rows).sum::<usize>(), 4);
    /// assert_eq!(session.query("SELECT SUM(n) AS n FROM numbers")?.collect()?.len(), 1);
    /// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// ```
    pub fn repeatable_partition<R: BatchReader + 'static>(
        mut self,
        make: impl Fn() -> R + Send + Sync + 'static,
    ) -> Self {
        self.partitions.push(BatchReaders::Each(Arc::new(move || Box::new(make()))));
        self
    }

    /// The same as [`Self::repeatable_partition`], of the batches that `make` begins anew with.
    pub fn repeatable_iterator<I>(self, make: impl Fn() -> I + Send + Sync + 'static) -> Self
    where
        I: IntoIterator<Item = Result<RecordBatch, HostError>>,
        I::IntoIter: 'static,
    {
        self.repeatable_partition(move || Iterated(make().into_iter()))
    }

    /// The same with one more partition, of these batches. While the iterator waits nothing else goes on on its core.
    pub fn iterator<I>(self, batches: I) -> Self
    where
        I: IntoIterator<Item = Result<RecordBatch, HostError>>,
        I::IntoIter: Send + 'static,
    {
        let batches = batches.into_iter();
        self.partition(move || Iterated(batches))
    }

    /// The same with one more partition, of what the stream gives. It is polled on a core, outside of any other runtime.
    pub fn stream<S>(self, batches: S) -> Self
    where
        S: Stream<Item = Result<RecordBatch, HostError>> + Send + 'static,
    {
        let batches: Pin<Box<dyn Stream<Item = _> + Send>> = Box::pin(batches);
        self.partition(move || Streamed(batches))
    }

    /// The same with one more partition, and the end that feeds it. So many batches wait at most, at least one.
    #[must_use = "without its sender the partition is at its end"]
    pub fn channel(self, capacity: usize) -> (Self, BatchSender) {
        let (sender, receiver) = channel::channel(capacity);
        (self.partition(move || receiver), sender)
    }

    /// The same, where equal values of these columns never stand in two partitions.
    pub fn partitioned_by<S: Into<String>>(mut self, columns: impl IntoIterator<Item = S>) -> Self {
        self.partitioned_by = columns.into_iter().map(Into::into).collect();
        self
    }

    /// The same with an event time, as `WATERMARK FOR column AS column - delay` says: records of a partition are out of
    /// order by `delay` at most. Windows close by it.
    pub fn watermark(mut self, column: impl Into<String>, delay: Duration) -> Self {
        self.event_time = Some((column.into(), delay));
        self
    }

    /// The same, where an event time further beyond the watermark than this moves it only once others confirm that
    /// (`watermark.max_ahead`); so does the first of all. An hour unless this is called; `None` believes every record.
    pub fn max_ahead(mut self, max_ahead: Option<Duration>) -> Self {
        self.max_ahead = max_ahead;
        self
    }

    /// The same, where a partition without a record for so long holds up none of the others' windows (`idle.timeout`).
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = Some(timeout);
        self
    }

    /// The same, where windows still take records for so long after their end (`allowed.lateness`).
    pub fn allowed_lateness(mut self, lateness: Duration) -> Self {
        self.allowed_lateness = lateness;
        self
    }

    /// The same, where late records are left out, or also written to the directory `dead_letters` (`late.records`,
    /// `dead.letter.path`). They are counted either way.
    pub fn late_records(mut self, late: LateRecords, dead_letters: Option<&str>) -> Self {
        (self.late_records, self.dead_letter_path) = (late, dead_letters.map(str::to_owned));
        self
    }
}

impl From<SourceRegistration> for Source {
    fn from(registration: SourceRegistration) -> Self {
        let SourceRegistration { schema, partitions, partitioned_by } = registration;
        let source = Self::bounded(schema).partitioned_by(partitioned_by);
        partitions.into_iter().fold(source, Self::iterator)
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source")
            .field("schema", &self.schema)
            .field("is_bounded", &self.is_bounded)
            .field("partitions", &self.partitions.len())
            .finish_non_exhaustive()
    }
}

/// A stream as a reader.
struct Streamed(Pin<Box<dyn Stream<Item = Result<RecordBatch, HostError>> + Send>>);

impl BatchReader for Streamed {
    fn poll_next(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<RecordBatch, HostError>>> {
        self.0.as_mut().poll_next(context)
    }
}
