//! What the `OVER` of one partition holds, kept outside of the process.

use tidemill_record::{DataType, Image, ImageError};

use super::OverTable;

impl OverTable {
    /// What it holds, to be made again by [`Self::import`].
    ///
    /// Keys that were silent for longer than `idle.key.ttl` are left out, whether their memory has been given back or
    /// not, and the others stand in order of when they were last seen: when a table forgets keys depends on how the
    /// input was cut into batches.
    ///
    /// # Cost
    /// O(rows that wait, and what keys remember); a sort of the rows, and with `idle.key.ttl` of the keys.
    #[must_use]
    pub fn export(&self) -> Image {
        let mut image = Image::new();
        if let Some(waiting) = &self.waiting {
            image.put_image("waiting", waiting.export(&self.waiting_types()));
        }
        if let Some(peers) = &self.peers {
            image.put_image("peers", peers.export(&self.spec.input_types));
        }
        // Without it no key goes.
        let may_go = self.idle.iter().map(|_| &self.interner);
        image.put_image("gone_keys", self.audit.export(may_go));
        let slots: Vec<u32> = match &self.idle {
            None => {
                let keys: Vec<u32> = (0..).take(self.interner.group_count()).collect();
                image.put_image("keys", self.interner.export(&keys));
                let slot_count = self.functions.first().map_or(0, |function| function.slot_count());
                (0..).take(slot_count).collect()
            }
            Some(idle) => {
                let keys = (0..).zip(&idle.last_times);
                let alive = keys.filter(|(_, time)| idle.is_alive(**time));
                let place = |key: u32, time| {
                    let hash = self.interner.fingerprint(key as usize, &self.key_places());
                    (time, hash, key)
                };
                let mut alive: Vec<_> = alive.map(|(key, &time)| place(key, time)).collect();
                alive.sort_unstable();
                let keys: Vec<u32> = alive.iter().map(|&(_, _, key)| key).collect();
                image.put_image("keys", self.interner.export(&keys));
                image.put("last_times", alive.iter().map(|&(time, _, _)| time));
                image.put_one("watermark", idle.watermark);
                keys.into_iter().map(|key| idle.slots[key as usize]).collect()
            }
        };
        image.put_one("slot_count", slots.len() as u64);
        let functions = self.functions.iter().map(|function| function.export(&slots));
        image.put_images("functions", functions);
        image
    }

    /// Takes over what one of the same spec has exported; only of one that has seen nothing yet.
    ///
    /// # Errors
    /// [`ImageError`].
    pub fn import(&mut self, mut image: Image) -> Result<(), ImageError> {
        let types = self.waiting_types();
        if let Some(waiting) = &mut self.waiting {
            let rows = image.take_image("waiting")?;
            waiting.import(rows, &types).map_err(|error| error.within("waiting"))?;
        }
        if let Some(peers) = &mut self.peers {
            let last = image.take_image("peers")?;
            peers.import(last, &self.spec.input_types).map_err(|error| error.within("peers"))?;
        }
        let gone = image.take_image("gone_keys")?;
        self.audit.import(gone).map_err(|error| error.within("gone_keys"))?;
        let keys = image.take_image("keys")?;
        self.interner.import(keys).map_err(|error| error.within("keys"))?;
        let slot_count = self.take_slot_count(&mut image)?;
        if let Some(idle) = &mut self.idle {
            idle.last_times = image.take_exactly("last_times", slot_count)?;
            idle.watermark = image.take_one("watermark")?;
            idle.slot_count = u32::try_from(slot_count).expect("keys are numbered by u32");
            idle.slots = (0..idle.slot_count).collect();
        }
        let functions = image.take_images("functions")?;
        if functions.len() != self.functions.len() {
            return Err(ImageError::new("functions", "are not as many as are called"));
        }
        for (at, (function, image)) in self.functions.iter_mut().zip(functions).enumerate() {
            let imported = function.import(image, slot_count);
            imported.map_err(|error| error.within(&format!("functions/{at}")))?;
        }
        let bytes = self.functions.iter().map(|function| function.heap_bytes());
        self.function_bytes = bytes.sum::<usize>() as u64;
        image.end()
    }

    /// As many as there are keys; without columns of keys none before the first row.
    fn take_slot_count(&self, image: &mut Image) -> Result<usize, ImageError> {
        let slot_count: u64 = image.take_one("slot_count")?;
        let key_count = self.interner.group_count() as u64;
        let is_right = match self.spec.partition_by[..] {
            [] => slot_count <= 1,
            _ => slot_count == key_count,
        };
        match usize::try_from(slot_count) {
            Ok(slot_count) if is_right => Ok(slot_count),
            _ => Err(ImageError::new("slot_count", "is not that of the keys")),
        }
    }

    /// Types of the rows that wait: those of the input, and with peers the number behind them.
    fn waiting_types(&self) -> Vec<DataType> {
        let numbers = self.peers.is_some().then_some(DataType::Timestamp);
        self.spec.input_types.iter().cloned().chain(numbers).collect()
    }

    /// Places of the columns of a key in it.
    fn key_places(&self) -> Vec<usize> {
        (0..self.spec.partition_by.len()).collect()
    }
}
