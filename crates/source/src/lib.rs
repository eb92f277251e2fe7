//! Readers: files (with splits, decompression and any encoding of text), the generator, numbers, and batches of the embedding program.
//!
//! Start with [`discover()`] (which files a path means), then [`TextReader`] and [`RowGroupReader`],
//! which lend bytes, then [`ColumnReader`], whose implementors make columns. Absent on purpose: what
//! the bytes mean, threads, and any decision about which core reads what.

mod claims;
mod column_reader;
mod compressed;
mod content;
mod damage;
mod discover;
mod error;
mod file_reader;
mod follow;
mod generator;
mod glob;
mod gzip_members;
mod identity;
mod left_out;
mod lz4_walk;
mod memory;
mod pace;
mod path_keys;
mod pipe;
mod registered;
mod resume;
mod rotation;
mod row_groups;
mod sequence;
mod split;
mod text;
mod transcode;
mod walk;

pub use claims::Claims;
pub use column_reader::ColumnReader;
pub use content::{Content, ContentPlace};
pub use damage::Damage;
pub use discover::{Found, Held, InputFile, arrived, discover, is_open_ended, means};
pub use error::SourceError;
pub use file_reader::FileReader;
pub use generator::Generator;
pub use memory::{ChunkIterator, MemoryReader};
pub use path_keys::path_keys;
pub use pipe::{PipeInput, PipeRefusal, Pipes, meant, pipe_key};
pub use registered::{BatchReader, Iterated, MakeBatchReader, RegisteredReader, RegisteredSpec};
pub use resume::{Missing, Resume};
pub use rotation::{Beginning, is_rotation};
pub use row_groups::{RowGroupPlan, RowGroupReader};
pub use sequence::SequenceReader;
pub use split::{SPLIT_BYTES_MIN, SPLIT_COUNT_MAX, splits};
pub use text::{Follow, PIECE_BYTES, TextReader, TextSpec};
pub use transcode::{decoded, may_be_utf16};
