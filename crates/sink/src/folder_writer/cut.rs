//! Cuts of a [`FolderWriter`] of a job with state, and its going on from one.

use std::path::PathBuf;
use std::sync::Arc;

use tidemill_plan::Packing;
use tidemill_record::{Image, ImageError};

use tidemill_rt::fs::File;

use super::{Folder, FolderWriter, Segment};
use crate::cut::{CutFiles, Named, Waiting, WriterCut, not_ours, take_count};
use crate::finished::open_name;
use crate::names::is_folder_name;
use crate::{Finished, OutputDirectory, SinkError};

impl FolderWriter {
    /// As [`crate::FileWriter::cut`]. The names of folders are not in the image: who numbers them keeps them.
    ///
    /// # Errors
    /// As [`Self::write`]; what fcntl said where no descriptor is left.
    ///
    /// # Panics
    /// If the directory is of no job with state.
    ///
    /// # Cost
    /// A write for each folder of which bytes wait, no flush. The flush is one for each file that has changed.
    pub fn cut(&mut self) -> Result<WriterCut, SinkError> {
        assert!(self.directory.has_state(), "a job without state is not cut");
        for folder in 0..self.folders.len() {
            self.spill(folder, self.folders[folder].waiting.len())?;
        }
        let mut files = CutFiles::default();
        let is_durable = self.directory.is_durable();
        for segment in self.folders.iter_mut().filter_map(|folder| folder.segment.as_mut()) {
            if std::mem::take(&mut segment.is_changed) && is_durable {
                let path = open_name(&segment.path);
                // One that is closed at the moment is opened again to be flushed.
                let shared = segment.file.as_ref().map(File::try_clone).transpose();
                let shared = shared.map_err(|error| SinkError::of(&path, "share", error))?;
                files.add(path, shared);
            }
        }
        self.note_directories(&mut files);
        let finished = (self.directory.is_live() && self.finished.segment_count() > 0)
            .then(|| self.hand_over());
        Ok(WriterCut { image: self.image(), files, finished })
    }

    /// Directories in which something has been made since the last cut.
    fn note_directories(&mut self, files: &mut CutFiles) {
        let kept = self.kept.as_mut().expect("it is of a job with state");
        let changed = std::mem::take(&mut kept.changed);
        if self.directory.is_durable() {
            let root = self.directory.path();
            changed.into_iter().for_each(|folder| files.add_directory(root.join(folder)));
        }
    }

    fn hand_over(&mut self) -> Finished {
        let kept = self.kept.as_mut().expect("it is of a job with state");
        let given = kept.ledger.hand_over(self.partition);
        let mut finished = std::mem::replace(&mut self.finished, Finished::new(true));
        finished.add_given(given);
        finished
    }

    fn image(&mut self) -> Image {
        let kept = self.kept.as_mut().expect("it is of a job with state");
        let open: Vec<Named> = self
            .folders
            .iter()
            .filter_map(|folder| folder.segment.as_ref())
            .map(|segment| Named {
                name: self.directory.name_of(&segment.path),
                byte_count: segment.byte_count,
                sum: segment.sum.as_ref().map_or(0, |sum| sum.value()),
            })
            .collect();
        let mut image = Image::new();
        Named::put_all(&mut image, "open", open.iter());
        image.put_flags("is_open", self.folders.iter().map(|folder| folder.segment.is_some()));
        image.put("next_segments", self.folders.iter().map(|folder| folder.next_segment));
        image.put_one("bytes", self.byte_count);
        kept.ledger.put(&mut image);
        image
    }

    /// As [`crate::FileWriter::end`].
    ///
    /// # Errors
    /// As [`Self::roll`].
    pub fn end(&mut self) -> Result<Finished, SinkError> {
        self.roll_all()?;
        if self.kept.is_none() {
            let nothing = Finished::new(self.directory.is_live());
            return Ok(std::mem::replace(&mut self.finished, nothing));
        }
        let mut files = CutFiles::default();
        self.note_directories(&mut files);
        files.sync()?;
        Ok(match self.take_again() {
            Some(again) if self.finished.segment_count() == 0 => again,
            again => {
                let mut finished = self.hand_over();
                again.into_iter().for_each(|again| finished.absorb(again));
                finished
            }
        })
    }

    /// As [`crate::FileWriter::end_image`].
    pub fn end_image(&mut self) -> Option<Image> {
        self.kept.is_some().then(|| self.image())
    }

    /// As [`crate::FileWriter::take_again`].
    pub fn take_again(&mut self) -> Option<Finished> {
        self.kept.as_mut()?.again.take()
    }

    /// As [`crate::FileWriter::resume`], with the names of the folders in their order.
    ///
    /// # Errors
    /// As there.
    pub fn resume<'a>(
        directory: Arc<OutputDirectory>,
        partition: u32,
        extension: String,
        (rolling_bytes, packing): (Option<u64>, Option<Packing>),
        names: impl Iterator<Item = &'a str>,
        mut image: Image,
    ) -> Result<Self, SinkError> {
        let path = directory.path().to_owned();
        let wrong = |source| SinkError::Image { path: path.clone(), source };
        let mut writer = Self::new(directory, partition, extension, rolling_bytes, packing);
        let own = (partition, writer.extension.as_str());
        let waiting = Waiting::take(&mut image, &writer.directory, own)?;
        let names: Vec<&str> = names.collect();
        let next: Vec<u64> = image.take_exactly("next_segments", names.len()).map_err(wrong)?;
        let is_open = image.take_flags("is_open", names.len()).map_err(wrong)?;
        let open = Named::take_all(&mut image, "open").map_err(wrong)?;
        writer.byte_count = take_count(&mut image, "bytes").map_err(wrong)?;
        image.end().map_err(wrong)?;
        if open.len() != is_open.iter().filter(|is_open| **is_open).count() {
            return Err(wrong(ImageError::new("open", "has not one segment for each open folder")));
        }
        let mut open = open.into_iter();
        for ((name, next_segment), is_open) in names.into_iter().zip(next).zip(is_open) {
            let is_number = (writer.directory.first_segment()..1 << 59).contains(&next_segment);
            if !is_number || !name.split('/').all(is_folder_name) {
                let reason = "has a number or a name that no folder has";
                return Err(wrong(ImageError::new("next_segments", reason)));
            }
            let named = if is_open { open.next() } else { None };
            let segment = match named {
                None => None,
                Some(named) => Some(writer.reopen(&named, (name, next_segment), wrong)?),
            };
            let path = PathBuf::from(name);
            writer.folders.push(Folder { path, next_segment, segment, waiting: Vec::new() });
        }
        let kept = writer.kept.as_mut().expect("the caller has a directory of a job with state");
        kept.ledger = waiting.ledger;
        kept.again = (waiting.handed.segment_count() > 0).then_some(waiting.handed);
        writer.finished = waiting.closed;
        Ok(writer)
    }

    /// The open segment of a folder. Its file is closed until there is something to write.
    fn reopen(
        &self,
        named: &Named,
        (folder, next_segment): (&str, u64),
        wrong: impl Fn(ImageError) -> SinkError,
    ) -> Result<Segment, SinkError> {
        let found = self.directory.segment_named(self.partition, &self.extension, &named.name);
        let (number, path) = found.ok_or_else(|| wrong(not_ours("open")))?;
        let is_last = number + 1 == next_segment;
        if !is_last || path.parent() != Some(&self.directory.path().join(folder)) {
            return Err(wrong(ImageError::new("open", "is not the last segment of its folder")));
        }
        let (_, sum) = named.reopen(&path)?;
        self.directory.note_opened(&path);
        Ok(Segment {
            path,
            is_made: true,
            file: None,
            byte_count: named.byte_count,
            last_write: 0,
            sum: Some(Box::new(sum)),
            is_changed: false,
        })
    }
}
