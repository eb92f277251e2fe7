//! The long sessions of one busy key in order of start: sorted blocks, and a directory of where each begins.
//!
//! A search reads the directory and one block, an insertion moves half a block. Ends stand beside the starts, so that
//! a session which a record does not touch is not looked up.

use super::by_key::Joined;
use super::store::NONE;
use crate::windows::bounds::Bounds;

/// Entries of a block, of which an insertion moves half.
const BLOCK_MAX: usize = 128;

/// A block with fewer is joined to the one beside it, if both fill no more than half a block.
const BLOCK_MIN: usize = BLOCK_MAX / 8;

/// Sessions of a key, no two of which begin at the same time.
#[derive(Default)]
pub(super) struct Ordered {
    /// The first start of each block, ascending.
    firsts: Vec<i64>,
    /// In the same order, none of them empty.
    blocks: Vec<Block>,
    /// What the blocks hold.
    block_bytes: usize,
}

/// Sessions that begin one after the other.
#[derive(Default)]
struct Block {
    /// Ascending.
    starts: Vec<i64>,
    /// Of each, the rest.
    rest: Vec<Rest>,
}

#[derive(Clone, Copy)]
struct Rest {
    end: i64,
    number: u32,
}

impl Block {
    /// Gives the bytes that it has gained.
    fn insert(&mut self, at: usize, start: i64, rest: Rest) -> usize {
        let bytes_before = self.heap_bytes();
        if self.starts.len() == self.starts.capacity() {
            let room = self.starts.len().clamp(8, BLOCK_MAX / 2);
            self.starts.reserve_exact(room);
            self.rest.reserve_exact(room);
        }
        self.starts.insert(at, start);
        self.rest.insert(at, rest);
        self.heap_bytes() - bytes_before
    }

    fn heap_bytes(&self) -> usize {
        self.starts.capacity() * size_of::<i64>() + self.rest.capacity() * size_of::<Rest>()
    }
}

impl Ordered {
    /// The block that holds a start, or that it belongs into, and its place there.
    fn find(&self, start: i64) -> Option<(usize, Result<usize, usize>)> {
        let block = self.firsts.partition_point(|&first| first <= start).saturating_sub(1);
        Some((block, self.blocks.get(block)?.starts.binary_search(&start)))
    }

    /// Adds a session; another that begins at the same time goes.
    ///
    /// # Cost
    /// A search, and a move of half a block; now and then a move of the directory.
    pub(super) fn insert(&mut self, bounds: Bounds, number: u32) {
        let (start, rest) = (bounds.start, Rest { end: bounds.end, number });
        let Some((at, place)) = self.find(start) else {
            return self.insert_block(0, start, rest);
        };
        let place = match place {
            Ok(known) => {
                self.blocks[at].rest[known] = rest;
                return;
            }
            Err(place) => place,
        };
        let is_last = at + 1 == self.blocks.len();
        let block = &mut self.blocks[at];
        if block.starts.len() < BLOCK_MAX {
            self.block_bytes += block.insert(place, start, rest);
            self.firsts[at] = block.starts[0];
            return;
        }
        // Sessions that come in order leave full blocks behind.
        if place == BLOCK_MAX && is_last {
            return self.insert_block(at + 1, start, rest);
        }
        if place == 0 && at == 0 {
            return self.insert_block(0, start, rest);
        }
        let half = BLOCK_MAX / 2;
        let upper =
            Block { starts: block.starts.split_off(half), rest: block.rest.split_off(half) };
        self.block_bytes += upper.heap_bytes();
        self.firsts.insert(at + 1, upper.starts[0]);
        self.blocks.insert(at + 1, upper);
        let (at, place) = if place <= half { (at, place) } else { (at + 1, place - half) };
        self.block_bytes += self.blocks[at].insert(place, start, rest);
        self.firsts[at] = self.blocks[at].starts[0];
    }

    fn insert_block(&mut self, at: usize, start: i64, rest: Rest) {
        let mut block = Block::default();
        self.block_bytes += block.insert(0, start, rest);
        self.firsts.insert(at, start);
        self.blocks.insert(at, block);
    }

    /// Notes another end of a session that begins at `start`, if it is still there.
    pub(super) fn set_end(&mut self, start: i64, end: i64, number: u32) {
        if let Some((at, Ok(place))) = self.find(start)
            && self.blocks[at].rest[place].number == number
        {
            self.blocks[at].rest[place].end = end;
        }
    }

    /// Takes a session out that begins at `start`, if it is still there.
    pub(super) fn remove(&mut self, start: i64, number: u32) {
        let Some((at, Ok(place))) = self.find(start) else { return };
        if self.blocks[at].rest[place].number != number {
            return;
        }
        let block = &mut self.blocks[at];
        block.starts.remove(place);
        block.rest.remove(place);
        match block.starts.first() {
            None => {
                self.firsts.remove(at);
                self.block_bytes -= self.blocks.remove(at).heap_bytes();
            }
            Some(&first) => {
                self.firsts[at] = first;
                if block.starts.len() < BLOCK_MIN {
                    self.join_beside(at);
                }
            }
        }
    }

    /// Joins a block that has become short to one beside it, where that is short, too.
    fn join_beside(&mut self, at: usize) {
        let pairs = [at.checked_sub(1), Some(at)].into_iter().flatten();
        let fits = |&first: &usize| {
            let len = |at: usize| self.blocks.get(at).map_or(BLOCK_MAX, |block| block.starts.len());
            len(first) + len(first + 1) <= BLOCK_MAX / 2
        };
        let Some(first) = pairs.into_iter().find(fits) else { return };
        let joined = self.blocks.remove(first + 1);
        self.firsts.remove(first + 1);
        let into = &mut self.blocks[first];
        self.block_bytes -= joined.heap_bytes() + into.heap_bytes();
        into.starts.extend(joined.starts);
        into.rest.extend(joined.rest);
        self.block_bytes += into.heap_bytes();
    }

    /// The sessions that a record with these bounds touches. Those on the way whose end `is_past` go, since they
    /// take no record ever again. `looked_at` counts those on the way.
    ///
    /// # Cost
    /// A search, amortized.
    pub(super) fn touched(
        &mut self,
        own: Bounds,
        is_past: impl Fn(i64) -> bool,
        looked_at: &mut u64,
    ) -> Joined {
        let mut found = Joined::NOBODY;
        let mut past: Vec<(i64, u32)> = Vec::new();
        let (mut at, mut place) = match self.find(own.end) {
            Some((at, Ok(place) | Err(place))) => (at, place),
            None => return found,
        };
        loop {
            if place == 0 {
                let Some(before) = at.checked_sub(1) else { break };
                (at, place) = (before, self.blocks[before].starts.len());
            }
            place -= 1;
            *looked_at += 1;
            let Rest { end, number } = self.blocks[at].rest[place];
            if is_past(end) {
                past.push((self.blocks[at].starts[place], number));
            } else if end > own.start {
                debug_assert_eq!(found.later, NONE, "sessions that take records do not touch");
                found = Joined { earlier: number, later: found.earlier };
            } else {
                // Those before it end before it.
                break;
            }
        }
        past.into_iter().for_each(|(start, number)| self.remove(start, number));
        found
    }

    /// Bytes held. O(1).
    pub(super) fn heap_bytes(&self) -> usize {
        self.firsts.capacity() * size_of::<i64>()
            + self.blocks.capacity() * size_of::<Block>()
            + self.block_bytes
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Numbers in no order, the same in every run.
    fn mixed(seed: u64) -> impl FnMut(u64) -> u64 {
        let mut state = seed;
        move |below| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        }
    }

    fn check(ordered: &Ordered, model: &BTreeMap<i64, (i64, u32)>) {
        let all: Vec<(i64, (i64, u32))> = ordered
            .blocks
            .iter()
            .flat_map(|block| block.starts.iter().zip(&block.rest))
            .map(|(&start, rest)| (start, (rest.end, rest.number)))
            .collect();
        assert!(all.iter().copied().eq(model.iter().map(|(&start, &rest)| (start, rest))));
        let firsts = ordered.blocks.iter().map(|block| block.starts[0]);
        assert!(firsts.eq(ordered.firsts.iter().copied()), "the directory is what the blocks say");
        assert!(ordered.blocks.iter().all(|block| block.starts.len() <= BLOCK_MAX));
        let bytes: usize = ordered.blocks.iter().map(Block::heap_bytes).sum();
        assert_eq!(ordered.block_bytes, bytes);
    }

    #[test]
    fn it_holds_what_a_tree_would_and_finds_what_a_walk_would() {
        for seed in 1..6 {
            let (mut ordered, mut model) = (Ordered::default(), BTreeMap::new());
            let mut random = mixed(seed);
            for number in 0..6000_u32 {
                // Ten apart, so that no two touch; mostly more come than go, later more go than come.
                let start = 10 * i64::try_from(random(3000)).unwrap_or(0);
                let is_growing = (number / 2000) % 2 == 0;
                if random(10) < if is_growing { 7 } else { 3 } {
                    ordered.insert(Bounds { start, end: start + 5 }, number);
                    model.insert(start, (start + 5, number));
                } else if let Some((&start, &(_, known))) = model.range(start..).next() {
                    ordered.remove(start, known + 1);
                    ordered.set_end(start, start + 7, known);
                    model.insert(start, (start + 7, known));
                    if random(2) == 0 {
                        ordered.remove(start, known);
                        model.remove(&start);
                    }
                }
                let own = Bounds { start: start - 4, end: start + 6 };
                let touched = model.iter().filter(|(s, (e, _))| *e > own.start && **s < own.end);
                let mut touched = touched.map(|(_, &(_, number))| number);
                let earlier = touched.next().unwrap_or(NONE);
                let expected = Joined { earlier, later: touched.next().unwrap_or(NONE) };
                assert_eq!(ordered.touched(own, |_| false, &mut 0), expected, "seed {seed}");
                if number % 500 == 0 {
                    check(&ordered, &model);
                }
            }
            check(&ordered, &model);
            let looked_at = &mut 0;
            ordered.touched(Bounds { start: 0, end: i64::MAX }, |_| true, looked_at);
            assert!(ordered.blocks.is_empty() && ordered.block_bytes == 0, "what is past has gone");
            assert_eq!(*looked_at, model.len() as u64);
        }
    }

    #[test]
    fn sessions_in_order_fill_their_blocks() {
        for is_descending in [false, true] {
            let mut ordered = Ordered::default();
            for at in 0..100_000_u32 {
                let start = if is_descending { -i64::from(at) } else { i64::from(at) };
                ordered.insert(Bounds { start: 10 * start, end: 10 * start + 5 }, at);
            }
            let bytes = ordered.heap_bytes();
            assert!((2_400_000..2_700_000).contains(&bytes), "{bytes}: 24 each, and a directory");
        }
    }
}
