//! Giving way to other tasks of the same core.

use std::cell::Cell;
use std::time::{Duration, Instant};

use crate::Backend;

thread_local! {
    static CURRENT: Cell<Option<Backend>> = const { Cell::new(None) };
    static YIELDED: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// Notes which backend runs the calling thread.
pub(crate) fn set_current(backend: Backend) {
    CURRENT.set(Some(backend));
}

/// Gives way to other tasks of this core, if about a millisecond has passed since it last did.
///
/// Reads in flight go on meanwhile; that they are finished is noticed when a task waits for one. Under
/// the portable backend there is one task a core, and it returns at once. Costs a look at the monotonic
/// clock: call it once a batch.
pub async fn yield_if_needed() {
    const INTERVAL: Duration = Duration::from_millis(1);
    if CURRENT.get() != Some(Backend::Glommio) {
        return;
    }
    let now = Instant::now();
    if YIELDED.get().is_none_or(|last| now - last >= INTERVAL) {
        YIELDED.set(Some(now));
        futures_lite::future::yield_now().await;
    }
}

/// Waits until what glommio has only queued is submitted: closing a file that was dropped, above all.
///
/// Requests of a ring are submitted in order, so one that can be waited for, and touches nothing, takes
/// the others along. A short timer would do as well but for a race in glommio 0.9: one that expires
/// while the reactor goes to sleep may never be noticed.
pub(crate) async fn submit_queued() {
    if let Ok(nothing) = glommio::io::BufferedFile::open("/dev/null").await {
        // Its own outcome says nothing about the requests before it.
        let _ = nothing.close().await;
    }
}
