//! A table as an image.

use tidemill_record::image::{Image, ImageError};

use crate::AggTable;

impl AggTable {
    /// What it holds, to be made again by [`Self::import`].
    ///
    /// # Cost
    /// O(groups), and what they hold.
    #[must_use]
    pub fn export(&self) -> Image {
        debug_assert!(self.scattered().is_none(), "where there are images, no row waits");
        let groups: Vec<u32> = (0..).take(self.group_count()).collect();
        let mut image = Image::new();
        image.put_image("keys", self.interner.export(&groups));
        image.put_images("states", self.states.iter().map(|state| state.export(&groups)));
        image.put_image("pending", self.pending.export());
        image.put_one("last_offset", self.last_offset);
        image
    }

    /// Takes over what a table of the same query has exported; only while it has seen nothing. Its own budget stays: where
    /// it is less than what it now holds, the next batch says so.
    ///
    /// # Errors
    /// [`ImageError`]; the table is of no use then.
    ///
    /// # Panics
    /// If it has groups.
    ///
    /// # Cost
    /// O(groups), and what they hold.
    pub fn import(&mut self, mut image: Image) -> Result<(), ImageError> {
        let keys = image.take_image("keys")?;
        self.interner.import(keys).map_err(|error| error.within("keys"))?;
        let group_count = self.interner.group_count();
        let states = image.take_images("states")?;
        if states.len() != self.states.len() {
            let reason = format!("has {} states and not {}", states.len(), self.states.len());
            return Err(ImageError::new("states", reason));
        }
        for (at, (state, image)) in self.states.iter_mut().zip(states).enumerate() {
            let imported = state.import(image, group_count);
            imported.map_err(|error| error.within(&at.to_string()).within("states"))?;
        }
        let pending = image.take_image("pending")?;
        let imported = self.pending.import(pending, group_count, self.spec.emit);
        imported.map_err(|error| error.within("pending"))?;
        self.last_offset = image.take_one("last_offset")?;
        image.end()
    }
}
