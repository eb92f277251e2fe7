//! Where an interner finds the groups of a hash: a table of eight bytes a slot, probed one slot after the other.
//!
//! A slot holds 32 bits of the hash and the number of the group, so that most slots are passed over without a look at a
//! key, and the table grows without hashing a key again. The place of a hash is its share of the table, counted from the
//! start: the table may have any number of slots, and entries stand in about the order of their hashes, so that growing
//! reads the old table and writes the new one from front to back.

/// Slots of a table that has any.
const SLOTS_MIN: usize = 16;
/// From so many on, a table grows by a quarter rather than by doubling: its memory is counted in bytes a group.
const TIGHT_SLOTS: usize = 1 << 14;
/// The share of slots that may be taken, in sixteenths: beyond it the ways along taken slots become long.
const TAKEN_SIXTEENTHS: usize = 13;
/// A table of so many slots does not stay in L2.
const FAR_SLOTS: usize = 1 << 16;
/// Slots that are looked at together, whether an entry is found or not.
const TOGETHER: usize = 4;

/// 2^64 by the golden ratio, odd.
///
/// Source: D. E. Knuth, "The Art of Computer Programming", volume 3, 6.4.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// The bits of a hash that a slot keeps.
///
/// The hash of a number is one product with the seed, folded. Of numbers that count up its high bits step by nearly the
/// same again and again, and under some seeds all fall into few places: they are mixed with the low ones, which do not.
#[inline(always)]
pub(super) fn kept_bits(hash: u64) -> u32 {
    u32::try_from(hash.wrapping_mul(SPREAD) >> 32).expect("32 bits are left")
}

/// Numbers of groups by hash.
#[derive(Default)]
pub(super) struct Slots {
    /// The kept bits of the hash above, the number of the group and one below; 0 where none is.
    slots: Vec<u64>,
    len: usize,
}

/// What a search ends at.
pub(super) enum Found {
    Group(u32),
    /// The place of the first slot that is free.
    Free(usize),
}

#[inline(always)]
fn entry(hash: u32, group: u32) -> u64 {
    u64::from(hash) << 32 | (u64::from(group) + 1)
}

#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "a slot is two halves")]
fn halves(slot: u64) -> (u32, u32) {
    ((slot >> 32) as u32, slot as u32)
}

/// Where the search for a hash begins among so many slots, at most 2^32.
#[inline(always)]
fn home(hash: u32, slot_count: usize) -> usize {
    let place = (u64::from(hash) * slot_count as u64) >> 32;
    usize::try_from(place).expect("it is less than the number of slots")
}

/// Entries that there is room for among so many slots.
fn capacity(slot_count: usize) -> usize {
    slot_count / 16 * TAKEN_SIXTEENTHS
}

/// How many slots there are next, once these are too few.
fn grown(slot_count: usize) -> usize {
    let more = if slot_count < TIGHT_SLOTS { slot_count } else { slot_count / 4 };
    (slot_count + more).next_multiple_of(SLOTS_MIN).max(SLOTS_MIN)
}

impl Slots {
    /// None, with the room that there is once so many have come.
    pub(super) fn with_room(entry_count: usize) -> Self {
        let mut slot_count = 0;
        while capacity(slot_count) < entry_count {
            slot_count = grown(slot_count);
        }
        Self { slots: vec![0; slot_count], len: 0 }
    }

    /// Room for so many entries in all before it has to grow.
    pub(super) fn capacity(&self) -> usize {
        capacity(self.slots.len())
    }

    /// Whether the next entry makes it grow.
    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.len >= self.capacity()
    }

    /// Bytes held.
    pub(super) fn heap_bytes(&self) -> usize {
        self.slots.capacity() * size_of::<u64>()
    }

    /// Bytes that are held in addition while [`Self::grow`] runs.
    pub(super) fn growing_bytes(&self) -> usize {
        grown(self.slots.len()) * size_of::<u64>()
    }

    /// For each hash the group that most likely has it, or 0 where there is none, and whether there is one. That it has
    /// the key is not known, and a group that stands further away is not found.
    ///
    /// The rows do not depend on each other, so that the slots of many are fetched from memory at once.
    pub(super) fn candidates(&self, hashes: &[u64], groups: &mut [u32], are_found: &mut [bool]) {
        let Some(last) = self.slots.len().checked_sub(TOGETHER) else {
            groups.fill(0);
            are_found.fill(false);
            return;
        };
        let from = |hash| home(kept_bits(hash), self.slots.len()).min(last);
        if self.slots.len() >= FAR_SLOTS {
            // Less work for a row than below, so that more of them are waited for at once.
            let touched = hashes.iter().fold(0, |all, &hash| all ^ self.slots[from(hash)]);
            std::hint::black_box(touched);
        }
        for ((&hash, group), is_found) in hashes.iter().zip(groups).zip(are_found) {
            let from = from(hash);
            let hash = kept_bits(hash);
            let mut number = 0;
            for &slot in self.slots[from..from + TOGETHER].iter().rev() {
                let (kept, found) = halves(slot);
                number = if kept == hash { found } else { number };
            }
            *is_found = number > 0;
            *group = number.saturating_sub(1);
        }
    }

    /// The first entry of this hash whose group is the one, or the slot for it. There must be a free slot.
    #[inline(always)]
    pub(super) fn find(&self, hash: u32, mut is_it: impl FnMut(u32) -> bool) -> Found {
        let mut place = home(hash, self.slots.len());
        loop {
            let (kept, number) = halves(self.slots[place]);
            match number.checked_sub(1) {
                None => return Found::Free(place),
                Some(group) if kept == hash && is_it(group) => return Found::Group(group),
                Some(_) => {}
            }
            place += 1;
            if place == self.slots.len() {
                place = 0;
            }
        }
    }

    /// Fills a free slot.
    #[inline]
    pub(super) fn fill(&mut self, place: usize, hash: u32, group: u32) {
        debug_assert_eq!(self.slots[place], 0, "it is free");
        self.slots[place] = entry(hash, group);
        self.len += 1;
    }

    /// Makes room for more entries. O(slots).
    #[cold]
    pub(super) fn grow(&mut self) {
        let grown = vec![0; grown(self.slots.len())];
        let before = std::mem::replace(&mut self.slots, grown);
        // Those that went past the end and stand at the start come last: all others are in about the order of their
        // hashes.
        let first_free = before.iter().position(|&slot| slot == 0).unwrap_or(0);
        let (past_end, in_order) = before.split_at(first_free);
        // From here on all is free. What is known to be is written and not read first, which of fresh memory takes the
        // system's time twice.
        let mut all_free = 0;
        for &slot in in_order.iter().chain(past_end).filter(|&&slot| slot != 0) {
            let (hash, _) = halves(slot);
            let mut place = home(hash, self.slots.len());
            if place < all_free
                && let Found::Free(found) = self.find(hash, |_| false)
            {
                place = found;
            }
            self.slots[place] = slot;
            all_free = all_free.max(place + 1);
        }
    }

    /// What it takes to find every entry once: keys that are compared, and slots that are passed on the way to them.
    #[cfg(test)]
    pub(super) fn work_counts(&self) -> (usize, usize) {
        let (mut compared, mut passed) = (0, 0);
        for (place, &slot) in self.slots.iter().enumerate().filter(|(_, slot)| **slot != 0) {
            let (hash, number) = halves(slot);
            let found = self.find(hash, |group| {
                compared += 1;
                group + 1 == number
            });
            assert!(matches!(found, Found::Group(_)), "every entry is found");
            let count = self.slots.len();
            passed += (place + count - home(hash, count)) % count;
        }
        (compared, passed)
    }

    /// Forgets all, and keeps the memory.
    pub(super) fn clear(&mut self) {
        self.slots.fill(0);
        self.len = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn insert(slots: &mut Slots, hash: u32, group: u32) {
        if slots.is_full() {
            slots.grow();
        }
        match slots.find(hash, |_| false) {
            Found::Free(place) => slots.fill(place, hash, group),
            Found::Group(_) => unreachable!("none is the one"),
        }
    }

    fn found(slots: &Slots, hash: u32, group: u32) -> bool {
        matches!(slots.find(hash, |other| other == group), Found::Group(_))
    }

    #[test]
    fn entries_of_few_hashes_are_found_as_the_table_grows_and_where_it_ends() {
        // The last hashes wrap around; all of one hash are one way.
        let hashes = [0, 1, u32::MAX, u32::MAX - 1, 1 << 31, 77];
        let mut slots = Slots::default();
        let mut all = Vec::new();
        for group in 0..3000_u32 {
            let spread = group.wrapping_mul(0x9e37_79b9);
            let hash = if group % 3 == 0 { hashes[group as usize % 6] } else { spread };
            insert(&mut slots, hash, group);
            all.push((hash, group));
            if group % 97 == 0 {
                assert!(all.iter().all(|&(hash, group)| found(&slots, hash, group)), "{group}");
                assert!(!found(&slots, hash, group + 1), "it has not come");
            }
        }
        assert!(slots.len <= slots.capacity() && slots.capacity() < slots.slots.len());
        slots.clear();
        assert!(all.iter().all(|&(hash, group)| !found(&slots, hash, group)));
    }

    #[test]
    fn candidates_are_entries_of_their_hash() {
        let mut slots = Slots::default();
        let (mut groups, mut are_found) = ([7; 4], [true; 4]);
        let hashes = [0, 5, 1 << 31, u64::from(u32::MAX)];
        slots.candidates(&hashes, &mut groups, &mut are_found);
        assert_eq!((groups, are_found), ([0; 4], [false; 4]));
        for (group, &hash) in (10..).zip(&hashes[1..]) {
            insert(&mut slots, kept_bits(hash), group);
        }
        slots.candidates(&hashes, &mut groups, &mut are_found);
        assert_eq!((groups, are_found), ([0, 10, 11, 12], [false, true, true, true]));
    }

    /// Keys that count up, in steps of any power of ten or two, under thirty seeds: nobody passes more than twice the
    /// slots that hashes at random would. With the high half of the hash alone it is up to a hundred times as many.
    #[test]
    fn keys_that_count_up_spread_under_every_seed() {
        const KEYS: u32 = 4000;
        let mut state = 1_u64;
        let mut random = || {
            // SplitMix64.
            state = state.wrapping_add(SPREAD);
            let mut drawn = state;
            drawn = (drawn ^ (drawn >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            drawn = (drawn ^ (drawn >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            drawn ^ (drawn >> 31)
        };
        let passed = |hash: &mut dyn FnMut(u64) -> u64| {
            let mut slots = Slots::default();
            (0..KEYS).for_each(|key| insert(&mut slots, kept_bits(hash(key.into())), key));
            slots.work_counts().1
        };
        let at_random = passed(&mut |_| random());
        for _ in 0..30 {
            let (begin, seed) = (random(), random());
            for step in [1, 1000, 1 << 10, 1 << 20, 1 << 40] {
                // What `foldhash` makes of a number.
                let mut folded = |key: u64| {
                    let product = u128::from((key * step) ^ begin) * u128::from(seed);
                    #[expect(clippy::cast_possible_truncation, reason = "a product is two halves")]
                    let halves = (product as u64, (product >> 64) as u64);
                    halves.0 ^ halves.1
                };
                let passed = passed(&mut folded);
                assert!(
                    passed <= 2 * at_random,
                    "{passed} slots, {at_random} at random: {begin:#x}, {seed:#x}, in steps of {step}"
                );
            }
        }
    }

    #[test]
    fn a_large_table_has_few_free_slots() {
        let mut slots = Slots::default();
        for group in 0..200_000_u32 {
            insert(&mut slots, group.wrapping_mul(0x9e37_79b9), group);
            if group > 20_000 {
                assert!(slots.slots.len() < (group as usize + 1) * 8 / 5, "{group}");
            }
        }
    }
}
