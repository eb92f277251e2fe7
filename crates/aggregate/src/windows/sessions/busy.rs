//! The sessions of keys that have many: short ones by their cells, long ones in order of start.

use std::collections::HashMap;

use foldhash::fast::FixedState;

use super::by_key::Joined;
use super::cells::Cells;
use super::ordered::Ordered;
use super::store::{NONE, Session};
use crate::windows::bounds::Bounds;

/// Finds the sessions of busy keys.
pub(super) struct Busy {
    short: Cells,
    keys: HashMap<u32, OfKey, FixedState>,
    /// What is held of long sessions.
    long_bytes: usize,
    /// Sessions that were looked at to find those that records join.
    looked_at: u64,
}

#[derive(Default)]
struct OfKey {
    /// Sessions that were put in and have not been taken out, short and long.
    session_count: usize,
    long: Ordered,
}

impl Busy {
    /// Without keys. Sessions end so long after their last record.
    pub(super) fn new(gap_us: i64) -> Self {
        Self { short: Cells::new(gap_us), keys: HashMap::default(), long_bytes: 0, looked_at: 0 }
    }

    /// Does something to the long sessions of a key, and counts what they hold then.
    fn with_long<T>(&mut self, key: u32, change: impl FnOnce(&mut Ordered) -> T) -> T {
        let long = &mut self.keys.entry(key).or_default().long;
        let bytes_before = long.heap_bytes();
        let changed = change(long);
        self.long_bytes = self.long_bytes - bytes_before + long.heap_bytes();
        changed
    }

    /// Adds a session.
    pub(super) fn insert(&mut self, session: &Session, number: u32) {
        self.keys.entry(session.key).or_default().session_count += 1;
        self.put(session, number);
    }

    fn put(&mut self, session: &Session, number: u32) {
        match self.short.cells_of(session.bounds()) {
            Some(cells) => self.short.set(session.key, cells, number),
            None => self.with_long(session.key, |long| long.insert(session.bounds(), number)),
        }
    }

    /// A session that had these bounds has others by now: it has become longer.
    pub(super) fn moved(&mut self, session: &Session, number: u32, before: Bounds) {
        debug_assert!(before.start >= session.start && before.end <= session.end, "it only grows");
        let Some(cells) = self.short.cells_of(before) else {
            return self.with_long(session.key, |long| {
                if session.start == before.start {
                    long.set_end(before.start, session.end, number);
                } else {
                    long.remove(before.start, number);
                    long.insert(session.bounds(), number);
                }
            });
        };
        if self.short.cells_of(session.bounds()).is_none() {
            self.short.clear(session.key, cells, number);
        }
        self.put(session, number);
    }

    /// Takes a session out; whether its key has no other.
    pub(super) fn remove(&mut self, session: &Session, number: u32) -> bool {
        let key = session.key;
        match self.short.cells_of(session.bounds()) {
            Some(cells) => self.short.clear(key, cells, number),
            None => self.with_long(key, |long| long.remove(session.start, number)),
        }
        let of_key = self.keys.get_mut(&key).expect("the key of a session that was put in");
        of_key.session_count -= 1;
        let is_last = of_key.session_count == 0;
        if is_last {
            self.long_bytes -= of_key.long.heap_bytes();
            self.keys.remove(&key);
        }
        is_last
    }

    /// The sessions that a record with these bounds joins; those past their time are no more.
    ///
    /// # Cost
    /// A look at three cells, and where the key has long sessions a search among them.
    pub(super) fn joined(
        &mut self,
        sessions: &[Session],
        key: u32,
        own: Bounds,
        is_past: impl Fn(i64) -> bool,
    ) -> Joined {
        let mut found = Joined::NOBODY;
        for number in self.short.near(key, self.short.cell_of(own.start)) {
            if number == NONE || number == found.earlier || number == found.later {
                continue;
            }
            self.looked_at += 1;
            let session = &sessions[number as usize];
            if own.start < session.end && own.end > session.start && !is_past(session.end) {
                found.add(sessions, number);
            }
        }
        if self.long_bytes > 0 {
            let mut looked_at = 0;
            let long = self.with_long(key, |long| long.touched(own, is_past, &mut looked_at));
            self.looked_at += looked_at;
            for number in [long.earlier, long.later].into_iter().filter(|&number| number != NONE) {
                found.add(sessions, number);
            }
        }
        found
    }

    /// Reads what [`Self::joined`] is going to read for a record, so that the misses of several records overlap:
    /// none waits for what another does. The number means nothing.
    #[inline]
    pub(super) fn touch(&self, sessions: &[Session], key: u32, time: i64) -> u64 {
        let near = self.short.near(key, self.short.cell_of(time));
        let ends =
            near.map(|number| sessions.get(number as usize).map_or(0, |session| session.end));
        ends.into_iter().fold(0, |sum, end| sum ^ end.cast_unsigned())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Bytes that one more session may make it gain at once, beside what it holds.
    pub(super) fn growth_bytes(&self) -> usize {
        self.short.growth_bytes()
    }

    /// Bytes held.
    pub(super) fn heap_bytes(&self) -> usize {
        // A hash map has a byte beside each entry.
        let by_key = self.keys.capacity() * (size_of::<(u32, OfKey)>() + 1);
        self.short.heap_bytes() + by_key + self.long_bytes
    }

    /// Sessions that were looked at to find those that records join.
    pub(super) fn looked_at(&self) -> u64 {
        self.looked_at
    }

    /// Goes on counting from here.
    pub(super) fn set_looked_at(&mut self, count: u64) {
        self.looked_at = count;
    }
}
