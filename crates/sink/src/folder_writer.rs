//! One partition's files in folders by value: `year=2024/month=05/part-<partition>-<segment>.<ext>.open`.
//!
//! There may be more folders than files that can be open. So bytes of a folder wait in memory, a block of them, and few
//! files are open at once: the one that was written longest ago is closed, and opened again for its next block. Which are
//! open changes no byte of a file.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tidemill_plan::Packing;
use tidemill_rt::fs;

use crate::cut::{Ledger, Named};
use crate::finished::open_name;
use crate::packer::{BLOCK_BYTES, Packer};
use crate::sum::Sum;
use crate::{Finished, OutputDirectory, SinkError};

mod cut;

/// Files that are open at once.
const OPEN_MAX: usize = 64;

/// Bytes that wait in all folders, at most, where nothing is compressed.
const WAITING_BYTES_MAX: usize = 16 << 20;

/// Writes the results of one partition, by folders that are numbered from 0.
#[derive(Debug)]
pub struct FolderWriter {
    // Fixed at construction.
    directory: Arc<OutputDirectory>,
    partition: u32,
    extension: String,
    rolling_bytes: Option<u64>,
    // Changes with every write.
    packer: Option<Packer>,
    packed: Vec<u8>,
    folders: Vec<Folder>,
    /// Which of them have an open file.
    open: Vec<usize>,
    waiting_bytes: usize,
    /// Counts writes, to tell which was last.
    write_count: u64,
    finished: Finished,
    byte_count: u64,
    /// Of a job with state.
    kept: Option<Box<Kept>>,
}

/// What a writer of a job with state has to know.
#[derive(Debug, Default)]
struct Kept {
    ledger: Ledger,
    /// Folders in which files or folders have been made since the last cut, below the directory.
    changed: BTreeSet<PathBuf>,
    /// Segments that an earlier process was given, and may not have published.
    again: Option<Finished>,
}

#[derive(Debug)]
struct Folder {
    /// Below the directory.
    path: PathBuf,
    next_segment: u64,
    segment: Option<Segment>,
    waiting: Vec<u8>,
}

#[derive(Debug)]
struct Segment {
    /// Its final name.
    path: PathBuf,
    is_made: bool,
    file: Option<fs::File>,
    byte_count: u64,
    last_write: u64,
    /// Of all its bytes, of a job with state.
    sum: Option<Box<Sum>>,
    /// Something of it has been written since the last cut.
    is_changed: bool,
}

impl FolderWriter {
    /// As [`crate::FileWriter::give_up`].
    pub fn give_up(&self) {
        self.directory.forget_writer(self.partition);
    }

    /// Makes one that has no folder; nothing is made on the disk before there is a row.
    #[must_use]
    pub fn new(
        directory: Arc<OutputDirectory>,
        partition: u32,
        extension: String,
        rolling_bytes: Option<u64>,
        packing: Option<Packing>,
    ) -> Self {
        Self {
            finished: Finished::new(directory.keeps_files()),
            kept: directory.has_state().then(Box::default),
            directory,
            partition,
            extension,
            rolling_bytes,
            packer: packing.and_then(Packer::new),
            packed: Vec::new(),
            folders: Vec::new(),
            open: Vec::new(),
            waiting_bytes: 0,
            write_count: 0,
            byte_count: 0,
        }
    }

    /// Adds the next folder.
    pub fn add(&mut self, path: &str) {
        let next_segment = self.directory.first_segment();
        let path = PathBuf::from(path);
        self.folders.push(Folder { path, next_segment, segment: None, waiting: Vec::new() });
    }

    /// Whether a folder has a segment that is not closed.
    #[must_use]
    pub fn has_begun(&self, folder: usize) -> bool {
        self.folders[folder].segment.is_some()
    }

    /// Adds bytes to the current segment of a folder.
    ///
    /// # Errors
    /// What making the folder, opening and writing said.
    pub fn write(&mut self, folder: usize, bytes: &[u8]) -> Result<(), SinkError> {
        if bytes.is_empty() {
            return Ok(());
        }
        let at = &mut self.folders[folder];
        if at.segment.is_none() {
            let name = (self.partition, at.next_segment, self.extension.as_str());
            let path = self.directory.segment_in(&at.path, name);
            at.next_segment += 1;
            at.segment = Some(Segment {
                path,
                is_made: false,
                file: None,
                byte_count: 0,
                last_write: 0,
                sum: self.kept.is_some().then(|| Box::new(Sum::new())),
                is_changed: false,
            });
        }
        at.waiting.extend_from_slice(bytes);
        self.waiting_bytes += bytes.len();
        let waiting = self.folders[folder].waiting.len();
        if waiting >= BLOCK_BYTES {
            // Of what is compressed, whole blocks alone, so that a file does not depend on how its rows came.
            let is_packed = self.packer.is_some();
            self.spill(folder, if is_packed { waiting - waiting % BLOCK_BYTES } else { waiting })?;
        }
        if self.packer.is_none() && self.waiting_bytes > WAITING_BYTES_MAX {
            for folder in 0..self.folders.len() {
                self.spill(folder, self.folders[folder].waiting.len())?;
                self.folders[folder].waiting = Vec::new();
            }
        }
        Ok(())
    }

    /// Whether the current segment of a folder is as long as it should be, with so many bytes that the encoder holds.
    #[must_use]
    pub fn wants_roll(&self, folder: usize, coming: usize) -> bool {
        let at = &self.folders[folder];
        let waiting = if self.packer.is_some() { 0 } else { at.waiting.len() };
        let unwritten = u64::try_from(waiting + coming).expect("a usize fits u64");
        let written = at.segment.as_ref().map_or(0, |segment| segment.byte_count);
        self.rolling_bytes.is_some_and(|limit| written + unwritten >= limit)
    }

    /// Closes the current segment of a folder, if there is one; the next write begins another.
    ///
    /// # Errors
    /// As [`Self::write`], and what fsync said.
    pub fn roll(&mut self, folder: usize) -> Result<(), SinkError> {
        if self.folders[folder].segment.is_none() {
            return Ok(());
        }
        self.spill(folder, self.folders[folder].waiting.len())?;
        if self.directory.is_durable() {
            let file = self.opened(folder)?;
            let synced = file.sync_data();
            synced.map_err(|error| self.failed(folder, "sync", error))?;
        }
        self.open.retain(|&open| open != folder);
        let segment = self.folders[folder].segment.take().expect("it was there");
        if let (Some(kept), Some(sum)) = (&mut self.kept, &segment.sum) {
            let name = self.directory.name_of(&segment.path);
            let (byte_count, sum) = (segment.byte_count, sum.value());
            kept.ledger.closed.push(Named { name, byte_count, sum });
        }
        self.finished.add(segment.path, segment.byte_count);
        Ok(())
    }

    /// The same in every folder.
    ///
    /// # Errors
    /// As [`Self::roll`].
    pub fn roll_all(&mut self) -> Result<(), SinkError> {
        (0..self.folders.len()).try_for_each(|folder| self.roll(folder))
    }

    /// As [`crate::FileWriter::take_finished`].
    pub fn take_finished(&mut self) -> Option<Finished> {
        // Those of a job with state wait for its checkpoint.
        let is_kept_back = !self.directory.is_live() || self.kept.is_some();
        if is_kept_back || self.finished.segment_count() == 0 {
            return None;
        }
        Some(std::mem::replace(&mut self.finished, Finished::new(true)))
    }

    /// Closes what is open and gives the files over, to be published with those of the other partitions.
    ///
    /// # Errors
    /// As [`Self::roll`].
    pub fn finish(mut self) -> Result<Finished, SinkError> {
        self.end()
    }

    /// Bytes written, in all segments of all folders, and those that wait.
    #[must_use]
    pub fn byte_count(&self) -> u64 {
        self.byte_count + u64::try_from(self.waiting_bytes).expect("a usize fits u64")
    }

    /// Bytes that it holds, about.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        // A hash has a table of its own.
        let of_hash = if self.kept.is_some() { 1024 } else { 0 };
        let folders = self.folders.len() * (size_of::<Folder>() + of_hash);
        let packer = self.packer.as_ref().map_or(0, Packer::held_bytes);
        self.waiting_bytes + folders + packer
    }

    /// Writes the first `count` bytes that wait in a folder, compressed where they are to be: a member for each block.
    fn spill(&mut self, folder: usize, count: usize) -> Result<(), SinkError> {
        if count == 0 {
            return Ok(());
        }
        let mut waiting = std::mem::take(&mut self.folders[folder].waiting);
        let outcome = match &mut self.packer {
            None => self.put(folder, &waiting[..count]),
            Some(packer) => {
                let mut packed = std::mem::take(&mut self.packed);
                let outcome = waiting[..count].chunks(BLOCK_BYTES).try_for_each(|block| {
                    packer.push(block, &mut packed).and_then(|()| packer.finish(&mut packed))
                });
                let outcome = outcome.map_err(|error| self.failed(folder, "compress", error));
                let outcome = outcome.and_then(|()| self.put(folder, &packed));
                packed.clear();
                self.packed = packed;
                outcome
            }
        };
        waiting.drain(..count);
        self.waiting_bytes -= count;
        self.folders[folder].waiting = waiting;
        outcome
    }

    fn put(&mut self, folder: usize, bytes: &[u8]) -> Result<(), SinkError> {
        self.write_count += 1;
        let now = self.write_count;
        let end = self.folders[folder].segment.as_ref().map_or(0, |segment| segment.byte_count);
        let directory = Arc::clone(&self.directory);
        let file = self.opened(folder)?;
        let written = directory.until_room(directory.path(), || file.write_all_at(bytes, end));
        written.map_err(|error| self.failed(folder, "write", error))?;
        let segment = self.folders[folder].segment.as_mut().expect("it has been begun");
        segment.last_write = now;
        if let Some(sum) = &mut segment.sum {
            sum.add(bytes);
            segment.is_changed = true;
        }
        let count = u64::try_from(bytes.len()).expect("a usize fits u64");
        segment.byte_count += count;
        self.byte_count += count;
        Ok(())
    }

    /// The open file of a folder's segment, which is made if it is not there.
    fn opened(&mut self, folder: usize) -> Result<&fs::File, SinkError> {
        let is_open = self.open.contains(&folder);
        if !is_open && self.open.len() == OPEN_MAX {
            self.close_oldest();
        }
        let Self { directory, folders, open, kept, .. } = self;
        let at = &mut folders[folder];
        let segment = at.segment.as_mut().expect("it has been begun");
        let path = open_name(&segment.path);
        if !is_open {
            if !segment.is_made {
                directory.make_folder(&at.path)?;
                directory.begin_segment(&segment.path)?;
                if let Some(kept) = kept {
                    kept.changed.extend(at.path.ancestors().map(Path::to_owned));
                }
            }
            let mut options = fs::OpenOptions::new();
            options.write(true).create_new(!segment.is_made).custom_flags(libc::O_NOFOLLOW);
            let opened = directory.until_room(&path, || options.open(&path));
            let file = opened.map_err(|error| SinkError::of(&path, "open", error))?;
            (segment.file, segment.is_made) = (Some(file), true);
            open.push(folder);
        }
        Ok(segment.file.as_ref().expect("it is open"))
    }

    fn close_oldest(&mut self) {
        let last_write = |&&folder: &&usize| {
            self.folders[folder].segment.as_ref().map_or(0, |segment| segment.last_write)
        };
        let Some(&oldest) = self.open.iter().min_by_key(last_write) else { return };
        self.open.retain(|&open| open != oldest);
        if let Some(segment) = &mut self.folders[oldest].segment {
            segment.file = None;
        }
    }

    fn failed(&self, folder: usize, what: &'static str, error: std::io::Error) -> SinkError {
        let at = &self.folders[folder];
        let path = at.segment.as_ref().map_or(&at.path, |segment| &segment.path);
        SinkError::of(open_name(path), what, error)
    }
}

impl Drop for FolderWriter {
    fn drop(&mut self) {
        if self.kept.is_some() {
            // Files are for whoever goes on.
            return;
        }
        let is_live = self.directory.is_live();
        for folder in 0..self.folders.len() {
            if is_live {
                // What the job failed of is worth more than what this may say.
                let _ = self.spill(folder, self.folders[folder].waiting.len());
            }
            let Some(segment) = self.folders[folder].segment.take() else { continue };
            if segment.is_made && (!is_live || segment.byte_count == 0) {
                // Nothing can be done about it here, and the next job leaves it alone.
                let _ = fs::remove_file(open_name(&segment.path));
            }
        }
    }
}
