//! Bytes as a reader lends them to a decoder.

use arrow_buffer::Buffer;

use crate::{Offset, PartitionId};

/// A stretch of one partition's bytes, ready to decode.
#[derive(Clone, Debug)]
pub struct Frames {
    /// The partition all of it belongs to.
    pub partition: PartitionId,
    /// The bytes.
    pub bytes: FrameBytes,
}

/// The two shapes in which bytes arrive.
#[derive(Clone, Debug)]
pub enum FrameBytes {
    /// Consecutive bytes of a partition that is read from front to back (CSV, JSON lines, Arrow
    /// IPC). They begin where the decoder's last `consumed` left off, and may end inside a record
    /// unless `is_last`.
    Sequential {
        /// The bytes. The decoder may keep views into them: the buffer is counted, and the reader
        /// reuses it only once nobody else holds it.
        bytes: Buffer,
        /// Offset of the first byte: a byte position, after decompression.
        start: Offset,
        /// Records that start at or after this offset belong to the next split and are left alone.
        /// `u64::MAX` where the partition runs to the end of its file.
        end: Offset,
        /// Nothing follows these bytes: a last record needs no newline.
        is_last: bool,
    },
    /// The needed byte ranges of one Parquet row group, or a message of an Arrow file that is read by its
    /// footer.
    RowGroup {
        /// Index of the row group or message, from zero.
        index: usize,
        /// Row number of its first row within the file; 0 of a message.
        start: Offset,
        /// File position and bytes of each range, ascending and disjoint.
        ranges: Vec<(u64, Buffer)>,
    },
}

/// What a reader has to say when asked for more.
#[derive(Clone, Debug)]
pub enum Polled<T> {
    /// More input.
    Ready(T),
    /// Nothing is ready now; never means that the input has ended.
    NotReady,
    /// The input has ended and stays so.
    Ended,
}
