//! Lines of text that are read and not written: access logs, lines that a regular expression takes apart,
//! `key=value` pairs, and lines as they are.
//!
//! - A record is a line, or, where it is said which lines begin one, that and those behind it up to the next; lines of nothing but white space are skipped, and CR before the line feed does not count.
//! - A line that is not of its syntax is bad, whichever columns are needed.
//!
//! [`decode`] finds the records ([`multiline`] those of several lines) and has the syntax at hand take each apart: [`access_log`], [`regex`] or [`logfmt`]. [`escapes`]
//! are those of logs, and [`infer`] says what columns there are. [`recognize`]
//! tells the format of a log that nobody named.

mod access_log;
pub(crate) mod decode;
mod escapes;
pub(crate) mod infer;
mod logfmt;
mod multiline;
pub(crate) mod recognize;
mod regex;
