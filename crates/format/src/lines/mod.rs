//! Lines of text that are read and not written: access logs, lines that a regular expression takes apart, and
//! `key=value` pairs.
//!
//! - A record is a line; lines of nothing but white space are skipped, and CR before the line feed does not count.
//! - A line that is not of its syntax is bad, whichever columns are needed.
//!
//! [`decode`] finds the lines and has the syntax at hand take each apart: [`access_log`], [`regex`] or [`logfmt`]. [`escapes`]
//! are those of logs, and [`infer`] says what columns there are. [`recognize`]
//! tells the format of a log that nobody named.

mod access_log;
pub(crate) mod decode;
mod escapes;
pub(crate) mod infer;
mod logfmt;
pub(crate) mod recognize;
mod regex;
