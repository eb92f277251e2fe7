//! Which files a scan reads or has read, so that none is read by two of its partitions.
//!
//! Logs that are rotated in a chain hand their names on: `log.1` comes to stand for the file that `log`
//! stood for. A partition that follows `log.1` asks here before it enters another file. Asked when a name
//! changes hands, never for a record.

use std::collections::HashSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tidemill_record::Image;
use tidemill_rt::{Backend, FileKey};

use crate::rotation::FollowedTexts;
use crate::{Held, InputFile, Missing, SourceError};

/// The files of one scan.
#[derive(Debug, Default)]
pub struct Claims {
    taken: Mutex<HashSet<FileKey>>,
    /// Files that are taken and that the last listing of what the source means found under names of their own: they have only
    /// been renamed.
    elsewhere: Mutex<HashSet<FileKey>>,
    /// Reading goes on where a file is not found.
    goes_on_without: AtomicBool,
    /// Listings that have been made, and one more; 0 where nobody makes any.
    listing_count: AtomicU64,
}

impl Claims {
    /// Those that were found.
    #[must_use]
    pub fn of<'a>(files: impl IntoIterator<Item = &'a InputFile>) -> Arc<Self> {
        let taken = files.into_iter().map(|file| file.identity.key()).collect();
        Arc::new(Self { taken: Mutex::new(taken), ..Self::default() })
    }

    /// Those in which readers go on that have exported these images, each of a path that is followed, and those of readers
    /// that begin. Without it a reader that goes on first might enter a file that another one is in the middle of.
    ///
    /// # Errors
    /// [`crate::SourceError::Image`], [`crate::SourceError::Rt`] from open, read or listing the directory.
    ///
    /// # Cost
    /// Looks at each file that is read and those beside it; decompresses those that rotation has compressed.
    pub async fn resumed<'a>(
        backend: Backend,
        texts: impl IntoIterator<Item = (&'a Path, &'a Image)>,
        begun: impl IntoIterator<Item = &'a InputFile>,
    ) -> Result<Arc<Self>, SourceError> {
        let mut taken = HashSet::new();
        for file in begun {
            match file.held.as_deref() {
                Some(Held::Known(beginning)) => {
                    let texts = beginning.texts();
                    taken.extend(FollowedTexts::files_of(backend, &file.path, texts).await?);
                }
                _ => drop(taken.insert(file.identity.key())),
            }
        }
        for (path, image) in texts {
            // What is not followed claims nothing.
            if let Ok(texts) = image.clone().take_image("texts") {
                taken.extend(FollowedTexts::files_of(backend, path, texts).await?);
            }
        }
        Ok(Arc::new(Self { taken: Mutex::new(taken), ..Self::default() }))
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.taken().len()
    }

    /// Takes a file, if nobody has.
    pub fn take(&self, file: FileKey) -> bool {
        self.taken().insert(file)
    }

    /// Whether somebody has taken a file.
    #[must_use]
    pub fn is_taken(&self, file: FileKey) -> bool {
        self.taken().contains(&file)
    }

    /// Has readers of the scan go on where a file is not found, and say what was missed.
    pub fn go_on_without(&self) {
        self.goes_on_without.store(true, Ordering::Relaxed);
    }

    /// What becomes of what is not found.
    #[must_use]
    pub fn missing(&self) -> Missing {
        match self.goes_on_without.load(Ordering::Relaxed) {
            true => Missing::Continue,
            false => Missing::Refuse,
        }
    }

    /// Says that what the source means is listed from now on, again and again.
    pub fn expect_listings(&self) {
        self.listing_count.fetch_max(1, Ordering::Relaxed);
    }

    /// Takes note of a listing: which of the files that are taken have another name there than the one they are followed under.
    pub fn note_listing(&self, elsewhere: HashSet<FileKey>) {
        *self.elsewhere() = elsewhere;
        self.listing_count.fetch_add(1, Ordering::Release);
    }

    /// Grows with every listing; 0 where none are made, so that nobody knows whether a file is gone.
    pub(crate) fn listing_count(&self) -> u64 {
        self.listing_count.load(Ordering::Acquire)
    }

    /// Whether the last listing found the file under another name.
    pub(crate) fn is_elsewhere(&self, file: FileKey) -> bool {
        self.elsewhere().contains(&file)
    }

    /// Gives files up that are gone: what bears their numbers later is another file.
    pub(crate) fn release(&self, file: FileKey) {
        self.taken().remove(&file);
    }

    fn elsewhere(&self) -> MutexGuard<'_, HashSet<FileKey>> {
        // The same.
        self.elsewhere.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn taken(&self) -> MutexGuard<'_, HashSet<FileKey>> {
        // A set is whole between two calls, whatever became of who made them.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
