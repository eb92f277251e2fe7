//! The formats from outside: against slower parsers that are trusted, cut at every byte, and there
//! and back again.
#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, reason = "tests")]

mod arrow_files;
mod arrow_filtered;
mod arrow_footers;
mod columnar;
mod csv_departures;
mod csv_records;
mod decoding;
mod filtered;
mod flat_parquet;
mod foreign;
mod inference;
mod json_records;
mod json_values;
mod left_out;
mod lines;
mod members;
mod parquet_rows;
mod parts;
mod round_trip;
mod time_forms;
mod written;
