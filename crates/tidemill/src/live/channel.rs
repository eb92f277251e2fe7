//! From any thread or task of the embedding program to a partition.

use std::collections::VecDeque;
use std::error;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use arrow_array::RecordBatch;
use tidemill_plan::HostError;
use tidemill_source::BatchReader;

/// Feeds a partition of a [`Source`](crate::Source). All clones are one; once the last is dropped the partition is at its end.
#[derive(Clone, Debug)]
pub struct BatchSender(Arc<Open>);

/// The query reads no more of the partition: it has ended, or was dropped before it began. With the batch that was not taken.
pub struct SendError(pub RecordBatch);

/// Why a batch was not taken at once; with the batch.
pub enum TrySendError {
    /// So many batches wait as may: try again, or use [`BatchSender::send`].
    Full(RecordBatch),
    /// As [`SendError`].
    Closed(RecordBatch),
}

/// What both ends know.
#[derive(Debug)]
struct Shared {
    capacity: usize,
    /// Asked for once a batch by each end.
    state: Mutex<State>,
    has_room: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<RecordBatch>,
    has_ended: bool,
    is_closed: bool,
    reader: Option<Waker>,
    senders: Vec<Waker>,
}

/// Ends the partition as it is dropped.
#[derive(Debug)]
struct Open(Arc<Shared>);

/// The partition's end. It closes the channel as it is dropped, also where no query has begun to read.
pub(super) struct Receiver(Arc<Shared>);

pub(super) fn channel(capacity: usize) -> (BatchSender, Receiver) {
    let (state, has_room) = (Mutex::default(), Condvar::new());
    let shared = Arc::new(Shared { capacity: capacity.max(1), state, has_room });
    (BatchSender(Arc::new(Open(Arc::clone(&shared)))), Receiver(shared))
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Whole between any two statements that could panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn give(&self, mut state: MutexGuard<'_, State>, batch: RecordBatch) {
        state.waiting.push_back(batch);
        let reader = state.reader.take();
        drop(state);
        reader.into_iter().for_each(Waker::wake);
    }
}

impl BatchSender {
    /// Gives a batch, and blocks while there is no room. Not for code that runs on a core of the engine (a sink, a
    /// function, another source), which would wait for itself.
    ///
    /// # Errors
    /// [`SendError`] once nobody reads any more.
    pub fn send(&self, batch: RecordBatch) -> Result<(), SendError> {
        let shared = &self.0.0;
        let mut state = shared.lock();
        while state.waiting.len() >= shared.capacity && !state.is_closed {
            state = shared.has_room.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.is_closed {
            return Err(SendError(batch));
        }
        shared.give(state, batch);
        Ok(())
    }

    /// The same without waiting.
    ///
    /// # Errors
    /// [`TrySendError`] with the batch.
    pub fn try_send(&self, batch: RecordBatch) -> Result<(), TrySendError> {
        let shared = &self.0.0;
        let state = shared.lock();
        if state.is_closed {
            return Err(TrySendError::Closed(batch));
        }
        if state.waiting.len() >= shared.capacity {
            return Err(TrySendError::Full(batch));
        }
        shared.give(state, batch);
        Ok(())
    }

    /// The same for async code. Dropping the future before it is ready gives nothing.
    #[must_use]
    pub fn send_async(&self, batch: RecordBatch) -> SendFuture<'_> {
        SendFuture { sender: self, batch: Some(batch) }
    }

    /// Whether nobody reads any more, so that nothing more has to be made.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.0.0.lock().is_closed
    }
}

/// A batch on its way; see [`BatchSender::send_async`].
#[derive(Debug)]
pub struct SendFuture<'a> {
    sender: &'a BatchSender,
    batch: Option<RecordBatch>,
}

impl Future for SendFuture<'_> {
    type Output = Result<(), SendError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let shared = &self.sender.0.0;
        let mut state = shared.lock();
        if state.waiting.len() >= shared.capacity && !state.is_closed {
            if !state.senders.iter().any(|known| known.will_wake(context.waker())) {
                state.senders.push(context.waker().clone());
            }
            return Poll::Pending;
        }
        let is_closed = state.is_closed;
        let batch = self.batch.take().expect("it is not polled once it is ready");
        if is_closed {
            return Poll::Ready(Err(SendError(batch)));
        }
        shared.give(state, batch);
        Poll::Ready(Ok(()))
    }
}

impl BatchReader for Receiver {
    fn poll_next(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<RecordBatch, HostError>>> {
        let mut state = self.0.lock();
        if let Some(batch) = state.waiting.pop_front() {
            let senders = std::mem::take(&mut state.senders);
            drop(state);
            self.0.has_room.notify_one();
            senders.into_iter().for_each(Waker::wake);
            return Poll::Ready(Some(Ok(batch)));
        }
        if state.has_ended {
            return Poll::Ready(None);
        }
        state.reader = Some(context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.has_ended = true;
        let reader = state.reader.take();
        drop(state);
        reader.into_iter().for_each(Waker::wake);
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.is_closed = true;
        let senders = std::mem::take(&mut state.senders);
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        drop(waiting);
        self.0.has_room.notify_all();
        senders.into_iter().for_each(Waker::wake);
    }
}

impl TrySendError {
    /// The batch that was not taken.
    #[must_use]
    pub fn into_batch(self) -> RecordBatch {
        match self {
            Self::Full(batch) | Self::Closed(batch) => batch,
        }
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nobody reads the partition any more")
    }
}

impl fmt::Debug for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SendError").field(&self.0.num_rows()).finish()
    }
}

impl fmt::Display for TrySendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "as many batches wait as may",
            Self::Closed(_) => "nobody reads the partition any more",
        })
    }
}

impl fmt::Debug for TrySendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, batch) = match self {
            Self::Full(batch) => ("Full", batch),
            Self::Closed(batch) => ("Closed", batch),
        };
        f.debug_tuple(name).field(&batch.num_rows()).finish()
    }
}

impl error::Error for SendError {}

impl error::Error for TrySendError {}
