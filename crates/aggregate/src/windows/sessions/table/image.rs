//! The sessions of one partition, kept outside of the process.

use std::cmp::Reverse;

use tidemill_record::{Image, ImageError};

use super::SessionTable;

impl SessionTable {
    /// What it holds, to be made again by [`Self::import`]. Event time has passed as far as the last records say: no
    /// session is there that takes no more.
    ///
    /// # Cost
    /// O(sessions), and what they hold.
    #[must_use]
    pub fn export(&self) -> Image {
        let changed = self.block.changed(&self.store);
        // When the memory of sessions that are gone is given back depends on how the input was cut into batches.
        let live = self.store.sessions.iter().zip(0..).filter(|(session, _)| !session.is_gone);
        let mut kept: Vec<u32> = live.map(|(_, number)| number).collect();
        let is_gone = |number: &u32| self.store.sessions[*number as usize].is_gone;
        let gone = changed.iter().copied().filter(is_gone);
        kept.extend(gone);
        kept.sort_unstable();
        let place = |number: &u32| kept.binary_search(number).ok();
        let places = changed.iter().filter_map(place).filter_map(|place| u32::try_from(place).ok());
        let mut image = Image::new();
        image.put_image("sessions", self.store.export(&kept));
        image.put_image("block", self.block.export(places));
        image.put_image("gone_keys", self.audit.export(std::iter::once(&self.store.keys)));
        if let Some(sealed) = &self.sealed {
            image.put_image("sealed", sealed.export());
        }
        image
    }

    /// Takes over what one of the same spec has exported; only of one that has seen nothing yet.
    ///
    /// # Errors
    /// [`ImageError`], also where two sessions of a key that take records touch.
    ///
    /// # Cost
    /// O(sessions), and a sort of them.
    pub fn import(&mut self, mut image: Image) -> Result<(), ImageError> {
        let sessions = image.take_image("sessions")?;
        self.store.import(sessions).map_err(|error| error.within("sessions"))?;
        self.check_apart().map_err(|error| error.within("sessions"))?;
        let block = image.take_image("block")?;
        let session_count = self.store.sessions.len();
        self.block.import(block, session_count).map_err(|error| error.within("block"))?;
        let gone = image.take_image("gone_keys")?;
        self.audit.import(gone).map_err(|error| error.within("gone_keys"))?;
        if let Some(sealed) = &mut self.sealed {
            let closed = image.take_image("sealed")?;
            sealed.import(closed).map_err(|error| error.within("sealed"))?;
        }
        self.by_key.refill(&mut self.store.sessions);
        for number in (0..).take(session_count) {
            let session = self.store.sessions[number as usize];
            if session.is_gone {
                continue;
            }
            self.wait(number);
            if self.sealed.is_some() {
                self.starts.push(Reverse((session.start, number)));
            }
        }
        image.end()
    }

    /// Whether the sessions of each key that take records lie apart, as those do that records have made.
    fn check_apart(&self) -> Result<(), ImageError> {
        let live = self.store.sessions.iter().filter(|session| !session.is_gone);
        if live.clone().any(|session| session.end < session.start.saturating_add(self.gap_us)) {
            return Err(ImageError::new("end", "is less than the gap behind the start"));
        }
        let mut bounds: Vec<(u32, i64, i64)> =
            live.map(|session| (session.key, session.start, session.end)).collect();
        bounds.sort_unstable();
        let touch = |pair: &[(u32, i64, i64)]| pair[0].0 == pair[1].0 && pair[1].1 < pair[0].2;
        if bounds.windows(2).any(touch) {
            return Err(ImageError::new("start", "is that of a session within another of its key"));
        }
        Ok(())
    }
}
