//! Finds the sessions of a key that a record joins.
//!
//! Most keys have one or two sessions, which a list through the sessions themselves holds. Of a key with
//! more than a few they are kept in order of start, so that a busy key costs a search and not a walk.

use std::collections::{BTreeMap, HashMap};

use super::store::{NONE, Session};
use crate::windows::bounds::Bounds;

/// In place of a list's head: the sessions are in order of start.
const ORDERED: u32 = NONE - 1;

/// Sessions of a key that are kept in a list.
const LIST_MAX: usize = 8;

/// The sessions of every key that are not gone.
///
/// Invariant: those of one key that still take records do not touch; those that do not are passed over.
#[derive(Default)]
pub(super) struct ByKey {
    /// Of each key: the head of its list through [`Session::next`], [`NONE`] or [`ORDERED`].
    heads: Vec<u32>,
    ordered: HashMap<u32, BTreeMap<i64, u32>>,
    ordered_count: usize,
    /// Sessions that searches of busy keys have looked at.
    looked_at: u64,
}

/// The sessions that a record joins: there cannot be more than two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Joined {
    pub(super) earlier: u32,
    pub(super) later: u32,
}

impl ByKey {
    /// Adds a session.
    pub(super) fn insert(&mut self, sessions: &mut [Session], number: u32) {
        let Session { key, start, .. } = sessions[number as usize];
        if self.heads.len() <= key as usize {
            self.heads.resize(key as usize + 1, NONE);
        }
        let head = &mut self.heads[key as usize];
        if *head == ORDERED {
            return self.insert_ordered(key, start, number);
        }
        sessions[number as usize].next = std::mem::replace(head, number);
        if list(sessions, number).count() > LIST_MAX {
            let listed: Vec<u32> = list(sessions, number).collect();
            self.heads[key as usize] = ORDERED;
            // The oldest first: of two that begin together it takes no more records.
            for number in listed.into_iter().rev() {
                self.insert_ordered(key, sessions[number as usize].start, number);
                sessions[number as usize].next = NONE;
            }
        }
    }

    /// Begins anew with these sessions.
    pub(super) fn refill(&mut self, sessions: &mut [Session]) {
        *self = Self { looked_at: self.looked_at, ..Self::default() };
        for number in (0..).take(sessions.len()) {
            if !sessions[number as usize].is_gone {
                self.insert(sessions, number);
            }
        }
    }

    fn insert_ordered(&mut self, key: u32, start: i64, number: u32) {
        let replaced = self.ordered.entry(key).or_default().insert(start, number);
        self.ordered_count += usize::from(replaced.is_none());
    }

    /// A session that began at `start` begins earlier by now.
    pub(super) fn moved(&mut self, sessions: &[Session], number: u32, start: i64) {
        let session = &sessions[number as usize];
        if self.heads[session.key as usize] == ORDERED {
            let (key, now) = (session.key, session.start);
            let ordered = self.ordered.entry(key).or_default();
            if ordered.get(&start) == Some(&number) {
                ordered.remove(&start);
                self.ordered_count -= 1;
            }
            self.insert_ordered(key, now, number);
        }
    }

    /// Takes a session out, if it is still there.
    pub(super) fn remove(&mut self, sessions: &mut [Session], number: u32) {
        let Session { key, start, next, .. } = sessions[number as usize];
        let head = self.heads[key as usize];
        if head == ORDERED {
            return self.remove_ordered(key, start, number);
        }
        let before = list(sessions, head).find(|&at| sessions[at as usize].next == number);
        match before {
            Some(before) => sessions[before as usize].next = next,
            None if head == number => self.heads[key as usize] = next,
            None => {}
        }
        sessions[number as usize].next = NONE;
    }

    fn remove_ordered(&mut self, key: u32, start: i64, number: u32) {
        let Some(ordered) = self.ordered.get_mut(&key) else { return };
        if ordered.get(&start) == Some(&number) {
            ordered.remove(&start);
            self.ordered_count -= 1;
        }
        if ordered.is_empty() {
            self.ordered.remove(&key);
            self.heads[key as usize] = NONE;
        }
    }

    /// The sessions of a key that a record with these bounds joins. Those past their time are no more.
    ///
    /// # Cost
    /// O(log sessions of the key), amortized.
    #[inline]
    pub(super) fn joined(
        &mut self,
        sessions: &[Session],
        key: u32,
        own: Bounds,
        is_past: impl Fn(&Session) -> bool,
    ) -> Joined {
        let head = self.heads.get(key as usize).copied().unwrap_or(NONE);
        if head == ORDERED {
            return self.joined_ordered(sessions, key, own, is_past);
        }
        let mut found = Joined { earlier: NONE, later: NONE };
        for at in list(sessions, head) {
            let session = &sessions[at as usize];
            let touches = own.start < session.end && own.end > session.start;
            if !touches || is_past(session) {
                continue;
            }
            if found.earlier == NONE {
                found.earlier = at;
            } else if sessions[found.earlier as usize].start <= session.start {
                found.later = at;
            } else {
                found = Joined { earlier: at, later: found.earlier };
            }
        }
        found
    }

    fn joined_ordered(
        &mut self,
        sessions: &[Session],
        key: u32,
        own: Bounds,
        is_past: impl Fn(&Session) -> bool,
    ) -> Joined {
        let mut found = Joined { earlier: NONE, later: NONE };
        let Some(ordered) = self.ordered.get_mut(&key) else { return found };
        let mut past: Vec<i64> = Vec::new();
        for (&start, &at) in ordered.range(..own.end).rev() {
            self.looked_at += 1;
            let session = &sessions[at as usize];
            debug_assert_eq!(session.start, start, "a session is known by its start");
            if is_past(session) {
                // It takes no record ever again, and is not to be looked at again either.
                past.push(start);
            } else if session.end > own.start {
                debug_assert_eq!(found.later, NONE, "sessions that take records do not touch");
                found = Joined { earlier: at, later: found.earlier };
            } else {
                // Those before it end before it.
                break;
            }
        }
        self.ordered_count -= past.len();
        for start in past {
            ordered.remove(&start);
        }
        found
    }

    /// Bytes held.
    pub(super) fn heap_bytes(&self) -> usize {
        // A tree's nodes are two thirds full, of an entry and its share of the edges.
        const ORDERED_BYTES: usize = 24;
        self.heads.capacity() * size_of::<u32>() + self.ordered_count * ORDERED_BYTES
    }

    /// Sessions that searches of busy keys have looked at.
    pub(super) fn looked_at(&self) -> u64 {
        self.looked_at
    }
}

/// The numbers in a list, from its head on.
#[inline]
fn list(sessions: &[Session], head: u32) -> impl Iterator<Item = u32> {
    let next = |at: u32| Some(at).filter(|&at| at != NONE);
    std::iter::successors(next(head), move |&at| next(sessions[at as usize].next))
}
