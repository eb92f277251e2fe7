//! The formats from outside: against slower parsers that are trusted, cut at every byte, and there
//! and back again.
#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, reason = "tests")]

mod columnar;
mod csv_records;
mod decoding;
mod inference;
mod json_records;
mod round_trip;
mod verbatim;
