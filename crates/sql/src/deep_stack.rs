//! Runs parsing and binding where deep trees cannot overflow the stack.
//!
//! `sqlparser` builds left-deep trees for long operator chains and walks and drops them by
//! recursion, so a syntax tree never leaves the thread made here. Memory for the stack is
//! reserved, not used, until a text needs it.

use std::thread;

use tidemill_plan::Span;

use crate::error::{SqlError, SqlErrors};

/// Deep nesting is refused long before this runs out; see [`crate::scan`].
const BASE_BYTES: usize = 96 << 20;
/// The shortest link of a chain is two bytes of text; dropping one takes about a quarter KiB.
const PER_TEXT_BYTE: usize = 256;

/// Runs `work` on a thread whose stack fits any tree that `text` can stand for.
pub(crate) fn run<T: Send>(
    text: &str,
    work: impl FnOnce() -> Result<T, SqlErrors> + Send,
) -> Result<T, SqlErrors> {
    let stack_bytes = BASE_BYTES + PER_TEXT_BYTE * text.len();
    let failed = |message: &str| {
        let span = Span { start: 0, end: 0 };
        Err(SqlErrors(vec![SqlError { message: message.to_owned(), span, hint: None }]))
    };
    thread::scope(|scope| {
        let spawned = thread::Builder::new()
            .name("tidemill-sql".to_owned())
            .stack_size(stack_bytes)
            .spawn_scoped(scope, work);
        match spawned.map(thread::ScopedJoinHandle::join) {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => {
                failed("the SQL parser failed on this text; this is a defect of Tidemill")
            }
            Err(_) => failed("no memory address space for the parser's stack"),
        }
    })
}
