//! The parts of one file, one of each writer, put behind each other.
//!
//! The first part becomes the file; the others are copied behind it, by the kernel where it can, and go as they have
//! been copied. A single writer's file is not copied. Parts of bounded input are copied beside each other, a few at a
//! time; so the disk holds at most the file and as many of its largest parts. Those of a job with state stay until the file is
//! published, so that a process that ends meanwhile does all of it again; the disk holds everything twice then.

use std::io::{self, Seek, SeekFrom, Write};
use std::num::NonZeroUsize;
use std::ops::Range;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::thread;

use tidemill_rt::fs;

use crate::finished::open_name;
use crate::intent::is_there;
use crate::{Finished, OutputDirectory, SinkError};

impl OutputDirectory {
    /// Makes one of the parts of a file: of each part these bytes, in the order of the list, and `tail` behind the
    /// last. Those of the first begin at 0. At most `workers` threads copy. What is given back waits to be published.
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
        workers: NonZeroUsize,
    ) -> Result<Finished, SinkError> {
        debug_assert!(self.is_one_file(), "a directory has no parts to be joined");
        let mut parts = parts.into_iter();
        let (mut whole, kept) = parts.next().expect("a file has a part");
        assert!(kept.start == 0, "the head of the first part is that of the file");
        let path = open_name(whole.segment());
        let stays = self.has_state();
        if stays && !is_there(&path)? {
            // The whole has been published by a process that ended before the parts had gone.
            parts.for_each(|(part, _)| whole.add_copied(open_name(part.segment())));
            return Ok(whole);
        }
        let path = path.as_path();
        let failed = |operation| move |error| SinkError::of(path, operation, error);
        let mut file = fs::File::options().write(true).open(path).map_err(failed("open"))?;
        if kept.end < whole.byte_count || stays {
            file.set_len(kept.end).map_err(failed("cut"))?;
        }
        whole.byte_count = kept.end;
        let mut copies = Vec::new();
        for (part, kept) in parts {
            let (from, at) = (open_name(part.segment()), whole.byte_count);
            whole.byte_count += kept.end - kept.start;
            if stays {
                // So that all can be done again, from the start.
                if !is_there(&from)? {
                    return Err(SinkError::SegmentMissing { path: from });
                }
                whole.add_copied(from.clone());
            }
            copies.push(Copied { part, from, kept, at, stays });
        }
        // Input without end loses no bytes: each part goes only after those before it are in the file.
        let workers = if self.is_live() { NonZeroUsize::MIN } else { workers };
        copy_all(path, copies, workers)?;
        file.seek(SeekFrom::Start(whole.byte_count)).map_err(failed("seek in"))?;
        file.write_all(tail).map_err(failed("write"))?;
        whole.byte_count += u64::try_from(tail.len()).expect("a usize fits u64");
        if self.is_durable() {
            file.sync_all().map_err(failed("sync"))?;
        }
        Ok(whole)
    }
}

/// A part on its way into the file.
struct Copied {
    part: Finished,
    from: PathBuf,
    /// Which of its bytes.
    kept: Range<u64>,
    /// Where in the file.
    at: u64,
    /// It is not removed.
    stays: bool,
}

/// Copies parts to their places, and removes each that is there; the first failure counts.
fn copy_all(path: &Path, copies: Vec<Copied>, workers: NonZeroUsize) -> Result<(), SinkError> {
    let workers = tidemill_rt::world::threads(workers).get().min(copies.len());
    if workers < 2 {
        return copies.into_iter().try_for_each(|copied| copied.into_file(path));
    }
    let mut shares: Vec<Vec<Copied>> = (0..workers).map(|_| Vec::new()).collect();
    for (number, copied) in copies.into_iter().enumerate() {
        shares[number % workers].push(copied);
    }
    thread::scope(|scope| {
        let copy = |share: Vec<Copied>| {
            scope.spawn(|| share.into_iter().try_for_each(|copied| copied.into_file(path)))
        };
        let threads: Vec<_> = shares.into_iter().map(copy).collect();
        // The scope waits for those behind a failure, too.
        threads
            .into_iter()
            .try_for_each(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)))
    })
}

impl Copied {
    fn into_file(mut self, path: &Path) -> Result<(), SinkError> {
        let failed = |operation| move |error| SinkError::of(path, operation, error);
        let mut file = fs::File::options().write(true).open(path).map_err(failed("open"))?;
        append(&mut file, self.at, &self.from, &self.kept).map_err(failed("write"))?;
        self.part.release();
        if self.stays {
            return Ok(());
        }
        fs::remove_file(&self.from).map_err(|error| SinkError::of(&self.from, "remove", error))
    }
}

/// Copies bytes of another file behind the first `byte_count` of one, all or none of them.
fn append(file: &mut fs::File, byte_count: u64, from: &Path, kept: &Range<u64>) -> io::Result<()> {
    let mut part = fs::File::open(from)?;
    part.seek(SeekFrom::Start(kept.start))?;
    file.seek(SeekFrom::Start(byte_count))?;
    let wanted = kept.end - kept.start;
    // Between two files this is done by the kernel.
    let copied = match file.copy_from(&part, wanted) {
        Ok(copied) if copied == wanted => return Ok(()),
        Ok(_) => Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
        Err(error) => Err(error),
    };
    // The part is left, so the file must not have half of it. The failure is worth more than what this may say.
    let _ = file.set_len(byte_count);
    copied
}
