//! Writers: files, standard output, discard and dead letters.
//!
//! Start with [`OutputDirectory`] (what a file sink owns), then [`FileWriter`] (one partition's
//! segments) and [`publish()`] (the one moment at which results become visible), with `intent` (what makes it one).
//! Absent on purpose: what the bytes mean, and any knowledge of which core writes.

mod column_writer;
mod cut;
mod dead_letter;
mod directory;
mod discard;
mod error;
mod file_writer;
mod finished;
mod folder_writer;
mod intent;
mod job;
mod line_label;
mod marker;
mod names;
mod packer;
mod parts;
mod place;
mod publish;
mod stdout;
mod sum;
mod text;

pub use column_writer::ColumnWriter;
pub use cut::{CutFiles, WriterCut, named_in};
pub use dead_letter::{DeadLetter, DeadLetterWriter};
pub use directory::OutputDirectory;
pub use discard::Discard;
pub use error::SinkError;
pub use file_writer::{FileWriter, WRITE_BYTES};
pub use finished::Finished;
pub use folder_writer::FolderWriter;
pub use job::Target;
pub use line_label::LineLabel;
pub use publish::{Published, publish, publish_each};
pub use stdout::{SPOOL_BYTES_MAX, StdoutOrder, StdoutWriter};
