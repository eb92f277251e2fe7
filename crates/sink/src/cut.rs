//! Where the writer of a partition is at a checkpoint, and how it goes on from there.
//!
//! At a cut everything is in the files, up to a length and with a hash that the checkpoint has. It may be committed once
//! [`CutFiles::sync`] has made them durable; segments that are whole are published after that. Whoever goes on opens files
//! by the names in the checkpoint, never by a listing, and cuts off what was written behind those lengths.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tidemill_record::{Image, ImageError};
use tidemill_rt::fs;
use tidemill_rt::world::{Step, omits};

use crate::finished::{Given, open_name};
use crate::intent::sync;
use crate::sum::Sum;
use crate::{Finished, OutputDirectory, SinkError};

/// What one writer has to say at a checkpoint.
#[derive(Debug)]
pub struct WriterCut {
    /// Where it is.
    pub image: Image,
    /// What is to be made durable before the checkpoint is committed.
    pub files: CutFiles,
    /// What is to be published once it is.
    pub finished: Option<Finished>,
}

/// Files whose bytes a checkpoint relies on. They may go to another thread.
#[derive(Debug, Default)]
pub struct CutFiles {
    /// Each with a second descriptor, where the writer has it open.
    pub(crate) files: Vec<(PathBuf, Option<fs::File>)>,
    /// Directories in which files have been made, or folders.
    pub(crate) directories: BTreeSet<PathBuf>,
}

impl CutFiles {
    /// Adds a file, with a second descriptor of it where there is one.
    pub(crate) fn add(&mut self, path: PathBuf, file: Option<fs::File>) {
        self.files.push((path, file));
    }

    pub(crate) fn add_directory(&mut self, path: PathBuf) {
        self.directories.insert(path);
    }

    /// Adds those of another writer.
    pub fn extend(&mut self, other: Self) {
        self.files.extend(other.files);
        self.directories.extend(other.directories);
    }

    /// Makes them durable, and their names. Blocks for as long as the device takes.
    ///
    /// # Errors
    /// What fsync said. It must not be repeated, and the checkpoint must not be committed: what it covered may be
    /// lost.
    pub fn sync(self) -> Result<(), SinkError> {
        for (path, file) in self.files {
            let file = match file {
                Some(file) => Ok(file),
                None => fs::File::open(&path),
            };
            let synced = file.and_then(|file| file.sync_data());
            synced.map_err(|error| SinkError::of(path, "sync", error))?;
        }
        self.directories.iter().try_for_each(|directory| sync(directory))
    }
}

/// A segment as a checkpoint has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    /// Below the directory, or the numbers of a file's part.
    pub(crate) name: String,
    pub(crate) byte_count: u64,
    pub(crate) sum: u64,
}

impl Named {
    /// Puts segments.
    pub(crate) fn put_all<'a>(image: &mut Image, entry: &str, all: impl Iterator<Item = &'a Self>) {
        let all: Vec<&Self> = all.collect();
        let mut inner = Image::new();
        inner.put_texts("names", all.iter().map(|named| named.name.as_bytes()));
        inner.put("bytes", all.iter().map(|named| named.byte_count));
        inner.put("hashes", all.iter().map(|named| named.sum));
        image.put_image(entry, inner);
    }

    /// Takes what [`Self::put_all`] has put.
    pub(crate) fn take_all(image: &mut Image, entry: &str) -> Result<Vec<Self>, ImageError> {
        let take = |mut inner: Image| {
            let names = inner.take_texts("names")?;
            let lengths: Vec<u64> = inner.take_exactly("bytes", names.len())?;
            let sums: Vec<u64> = inner.take_exactly("hashes", names.len())?;
            inner.end()?;
            let mut all = Vec::with_capacity(names.len());
            for ((name, byte_count), sum) in names.iter().zip(lengths).zip(sums) {
                let name = std::str::from_utf8(name).map_err(|_| not_utf8("names"))?.to_owned();
                all.push(Self { name, byte_count, sum });
            }
            Ok(all)
        };
        take(image.take_image(entry)?).map_err(|error: ImageError| error.within(entry))
    }

    /// Opens the segment of this final name to go on with it: cuts off what stands behind its bytes.
    ///
    /// # Errors
    /// [`SinkError::SegmentMissing`], [`SinkError::SegmentShort`], [`SinkError::SegmentChanged`],
    /// [`SinkError::StateBehind`]; what the system said.
    pub(crate) fn reopen(&self, segment: &Path) -> Result<(fs::File, Sum), SinkError> {
        let path = open_name(segment);
        let failed = |operation| move |error| SinkError::of(open_name(segment), operation, error);
        let mut options = fs::OpenOptions::new();
        options.read(true).write(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
        let file = match options.open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let path = segment.to_owned();
                return Err(match fs::symlink_metadata(segment) {
                    Ok(_) => SinkError::StateBehind { path },
                    Err(_) => SinkError::SegmentMissing { path: open_name(segment) },
                });
            }
            Err(error) => return Err(failed("open")(error)),
        };
        let found = file.metadata().map_err(failed("look at"))?;
        if !found.is_file() {
            return Err(SinkError::SegmentMissing { path });
        }
        let (expected, byte_count) = (self.byte_count, found.len());
        if byte_count < expected {
            return Err(SinkError::SegmentShort { path, byte_count, expected });
        }
        let (sum, count) = Sum::of_file(&file, expected).map_err(failed("read"))?;
        if count < expected {
            return Err(SinkError::SegmentShort { path, byte_count: count, expected });
        }
        if sum.value() != self.sum && !omits(Step::HashCheck) {
            return Err(SinkError::SegmentChanged { path, byte_count: expected });
        }
        if byte_count > expected {
            file.set_len(expected).map_err(failed("cut"))?;
            file.sync_all().map_err(failed("sync"))?;
        }
        Ok((file, sum))
    }
}

/// What a writer of a job with state remembers of the segments that it has closed.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// Those that nobody has been given yet.
    pub(crate) closed: Vec<Named>,
    /// Those that somebody has been given, and may not have published yet.
    handed: Vec<(Vec<Named>, Arc<AtomicBool>)>,
    /// How many have been given.
    pub(crate) given_count: u64,
}

impl Ledger {
    /// Segments have been given to be published: says what they have to carry with them.
    pub(crate) fn hand_over(&mut self, writer: u32) -> Given {
        let segments = std::mem::take(&mut self.closed);
        self.given_count += u64::try_from(segments.len()).expect("a usize fits u64");
        self.hand_again(writer, segments)
    }

    /// The same of segments that an earlier process has been given.
    pub(crate) fn hand_again(&mut self, writer: u32, segments: Vec<Named>) -> Given {
        let is_published = Arc::new(AtomicBool::new(segments.is_empty()));
        self.handed.push((segments, Arc::clone(&is_published)));
        Given { writer, count: self.given_count, is_published }
    }

    /// Puts the segments that are not known to be published, in order, and how many were given.
    pub(crate) fn put(&mut self, image: &mut Image) {
        self.handed.retain(|(_, is_published)| !is_published.load(Ordering::Acquire));
        let handed = self.handed.iter().flat_map(|(segments, _)| segments);
        Named::put_all(image, "handed", handed);
        Named::put_all(image, "closed", self.closed.iter());
        image.put_one("given", self.given_count);
    }
}

/// What [`Ledger::put`] has put, looked through.
pub(crate) struct Waiting {
    pub(crate) ledger: Ledger,
    /// Somebody was given them, and may not have published them.
    pub(crate) handed: Finished,
    /// Nobody was given them.
    pub(crate) closed: Finished,
    /// One more than the highest number among them.
    pub(crate) number_end: u64,
}

impl Waiting {
    /// Takes it, of a writer's segments.
    ///
    /// # Errors
    /// As [`Named::reopen`]; but what somebody was given may have been published, and then taken by whom it was for.
    pub(crate) fn take(
        image: &mut Image,
        directory: &OutputDirectory,
        (writer, extension): (u32, &str),
    ) -> Result<Self, SinkError> {
        let wrong = |source| SinkError::Image { path: directory.path().to_owned(), source };
        let given_count = take_count(image, "given").map_err(wrong)?;
        directory.check_given(writer, given_count)?;
        let mut ledger = Ledger { given_count, ..Ledger::default() };
        let mut number_end = 0;
        let mut restore = |entry: &str, was_given: bool| {
            let all = Named::take_all(image, entry).map_err(wrong)?;
            let mut finished = Finished::new(true);
            for named in &all {
                let found = directory.segment_named(writer, extension, &named.name);
                let (number, segment) = found.ok_or_else(|| wrong(not_ours(entry)))?;
                number_end = number_end.max(number + 1);
                // The first part of a file that was given may have been joined with others already.
                if !(was_given && directory.is_one_file()) {
                    match named.reopen(&segment) {
                        Err(SinkError::StateBehind { .. } | SinkError::SegmentMissing { .. })
                            if was_given => {}
                        other => drop(other?),
                    }
                }
                directory.note_opened(&segment);
                finished.add(segment, named.byte_count);
            }
            Ok((all, finished))
        };
        let (again, mut handed) = restore("handed", true)?;
        let (named, closed) = restore("closed", false)?;
        if !again.is_empty() {
            handed.add_given(ledger.hand_again(writer, again));
        }
        ledger.closed = named;
        Ok(Self { ledger, handed, closed, number_end })
    }
}

/// The names of segments in an image of a writer, or of what holds such images; for
/// [`OutputDirectory::remove_unknown`].
#[must_use]
pub fn named_in(image: &Image) -> Vec<String> {
    use tidemill_record::image::Entry;
    let mut names = Vec::new();
    for (name, entry) in image.entries() {
        match entry {
            Entry::Image(inner) if ["open", "handed", "closed"].contains(&name) => {
                for (name, entry) in inner.entries() {
                    if let ("names", Entry::Texts(texts)) = (name, entry) {
                        names.extend(texts_of(texts));
                    }
                }
            }
            Entry::Image(inner) => names.extend(named_in(inner)),
            Entry::Numbers { .. } | Entry::Texts(_) => {}
        }
    }
    names
}

fn texts_of(texts: &tidemill_record::image::Texts) -> Vec<String> {
    let (ends, bytes) = (texts.ends(), texts.bytes());
    let mut start = 0;
    let mut all = Vec::new();
    for &end in ends {
        // Whether it is damaged is found where it is restored.
        let end = usize::try_from(end).unwrap_or(usize::MAX);
        let Some(text) = bytes.get(start..end) else { break };
        all.push(String::from_utf8_lossy(text).into_owned());
        start = end;
    }
    all
}

/// Takes a number to which others are added.
pub(crate) fn take_count(image: &mut Image, name: &str) -> Result<u64, ImageError> {
    let count = image.take_one(name)?;
    if count >= 1 << 62 {
        return Err(ImageError::new(name, "is more than there can be"));
    }
    Ok(count)
}

pub(crate) fn not_utf8(name: &str) -> ImageError {
    ImageError::new(name, "is not UTF-8")
}

pub(crate) fn not_ours(name: &str) -> ImageError {
    ImageError::new(name, "has a name that is none of this writer's segments")
}
