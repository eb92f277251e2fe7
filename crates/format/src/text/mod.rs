//! What CSV and JSON lines share: values as text, in both directions.
//!
//! A text decoder finds where each record and each needed field stands and notes it in a [`slot`];
//! [`rows`] gathers them and has [`column`] convert a few hundred records at a time, one column
//! after the other, with the leaf parsers of [`number`], [`time`] and [`literal`], of which [`digits`]
//! has the short way for short numbers. [`lanes`] is where SIMD is. [`cell`] is the way
//! back for one cell, and [`block`] for many.

pub(crate) mod block;
pub(crate) mod cell;
pub(crate) mod column;
pub(crate) mod digits;
pub(crate) mod lanes;
pub(crate) mod literal;
pub(crate) mod number;
pub(crate) mod rows;
pub(crate) mod slot;
pub(crate) mod time;

pub(crate) use rows::{NextRecord, RecordParser, Rows, TextFrame};
pub(crate) use slot::Slot;
