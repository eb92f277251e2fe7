//! Open addressing with linear probing, at most half full.

/// States by a key of two packed names.
pub(super) struct Table<V> {
    slots: Vec<Option<(u128, V)>>,
    count: usize,
}

impl<V> Table<V> {
    /// Room for some hundred keys; grows by itself.
    pub(super) fn new() -> Self {
        Self { slots: (0..1024).map(|_| None).collect(), count: 0 }
    }

    /// The state of a key, made where there is none.
    #[inline]
    pub(super) fn entry(&mut self, key: u128, new: impl FnOnce() -> V) -> &mut V {
        let mut at = self.home(key);
        loop {
            match &self.slots[at] {
                Some((other, _)) if *other == key => break,
                Some(_) => at = (at + 1) & (self.slots.len() - 1),
                None if 2 * self.count < self.slots.len() => {
                    self.count += 1;
                    self.slots[at] = Some((key, new()));
                    break;
                }
                None => {
                    self.grow();
                    return self.entry(key, new);
                }
            }
        }
        self.slots[at].as_mut().map(|(_, value)| value).expect("the slot was just found")
    }

    /// All states, in no order; the table is empty behind it, as large as it was.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = (u128, V)> {
        self.count = 0;
        self.slots.iter_mut().filter_map(Option::take)
    }

    #[inline]
    fn home(&self, key: u128) -> usize {
        let bytes = key.to_le_bytes();
        let half = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
        // A multiplication by the golden ratio spreads the low bits over the high ones.
        let hash = (half(0) ^ half(8).rotate_left(32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        usize::try_from(hash >> 32).unwrap() & (self.slots.len() - 1)
    }

    fn grow(&mut self) {
        let doubled = (0..2 * self.slots.len()).map(|_| None).collect();
        self.count = 0;
        for (key, value) in std::mem::replace(&mut self.slots, doubled).into_iter().flatten() {
            self.entry(key, || value);
        }
    }
}
