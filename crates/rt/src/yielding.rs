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
