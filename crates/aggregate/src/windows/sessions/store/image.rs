//! Sessions, kept outside of the process.

use tidemill_record::{Image, ImageError};

use super::{NONE, Session, SessionStore};

impl SessionStore {
    /// These sessions, in this order, each at most once, to be made again by [`Self::import`]: numbered from zero, as
    /// their keys are in order of the first session of each.
    ///
    /// # Cost
    /// O(sessions), and what they hold.
    pub(crate) fn export(&self, sessions: &[u32]) -> Image {
        let mut numbers = vec![NONE; self.keys.group_count()];
        let mut keys: Vec<u32> = Vec::new();
        let key_numbers = sessions.iter().map(|&number| {
            let key = self.sessions[number as usize].key;
            let number = &mut numbers[key as usize];
            if *number == NONE {
                *number = u32::try_from(keys.len()).expect("no more than there are keys");
                keys.push(key);
            }
            *number
        });
        let key_numbers: Vec<u32> = key_numbers.collect();
        let each = sessions.iter().map(|&number| &self.sessions[number as usize]);
        let mut image = Image::new();
        image.put_image("keys", self.keys.export(&keys));
        image.put("key", key_numbers);
        image.put("start", each.clone().map(|session| session.start));
        image.put("end", each.clone().map(|session| session.end));
        image.put("appeared", each.clone().map(|session| session.appeared));
        image.put("partition", each.clone().map(|session| session.partition));
        image.put("last_offset", each.clone().map(|session| session.last_offset));
        image.put_flags("has_left", each.clone().map(|session| session.has_left));
        image.put_flags("is_gone", each.map(|session| session.is_gone));
        image.put_images("states", self.states.iter().map(|state| state.export(sessions)));
        image
    }

    /// Takes over what another of the same grouping has exported; only of one without sessions.
    ///
    /// # Errors
    /// [`ImageError`], also where a session has a key that is not there or ends before it begins.
    pub(crate) fn import(&mut self, mut image: Image) -> Result<(), ImageError> {
        let keys = image.take_image("keys")?;
        self.keys.import(keys).map_err(|error| error.within("keys"))?;
        let keys: Vec<u32> = image.take("key")?;
        let count = keys.len();
        if u32::try_from(count).ok().is_none_or(|count| count == NONE) {
            return Err(ImageError::new("key", "is that of more sessions than can be numbered"));
        }
        if keys.iter().any(|&key| key as usize >= self.keys.group_count()) {
            return Err(ImageError::new("key", "is not there"));
        }
        let starts: Vec<i64> = image.take_exactly("start", count)?;
        let ends: Vec<i64> = image.take_exactly("end", count)?;
        if starts.iter().zip(&ends).any(|(start, end)| end < start) {
            return Err(ImageError::new("end", "is before the start"));
        }
        let appeared: Vec<u64> = image.take_exactly("appeared", count)?;
        let partitions: Vec<u32> = image.take_exactly("partition", count)?;
        // Another may follow.
        if partitions.contains(&u32::MAX) {
            return Err(ImageError::new("partition", "is more than there can be"));
        }
        let last_offsets: Vec<u64> = image.take_exactly("last_offset", count)?;
        let has_left = image.take_flags("has_left", count)?;
        let is_gone = image.take_flags("is_gone", count)?;
        let sessions = (0..count).map(|at| Session {
            key: keys[at],
            next: NONE,
            start: starts[at],
            end: ends[at],
            appeared: appeared[at],
            partition: partitions[at],
            last_offset: last_offsets[at],
            due: i64::MAX,
            has_left: has_left[at],
            is_gone: is_gone[at],
        });
        self.sessions = sessions.collect();
        self.gone_count = is_gone.iter().filter(|&&is_gone| is_gone).count();
        let states = image.take_images("states")?;
        if states.len() != self.states.len() {
            return Err(ImageError::new("states", "are not as many as are called"));
        }
        for (at, (state, image)) in self.states.iter_mut().zip(states).enumerate() {
            let imported = state.import(image, count);
            imported.map_err(|error| error.within(&at.to_string()).within("states"))?;
        }
        image.end()
    }
}
