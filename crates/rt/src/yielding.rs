//! Giving way to other tasks of the same core.

use std::cell::Cell;

use crate::Backend;

thread_local! {
    static CURRENT: Cell<Option<Backend>> = const { Cell::new(None) };
}

/// Notes which backend runs the calling thread.
pub(crate) fn set_current(backend: Backend) {
    CURRENT.set(Some(backend));
}

/// Gives way to other tasks of this core if it has run for about a millisecond; lets finished and
/// queued reads through.
///
/// Costs a thread-local read and two loads when it does not yield. Under the portable backend there
/// is one task a core, and it returns at once.
pub async fn yield_if_needed() {
    if CURRENT.get() == Some(Backend::Glommio) {
        glommio::yield_if_needed().await;
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
