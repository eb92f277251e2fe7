//! Giving way to other bodies of the same core.

use std::cell::Cell;

use crate::ring::has_ring;
use crate::turns;

thread_local! {
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

/// Gives way to the other bodies of this core, if this one has had its time. Files that were dropped are closed by
/// then, if there are some: many small ones, one after another, would else come to be open all at once.
///
/// Costs a look at the monotonic clock: call it once a batch.
pub async fn yield_if_needed() {
    const DROPPED_MAX: u32 = 8;
    if DROPPED.get() >= DROPPED_MAX {
        close_dropped().await;
    }
    if turns::is_over() {
        turns::give_way().await;
    }
}

/// Waits until files that were dropped are closed. To be called where a body ends that others follow.
pub async fn close_dropped() {
    if DROPPED.replace(0) > 0 && has_ring() {
        submit_queued().await;
    }
}

/// Waits until what glommio has only queued is submitted: closing a file that was dropped, above all.
///
/// Requests of a ring are submitted in order, so one that can be waited for, and touches nothing, takes
/// the others along. A short timer would do as well but for a race in glommio 0.9: one that expires
/// while the reactor goes to sleep may never be noticed.
pub(crate) async fn submit_queued() {
    turns::on_ring(async {
        if let Ok(nothing) = glommio::io::BufferedFile::open("/dev/null").await {
            // Its own outcome says nothing about the requests before it.
            let _ = nothing.close().await;
        }
    })
    .await;
}
