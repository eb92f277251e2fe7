//! Writers: files, standard output, discard and dead letters.
//!
//! Start with [`OutputDirectory`] (what a file sink owns), then [`FileWriter`] (one partition's
//! segments) and [`OutputDirectory::publish`] (the one moment at which results become visible).
//! Absent on purpose: what the bytes mean, and any knowledge of which core writes.

mod column_writer;
mod dead_letter;
mod directory;
mod discard;
mod error;
mod file_writer;
mod stdout;
mod text;

pub use column_writer::ColumnWriter;
pub use dead_letter::{DeadLetter, DeadLetterWriter};
pub use directory::{Finished, OutputDirectory, Published};
pub use discard::Discard;
pub use error::SinkError;
pub use file_writer::{FileWriter, WRITE_BYTES};
pub use stdout::{SPOOL_BYTES_MAX, StdoutOrder, StdoutWriter};
