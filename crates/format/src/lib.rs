//! Bytes to columns and back: CSV, JSON lines, Arrow IPC and Parquet; and lines of logs to columns.
//!
//! Start with [`Decoder`] and [`Encoder`], which choose by format; each format's folder holds both
//! directions, and `text` what formats of text share. Absent on purpose: I/O, clocks, async, and
//! compression of whole files (a reader undoes it before bytes come here).

mod arrow;
mod caught;
mod coalesce;
mod csv;
mod decoder;
mod encode;
mod encoder;
mod error;
mod folders;
#[cfg(fuzzing)]
pub mod fuzzing;
mod infer;
mod json;
mod lines;
mod lost;
mod near_ranges;
pub mod parquet;
mod part;
mod row_filter;
mod shown;
mod text;
mod unpack;

pub use arrow::footer::{ArrowFooter, MessagePlace, ParsedArrowFooter};
pub use arrow::to_sql_type;
pub use csv::cut::record_start_within;
pub use csv::header::CsvHead;
pub use decoder::{Decoder, DecoderSpec, ReadFrom, WantedPart};
pub use encoder::Encoder;
pub use error::FormatError;
pub use folders::Folders;
pub use infer::{
    Recognized, holds_first_record, infer_columns, infer_schema, infer_untyped, left_out,
};
pub use json::infer::Member;
pub use json::recognize::json_layout;
pub use lines::recognize::{access_log, key_value_pairs};
pub use lost::{LeftOut, Lost};
pub use part::{Joint, Part};
pub use row_filter::{Filtered, Judgement, RowFilter};
pub use shown::ShownValues;
