//! Libraries that read untrusted bytes, and what they do where those contradict themselves.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local! {
    static IS_EXPECTED: Cell<bool> = const { Cell::new(false) };
}

/// What `read` gives; `None` where it panics, of which nothing is printed.
///
/// `arrow-ipc` and `parquet` check most of what they read, and index into bytes on the strength of
/// counts that they have just read. A damaged file must neither bring the process down nor fill
/// standard error with what looks like a bug. What `read` worked on is not to be used again.
pub(crate) fn caught<T>(read: impl FnOnce() -> T) -> Option<T> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let print = take_hook();
        set_hook(Box::new(move |panic| {
            if !IS_EXPECTED.get() {
                print(panic);
            }
        }));
    });
    let was_expected = IS_EXPECTED.replace(true);
    let outcome = catch_unwind(AssertUnwindSafe(read));
    IS_EXPECTED.set(was_expected);
    outcome.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_nothing_and_later_ones_are_printed_again() {
        assert_eq!(caught(|| 1), Some(1));
        let index = std::hint::black_box(3);
        assert_eq!(caught(|| [1, 2][index]), None);
        assert!(!IS_EXPECTED.get());
    }
}
