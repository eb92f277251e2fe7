//! Parquet: what a file's footer says, its row groups to batches, and batches to files.
//!
//! A reader asks [`Footer::parse`] with the file's last bytes, then, for each row group it wants
//! (see [`Footer::may_match`]), reads the [`Footer::ranges`] of its [`Selection`] and lends them as
//! `FrameBytes::RowGroup` to a [`crate::Decoder::for_parquet`]. Columns of structs, maps and other
//! types without a SQL counterpart may be in the file; needing one is an error that names it.

mod chunks;
mod columns;
mod decode;
mod encode;
mod flat;
mod footer;
mod group;
mod guard;
mod page_head;
mod part;
mod projection;
mod prune;
mod selection;
pub(crate) mod sieve;
mod stored;

pub use footer::{FOOTER_TAIL_BYTES, Footer, ParsedFooter, RowGroup};
pub use selection::Selection;

pub(crate) use decode::ParquetDecoder;
pub(crate) use encode::ParquetEncoder;
pub(crate) use part::ParquetPart;
