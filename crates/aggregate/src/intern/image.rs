//! Keys as columns of an image. What groups are found by is made again.

use tidemill_record::image::{Image, ImageError};

use super::slots::{Found, Slots, kept_bits};
use super::{HASHED_GROUPS, Interner, hash_all};
use crate::keys::{KeyInputs, KeyStore};

/// What a column of keys is called.
fn key_name(at: usize) -> String {
    format!("key {at}")
}

impl Interner {
    /// The keys of these groups, in this order, each at most once, to be made again by [`Self::import`].
    pub(crate) fn export(&self, groups: &[u32]) -> Image {
        let mut image = Image::new();
        for (at, column) in self.columns.iter().enumerate() {
            column.export(&key_name(at), groups, &mut image);
        }
        image
    }

    /// Takes over keys that an interner of the same types has exported, as those of the groups from 0 on. There must be
    /// none yet; without columns there is the one group that there always is.
    ///
    /// # Errors
    /// [`ImageError`]; it is of no use then.
    ///
    /// # Cost
    /// O(groups): a copy of the keys, and the hash of each.
    pub(crate) fn import(&mut self, mut image: Image) -> Result<(), ImageError> {
        let is_fresh = self.group_count == usize::from(self.columns.is_empty());
        assert!(is_fresh && self.ranges.is_none(), "there are no groups yet");
        let mut count = None;
        for (at, column) in self.columns.iter_mut().enumerate() {
            count = Some(column.import(&key_name(at), &mut image, count)?);
        }
        image.end()?;
        let Some(count) = count else { return Ok(()) };
        self.group_count = count;
        // As many rows have come, at least: enough to look whether keys lie close together.
        self.row_count = count as u64;
        self.slots = Slots::with_room(count);
        for start in (0..count).step_by(HASHED_GROUPS) {
            let groups = start..count.min(start + HASHED_GROUPS);
            let columns = self.columns.iter();
            let keys: KeyInputs<'_> =
                columns.map(|column| column.own_input(groups.clone())).collect();
            hash_all(&keys, &self.seed, groups.len(), &mut self.hashes);
            for (row, &hash) in self.hashes.iter().enumerate() {
                let is_it = |other: u32| self.columns.equals(other as usize, &keys, row);
                let Found::Free(place) = self.slots.find(kept_bits(hash), is_it) else {
                    return Err(ImageError::new(key_name(0), "holds a key twice"));
                };
                let group = u32::try_from(start + row).expect("groups are numbered in 32 bits");
                self.slots.fill(place, kept_bits(hash), group);
            }
        }
        Ok(())
    }
}
