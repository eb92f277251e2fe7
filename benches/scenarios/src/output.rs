//! Result batches to a CSV file, without the product's writer.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use tidemill_format::Encoder;
use tidemill_plan::{CsvOptions, Format};
use tidemill_record::Batch;

use crate::query::Query;

/// Bytes written at a time, as in the product.
pub(crate) const WRITE_BYTES: usize = 256 * 1024;

/// One file of results.
pub(crate) struct Output {
    encoder: Encoder,
    file: File,
    pending: Vec<u8>,
}

impl Output {
    /// Makes the file in an empty directory.
    pub(crate) fn create(directory: &Path, query: &Query) -> Self {
        let format = Format::Csv(CsvOptions::default());
        Self {
            encoder: Encoder::new(&format, &query.results).unwrap(),
            file: File::create(directory.join("results.csv")).unwrap(),
            pending: Vec::with_capacity(2 * WRITE_BYTES),
        }
    }

    /// Encodes a batch, and writes what makes a whole write.
    pub(crate) fn write(&mut self, batch: &Batch) {
        self.encoder.encode(batch, &mut self.pending).unwrap();
        if self.pending.len() >= WRITE_BYTES {
            self.file.write_all(&self.pending).unwrap();
            self.pending.clear();
        }
    }

    /// Writes the rest. Makes nothing durable.
    pub(crate) fn finish(mut self) {
        self.encoder.finish(&mut self.pending).unwrap();
        self.file.write_all(&self.pending).unwrap();
    }
}

/// Empties the directory that one run writes to.
pub(crate) fn clear(directory: &Path) {
    if directory.exists() {
        fs::remove_dir_all(directory).unwrap();
    }
    fs::create_dir_all(directory).unwrap();
}
