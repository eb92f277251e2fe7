//! JSON: objects, one a line or in whatever layout, as `serde_json` would accept them.
//!
//! - A record is a line; lines of nothing but white space are skipped. Of values over several lines and of an
//!   array, lines are made first ([`framed`], [`framing`]), where the head of the text shows that it is one
//!   ([`mod@recognize`]) or an option says so.
//! - The whole line is checked, needed or not: grammar, escapes, surrogate pairs, UTF-8, and a
//!   nesting depth of at most 127.
//! - Of several equal keys the last one counts; one that differs from its column's name in case counts only
//!   where none is equal to it. Keys are compared after unescaping.
//! - `null` and a missing key are NULL. In a VARCHAR column a value that is no string keeps its own
//!   JSON text. A string in a numeric or BOOLEAN column is read as CSV would.
//!
//! [`scan`] is the grammar, [`decode`] finds the needed values in it, by their [`keys`], and by [`layout`] or [`shape`] where a
//! record looks like one before; [`encode`] writes.

pub(crate) mod alike;
pub(crate) mod decode;
pub(crate) mod encode;
pub(crate) mod framed;
pub(crate) mod framing;
pub(crate) mod infer;
mod keys;
pub(crate) mod layout;
pub(crate) mod outline;
pub(crate) mod recognize;
pub(crate) mod scan;
pub(crate) mod shape;
