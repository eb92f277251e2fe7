//! Cuts of a [`FileWriter`] of a job with state, and its going on from one.

use std::sync::Arc;

use tidemill_record::{Image, ImageError};
use tidemill_rt::{Backend, File};

use super::{FileWriter, Open};
use crate::cut::{CutFiles, Named, Waiting, WriterCut, not_ours, take_count};
use crate::finished::open_name;
use crate::{Finished, OutputDirectory, SinkError};

/// A number below this is one of a segment: there is always a next one.
const NUMBER_END: u64 = 1_000_000_000_000_000_000;

impl FileWriter {
    /// Writes everything down, and says where that ends: of what is compressed a member ends here. Segments that have been
    /// closed since the last cut are given to be published where the directory is [live](OutputDirectory::live);
    /// others wait for the end.
    ///
    /// # Errors
    /// As [`Self::write`]; what fcntl said where no descriptor is left.
    ///
    /// # Panics
    /// If the directory is of no job with state.
    ///
    /// # Cost
    /// One write of what is pending, no flush.
    pub async fn cut(&mut self) -> Result<WriterCut, SinkError> {
        assert!(self.directory.has_state(), "a job without state is not cut");
        if self.packer.as_ref().is_some_and(crate::packer::Packer::has_begun) {
            self.end_member().await?;
        }
        self.write_pending().await?;
        let mut files = CutFiles::default();
        self.finished.take_unsynced(&mut files);
        let is_durable = self.directory.is_durable();
        let kept = self.kept.as_mut().expect("it is of a job with state");
        if let Some(open) = self.open.as_ref().filter(|_| is_durable && kept.is_changed) {
            let shared = open.file.share();
            let shared = shared.map_err(|error| SinkError::of(&open.path, "share", error))?;
            files.add(open.path.clone(), Some(shared));
        }
        if kept.is_new && is_durable {
            files.add_directory(self.directory.place().directory().to_owned());
        }
        (kept.is_changed, kept.is_new) = (false, false);
        let is_published_now = self.directory.is_live() && !self.directory.is_one_file();
        let finished =
            (is_published_now && self.finished.segment_count() > 0).then(|| self.hand_over());
        Ok(WriterCut { image: self.image(), files, finished })
    }

    /// Gives the segments that have been closed, to be published once a checkpoint names them.
    fn hand_over(&mut self) -> Finished {
        let kept = self.kept.as_mut().expect("it is of a job with state");
        let given = kept.ledger.hand_over(self.partition);
        let mut finished = std::mem::replace(&mut self.finished, Finished::new(true));
        finished.add_given(given);
        finished
    }

    /// Where it is, everything being written.
    fn image(&mut self) -> Image {
        debug_assert!(self.pending.is_empty(), "it has been written");
        let kept = self.kept.as_mut().expect("it is of a job with state");
        let open = self.open.as_ref().zip(kept.sum.as_ref()).map(|(open, sum)| Named {
            name: self.directory.name_of(&open.segment),
            byte_count: open.byte_count,
            sum: sum.value(),
        });
        let mut image = Image::new();
        Named::put_all(&mut image, "open", open.iter());
        image.put_one("next_segment", self.next_segment);
        image.put_one("finished_bytes", self.finished_bytes);
        kept.ledger.put(&mut image);
        image
    }

    /// Closes the last segment and gives all that nobody has been given: to be published. Where the directory is of a job with
    /// state they are durable then, whatever becomes of this writer.
    ///
    /// # Errors
    /// As [`Self::roll`].
    pub async fn end(&mut self) -> Result<Finished, SinkError> {
        if self.kept.is_none() {
            self.roll().await?;
            let nothing = Finished::new(self.directory.is_live());
            return Ok(std::mem::replace(&mut self.finished, nothing));
        }
        self.roll_leaving(false).await?;
        let mut finished = match self.take_again() {
            Some(again) if self.finished.segment_count() == 0 => again,
            again => {
                let mut finished = self.hand_over();
                again.into_iter().for_each(|again| finished.absorb(again));
                finished
            }
        };
        let mut files = CutFiles::default();
        finished.take_unsynced(&mut files);
        if self.directory.is_durable() {
            files.add_directory(self.directory.place().directory().to_owned());
        }
        files.sync()?;
        Ok(finished)
    }

    /// Where it is after [`Self::end`]; `None` where the directory is of no job with state.
    pub fn end_image(&mut self) -> Option<Image> {
        debug_assert!(self.open.is_none(), "it has ended");
        self.kept.is_some().then(|| self.image())
    }

    /// Segments that an earlier process was given, and may not have published: to be published again, once.
    pub fn take_again(&mut self) -> Option<Finished> {
        self.kept.as_mut()?.again.take()
    }

    /// Goes on where a cut was: opens the file that was open, and cuts off what was written behind it.
    ///
    /// # Errors
    /// [`SinkError::SegmentMissing`], [`SinkError::SegmentShort`] and [`SinkError::SegmentChanged`] where a file is
    /// not what the image says; [`SinkError::StateBehind`] where more has been published; [`SinkError::Image`];
    /// what the system said otherwise.
    ///
    /// # Cost
    /// Blocks. Every segment that has not been published is read.
    pub fn resume(
        backend: Backend,
        directory: Arc<OutputDirectory>,
        partition: u32,
        extension: &str,
        rolling_bytes: Option<u64>,
        mut image: Image,
    ) -> Result<Self, SinkError> {
        let path = directory.path().to_owned();
        let wrong = |source| SinkError::Image { path: path.clone(), source };
        let mut writer = Self::closed(backend, directory, partition, extension, rolling_bytes);
        let directory = &writer.directory;
        let waiting = Waiting::take(&mut image, directory, (partition, extension))?;
        let open = Named::take_all(&mut image, "open").map_err(wrong)?;
        writer.next_segment = image.take_one("next_segment").map_err(wrong)?;
        writer.finished_bytes = take_count(&mut image, "finished_bytes").map_err(wrong)?;
        image.end().map_err(wrong)?;
        let next = writer.next_segment;
        let is_number =
            (directory.first_segment().max(waiting.number_end)..NUMBER_END).contains(&next);
        if !is_number || open.len() > 1 {
            return Err(wrong(ImageError::new("next_segment", "does not follow the others")));
        }
        let kept = writer.kept.as_mut().expect("the caller has a directory of a job with state");
        kept.ledger = waiting.ledger;
        kept.again = (waiting.handed.segment_count() > 0).then_some(waiting.handed);
        writer.finished = waiting.closed;
        for named in open {
            let found = directory.segment_named(partition, extension, &named.name);
            let (number, segment) = found.ok_or_else(|| wrong(not_ours("open")))?;
            if number + 1 != next {
                return Err(wrong(ImageError::new("open", "is not the last segment")));
            }
            let (file, sum) = named.reopen(&segment)?;
            directory.note_opened(&segment);
            kept.sum = Some(sum);
            let file = File::over(backend, file);
            let (path, byte_count) = (open_name(&segment), named.byte_count);
            writer.open = Some(Open { file, segment, path, byte_count, writeback_end: byte_count });
        }
        Ok(writer)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::collections::BTreeSet;
    use std::path::PathBuf;

    use futures_lite::future::block_on;
    use rand::{RngExt as _, SeedableRng as _};
    use tidemill_plan::OnExisting;

    use super::*;
    use crate::Target;

    /// The segments of an image, with their lengths.
    fn named(image: &Image) -> BTreeSet<(String, u64)> {
        let mut image = image.clone();
        let entries = ["open", "handed", "closed"];
        let all = entries.map(|entry| Named::take_all(&mut image, entry).unwrap()).concat();
        all.into_iter().map(|named| (named.name, named.byte_count)).collect()
    }

    /// A checkpoint relies on nothing that has not been flushed, or is to be before it is committed: every segment that
    /// is new or longer is among the files of the cut, and the directory where a name is new.
    #[test]
    fn what_an_image_relies_on_is_flushed() {
        for is_live in [false, true] {
            let mut dice = rand_pcg::Pcg64Mcg::seed_from_u64(u64::from(is_live));
            let root = tempfile::tempdir().unwrap();
            let target = Target::Directory(root.path());
            let fresh = OutputDirectory::open_fresh(target, OnExisting::Fail, "a1", &[]).unwrap();
            let directory = Arc::new(if is_live { fresh.live() } else { fresh });
            let created = FileWriter::create(Backend::Std, Arc::clone(&directory), 0, "csv", None);
            let mut writer = block_on(created).unwrap();
            let mut before = BTreeSet::new();
            for _ in 0..12 {
                // More segments than may wait to be flushed, now and then.
                for _ in 0..dice.random_range(0..30) {
                    block_on(writer.write(b"row\n")).unwrap();
                    if dice.random_bool(0.5) {
                        block_on(writer.roll()).unwrap();
                    }
                }
                let cut = block_on(writer.cut()).unwrap();
                let now = named(&cut.image);
                let files: BTreeSet<PathBuf> =
                    cut.files.files.iter().map(|(path, _)| path.clone()).collect();
                let is_there =
                    |name: &String| files.contains(&root.path().join(format!("{name}.open")));
                let added: Vec<&(String, u64)> = now.difference(&before).collect();
                let missing = added.iter().filter(|(name, _)| !is_there(name)).count();
                assert!(missing == 0 || added.len() > crate::directory::UNSYNCED_MAX);
                let known: BTreeSet<&String> = before.iter().map(|(name, _)| name).collect();
                let has_new_name = now.iter().any(|(name, _)| !known.contains(name));
                assert_eq!(cut.files.directories.contains(root.path()), has_new_name);
                cut.files.sync().unwrap();
                before = now;
            }
            let again = block_on(writer.cut()).unwrap();
            assert!(again.files.files.is_empty(), "nothing has changed since");
        }
    }
}
