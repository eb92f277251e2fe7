//! When a core gets its ring: at its start, or once a read would wait.
//!
//! A ring costs milliseconds to make and to take down, more than a small job takes. A body therefore begins
//! without one, polled by hand; a read that would wait asks for it ([`made`]) and is pending, whereupon
//! [`run`] makes glommio's executor and goes on with the same body inside of it.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::io;
use std::panic::catch_unwind;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use glommio::{LocalExecutor, LocalExecutorBuilder, Placement};

use crate::turns;

/// Memory that glommio registers with its rings, in bytes: its minimum. It serves direct I/O only,
/// which we do not use, and it counts against the memlock limit three times a core.
const IO_MEMORY_BYTES: usize = 64 * 1024;

/// When glommio would interrupt its tasks: never. Its loop (`LocalExecutor::run`, 0.9) goes to sleep
/// with tasks ready to run if this timer expires between the polling of I/O and the first task, which a
/// busy host makes happen: with 1 ms, one pass in ten over a cold file of 1 GiB hung for good.
const PREEMPT_INTERVAL: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// What the calling thread has of a ring.
enum State {
    /// Nobody here makes one.
    Outside,
    /// None; it is made when it is asked for.
    Absent,
    /// None, and a read waits for it.
    Wanted,
    /// What is polled runs in an executor that has it.
    Made,
    /// It could not be made, and why.
    Refused(String),
}

thread_local! {
    static STATE: RefCell<State> = const { RefCell::new(State::Outside) };
}

/// Whether the calling thread runs in an executor with a ring.
#[must_use]
pub fn has_ring() -> bool {
    STATE.with_borrow(|state| matches!(state, State::Made))
}

/// Waits until the calling thread has a ring.
///
/// # Errors
/// Why there is none.
pub(crate) fn made() -> impl Future<Output = io::Result<()>> {
    turns::on_ring(poll_fn(|_| {
        STATE.with_borrow_mut(|state| match state {
            State::Made => Poll::Ready(Ok(())),
            State::Refused(reason) => Poll::Ready(Err(io::Error::other(reason.clone()))),
            State::Outside => {
                Poll::Ready(Err(io::Error::other("this thread is not one that makes a ring")))
            }
            // Who polls looks at this next: there is no need to be woken.
            State::Absent | State::Wanted => {
                *state = State::Wanted;
                Poll::Pending
            }
        })
    }))
}

/// Whether a read waits for a ring that the calling thread has yet to make.
pub(crate) fn is_wanted() -> bool {
    STATE.with_borrow(|state| matches!(state, State::Wanted))
}

fn set(state: State) {
    STATE.set(state);
}

/// Runs a body on the calling thread, which is pinned to `cpu`; with an executor that was made before, or
/// with one that is made when the body asks for a ring.
pub(crate) fn run<T: 'static>(
    executor: Option<LocalExecutor>,
    cpu: usize,
    name: &str,
    body: impl Future<Output = T> + 'static,
) -> T {
    let mut body: Pin<Box<dyn Future<Output = T>>> = Box::pin(body);
    let mut executor = executor;
    if executor.is_none() {
        set(State::Absent);
        let begun = |body: &mut Pin<Box<dyn Future<Output = T>>>| {
            futures_lite::future::block_on(poll_fn(|context| match body.as_mut().poll(context) {
                Poll::Ready(output) => Poll::Ready(Some(output)),
                Poll::Pending if is_wanted() => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            }))
        };
        if let Some(output) = begun(&mut body) {
            return output;
        }
        match make(cpu, name) {
            Ok(made) => executor = Some(made),
            Err(reason) => set(State::Refused(reason)),
        }
    }
    let Some(executor) = executor else { return futures_lite::future::block_on(body) };
    set(State::Made);
    executor.run(body)
}

/// Makes an executor with its rings.
///
/// # Errors
/// What glommio says.
pub(crate) fn make(cpu: usize, name: &str) -> Result<LocalExecutor, String> {
    let build = || {
        LocalExecutorBuilder::new(Placement::Fixed(cpu))
            .name(name)
            .io_memory(IO_MEMORY_BYTES)
            .preempt_timer(PREEMPT_INTERVAL)
            .make()
    };
    match catch_unwind(build) {
        Ok(Ok(executor)) => Ok(executor),
        Ok(Err(error)) => Err(format!("glommio: {error}")),
        Err(payload) => Err(format!("glommio panicked: {}", crate::launch::message_of(&*payload))),
    }
}
