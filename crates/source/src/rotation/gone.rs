//! When a followed file has gone for good, its rotations with it, so that nothing more is to be read of it.
//!
//! Its path names nothing, none of its texts is found beside the path or under another name of the source, nobody has it open to
//! write to, as far as the kernel says that, and nothing has come of it for [`GONE_PATIENCE`]. What is written to it after that by
//! one whom the kernel does not tell of is not read.

use std::time::{Duration, Instant};

use tidemill_rt::{FileKey, elapsed, now};

use super::siblings::siblings;
use super::{FollowedTexts, Text};
use crate::SourceError;

/// A file whose path names nothing is waited for so long.
const GONE_PATIENCE: Duration = Duration::from_secs(2);
/// From one look to the next at whether it has gone for good.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);
/// Listings that have begun since: the second one saw no name that it had before.
const LISTINGS: u64 = 2;

/// Since when a path names nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gone {
    since: Instant,
    /// Listings of the source by then.
    listing_count: u64,
    /// It is taken to have gone for good, and its last line has been given.
    has_ended: bool,
}

impl FollowedTexts {
    /// Takes note that the path names nothing.
    pub(super) fn note_gone(&mut self) {
        let listing_count = self.claims.listing_count();
        let since = now();
        self.gone.get_or_insert(Gone { since, listing_count, has_ended: false });
    }

    /// Takes note that bytes have come all the same.
    pub(super) fn gone_on(&mut self) {
        if let Some(gone) = &mut self.gone {
            (gone.since, gone.has_ended) = (now(), false);
        }
    }

    /// Whether all has gone, which is said once; whether its last line has been given is for the caller to see to.
    ///
    /// # Errors
    /// [`SourceError::Rt`] from fstat or listing the directory.
    pub(super) fn has_gone(&mut self) -> Result<bool, SourceError> {
        let Some(gone) = self.gone.filter(|gone| !gone.has_ended) else { return Ok(false) };
        if self.claims.listing_count() == 0 {
            return Ok(false);
        }
        let is_time = elapsed(gone.since) >= GONE_PATIENCE
            && self.claims.listing_count() >= gone.listing_count + LISTINGS
            && elapsed(self.current.file.moved()) >= GONE_PATIENCE;
        let has_gone = is_time && self.upcoming.is_empty() && self.is_nowhere()?;
        if has_gone {
            self.gone = Some(Gone { has_ended: true, ..gone });
        } else {
            let next = now() + LOOK_INTERVAL;
            self.patience_ends = self.patience_ends.into_iter().chain([next]).min();
        }
        Ok(has_gone)
    }

    /// Whether no text of the path has a name that is looked at, or is being written to.
    fn is_nowhere(&self) -> Result<bool, SourceError> {
        // What was unpacked nobody else has.
        let has_writer = |text: &Text| {
            text.file.packed_in().is_none() && text.file.file().has_writer() == Some(true)
        };
        let is_left_alone =
            |text: &Text| !self.claims.is_elsewhere(text.file.key()) && !has_writer(text);
        if !self.texts().all(is_left_alone) {
            return Ok(false);
        }
        let beside = siblings(&self.path)?;
        let is_ours = |key: FileKey| self.texts().any(|text| text.file.is_of(key));
        Ok(!beside.iter().any(|it| it.path == self.path || is_ours(it.identity.key())))
    }

    fn texts(&self) -> impl Iterator<Item = &Text> {
        self.older.iter().chain([&self.current])
    }

    /// Whether the path has gone for good and all of it has been read; `rest` bytes of the text at hand are not done with.
    pub(crate) fn is_over(&self, rest: usize) -> bool {
        let has_rest = |text: &Text| {
            !text.rest.is_empty() || text.file.byte_count_left().is_none_or(|left| left > 0)
        };
        self.gone.is_some_and(|gone| gone.has_ended)
            && rest == 0
            && self.active.is_none()
            && self.upcoming.is_empty()
            && !self.texts().any(has_rest)
    }

    /// Gives up the files that have gone.
    pub(crate) fn release(&self) {
        for text in self.texts() {
            self.claims.release(text.file.key());
            text.file.packed_in().into_iter().for_each(|packed| self.claims.release(packed));
        }
    }
}
