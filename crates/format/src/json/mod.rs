//! JSON: objects, one a line or in whatever layout, as `serde_json` would accept them.
//!
//! - A record is a line; lines of nothing but white space are skipped. Of values over several lines and of an
//!   array, lines are made first ([`framed`], [`framing`]), where the head of the text shows that it is one
//!   ([`mod@recognize`]) or an option says so.
//! - A record is an object of members `"key":value`, UTF-8 as a whole, without a control character but white space.
//!   Its strings are closed and have no control character, and no backslash is outside of them. Brackets have
//!   counterparts, and nest at most 127 deep. The needed values are checked whole: grammar, escapes, surrogate
//!   pairs. Of values that nobody needs nothing else is asked than what is said here.
//! - Of several equal keys the last one counts; one that differs from its column's name in case counts only
//!   where none is equal to it. Keys are compared after unescaping.
//! - `null` and a missing key are NULL. In a VARCHAR column a value that is no string keeps its own
//!   JSON text. A string in a numeric or BOOLEAN column is read as CSV would.
//!
//! [`index`] finds the tokens of lines, [`record`] the needed values among them, by their [`keys`]; [`check`] holds
//! values to the grammar, which is in [`scan`]. Before that, lines are held against [`layouts`] of lines before. [`decode`] puts it together; [`encode`] writes.

mod check;
pub(crate) mod decode;
pub(crate) mod encode;
pub(crate) mod framed;
pub(crate) mod framing;
mod index;
pub(crate) mod infer;
mod keys;
mod layouts;
pub(crate) mod recognize;
mod record;
mod same_length;
pub(crate) mod scan;
mod template;
