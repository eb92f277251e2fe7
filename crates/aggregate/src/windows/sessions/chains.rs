//! Sealed sessions that touch, while more are still to come.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use super::store::Session;

/// A chain's key, its start, and the session that begins it.
type Place = (u32, i64, u32);

/// Sessions of each key, those together that will be one; and when each such chain ends.
///
/// Invariant: chains of one key do not touch.
#[derive(Default)]
pub(super) struct Chains {
    by_place: BTreeMap<Place, Chain>,
    /// End and place of every chain, and of chains that have become part of others since.
    ends: BinaryHeap<Reverse<(i64, Place)>>,
    member_count: usize,
}

struct Chain {
    end: i64,
    /// In no order.
    members: Vec<u32>,
}

impl Chains {
    /// Adds a session, which may make one of several chains.
    ///
    /// # Cost
    /// O(log sessions), amortized: of chains that become one the shorter is moved.
    pub(super) fn add(&mut self, number: u32, session: &Session) {
        let (key, mut start, mut first) = (session.key, session.start, number);
        let mut chain = Chain { end: session.end, members: vec![number] };
        loop {
            let mut before = self.by_place.range((key, i64::MIN, 0)..(key, session.end, 0));
            let Some((&place, touching)) = before.next_back() else { break };
            if touching.end <= session.start {
                break;
            }
            let Some(mut other) = self.by_place.remove(&place) else { break };
            if place.1 < start {
                (_, start, first) = place;
            }
            if other.members.len() > chain.members.len() {
                std::mem::swap(&mut other.members, &mut chain.members);
            }
            chain.members.append(&mut other.members);
            chain.end = chain.end.max(other.end);
        }
        self.ends.push(Reverse((chain.end, (key, start, first))));
        self.by_place.insert((key, start, first), chain);
        self.member_count += 1;
    }

    /// Takes out the sessions of chains that end at or before a time, in no order.
    ///
    /// # Cost
    /// O(log chains) for each that goes, or has become part of another.
    pub(super) fn take_until(&mut self, time: i64) -> Vec<u32> {
        let mut taken = Vec::new();
        while let Some(&Reverse((end, place))) = self.ends.peek() {
            if end > time {
                break;
            }
            self.ends.pop();
            if self.by_place.get(&place).is_some_and(|chain| chain.end == end)
                && let Some(mut chain) = self.by_place.remove(&place)
            {
                taken.append(&mut chain.members);
            }
        }
        self.member_count -= taken.len();
        taken
    }

    /// Bytes held.
    pub(super) fn heap_bytes(&self) -> usize {
        // A tree's nodes are two thirds full.
        let of_chain = (size_of::<Place>() + size_of::<Chain>()) * 3 / 2;
        self.by_place.len() * of_chain
            + self.member_count * size_of::<u32>()
            + self.ends.capacity() * size_of::<Reverse<(i64, Place)>>()
    }
}
