//! From the pipelines of a query to whoever pulls its results: batches, as many as there is room for.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use arrow_array::RecordBatch;
use tidemill_plan::HostError;

use crate::sinks::BatchSink;

/// Batches that wait to be taken; each partition may put one more that it has made already.
const WAITING_MAX: usize = 8;

/// The end that gives; all clones are one. Once the last one is gone, the results have come to their end.
#[derive(Clone, Debug)]
pub(crate) struct Sender {
    // Dropped before what it closes would be.
    _open: Arc<Open>,
    shared: Arc<Shared>,
}

/// The end that takes. Where it is dropped, nobody wants the rest.
#[derive(Debug)]
pub(crate) struct Receiver(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// Asked for once a batch by each end.
    state: Mutex<State>,
    has_come: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<RecordBatch>,
    has_ended: bool,
    is_unwanted: bool,
    taker: Option<Waker>,
    givers: Vec<Waker>,
}

/// Says, as it is dropped, that nothing more will come.
#[derive(Debug)]
struct Open(Arc<Shared>);

impl Drop for Open {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.has_ended = true;
        self.0.tell_taker(state);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell_taker(&self, mut state: MutexGuard<'_, State>) {
        let taker = state.taker.take();
        drop(state);
        self.has_come.notify_one();
        taker.into_iter().for_each(Waker::wake);
    }
}

pub(crate) fn channel() -> (Sender, Receiver) {
    let shared = Arc::<Shared>::default();
    let open = Arc::new(Open(Arc::clone(&shared)));
    (Sender { _open: open, shared: Arc::clone(&shared) }, Receiver(shared))
}

impl BatchSink for Sender {
    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), HostError>> {
        let mut state = self.shared.lock();
        if state.is_unwanted {
            return Poll::Ready(Err("nobody takes the results any more".into()));
        }
        if state.waiting.len() < WAITING_MAX {
            return Poll::Ready(Ok(()));
        }
        if !state.givers.iter().any(|giver| giver.will_wake(context.waker())) {
            state.givers.push(context.waker().clone());
        }
        Poll::Pending
    }

    fn write(&mut self, batch: RecordBatch) -> Result<(), HostError> {
        let mut state = self.shared.lock();
        state.waiting.push_back(batch);
        self.shared.tell_taker(state);
        Ok(())
    }
}

impl Receiver {
    /// Waits for a batch; `None` at the end.
    pub(crate) fn take(&self) -> Option<RecordBatch> {
        let mut state = self.0.lock();
        loop {
            if let Some(batch) = state.waiting.pop_front() {
                wake(state);
                return Some(batch);
            }
            if state.has_ended {
                return None;
            }
            state = self.0.has_come.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The same without waiting: the task is woken when there may be one.
    pub(crate) fn poll_take(&self, context: &Context<'_>) -> Poll<Option<RecordBatch>> {
        let mut state = self.0.lock();
        if let Some(batch) = state.waiting.pop_front() {
            wake(state);
            return Poll::Ready(Some(batch));
        }
        if state.has_ended {
            return Poll::Ready(None);
        }
        state.taker = Some(context.waker().clone());
        Poll::Pending
    }
}

/// Wakes who waits for room, once half of it is there.
fn wake(mut state: MutexGuard<'_, State>) {
    if state.waiting.len() > WAITING_MAX / 2 && !state.is_unwanted {
        return;
    }
    let givers = std::mem::take(&mut state.givers);
    drop(state);
    givers.into_iter().for_each(Waker::wake);
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.is_unwanted = true;
        state.waiting.clear();
        wake(state);
    }
}
