//! The results of a query, batch by batch.

use std::fmt;
use std::iter::FusedIterator;
use std::task::{Context, Poll, ready};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

use super::channel::Receiver;
use super::stream::RowStream;
use crate::{Error, Job, Query, QueryMetrics, Runtime, Summary};

/// The results of a query, batch by batch: an [`Iterator`]. [`Self::into_stream`] is for those who may not block.
///
/// The query begins with the first batch that is asked for. Results come as they are made; a few batches wait to be
/// taken, and while nobody takes them the query reads nothing more. Batches of one partition come in its order, those of
/// several in any; with `ORDER BY`, or where groups are gathered from all partitions, there is one.
///
/// After the last batch comes `None`, once the job is over, and what else the script writes is published. A job that
/// fails gives its error in place of that, and `None` after it: what came before is a part of the results. Where this is
/// dropped before, the job is cancelled: it ends as soon as its cores have finished their turns, and publishes nothing.
///
/// ```
/// use tidemill::Session;
///
/// let mut rows = Session::new().query(
///     "CREATE SOURCE trades WITH ('connector' = 'generator', 'schema' = 'trades', 'rows' = '1000');
///      SELECT symbol, COUNT(*) AS trades FROM trades GROUP BY symbol",
/// )?;
/// assert_eq!(rows.output_schema().field(1).name(), "trades");
/// let mut groups = 0;
/// for batch in &mut rows {
///     groups += batch?.num_rows();
/// }
/// assert_eq!(groups, 200);
/// assert_eq!(rows.summary().unwrap().statistics.records_in, 1000);
/// # Ok::<(), tidemill::Error>(())
/// ```
pub struct Rows {
    schema: SchemaRef,
    // Before the job, which waits for it where there is no room.
    receiver: Receiver,
    run: Run,
}

enum Run {
    NotYet(Box<Job>, Option<Runtime>),
    Running(Query),
    Failed,
    Ended(Box<Summary>),
}

impl Rows {
    pub(crate) fn new(schema: SchemaRef, receiver: Receiver, job: Job) -> Self {
        Self { schema, receiver, run: Run::NotYet(Box::new(job), None) }
    }

    /// Columns of every batch. Known before anything runs.
    #[must_use]
    pub fn output_schema(&self) -> SchemaRef {
        SchemaRef::clone(&self.schema)
    }

    /// The plan, as [`Job::explain`]; `None` once it has begun.
    ///
    /// # Errors
    /// As [`Job::explain`].
    pub fn explain(&self) -> Result<Option<String>, Error> {
        match &self.run {
            Run::NotYet(job, _) => job.explain().map(Some),
            _ => Ok(None),
        }
    }

    /// The same on cores that are there, beside what else runs there; else it has cores of its own. Nothing changes once it has
    /// begun.
    ///
    /// ```
    /// use tidemill::{Runtime, Session};
    ///
    /// let runtime = Runtime::builder().cores(1).build()?;
    /// let rows = Session::new().query("SELECT 1 AS one")?.on(&runtime);
    /// assert_eq!(rows.collect()?.len(), 1);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    #[must_use]
    pub fn on(mut self, runtime: &Runtime) -> Self {
        if let Run::NotYet(_, on) = &mut self.run {
            *on = Some(runtime.clone());
        }
        self
    }

    /// What a handle of its job says, once it has begun.
    #[must_use]
    pub fn metrics(&self) -> Option<QueryMetrics> {
        match &self.run {
            Run::Running(job) => Some(job.metrics()),
            _ => None,
        }
    }

    /// All batches that are still to come.
    ///
    /// # Errors
    /// Why the job failed.
    pub fn collect(self) -> Result<Vec<RecordBatch>, Error> {
        Iterator::collect(self)
    }

    /// Asks the query to stop, as [`Query::stop`]: what it has read is still to be taken. Of one that has not
    /// begun nothing comes.
    pub fn stop(&mut self) {
        match &self.run {
            Run::Running(job) => job.stop(),
            Run::NotYet(..) => self.run = Run::Failed,
            Run::Failed | Run::Ended(_) => {}
        }
    }

    /// What the job did, once it has come to its end without an error.
    #[must_use]
    pub fn summary(&self) -> Option<&Summary> {
        match &self.run {
            Run::Ended(summary) => Some(summary),
            _ => None,
        }
    }

    /// The same as a `Stream`. It is a type of its own because the two have methods of the same names.
    #[must_use]
    pub fn into_stream(self) -> RowStream {
        RowStream(self)
    }

    fn begin(&mut self) {
        if let Run::NotYet(..) = &self.run
            && let Run::NotYet(job, runtime) = std::mem::replace(&mut self.run, Run::Failed)
        {
            self.run = Run::Running(Query::start(*job, runtime));
        }
    }

    /// What comes behind the last batch.
    fn end(&mut self) -> Option<Result<RecordBatch, Error>> {
        if !matches!(self.run, Run::Running(_)) {
            return None;
        }
        let Run::Running(job) = std::mem::replace(&mut self.run, Run::Failed) else {
            return None;
        };
        match job.join() {
            Ok(summary) => {
                self.run = Run::Ended(Box::new(summary));
                None
            }
            Err(error) => Some(Err(error)),
        }
    }

    /// The next batch without waiting: the task is woken when there may be one.
    pub(super) fn poll_take(
        &mut self,
        context: &Context<'_>,
    ) -> Poll<Option<Result<RecordBatch, Error>>> {
        if self.is_over() {
            return Poll::Ready(None);
        }
        self.begin();
        match ready!(self.receiver.poll_take(context)) {
            Some(batch) => Poll::Ready(Some(Ok(batch))),
            // The job has given its sinks away, and is about to return.
            None => Poll::Ready(self.end()),
        }
    }

    fn is_over(&self) -> bool {
        matches!(self.run, Run::Failed | Run::Ended(_))
    }
}

impl Iterator for Rows {
    type Item = Result<RecordBatch, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over() {
            return None;
        }
        self.begin();
        match self.receiver.take() {
            Some(batch) => Some(Ok(batch)),
            None => self.end(),
        }
    }
}

impl FusedIterator for Rows {}

impl Drop for Rows {
    fn drop(&mut self) {
        if let Run::Running(job) = &self.run {
            job.cancel();
        }
    }
}

impl fmt::Debug for Rows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.run {
            Run::NotYet(..) => "not yet begun",
            Run::Running(_) => "running",
            Run::Failed => "over",
            Run::Ended(_) => "ended",
        };
        f.debug_struct("Rows").field("schema", &self.schema).field("state", &state).finish()
    }
}
