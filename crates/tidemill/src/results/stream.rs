//! Results for those who may not block.

use std::pin::Pin;
use std::task::{Context, Poll};

use arrow_array::RecordBatch;
use futures_core::Stream;

use super::Rows;
use crate::Error;

/// [`Rows`] as a [`Stream`]. It needs no runtime: the task that waits for a batch is woken by the core that has made one.
/// Dropped before its end, as by a timeout, it cancels the job.
///
/// ```
/// use futures_lite::StreamExt;
/// use tidemill::Session;
///
/// # futures_lite::future::block_on(async {
/// let mut rows = Session::new().query("SELECT 1 AS one")?.into_stream();
/// while let Some(batch) = rows.next().await {
///     assert_eq!(batch?.num_rows(), 1);
/// }
/// # Ok::<(), tidemill::Error>(())
/// # }).unwrap();
/// ```
#[derive(Debug)]
pub struct RowStream(pub(super) Rows);

impl RowStream {
    /// What it is a stream of.
    #[must_use]
    pub fn rows(&self) -> &Rows {
        &self.0
    }

    /// The same, to be stopped.
    pub fn rows_mut(&mut self) -> &mut Rows {
        &mut self.0
    }
}

impl Stream for RowStream {
    type Item = Result<RecordBatch, Error>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().0.poll_take(context)
    }
}
