//! Windows of fixed size, kept outside of the process.

use std::sync::Arc;

use tidemill_record::{Image, ImageError};

use super::{Layout, Pane, PaneTable};
use crate::AggTable;
use crate::windows::bounds::{Bounds, floor, put_bounds, take_bounds};

impl PaneTable {
    /// What it holds, to be made again by [`Self::import`]. Event time has passed as far as the last records say.
    ///
    /// # Cost
    /// O(panes and groups), and what they hold.
    #[must_use]
    pub fn export(&self) -> Image {
        let mut image = Image::new();
        put_bounds(&mut image, self.panes.keys().copied());
        let panes = self.panes.values();
        image.put_flags("is_closed", panes.clone().map(|pane| pane.is_closed));
        image.put_images("tables", panes.clone().map(|pane| pane.table.export()));
        image.put("appeared", panes.flat_map(|pane| pane.appeared.iter().copied()));
        image.put_one("closed_until", self.closed_until);
        image.put_image("pending", self.pending.export());
        // Panes go as event time passes, and not later.
        image.put_image("gone_keys", self.audit.export(std::iter::empty()));
        if let Some(sealed) = &self.sealed {
            image.put_image("sealed", sealed.export());
        }
        image
    }

    /// Takes over what one of the same spec has exported; only of one that has seen nothing yet.
    ///
    /// # Errors
    /// [`ImageError`], also where a pane is none of these windows.
    ///
    /// # Cost
    /// O(panes and groups), and what they hold.
    pub fn import(&mut self, mut image: Image) -> Result<(), ImageError> {
        let bounds = take_bounds(&mut image)?;
        if !bounds.is_sorted_by(|before, next| before < next) {
            return Err(ImageError::new("ends", "do not ascend"));
        }
        if !bounds.iter().all(|&pane| self.may_be_pane(pane)) {
            return Err(ImageError::new("starts", "has one that no pane begins at"));
        }
        let are_closed = image.take_flags("is_closed", bounds.len())?;
        let tables = image.take_images("tables")?;
        if tables.len() != bounds.len() {
            return Err(ImageError::new("tables", "are not as many as panes"));
        }
        let appeared: Vec<u64> = image.take("appeared")?;
        let mut appeared_rest = &appeared[..];
        let pane_count = bounds.len();
        let panes = bounds.into_iter().zip(are_closed).zip(tables);
        for (at, ((bounds, is_closed), image)) in panes.enumerate() {
            let mut table = AggTable::new(Arc::clone(&self.spec), u64::MAX);
            let imported = table.import(image);
            imported.map_err(|error| error.within(&at.to_string()).within("tables"))?;
            let count = if self.layout == Layout::Whole { 0 } else { table.group_count() };
            let Some((appeared, rest)) = appeared_rest.split_at_checked(count) else { break };
            appeared_rest = rest;
            let mut pane = Pane {
                table: Box::new(table),
                appeared: appeared.to_vec(),
                state_bytes: 0,
                is_closed,
            };
            pane.state_bytes = pane.bytes();
            self.state_bytes += pane.state_bytes;
            self.panes.insert(bounds, pane);
        }
        if self.panes.len() < pane_count || !appeared_rest.is_empty() {
            return Err(ImageError::new("appeared", "is not one offset for each group"));
        }
        self.closed_until = image.take_one("closed_until")?;
        let pending = image.take_image("pending")?;
        let group_count = |window: Bounds| Some(self.panes.get(&window)?.table.group_count());
        let imported = self.pending.import(pending, group_count);
        imported.map_err(|error| error.within("pending"))?;
        let gone = image.take_image("gone_keys")?;
        self.audit.import(gone).map_err(|error| error.within("gone_keys"))?;
        if let Some(sealed) = &mut self.sealed {
            let closed = image.take_image("sealed")?;
            sealed.import(closed).map_err(|error| error.within("sealed"))?;
        }
        image.end()
    }

    /// Whether a pane may have these bounds.
    fn may_be_pane(&self, Bounds { start, end }: Bounds) -> bool {
        match self.layout {
            Layout::Shared(width) => {
                start == floor(start, width) && end == start.saturating_add(width)
            }
            // At the end of time one may be cut off to nothing.
            Layout::Whole => start <= end,
        }
    }
}
