//! What the fuzz targets in `fuzz/` turn, which nothing else is to.

use std::cell::Cell;

thread_local! {
    static IS_BASELINE: Cell<bool> = const { Cell::new(false) };
}

/// Whether decoders that this thread makes from here on do with the baseline, whatever the host has.
pub fn set_baseline(is_baseline: bool) {
    IS_BASELINE.set(is_baseline);
}

pub(crate) fn is_baseline() -> bool {
    IS_BASELINE.get()
}
