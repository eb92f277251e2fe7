//! Rows as text, written by the buffer.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use crate::kernel::number::unpack;
use crate::output::WRITE_BYTES;

/// One file of results.
pub(super) struct Results {
    file: File,
    pending: Vec<u8>,
    integers: itoa::Buffer,
    doubles: zmij::Buffer,
}

impl Results {
    pub(super) fn create(path: &Path) -> Self {
        let file = File::create(path).unwrap();
        let (integers, doubles) = (itoa::Buffer::new(), zmij::Buffer::new());
        Self { file, pending: Vec::with_capacity(2 * WRITE_BYTES), integers, doubles }
    }

    /// Appends text and a comma.
    pub(super) fn text(&mut self, field: &[u8]) {
        self.pending.extend_from_slice(field);
        self.pending.push(b',');
    }

    /// Appends a packed name.
    pub(super) fn name(&mut self, packed: u64) {
        self.pending.extend(unpack(packed));
        self.pending.push(b',');
    }

    pub(super) fn integer(&mut self, value: i64) {
        self.pending.extend_from_slice(self.integers.format(value).as_bytes());
        self.pending.push(b',');
    }

    pub(super) fn double(&mut self, value: f64) {
        self.pending.extend_from_slice(self.doubles.format(value).as_bytes());
        self.pending.push(b',');
    }

    /// Ends a row; a full buffer is written.
    pub(super) fn end_row(&mut self) {
        let comma = self.pending.last_mut().expect("a row has a field");
        *comma = b'\n';
        if self.pending.len() >= WRITE_BYTES {
            self.file.write_all(&self.pending).unwrap();
            self.pending.clear();
        }
    }

    pub(super) fn finish(mut self) {
        self.file.write_all(&self.pending).unwrap();
    }
}
