//! Finds the sessions of a key that a record joins.
//!
//! Most keys have one or two sessions, which a list through the sessions themselves holds. A key with
//! more than a few is busy, and its sessions are found by their time, so that it costs a look and not a walk.

use super::busy::Busy;
use super::store::{NONE, Session};
use crate::windows::bounds::Bounds;

/// In place of a list's head: the key is busy.
const BUSY: u32 = NONE - 1;

/// Sessions of a key that are kept in a list.
const LIST_MAX: usize = 8;

/// Records whose sessions are read ahead of their turn.
pub(super) const AHEAD_ROWS: usize = 32;

/// The sessions of every key that are not gone.
///
/// Invariant: those of one key that still take records do not touch; those that do not are passed over.
pub(super) struct ByKey {
    gap_us: i64,
    /// Of each key: the head of its list through [`Session::next`], [`NONE`] or [`BUSY`].
    heads: Vec<u32>,
    busy: Busy,
}

/// The sessions that a record joins: there cannot be more than two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Joined {
    pub(super) earlier: u32,
    pub(super) later: u32,
}

impl Joined {
    pub(super) const NOBODY: Self = Self { earlier: NONE, later: NONE };

    /// Adds a session, which does not touch the one that is there.
    pub(super) fn add(&mut self, sessions: &[Session], number: u32) {
        debug_assert_eq!(self.later, NONE, "a record cannot touch three sessions");
        let start = |number: u32| sessions[number as usize].start;
        *self = if self.earlier == NONE {
            Self { earlier: number, later: NONE }
        } else if start(self.earlier) <= start(number) {
            Self { earlier: self.earlier, later: number }
        } else {
            Self { earlier: number, later: self.earlier }
        };
    }
}

impl ByKey {
    /// Without sessions. They end so long after their last record.
    pub(super) fn new(gap_us: i64) -> Self {
        Self { gap_us, heads: Vec::new(), busy: Busy::new(gap_us) }
    }

    /// Adds a session.
    pub(super) fn insert(&mut self, sessions: &mut [Session], number: u32) {
        let key = sessions[number as usize].key;
        if self.heads.len() <= key as usize {
            self.heads.resize(key as usize + 1, NONE);
        }
        let head = &mut self.heads[key as usize];
        if *head == BUSY {
            return self.busy.insert(&sessions[number as usize], number);
        }
        sessions[number as usize].next = std::mem::replace(head, number);
        if list(sessions, number).count() > LIST_MAX {
            let listed: Vec<u32> = list(sessions, number).collect();
            self.heads[key as usize] = BUSY;
            // The oldest first: of two at one time it takes no more records.
            for number in listed.into_iter().rev() {
                self.busy.insert(&sessions[number as usize], number);
                sessions[number as usize].next = NONE;
            }
        }
    }

    /// Begins anew with these sessions.
    pub(super) fn refill(&mut self, sessions: &mut [Session]) {
        let looked_at = self.busy.looked_at();
        *self = Self::new(self.gap_us);
        self.busy.set_looked_at(looked_at);
        for number in (0..).take(sessions.len()) {
            if !sessions[number as usize].is_gone {
                self.insert(sessions, number);
            }
        }
    }

    /// A session that had these bounds has others by now.
    pub(super) fn moved(&mut self, sessions: &[Session], number: u32, before: Bounds) {
        let session = &sessions[number as usize];
        if self.heads[session.key as usize] == BUSY {
            self.busy.moved(session, number, before);
        }
    }

    /// Takes a session out, if it is still there.
    pub(super) fn remove(&mut self, sessions: &mut [Session], number: u32) {
        let Session { key, next, .. } = sessions[number as usize];
        let head = self.heads[key as usize];
        if head == BUSY {
            if self.busy.remove(&sessions[number as usize], number) {
                self.heads[key as usize] = NONE;
            }
            return;
        }
        let before = list(sessions, head).find(|&at| sessions[at as usize].next == number);
        match before {
            Some(before) => sessions[before as usize].next = next,
            None if head == number => self.heads[key as usize] = next,
            None => {}
        }
        sessions[number as usize].next = NONE;
    }

    /// The sessions of a key that a record with these bounds joins. Those past their time, of which `is_past` says
    /// by their end, are no more.
    ///
    /// # Cost
    /// O(1); where a busy key has long sessions O(log of those), amortized.
    #[inline]
    pub(super) fn joined(
        &mut self,
        sessions: &[Session],
        key: u32,
        own: Bounds,
        is_past: impl Fn(i64) -> bool,
    ) -> Joined {
        let head = self.heads.get(key as usize).copied().unwrap_or(NONE);
        if head == BUSY {
            return self.busy.joined(sessions, key, own, is_past);
        }
        let mut found = Joined::NOBODY;
        for at in list(sessions, head) {
            let session = &sessions[at as usize];
            if own.start < session.end && own.end > session.start && !is_past(session.end) {
                found.add(sessions, at);
            }
        }
        found
    }

    /// Reads what the next records of busy keys are going to need.
    #[inline]
    pub(super) fn read_ahead(&self, sessions: &[Session], keys: &[u32], times: &[i64]) {
        if self.busy.is_empty() {
            return;
        }
        let is_busy = |key: u32| self.heads.get(key as usize) == Some(&BUSY);
        let rows = keys.iter().zip(times).take(AHEAD_ROWS).filter(|&(&key, _)| is_busy(key));
        let touched = rows.map(|(&key, &time)| self.busy.touch(sessions, key, time));
        std::hint::black_box(touched.fold(0, |sum, one| sum ^ one));
    }

    /// Bytes that one more session may make it gain at once, beside what it holds.
    pub(super) fn growth_bytes(&self) -> usize {
        self.busy.growth_bytes()
    }

    /// Bytes held.
    pub(super) fn heap_bytes(&self) -> usize {
        self.heads.capacity() * size_of::<u32>() + self.busy.heap_bytes()
    }

    /// Sessions of busy keys that were looked at to find those that records join.
    pub(super) fn looked_at(&self) -> u64 {
        self.busy.looked_at()
    }
}

/// The numbers in a list, from its head on.
#[inline]
fn list(sessions: &[Session], head: u32) -> impl Iterator<Item = u32> {
    let next = |at: u32| Some(at).filter(|&at| at != NONE);
    std::iter::successors(next(head), move |&at| next(sessions[at as usize].next))
}
