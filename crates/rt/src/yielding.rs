//! Giving way to other tasks of the same core.

use std::cell::Cell;
use std::time::{Duration, Instant};

use crate::ring::has_ring;

thread_local! {
    static YIELDED: Cell<Option<Instant>> = const { Cell::new(None) };
    /// Files dropped since glommio was last known to have closed them.
    static DROPPED: Cell<u32> = const { Cell::new(0) };
}

/// Counts a file of glommio's that is dropped: it is closed only with the next requests of its ring.
#[derive(Debug)]
pub(crate) struct QueuedClose;

impl Drop for QueuedClose {
    fn drop(&mut self) {
        // A thread that is being taken down takes its files along.
        let _ = DROPPED.try_with(|dropped| dropped.set(dropped.get() + 1));
    }
}

/// Gives way to other tasks of this core, if about a millisecond has passed since it last did. Files that
/// were dropped are closed by then, if there are some: many small ones, one after another, would else come
/// to be open all at once.
///
/// Reads in flight go on meanwhile; that they are finished is noticed when a task waits for one. Without a
/// ring there is one task a core, and it returns at once. Costs a look at the monotonic clock: call it once
/// a batch.
pub async fn yield_if_needed() {
    const INTERVAL: Duration = Duration::from_millis(1);
    if !has_ring() {
        return;
    }
    const DROPPED_MAX: u32 = 8;
    if DROPPED.get() >= DROPPED_MAX {
        DROPPED.set(0);
        submit_queued().await;
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
