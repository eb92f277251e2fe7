//! The parts of one file, one of each writer, put behind each other.
//!
//! The first part becomes the file; the others are copied behind it, by the kernel where it can, and go as they have
//! been copied. So the disk holds at most the file and its largest part, and a single writer's file is not copied.

use std::fs;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::Path;

use crate::finished::open_name;
use crate::{Finished, OutputDirectory, SinkError};

impl OutputDirectory {
    /// Makes one of the parts of a file: of each part these bytes, in the order of the list, and `tail` behind the
    /// last. Those of the first begin at 0. What is given back waits to be published.
    ///
    /// # Errors
    /// What reading, writing or flushing said. No bytes are lost of input without end: what has not been copied is
    /// left open.
    ///
    /// # Panics
    /// If there is no part, or one is not of a single segment.
    ///
    /// # Cost
    /// Blocks. Every part but the first is read and written once more.
    pub fn join(
        &self,
        parts: Vec<(Finished, Range<u64>)>,
        tail: &[u8],
    ) -> Result<Finished, SinkError> {
        debug_assert!(self.is_one_file(), "a directory has no parts to be joined");
        let mut parts = parts.into_iter();
        let (mut whole, kept) = parts.next().expect("a file has a part");
        assert!(kept.start == 0, "the head of the first part is that of the file");
        let path = open_name(whole.segment());
        let path = path.as_path();
        let failed = |operation| move |error| SinkError::of(path, operation, error);
        let mut file = fs::File::options().write(true).open(path).map_err(failed("open"))?;
        if kept.end < whole.byte_count {
            file.set_len(kept.end).map_err(failed("cut"))?;
        }
        whole.byte_count = kept.end;
        for (mut part, kept) in parts {
            let from = open_name(part.segment());
            append(&mut file, whole.byte_count, &from, &kept).map_err(failed("write"))?;
            whole.byte_count += kept.end - kept.start;
            part.release();
            fs::remove_file(&from).map_err(|error| SinkError::of(&from, "remove", error))?;
        }
        file.seek(SeekFrom::Start(whole.byte_count)).map_err(failed("seek in"))?;
        file.write_all(tail).map_err(failed("write"))?;
        whole.byte_count += u64::try_from(tail.len()).expect("a usize fits u64");
        if self.is_durable() {
            file.sync_all().map_err(failed("sync"))?;
        }
        Ok(whole)
    }
}

/// Copies bytes of another file behind the first `byte_count` of one, all or none of them.
fn append(file: &mut fs::File, byte_count: u64, from: &Path, kept: &Range<u64>) -> io::Result<()> {
    let mut part = fs::File::open(from)?;
    part.seek(SeekFrom::Start(kept.start))?;
    file.seek(SeekFrom::Start(byte_count))?;
    let wanted = kept.end - kept.start;
    // Between two files this is done by the kernel.
    let copied = match io::copy(&mut part.take(wanted), file) {
        Ok(copied) if copied == wanted => return Ok(()),
        Ok(_) => Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
        Err(error) => Err(error),
    };
    // The part is left, so the file must not have half of it. The failure is worth more than what this may say.
    let _ = file.set_len(byte_count);
    copied
}
