//! What CSV and JSON lines share: values as text, in both directions.
//!
//! A text decoder finds where each record and each needed field stands. Records that are all alike can be
//! found together and make a [`grid`]; any other is looked at by itself and noted in a [`slot`] for each
//! field. Either way they are [`fields`] to [`rows`], which gathers them and has [`mod@column`] convert the
//! [`cells`] of a few hundred records at a time, one column after the other, with the leaf parsers of [`number`], [`time`] and [`literal`], of which [`digits`] has the
//! short way for short numbers, `nearest` the rounding of long ones, `usual_time` the short way for times, which `wide_time` goes in one register, and `fours` that for four numbers. [`lanes`] is where SIMD
//! is. [`kinds`] says which types hold texts that were not declared, [`mod@cut`] counts what a type that was loses. [`cell`] is the way back for one cell (`crate::encode` has that for many); [`time_text`] writes times, and [`time_form`] those whose form was asked for.

pub(crate) mod cell;
pub(crate) mod cells;
pub(crate) mod column;
pub(crate) mod cut;
pub(crate) mod digits;
pub(crate) mod fields;
#[cfg(target_arch = "x86_64")]
pub(crate) mod fours;
pub(crate) mod grid;
pub(crate) mod identifier;
pub(crate) mod kinds;
pub(crate) mod lanes;
pub(crate) mod literal;
pub(crate) mod misfit;
mod nearest;
pub(crate) mod number;
pub(crate) mod quoting;
pub(crate) mod rows;
pub(crate) mod sieve;
pub(crate) mod slot;
pub(crate) mod time;
pub(crate) mod time_form;
pub(crate) mod time_text;
mod usual_time;
pub(crate) mod view;
#[cfg(target_arch = "x86_64")]
mod wide_time;

pub(crate) use grid::Grid;
pub(crate) use rows::{NextRecord, RecordParser, Rows, TextFrame};
pub(crate) use slot::Slot;
