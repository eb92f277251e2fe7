//! Blocks of panes, merged once for all the windows that hold them.
//!
//! A hopping window of many panes shares nearly all of them with the one before it. So its panes are merged
//! as blocks: of two, four, eight, … panes, each begun at a multiple of its length, counted from the epoch.
//! A window is at most two blocks of each length, and a block is merged from its halves, so that a pane is
//! merged a few times and not once for each window. Which blocks a window is made of depends on its panes
//! alone: floats are added in one order, whatever came before.

use std::collections::{BTreeMap, HashMap};

use super::panes::Pane;
use crate::windows::bounds::Bounds;
use crate::{AggTable, AggregateError};

/// Blocks of fewer than two to this many panes are not kept.
const LEVEL_MIN: u32 = 2;

/// Windows of fewer panes are merged pane by pane.
const PANES_MIN: i64 = 8;

/// Groups of a window or block, and with each the offset of the record that it appeared with.
pub(super) struct Merged {
    pub(super) table: AggTable,
    pub(super) appeared: Vec<u64>,
}

/// What a window is merged from, in order of time.
#[derive(Clone, Copy)]
pub(super) enum Part {
    Pane(Bounds),
    /// By level and number: the `number`th block of two to the `level` panes.
    Block(u32, i64),
}

/// The blocks of closed panes that windows to come may hold.
pub(super) struct Blocks {
    /// Length of a pane.
    width: i64,
    /// The longest block that a window can hold has two to this many panes.
    level_max: u32,
    /// `None` where merging does not make a block much smaller than its parts: those are taken.
    merged: HashMap<(u32, i64), Option<Merged>>,
    state_bytes: u64,
    /// Groups that were merged.
    merged_count: u64,
}

impl Merged {
    pub(super) fn new(table: AggTable) -> Self {
        debug_assert!(table.group_count() <= 1, "a fresh table");
        Self { table, appeared: Vec::new() }
    }

    /// Adds groups of a later time.
    pub(super) fn add(&mut self, table: &AggTable, appeared: &[u64]) -> Result<(), AggregateError> {
        let groups = self.table.merge_copy(table)?;
        self.appeared.resize(self.table.group_count(), u64::MAX);
        for (group, &at) in groups.into_iter().zip(appeared) {
            let first = &mut self.appeared[group as usize];
            *first = at.min(*first);
        }
        Ok(())
    }

    fn state_bytes(&self) -> u64 {
        self.table.state_bytes() + (self.appeared.capacity() * size_of::<u64>()) as u64
    }
}

impl Blocks {
    /// None yet. Panes are `width` long, and windows at most `size`.
    pub(super) fn new(width: i64, size: i64) -> Self {
        assert!(width > 0 && size >= width, "a window has a pane");
        let panes = size / width;
        let level_max = if panes < PANES_MIN { 0 } else { panes.ilog2() };
        Self { width, level_max, merged: HashMap::new(), state_bytes: 0, merged_count: 0 }
    }

    /// The number of a pane.
    fn place(&self, pane: Bounds) -> i64 {
        (pane.end - 1).div_euclid(self.width)
    }

    /// The parts of a window whose first pane that is there is `oldest`.
    pub(super) fn parts_of(
        &mut self,
        panes: &BTreeMap<Bounds, Pane>,
        oldest: Bounds,
        window: Bounds,
        fresh: &impl Fn() -> AggTable,
    ) -> Result<Vec<Part>, AggregateError> {
        let mut parts = Vec::new();
        let (mut at, end) = (self.place(oldest), self.place(window) + 1);
        while at < end {
            let level = at.trailing_zeros().min((end - at).ilog2()).min(self.level_max);
            if level < LEVEL_MIN {
                parts.extend(self.panes_in(panes, level, at >> level).map(Part::Pane));
            } else {
                self.collect(panes, level, at >> level, fresh, &mut parts)?;
            }
            at += 1 << level;
        }
        Ok(parts)
    }

    /// The panes of a block that are there.
    fn panes_in(
        &self,
        panes: &BTreeMap<Bounds, Pane>,
        level: u32,
        number: i64,
    ) -> impl Iterator<Item = Bounds> {
        let edge = |number: i64| (i128::from(number) << level) * i128::from(self.width);
        let cut =
            |time: i128| i64::try_from(time).unwrap_or(if time > 0 { i64::MAX } else { i64::MIN });
        let first = Bounds { end: cut(edge(number) + 1), start: i64::MIN };
        let last = Bounds { end: cut(edge(number + 1)), start: i64::MAX };
        panes.range(first..=last).map(|(&pane, _)| pane)
    }

    /// Adds the parts of a block, which is merged if it has not been.
    fn collect(
        &mut self,
        panes: &BTreeMap<Bounds, Pane>,
        level: u32,
        number: i64,
        fresh: &impl Fn() -> AggTable,
        parts: &mut Vec<Part>,
    ) -> Result<(), AggregateError> {
        let mut inside = self.panes_in(panes, level, number);
        let (first, second) = (inside.next(), inside.next());
        if first.is_none() || second.is_none() || level < LEVEL_MIN {
            parts.extend(first.into_iter().chain(second).chain(inside).map(Part::Pane));
            return Ok(());
        }
        drop(inside);
        let known = self.merged.get(&(level, number)).map(Option::is_some);
        if known == Some(true) {
            parts.push(Part::Block(level, number));
            return Ok(());
        }
        let from = parts.len();
        for half in [2 * number, 2 * number + 1] {
            self.collect(panes, level - 1, half, fresh, parts)?;
        }
        if known.is_some() {
            return Ok(());
        }
        let (merged, group_count) = self.merge(panes, &parts[from..], Merged::new(fresh()))?;
        // What is hardly smaller than its parts would take memory and save no work.
        let pays = 4 * merged.table.group_count() <= 3 * group_count;
        if pays {
            parts.truncate(from);
            parts.push(Part::Block(level, number));
            self.state_bytes += merged.state_bytes();
        }
        self.merged.insert((level, number), pays.then_some(merged));
        Ok(())
    }

    /// Parts that follow each other, merged into `merged`; how many groups they have.
    pub(super) fn merge(
        &mut self,
        panes: &BTreeMap<Bounds, Pane>,
        parts: &[Part],
        mut merged: Merged,
    ) -> Result<(Merged, usize), AggregateError> {
        let mut group_count = 0;
        for part in parts {
            let (table, appeared) = match part {
                Part::Pane(pane) => {
                    let pane = &panes[pane];
                    (&*pane.table, &pane.appeared)
                }
                Part::Block(level, number) => {
                    let block = self.merged[&(*level, *number)].as_ref();
                    let block = block.expect("parts are blocks that were merged");
                    (&block.table, &block.appeared)
                }
            };
            group_count += table.group_count();
            merged.add(table, appeared)?;
        }
        self.merged_count += group_count as u64;
        Ok((merged, group_count))
    }

    /// Forgets the blocks that hold a pane, because it has changed or goes.
    pub(super) fn forget(&mut self, pane: Bounds) {
        if self.merged.is_empty() {
            return;
        }
        let place = self.place(pane);
        for level in LEVEL_MIN..=self.level_max {
            if let Some(Some(block)) = self.merged.remove(&(level, place >> level)) {
                self.state_bytes -= block.state_bytes();
            }
        }
    }

    /// Bytes held.
    pub(super) fn state_bytes(&self) -> u64 {
        self.state_bytes
    }

    /// Groups that were merged.
    pub(super) fn merged_count(&self) -> u64 {
        self.merged_count
    }
}
