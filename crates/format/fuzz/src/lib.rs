//! Each decoder of text against a slow one that is trusted, and those of Arrow and Parquet against any bytes.
//!
//! Start with [`csv`] and [`json`]: each makes a [`case::Case`] of the fuzzer's bytes, decodes its text
//! in several ways ([`drive`]) and holds every outcome against the records that a plain reader finds and
//! the values that [`value`] makes of them. [`typed`] does the same with texts of one type, and back.
//! [`columnar`] asks of Arrow and Parquet that what is given out is valid. [`regular`] writes the records that the fast ways through the decoders are made for. The files of
//! `fuzz_targets/` only call these.

pub mod case;
pub mod columnar;
pub mod csv;
pub mod dice;
pub mod drive;
pub mod json;
pub mod regular;
mod slow_csv;
mod slow_json;
pub mod time;
pub mod typed;
pub mod value;
