//! Files to batches, with blocking positioned reads: the reader of the shapes that are not the product.

use std::collections::VecDeque;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use arrow_buffer::Buffer;
use tidemill_format::{Decoder, DecoderSpec};
use tidemill_record::{Batch, FrameBytes, Frames, Offset, PartitionId};

use crate::operators::BATCH_ROWS;
use crate::query::Query;

/// Bytes read at a time, as in the product.
pub(crate) const READ_BYTES: usize = 256 * 1024;

/// The batches of several files, one of each in turn, so that none runs ahead of the others.
pub(crate) struct Files {
    /// Place of each file that has not ended, and its batches.
    files: VecDeque<(usize, FileBatches)>,
}

/// What comes next of several files.
#[expect(clippy::large_enum_variant, reason = "the large one is the usual one")]
pub(crate) enum Next {
    /// A batch of the file at this place.
    Batch(usize, Batch),
    /// The file at this place has ended.
    Ended(usize),
}

impl Files {
    /// Opens all.
    pub(crate) fn open(paths: &[PathBuf], query: &Query) -> Self {
        let open = |(place, path): (usize, &PathBuf)| (place, FileBatches::open(path, query));
        Self { files: paths.iter().enumerate().map(open).collect() }
    }
}

impl Iterator for Files {
    type Item = Next;

    fn next(&mut self) -> Option<Next> {
        let (place, mut file) = self.files.pop_front()?;
        Some(match file.next() {
            Some(batch) => {
                self.files.push_back((place, file));
                Next::Batch(place, batch)
            }
            None => Next::Ended(place),
        })
    }
}

struct FileBatches {
    file: File,
    byte_count: u64,
    decoder: Decoder,
    /// What the decoder works on, and the file position of its first byte.
    frame: Buffer,
    start: u64,
    /// The frame before, read into again once no batch holds it.
    spare: Buffer,
    is_last: bool,
}

impl FileBatches {
    fn open(path: &Path, query: &Query) -> Self {
        let file = File::open(path).unwrap();
        let spec = DecoderSpec {
            format: &query.format,
            schema: &query.source,
            columns: &query.columns,
            batch_rows: BATCH_ROWS,
            csv_header: None,
            is_inferred: false,
            is_union: false,
        };
        let decoder = Decoder::new(&spec);
        Self {
            byte_count: file.metadata().unwrap().len(),
            file,
            decoder: decoder.unwrap(),
            frame: Buffer::from_vec(Vec::<u8>::new()),
            start: 0,
            spare: Buffer::from_vec(Vec::<u8>::new()),
            is_last: false,
        }
    }

    /// Reads the next piece behind the record that the last one ended within.
    fn read(&mut self) {
        let consumed = usize::try_from(self.decoder.consumed()).unwrap();
        let tail = self.frame.slice(consumed.min(self.frame.len()));
        let spare = std::mem::replace(&mut self.spare, Buffer::from_vec(Vec::<u8>::new()));
        let mut bytes: Vec<u8> = spare.into_vec().unwrap_or_default();
        bytes.clear();
        bytes.extend_from_slice(&tail);
        self.start += consumed as u64;
        let position = self.start + tail.len() as u64;
        let wanted = (self.byte_count - position).min(READ_BYTES as u64);
        let old = bytes.len();
        bytes.resize(old + usize::try_from(wanted).unwrap(), 0);
        self.file.read_exact_at(&mut bytes[old..], position).unwrap();
        self.is_last = position + wanted == self.byte_count;
        drop(tail);
        self.spare = std::mem::replace(&mut self.frame, Buffer::from_vec(bytes));
        let bytes = FrameBytes::Sequential {
            bytes: self.frame.clone(),
            start: Offset(self.start),
            end: Offset(u64::MAX),
            is_last: self.is_last,
        };
        self.decoder.begin(Frames { partition: PartitionId(0), bytes }).unwrap();
    }
}

impl Iterator for FileBatches {
    type Item = Batch;

    fn next(&mut self) -> Option<Batch> {
        let mut bad = Vec::new();
        loop {
            if !self.frame.is_empty() {
                let batch = self.decoder.decode(&mut bad).unwrap();
                assert!(bad.is_empty(), "generated records are good: {bad:?}");
                if batch.is_some() || self.is_last {
                    return batch;
                }
            }
            self.read();
        }
    }
}
